"""Uploads of whatever holds instances; servers that send what was not asked for."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID, generate_uid

import dicomnb as dn
from dicomnb.archive import Archive
from dicomnb.images.part10 import read_instance
from dicomnb.pool import Cancel
from dicomnb.query import Query
from dicomnb.source import Abilities, Page, Rendering
from dicomnb.transfer.deletion import delete
from dicomnb.transfer.given import items_of
from dicomnb.transfer.identity import named
from dicomnb.transfer.items import FileItem
from dicomnb.wire.identity import identity_of
from dicomnb.wire.parts import BytesPart, Part
from dicomnb.wire.storing import FileUpload
from tests.conftest import real_file

CT = Path(real_file("CT_small.dcm"))
OTHER = Path(real_file("MR_small.dcm"))
CT_REF = dn.Ref(*(str(dcmread(CT)[name].value) for name in (
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")))  # fmt: skip
SERIES = CT_REF.at("series")


class Sender:
    """A source that sends these bodies, whatever it is asked for."""

    address = "https://pacs.example/dicom-web"

    def __init__(self, *bodies: bytes) -> None:
        self.bodies = bodies
        self.closed = 0

    def abilities(self) -> Abilities:
        return Abilities("standard")

    def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        yield Page(json.dumps([{}] * len(self.bodies)).encode(), len(self.bodies))

    def metadata(self, ref: dn.Ref, *, cancel: Cancel | None = None) -> Iterator[Page]:
        rows = [dcmread(io.BytesIO(body)).to_json_dict() for body in self.bodies]
        yield Page(json.dumps(rows).encode(), len(rows))

    def instances(
        self, ref: dn.Ref, *, transfer_syntax: str = "*", cancel: Cancel | None = None
    ) -> Iterator[Part]:
        try:
            for body in self.bodies:
                yield BytesPart(body, media_type="application/dicom")
        finally:
            self.closed += 1

    def rendered(
        self, ref: dn.Ref, rendering: Rendering, *, cancel: Cancel | None = None
    ) -> Iterator[Part]:
        for body in self.bodies:
            yield BytesPart(body, media_type="image/png")

    def delete(self, ref: dn.Ref, *, cancel: Cancel | None = None) -> str | None:
        if ref.study == "1.2":
            raise PermissionError("read-only disk")
        return None


def archive(*bodies: bytes) -> Archive:
    return Archive(Sender(*bodies), options=dn.Options(workers=2))  # type: ignore[arg-type]


@pytest.mark.parametrize("ref", [SERIES, CT_REF])
def test_an_instance_that_was_not_asked_for_is_noticed(ref: dn.Ref, tmp_path: Path) -> None:
    foreign = archive(OTHER.read_bytes())
    for ask in (
        lambda: list(foreign.datasets(ref)),
        lambda: foreign.volume(ref),
        lambda: foreign.download(ref, tmp_path),
    ):
        with pytest.raises(dn.ProtocolError, match="was sent"):
            ask()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with pytest.raises(dn.ProtocolError, match="was sent"):
        foreign.dataset(CT_REF)
    with pytest.raises(dn.ProtocolError, match="was sent"):
        foreign.frames(CT_REF)


def test_a_stray_slice_among_the_right_ones_is_noticed() -> None:
    with pytest.raises(dn.ProtocolError, match="was sent"):
        archive(CT.read_bytes(), OTHER.read_bytes()).volume(SERIES, strict=False)


def test_what_is_no_instance_is_said_to_be_none(tmp_path: Path) -> None:
    for body in (b"<html>", CT.read_bytes()[:300], bytes(128) + b"DICM"):
        with pytest.raises(dn.ProtocolError, match="no DICOM instance"):
            archive(body).dataset(CT_REF)
        with pytest.raises(dn.ProtocolError, match="no DICOM instance"):
            archive(body).download(CT_REF, tmp_path)


def test_nothing_is_not_found(tmp_path: Path) -> None:
    for ask in (
        lambda: archive().dataset(CT_REF),
        lambda: list(archive().datasets(SERIES)),
        lambda: archive().download(SERIES, tmp_path),
        lambda: archive().rendered(CT_REF),
    ):
        with pytest.raises(dn.NotFound, match="came for studies/"):
            ask()


def test_a_picture_that_is_none() -> None:
    with pytest.raises(dn.ProtocolError, match="no picture"):
        archive(b"<html>").rendered(CT_REF)
    with pytest.raises(ValueError, match="format='gif'"):
        archive(b"x").rendered(CT_REF, format="gif")  # type: ignore[arg-type]


def test_dataset_closes_what_it_asked() -> None:
    source = Sender(CT.read_bytes(), CT.read_bytes())
    Archive(source, options=dn.Options()).dataset(CT_REF)  # type: ignore[arg-type]
    assert source.closed == 1


@pytest.mark.parametrize("uids_at", ["beginning", "far"])
def test_an_named_part_is_read_from_its_first_byte(uids_at: str) -> None:
    body = CT.read_bytes()
    if uids_at == "far":
        dataset = dcmread(CT)
        block = dataset.private_block(0x0009, "FAR", create=True)
        block.add_new(1, "OB", bytes(100_000))
        dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        body = buffer.getvalue()
    for asked in (SERIES, CT_REF):
        found, part = named(BytesPart(body, media_type="application/dicom"), asked)
        assert found == CT_REF
        target = bytearray(10)
        assert part.readinto(target) == 10
        assert bytes(target) + part.read() == body
        found, part = named(BytesPart(body, media_type="application/dicom"), asked)
        assert found == CT_REF
        target = bytearray(len(body) + 5)
        assert part.readinto(target) == len(body)
        assert bytes(target[: len(body)]) == body
        found, part = named(BytesPart(body, media_type="application/dicom"), asked)
        assert found == CT_REF
        assert read_instance(part).dataset.SOPInstanceUID == CT_REF.instance


def test_a_download_never_replaces_what_came_in_the_meantime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = archive(CT.read_bytes())
    target = tmp_path / CT_REF.study / str(CT_REF.series) / f"{CT_REF.instance}.dcm"
    monkeypatch.setattr(Path, "exists", lambda self, **_: False)  # looked too early
    target.parent.mkdir(parents=True)
    target.write_bytes(b"theirs")
    assert source.download(CT_REF, tmp_path)["Outcome"].tolist() == ["conflict"]
    assert target.read_bytes() == b"theirs"


def test_a_download_works_where_files_cannot_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    for outcome in ("downloaded", "already there"):
        table = archive(CT.read_bytes()).download(CT_REF, tmp_path)
        assert table["Outcome"].tolist() == [outcome]
    files = [path for path in tmp_path.rglob("*.dcm") if path.is_file()]
    assert [path.read_bytes() for path in files] == [CT.read_bytes()]


def test_what_a_killed_download_left_is_swept(tmp_path: Path) -> None:
    old, new = tmp_path / ".dicomnb-1.part", tmp_path / ".dicomnb-2.part"
    mine = tmp_path / "mine.part"
    for path in (old, new, mine):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    os.utime(mine, (0, 0))
    archive(CT.read_bytes()).download(CT_REF, tmp_path)
    assert (old.exists(), new.exists(), mine.exists()) == (False, True, True)


def test_several_deletions_go_on_after_a_failing_disk() -> None:
    refs = [dn.Ref("1.1"), dn.Ref("1.2"), dn.Ref("1.3")]
    options = {"wait": True, "time_limit": None, "tell": lambda told: None}
    table = delete(Sender(), refs, **options)  # type: ignore[arg-type]
    assert table["Outcome"].tolist() == ["deleted", "failed", "deleted"]
    assert "read-only disk" in table["Reason"][1]


def names(what: object) -> list[str]:
    return [Path(one.name).name for one in items_of(what)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two instances, one of them deep, and a link in a circle."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    shutil.copy(CT, tmp_path / "a" / "one.dcm")
    shutil.copy(CT, tmp_path / "a" / "b" / "two.dcm")
    (tmp_path / "a" / "b" / "circle").symlink_to(tmp_path / "a")
    return tmp_path


def test_each_file_is_stored_once(tree: Path) -> None:
    assert sorted(names(tree)) == ["one.dcm", "two.dcm"]
    assert sorted(names(str(tree / "**"))) == ["one.dcm", "two.dcm"]
    assert sorted(names([tree, tree / "a" / "one.dcm", str(tree / "*")])) == ["one.dcm", "two.dcm"]


def test_links_to_files_are_those_files(tree: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "links"
    elsewhere.mkdir()
    (elsewhere / "again.dcm").symlink_to(tree / "a" / "one.dcm")
    (elsewhere / "more.dcm").symlink_to(elsewhere / "again.dcm")
    (elsewhere / "nowhere.dcm").symlink_to(tmp_path / "gone.dcm")
    (elsewhere / "round.dcm").symlink_to(elsewhere / "round.dcm")
    assert names(elsewhere) == ["again.dcm"]
    assert sorted(names([tree / "a", elsewhere])) == ["one.dcm", "two.dcm"]
    assert sorted(names([elsewhere, tree / "a"])) == ["again.dcm", "two.dcm"]
    found = items_of([str(elsewhere / "*.dcm"), str(elsewhere / "n*.dcm"), tree / "a" / "b"])
    assert [Path(one.name).name for one in found] == ["again.dcm", "two.dcm"]
    assert sorted(found.passed_over) == [
        str(elsewhere / "nowhere.dcm"),
        str(elsewhere / "round.dcm"),
    ]


def test_a_file_is_known_by_one_look_until_it_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(CT.read_bytes())
    (item,) = items_of(path)
    size, uid = path.stat().st_size, item.identity.instance
    assert uid == dcmread(CT).SOPInstanceUID
    assert (item.weight, item.upload().length) == (size, size)
    path.unlink()  # what is looked at now is what the first look told
    assert identity_of(FileUpload(path, identity=item.identity)) == item.identity
    with pytest.raises(FileNotFoundError):
        item.upload()
    other = dcmread(CT)
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    other.save_as(path)
    os.utime(path, ns=(0, 0))
    assert identity_of(item.upload()).instance == other.SOPInstanceUID
    assert (item.weight, FileItem(str(path)).weight) == (size, path.stat().st_size)
    assert FileItem(str(tmp_path / "none")).weight == 0


def test_links_to_folders_are_followed_and_parts_passed_by(tree: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to(tree / "a")
    (elsewhere / ".dicomnb-1.part").write_bytes(CT.read_bytes()[:5000])
    assert sorted(names(elsewhere)) == ["one.dcm", "two.dcm"]


def test_bytes_of_any_kind_and_open_files() -> None:
    data = CT.read_bytes()
    with CT.open("rb") as file:
        for what in (data, bytearray(data), memoryview(data), io.BytesIO(data), file):
            (one,) = items_of(what)
            with one.upload().open() as reader:
                assert reader.read() == data


def test_what_cannot_be_stored_says_why(tmp_path: Path) -> None:
    for what in ({"a": CT}, pd.DataFrame({"File": [str(CT)]}), 5, None):
        with pytest.raises(TypeError, match="cannot be stored"):
            items_of(what)
    with pytest.raises(dn.NoDicom, match="lacks the preamble"):
        items_of(real_file("ExplVR_LitEndNoMeta.dcm"))
    shutil.copy(CT, tmp_path / "DICOMDIR")
    with pytest.raises(dn.NoDicom, match="store its folder"):
        items_of(tmp_path / "DICOMDIR")


def test_a_data_set_that_cannot_be_written_is_told_without_its_values() -> None:
    dataset = dcmread(CT)
    with pytest.warns(UserWarning, match="US must be"):
        dataset.Rows = 70000
    dataset.PatientName = "Secret"
    (item,) = items_of(dataset)
    with pytest.raises(dn.NoDicom, match="cannot be written") as caught:
        item.upload()
    assert "Traceback" not in str(caught.value)
    with pytest.raises(dn.NoDicom, match="TransferSyntaxUID"):
        items_of(Dataset())


def test_a_data_set_is_not_changed_by_storing_it() -> None:
    dataset, before = dcmread(CT), dcmread(CT)
    del dataset.file_meta.MediaStorageSOPInstanceUID
    (item,) = items_of(dataset)
    item.upload()
    assert dataset == before
    assert "MediaStorageSOPInstanceUID" not in dataset.file_meta


def test_parts_have_the_rights_that_new_files_have(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    table = archive(CT.read_bytes()).download(CT_REF, tmp_path)
    assert Path(table["File"][0]).stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert time.time() - Path(table["File"][0]).stat().st_mtime < 60
