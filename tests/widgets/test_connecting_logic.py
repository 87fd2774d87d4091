"""`ConnectPanel` without a browser: real servers and folders, secrets, code, cancelling."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import traitlets
from nbclient import NotebookClient

import dicomnb as dn
from dicomnb.pool import Cancel
from dicomnb.server import Server, serve
from dicomnb.widgets import ConnectPanel, connecting
from dicomnb.widgets.background import unless_cancelled
from dicomnb.widgets.connections import taken_apart
from dicomnb.widgets.folders import folders
from tests.conftest import Orthanc, real_file
from tests.google.token_server import Quiet
from tests.google.token_server import serve as serve_handler
from tests.widgets.conftest import until
from tests.widgets.secrets import places

SECRET = "tok-s3cret-4711"
NASTY = "<img src=x onerror=alert(1)>"


def ask(panel: ConnectPanel, kind: str, buffers: Any = (), **content: Any) -> dict[str, Any]:
    """What the front end would ask; returns the message, which the kernel keeps for a while."""
    message = {"kind": kind, **content}
    panel._receive(panel, message, list(buffers))
    return message


def connect(panel: ConnectPanel, secret: str = "", **form: Any) -> dict[str, Any]:
    message = ask(panel, "connect", form=form, secret=secret)
    panel.wait()
    return message


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scans"
    made.mkdir()
    for name in ("CT_small.dcm", "MR_small.dcm"):
        shutil.copy(real_file(name), made)
    return made


@pytest.fixture
def guarded(folder: Path) -> Iterator[Server]:
    """A server that wants a token."""
    server = serve(folder, token=SECRET)
    yield server
    server.close()


class Silent:
    """A server that takes connections and never answers."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/dicom-web"


@pytest.fixture
def silent() -> Iterator[Silent]:
    made = Silent()
    yield made
    made.socket.close()


# -- what is filled in -------------------------------------------------------------------------


def test_it_is_filled_in_from_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
    form = ConnectPanel()._state()["form"]
    assert (form["kind"], form["url"], form["project"]) == ("server", "", "of-the-environment")
    form = ConnectPanel(folder)._state()["form"]
    assert (form["kind"], form["folder"]) == ("folder", str(folder))
    form = ConnectPanel(str(folder), options=dn.Options(writable=True))._state()["form"]
    assert (form["kind"], form["folder"], form["writable"]) == ("folder", str(folder), True)
    assert ConnectPanel("/not/there")._state()["form"]["folder"] == "/not/there"
    name = "projects/p/locations/l/datasets/d/dicomStores/s"
    for where in (name, f"https://healthcare.googleapis.com/v1/{name}/dicomWeb/studies"):
        form = ConnectPanel(where)._state()["form"]
        parts = ["kind", "project", "location", "dataset", "store"]
        assert [form[part] for part in parts] == ["google", "p", "l", "d", "s"]
    form = ConnectPanel("projects/p")._state()["form"]
    assert (form["kind"], form["project"], form["location"]) == ("google", "p", "")
    options = dn.Options(verify="ca.pem", timeout=(3, 7))
    form = ConnectPanel("https://pacs.example/rs", options=options)._state()["form"]
    assert (form["url"], form["verify"]) == ("https://pacs.example/rs", True)
    assert (form["authority"], form["timeout"]) == ("ca.pem", 7.0)
    form = ConnectPanel(options=dn.Options(verify=False))._state()["form"]
    assert (form["verify"], form["authority"]) == (False, "")
    with pytest.raises(TypeError, match="archive="):
        ConnectPanel(dn.connect(folder))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "kept", "pair"),
    [
        ("https://u:p%40s@pacs.example/rs/", "https://pacs.example/rs", ("u", "p@s")),
        ("https://pacs.example/rs", "https://pacs.example/rs", None),
        ("https://pacs.example/rs?token=s3cret", "https://pacs.example/rs?token=…", None),
        ("https://u:s3cret/x@pacs.example/rs", "pacs.example/rs", None),
        ("u:s3cret@pacs.example/rs", "pacs.example/rs", None),
    ],
)
def test_what_signs_in_is_taken_out_of_an_address(url: str, kept: str, pair: Any) -> None:
    assert taken_apart(url) == (kept, pair)


