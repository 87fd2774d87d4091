"""The answer to a store: the Store Instances Response Module (PS3.18 annex I.2).

`encode` writes it for the embedded server, `decode` reads what servers really send. Every
upload gets exactly one outcome: what a server did not mention counts as failed, also under
a 200, since some servers answer that with nothing stored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from dicomnb.errors import ProtocolError
from dicomnb.wire import native_xml
from dicomnb.wire.jsontext import NO_JSON
from dicomnb.wire.storing import Outcome, OutcomeName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["DUPLICATE", "Sent", "decode", "encode", "is_answer", "outcomes", "read", "reason"]

DUPLICATE = 0x0111
"""Duplicate SOP Instance (PS3.7 annex C): what `encode` gives a conflict without a code."""
PROCESSING_FAILURE = 0x0110

_RETRIEVE_URL = "00081190"
_STORED = "00081199"
_FAILED = "00081198"
_OTHER_FAILURES = "0008119A"
_SOP_CLASS, _INSTANCE = "00081150", "00081155"
_WARNING_REASON, _FAILURE_REASON = "00081196", "00081197"
_SEQUENCES = (_STORED, _FAILED, _OTHER_FAILURES)
# Private words beside the code: Google's FailureDetail, its JSON form, and dicomnb's own.
_DETAILS = ("00090097", "00091097", "00091001")
_ALREADY_THERE = "already there"
_OWN_CREATOR, _OWN_DETAIL = ("00090010", "DICOMNB"), "00091001"
# Azure says "already stored" (45070) by the UIDs alone: whether the bytes differ is not known.
_CONFLICTS = frozenset({DUPLICATE, 45070})

REASONS: Mapping[int, str] = {
    # PS3.7 annex C and PS3.18 tables I.2-1 and I.2-2
    0x0105: "an attribute is not known",
    0x0106: "an attribute has an invalid value",
    0x0107: "some attributes were not taken",
    0x0110: "processing failure",
    0x0111: "an instance of this UID is there already",
    0x0112: "there is no such instance",
    0x0115: "an argument has an invalid value",
    0x0116: "an attribute's value is out of range",
    0x0117: "the UID is not a valid one",
    0x0118: "no such SOP Class",
    0x0119: "the instance is of another SOP Class",
    0x0120: "an attribute is missing",
    0x0121: "an attribute has no value",
    0x0122: "the SOP Class is not supported",
    0x0124: "not authorized",
    0x0131: "the transaction's UID was used before",
    0x0210: "the request was sent twice",
    0x0211: "the operation is not known",
    0x0212: "an argument was mistyped",
    0x0213: "out of resources",
    0xA700: "refused: out of resources",
    0xA900: "the data set does not match its SOP Class",
    0xB000: "data elements were changed to fit",
    0xB006: "data elements were left out",
    0xB007: "the data set does not match its SOP Class",
    0xC000: "the data set cannot be understood",
    0xC122: "the transfer syntax is not supported",
    # Azure Health Data Services (whose 43264 is A900H)
    43265: "the instance belongs to another study than the one stored to",
    45070: "an instance of these UIDs is there already",
    45071: "the instance is just being stored by another process",
}
# Where the code says no more than that it failed (Google), the words may.
_IS_THERE = re.compile(r"already (exist|stored|there|present)|duplicate", re.IGNORECASE)
_CODE = re.compile(r"[0-9]{1,9}")
_RANGES = ((0xA700, 0xA7FF), (0xA900, 0xA9FF), (0xC000, 0xCFFF))


class Sent(NamedTuple):
    """The identity of an upload, as read from its own header; None where it tells none."""

    study: str | None = None
    series: str | None = None
    instance: str | None = None
    sop_class: str | None = None


def reason(code: int | None) -> str:
    """A failure or warning reason in words, with its number: ``"processing failure (0110H)"``."""
    if code is None:
        return ""
    words = REASONS.get(code)
    if words is None:
        words = next((REASONS[low] for low, high in _RANGES if low <= code <= high), "failed")
    return f"{words} ({code:04X}H)"


def encode(outcomes: Iterable[Outcome], *, study_url: str | None) -> tuple[bytes, int]:
    """The answer as DICOM JSON, and its status (PS3.18 table 10.5.3-1).

    Args:
        outcomes: one for each part of the request. What is ``already there`` is told as
            stored, since the same bytes again change nothing, with a private remark that
            `decode` reads.
        study_url: RetrieveURL of the study, or None when several were stored to.

    Returns:
        UTF-8, and 200 (all stored), 202 (some with warnings, or not stored) or 409 (none).
        An upload without UIDs goes into OtherFailuresSequence.
    """
    stored: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    warned = False
    for one in outcomes:
        item = _item(one)
        if one.outcome in ("stored", "warned", "already there"):
            warned = warned or one.outcome == "warned"
            stored.append(item)
        else:
            (failed if one.instance else others).append(item)
    data: dict[str, Any] = {}
    if study_url:
        data[_RETRIEVE_URL] = _element("UR", study_url)
    for tag, items in ((_FAILED, failed), (_STORED, stored), (_OTHER_FAILURES, others)):
        if items:
            data[tag] = {"vr": "SQ", "Value": items}
    failures = bool(failed or others)
    status = 409 if failures and not stored else 202 if failures or warned else 200
    # A pydicom UID is a str of its own kind, which msgspec asks about.
    return msgspec.json.encode(data, enc_hook=str), status


def _element(vr: str, value: object) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}


def _item(one: Outcome) -> dict[str, Any]:
    item: dict[str, Any] = {}
    if one.sop_class:
        item[_SOP_CLASS] = _element("UI", one.sop_class)
    if one.instance:
        item[_INSTANCE] = _element("UI", one.instance)
    if one.outcome in ("conflict", "failed"):
        fallback = DUPLICATE if one.outcome == "conflict" else PROCESSING_FAILURE
        item[_FAILURE_REASON] = _element("US", one.code or fallback)
    else:
        if one.url:
            item[_RETRIEVE_URL] = _element("UR", one.url)
        if one.outcome == "warned":
            item[_WARNING_REASON] = _element("US", one.code or 0xB000)
    detail = _ALREADY_THERE if one.outcome == "already there" else one.reason
    if detail and one.outcome != "stored":
        tag, creator = _OWN_CREATOR
        item[tag] = _element("LO", creator)
        item[_OWN_DETAIL] = _element("UT", detail)
    return item


def is_answer(body: bytes) -> bool:
    """Whether a body is a store's answer, JSON or XML, whatever its Content-Type says."""
    return read(body) is not None


