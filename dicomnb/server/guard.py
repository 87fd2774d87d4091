"""Who may ask: the host that was meant, and the token."""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dicomnb.server.answers import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Request

__all__ = ["Guard", "is_loopback"]

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(:[0-9]{1,5})?", re.ASCII)
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens at ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Guard:
    """Looks at each request before anything else does.

    A page of some web site can make its own host name point to 127.0.0.1 and then read
    answers as its own (DNS rebinding); it cannot make the browser lie about that name in the
    Host header. So a server that only this machine can reach answers to this machine's names
    alone. One that others can reach has a token, which no page knows.

    Attributes:
        host: what the server listens at.
        port: and the port.
        token: that each request must carry; or what tells whether a given one is good; or None.
    """

    host: str
    port: int
    token: str | Callable[[str], bool] | None = field(default=None, repr=False)

    @property
    def own_name(self) -> str:
        """Host and port by which this machine reaches the server."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def check(self, request: Request) -> str:
        """Let the request pass, and give the host and port that the client knows.

        Raises:
            Refused: 400 or 421, another host was meant; 401, the token is missing or wrong.
        """
        told = request.headers.get("Host")
        if told is None and request.environ["SERVER_PROTOCOL"] != "HTTP/1.0":
            raise Refused(400, "A Host header is needed.")
        name = self.own_name if told is None else self._checked_host(told)
        if self.token is not None and not self.is_right(self.given(request)):
            raise Refused(
                401,
                "A token is needed: Authorization: Bearer TOKEN.",
                ("WWW-Authenticate", 'Bearer realm="dicomnb"'),
            )
        return name

    def given(self, request: Request) -> str | None:
        """The token that a request carries, or None."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return given.strip() if scheme.lower() == "bearer" else None

    def is_right(self, given: str | None) -> bool:
        """Whether a token lets its bearer in; how long it takes does not tell how near it is."""
        if given is None or self.token is None:
            return False
        if callable(self.token):
            return self.token(given)
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _checked_host(self, told: str) -> str:
        """The name is what counts: some clients (dicomweb-client) leave the port out."""
        found = _HOST.fullmatch(told)
        if found is None:
            raise Refused(400, "The Host header is malformed.")
        name, port = found[1].lower(), found[2] or f":{self.port}"
        if not is_loopback(self.host):
            return name + port
        own = self.own_name.removesuffix(f":{self.port}")
        if name not in (*_LOOPBACK_NAMES, own):
            raise Refused(421, f"This is {self.own_name}; the request was for another host.")
        return f"{name}:{self.port}"
