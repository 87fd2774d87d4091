"""Media types as DICOMweb writes them (RFC 9110 section 8.3, PS3.18 section 8.7).

Servers quote parameter values or do not, and Orthanc puts the transfer syntax inside
``type``; all of that is read. What is sent is the form of RFC 9110: a value is quoted unless
it is a token, so ``type="application/dicom"`` always is and ``transfer-syntax=*`` never.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "DICOM",
    "DICOM_JSON",
    "DICOM_XML",
    "OCTET_STREAM",
    "MediaType",
    "accepted",
    "choose",
    "format",
    "matches",
    "multipart_related",
    "parse",
]

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
OCTET_STREAM = "application/octet-stream"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_WILD = "*/*"


@dataclass(frozen=True)
class MediaType:
    """A media type, or an entry of an Accept header.

    Attributes:
        type: ``"type/subtype"``, lower case; ``*`` stands for any in an Accept header.
        parameters: (name, value) in the order sent; names in lower case, values unquoted.
    """

    type: str
    parameters: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str) -> str | None:
        """The value of a parameter, or None where it is not given."""
        return next((value for key, value in self.parameters if key == name), None)

    @property
    def transfer_syntax(self) -> str | None:
        """UID or ``"*"`` as given, or None."""
        return self.parameter("transfer-syntax")

    @property
    def part_type(self) -> str | None:
        """The type of the parts of a multipart type, lower case without parameters, or None."""
        inner = self.parameter("type")
        return inner.lower() if inner else None

    @property
    def quality(self) -> float:
        """``q`` of an Accept entry, 0 to 1; 1 where it is missing or no number."""
        try:
            quality = float(self.parameter("q") or "1")
        except ValueError:
            return 1.0
        return quality if 0 <= quality <= 1 else 1.0

    def __str__(self) -> str:
        return format(self.type, dict(self.parameters))


@lru_cache(maxsize=64)  # the parts of one answer, often hundreds, say the same
def parse(text: str | None) -> MediaType | None:
    """Read a Content-Type, quoted or not; None for a missing or empty one.

    Args:
        text: the header's value. A transfer syntax inside ``type`` (Orthanc) becomes a
            parameter of its own.

    Example:
        >>> parse('multipart/related; type="image/jpeg; transfer-syntax=1.2"; boundary=b')
        ... # doctest: +NORMALIZE_WHITESPACE
        MediaType(type='multipart/related',
            parameters=(('type', 'image/jpeg'), ('boundary', 'b'), ('transfer-syntax', '1.2')))
    """
    pieces = list(_split(text or "", ";"))
    kind = pieces[0].strip().lower() if pieces else ""
    if not kind:
        return None
    found: dict[str, str] = {}
    for piece in pieces[1:]:
        name, sign, value = piece.partition("=")
        if sign and name.strip():
            found.setdefault(name.strip().lower(), _unquoted(value.strip()))
    if ";" in found.get("type", "") and (inner := parse(found["type"])) is not None:
        found["type"] = inner.type
        for name, value in inner.parameters:
            found.setdefault(name, value)
    return MediaType(_WILD if kind == "*" else kind, tuple(found.items()))


def _split(text: str, separator: str) -> Iterator[str]:
    """The pieces between separators, those inside quotes left alone."""
    start, quoted, position = 0, False, 0
    while position < len(text):
        sign = text[position]
        if sign == "\\" and quoted:
            position += 1
        elif sign == '"':
            quoted = not quoted
        elif sign == separator and not quoted:
            yield text[start:position]
            start = position + 1
        position += 1
    yield text[start:]


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    inside = value[1:-1] if len(value) > 1 and value.endswith('"') else value[1:]
    return re.sub(r"\\(.)", r"\1", inside)


def format(kind: str, parameters: Mapping[str, str | None] | None = None) -> str:
    """A header's value; parameters that are None are left out.

    Raises:
        ValueError: a line break or NUL in a value, which would end the header.

    Example:
        >>> format("multipart/related", {"type": "application/dicom", "transfer-syntax": "*"})
        'multipart/related; type="application/dicom"; transfer-syntax=*'
    """
    pieces = [kind]
    for name, value in (parameters or {}).items():
        if value is not None:
            pieces.append(f"{name}={_quoted(value)}")
    text = "; ".join(pieces)
    if any(sign in text for sign in "\r\n\0"):
        raise ValueError(f"{text!r} cannot stand in a header.")
    return text


def _quoted(value: str) -> str:
    if _TOKEN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def multipart_related(
    part_type: str, *, transfer_syntax: str | None = None, boundary: str | None = None
) -> str:
    """``multipart/related`` of one kind of parts, for Accept or Content-Type.

    ``transfer-syntax`` stands beside ``type``, as PS3.18 section 8.7.3.3 has it.
    """
    parameters = {"type": part_type, "transfer-syntax": transfer_syntax, "boundary": boundary}
    return format("multipart/related", parameters)


def accepted(header: str | None) -> list[MediaType]:
    """The entries of an Accept header, the most wanted first.

    In order of q, then of how exact they are, then as they stand. Entries with q=0 are left
    out. A missing or empty header accepts everything.
    """
    entries = [entry for piece in _split(header or "", ",") if (entry := parse(piece))]
    if not entries:
        return [MediaType(_WILD)]
    wanted = [entry for entry in entries if entry.quality > 0]
    return sorted(wanted, key=lambda entry: (-entry.quality, entry.type.count("*")))


def matches(offered: MediaType, entry: MediaType) -> bool:
    """Whether an offered type is what an entry of an Accept header asks for.

    ``type`` and ``transfer-syntax`` are compared where both tell them; a ``*`` in the entry
    stands for any. Other parameters do not matter.
    """
    if not _same_type(offered.type, entry.type):
        return False
    if offered.part_type and entry.part_type and not _same_type(offered.part_type, entry.part_type):
        return False
    wanted, given = entry.transfer_syntax, offered.transfer_syntax
    return wanted in (None, "*") or given is None or wanted == given


def _same_type(offered: str, wanted: str) -> bool:
    if wanted == _WILD or offered == wanted:
        return True
    return wanted.endswith("/*") and offered.startswith(wanted[:-1])


def choose(header: str | None, offers: Iterable[MediaType]) -> tuple[MediaType, MediaType] | None:
    """The offer that an Accept header wants most, with the entry that it matches.

    Args:
        header: the Accept header, or None.
        offers: what can be sent, the best first.

    Returns:
        ``(offer, entry)``, or None where nothing offered is acceptable (HTTP 406).
    """
    candidates = list(offers)
    for entry in accepted(header):
        for offer in candidates:
            if matches(offer, entry):
                return offer, entry
    return None