def test_what_is_typed_is_told_to_every_view(folder: Path) -> None:
    panel = ConnectPanel()
    sent: list[dict[str, Any]] = []
    panel.send = lambda message, buffers=None: sent.append(message)
    ask(panel, "form", form={"kind": "folder", "folder": f" {folder} ", "writable": True, "no": 1})
    assert sent[-1]["form"]["folder"] == str(folder)
    assert sent[-1]["form"]["writable"] is True
    assert "no" not in sent[-1]["form"]
    ask(panel, "form", form={"kind": "server", "url": f"http://u:{SECRET}@127.0.0.1:1/x"})
    assert SECRET not in json.dumps(sent)
    ask(panel, "form", form={"timeout": "-1"})
    assert panel.said == ("error", "The time to wait for an answer is a number of "
                          "seconds above 0.")  # fmt: skip
    ask(panel, "form", form={"kind": "elsewhere"})
    assert "kind is one of server, folder, google, demo" in panel.said[1]


# -- connecting ----------------------------------------------------------------------------------


def test_a_folder(folder: Path, tmp_path: Path) -> None:
    panel = ConnectPanel()
    connect(panel, kind="folder", folder=str(folder))
    assert panel.said == ("done", "Connected: Folder of files")
    assert panel.archive is not None
    assert len(panel.archive.studies()) == 2
    can = {one["name"]: one["can"] for one in panel._state()["about"]["abilities"]}
    assert can == {
        "search": True, "retrieve": True, "render": True, "store": False, "delete": False,
    }  # fmt: skip
    connect(panel, kind="folder", folder=str(tmp_path / "none"))
    assert panel.said[0] == "error"
    assert "No folder" in panel.said[1]
    empty = tmp_path / "empty"
    empty.mkdir()
    connect(panel, kind="folder", folder=str(empty))
    assert "An empty folder becomes a new archive when it may be written to." in panel.said[1]
    assert len(panel.archive.studies()) == 2  # what failed changes nothing
    connect(panel, kind="folder", folder=str(empty), writable=True)
    assert panel.archive.source.abilities().stores
    connect(panel, kind="folder", folder="~nobody-of-this-name/x")
    assert "There is no home folder" in panel.said[1]
    connect(panel, kind="folder", folder="")
    assert panel.said[1].startswith("The folder is missing: ")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Give the address of the server"),
        ("localhost:8042/dicom-web", "begins with http:// or https://"),
        ("pacs.example/dicom-web?x=1", "begins with http:// or https://"),
        (f"admin:{SECRET}@pacs.example/rs", "begins with http:// or https://"),
        ("/data/scans", "choose Folder above"),
        ("~/scans", "choose Folder above"),
        ("C:\\scans", "begins with http:// or https://"),
        ("ftp://pacs.example/rs", "no address of a server"),
    ],
)
def test_what_is_no_address_is_told_as_what_it_is(typed: str, words: str) -> None:
    panel = ConnectPanel()
    connect(panel, kind="server", url=typed)
    level, said = panel.said
    assert level == "error"
    assert words in said
    assert SECRET not in said


def test_what_was_said_of_one_place_goes_when_another_is_chosen() -> None:
    panel = ConnectPanel()
    connect(panel, kind="server", url="")
    ask(panel, "form", form={"timeout": "5"})
    assert panel.said[0] == "error"
    ask(panel, "form", form={"kind": "folder"})
    assert panel.said == ("info", "")


