"""Google's page "Using the DICOMweb standard", section by section, against the stand-in.

Its curl commands run as they stand on the page, in a shell where ``gcloud`` prints the
stand-in's token; only the root URL and the words in capitals are replaced. What its other
samples send is sent as raw requests. Where the page and the facts differ, the facts win, and
a comment says so.
"""

# ruff: noqa: E501 - commands stand as on the page

from __future__ import annotations

import http.client
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from google_stand_in import StandIn, stand_in
from PIL import Image
from pydicom import dcmread
from pydicom.uid import generate_uid

from dicomnb.wire import multipart
from tests.conftest import need, real_file

SINGLE = {"Content-Type": "application/dicom"}
GO = "?alt=json&prettyPrint=false"
JAVA_HEADERS = {"X-GFE-SSL": "yes", "Accept-Encoding": "gzip", "User-Agent": "your-application"}


@dataclass(frozen=True)
class Page:
    """A reader of the page: a folder to work in, and a stand-in for the service."""

    here: StandIn
    folder: Path
    words: dict[str, str]

    @property
    def root(self) -> str:
        """The DICOMweb root, of the version that the page uses."""
        return self.here.url.replace("/v1/", "/v1beta1/")

    @property
    def token(self) -> str:
        return str(self.here.server.token)

    def shell(self, command: str) -> str:
        """What a command of the page prints."""
        address = urlsplit(self.here.url)
        command = command.replace("https://healthcare.googleapis.com", f"http://{address.netloc}")
        for word, value in self.words.items():
            command = command.replace(word, value)
        tools = self.folder / "tools"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
            capture_output=True,
            timeout=60,
            check=True,
        )
        return done.stdout.decode()

    def ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        *,
        bearer: bool = True,
    ) -> tuple[int, str, bytes]:
        """Send a request with these headers and no others; status, type and body."""
        address = urlsplit(self.root)
        connection = http.client.HTTPConnection(address.netloc, timeout=30)
        chunked = body is not None and not isinstance(body, bytes)
        try:
            connection.putrequest(method, f"{address.path}/{path}", skip_accept_encoding=True)
            sent = {**({"Authorization": f"Bearer {self.token}"} if bearer else {})}
            sent |= headers or {}
            if chunked:
                sent["Transfer-Encoding"] = "chunked"
            elif isinstance(body, bytes):
                sent["Content-Length"] = str(len(body))
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(body, encode_chunked=chunked)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type") or "", answer.read()
        finally:
            connection.close()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """An empty store, a file to store in it, and a patient called Sally Zhang."""
    need(shutil.which("curl") and shutil.which("bash"), "curl")
    for name in ("store", "work"):
        (tmp_path / name).mkdir()
    work = tmp_path / "work"
    dataset = dcmread(real_file("MR_small_RLE.dcm"))
    dataset.PatientName = "Sally Zhang"
    dataset.AccessionNumber = ""
    dataset.save_as(work / "file.dcm")
    with stand_in(tmp_path / "store", writable=True) as here:
        tools = work / "tools"
        tools.mkdir()
        gcloud = tools / "gcloud"
        gcloud.write_text(
            f'#!/bin/sh\n[ "$*" = "auth print-access-token" ] && echo {here.server.token}\n'
        )
        gcloud.chmod(0o755)
        words = {
            "PROJECT_ID": "demo",
            "REGION": "local",
            "DATASET_ID": "demo",
            "DICOM_STORE_ID": "demo",
            "DCM_FILE": "file",
            "DICOM_FILE": "file.dcm",
            "FILE_NAME": "saved",
            "STUDY_UID": str(dataset.StudyInstanceUID),
            "SERIES_UID": str(dataset.SeriesInstanceUID),
            "INSTANCE_UID": str(dataset.SOPInstanceUID),
        }
        yield Page(here, work, words)


@pytest.fixture
def stored(page: Page) -> Page:
    """The same, with the file stored."""
    status, _, _ = page.ask("POST", "studies", SINGLE, file_bytes(page))
    assert status == 200
    return page


def file_bytes(page: Page) -> bytes:
    return (page.folder / "file.dcm").read_bytes()


def study_of(page: Page) -> str:
    return f"studies/{page.words['STUDY_UID']}"


