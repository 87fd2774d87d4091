"""Compressed frames to values: which decoder takes which transfer syntax.

imagecodecs comes first: it lets go of the interpreter lock, so frames decode side by side.
pydicom's own decoders, where installed, are tried when it cannot; their result is the same.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import DecodeError
from dicomnb.images.codestream import Codestream
from dicomnb.images.pixels import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicomnb.images.pixels import PixelFormat

    Decoder = Callable[[bytes, PixelFormat], np.ndarray[Any, Any]]

__all__ = ["CODECS", "Codec", "decode_codestream"]


@dataclass(frozen=True, slots=True)
class Codec:
    """How one transfer syntax is decoded.

    Attributes:
        name: the syntax in words, for errors.
        decoder: the function that turns a codestream into an array.
        equal: whether its values equal those of pydicom's decoders bit for bit. Where not,
            the standard itself allows decoders to differ by a grey level.
    """

    name: str
    decoder: Decoder
    equal: bool = True


def decode_codestream(data: bytes | memoryview, pixels: PixelFormat) -> np.ndarray[Any, Any]:
    """Decode one compressed frame.

    Args:
        data: the whole codestream of the frame.
        pixels: what the data set says about it.

    Returns:
        (rows, columns) or (rows, columns, 3), of ``pixels.dtype``, sign applied. Colour that
        a JPEG holds as YCbCr, and JPEG 2000 as YBR_ICT or YBR_RCT, has become RGB; see
        `is_rgb_after_decoding`.

    Raises:
        DecodeError: no codec, damaged data, or another size than the data set says.
    """
    codec = CODECS.get(pixels.transfer_syntax)
    if codec is None:
        raise DecodeError(
            f"Transfer syntax {pixels.transfer_syntax} is unknown here: video, private or "
            "misspelt. Ask the server for another with transfer_syntax=."
        )
    try:
        array = codec.decoder(bytes(data), pixels)
    except DecodeError:
        raise
    except (ImportError, RuntimeError, ValueError, TypeError, zlib.error) as first:
        array = _decode_with_pydicom(bytes(data), pixels, codec=codec, first=first)
    if array.shape != pixels.frame_shape:
        raise DecodeError(
            f"A {codec.name} frame decodes to {array.shape}, but the data set says "
            f"{pixels.frame_shape}."
        )
    return array if array.dtype == pixels.dtype else array.astype(pixels.dtype)


def is_rgb_after_decoding(pixels: PixelFormat) -> bool:
    """Whether `decode_codestream` has turned colour into RGB already."""
    return pixels.transfer_syntax in _JPEG or pixels.photometric in ("YBR_ICT", "YBR_RCT", "RGB")


def keeps_unused_bits(pixels: PixelFormat) -> bool:
    """Whether the codestream's own precision says which bits count, not Bits Stored.

    Lossy JPEG 2000 and JPEG-LS may go past Bits Stored; cutting there would wrap around.
    """
    return CODECS[pixels.transfer_syntax].decoder in (_jpeg_ls, _jpeg_2000, _htj2k_lossless)


def check_header(data: bytes, pixels: PixelFormat) -> Codestream:
    """Read a codestream's header and refuse another size before memory is taken for it.

    A codestream that was cut is refused as well: most decoders would fill up what is missing
    and say nothing. The marker that ends it cannot occur within it; padding may follow.
    """
    header = Codestream.read(data)
    if b"\xff\xd9" not in data[-4096:]:
        raise DecodeError("A compressed frame is cut: its end-of-image marker is missing.")
    says = (header.rows, header.columns, header.samples)
    if says != (pixels.rows, pixels.columns, pixels.samples):
        raise DecodeError(
            f"A compressed frame is {header.rows} × {header.columns} with {header.samples} "
            f"samples, but the data set says {pixels.rows} × {pixels.columns} with "
            f"{pixels.samples}."
        )
    if header.precision > max(pixels.bits_allocated, 8):
        raise DecodeError(
            f"A compressed frame has {header.precision} bits a sample, but the data set allots "
            f"{pixels.bits_allocated}: what is above them would be lost."
        )
    return header


def _as_stored(
    array: np.ndarray[Any, Any], pixels: PixelFormat, precision: int, *, signed: bool | None
) -> np.ndarray[Any, Any]:
    """Give decoded samples the sign that Pixel Representation says.

    A codestream that is signed otherwise than the data set (or cannot say, as JPEG-LS) holds
    the right bits, but not extended: bit ``precision - 1`` is the sign.
    """
    if pixels.samples > 1 or signed == pixels.signed:
        return array
    bits = pixels.dtype.itemsize * 8
    array = array.astype(pixels.dtype)
    if bits > precision:
        np.left_shift(array, bits - precision, out=array)
        np.right_shift(array, bits - precision, out=array)
    return array


def _jpeg(data: bytes, pixels: PixelFormat) -> np.ndarray[Any, Any]:
    """JPEG baseline and extended, 8 and 12 bits; colour leaves as RGB."""
    import imagecodecs

    header = check_header(data, pixels)
    if pixels.samples == 1:
        array = imagecodecs.jpeg8_decode(data)
    else:
        colour = _colour_of(header, pixels)
        array = imagecodecs.jpeg8_decode(data, colorspace=colour, outcolorspace="RGB")
    return _as_stored(array, pixels, header.precision, signed=None if pixels.signed else False)


def _jpeg_lossless(data: bytes, pixels: PixelFormat) -> np.ndarray[Any, Any]:
    """JPEG lossless with any predictor."""
    import imagecodecs

    from dicomnb.images.colour import ybr_to_rgb

    header = check_header(data, pixels)
    array = imagecodecs.ljpeg_decode(data)
    if pixels.samples > 1 and _colour_of(header, pixels) == "YCBCR":
        return ybr_to_rgb(array, bits=pixels.bits_stored)
    return _as_stored(
        array,
        pixels,
        min(header.precision, pixels.bits_stored),
        signed=None if pixels.signed else False,
    )


def _jpeg_ls(data: bytes, pixels: PixelFormat) -> np.ndarray[Any, Any]:
    """JPEG-LS, lossless and near-lossless; its samples are unsigned by nature."""
    import imagecodecs

    header = check_header(data, pixels)
    array = imagecodecs.jpegls_decode(data)
    return _as_stored(array, pixels, header.precision, signed=None if pixels.signed else False)


def _jpeg_2000(data: bytes, pixels: PixelFormat) -> np.ndarray[Any, Any]:
    """JPEG 2000; the colour transforms of the codestream itself are undone."""
    import imagecodecs

    header = check_header(data, pixels)
    array = imagecodecs.jpeg2k_decode(data)
    return _as_stored(array, pixels, header.precision, signed=header.signed)


def _htj2k_lossless(data: bytes, pixels: PixelFormat) -> np.ndarray[Any, Any]:
    """Reversible high-throughput JPEG 2000: OpenJPH, twice as fast, but for grey only.

    Where the transform is not reversible, or in colour, it differs from OpenJPEG, which
    `_jpeg_2000` calls and pydicom as well.
    """
    import imagecodecs

    if pixels.samples > 1:
        return _jpeg_2000(data, pixels)
    header = check_header(data, pixels)
    array = imagecodecs.htj2k_decode(data)
    return _as_stored(array, pixels, header.precision, signed=header.signed)


def _rle(data: bytes, pixels: PixelFormat) -> np.ndarray[Any, Any]:
    """RLE Lossless (PS3.5 annex G): planes of bytes, each packed by itself."""
    import imagecodecs

    # A run of two bytes makes 128 at most, so the data bounds the frame.
    if len(data) * 64 < pixels.frame_bytes:
        raise DecodeError(
            f"{len(data)} bytes of RLE cannot hold a frame of {pixels.frame_bytes} bytes."
        )
    unsigned = np.dtype(f"<u{pixels.dtype.itemsize}")
    # Straight into the frame: fresh memory costs as much as the decoding, and its pages are
    # handed out to one thread at a time.
    raw = np.empty(pixels.frame_bytes, np.uint8)
    count = len(imagecodecs.dicomrle_decode(data, unsigned, out=raw.data))
    if count != pixels.frame_bytes:
        raise DecodeError(f"An RLE frame holds {count} of {pixels.frame_bytes} bytes.")
    stored = raw.view(pixels.dtype.newbyteorder("<"))
    planes = stored.reshape(pixels.samples, pixels.rows, pixels.columns)
    array = planes[0] if pixels.samples == 1 else np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    return array.astype(pixels.dtype, copy=False)


def _deflated(data: bytes, pixels: PixelFormat) -> np.ndarray[Any, Any]:
    """Deflated Image Frame: each frame is a native one, deflated (PS3.5 A.4.12)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    return _plain(inflater.decompress(data, pixels.frame_bytes + 1), pixels)


