"""The answer to a store: each upload gets one outcome, whatever a server says or leaves out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from dicomnb.wire.store_answer import DUPLICATE, Sent, decode, encode, is_answer, reason
from dicomnb.wire.storing import Outcome

JSON = "application/dicom+json"
A = Sent("1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.2")
B = Sent("1.2", "1.2.3", "1.2.3.5", "1.2.840.10008.5.1.4.1.1.2")
STUDY_URL = "http://host/studies/1.2"


def body(**sequences) -> bytes:
    tags = {"stored": "00081199", "failed": "00081198", "other": "0008119A"}
    data = {tags[name]: {"vr": "SQ", "Value": items} for name, items in sequences.items()}
    return json.dumps(data or {"00081190": {"vr": "UR"}}).encode()


def item(sent: Sent | None = None, *, failure=None, warning=None, **private) -> dict:
    made = {}
    if sent is not None:
        made["00081150"] = {"vr": "UI", "Value": [sent.sop_class]}
        made["00081155"] = {"vr": "UI", "Value": [sent.instance]}
    if failure is not None:
        made["00081197"] = {"vr": "US", "Value": [failure]}
    if warning is not None:
        made["00081196"] = {"vr": "US", "Value": [warning]}
    for tag, text in private.items():
        made[tag.lstrip("t")] = {"vr": "UT", "Value": [text]}
    return made


def test_stored_with_url():
    stored = item(A) | {"00081190": {"vr": "UR", "Value": ["http://host/x"]}}
    (found,) = decode(body(stored=[stored]), JSON, 200, [A])
    assert found == Outcome("stored", *A, url="http://host/x")


def test_what_is_not_mentioned_failed_even_under_200():
    for status, data in ((200, body(stored=[item(A)])), (200, body()), (200, b""), (204, b"")):
        found = decode(data, JSON, status, [A, B])
        assert found[1].outcome == "failed"
        assert "mention" in found[1].reason or "no readable answer" in found[1].reason
        assert found[1].instance == B.instance


def test_what_was_stored_besides_is_nobodys():
    others = [item(Sent("1.2", "1.2.3", f"1.2.9.{number}", "1.5")) for number in range(3)]
    url = {"00081190": {"vr": "UR", "Value": ["http://host/x"]}}
    found = decode(body(stored=[*others, item(A) | url, item()]), JSON, 200, [A])
    assert found == [Outcome("stored", *A, url="http://host/x")]
    # A failure of others is looked at all the same: the header's words may be about it.
    failed = item(B, failure=272)
    (found,) = decode(body(stored=[item(A)], failed=[failed]), JSON, 200, [A], words="one failed")
    assert found.outcome == "stored"
    (found,) = decode(body(stored=[item(A)]), JSON, 200, [A], words="coerced")
    assert (found.outcome, found.reason) == ("warned", "coerced")


def test_a_failure_beside_a_success_under_200():
    found = decode(body(stored=[item(A)], failed=[item(B, failure=272)]), JSON, 200, [B, A])
    assert [one.outcome for one in found] == ["failed", "stored"]
    assert (found[0].code, found[0].reason) == (272, "processing failure (0110H)")


def test_google_failures_name_no_instance_and_bring_a_private_detail():
    failed = item(failure=272, t00090097="INVALID: bad pixel data")
    found = decode(body(stored=[item(A)], failed=[failed]), JSON, 409, [A, B])
    assert found[0].outcome == "stored"
    assert found[1].outcome == "failed"
    assert found[1].code == 272
    assert "bad pixel data" in found[1].reason


def test_nameless_failures_of_several_kinds():
    failed = [item(failure=272), item(failure=0xA700), {}]
    found = decode(body(failed=failed), None, 409, [A, B])
    assert {one.outcome for one in found} == {"failed"}
    assert found[0].reason.startswith("one of: processing failure")
    assert found[0].code is None


def test_a_warning_header_is_the_only_reason():
    words = "disk nearly full"
    (found,) = decode(body(failed=[item(A)]), JSON, 409, [A], words=words)
    assert (found.outcome, found.reason) == ("failed", words)
    (found,) = decode(body(stored=[item(A)]), JSON, 202, [A], words=words)
    assert (found.outcome, found.reason) == ("warned", words)
    (found,) = decode(b"not json", "text/plain", 409, [A], words=words)
    assert (found.outcome, found.reason) == ("failed", words)
    found = decode(body(stored=[item(A)]), JSON, 409, [A, B])
    assert "HTTP 409" in found[1].reason


def test_a_warning_of_one_instance():
    (found,) = decode(body(stored=[item(A, warning=0xB000)]), JSON, 202, [A])
    assert (found.outcome, found.code) == ("warned", 0xB000)
    assert "changed to fit" in found.reason


@pytest.mark.parametrize("code", [DUPLICATE, 45070])
def test_conflicts(code):
    (found,) = decode(body(failed=[item(A, failure=code)]), JSON, 409, [A])
    assert found.outcome == "conflict"
    assert "there already" in found.reason


def test_orthanc_writes_empty_sequences_and_no_content_type():
    data = json.dumps(
        {
            "00081190": {"vr": "UR", "Value": [STUDY_URL]},
            "00081198": {"vr": "SQ"},
            "00081199": {"vr": "SQ", "Value": [item(A)]},
        }
    ).encode()
    found = decode(data, None, 400, [A, B])
    assert [one.outcome for one in found] == ["stored", "failed"]


def test_dirty_answers():
    data = json.dumps(
        [
            {
                "00081198": {"vr": "SQ", "Value": [None, "x", item(A) | {"00081197": "272"}]},
                "00081199": {"vr": "SQ", "Value": {"00081155": {"Value": B.instance + "\0"}}},
            }
        ]
    ).encode()
    found = decode(data, JSON, 200, [A, B])
    assert [one.outcome for one in found] == ["failed", "stored"]
    assert found[0].reason == "the server gave no reason"
    data = json.dumps({"00081198": {"Value": [item(A, failure="272")]}}).encode()
    assert decode(data, JSON, 409, [A])[0].code == 272


def test_what_is_named_as_failed_and_as_stored_failed():
    data = body(stored=[item(A)], failed=[item(A, failure=DUPLICATE)])
    assert [one.outcome for one in decode(data, JSON, 409, [A])] == ["conflict"]


def test_what_is_an_answer():
    assert is_answer(body(stored=[]))
    assert is_answer(b"[" + body() + b"]")
    for other in (b"", b"[]", b"{}", b"<html>", b'"text"', b'{"HttpError": "x"}', b"\xff\xfe"):
        assert not is_answer(other)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0x0110, "processing failure (0110H)"),
        (290, "the SOP Class is not supported (0122H)"),
        (0x0124, "not authorized (0124H)"),
        (42752, "refused: out of resources (A700H)"),
        (0xA7FF, "refused: out of resources (A7FFH)"),
        (43264, "the data set does not match its SOP Class (A900H)"),
        (49442, "the transfer syntax is not supported (C122H)"),
        (0xC001, "the data set cannot be understood (C001H)"),
        (1, "failed (0001H)"),
        (None, ""),
    ],
)
def test_codes_in_words(code, words):
    assert reason(code) == words


@pytest.mark.parametrize(
    ("names", "status"),
    [
        (["stored", "already there"], 200),
        (["stored", "warned"], 202),
        (["stored", "failed"], 202),
        (["conflict", "failed"], 409),
        ([], 200),
    ],
)
def test_statuses(names, status):
    made = [Outcome(name, "1", "2", f"3.{n}", "4") for n, name in enumerate(names)]
    assert encode(made, study_url=STUDY_URL)[1] == status


OUTCOMES = st.builds(
    Outcome,
    st.sampled_from(["stored", "warned", "already there", "conflict", "failed"]),
    study=st.just("1.2"),
    series=st.just("1.2.3"),
    instance=st.integers(0, 10**6).map(lambda n: f"1.2.3.{n}"),
    sop_class=st.just("1.2.840.10008.5.1.4.1.1.2"),
    reason=st.sampled_from(["", "because", "„so“"]),
)


@given(st.lists(OUTCOMES, max_size=6, unique_by=lambda one: one.instance))
def test_encoded_and_decoded_again(outcomes):
    data, status = encode(outcomes, study_url=STUDY_URL)
    sent = [Sent(one.study, one.series, one.instance, one.sop_class) for one in outcomes]
    found = decode(data, JSON, status, sent)
    assert [one.outcome for one in found] == [one.outcome for one in outcomes]
    for one, told in zip(found, outcomes, strict=True):
        assert one.instance == told.instance
        if told.outcome in ("warned", "conflict", "failed"):
            assert told.reason in one.reason


def test_what_is_encoded_is_a_data_set_of_the_standard():
    outcomes = [
        Outcome("stored", *A, url="http://host/x"),
        Outcome("failed", *B, code=0xA700),
        Outcome("failed", reason="no DICOM"),
    ]
    data, status = encode(outcomes, study_url=STUDY_URL)
    found = Dataset.from_json(data.decode())
    assert status == 202
    assert found.RetrieveURL == STUDY_URL
    assert found.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == A.instance
    assert found.ReferencedSOPSequence[0].RetrieveURL == "http://host/x"
    assert found.FailedSOPSequence[0].FailureReason == 0xA700
    assert found.FailedSOPSequence[0].ReferencedSOPClassUID == B.sop_class
    assert found.OtherFailuresSequence[0].FailureReason == 0x0110
    assert "RetrieveURL" not in Dataset.from_json(encode(outcomes, study_url=None)[0].decode())


PAGE = """<NativeDicomModel{namespace}>
  <DicomAttribute tag="00081190" vr="UR" keyword="RetrieveURL">
    <Value number="1">http://host/studies/1.2</Value>
  </DicomAttribute>
  <DicomAttribute tag="00081199" vr="SQ" keyword="ReferencedSOPSequence">
    <Item number="1">
      <DicomAttribute tag="00081150" vr="UI" keyword="ReferencedSOPClassUID">
        <Value number="1">1.2.840.10008.5.1.4.1.1.2</Value>
      </DicomAttribute>
      <DicomAttribute tag="00081155" vr="UI" keyword="ReferencedSOPInstanceUID">
        <Value number="1">1.2.3.4</Value>
      </DicomAttribute>
      <DicomAttribute tag="00081190" vr="UR" keyword="RetrieveURL">
        <Value number="1">http://host/x</Value>
      </DicomAttribute>
    </Item>
  </DicomAttribute>
  <DicomAttribute tag="00081198" vr="SQ" keyword="FailedSOPSequence">
    <Item number="1">
      <DicomAttribute tag="00081197" vr="US" keyword="FailureReason">
        <Value number="1">272</Value>
      </DicomAttribute>
      <DicomAttribute tag="00090010" vr="LO"><Value number="1">GOOGLE</Value></DicomAttribute>
      <DicomAttribute tag="00090097" vr="UT" privateCreator="GOOGLE">
        <Value number="1">{detail}</Value>
      </DicomAttribute>
    </Item>
  </DicomAttribute>
