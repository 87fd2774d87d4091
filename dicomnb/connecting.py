"""`connect`: from what a person has (a folder, an address, a name) to an `Archive`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnb.archive import Archive
from dicomnb.errors import NoDicom
from dicomnb.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicomnb.pool import Cancel

__all__ = ["connect", "prepared"]


def connect(
    where: Any, *, auth: Any = None, session: Any = None, options: Options | None = None
) -> Archive:
    """Connect to a server or a folder, and make sure that it is there.

    Args:
        where: a folder (``Path``, or text without a scheme that is one); the URL of a DICOMweb
            root; a Google store, ``projects/…/locations/…/datasets/…/dicomStores/…`` or the
            address of it or of anything in it; or a ``DICOMwebClient``.
        auth: ``None`` (Google's default credentials for Google's host, else none),
            ``"google"``, the path of a service-account file, a google-auth credentials object,
            ``("user", "password")``, `Bearer`, or any auth object of requests. It goes only to
            the exact origin of ``where``, and no error quotes it.
        session: a ``requests.Session`` to use; it is not changed.
        options: how the connection behaves.

    Raises:
        NoDicom: no such folder, or none with DICOM (an empty one is a new archive with
            ``Options(writable=True)``).
        RefError: a Google store's name is malformed; the first fault is told.
        ConnectionFailed: no server answers there.
        NotFound, ProtocolError: what answers is not DICOMweb.
        AuthError: the server refuses the credentials.

    Example:
        >>> connect("http://localhost:8042/dicom-web", auth=("user", "password"))

        AWS HealthImaging wants every request signed (SigV4), which an auth object of requests
        does: here of the package ``requests-aws4auth``. Tokens of OpenID Connect: see `Bearer`.

        >>> from requests_aws4auth import AWS4Auth
        >>> signing = AWS4Auth(
        ...     os.environ["AWS_ACCESS_KEY_ID"],
        ...     os.environ["AWS_SECRET_ACCESS_KEY"],
        ...     "us-east-1",
        ...     "medical-imaging",
        ... )
        >>> archive = connect(
        ...     "https://dicom-medical-imaging.us-east-1.amazonaws.com/datastore/ID", auth=signing
        ... )
    """
    return prepared(where, auth=auth, session=session, options=options)(None)


def prepared(
    where: Any, *, auth: Any = None, session: Any = None, options: Options | None = None
) -> Callable[[Cancel | None], Archive]:
    """What `connect` does, in two steps: a function that connects, and can be given up.

    Nothing is asked of a server and no file is read before that function is called; what is
    wrong with the arguments is raised here, and what makes the connection unsafe warned of.
    """
    options = options or Options()
    if isinstance(where, str) and not _is_folder(where):
        from dicomnb.web.google_names import dicomweb_root

        where = dicomweb_root(where, api_root=options.api_root) or where
    if isinstance(where, str) and "://" in where:
        return _web(where, auth, session, options)
    if isinstance(where, str | Path):
        return _folder(Path(where).expanduser(), auth, session, options)
    if hasattr(where, "base_url") and hasattr(where, "search_for_studies"):
        if not str(where.base_url).startswith("http"):
            return _folder(Path(where.base_dir), auth, session, options)
        return _web(where.base_url, auth, session or where._session, options)
    raise TypeError(
        f"Cannot connect to a {type(where).__name__}: give a folder, the URL of a DICOMweb "
        "root, projects/…/dicomStores/…, or a DICOMwebClient."
    )


def _is_folder(where: str) -> bool:
    """Whether text that might also name a Google store is a folder that is there."""
    try:
        return "://" not in where and Path(where).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):
        return False


def _web(url: str, auth: Any, session: Any, options: Options) -> Callable[[Cancel | None], Archive]:
    from dicomnb.web.client import WebSource

    source = WebSource(url, auth=auth, options=options, session=session)

    def connected(cancel: Cancel | None) -> Archive:
        try:
            source.check(cancel=cancel)
        except BaseException:
            source.close()
            raise
        return Archive(source, options=options)

    return connected


def _folder(
    path: Path, auth: Any, session: Any, options: Options
) -> Callable[[Cancel | None], Archive]:
    if auth is not None or session is not None:
        raise TypeError(f"{str(path)!r} is a folder: it takes neither auth= nor session=.")

    def connected(cancel: Cancel | None) -> Archive:
        from dicomnb.local.folder import FolderSource

        if not path.is_dir():
            raise NoDicom(
                f"No folder {str(path)!r}. Give a folder, a URL with http:// or https://, or a "
                "Google store as projects/…/locations/…/datasets/…/dicomStores/…"
            )
        return Archive(FolderSource(path, options=options, cancel=cancel), options=options)

    return connected
