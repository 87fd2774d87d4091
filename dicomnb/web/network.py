"""Sessions and slots of one process: what `dicomnb.web.transport` sends through."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import contextmanager, nullcontext, suppress
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from dicomnb import errors
from dicomnb.web.slots import Slots
from dicomnb.wire.bodies import PIECE_BYTES
from dicomnb.wire.multipart import SizedBody

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dicomnb.options import Options
    from dicomnb.pool import Cancel
    from dicomnb.web.addresses import Origin

__all__ = ["Network", "sent", "warn"]

_PLAIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
"""Addresses in which there is nothing to escape, resolve or lower: those of instances."""


class Network:
    """The sessions of one connection in one process.

    Attributes:
        own: for the origin that was connected to; perhaps one that was brought along.
        slots: how many requests may still be sent.
    """

    def __init__(self, options: Options, origin: Origin, brought: requests.Session | None) -> None:
        self.slots = Slots(options.workers)
        self._reached = False
        self.own = brought or _session(options, origin, with_cert=True)
        self._brought = brought is not None
        self._options = options
        self._foreign: dict[Origin, requests.Session] = {}

    @property
    def is_reached(self) -> bool:
        """Whether a server has ever answered, be it within a handshake that then broke off."""
        adapters = self.own.adapters.values()
        return self._reached or any(getattr(one, "has_answered", False) for one in adapters)

    def reached(self) -> None:
        """Say that a server has answered."""
        self._reached = True

    def foreign(self, origin: Origin) -> requests.Session:
        """A session for another origin: no credentials, no client certificate, no cookies."""
        if origin not in self._foreign:
            fresh = _session(self._options, origin, with_cert=False)
            fresh.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            self._foreign.setdefault(origin, fresh)
        return self._foreign[origin]

    def close(self) -> None:
        """Close what is not in use. A session brought along stays open."""
        for session in [*([] if self._brought else [self.own]), *self._foreign.values()]:
            session.close()


def _session(options: Options, origin: Origin, *, with_cert: bool) -> requests.Session:
    """A session with the environment's proxies and authorities, and without its ``.netrc``."""
    if origin.scheme == "https":
        _check_files(options, origin, with_cert=with_cert)
    session = requests.Session()
    settings = session.merge_environment_settings(
        str(origin), dict(options.proxies or {}), True, options.verify, None
    )
    session.trust_env = False
    session.proxies = dict(settings["proxies"] if options.proxies is None else options.proxies)
    session.verify = settings["verify"]
    session.cert = options.cert if with_cert else None
    session.headers.clear()
    session.headers["User-Agent"] = "dicomnb"
    adapter = _OneOrigin(pool_connections=4, pool_maxsize=options.workers, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _check_files(options: Options, origin: Origin, *, with_cert: bool) -> None:
    """Look at certificates before they are needed: then requests would only name a path.

    Raises:
        ConnectionFailed: they cannot be read.
    """
    named = "verify"
    try:
        if isinstance(options.verify, str):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            is_folder = Path(options.verify).is_dir()
            context.load_verify_locations(**{"capath" if is_folder else "cafile": options.verify})
        if with_cert and options.cert is not None:
            named = "cert"
            for path in [options.cert] if isinstance(options.cert, str) else options.cert:
                with open(path, "rb"):
                    pass
    except OSError as error:
        why = "it holds none" if isinstance(error, ssl.SSLError) else error.strerror
        raise errors.ConnectionFailed(
            f"No certificates can be read from Options({named}={getattr(options, named)!r}): "
            f"{why}. It takes the path of a file in PEM form.",
            url=str(origin),
        ) from error


class _OneOrigin(HTTPAdapter):
    """The adapter of a session that asks one origin, always in the same way.

    requests looks for the pool of connections, its proxy and its TLS settings at every request
    anew, a tenth of the cost of a small one. Here they cannot change.

    Attributes:
        has_answered: whether anything ever came back.
    """

    def __init__(self, **keywords: Any) -> None:
        self._waiting = threading.local()
        self._making = threading.Lock()
        self._pool: Any = None
        self.has_answered = False
        super().__init__(**keywords)

    def send(self, *args: Any, **keywords: Any) -> requests.Response:
        """Send one request, of which a handshake (digest) has several."""
        response = super().send(*args, **keywords)
        self.has_answered = True
        return response

    def get_connection_with_tls_context(self, *args: Any, **keywords: Any) -> Any:
        """The pool that requests would find; its connections can be broken by `Cancel.set`."""
        pool = self._pool
        if pool is None:
            with self._making:
                pool = self._pool or self._made(*args, **keywords)
        return pool

    def _made(self, *args: Any, **keywords: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **keywords)
        attributes = {"waiting": self._waiting}
        pool.ConnectionCls = type("_Connection", (_Breakable, pool.ConnectionCls), attributes)
        self._pool = pool
        return pool

    @contextmanager
    def breakable(self, cancel: Cancel | None) -> Iterator[None]:
        """Let ``cancel`` end what this thread waits for in a ``with`` block."""
        self._waiting.cancel = cancel
        try:
            yield
        finally:
            self._waiting.cancel = None

    def close(self) -> None:
        """Close the connections; later ones are made in a new pool."""
        with self._making:
            super().close()
            self._pool = None


class _Breakable(urllib3.connection.HTTPConnection):
    """A connection on which sending, and waiting for an answer, end when that is cancelled."""

    waiting: threading.local
    """By what each thread can be stopped while it sends, or waits for an answer to begin."""

    def connect(self) -> None:
        """Connect as ever."""
        super().connect()
        # Of an unchecked certificate `warn` tells, once; for that urllib3, which looks here for
        # nothing else, does not at every connection.
        self.is_verified = True

    def request(self, method: str, url: str, body: Any = None, *args: Any, **keywords: Any) -> None:
        """Send a request with its body, which a server may take its time to read."""
        if isinstance(body, SizedBody):
            body = body.packed(bytearray(PIECE_BYTES))  # each piece is sent before the next is made
        with self._watched():
            super().request(method, url, body, *args, **keywords)

    def send(self, data: Any) -> None:
        """Send a piece."""
        cancel: Cancel | None = getattr(self.waiting, "cancel", None)
        if cancel is not None:
            cancel.check()  # it may have been set when there was no connection to break yet
        super().send(data)

    def getresponse(self) -> Any:
        """The answer, as soon as it begins."""
        with self._watched():
            return super().getresponse()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Break the connection if this thread's work is cancelled in a ``with`` block."""
        cancel: Cancel | None = getattr(self.waiting, "cancel", None)
        if cancel is None:
            yield
            return
        forget = cancel.when_set(self._break)
        try:
            yield
        finally:
            forget()

    def _break(self) -> None:
        if self.sock is not None:
            with suppress(OSError):
                # Of the socket, below TLS, whose own way is not made for two threads.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


def sent(
    session: requests.Session,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    auth: Any,
    body: Any = None,
    timeout: tuple[float, float],
    cancel: Cancel | None = None,
) -> requests.Response:
    """``session.request``, in less time for a GET through a session that was made here.

    Of what a small request costs, most is requests merging settings that such a session does
    not have and escaping what needs no escaping. Only that is left out, and only where it can
    be told that nothing would come of it. The credentials are put on last, by an auth object
    that sees the request as it goes out and may register hooks (digest, SigV4); to send, and
    hooks, cookies, proxies and errors, is up to requests. So is all of it for what has a body,
    and for a session that was brought along: its class may have ways of its own.

    Redirects are not followed. ``cancel`` ends the wait for an answer, but not in a session that
    was brought along.
    """
    adapter = session.get_adapter(url)
    with adapter.breakable(cancel) if isinstance(adapter, _OneOrigin) else nullcontext():
        if body is None and method == "GET" and isinstance(adapter, _OneOrigin):
            request = _prepared(session, url, headers, auth)
            return session.send(request, timeout=timeout, allow_redirects=False, stream=True)
        return session.request(
            method,
            url,
            data=body,
            headers=dict(headers),
            auth=auth,
            timeout=timeout,
            allow_redirects=False,
            # Hooks of a request are taken in place of the session's, not beside them.
            hooks={"response": [*session.hooks.get("response", ()), _without_location]},
            stream=True,
        )


def _prepared(
    session: requests.Session, url: str, headers: Mapping[str, str], auth: Any
) -> requests.PreparedRequest:
    """What ``session.prepare_request`` makes of a GET, in its order; see `sent`."""
    request = requests.PreparedRequest()
    request.prepare_method("GET")
    if _PLAIN.fullmatch(url):
        request.url = url
    else:
        request.prepare_url(url, None)
    request.prepare_headers({**session.headers, **headers})
    request.prepare_cookies(session.cookies)
    request.prepare_auth(auth, url)
    request.prepare_hooks({"response": [_without_location]})  # after those of the credentials
    return request


def _without_location(response: requests.Response, *args: Any, **keywords: Any) -> None:
    """Keep requests from looking at a redirect; it stays in ``response.raw.headers``.

    Also when told not to follow, requests prepares the next request: for that it reads and
    unpacks the whole body, whatever its size, and trips over a Location that it cannot read.
    """
    response.headers.pop("Location", None)


def warn(origin: Origin, options: Options, *, has_credentials: bool) -> None:
    """Once a connection, about what makes it unsafe."""
    if has_credentials and origin.scheme == "http" and not origin.is_loopback:
        errors.warn(f"Credentials will go to {origin} over plain http, where others can read them.")
    if options.verify is False and origin.scheme == "https":
        errors.warn(
            f"The certificate of {origin} is not checked: whoever stands between can read and "
            "change everything. Options(verify='bundle.pem') trusts a private authority."
        )
