"""The one seam to the network, against servers that misbehave in every known way."""

from __future__ import annotations

import datetime
import gzip
import ipaddress
import itertools
import multiprocessing
import pickle
import re
import socket
import ssl
import threading
import time
import traceback
import warnings
import zlib

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dicomnb import errors
from dicomnb.errors import ConnectionFailed, DicomnbWarning, OriginRefused, ProtocolError
from dicomnb.limits import Limits
from dicomnb.pool import Cancel, side_by_side
from dicomnb.web.auth import Bearer
from dicomnb.web.failures import connection_failed, words_of
from dicomnb.wire.multipart import SizedBody, outgoing_bytes
from tests.conftest import SECONDS
from tests.web.raw_server import RESET, in_turn, response, transport

SECRET = "s3cret-s3cret"
BODY = SizedBody([outgoing_bytes(bytes(300_000), "application/dicom")])


def everything_in(error: BaseException) -> str:
    """Whatever a traceback or a debugger would show of an error and what it is chained to."""
    shown, waiting = [], [error]
    while waiting:
        one = waiting.pop()
        shown += [repr(one), str(one), repr(vars(one)), *traceback.format_exception(one)]
        waiting += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
        request = getattr(one, "request", None)
        shown.append(repr(getattr(request, "headers", "")))
    return "\n".join(shown)


def get(made, url="studies", **keywords) -> bytes:
    with made.send("GET", url, **keywords) as answer:
        return answer.read(1 << 20)


# Credentials and origins


def test_a_redirect_elsewhere_takes_nothing_along(raw):
    other = raw(response(b"[]"))
    server = raw(response(status=302, Location=f"{other.root}/x"))
    made = transport(server.url, auth=Bearer(SECRET))
    with pytest.raises(OriginRefused, match="allow_origins") as caught:
        get(made)
    assert str(other.port) in str(caught.value)
    assert other.requests == []
    assert SECRET not in everything_in(caught.value)


def test_an_allowed_origin_gets_no_credentials(raw):
    other = raw(response(b"[1]", Set_Cookie="a=b"))
    server = raw(response(status=307, Location=f"{other.root}/x?limit=1", Set_Cookie="own=1"))
    made = transport(
        server.url, auth=Bearer(SECRET), allow_origins=(other.root,), quota_project="billed"
    )
    headers = {"Accept": "a/b", "X-Api-Key": SECRET, "Cookie": SECRET}
    assert get(made, headers=headers) == b"[1]"
    assert get(made, headers=headers) == b"[1]"
    assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert server.requests[0].headers["x-goog-user-project"] == "billed"
    for request in other.requests:
        assert request.headers["accept"] == "a/b"
        assert SECRET not in repr(request.headers)
        assert not {"authorization", "cookie", "x-api-key", "x-goog-user-project"} & set(
            request.headers
        )


def test_a_session_brought_along_goes_nowhere_else(raw):
    other = raw(response(b"[]"))
    server = raw(in_turn(response(b"[]"), response(status=302, Location=f"{other.root}/x")))
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {SECRET}"
    session.auth = None
    before = (dict(session.headers), dict(session.adapters), session.trust_env, session.verify)
    made = transport(server.url, session=session, allow_origins=(other.root,))
    get(made)
    get(made)
    made.close()
    assert [one.headers["authorization"] for one in server.requests] == [f"Bearer {SECRET}"] * 2
    assert "authorization" not in other.requests[0].headers
    after = (dict(session.headers), dict(session.adapters), session.trust_env, session.verify)
    assert after == before


def test_auth_of_a_session_brought_along_is_used(raw):
    server = raw(response(b"[]"))
    session = requests.Session()
    session.auth = ("user", "password")
    get(transport(server.url, session=session))
    assert server.requests[0].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/computeMetadata/v1/",
        "file:///etc/passwd",
        "//evil.example/x",
        "https://127.0.0.1/x",
        "http://127.0.0.1.evil.example/x",
        "http://localhost/x",
    ],
)
def test_addresses_outside_are_not_asked(raw, url):
    server = raw(response(b"[]"))
    with pytest.raises(OriginRefused):
        transport(server.url, auth=Bearer(SECRET)).send("GET", url)
    assert server.requests == []


