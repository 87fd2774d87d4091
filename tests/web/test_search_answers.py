"""Searches over real sockets: forms of answers, escaped values, families, what is learned."""

from __future__ import annotations

import json
import pickle
from urllib.parse import unquote

import pandas as pd
import pytest
from pydicom.tag import Tag

import dicomnb as dn
from dicomnb.errors import BadQuery, DicomnbWarning, LimitExceeded, ProtocolError
from dicomnb.limits import Limits
from dicomnb.options import Options
from dicomnb.query import Query, build
from dicomnb.web.client import WebSource
from dicomnb.wire import native_xml
from tests.web.raw_server import response, source

ROWS = [
    {
        "0020000D": {"vr": "UI", "Value": [f"1.{number}"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Zhang^San", "Ideographic": "张^三"}]},
        "00081030": {"vr": "LO", "Value": [f"text {number % 2}"]},
    }
    for number in range(3)
]
XML = [native_xml.write(row) for row in ROWS]


def parts(kind: str, bodies: list[bytes]) -> bytes:
    made = [f"--b\r\nContent-Type: {kind}\r\n\r\n".encode() + body for body in bodies]
    return b"\r\n".join([*made, b"--b--\r\n"])


def related(kind: str) -> str:
    return f'multipart/related; type="{kind}"; boundary=b'


@pytest.mark.parametrize(
    "answer",
    [
        response(json.dumps(ROWS).encode()),
        response(
            parts("application/dicom+xml", XML), kind=related("application/dicom+xml"), length=-1
        ),
        response(parts("application/dicom+xml; charset=utf-8", XML), kind=related("text/xml")),
        response(
            parts("application/dicom+json", [json.dumps(row).encode() for row in ROWS]),
            kind=related("application/dicom+json"),
        ),
        response(
            parts("application/dicom+json", [json.dumps(ROWS[:2]).encode(), b"[]", b"",
                                            json.dumps(ROWS[2]).encode()]),
            kind=related("application/dicom+json"),
        ),
        response(
            b"<all>" + b"".join(one.split(b"?>", 1)[1] for one in XML) + b"</all>",
            kind="application/dicom+xml",
        ),
    ],
    ids=["json", "xml parts", "xml parts by another name", "json parts", "mixed parts", "bare xml"],
)  # fmt: skip
def test_rows_in_any_form(raw, answer):
    server = raw(lambda request: response(b"[]") if "offset" in request.target else answer)
    pages = list(source(server.url).search(Query("study")))
    rows = [row for page in pages for row in json.loads(page.rows)]
    assert [row["0020000D"]["Value"] for row in rows] == [[f"1.{number}"] for number in range(3)]
    assert rows[0]["00100010"] == ROWS[0]["00100010"]


@pytest.mark.parametrize(
    "answer",
    [
        response(status=204, kind=None),
        response(status=204, kind="text/html"),
        response(b"[]"),
        response(b""),
        response(b"--b--\r\n", kind=related("application/dicom+xml")),
    ],
)
def test_nothing_found_in_any_form(raw, answer):
    assert list(source(raw(answer).url).search(Query("study"))) == []


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (parts("application/dicom+xml", XML)[:-20], related("application/dicom+xml"), "not whole"),
        (XML[0][:-30], "application/dicom+xml", "XML"),
        (b"<html>NativeDicomModel? log in</html>", "text/html", "a web page"),
        (b"<x>not it</x>", "application/dicom+xml", "a web page"),
    ],
)
def test_answers_that_are_cut_or_no_dicom(raw, body, kind, error):
    with pytest.raises(ProtocolError, match=error):
        list(source(raw(response(body, kind=kind)).url).search(Query("study")))


def test_parts_are_bounded_together(raw):
    many = parts("application/dicom+json", [json.dumps(ROWS).encode()] * 9)
    server = raw(response(many, kind=related("application/dicom+json")))
    with pytest.raises(LimitExceeded, match="page_bytes"):
        list(
            source(server.url, options=Options(limits=Limits(page_bytes=2000))).search(
                Query("study")
            )
        )


# Values


@pytest.mark.parametrize(
    "value",
    ["Wang^XiaoDong=王^小东", 'Thoma"s', "O'Neil^Ann&b=c", "A+B%20#x", "Müller^Jörg", "Yi*?", "=X"],
)
def test_values_come_to_the_server_as_they_were_asked(raw, value):
    server = raw(response(b"[]"))
    list(source(server.url).search(build("study", {"PatientName": value})))
    query = server.requests[-1].target.partition("?")[2]
    sent = dict(pair.split("=", 1) for pair in query.split("&"))
    assert unquote(sent["PatientName"]) == value
    assert not set(sent["PatientName"]) & set('="&+# <>^')


def test_names_of_attributes_come_as_keywords_or_tags(raw):
    server = raw(response(b"[]"))
    archive = dn.Archive(source(server.url), options=Options())
    archive.series(
        matching={
            (0x0010, 0x0010): "A",
            Tag(0x0010, 0x0020): "B",
            "00090010": "C",
            "RequestAttributesSequence.RequestedProcedureID": "D",
            (Tag("RequestAttributesSequence"), "00400009"): "E",
            "0040,0275.(0008,0050)": "F",
        }
    )
    target = server.requests[-1].target
    for expected in [
        "PatientName=A",
        "PatientID=B",
        "00090010=C",
        "RequestAttributesSequence.RequestedProcedureID=D",
        "RequestAttributesSequence.ScheduledProcedureStepID=E",
        "RequestAttributesSequence.AccessionNumber=F",
    ]:
        assert expected in target
    with pytest.raises(BadQuery, match="given twice"):
        archive.studies(PatientID="1", matching={"PatientID": "2"})
    with pytest.raises(BadQuery, match="CodeValue"):
        archive.studies(matching={"ProcedureCodeSequence.CodeValu": "x"})


