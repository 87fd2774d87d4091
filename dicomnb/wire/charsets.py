"""Bytes of text → text, by Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 section 6.1).

Unlike pydicom's decoding, this never warns and never fails: a byte that the character set
does not have becomes U+FFFD, an unknown character set is read as Latin-1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from pydicom.charset import CODES_TO_ENCODINGS, handled_encodings, python_encoding

__all__ = ["UTF8", "Decode", "text_decoder"]

Decode = Callable[[bytes], str]

UTF8 = "ISO_IR 192"
"""Specific Character Set of every text in DICOM JSON, which is UTF-8."""

_DEFAULT = "latin_1"
_ESCAPE = b"\x1b"
_PIECES = re.compile(rb"\x1b?[^\x1b]+|\x1b")
_NUMBERED = re.compile(r"ISO[ _-]?(2022)?[ _-]?IR[ _-]?(\d+)")
# What ends the reach of an escape sequence: the delimiters of names and values, line ends.
_DELIMITER = re.compile(rb"[\\^=\n\f\r\t]")


@lru_cache(maxsize=256)
def text_decoder(terms: tuple[str, ...]) -> Decode:
    """The function that turns bytes into text.

    Args:
        terms: values of SpecificCharacterSet, the first one the initial set; none means the
            default repertoire, read as Latin-1 so that no byte is lost.

    Example:
        >>> text_decoder(("ISO_IR 144",))(b"\\xbb\\xee\\xda")
        'Люк'
    """
    codec = _codec(terms[0]) if terms else _DEFAULT

    def decode(raw: bytes) -> str:
        if _ESCAPE in raw:
            return "".join(_decode_piece(piece, codec) for piece in _PIECES.findall(raw))
        return raw.decode(codec, "replace")

    return decode


def _codec(term: str) -> str:
    """Python's name for a defined term, common misspellings included."""
    term = term.strip(" \0")
    if term in python_encoding:
        return _python_name(term)
    numbered = _NUMBERED.fullmatch(term.upper())
    if numbered:
        prefix = "ISO 2022 IR" if numbered[1] else "ISO_IR"
        return _python_name(f"{prefix} {numbered[2]}")
    return "utf_8" if term.upper() in ("UTF-8", "UTF8", "UTF_8") else _DEFAULT


def _python_name(term: str) -> str:
    name = python_encoding.get(term, _DEFAULT)
    # pydicom's own name for the default repertoire is Latin-1 as well.
    return _DEFAULT if name == "iso8859" else name


def _decode_piece(piece: bytes, codec: str) -> str:
    """One piece that begins with an escape sequence, or none where it is the first."""
    for code, name in CODES_TO_ENCODINGS.items():
        if not piece.startswith(code):
            continue
        if name in handled_encodings:  # Python's codec reads the escape sequence itself
            return piece.decode(name, "replace")
        rest = piece[len(code) :]
        if name == "euc_kr":
            return rest.decode(name, "replace")
        found = _DELIMITER.search(rest)
        end = found.start() if found else len(rest)
        return rest[:end].decode(name, "replace") + rest[end:].decode(codec, "replace")
    return piece.decode(codec, "replace")
