"""Google's credentials through google-auth, without its `AuthorizedSession`.

That one puts the token on any address it is asked for, and after a 401 sends what is left of
a body instead of the whole; so only its credentials are used here.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnb.errors import AuthError, ConnectionFailed
from dicomnb.web.auth import Recipe
from dicomnb.web.google_tokens import TokenRequest
from dicomnb.web.secrecy import concealed

if TYPE_CHECKING:
    from requests import PreparedRequest

    from dicomnb.options import Options

__all__ = ["SCOPE", "Google", "credentials_in"]

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

_THREE_WAYS = (
    "Any of these gives them: (1) run `gcloud auth application-default login` and connect "
    "again; (2) auth='path/of/service-account.json'; (3) auth=dicomnb.Bearer(token), with a "
    "token from `gcloud auth print-access-token`."
)
_BY_ENVIRONMENT = frozenset(
    {
        "external_account",
        "external_account_authorized_user",
        "gdch_service_account",
        "impersonated_service_account",
    }
)
"""Kinds of files that say where to go for a token: only what the environment names is trusted."""
_ASSERTION = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*|ya29\.[\w.-]+")
_HELD = ("token", "refresh_token", "client_secret")
"""Attributes of google-auth's credentials that must not be shown."""
_WORDS = 300


class Google(Recipe):
    """Google's default credentials, a file of credentials, or credentials of google-auth.

    The credentials are read at the first request. Pickles as the word ``"default"`` or the
    file's path; an object of google-auth holds keys or tokens and refuses.

    Args:
        what: ``"default"``, a path, or a credentials object.
    """

    def __init__(self, what: Any) -> None:
        self._what = what
        self._credentials: Any = None
        self._found_project: str | None = None
        self._request: Any = None
        self._options: Options | None = None
        self._lock = threading.Lock()

    def connect(self, options: Options) -> None:
        """Use the connection's proxies and certificates for the token server as well."""
        self._options = options

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Put the token on a request; a new one some minutes before the old runs out."""
        with self._lock:
            credentials = self._loaded()
            if not credentials.valid:
                self._renew()
            credentials.apply(request.headers)
        if self._options is not None and self._options.quota_project:
            # Said to this connection, it goes before what the credentials bring along.
            request.headers["x-goog-user-project"] = self._options.quota_project
        return request

    def refresh(self, refused: str | None) -> bool:
        """A new token after a 401, unless another thread has got one.

        Credentials that would only give the refused token again (a metadata server keeps its
        own until shortly before the end) make no second attempt.
        """
        with self._lock:
            credentials = self._loaded()
            if not credentials.token:
                return False
            if refused == f"Bearer {credentials.token}":
                self._renew()
            return bool(credentials.token) and refused != f"Bearer {credentials.token}"

    @property
    def project(self) -> str | None:
        """The project that the credentials belong to, where they or the machine tell."""
        with self._lock:
            told = getattr(self._loaded(), "project_id", None)
        return self._found_project or (told if isinstance(told, str) else None) or None

    @property
    def identity(self) -> str | None:
        """The e-mail address of the account, where the credentials tell it."""
        with self._lock:
            credentials = self._loaded()
        names = ("service_account_email", "account")
        found = (getattr(credentials, name, None) for name in names)
        return next((one for one in found if isinstance(one, str) and "@" in one), None)

    def _loaded(self) -> Any:
        if self._credentials is None:
            self._request = TokenRequest(self._options)
            self._credentials = self._load()
        return self._credentials

    def _load(self) -> Any:
        from google.auth.credentials import with_scopes_if_required
        from google.auth.exceptions import GoogleAuthError

        try:
            if self._what == "default":
                return self._default()
            if isinstance(self._what, Path):
                return _from_file(self._what)
            scoped: Any = with_scopes_if_required
            return scoped(self._what, [SCOPE])
        except (GoogleAuthError, ValueError, OSError, KeyError):
            problem = (
                "The file given as auth= is not a service account's key, nor what gcloud keeps of "
                "a user."
                if isinstance(self._what, Path)
                else "There are no usable Google credentials on this machine."
            )
        # Outside of the handlers, so that what they caught, and its text, is not chained.
        raise AuthError(f"{problem} {_THREE_WAYS}")

    def _default(self) -> Any:
        """Application Default Credentials, where Google's own tools look for them.

        The file that GOOGLE_APPLICATION_CREDENTIALS names, gcloud's own, the metadata server.
        """
        import google.auth

        if "google.colab" in sys.modules and not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            # A Colab kernel has none until the user agrees in a dialog; those who did are not
            # asked again.
            from google.colab import auth as colab

            colab.authenticate_user()
        quota = self._options.quota_project if self._options is not None else None
        credentials, self._found_project = google.auth.default(
            scopes=[SCOPE], request=self._request, quota_project_id=quota
        )
        return credentials

    def _renew(self) -> None:
        from google.auth.exceptions import GoogleAuthError, RefreshError

        failure: AuthError | ConnectionFailed | None = None
        try:
            self._credentials.refresh(self._request)
        except RefreshError as error:
            failure = AuthError(
                f"Google gave no token for these credentials. {_THREE_WAYS}",
                server_words=_told(error, self._credentials),
            )
        except GoogleAuthError:
            failure = ConnectionFailed("The server that gives out tokens could not be reached.")
        finally:
            self._request.session.close()  # it is not needed again for an hour
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


def _from_file(path: Path) -> Any:
    """Credentials of a service account's key, or of a user as gcloud writes them.

    Raises:
        ValueError, KeyError: it holds nothing of the kind.
        AuthError: it is of a kind that is only used when the environment names it.
    """
    return credentials_in(path.read_text(encoding="utf-8"))


def credentials_in(text: str) -> Any:
    """The credentials that the text of such a file holds.

    Raises:
        ValueError, KeyError, AuthError: see `_from_file`; neither quotes the text.
    """
    info = json.loads(text)
    kind = str(info.get("type")) if isinstance(info, dict) else ""
    if kind in _BY_ENVIRONMENT:
        raise AuthError(
            f"The file given as auth= is of the kind {kind!r}, which tells where to go for a "
            "token. Name it in the environment (GOOGLE_APPLICATION_CREDENTIALS) and connect "
            "with auth='google'."
        )
    from google.oauth2 import credentials, service_account

    from_user: Any = credentials.Credentials.from_authorized_user_info
    from_service: Any = service_account.Credentials.from_service_account_info
    try:
        return from_user(info) if kind == "authorized_user" else from_service(info, scopes=[SCOPE])
    except (AttributeError, TypeError):
        # google-auth takes what it is given for an object of texts.
        raise ValueError("It holds values of other kinds.") from None


def _told(error: Exception, credentials: Any) -> str:
    """What a token server said, without what it was sent and may have echoed."""
    words = str(error.args[0]) if error.args else ""
    found = (getattr(credentials, name, None) for name in _HELD)
    secrets = [one for one in found if isinstance(one, str) and one]
    return concealed(_ASSERTION.sub("…", words), secrets)[:_WORDS]