def test_another_port_is_another_origin(raw):
    server, other = raw(response(b"[]")), raw(response(b"[]"))
    with pytest.raises(OriginRefused):
        transport(server.url).send("GET", other.url)
    assert other.requests == []


def test_https_is_never_left_for_http():
    made = transport("https://127.0.0.1:1/x", allow_origins=("http://127.0.0.1:80",))
    with pytest.raises(OriginRefused, match="from https to plain http"):
        made.send("GET", "http://127.0.0.1/x")


def test_user_information_in_a_url_of_the_server_is_not_used(raw):
    server = raw(response(b"[]"))
    get(transport(server.url), f"http://user:pw@127.0.0.1:{server.port}/x")
    assert "authorization" not in server.requests[0].headers


def test_redirects_within_the_origin(raw):
    def respond(request):
        if request.target == "/dicomweb/studies?a=1":
            return response(status=301, Location="/other?b=2")
        return response(request.target.encode())

    server = raw(respond)
    assert get(transport(server.url, auth=Bearer("x")), params=[("a", "1")]) == b"/other?b=2"
    assert server.requests[1].headers["authorization"] == "Bearer x"


def test_a_circle_of_redirects(raw):
    server = raw(response(status=302, Location="/dicomweb/studies"))
    with pytest.raises(ProtocolError, match="circle"):
        get(transport(server.url))
    assert len(server.requests) == 6


def test_a_store_is_redirected_whole_or_not_at_all(raw):
    server = raw(in_turn(response(status=307, Location="/new"), response(b"ok")), keep=True)
    with transport(server.url).send("POST", "studies", body=BODY) as answer:
        assert answer.status == 200
    assert [len(one.body) for one in server.requests] == [len(BODY)] * 2
    server = raw(response(status=302, Location="/login"))
    with pytest.raises(ProtocolError, match="would lose it"):
        transport(server.url).send("POST", "studies", body=BODY)


def test_a_server_that_echoes_the_token(raw):
    server = raw(
        lambda request: response(
            f"bad token {request.headers['authorization']}".encode(), status=403
        )
    )
    with pytest.raises(errors.AuthError, match="bad token") as caught:
        get(transport(server.url, auth=Bearer(SECRET)))
    assert SECRET not in everything_in(caught.value)


def test_no_secret_in_any_error(raw):
    server = raw(response(b"no", status=500))
    for made, url in (
        (transport(server.url, auth=("user", SECRET)), f"x?access_token={SECRET}"),
        (transport("http://127.0.0.1:1/x", auth=Bearer(SECRET)), "x"),
        (transport(f"http://user:{SECRET}@127.0.0.1:1/x"), "x"),
    ):
        with pytest.raises(errors.DicomWebError) as caught:
            get(made, url)
        assert SECRET not in everything_in(caught.value)
    assert server.requests[0].headers["authorization"].startswith("Basic ")


