"""Addresses: whose they are, and how they may be shown.

An address that was checked is put together anew from what the check saw, so that no other
reader of the same text can come to another host.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit

from dicomnb.errors import ConnectionFailed, OriginRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Address",
    "Origin",
    "base_address",
    "joined",
    "parse_address",
    "with_parameters",
    "without_secrets",
]

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[0-9a-z]([0-9a-z._-]*[0-9a-z_-])?\.?|\[[0-9a-f:.]+\]")
_SECRET = re.compile(
    r"(?i).*(token|secret|passw|pwd|signature|credential|session|apikey|api[_-]key).*"
    r"|key|sig|jwt|code|auth|authorization|subscription-key|x-(amz|goog)-.*"
)
_LOOPBACK = re.compile(r"localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\]")


class Origin(NamedTuple):
    """Scheme, host and port: what a credential belongs to."""

    scheme: str
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, so that nothing crosses a network."""
        return _LOOPBACK.fullmatch(self.host) is not None

    def __str__(self) -> str:
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


class Address(NamedTuple):
    """A checked address without user information and fragment.

    Attributes:
        origin: whom it belongs to.
        path: with its leading slash, as it stood.
        query: without the question mark, as it stood.
    """

    origin: Origin
    path: str
    query: str

    def __str__(self) -> str:
        return f"{self.origin}{self.path}" + (f"?{self.query}" if self.query else "")


def parse_address(url: str) -> Address:
    """Check an address that a server handed out.

    User information in it is dropped: it is not ours.

    Raises:
        OriginRefused: not http or https, no host, or text that readers take differently.
    """
    shown = without_secrets(url)
    if not url.isascii() or re.search(r"[\x00-\x20\\\x7f]", url):
        raise OriginRefused("An address with signs that do not belong in one.", url=shown)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OriginRefused("An address that cannot be read.", url=shown) from None
    scheme = parts.scheme.lower()
    host = parts.netloc.rpartition("@")[2].lower()
    host = re.sub(r":\d*$", "", host)
    if scheme not in _PORTS or not _HOST.fullmatch(host):
        raise OriginRefused("Only addresses of http and https with a host are asked.", url=shown)
    origin = Origin(scheme, host, _PORTS[scheme] if port is None else port)
    return Address(origin, parts.path or "/", parts.query)


def base_address(url: str) -> tuple[Address, tuple[str, str] | None]:
    """Read the address of a connection, and take ``user:password@`` out of it.

    Returns:
        The address, its path without a slash at the end, and (user, password) or None.

    Raises:
        ConnectionFailed: it is no address of a DICOMweb root. The text is not quoted beyond
            what is surely no secret.
    """
    # A password with a slash in it makes what looks like a host of its beginning: show what
    # follows the last @ and nothing else.
    shown = without_secrets(url.strip().rpartition("@")[2])
    try:
        user, sign, ascii_url = _with_ascii_host(url.strip())
        address = parse_address(ascii_url)
    except (OriginRefused, ValueError):
        raise ConnectionFailed(
            "This is no address of a server: give http://… or https://…, up to the DICOMweb "
            "root. Signs like / ? # @ in a password are written %2F %3F %23 %40; better, "
            "credentials go into auth=.",
            url=shown,
        ) from None
    if address.query:
        raise ConnectionFailed(
            "The address of a DICOMweb root has no query; credentials go into auth=.", url=shown
        )
    name, _, password = user.partition(":")
    found = (unquote(name), unquote(password)) if sign else None
    return address._replace(path=address.path.rstrip("/")), found


def _with_ascii_host(url: str) -> tuple[str, str, str]:
    """User information, its @, and the address with the host as it is looked up.

    Raises:
        ValueError: it has no such form, or one that others read as another name: with ß,
            full-width letters and the like, whoever looks it up goes elsewhere.
    """
    parts = urlsplit(url)
    user, sign, host = parts.netloc.rpartition("@")
    name, colon, port = host.partition(":")
    if name.isascii():
        return user, sign, url
    ascii_name = name.encode("idna").decode("ascii")
    if ascii_name.encode("ascii").decode("idna") != name.lower():
        raise ValueError("A host name of more than one reading.")
    return user, sign, parts._replace(netloc=f"{ascii_name}{colon}{port}").geturl()


def joined(base: str, url: str) -> str:
    """An address that a server gave, perhaps relative to ``base``, as a whole one.

    Raises:
        OriginRefused: it cannot be read.
    """
    try:
        return urljoin(base, url)
    except ValueError:
        failure = OriginRefused("An address that cannot be read.", url=without_secrets(url))
    raise failure


def with_parameters(url: str, parameters: Iterable[tuple[str, str]]) -> str:
    """The address with a query; ``=``, ``&``, ``^`` and blanks in a value are escaped."""
    query = urlencode(list(parameters), quote_via=quote, safe="*,?")
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"


def without_secrets(url: str) -> str:
    """The address as it may be shown: no user information, no values of secret parameters."""
    before, question, query = url.partition("#")[0].partition("?")
    before = re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*:)?//[^/]*@", r"\1//", before)
    pairs = [pair.partition("=") for pair in query.split("&")]
    kept = [
        f"{name}=…" if _SECRET.fullmatch(unquote(name)) else name + sign + value
        for name, sign, value in pairs
    ]
    return before + question + "&".join(kept)
