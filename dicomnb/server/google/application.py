"""The WSGI application of the Google flavour: token, route, handler, and errors in its shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import MethodNotAllowed
from werkzeug.exceptions import NotFound as NoRoute
from werkzeug.routing import Map, Rule

from dicomnb.errors import NotFound
from dicomnb.refs import LEVELS
from dicomnb.server.answers import Answer, Refused
from dicomnb.server.application import Answering, failure_words, options_answer
from dicomnb.server.google.bodies import error_answer, text_answer, word_answer
from dicomnb.server.google.calls import Call, StoreExchange
from dicomnb.server.google.routes import MANAGEMENT, WEB, WEB_ROOT, WebRoute
from dicomnb.server.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from werkzeug.wrappers import Request

    from dicomnb.errors import DicomnbError
    from dicomnb.server.google.catalogue import Catalogue
    from dicomnb.server.google.routes import ManagementRoute

__all__ = ["GoogleApplication", "GoogleGuard"]

_VERSION = "/<any(v1, v1beta1):version>"
_MISSING = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, "
    "login cookie or other valid authentication credential."
)
_WRONG = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
    "cookie or other valid authentication credential."
)


class GoogleGuard(Guard):
    """Takes the token also as the parameter ``access_token``, as dcm4che's stowrs sends it."""

    def given(self, request: Request) -> str | None:
        """The token of the header, or of the parameter."""
        parameter: str | None = request.args.get("access_token")
        return super().given(request) or parameter


class GoogleApplication(Answering):
    """Answers calls of the Google API for a catalogue.

    Args:
        catalogue: what is published.
        guard: who may ask.
    """

    def __init__(self, catalogue: Catalogue, guard: Guard) -> None:
        super().__init__(guard)
        self._catalogue = catalogue
        self._map = Map(
            [
                Rule(f"{_VERSION}{prefix}{route.path}", methods=[route.method], endpoint=route)
                for prefix, table in (("", MANAGEMENT), (WEB_ROOT, WEB))
                for route in table
            ],
            strict_slashes=False,
            merge_slashes=False,
        )

    def routed(self, request: Request) -> Answer:
        """The answer of the call whose path and method these are."""
        host = self.guard.check(request)
        adapter = self._map.bind("", path_info=request.path)
        if request.method == "OPTIONS":
            return options_answer(adapter.allowed_methods())
        try:
            route, arguments = adapter.match(method=request.method)
        except NoRoute:
            raise Refused(404, f"There is no {request.path} in this API.") from None
        except MethodNotAllowed as error:
            raise _not_allowed(request.method, error.valid_methods or ()) from None
        call = Call(self._catalogue, request, arguments)
        if isinstance(route, WebRoute):
            return self._web(route, call, host)
        return self._management(route, call)

    def _management(self, route: ManagementRoute, call: Call) -> Answer:
        if route.writes and not self._catalogue.writable:
            raise _read_only()
        return route.handler(call)

    def _web(self, route: WebRoute, call: Call, host: str) -> Answer:
        store = call.store
        if route.writes and not store.service.writable:
            raise _read_only()
        base = f"http://{host}/{call.version}/{store.name}/dicomWeb"
        below = {name: call.arguments[name] for name in _WEB_VARIABLES if name in call.arguments}
        return route.handler(StoreExchange(store.service, call.request, below, base, call))

    def refused(self, refusal: Refused, request: Request) -> Answer:
        """401, 403 and most others as an object; 406 as bare text."""
        if refusal.status == 401:
            given = self.guard.given(request)
            return error_answer(401, _MISSING if given is None else _WRONG, *refusal.headers)
        if refusal.status == 406:
            reason, _, offers = refusal.words.rpartition("Offered here: ")
            accept = request.headers.get("Accept", "")
            words = f"no supported media type found in [{accept}], accept-header must include one "
            return text_answer(406, f"{words}of {offers.rstrip('.')} {reason}".strip())
        return error_answer(refusal.status, refusal.words, *refusal.headers)

    def failure(self, error: DicomnbError, request: Request) -> Answer:
        """A missing study, series or instance as a JSON string; others as an object."""
        if isinstance(error, NotFound) and (level := self._asked_level(request)) is not None:
            return word_answer(404, f"DICOM {level} does not exist.")
        status, words = failure_words(error, request, self._catalogue.address)
        if status == 406:
            return text_answer(406, words)
        return error_answer(status, words)

    def _asked_level(self, request: Request) -> str | None:
        """The level of what was asked for, or None where it was not DICOM."""
        adapter = self._map.bind("", path_info=request.path)
        arguments = adapter.match(method=request.method)[1]
        return next((level for level in reversed(LEVELS) if level in arguments), None)


_WEB_VARIABLES = (*LEVELS, "numbers", "word", "path")


def _read_only() -> Refused:
    return Refused(
        403,
        "Permission denied: this server is read-only; serve(…, writable=True) makes it writable.",
    )


def _not_allowed(method: str, methods: Iterable[str]) -> Refused:
    allowed = ", ".join(sorted({*methods, "OPTIONS"}))
    return Refused(405, f"{method} is not possible here.", ("Allow", allowed))