@pytest.mark.parametrize(
    "several",
    [["CT", "MR"], ("CT", "MR"), {"CT", "MR"}, pd.Series(["CT", "MR"]), pd.Index(["CT", "MR"])],
    ids=["list", "tuple", "set", "series", "index"],
)
def test_several_values_as_pandas_has_them(several):
    if isinstance(several, tuple):
        with pytest.raises(BadQuery, match="give a list"):
            build("series", {"Modality": several})
        return
    assert sorted(build("series", {"Modality": several}).filters[0].values) == ["CT", "MR"]


# Families


@pytest.mark.parametrize(
    ("url", "family"),
    [
        ("https://pacs.example/dcm4chee-arc/aets/DCM4CHEE/rs", "dcm4chee"),
        ("https://proxy.example/x/dcm4chee-arc/aets/A/rs/", "dcm4chee"),
        ("https://w-d.dicom.azurehealthcareapis.com/v2", "azure"),
        ("https://dicom-medical-imaging.us-east-1.amazonaws.com/datastore/1", "aws"),
    ],
)
def test_families_by_address(url, family):
    assert WebSource(url).abilities().family == family


@pytest.mark.parametrize("url", ["https://x.dicom.azurehealthcareapis.com.evil.example/v2"])
def test_hosts_that_only_look_like_it(raw, url):
    assert WebSource(url)._family is None


def test_azure_is_sent_what_it_takes():
    archive = dn.Archive(WebSource("https://w.dicom.azurehealthcareapis.com/v2"), options=Options())
    made = archive.explain(
        "study", StudyDescription="CT*", PatientName="Zh*", StudyDate=("2023-01-01", None)
    )
    assert len(made) == 1
    assert "PatientName=Zh&" in made["Parameters"].iloc[0]
    assert "StudyDescription=" not in made["Parameters"].iloc[0]
    assert "StudyDate=20230101-" in made["Parameters"].iloc[0]
    assert made["CheckedHere"].iloc[0] == "StudyDescription, PatientName"


# What is learned stays with the connection


def test_a_server_that_refuses_is_asked_for_the_rest(raw):
    def answer(request):
        if "StudyDescription=" in request.target:
            return response(b'"unknown attribute"', status=400)
        return response(b"[]" if "offset" in request.target else json.dumps(ROWS).encode())

    server = raw(answer)
    archive = dn.Archive(source(server.url), options=Options())
    with pytest.warns(DicomnbWarning, match="refuses to search by StudyDescription"):
        found = archive.studies(PatientName="Zhang*", StudyDescription="text 1")
    assert found["StudyInstanceUID"].tolist() == ["1.1"]
    count = len(server.requests)
    again = archive.studies(PatientName="Zhang*", StudyDescription="text 0")
    assert again["StudyInstanceUID"].tolist() == ["1.0", "1.2"]
    assert len(server.requests) == count + 2
    made = archive.explain("study", PatientName="Zhang*", StudyDescription="text 0")
    assert made["CheckedHere"].tolist() == ["StudyDescription"]
    copied = pickle.loads(pickle.dumps(archive.source))
    assert copied.abilities().search.refused


# Orthanc


@pytest.fixture
def orthanc_archive(filled_orthanc):
    return dn.connect(filled_orthanc)


def test_orthanc_finds_whole_names(orthanc_archive):
    """Its plugin does not unescape: ``^`` must reach it as a wildcard, and is checked here."""
    studies = orthanc_archive.studies()
    for name in studies["PatientName"].dropna().unique():
        found = orthanc_archive.studies(PatientName=name)
        expected = studies[studies["PatientName"].str.lower() == name.lower()]
        assert set(found["StudyInstanceUID"]) == set(expected["StudyInstanceUID"]), name
    assert studies["PatientName"].str.contains("^", regex=False).any()


def test_orthanc_matches_other_text_as_the_standard_does(orthanc_archive):
    """It finds 1CT1 by 1ct1, which is another number."""
    assert len(orthanc_archive.studies(PatientID="1CT1")) == 1
    assert len(orthanc_archive.studies(PatientID="1ct1")) == 0


def test_orthanc_ignores_what_lies_in_a_sequence(orthanc_archive):
    with pytest.warns(DicomnbWarning, match="ignores the filter ProcedureCodeSequence.CodeValue"):
        found = orthanc_archive.studies(matching={"ProcedureCodeSequence.CodeValue": "nothing"})
    assert len(found) == 0


def test_orthanc_says_that_it_does_not_know_all_fields(orthanc_archive):
    with pytest.warns(DicomnbWarning, match="does not know fields='all'"):
        assert len(orthanc_archive.instances(fields="all", limit=2)) == 2


def test_every_attribute_of_the_rows_finds_them(orthanc_archive):
    """Each value that a table shows, given back as a filter, finds its row."""
    for _, row in orthanc_archive.studies().iterrows():
        for keyword in ["PatientID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"]:
            if pd.notna(row[keyword]) and row[keyword] != "":
                found = orthanc_archive.studies(**{keyword: row[keyword]})
                assert row.StudyInstanceUID in set(found["StudyInstanceUID"]), keyword
