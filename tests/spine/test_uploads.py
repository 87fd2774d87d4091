"""The upload engine: no outcome is lost, no body lies, memory stays bounded, and retries."""

from __future__ import annotations

import builtins
import os
import shutil
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

import dicomnb as dn
from dicomnb.pool import Cancel
from dicomnb.transfer.events import Progress
from dicomnb.transfer.given import items_of
from dicomnb.transfer.upload import BATCH_INSTANCES as BATCH
from dicomnb.transfer.upload import upload
from dicomnb.wire.storing import FileUpload, Outcome
from tests.conftest import real_file

CT = Path(real_file("CT_small.dcm"))
TAGS = ["PixelData", "Modality", "PatientID", "SOPClassUID", "StudyInstanceUID"]
TAGS += ["SeriesInstanceUID", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"]
TAGS += ["PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation"]


def instance(number: int = 0, *, pixels: int = 0) -> Dataset:
    """A data set of its own UID, with so many bytes of pixels."""
    dataset = dcmread(CT, specific_tags=TAGS)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.InstanceNumber = number
    if pixels:
        dataset.Rows, dataset.Columns = 512, pixels // 1024
        dataset.PixelData = bytes(pixels)
    return dataset


class Memory:
    """Stores batches in memory; some of them fail as a whole."""

    address = "memory:"

    def __init__(
        self, *, fails: set[int] = frozenset(), error: type[dn.DicomWebError] = dn.ServerError
    ):  # type: ignore[assignment]
        self._fails = fails
        self._error = error
        self.batches: list[list[str]] = []

    def store(self, uploads: Any, *, study: Any = None, cancel: Any = None) -> list[Outcome]:
        self.batches.append([one.name for one in uploads])
        for one in uploads:
            with one.open() as file:
                assert len(file.read()) == one.length
        if len(self.batches) in self._fails:
            raise self._error("It broke.", status=503)
        return [Outcome("stored", instance=one.name) for one in uploads]


def sent(source: Any, what: Any, **options: Any) -> pd.DataFrame:
    """Upload one batch after another."""
    options = {"workers": 1, "tell": lambda told: None, **options}
    return upload(source, items_of(what), study=None, **options)


def test_outcomes_of_other_batches_outlive_one_that_fails() -> None:
    data = CT.read_bytes()
    for first, second in ((BATCH, BATCH + 30), (0, 2 * BATCH + 30)):
        table = sent(Memory(fails={2 if first else 1}), [data] * (2 * BATCH + 30))
        expected = ["stored"] * first + ["failed"] * BATCH + ["stored"] * (second - BATCH)
        assert table["Outcome"].tolist() == expected
        assert table["Reason"][first].startswith("It broke.")


def test_when_nothing_is_answered_the_first_error_is_raised() -> None:
    source = Memory(fails=set(range(1, 99)))
    with pytest.raises(dn.ServerError, match="It broke") as caught:
        sent(source, [CT.read_bytes()] * 400)
    assert caught.value.table["Outcome"].tolist() == ["failed"] * 400  # type: ignore[attr-defined]
    assert len(source.batches) == 3  # and no more are tried


def test_what_would_be_refused_as_well_is_not_sent() -> None:
    source = Memory(fails={2}, error=dn.AuthError)
    table = sent(source, [CT.read_bytes()] * (4 * BATCH))
    assert len(source.batches) == 2
    assert table["Outcome"].tolist() == ["stored"] * BATCH + ["failed"] * 3 * BATCH
    assert table["Reason"][BATCH + 10].startswith("It broke.")
    assert table["Reason"][3 * BATCH].startswith("not sent")


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_outcomes_outlive_an_interruption(workers: int, stop: type[BaseException]) -> None:
    def tell(told: Progress) -> None:
        if told.done >= 100:
            raise stop

    with pytest.raises(stop) as caught:
        sent(Memory(), [CT.read_bytes()] * 700, workers=workers, tell=tell)
    table = caught.value.table  # type: ignore[attr-defined]
    assert len(table) == 700
    stored = int((table["Outcome"] == "stored").sum())
    assert 100 <= stored < 700
    rest = table[table["Outcome"] == "failed"]
    assert set(rest["Reason"]) == {"not sent: the store was stopped"}
    assert f"{stored} of 700" in caught.value.__notes__[0]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), dn.LimitExceeded("too large")])
