"""`ConnectPanel` and Google: google-auth's real flow, the stand-in's API, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import dicomnb as dn
from dicomnb.server import Server, serve
from dicomnb.widgets import ConnectPanel
from tests.conftest import real_file, screenshots
from tests.google.conftest import no_credentials, tokens  # noqa: F401  fixtures
from tests.google.token_server import CLIENT_SECRET, EMAIL, REFRESH_TOKEN, Quiet, Tokens
from tests.google.token_server import serve as serve_handler
from tests.widgets.conftest import Bridge
from tests.widgets.secrets import places

LOCATION = "projects/demo/locations/local"
STORE = f"{LOCATION}/datasets/demo/dicomStores/demo"


@pytest.fixture
def server(tokens: Tokens, tmp_path: Path) -> Iterator[Server]:  # noqa: F811
    """The stand-in, which takes the tokens that the token server gave, and no others."""
    folder = tmp_path / "store"
    folder.mkdir()
    shutil.copy(real_file("CT_small.dcm"), folder)
    made = serve(folder, flavour="google", writable=True, token=lambda token: token in tokens.good)
    yield made
    made.close()


@pytest.fixture
def options(server: Server) -> dn.Options:
    return dn.Options(api_root=server.url.partition("/projects/")[0])


def ask(panel: ConnectPanel, kind: str, buffers: Any = (), **content: Any) -> ConnectPanel:
    panel._receive(panel, {"kind": kind, **content}, [memoryview(one) for one in buffers])
    return panel.wait().wait()  # what was begun when the first was done, too


def google(**form: Any) -> dict[str, Any]:
    return {"kind": "google", **form}


def chosen(panel: ConnectPanel) -> list[str]:
    form = panel._state()["form"]
    return [form[name] for name in ("project", "location", "dataset", "store")]


class Told(Quiet):
    """Answers by path below the root, as told."""

    answers: dict[str, tuple[int, Any]]

    def do_GET(self) -> None:  # noqa: N802
        path = self.path.partition("?")[0].removeprefix("/v1/")
        status, said = self.answers.get(path, (404, {"error": {"code": 404, "message": "none"}}))
        self.answer(status, said)


@pytest.fixture
def told() -> Iterator[Callable[[dict[str, tuple[int, Any]]], dn.Options]]:
    """Make servers that answer as told; gives options with their root."""
    servers = []

    def make(answers: dict[str, tuple[int, Any]]) -> dn.Options:
        made = serve_handler(type("Handler", (Told,), {"answers": answers}))
        servers.append(made)
        return dn.Options(api_root=f"http://127.0.0.1:{made.server_address[1]}/v1")

    yield make
    for one in servers:
        one.shutdown()
        one.server_close()


def refusal(status: int, words: str = "No.") -> tuple[int, Any]:
    return status, {"error": {"code": status, "message": words}}


# -- signing in ----------------------------------------------------------------------------------


def test_a_key_file_of_the_browser(
    tokens: Tokens,  # noqa: F811
    options: dn.Options,
    tmp_path: Path,
) -> None:
    """The file's own project, the one location, dataset and store: nothing to choose."""
    data = tokens.key_file(tmp_path / "key.json", project_id="demo").read_bytes()
    (tmp_path / "key.json").unlink()
    panel = ConnectPanel(options=options)
    ask(panel, "form", form={"project": ""})
    form = google(google_sign_in="file", key_name="key.json")
    ask(panel, "connect", [data], form=form)
    assert panel.said == ("info", "")
    state = panel._state()["google"]
    assert state["account"] == f"{EMAIL} (key file)"
    assert chosen(panel) == ["demo", "local", "demo", "demo"]
    assert tokens.grants  # google-auth's own assertion, checked by its signature
    ask(panel, "connect", form=google())
    assert panel.archive is not None
    assert panel.archive.source.address.endswith(f"{STORE}/dicomWeb")
    assert len(panel.archive.studies()) == 1
    assert dict(panel._state()["about"]["rows"])["Account"] == f"{EMAIL} (key file)"
    assert 'auth="key.json"' in panel.code
    assert "handed over and forgotten" in panel.code
    key = json.loads(data)["private_key"].splitlines()[5]
    from dicomnb.web.auth import Recipe

    assert places(panel, key, but=(dn.Archive, Recipe)) == []
    assert places(panel, "ya29.", but=(dn.Archive, Recipe)) == []
    ask(panel, "disconnect")
    assert places(panel, "ya29.") == []
    assert panel._state()["google"]["signed_in"] is False


