"""Credentials: what auth= may be, what of it travels, and that none of it is ever shown."""

from __future__ import annotations

import base64
import json
import pickle
import threading

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import dicomnb.web.auth
from dicomnb.errors import AuthError, ConnectionFailed
from dicomnb.query import Query
from dicomnb.web.addresses import Origin
from dicomnb.web.auth import Basic, Bearer, FromRequests, Nothing, recipe
from dicomnb.web.client import WebSource
from dicomnb.web.google_auth import Google
from tests.web.raw_server import response, source, transport

HERE = Origin("http", "127.0.0.1", 80)
GOOGLE = Origin("https", "healthcare.googleapis.com", 443)
SECRET = "s3cret-s3cret"


def header(made) -> str | None:
    request = requests.Request("GET", "http://h/x").prepare()
    return made(request).headers.get("Authorization")


def token_from_a_function() -> str:
    return "from-a-function\n"


def test_what_auth_may_be(tmp_path):
    key = tmp_path / "key.json"
    key.write_text("{}")
    assert isinstance(recipe(None, origin=HERE), Nothing)
    assert isinstance(recipe(None, origin=GOOGLE), Google)
    assert isinstance(recipe(None, origin=GOOGLE, has_session=True), Nothing)
    assert isinstance(recipe(None, origin=GOOGLE._replace(scheme="http")), Nothing)
    assert isinstance(recipe("google", origin=HERE), Google)
    assert isinstance(recipe(str(key), origin=HERE), Google)
    assert isinstance(recipe(key, origin=HERE), Google)
    assert isinstance(recipe(("u", "p"), origin=HERE), Basic)
    assert isinstance(recipe(None, origin=HERE, in_url=("u", "p")), Basic)
    assert isinstance(recipe(requests.auth.HTTPDigestAuth("u", "p"), origin=HERE), FromRequests)
    bearer = Bearer("x")
    assert recipe(bearer, origin=HERE) is bearer


@pytest.mark.parametrize("auth", [SECRET, SECRET * 500, (SECRET,), (SECRET, 5), 5, {SECRET: 1}])
def test_what_auth_may_not_be_is_not_quoted(auth):
    with pytest.raises((TypeError, ValueError)) as caught:
        recipe(auth, origin=HERE)
    assert SECRET not in str(caught.value)
    assert "auth=" in str(caught.value)


def test_two_kinds_of_credentials_at_once():
    with pytest.raises(ValueError, match="not both"):
        recipe(("u", "p"), origin=HERE, in_url=("u", "p"))


def test_headers():
    assert header(Basic("üser", "p:ß")) == "Basic " + base64.b64encode("üser:p:ß".encode()).decode()
    assert header(Bearer("abc\n")) == "Bearer abc"
    assert header(Bearer(token_from_a_function)) == "Bearer from-a-function"
    assert header(Nothing()) is None
    assert header(FromRequests(requests.auth.HTTPBasicAuth("a", "b"))).startswith("Basic ")


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nX: y", "ü"])
def test_texts_that_are_no_token(token):
    with pytest.raises(AuthError) as caught:
        Bearer(token)
    assert "a b" not in str(caught.value)
    with pytest.raises(AuthError):
        header(Bearer(lambda: token))


def test_a_token_of_the_wrong_type():
    with pytest.raises(TypeError, match="Bearer takes"):
        Bearer(None)
    with pytest.raises(AuthError, match="returned no token"):
        header(Bearer(lambda: None))


@pytest.mark.parametrize(
    "made",
    [
        Basic("user", SECRET),
        Bearer(SECRET),
        Bearer(lambda: SECRET),
        FromRequests(requests.auth.HTTPBasicAuth("user", SECRET)),
    ],
)
def test_nothing_is_shown(made):
    header(made)
    assert SECRET not in repr(made)
    assert SECRET not in str(made)
    base = "http://user:" + SECRET + "@127.0.0.1:1/x"
    for shown in (repr(WebSource(base)), WebSource(base).address, repr(transport(base))):
        assert SECRET not in shown
        assert "user" not in shown


@pytest.mark.parametrize("made", [Basic("user", SECRET), Bearer(SECRET)])
def test_static_secrets_are_not_pickled(made):
    with pytest.raises(pickle.PicklingError, match="travel in clear"):
        pickle.dumps(made)
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(WebSource("http://127.0.0.1/x", auth=made))


