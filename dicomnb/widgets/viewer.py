"""`Viewer`: images in the browser, scrolled, windowed and measured there."""

from __future__ import annotations

import base64
import io
import itertools
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from dicomnb.errors import Cancelled, DecodeError, DicomnbError, GeometryError
from dicomnb.images.windows import choose
from dicomnb.images.windows import window as windowed
from dicomnb.pool import side_by_side
from dicomnb.widgets.facts import facts_of
from dicomnb.widgets.faults import in_words
from dicomnb.widgets.javascript import module, style
from dicomnb.widgets.loading import loader_of
from dicomnb.widgets.measuring import completed
from dicomnb.widgets.overlays import overlays_of
from dicomnb.widgets.panel import Held, Panel
from dicomnb.widgets.showing import OF_THE_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from dicomnb.archive import Archive
    from dicomnb.pool import Cancel
    from dicomnb.widgets.overlays import Overlay
    from dicomnb.widgets.showing import Shown

__all__ = ["Viewer"]

_FRAME_RATE = 15.0
"""Frames a second of a cine, where the file does not say."""
_tickets = itertools.count(1)


class Viewer(Panel):
    """Shows a volume, a series or an instance: scroll, window, zoom, measure.

    Slices are sent to the browser in blocks around the one in view and kept there, up to
    512 MB; scrolling and windowing do not ask the kernel. Wheel, arrow keys and slider scroll;
    dragging changes the window, across for the width and up and down for the center; the
    value, its unit and the position in the patient (LPS, mm) stand under the cursor.

    Args:
        what: a `Volume` (three or four axes, lazy ones too), a ``pydicom.Dataset`` with
            pixels, an array, or a row of a search with ``archive``: a series is then fetched
            slice by slice as it is looked at. None shows nothing yet, see `show`.
        archive: where to fetch a row of a search from.
        window: ``(center, width)``, the name of a preset or of one of the file's own windows,
            ``"auto"`` or ``"full"``; None takes the file's first.
        overlay: a mask, labels or a dose on the same grid, or a dict of names to these.
        height: of the picture, in pixels of the page.
        keep: whether a picture of the slice in view is saved with the notebook. Otherwise
            nothing of what is shown is: no pixels, no names, no identifiers.

    Attributes:
        what: the `Volume`, data set or array in view, None where there is none; may be set.
        slice: index of the slice in view, from 0; may be set.
        time: index of the time in view (of a fourth axis), from 0; may be set.
        window: (center, width) in the values' unit; may be set, to a preset's name as well.
        measurements: a list of dicts: ``kind`` (``"distance"``, ``"rectangle"``,
            ``"ellipse"``), ``slice``, ``time``, ``points`` (two pairs of row and column), and
            what was measured: ``length`` in mm, or ``count``, ``mean``, ``deviation``, ``min``,
            ``max``, ``area`` in mm². May be set; figures that are missing are worked out.

    Example:
        >>> viewer = Viewer(archive.volume(scan), window="lung")
        >>> viewer.measurements
        >>> viewer.show(series.iloc[1], archive=archive)
    """

    _esm = module("viewer")
    _css = style("panel", "viewer")
    _title = "An interactive viewer"
    _empty = "Nothing is shown yet."

    what = Held()
    slice = traitlets.Int(0, min=0).tag(sync=True)
    time = traitlets.Int(0, min=0).tag(sync=True)
    window = traitlets.Any((127.5, 255.0)).tag(sync=True)
    window_function = traitlets.Enum(["LINEAR", "LINEAR_EXACT", "SIGMOID"], "LINEAR").tag(sync=True)
    inverted = traitlets.Bool(False).tag(sync=True)
    opacity = traitlets.Float(0.5, min=0, max=1).tag(sync=True)
    measurements = traitlets.List(traitlets.Dict()).tag(sync=True)
    height = traitlets.Int(512, min=120).tag(sync=True)
    frame_rate = traitlets.Float(_FRAME_RATE, min=0.1).tag(sync=True)
    kept = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        what: Any = None,
        *,
        archive: Archive | None = None,
        window: Any = None,
        overlay: Any = None,
        height: int = 512,
        keep: bool = False,
    ) -> None:
        self._shown: Shown | None = None
        self._overlays: list[Overlay] = []
        self._ticket = 0
        self._keep = keep
        self._broken = ""
        self._load: tuple[Callable[[Cancel], Shown], Any] | None = None
        self._awaited: object = None
        load = None if what is None else loader_of(what, archive=archive, window=window)
        super().__init__(height=height)
        self.observe(self._keep_picture, names=["slice", "time", "window", "inverted"])
        self.observe(lambda change: self._follow(change["new"]), names="what")
        if load is not None:
            self._take(load, overlay)

    def show(
        self, what: Any, *, archive: Archive | None = None, window: Any = None, overlay: Any = None
    ) -> Self:
        """Show something else in the place of what is in view; arguments as for a new viewer.

        What is fetched is fetched beside the kernel (`wait` waits for it); until it is there,
        what was in view stays, and goes if it cannot be had. Measurements go.

        Raises:
            TypeError: it can be neither shown nor fetched.
            RefError: a row without its UID, or several series.
            ValueError: there is no such window, or an overlay has another shape.
        """
        load = loader_of(what, archive=archive, window=window)
        self._abandon()
        self._take(load, overlay)
        return self

    def clear(self) -> None:
        """Show nothing, and let go of what was shown."""
        self._abandon()
        self._forget()
        self._broken, self._load, self._awaited = "", None, None
        self._tell_state()

    # -- what the browser asks for ----------------------------------------------------------------

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        return {"want": self._want, "again": lambda *_: self._again()}

    def _want(self, message: dict[str, Any], _: Any) -> None:
        ticket = message.get("ticket")
        if ticket == self._ticket:
            wanted = [int(index) for index in message.get("frames", ())]
            self._background.run(lambda cancel: self._send_frames(ticket, wanted, cancel))

    def _tell_state(self) -> None:
        if self._shown is None or self._broken:
            told = {"words": self._broken or self._empty, "again": self._load is not None}
            self.send({"kind": "broken" if self._broken else "nothing", **told})
            return
        facts, preview = facts_of(self._shown, self._overlays)
        self.send({"kind": "facts", "ticket": self._ticket, **facts}, preview)

    def _send_frames(self, ticket: int, wanted: Sequence[int], cancel: Cancel) -> None:
        """Read frames of what has this ticket and send them as one message; in the background."""
        shown, overlays = self._shown, self._overlays
        if shown is None or ticket != self._ticket:
            return  # something else is shown by now, of which these were not asked for
        times, slices = shown.shape[:2]

        def read(index: int, inner: Cancel) -> tuple[int, bytes | str]:
            inner.check()
            place = divmod(index, slices)
            try:
                return index, shown.frame(*place).tobytes()
            except (DicomnbError, OSError, MemoryError) as error:
                return index, f"Slice {place[1] + 1} could not be read. {error}"

        inside = [index for index in wanted if 0 <= index < times * slices]
        workers = min(shown.workers, len(inside)) or 1
        sent: list[int] = []
        parts: list[bytes] = []
        for index, values in side_by_side(read, inside, workers=workers, cancel=cancel):
            if isinstance(values, str):
                self._tell({"kind": "failed", "frame": index, "ticket": ticket, "words": values})
                continue
            sent.append(index)
            place = divmod(index, slices)
            parts += [values, *(overlay.frame(*place).tobytes() for overlay in overlays)]
        if sent:
            self._tell({"kind": "frames", "frames": sent, "ticket": ticket}, [b"".join(parts)])

    def _tell(self, message: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        """Send from the background, on the kernel's loop."""
        self._background.tell(lambda: self.send(message, buffers))

    # -- what is shown ----------------------------------------------------------------------------

    def _take(self, load: Shown | Callable[[Cancel], Shown], overlay: Any) -> None:
        """Show this: now, or when it has been fetched."""
        this = self._awaited = object()
        was_broken, self._broken, self._load = self._broken, "", None
        if not callable(load):
            self._show(load, overlays_of(overlay, load))
            return

        def fetch(cancel: Cancel) -> tuple[Shown, list[Overlay]]:
            shown = load(cancel)
            cancel.check()
            return shown, overlays_of(overlay, shown)

        # What was fetched, but not told of, before something else was asked for is not wanted.
        def done(got: tuple[Shown, list[Overlay]]) -> None:
            if this is self._awaited:
                self._show(*got)

        def failed(error: BaseException) -> None:
            if this is self._awaited and not isinstance(error, Cancelled):
                # What makes no picture makes none however often it is asked for.
                is_hopeless = isinstance(error, DecodeError | GeometryError)
                self._load = None if is_hopeless else (load, overlay)
                if self._shown is not None:
                    self._forget()
                self._failed(error)

        self._begin("Fetching…", fetch, done, failed=failed)
        if was_broken:
            self._tell_state()

    def _again(self) -> None:
        """Try once more to fetch what could not be had."""
        if self._load is not None:
            self._take(*self._load)

    def _forget(self) -> None:
        """Let go of what was shown."""
        self._shown, self._overlays, self._ticket = None, [], next(_tickets)
        self.what, self.measurements, self.kept = None, [], ""

    def _show(self, shown: Shown, overlays: list[Overlay]) -> None:
        is_first = self._ticket == 0
        self._shown, self._overlays, self._ticket = shown, overlays, next(_tickets)
        with self.hold_trait_notifications():
            is_film = shown.samples == 3 or shown.frame_rate is not None
            self.what = shown.what
            self.slice = 0 if is_film else shown.shape[1] // 2
            self.time = 0
            self.window = (shown.window.center, shown.window.width)
            self.window_function = shown.window.function
            self.frame_rate = shown.frame_rate or _FRAME_RATE
            self.inverted = self.inverted and is_first
            self.measurements = list(self.measurements) if is_first else []
        self._tell_state()
        self._keep_picture(None)

    def _follow(self, what: Any) -> None:
        """Show what was set from outside, or nothing."""
        before = None if self._shown is None else self._shown.what
        if what is None and before is not None:
            self.clear()
        elif what is not before:
            self.show(what)

    def _failed(self, error: BaseException) -> None:
        self._broken = f"This cannot be shown. {in_words(error)}"
        self._tell_state()

    def wait(self) -> Self:
        """Until what was given has been fetched; for scripts. A row is fetched beside the kernel.

        Raises:
            RuntimeError: it cannot be shown, with the reason.
        """
        super().wait()
        if self._broken:
            raise RuntimeError(self._broken)
        return self

    # -- what may be set --------------------------------------------------------------------------

    @traitlets.validate("slice")
    def _check_slice(self, proposal: Any) -> int:
        return self._checked(proposal["value"], axis=1, name="slice")

    @traitlets.validate("time")
    def _check_time(self, proposal: Any) -> int:
        return self._checked(proposal["value"], axis=0, name="time")

    def _checked(self, value: int, *, axis: int, name: str) -> int:
        if self._shown is not None and value >= self._shown.shape[axis]:
            raise traitlets.TraitError(
                f"{name}={value}: there are {self._shown.shape[axis]}, counted from 0."
            )
        return value

    @traitlets.validate("window")
    def _check_window(self, proposal: Any) -> tuple[float, float]:
        value = proposal["value"]
        if isinstance(value, list | tuple) and len(value) == 2:
            try:
                center, width = float(value[0]), float(value[1])
            except (TypeError, ValueError) as error:
                raise traitlets.TraitError(f"window={value!r}: give two numbers.") from error
            if not (np.isfinite(center) and np.isfinite(width) and width > 0):
                raise traitlets.TraitError(f"window={value!r}: the width is more than 0.")
            return (center, width)
        shown = self._shown
        if shown is None:
            raise traitlets.TraitError("Nothing is shown yet: give window=(center, width).")
        name = str(value).strip().lower()
        offered = (one for some in shown.windows.values() for one in some)
        found = next((one for one in offered if one.explanation.lower() == name), None)
        try:
            chosen = found or choose(
                shown.frame(self.time, self.slice), value, named=shown.windows.get(OF_THE_IMAGE, ())
            )
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from error
        self.window_function = chosen.function
        return (chosen.center, chosen.width)

    @traitlets.validate("measurements")
    def _complete(self, proposal: Any) -> list[dict[str, Any]]:
        shown = self._shown
        if shown is None:
            return list(proposal["value"])
        return [self._completed(one, shown) for one in proposal["value"]]

    def _completed(self, one: dict[str, Any], shown: Shown) -> dict[str, Any]:
        if "length" in one or "count" in one:
            return one
        place = {"slice": self.slice, "time": self.time, **one}
        time, slice = int(place["time"]), int(place["slice"])
        if not (0 <= time < shown.shape[0] and 0 <= slice < shown.shape[1]):
            raise traitlets.TraitError(f"There is no slice {slice} at time {time}: {one!r}")
        try:
            return completed(place, shown.frame(time, slice), spacing=shown.spacing)
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from error

    # -- where there is no browser, or no kernel ---------------------------------------------------

    def _keep_picture(self, _: Any) -> None:
        if self._keep and self._shown is not None:
            picture = base64.b64encode(self._drawn()).decode()
            self.kept = f"data:image/png;base64,{picture}"

    def _drawn(self) -> bytes:
        """The slice in view as a PNG."""
        from PIL import Image

        shown = self._shown
        if shown is None:
            return b""
        drawn = shown.frame(self.time, self.slice)
        if shown.samples == 1:
            drawn = windowed(drawn, *self.window, function=self.window_function)
        if self.inverted != shown.inverted:
            drawn = 255 - drawn
        out = io.BytesIO()
        Image.fromarray(drawn).save(out, "PNG")
        return out.getvalue()

    def __repr__(self) -> str:
        if self._shown is None:
            return f"<dicomnb Viewer: {'loading' if self.busy else 'nothing yet'}>"
        times, slices, rows, columns = self._shown.shape
        stack = f"{slices} × {rows} × {columns}"
        return f"<dicomnb Viewer: {f'{times} × ' if times > 1 else ''}{stack}>"

    def _static(self) -> str:
        return f'<img src="{escape(self.kept)}" alt=""><br>' if self.kept else ""