def instance_of(page: Page) -> str:
    series, uid = page.words["SERIES_UID"], page.words["INSTANCE_UID"]
    return f"{study_of(page)}/series/{series}/instances/{uid}"


def check_stored(page: Page, body: str | bytes) -> None:
    """The answer that the page shows, and the instance as it was sent."""
    text = body if isinstance(body, str) else body.decode()
    sent = dcmread(page.folder / "file.dcm", stop_before_pixels=True)
    study = f"{page.root}/studies/{sent.StudyInstanceUID}"
    instance = f"{study}/series/{sent.SeriesInstanceUID}/instances/{sent.SOPInstanceUID}"
    shown = f"""<NativeDicomModel>
  <DicomAttribute tag="00081190" vr="UR" keyword="RetrieveURL">
    <Value number="1">{study}</Value>
  </DicomAttribute>
  <DicomAttribute tag="00081199" vr="SQ" keyword="ReferencedSOPSequence">
    <Item number="1">
      <DicomAttribute tag="00081150" vr="UI" keyword="ReferencedSOPClassUID">
        <Value number="1">{sent.SOPClassUID}</Value>
      </DicomAttribute>
      <DicomAttribute tag="00081155" vr="UI" keyword="ReferencedSOPInstanceUID">
        <Value number="1">{sent.SOPInstanceUID}</Value>
      </DicomAttribute>
      <DicomAttribute tag="00081190" vr="UR" keyword="RetrieveURL">
        <Value number="1">{instance}</Value>
      </DicomAttribute>
    </Item>
  </DicomAttribute>
</NativeDicomModel>"""
    # The page breaks lines between elements, where a space more or less means nothing.
    assert text.strip() == re.sub(r">\s+<", "><", shown)
    got = page.ask("GET", instance_of(page), {"Accept": "application/dicom; transfer-syntax=*"})
    assert got[::2] == (200, file_bytes(page))


# Storing a DICOM instance


def test_store_by_curl(page: Page) -> None:
    answer = page.shell(
        r"""curl -X POST \
    -H "Content-Type: application/dicom" \
    -H "Authorization: Bearer "$(gcloud auth print-access-token) \
    https://healthcare.googleapis.com/v1beta1/projects/PROJECT_ID/locations/REGION/datasets/DATASET_ID/dicomStores/DICOM_STORE_ID/dicomWeb/studies --data-binary @DCM_FILE.dcm
"""
    )
    check_stored(page, answer)


def test_store_by_powershell(page: Page) -> None:
    headers = {**SINGLE, "User-Agent": "Mozilla/5.0 (Windows NT; PowerShell/7)"}
    status, kind, body = page.ask("POST", "studies", headers, file_bytes(page))
    assert (status, kind) == (200, "application/dicom+xml")
    check_stored(page, body)


def test_store_by_go(page: Page) -> None:
    headers = {**SINGLE, "x-goog-api-client": "gl-go/1.22 gdcl/0.187", "Accept-Encoding": "gzip"}
    status, _, body = page.ask("POST", f"studies{GO}", headers, iter([file_bytes(page)]))
    assert status == 200
    check_stored(page, body)


def test_store_by_java(page: Page) -> None:
    path = f"studies?access_token={page.token}"
    status, _, body = page.ask("POST", path, SINGLE, file_bytes(page), bearer=False)
    assert status == 200
    check_stored(page, body)
    assert page.ask("POST", "studies", SINGLE, file_bytes(page), bearer=False)[0] == 401


def test_store_by_node(page: Page) -> None:
    data = file_bytes(page)  # a stream, so chunked, of a length that nobody knows before
    pieces = (data[start : start + 16384] for start in range(0, len(data), 16384))
    headers = {**SINGLE, "Accept": "application/dicom+json"}
    status, kind, body = page.ask("POST", "studies", headers, pieces)
    assert (status, kind) == (200, "application/dicom+json")
    answer = json.loads(body)
    assert answer["00081190"] == {"vr": "UR", "Value": [f"{page.root}/{study_of(page)}"]}
    (item,) = answer["00081199"]["Value"]
    assert item["00081155"]["Value"] == [page.words["INSTANCE_UID"]]


