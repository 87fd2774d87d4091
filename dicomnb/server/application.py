"""The WSGI application: guard, route, handler, answer, and errors as statuses."""

from __future__ import annotations

import errno
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import MethodNotAllowed
from werkzeug.exceptions import NotFound as NoRoute
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request

from dicomnb.errors import DicomnbError, Unsupported
from dicomnb.server.answers import (
    Answer,
    Begun,
    Refused,
    json_answer,
    public_words,
    status_of,
)
from dicomnb.server.exchange import Exchange, Service
from dicomnb.server.routes import STANDARD, Route, offered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Buffer

    from dicomnb.server.guard import Guard
    from dicomnb.wire.parts import Stretch

__all__ = ["ROOT", "Answering", "Application", "failure_words", "options_answer"]

ROOT = "/dicomweb"
"""Path of the DICOMweb root."""
READ_METHODS = ("GET", "HEAD", "OPTIONS")
FAILED = "The server failed; its log tells why."
log = logging.getLogger("dicomnb.server")


class Answering(ABC):
    """WSGI around a way to route requests and to word errors.

    Args:
        guard: who may ask.
    """

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]
    ) -> Iterable[Buffer | Stretch]:
        """Answer one request (WSGI; the body may hold any buffers, and stretches of files)."""
        request = Request(environ)
        answer = self._answer(request)
        start_response(answer.status_line, answer.all_headers())
        if request.method == "HEAD":
            answer.close()
            return ()
        return (answer.body,) if isinstance(answer.body, bytes) else _Sending(answer.body)

    def _answer(self, request: Request) -> Answer:
        try:
            return self.routed(request)
        except Refused as refusal:
            return self.refused(refusal, request)
        except DicomnbError as error:
            return self.failure(error, request)
        except Exception:
            log.exception("%s %r failed", request.method, request.path)
            return self.refused(Refused(500, FAILED), request)

    @abstractmethod
    def routed(self, request: Request) -> Answer:
        """The answer to a request; whatever it raises becomes a status."""

    @abstractmethod
    def refused(self, refusal: Refused, request: Request) -> Answer:
        """The answer to a request that is refused."""

    @abstractmethod
    def failure(self, error: DicomnbError, request: Request) -> Answer:
        """The answer to a request that the source cannot fulfil."""


class Application(Answering):
    """Answers requests for a service.

    Args:
        service: what is published.
        guard: who may ask.
        routes: the services; those that the source cannot do are left out.
    """

    def __init__(
        self, service: Service, guard: Guard, *, routes: tuple[Route, ...] = STANDARD
    ) -> None:
        super().__init__(guard)
        self._service = service
        self._map = Map(
            [
                Rule(ROOT + route.path, methods=[route.method], endpoint=route.handler)
                for route in offered(routes, service)
            ],
            strict_slashes=False,
            merge_slashes=False,
        )

    def routed(self, request: Request) -> Answer:
        """The answer of the service whose path and method these are."""
        base = f"http://{self.guard.check(request)}{ROOT}"
        adapter = self._map.bind("", path_info=request.path)
        if request.method == "OPTIONS":
            return options_answer(adapter.allowed_methods())
        try:
            handler, arguments = adapter.match(method=request.method)
        except NoRoute:
            raise Refused(404, f"There is no such service; the root is {base}.") from None
        except MethodNotAllowed as error:
            raise self._not_allowed(request.method, error.valid_methods or ()) from None
        answer: Answer = handler(Exchange(self._service, request, arguments, base))
        return answer

    def refused(self, refusal: Refused, request: Request) -> Answer:
        """The words as ``{"error": words}``."""
        return json_answer(refusal.status, {"error": refusal.words}, *refusal.headers)

    def _not_allowed(self, method: str, methods: Iterable[str]) -> Refused:
        """405: the path is there, but not for this method.

        Storing into a read-only server is answered so too, not with 403: no other account
        would be allowed to (RFC 9110 sections 15.5.4 and 15.5.6).
        """
        words = f"{method} is not possible here."
        if method in ("POST", "DELETE") and not self._service.writable:
            words += " This server is read-only; serve(…, writable=True) makes it writable."
        return Refused(405, words, ("Allow", ", ".join(sorted({*methods, "OPTIONS"}))))

    def failure(self, error: DicomnbError, request: Request) -> Answer:
        """The error as a status with its words, without the paths of this machine."""
        status, words = failure_words(error, request, self._service.source.address)
        headers: tuple[tuple[str, str], ...] = ()
        if isinstance(error, Unsupported) and request.method not in READ_METHODS:
            status, headers = 405, (("Allow", ", ".join(READ_METHODS)),)
        return json_answer(status, {"error": words}, *headers)


def options_answer(methods: Iterable[str]) -> Answer:
    """What OPTIONS is answered with; 404 where no method leads anywhere."""
    allowed = sorted({*methods, "OPTIONS"})
    if allowed == ["OPTIONS"]:
        raise Refused(404, "There is no such service.")
    return Answer(204, headers=(("Allow", ", ".join(allowed)),))


def failure_words(error: DicomnbError, request: Request, address: str) -> tuple[int, str]:
    """Status and words for an error of a source at ``address``; our own faults are logged."""
    status = status_of(error)
    if status is None or status >= 500:
        log.warning("%s %r: %s", request.method, request.path, error)
    if status is None:
        return 500, FAILED
    return status, public_words(getattr(error, "message", None) or str(error), address)


class _Sending:
    """A streamed body. An error in it breaks the connection off: the client must see that."""

    def __init__(self, body: Begun[Buffer | Stretch]) -> None:
        self._body = body

    def __iter__(self) -> _Sending:
        return self

    def __next__(self) -> Buffer | Stretch:
        try:
            return next(self._body)
        except StopIteration:
            raise
        except Exception as error:
            known = isinstance(error, DicomnbError)
            log.warning("An answer was broken off: %s", error, exc_info=not known)
            raise ConnectionAbortedError(errno.ECONNABORTED, "broken off") from error

    def close(self) -> None:
        """Free what the body holds, whether it was sent to its end or not."""
        self._body.close()
