"""The Native DICOM Model (PS3.19 annex A.1) ↔ DICOM JSON (PS3.18 annex F).

A server that answers ``application/dicom+xml`` so comes to the same tables through the same
code as one that answers JSON. What is read and written beyond the letter of the standard:

- Elements are told by their local name: the namespace may be there (Orthanc) or not (Google).
- Orthanc writes ``URI`` where ``uri`` belongs; both are read.
- A name may stand as plain text where its component groups or their parts belong.
- Values are put where their ``number`` says, gaps are ``null``; numbers that contradict each
  other leave the order of the document. Items go by their number and have no gaps.
- Bulk data that has only a ``uuid`` becomes the BulkDataURI ``urn:uuid:…``, and back.
- A private tag without its block (``gggg00ee`` with ``privateCreator``) gets the block that
  the data set reserves for the creator, or the first free one.
- A document type is refused, and with it every entity: neither has a use here, both are means
  of attack.
- Characters that XML 1.0 cannot hold are written as U+FFFD.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.attributes import attribute, is_tag, keyword_of
from dicomnb.errors import BadQuery, ProtocolError
from dicomnb.wire.elements import NUMBERS, TEXT_READERS, filled, resolved_vr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element

__all__ = ["NAMESPACE", "read", "write"]

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"

_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_URN = "urn:uuid:"
_BEGINNING = 200
_DEEPEST = 64
# A number that leaves a wider gap is taken for a mistake: it would cost memory for nothing.
_WIDEST_GAP = 1024
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NOT_FINITE = {"inf": "Infinity", "+inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IN_TEXT = {ord("\r"): "&#13;"}
_IN_ATTRIBUTE = {ord("\t"): "&#9;", ord("\n"): "&#10;", ord("\r"): "&#13;"}


# --- XML → JSON --------------------------------------------------------------------------


def read(*bodies: bytes) -> bytes:
    """Documents of the Native DICOM Model as one page of DICOM JSON.

    Args:
        *bodies: XML documents, each with one ``NativeDicomModel`` (or with several, in a root
            of any name): the parts of a multipart answer, in their order.

    Returns:
        A JSON array, UTF-8, one object a model. Values that their VR cannot have stand as
        text, so that a table can report them.

    Raises:
        ProtocolError: no XML, XML with a document type, or no Native DICOM Model; the message
            shows how the body begins.

    Example:
        >>> read(b'<NativeDicomModel><DicomAttribute tag="00200013" vr="IS">'
        ...      b'<Value number="1">7</Value></DicomAttribute></NativeDicomModel>')
        b'[{"00200013":{"vr":"IS","Value":[7]}}]'
    """
    models = [_dataset(model, body, 0) for body in bodies for model in _models(body)]
    return msgspec.json.encode(models)


def _models(body: bytes) -> list[Element]:
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except DefusedXmlException as error:
        raise _refused(body, f"it declares a document type or entities ({error})") from None
    except (ParseError, LookupError, ValueError) as error:
        raise _refused(body, f"it is no XML ({error})") from None
    candidates = [root] if _local(root) == "NativeDicomModel" else list(root)
    models = [one for one in candidates if _local(one) == "NativeDicomModel"]
    if not models:
        raise _refused(body, f"its root is {_local(root)!r}")
    return models


def _refused(body: bytes, why: str) -> ProtocolError:
    beginning = body[:_BEGINNING].decode("utf-8", errors="replace")
    beginning += "…" if len(body) > _BEGINNING else ""
    return ProtocolError(
        f"The answer is no Native DICOM Model (PS3.19 annex A.1): {why}. It begins: {beginning}"
    )


def _local(element: Element) -> str:
    """The name without its namespace; comments and the like have none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _dataset(parent: Element, body: bytes, depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise _refused(body, f"its items are nested deeper than {_DEEPEST}")
    elements = [child for child in parent if _local(child) == "DicomAttribute"]
    blocks = _Blocks(elements)
    result: dict[str, Any] = {}
    for element in elements:
        creator = element.get("privateCreator")
        tag = blocks.whole(_tag(element), creator)
        result[tag] = _attribute(element, tag, creator or blocks.creator(tag), body, depth)
    for tag, creator in blocks.added.items():
        result[tag] = {"vr": "LO", "Value": [creator]}
    return dict(sorted(result.items()))


def _tag(element: Element) -> str:
    """Eight digits; of the keyword where there is no tag; else whatever stands there."""
    text = (element.get("tag") or "").strip()
    if not text and (name := element.get("keyword")):
        try:
            return attribute(name).tag
        except BadQuery:
            return name
    return text.upper() if is_tag(text) else text


class _Blocks:
    """Which blocks of private elements a data set's creators have (PS3.5 section 7.8.1)."""

    def __init__(self, elements: Iterable[Element]) -> None:
        self._creators: dict[str, str] = {}
        self.added: dict[str, str] = {}
        for element in elements:
            tag = _tag(element)
            if _reserves_block(tag) and element.get("privateCreator") is None:
                self._creators[tag] = "".join(element.itertext()).strip()

    def creator(self, tag: str) -> str | None:
        """Who the block of a private tag belongs to."""
        return self._creators.get(f"{tag[:4]}00{tag[4:6]}") if is_tag(tag) else None

    def whole(self, tag: str, creator: str | None) -> str:
        """The tag with its block, where only the creator says which."""
        if not creator or not is_tag(tag) or tag[4:6] != "00" or int(tag[:4], 16) % 2 == 0:
            return tag
        for place, name in self._creators.items():
            if place[:4] == tag[:4] and name == creator:
                return f"{tag[:4]}{place[6:]}{tag[6:]}"
        for block in range(0x10, 0x100):
            place = f"{tag[:4]}00{block:02X}"
            if place not in self._creators:
                self._creators[place] = self.added[place] = creator
                return f"{tag[:4]}{block:02X}{tag[6:]}"
        return tag


def _reserves_block(tag: str) -> bool:
    return is_tag(tag) and int(tag[:4], 16) % 2 == 1 and 0x10 <= int(tag[4:], 16) <= 0xFF


def _attribute(
    element: Element, tag: str, creator: str | None, body: bytes, depth: int
) -> dict[str, Any]:
    vr = (element.get("vr") or "").strip()
    if not vr and is_tag(tag):
        vr = resolved_vr(int(tag, 16), creator=lambda: creator, is_signed=lambda: False)
    values: list[tuple[str | None, Any]] = []
    for child in element:
        number = child.get("number")
        match _local(child):
            case "Value":
                values.append((number, _value(vr, child.text or "")))
            case "PersonName":
                values.append((number, _name(child)))
            case "Item":
                values.append((number, _dataset(child, body, depth + 1)))
            case "InlineBinary":
                return {"vr": vr, "InlineBinary": "".join((child.text or "").split())}
            case "BulkData":
                return {"vr": vr, "BulkDataURI": _reference(child)}
    if vr == "SQ":
        items = [item for item in _placed(values, has_gaps=False) if item is not None]
        return {"vr": vr, "Value": items} if items else {"vr": vr}
    return filled(vr, _placed(values, has_gaps=True))


def _placed(values: list[tuple[str | None, Any]], *, has_gaps: bool) -> list[Any]:
    """Values where their numbers put them, or as they came where numbers cannot be right."""
    numbers = [
        int(text) if text is not None and _INTEGER.fullmatch(text.strip()) else 0
        for text, _ in values
    ]
    if len(set(numbers)) < len(numbers) or min(numbers, default=1) < 1:
        return [value for _, value in values]
    if not has_gaps or max(numbers, default=0) > len(numbers) + _WIDEST_GAP:
        return [value for _, (_, value) in sorted(zip(numbers, values, strict=True), key=_first)]
    placed = [None] * max(numbers, default=0)
    for number, (_, value) in zip(numbers, values, strict=True):
        placed[number - 1] = value
    return placed


def _first(pair: tuple[int, Any]) -> int:
    return pair[0]


def _value(vr: str, text: str) -> Any:
    """A value in the JSON type of its VR, or as text where it has no such value."""
    if vr in NUMBERS or vr in ("DS", "IS"):
        return _number(vr, text.strip(" \t\r\n\0"))
    if vr == "PN":
        return TEXT_READERS["PN"](text)[0]
    if vr in TEXT_READERS:
        return text.rstrip(" \0") or None
    return text or None


def _number(vr: str, text: str) -> int | float | str | None:
    if vr in ("FL", "FD"):
        text = _NOT_FINITE.get(text.lower(), text)
    elif _INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**64:
        return int(text)
    elif vr not in ("DS", "IS"):
        return text or None
    found: list[Any] = TEXT_READERS["IS" if vr == "IS" else "DS"](text)
    if len(found) > 1:
        return text
    return float(found[0]) if vr in ("FL", "FD") and isinstance(found[0], int) else found[0]


def _name(element: Element) -> dict[str, str] | None:
    groups: dict[str, str] = {}
    for child in element:
        if _local(child) in _GROUPS and (text := _group(child)):
            groups[_local(child)] = text
    if groups or len(element):
        return groups or None
    found: dict[str, str] | None = TEXT_READERS["PN"](element.text or "")[0]
    return found


def _group(element: Element) -> str:
    """A component group: its parts joined by carets, or the text that stands in their place."""
    parts = {_local(child): child.text or "" for child in element}
    if not parts:
        return (element.text or "").strip()
    return "^".join(parts.get(name, "") for name in _NAME_PARTS).rstrip("^ ")


def _reference(element: Element) -> str:
    given = {name.lower(): text.strip() for name, text in element.items()}
    uri, uuid = given.get("uri"), given.get("uuid")
    return uri or (f"{_URN}{uuid.removeprefix(_URN)}" if uuid else "")


# --- JSON → XML --------------------------------------------------------------------------


def write(dataset: Mapping[str, Any], *, namespace: str | None = NAMESPACE) -> bytes:
    """A data set of DICOM JSON as a document of the Native DICOM Model.

    Args:
        dataset: tag → ``{"vr": …, "Value": […]}``, as `dicomnb.wire.dicomjson.encode` makes
            it or a server sends it; what is odd in it is written as it is, as far as XML can.
        namespace: of the root; None for a bare root without declaration, as Google sends it.

    Returns:
        The document, UTF-8. Keywords and private creators
        stand beside the tags.

    Example:
        >>> read(write({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}}))
        b'[{"00100010":{"vr":"PN","Value":[{"Alphabetic":"Doe^Jane"}]}}]'
    """
    inner = "".join(_written(dataset))
    if namespace is None:
        return f"<NativeDicomModel>{inner}</NativeDicomModel>".encode()
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<NativeDicomModel xmlns="{namespace}" xml:space="preserve">{inner}</NativeDicomModel>'
    ).encode()


