"""Windows: centre and width of the values that become grey (PS3.3 C.11.2)."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from dicomnb.images.headers import Attributes, text

__all__ = ["PRESETS", "Function", "Window", "choose", "percentiles", "window", "windows_of"]

Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
FUNCTIONS = get_args(Function)

#: Names that choose by the values there are, not by anything in the file.
_BY_VALUES = {"auto": (1.0, 99.0), "full": (0.0, 100.0)}


class Window(NamedTuple):
    """A window in modality values.

    Attributes:
        center: its middle (see `window` for the half value that LINEAR shifts it by).
        width: from black to white.
        explanation: what the file, or the preset, calls it.
        function: VOI LUT Function.
    """

    center: float
    width: float
    explanation: str = ""
    function: Function = "LINEAR"

    @property
    def ends(self) -> tuple[float, float]:
        """The values that become black and white; of a sigmoid, those of its middle slope."""
        if self.function == "LINEAR":
            middle, half = self.center - 0.5, (self.width - 1) / 2
        else:
            middle, half = self.center, self.width / 2
        return middle - half, middle + half

    def __str__(self) -> str:
        numbers = f"C {self.center:.5g}  W {self.width:.5g}".replace("-", "−")
        return f"{self.explanation} {numbers}" if self.explanation else numbers


#: Windows for CT, in HU.
PRESETS: dict[str, Window] = {
    name: Window(center, width, name)
    for name, center, width in (
        ("abdomen", 50, 400),
        ("angio", 300, 600),
        ("bone", 400, 1800),
        ("brain", 40, 80),
        ("liver", 60, 160),
        ("lung", -600, 1500),
        ("mediastinum", 50, 350),
        ("soft tissue", 40, 400),
        ("stroke", 35, 40),
        ("subdural", 75, 215),
    )
}


def window(
    array: np.ndarray[Any, Any],
    center: float,
    width: float,
    *,
    function: str = "LINEAR",
    range: tuple[int, int] = (0, 255),
) -> np.ndarray[Any, Any]:
    """Map values to grey, as PS3.3 C.11.2.1.2 and C.11.2.1.3 say.

    LINEAR reaches from ``center − 0.5 − (width − 1) / 2`` to ``center − 0.5 + (width − 1) / 2``,
    LINEAR_EXACT from ``center − width / 2`` to ``center + width / 2``; SIGMOID has half grey at
    the center.

    Args:
        array: modality values of any shape.
        center: of the window.
        width: of the window: 1 or more for LINEAR, more than 0 for the others.
        function: VOI LUT Function.
        range: darkest and brightest grey, within 0 … 255.

    Returns:
        uint8 of the same shape, rounded to the nearest. NaN becomes the darkest.

    Raises:
        ValueError: an unknown function, or a width or range that cannot be.
    """
    low, high = range
    if function not in FUNCTIONS:
        raise ValueError(f"function={function!r}: it is one of {', '.join(FUNCTIONS)}.")
    if not (math.isfinite(center) and math.isfinite(width)):
        raise ValueError(f"A window needs numbers; this has center {center}, width {width}.")
    if width < 1 if function == "LINEAR" else width <= 0:
        bound = "1 or more" if function == "LINEAR" else "more than 0"
        raise ValueError(f"The width of a {function} window must be {bound}, not {width}.")
    if not 0 <= low < high <= 255:
        raise ValueError(f"range={range}: it must lie within 0 … 255, the darkest first.")
    limits = np.iinfo(array.dtype) if array.dtype.kind in "iu" else None
    if limits is not None and array.dtype.itemsize <= 2 and array.size > limits.max - limits.min:
        # More pixels than values: work out each value once.
        values = np.arange(limits.min, limits.max + 1, dtype=np.float64)
        table = _grey(values, center, width, function=function, low=low, high=high)
        unsigned = array.view(f"u{array.dtype.itemsize}")
        grey: np.ndarray[Any, Any] = np.roll(table, limits.min)[unsigned]
        return grey
    return _grey(array.astype(np.float64), center, width, function=function, low=low, high=high)


def _grey(
    values: np.ndarray[Any, Any],
    center: float,
    width: float,
    *,
    function: str,
    low: int,
    high: int,
) -> np.ndarray[Any, Any]:
    """Work out the grey of each value; ``values`` is used up."""
    if function == "SIGMOID":
        exponent = np.clip(-4 * (values - center) / width, -700, 700)
        share = 1 / (1 + np.exp(exponent))
    else:
        middle, span = (center, width) if function == "LINEAR_EXACT" else (center - 0.5, width - 1)
        if span == 0:  # LINEAR of width 1: a step
            share = (values > middle).astype(np.float64)
        else:
            share = np.clip((values - middle) / span + 0.5, 0, 1)
    grey = np.floor(share * (high - low) + low + 0.5)
    return np.nan_to_num(grey, nan=low).astype(np.uint8)


def windows_of(dataset: Attributes) -> tuple[Window, ...]:
    """The windows that a data set, or an item of it, names; unusable ones are left out."""
    centers = _values(dataset, "WindowCenter")
    widths = _values(dataset, "WindowWidth")
    names = text(dataset, "WindowCenterWidthExplanation").split("\\")
    function: Any = text(dataset, "VOILUTFunction").upper() or "LINEAR"
    if function not in FUNCTIONS:
        function = "LINEAR"
    least = 1.0 if function == "LINEAR" else 1e-12
    return tuple(
        Window(center, width, names[number] if number < len(names) else "", function)
        for number, (center, width) in enumerate(zip(centers, widths, strict=False))
        if math.isfinite(center) and math.isfinite(width) and width >= least
    )


def percentiles(
    array: np.ndarray[Any, Any], lower: float = 1, upper: float = 99, *, name: str = "auto"
) -> Window:
    """A window over the values themselves, for images that name none.

    Args:
        array: modality values; NaN and infinities do not count.
        lower: percentile that becomes black.
        upper: percentile that becomes white.
        name: what to call the window.
    """
    values = array.reshape(-1)
    if values.size > 1 << 20:  # enough to know its percentiles
        values = values[:: values.size >> 20]
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if values.size == 0:
        return Window(0.0, 1.0, name, "LINEAR_EXACT")
    low, high = (float(edge) for edge in np.percentile(values, (lower, upper)))
    if low == high:  # nearly all of one value: show whatever else there is
        low, high = float(array[np.isfinite(array)].min()), float(array[np.isfinite(array)].max())
    if low == high:
        return Window(low + 0.5, 1.0, name, "LINEAR_EXACT")
    return Window((low + high) / 2, high - low, name, "LINEAR_EXACT")


def choose(
    array: np.ndarray[Any, Any],
    asked: str | tuple[Any, ...] | None,
    *,
    named: tuple[Window, ...] = (),
    modality: str = "",
) -> Window:
    """Decide which window to show values with.

    Args:
        array: modality values.
        asked: ``(center, width)`` or ``(center, width, function)``; a name: one that the file
            gives, a preset for CT (see `PRESETS`), ``"auto"`` (percentiles 1 to 99) or
            ``"full"``; None for the file's first, or else ``"auto"``.
        named: the file's own windows.
        modality: Modality, where known: presets are in HU and for CT only.

    Raises:
        ValueError: there is no window of that name, or the numbers are none.
    """
    if asked is None:
        return named[0] if named else percentiles(array)
    if not isinstance(asked, str):
        return _window_of(asked)
    name = asked.strip().lower()
    for one in named:
        if one.explanation.strip().lower() == name:
            return one
    if name in _BY_VALUES:
        return percentiles(array, *_BY_VALUES[name], name=name)
    if name in PRESETS and modality in ("", "CT"):
        return PRESETS[name]
    if name in PRESETS:
        raise ValueError(
            f"The window {name!r} is in HU, for CT; this is {modality}. Give (center, width), "
            "'auto' or 'full'."
        )
    known = [one.explanation for one in named if one.explanation]
    offer = ", ".join([*known, *PRESETS, *_BY_VALUES])
    raise ValueError(f"There is no window {asked!r}. Give (center, width), or one of: {offer}.")


def _window_of(asked: tuple[Any, ...]) -> Window:
    """A window given as numbers, any `Window` included."""
    if isinstance(asked, Window):
        return asked
    try:
        center, width, *rest = asked
        (name,) = rest or ("LINEAR",)
        function: Any = str(name).upper().replace("-", "_")
        return Window(float(center), float(width), "", function)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"window={asked!r}: it is (center, width), with a VOI LUT function as third if "
            "wanted, a name, or None."
        ) from error


def _values(dataset: Attributes, keyword: str) -> list[float]:
    """All numbers of an attribute; NaN where a value is none."""
    found = []
    for value in text(dataset, keyword).split("\\"):
        try:
            found.append(float(value))
        except ValueError:
            found.append(math.nan)
    return found
