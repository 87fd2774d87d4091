"""From what a server answered, or did not, to a typed error with its words and no secret."""

from __future__ import annotations

import html
import re
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec
import requests

from dicomnb.errors import (
    AuthError,
    BadQuery,
    ConnectionFailed,
    DicomnbError,
    DicomWebError,
    NotFound,
    ServerError,
    Throttled,
    Unsupported,
)
from dicomnb.wire.jsontext import NO_JSON
from dicomnb.wire.store_answer import Sent, decode, is_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dicomnb.web.answer import Answer

__all__ = [
    "beginning",
    "connection_failed",
    "error_of",
    "retry_after",
    "was_sent",
    "words_in",
    "words_of",
]

WORDS = 500
"""How many characters of a server's words are shown."""
_TEXT_BYTES = 64 << 10
_TAG = re.compile(r"(?i)<(?P<end>/?)(?:(?P<name>script|style)\b)?[^<>]*>")

_MEANINGS: Mapping[int, tuple[type[DicomWebError], str]] = {
    400: (BadQuery, "The server does not take the request"),
    401: (AuthError, "The server wants credentials, or others than it was given"),
    403: (AuthError, "The server does not allow this to the account, or there is no such thing"),
    404: (NotFound, "The server has no such thing"),
    405: (Unsupported, "The server does not do this"),
    406: (Unsupported, "The server cannot answer in a form that was asked for"),
    407: (AuthError, "The proxy wants credentials"),
    408: (ServerError, "The server waited too long for the request"),
    409: (BadQuery, "The request does not fit what the server holds"),
    410: (NotFound, "The server no longer has this"),
    413: (Unsupported, "The request is larger than the server takes"),
    414: (BadQuery, "The address is longer than the server takes"),
    415: (Unsupported, "The server does not take this kind of content"),
    422: (BadQuery, "The server does not take the request"),
    425: (ServerError, "The server is not ready for the request"),
    429: (Throttled, "The server asks for fewer requests"),
    501: (Unsupported, "The server does not do this"),
    503: (ServerError, "The server is busy, or took too long"),
    504: (ServerError, "The server took too long"),
}


def error_of(status: int, words: str, *, url: str, method: str, hint: str = "") -> DicomWebError:
    """The typed error of a status.

    Args:
        status: 300 or more.
        words: from `words_of`, without secrets.
        url: without secrets.
        hint: what to add about how it came about, or what to do.
    """
    default = (ServerError, "The server failed") if status >= 500 else (BadQuery, "Refused")
    kind, meaning = _MEANINGS.get(status, default)
    message = f"{meaning}: {method}." + (f" {hint}" if hint else "")
    return kind(message, url=url, status=status, server_words=words)


def words_of(body: bytes) -> str:
    """What an error's body says, in plain text of a readable length.

    Reads Google's four shapes (an object, bare text, a JSON string, a DICOM data set),
    Orthanc's and ASP.NET's objects, and HTML; whatever the Content-Type claims, since
    Orthanc sends none.
    """
    if is_answer(body):
        said = decode(body, None, 0, [Sent()])[0].reason
        return said[:WORDS]
    try:
        said = _said(msgspec.json.decode(body))
    except NO_JSON:
        text = body[:_TEXT_BYTES].decode("utf-8", "replace").strip()
        said = _stripped(text) if text.startswith("<") else text
    return re.sub(r"\s+", " ", said).strip()[:WORDS]


def _said(data: Any, depth: int = 4) -> str:
    if isinstance(data, str):
        return data
    if isinstance(data, list) and depth:
        return "; ".join(filter(None, (_said(one, depth - 1) for one in data[:5])))
    if not isinstance(data, dict) or not depth:
        return ""
    names = ("message", "errormessage", "error_description", "details", "detail", "title")
    lowered = {str(name).lower(): value for name, value in data.items()}
    said = [lowered[name] for name in names if isinstance(lowered.get(name), str)]
    if said:
        return ": ".join(dict.fromkeys(filter(None, said)))
    return _said(lowered.get("error") or lowered.get("httperror") or "", depth - 1)


