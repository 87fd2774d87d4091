"""A page of DICOM JSON as bytes → its attributes, column by column (PS3.18 annex F).

Three ways, from fast to forgiving. The first decodes only the columns that are wanted, into
structures made for them. Where a page does not fit them, the second cuts it into attributes
without decoding those, and decodes each column by itself, so that one odd column leaves the
others fast. The third reads what is no strict JSON (bytes that are no UTF-8, NaN, bare control
characters). What even that cannot read is no DICOM JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec.structs import astuple

from dicomnb.attributes import is_tag
from dicomnb.errors import ProtocolError

if TYPE_CHECKING:
    from dicomnb.tables.columns import Column

__all__ = [
    "Page",
    "PersonName",
    "Plain",
    "decode_known",
    "decode_page",
    "has_lower_case_tags",
    "joined",
]

_BEGINNING = 200
_LOWER_CASE_TAG = re.compile(rb'"(?=[0-9A-F]{0,7}[a-f])[0-9A-Fa-f]{8}"\s*:')
_FIRST_BYTES = 16384
# A NUL, or a character that could not be decoded: the cells' own reader notes them.
_SUSPECT = re.compile(rb"\\u(?:0000|[fF]{3}[dD])")
_NULL = b"null"
_LARGEST_DIGITS = 400
_VALUE = attrgetter("Value")
_JSON_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class PersonName(msgspec.Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    """A PN's component groups."""

    Alphabetic: str | None = None
    Ideographic: str | None = None
    Phonetic: str | None = None


# One attribute object for each JSON type of values. BulkDataURI and InlineBinary are only let
# pass when they are null: with anything in them the cell is not a plain one.
class _Texts(msgspec.Struct, gc=False, frozen=True):
    Value: list[str | None] | None = None
    BulkDataURI: None = None
    InlineBinary: None = None


class _Numbers(msgspec.Struct, gc=False, frozen=True):
    Value: list[int | float | str | None] | None = None
    BulkDataURI: None = None
    InlineBinary: None = None


class _Names(msgspec.Struct, gc=False, frozen=True):
    Value: list[PersonName | None] | None = None
    BulkDataURI: None = None
    InlineBinary: None = None


_ABSENT = _Texts()
"""Stands in every row that lacks an attribute, of whatever kind: it has no ``Value``."""


class Plain(NamedTuple):
    """A column whose attributes are all of the expected shape; one of the two is None.

    Attributes:
        values: each row's only value, None where it has none; of a column with one value a row
            at most.
        lists: each row's ``Value``, or None.
    """

    values: list[Any] | None
    lists: list[list[Any] | None] | None = None

    def as_lists(self) -> list[list[Any] | None]:
        """Each row's ``Value``, or None; an empty value may have become none."""
        if self.lists is not None:
            return self.lists
        return [None if value is None else [value] for value in self.values or ()]


class Page(NamedTuple):
    """A page, taken apart.

    Attributes:
        received: rows that came, those that are no data set included.
        columns: for each column one attribute a row: `Plain`, or a list of whatever came.
        strays: keys and rows that are no DICOM: (row index, raw, problem).
    """

    received: int
    columns: dict[Column, Plain | list[object]]
    strays: list[tuple[int, object, str]]


def decode_page(
    page: bytes, columns: Sequence[Column], *, others: Callable[[str], Column] | None = None
) -> Page:
    """Take a page apart.

    Args:
        page: a JSON array of data sets, one data set, or nothing (an answer 204).
        columns: those that are wanted.
        others: None, or what gives the column of any further tag that occurs.

    Raises:
        ProtocolError: not DICOM JSON at all; the message shows how it begins.
    """
    if not page.strip():
        return Page(0, {column: [] for column in columns}, [])
    decoded = None
    if others is None and not has_lower_case_tags(page):
        decoded = decode_known(page, tuple(columns))
    if decoded is None:
        decoded = _decode_columns(page, columns, others)
    if decoded is None:
        decoded = _decode_anything(page, columns, others)
    return decoded


def _suspect(data: bytes | bytearray) -> bool:
    if not data.isascii() and b"\xef\xbf\xbd" in data:
        return True
    return b"\\" in data and b"\\u" in data and _SUSPECT.search(data) is not None


