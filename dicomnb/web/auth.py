"""Credentials as recipes: what ``auth=`` may be, and how it becomes a header.

A recipe makes the header of one request at a time; `dicomnb.web.transport` uses it only for
the exact origin that it was given for. Recipes can be pickled as far as they hold no secret:
the place of a service-account file, Google's default credentials, a function that gives
tokens. A token or password that was handed over as text refuses to be pickled, since it would
lie in clear in every worker's messages.
"""

from __future__ import annotations

import base64
import os
import pickle
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from requests.exceptions import RequestException

from dicomnb.errors import AuthError
from dicomnb.web.google_names import HOSTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest

    from dicomnb.options import Options
    from dicomnb.web.addresses import Origin

__all__ = ["Basic", "Bearer", "FromRequests", "Nothing", "Recipe", "recipe"]

_BEARER_SECONDS = 300.0


class Recipe:
    """How to authenticate one request; the base of all kinds, and called by requests.

    Calling it with a prepared request puts the header on it.
    """

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Put the credentials on a request."""
        return request

    def refresh(self, refused: str | None) -> bool:
        """Get new credentials after a 401; whether asking again makes sense.

        Args:
            refused: the Authorization header that the server did not take. When another
                thread has already got a newer one, nothing is done.
        """
        return False

    def connect(self, options: Options) -> None:
        """Learn how the connection reaches the network (proxies, certificates)."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Nothing(Recipe):
    """No credentials; as an auth object it also keeps requests from reading ``.netrc``."""

    def __repr__(self) -> str:
        return "None"


class _Static(Recipe):
    """A secret handed over as text."""

    def __init__(self, header: str) -> None:
        self._header = header

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Put the credentials on a request."""
        request.headers["Authorization"] = self._header
        return request

    def __reduce__(self) -> NoReturn:
        raise pickle.PicklingError(
            "A password or token that was given as text is not pickled: it would travel in "
            "clear. Give dicomnb.Bearer(function), the path of a service-account file, or an "
            "auth object of requests, which pickles in its own way."
        )


class Basic(_Static):
    """User and password (RFC 7617, UTF-8)."""

    def __init__(self, user: str, password: str) -> None:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        super().__init__(f"Basic {pair}")


class Bearer(Recipe):
    """A bearer token (RFC 6750), or a function that gives one.

    A function is asked at the first request, after five minutes, and once more when the
    server answers 401; the refused request is then sent again, whole. Only a function can be
    pickled, and with it whatever it holds: a function at the top of a module holds nothing.

    Args:
        token: the token, or a function without arguments that returns it.

    Example:
        >>> Bearer("not-shown")
        Bearer(…)

        dcm4chee behind Keycloak, by OpenID Connect's client credentials. Azure's address is
        ``https://login.microsoftonline.com/TENANT/oauth2/v2.0/token``, and its form also has
        ``"scope": "https://dicom.healthcareapis.azure.com/.default"``.

        >>> def token():
        ...     address = "https://keycloak.example/realms/dcm4che/protocol/openid-connect/token"
        ...     form = {
        ...         "grant_type": "client_credentials",
        ...         "client_id": os.environ["CLIENT_ID"],
        ...         "client_secret": os.environ["CLIENT_SECRET"],
        ...     }
        ...     answer = requests.post(address, data=form, timeout=30)
        ...     answer.raise_for_status()
        ...     return answer.json()["access_token"]
        >>> archive = connect(
        ...     "https://pacs.example/dcm4chee-arc/aets/DCM4CHEE/rs", auth=Bearer(token)
        ... )
    """

    def __init__(self, token: str | Callable[[], str]) -> None:
        if not isinstance(token, str) and not callable(token):
            raise TypeError("Bearer takes a token as text, or a function that returns one.")
        self._token = token
        self._header = _checked(*_bearer_header(token)) if isinstance(token, str) else None
        self._until = float("inf")
        self._lock = threading.Lock()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Put the credentials on a request."""
        with self._lock:
            header = self._header
            if header is None or time.monotonic() > self._until:
                header = self._renewed()
        request.headers["Authorization"] = header
        return request

    def refresh(self, refused: str | None) -> bool:
        """Ask the function again, unless another thread just did."""
        if isinstance(self._token, str):
            return False
        with self._lock:
            return self._header != refused or self._renewed() != refused

    def _renewed(self) -> str:
        token = self._token
        fault = ""
        try:
            text = token if isinstance(token, str) else token()
        except RequestException as error:
            fault = _why_no_token(error)
        if fault:  # not chained to what was caught, which holds what the token server was sent
            raise AuthError(fault)
        self._header = _checked(*_bearer_header(text))
        self._until = time.monotonic() + _BEARER_SECONDS
        return self._header

    def __reduce__(self) -> tuple[Any, ...]:
        if isinstance(self._token, str):
            return _Static(self._token).__reduce__()
        return (Bearer, (self._token,))


