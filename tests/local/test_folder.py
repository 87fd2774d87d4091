"""A folder as a source: instances, frames, bulk data and pictures as its files hold them."""

from __future__ import annotations

import os
import pickle
import struct
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pydicom
import pydicom.data
import pytest
from local_files import as_bytes, made, put
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID, ImplicitVRLittleEndian

from dicomnb.errors import (
    BadQuery,
    Cancelled,
    DecodeError,
    LimitExceeded,
    NoDicom,
    NotFound,
    RefError,
    Unsupported,
)
from dicomnb.images.pixels import is_native
from dicomnb.limits import Limits
from dicomnb.local.folder import FolderSource
from dicomnb.local.header import dataset_start
from dicomnb.options import Options
from dicomnb.pool import Cancel
from dicomnb.query import build
from dicomnb.refs import Ref
from dicomnb.source import Rendering, Source

REAL = Path(pydicom.data.__file__).parent / "test_files"
EXPLICIT = "1.2.840.10008.1.2.1"
ONE = Ref("1.1", "1.1.1", "1.1.1.1")
# Pixels on purpose not as the attributes or the codec say.
DAMAGED = {"MR_truncated.dcm", "badVR.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOMNB_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FolderSource]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DICOMNB_CACHE", str(tmp_path_factory.mktemp("cache")))
        source = FolderSource(REAL)
    yield source
    source.close()


def of(tmp_path: Path, data: bytes | None = None, **values: Any) -> FolderSource:
    """A folder with one file."""
    path = put(tmp_path / "data" / "one.dcm", **({} if data else values))
    if data is not None:
        path.write_bytes(data)
    return FolderSource(path.parent)


def only(parts: Any) -> Any:
    """The single part of an answer, read: a part is valid until the next is asked for."""
    part = next(parts)
    part.data = part.read()
    assert next(parts, None) is None
    return part


def refs(source: FolderSource) -> list[tuple[Ref, dict[str, Any]]]:
    rows = [row for page in source.search(build("instance", {}))
            for row in msgspec.json.decode(page.rows)]  # fmt: skip
    tags = ("0020000D", "0020000E", "00080018")
    return [(Ref(*(row[tag]["Value"][0] for tag in tags)), row) for row in rows]


def test_it_is_a_source(real: FolderSource) -> None:
    assert isinstance(real, Source)
    assert real.address == str(REAL)
    abilities = real.abilities()
    assert abilities.family == "folder"
    assert not abilities.stores
    assert abilities.deletes == frozenset()
    assert abilities.search.fuzzy
    assert abilities.search.honest_pages


def test_every_real_file_is_found_and_sent_as_it_is(real: FolderSource) -> None:
    found = refs(real)
    assert len(found) + sum(real.passed_over.counts.values()) == len(
        [path for path in REAL.rglob("*") if path.is_file()]
    )
    for ref, row in found:
        located = real._one(ref)
        data = (REAL / os.fsdecode(located.path)).read_bytes()
        part = only(real.instances(ref))
        sent = part.data
        assert part.transfer_syntax == row["00083002"]["Value"][0]
        assert part.location == row["00081190"]["Value"][0]
        if located.is_part10:
            assert sent == data
        else:
            assert sent.endswith(data[dataset_start(data) :])
            assert pydicom.dcmread(BytesIO(sent)).SOPInstanceUID == ref.uid