def _shape(column: Column) -> Any:
    """The structure of a column's attribute objects."""
    kind = column.vr.kind
    if kind in ("sequence", "binary"):
        return Any
    if kind in ("integer", "float"):
        return _Numbers | None
    return _Names | None if kind == "name" else _Texts | None


# --- the first way -----------------------------------------------------------------------


@lru_cache(maxsize=256)
def _row_decoder(columns: tuple[Column, ...]) -> msgspec.json.Decoder[list[Any]]:
    """A decoder of rows that hold these columns and pass over everything else."""
    fields = [
        (f"t{column.tag}", shape, None if shape is Any else _ABSENT)
        for column, shape in ((column, _shape(column)) for column in columns)
    ]
    rename = {f"t{column.tag}": column.tag for column in columns}
    row = msgspec.defstruct("Row", fields, rename=rename, gc=False)
    return msgspec.json.Decoder(list[row])  # type: ignore[valid-type]


def has_lower_case_tags(page: bytes | bytearray) -> bool:
    """Whether tags are written in lower case, by the beginning of a page."""
    return _LOWER_CASE_TAG.search(page, 0, _FIRST_BYTES) is not None


def decode_known(page: bytes | bytearray, columns: tuple[Column, ...]) -> Page | None:
    """All rows into structures made for these columns, or None where the page does not fit them.

    The structures are taken apart at once: no object of theirs is left for Python's collector
    but the values of columns that hold several. Tags in lower case are taken for other ones.
    """
    if _suspect(page):
        return None
    try:
        rows = _row_decoder(columns).decode(page)
    except _JSON_ERRORS:
        return None
    if not rows:
        return Page(0, {column: _elements(column, ()) for column in columns}, [])
    if all(element in (None, _ABSENT) for element in astuple(rows[0])):
        return None  # perhaps no data sets at all
    cells = zip(*map(astuple, rows), strict=True)
    found = {column: _elements(column, one) for column, one in zip(columns, cells, strict=True)}
    return Page(len(rows), found, [])


def _elements(column: Column, elements: tuple[Any, ...]) -> Plain | list[object]:
    if _shape(column) is Any:
        return list(elements)
    try:
        lists = list(map(_VALUE, elements))
    except AttributeError:  # null in place of an attribute
        lists = _lists(elements)
    return _plain(column, lists)


def _lists(elements: Iterable[Any]) -> list[Any]:
    return [None if element is None else element.Value for element in elements]


def _plain(column: Column, lists: list[list[Any] | None]) -> Plain:
    if column.many:
        return Plain(None, lists)
    with suppress(TypeError):  # None has no length
        if set(map(len, lists)) == {1}:  # type: ignore[arg-type]
            return Plain(list(chain.from_iterable(lists)))  # type: ignore[arg-type]
    if max(map(len, filter(None, lists)), default=0) > 1:
        return Plain(None, lists)
    return Plain([values[0] if values else None for values in lists])


def joined(pages: Sequence[Page]) -> Page:
    """Pages that `decode_known` made of the same columns, as one."""
    if len(pages) == 1:
        return pages[0]
    found = {
        column: _joined([page.columns[column] for page in pages]) for column in pages[0].columns
    }
    return Page(sum(page.received for page in pages), found, [])


def _joined(pieces: list[Plain | list[object]]) -> Plain | list[object]:
    plain = [one for one in pieces if isinstance(one, Plain)]
    if not plain:
        return list(chain.from_iterable(pieces))
    values = [one.values for one in plain if one.values is not None]
    if len(values) == len(plain):
        return Plain(list(chain.from_iterable(values)))
    lists: list[Any] = [one.as_lists() for one in plain]
    return Plain(None, list(chain.from_iterable(lists)))


# --- the second way ----------------------------------------------------------------------


def _decode_columns(
    page: bytes, columns: Sequence[Column], others: Callable[[str], Column] | None
) -> Page | None:
    """Each column by itself, or None where the page is no strict JSON array of objects."""
    try:
        rows = msgspec.json.decode(page, type=list[dict[str, msgspec.Raw]])
    except _JSON_ERRORS:
        return None
    _refuse_unless_dicom(rows, page)
    found, strays = _by_column(rows, columns, others, empty=_NULL)
    decoded = {column: _decode_column(column, raws) for column, raws in found.items()}
    return Page(len(rows), decoded, strays)


