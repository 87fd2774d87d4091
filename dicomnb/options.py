"""`Options`: how a connection behaves. One frozen value; no module-wide settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dicomnb.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["USUAL_WORKERS", "Options"]

USUAL_WORKERS = 16
"""How many requests may be in flight of which nobody knows whether so many are faster."""


@dataclass(frozen=True)
class Options:
    """How a connection behaves; a misspelt option is a ``TypeError``.

    Example:
        >>> Options(workers=4).workers
        4
    """

    timeout: tuple[float, float] = (10.0, 60.0)
    """Seconds to wait for a connection, and between two pieces of an answer. The whole of an
    answer may take as long as it needs."""
    workers: int = 32
    """Requests in flight at once, at most, over everything that uses the connection. More than
    `usual_workers` are used only where so many were seen to be faster."""
    verify: bool | str = True
    """Whether to check certificates, or the path of a private authority's bundle."""
    cert: str | tuple[str, str] | None = None
    """Path of a client certificate with its key, or of both."""
    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    """Scheme → proxy; None takes the environment's."""
    quota_project: str | None = None
    """Project that Google bills the requests to."""
    api_root: str | None = None
    """Root of Google's API, for private endpoints: ``https://HOST/v1``."""
    allow_origins: tuple[str, ...] = ()
    """Further origins (``https://host:port``) that a server's own URLs may point to. They are
    asked without the credentials."""
    limits: Limits = field(default_factory=Limits)
    """Bounds against damage and malice."""
    writable: bool = False
    """Whether a folder may be written to and deleted from."""

    @property
    def usual_workers(self) -> int:
        """Requests in flight of whatever does not find out how many pay: 16 at most."""
        return min(self.workers, USUAL_WORKERS)

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers={self.workers}: at least one request must be in flight.")
        if len(self.timeout) != 2 or min(self.timeout) <= 0:
            raise ValueError(f"timeout={self.timeout!r}: give (connect, read) in seconds.")
