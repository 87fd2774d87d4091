"""The header of a DICOM file, from its bytes straight to DICOM JSON.

An index reads the headers of many files, and most elements of a file are byte for byte those
of the file before it: patient, study, equipment. So each element's JSON is kept by its bytes,
and a header costs little more than cutting it into elements. What this reader does not
understand, pydicom reads. Pixels are never read.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

import msgspec
from pydicom import dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError

from dicomnb.errors import RefError
from dicomnb.local.walk import MARK, MARK_URI, Encoding, Found, More, Unusual, Walker
from dicomnb.refs import Ref
from dicomnb.wire.dicomjson import encode
from dicomnb.wire.elements import PIXEL_TAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydicom import Dataset

__all__ = [
    "BIG_ENDIAN",
    "DEFLATED",
    "EXPLICIT",
    "FIRST_READ",
    "UNREADABLE",
    "Header",
    "HeaderReader",
    "PassOver",
    "PassedOverKind",
    "dataset_start",
]

FIRST_READ = 8 << 10
"""How much of each file is read first; enough for nearly all headers."""
_MOST_INFLATED = 256 << 20

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DICOMDIR = "1.2.840.10008.1.3.10"
_META = struct.Struct("<HH2sH").unpack_from
_LONG = struct.Struct("<I").unpack_from
_LONG_FORM = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_VR = re.compile(rb"[A-Z]{2}")
_PREFIX = 128

PassedOverKind = Literal[
    "not DICOM", "DICOMDIR", "damaged", "without UIDs", "duplicate", "unreadable"
]


class PassOver(Exception):
    """A file is not to be indexed."""

    def __init__(self, kind: PassedOverKind, reason: str) -> None:
        super().__init__(kind, reason)
        self.kind: PassedOverKind = kind
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Header:
    """What the index keeps of a file.

    Attributes:
        ref: its instance.
        path: of the ref.
        elements: tag → ``"TTTTTTTT":{…}`` in DICOM JSON, in the order of tags.
        transfer_syntax: UID, as the file says or, where it does not, as its bytes show.
        is_part10: whether the file's bytes can be sent as they are: preamble, prefix and a
            file meta information with a transfer syntax.
        pixel_offset: where the value of the pixel element begins in the file, or None where
            there are no pixels or nobody knows.
        pixel_length: its length in bytes, `UNDEFINED` where it is encapsulated.
    """

    ref: Ref
    path: str
    elements: Mapping[int, bytes]
    transfer_syntax: str
    is_part10: bool
    pixel_offset: int | None
    pixel_length: int | None

    @property
    def metadata(self) -> bytes:
        """All elements as one JSON object."""
        return b"{" + b",".join(self.elements.values()) + b"}"


class HeaderReader:
    """Reads headers, and remembers elements from one to the next. For one thread at a time."""

    def __init__(self) -> None:
        self._walker = Walker()
        self._last: _Beginning | None = None

    def read(self, head: bytes, *, size: int, opener: Callable[[], BinaryIO]) -> Header:
        """The header of a file.

        Args:
            head: the file's first bytes, `FIRST_READ` of them or all.
            size: of the whole file, in bytes.
            opener: opens the file at its beginning, for the few that need more of it.

        Raises:
            PassOver: it is not DICOM, or no instance that could be asked for.
            OSError: it cannot be read.
        """
        start = self._start(head, size)
        while start.dataset + 8 > len(head) < size:
            head = _beginning(opener, 8 * len(head))
            start = self._start(head, size)
        if start.sop_class == _DICOMDIR:
            raise PassOver("DICOMDIR", "a directory of files, not an instance")
        try:
            found = self._walked(head, size, start, opener)
        except (Unusual, More, zlib.error) as error:
            with opener() as file:
                found = _by_pydicom(file, start, error)
        ref = _ref(found.elements)
        # ref.path, but for quoting: a Ref's UIDs hold nothing that is to be quoted.
        path = f"studies/{ref.study}/series/{ref.series}/instances/{ref.instance}"
        base = f'"BulkDataURI":"dicomnb:/{path}/bulkdata/'.encode()
        for tag in found.bulk:
            found.elements[tag] = found.elements[tag].replace(MARK, base)
        return Header(
            ref=ref,
            path=path,
            elements=found.elements,
            transfer_syntax=start.syntax,
            is_part10=start.is_part10,
            pixel_offset=found.offset,
            pixel_length=found.length,
        )

    def _start(self, head: bytes, size: int) -> _Start:
        """How a file begins: mostly as the one before, but for its own UID."""
        if self._last is not None and self._last.is_of(head):
            return self._last.start
        start = _Start.of(head, size)
        self._last = _Beginning.of(head, start)
        return start

    def _walked(
        self, data: bytes, size: int, start: _Start, opener: Callable[[], BinaryIO]
    ) -> Found:
        """The elements, and where the pixels lie in the file."""
        encoding = Encoding(start.syntax == IMPLICIT, ">" if start.syntax == BIG_ENDIAN else "<")
        if start.syntax == DEFLATED:
            data = _inflated(_beginning(opener, size)[start.dataset :])
            found = self._walker.walk(data, 0, len(data), encoding)
            return Found(found.elements, found.bulk)
        while True:
            try:
                return self._walker.walk(data, start.dataset, size, encoding)
            except More as more:
                if more.needed > size or len(data) >= size:
                    raise Unusual("an element is longer than the file") from None
                data = _beginning(opener, max(more.needed + (64 << 10), 8 * len(data)))


@dataclass(frozen=True, slots=True)
class _Start:
    """How a file begins, and where its data set does."""

    dataset: int
    syntax: str
    sop_class: str
    is_part10: bool
    has_prefix: bool
    instance_uid: tuple[int, int]
    """Where the value of MediaStorageSOPInstanceUID begins and ends, if it is there."""

    @classmethod
    def of(cls, data: bytes, size: int) -> _Start:
        """Read preamble, prefix and file meta information, as far as they are there."""
        has_prefix = data[128:132] == b"DICM"
        position = 132 if has_prefix else 0
        if not has_prefix and not _looks_like_dicom(data, size):
            raise PassOver("not DICOM", "no DICOM prefix, and no data set at its beginning")
        try:
            position, syntax, sop_class, instance_uid = _read_meta(data, position)
        except struct.error:
            raise PassOver("damaged", "the file ends within its file meta information") from None
        return cls(
            dataset=position,
            syntax=syntax or _guessed_syntax(data, position),
            sop_class=sop_class,
            is_part10=has_prefix and bool(syntax),
            has_prefix=has_prefix,
            instance_uid=instance_uid,
        )


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The bytes from a prefix to a data set, but for the value of MediaStorageSOPInstanceUID."""

    start: _Start
    before: bytes
    after: bytes
    resumed: int

    @classmethod
    def of(cls, data: bytes, start: _Start) -> _Beginning | None:
        """That of a file, or None where it does not tell all that is in ``start``."""
        value, resumed = start.instance_uid
        if not start.is_part10 or value == resumed or len(data) < start.dataset + 8:
            return None
        # Of the data set as much as shows that the file meta information has ended.
        return cls(start, data[_PREFIX:value], data[resumed : start.dataset + 2], resumed)

    def is_of(self, data: bytes) -> bool:
        """Whether a file begins with the same bytes."""
        return data.startswith(self.before, _PREFIX) and data.startswith(self.after, self.resumed)