def _by_column(
    rows: list[dict[str, Any]],
    columns: Sequence[Column],
    others: Callable[[str], Column] | None,
    *,
    empty: object = None,
) -> tuple[dict[Column, list[Any]], list[tuple[int, object, str]]]:
    """Rows of attributes → columns of them; tags in lower case are taken as well."""
    wanted = {column.tag: [empty] * len(rows) for column in columns}
    named: dict[str, Column] = {column.tag: column for column in columns}
    strays: list[tuple[int, object, str]] = []
    cells: list[Any] | None
    for index, row in enumerate(rows):
        for key, element in row.items():
            cells = wanted.get(key)
            if cells is None:
                tag = key.upper()
                if others is not None and not is_tag(key):
                    strays.append((index, key, "no tag (eight hexadecimal digits)"))
                    continue
                if tag not in wanted:
                    if others is None:
                        continue
                    named[tag] = others(tag)
                    wanted[tag] = [empty] * len(rows)
                cells = wanted[tag]
            cells[index] = element
    return {named[tag]: elements for tag, elements in wanted.items()}, strays


def _decode_column(column: Column, raws: list[Any]) -> Plain | list[object]:
    shape = _shape(column)
    if shape is not Any:
        data = b"[" + b",".join(raws) + b"]"
        try:
            if not _suspect(data):
                elements = msgspec.json.decode(data, type=list[shape])  # type: ignore[valid-type]
                return _plain(column, _lists(elements))
        except _JSON_ERRORS:
            pass  # one of them is odd: all are read as they come
    # In a series most attributes say the same in every instance: each is decoded once.
    texts = [bytes(raw) for raw in raws]
    decoded = {text: _decode_element(text) for text in set(texts)}
    return [decoded[text] for text in texts]


def _decode_element(text: bytes) -> object:
    try:
        return msgspec.json.decode(text)
    except _JSON_ERRORS:
        return _loads(text)


# --- the third way -----------------------------------------------------------------------


def _decode_anything(
    page: bytes, columns: Sequence[Column], others: Callable[[str], Column] | None
) -> Page:
    try:
        answer = _loads(page)
    except (ValueError, RecursionError) as error:
        raise _not_dicom(page, f"it is no JSON ({error})") from None
    rows = [answer] if isinstance(answer, dict) else answer
    if not isinstance(rows, list):
        raise _not_dicom(page, "it is JSON, but no array of data sets")
    _refuse_unless_dicom(rows, page)
    found, strays = _by_column(
        [row if isinstance(row, dict) else {} for row in rows], columns, others
    )
    strays += [(i, row, "no data set") for i, row in enumerate(rows) if not isinstance(row, dict)]
    return Page(len(rows), dict(found), strays)


def _loads(data: bytes) -> Any:
    """JSON as forgivingly as Python can: undecodable bytes become U+FFFD, NaN is a number."""
    text = data.decode("utf-8-sig", errors="replace")
    return json.loads(text, strict=False, parse_int=_parse_int)


def _parse_int(digits: str) -> int | float:
    """Python refuses to read very long integers; as a number they are beyond any column."""
    return int(digits) if len(digits) <= _LARGEST_DIGITS else float(digits)


def _refuse_unless_dicom(rows: list[Any], page: bytes) -> None:
    """Rows of which none has a tag, and not all are empty, are something else's JSON."""
    if any(is_tag(key) for row in rows if isinstance(row, Mapping) for key in row):
        return
    if any(not isinstance(row, Mapping) or row for row in rows):
        raise _not_dicom(page, "it is JSON, but none of its objects has a DICOM tag")


def _not_dicom(page: bytes, why: str) -> ProtocolError:
    beginning = page[:_BEGINNING].decode("utf-8", errors="replace")
    if len(page) > _BEGINNING:
        beginning += "…"
    return ProtocolError(
        f"The answer is not DICOM JSON: {why}. A login page, a proxy or a cut answer looks like "
        f"this; check the address and the account. It begins: {beginning}"
    )