def test_the_password_of_a_proxy_is_not_shown(monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://user:{SECRET}@127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(ConnectionFailed, match="proxy") as caught:
        get(transport("http://pacs.invalid/x"))
    assert SECRET not in everything_in(caught.value)


def test_proxies_of_the_options_and_of_the_environment(raw, monkeypatch):
    proxy = raw(lambda request: response(request.target.encode()))
    made = transport("http://pacs.invalid/x", proxies={"http": proxy.root})
    assert get(made) == b"http://pacs.invalid/x/studies"
    monkeypatch.setenv("http_proxy", proxy.root)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert get(transport("http://pacs.invalid/x")) == b"http://pacs.invalid/x/studies"
    server = raw(response(b"direct"))
    assert get(transport(server.url)) == b"direct"


def test_credentials_over_plain_http_to_another_machine_warn():
    with pytest.warns(DicomnbWarning, match="plain http"):
        transport("http://pacs.example.com/x", auth=Bearer(SECRET))
    transport("http://pacs.example.com/x")
    transport("http://localhost/x", auth=Bearer(SECRET))


def test_unchecked_certificates_warn_once():
    with pytest.warns(DicomnbWarning, match="not checked") as caught:
        transport("https://pacs.example.com/x", verify=False)
    assert len(caught) == 1


# No answer, and answers that break off


def test_nobody_there():
    with pytest.raises(ConnectionFailed, match=r"connection refused \(is the server") as caught:
        get(transport("http://127.0.0.1:1/x"))
    assert not caught.value.was_sent


def test_a_server_that_never_answers(raw):
    asked, over = threading.Semaphore(0), threading.Event()

    def respond(request):
        asked.release()
        over.wait(SECONDS)
        yield b""

    server = raw(respond)
    with pytest.raises(ConnectionFailed, match=r"nothing came for 0\.2 s") as caught:
        get(transport(server.url, timeout=(SECONDS, 0.2)))
    assert caught.value.was_sent
    assert asked.acquire(timeout=SECONDS)  # perhaps later than it was given up
    assert len(server.requests) == 1
    over.set()


def test_a_reset_before_the_answer(raw):
    server = raw(in_turn([RESET]))
    with pytest.raises(ConnectionFailed, match="No answer"):
        get(transport(server.url))


def test_what_is_not_http(raw):
    server = raw(b"SSH-2.0-OpenSSH_9.2\r\n")
    with pytest.raises(ConnectionFailed):
        get(transport(server.url))


def test_tls_to_a_plain_server():
    def greet():
        with server.accept()[0] as connection:
            connection.sendall(b"220 mail.example.com ESMTP\r\n")
            connection.recv(1000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(ConnectionFailed, match="encrypted"):
            get(transport(f"https://127.0.0.1:{server.getsockname()[1]}/x"))
        thread.join(SECONDS)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A private authority's certificate for this machine, in a file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hospital")])
    now = datetime.datetime.now(datetime.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "bundle.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


def test_certificates(raw, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = raw(response(b"[]"), tls=context)
    with pytest.raises(ConnectionFailed, match=r"not trusted \(self-signed certificate"):
        get(transport(server.url))
    assert server.requests == []
    assert get(transport(server.url, verify=str(certificate))) == b"[]"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = transport(server.url, verify=False)
        assert get(made) == get(made) == b"[]"
    assert [one.category for one in caught] == [DicomnbWarning]


def test_https_redirected_to_http_on_the_same_host(raw, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    plain = raw(response(b"[]"))
    server = raw(response(status=302, Location=f"{plain.root}/x"), tls=context)
    made = transport(server.url, verify=str(certificate), allow_origins=(plain.root,))
    with pytest.raises(OriginRefused, match="plain http"):
        get(made)
    assert plain.requests == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.ConnectionError(socket.gaierror(-2, "Name unknown")), "no host of this name"),
        (requests.ConnectTimeout(SECRET), "no connection within 10 s"),
        (requests.exceptions.InvalidURL(SECRET), r"could not be made \(InvalidURL\)"),
        (requests.ConnectionError(SECRET), "closed before the answer"),
    ],
)
def test_why_there_is_no_answer(error, words):
    found = connection_failed(error, url="http://h/x", timeout=(10, 60))
    assert re.search(words, str(found))
    assert SECRET not in everything_in(found)


CUT = [
    response(b"12345", length=10),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
    response(gzip.compress(bytes(1000))[:-9], Content_Encoding="gzip"),
    response(b"this is no gzip", Content_Encoding="gzip"),
    response(b"12345", Content_Encoding="br"),
]


@pytest.mark.parametrize("answer", CUT)
def test_an_answer_that_is_not_whole(raw, answer):
    with pytest.raises(ProtocolError) as caught:
        get(transport(raw(answer).url))
    assert caught.value.status == 200
    assert caught.value.__context__ is None or isinstance(
        caught.value.__context__, errors.DicomnbError | GeneratorExit
    )


def test_a_reset_in_mid_body(raw):
    server = raw(lambda request: iter([response(b"12345", length=100_000), RESET]))
    with pytest.raises(ProtocolError, match=r"not whole: .* after \d+ of 100000 bytes"):
        get(transport(server.url))


def test_a_body_that_stalls(raw):
    def respond(request):
        yield response(b"12345", length=100_000)
        over.wait(SECONDS)

    over = threading.Event()
    with pytest.raises(ProtocolError, match=r"nothing more came in time after [05] of"):
        get(transport(raw(respond).url, timeout=(SECONDS, 3)))
    over.set()


def test_chunked_and_unframed_bodies(raw):
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert get(transport(raw(chunked).url)) == b"abcde"
    assert get(transport(raw(response(b"abcde", length=-1)).url)) == b"abcde"


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("gzip", gzip.compress(b"abc" * 9, mtime=0)),
        ("x-gzip", gzip.compress(b"abc" * 4, mtime=0) + gzip.compress(b"abc" * 5, mtime=0)),
        ("deflate", zlib.compress(b"abc" * 9)),
        ("Identity", b"abc" * 9),
    ],
)
def test_packed_answers(raw, name, packed):
    server = raw(response(packed, Content_Encoding=name))
    with transport(server.url).send("GET", "x") as answer:
        assert answer.length in (None, len(packed))
        assert answer.read(1000) == b"abc" * 9


