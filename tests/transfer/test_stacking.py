"""Volumes and data sets that are fetched: told of while they come, stopped, gone on with."""

from __future__ import annotations

import contextlib
import io
import threading
import time

import numpy as np
import pytest
from pydicom import dcmread

import dicomnb as dn
from dicomnb.transfer import fetching
from dicomnb.transfer.events import Progress
from dicomnb.transfer.stacking import Stacking
from tests.conftest import real_file
from tests.transfer.series_server import KIND, REF, SERIES, STUDY, SeriesServer, slices
from tests.web.raw_server import response

pytestmark = pytest.mark.usefixtures("fast_line")

FILES = slices(20)
UIDS = list(FILES)


@pytest.fixture
def server() -> SeriesServer:
    return SeriesServer(dict(FILES))


def stacking(archive: dn.Archive, **options) -> Stacking:
    how = {"strict": True, "workers": 2, "limits": archive.options.limits}
    return Stacking(archive.source, [REF], **{**how, **options})


def singly(server, request, uid, count):
    """Have the stream break at once, so that instances are asked for by themselves."""
    return server.cut(server.files, 500) if uid is None else None


@pytest.mark.parametrize("workers", [4, 1], ids=["listed beside", "listed at last"])
def test_a_volume_tells_bytes_and_instances_as_they_come(raw, server, workers: int) -> None:
    told: list[Progress] = []
    volume = server.start(raw, workers=workers).volume(REF, progress=told.append)
    last = told[-1]
    assert volume.shape == (20, 16, 16)
    assert (last.done, last.total) == (20, 20)
    assert last.bytes_done == sum(map(len, FILES.values()))


@pytest.mark.parametrize("sized", [True, False], ids=["with lengths", "without"])
def test_bytes_of_a_long_instance_move_before_its_end(raw, sized: bool) -> None:
    frames = many_frames(400)
    server = SeriesServer({"1.2.826.1.2.1": frames}, sized=sized)
    told: list[Progress] = []
    server.start(raw).volume(REF, strict=False, progress=told.append)
    assert any(one.done == 0 and one.bytes_done > 0 for one in told)
    assert told[-1].bytes_done == len(frames)