def test_store_by_python(page: Page) -> None:
    headers = {**SINGLE, "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
    status, _, body = page.ask("POST", "studies", headers, file_bytes(page))
    assert status == 200
    check_stored(page, body)


# Creating DICOM instances from JSON metadata and JPEG images

TEMPLATE = """[{
 "00020010":{"vr":"UI","Value":["1.2.840.10008.1.2.4.50"]},
 "00080005":{"vr":"CS","Value":["ISO_IR 192"]},
 "00080016":{"vr":"UI","Value":["SOPClassUID"]},
 "00080018":{"vr":"UI","Value":["SOPInstanceUID"]},
 "0020000D":{"vr":"UI","Value":["StudyInstanceUID"]},
 "0020000E":{"vr":"UI","Value":["SeriesInstanceUID"]},
 "00280002":{"vr":"US","Value":[3]},
 "00280004":{"vr":"CS","Value":["YBR_FULL_422"]},
 "00280006":{"vr":"US","Value":[0]},
 "00280008":{"vr":"IS","Value":[1]},
 "00280010":{"vr":"US","Value":[Rows]},
 "00280011":{"vr":"US","Value":[Columns]},
 "00280100":{"vr":"US","Value":[8]},
 "00280101":{"vr":"US","Value":[8]},
 "00280102":{"vr":"US","Value":[7]},
 "00280103":{"vr":"US","Value":[0]},
 "7FE00010":{"vr":"OB","BulkDataURI":"jpeg-image"}
}]
"""
BOUNDARIES = r"""
    echo -ne "--DICOMwebBoundary\r\nContent-Type: application/dicom+json\r\n\r\n" > opening.file
    echo -ne "\r\n--DICOMwebBoundary\r\nContent-Location: jpeg-image\r\nContent-Type: image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50\r\n\r\n" > middle.file
    echo -ne "\r\n--DICOMwebBoundary--" > closing.file
"""
WRAP = "cat opening.file instance.json middle.file image.jpg closing.file > multipart-request.file"
POST_MULTIPART = r"""curl -X POST \
    -H "Content-Type: multipart/related; type=\"application/dicom+json\"; boundary=DICOMwebBoundary" \
    -H "Authorization: Bearer "$(gcloud auth print-access-token) \
    https://healthcare.googleapis.com/v1beta1/projects/PROJECT_ID/locations/REGION/datasets/DATASET_ID/dicomStores/DICOM_STORE_ID/dicomWeb/studies \
    --data-binary @multipart-request.file
"""


def picture(folder: Path) -> bytes:
    """A JPEG of 48 rows and 64 columns, as cameras make them."""
    shades = Image.linear_gradient("L").resize((64, 48))
    image = Image.merge("RGB", (shades, shades.rotate(180), shades))
    image.save(folder / "image.jpg", quality=95, subsampling="4:2:2")
    return (folder / "image.jpg").read_bytes()


def metadata(**changes: str) -> str:
    text = TEMPLATE
    for word, value in {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.4",
        "SOPInstanceUID": "2.25.3",
        "StudyInstanceUID": "2.25.1",
        "SeriesInstanceUID": "2.25.2",
        "Rows": "48",
        "Columns": "64",
        **changes,
    }.items():
        text = text.replace(word, value)
    return text


def test_json_and_jpeg_by_curl(page: Page) -> None:
    image = picture(page.folder)
    (page.folder / "instance.json").write_text(metadata())
    page.shell(BOUNDARIES)
    page.shell(WRAP)
    answer = page.shell(POST_MULTIPART)
    root = ElementTree.fromstring(answer)
    assert root[0].findtext("Value") == f"{page.root}/studies/2.25.1"
    path = "studies/2.25.1/series/2.25.2/instances/2.25.3"
    assert root[1][0][2].findtext("Value") == f"{page.root}/{path}"
    status, _, data = page.ask("GET", path, {"Accept": "application/dicom; transfer-syntax=*"})
    assert status == 200
    dataset = dcmread(io.BytesIO(data))
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
    assert dataset.pixel_array.shape == (48, 64, 3)
    accept = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
    _, kind, body = page.ask("GET", f"{path}/frames/1", {"Accept": accept})
    (frame,) = [part.read() for part in multipart.read(io.BytesIO(body), kind)]
    assert frame.rstrip(b"\0") == image.rstrip(b"\0")
    assert page.ask("GET", f"{path}/rendered", {"Accept": "image/png"})[0] == 200


def post_json(page: Page, text: str, part: bytes = b"", kind: str = "image/jpeg") -> tuple:
    body = (
        b"--b\r\nContent-Type: application/dicom+json\r\n\r\n"
        + text.encode()
        + f"\r\n--b\r\nContent-Location: jpeg-image\r\nContent-Type: {kind}\r\n\r\n".encode()
        + part
        + b"\r\n--b--"
    )
    headers = {
        "Content-Type": 'multipart/related; type="application/dicom+json"; boundary=b',
        "Accept": "application/dicom+json",
    }
    status, _, answer = page.ask("POST", "studies", headers, body)
    return status, json.loads(answer)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("ISO_IR 192", "ISO_IR 100", "ISO_IR 192"),
        ('"00020010"', '"00020012"', "TransferSyntaxUID"),
        ('"00080016"', '"00080015"', "SOPClassUID"),
        ('"0020000E"', '"0020000F"', "SeriesInstanceUID"),
        ("jpeg-image", "other-image", "other-image"),
        ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "image/jp2"),
        ('"Value":[1]', '"Value":[2]', "NumberOfFrames"),
        ('"BulkDataURI":"jpeg-image"', '"InlineBinary":"AAAA"', "BulkDataURI"),
    ],
)
def test_metadata_that_makes_no_instance(old: str, new: str, words: str, page: Page) -> None:
    assert old in metadata()
    status, answer = post_json(page, metadata().replace(old, new), picture(page.folder))
    assert status == 409
    (item,) = answer["00081198"]["Value"]
    assert words in json.loads(item["00091097"]["Value"][0])["message"]
    assert page.ask("GET", "studies")[0] == 204