def test_a_bomb_is_not_unpacked(raw):
    bomb = gzip.compress(bytes(200 << 20), 9)
    made = transport(raw(response(bomb, Content_Encoding="gzip")).url)
    limit = pytest.raises(errors.LimitExceeded, match="page_bytes = 1000000")
    with made.send("GET", "x") as answer, limit:
        answer.read(1_000_000)


def test_limits_without_packing(raw):
    made = transport(raw(response(bytes(100))).url)
    with made.send("GET", "x") as answer:
        assert answer.read(100) == bytes(100)
    with made.send("GET", "x") as answer, pytest.raises(errors.LimitExceeded):
        answer.read(99)


# Repeating


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_passing_errors_are_repeated(raw, status):
    server = raw(in_turn(response(b"", status=status), response(b"[]")))
    assert get(transport(server.url)) == b"[]"
    assert len(server.requests) == 2


@pytest.mark.parametrize(("status", "attempts"), [(503, 4), (500, 2), (404, 1), (501, 1)])
def test_errors_that_stay(raw, status, attempts):
    server = raw(response(b"busy", status=status))
    with pytest.raises(errors.DicomWebError, match="busy") as caught:
        get(transport(server.url))
    assert len(server.requests) == attempts
    assert (f"Asked {attempts} times" in str(caught.value)) is (attempts > 1)


def test_the_whole_store_is_sent_again(raw):
    server = raw(in_turn(response(b"", status=503), response(b"ok")))
    transport(server.url).send("POST", "x", body=BODY, repeatable=True).close()
    assert [len(one.body) for one in server.requests] == [len(BODY)] * 2


@pytest.mark.parametrize(("status", "attempts"), [(503, 1), (429, 4)])
def test_a_plain_post_is_repeated_only_when_nothing_was_done(raw, status, attempts):
    server = raw(response(b"", status=status))
    with pytest.raises(errors.DicomWebError):
        transport(server.url).send("POST", "x", body=b"{}")
    assert len(server.requests) == attempts


