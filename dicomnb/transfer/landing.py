"""Frames on their way into one array: plain ones are read into place, others decoded later."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dicomnb.errors import ProtocolError
from dicomnb.images.decode import allocate
from dicomnb.images.native import clean_unused_bits
from dicomnb.images.pixels import PixelFormat
from dicomnb.wire.frame_types import FRAME_TYPES, TRANSFER_SYNTAXES

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicomnb.limits import Limits
    from dicomnb.wire.parts import Part

__all__ = ["Arrived", "FrameArray", "syntax_of"]


class Arrived(NamedTuple):
    """A frame that came.

    Attributes:
        place: its index among those asked for.
        format: what its bytes are.
        data: these, or None once their values are in the array.
    """

    place: int
    format: PixelFormat
    data: bytes | None

    @property
    def size(self) -> int:
        """How many bytes came."""
        return self.format.frame_bytes if self.data is None else len(self.data)


class FrameArray:
    """The array that frames go into, of the shape and type of the first that comes.

    `read` may be called from several threads, `put` from one.

    Args:
        count: how many frames will come.
        header: what the metadata says of them.
        keyword: of their element.
        is_final: whether stored values are what is wanted; else all is decoded for `put`.
        limits: bounds; ``pixel_bytes`` holds for the array.
    """

    def __init__(
        self, count: int, header: Dataset, *, keyword: str, is_final: bool, limits: Limits
    ) -> None:
        self._count = count
        self._header = header
        self._keyword = keyword
        self._is_final = is_final
        self._limits = limits
        self._formats: dict[str, PixelFormat] = {}
        self._making = threading.Lock()
        self._array: np.ndarray[Any, Any] | None = None

    @property
    def array(self) -> np.ndarray[Any, Any] | None:
        """(frames, rows, columns) or (frames, rows, columns, 3); None while nothing came."""
        return self._array

    def read(self, part: Part, place: int) -> Arrived:
        """Take a frame out of the answer it came in: into the array if it is plain.

        Raises:
            ProtocolError: nothing says in what transfer syntax it is.
            DecodeError: what the metadata says of the pixels cannot be.
        """
        syntax = syntax_of(part, self._header)
        form = self._formats.get(syntax)
        if form is None:
            form = PixelFormat.of(self._header, transfer_syntax=syntax, keyword=self._keyword)
            self._formats[syntax] = form
        target = self._place_for(place, form)
        if target is None:
            return Arrived(place, form, part.read())
        room = memoryview(target).cast("B")  # type: ignore[arg-type]  # numpy, on 3.11
        count = part.readinto(room)
        rest = part.read() if count == len(room) else b""
        if count < len(room) or len(rest) > len(room) % 2:  # one more makes the length even
            return Arrived(place, form, bytes(room[:count]) + rest)
        clean_unused_bits(target, form)
        return Arrived(place, form, None)

    def put(self, place: int, frame: np.ndarray[Any, Any]) -> None:
        """Put decoded values into their place.

        The array is widened for frames that have rescales of their own. Stored values, of which
        some may just be read into it, are all of one type.
        """
        array = self._shaped(frame.shape, frame.dtype)
        wider = np.result_type(array.dtype, frame.dtype)
        if wider != array.dtype:
            array = self._array = array.astype(wider)
        array[place] = frame

    def _place_for(self, place: int, form: PixelFormat) -> np.ndarray[Any, Any] | None:
        if not (self._is_final and form.is_plain):
            return None
        array = self._shaped(form.frame_shape, form.dtype)
        if array.shape[1:] != form.frame_shape or array.dtype != form.dtype:
            return None
        found: np.ndarray[Any, Any] = array[place]
        return found

    def _shaped(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        with self._making:
            if self._array is None:
                self._array = allocate((self._count, *shape), dtype, limits=self._limits)
            return self._array


def syntax_of(part: Part, header: Dataset) -> str:
    """The transfer syntax of a frame: what its part's own header says, else what the metadata says
    there is, else the default of the media type. The bytes have the last word when decoded.

    Raises:
        ProtocolError: nothing says any.
    """
    told = part.transfer_syntax
    if told in (None, "", "*"):
        named = header.get("AvailableTransferSyntaxUID")
        fits = isinstance(named, str) and FRAME_TYPES.get(named) == part.media_type
        told = str(named) if fits else TRANSFER_SYNTAXES.get(part.media_type)
    if told is None:
        raise ProtocolError(f"A frame came as {part.media_type!r}, which says no syntax.")
    return told