def many_frames(count: int) -> bytes:
    """An MR image of ``count`` frames; the values of each are its number."""
    dataset = dcmread(real_file("emri_small.dcm"))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, SERIES
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{SERIES}.1"
    dataset.NumberOfFrames = count
    values = np.arange(count, dtype="<u2").repeat(dataset.Rows * dataset.Columns)
    dataset.PixelData = values.tobytes()
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def test_a_long_instance_that_was_cut_is_in_the_volume_once(raw) -> None:
    uid = f"{SERIES}.1"
    server = SeriesServer({uid: many_frames(10)})
    whole = server.start(raw).volume(REF)

    def fault(server, request, asked, count):
        return server.cut([uid], len(server.body([uid])) * 4 // 5) if count == 0 else None

    server.fault = fault
    volume = server.start(raw, keep=False).volume(REF)
    assert server.asked == {None: 1, uid: 2}
    assert volume.shape == whole.shape
    assert np.asarray(volume)[:, 0, 0].tolist() == list(range(10))


def test_a_volume_is_stopped_and_gone_on_with(raw, server) -> None:
    whole = server.start(raw).volume(REF)
    server.fault = singly
    archive = server.start(raw, keep=False)
    one, cancel = stacking(archive), dn.Cancel()

    def tell(progress: Progress) -> None:
        if progress.done == 6:
            cancel.set()

    with pytest.raises(dn.Cancelled):
        one.fetch(tell, cancel=cancel)
    came, kept = one.done, {ref.instance for ref in one._done}
    assert 6 <= came < 20
    server.asked.clear()
    told: list[Progress] = []
    one.fetch(told.append)
    assert set(server.asked) == set(UIDS) - kept
    assert (told[-1].done, told[-1].total, told[-1].skipped) == (20, 20, came)
    assert (np.asarray(one.finish()) == np.asarray(whole)).all()


def test_a_server_that_goes_away_in_the_middle_of_a_volume(raw, server) -> None:
    def fault(server, request, uid, count):
        if uid is None:
            return server.cut(server.files, 9000)
        return b"" if uid == UIDS[15] and count < 10 else None

    server.fault = fault
    archive = server.start(raw, keep=False, workers=1)
    one = stacking(archive, workers=1)
    with pytest.raises(dn.DicomnbError):
        one.fetch(lambda _: None)
    assert 0 < one.done < 20
    server.fault = lambda *_: None
    one.fetch(lambda _: None)
    assert np.asarray(one.finish()).shape == (20, 16, 16)


def cut_once(server, request, uid, count):
    """Have the first stream of the series break in its seventh instance."""
    return server.cut(server.files, 20_000) if uid is None and count == 0 else None


@pytest.mark.parametrize("listed", [UIDS[:12], []], ids=["some", "none"])
def test_a_search_that_tells_of_fewer_makes_no_smaller_volume(raw, server, listed) -> None:
    """The stream broke, and the search tells of fewer than the series' row says there are: an
    error, and all of them when it is gone on with."""
    whole = server.start(raw).volume(REF)
    server.fault = cut_once
    archive = server.start(raw, keep=False)
    server.listed = listed
    one = stacking(archive, told=20)
    with pytest.raises(dn.ProtocolError, match="not whole"):
        one.fetch(lambda _: None)
    assert 0 < one.done < 20
    told: list[Progress] = []
    one.fetch(told.append)
    assert server.asked[None] == 2
    assert (told[-1].done, told[-1].total) == (20, 20)
    assert (np.asarray(one.finish()) == np.asarray(whole)).all()


def test_a_stream_is_not_left_for_a_search_that_tells_of_fewer(raw, server, monkeypatch) -> None:
    monkeypatch.setattr(fetching, "is_faster_side_by_side", lambda pace, **_: pace.instances == 4)
    archive = server.start(raw, keep=False)
    server.listed = UIDS[:12]
    one = stacking(archive, told=20)
    one.fetch(lambda _: None)
    assert np.asarray(one.finish()).shape == (20, 16, 16)
    assert server.asked == {None: 2}


def dripping(server, request, uid, count):
    """Have streams of the series come slowly, so that others are faster."""
    if uid is not None:
        return None
    body = server.answer(server.files)
    step = len(body) // 20 + 1
    return (time.sleep(0.03) or body[at : at + step] for at in range(0, len(body), step))


def test_a_stream_is_not_left_for_a_search_that_gives_not_all(raw, server, monkeypatch) -> None:
    """A server that tells of twelve rows and of more: those that it keeps are slices too."""
    monkeypatch.setattr(fetching, "is_faster_side_by_side", lambda pace, left, workers: left > 0)
    server.fault, server.gives = dripping, 12
    volume = server.start(raw, keep=False).volume(REF)
    assert volume.shape == (20, 16, 16)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "cut"])
def test_a_download_by_a_search_that_gives_not_all_lacks_none(
    raw, server, tmp_path, whole: bool
) -> None:
    if not whole:
        server.fault = cut_once
    server.gives = 12
    archive = server.start(raw, keep=False)
    table = archive.download(REF, tmp_path)
    if not whole:
        assert table["Outcome"].tolist().count("failed") == 1
        assert "not whole" in table["Reason"].iloc[-1]
        table = archive.download(REF, tmp_path)
    assert set(table["SOPInstanceUID"]) == set(UIDS)


def test_a_broken_stream_and_a_search_that_gives_not_all_make_no_volume(raw, server) -> None:
    server.fault, server.gives = cut_once, 12
    one = stacking(server.start(raw, keep=False))
    with pytest.raises(dn.ProtocolError, match="not whole"):
        one.fetch(lambda _: None)
    one.fetch(lambda _: None)
    assert np.asarray(one.finish()).shape == (20, 16, 16)


def test_a_stream_is_not_left_for_a_search_that_lacks_what_came(raw, server, monkeypatch) -> None:
    monkeypatch.setattr(fetching, "is_faster_side_by_side", lambda pace, **_: pace.instances == 4)
    server.fault = dripping
    archive = server.start(raw, keep=False)
    server.listed = UIDS[8:]
    one = stacking(archive, told=12)
    one.fetch(lambda _: None)
    assert np.asarray(one.finish()).shape == (20, 16, 16)


def test_one_worker_makes_a_volume_while_it_reads_another_answer(raw, server) -> None:
    archive = server.start(raw, workers=1)
    shapes = []

    def work() -> None:
        with contextlib.closing(archive.datasets(REF)) as datasets:
            next(datasets)
            shapes.append(archive.volume(REF).shape)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(60)
    assert shapes == [(20, 16, 16)]


def without_two(server, request, uid, count):
    """Have the series come without two instances; the status says so (206)."""
    if uid is not None:
        return None
    return response(server.body(UIDS[:18]), status=206, kind=KIND)


