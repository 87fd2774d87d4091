"""What the pixels of an image look like in memory, from its attributes (PS3.3 C.7.6.3)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import DecodeError

if TYPE_CHECKING:
    from dicomnb.images.headers import Attributes

__all__ = ["COLOUR", "UNREADABLE", "PixelFormat", "is_native", "name_of", "pixel_keyword"]

#: Transfer syntaxes whose pixel data is not encapsulated (PS3.5 A.1 to A.3 and A.5).
NATIVE = frozenset(
    {
        "1.2.840.10008.1.2",  # Implicit VR Little Endian
        "1.2.840.10008.1.2.1",  # Explicit VR Little Endian
        "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
        "1.2.840.10008.1.2.2",  # Explicit VR Big Endian
    }
)
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

#: Photometric interpretations with one sample, and those with three that become RGB.
MONOCHROME = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})
COLOUR = frozenset(
    {
        *("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"),
        *("YBR_PARTIAL_422", "YBR_PARTIAL_420"),  # retired, or of video only
    }
)

#: Those whose native frames have one pair of chroma samples for two pixels of a row.
SUBSAMPLED = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})

#: What pydicom raises when it comes to read an element whose bytes are not what its VR says.
UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    NotImplementedError,
    AttributeError,
    KeyError,
    IndexError,
    EOFError,
    OSError,
    RecursionError,
    struct.error,
)

#: More bytes than any machine addresses: such attributes are damaged, not large.
_IMPOSSIBLE_BYTES = 1 << 47


def is_native(transfer_syntax: str) -> bool:
    """Whether pixel data lies uncompressed and unframed in this transfer syntax."""
    return transfer_syntax in NATIVE


def pixel_keyword(dataset: Attributes) -> str | None:
    """The keyword of the element that holds the pixels, or None when there is none."""
    return next((keyword for keyword in KEYWORDS if keyword in dataset), None)


def name_of(dataset: Attributes) -> str:
    """How errors name an instance: by its SOPInstanceUID, or as "this instance"."""
    uid = dataset.get("SOPInstanceUID")
    return f"instance {uid}" if uid else "this instance"


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """The Image Pixel attributes that decoding needs, checked.

    Attributes:
        rows: Rows (0028,0010).
        columns: Columns (0028,0011).
        samples: Samples per Pixel (0028,0002), 1 or 3.
        bits_allocated: 1, 8, 16, 32 or 64.
        bits_stored: how many of them count; equal to ``bits_allocated`` for float pixels.
        high_bit: the highest of them; ``bits_stored - 1`` in all but old objects.
        signed: two's complement rather than unsigned.
        planar: Planar Configuration: 1 when colours lie plane after plane.
        photometric: Photometric Interpretation (0028,0004).
        frames: Number of Frames (0028,0008), 1 when absent.
        transfer_syntax: UID in which the bytes are encoded.
        keyword: the element of the pixels: PixelData, FloatPixelData or DoubleFloatPixelData.
    """

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    planar: int
    photometric: str
    frames: int
    transfer_syntax: str
    keyword: str = "PixelData"

    @classmethod
    def of(
        cls, dataset: Attributes, *, transfer_syntax: str | None = None, keyword: str | None = None
    ) -> PixelFormat:
        """Read and check the attributes of ``dataset``, which is not changed.

        Args:
            dataset: an image, with or without its pixels.
            transfer_syntax: overrides the one of the file meta information.
            keyword: the element of the pixels, for a data set that was read without them.

        Raises:
            DecodeError: an attribute is missing, is no number, or cannot be.
        """
        keyword = keyword or pixel_keyword(dataset) or "PixelData"
        allocated = _whole(dataset, "BitsAllocated")
        if keyword != "PixelData":
            allocated = 32 if keyword == "FloatPixelData" else 64
        stored = allocated if keyword != "PixelData" else _whole(dataset, "BitsStored", allocated)
        syntax = transfer_syntax or transfer_syntax_of(dataset)
        high = _whole(dataset, "HighBit", stored - 1)
        if not stored - 1 <= high < allocated or not is_native(syntax):
            high = stored - 1
        samples = _whole(dataset, "SamplesPerPixel", 1)
        result = cls(
            rows=_whole(dataset, "Rows"),
            columns=_whole(dataset, "Columns"),
            samples=samples,
            bits_allocated=allocated,
            bits_stored=stored,
            high_bit=high,
            signed=_whole(dataset, "PixelRepresentation", 0) == 1 and keyword == "PixelData",
            planar=_whole(dataset, "PlanarConfiguration", 0) if samples > 1 else 0,
            photometric=_photometric(dataset),
            frames=max(_whole(dataset, "NumberOfFrames", 1), 1),
            transfer_syntax=syntax,
            keyword=keyword,
        )
        result._check(dataset)
        return result

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a stored value, in the byte order of this machine; uint8 for 1 bit."""
        if self.keyword != "PixelData":
            return np.dtype(f"f{self.bits_allocated // 8}")
        return np.dtype(f"{'i' if self.signed else 'u'}{max(self.bits_allocated // 8, 1)}")

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """``(rows, columns)``, or ``(rows, columns, samples)`` for colour."""
        shape = (self.rows, self.columns)
        return shape if self.samples == 1 else (*shape, self.samples)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(frames, rows, columns)``, or ``(frames, rows, columns, samples)`` for colour."""
        return (self.frames, *self.frame_shape)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame without compression, as it is stored (YBR_FULL_422 is packed)."""
        return (self.frame_bits + 7) // 8

    @property
    def frame_bits(self) -> int:
        """Bits of one frame without compression; frames of 1-bit pixels need not fill bytes."""
        samples = 2 if self.photometric in SUBSAMPLED else self.samples
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def total_bytes(self) -> int:
        """Bytes of all frames without compression."""
        return (self.frame_bits * self.frames + 7) // 8

    @property
    def is_native(self) -> bool:
        """Whether the transfer syntax leaves the pixels uncompressed and unframed."""
        return is_native(self.transfer_syntax)

    def within(self, transfer_syntax: str) -> PixelFormat:
        """The same pixels in another transfer syntax; compressed, the used bits lie lowest."""
        high = self.high_bit if is_native(transfer_syntax) else self.bits_stored - 1
        return replace(self, transfer_syntax=transfer_syntax, high_bit=high)

    @property
    def is_big_endian(self) -> bool:
        """Whether the bytes are in the retired Explicit VR Big Endian."""
        return self.transfer_syntax == BIG_ENDIAN

    @property
    def is_plain(self) -> bool:
        """Whether the bytes of the element are the values, one after another, as numpy has them.

        Dirty high bits may still have to be masked.
        """
        return (
            self.is_native
            and not self.is_big_endian
            and self.bits_allocated > 1
            and self.planar == 0
            and self.photometric in (*MONOCHROME, "RGB")
        )

    def _check(self, dataset: Attributes) -> None:
        """Refuse what cannot be, before anything is allocated for it."""
        faults = []
        if self.rows < 1 or self.columns < 1:
            faults.append(f"{self.rows} rows × {self.columns} columns")
        if self.keyword == "PixelData" and self.bits_allocated not in (1, 8, 16, 32, 64):
            faults.append(f"BitsAllocated {self.bits_allocated}")
        if not 1 <= self.bits_stored <= self.bits_allocated:
            faults.append(f"BitsStored {self.bits_stored} of {self.bits_allocated}")
        expected = COLOUR if self.samples == 3 else MONOCHROME if self.samples == 1 else ()
        if self.photometric not in expected:
            faults.append(f"SamplesPerPixel {self.samples} with {self.photometric!r}")
        if self.photometric in SUBSAMPLED and self.columns % 2 and self.is_native:
            faults.append(f"{self.photometric} with an odd number of columns ({self.columns})")
        if self.photometric == "YBR_PARTIAL_420" and self.is_native:
            faults.append("YBR_PARTIAL_420 without compression, which the standard does not know")
        if not faults and math.prod(self.shape) * self.dtype.itemsize > _IMPOSSIBLE_BYTES:
            faults.append(f"{self.rows} × {self.columns} × {self.frames} frames: beyond memory")
        if faults:
            message = "; ".join(faults)
            raise DecodeError(
                f"The pixel attributes of {name_of(dataset)} cannot be decoded: {message}."
            )