def test_what_was_being_sent_may_have_been_stored(workers: int, error: BaseException) -> None:
    class Breaking(Memory):
        def store(self, uploads: Any, **options: Any) -> list[Outcome]:
            raise error

    with pytest.raises(type(error)) as caught:
        sent(Breaking(), [CT.read_bytes()] * 2, workers=workers)
    (reason,) = set(caught.value.table["Reason"])  # type: ignore[attr-defined]
    assert "may have been stored" in reason


@pytest.mark.parametrize("is_late", [True, False])
def test_a_server_that_does_not_answer_may_have_stored(tmp_path: Path, is_late: bool) -> None:
    error = dn.ConnectionFailed("No answer.")
    error.was_sent = is_late

    class Silent(Memory):
        def store(self, uploads: Any, **options: Any) -> list[Outcome]:
            raise error

    with pytest.raises(dn.ConnectionFailed) as caught:
        sent(Silent(), [CT.read_bytes()])
    (reason,) = caught.value.table["Reason"]  # type: ignore[attr-defined]
    assert ("may have been stored" in reason) == is_late
    assert reason.startswith("No answer.")


def test_outcomes_outlive_a_cancel(tmp_path: Path) -> None:
    cancel = Cancel()
    archive = dn.connect(_new(tmp_path), options=dn.Options(writable=True, workers=1))

    def tell(told: Progress) -> None:
        if told.done >= 50:
            cancel.set()

    data_sets = [instance(number) for number in range(130)]
    with pytest.raises(dn.Cancelled) as caught:
        archive.store(data_sets, progress=tell, cancel=cancel)
    table = caught.value.table
    assert table is not None
    assert len(table) == 130
    assert set(archive.instances()["SOPInstanceUID"]) == set(
        table.loc[table["Outcome"] == "stored", "SOPInstanceUID"]
    )
    # What was stopped is sent with the rest; all rows are there, in their order.
    table = archive.store(data_sets, retry=table)
    assert set(table["Outcome"]) <= {"stored", "already there"}
    assert table["SOPInstanceUID"].tolist() == [str(one.SOPInstanceUID) for one in data_sets]


@pytest.mark.parametrize("workers", [1, 3])
def test_what_came_from_an_iterator_has_its_row_when_the_store_is_cancelled(workers: int) -> None:
    cancel = Cancel()
    made = []

    def come() -> Iterator[Any]:
        for number in range(10):
            if number == 4:
                cancel.set()
            made.append(instance(number))
            yield made[-1]

    with pytest.raises(dn.Cancelled) as caught:
        sent(Memory(), come(), workers=workers, cancel=cancel)
    assert caught.value.table is not None
    names = [str(one.SOPInstanceUID) for one in made]
    assert caught.value.table["SOPInstanceUID"].tolist() == names


def test_an_iterator_is_not_gathered_and_its_faults_cost_a_row() -> None:
    made = []

    def come() -> Iterator[Any]:
        for number in range(400):
            made.append(number)
            yield instance(number, pixels=1 << 20) if number % 100 else b"no DICOM"

    source = Memory()
    seen: list[tuple[int, int]] = []
    table = sent(source, come(), tell=lambda told: seen.append((told.done, len(made))))
    assert table["Outcome"].tolist() == (["failed"] + ["stored"] * 99) * 4
    assert "preamble" in table["Reason"][100]
    assert max(ahead - done for done, ahead in seen) < 20
    with pytest.raises(dn.NoDicom, match="Nothing to store"):
        sent(source, iter([]))


def test_an_iterator_that_breaks_keeps_the_outcomes() -> None:
    def come() -> Iterator[Any]:
        for number in range(BATCH + 10):
            yield instance(number)
        raise OSError("the disk was pulled out")

    with pytest.raises(OSError, match="pulled out") as caught:
        sent(Memory(), come())
    table = caught.value.table  # type: ignore[attr-defined]
    assert table["Outcome"].tolist() == ["stored"] * BATCH + ["failed"] * 10


def _new(parent: Path) -> Path:
    folder = parent / "archive"
    folder.mkdir()
    return folder


def _slices(folder: Path, count: int, *, pixels: int) -> None:
    folder.mkdir()
    for number in range(count):
        instance(number, pixels=pixels).save_as(folder / f"{number}.dcm")


