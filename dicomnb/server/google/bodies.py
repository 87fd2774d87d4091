"""The four shapes in which Google tells an error, and its way of writing JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.server.answers import JSON, Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["error_answer", "google_json", "text_answer", "word_answer"]

_PLAIN = "text/plain; charset=utf-8"
_NAMES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ALREADY_EXISTS",
    413: "OUT_OF_RANGE",
    415: "INVALID_ARGUMENT",
    421: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
}
"""HTTP status → canonical name of the error."""


def google_json(data: Any, *, pretty: bool, status: int = 200) -> Answer:
    """JSON as the API writes it: over several lines unless ``prettyPrint=false``."""
    text = msgspec.json.encode(data, enc_hook=str)
    if pretty:
        text = msgspec.json.format(text, indent=2) + b"\n"
    return Answer(status, f"{JSON}; charset=UTF-8", text)


def error_answer(status: int, words: str, *headers: tuple[str, str]) -> Answer:
    """Shape 1: ``{"error": {"code", "message", "status"}}``."""
    error = {"code": status, "message": words, "status": _NAMES.get(status, "UNKNOWN")}
    text = msgspec.json.format(msgspec.json.encode({"error": error}), indent=2)
    return Answer(status, f"{JSON}; charset=UTF-8", text + b"\n", headers=headers)


def text_answer(status: int, words: str) -> Answer:
    """Shape 2: bare text."""
    return Answer(status, _PLAIN, words.encode())


def word_answer(status: int, words: str) -> Answer:
    """Shape 3: a JSON string. (Shape 4, a data set, is the 409 of a store.)"""
    return Answer(status, JSON, msgspec.json.encode(words))