</NativeDicomModel>"""


@pytest.mark.parametrize("status", [200, 202, 400, 409])
@pytest.mark.parametrize(
    "namespace", ["", ' xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM"']
)
def test_answers_in_xml(namespace, status):
    data = PAGE.format(namespace=namespace, detail="no study date").encode()
    assert is_answer(data)
    for head in (b"", b'<?xml version="1.0" encoding="UTF-8"?>\n', b"  \n"):
        if head.isspace():
            assert is_answer(head + data)
        found = decode(head + data, "application/dicom+xml", status, [A, B])
        assert found[0] == Outcome("stored", *A, url="http://host/x")
        assert (found[1].outcome, found[1].code) == ("failed", 272)
        assert found[1].reason == "processing failure (0110H): no study date"
        assert found[1].instance == B.instance


def test_xml_that_is_no_answer():
    bomb = b'<!DOCTYPE a [<!ENTITY b "cc">]><NativeDicomModel/>'
    for data in (b"<html><body>log in</body></html>", b"<", b"<NativeDicomModel/>", bomb):
        assert not is_answer(data)
        (found,) = decode(data, "application/dicom+xml", 200, [A])
        assert found.outcome == "failed"
        assert "no readable answer" in found.reason


@pytest.mark.parametrize(
    ("detail", "outcome"),
    [
        ("instance already exists", "conflict"),
        ("Duplicate SOP instance", "conflict"),
        ("bad", "failed"),
    ],
)
def test_words_tell_a_conflict_where_the_code_does_not(detail, outcome):
    for item_of in (
        item(failure=272, t00090097=detail),
        item(failure=272, t00091097=json.dumps({"message": detail, "code": 6})),
    ):
        (found,) = decode(body(failed=[item_of]), JSON, 409, [A])
        assert (found.outcome, found.reason) == (outcome, f"processing failure (0110H): {detail}")
    (found,) = decode(body(failed=[item(failure=272, t00091097="{no json")]), JSON, 409, [A])
    assert found.reason.endswith("{no json")