def _stripped(text: str) -> str:
    """HTML or XML as text, without scripts and styles; one pass, whatever the text."""
    shown: list[str] = []
    position, hidden = 0, ""
    for tag in _TAG.finditer(text):
        if not hidden:
            shown.append(text[position : tag.start()])
        name = (tag["name"] or "").lower()
        if not hidden and not tag["end"]:
            hidden = name
        elif tag["end"] and name == hidden:
            hidden = ""
        position = tag.end()
    if not hidden:
        shown.append(text[position:])
    return html.unescape(" ".join(shown))


def beginning(body: bytes) -> str:
    """The first characters of a body that is not what it should be, for an error."""
    text = re.sub(r"\s+", " ", body[:2000].decode("utf-8", "replace")).strip()
    return f"{text[:160]}…" if len(text) > 160 else text


def connection_failed(
    error: BaseException, *, url: str, timeout: tuple[float, float]
) -> ConnectionFailed:
    """Why there was no answer.

    Made of the kinds of the errors and of the operating system's words only: the texts of
    requests and urllib3 may hold a proxy's password.
    """
    causes = list(_causes(error))
    return ConnectionFailed(f"No answer: {_why(causes, timeout)}.", url=url)


def _why(causes: list[BaseException], timeout: tuple[float, float]) -> str:
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({cause.verify_message}); give the private "
                "authority's bundle as Options(verify='bundle.pem')"
            )
        if isinstance(cause, socket.gaierror):
            return "there is no host of this name"
        if isinstance(cause, requests.exceptions.ConnectTimeout):
            return f"no connection within {timeout[0]:g} s (Options.timeout)"
        if isinstance(cause, requests.exceptions.ReadTimeout):
            return f"connected, but nothing came for {timeout[1]:g} s (Options.timeout)"
    if any(isinstance(cause, requests.exceptions.ProxyError) for cause in causes):
        return _why_no_tunnel(causes)
    if isinstance(causes[0], ValueError):
        return f"the request could not be made ({type(causes[0]).__name__})"
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return f"no encrypted connection could be agreed on ({cause.reason or 'TLS'})"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused (is the server running, and is this its port?)"
        if isinstance(cause, OSError) and cause.errno is not None and cause.strerror:
            return cause.strerror[0].lower() + cause.strerror[1:]
    return "the connection was closed before the answer"


def _why_no_tunnel(causes: Iterable[BaseException]) -> str:
    """What a proxy said to CONNECT; its status only, in http.client's words."""
    for cause in causes:
        found = re.match(r"Tunnel connection failed: (\d{3})\b", str(cause))
        if found and found[1] == "407":
            return (
                "the proxy wants credentials (407): http://user:password@host:port in "
                "Options(proxies=…) or in the environment's HTTPS_PROXY"
            )
        if found:
            return f"the proxy did not let it through ({found[1]})"
    return "the proxy did not let it through"


def was_sent(error: BaseException) -> bool:
    """Whether the request may have reached the server."""
    early = (
        requests.exceptions.ConnectTimeout,
        requests.exceptions.SSLError,
        requests.exceptions.ProxyError,
        socket.gaierror,
        ConnectionRefusedError,
        ValueError,
    )
    return not any(isinstance(cause, early) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that lies under it, in requests' and urllib3's ways of nesting."""
    waiting: list[Any] = [error]
    known: set[int] = set()
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in known:
            continue
        known.add(id(one))
        yield one
        waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]


def words_in(answer: Answer, limit: int) -> str:
    """What an error says; an error in reading it does not hide it."""
    body = bytearray(limit)
    done = 0
    try:
        while done < limit and (count := answer.readinto(memoryview(body)[done:])):
            done += count
    except DicomnbError:
        pass
    return words_of(bytes(body[:done]))


def retry_after(response: requests.Response) -> float:
    """Seconds that the server asks to wait, 0 where it does not say."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