def test_recipes_are_pickled(tmp_path):
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"private_key": SECRET}))
    for made in (Bearer(token_from_a_function), Google(key), Google("default"), Nothing()):
        data = pickle.dumps(WebSource("http://127.0.0.1/x", auth=made))
        assert SECRET.encode() not in data
        assert b"from-a-function\n" not in data
        assert pickle.loads(data).address == "http://127.0.0.1/x"
    again = pickle.loads(pickle.dumps(Bearer(token_from_a_function)))
    assert header(again) == "Bearer from-a-function"


def test_a_session_brought_along_is_not_pickled():
    with pytest.raises(pickle.PicklingError, match="session"):
        pickle.dumps(WebSource("http://127.0.0.1/x", session=requests.Session()))


def test_a_function_is_asked_again_after_401(raw):
    tokens = iter(["old", "new", "newer"])

    def respond(request):
        good = request.headers.get("authorization") == "Bearer new"
        return response(b"[]", status=200 if good else 401)

    server = raw(respond)
    here = source(server.url, auth=Bearer(lambda: next(tokens)))
    assert list(here.search(Query("study"))) == []
    assert [one.headers["authorization"] for one in server.requests] == [
        "Bearer old",
        "Bearer new",
        "Bearer new",
    ]


def test_after_401_the_whole_body_is_sent_again(raw):
    """The trap that loses data: the first attempt used the body up."""
    tokens = iter(["old", "new"])
    server = raw(
        lambda request: response(
            b"", status=200 if request.headers["authorization"] == "Bearer new" else 401
        )
    )
    from dicomnb.wire.multipart import SizedBody, outgoing_bytes

    body = SizedBody([outgoing_bytes(bytes(100_000), "application/dicom")])
    made = transport(server.url, auth=Bearer(lambda: next(tokens)))
    made.send("POST", "studies", body=body, headers={"Content-Type": body.content_type}).close()
    assert [len(one.body) for one in server.requests] == [len(body), len(body)]
    assert server.requests[0].body == server.requests[1].body


def test_a_static_token_is_not_tried_twice(raw):
    server = raw(response(b'{"error": {"message": "expired"}}', status=401))
    with pytest.raises(AuthError, match="expired") as caught:
        list(source(server.url, auth=Bearer(SECRET)).search(Query("study")))
    assert len(server.requests) == 1
    assert SECRET not in str(caught.value)
    assert caught.value.status == 401


def test_a_function_that_gives_the_same_token_is_not_tried_for_ever(raw):
    server = raw(response(b"", status=401))
    with pytest.raises(AuthError):
        list(source(server.url, auth=Bearer(token_from_a_function)).search(Query("study")))
    assert len(server.requests) == 1


