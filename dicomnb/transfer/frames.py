"""Frames of one instance from its metadata and the frames alone, never the whole file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicomnb.attributes import attribute
from dicomnb.errors import NotFound, ProtocolError
from dicomnb.images.decode import decode_frame, frame_numbers
from dicomnb.images.display import display, modality
from dicomnb.images.pixels import PixelFormat
from dicomnb.images.realworld import real_world
from dicomnb.images.standard_uptake import suv_of_stored
from dicomnb.pool import closed_after, side_by_side
from dicomnb.transfer.landing import FrameArray, syntax_of
from dicomnb.transfer.ranges import frames_in_ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy as np

    from dicomnb.images.display import Asked
    from dicomnb.images.standard_uptake import Normalisation
    from dicomnb.limits import Limits
    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref
    from dicomnb.source import Source
    from dicomnb.transfer.landing import Arrived
    from dicomnb.wire.parts import Part

__all__ = ["Output", "arriving", "frames", "header_from", "header_of", "metadata_of"]

Output = Literal["stored", "modality", "real_world", "suv", "suv_lbm", "suv_bsa", "display"]

# Groups that say what the pixels are and how they are shown: identification and modality,
# patient (for SUV), image pixel and LUTs, real-world values, optical paths, PET, presentation,
# dose grids (not histograms), functional groups; and two that hold what GE and Philips add to PET.
_GROUPS = (
    *("0008", "0009", "0010", "0018", "0028", "0040", "0048", "0054", "2050", "3004000"),
    *("5200", "7053"),
)
_PIXELS = {
    "7FE00008": "FloatPixelData",
    "7FE00009": "DoubleFloatPixelData",
    "7FE00010": "PixelData",
}

_COMPRESSED = "1.2.840.10008.1.2.4.90"
_SOP_INSTANCE_UID = "00080018"


def frames(
    source: Source,
    ref: Ref,
    numbers: int | Sequence[int] | None,
    *,
    output: Output,
    window: Asked = None,
    limits: Limits,
    workers: int,
    cancel: Cancel | None = None,
    known: tuple[Dataset, str] | None = None,
) -> np.ndarray[Any, Any]:
    """Fetch and decode frames of the instance ``ref``; see `Archive.frames`.

    Args:
        workers: requests in flight at most.
        known: what `header_of` gave, where that is known already.
    """
    if output not in get_args(Output):
        raise ValueError(f"output={output!r}: it is one of {', '.join(get_args(Output))}.")
    if window is not None and output != "display":
        raise ValueError(f"window= is for output='display', not {output!r}.")
    header, keyword = known or header_of(source, ref, cancel)
    # Only the bytes will tell the syntax; any compressed one asks least of the attributes.
    pixels = PixelFormat.of(header, transfer_syntax=_COMPRESSED, keyword=keyword)
    wanted = frame_numbers(numbers, pixels.frames)
    if not wanted:
        raise ValueError("numbers is empty: give at least one frame number, or None for all.")
    array = FrameArray(
        len(wanted), header, keyword=keyword, is_final=output == "stored", limits=limits
    )
    parts = frames_in_ranges(source, ref, wanted, read=array.read, workers=workers, cancel=cancel)
    came = 0

    def undecoded() -> Iterator[Arrived]:
        nonlocal came
        for one in parts:
            came += 1
            if one.data is not None:
                yield one

    def decoded(one: Arrived, _: Cancel) -> tuple[int, np.ndarray[Any, Any]]:
        frame = decode_frame(one.data or b"", one.format)
        if output != "stored":
            frame = _finished(frame, header, wanted[one.place], output, window)
        return one.place, frame

    # Frames are decoded in threads while the next ones arrive; some wait, never all of them.
    with closed_after(parts):
        threads = 1 if len(wanted) == 1 else os.cpu_count() or 1
        results = side_by_side(decoded, undecoded(), workers=threads, cancel=cancel)
        with closed_after(results):
            for place, frame in results:
                array.put(place, frame)
    if array.array is None or came != len(wanted):
        raise ProtocolError(f"Asked for {len(wanted)} frames of {ref.path}; {came} came.")
    return array.array


def arriving(
    parts: Iterable[Part], ref: Ref, wanted: Sequence[int], header: Dataset
) -> Iterator[tuple[int, str, bytes]]:
    """Number, transfer syntax (see `syntax_of`) and bytes of each frame that comes."""
    for place, part in enumerate(parts):
        if place >= len(wanted):
            raise ProtocolError(f"Asked for {len(wanted)} frames of {ref.path}; more came.")
        yield wanted[place], syntax_of(part, header), part.read()


def _finished(
    frame: np.ndarray[Any, Any], header: Dataset, number: int, output: Output, window: Asked
) -> np.ndarray[Any, Any]:
    if output == "display":
        return display(header, frame, frame=number, window=window)
    if output == "modality":
        return modality(frame, header, frame=number)
    if output == "real_world":
        return real_world(frame, header, frame=number)[0]
    return suv_of_stored(frame, header, frame=number, by=_normalisation(output))


def _normalisation(output: str) -> Normalisation:
    """What an output as ``"suv_lbm"`` normalises by."""
    by: Any = output.partition("_")[2] or "bw"
    return by  # type: ignore[no-any-return]


def header_of(source: Source, ref: Ref, cancel: Cancel | None) -> tuple[Dataset, str]:
    """What the metadata says about the pixels, and the keyword of their element."""
    rows = list(metadata_of(source, ref, cancel=cancel))
    if len(rows) != 1:
        raise NotFound(f"{len(rows)} instances came as the metadata of {ref.path}.")
    row = rows[0]
    came = (row.get(_SOP_INSTANCE_UID) or {}).get("Value") or [ref.instance]
    if came != [ref.instance]:
        raise ProtocolError(f"Asked for {ref.path}, but the metadata of {came[0]} was sent.")
    header, keyword = header_from(source, row, cancel=cancel)
    return header, keyword or "PixelData"


def metadata_of(
    source: Source, ref: Ref, *, cancel: Cancel | None = None
) -> Iterator[Mapping[str, Any]]:
    """What a source tells of each instance, row by row: all of a series could take gigabytes.

    Raises:
        ProtocolError: the source says that it does not tell of all.
    """
    with closed_after(source.metadata(ref, cancel=cancel)) as pages:
        for page in pages:
            if not page.complete:
                what = f"The metadata of {ref.path} are not whole. {' '.join(page.notes)}"
                raise ProtocolError(what.rstrip(), url=source.address)
            for raw in msgspec.json.decode(page.rows, type=list[msgspec.Raw]):
                yield msgspec.json.decode(raw)


def header_from(
    source: Source,
    row: Mapping[str, Any],
    *,
    groups: tuple[str, ...] = _GROUPS,
    cancel: Cancel | None = None,
) -> tuple[Dataset, str | None]:
    """A row of metadata as a data set, and the keyword of its pixels; None without pixels."""
    keyword = next((name for tag, name in _PIXELS.items() if tag in row), None)
    header = Dataset()
    for tag, element in row.items():
        if tag.startswith(groups):
            header.add(_element(source, tag, element, cancel))
    return header, keyword


def _element(
    source: Source, tag: str, element: Mapping[str, Any], cancel: Cancel | None
) -> DataElement:
    """One attribute; what the server left out of the JSON (a palette) is fetched."""

    def bulk(tag: str, _vr: str, uri: str) -> bytes:
        if int(tag[:4], 16) % 2:
            return b""  # private: what is needed of it is short, and the rest may be large
        return b"".join(part.read() for part in source.bulk(uri, cancel=cancel))

    try:
        keys = [key for key in ("Value", "BulkDataURI", "InlineBinary") if key in element]
        return DataElement.from_json(
            Dataset,
            tag,
            element["vr"],
            element[keys[0]] if keys else "",
            keys[0] if keys else None,
            bulk,
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        # An attribute that cannot be read is empty; whatever needs it says so by name.
        vr = "UN" if int(tag[:4], 16) % 2 else attribute(tag).vr
        return DataElement(int(tag, 16), vr, None)
