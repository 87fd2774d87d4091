"""Google's credentials end to end: file → signed assertion → token → request → refresh."""

from __future__ import annotations

import json
import logging
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import traceback
import types

import pytest

import dicomnb as dn
from dicomnb.query import Query
from tests.google.token_server import EMAIL, Quiet, serve

ALL = Query("study")


def bearers(api) -> list[str]:
    return [headers.get("authorization", "") for _, _, headers in api.seen]


def test_a_service_account_from_file_to_request(connected, tokens, api, tmp_path):
    here = api()
    client = connected(here.url, auth=tokens.key_file(tmp_path / "key.json"))
    for _ in range(3):
        assert list(client.search(ALL)) == []
    assert [one["iss"] for one in tokens.grants] == [EMAIL]
    assert set(bearers(here)) == {"Bearer ya29.token-1-s3cret"}
    assert all("token" not in path for _, path, _ in here.seen)


def test_a_token_is_renewed_before_it_runs_out(connected, tokens, api, tmp_path):
    """With 200 seconds left, a token is still good; it is not used to its end."""
    tokens.expires_in = 200
    here = api()
    client = connected(here.url, auth=tokens.key_file(tmp_path / "key.json"))
    list(client.search(ALL))
    assert len(set(bearers(here))) == len(here.seen) == len(tokens.grants) > 1
    tokens.expires_in = 3600
    asked = len(here.seen)
    list(client.search(ALL))
    list(client.search(ALL))
    assert len(set(bearers(here)[asked:])) == 1
    assert len(tokens.grants) == asked + 1


def test_a_token_that_is_revoked_is_renewed_once(connected, tokens, api, tmp_path):
    here = api()
    client = connected(here.url, auth=tokens.key_file(tmp_path / "key.json"))
    list(client.search(ALL))
    tokens.revoke()
    list(client.search(ALL))
    assert len(tokens.grants) == 2


def test_a_server_that_takes_no_token_is_asked_twice_and_no_more(connected, tokens, api, tmp_path):
    here = api()
    tokens.good = type("Taking", (set,), {"__contains__": lambda *_: False})()
    client = connected(here.url, auth=tokens.key_file(tmp_path / "key.json"))
    with pytest.raises(dn.AuthError, match="Who are you"):
        list(client.search(ALL))
    assert len(here.seen) == 2


def test_a_key_that_is_not_the_accounts(connected, tokens, api, tmp_path):
    """The token server really looks at the signature; what it echoes is not shown."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    path = tokens.key_file(tmp_path / "key.json")
    tokens.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(dn.AuthError, match="invalid_grant: Bad") as caught:
        list(connected(api().url, auth=path).search(ALL))
    assert "eyJ" not in str(caught.value)
    assert "print-access-token" in str(caught.value)


def test_a_user_of_gcloud(connected, tokens, api, tmp_path, monkeypatch):
    """Its file names no token server; google-auth's own address of it is led here."""
    endpoint = "google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT"
    monkeypatch.setattr(endpoint, f"{tokens.root}/token")
    config = tmp_path / "gcloud"
    config.mkdir()
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(config))
    path = tokens.user_file(
        config / "application_default_credentials.json", quota_project_id="theirs"
    )
    here = api()
    for auth in ("google", path):
        list(connected(here.url, auth=auth).search(ALL))
    assert tokens.grants == [{"kind": "user"}] * 2
    assert {headers["x-goog-user-project"] for _, _, headers in here.seen} == {"theirs"}
    tokens.user_file(path, refresh_token="1//stale-s3cret")
    with pytest.raises(dn.AuthError, match="invalid_grant") as caught:
        list(connected(here.url, auth="google").search(ALL))
    assert "Bad: …" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_project_that_pays(connected, tokens, api, tmp_path, monkeypatch):
    path = tokens.key_file(tmp_path / "key.json")
    here = api()
    list(connected(here.url, auth=path).search(ALL))
    list(connected(here.url, auth=path, options=dn.Options(quota_project="mine")).search(ALL))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "of-the-environment")
    list(connected(here.url, auth="google").search(ALL))
    paid = [headers.get("x-goog-user-project") for _, _, headers in here.seen]
    assert list(dict.fromkeys(paid)) == [None, "mine", "of-the-environment"]


def test_gclouds_own_client_with_a_project_does_not_warn(
    connected, tokens, api, tmp_path, monkeypatch
):
    from google.auth import _cloud_sdk

    endpoint = "google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT"
    monkeypatch.setattr(endpoint, f"{tokens.root}/token")
    path = tokens.user_file(tmp_path / "user.json", client_id=_cloud_sdk.CLOUD_SDK_CLIENT_ID)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    here = api()
    options = dn.Options(quota_project="mine")
    list(connected(here.url, auth="google", options=options).search(ALL))
    assert here.seen[0][2]["x-goog-user-project"] == "mine"