def test_a_broken_connection_is_repeated_once_the_server_has_answered(raw):
    server = raw(in_turn(response(b"1"), [RESET], [b""], response(b"2")))
    made = transport(server.url)
    assert get(made) == b"1"
    assert get(made) == b"2"
    server = raw(in_turn(response(b"1", Connection="close"), [RESET], response(b"2")))
    made = transport(server.url)
    assert get(made) == b"1"
    with pytest.raises(ConnectionFailed):
        made.send("POST", "x", body=b"{}")
    assert len(server.requests) == 2


def test_a_body_that_can_be_read_once_is_refused(raw):
    server = raw(response(b""))
    with pytest.raises(TypeError, match="only once"):
        transport(server.url).send("POST", "x", body=(piece for piece in [b"1"]))
    assert server.requests == []


def test_retry_after_is_honoured(raw):
    server = raw(in_turn(response(b"", status=429, Retry_After="0.3"), response(b"[]")))
    assert get(transport(server.url)) == b"[]"
    times = []

    def respond(request):
        times.append(time.monotonic())
        return response(b"[]") if len(times) > 1 else response(b"", status=503, Retry_After="1")

    made = transport(raw(respond).url)
    made._patience = made._patience.__class__(first=0.001, retry_after=2)
    assert get(made) == b"[]"
    assert times[1] - times[0] >= 0.9


@pytest.mark.parametrize("when", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_long_retry_after_is_told_instead_of_waited_for(raw, when):
    server = raw(response(b"", status=429, Retry_After=when))
    with pytest.raises(errors.Throttled, match=r"come back in \d+ s"):
        get(transport(server.url))
    assert len(server.requests) == 1


def test_a_retry_after_that_is_nonsense(raw):
    server = raw(in_turn(response(b"", status=429, Retry_After="soon"), response(b"[]")))
    assert get(transport(server.url)) == b"[]"


# Typed errors with the server's words


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadQuery), (401, errors.AuthError), (403, errors.AuthError),
        (404, errors.NotFound), (405, errors.Unsupported), (406, errors.Unsupported),
        (409, errors.BadQuery), (410, errors.NotFound), (413, errors.Unsupported),
        (415, errors.Unsupported), (418, errors.BadQuery), (422, errors.BadQuery),
        (429, errors.Throttled), (500, errors.ServerError), (501, errors.Unsupported),
        (507, errors.ServerError), (304, errors.BadQuery),
    ],
)  # fmt: skip
def test_statuses(raw, status, kind):
    server = raw(response(b"words", status=status, kind="text/plain"))
    with pytest.raises(kind) as caught:
        get(transport(server.url), params=[("PatientID", "1")])
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.url == f"{server.url}/studies?PatientID=1"
    assert pickle.loads(pickle.dumps(caught.value)).server_words == caught.value.server_words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":{"code":401,"message":"Who are you?","status":"X"}}', "Who are you?"),
        (b"no supported media type found in [a/b]", "no supported media type found in [a/b]"),
        (b'"DICOM instance does not exist."', "DICOM instance does not exist."),
        (
            b'{"Details":"Inexistent study","HttpError":"Not Found","Message":"Unknown resource",'
            b'"OrthancStatus":17}',
            "Unknown resource: Inexistent study",
        ),
        (b'{"errorMessage":"no such AE"}', "no such AE"),
        (b'{"error":"invalid_grant"}', "invalid_grant"),
        (b'{"title":"Bad","detail":"limit > 200"}', "limit > 200: Bad"),
        (b'[{"message":"a"},{"message":"b"}]', "a; b"),
        (
            b"<html><head><style>x{}</style><script>var a='<b>'</script></head>"
            b"<body><h1>404 &amp;</h1>\n<p>gone</p></body></html>",
            "404 & gone",
        ),
        (b'{"00081198":{"vr":"SQ","Value":[{"00081197":{"vr":"US","Value":[272]}}]}}', "0110H"),
        (b"\xff\xfe", "\ufffd"),
        (b"17", ""),
        (b"", ""),
        (b"x" * 10_000, "x" * 500),
    ],
)
def test_words_of_servers(body, words):
    found = words_of(body)
    assert words in found
    assert len(found) <= 500
    assert bool(found) is bool(words)