def dataset_start(data: bytes) -> int:
    """Where the data set of a DICOM file begins.

    Raises:
        PassOver: it is not DICOM.
    """
    return _Start.of(data, len(data)).dataset


def _read_meta(data: bytes, position: int) -> tuple[int, str, str, tuple[int, int]]:
    """Where group 0002 ends, its TransferSyntaxUID and MediaStorageSOPClassUID, or ``""``, and
    where the value of its MediaStorageSOPInstanceUID stands."""
    texts = {0x0010: "", 0x0002: ""}
    instance_uid = (0, 0)
    while position + 8 <= len(data):
        group, element, vr, length = _META(data, position)
        if group != 2:
            break
        position += 8
        if vr in _LONG_FORM:
            (length,) = _LONG(data, position)
            position += 4
        if element in texts:
            texts[element] = data[position : position + length].decode("latin_1").strip(" \0")
        elif element == 0x0003:
            instance_uid = (position, position + length)
        position += length
    return position, texts[0x0010], texts[0x0002], instance_uid


def _looks_like_dicom(data: bytes, size: int) -> bool:
    """Whether bytes without a prefix begin with a file meta information or a data set."""
    if len(data) < 16:
        return False
    if data[:3] in (b"\0\x02\0", b"\0\x08\0"):
        return _VR.fullmatch(data[4:6]) is not None
    if data[:2] not in (b"\x02\0", b"\x08\0") or data[3:4] != b"\0":
        return False
    return _VR.fullmatch(data[4:6]) is not None or _LONG(data, 4)[0] <= min(size, 1024)