def test_every_frame_of_every_real_file(real: FolderSource) -> None:
    seen = set()
    for ref, _ in refs(real):
        located = real._one(ref)
        name = os.path.basename(os.fsdecode(located.path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(REAL / os.fsdecode(located.path), force=True)
        if "PixelData" not in dataset:
            with pytest.raises(NotFound, match="no pixels"):
                list(real.frames(ref, [1]))
            continue
        if name in DAMAGED:
            continue
        count = int(dataset.get("NumberOfFrames") or 1)
        parts = [(part.media_type, part.transfer_syntax, part.read())
                 for part in real.frames(ref, range(1, count + 1))]  # fmt: skip
        seen.add(located.transfer_syntax)
        if is_native(located.transfer_syntax):
            assert {part[:2] for part in parts} == {("application/octet-stream", EXPLICIT)}
            expected = native_pixels(dataset, located.transfer_syntax)
            if dataset.BitsAllocated == 1:
                bits = np.concatenate([
                    np.unpackbits(np.frombuffer(part[2], np.uint8), bitorder="little")[
                        : dataset.Rows * dataset.Columns
                    ]
                    for part in parts
                ])  # fmt: skip
                whole = np.unpackbits(np.frombuffer(expected, np.uint8), bitorder="little")
                assert (bits == whole[: len(bits)]).all(), name
            else:
                joined = b"".join(part[2] for part in parts)
                assert expected.startswith(joined), name
                assert len(expected) - len(joined) < 2 or name == "MR_small_padded.dcm", name
        else:
            expected = list(generate_frames(dataset.PixelData, number_of_frames=count))
            assert [part[2] for part in parts] == expected, name
            assert parts[0][1] == located.transfer_syntax
    assert len(seen) == 8


def native_pixels(dataset: pydicom.Dataset, syntax: str) -> bytes:
    value = dataset.get_item("PixelData").value
    if syntax == "1.2.840.10008.1.2.2" and dataset["PixelData"].VR == "OW":
        size = max(dataset.BitsAllocated // 8, 2)
        value = np.frombuffer(value, f">u{size}").astype(f"<u{size}").tobytes()
    return bytes(value)


def test_frames_count_from_1(tmp_path: Path) -> None:
    source = of(tmp_path, NumberOfFrames=3, PixelData=np.arange(18, dtype="<u2").tobytes())
    got = [np.frombuffer(part.read(), "<u2").tolist() for part in source.frames(ONE, [3, 1])]
    assert got == [list(range(12, 18)), list(range(6))]
    with pytest.raises(BadQuery, match="frames count from 1 to 3"):
        list(source.frames(ONE, [0]))
    with pytest.raises(NotFound, match="frames count from 1 to 3"):
        list(source.frames(ONE, [1, 4]))
    buffer = bytearray(12)
    parts = source.frames(ONE, [2])
    part = next(parts)
    assert part.readinto(buffer) == part.length == 12
    assert np.frombuffer(buffer, "<u2").tolist() == list(range(6, 12))


def test_one_bit_frames_that_begin_within_a_byte(tmp_path: Path) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (5, 3, 3), np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes() + b"\0" * 2
    source = of(tmp_path, NumberOfFrames=5, Rows=3, Columns=3, BitsAllocated=1, BitsStored=1,
                HighBit=0, PixelData=packed)  # fmt: skip
    for number, part in enumerate(source.frames(ONE, range(1, 6))):
        data = np.unpackbits(np.frombuffer(part.read(), np.uint8), bitorder="little")
        assert data[:9].tolist() == bits[number].ravel().tolist()
        assert part.length == 2


def test_cut_pixels_are_an_error_that_names_the_frame(tmp_path: Path) -> None:
    whole = as_bytes(made(NumberOfFrames=3, PixelData=bytes(36)))
    source = of(tmp_path, whole[:-14])
    assert len(next(source.frames(ONE, [1])).read()) == 12
    with pytest.raises(DecodeError, match="too few for frame 2 of 3"):
        list(source.frames(ONE, [2]))
    with pytest.raises(DecodeError, match="no Rows"):
        list(of(tmp_path, Rows=None).frames(ONE, [1]))


def compressed(frames: list[bytes], *, has_table: bool = True, per_frame: int = 1) -> bytes:
    value = encapsulate(frames, fragments_per_frame=per_frame, has_bot=has_table)
    dataset = made(NumberOfFrames=len(frames), BitsAllocated=8, BitsStored=8, HighBit=7,
                   PixelData=value)  # fmt: skip
    dataset["PixelData"].is_undefined_length = True
    return as_bytes(dataset, syntax="1.2.840.10008.1.2.4.50")


@pytest.mark.parametrize("has_table", [True, False])
@pytest.mark.parametrize("per_frame", [1, 2])
def test_compressed_frames(tmp_path: Path, has_table: bool, per_frame: int) -> None:
    frames = [b"\xff\xd8" + bytes([number]) * 16 + b"\xff\xd9" for number in range(4)]
    source = of(tmp_path, compressed(frames, has_table=has_table, per_frame=per_frame))
    parts = [(part.read(), part.media_type) for part in source.frames(ONE, [4, 2])]
    assert parts == [(frames[3], "image/jpeg"), (frames[1], "image/jpeg")]
    uri = f"dicomnb:/{ONE.path}/bulkdata/7FE00010"
    assert [part.read() for part in source.bulk(uri)] == frames


def test_damaged_encapsulation(tmp_path: Path) -> None:
    data = compressed([b"\xff\xd8abcd\xff\xd9"] * 2)
    with pytest.raises(DecodeError, match="cut"):
        list(of(tmp_path, data[:-20]).frames(ONE, [1]))
    begin = data.index(struct.pack("<HH", 0x7FE0, 0x10)) + 12
    with pytest.raises(DecodeError, match="no fragment"):
        list(of(tmp_path, data[:begin]).frames(ONE, [1]))


def test_another_transfer_syntax(tmp_path: Path) -> None:
    source = of(tmp_path, (REAL / "MR_small_RLE.dcm").read_bytes())
    ((ref, row),) = refs(source)
    expected = pydicom.dcmread(REAL / "MR_small.dcm")
    part = only(source.instances(ref, transfer_syntax=EXPLICIT))
    dataset = pydicom.dcmread(BytesIO(part.data))
    assert part.transfer_syntax == dataset.file_meta.TransferSyntaxUID == EXPLICIT
    assert dataset.PixelData == expected.PixelData
    assert dataset.SOPInstanceUID == ref.uid
    part = only(source.frames(ref, [1], transfer_syntax=EXPLICIT))
    assert (part.data, part.transfer_syntax) == (expected.PixelData, EXPLICIT)
    part = only(source.instances(ref, transfer_syntax=row["00083002"]["Value"][0]))
    assert part.data == (REAL / "MR_small_RLE.dcm").read_bytes()
    for ask in (source.instances(ref, transfer_syntax="1.2.840.10008.1.2.4.90"),
                source.frames(ref, [1], transfer_syntax="1.2.840.10008.1.2.4.90")):  # fmt: skip
        with pytest.raises(Unsupported, match=r"not in 1\.2\.840\.10008\.1\.2\.4\.90"):
            list(ask)


@pytest.mark.parametrize("name", ["MR_small_bigendian.dcm", "image_dfl.dcm", "rtdose.dcm",
                                  "SC_rgb_jpeg_dcmtk.dcm", "examples_jpeg2k.dcm"])  # fmt: skip
def test_every_encoding_as_explicit_little_endian(tmp_path: Path, name: str) -> None:
    path = Path(str(pydicom.data.get_testdata_file(name, download=False)))
    source = of(tmp_path, path.read_bytes())
    ((ref, _),) = refs(source)
    part = only(source.instances(ref, transfer_syntax=EXPLICIT))
    dataset = pydicom.dcmread(BytesIO(part.data))
    original = pydicom.dcmread(path)
    assert dataset.original_encoding == (False, True)
    if is_native(original.file_meta.TransferSyntaxUID):
        assert (dataset.pixel_array == original.pixel_array).all()
    else:
        assert dataset.PhotometricInterpretation == "RGB"
        assert dataset.pixel_array.shape == original.pixel_array.shape


def test_a_codestream_that_cannot_be_decoded(tmp_path: Path) -> None:
    source = of(tmp_path, compressed([b"\xff\xd8nothing\xff\xd9"]))
    for ask in (source.instances(ONE, transfer_syntax=EXPLICIT),
                source.frames(ONE, [1], transfer_syntax=EXPLICIT)):  # fmt: skip
        with pytest.raises(Unsupported):
            list(ask)


def test_bulk_data(tmp_path: Path) -> None:
    dataset = made()
    dataset.add_new(0x00091001, "OB", bytes(range(256)) * 20)
    dataset.add_new(0x00189073, "FD", [0.5] * 600)
    source = of(tmp_path, as_bytes(dataset, syntax=ImplicitVRLittleEndian))
    (page,) = source.metadata(ONE)
    row = msgspec.json.decode(page.rows)[0]
    got = {tag: b"".join(part.read() for part in source.bulk(element["BulkDataURI"]))
           for tag, element in row.items() if "BulkDataURI" in element}  # fmt: skip
    assert got == {
        "00091001": bytes(range(256)) * 20,
        "00189073": np.full(600, 0.5).tobytes(),
        "7FE00010": np.arange(6, dtype="<u2").tobytes(),
    }
    base = f"dicomnb:/{ONE.path}/bulkdata"
    for uri in (f"{base}/00091002", f"{base}/x", f"{base}/00091001/0", f"http://x/{ONE.path}",
                "dicomnb:/studies/1.1/bulkdata/7FE00010", "file:///etc/passwd", "",
                "dicomnb:/studies/../../x/series/1/instances/1/bulkdata/7FE00010"):  # fmt: skip
        with pytest.raises((NotFound, RefError)):
            list(source.bulk(uri))


def test_float_pixels_and_deflated_files(tmp_path: Path) -> None:
    values = np.arange(6, dtype="<f4")
    dataset = made(PixelData=None, BitsAllocated=32, BitsStored=None, HighBit=None,
                   PixelRepresentation=None)  # fmt: skip
    dataset.FloatPixelData = values.tobytes()
    source = of(tmp_path, as_bytes(dataset))
    part = only(source.frames(ONE, [1]))
    assert part.data == values.tobytes()
    picture = only(source.rendered(ONE, Rendering()))
    assert Image.open(BytesIO(picture.data)).size == (3, 2)
    deflated = of(tmp_path, as_bytes(made(), syntax="1.2.840.10008.1.2.1.99"))
    part = only(deflated.frames(ONE, [1]))
    assert part.data == np.arange(6, dtype="<u2").tobytes()
    part = only(deflated.bulk(f"dicomnb:/{ONE.path}/bulkdata/7FE00010"))
    assert part.data == np.arange(6, dtype="<u2").tobytes()


def test_rendered(tmp_path: Path) -> None:
    pixels = np.repeat(np.arange(2, dtype="<u2") * 100, 6).tobytes()
    source = of(tmp_path, NumberOfFrames=2, PixelData=pixels)
    png = only(source.rendered(ONE, Rendering(frame=2, window=(50, 100))))
    assert png.media_type == "image/png"
    assert np.asarray(Image.open(BytesIO(png.data))).tolist() == [[255] * 3] * 2
    jpeg = only(source.rendered(ONE, Rendering("jpeg", quality=50, viewport=(30, 30))))
    assert jpeg.media_type == "image/jpeg"
    assert Image.open(BytesIO(jpeg.data)).size == (30, 20)
    with pytest.raises(BadQuery, match="count from 1"):
        list(source.rendered(ONE, Rendering(frame=0)))
    with pytest.raises(BadQuery, match="quality"):
        list(source.rendered(ONE, Rendering("jpeg", quality=101)))
    with pytest.raises(Unsupported, match="series"):
        list(source.rendered(ONE.at("series"), Rendering()))


@pytest.mark.parametrize("change", ["gone", "changed", "another"])
def test_a_file_that_is_no_longer_what_was_indexed(tmp_path: Path, change: str) -> None:
    source = of(tmp_path)
    path = tmp_path / "data" / "one.dcm"
    if change == "gone":
        path.unlink()
    elif change == "changed":
        os.utime(path, ns=(1, 1))
    else:
        put(path, uid="9.9.9.9", PatientName="Somebody^Else")
    for ask in (source.instances(ONE), source.frames(ONE, [1]), source.rendered(ONE, Rendering()),
                source.bulk(f"dicomnb:/{ONE.path}/bulkdata/7FE00010")):  # fmt: skip
        with pytest.raises(NotFound, match=r"refresh\(\)"):
            list(ask)
    if change == "changed":
        source.refresh()
        assert len(list(source.instances(ONE))) == 1


def test_folders_without_dicom(tmp_path: Path) -> None:
    with pytest.raises(NoDicom, match="no folder"):
        FolderSource(tmp_path / "missing")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(NoDicom, match="writable"):
        FolderSource(empty)
    (empty / "a.txt").write_text("text")
    (empty / "b.txt").write_text("text")
    with pytest.raises(NoDicom, match=r"2 files not DICOM \(such as a\.txt"):
        FolderSource(empty)
    source = FolderSource(empty, options=Options(writable=True))
    assert list(source.search(build("study", {}))) == []
    assert source.abilities().stores


def test_it_pickles_as_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = of(tmp_path)
    pickled = pickle.dumps(source)
    assert len(pickled) < 2000
    again = pickle.loads(pickled)
    assert (again.address, repr(again)) == (source.address, repr(source))
    put(tmp_path / "data" / "two.dcm", uid="2.2")
    assert len(refs(again)) == 1, "unpickling reads no files while there is an index"
    monkeypatch.setenv("DICOMNB_CACHE", str(tmp_path / "another machine"))
    assert len(refs(pickle.loads(pickled))) == 2


def test_cancel_and_closing(tmp_path: Path) -> None:
    put(tmp_path / "data" / "two.dcm", uid="2.2")
    source = of(tmp_path)
    cancel = Cancel()
    parts = source.instances(ONE.at("series"), cancel=cancel)
    next(parts)
    cancel.set()
    with pytest.raises(Cancelled):
        next(parts)
    parts = source.instances(ONE.at("study"))
    part = next(parts)
    parts.close()
    with pytest.raises(ValueError, match="closed"):
        part.read()
    source.close()
    source.close()
    assert len(refs(source)) == 2
    with pytest.raises(RefError, match="single instance"):
        list(source.frames(ONE.at("study"), [1]))
    for asked in (Ref("9"), Ref("1.1", "1.1.1", "9")):
        with pytest.raises(NotFound):
            list(source.instances(asked))


def test_a_file_without_meta_is_sent_as_part_10(tmp_path: Path) -> None:
    data = as_bytes(made())
    source = of(tmp_path, data[dataset_start(data) :])
    part = only(source.instances(ONE))
    dataset = pydicom.dcmread(BytesIO(part.data))
    assert dataset.file_meta.MediaStorageSOPInstanceUID == ONE.uid
    assert dataset.file_meta.MediaStorageSOPClassUID == dataset.SOPClassUID
    assert dataset.file_meta.TransferSyntaxUID == UID(EXPLICIT)
    assert (dataset.PatientName, dataset.PixelData) == (made().PatientName, made().PixelData)
    assert dataset.keys() == made().keys()


def test_a_picture_has_a_bound(tmp_path: Path) -> None:
    of(tmp_path).close()
    small = Options(limits=Limits(picture_pixels=5))
    source = FolderSource(tmp_path, options=small)
    with pytest.raises(LimitExceeded, match="2 × 3 is too large"):
        list(source.rendered(ONE, Rendering()))
    source.close()
