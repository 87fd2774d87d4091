"""What a viewer's front end is told of what it is to show, before any of its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicomnb.images.windows import Window
    from dicomnb.widgets.overlays import Overlay
    from dicomnb.widgets.showing import Shown

__all__ = ["PREVIEW_BYTES", "facts_of"]

PREVIEW_BYTES = 2 << 20
"""How much of a stack is sent at once, coarsely, before its slices come."""
_COARSEST = 16


def facts_of(shown: Shown, overlays: Sequence[Overlay]) -> tuple[dict[str, Any], list[memoryview]]:
    """The facts as JSON, and the buffers that go with them: the preview, where there is one."""
    preview = _preview(shown)
    facts = {
        "shape": shown.shape,
        "samples": shown.samples,
        "type": shown.dtype.name,
        "spacing": shown.spacing,
        "affine": _listed(shown.affine),
        "affines": [_listed(affine) for affine in shown.affines],
        "units": shown.units,
        "title": "\n".join((shown.title, *shown.notes)).strip(),
        "inverted": shown.inverted,
        "times": shown.times,
        "window": _told(shown.window),
        "windows": [
            {**_told(one), "group": group} for group, some in shown.windows.items() for one in some
        ],
        "overlays": [{"name": one.name, "colours": one.colours} for one in overlays],
        "preview": preview and preview[0],
    }
    return facts, [preview[1].data] if preview else []


def _listed(affine: np.ndarray[Any, Any] | None) -> list[list[float]] | None:
    return None if affine is None else affine.tolist()


def _told(window: Window) -> dict[str, Any]:
    return {
        "name": window.explanation or "window",
        "center": window.center,
        "width": window.width,
        "function": window.function,
    }


def _preview(shown: Shown) -> tuple[dict[str, int], np.ndarray[Any, Any]] | None:
    """Every frame in memory with each nth row and column only; None where that does not pay."""
    times, slices, rows, columns = shown.shape
    if not shown.is_in_memory or times * slices < 2:
        return None
    each = shown.samples * shown.dtype.itemsize
    for step in range(2, _COARSEST + 1):
        small = (-(-rows // step), -(-columns // step))
        if times * slices * small[0] * small[1] * each <= PREVIEW_BYTES:
            break
    else:
        return None
    frames = [
        np.asarray(shown.read(time, slice))[::step, ::step]
        for time in range(times)
        for slice in range(slices)
    ]
    values = np.ascontiguousarray(np.stack(frames), dtype=shown.dtype.newbyteorder("<"))
    return {"step": step, "rows": small[0], "columns": small[1]}, values