def test_instances_that_a_server_says_are_missing_are_asked_for(raw, server, tmp_path) -> None:
    server.fault = without_two
    archive = server.start(raw, keep=False)
    assert archive.volume(REF).shape == (20, 16, 16)
    assert server.asked == {None: 1, UIDS[18]: 1, UIDS[19]: 1}
    assert len(archive.download(REF, tmp_path)) == 20


def test_data_sets_that_a_server_says_are_missing_are_an_error(raw, server) -> None:
    server.fault = without_two
    archive = server.start(raw, keep=False)
    datasets = archive.datasets(REF)
    assert [next(datasets).SOPInstanceUID for _ in range(18)] == UIDS[:18]
    with pytest.raises(dn.ProtocolError, match="206"):
        next(datasets)


def test_what_is_no_regular_stack_is_accepted_without_another_fetch(raw) -> None:
    files = {uid: data for uid, data in FILES.items() if uid not in UIDS[7:9]}
    server = SeriesServer(files)
    one = stacking(server.start(raw))
    one.fetch(lambda _: None)
    with pytest.raises(dn.GeometryError, match="missing"):
        one.finish()
    one.relax()
    server.asked.clear()
    volume = one.finish()
    assert server.asked == {}
    assert volume.shape == (18, 16, 16)
    assert "missing" in volume.report[0]


def test_an_archive_cancels_a_volume(raw, server) -> None:
    server.fault = singly
    archive = server.start(raw, keep=False)
    cancel = dn.Cancel()
    with pytest.raises(dn.Cancelled):
        archive.volume(REF, progress=lambda told: told.done == 3 and cancel.set(), cancel=cancel)
    assert sum(server.asked.values()) < 20


# Data sets


def test_data_sets_are_told_of(raw, server) -> None:
    archive = server.start(raw)
    told: list[Progress] = []
    assert len(list(archive.datasets(REF, progress=told.append))) == 20
    assert (told[-1].done, told[-1].total) == (20, None)
    assert told[-1].bytes_done == sum(map(len, FILES.values()))
    told.clear()
    refs = [dn.Ref(STUDY, SERIES, uid) for uid in UIDS[3:9]]
    list(archive.datasets(refs, progress=told.append))
    assert (told[-1].done, told[-1].total) == (6, 6)


def test_rows_tell_how_many_data_sets_will_come(demo_folder) -> None:
    archive = dn.connect(demo_folder)
    series = archive.series(Modality="MR").head(3)
    told: list[Progress] = []
    list(archive.datasets(series, progress=told.append, pixels=False))
    assert told[-1].done == told[-1].total == series["NumberOfSeriesRelatedInstances"].sum()


@pytest.mark.parametrize("level", ["series", "instances"])
def test_data_sets_are_cancelled(raw, server, level: str) -> None:
    server.fault = singly if level == "instances" else server.fault
    server.delay = 0.01
    archive = server.start(raw, keep=level != "instances")
    refs = [REF] if level == "series" else [dn.Ref(STUDY, SERIES, uid) for uid in UIDS]
    cancel, came = dn.Cancel(), []
    before = set(threading.enumerate())

    def take() -> None:
        for dataset in archive.datasets(refs, cancel=cancel):
            came.append(dataset)
            if len(came) == 3:
                cancel.set()

    with pytest.raises(dn.Cancelled):
        take()
    assert 3 <= len(came) < 20
    added = set(threading.enumerate()) - before
    assert not [one for one in added if one.name.startswith("dicomnb")]


# Downloads


def test_an_error_that_ends_a_download_has_the_rows_so_far(raw, server, tmp_path) -> None:
    server.fault = singly
    archive = server.start(raw, keep=False)
    cancel = dn.Cancel()
    with pytest.raises(dn.Cancelled) as caught:
        archive.download(
            REF, tmp_path, progress=lambda told: told.done == 5 and cancel.set(), cancel=cancel
        )
    table = caught.value.table
    assert set(table["Outcome"]) == {"downloaded"}
    assert sorted(table["SOPInstanceUID"]) == sorted(path.stem for path in tmp_path.rglob("*.dcm"))
    assert 5 <= len(table) < 20


def test_a_failure_of_all_has_a_row_for_each(raw, server, tmp_path) -> None:
    archive = server.start(raw)
    lost = [dn.Ref(STUDY, SERIES, f"{SERIES}.9{n}") for n in range(3)]
    with pytest.raises(dn.NotFound) as caught:
        archive.download(lost, tmp_path)
    assert caught.value.table["Outcome"].tolist() == ["failed"] * 3
