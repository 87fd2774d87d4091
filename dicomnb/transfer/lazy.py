"""A series as a volume whose slices are fetched when they are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pydicom import Dataset

from dicomnb.errors import DecodeError, GeometryError, NoDicom, ProtocolError
from dicomnb.images.decode import decode_frame
from dicomnb.images.display import modality
from dicomnb.images.headers import text
from dicomnb.images.pixels import PixelFormat
from dicomnb.pool import closed_after
from dicomnb.refs import Ref
from dicomnb.transfer.frames import arriving, header_from, metadata_of
from dicomnb.volumes.assembly import assembled, type_of
from dicomnb.volumes.frames import frames_of
from dicomnb.volumes.geometry import arrange
from dicomnb.volumes.lazy import LazyArray
from dicomnb.volumes.slices import Slice, why_no_slice
from dicomnb.volumes.stack import rescaled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from dicomnb.images.rescale import Rescale
    from dicomnb.limits import Limits
    from dicomnb.source import Source
    from dicomnb.volumes.volume import Volume

__all__ = ["lazy_volume"]


_NATIVE = "1.2.840.10008.1.2.1"
# Identification, acquisition, place, pixels, detectors, dose, functional groups.
_GROUPS = ("0008", "0018", "0020", "0028", "0048", "0054", "3004000", "5200")


@dataclass(frozen=True)
class _Place:
    """Where a slice is fetched from, and what its values mean."""

    ref: Ref
    frame: int
    pixels: PixelFormat
    said: Dataset
    by: Rescale
    table: Dataset | None


@dataclass(frozen=True)
class _Loader:
    """Fetches one slice. Pickles, as far as the source does."""

    source: Source
    places: tuple[_Place, ...]
    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def __call__(self, number: int) -> np.ndarray[Any, Any]:
        """Modality values, (rows, columns)."""
        place = self.places[number]
        with closed_after(self.source.frames(place.ref, [place.frame])) as parts:
            found = list(arriving(parts, place.ref, [place.frame], place.said))
        if len(found) != 1:
            raise ProtocolError(
                f"Asked for frame {place.frame} of {place.ref.path}; {len(found)} came.",
                url=self.source.address,
            )
        _, syntax, data = found[0]
        values = decode_frame(data, place.pixels.within(syntax))
        if place.table is not None:
            values = modality(values, place.table)
        if values.shape != self.shape:
            raise DecodeError(
                f"Frame {place.frame} of {place.ref.path} is {values.shape}, where the metadata "
                f"says {self.shape}."
            )
        return rescaled(values, place.by, self.dtype)


def lazy_volume(
    source: Source, refs: Sequence[Ref], *, strict: bool, workers: int, limits: Limits
) -> Volume:
    """Order and geometry from the metadata; see `Archive.volume`.

    Raises:
        GeometryError: the slices make no regular volume; the message names them.
        NoDicom: there are no instances.
    """
    slices: list[Slice] = []
    places: list[_Place] = []
    notes: list[str] = []
    syntaxes: dict[str, Dataset] = {}
    formats: dict[PixelFormat, PixelFormat] = {}
    count = 0
    for ref, header, keyword in _headers(source, refs):
        count += 1
        pixels = None
        if keyword is not None:
            pixels = PixelFormat.of(header, transfer_syntax=_NATIVE, keyword=keyword)
            pixels = formats.setdefault(pixels, pixels)  # one for all that are alike
        why = why_no_slice(header, pixels)
        if pixels is None or why:
            if strict:
                raise GeometryError(f"{why} Pass strict=False to leave it out.")
            notes.append(f"Left out: {why}")
            continue
        table = header if header.get("ModalityLUTSequence") else None
        said = _said(header, syntaxes)
        for view in frames_of(header, pixels.frames):
            one = Slice.of(view, pixels)
            one.arrival = one.place = len(slices)
            one.low, one.high = _bounds(one, pixels)
            slices.append(one)
            places.append(_Place(ref, view.number or 1, pixels, said, one.by, table))
    if not count:
        raise NoDicom("There are no instances, so there is no volume: is the series empty?")
    if not slices:
        raise GeometryError("No instance is a slice. " + " ".join(notes))
    arrangement = arrange([one.header for one in slices], strict=strict)
    chosen = [slices[index] for index in arrangement.order]
    rows, columns, _ = chosen[0].header.size
    kind = type_of(chosen)
    stacks = () if arrangement.axis is None else (len(arrangement.axis),)
    depth = len(chosen) // (stacks[0] if stacks else 1)
    loader = _Loader(
        source, tuple(places[index] for index in arrangement.order), (rows, columns), kind
    )
    array = LazyArray(
        loader,
        (*stacks, depth, rows, columns),
        kind,
        keep=limits.cache_bytes,
        bound=limits.pixel_bytes,
        workers=workers,
    )
    return assembled(cast("np.ndarray[Any, Any]", array), chosen, arrangement, notes=notes)


def _headers(source: Source, refs: Sequence[Ref]) -> Iterator[tuple[Ref, Dataset, str | None]]:
    """Each instance's attributes, and the keyword of its pixels; None without pixels."""
    for ref in refs:
        for row in metadata_of(source, ref):
            header, keyword = header_from(source, row, groups=_GROUPS)
            yield _ref_of(ref, header, source), header, keyword


def _said(header: Dataset, known: dict[str, Dataset]) -> Dataset:
    """What the metadata says of transfer syntaxes, and no more: it is kept for every slice."""
    named = text(header, "AvailableTransferSyntaxUID")
    if named not in known:
        known[named] = Dataset()
        if named and "\\" not in named:
            known[named].AvailableTransferSyntaxUID = named
    return known[named]


def _ref_of(asked: Ref, header: Dataset, source: Source) -> Ref:
    """The ref of an instance.

    Raises:
        ProtocolError: it is another instance than was asked for.
    """
    uid = str(header.get("SOPInstanceUID") or "")
    series = str(header.get("SeriesInstanceUID") or asked.series)
    wrong = asked.instance not in (None, uid) or series != asked.series
    if not uid or wrong:
        raise ProtocolError(
            f"Asked for the metadata of {asked.path}, but that of {uid or 'no instance'} came.",
            url=source.address,
        )
    return Ref(asked.study, asked.series, uid)


def _bounds(one: Slice, pixels: PixelFormat) -> tuple[float, float]:
    """The lowest and highest value that the bits can hold: the pixels are not known yet."""
    if one.stored.kind not in "iu":
        return 0, 0
    bits = pixels.bits_stored if one.stored == pixels.dtype else 8 * one.stored.itemsize
    if one.stored.kind == "i":
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1
