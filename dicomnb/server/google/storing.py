"""Store and delete as the Google API has them: 409 for any failure, operations for deletes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.errors import NotFound
from dicomnb.refs import Ref
from dicomnb.server.answers import Answer, Refused
from dicomnb.server.google.contents import instance_refs
from dicomnb.server.google.json_store import BULK_TYPES, instances_of
from dicomnb.server.storing import as_here, received
from dicomnb.wire import media, native_xml
from dicomnb.wire.media import DICOM, DICOM_JSON
from dicomnb.wire.store_answer import DUPLICATE, PROCESSING_FAILURE
from dicomnb.wire.storing import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dicomnb.server.google.calls import StoreExchange
    from dicomnb.server.google.operations import Operation
    from dicomnb.server.storing import Spooled
    from dicomnb.wire.storing import Upload

__all__ = ["delete", "store"]

_XML = "application/dicom+xml"
_SERVICE = "dicom.DicomService"


def store(exchange: StoreExchange) -> Answer:
    """Store the instances of a body: 200 when all are stored, 409 when one or more are not.

    They come as Part 10, or as JSON metadata with an image each (`json_store`). The same bytes
    again count as stored. The answer is XML unless JSON is accepted only, or
    preferred.

    Raises:
        Refused: 400, the body is not what its header says; 406, 415, media types.
    """
    kind = _answer_type(exchange)
    is_json = _is_json(exchange)
    kinds = BULK_TYPES | {DICOM_JSON} if is_json else frozenset({DICOM})
    with tempfile.TemporaryDirectory(prefix="dicomnb-store-") as folder:
        parts: list[Spooled] = received(exchange, Path(folder), kinds=kinds)
        outcomes = _stored(exchange, instances_of(parts) if is_json else list(parts))
    stored = [as_here(exchange, one) for one in outcomes]
    data = _data_set(stored, exchange)
    status = 200 if all(one.url for one in stored) else 409
    if kind == _XML:
        return Answer(status, kind, native_xml.write(data, namespace=None))
    return Answer(status, kind, msgspec.json.encode(data))


def _stored(exchange: StoreExchange, made: Sequence[Upload | Outcome]) -> list[Outcome]:
    """What became of each: those that could not be made have an outcome already."""
    ref, service = exchange.ref, exchange.service
    uploads = [one for one in made if not isinstance(one, Outcome)]
    outcomes = iter(
        service.source.store(uploads, study=ref.study if ref else None, cancel=service.cancel)
    )
    return [one if isinstance(one, Outcome) else next(outcomes) for one in made]


def _answer_type(exchange: StoreExchange) -> str:
    offers = [_XML, DICOM_JSON]
    for offer, _ in exchange.wanted(offers):
        return offer
    raise Refused(406, ", ".join(offers))


def _is_json(exchange: StoreExchange) -> bool:
    """Whether metadata and images come apart; 415 for what is neither that nor Part 10."""
    given = media.parse(exchange.request.headers.get("Content-Type"))
    kind = given.type if given else ""
    inner = given.part_type if given else None
    if kind == "multipart/related" and inner == DICOM_JSON:
        return True
    if kind == DICOM or (kind == "multipart/related" and inner in (None, DICOM)):
        return False
    offers = (media.multipart_related(DICOM), media.multipart_related(DICOM_JSON), DICOM)
    raise Refused(
        415, f"{kind or 'A missing Content-Type'} cannot be stored; it is {' or '.join(offers)}."
    )


def _data_set(outcomes: list[Outcome], exchange: StoreExchange) -> dict[str, Any]:
    """The answer as DICOM JSON: RetrieveURL, FailedSOPSequence, ReferencedSOPSequence."""
    data: dict[str, Any] = {}
    studies = {one.study for one in outcomes if one.url and one.study}
    if len(studies) == 1:
        data["00081190"] = _element("UR", exchange.url(Ref(studies.pop())))
    failed = [_failed_item(one, exchange.habits.failure_detail) for one in outcomes if not one.url]
    stored = [_stored_item(one) for one in outcomes if one.url]
    for tag, items in (("00081198", failed), ("00081199", stored)):
        if items:
            data[tag] = {"vr": "SQ", "Value": items}
    return data


def _stored_item(one: Outcome) -> dict[str, Any]:
    return {
        "00081150": _element("UI", str(one.sop_class or "")),
        "00081155": _element("UI", str(one.instance)),
        "00081190": _element("UR", one.url),
    }


def _failed_item(one: Outcome, detail: str) -> dict[str, Any]:
    """Why, without saying which: no UIDs."""
    code = one.code or (DUPLICATE if one.outcome == "conflict" else PROCESSING_FAILURE)
    words = one.reason or "the instance could not be stored"
    text = msgspec.json.encode({"message": words}).decode() if detail == "00091097" else words
    return {
        f"{detail[:4]}0010": _element("LO", "GOOGLE"),
        detail: _element("UT", text),
        "00081197": _element("US", code),
    }


def _element(vr: str, value: object) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}


def delete(exchange: StoreExchange) -> Answer:
    """Delete an instance at once, ``{}``; a study or series by an operation.

    Raises:
        NotFound: there is none.
    """
    ref, service, call = exchange.target, exchange.service, exchange.call
    count = len(instance_refs(service.source, [ref], cancel=service.cancel))
    if not count:
        raise NotFound(f"There is no {ref.level} {ref.uid}.")
    call.store.lag.remember(service.source, ref.at("study"))
    if ref.level == "instance" or exchange.habits.study_delete == "empty":
        service.source.delete(ref, cancel=service.cancel)
        return call.answer({})

    def work(operation: Operation) -> dict[str, Any]:
        operation.pending = count
        service.source.delete(ref, cancel=operation.cancel)
        operation.pending, operation.success = 0, count
        return {"@type": "type.googleapis.com/google.protobuf.Empty"}

    method = f"{_SERVICE}.Delete{ref.level.capitalize()}"
    return call.begun(call.dataset.operations.start(method, work))
