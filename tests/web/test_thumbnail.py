"""Which of its services a server is asked for a thumbnail, and what is remembered of that."""

from __future__ import annotations

import io

import msgspec
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

import dicomnb as dn
from dicomnb.archive import Archive
from dicomnb.local.folder import FolderSource
from dicomnb.options import Options
from tests.conftest import real_file
from tests.web.raw_server import response, source

REF = dn.Ref("1.2", "1.3", "1.4")


def jpeg(side: int = 128, format: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((side, side // 2), 200, np.uint8)).save(file, format)
    return file.getvalue()


class Services:
    """A server that has some services, each with an answer, and tells what it was asked."""

    def __init__(self, **answers: bytes) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, request) -> bytes:
        if "?limit=1" in request.target:
            return response(b"[]")
        path, _, query = request.target.partition("?")
        service = path.rpartition("/")[2]
        self.asked.append(f"{service} {request.headers['accept']} {query}".strip())
        return self.answers.get(service) or response(b"", status=404, kind=None)


def archive_of(url: str) -> Archive:
    return Archive(source(url), options=Options())


THUMBNAIL = "thumbnail image/jpeg viewport=128,128"
RENDERED = "rendered image/jpeg viewport=128,128"


def test_a_thumbnail_of_the_server_is_asked_for_first(raw):
    served = Services(thumbnail=response(jpeg(40), kind="image/jpeg"))
    archive = archive_of(raw(served).url)
    for ref in (REF, REF.at("series"), REF.at("study")):
        served.asked.clear()
        assert archive.thumbnail(ref).size == (64, 128)
        assert served.asked == [THUMBNAIL]


def test_what_worked_is_begun_with(raw):
    served = Services(rendered=response(jpeg(), kind="image/jpeg"))
    archive = archive_of(raw(served).url)
    assert archive.thumbnail(REF, size=128).size == (64, 128)
    assert served.asked == [THUMBNAIL, RENDERED]
    served.asked.clear()
    archive.thumbnail(REF)
    assert served.asked == [RENDERED]


def test_another_form_where_the_first_is_refused(raw):
    png = response(jpeg(format="PNG"), kind="image/png")

    def respond(request):
        if "?limit=1" in request.target:
            return response(b"[]")
        good = "thumbnail" in request.target and request.headers["accept"] == "image/png"
        return png if good else response(b"", status=406, kind=None)

    server = raw(respond)
    archive = archive_of(server.url)
    assert archive.thumbnail(REF).size == (64, 128)
    count = len(server.requests)
    assert archive.thumbnail(REF).size == (64, 128)
    assert len(server.requests) == count + 1


@pytest.mark.parametrize("status", [401, 403, 409, 429, 500, 503])
@pytest.mark.parametrize("service", ["thumbnail", "rendered"])
def test_another_error_is_not_hidden_by_the_next_way(raw, status, service):
    served = Services(**{service: response(b"", status=status, kind=None)})
    with pytest.raises(dn.DicomWebError) as caught:
        archive_of(raw(served).url).thumbnail(REF)
    assert caught.value.status == status
    assert {one.partition(" ")[0] for one in served.asked} <= {"thumbnail", service}


def test_a_web_page_is_no_picture(raw):
    served = Services(thumbnail=response(b"<html>Welcome</html>", kind="text/html"))
    with pytest.raises(dn.ProtocolError, match="text/html"):
        archive_of(raw(served).url).thumbnail(REF)
    served = Services(thumbnail=response(b"not a picture", kind="image/jpeg"))
    with pytest.raises(dn.ProtocolError, match="no picture"):
        archive_of(raw(served).url).thumbnail(REF)


def test_no_content_is_no_thumbnail(raw):
    served = Services(
        thumbnail=response(b"", status=204, kind=None),
        rendered=response(jpeg(), kind="image/jpeg"),
    )
    assert archive_of(raw(served).url).thumbnail(REF).size == (64, 128)


def test_nothing_at_all_is_not_found(raw):
    served = Services()
    archive = archive_of(raw(served).url)
    with pytest.raises(dn.NotFound):
        archive.thumbnail(REF)
    assert served.asked[:2] == [THUMBNAIL, RENDERED]
    assert served.asked[-1].startswith("metadata")


class Draws:
    """A folder that draws nothing, or fails, and counts how often it is asked to."""

    def __init__(self, folder, error: Exception | None) -> None:
        self._folder, self._error = FolderSource(folder), error
        self.asked: list[str] = []

    def __getattr__(self, name):
        return getattr(self._folder, name)

    def rendered(self, ref, rendering, *, cancel=None):
        self.asked.append(ref.level)
        if self._error is not None:
            raise self._error
        yield from self._folder.rendered(ref, rendering, cancel=cancel)


@pytest.fixture
def two_files(tmp_path):
    for name in ("CT_small.dcm", "emri_small.dcm"):
        (tmp_path / name).write_bytes(real_file(name).read_bytes())
    return tmp_path


def test_what_nobody_draws_is_decoded_here_and_soon_without_asking(two_files):
    refused = Draws(two_files, dn.Unsupported("no pictures"))
    archive = Archive(refused, options=Options())
    header = dcmread(real_file("CT_small.dcm"))
    expected = dn.connect(two_files).thumbnail(header)
    for _ in range(5):
        found = archive.thumbnail(header)
        # One of the two was a JPEG.
        assert np.abs(np.asarray(found, int) - np.asarray(expected, int)).mean() < 4
    assert refused.asked == ["instance"] * 3
    refused.asked.clear()
    ref = dn.Ref(str(header.StudyInstanceUID))
    assert [archive.thumbnail(ref).size for _ in range(4)] == [(128, 128)] * 4
    assert refused.asked == ["study"] * 3


def test_a_folder_draws_the_middle_frame(two_files):
    archive = dn.connect(two_files)
    header = dcmread(real_file("emri_small.dcm"))
    by_number = archive.thumbnail(header, frame=6)
    assert archive.thumbnail(header).tobytes() == by_number.tobytes()
    assert archive.thumbnail(header, frame=1).tobytes() != by_number.tobytes()


def test_errors_of_the_source_are_its_own(two_files):
    header = dcmread(real_file("CT_small.dcm"))
    for error in (dn.DecodeError("damaged"), dn.ServerError("down"), dn.AuthError("no")):
        archive = Archive(Draws(two_files, error), options=Options())
        with pytest.raises(type(error)):
            archive.thumbnail(header)


def test_the_study_is_shown_by_its_largest_series_of_images():
    from dicomnb.query import Query
    from dicomnb.representative import middle
    from dicomnb.source import Page

    def row(**values):
        tags = {"modality": "00080060", "series": "0020000E", "number": "00200011",
                "count": "00201209", "instance": "00080018", "place": "00200013",
                "rows": "00280010"}  # fmt: skip
        return {tags[name]: {"vr": "UN", "Value": [value]} for name, value in values.items()}

    class Rows:
        address = "nowhere"

        def search(self, query: Query, *, cancel=None):
            if query.level == "series":
                rows = [
                    row(series="1.1", modality="SR", count=900, number=1),
                    row(series="1.2", modality="CT", count=2, number=2),
                    row(series="1.3", modality="CT", count=300, number=3),
                    row(series="1.4", modality="SEG", count=400, number=4),
                    row(series="1.5", modality="CT", number=5),
                ]
            else:
                assert query.within == dn.Ref("1", "1.3")
                rows = [
                    row(instance=f"5.{place}", place=place, **({"rows": 4} if place < 10 else {}))
                    for place in (9, 3, 12, 7, 1, 11, 5)
                ]
            yield Page(msgspec.json.encode(rows), len(rows))

    assert middle(Rows(), dn.Ref("1")) == dn.Ref("1", "1.3", "5.5")
