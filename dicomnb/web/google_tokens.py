"""How google-auth reaches its token servers: by this connection's proxies and certificates."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnb.web.auth import Nothing

if TYPE_CHECKING:
    from dicomnb.options import Options

__all__ = ["TokenRequest"]

_PRODUCT_NAME = Path("/sys/class/dmi/id/product_name")


class TokenRequest:
    """What google-auth takes as a ``google.auth.transport.Request``.

    google-auth's own, when logging is at its loudest, puts the assertions that it sends into
    the records; this one writes none. Off Google's own machines the search for a metadata
    server is given up after one attempt of three seconds: google-auth would make three, with
    pauses between.
    """

    def __init__(self, options: Options | None) -> None:
        self.session = _session(options)
        self._timeout = (10.0, 60.0) if options is None else options.timeout

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: Any = None,
        headers: Any = None,
        timeout: Any = None,
        **keywords: Any,
    ) -> TokenAnswer:
        """Send one request for google-auth."""
        import requests
        from google.auth.exceptions import DefaultCredentialsError, TransportError

        failure: Any = TransportError
        try:
            answer = self.session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=timeout or self._timeout,
                **keywords,
            )
            return TokenAnswer(answer.status_code, answer.headers, answer.content)
        except requests.exceptions.RequestException:
            if _is_search(url, headers) and not _is_google_machine():
                failure = DefaultCredentialsError
        # Outside of the handler: what was caught holds the request, with what it carries.
        raise failure("No answer.")


@dataclass(frozen=True)
class TokenAnswer:
    """What google-auth takes as a ``google.auth.transport.Response``."""

    status: int
    headers: Any
    data: bytes = field(repr=False)


def _is_search(url: str, headers: Any) -> bool:
    """Whether this only asks if there is a metadata server."""
    names = {str(name).lower() for name in headers or ()}
    return "metadata-flavor" in names and "/computeMetadata/" not in url


def _is_google_machine() -> bool:
    """Whether the machine says that Google made it; there its metadata server may be starting."""
    try:
        return _PRODUCT_NAME.read_text(encoding="utf-8", errors="replace").startswith("Google")
    except OSError:
        return False


def _session(options: Options | None) -> Any:
    import requests

    session = requests.Session()
    session.auth = Nothing()  # keeps .netrc out
    if options is None:
        return session
    session.verify = options.verify
    if options.proxies is not None:
        # The environment's proxies would go before these; its authorities still hold.
        settings = session.merge_environment_settings("https://", {}, True, options.verify, None)
        session.verify = settings["verify"]
        session.proxies = dict(options.proxies)
        session.trust_env = False
    return session
