"""One request as a value, and how it is repeated; `dicomnb.web.transport` sends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dicomnb.web.addresses import without_secrets
from dicomnb.web.secrecy import concealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dicomnb.errors import DicomnbError
    from dicomnb.web.addresses import Address

__all__ = ["Ask", "Body", "Failure", "Patience"]


class Body(Protocol):
    """A request's body: of known length, and iterated anew for every attempt."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


@dataclass(frozen=True)
class Patience:
    """How often and how slowly a request is repeated."""

    attempts: int = 4
    """How often it is sent at most."""
    first: float = 0.5
    """Seconds before the second attempt; twice as many before each further one."""
    longest: float = 8.0
    """Seconds between two attempts at most."""
    retry_after: float = 60.0
    """The longest Retry-After that is waited for."""


@dataclass(frozen=True)
class Ask:
    """One request, ready to be sent any number of times."""

    method: str
    address: Address
    headers: Mapping[str, str]
    body: Body | bytes | None
    repeatable: bool
    is_own: bool = True
    """Whether it goes to the origin that was connected to."""
    secrets: tuple[str, ...] = ()
    """What a server that redirected to here was sent and may have put into the address."""

    def __repr__(self) -> str:
        return f"Ask({self.method} {self.shown})"

    @property
    def shown(self) -> str:
        """The address as it may be shown."""
        return concealed(without_secrets(str(self.address)), self.secrets)


@dataclass(frozen=True)
class Failure:
    """No answer came.

    Attributes:
        error: what to raise.
        was_sent: whether the request may have reached the server.
        is_final: whether asking again would only fail again.
    """

    error: DicomnbError
    was_sent: bool
    is_final: bool