def _guessed_syntax(data: bytes, position: int) -> str:
    """The syntax that the first element shows."""
    if not _VR.fullmatch(data[position + 4 : position + 6]):
        return IMPLICIT
    return BIG_ENDIAN if data[position : position + 1] == b"\0" else EXPLICIT


def _inflated(data: bytes) -> bytes:
    """A deflated data set, as far as anyone's header goes."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    return inflate.decompress(data, _MOST_INFLATED)


def _beginning(opener: Callable[[], BinaryIO], count: int) -> bytes:
    with opener() as file:
        return file.read(count)


def _by_pydicom(file: BinaryIO, start: _Start, error: Exception) -> Found:
    """What pydicom makes of a header that is not as the standard has it."""
    kind: PassedOverKind = "damaged" if start.has_prefix else "not DICOM"
    try:
        with warnings.catch_warnings():
            # What is odd about the file is not for each who connects to the folder to read.
            warnings.simplefilter("ignore")
            dataset = dcmread(file, stop_before_pixels=True, force=not start.has_prefix)
            found = encode(dataset, bulk_uri=lambda path: MARK_URI + path)
    except UNREADABLE as second:
        if isinstance(second, OSError) and second.errno is not None:
            raise
        raise PassOver(kind, str(second) or str(error)) from None
    if not found:
        raise PassOver(kind, str(error))
    pixels = None if start.syntax == DEFLATED else _pixel_element(file, dataset)
    if pixels is not None:
        tag, element, offset, length = pixels
        found[f"{tag:08X}"] = element
    elements = {int(tag, 16): msgspec.json.encode({tag: one})[1:-1] for tag, one in found.items()}
    bulk = {tag for tag, json in elements.items() if MARK in json}
    return Found(elements, bulk) if pixels is None else Found(elements, bulk, offset, length)


def _pixel_element(file: BinaryIO, dataset: Dataset) -> tuple[int, dict[str, str], int, int] | None:
    """Tag, JSON, place and length of the pixels that pydicom stopped at, if it did."""
    is_implicit, is_little = dataset.original_encoding
    order = "<" if is_little else ">"
    head = file.read(12)
    if len(head) < 12:
        return None
    is_implicit = is_implicit or not _VR.fullmatch(head[4:6])
    group, element = struct.unpack_from(f"{order}HH", head)
    tag = group << 16 | element
    if tag not in PIXEL_TAGS:
        return None
    vr = "OW" if is_implicit else head[4:6].decode("latin_1")
    (length,) = struct.unpack_from(f"{order}I", head, 4 if is_implicit else 8)
    offset = file.tell() - (4 if is_implicit else 0)
    return tag, {"vr": vr, "BulkDataURI": f"{MARK_URI}{tag:08X}"}, offset, length


UNREADABLE = (
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom raises for damaged bytes."""
_UIDS = {
    0x0020000D: "StudyInstanceUID",
    0x0020000E: "SeriesInstanceUID",
    0x00080018: "SOPInstanceUID",
}
_BEFORE_UID = len('"00080018":{"vr":"UI","Value":["')


def _ref(elements: Mapping[int, bytes]) -> Ref:
    """The UIDs of an instance; without all three nobody can ask for it."""
    texts = [elements.get(tag, b"")[_BEFORE_UID:-3].decode() for tag in _UIDS]
    missing = [name for name, text in zip(_UIDS.values(), texts, strict=True) if not text]
    if missing:
        raise PassOver("without UIDs", f"no {' and no '.join(missing)}")
    try:
        return Ref(*texts)
    except RefError as error:
        raise PassOver("without UIDs", str(error)) from None