def _bearer_header(token: object) -> tuple[str, str]:
    """The header, and what is wrong with the token.

    Nothing is raised in here: a traceback that shows variables would show the token.
    """
    if not isinstance(token, str) or not token.strip():
        return "", "The function given to Bearer returned no token."
    text = token.strip()
    if not text.isascii() or any(sign <= " " for sign in text):
        return "", "The token given to Bearer has blanks or signs that no token has."
    return f"Bearer {text}", ""


def _why_no_token(error: RequestException) -> str:
    """What to say when the function could not get one, by kind and status only."""
    status = getattr(error.response, "status_code", None)
    what = f"the token server answered {status}" if status else f"{type(error).__name__}"
    return f"The function given to Bearer got no token: {what}. Call it by itself to see why."


def _checked(header: str, fault: str) -> str:
    if fault:
        raise AuthError(fault)
    return header


class FromRequests(Recipe):
    """Any auth object of requests (digest, SigV4, …); it is called as requests would."""

    def __init__(self, auth: Callable[[PreparedRequest], PreparedRequest]) -> None:
        self._auth = auth

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Put the credentials on a request."""
        return self._auth(request)

    def __repr__(self) -> str:
        return f"{type(self._auth).__name__}(…)"


def recipe(
    auth: Any,
    *,
    origin: Origin,
    in_url: tuple[str, str] | None = None,
    has_session: bool = False,
) -> Recipe:
    """The recipe for what was given as ``auth=``.

    Args:
        auth: None, ``"google"``, the path of a service-account file, a google-auth
            credentials object, ``(user, password)``, `Bearer`, or an auth object of requests.
        origin: where it will be used; for Google's own host over https, None means
            Google's default credentials.
        in_url: user and password that stood in the address.
        has_session: whether the caller brought a session, with credentials of its own: then
            None adds nothing.

    Raises:
        TypeError, ValueError: none of these. What was given is never quoted.
    """
    if in_url is not None:
        if auth is not None:
            raise ValueError("The address holds a user already: give auth= or that, not both.")
        return Basic(*in_url)
    if auth is None:
        is_google = origin.scheme == "https" and origin.host.endswith(HOSTS)
        return _google("default") if is_google and not has_session else Nothing()
    if isinstance(auth, Recipe):
        return auth
    if isinstance(auth, str | os.PathLike):
        return _from_text(auth)
    if isinstance(auth, tuple | list):
        if len(auth) == 2 and all(isinstance(text, str) for text in auth):
            return Basic(*auth)
        raise TypeError("auth= as a pair is (user, password), both of them text.")
    if hasattr(auth, "before_request") and hasattr(auth, "refresh"):
        return _google(auth)
    if callable(auth):
        return FromRequests(auth)
    raise TypeError(
        f"auth= does not take a {type(auth).__name__}: give 'google', the path of a "
        "service-account file, credentials of google-auth, (user, password), dicomnb.Bearer, "
        "or an auth object of requests."
    )


def _google(what: Any) -> Recipe:
    from dicomnb.web.google_auth import Google

    return Google(what)


def _from_text(auth: str | os.PathLike[str]) -> Recipe:
    if auth == "google":
        return _google("default")
    path = Path(auth).expanduser()
    try:
        found = path.is_file()
    except (OSError, ValueError):
        found = False
    if not found:
        raise ValueError(
            "auth= is text, but neither 'google' nor the path of a file that is there (it is "
            "not shown, in case it is a token). A token goes in as dicomnb.Bearer(token)."
        )
    return _google(path.resolve())
