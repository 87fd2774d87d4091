"""Frames one after the other, as they were filmed: a picture that moves, in HTML."""

from __future__ import annotations

import base64
import html
import json
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnb.errors import LimitExceeded
from dicomnb.files import atomic_write
from dicomnb.plots.pictures import pictures_of

if TYPE_CHECKING:
    import numpy as np

    from dicomnb.plots.pictures import Pictures

    Array = np.ndarray[Any, Any]
    Asked = str | tuple[Any, ...] | None

__all__ = ["Cine", "animate"]

_MOST_BYTES = 64 << 20
_MS = 100.0  # for a stack that tells no times


@dataclass(frozen=True, repr=False)
class Cine:
    """A film that a notebook shows, with buttons; it needs no server and no other file.

    Attributes:
        frames: each as a JPEG.
        times: ms that each is shown for.
        size: width and height on the screen, in pixels, in the shape of the patient.
        title: what it is.
        letters: the sides of the patient at top, right, bottom and left.
        names: what each frame is called.
    """

    frames: tuple[bytes, ...]
    times: tuple[float, ...]
    size: tuple[int, int]
    title: str
    letters: tuple[str, str, str, str]
    names: tuple[str, ...]

    @property
    def html(self) -> str:
        """An element with its own style and script, to stand in any page."""
        facts = {
            "frames": [base64.b64encode(frame).decode("ascii") for frame in self.frames],
            "times": [round(time, 3) for time in self.times],
            "names": list(self.names),
        }
        # "</script>" in a name must not end the script.
        data = json.dumps(facts).replace("<", "\\u003c")
        width, height = self.size
        sides = "".join(
            f'<b class="{side}">{html.escape(letter)}</b>'
            for side, letter in zip(("t", "r", "b", "l"), self.letters, strict=True)
            if letter
        )
        here = Path(__file__).with_name("cine.html").read_text("utf-8")
        for mark, text in (
            ("{{width}}", str(width)),
            ("{{height}}", str(height)),
            ("{{title}}", html.escape(self.title)),
            ("{{sides}}", sides),
            ("{{last}}", str(len(self.frames) - 1)),
            ("{{data}}", data),
        ):
            here = here.replace(mark, text)
        return here

    def save(self, path: str | Path) -> Path:
        """Write it as a page of its own; gives back the path."""
        page = f'<!doctype html><meta charset="utf-8"><title>{html.escape(self.title)}</title>'
        with atomic_write(target := Path(path).expanduser()) as file:
            file.write(f"{page}\n{self.html}".encode())
        return target

    def _repr_html_(self) -> str:
        return self.html

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        seconds = sum(self.times) / 1000
        return f"<Cine {self.title!r}: {len(self.frames)} frames in {seconds:.3g} s>"


def animate(
    what: Any,
    *,
    window: Asked = None,
    fps: float | None = None,
    step: int = 1,
    width: int | None = None,
    quality: int = 85,
    title: str | None = None,
) -> Cine:
    """Film the frames of a data set, or the slices of a volume, for a notebook.

    Args:
        what: a data set of many frames, a `Volume`, or an array of (slices, rows, columns) or
            (slices, rows, columns, 3).
        window: one for all; see `show`.
        fps: frames a second; if not given, the times that the data set tells (FrameTime,
            FrameTimeVector, or a recommended rate), else ten a second.
        step: every how many frames; those between are left out and time goes on as before.
        width: on the screen, in pixels; 512 at most if not given, never more than twice as
            large as the image.
        quality: of the JPEGs, 1 to 100.
        title: instead of the description of the series.

    Returns:
        `Cine`: shows itself in a notebook; ``save("film.html")`` writes a page.

    Raises:
        TypeError: nothing to film.
        ValueError: one image only; or ``fps``, ``step``, ``width`` or ``quality`` cannot be.
        LimitExceeded: the film would be larger than 64 MiB, which no notebook likes.

    Example:
        >>> dn.plots.animate(archive.dataset(echo))  # doctest: +SKIP
    """
    if operator.index(step) < 1 or (fps is not None and not fps > 0):
        raise ValueError(f"fps={fps}, step={step}: both must be above 0.")
    if width is not None and not 16 <= width <= 4096:
        raise ValueError(f"width={width}: it lies between 16 and 4096.")
    images = pictures_of(what, window=window, alike=True)
    if images.count < 2:
        raise ValueError("One image does not move: use show.")
    places = range(0, images.count, step)
    times = _times(images, fps, step, len(places))
    size = _size(images, width)
    frames: list[bytes] = []
    total = 0
    for place in places:
        frames.append(_jpeg(images.draw(place), size, quality))
        total += len(frames[-1])
        if total > _MOST_BYTES:
            raise LimitExceeded(
                f"The first {len(frames)} of {len(places)} frames take {total:,} bytes already; "
                f"the limit is {_MOST_BYTES:,}. Take a larger step=, or a smaller width=."
            )
    middle = places[len(places) // 2]
    words = (images.title if title is None else title, images.shown(middle))
    return Cine(
        tuple(frames),
        times,
        size,
        "  ·  ".join(word for word in words if word),
        images.letters(middle),
        tuple(f"{images.noun} {place + images.first}" for place in places),
    )


def _times(images: Pictures, fps: float | None, step: int, count: int) -> tuple[float, ...]:
    """Ms for each frame that is left; with a step, of those that are left out as well."""
    if fps is not None:
        return (1000 / fps,) * count
    if not images.times:
        return (_MS,) * count
    return tuple(sum(images.times[place : place + step]) for place in range(0, images.count, step))


def _size(images: Pictures, width: int | None) -> tuple[int, int]:
    """Width and height on the screen, in the shape of the patient."""
    rows, columns = images.draw(0).shape[:2]
    across = width or min(512, 2 * columns)
    return across, max(round(across * rows * images.aspect / columns), 1)


def _jpeg(picture: Array, size: tuple[int, int], quality: int) -> bytes:
    """A frame as JPEG, no larger than it is shown."""
    from dicomnb.images.render import render

    fits = picture.shape[1] <= size[0] and picture.shape[0] <= size[1]
    return render(picture, "jpeg", quality=quality, viewport=None if fits else size)