def test_metadata_that_is_none(page: Page) -> None:
    for text in ("{}", "[]", "[1]", "no JSON"):
        status, answer = post_json(page, text)
        assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    status, _ = post_json(page, metadata(), kind="text/plain")
    assert status == 415


def test_native_pixels_and_none_at_all(page: Page) -> None:
    pixels = bytes(48 * 64 * 3)
    native = metadata().replace("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.1")
    native = native.replace("YBR_FULL_422", "RGB")
    assert post_json(page, native, pixels, "application/octet-stream")[0] == 200
    path = "studies/2.25.1/series/2.25.2/instances/2.25.3"
    data = page.ask("GET", path, {"Accept": "application/dicom; transfer-syntax=*"})[2]
    assert dcmread(io.BytesIO(data)).PixelData == pixels
    row = json.loads(metadata(SOPInstanceUID="2.25.4"))[0]
    without = {tag: one for tag, one in row.items() if not tag.startswith(("0028", "7FE0"))}
    without["00020010"]["Value"] = ["1.2.840.10008.1.2.1"]
    assert post_json(page, json.dumps([without]))[0] == 200
    data = page.ask("GET", path.replace("2.25.3", "2.25.4"), {"Accept": "application/dicom"})[2]
    assert "PixelData" not in dcmread(io.BytesIO(data))


# Using the dcm4che STOW-RS command-line tool


def test_store_by_stowrs(page: Page) -> None:
    boundary = "myboundary"
    head = f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    pieces = iter([head, file_bytes(page), f"\r\n--{boundary}--\r\n".encode()])
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Accept": "application/dicom+xml",
        "User-Agent": "Java/17",
        "Connection": "keep-alive",
    }
    path = f"studies?access_token={page.token}"
    status, kind, body = page.ask("POST", path, headers, pieces, bearer=False)
    assert (status, kind) == (200, "application/dicom+xml")
    check_stored(page, body)


# Searching for studies, series, instances, and frames


def check_instances(body: str | bytes) -> None:
    (row,) = json.loads(body)
    assert row["00080018"]["vr"] == "UI"
    # The page shows StudyDate, Modality and PatientName among a row's columns; the conformance
    # statement has none of them for an instance, and wins.
    assert not {"00080020", "00080060", "00100010"} & set(row)
    assert {"00080016", "00080018", "00280010"} <= set(row)