def transfer_syntax_of(dataset: Attributes) -> str:
    """The UID of the transfer syntax in which ``dataset`` was read.

    Raises:
        DecodeError: neither file meta information nor an encoding says so.
    """
    meta = getattr(dataset, "file_meta", None)
    uid = meta.get("TransferSyntaxUID") if meta is not None else None
    if uid:
        return str(uid)
    implicit, little = getattr(dataset, "original_encoding", (None, None))
    if implicit is not None and little is not None:
        if not little:
            return BIG_ENDIAN
        return "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1"
    raise DecodeError(
        f"Nothing says in which transfer syntax the pixels of {name_of(dataset)} are. Set "
        "dataset.file_meta.TransferSyntaxUID."
    )


def _whole(dataset: Attributes, keyword: str, default: int | None = None) -> int:
    """An attribute as a whole number; the default where it is absent or empty."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            if default is not None:
                return default
            raise DecodeError(f"{name_of(dataset)} has no {keyword}: it is not an image.")
        return int(value)
    except UNREADABLE as error:
        raise DecodeError(f"{keyword} of {name_of(dataset)} is not a whole number: {error}") from (
            error
        )


def _photometric(dataset: Attributes) -> str:
    """Photometric Interpretation as text."""
    value = dataset.get("PhotometricInterpretation")
    if not value:
        raise DecodeError(f"{name_of(dataset)} has no PhotometricInterpretation.")
    return str(value).strip().upper()