def test_a_file_of_a_kind_that_only_the_environment_may_name(connected, api, tmp_path):
    path = tmp_path / "external.json"
    path.write_text('{"type": "external_account", "token_url": "http://127.0.0.1:1/"}')
    with pytest.raises(dn.AuthError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        list(connected(api().url, auth=path).search(ALL))


@pytest.mark.parametrize(
    "text",
    [
        "no JSON s3cret",
        '["s3cret"]',
        '{"type": ["s3cret"]}',
        '{"type": "service_account", "private_key": "s3cret"}',
        '{"type": "service_account", "private_key": 5, "client_email": "a", "token_uri": "s3cret"}',
        '{"type": "authorized_user", "refresh_token": "s3cret", "client_id": "a", '
        '"client_secret": "s3cret", "expiry": 5}',
    ],
)
def test_a_file_that_holds_no_credentials(text, connected, api, tmp_path):
    path = tmp_path / "key.json"
    path.write_text(text)
    with pytest.raises(dn.AuthError, match="not a service account's key") as raised:
        list(connected(api().url, auth=path).search(ALL))
    shown = "".join(traceback.format_exception(raised.value))
    assert "s3cret" not in shown
    assert raised.value.__context__ is None


def test_credentials_of_the_users_own(connected, tokens, api, tmp_path):
    from google.auth.credentials import AnonymousCredentials
    from google.oauth2.credentials import Credentials

    here = api()
    tokens.good.add("handed-over")
    list(connected(here.url, auth=Credentials("handed-over")).search(ALL))
    assert bearers(here)[-1] == "Bearer handed-over"
    tokens.revoke()
    with pytest.raises(dn.AuthError, match="gave no token"):
        list(connected(here.url, auth=Credentials("handed-over")).search(ALL))
    with pytest.raises(dn.AuthError, match="Who are you"):
        list(connected(here.url, auth=AnonymousCredentials()).search(ALL))


def test_many_threads_share_one_token(connected, tokens, api, tmp_path):
    here = api()
    client = connected(here.url, auth=tokens.key_file(tmp_path / "key.json"))
    client.check()
    tokens.revoke()
    threads = [threading.Thread(target=lambda: list(client.search(ALL))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens.grants) == 2


def test_nothing_secret_is_shown_or_kept(tokens, api, tmp_path, caplog):
    """Not in a log at its loudest, a repr, a pickle, or a traceback with its variables."""
    caplog.set_level(logging.DEBUG)
    here = api()
    archive = dn.connect(here.url, auth=tokens.key_file(tmp_path / "key.json"))
    archive.studies()
    tokens.good = type("Taking", (set,), {"__contains__": lambda *_: False})()
    try:
        archive.studies()
    except dn.AuthError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        shown = [str(error), repr(error), "".join(told.format())]
        kept = pickle.dumps(error)
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    shown += [logged, repr(archive), archive._repr_html_(), repr(archive.source)]
    key = tokens.private_key().splitlines()[1]
    for secret in ("s3cret", "eyJ", key):
        assert not any(secret in one for one in shown)
        assert secret.encode() not in kept + pickle.dumps(archive)
    archive.close()
    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}


def test_colab_asks_its_user_and_only_there(connected, tokens, api, tmp_path, monkeypatch):
    """Colab's own module, in the place where its kernels have it."""
    path = tokens.key_file(tmp_path / "key.json")
    asked = []

    def authenticate_user() -> None:
        asked.append(True)
        os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = str(path)

    with pytest.raises(dn.AuthError, match="no usable Google credentials"):
        list(connected(api().url, auth="google").search(ALL))
    colab = types.ModuleType("google.colab")
    colab.auth = types.SimpleNamespace(authenticate_user=authenticate_user)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    here = api()
    client = connected(here.url, auth="google")
    assert asked == []
    for _ in range(2):
        list(client.search(ALL))
    list(connected(here.url, auth="google").search(ALL))
    assert asked == [True]
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")


ASK = textwrap.dedent(
    """
    import sys
    import dicomnb as dn
    try:
        print(len(dn.connect(sys.argv[1], auth="google").studies()))
    except dn.AuthError as error:
        print(error)
    """
)


def metadata_server(seen: list[str], *, is_there: bool):
    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802
            seen.append(self.path)
            if not is_there:
                self.close_connection = True
                return
            said: object = {"access_token": "of-the-machine", "expires_in": 3600}
            if self.path.startswith("/computeMetadata/v1/project/"):
                said = b"p"
            elif "/token" not in self.path:
                said = {"email": "machine@p", "scopes": [], "aliases": []}
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return serve(Handler)


def asked_of_machine(url: str, host: str, config) -> str:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "DICOMNB_CACHE")},
        "GCE_METADATA_HOST": host,
        "GCE_METADATA_IP": host,
        "CLOUDSDK_CONFIG": str(config),
        "GOOGLE_CLOUD_PROJECT": "p",
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", ASK, url],
        env=environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("is_there", [True, False])
def test_a_machine_of_googles_and_another(tokens, api, tmp_path, is_there):
    """google-auth would look three times, with pauses; off Google once is enough."""
    here = api()
    tokens.good.add("of-the-machine")
    seen: list[str] = []
    server = metadata_server(seen, is_there=is_there)
    try:
        host = f"127.0.0.1:{server.server_address[1]}"
        said = asked_of_machine(here.url, host, tmp_path)
    finally:
        server.shutdown()
        server.server_close()
    if is_there:
        assert said.strip() == "0"
        assert set(bearers(here)) == {"Bearer of-the-machine"}
    else:
        assert seen == ["/"]
        for way in ("gcloud auth application-default login", "service-account.json", "Bearer"):
            assert way in said