def test_search_instances_by_curl(stored: Page) -> None:
    check_instances(
        stored.shell(
            r"""curl -X GET \
     -H "Authorization: Bearer "$(gcloud auth print-access-token) \
     "https://healthcare.googleapis.com/v1beta1/projects/PROJECT_ID/locations/REGION/datasets/DATASET_ID/dicomStores/DICOM_STORE_ID/dicomWeb/instances"
"""
        )
    )


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("instances", {"User-Agent": "PowerShell"}),
        ("instances", JAVA_HEADERS),
        ("instances", {"Accept": "application/dicom+json,multipart/related"}),  # Node.js
        ("instances", {"Content-Type": "application/dicom+json; charset=utf-8"}),  # Python
    ],
    ids=["PowerShell", "Java", "Node.js", "Python"],
)
def test_search_instances_by_samples(path: str, headers: dict[str, str], stored: Page) -> None:
    status, kind, body = stored.ask("GET", path, headers)
    assert (status, kind) == (200, "application/dicom+json")
    check_instances(body)


# Searching using DICOM tags


def check_sally(body: str | bytes) -> None:
    (row,) = json.loads(body)
    assert row["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Sally Zhang"}]}
    # A value that is missing has a VR and no Value, as the page shows it.
    assert row["00080050"] == {"vr": "SH"}
    assert row["0020000D"]["Value"]


def test_search_by_tag_with_curl(stored: Page) -> None:
    check_sally(
        stored.shell(
            r"""curl -X GET \
     -H "Authorization: Bearer "$(gcloud auth print-access-token) \
     "https://healthcare.googleapis.com/v1beta1/projects/PROJECT_ID/locations/REGION/datasets/DATASET_ID/dicomStores/DICOM_STORE_ID/dicomWeb/studies?PatientName=Sally%20Zhang"
"""
        )
    )


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("PatientName=Sally%20Zhang", {"User-Agent": "PowerShell"}),
        ("alt=json&prettyPrint=false&PatientName=Sally+Zhang", {"Accept-Encoding": "gzip"}),
        ("PatientName=Sally%20Zhang", JAVA_HEADERS),
        ("PatientName=Sally%20Zhang", {"Accept": "application/dicom+json"}),
        ("PatientName=Sally+Zhang", {"Accept": "*/*"}),
    ],
    ids=["PowerShell", "Go", "Java", "Node.js", "Python"],
)
def test_search_by_tag_with_samples(query: str, headers: dict[str, str], stored: Page) -> None:
    status, _, body = stored.ask("GET", f"studies?{query}", headers)
    assert status == 200
    check_sally(body)


# Retrieving a study

AS_STORED = "multipart/related; type=application/dicom; transfer-syntax=*"


def test_retrieve_a_study_by_curl(stored: Page) -> None:
    stored.shell(
        r"""curl -X GET \
     -H "Authorization: Bearer "$(gcloud auth print-access-token) \
     -H "Accept: multipart/related; type=application/dicom; transfer-syntax=*" \
     --output FILE_NAME.multipart \
     "https://healthcare.googleapis.com/v1beta1/projects/PROJECT_ID/locations/REGION/datasets/DATASET_ID/dicomStores/DICOM_STORE_ID/dicomWeb/studies/STUDY_UID"
"""
    )
    saved = (stored.folder / "saved.multipart").read_bytes()
    assert saved.startswith(b"--")
    assert file_bytes(stored) in saved


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"Accept": AS_STORED}),
        (GO, {"Accept-Encoding": "gzip"}),
        ("", {**JAVA_HEADERS, "Accept": AS_STORED}),
        ("", {"Accept": AS_STORED, "User-Agent": "google-api-nodejs-client"}),
        ("", {"Accept": "*/*"}),
    ],
    ids=["PowerShell", "Go", "Java", "Node.js", "Python"],
)
def test_retrieve_a_study_by_samples(query: str, headers: dict[str, str], stored: Page) -> None:
    status, kind, body = stored.ask("GET", f"{study_of(stored)}{query}", headers)
    assert status == 200
    (part,) = [part.read() for part in multipart.read(io.BytesIO(body), kind)]
    if headers.get("Accept") == AS_STORED:
        assert part == file_bytes(stored)
        return
    # Go's and Python's samples name no transfer syntax: that is transcoded, not as stored.
    native = dcmread(io.BytesIO(part))
    assert native.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert (native.pixel_array == dcmread(stored.folder / "file.dcm").pixel_array).all()


# Retrieving an instance


