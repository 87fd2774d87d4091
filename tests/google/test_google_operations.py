"""Operations: waited for, cancelled, failed, or "succeeded" with items that failed."""

from __future__ import annotations

import json
import pickle

import pytest

import dicomnb as dn
from dicomnb.operations import Operation, OperationState
from dicomnb.pool import Cancel
from dicomnb.web.transport import Patience
from tests.web.raw_server import in_turn, response

DATASET = "projects/p/locations/l/datasets/d"
NAME = f"{DATASET}/operations/7"
STORE = f"{DATASET}/dicomStores/s"
METHOD = "google.cloud.healthcare.v1.dicom.DicomService.ImportDicomData"


def said(done: bool = False, error: object = None, **counter: int) -> bytes:
    """An operation as the API tells it: counts are text."""
    metadata = {"apiMethodName": METHOD, "createTime": "2026-01-02T03:04:05.678901234Z"}
    metadata["counter"] = {name: str(number) for name, number in counter.items()}
    metadata["logsUrl"] = "https://console.cloud.google.com/logs"
    body = {"name": NAME, "metadata": metadata}
    if done:
        body |= {"done": True, **({"error": error} if error else {"response": {}})}
    return response(json.dumps(body).encode(), kind="application/json")


def options(server) -> dn.Options:
    return dn.Options(api_root=f"{server.root}/v1")


def begun(raw, *answers: bytes, **keywords: object) -> Operation:
    server = raw(in_turn(*answers))
    operation = dn.google.import_(
        STORE, "gs://b/**.dcm", options=options(server), auth=dn.Bearer("t"), **keywords
    )
    operation.server = server
    return operation


def test_waiting_tells_each_state(raw):
    told: list[OperationState] = []
    answers = (said(), said(pending=3), said(pending=1, success=2), said(True, success=3))
    operation = begun(raw, *answers, progress=told.append)
    assert [(one.pending, one.success) for one in told] == [(3, 0), (1, 2), (0, 3)]
    assert (operation.done, operation.failures, operation.state.word) == (True, 0, "done")
    asked = [f"{one.method} {one.target}" for one in operation.server.requests]
    assert asked == [f"POST /v1/{STORE}:import"] + [f"GET /v1/{NAME}"] * 3
    assert all(one.headers["authorization"] == "Bearer t" for one in operation.server.requests)


def test_a_success_with_failures_says_so(raw, capsys):
    with pytest.warns(dn.DicomnbWarning, match=r"2 of 5 items failed.*console\.cloud"):
        operation = begun(raw, said(), said(True, success=3, failure=2), progress=True)
    assert operation.failures == 2
    for shown in (repr(operation), operation._repr_html_()):
        assert "2 of 5 items failed" in shown
        assert NAME in shown
    assert "ImportDicomData" in repr(operation)
    assert "2 failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, dn.Cancelled), (2, dn.ServerError), (3, dn.BadQuery), (5, dn.NotFound),
        (7, dn.AuthError), (8, dn.Throttled), (12, dn.Unsupported), (13, dn.ServerError),
    ],
)  # fmt: skip
def test_a_failure_is_typed_by_its_code(raw, code, kind):
    error = {"code": code, "message": "the bucket is not yours"}
    with pytest.raises(kind, match=r"operations/7.*4 of 4 items failed") as caught:
        begun(raw, said(), said(True, error, failure=4))
    assert code == 1 or "not yours" in str(caught.value)


def test_handed_back_and_cancelled(raw):
    error = {"code": 1, "message": "cancelled"}
    answers = (said(), response(b"{}"), said(pending=2), said(True, error, success=1))
    operation = begun(raw, *answers, wait=False)
    assert not operation.done
    operation.cancel()
    with pytest.raises(dn.Cancelled, match=r"1 of 1 items are done.*stays done"):
        operation.wait()
    assert operation.state.word == "cancelled"
    asked = [one.target for one in operation.server.requests]
    assert asked[1:3] == [f"/v1/{NAME}:cancel", f"/v1/{NAME}"]


def test_when_the_time_is_up_it_goes_on(raw):
    operation = begun(raw, said(), said(pending=5), wait=False)
    with pytest.raises(dn.StillRunning, match=r"operations/7 is not done after 0\.2 s") as caught:
        operation.wait(time_limit=0.2)
    assert caught.value.operation is operation
    assert isinstance(caught.value, TimeoutError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.operation) == (str(caught.value), None)
    assert all(":cancel" not in one.target for one in operation.server.requests)


