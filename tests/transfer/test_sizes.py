"""How large something is, before it is fetched: exact where it can be, and never dear."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

import dicomnb as dn
from dicomnb.errors import BadQuery
from dicomnb.pool import Cancel
from dicomnb.query import Query
from dicomnb.refs import Ref, refs_of
from dicomnb.source import Page
from dicomnb.transfer import room, sizes
from dicomnb.transfer.sizes import size_of
from tests.conftest import Orthanc


@pytest.fixture(scope="module")
def headers(demo_folder: Path) -> dict[Path, object]:
    return {path: dcmread(path, stop_before_pixels=True) for path in demo_folder.rglob("*.dcm")}


def truth(headers: dict[Path, object], **values: str) -> tuple[int, int, int]:
    """Instances, bytes of their files, bytes of their pixels without compression."""
    count = stored = pixels = 0
    seen = set()
    for path, one in sorted(headers.items()):
        if any(one.get(name) != value for name, value in values.items()):
            continue
        if one.SOPInstanceUID in seen:
            continue
        seen.add(one.SOPInstanceUID)
        count += 1
        stored += path.stat().st_size
        if one.get("Rows"):
            bits = one.Rows * one.Columns * one.SamplesPerPixel * one.BitsAllocated
            pixels += -(-bits * int(one.get("NumberOfFrames") or 1) // 8)
    return count, stored, pixels


def patient(archive: dn.Archive, level: str):
    if level == "study":
        return archive.studies(PatientID="DNB-0001")
    table = archive.series(archive.studies(PatientID="DNB-0001"))
    return table if level == "series" else archive.instances(table)


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_a_folder_knows_exactly(demo_folder: Path, headers, level: str) -> None:
    archive = dn.connect(demo_folder)
    size = size_of(archive.source, refs_of(patient(archive, level)))
    found = truth(headers, PatientID="DNB-0001")
    assert (size.instances, size.stored_bytes, size.pixel_bytes) == found
    assert size.is_exact


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_a_server_tells_what_the_pixels_are(demo_folder: Path, headers, level: str) -> None:
    with dn.serve(demo_folder) as url, dn.connect(url) as archive:
        size = size_of(archive.source, refs_of(patient(archive, level)))
    count, _, pixels = truth(headers, PatientID="DNB-0001")
    assert (size.instances, size.stored_bytes, size.pixel_bytes) == (count, None, pixels)
    assert size.is_exact


def test_orthanc_tells_the_same(orthanc: Orthanc, demo_folder: Path, headers) -> None:
    archive = dn.connect(orthanc.url)
    archive.store([path for path, one in headers.items() if one.get("PatientID") == "DNB-0008"])
    size = size_of(archive.source, refs_of(archive.studies(PatientID="DNB-0008")))
    count, _, pixels = truth(headers, PatientID="DNB-0008")
    assert (size.instances, size.pixel_bytes, size.samples_per_pixel) == (count, pixels, 3)


@pytest.mark.parametrize("level", ["study", "series"])
def test_google_knows_by_its_metrics(demo_folder: Path, headers, level: str) -> None:
    server = dn.serve(demo_folder, flavour="google")
    with server as url, dn.connect(url, auth=dn.Bearer(str(server.token))) as archive:
        refs = refs_of(patient(archive, level))
        size = size_of(archive.source, refs)
        told = dn.google.metrics(archive, refs)
        assert size.stored_bytes == int((told["StructuredBytes"] + told["BlobBytes"]).sum()) > 0
        assert archive.source.stored_bytes(refs_of(archive.instances(refs[0]))) is None
        assert archive.source.stored_bytes([Ref("1.2.3")]) is None


class Numbers:
    """A source of so many studies with so many series each; counts what it is asked for."""

    address = "http://h"

    def __init__(self, series: Callable[[int], list[dict[str, int]]]) -> None:
        self.series = series
        self.asked: list[Query] = []
        self.rows = 0
        self.counts = True

    def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        self.asked.append(query)
        study = query.within.study
        listed = self.series(int(study.split(".")[-1]))
        if query.level == "series":
            rows = []
            for n, one in enumerate(listed):
                told = {"00201209": one["count"]} if self.counts else {}
                rows.append(self._row(query.within, f"1.3.{n}", told))
        else:
            one = listed[int(query.within.series.split(".")[-1])]
            count = min(one["count"], query.limit)
            rows = [self._instance(query.within, n, one) for n in range(count)]
        self.rows += len(rows)
        yield Page(json.dumps(rows).encode(), len(rows))

    def _row(self, ref: Ref, series: str, numbers: dict[str, int]) -> dict[str, object]:
        row: dict[str, object] = {"0020000E": {"vr": "UI", "Value": [series]}}
        return row | {tag: {"vr": "IS", "Value": [value]} for tag, value in numbers.items()}

    def _instance(self, ref: Ref, number: int, one: dict[str, int]) -> dict[str, object]:
        numbers = {"00280010": one["rows"], "00280011": 512, "00280100": 16}
        row = self._row(ref, str(ref.series), numbers)
        return row | {"00080018": {"vr": "UI", "Value": [f"{ref.series}.{number}"]}}


def test_a_study_of_a_hundred_thousand_is_reckoned_from_some() -> None:
    source = Numbers(lambda _: [{"count": 99_000, "rows": 512}, {"count": 1000, "rows": 1024}])
    size = size_of(source, [Ref("1.2.0")])
    assert size.instances == 100_000
    assert size.pixel_bytes == 99_000 * 512 * 512 * 2 + 1000 * 1024 * 512 * 2
    assert not size.is_exact
    assert source.rows <= 1.1 * sizes.MOST_ROWS


def test_very_many_studies_are_reckoned_from_some() -> None:
    source = Numbers(lambda n: [{"count": 10 + n % 3, "rows": 512}] * 3)
    refs = [Ref(f"1.2.{n}") for n in range(3000)]
    true = sum(3 * (10 + n % 3) for n in range(3000))
    size = size_of(source, refs, told=true)
    assert size.instances == true
    assert size.pixel_bytes == true * 512 * 512 * 2
    assert size.series is None
    assert len(source.asked) <= sizes.MOST_STUDIES + sizes.MOST_SERIES
    assert size_of(source, refs).instances == pytest.approx(true, rel=0.02)


def test_counts_that_are_not_told_are_counted() -> None:
    source = Numbers(lambda _: [{"count": 30, "rows": 512}])
    source.counts = False
    size = size_of(source, [Ref("1.2.0", "1.3.0")])
    assert (size.instances, size.pixel_bytes) == (30, 30 * 512 * 512 * 2)
    assert size.is_exact
    source = Numbers(lambda _: [{"count": 9000, "rows": 512}])
    source.counts = False
    size = size_of(source, [Ref("1.2.0", "1.3.0")])
    assert (size.instances, size.pixel_bytes, size.is_exact) == (None, None, False)
    size = size_of(source, [Ref("1.2.0", "1.3.0")], told=9000)
    assert size.instances == 9000


@pytest.mark.parametrize(
    ("tag", "element"),
    [
        ("00280010", {"vr": "US", "Value": ["512"]}),
        ("00280010", {"vr": "US", "Value": [None]}),
        ("00280010", {"vr": "US"}),
        ("00280010", None),
        ("00280008", {"vr": "IS", "Value": ["1O"]}),
        ("00280008", {"vr": "IS", "Value": [-5]}),
        ("00280002", {"vr": "US", "Value": [[1]]}),
        ("00080018", {"vr": "UI", "Value": 3}),
        ("0020000E", {"vr": "UI", "Value": ["/../"]}),
    ],
)
def test_odd_rows_cost_no_size(tag: str, element: object, monkeypatch) -> None:
    source = Numbers(lambda _: [{"count": 3, "rows": 512}])
    real = source.search

    def search(query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        for page in real(query, cancel=cancel):
            rows = json.loads(page.rows)
            rows[-1][tag] = element
            yield Page(json.dumps(rows).encode(), len(rows))

    monkeypatch.setattr(source, "search", search)
    size = size_of(source, [Ref("1.2.0", "1.3.0")])
    assert size.instances == 3
    assert size.pixel_bytes in (2 * 512 * 512 * 2, 3 * 512 * 512 * 2)


def test_a_server_that_cannot_search_has_no_size(monkeypatch) -> None:
    source = Numbers(lambda _: [])

    def search(query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        raise BadQuery("not here")
        yield

    monkeypatch.setattr(source, "search", search)
    size = size_of(source, [Ref("1.2.0", "1.3.0")], told=7)
    assert (size.instances, size.pixel_bytes, size.is_exact) == (7, None, False)


def test_it_is_given_up_on_request() -> None:
    source = Numbers(lambda _: [{"count": 3, "rows": 512}])
    cancel = Cancel()
    cancel.set()
    with pytest.raises(dn.Cancelled):
        size_of(source, [Ref("1.2.0")], cancel=cancel)


# Room


def test_free_disk_of_a_folder_to_be(tmp_path: Path) -> None:
    here = room.free_disk(tmp_path)
    assert here is not None
    assert here > 0
    assert room.free_disk(tmp_path / "not" / "yet") == pytest.approx(here, rel=0.2)
    (tmp_path / "file").touch()
    assert room.free_disk(tmp_path / "file" / "below") == pytest.approx(here, rel=0.2)


@pytest.mark.parametrize(
    ("most", "used", "free"),
    [("max", 1 << 30, 8 << 30), (4 << 30, 1 << 30, (3 << 30) + 4096), (1 << 20, 2 << 30, 0)],
)
def test_free_memory_is_the_containers(tmp_path, monkeypatch, most, used, free) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 16 kB\nMemAvailable:    8388608 kB\n")
    monkeypatch.setattr(room, "_MEMINFO", meminfo)
    monkeypatch.setattr(room, "_GROUPS", tmp_path)
    assert room.free_memory() == 8 << 30
    (tmp_path / "memory.max").write_text(f"{most}\n")
    (tmp_path / "memory.current").write_text(f"{used}\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 4096\n")
    assert room.free_memory() == free


def test_a_system_that_does_not_tell(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(room, "_MEMINFO", tmp_path / "none")
    assert room.free_memory() is None
