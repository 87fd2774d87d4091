"""Compressed images → the attributes that describe their pixels (PS3.3 C.7.6.3, PS3.5 section 8).

What an image says of itself is read from it and from nowhere else: an instance whose
attributes belong to another image shows noise, or another patient's shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dicomnb.errors import DecodeError
from dicomnb.images.encode_headers import RLE, Header, read_header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydicom.dataset import Dataset

__all__ = ["CodedImage", "describe"]

_GREY = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})
_FULL = frozenset({"YBR_FULL", "YBR_FULL_422"})
_JPEG = "1.2.840.10008.1.2.4."
_DCT = frozenset({f"{_JPEG}50", f"{_JPEG}51"})
_WIDER: Mapping[str, frozenset[str]] = {
    f"{_JPEG}50": frozenset({f"{_JPEG}51"}),
    f"{_JPEG}70": frozenset({f"{_JPEG}57"}),
    f"{_JPEG}80": frozenset({f"{_JPEG}81"}),
    f"{_JPEG}90": frozenset({f"{_JPEG}91"}),
    f"{_JPEG}201": frozenset({f"{_JPEG}202", f"{_JPEG}203"}),
}
"""Transfer syntax → those that hold such a codestream as well."""


@dataclass(frozen=True)
class CodedImage:
    """An image as DICOM will hold it: codestreams, and what describes them.

    Attributes:
        frames: one codestream a frame, byte for byte as they were given; of a JP2 file, the
            codestream inside, since DICOM holds no JP2 boxes (PS3.5 A.4.4).
        transfer_syntax: UID, the narrowest that fits.
        rows: Rows.
        columns: Columns.
        samples: SamplesPerPixel.
        bits_allocated: 8, 16 or, of RLE, 32.
        precision: bits that a sample can have: the most that BitsStored may be.
        signed: whether samples are signed; None where the codestream cannot say.
        photometric: PhotometricInterpretation.
        photometrics: every one that the codestream would be right under.
        lossy: LossyImageCompressionMethod; ``""`` where coding lost nothing.
        stripped: whether boxes of a JP2 file were taken off.
    """

    frames: tuple[bytes, ...]
    transfer_syntax: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    precision: int
    signed: bool | None
    photometric: str
    photometrics: frozenset[str]
    lossy: str = ""
    stripped: bool = False

    @property
    def lossy_ratio(self) -> float:
        """LossyImageCompressionRatio: bytes without compression for one byte with it."""
        plain = self.rows * self.columns * self.samples * self.bits_allocated // 8
        return round(plain * len(self.frames) / sum(map(len, self.frames)), 2)

    def attributes(self, given: Dataset | None = None) -> dict[str, Any]:
        """The attributes that describe the pixels, keyword → value.

        Args:
            given: attributes that are to hold as well. They decide what a codestream does not
                say: PixelRepresentation, MONOCHROME1, a BitsStored below the precision.

        Raises:
            DecodeError: one of them contradicts the image; all of those are named.
        """
        faults = self.contradictions(given) if given is not None else []
        if faults:
            raise DecodeError(f"The metadata does not fit the image: {'; '.join(faults)}.")
        stored = _number(given, "BitsStored") or self.precision
        allocated = _number(given, "BitsAllocated") or self.bits_allocated
        signed = int(self.signed or 0)
        if self.signed is None:
            signed = _number(given, "PixelRepresentation") or 0
        found: dict[str, Any] = {
            "SamplesPerPixel": self.samples,
            "PhotometricInterpretation": _text(given, "PhotometricInterpretation")
            or self.photometric,
            "Rows": self.rows,
            "Columns": self.columns,
            "BitsAllocated": allocated,
            "BitsStored": stored,
            "HighBit": stored - 1,
            "PixelRepresentation": signed,
        }
        if self.samples > 1:
            found["PlanarConfiguration"] = _number(given, "PlanarConfiguration") or 0
        if len(self.frames) > 1:
            found["NumberOfFrames"] = len(self.frames)
        if self.lossy:
            found |= self._loss(given)
        return found

    def _loss(self, given: Dataset | None) -> dict[str, Any]:
        """What is said of lossy compression (PS3.3 C.7.6.1.1.5); a history is added to."""
        if _text(given, "LossyImageCompression") == "01" and _text(
            given, "LossyImageCompressionMethod"
        ):
            return {}
        return {
            "LossyImageCompression": "01",
            "LossyImageCompressionRatio": f"{self.lossy_ratio:.10g}",
            "LossyImageCompressionMethod": self.lossy,
        }

    def syntax_for(self, given: Dataset | None = None) -> str:
        """The transfer syntax to store it under: that of ``given``, where it holds this too.

        JPEG 2000 (…4.91), for example, may be lossless, which `transfer_syntax` calls …4.90.
        """
        said = _syntax(given) if given is not None else ""
        fits = said in _WIDER.get(self.transfer_syntax, ())
        return said if fits else self.transfer_syntax

    def contradictions(self, given: Dataset) -> list[str]:
        """What ``given`` says of the pixels that cannot be true of this image, in words."""
        fixed: Mapping[str, tuple[int, ...]] = {
            "Rows": (self.rows,),
            "Columns": (self.columns,),
            "SamplesPerPixel": (self.samples,),
            "NumberOfFrames": (len(self.frames),),
            "PixelRepresentation": (0, 1) if self.signed is None else (int(self.signed),),
            "BitsAllocated": self._possible_bits_allocated(),
            "PlanarConfiguration": (0, 1) if self.transfer_syntax == RLE else (0,),
        }
        faults = []
        for keyword, right in fixed.items():
            said = _number(given, keyword)
            if said is not None and said not in right:
                faults.append(f"{keyword} {said}, where the image has {right[0]}")
        stored = _number(given, "BitsStored")
        if stored is not None and not self._least_stored() <= stored <= self.precision:
            faults.append(f"BitsStored {stored}, where the image has {self.precision}")
        high = _number(given, "HighBit")
        if high is not None and high != (stored or self.precision) - 1:
            faults.append(f"HighBit {high}, where it must be {(stored or self.precision) - 1}")
        photometric = _text(given, "PhotometricInterpretation")
        if photometric and photometric not in self.photometrics:
            faults.append(
                f"PhotometricInterpretation {photometric}, where the image is {self.photometric}"
            )
        syntax = _syntax(given)
        if syntax and self.syntax_for(given) != syntax:
            faults.append(f"TransferSyntaxUID {syntax}, where the image is {self.transfer_syntax}")
        return faults

    def _possible_bits_allocated(self) -> tuple[int, ...]:
        if self.transfer_syntax in _DCT or self.transfer_syntax == RLE:
            return (self.bits_allocated,)
        return (self.bits_allocated, 16) if self.bits_allocated == 8 else (self.bits_allocated,)

    def _least_stored(self) -> int:
        return self.precision if self.transfer_syntax in _DCT else 1


def describe(frames: bytes | Sequence[bytes], *, given: Dataset | None = None) -> CodedImage:
    """Read what the frames of one image say about themselves.

    Args:
        frames: a codestream, or one a frame: JPEG (baseline, extended, lossless), JPEG-LS,
            JPEG 2000 and HTJ2K (bare, or a JP2 or JPH file), RLE.
        given: a data set with Rows and Columns, which RLE does not hold; not looked at
            otherwise.

    Raises:
        DecodeError: no such image, cut, of a kind that DICOM has no transfer syntax for, or
            frames that are unlike each other.

    Example:
        >>> describe(Path("photo.jpg").read_bytes()).attributes()["PhotometricInterpretation"]
        'YBR_FULL_422'
    """
    given_frames = [frames] if isinstance(frames, bytes) else list(frames)
    if not given_frames:
        raise DecodeError("An image needs at least one frame.")
    headers = [read_header(frame) for frame in given_frames]
    header = headers[0]
    for number, other in enumerate(headers[1:], 2):
        if replace(other, codestream=b"") != replace(header, codestream=b""):
            raise DecodeError(f"Frame {number} is of another kind, size or depth than frame 1.")
    rows, columns = header.rows, header.columns
    if rows is None or columns is None:
        rows, columns = _rle_size([one.codestream for one in headers], header, given)
    is_wide = header.precision > 8
    return CodedImage(
        frames=tuple(one.codestream for one in headers),
        transfer_syntax=header.transfer_syntax,
        rows=rows,
        columns=columns,
        samples=header.samples,
        bits_allocated=32 if header.precision > 16 else 16 if is_wide else 8,
        precision=header.precision,
        signed=header.signed,
        photometric=header.photometric,
        photometrics=_photometrics(header),
        lossy=header.lossy,
        stripped=header.stripped,
    )


def _photometrics(header: Header) -> frozenset[str]:
    if header.samples == 1:
        return _GREY
    if header.photometric in _FULL:
        # Chroma is halved in one direction or two, and the standard has one word for both;
        # files call whole chroma by it as well.
        return _FULL if header.is_sure else _FULL | {"RGB"}
    return frozenset({header.photometric}) if header.is_sure else _FULL | {"RGB"}


def _rle_size(frames: Sequence[bytes], header: Header, given: Dataset | None) -> tuple[int, int]:
    """Rows and Columns as given, if every frame unpacks to just as many bytes."""
    rows, columns = _number(given, "Rows"), _number(given, "Columns")
    if not rows or not columns:
        raise DecodeError("RLE does not hold the size of its image: give Rows and Columns.")
    from imagecodecs import dicomrle_decode

    expected = rows * columns * header.samples * header.precision // 8
    for number, frame in enumerate(frames, 1):
        # A run of two bytes makes 128 at most, so the data bounds what it unpacks to.
        try:
            size = len(dicomrle_decode(frame, f"<u{header.precision // 8}"))
        except (RuntimeError, ValueError) as error:
            raise DecodeError(f"RLE frame {number} is damaged: {error}.") from error
        if size != expected:
            raise DecodeError(
                f"RLE frame {number} holds {size} bytes, but {rows} × {columns} pixels of "
                f"{header.samples} samples take {expected}."
            )
    return rows, columns


def _number(given: Dataset | None, keyword: str) -> int | None:
    """An attribute as a whole number, None where it is absent or empty."""
    value = given.get(keyword) if given is not None else None
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise DecodeError(f"{keyword} is {value!r}, which is no whole number.") from error


def _text(given: Dataset | None, keyword: str) -> str:
    value = given.get(keyword) if given is not None else None
    return str(value or "").strip()


def _syntax(given: Dataset) -> str:
    meta = getattr(given, "file_meta", None)
    return str(meta.get("TransferSyntaxUID") or "") if meta is not None else ""