def test_the_demo() -> None:
    panel = ConnectPanel()
    connect(panel, kind="demo")
    assert panel.archive is not None
    assert len(panel.archive.series(Modality="CT")) > 3
    assert panel.code == "import dicomnb as dn\n\narchive = dn.demo()"
    ask(panel, "disconnect")
    assert (panel.archive, panel.code) == (None, "")
    connect(panel, kind="demo", flavour="google")
    assert panel.code.endswith('archive = dn.demo(flavour="google")')
    rows = dict(panel._state()["about"]["rows"])
    assert rows["Kind"] == "Google Cloud Healthcare API"
    assert "no wildcards" in rows["Search"]
    assert "5,000 studies, 5,000 series, 50,000 instances" in rows["Pages"]


def test_an_orthanc(orthanc: Orthanc) -> None:
    panel = ConnectPanel(orthanc.url)
    connect(panel)
    assert panel.said == ("done", "Connected: Orthanc")
    abilities = {one["name"]: one for one in panel._state()["about"]["abilities"]}
    assert abilities["store"]["can"]
    assert not abilities["delete"]["can"]
    assert abilities["render"] == {"name": "render", "can": True, "levels": ""}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1:9/dicom-web", "begins with http:// or https://"),
        ("http://127.0.0.1:1/dicom-web", "connection refused"),
        ("projects/p/locations/l", "ends where datasets/… should follow"),
        ("http://127.0.0.1:1/x?token=s3cret", "has no query"),
    ],
)
def test_an_address_that_leads_nowhere(url: str, words: str) -> None:
    panel = ConnectPanel()
    connect(panel, kind="server", url=url)
    assert panel.said[0] == "error"
    assert words in panel.said[1]
    assert "s3cret" not in panel.said[1]
    assert panel.archive is None


def test_what_answers_is_no_dicomweb(guarded: Server) -> None:
    panel = ConnectPanel()
    connect(panel, SECRET, url=f"{guarded.url}/nowhere", sign_in="token")
    assert "No DICOMweb server there" in panel.said[1]
    assert "it ends where /studies would follow" in panel.said[1]


def test_a_certificate_that_is_not_checked_is_told(folder: Path) -> None:
    """Only the words: nobody listens there."""
    from dicomnb.widgets.connecting import _opening
    from dicomnb.widgets.connections import Form, options_of

    form = Form(url="https://127.0.0.1:1/x", verify=False, timeout=5.0)
    _, notes = _opening(form, None, options_of(form, dn.Options()))
    assert "is not checked" in notes[0]
    assert options_of(form, dn.Options(timeout=(2, 3))).timeout == (2, 5.0)


# -- secrets -------------------------------------------------------------------------------------


def basic_server(asked: list[str]) -> Any:
    """A server that wants user and password, and echoes what it was sent, as careless ones do."""

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802
            header = self.headers.get("Authorization", "")
            asked.append(header)
            import base64

            pair = base64.b64decode(header.removeprefix("Basic ")).decode()
            if pair == f"alice:{SECRET}":
                self.answer(200, b"[]", "application/dicom+json")
            else:
                self.answer(401, {"message": f"Wrong: {header} {pair}"})

    return serve_handler(Handler)


def test_user_and_password() -> None:
    asked: list[str] = []
    server = basic_server(asked)
    try:
        panel = ConnectPanel(f"http://127.0.0.1:{server.server_address[1]}/dicom-web")
        connect(panel, "", sign_in="password", user="", kind="server")
        assert panel.said == ("error", "The user is missing.")
        connect(panel, "wrong-s3cret", sign_in="password", user="alice")
        assert "Choose how to sign in, or type the password or token anew." in panel.said[1]
        assert places(panel, "wrong-s3cret") == []
        connect(panel, SECRET, sign_in="password", user="alice")
        assert panel.said[0] == "done"
        assert dict(panel._state()["about"]["rows"])["Account"] == "user alice"
        assert 'auth=("alice", getpass("Password: "))' in panel.code
        assert places(panel, SECRET, but=(dn.Archive,)) == []
        panel.archive = None
        url = f"http://alice:{SECRET}@127.0.0.1:{server.server_address[1]}/dicom-web"
        connect(panel, url=url, sign_in="none")
        assert panel.archive is not None
        assert panel._state()["form"]["sign_in"] == "password"
        assert places(panel, SECRET, but=(dn.Archive,)) == []
    finally:
        server.shutdown()
        server.server_close()