def _plain(data: bytes, pixels: PixelFormat) -> np.ndarray[Any, Any]:
    """Encapsulated Uncompressed: a native frame in a fragment (PS3.5 A.4.11)."""
    from dicomnb.images.native import native_frame

    return native_frame(data, pixels)


def _colour_of(header: Codestream, pixels: PixelFormat) -> str:
    """What the three components of a JPEG are: its own markers first, then the data set."""
    return header.colour or ("RGB" if pixels.photometric == "RGB" else "YCBCR")


def _decode_with_pydicom(
    data: bytes, pixels: PixelFormat, *, codec: Codec, first: Exception
) -> np.ndarray[Any, Any]:
    """Try pydicom's decoders, after imagecodecs failed with ``first``.

    Raises:
        DecodeError: they are missing, or fail too; both reasons are told.
    """
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder

    options: dict[str, Any] = {
        "rows": pixels.rows,
        "columns": pixels.columns,
        "samples_per_pixel": pixels.samples,
        "bits_allocated": pixels.bits_allocated,
        "bits_stored": pixels.bits_stored,
        "pixel_representation": int(pixels.signed),
        "photometric_interpretation": pixels.photometric,
        "planar_configuration": pixels.planar,
        "number_of_frames": 1,
        "pixel_keyword": pixels.keyword,
    }
    try:
        decoder = get_decoder(pixels.transfer_syntax)
        raw = not is_rgb_after_decoding(pixels)
        array, _ = decoder.as_array(encapsulate([data]), index=0, raw=raw, **options)
    except BaseException as second:
        if not _is_failed_decode(second):
            raise
        advice = ""
        if isinstance(first, ImportError):
            advice = ' Install the codec: pip install "imagecodecs>=2026.1.1".'
        raise DecodeError(
            f"A {codec.name} frame ({pixels.transfer_syntax}) cannot be decoded. imagecodecs: "
            f"{first}. pydicom: {_first_line(second)}.{advice}"
        ) from first
    return np.asarray(array)


