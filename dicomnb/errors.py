"""What can go wrong, as a tree of types.

::

    DicomnbError
    ├── DicomWebError            a server's answer, or the lack of one
    │   ├── AuthError            401, 403: who you are, or what you may
    │   ├── NotFound             404, 410: no such thing, or no such service
    │   ├── BadQuery             400, 422, or a search that cannot be asked
    │   ├── Unsupported          405, 406, 415, 501: the server cannot do this
    │   ├── Throttled            429: too many requests
    │   ├── ServerError          5xx
    │   ├── ConnectionFailed     no answer at all
    │   ├── ProtocolError        an answer that is not what it claims to be
    │   ├── OriginRefused        an address outside what was connected to
    │   └── StoreError           instances that were not stored, as a table
    ├── LimitExceeded            more than the limits allow
    ├── DiskFull                 no room for what is to be written
    ├── NoDicom                  a place without DICOM
    ├── GeometryError            slices that do not make a volume
    ├── DecodeError              pixels that cannot be decoded
    ├── UnitsError               values that the data set cannot give in these units
    ├── RefError                 a row, table or URL that does not say what is meant
    ├── StillRunning             a server works longer than was waited for
    └── Cancelled                stopped on request

Mistakes in a call (a misspelt option, a frame number 0) are also ``ValueError`` or
``TypeError`` where a Python programmer expects them.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

__all__ = [
    "AuthError",
    "BadQuery",
    "Cancelled",
    "ConnectionFailed",
    "DecodeError",
    "DicomWebError",
    "DicomnbError",
    "DicomnbWarning",
    "DiskFull",
    "GeometryError",
    "LimitExceeded",
    "NoDicom",
    "NotFound",
    "OriginRefused",
    "ProtocolError",
    "RefError",
    "ServerError",
    "StillRunning",
    "StoreError",
    "Throttled",
    "UnitsError",
    "Unsupported",
    "heard",
    "warn",
]


class DicomnbError(Exception):
    """The root of every error that dicomnb raises on purpose.

    Not raised itself. Errors of Python and of other libraries (a full disk, an
    interrupted kernel) pass through as they are.
    """


class DicomnbWarning(UserWarning):
    """The category of every warning that dicomnb gives."""


class DicomWebError(DicomnbError):
    """A request to a server failed.

    Raised as one of its subclasses. ``url`` never holds a credential: query parameters that
    carry one are cut out before the error is made.

    Attributes:
        url: the address that was asked, without secrets, or None when nothing was sent.
        status: the HTTP status, or None when there was no answer.
        server_words: what the server said, as text, cut to a readable length.
    """

    def __init__(
        self,
        message: str,
        *,
        url: str | None = None,
        status: int | None = None,
        server_words: str = "",
    ) -> None:
        super().__init__(message, url, status, server_words)
        self.message = message
        self.url = url
        self.status = status
        self.server_words = server_words

    def __str__(self) -> str:
        text = self.message
        if self.status is not None:
            text += f" (HTTP {self.status})"
        if self.server_words:
            text += f"\nThe server said: {self.server_words}"
        if self.url:
            text += f"\nAsked: {self.url}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        keywords = {"url": self.url, "status": self.status, "server_words": self.server_words}
        return (_rebuild, (type(self), self.message, keywords))


def _rebuild(kind: type[DicomWebError], message: str, keywords: dict[str, object]) -> DicomWebError:
    """Unpickle an error: its details are keyword-only, which plain pickling cannot pass."""
    return kind(message, **keywords)  # type: ignore[arg-type]


class AuthError(DicomWebError):
    """The server refused the credentials, or the account may not do this (401, 403).

    Some servers, Google's among them, also answer 403 for a thing that does not exist.
    Not raised for a credential that was kept back from another origin: `OriginRefused`.
    """


class NotFound(DicomWebError):
    """There is no such study, series, instance, frame or service (404, 410).

    Not raised for a search that finds nothing: that is a table without rows.
    """


class BadQuery(DicomWebError, ValueError):
    """The search cannot be asked: an unknown keyword, a value of the wrong kind, or a 400.

    Raised before anything is sent where the mistake can be seen here.
    """


class Unsupported(DicomWebError):
    """The server or folder cannot do this at all (405, 406, 415, 501, or read-only)."""


class Throttled(DicomWebError):
    """The server asks for fewer requests (429), also after waiting and asking again."""


class ServerError(DicomWebError):
    """The server failed (5xx), also after asking again where that was safe."""


class ConnectionFailed(DicomWebError):
    """No answer: refused, unknown host, certificate, time-out, reset before the answer.

    Not raised when an answer began and broke off: `ProtocolError`.

    Attributes:
        was_sent: whether the server may have got the request, and done what it asks for.
    """

    was_sent = False


class ProtocolError(DicomWebError):
    """An answer came that is not what it claims to be, or is not whole.

    Cut bodies, a missing closing delimiter, HTML where DICOM JSON should be, parts for
    other instances than those asked for.

    Attributes:
        cut: whether the answer is merely not whole, so that asking again may bring the rest.
    """

    def __init__(
        self,
        message: str,
        *,
        cut: bool = False,
        url: str | None = None,
        status: int | None = None,
        server_words: str = "",
    ) -> None:
        super().__init__(message, url=url, status=status, server_words=server_words)
        self.cut = cut

    def __reduce__(self) -> tuple[object, ...]:
        _, (kind, message, keywords) = super().__reduce__()  # type: ignore[misc]
        return (_rebuild, (kind, message, {**keywords, "cut": self.cut}))  # type: ignore[has-type]


class OriginRefused(DicomWebError):
    """An address (redirect, RetrieveURL, BulkDataURI) lies outside what was connected to.

    Nothing was sent there, no credential and no request. Allow further origins with
    ``Options(allow_origins=…)``.
    """


class StoreError(DicomWebError):
    """At least one instance was not stored, and ``raise_on_failure=True`` was asked for.

    Attributes:
        table: the whole outcome, one row an instance, stored ones included.
    """

    def __init__(self, message: str, *, table: pd.DataFrame, **keywords: object) -> None:
        super().__init__(message, **keywords)  # type: ignore[arg-type]
        self.table = table

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_store_error, (self.message, self.table, self.url, self.status))


def _rebuild_store_error(
    message: str, table: pd.DataFrame, url: str | None, status: int | None
) -> StoreError:
    """Unpickle a StoreError, table included."""
    return StoreError(message, table=table, url=url, status=status)


class LimitExceeded(DicomnbError):
    """Something is larger than `dicomnb.limits` allows; nothing of it was kept.

    The message names the limit, its value and how to raise it.
    """


class DiskFull(DicomnbError, OSError):
    """There is no room on the disk for what is to be written.

    Nothing half-written is left; what was finished before is kept, and the same call goes on
    from there once there is room.
    """


class NoDicom(DicomnbError):
    """A folder or file holds no DICOM.

    An empty folder that is connected with ``writable=True`` is a new archive and does not
    raise this.
    """


class RefError(DicomnbError, ValueError):
    """What was given does not say which study, series or instance is meant, or which store.

    A missing UID in a column that is there, mixed levels, no UID column, another archive's
    URL, a malformed name of a Google store. Nothing was fetched or deleted: a missing
    identifier never widens what is meant.
    """


class GeometryError(DicomnbError):
    """The slices do not make one regular volume; the message names the slices and why.

    ``strict=False`` gives the best volume there is, with a report of what was wrong.
    """


class DecodeError(DicomnbError):
    """Pixel data cannot be decoded: damaged, of a wrong length, or a codec is missing.

    The message names the transfer syntax and, for a missing codec, what to install.
    """


class UnitsError(DicomnbError):
    """A data set cannot give its values in the units asked for: SUV, real-world values.

    The message names every reason: a weight, a dose or a time that is missing or cannot be.
    Nothing is guessed in its place. Values that merely cannot be decoded are a `DecodeError`.
    """


class Cancelled(DicomnbError):
    """The work was stopped on request. What had been finished before is kept.

    Attributes:
        table: of a store, the outcomes so far; otherwise None.
    """

    table: pd.DataFrame | None = None


class StillRunning(DicomnbError, TimeoutError):
    """A server's operation was not done within the time limit; it goes on.

    Attributes:
        operation: the `Operation`, to wait for again or to cancel; None after pickling, where
            its name in the message finds it.
    """

    def __init__(self, message: str, *, operation: Any = None) -> None:
        super().__init__(message)
        self.operation = operation

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (str(self),))


_HEARD: ContextVar[list[str] | None] = ContextVar("dicomnb_heard", default=None)


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collect what is warned of within a ``with`` block, and in the threads it starts by `pool`.

    For work beside the kernel: a warning of Python's would land in whatever cell runs then.
    """
    words: list[str] = []
    token = _HEARD.set(words)
    try:
        yield words
    finally:
        _HEARD.reset(token)


def warn(message: str) -> None:
    """Warn at the line of the caller's own code, however deep inside dicomnb this is."""
    words = _HEARD.get()
    if words is not None:
        words.append(message)
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("dicomnb"):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, DicomnbWarning, stacklevel=level)


def missing(package: str, what: str, *, extra: str) -> ImportError:
    """Make the error for a package that is wanted but not installed.

    Args:
        package: its name, as pip takes it.
        what: what it is needed for, as the subject of a sentence.
        extra: that of dicomnb which holds it.
    """
    return ImportError(
        f"{what} needs {package}, which is not installed: pip install {package}, or all of its "
        f'kind with pip install "dicomnb[{extra}]".',
        name=package,
    )
