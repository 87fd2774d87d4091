"""What was sent in confidence, kept out of what a server's words are shown in.

Servers echo: a debugging proxy shows the headers that it got, a login page puts a token into
its own address.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dicomnb.errors import DicomWebError

__all__ = ["concealed", "concealed_error", "secrets_in"]

_SHORTEST = 4
"""What is shorter is no secret, and would be found in any text."""
_SHORTEST_COOKIE = 8
_OPEN = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-goog-user-project",
    }
)
"""Headers that hold nothing to hide; any other may be a credential (``X-API-Key``)."""


def secrets_in(headers: Mapping[str, str | bytes]) -> tuple[str, ...]:
    """What must not be shown of a request: the longest first.

    Args:
        headers: as they were sent.
    """
    found: set[str] = set()
    for name, value in headers.items():
        if name.lower() in _OPEN:
            continue
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        found.add(text)
        if name.lower() == "cookie":
            values = (one.partition("=")[2].strip() for one in text.split(";"))
            found.update(value for value in values if len(value) >= _SHORTEST_COOKIE)
        elif name.lower().endswith("authorization"):
            found.update(_in_authorization(text))
    return tuple(sorted((one for one in found if len(one) >= _SHORTEST), key=len, reverse=True))


def _in_authorization(text: str) -> Iterable[str]:
    """The credential alone; of ``Basic`` also the password in clear."""
    scheme, _, credential = text.partition(" ")
    yield credential
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(credential).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return
        yield pair
        yield pair.partition(":")[2]


def concealed(text: str, secrets: Iterable[str]) -> str:
    """The text with ``…`` in place of each secret, in whatever case it was echoed."""
    for secret in secrets:
        text = re.sub(re.escape(secret), "…", text, flags=re.IGNORECASE)
    return text


def concealed_error(error: DicomWebError, secrets: Iterable[str]) -> DicomWebError:
    """The same error, made anew without the secrets."""
    hidden = tuple(secrets)
    return type(error)(
        concealed(error.message, hidden),
        url=None if error.url is None else concealed(error.url, hidden),
        status=error.status,
        server_words=concealed(error.server_words, hidden),
    )