def test_a_token_is_handed_over_and_forgotten(guarded: Server) -> None:
    panel = ConnectPanel(guarded.url)
    connect(panel)
    assert "Choose how to sign in" in panel.said[1]
    assert "Asked: " in panel.said[1]
    connect(panel, "", sign_in="token")
    assert "The token is missing" in panel.said[1]
    message = connect(panel, f" wrong-{SECRET}\n", sign_in="token")
    assert panel.said[0] == "error"
    assert places(panel, SECRET) == []
    assert places(message, SECRET) == []  # the kernel keeps it until the next one comes
    connect(panel, f"{SECRET} and more", sign_in="token")
    assert "blanks or signs that no token has" in panel.said[1]
    message = connect(panel, SECRET, sign_in="token")
    assert panel.archive is not None
    assert places(panel, SECRET, but=(dn.Archive,)) == []
    assert places(message, SECRET) == []
    for shown in (repr(panel), str(panel.said), panel.code, json.dumps(panel._state())):
        assert SECRET not in shown
    bundle = panel._repr_mimebundle_()
    assert SECRET not in str(bundle)
    assert "connected: dicomnb server" in str(bundle)


def test_the_walk_finds_what_is_hidden() -> None:
    """The test above could fail: a secret in a closure, an error or an attribute is found."""
    panel = ConnectPanel()
    secret = "hidden-s3cret"
    panel._background._told.append(lambda: secret)  # type: ignore[arg-type, return-value]
    assert places(panel, "hidden-s3cret")
    panel._background._told.clear()
    assert places(panel, "hidden-s3cret") == []
    panel._notes.append("a hidden-s3cret")
    assert places(panel, "hidden-s3cret")


CELL = """
import dicomnb as dn
from dicomnb.server import serve
server = serve({folder!r}, token={secret!r})
panel = dn.widgets.ConnectPanel()
for token in ("wrong-" + {secret!r}, {secret!r}):
    form = dict(kind="server", url=server.url, sign_in="token")
    panel._receive(panel, dict(kind="connect", form=form, secret=token), [])
    panel.wait()
ours = len(panel.archive.studies())
print(panel.said[0], ours)
panel
"""


def test_a_saved_notebook_holds_no_secret_and_nothing_of_a_patient(demo_folder: Path) -> None:
    cell = nbformat.v4.new_code_cell(CELL.format(folder=str(demo_folder), secret=SECRET))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, store_widget_state=True, timeout=120).execute()
    notebook.cells[0].source = ""
    text = nbformat.writes(notebook)
    printed = "".join(one.get("text", "") for one in notebook.cells[0].outputs)
    assert re.search(r"^done \d\d$", printed, re.MULTILINE)
    assert "<dicomnb ConnectPanel, connected: dicomnb server, read-only>" in text
    assert SECRET not in text
    state = json.loads(text)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]
    assert "_esm" in json.dumps(state)
    with pytest.warns(dn.DicomnbWarning, match="odd value"):
        studies = dn.connect(demo_folder).studies()
    for name in ("PatientName", "PatientID", "StudyInstanceUID"):
        for value in studies[name].dropna():
            assert str(value) not in text


# -- cancelling ----------------------------------------------------------------------------------


