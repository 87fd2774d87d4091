"""Sessions and slots of one process: what `dicomnb.web.transport` sends through."""

from __future__ import annotations

import re
import warnings
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from dicomnb import errors
from dicomnb.web.slots import Slots

if TYPE_CHECKING:
    from dicomnb.options import Options
    from dicomnb.web.addresses import Origin

__all__ = ["Network", "location_hooks", "warn"]


class Network:
    """The sessions of one connection in one process.

    Attributes:
        own: for the origin that was connected to; perhaps one that was brought along.
        reached: whether that origin has ever answered.
        slots: how many requests may still be sent.
    """

    def __init__(self, options: Options, origin: Origin, brought: requests.Session | None) -> None:
        self.slots = Slots(options.workers)
        self.reached = False
        self.own = brought or _session(options, origin, with_cert=True)
        self._brought = brought is not None
        self._options = options
        self._foreign: dict[Origin, requests.Session] = {}

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
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=options.workers, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def location_hooks(session: requests.Session) -> dict[str, Any]:
    """Hooks for one request that keep requests from looking at a redirect, beside its own.

    Also when told not to follow, requests prepares the next request: for that it reads and
    unpacks the whole body, whatever its size, and trips over a Location that it cannot read.
    """
    return {"response": [*session.hooks.get("response", ()), _without_location]}


def _without_location(response: requests.Response, *args: Any, **keywords: Any) -> None:
    """Take the header from where requests looks; it stays in ``response.raw.headers``."""
    response.headers.pop("Location", None)


def warn(origin: Origin, options: Options, *, has_credentials: bool) -> None:
    """Once a connection, about what makes it unsafe."""
    if has_credentials and origin.scheme == "http" and not origin.is_loopback:
        errors.warn(f"Credentials will go to {origin} over plain http, where others can read them.")
    if options.verify is False and origin.scheme == "https":
        # Said once here, instead of by urllib3 at every request to this host.
        about = re.escape(f"Unverified HTTPS request is being made to host '{origin.host}'")
        category = urllib3.exceptions.InsecureRequestWarning
        warnings.filterwarnings("ignore", message=about, category=category)
        errors.warn(
            f"The certificate of {origin} is not checked: whoever stands between can read and "
            "change everything. Options(verify='bundle.pem') trusts a private authority."
        )
