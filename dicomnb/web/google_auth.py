"""Google's credentials through google-auth, without its `AuthorizedSession`.

That one puts the token on any address it is asked for, and after a 401 sends what is left of
a body instead of the whole; so only its credentials are used here.
"""

from __future__ import annotations

import pickle
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnb.errors import AuthError, ConnectionFailed
from dicomnb.web.auth import Nothing, Recipe

if TYPE_CHECKING:
    from requests import PreparedRequest

    from dicomnb.options import Options

__all__ = ["SCOPE", "Google"]

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

_THREE_WAYS = (
    "Any of these gives them: (1) run `gcloud auth application-default login` and connect "
    "again; (2) auth='path/of/service-account.json'; (3) auth=dicomnb.Bearer(token), with a "
    "token from `gcloud auth print-access-token`."
)


class Google(Recipe):
    """Google's default credentials, a service-account file, or credentials of google-auth.

    The credentials are read at the first request. Pickles as the word ``"default"`` or the
    file's path; an object of google-auth holds keys or tokens and refuses.

    Args:
        what: ``"default"``, a path, or a credentials object.
    """

    def __init__(self, what: Any) -> None:
        self._what = what
        self._credentials: Any = None
        self._request: Any = None
        self._options: Options | None = None
        self._lock = threading.Lock()

    def connect(self, options: Options) -> None:
        """Use the connection's proxies and certificates for the token server as well."""
        self._options = options

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Put the token on a request; a new one where it has run out."""
        with self._lock:
            credentials = self._loaded()
            if not credentials.valid:
                self._renew()
            credentials.apply(request.headers)
        return request

    def refresh(self, refused: str | None) -> bool:
        """A new token after a 401, unless another thread has got one."""
        with self._lock:
            credentials = self._loaded()
            if refused is not None and refused.endswith(str(credentials.token)):
                self._renew()
        return True

    def _loaded(self) -> Any:
        if self._credentials is None:
            self._credentials = self._load()
        return self._credentials

    def _load(self) -> Any:
        import google.auth
        from google.auth.credentials import with_scopes_if_required
        from google.auth.exceptions import GoogleAuthError
        from google.oauth2 import service_account

        self._request = self._token_request()
        try:
            if self._what == "default":
                credentials, _ = google.auth.default(scopes=[SCOPE], request=self._request)
                return credentials
            if isinstance(self._what, Path):
                from_file: Any = service_account.Credentials.from_service_account_file
                return from_file(str(self._what), scopes=[SCOPE])
            scoped: Any = with_scopes_if_required
            return scoped(self._what, [SCOPE])
        except (GoogleAuthError, ValueError, OSError, KeyError):
            problem = (
                "The file given as auth= is not a service account's key."
                if isinstance(self._what, Path)
                else "There are no usable Google credentials on this machine."
            )
        # Outside of the handlers, so that what they caught, and its text, is not chained.
        raise AuthError(f"{problem} {_THREE_WAYS}")

    def _token_request(self) -> Any:
        import requests
        from google.auth.transport.requests import Request

        session = requests.Session()
        session.auth = Nothing()  # keeps .netrc out
        if self._options is not None:
            session.verify = self._options.verify
            session.proxies = dict(self._options.proxies or {})
        return Request(session)

    def _renew(self) -> None:
        from google.auth.exceptions import GoogleAuthError, RefreshError

        failure: AuthError | ConnectionFailed | None = None
        try:
            self._credentials.refresh(self._request)
        except RefreshError as error:
            words = str(error.args[0])[:300] if error.args else ""
            failure = AuthError(
                f"Google gave no token for these credentials. {_THREE_WAYS}", server_words=words
            )
        except GoogleAuthError:
            failure = ConnectionFailed("The server that gives out tokens could not be reached.")
        if failure is not None:
            raise failure

    def __reduce__(self) -> tuple[Any, ...]:
        if self._what == "default" or isinstance(self._what, Path):
            return (Google, (self._what,))
        raise pickle.PicklingError(
            "Credentials of google-auth hold keys or tokens and are not pickled. Connect with "
            "auth='google' or with the path of the service-account file."
        )

    def __repr__(self) -> str:
        return "'google'" if self._what == "default" else "Google(…)"