def test_a_server_that_never_answers_is_given_up(silent: Silent) -> None:
    panel = ConnectPanel(silent.url)
    ask(panel, "connect", form={})
    assert panel.busy == f"Connecting to {silent.url}…"
    ask(panel, "connect", form={"url": "http://127.0.0.1:1/other"})  # while busy: nothing
    ask(panel, "cancel")
    panel.wait()
    assert (panel.busy, panel.said) == ("", ("info", "Cancelled."))
    assert panel._state()["form"]["url"] == silent.url
    assert panel.archive is None


def test_what_cannot_be_broken_off_is_left_behind() -> None:
    go, late = threading.Event(), threading.Event()
    results: list[str] = []

    def work() -> str:
        go.wait(30)
        return "connected"

    def keep(result: str) -> None:
        results.append(result)
        late.set()

    cancel = Cancel()
    threading.Timer(0.05, cancel.set).start()
    with pytest.raises(dn.Cancelled):
        unless_cancelled(work, cancel, late=keep)
    assert results == []
    go.set()
    assert late.wait(30)
    assert results == ["connected"]
    assert unless_cancelled(lambda: 7, Cancel()) == 7
    with pytest.raises(ZeroDivisionError):
        unless_cancelled(lambda: 1 // 0, Cancel())


# -- the archive from a script -------------------------------------------------------------------


def test_an_archive_is_shown_and_linked(folder: Path, guarded: Server) -> None:
    archive = dn.connect(folder)
    panel = ConnectPanel(archive=archive).wait()
    assert panel.archive is archive
    assert panel._state()["about"]["address"] == str(folder)
    assert "archive = dn.connect(" in panel.code
    assert f'"{folder}"' in panel.code
    other = ConnectPanel()
    traitlets.link((panel, "archive"), (other, "archive"))
    other.wait()
    assert other._state()["about"]["address"] == str(folder)
    codes: list[str] = []
    panel.observe(lambda change: codes.append(panel.code), names=["archive"])
    connect(panel, SECRET, kind="server", url=guarded.url, sign_in="token")
    assert other.wait().archive is panel.archive
    assert "dn.Bearer(getpass" in codes[0]  # told before the archive is
    assert other.code == panel.code
    panel.archive = None
    assert (other.archive, other.code, other._state()["about"]) == (None, "", None)
    assert archive.studies().shape[0] == 2
    with pytest.raises(traitlets.TraitError):
        panel.archive = "http://127.0.0.1"
    with pytest.raises(traitlets.TraitError):
        panel.code = "import os"


@pytest.mark.parametrize("when", ["while it connects", "before it is told"])
def test_what_a_script_sets_stays_whatever_was_begun_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    late, mine = dn.connect(folder), dn.connect(folder)
    begun, go = threading.Event(), threading.Event()
    closed = list[dn.Archive]()
    monkeypatch.setattr(dn.Archive, "close", lambda archive: closed.append(archive))

    def opened(cancel: Cancel) -> dn.Archive:
        begun.set()
        assert go.wait(60)
        return late

    monkeypatch.setattr(connecting, "_opening", lambda *given: (opened, []))
    panel = ConnectPanel()
    ask(panel, "connect", form={"kind": "folder", "folder": str(folder)})
    assert begun.wait(60)
    if when == "before it is told":
        go.set()
        until(lambda: panel._background._thread is None)
    panel.archive = mine
    go.set()
    assert panel.wait().archive is mine
    until(lambda: closed == [late])


def test_what_is_said_of_an_archive_that_is_gone(folder: Path) -> None:
    class Failing:
        def __getattr__(self, name: str) -> Any:
            return getattr(source, name)

        def abilities(self) -> Any:
            raise dn.ServerError("It broke.", status=500)

    archive = dn.connect(folder)
    source, archive.source = archive.source, Failing()  # type: ignore[assignment]
    panel = ConnectPanel(archive=archive)
    panel._receive(panel, {"kind": "disconnect"}, [])
    assert panel.wait().said == ("info", "Disconnected.")


def test_nothing_of_the_panel_is_synced() -> None:
    own = {name for name in ConnectPanel().keys if not name.startswith("_")}
    assert own <= {"layout", "tabbable", "tooltip"}


# -- the code it leaves behind -------------------------------------------------------------------


def test_the_code_makes_the_same_connection(
    folder: Path, guarded: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: SECRET)
    limits = dn.Limits(page_bytes=5 << 20)
    panel = ConnectPanel(options=dn.Options(workers=3, limits=limits))
    for form in (
        {"kind": "folder", "folder": str(folder), "writable": True},
        {"kind": "server", "url": guarded.url, "sign_in": "token", "timeout": "12.5"},
    ):
        connect(panel, SECRET, **form)
        archive = panel.archive
        assert archive is not None
        made: dict[str, Any] = {}
        exec(panel.code, made)
        assert made["archive"].source.address == archive.source.address
        assert made["archive"].options == archive.options
        assert len(made["archive"].studies()) == 2
        assert ConnectPanel(archive=archive).wait().code == panel.code


def test_code_of_all_kinds() -> None:
    from dicomnb.widgets.connection_code import code_of
    from dicomnb.widgets.connections import Form

    def code(options: dn.Options | None = None, **fields: Any) -> str:
        made = code_of(Form(**fields), options or dn.Options())
        compile(made, "<code>", "exec")
        return made

    name = {"project": "p", "location": "l", "dataset": "d", "store": "s"}
    google = {"kind": "google", **name}
    assert code(**google).endswith('dn.connect("projects/p/locations/l/datasets/d/dicomStores/s")')
    root = dn.Options(api_root="http://127.0.0.1:1/v1")
    assert 'auth="google"' in code(root, **google)
    assert 'auth="k.json"' in code(**google, google_sign_in="path", key_path="k.json")
    chosen = code(**google, google_sign_in="file", key_name='a"b.json')
    assert "handed over and forgotten" in chosen
    assert "auth='a\"b.json'" in chosen
    assert "verify=False" in code(url="https://h/x", verify=False)
    assert 'verify="/ca.pem"' in code(url="https://h/x", authority="/ca.pem")
    proxied = code(dn.Options(proxies={"https": "http://u:s3cret@proxy"}), url="https://h/x")
    assert "s3cret" not in proxied
    assert "# options: proxies=" in proxied
    assert code(url="https://h/'\"\n").count("\n") == 2


# -- folders -------------------------------------------------------------------------------------


def test_folders_are_completed(tmp_path: Path) -> None:
    for name in ("Alpha", "alpine", ".hidden", NASTY.replace("/", "")):
        (tmp_path / name).mkdir()
    (tmp_path / "almost.txt").write_text("")
    (tmp_path / "Alpha" / "inner").mkdir()
    assert folders(f"{tmp_path}/al")["folders"] == [f"{tmp_path}/Alpha/", f"{tmp_path}/alpine/"]
    assert folders(f"{tmp_path}/.h")["folders"] == [f"{tmp_path}/.hidden/"]
    assert f"{tmp_path}/.hidden/" not in folders(f"{tmp_path}/")["folders"]
    assert folders(f"{tmp_path}/Alpha/")["folders"] == [f"{tmp_path}/Alpha/inner/"]
    assert "No such file" in folders(f"{tmp_path}/none/x")["why"]
    assert folders("\0")["folders"] == []
    for number in range(250):
        (tmp_path / "Alpha" / f"{number:03}").mkdir()
    told = folders(f"{tmp_path}/Alpha/")
    assert (len(told["folders"]), told["more"]) == (200, True)


def test_folders_are_told_beside_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    panel = ConnectPanel()
    sent: list[dict[str, Any]] = []
    panel.send = lambda message, buffers=None: sent.append(message)
    ask(panel, "folders", text=f"{tmp_path}/s")
    panel.wait()
    assert sent[-1]["kind"] == "folders"
    assert sent[-1]["folders"] == [f"{tmp_path}/scans/"]
    assert panel.busy == ""