def test_retrieve_an_instance_by_curl(stored: Page) -> None:
    stored.shell(
        r"""curl -X GET \
     -H "Authorization: Bearer "$(gcloud auth print-access-token) \
     -H "Accept: application/dicom; transfer-syntax=*" \
     --output FILE_NAME.dcm \
     "https://healthcare.googleapis.com/v1beta1/projects/PROJECT_ID/locations/REGION/datasets/DATASET_ID/dicomStores/DICOM_STORE_ID/dicomWeb/studies/STUDY_UID/series/SERIES_UID/instances/INSTANCE_UID"
"""
    )
    assert (stored.folder / "saved.dcm").read_bytes() == file_bytes(stored)


@pytest.mark.parametrize("query", ["", GO], ids=["others", "Go"])
def test_retrieve_an_instance_by_samples(query: str, stored: Page) -> None:
    headers = {**JAVA_HEADERS, "Accept": "application/dicom; transfer-syntax=*"}
    status, _, body = stored.ask("GET", f"{instance_of(stored)}{query}", headers)
    assert (status, body) == (200, file_bytes(stored))


# Retrieving consumer imaging formats


def test_retrieve_a_png_by_curl(stored: Page) -> None:
    # On the page the lines of this command lack the backslashes that join them.
    stored.shell(
        r"""curl -X GET \
-H "Authorization: Bearer "$(gcloud auth print-access-token) \
-H "Accept: image/png" \
--output FILE_NAME.png \
"https://healthcare.googleapis.com/v1beta1/projects/PROJECT_ID/locations/REGION/datasets/DATASET_ID/dicomStores/DICOM_STORE_ID/dicomWeb/studies/STUDY_UID/series/SERIES_UID/instances/INSTANCE_UID/rendered"
"""
    )
    with Image.open(stored.folder / "saved.png") as image:
        assert (image.format, image.size) == ("PNG", (64, 64))


@pytest.mark.parametrize("query", ["", GO], ids=["others", "Go"])
def test_retrieve_a_png_by_samples(query: str, stored: Page) -> None:
    headers = {**JAVA_HEADERS, "Accept": "image/png"}
    status, kind, body = stored.ask("GET", f"{instance_of(stored)}/rendered{query}", headers)
    assert (status, kind) == (200, "image/png")
    assert body.startswith(b"\x89PNG")


# Deleting a study, series, or instance


def check_deleted(page: Page, body: str | bytes) -> None:
    # The page shows {} here; the discovery document has an operation, and wins.
    (name,) = json.loads(body).values()
    page.here.finished(name)
    assert page.ask("GET", study_of(page))[0] == 404
    assert page.ask("GET", "studies")[0] == 204


def test_delete_a_study_by_curl(stored: Page) -> None:
    check_deleted(
        stored,
        stored.shell(
            r"""curl -X DELETE \
     -H "Authorization: Bearer "$(gcloud auth print-access-token) \
     "https://healthcare.googleapis.com/v1beta1/projects/PROJECT_ID/locations/REGION/datasets/DATASET_ID/dicomStores/DICOM_STORE_ID/dicomWeb/studies/STUDY_UID"
"""
        ),
    )


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"User-Agent": "PowerShell"}),
        (GO, {"Accept-Encoding": "gzip"}),
        ("", JAVA_HEADERS),
        ("", {"Accept": "application/json"}),
        ("", {"Content-Type": "application/dicom+json; charset=utf-8"}),
    ],
    ids=["PowerShell", "Go", "Java", "Node.js", "Python"],
)
def test_delete_a_study_by_samples(query: str, headers: dict[str, str], stored: Page) -> None:
    status, _, body = stored.ask("DELETE", f"{study_of(stored)}{query}", headers)
    assert status == 200
    check_deleted(stored, body)


def test_a_store_takes_up_where_a_delete_left_off(stored: Page) -> None:
    """Overwriting is deleting and storing, as the page's conformance statement has it."""
    check_deleted(stored, stored.ask("DELETE", study_of(stored))[2])
    other = dcmread(stored.folder / "file.dcm")
    other.StudyDescription = generate_uid()
    other.save_as(stored.folder / "file.dcm")
    assert stored.ask("POST", "studies", SINGLE, file_bytes(stored))[0] == 200
    accept = {"Accept": "application/dicom; transfer-syntax=*"}
    assert stored.ask("GET", instance_of(stored), accept)[2] == file_bytes(stored)