def _is_failed_decode(error: BaseException) -> bool:
    """Whether an error is a decoder's; one written in Rust panics past ``Exception``."""
    return isinstance(error, (*UNREADABLE, ImportError, RuntimeError)) or (
        type(error).__name__ == "PanicException"
    )


def _first_line(error: BaseException) -> str:
    """The gist of pydicom's long messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines[:3]).rstrip(".")


_JPEG_FAMILY = "1.2.840.10008.1.2.4"
_JPEG = frozenset(
    {f"{_JPEG_FAMILY}.50", f"{_JPEG_FAMILY}.51", f"{_JPEG_FAMILY}.57", f"{_JPEG_FAMILY}.70"}
)

#: Transfer syntax → codec. The syntaxes that are not encapsulated are in `native`.
CODECS: dict[str, Codec] = {
    "1.2.840.10008.1.2.1.98": Codec("Encapsulated Uncompressed", _plain),
    f"{_JPEG_FAMILY}.50": Codec("JPEG Baseline", _jpeg, equal=False),
    f"{_JPEG_FAMILY}.51": Codec("JPEG Extended", _jpeg, equal=False),
    f"{_JPEG_FAMILY}.57": Codec("JPEG Lossless", _jpeg_lossless),
    f"{_JPEG_FAMILY}.70": Codec("JPEG Lossless SV1", _jpeg_lossless),
    f"{_JPEG_FAMILY}.80": Codec("JPEG-LS Lossless", _jpeg_ls),
    f"{_JPEG_FAMILY}.81": Codec("JPEG-LS Near-Lossless", _jpeg_ls),
    f"{_JPEG_FAMILY}.90": Codec("JPEG 2000 Lossless", _jpeg_2000),
    f"{_JPEG_FAMILY}.91": Codec("JPEG 2000", _jpeg_2000),
    f"{_JPEG_FAMILY}.201": Codec("HTJ2K Lossless", _htj2k_lossless),
    f"{_JPEG_FAMILY}.202": Codec("HTJ2K Lossless RPCL", _htj2k_lossless),
    f"{_JPEG_FAMILY}.203": Codec("HTJ2K", _jpeg_2000),
    "1.2.840.10008.1.2.5": Codec("RLE Lossless", _rle),
    "1.2.840.10008.1.2.8.1": Codec("Deflated Image Frame", _deflated),
}
