"""What a `ConnectPanel` is filled in with, and what is made of it: credentials, options, code.

Pure: nothing is asked of a server here. A password, a token or a key is never part of a `Form`.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnb.errors import AuthError, ConnectionFailed, DicomnbError
from dicomnb.web.addresses import base_address, without_secrets
from dicomnb.web.auth import Basic, Bearer
from dicomnb.web.google_names import dicomweb_root, made
from dicomnb.widgets.folders import expanded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dicomnb.options import Options
    from dicomnb.web.auth import Recipe

__all__ = ["Form", "credentials", "filled", "options_of", "server_address", "taken_apart"]

CHOICES = {
    "kind": ("server", "folder", "google", "demo"),
    "sign_in": ("none", "password", "token", "google"),
    "google_sign_in": ("default", "path", "file", "token"),
    "flavour": ("", "google"),
}
"""What a field may hold, where that is not any text."""
_LONGEST = 4096
_PARTS = ("project", "location", "dataset", "store")


@dataclass(frozen=True)
class Form:
    """What was filled in, secrets aside."""

    kind: str = "server"
    """``"server"``, ``"folder"``, ``"google"`` or ``"demo"``."""
    url: str = ""
    """DICOMweb root, or a Google store's name or address."""
    sign_in: str = "none"
    """To a server: ``"none"``, ``"password"``, ``"token"`` or ``"google"``."""
    user: str = ""
    verify: bool = True
    """Whether certificates are checked."""
    authority: str = ""
    """Path of a private authority's bundle of certificates."""
    timeout: float = 60.0
    """Seconds to wait between two pieces of an answer."""
    folder: str = ""
    writable: bool = False
    """Whether the folder may be written to."""
    google_sign_in: str = "default"
    """``"default"`` credentials, a key's ``"path"``, a ``"file"`` of the browser, ``"token"``."""
    key_path: str = ""
    key_name: str = ""
    """What the file was called that the browser handed over."""
    project: str = ""
    location: str = ""
    dataset: str = ""
    store: str = ""
    flavour: str = ""
    """Of the demo: ``""`` or ``"google"``."""

    def changed(self, values: Mapping[str, Any]) -> Form:
        """The form with what a front end sent; what it does not know is left out.

        Raises:
            DicomnbError: a value that a field cannot have.
        """
        known = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(
            self,
            **{name: _checked(name, values[name], known[name]) for name in known if name in values},
        )

    @property
    def store_name(self) -> str:
        """``projects/…/dicomStores/…`` as chosen; `RefError` where a part is missing."""
        return made("store", **{part: getattr(self, part) for part in _PARTS})


def _checked(name: str, value: Any, known: Any) -> Any:
    if isinstance(known, bool):
        return value is True
    if isinstance(known, float):
        seconds = float(value) if isinstance(value, int | float | str) and value != "" else 0.0
        if not (math.isfinite(seconds) and seconds > 0):
            raise DicomnbError("The time to wait for an answer is a number of seconds above 0.")
        return seconds
    text = str(value).strip()[:_LONGEST]
    if text not in CHOICES.get(name, (text,)):
        raise DicomnbError(f"{name} is one of {', '.join(CHOICES[name])}.")
    return text


def filled(where: Any, options: Options) -> Form:
    """The form for what was given in Python.

    Raises:
        TypeError: it is neither text nor a path.
    """
    form = Form(
        verify=options.verify is not False,
        authority=options.verify if isinstance(options.verify, str) else "",
        timeout=float(options.timeout[1]),
        writable=options.writable,
        project=os.environ.get("GOOGLE_CLOUD_PROJECT", ""),
    )
    if where is None:
        return form
    if isinstance(where, Path):
        return replace(form, kind="folder", folder=str(where))
    if not isinstance(where, str):
        raise TypeError(
            f"where= is a folder, a URL or a Google store's name, not a {type(where).__name__}; "
            "an Archive is given as archive=."
        )
    text = where.strip()
    if parts := _google_parts(text):
        return form.changed({"kind": "google", **parts})
    if "://" not in text and (text.startswith(("/", "~", ".")) or Path(text).is_dir()):
        return replace(form, kind="folder", folder=text)
    url, pair = taken_apart(text)
    if pair is not None:
        return replace(form, url=url, sign_in="password", user=pair[0])
    return replace(form, url=url)