def decode(
    body: bytes,
    content_type: str | None,
    status: int,
    sent: Sequence[Sent],
    *,
    words: str = "",
) -> list[Outcome]:
    """What became of each upload; `read` and `outcomes` in one."""
    return outcomes(read(body), content_type, status, sent, words=words)


def outcomes(
    data: Mapping[str, Any] | None,
    content_type: str | None,
    status: int,
    sent: Sequence[Sent],
    *,
    words: str = "",
) -> list[Outcome]:
    """What became of each upload, in their order.

    Args:
        data: what `read` found in the body.
        content_type: as sent; named where the answer cannot be read.
        status: HTTP status.
        sent: the uploads' identities, each SOPInstanceUID once.
        words: what the server said elsewhere: a ``Warning: 299`` header, an error's text.

    Returns:
        An `Outcome` for every upload. A failure that names no instance (Google) goes to those
        that the server did not name otherwise; what it names as failed and as stored failed.
    """
    if data is None:
        kind = content_type or "no Content-Type"
        text = words or f"the server gave no readable answer (HTTP {status}, {kind})"
        return [Outcome("failed", *one, reason=text) for one in sent]
    instances = {one.instance for one in sent}
    named: dict[str, Outcome] = {}
    nameless: list[Outcome] = []
    for tag in (_FAILED, _OTHER_FAILURES, _STORED):
        for item in _items(data, tag):
            # What was stored besides, now or before, is nobody's here.
            if tag == _STORED and _text(item, _INSTANCE) not in instances:
                continue
            outcome = _read_item(item, words, is_failure=tag != _STORED)
            if outcome.instance is not None:
                named.setdefault(outcome.instance, outcome)
            elif tag != _STORED:
                nameless.append(outcome)
    failed = nameless or any(one.outcome == "failed" for one in named.values())
    remark = "" if failed else words
    words = words or (f"HTTP {status}" if status >= 400 else "")
    return [_outcome_of(one, named, nameless, words=words, remark=remark) for one in sent]


