"""`ConnectPanel`: a server, a folder, a Google store or the demo, and how to sign in."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace
from html import escape
from typing import TYPE_CHECKING, Any

import traitlets

from dicomnb.archive import Archive
from dicomnb.connecting import prepared
from dicomnb.errors import AuthError, Cancelled, DicomnbError, heard
from dicomnb.options import Options
from dicomnb.widgets.background import unless_cancelled
from dicomnb.widgets.choosing_store import LEVELS, Choice, Lists, account_of
from dicomnb.widgets.connection_card import about, advised
from dicomnb.widgets.connection_code import code_of, code_of_archive
from dicomnb.widgets.connections import (
    Form,
    credentials,
    filled,
    options_of,
    server_address,
    taken_apart,
)
from dicomnb.widgets.folders import expanded, folders
from dicomnb.widgets.javascript import module, style
from dicomnb.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dicomnb.pool import Cancel
    from dicomnb.web.auth import Recipe

__all__ = ["ConnectPanel"]

_SIGN_IN = ("google_sign_in", "key_path", "key_name")
_MOST_KEY_BYTES = 1 << 20
"""No file of credentials is larger."""


class ConnectPanel(Panel):
    """Connects to a server, a folder, a Google store or the demo, and says what can be done there.

    A password, a token or a key file is handed over once, to what signs in, and forgotten: it
    is in no attribute of the panel, in no message and not in the notebook. The connection is
    tested with one small search before ``archive`` is set.

    Args:
        where: what the panel is filled in with: a URL, a folder, or a Google name as far as it
            is known (``"projects/P"`` is enough).
        archive: one that is connected already.
        options: how connections behave; what the panel can change of them begins as given.
        brief: whether the card of a connection is one line that unfolds.

    Attributes:
        archive: the `Archive`, or None; may be observed, linked and set.
        code: the Python that makes the same connection, without what signs in.

    Example:
        >>> panel = ConnectPanel("https://pacs.example/dicom-web")
        >>> search = dicomnb.widgets.SearchPanel(archive=None)
        >>> traitlets.link((panel, "archive"), (search, "archive"))
    """

    _esm = module("connecting")
    _css = style("panel", "connecting")
    _title = "Connect to DICOM: a server, a folder, a Google store or the demo"

    archive = traitlets.Instance(Archive, allow_none=True)
    code = traitlets.Unicode("", read_only=True)

    def __init__(
        self,
        where: str | Path | None = None,
        archive: Archive | None = None,
        options: Options | None = None,
        *,
        brief: bool = False,
    ) -> None:
        self._is_brief = brief
        self._options = options or Options()
        self._form = filled(where, self._options)
        self._lists = Lists()
        self._signed: Recipe | None = None
        self._account = ""
        self._about: dict[str, Any] | None = None
        self._notes: list[str] = []
        self._connections = 0
        self._described: Archive | None = None
        self._own: Archive | None = None
        self._listing: Cancel | None = None
        self._counting: Cancel | None = None
        super().__init__()
        self.observe(self._changed, names=["archive"])
        if archive is not None:
            self.archive = archive

    # -- messages --------------------------------------------------------------------------------

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        return {
            "form": lambda message, _: self._fill(message),
            "connect": self._submitted,
            "choose": lambda message, _: self._choose(message),
            "again": lambda *_: self._sign_in(),
            "folders": lambda message, _: self._complete(str(message.get("text", ""))),
            "disconnect": lambda *_: self._disconnect(),
            "sign out": lambda *_: self._sign_out(),
        }

    def _state(self) -> dict[str, Any]:
        lists = self._lists
        return {
            "form": asdict(self._form),
            "google": {
                "signed_in": self._signed is not None,
                "account": self._account,
                "projects": list(lists.projects),
                "note": lists.note,
                "levels": {level: lists.levels.get(level) for level in LEVELS},
                "counts": lists.counts,
            },
            "connection": self._connections,
            "about": self._about,
            "notes": self._notes,
            "code": self.code,
            "brief": self._is_brief,
        }

    def _fill(self, message: dict[str, Any]) -> None:
        """Take over what was filled in; an address with a password in it only when it is used."""
        values = dict(message.get("form") or {})
        if taken_apart(str(values.get("url", "")))[0] != str(values.get("url", "")).strip():
            values.pop("url")
        before = self._form.kind
        self._take(self._form.changed(values))
        if self._form.kind != before and not self.busy:
            self._say("info", "")  # what was said of one place is not true of another
        self._tell_state()

    def _take(self, form: Form) -> None:
        """Another way of signing in to Google ends the one before."""
        if any(getattr(form, name) != getattr(self._form, name) for name in _SIGN_IN):
            self._forget()
        self._form = form

    def _forget(self) -> None:
        self._signed, self._account, self._lists = None, "", Lists()

    def _sign_out(self) -> None:
        self._stop_listing()
        self._forget()
        self._tell_state()

    # -- connecting ------------------------------------------------------------------------------

    def _submitted(self, message: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        secret = str(message.pop("secret", None) or "")
        if self.busy:
            return
        self._stop_listing()
        values = dict(message.pop("form", None) or {})
        url, pair = taken_apart(str(values.pop("url", self._form.url)))
        form = self._form.changed({**values, "url": url})
        if pair is not None and form.kind == "server":
            form = replace(form, sign_in="password", user=pair[0])
            secret = pair[1] or secret
        self._take(form)
        self._tell_state()
        if form.kind == "google" and self._signed is None:
            self._signed = credentials(form, secret, _key(buffers))
            self._sign_in()
        else:
            self._connect(self._signed if form.kind == "google" else credentials(form, secret))

    def _connect(self, auth: Recipe | None) -> None:
        form = self._form
        opened, notes = _opening(form, auth, options_of(form, self._options))
        account = self._account if form.kind == "google" else _account(form)
        asked = "search" if form.kind == "google" else form.kind
        code, before = code_of(form, self._options), self._connections

        def work(cancel: Cancel) -> tuple[Archive, dict[str, Any]]:
            with heard() as words:
                archive = unless_cancelled(lambda: opened(cancel), cancel, late=Archive.close)
                notes.extend(words)
            return archive, about(archive, account)

        def done(result: tuple[Archive, dict[str, Any]]) -> None:
            archive, told = result
            if self._connections != before:  # a script has set another one meanwhile
                archive.close()
                return
            self._about, self._described = told, archive
            self._notes = list(dict.fromkeys(notes))
            self.set_trait("code", code)
            self.archive = archive
            self._own = archive
            self._say("done", f"Connected: {told['family']}")

        self._begin(_label(form), work, done, failed=lambda error: self._refused(error, asked))

    def _refused(self, error: BaseException, asked: str) -> None:
        if not isinstance(error, Cancelled):
            refused = isinstance(error, AuthError) and error.status != 403
            self.send({"kind": "mend", "credentials": refused})
            self._say("error", advised(error, asked))

    def _failed(self, error: BaseException) -> None:
        self._refused(error, "")

    def _changed(self, change: dict[str, Any]) -> None:
        """Another archive: by the panel, or by a script, and then it is looked at first."""
        self._connections += 1
        if self._own is not None and self._own is not change["new"]:
            self._own.close()  # lets go of connections; who still uses it opens new ones
            self._own = None
        if change["new"] is None:
            self._abandon()
            self._about, self._notes, self._described = None, [], None
            self.set_trait("code", "")
        elif self._described is not change["new"]:
            self._abandon()
            self._look_at(change["new"])
        self._tell_state()

    def _look_at(self, archive: Archive) -> None:
        self._about, self._notes, self._described = None, [], archive
        self.set_trait("code", code_of_archive(archive))

        def done(told: dict[str, Any]) -> None:
            if self.archive is archive:
                self._about = told
                self._tell_state()

        def failed(error: BaseException) -> None:
            if self.archive is archive:
                self._refused(error, "server")

        self._begin(
            "Looking at what the archive can do…",
            lambda cancel: unless_cancelled(lambda: about(archive), cancel),
            done,
            failed=failed,
        )

    def _disconnect(self) -> None:
        self._forget()
        self.archive = None
        self._say("info", "Disconnected.")

    # -- Google: projects, locations, datasets, stores ---------------------------------------------

    def _sign_in(self) -> None:
        """With credentials that are there: what can be seen with them."""
        auth, choice = self._signed, Choice(self._form, self._lists)
        if auth is None:
            return

        def work(cancel: Cancel) -> Choice:
            return choice.begun(auth, self._options, cancel)

        def failed(error: BaseException) -> None:
            if not self._account or isinstance(error, AuthError):  # else only listing again failed
                self._forget()
            self._refused(error, "projects")
            self._tell_state()

        self._begin("Signing in to Google…", work, self._listed, failed=failed)

    def _choose(self, message: dict[str, Any]) -> None:
        level, value = str(message.get("level")), str(message.get("value", "")).strip()
        auth = self._signed
        if level not in ("project", *LEVELS) or auth is None:
            return
        self._stop_listing()
        choice = Choice(self._form, self._lists).chosen(level, value)
        self._form, self._lists = choice.form, choice.lists
        self._tell_state()
        if not value or level == "store":
            return
        following = (*LEVELS, "")[("project", *LEVELS).index(level)]
        self._begin(
            f"Listing the {following}s of {value}…",
            lambda cancel: choice.continued(auth, self._options, cancel),
            self._listed,
            failed=lambda error: self._refused(error, f"{following}s"),
        )

    def _stop_listing(self) -> None:
        """What is listed now is not wanted any more."""
        self.cancel()
        for one in (self._counting, self._listing):
            if one is not None:
                one.set()

    def _listed(self, choice: Choice) -> None:
        self._form, self._lists = choice.form, choice.lists
        if self._signed is not None:
            self._account = account_of(self._signed)
        if choice.lists.failure:
            self._say("error", choice.lists.failure)
        self._tell_state()
        if len(choice.lists.levels.get("location", ())) > 1 and not choice.lists.counts:
            self._count(choice)

    def _count(self, choice: Choice) -> None:
        """Tell which of many locations have datasets, when that is known: nobody waits for it."""
        auth, levels = self._signed, choice.lists.levels["location"]
        if auth is None:
            return

        def told(counts: dict[str, int]) -> None:
            if self._lists.levels.get("location") is levels:
                self._lists = replace(self._lists, counts=counts)
                self._tell_state()

        def work(cancel: Cancel) -> None:
            counts = choice.counted(auth, self._options, cancel)
            self._background.tell(lambda: told(counts))

        self._counting = self._background.run(work)

    # -- folders ---------------------------------------------------------------------------------

    def _complete(self, text: str) -> None:
        if self._listing is not None:
            self._listing.set()

        def work(cancel: Cancel) -> None:
            with suppress(Cancelled):
                told = unless_cancelled(lambda: folders(text), cancel)
                message = {"kind": "folders", "text": text, **told}
                self._background.tell(lambda: self.send(message))

        self._listing = self._background.run(work)

    def close(self) -> None:
        """Stop what is under way, forget who signed in, and take the panel from the page."""
        super().close()
        self._signed = None

    # -- where there is no browser ---------------------------------------------------------------

    def __repr__(self) -> str:
        if self.archive is None:
            return "<dicomnb ConnectPanel, not connected>"
        # Not where: a folder may be named after a patient, and this is saved with the notebook.
        kind = self._about["family"] if self._about is not None else "an archive"
        return f"<dicomnb ConnectPanel, connected: {kind}>"

    def _static(self) -> str:
        return "" if self.archive is None else f"<div>{escape(repr(self)[1:-1])}</div>"


def _opening(
    form: Form, auth: Recipe | None, options: Options
) -> tuple[Callable[[Cancel], Archive], list[str]]:
    """What connects, and what makes the connection unsafe, in words."""
    if form.kind == "demo":
        return lambda cancel: _demo(form.flavour), []
    if form.kind == "folder":
        if not form.folder:
            raise DicomnbError("The folder is missing: give its path on the kernel's machine.")
        return prepared(expanded(form.folder), options=options), []
    where = form.store_name if form.kind == "google" else server_address(form.url, options)
    with heard() as words:
        opened = prepared(where, auth=auth, options=options)
    return opened, words


def _demo(flavour: str) -> Archive:
    from dicomnb.samples import demo

    return demo(flavour=flavour or None)


def _label(form: Form) -> str:
    if form.kind == "demo":
        return "Preparing the demo: made once, in a few seconds…"
    place = {"server": form.url, "folder": form.folder}.get(form.kind) or form.store
    return f"Connecting to {place}…"


def _account(form: Form) -> str:
    """Who signs in, in words, where the form knows more than the credentials."""
    return f"user {form.user}" if (form.kind, form.sign_in) == ("server", "password") else ""


def _key(buffers: Sequence[memoryview]) -> bytes | None:
    """The file that came along.

    Raises:
        DicomnbError: it is too large for one.
    """
    if not buffers:
        return None
    if buffers[0].nbytes > _MOST_KEY_BYTES:
        raise DicomnbError("The file is too large for a service account's key, which is a page.")
    return bytes(buffers[0])