def test_pauses_grow(raw, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr(Cancel, "wait", lambda self, seconds: pauses.append(seconds))
    begun(raw, *[said()] * 25, said(True))
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.5
    assert pauses[-1] == pauses[-2] == 10


def test_an_interrupt_ends_the_waiting_only(raw):
    def interrupt(state: OperationState) -> None:
        raise KeyboardInterrupt

    operation = begun(raw, said(), said(pending=1), wait=False)
    with (
        pytest.warns(dn.DicomnbWarning, match=f"{NAME} goes on at the server"),
        pytest.raises(KeyboardInterrupt),
    ):
        operation.wait(progress=interrupt)
    assert all(":cancel" not in one.target for one in operation.server.requests)


def test_a_token_stops_the_waiting_at_once(raw):
    operation = begun(raw, said(), said(pending=1), wait=False)
    cancel = Cancel()
    cancel.set()
    with pytest.raises(dn.Cancelled):
        operation.wait(cancel=cancel)


def test_a_poll_that_fails_in_passing_is_repeated(raw):
    busy = response(b"Deadline exceeded", status=503)
    operation = begun(raw, said(), busy, said(True, success=1), wait=False)
    operation._ask.func.__self__._transport._patience = Patience(first=0.001)
    assert operation.wait().state.success == 1


def test_found_again_by_name(raw):
    server = raw(said(True, success=2))
    found = dn.google.operation(NAME, options=options(server), auth=dn.Bearer("t"))
    assert (found.done, found.state.success) == (True, 2)
    by_address = dn.google.operation(f"{server.root}/v1/{NAME}", auth=dn.Bearer("t"))
    assert by_address.name == NAME
    for wrong in (STORE, f"{DATASET}/operations/", f"{DATASET}/operations/a/b", None):
        with pytest.raises(dn.RefError, match="is no operation"):
            dn.google.operation(wrong)


def test_an_answer_that_is_no_operation(raw):
    for body in (b"{}", b'{"name": "projects/p/elsewhere"}', b'{"name": "../../x"}'):
        with pytest.raises(dn.ProtocolError, match="no operation"):
            begun(raw, response(body, kind="application/json"))
    for body in (b"[]", b"<html>", b'"text"'):
        with pytest.raises(dn.ProtocolError, match="no JSON object"):
            begun(raw, response(body, kind="application/json"))


def test_counts_that_are_no_numbers_are_none(raw):
    odd = {"name": NAME, "metadata": {"counter": {"success": "x", "failure": None}}, "done": True}
    operation = begun(raw, said(), response(json.dumps(odd).encode()))
    assert (operation.state.success, operation.failures, operation.done) == (0, 0, True)


def test_what_is_sent_and_what_is_refused_before(raw):
    server = raw(said(True))
    keywords = {"options": options(server), "auth": dn.Bearer("t")}
    dn.google.export(STORE, "gs://b/out", media_type="image/png", **keywords)
    dn.google.export(STORE, "bq://p.d.t", write="truncate", **keywords)
    dn.google.deidentify(STORE, f"{STORE}2", only="gs://b/list", **keywords)
    dn.google.deidentify(STORE, f"{STORE}2", config="all", **keywords)
    bodies = [json.loads(one.body) for one in server.requests]
    assert bodies[0] == {"gcsDestination": {"uriPrefix": "gs://b/out", "mimeType": "image/png"}}
    assert bodies[1] == {
        "bigqueryDestination": {"tableUri": "bq://p.d.t", "writeDisposition": "WRITE_TRUNCATE"}
    }
    assert bodies[2] == {
        "destinationStore": f"{STORE}2",
        "filterConfig": {"resourcePathsGcsUri": "gs://b/list"},
        "config": {
            "dicom": {"filterProfile": "ATTRIBUTE_CONFIDENTIALITY_BASIC_PROFILE"},
            "image": {"textRedactionMode": "REDACT_ALL_TEXT"},
        },
    }
    assert bodies[3]["config"]["image"] == {"textRedactionMode": "REDACT_NO_TEXT"}
    sent = len(server.requests)
    for to, wrong in (
        ("s3://b/x", {}), ("gs://", {}), ("bq://p.d", {}), ("bq://p..t", {}),
        ("gs://b", {"write": "append"}), ("bq://p.d.t", {"media_type": "image/png"}),
        ("bq://p.d.t", {"write": "WRITE_EMPTY"}), (None, {}),
    ):  # fmt: skip
        with pytest.raises(dn.BadQuery):
            dn.google.export(STORE, to, **wrong, **keywords)
    for wrong in ("/a/folder", None):
        with pytest.raises(dn.BadQuery, match=r"gs://bucket"):
            dn.google.import_(STORE, wrong, **keywords)
    with pytest.raises(dn.RefError, match="into itself"):
        dn.google.deidentify(STORE, STORE, **keywords)
    with pytest.raises(dn.BadQuery, match="'basic'"):
        dn.google.deidentify(STORE, f"{STORE}2", config="strong", **keywords)
    assert len(server.requests) == sent


def test_configurations_of_deidentification():
    made = dn.google.configuration(keep=["Modality", (0x0008, 0x0020)], keep_uids=True)
    assert made["dicom"] == {
        "keepList": {"tags": ["00080060", "00080020"]},
        "skipIdRedaction": True,
    }
    assert dn.google.configuration(remove="PatientName")["dicom"] == {
        "removeList": {"tags": ["00100010"]}
    }
    with pytest.raises(dn.BadQuery, match="PatientName"):
        dn.google.configuration(keep=["PatientNmae"])
    with pytest.raises(dn.BadQuery, match="not both"):
        dn.google.configuration(keep=["Modality"], remove=["PatientID"])
    with pytest.raises(dn.BadQuery, match="sensitive"):
        dn.google.configuration(text="some")