def test_memory_stays_bounded_over_http(tmp_path: Path) -> None:
    """300 slices of 256 KiB, from files and as data sets: 75 MiB go through little memory."""
    _slices(tmp_path / "in", 300, pixels=256 << 10)
    target = _new(tmp_path)

    def come() -> Iterator[Dataset]:
        for path in sorted((tmp_path / "in").iterdir()):
            dataset = dcmread(path)
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            yield dataset

    with dn.serve(target, writable=True, process=True) as url:
        archive = dn.connect(url)
        archive.store(CT)  # what is imported late is imported
        for what, most in ((tmp_path / "in", 12 << 20), (come(), 60 << 20)):
            tracemalloc.start()
            try:
                table = archive.store(what)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert set(table["Outcome"]) == {"stored"}
            assert peak < most, f"{peak / 1e6:.0f} MB"
        assert len(archive.instances()) == 601


def test_files_that_vanish_or_change_cost_their_own_row(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    _slices(folder, 12, pixels=2 << 20)
    archive = dn.connect(_new(tmp_path), options=dn.Options(writable=True, workers=1))
    with dn.serve(archive.source, writable=True) as url:
        there = dn.connect(url)
        files = sorted(folder.iterdir())

        def come() -> Iterator[Path]:
            yield from files
            files[1].unlink()
            files[3].write_bytes(files[3].read_bytes()[:-1000])  # cut, before it was looked at
            shutil.copy(CT, files[5])

        table = there.store(come())
    by_file = table.set_index("File")["Outcome"]
    assert by_file[str(files[1])] == "failed"
    assert "No such file" in table["Reason"][1]
    assert by_file[str(files[5])] == "stored"
    assert table["Outcome"].tolist().count("stored") == 10
    assert table["Outcome"][3] == "failed"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-5000]), "changed"),
        (lambda path: path.write_bytes(path.read_bytes() + b"more"), "changed"),
        (lambda path: path.write_bytes(path.read_bytes()), "changed"),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_a_file_that_changes_between_two_looks(
    tmp_path: Path, harm: Callable[[Path], Any], words: str, is_known: bool
) -> None:
    """The request is broken off; the others are stored without it, in another."""
    folder = tmp_path / "in"
    _slices(folder, 3, pixels=1 << 20)
    files = sorted(folder.iterdir())
    target = dn.connect(_new(tmp_path), options=dn.Options(writable=True))
    with dn.serve(target.source, writable=True) as url:
        source = dn.connect(url).source
        # The first look took the UIDs: that of a listing, or that of the store itself.
        uploads = [
            item.upload() if is_known else FileUpload(path)
            for item, path in zip(items_of(files), files, strict=True)
        ]
        original = uploads[1].open
        opened = []

        def late() -> Any:
            opened.append(1)
            if len(opened) == (1 if is_known else 2):
                harm(files[1])
            return original()

        uploads[1].open = late  # type: ignore[method-assign]
        outcomes = source.store(uploads)
    assert [one.outcome for one in outcomes] == ["stored", "failed", "stored"]
    assert words in outcomes[1].reason
    assert outcomes[1].instance
    assert len(target.instances()) == 2


