"""`serve` and `Server`: start a DICOMweb server, in threads or in a process of its own."""

from __future__ import annotations

import atexit
import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnb.errors import NoDicom, Unsupported
from dicomnb.html import card, text_card
from dicomnb.options import Options
from dicomnb.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from dicomnb.source import Source

__all__ = ["Server", "serve"]


class Server:
    """A running DICOMweb server. Made by `serve`.

    It runs until `close`, or until Python ends; letting go of this object does not stop it,
    so that ``dicomnb.serve(folder).url`` is good for as long as it is needed.

    Args:
        url: the DICOMweb root.
        token: that each request must carry, or None.
        close: ends it.
        about: what it publishes, in words.
    """

    def __init__(
        self, url: str, *, token: str | None, close: Callable[[], None], about: str
    ) -> None:
        self._url = url
        self._token = token
        self._about = about
        self._end: Callable[[], None] | None = close
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """The DICOMweb root, as this machine reaches it."""
        return self._url

    @property
    def token(self) -> str | None:
        """What ``Authorization: Bearer …`` must carry, or None when nothing is needed."""
        return self._token

    def close(self) -> None:
        """End it, with all its connections and threads; again does nothing."""
        end, self._end = self._end, None
        if end is not None:
            atexit.unregister(self.close)
            end()

    def __enter__(self) -> str:
        return self._url

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _rows(self) -> list[tuple[str, str]]:
        state = "running" if self._end is not None else "closed"
        token = "needed" if self._token is not None else "not needed"
        return [("URL", self._url), ("publishes", self._about), ("token", token), ("state", state)]

    def __repr__(self) -> str:
        return text_card("DICOMweb server", self._rows())

    def _repr_html_(self) -> str:
        return card("DICOMweb server", self._rows())


def serve(
    source: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | bool | None = None,
    writable: bool = False,
    process: bool = False,
) -> Server:
    """Publish a folder, or any source, as DICOMweb over HTTP.

    Args:
        source: a folder, an `Archive`, or a `Source`.
        host: where to listen. Others than this machine are let in only with a token; mind
            that HTTP is not encrypted.
        port: 0 takes a free one.
        token: what each request must carry as ``Authorization: Bearer …``; True makes one.
        writable: whether clients may store and delete, as far as the source can.
        process: whether to run in a Python process of its own, which ends with this one. Only
            a folder can be published so. Its work and this notebook's then go side by side.

    Returns:
        The server; as a context manager it gives its URL and closes at the end.

    Raises:
        ValueError: a host that others can reach, without a token.
        NoDicom: no such folder, or no DICOM in it (an empty one needs ``writable=True``).
        Unsupported: ``writable=True`` for a source that cannot be written.
        OSError: the port is taken.

    Example:
        >>> with serve("scans/") as url:
        ...     connect(url).studies()
    """
    from dicomnb.server.guard import is_loopback

    secret = secrets.token_urlsafe() if token is True else token or None
    if not is_loopback(host) and secret is None:
        raise ValueError(
            f"host={host!r} lets other machines in: give token=True, or a token of your own."
        )
    if isinstance(secret, str) and not (secret.isascii() and secret.isprintable()):
        raise ValueError("A token is made of printable ASCII characters.")
    if process:
        from dicomnb.server.process import start

        return start(_folder(source), host=host, port=port, token=secret, writable=writable)
    return _in_threads(source, host=host, port=port, token=secret, writable=writable)


def _folder(source: Any) -> Path:
    """The folder that is meant.

    Raises:
        TypeError: it is none.
        NoDicom: there is none.
    """
    if not isinstance(source, str | Path):
        raise TypeError(
            f"process=True publishes folders, not a {type(source).__name__}: give its path."
        )
    path = Path(source).expanduser()
    if not path.is_dir():
        raise NoDicom(f"No folder {str(path)!r} to publish.")
    return path


def _source(source: Any, writable: bool, undo: ExitStack) -> Source:
    """The source that is meant; one that is opened here is closed by ``undo``."""
    if isinstance(source, str | Path):
        from dicomnb.local.folder import FolderSource

        folder = FolderSource(_folder(source), options=Options(writable=writable))
        undo.callback(folder.close)
        return folder
    found: Source = getattr(source, "source", source)
    if not callable(getattr(found, "search", None)):
        raise TypeError(
            f"Cannot publish a {type(source).__name__}: give a folder, an Archive or a Source."
        )
    return found


def _software(writable: bool) -> str:
    """The Server header, by which a client knows what to expect."""
    name = f"dicomnb/{__version__}"
    return name if writable else f"{name} (read-only)"


def _in_threads(source: Any, *, host: str, port: int, token: str | None, writable: bool) -> Server:
    from dicomnb.server.application import ROOT, Application
    from dicomnb.server.exchange import Service
    from dicomnb.server.guard import Guard
    from dicomnb.server.listener import Listener

    with ExitStack() as undo:
        service = Service(_source(source, writable, undo), writable=writable)
        if writable and not (service.abilities.stores or service.abilities.deletes):
            raise Unsupported(
                "This source can only be read: leave writable=True out, or connect it with "
                "Options(writable=True)."
            )
        listener = Listener(
            host=host,
            port=port,
            software=_software(writable),
            upload_bytes=service.limits.upload_bytes,
        )
        undo.callback(listener.close)
        undo.callback(service.cancel.set)  # first of all when closing
        guard = Guard(host, listener.port, token)
        listener.serve(Application(service, guard))
        url = f"http://{guard.own_name}{ROOT}"
        return Server(url, token=token, close=undo.pop_all().close, about=service.source.address)
