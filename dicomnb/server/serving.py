"""`serve` and `Server`: start a DICOMweb server, in threads or in a process of its own."""

from __future__ import annotations

import atexit
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnb.errors import NoDicom, Unsupported
from dicomnb.html import card, text_card
from dicomnb.options import Options
from dicomnb.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from dicomnb.server.application import Answering
    from dicomnb.server.exchange import Service
    from dicomnb.server.guard import Guard
    from dicomnb.source import Source
    from dicomnb.wire.google_habits import Habits

__all__ = ["Server", "serve"]


class Server:
    """A running DICOMweb server. Made by `serve`.

    It runs until `close`, or until Python ends; letting go of this object does not stop it,
    so that ``dicomnb.serve(folder).url`` is good for as long as it is needed.

    Args:
        url: the DICOMweb root.
        token: that each request must carry, or None.
        guarded: whether a token is needed, also one that is not known here.
        close: ends it.
        about: what it publishes, in words.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        guarded: bool = False,
        close: Callable[[], None],
        about: str,
    ) -> None:
        self._url = url
        self._token = token
        self._guarded = guarded or token is not None
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
        token = "needed" if self._guarded else "not needed"
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
    flavour: Any = None,
    token: str | bool | Callable[[str], bool] | None = None,
    writable: bool = False,
    process: bool = False,
    buckets: Mapping[str, str | Path] | None = None,
) -> Server:
    """Publish a folder, or any source, as DICOMweb over HTTP.

    Args:
        source: a folder, an `Archive`, or a `Source`.
        host: where to listen. Others than this machine are let in only with a token; mind
            that HTTP is not encrypted.
        port: 0 takes a free one.
        flavour: None for the plain standard. ``"google"`` behaves as Google's Cloud
            Healthcare API does, with its paths (``…/v1/projects/demo/locations/local/datasets/
            demo/dicomStores/demo/dicomWeb``), its management calls and its habits; further
            stores live in a temporary folder until the server closes. A `Habits` of
            `dicomnb.wire.google_habits` is the same with some of them switched.
        token: what each request must carry as ``Authorization: Bearer …``; True makes one, as
            does None for Google's flavour. A function is asked whether a given one is good.
        writable: whether clients may store and delete, as far as the source can.
        process: whether to run in a Python process of its own, which ends with this one. Only
            a folder can be published so. Its work and this notebook's then go side by side.
        buckets: for Google's flavour, name of a bucket → folder that stands for ``gs://name``
            in imports and exports; ``"bq://project.dataset"`` → folder for tables.

    Returns:
        The server; as a context manager it gives its URL and closes at the end.

    Raises:
        ValueError: a host that others can reach, without a token; an unknown flavour.
        NoDicom: no such folder, or no DICOM in it (an empty one needs ``writable=True``).
        Unsupported: ``writable=True`` for a source that cannot be written.
        OSError: the port is taken.

    Example:
        >>> with serve("scans/") as url:
        ...     connect(url).studies()
        >>> server = serve("scans/", flavour="google")
        >>> connect(server.url, auth=Bearer(server.token)).studies()
    """
    from dicomnb.server.guard import is_loopback

    plan = _Plan(host, port, writable, _habits(flavour, buckets), dict(buckets or {}))
    secret = _token(token, needed=plan.habits is not None)
    if not is_loopback(host) and secret is None:
        raise ValueError(
            f"host={host!r} lets other machines in: give token=True, or a token of your own."
        )
    if process:
        return _in_process(source, plan, secret)
    return _in_threads(source, plan, secret)


@dataclass(frozen=True)
class _Plan:
    """How to publish: as in `serve`."""

    host: str
    port: int
    writable: bool
    habits: Habits | None
    buckets: Mapping[str, str | Path]


def _habits(flavour: Any, buckets: Mapping[str, str | Path] | None) -> Habits | None:
    if flavour is None:
        if buckets:
            raise ValueError("buckets= belongs to flavour='google'.")
        return None
    from dicomnb.server.google.serving import habits_of

    return habits_of(flavour)


def _token(token: Any, *, needed: bool) -> str | Callable[[str], bool] | None:
    """The token that is meant, made where one is asked for or needed."""
    if token is True or (token is None and needed):
        return secrets.token_urlsafe()
    if callable(token):
        return token  # type: ignore[no-any-return]
    if not token:
        if needed:
            raise ValueError("flavour='google' is never without a token: leave token= out.")
        return None
    if not (isinstance(token, str) and token.isascii() and token.isprintable()):
        raise ValueError("A token is made of printable ASCII characters.")
    return token


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


def _in_process(source: Any, plan: _Plan, token: str | Callable[[str], bool] | None) -> Server:
    from dicomnb.server.process import start
    from dicomnb.wire.google_habits import Habits

    if callable(token):
        raise TypeError("process=True takes a token, not a function: it runs elsewhere.")
    if plan.habits not in (None, Habits()):
        raise TypeError("process=True takes flavour='google' as it is, without switches.")
    return start(
        _folder(source),
        host=plan.host,
        port=plan.port,
        token=token,
        writable=plan.writable,
        flavour=None if plan.habits is None else "google",
        buckets=plan.buckets,
    )


def _in_threads(source: Any, plan: _Plan, token: str | Callable[[str], bool] | None) -> Server:
    from dicomnb.server.exchange import Service
    from dicomnb.server.guard import Guard
    from dicomnb.server.listener import Listener

    with ExitStack() as undo:
        service = Service(_source(source, plan.writable, undo), writable=plan.writable)
        if plan.writable and not (service.abilities.stores or service.abilities.deletes):
            raise Unsupported(
                "This source can only be read: leave writable=True out, or connect it with "
                "Options(writable=True)."
            )
        publish = _publishing(service, plan, undo)
        listener = Listener(
            host=plan.host,
            port=plan.port,
            software=_software(plan.writable),
            upload_bytes=service.limits.upload_bytes,
        )
        undo.callback(listener.close)
        undo.callback(service.cancel.set)  # first of all when closing
        guard = Guard(plan.host, listener.port, token)
        application, root = publish(guard)
        listener.serve(application)
        return Server(
            f"http://{guard.own_name}{root}",
            token=token if isinstance(token, str) else None,
            guarded=token is not None,
            close=undo.pop_all().close,
            about=service.source.address,
        )


def _publishing(
    service: Service, plan: _Plan, undo: ExitStack
) -> Callable[[Guard], tuple[Answering, str]]:
    """What makes, of a guard, what answers, and the path of its DICOMweb root."""
    from dicomnb.server.application import ROOT, Application

    if plan.habits is None:
        return lambda guard: (Application(service, guard), ROOT)
    from dicomnb.server.google import serving

    catalogue = serving.catalogue(service, habits=plan.habits, buckets=plan.buckets, undo=undo)
    return lambda guard: (serving.application(catalogue, guard), serving.ROOT)