def _google_parts(text: str) -> dict[str, str]:
    """Project, location, … as far as a name or address of Google's tells them; else nothing."""
    root, found, rest = f"/{text}".partition("/projects/")
    if not found or not (root == "" or root.endswith(".googleapis.com/v1")):
        return {}
    pieces = re.split(r"[?#]", rest)[0].strip("/").split("/")
    return dict(zip(_PARTS, pieces[::2], strict=False))


def taken_apart(url: str) -> tuple[str, tuple[str, str] | None]:
    """An address as it may be kept and shown, and the (user, password) that stood in it."""
    text = url.strip()
    if "@" not in text:
        return without_secrets(text), None
    try:
        address, pair = base_address(text)
    except ConnectionFailed:
        return without_secrets(text.rpartition("@")[2]), None
    return str(address), pair


def server_address(url: str, options: Options) -> str:
    """The DICOMweb root that is meant.

    Raises:
        ConnectionFailed, RefError: it is none. A folder is not looked for: that has its own tab.
    """
    if not url:
        raise ConnectionFailed("Give the address of the server, up to the DICOMweb root.")
    root = dicomweb_root(url, api_root=options.api_root)
    if root is not None:
        return root
    if "://" not in url:
        what = (
            "This is a path: choose Folder above."
            if url.startswith(("/", "~", ".", "\\"))
            else "An address begins with http:// or https://: put one of them in front of it."
        )
        raise ConnectionFailed(what)
    base_address(url.partition("?")[0])
    if "?" in url:
        raise ConnectionFailed(
            "The address of a DICOMweb root has no query; a token goes into its own field.", url=url
        )
    return url


def credentials(form: Form, secret: str, key: bytes | None = None) -> Recipe | None:
    """What signs in, made of what was typed; None where nothing does.

    Args:
        secret: a password or a token.
        key: the content of a service account's file.

    Raises:
        AuthError: something is missing, or is no credential. What was typed is not quoted.
    """
    if form.kind == "google":
        return _google(form, secret, key)
    if form.kind != "server" or form.sign_in == "none":
        return None
    if form.sign_in == "google":
        from dicomnb.web.google_auth import Google

        return Google("default")
    if form.sign_in == "password":
        if not form.user:
            raise AuthError("The user is missing.")
        return Basic(form.user, secret)
    return _token(secret)


def _google(form: Form, secret: str, key: bytes | None) -> Recipe:
    from dicomnb.web.google_auth import Google, credentials_in

    if form.google_sign_in == "token":
        return _token(secret)
    if form.google_sign_in == "default":
        return Google("default")
    if form.google_sign_in == "path":
        path = expanded(form.key_path)
        if not form.key_path or not path.is_file():
            raise AuthError(
                f"There is no file {str(path)!r} on the kernel's machine. A file on your own "
                "machine is chosen with “Key file from this browser”."
            )
        return Google(path.resolve())
    if not key:
        raise AuthError("Choose the service account's key file (JSON).")
    try:
        return Google(credentials_in(key.decode("utf-8-sig")))
    except AuthError:
        raise
    except (ValueError, KeyError, DicomnbError):
        pass
    # Outside of the handler: what was caught holds the file's text.
    raise AuthError(
        "The file is not a service account's key, nor what gcloud keeps of a user. A key is "
        "made in Google's console under IAM › Service accounts › Keys, as JSON."
    )


def _token(secret: str) -> Recipe:
    if not secret.strip():
        raise AuthError("The token is missing. It is not kept, so it is typed anew each time.")
    return Bearer(secret)


def options_of(form: Form, base: Options) -> Options:
    """The options that the form makes of those that the panel was given."""
    if form.kind == "folder":
        return replace(base, writable=form.writable)
    if form.kind != "server":
        return base
    verify: bool | str = form.verify
    if form.verify and form.authority:
        verify = str(expanded(form.authority))
    return replace(base, verify=verify, timeout=(base.timeout[0], form.timeout))