def test_a_broken_error_body_does_not_hide_the_error(raw):
    server = raw(response(b"short", status=404, length=5000))
    with pytest.raises(errors.NotFound, match="short"):
        get(transport(server.url))


def test_a_huge_error_body_is_not_read(raw):
    bomb = gzip.compress(b"x" * (50 << 20))
    server = raw(response(bomb, status=404, Content_Encoding="gzip"))
    with pytest.raises(errors.NotFound):
        get(transport(server.url, limits=Limits(error_bytes=1000)))


def test_expected_errors_are_answers(raw):
    server = raw(response(b"conflict", status=409))
    with transport(server.url).send("POST", "x", body=b"1", expected={409}) as answer:
        assert (answer.status, answer.read(100)) == (409, b"conflict")


def test_warning_headers(raw):
    text = '299 host:80 "There are 5 additional \\"results\\"", 299 - "second"'
    with transport(raw(response(b"", Warning=text)).url).send("GET", "x") as answer:
        assert answer.warnings == ('There are 5 additional "results"', "second")
    with transport(raw(response(b"", Warning="odd")).url).send("GET", "x") as answer:
        assert answer.warnings == ("odd",)


# Workers, cancelling, connections


def test_no_more_requests_than_workers(raw):
    now, most, lock = [0], [0], threading.Lock()
    meeting, count = threading.Barrier(3, timeout=SECONDS), itertools.count()

    def respond(request):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            is_among_the_first = next(count) < 3
        if is_among_the_first:
            meeting.wait()
        time.sleep(0.03)
        with lock:
            now[0] -= 1
        yield response(b"x")

    made = transport(raw(respond).url, workers=3)
    threads = [threading.Thread(target=get, args=(made,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 3


def test_an_open_answer_holds_its_slot_but_not_its_own_thread(raw):
    made = transport(raw(response(b"x")).url, workers=1)
    first = made.send("GET", "a")
    assert get(made) == b"x"  # nested in the same thread: it would wait for itself
    seen = []
    thread = threading.Thread(target=lambda: seen.append(get(made)))
    thread.start()
    thread.join(0.2)
    assert seen == []
    first.close()
    first.close()
    thread.join(SECONDS)
    assert seen == [b"x"]


def test_failures_give_their_slot_back(raw):
    server = raw(in_turn(response(b"", status=404), [RESET], response(b"x")))
    made = transport(server.url, workers=1)
    with pytest.raises(errors.NotFound):
        get(made)
    threads = [threading.Thread(target=get, args=(made,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_cancel_while_waiting_for_a_slot_or_a_pause(raw):
    made = transport(raw(response(b"x")).url, workers=1)
    cancel = Cancel()
    with made.send("GET", "a"):
        caught = []

        def wait():
            try:
                made.send("GET", "b", cancel=cancel)
            except errors.Cancelled as error:
                caught.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        cancel.set()
        thread.join(SECONDS)
        assert len(caught) == 1
    with pytest.raises(errors.Cancelled):
        made.send("GET", "c", cancel=cancel)


def test_cancel_in_mid_body(raw):
    cancel = Cancel()
    made = transport(raw(response(bytes(1000))).url)
    with made.send("GET", "x", cancel=cancel) as answer:
        answer.readinto(bytearray(10))
        cancel.set()
        with pytest.raises(errors.Cancelled):
            answer.readinto(bytearray(10))


@pytest.mark.parametrize(
    "answer",
    [
        response(b"12345"),
        response(b""),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
    ],
)
def test_connections_are_used_again(raw, answer):
    server = raw(answer, keep=True)
    made = transport(server.url)
    for _ in range(3):
        with made.send("GET", "x") as found:
            found.read(1000)
    for _ in range(3):
        found = made.send("GET", "x")
        found.readinto(bytearray(5))
        found.finish()
    assert server.connections == 1
    assert len(server.requests) == 6


def test_an_answer_that_was_not_read_gives_its_connection_up(raw):
    server = raw(response(bytes(10_000_000)), keep=True)
    made = transport(server.url)
    for _ in range(2):
        made.send("GET", "x").close()
    for _ in range(2):
        found = made.send("GET", "x")
        found.readinto(bytearray(5))
        found.finish()
    assert server.connections == 4


def test_closing_and_going_on(raw):
    made = transport(raw(response(b"x"), keep=True).url)
    assert get(made) == b"x"
    made.close()
    assert get(made) == b"x"


def _in_a_child(made, queue) -> None:
    queue.put(get(made))


def test_a_forked_process_opens_its_own_connections(raw):
    server = raw(response(b"x"), keep=True)
    made = transport(server.url)
    get(made)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(made, queue))
    child.start()
    assert queue.get(timeout=SECONDS) == b"x"
    child.join(SECONDS)
    assert get(made) == b"x"
    assert server.connections == 2


def test_pickled_as_address_and_recipe(raw):
    server = raw(response(b"x"))
    made = transport(server.url, workers=3)
    get(made)
    again = pickle.loads(pickle.dumps(made))
    assert get(again) == b"x"
    assert again.options.workers == 3
    assert repr(again) == f"Transport('{server.url}', auth=None)"


# A server that hangs


HANGING = pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        response(b"[1,", length=900),
        response(b"[1,", length=-1),
    ],
    ids=["before the head", "in the head", "in the body", "in a body of unknown length"],
)


def hanging(raw, begun: bytes, hangs: threading.Event, **options):
    """A server that says how an answer begins and then nothing, until the test is over."""
    over = threading.Event()

    def answer(request):
        yield begun
        hangs.set()
        over.wait(SECONDS)

    return over, raw(lambda request: answer(request), **options)


@HANGING
@pytest.mark.parametrize("tls", [False, True])
def test_cancel_breaks_what_waits_for_a_server_that_hangs(
    raw, certificate, begun: bytes, tls: bool
):
    hangs, cancel = threading.Event(), Cancel()
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    over, server = hanging(raw, begun, hangs, tls=context)
    made = transport(server.url, verify=str(certificate))

    def stop():
        assert hangs.wait(SECONDS)
        time.sleep(0.2)  # by now it waits
        cancel.set()

    thread = threading.Thread(target=stop)
    thread.start()
    begin = time.monotonic()
    with pytest.raises(errors.Cancelled):
        get(made, cancel=Cancel(cancel))
    assert time.monotonic() - begin < made.options.timeout[1] / 4
    thread.join()
    over.set()
    assert len(server.requests) == 1


@HANGING
def test_an_error_beside_a_server_that_hangs_leaves_no_thread(raw, begun: bytes):
    """The other requests of a set are stopped at once; so they are by Ctrl-C."""
    hangs = threading.Event()
    over, server = hanging(raw, begun, hangs)
    made = transport(server.url)

    def work(number: int, cancel: Cancel) -> bytes:
        if number:
            return get(made, cancel=cancel)
        assert hangs.wait(SECONDS)
        raise KeyError(number)

    before, begin = set(threading.enumerate()), time.monotonic()
    with pytest.raises(KeyError):
        list(side_by_side(work, range(4), workers=4))
    assert time.monotonic() - begin < made.options.timeout[1] / 4
    assert not [one for one in set(threading.enumerate()) - before if "dicomnb" in one.name]
    over.set()


def test_what_is_cancelled_afterwards_is_left_alone(raw):
    server, cancel = raw(response(b"[]"), keep=True), Cancel()
    made = transport(server.url)
    get(made, cancel=cancel)
    cancel.set()
    get(made)
    get(made)
    assert server.connections == 1