def test_a_key_file_of_the_kernels_machine(
    tokens: Tokens,  # noqa: F811
    options: dn.Options,
    tmp_path: Path,
) -> None:
    path = tokens.key_file(tmp_path / "key.json")
    panel = ConnectPanel("projects/demo", options=options)
    ask(panel, "connect", form=google(google_sign_in="path", key_path=f"{path}x"))
    assert "There is no file" in panel.said[1]
    ask(panel, "connect", form=google(google_sign_in="path", key_path=str(path)))
    assert chosen(panel) == ["demo", "local", "demo", "demo"]
    ask(panel, "connect", form=google())
    assert panel.archive is not None
    made: dict[str, Any] = {}
    exec(panel.code, made)
    assert len(made["archive"].studies()) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{}", "not a service account's key"),
        (b"\xff\xfe", "not a service account's key"),
        (b"s3cret: no JSON", "not a service account's key"),
        (b'{"type": "service_account", "private_key": "s3cret", "client_email": "a@b", '
         b'"token_uri": "https://t"}', "not a service account's key"),
        (b'{"type": "external_account"}', "GOOGLE_APPLICATION_CREDENTIALS"),
        (b"", "Choose the service account's key file"),
        (b"s3cret" * 200_000, "too large"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_key(data: bytes, words: str) -> None:
    panel = ConnectPanel("projects/p", options=dn.Options(api_root="http://127.0.0.1:1/v1"))
    ask(panel, "connect", [data], form=google(google_sign_in="file", key_name="x.json"))
    assert panel.said[0] == "error"
    assert words in panel.said[1]
    assert "s3cret" not in panel.said[1]
    assert places(panel, "s3cret") == []


def test_there_are_no_default_credentials(options: dn.Options) -> None:
    panel = ConnectPanel("projects/demo", options=options)
    ask(panel, "connect", form=google())
    assert panel.said[0] == "error"
    assert "gcloud auth application-default login" in panel.said[1]
    assert "In this form: a key file or an access token" in panel.said[1]
    assert panel._state()["google"]["signed_in"] is False


def test_default_credentials_of_a_user(
    tokens: Tokens,  # noqa: F811
    options: dn.Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = "google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT"
    monkeypatch.setattr(endpoint, f"{tokens.root}/token")
    path = tokens.user_file(tmp_path / "user.json", quota_project_id="theirs")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "demo")
    panel = ConnectPanel(options=options)
    ask(panel, "connect", form=google())
    assert chosen(panel) == ["demo", "local", "demo", "demo"]
    assert "default credentials" in panel._state()["google"]["account"]
    for secret in (REFRESH_TOKEN, CLIENT_SECRET, "ya29."):
        assert secret not in json.dumps(panel._state())
    tokens.user_file(path, refresh_token="1//stale-s3cret")
    ask(panel, "sign out")
    ask(panel, "connect", form=google())
    assert "invalid_grant" in panel.said[1]
    assert "1//stale" not in panel.said[1]
    assert "gcloud auth application-default login" in panel.said[1]
    assert places(panel, "1//stale-s3cret") == []


def test_a_token_that_is_not_taken(options: dn.Options, tokens: Tokens) -> None:  # noqa: F811
    panel = ConnectPanel("projects/demo", options=options)
    ask(panel, "connect", form=google(google_sign_in="token"), secret="ya29.wrong-s3cret")
    assert "Sign in again." in panel.said[1]
    assert places(panel, "wrong-s3cret") == []
    tokens.good.add("ya29.by-hand-s3cret")
    ask(panel, "connect", form=google(google_sign_in="token"), secret="ya29.by-hand-s3cret\n")
    assert panel._state()["google"]["signed_in"]
    tokens.revoke()  # an hour later
    ask(panel, "connect", form=google())
    assert panel.archive is None
    assert "Sign in again." in panel.said[1]
    ask(panel, "form", form=google(google_sign_in="default"))
    assert panel._state()["google"]["signed_in"] is False
    assert places(panel, "by-hand-s3cret") == []


def test_a_password_in_the_servers_address_is_not_googles(
    options: dn.Options,
    tokens: Tokens,  # noqa: F811
) -> None:
    """It may still stand in the field of the other tab, which nobody sees."""
    tokens.good.add("t0ken")
    panel = ConnectPanel("projects/demo", options=options)
    form = google(google_sign_in="token", url="http://alice:s3cret@127.0.0.1:1/x")
    ask(panel, "connect", form=form, secret="t0ken")
    assert panel._state()["google"]["signed_in"]
    assert places(panel, "s3cret") == []


# -- choosing ------------------------------------------------------------------------------------


def test_lists_follow_what_is_chosen(options: dn.Options, tokens: Tokens) -> None:  # noqa: F811
    tokens.good.add("t0ken")
    keywords: dict[str, Any] = {"auth": dn.Bearer("t0ken"), "options": options}
    dn.google.create_dataset(f"{LOCATION}/datasets/empty", **keywords)
    dn.google.create_store(f"{LOCATION}/datasets/demo/dicomStores/second", **keywords)
    panel = ConnectPanel(options=options)
    ask(panel, "form", form={"project": ""})
    ask(panel, "connect", form=google(google_sign_in="token"), secret="t0ken")
    assert panel._state()["google"]["projects"] == ["demo"]
    assert chosen(panel) == ["demo", "local", "", ""]  # the account's only project
    assert panel._state()["google"]["levels"] == {
        "location": ["local"], "dataset": ["demo", "empty"], "store": None,
    }  # fmt: skip
    ask(panel, "choose", level="dataset", value="empty")
    assert panel._state()["google"]["levels"]["store"] == []
    ask(panel, "choose", level="dataset", value="demo")
    assert panel._state()["google"]["levels"]["store"] == ["demo", "second"]
    ask(panel, "connect", form=google())
    assert "The store is missing" in panel.said[1]
    ask(panel, "choose", level="store", value="second")
    assert chosen(panel) == ["demo", "local", "demo", "second"]
    ask(panel, "connect", form=google())
    assert panel.archive is not None
    assert len(panel.archive.studies()) == 0
    dn.google.delete_store(f"{LOCATION}/datasets/demo/dicomStores/second", confirm="second",
                           **keywords)  # fmt: skip
    ask(panel, "again")
    assert chosen(panel) == ["demo", "local", "demo", "demo"]  # what is left
    ask(panel, "choose", level="project", value="another")
    assert "healthcare.locations.list" in panel.said[1]
    assert panel._state()["google"]["levels"]["location"] is None
    ask(panel, "choose", level="project", value="no project!")
    assert "is not a project" in panel.said[1]
    ask(panel, "choose", level="nonsense", value="x")
    assert chosen(panel)[0] == "no project!"


def test_a_store_that_was_named_in_python_is_kept(
    options: dn.Options,
    tokens: Tokens,  # noqa: F811
) -> None:
    tokens.good.add("t0ken")
    keywords: dict[str, Any] = {"auth": dn.Bearer("t0ken"), "options": options}
    dn.google.create_store(f"{LOCATION}/datasets/demo/dicomStores/second", **keywords)
    for name, kept in (("second", "second"), ("gone", "")):
        where = f"{LOCATION}/datasets/demo/dicomStores/{name}"
        panel = ConnectPanel(where, options=options)
        ask(panel, "connect", form=google(google_sign_in="token"), secret="t0ken")
        assert chosen(panel) == ["demo", "local", "demo", kept]


def test_what_may_not_be_listed_names_the_role(told: Any) -> None:
    where = "projects/p/locations"
    answers: dict[str, tuple[int, Any]] = {
        "projects": refusal(403, "Cloud Resource Manager API has not been used in project 1"),
        where: (200, {"locations": [{"name": f"{where}/eu"}]}),
        f"{where}/eu/datasets": refusal(403, "Permission denied"),
    }
    panel = ConnectPanel("projects/p", options=told(answers))
    ask(panel, "connect", form=google(google_sign_in="token"), secret="t")
    assert "roles/browser" in panel._state()["google"]["note"]
    assert "roles/healthcare.datasetViewer" in panel.said[1]
    assert "projects/…/dicomStores/… under Server" in panel.said[1]
    assert "Permission denied" in panel.said[1]
    assert chosen(panel) == ["p", "eu", "", ""]
    answers[f"{where}/eu/datasets"] = (200, {"datasets": [{"name": f"{where}/eu/datasets/d"}]})
    stores = f"{where}/eu/datasets/d/dicomStores"
    answers[stores] = refusal(403)
    ask(panel, "again")
    assert "roles/healthcare.dicomStoreViewer" in panel.said[1]
    answers[stores] = (200, {"dicomStores": [{"name": f"{stores}/s"}]})
    answers[f"{stores}/s/dicomWeb/studies"] = refusal(403)
    ask(panel, "again")
    assert panel.said == ("info", "")
    ask(panel, "connect", form=google())
    assert "roles/healthcare.dicomViewer" in panel.said[1]
    answers[stores] = refusal(401)
    ask(panel, "choose", level="dataset", value="d")
    assert "Sign in again" in panel.said[1]


def test_a_store_that_may_not_be_listed_is_named(told: Any) -> None:
    """Who may read one store and list nothing still comes to it, by its name."""
    store = "projects/p/locations/eu/datasets/d/dicomStores/s"
    answers = {
        "projects": refusal(403),
        "projects/p/locations": refusal(403),
        f"{store}/dicomWeb/studies": (200, []),
    }
    panel = ConnectPanel(store, options=told(answers))
    ask(panel, "connect", form=google(google_sign_in="token"), secret="t")
    assert "roles/healthcare.datasetViewer" in panel.said[1]
    ask(panel, "connect", form=google())
    assert panel.archive is not None
    panel = ConnectPanel(store.replace("projects/p", "projects/other"), options=panel._options)
    ask(panel, "connect", form={"kind": "server", "url": store, "sign_in": "token"}, secret="t")
    assert panel.archive is not None


def test_which_locations_have_datasets(told: Any) -> None:
    where = "projects/p/locations"
    two = [{"name": f"{where}/eu/datasets/{name}"} for name in "ab"]
    answers: dict[str, tuple[int, Any]] = {
        where: (200, {"locations": [{"name": f"{where}/{one}"} for one in ("us", "eu", "asia")]}),
        f"{where}/eu/datasets": (200, {"datasets": two}),
        f"{where}/us/datasets": (200, {}),
        f"{where}/asia/datasets": refusal(403),
    }
    panel = ConnectPanel("projects/p", options=told(answers))
    ask(panel, "connect", form=google(google_sign_in="token"), secret="t")
    assert panel._state()["google"]["levels"]["location"] == ["asia", "eu", "us"]
    assert panel._state()["google"]["counts"] == {"eu": 2, "us": 0}
    assert (panel.busy, panel.said) == ("", ("info", ""))


def test_listing_is_given_up(told: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        root = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        panel = ConnectPanel("projects/p", options=dn.Options(api_root=root))
        form = google(google_sign_in="token")
        panel._receive(panel, {"kind": "connect", "form": form, "secret": "t"}, [])
        assert panel.busy == "Signing in to Google…"
        ask(panel, "cancel")
        assert (panel.busy, panel.said) == ("", ("info", "Cancelled."))


# -- in the browser ------------------------------------------------------------------------------


def test_from_a_key_file_to_a_store(
    bridge: Callable[[Any], Bridge],
    page: Page,
    tokens: Tokens,  # noqa: F811
    options: dn.Options,
    tmp_path: Path,
) -> None:
    tokens.good.add("t0ken")
    keywords: dict[str, Any] = {"auth": dn.Bearer("t0ken"), "options": options}
    dn.google.create_dataset(f"{LOCATION}/datasets/empty", **keywords)
    key = tokens.key_file(tmp_path / "hospital-key.json", project_id="demo")
    panel = ConnectPanel(options=options)
    made = bridge(panel)
    page.get_by_role("radio", name="Google Cloud").check()
    page.get_by_role("combobox", name="Project").fill("")
    page.get_by_label("Sign in with").nth(1).select_option("file")
    chooser = page.locator("input[type=file]")
    chooser.set_input_files(key)
    made.pump()
    page.get_by_role("button", name="Sign in", exact=True).click()
    made.pump()
    assert chooser.evaluate("(one) => one.files.length") == 0
    expect(page.get_by_text(f"Signed in: {EMAIL} (key file)")).to_be_visible()
    datasets = page.get_by_label("Dataset")
    expect(datasets).to_be_focused()  # the next to be chosen
    expect(page.get_by_label("Location", exact=True)).to_have_value("local")
    expect(page.get_by_role("button", name="Connect")).to_be_disabled()
    datasets.select_option("empty")
    made.pump()
    stores = page.get_by_label("DICOM store")
    expect(stores).to_be_disabled()
    expect(stores.locator("option").first).to_have_text("No DICOM store in this dataset")
    page.screenshot(path=screenshots() / "connect-google-empty.png")
    datasets.select_option("demo")
    made.pump()
    expect(stores).to_have_value("demo")
    expect(page.get_by_role("button", name="Connect")).to_be_focused()
    page.screenshot(path=screenshots() / "connect-google-chosen.png")
    page.keyboard.press("Enter")
    made.pump()
    assert panel.archive is not None
    expect(page.get_by_role("heading", name="Connected to Google Cloud Health")).to_be_focused()
    page.screenshot(path=screenshots() / "connect-google-connected.png")
    text = page.evaluate("() => document.documentElement.outerHTML")
    assert not re.search(r"PRIVATE KEY|ya29|t0ken", text)
    page.get_by_role("button", name="Change").click()
    page.get_by_role("button", name="Sign in differently").click()
    made.pump()
    expect(page.get_by_label("Sign in with").nth(1)).to_be_visible()
    assert panel._state()["google"]["signed_in"] is False
    assert panel.archive is not None


def test_projects_and_locations_are_suggested(
    bridge: Callable[[Any], Bridge], page: Page, told: Any
) -> None:
    where = "projects/beta/locations"
    named = [{"projectId": name, "lifecycleState": "ACTIVE"} for name in ("alpha", "beta", "bert")]
    answers: dict[str, tuple[int, Any]] = {
        "projects": (200, {"projects": named}),
        where: (200, {"locations": [{"name": f"{where}/{one}"} for one in ("asia", "eu")]}),
        f"{where}/eu/datasets": (200, {"datasets": [{"name": f"{where}/eu/datasets/d"}]}),
        f"{where}/asia/datasets": (200, {}),
        f"{where}/eu/datasets/d/dicomStores": refusal(403),
    }
    panel = ConnectPanel(options=told(answers))
    made = bridge(panel)
    page.get_by_role("radio", name="Google Cloud").check()
    page.get_by_role("combobox", name="Project").fill("")
    page.get_by_label("Sign in with").nth(1).select_option("token")
    page.get_by_label("Access token").fill("t0ken-s3cret")
    made.pump()
    page.get_by_label("Access token").press("Enter")
    assert page.get_by_label("Access token").input_value() == ""
    made.pump()
    project = page.get_by_role("combobox", name="Project")
    expect(project).to_be_focused()
    project.press_sequentially("be")
    assert page.get_by_role("option", name="be").all_inner_texts() == ["bert", "beta"]
    page.keyboard.press("ArrowUp")
    page.screenshot(path=screenshots() / "connect-google-projects.png")
    page.keyboard.press("Enter")
    made.pump()
    locations = page.get_by_label("Location", exact=True)
    expect(locations).to_be_focused()
    assert locations.locator("option").all_inner_texts() == [
        "Choose a location", "asia (no dataset)", "eu (1 dataset)",
    ]  # fmt: skip
    locations.select_option("eu")
    made.pump()
    expect(page.get_by_role("alert")).to_contain_text("roles/healthcare.dicomStoreViewer")
    expect(page.get_by_label("Dataset")).to_have_value("d")
    unlisted = page.get_by_label("DICOM store").locator("option").first
    expect(unlisted).to_have_text("Could not be listed")
    page.screenshot(path=screenshots() / "connect-google-refused.png")