def test_what_failed_is_sent_again(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    _slices(folder, 3, pixels=0)
    files = sorted(folder.iterdir())
    kept = files[1].read_bytes()
    files[1].write_bytes(kept[:2000])
    archive = dn.connect(_new(tmp_path), options=dn.Options(writable=True))
    lone, raw = instance(), CT.read_bytes()
    table = archive.store([folder, lone, raw])
    assert table["Outcome"].tolist() == ["stored", "failed", "stored", "stored", "stored"]
    assert table["File"].notna().tolist() == [True] * 3 + [False] * 2
    with pytest.raises(dn.StoreError) as caught:
        archive.store(retry=table, raise_on_failure=True)
    assert caught.value.table["Outcome"].tolist() == table["Outcome"].tolist()
    files[1].write_bytes(kept)
    labelled = table.set_index(pd.Index(list("abcde")))
    after = archive.store(retry=labelled)
    assert after["Outcome"].tolist() == ["stored"] * 5
    assert after.index.tolist() == list("abcde")
    assert after.dtypes.equals(table.dtypes)
    assert after["SOPInstanceUID"]["b"] == dcmread(files[1]).SOPInstanceUID
    assert after.drop(index="b").equals(labelled.drop(index="b"))
    # Nothing failed: nothing is sent.
    pd.testing.assert_frame_equal(archive.store(retry=after), after)


def test_data_sets_and_bytes_are_given_again_for_a_retry(tmp_path: Path) -> None:
    archive = dn.connect(_new(tmp_path), options=dn.Options(writable=True))
    ones = [instance(number) for number in range(3)]
    table = archive.store([*ones, CT.read_bytes()], study=str(ones[0].StudyInstanceUID))
    table.loc[[1, 3], "Outcome"] = "failed"
    archive.delete(ones[1])
    with pytest.warns(dn.DicomnbWarning, match="2 rows came from data sets or bytes"):
        assert archive.store(retry=table)["Outcome"].tolist() == table["Outcome"].tolist()
    after = archive.store([CT.read_bytes(), *ones], retry=table)
    assert after["Outcome"].tolist() == ["stored", "stored", "stored", "already there"]
    assert len(archive.instances()) == 4
    with pytest.raises(ValueError, match="this one has no"):
        archive.store(retry=archive.studies())
    with pytest.raises(TypeError, match="something to store"):
        archive.store()


def test_a_data_set_that_cannot_be_encoded_costs_its_row(tmp_path: Path) -> None:
    archive = dn.connect(_new(tmp_path), options=dn.Options(writable=True))
    bad = instance()
    with pytest.warns(UserWarning, match="US must be"):
        bad.Rows = 70000
    table = archive.store([instance(), bad])
    assert table["Outcome"].tolist() == ["stored", "failed"]
    assert "cannot be written" in table["Reason"][1]
    assert table["SOPInstanceUID"][1] == bad.SOPInstanceUID


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text elsewhere")
def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/K\xf6rper.dcm"
    shutil.copy(CT, path)
    with pytest.raises(dn.ServerError) as caught:
        sent(Memory(fails={1}), tmp_path)
    failed = caught.value.table  # type: ignore[attr-defined]
    assert os.fsencode(failed["File"][0]) == path
    archive = dn.connect(_new(tmp_path), options=dn.Options(writable=True))
    table = archive.store(retry=failed)
    assert table["Outcome"].tolist() == ["stored"]
    assert table["Name"].tolist() == [os.fsdecode(path)]
    assert pd.concat([table, sent(Memory(), CT)])["File"].tolist() == [os.fsdecode(path), str(CT)]


def test_an_unreadable_file_in_a_folder_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    _slices(folder, 2, pixels=0)
    secret = sorted(folder.iterdir())[0]
    opened = builtins.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> Any:
        if path == str(secret):  # root may read everything, so a mode does not do
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    archive = dn.connect(_new(tmp_path), options=dn.Options(writable=True))
    monkeypatch.setattr(builtins, "open", refuse)
    table = archive.store(folder)
    assert table["Outcome"].tolist() == ["failed", "stored"]
    assert "Permission denied" in table["Reason"][0]


def test_a_study_that_is_no_uid_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    archive = dn.connect(_new(tmp_path), options=dn.Options(writable=True))
    with pytest.raises(dn.RefError):
        archive.store(CT, study="")
    with pytest.raises(ValueError, match="'multipart' or 'single'"):
        archive.store(CT, form="json")  # type: ignore[arg-type]
    assert len(archive.instances()) == 0


def test_one_request_an_instance(tmp_path: Path, orthanc: Any) -> None:
    ones = [instance(number) for number in range(5)]
    with dn.serve(_new(tmp_path), writable=True) as url:
        archive = dn.connect(url)
        assert set(archive.store(ones, form="single")["Outcome"]) == {"stored"}
        assert len(archive.instances()) == 5
        for one in ones:
            np.testing.assert_array_equal(archive.dataset(one).pixel_array, one.pixel_array)
        wrong = archive.store(instance(), form="single", study="1.2.3")
        assert wrong["Outcome"].tolist() == ["failed"]
    with pytest.raises(dn.Unsupported, match='leave form="single" out') as caught:
        dn.connect(orthanc.url).store(ones, form="single")
    assert caught.value.status == 415
