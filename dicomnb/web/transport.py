"""`Transport`: the one seam to the network.

Everything that is asked of a server goes through `Transport.send`: it counts the requests in
flight, keeps credentials at their origin, follows redirects by hand, repeats what may be
repeated, and turns what goes wrong into typed errors without secrets.
"""

from __future__ import annotations

import os
import pickle
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import requests
import urllib3

from dicomnb.errors import (
    DicomnbError,
    DicomWebError,
    OriginRefused,
    ProtocolError,
)
from dicomnb.web.addresses import (
    Address,
    joined,
    parse_address,
    with_parameters,
    without_secrets,
)
from dicomnb.web.answer import Answer
from dicomnb.web.asking import Ask, Body, Failure, Patience
from dicomnb.web.auth import Nothing, Recipe
from dicomnb.web.failures import (
    connection_failed,
    error_of,
    retry_after,
    was_sent,
    words_in,
)
from dicomnb.web.network import Network, sent, warn
from dicomnb.web.secrecy import concealed, concealed_error, secrets_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from dicomnb.options import Options
    from dicomnb.pool import Cancel
    from dicomnb.web.slots import Slot

__all__ = ["Body", "Patience", "Transport"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_REPEATED = frozenset({408, 425, 429, 500, 502, 503, 504})
_NOT_PROCESSED = frozenset({425, 429})
"""With these a server says that it did nothing, so that even a plain POST may be repeated."""
_TOO_MUCH = frozenset({429, 503})
"""With these it may say that fewer requests at once would do."""
_REPEATABLE_METHODS = frozenset({"GET", "HEAD", "DELETE", "PUT"})
_HARMLESS = frozenset({"accept", "accept-encoding", "content-type"})
"""Headers that may go to another origin."""


class Transport:
    """Requests to one origin.

    Args:
        base: address of the DICOMweb root.
        options: time-outs, workers, proxies, limits.
        auth: the recipe for the credentials, used for ``base.origin`` only.
        session: a session of the caller's own, used for that origin as it is. It is not
            changed; its credentials go to no other origin.
        patience: how failures are repeated.

    Pickles as address and recipe; sessions open late, one set a process.
    """

    def __init__(
        self,
        base: Address,
        *,
        options: Options,
        auth: Recipe,
        session: requests.Session | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.base = base
        self.options = options
        self._auth = auth
        self._session = session
        self._patience = patience or Patience()
        self._networks: dict[int, Network] = {}
        self._allowed = frozenset(parse_address(url).origin for url in options.allow_origins)
        auth.connect(options)
        warn(base.origin, options, has_credentials=not isinstance(auth, Nothing))

    @property
    def account(self) -> str:
        """What kind of credentials requests carry, in words, without the credentials."""
        if not isinstance(self._auth, Nothing):
            return repr(self._auth)
        return "none given" if self._session is None else "as the session has it"

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Collection[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: Body | bytes | None = None,
        repeatable: bool | None = None,
        expected: Collection[int] = (),
        cancel: Cancel | None = None,
    ) -> Answer:
        """Ask, and wait for the head of the answer.

        Args:
            url: a path below the base (``"studies"``), or an address that a server gave.
            params: (name, value) pairs, unescaped.
            headers: Accept and what else belongs to the request; no credentials.
            body: bytes, or a `Body` that can be read again from its beginning.
            repeatable: whether sending it twice does what sending it once does; None goes by
                the method, where POST is not.
            expected: error statuses that are an answer here.
            cancel: looked at between attempts and pieces.

        Returns:
            The answer, to be closed. It holds one of ``options.workers`` slots until then, of
            which there are fewer where the server says that so many requests are too many.

        Raises:
            DicomWebError: as its subclasses; see `dicomnb.errors`.
        """
        if body is not None and hasattr(body, "__next__"):
            raise TypeError("A body that can be read only once cannot be sent again.")
        address = self._address(with_parameters(self._full(url), params))
        ask = Ask(
            method,
            address,
            {"Accept-Encoding": "identity", **(headers or {})},
            body,
            method in _REPEATABLE_METHODS if repeatable is None else repeatable,
            address.origin == self.base.origin,
        )
        slot = self._network.slots.acquire(cancel)
        try:
            return self._followed(ask, expected, slot, cancel)
        except BaseException:
            slot()
            raise

    def close(self) -> None:
        """Close the connections that are not in use. A session brought along stays open."""
        while self._networks:
            self._networks.popitem()[1].close()

    def __getstate__(self) -> dict[str, Any]:
        if self._session is not None:
            raise pickle.PicklingError(
                "A connection with a session of your own is not pickled: the session may hold "
                "credentials. Connect with auth= instead."
            )
        if any("@" in proxy for proxy in (self.options.proxies or {}).values()):
            raise pickle.PicklingError(
                "A proxy's password is not pickled: it would travel in clear. Name the proxy in "
                "the environment of each process (HTTPS_PROXY) instead of Options(proxies=…)."
            )
        return {**self.__dict__, "_networks": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._auth.connect(self.options)

    def __repr__(self) -> str:
        return f"Transport({without_secrets(str(self.base))!r}, auth={self._auth!r})"

    @property
    def _network(self) -> Network:
        process = os.getpid()
        network = self._networks.get(process)
        if network is None:
            # setdefault is atomic: of two threads that come here at once, one wins for both.
            fresh = Network(self.options, self.base.origin, self._session)
            network = self._networks.setdefault(process, fresh)
        return network

    def _full(self, url: str) -> str:
        return joined(f"{self.base}/", url)

    def _address(self, url: str) -> Address:
        """Check that an address may be asked."""
        address = parse_address(url)
        own = self.base.origin
        if address.origin == own:
            return address
        shown = without_secrets(url)
        if own.scheme == "https" and address.origin.scheme == "http":
            raise OriginRefused(
                "The address leads from https to plain http; nothing was sent there.", url=shown
            )
        if address.origin not in self._allowed:
            raise OriginRefused(
                f"The address leads to {address.origin}, outside of {own}, which was connected "
                "to; nothing was sent there. If that is right, connect to it, or give "
                f"Options(allow_origins=({str(address.origin)!r},)).",
                url=shown,
            )
        return address

    def _followed(
        self,
        ask: Ask,
        expected: Collection[int],
        slot: Slot,
        cancel: Cancel | None,
    ) -> Answer:
        """Follow redirects by hand; each target is checked like any address."""
        for _ in range(_MOST_REDIRECTS + 1):
            response, attempts = self._insist(ask, slot, cancel)
            location = response.raw.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location:
                break
            response.close()
            ask = self._redirected(ask, response, location)
        else:
            raise ProtocolError("The server redirects in a circle.", url=ask.shown)
        status = response.status_code
        if status < 300 or status in expected:
            return Answer(response, url=ask.shown, release=slot, cancel=cancel)
        raise self._error(response, ask, attempts, slot)

    def _redirected(self, ask: Ask, response: requests.Response, location: str) -> Ask:
        """The request that a redirect asks for; refusals are told without secrets."""
        hidden = tuple(dict.fromkeys((*ask.secrets, *secrets_in(response.request.headers))))
        try:
            address = self._target(ask, response.status_code, location)
        except (OriginRefused, ProtocolError) as error:
            failure = concealed_error(error, hidden)
        else:
            is_own = address.origin == self.base.origin
            return replace(ask, address=address, is_own=is_own, secrets=hidden)
        raise failure

    def _target(self, ask: Ask, status: int, location: str) -> Address:
        """Where a redirect leads to, if it may be followed."""
        target = joined(str(ask.address), location)
        if ask.method != "GET" and status in (301, 302, 303):
            raise ProtocolError(
                f"The server redirects a {ask.method} in a way that would lose it (HTTP {status}). "
                "Connect to the address that it means.",
                url=without_secrets(target),
            )
        return self._address(target)

    def _insist(self, ask: Ask, slot: Slot, cancel: Cancel | None) -> tuple[requests.Response, int]:
        """Send, and send again where that is safe and of use; also how often it was sent.

        Where it perhaps was one request too many for the server, others are let go first.
        """
        refreshed = False
        attempt = 1
        while True:
            if cancel is not None:
                cancel.check()
            result = self._once(ask, cancel)
            if isinstance(result, Failure):
                if cancel is not None:
                    cancel.check()  # perhaps that is what broke it
                if not self._may_repeat(ask, result, attempt):
                    raise result.error
                pause, is_too_much = 0.0, not result.was_sent
            elif result.status_code == 401 and ask.is_own and not refreshed:
                refreshed = True
                if not self._refreshed(result):
                    return result, attempt
                result.close()
                continue
            elif not self._is_passing(ask, result, attempt):
                return result, attempt
            else:
                pause, is_too_much = retry_after(result), result.status_code in _TOO_MUCH
                result.close()
            if is_too_much:
                slot.refused()
            self._wait(attempt, pause, cancel)
            if is_too_much:
                slot.again(cancel)
            attempt += 1

    def _refreshed(self, refused: requests.Response) -> bool:
        """Whether there are new credentials after a 401; its answer is let go if that fails."""
        try:
            return self._auth.refresh(refused.request.headers.get("Authorization"))
        except BaseException:
            refused.close()
            raise

    def _once(self, ask: Ask, cancel: Cancel | None) -> requests.Response | Failure:
        network = self._network
        try:
            response = self._request(network, ask, cancel)
        except DicomnbError as error:
            # Of the body or the credentials. On its way here it came through requests, whose
            # variables hold the headers: debuggers and tracebacks must not show those.
            return Failure(error.with_traceback(None), was_sent=True, is_final=True)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            failed = connection_failed(error, url=ask.shown, timeout=self.options.timeout)
            failed.was_sent = was_sent(error)
            timed_out = isinstance(error, requests.exceptions.ReadTimeout)
            # Returned, not raised here: what was caught holds the request with its credentials
            # and must not be chained to what is raised.
            return Failure(failed, failed.was_sent, timed_out)
        network.reached()
        return response

    def _request(self, network: Network, ask: Ask, cancel: Cancel | None) -> requests.Response:
        session = network.own if ask.is_own else network.foreign(ask.address.origin)
        headers = dict(ask.headers)
        auth: Any = self._auth
        if not ask.is_own:
            headers = {name: text for name, text in headers.items() if name.lower() in _HARMLESS}
            auth = Nothing()
        elif self.options.quota_project:
            headers["x-goog-user-project"] = self.options.quota_project
        if session is self._session and isinstance(auth, Nothing) and session.auth is not None:
            auth = None  # the session's own
        return sent(
            session,
            ask.method,
            str(ask.address),
            headers=headers,
            auth=auth,
            body=ask.body,
            timeout=self.options.timeout,
            cancel=cancel,
        )

    def _may_repeat(self, ask: Ask, failure: Failure, attempt: int) -> bool:
        """Whether to send again after no answer.

        Not to a server that never answered yet: that is a wrong address. Not after a time-out:
        what took too long once would only do so again.
        """
        if attempt >= self._patience.attempts or failure.is_final or not self._network.is_reached:
            return False
        return ask.repeatable or not failure.was_sent

    def _is_passing(self, ask: Ask, response: requests.Response, attempt: int) -> bool:
        """Whether an error status is worth another attempt."""
        status = response.status_code
        if attempt >= self._patience.attempts or status not in _REPEATED:
            return False
        if status == 500 and attempt > 1:
            return False
        if retry_after(response) > self._patience.retry_after:
            return False
        return ask.repeatable or status in _NOT_PROCESSED

    def _wait(self, attempt: int, least: float, cancel: Cancel | None) -> None:
        pause = min(self._patience.longest, self._patience.first * 2 ** (attempt - 1))
        pause = max(least, pause * (0.5 + secrets.randbelow(512) / 1024))
        if cancel is None:
            time.sleep(pause)
        else:
            cancel.wait(pause)

    def _error(
        self,
        response: requests.Response,
        ask: Ask,
        attempts: int,
        release: Callable[[], None],
    ) -> DicomWebError:
        with Answer(response, url=ask.shown, release=release) as answer:
            words = words_in(answer, self.options.limits.error_bytes)
        words = concealed(words, secrets_in(response.request.headers))
        hint = f"Asked {attempts} times." if attempts > 1 else ""
        pause = retry_after(response)
        if pause > self._patience.retry_after:
            hint += f" It asks to come back in {pause:.0f} s."
        if response.status_code == 401:
            hint = "Give auth= (see dicomnb.connect); what it holds is not shown."
        return error_of(
            response.status_code, words, url=ask.shown, method=ask.method, hint=hint.strip()
        )