def _outcome_of(
    one: Sent,
    named: Mapping[str, Outcome],
    nameless: Sequence[Outcome],
    *,
    words: str,
    remark: str,
) -> Outcome:
    """The outcome of one upload; ``remark`` is a header's warning when nothing failed."""
    found = named.get(one.instance or "")
    if found is None:
        return _unmentioned(one, words, nameless)
    outcome, text = found.outcome, found.reason
    if outcome == "stored" and remark:
        outcome, text = "warned", remark
    return Outcome(outcome, *one[:3], found.sop_class or one.sop_class, found.code, text, found.url)


def _unmentioned(one: Sent, words: str, nameless: Sequence[Outcome] = ()) -> Outcome:
    reasons = list(dict.fromkeys(failure.reason for failure in nameless))
    codes = {failure.code for failure in nameless}
    if len(reasons) == 1:
        text = reasons[0]
    elif reasons:
        text = "one of: " + "; ".join(reasons)
    else:
        text = "the server did not mention it" + (f": {words}" if words else "")
    outcomes = {failure.outcome for failure in nameless}
    outcome = outcomes.pop() if len(outcomes) == 1 else "failed"
    return Outcome(outcome, *one, code=codes.pop() if len(codes) == 1 else None, reason=text)


def read(body: bytes) -> Mapping[str, Any] | None:
    """The data set in a body, or None when there is none or it is no store's answer.

    Orthanc's errors carry no Content-Type, so the text decides what it is.
    """
    try:
        if body.lstrip()[:1] == b"<":
            body = native_xml.read(body)
        data = msgspec.json.decode(body)
    except (ProtocolError, *NO_JSON):
        return None
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        return None
    known = (_RETRIEVE_URL, *_SEQUENCES)
    return data if any(tag in data for tag in known) else None


def _items(data: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    values = _values(data, tag)
    return [item for item in values if isinstance(item, dict) and item]


def _values(data: Mapping[str, Any], tag: str) -> list[Any]:
    element = data.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    if isinstance(values, list):
        return values
    return [] if values is None else [values]


def _text(item: Mapping[str, Any], tag: str) -> str | None:
    if tag not in item:
        return None
    for value in _values(item, tag):
        if isinstance(value, (str, int)):
            return str(value).strip(" \0") or None
    return None


def _read_item(item: Mapping[str, Any], words: str, *, is_failure: bool) -> Outcome:
    number = _text(item, _FAILURE_REASON if is_failure else _WARNING_REASON)
    code = int(number) if number and _CODE.fullmatch(number) else None
    details = [_detail(text) for tag in _DETAILS if (text := _text(item, tag))]
    text = ": ".join([*([reason(code)] if code is not None else []), *details])
    identity = (_text(item, _INSTANCE), _text(item, _SOP_CLASS))
    if not is_failure:
        if details == [_ALREADY_THERE]:
            outcome: OutcomeName = "already there"
            text = ""
        else:
            outcome = "warned" if text else "stored"
        return Outcome(
            outcome,
            instance=identity[0],
            sop_class=identity[1],
            code=code,
            reason=text,
            url=_text(item, _RETRIEVE_URL),
        )
    is_there = code in _CONFLICTS or (
        code in (None, PROCESSING_FAILURE) and any(map(_IS_THERE.search, details))
    )
    return Outcome(
        "conflict" if is_there else "failed",
        instance=identity[0],
        sop_class=identity[1],
        code=code,
        reason=text or words or "the server gave no reason",
    )


def _detail(text: str) -> str:
    """Private words; those that are JSON (Google's FailureDetailJSON) by their message."""
    if not text.startswith("{"):
        return text
    try:
        said = msgspec.json.decode(text.encode())
    except NO_JSON:
        return text
    message = said.get("message") if isinstance(said, dict) else None
    return message if isinstance(message, str) and message else text