def _written(dataset: Mapping[str, Any]) -> Iterator[str]:
    for tag, element in dataset.items():
        if not isinstance(element, Mapping):
            element = {}
        about = {"tag": tag, "vr": element.get("vr"), "keyword": None, "privateCreator": None}
        if is_tag(tag):
            about["keyword"] = keyword_of(tag)
            about["privateCreator"] = _creator(dataset, tag)
        content = "".join(_content(element))
        yield f"<DicomAttribute{_attributes(about)}>{content}</DicomAttribute>"


def _creator(dataset: Mapping[str, Any], tag: str) -> str | None:
    if int(tag[:4], 16) % 2 == 0 or tag[4:6] == "00":
        return None
    holder = dataset.get(f"{tag[:4]}00{tag[4:6]}".upper())
    values = holder.get("Value") if isinstance(holder, Mapping) else None
    return values[0] if isinstance(values, list) and values and values[0] else None


def _content(element: Mapping[str, Any]) -> Iterator[str]:
    values = element.get("Value")
    if values is None:
        if (reference := element.get("BulkDataURI")) is not None:
            kind = "uuid" if str(reference).startswith(_URN) else "uri"
            yield f"<BulkData{_attributes({kind: str(reference).removeprefix(_URN)})}/>"
        elif (inline := element.get("InlineBinary")) is not None:
            yield f"<InlineBinary>{_text(inline)}</InlineBinary>"
        return
    values = values if isinstance(values, list) else [values]
    for number, value in enumerate(values, 1):
        if element.get("vr") == "SQ":
            inner = "".join(_written(value)) if isinstance(value, Mapping) else ""
            yield f'<Item number="{number}">{inner}</Item>'
        elif isinstance(value, Mapping):
            groups = "".join(_written_groups(value))
            yield f'<PersonName number="{number}">{groups}</PersonName>'
        elif value is not None:
            yield f'<Value number="{number}">{_text(value)}</Value>'
        elif number == len(values) > 1:  # so that the last one's absence still shows
            yield f'<Value number="{number}"/>'


def _written_groups(name: Mapping[str, Any]) -> Iterator[str]:
    for group in _GROUPS:
        if not name.get(group):
            continue
        parts = str(name[group]).split("^", len(_NAME_PARTS) - 1)
        written = "".join(
            f"<{part}>{_text(text)}</{part}>"
            for part, text in zip(_NAME_PARTS, parts, strict=False)
            if text
        )
        yield f"<{group}>{written}</{group}>"


def _attributes(pairs: Mapping[str, Any]) -> str:
    return "".join(
        f' {name}="{_escaped(str(value)).translate(_IN_ATTRIBUTE)}"'
        for name, value in pairs.items()
        if value is not None
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        text = value
    elif isinstance(value, float):
        text = repr(value) if math.isfinite(value) else _NOT_FINITE[str(value)]
    elif isinstance(value, int):
        text = str(value).lower()
    else:
        text = msgspec.json.encode(value).decode()
    return _escaped(text).translate(_IN_TEXT)


def _escaped(text: str) -> str:
    return escape(_ILLEGAL.sub("\ufffd", text), quote=True)
