"""Pictures and arrays → items to be stored, each made into an instance when its turn comes."""

from __future__ import annotations

import glob
import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset

from dicomnb.errors import DecodeError, NoDicom
from dicomnb.images.encode import CodedImage, describe
from dicomnb.images.encode_part10 import part10
from dicomnb.images.encode_pixels import ENCODINGS, Encoding, array_of, encode, png
from dicomnb.transfer.describing import completed, header_of, identifiers_of, new_uid
from dicomnb.wire.dicomjson import encode as as_json
from dicomnb.wire.frame_types import FRAME_TYPES
from dicomnb.wire.store_answer import Sent
from dicomnb.wire.storing import BytesUpload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

    from dicomnb.source import Source
    from dicomnb.wire.storing import StoreForm, Upload

__all__ = ["Picture", "pictures_of", "pictures_with_headers"]

_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Pictured:
    """An instance out of an image, as metadata with pixels or as a Part 10 file."""

    name: str
    header: Dataset
    image: CodedImage

    @property
    def transfer_syntax(self) -> str:
        """UID of the syntax of ``bulk``."""
        return self.image.syntax_for(self.header)

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """DICOM JSON with TransferSyntaxUID, without PixelData."""
        syntax = {"vr": "UI", "Value": [self.transfer_syntax]}
        return {"00020010": syntax, **as_json(self.header, bulk_uri=str)}

    @property
    def bulk(self) -> bytes:
        """The codestream of a single frame."""
        return self.image.frames[0]

    @cached_property
    def _file(self) -> bytes:
        syntax = self.transfer_syntax
        return part10(self.header, self.image.frames, transfer_syntax=syntax)

    @property
    def length(self) -> int:
        """Size of the file in bytes."""
        return len(self._file)

    def open(self) -> BinaryIO:
        """A reader over the file."""
        return io.BytesIO(self._file)


@dataclass
class Picture:
    """One image to be stored.

    Attributes:
        frames: what it is made of: paths, bytes, Pillow pictures, arrays; one an instance, or
            one a frame.
        given: its header, with the three UIDs, as far as it was given.
        number: InstanceNumber, where none was given.
        encoding: how arrays and pictures without a codestream of DICOM are encoded.
        bulk_types: media types that may be stored beside JSON; none for a Part 10 file.
        must_be_json: whether it fails where it cannot be stored so.
        remarks: what was done with it, once it has been made.
    """

    frames: Sequence[Any]
    given: Dataset
    number: int
    encoding: Encoding
    bulk_types: frozenset[str]
    must_be_json: bool = False
    remarks: Mapping[str, object] = field(default_factory=dict)
    is_held = True

    @property
    def file(self) -> str | None:
        """The path of its (first) file."""
        return next((str(one) for one in self.frames if isinstance(one, Path)), None)

    @property
    def name(self) -> str:
        """Path, or SOPInstanceUID."""
        return self.file or str(self.given.SOPInstanceUID)

    @property
    def identity(self) -> Sent:
        """Its UIDs."""
        keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
        return Sent(*(str(self.given.get(keyword) or "") or None for keyword in keywords))

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        return sum(map(_weight, self.frames)) + (4 << 10)

    def upload(self) -> Upload:
        """Read or encode the image, describe it, complete its header.

        Raises:
            DecodeError: it cannot be stored, or contradicts what was given.
            NoDicom: a value cannot be written.
            OSError: a file cannot be read.
        """
        image, words = _coded(self.frames, self.given, self.encoding)
        header = completed(self.given, image, number=self.number)
        made = Pictured(self.name, header, image)
        form: StoreForm = "json" if self._fits_json(made) else "multipart"
        self.remarks = {
            "TransferSyntaxUID": made.transfer_syntax,
            "Encoding": words,
            "Form": form,
        }
        if self.must_be_json and form != "json":
            raise DecodeError(
                "It cannot be stored as metadata and one image: it has several frames, or a "
                "transfer syntax or values that this form has no place for. Leave form= out."
            )
        return made if form == "json" else BytesUpload(made.open().read(), self.name)

    @property
    def form(self) -> StoreForm:
        """How it travels, once it has been made."""
        return "json" if self.remarks.get("Form") == "json" else "multipart"

    def _fits_json(self, made: Pictured) -> bool:
        """Whether metadata and one bulk say it all, and the server takes such a bulk."""
        kind = FRAME_TYPES.get(made.transfer_syntax)
        if kind not in self.bulk_types or len(made.image.frames) > 1:
            return False
        return b'"BulkDataURI"' not in msgspec.json.encode(made.metadata)


def _weight(frame: Any) -> int:
    if isinstance(frame, Path):
        try:
            return frame.stat().st_size
        except OSError:
            return 0
    if isinstance(frame, bytes):
        return len(frame)
    if isinstance(frame, np.ndarray):
        return frame.nbytes
    return int(frame.width * frame.height * 4)