def test_threads_refresh_once():
    count = []
    bearer = Bearer(lambda: count.append(1) or f"token-{len(count)}")
    old = header(bearer)
    threads = [threading.Thread(target=bearer.refresh, args=(old,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(count) == 2
    assert header(bearer) == "Bearer token-2"


def test_a_token_grows_old(monkeypatch):
    count = []
    bearer = Bearer(lambda: count.append(1) or f"token-{len(count)}")
    assert header(bearer) == header(bearer) == "Bearer token-1"
    monkeypatch.setattr(dicomnb.web.auth.time, "monotonic", lambda: 1e12)
    assert header(bearer) == "Bearer token-2"


def test_digest_auth_of_requests(raw):
    challenge = 'Digest realm="r", nonce="n", qop="auth"'

    def respond(request):
        if "authorization" in request.headers:
            return response(b"[]")
        # The raw server closes after each answer: it says so, as a real one would.
        return response(b"", status=401, WWW_Authenticate=challenge, Connection="close")

    server = raw(respond)
    auth = requests.auth.HTTPDigestAuth("user", SECRET)
    assert list(source(server.url, auth=auth).search(Query("study"))) == []
    assert server.requests[1].headers["authorization"].startswith("Digest username=")


def test_netrc_is_not_read(raw, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login user password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = raw(response(b"[]"))
    for keywords in ({}, {"session": requests.Session()}):
        list(source(server.url, **keywords).search(Query("study")))
    assert len(server.requests) >= 2
    assert all("authorization" not in one.headers for one in server.requests)
    assert requests.get(server.url, timeout=5).request.headers["Authorization"]  # it would be


# Google's own flow, against a token server over plain http.


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def key_file(path, private_key: str, token_uri: str):
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "client_email": "robot@p.iam.gserviceaccount.com",
                "private_key_id": "1",
                "private_key": private_key,
                "token_uri": token_uri,
            }
        )
    )
    return path


def token_server(raw, **changes):
    given = []

    def respond(request):
        given.append(request)
        answer = {"access_token": f"google-{len(given)}", "expires_in": 3600}
        return response(json.dumps(answer | {"token_type": "Bearer"} | changes).encode())

    return raw(respond)


def test_a_service_account_end_to_end(raw, tmp_path, private_key):
    tokens = token_server(raw)
    server = raw(response(b"[]"))
    path = key_file(tmp_path / "key.json", private_key, f"{tokens.root}/token")
    here = source(server.url, auth=path)
    list(here.search(Query("study")))
    list(here.search(Query("study")))
    assert len(tokens.requests) == 1
    body = tokens.requests[0].body.decode()
    assert "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer" in body
    claims = body.partition("assertion=")[2].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert {one.headers["authorization"] for one in server.requests} == {"Bearer google-1"}


def test_a_service_account_after_401(raw, tmp_path, private_key):
    tokens = token_server(raw)

    def respond(request):
        good = request.headers["authorization"] == "Bearer google-2"
        return response(b"[]", status=200 if good else 401)

    server = raw(respond)
    path = key_file(tmp_path / "key.json", private_key, f"{tokens.root}/token")
    assert list(source(server.url, auth=path).search(Query("study"))) == []
    assert len(tokens.requests) == 2


def test_a_pickled_service_account_gets_its_own_token(raw, tmp_path, private_key):
    tokens = token_server(raw)
    server = raw(response(b"[]"))
    path = key_file(tmp_path / "key.json", private_key, f"{tokens.root}/token")
    here = source(server.url, auth=path)
    list(here.search(Query("study")))
    data = pickle.dumps(here)
    assert b"google-1" not in data
    assert b"PRIVATE" not in data
    list(pickle.loads(data).search(Query("study")))
    assert server.requests[-1].headers["authorization"] == "Bearer google-2"


def test_a_token_server_that_refuses(raw, tmp_path, private_key):
    tokens = raw(response(b'{"error": "invalid_grant"}', status=400, kind="application/json"))
    server = raw(response(b"[]"))
    path = key_file(tmp_path / "key.json", private_key, f"{tokens.root}/token")
    with pytest.raises(AuthError, match="invalid_grant") as caught:
        list(source(server.url, auth=path).search(Query("study")))
    assert "gcloud auth application-default login" in str(caught.value)
    assert server.requests == []
    assert "PRIVATE" not in str(caught.value)


def test_a_token_server_that_is_not_there(raw, tmp_path, private_key):
    server = raw(response(b"[]"))
    path = key_file(tmp_path / "key.json", private_key, "http://127.0.0.1:1/token")
    with pytest.raises(ConnectionFailed, match="tokens"):
        list(source(server.url, auth=path).search(Query("study")))


def test_a_file_that_is_no_key(raw, tmp_path):
    server = raw(response(b"[]"))
    for text in ("not json " + SECRET, json.dumps({"private_key": SECRET})):
        path = tmp_path / "key.json"
        path.write_text(text)
        with pytest.raises(AuthError, match="not a service account's key") as caught:
            list(source(server.url, auth=path).search(Query("study")))
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None


def test_no_default_credentials(raw, tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "not-there.json"))
    server = raw(response(b"[]"))
    with pytest.raises(AuthError, match=r"Bearer\(token\)") as caught:
        list(source(server.url, auth="google").search(Query("study")))
    for way in ("gcloud auth application-default login", "service-account", "Bearer"):
        assert way in str(caught.value)


def test_default_credentials_from_the_environment(raw, tmp_path, private_key, monkeypatch):
    tokens = token_server(raw)
    path = key_file(tmp_path / "key.json", private_key, f"{tokens.root}/token")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    server = raw(response(b"[]"))
    list(source(server.url, auth="google").search(Query("study")))
    assert server.requests[0].headers["authorization"] == "Bearer google-1"


def test_a_credentials_object(raw, tmp_path, private_key):
    from google.oauth2 import service_account

    tokens = token_server(raw)
    path = key_file(tmp_path / "key.json", private_key, f"{tokens.root}/token")
    credentials = service_account.Credentials.from_service_account_file(str(path))
    server = raw(response(b"[]"))
    here = source(server.url, auth=credentials)
    list(here.search(Query("study")))
    assert server.requests[0].headers["authorization"] == "Bearer google-1"
    with pytest.raises(pickle.PicklingError, match="hold keys or tokens"):
        pickle.dumps(here)
