"""The Python that makes a connection again, without what signs in."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from dicomnb.limits import Limits
from dicomnb.options import Options
from dicomnb.widgets.connections import options_of

if TYPE_CHECKING:
    from dicomnb.archive import Archive
    from dicomnb.widgets.connections import Form

__all__ = ["code_of", "code_of_archive"]

_WIDTH = 88
_ASKED = 'getpass("Password: ")'
_BEARER = 'dn.Bearer(getpass("Token: "))'
_KEY = "service-account.json"
_KEY_NOTE = "# auth: the path of the service account's file, which was handed over and forgotten"


def code_of(form: Form, options: Options) -> str:
    """The code for what was filled in.

    Args:
        options: those that the panel was given.
    """
    if form.kind == "demo":
        return _code("dn.demo", [f"flavour={_text(form.flavour)}"] if form.flavour else [])
    auth, note = _auth(form, options)
    where = {"server": form.url, "folder": form.folder}.get(form.kind) or form.store_name
    return _connecting(where, auth, options_of(form, options), note)


def code_of_archive(archive: Archive) -> str:
    """The code for an archive that was made elsewhere, as far as it tells how."""
    account = str(getattr(archive.source, "account", ""))
    kind = account.partition("(")[0]
    auth = {
        "Basic": f'("user", {_ASKED})',
        "Bearer": _BEARER,
        "'google'": '"google"',
        "Google": _text(_KEY),
    }.get(kind, "")
    known = auth or account in ("", "none given")
    note = "" if known else f"# auth: a {kind}, which this archive was connected with"
    return _connecting(archive.source.address, auth, archive.options, note)


def _auth(form: Form, options: Options) -> tuple[str, str]:
    """The argument ``auth=``, and a line that says what else has to be known."""
    if form.kind == "server":
        return {
            "none": "",
            "password": f"({_text(form.user)}, {_ASKED})",
            "token": _BEARER,
            "google": '"google"',
        }[form.sign_in], ""
    if form.kind != "google":
        return "", ""
    if form.google_sign_in == "file":
        return _text(form.key_name or _KEY), _KEY_NOTE
    return {
        "default": '"google"' if options.api_root else "",
        "path": _text(form.key_path),
        "token": _BEARER,
    }[form.google_sign_in], ""


def _connecting(where: str, auth: str, options: Options, note: str) -> str:
    arguments = [_text(where)] + ([f"auth={auth}"] if auth else [])
    settings, left_out = _settings(options)
    if settings:
        arguments.append(f"options=dn.Options({', '.join(settings)})")
    return _code("dn.connect", arguments, notes=[one for one in (note, left_out) if one])


def _settings(options: Options) -> tuple[list[str], str]:
    """What differs from the defaults, as arguments; and what is not told."""
    given = []
    for one in fields(Options):
        value = getattr(options, one.name)
        if one.name != "proxies" and value != getattr(Options(), one.name):
            given.append(f"{one.name}={_literal(value)}")
    if not options.proxies:
        return given, ""
    return given, "# options: proxies=… as well, which may hold a password and are left out"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if not isinstance(value, Limits):
        return repr(value)
    default = Limits()
    pairs = ((one.name, getattr(value, one.name)) for one in fields(value))
    changed = [f"{name}={held}" for name, held in pairs if held != getattr(default, name)]
    return f"dn.Limits({', '.join(changed)})"


def _text(value: str) -> str:
    """A literal with the quotes that formatters prefer, where nothing has to be escaped."""
    literal = repr(value)
    return f'"{value}"' if literal == f"'{value}'" and '"' not in value else literal


def _code(function: str, arguments: list[str], *, notes: list[str] | None = None) -> str:
    call = f"archive = {function}({', '.join(arguments)})"
    if len(call) > _WIDTH:
        inner = "".join(f"    {one},\n" for one in arguments)
        call = f"archive = {function}(\n{inner})"
    imports = ["from getpass import getpass", ""] if "getpass(" in call else []
    return "\n".join([*imports, "import dicomnb as dn", "", *(notes or []), call])