def _coded(frames: Sequence[Any], given: Dataset, encoding: Encoding) -> tuple[CodedImage, str]:
    """The image, and in words what was done to its bytes."""
    loaded = [_loaded(frame) for frame in frames]
    if all(isinstance(one, bytes) for one in loaded):
        image = describe(loaded, given=given)
        words = "as given"
        if image.stripped:
            words += ", without the boxes of its JP2 file"
        if any(_is_turned(one) for one in loaded):
            words += "; EXIF says that it is to be turned, which DICOM viewers do not"
        return image, words
    if any(isinstance(one, bytes) for one in loaded):
        raise DecodeError("Codestreams and pictures cannot be frames of one instance.")
    arrays = loaded
    if len(arrays) > 1 and len({(one.shape, one.dtype.str) for one in arrays}) > 1:
        raise DecodeError("The frames of one instance differ in size or type.")
    array = np.stack(arrays) if len(arrays) > 1 else arrays[0]
    image = encode(array, encoding=encoding)
    stored = given.get("BitsStored")
    if stored and not given.get("PixelRepresentation") and int(array.max()) >> int(stored):
        raise DecodeError(f"The largest value is {array.max()}: it needs more than {stored} bits.")
    return image, f"encoded without loss: {ENCODINGS[encoding]}"


def _loaded(frame: Any) -> Any:
    """A codestream as bytes, anything else as an array."""
    if isinstance(frame, np.ndarray):
        return frame
    if not isinstance(frame, bytes | Path):
        return array_of(frame)
    data = frame.read_bytes() if isinstance(frame, Path) else frame
    if data[128:132] == b"DICM":
        raise NoDicom("That is a DICOM file already: give it to store.")
    picture = png(data)
    return data if picture is None else array_of(picture)


def _is_turned(data: bytes) -> bool:
    """Whether the EXIF block of a JPEG says that it is to be shown turned or mirrored."""
    if data[:2] != b"\xff\xd8" or b"Exif\0\0" not in data[: 64 << 10]:
        return False
    import PIL.Image

    try:
        with PIL.Image.open(io.BytesIO(data)) as picture:
            return picture.getexif().get(_ORIENTATION, 1) not in (0, 1)
    except (OSError, ValueError, SyntaxError):
        return False  # a codestream that Pillow does not read has no such block


def pictures_of(images: Any) -> list[Sequence[Any]]:
    """The frames of each instance in what was given.

    Args:
        images: a path or glob, bytes, a Pillow picture, an array, or a list of these. A list
            within the list holds the frames of one instance.

    Raises:
        TypeError: something else.
        FileNotFoundError: no file of that name.
        NoDicom: an empty list.
    """
    if isinstance(images, list | tuple):
        found = []
        for one in images:
            if isinstance(one, list | tuple):
                found.append([frame for part in one for frame in _singles(part)])
            else:
                found += [[frame] for frame in _singles(one)]
    else:
        found = [[frame] for frame in _singles(images)]
    if not found or not all(found):
        raise NoDicom("Nothing to store: no image was given.")
    return found  # type: ignore[return-value]


def _singles(one: Any) -> list[Any]:
    """One image, or the files of a glob."""
    if isinstance(one, bytes | bytearray | memoryview):
        return [bytes(one)]
    if isinstance(one, str | Path):
        path = Path(one).expanduser()
        if path.is_file():
            return [path]
        names = sorted(glob.glob(str(path), recursive=True))
        files = [Path(name) for name in names if Path(name).is_file()]
        if not files:
            hint = f"; for a folder give a glob such as '{path}/*.jpg'" if path.is_dir() else ""
            raise FileNotFoundError(f"No image file or glob {str(path)!r}{hint}.")
        return list(files)
    if isinstance(one, np.ndarray) or (hasattr(one, "getbands") and hasattr(one, "mode")):
        return [one]
    raise TypeError(
        f"{type(one).__name__} is no image: give a path, bytes, a Pillow picture, an array, or a "
        "list of these."
    )


def pictures_with_headers(
    frames: Sequence[Sequence[Any]],
    *,
    metadata: Any,
    like: Any,
    same_series: bool,
    encoding: Encoding,
    form: StoreForm | None,
    source: Source,
) -> list[Picture]:
    """Items of images; they share the study and the series unless told otherwise.

    Args:
        frames: of each instance.
        form: how they travel; None goes by what ``source`` is known for.

    Raises:
        ValueError: metadata for another number of images, or one SOPInstanceUID for several.
    """
    count = len(frames)
    several = isinstance(metadata, list | tuple)
    if several and len(metadata) != count:
        raise ValueError(f"There are {count} images, but metadata of {len(metadata)}.")
    headers = [header_of(one) for one in metadata] if several else [header_of(metadata)]
    if not several and count > 1 and headers[0].get("SOPInstanceUID"):
        raise ValueError("One SOPInstanceUID cannot be that of several images: leave it out.")
    shared = Dataset()
    if like is not None:
        shared = identifiers_of(like, source, same_series=same_series)
    uids = {name: new_uid() for name in ("StudyInstanceUID", "SeriesInstanceUID")}
    bulk_types = frozenset[str]()
    if form != "multipart":
        bulk_types = source.abilities().bulk_types
    if form == "json" and not bulk_types:
        bulk_types = frozenset(FRAME_TYPES.values())
    items = []
    for place, one in enumerate(frames):
        header = headers[place if several else 0]
        given = Dataset({**dict(shared.items()), **dict(header.items())})
        given.file_meta = getattr(header, "file_meta", FileMetaDataset())
        for keyword, uid in {**uids, "SOPInstanceUID": new_uid()}.items():
            if not given.get(keyword):
                setattr(given, keyword, uid)
        items.append(Picture(one, given, place + 1, encoding, bulk_types, form == "json"))
    return items
