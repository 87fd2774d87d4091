"""Servers that mean harm, or are broken as if they did."""

from __future__ import annotations

import contextlib
import gzip
import pickle
import subprocess
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from dicomnb.errors import (
    AuthError,
    Cancelled,
    ConnectionFailed,
    DicomnbError,
    DicomWebError,
    OriginRefused,
    ProtocolError,
)
from dicomnb.options import Options
from dicomnb.pool import Cancel
from dicomnb.query import Query
from dicomnb.refs import Ref
from dicomnb.source import Rendering
from dicomnb.web.addresses import base_address
from dicomnb.web.auth import Bearer
from dicomnb.web.client import WebSource
from dicomnb.web.failures import words_of
from dicomnb.web.families import FAMILIES
from dicomnb.web.secrecy import secrets_in
from dicomnb.wire.multipart import SizedBody, outgoing_upload
from dicomnb.wire.storing import BytesUpload
from tests.conftest import real_file
from tests.web.raw_server import RESET, Raw, Request, response, source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "a-token-0123456789"
REF = Ref("1.2", "1.3", "1.4")
MULTIPART = "multipart/related; boundary=b"
LONG = 120
"""Seconds that a server drips; a busy machine takes much fewer."""


def asked(raw: Raw, **options: object) -> WebSource:
    made = source(raw.url, auth=Bearer(TOKEN), options=Options(**options))  # type: ignore[arg-type]
    made._family = FAMILIES["dicomnb"]
    return made


def upload() -> BytesUpload:
    return BytesUpload(real_file("CT_small.dcm").read_bytes(), "CT")


CALLS: dict[str, Callable[[WebSource], object]] = {
    "search": lambda one: list(one.search(Query("study"))),
    "metadata": lambda one: list(one.metadata(REF)),
    "instances": lambda one: [part.read() for part in one.instances(REF)],
    "frames": lambda one: [part.read() for part in one.frames(REF, [1])],
    "bulk": lambda one: [part.read() for part in one.bulk("bulk/1")],
    "rendered": lambda one: [part.read() for part in one.rendered(REF, Rendering())],
    "store": lambda one: one.store([upload()]),
    "delete": lambda one: one.delete(REF),
}


def texts_and_variables(error: BaseException) -> str:
    """All that a traceback could show, variables of the product's own frames included."""
    found: list[str] = []
    waiting: list[BaseException | None] = [error]
    known: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in known:
            continue
        known.add(id(one))
        found += [str(one), repr(one)]
        trace = one.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename != __file__:
                found += [repr(value) for value in trace.tb_frame.f_locals.values()]
            trace = trace.tb_next
        waiting += [one.__cause__, one.__context__]
    return "\n".join(found)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 100_000, 200),
        (b'[{"00100010":' + b"[" * 50_000, 200),
        (b'{"00081199":' * 50_000, 200),
        (b'{"error":' * 500 + b"1" + b"}" * 500, 404),
        (b"[" * 900 + b"]" * 900, 409),
        (b'{"00081198":{"Value":[{"00081197":{"Value":["' + b"9" * 5000 + b'"]}}]}}', 409),
    ],
)
def test_brackets_without_end_are_typed_errors(
    raw: Callable[..., Raw], call: str, body: bytes, status: int
) -> None:
    one = asked(raw(response(body, status=status)))
    try:
        CALLS[call](one)
    except DicomnbError:
        pass
    else:
        assert status == 200 or call == "store"
    one.close()


@pytest.mark.parametrize(
    "body", [b"<" * 500_000, b"<script " * 60_000, b"<script>" * 60_000, b"<a" * 200_000]
)
def test_the_words_of_any_page_are_found_at_linear_cost(body: bytes) -> None:
    # Quadratic cost would take hours of the processor; the system ends the process long before.
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_CPU, (30, 30));"
        "from dicomnb.web.failures import words_of; words_of(sys.stdin.buffer.read())"
    )
    subprocess.run([sys.executable, "-c", code], input=body * 20, check=True)


def test_scripts_and_styles_are_no_words() -> None:
    page = b"<html><STYLE>a > b {}</style><p>Not&nbsp;here<script>if (a < b) c</script>.</p>"
    assert words_of(page).split() == ["Not", "here", "."]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("where", ["page", "json", "error", "warning", "type", "packing", "away"])
def test_an_echoed_credential_is_not_shown(raw: Callable[..., Raw], call: str, where: str) -> None:
    def echo(request: Request) -> bytes:
        sent = request.headers["authorization"]
        answers = {
            "page": response(f"<p>{sent.upper()}</p>".encode(), kind="text/html"),
            "json": response(f"[{sent}".encode()),
            "error": response(sent.encode(), status=403),
            "warning": response(b"{}", Warning=f'299 x "{sent}"'),
            "type": response(b"{}", kind=sent),
            "packing": response(b"{}", Content_Encoding=sent),
            "away": response(status=307, Location=f"http://elsewhere.example/{sent[7:]}?a={sent}"),
        }
        return answers[where]

    one = asked(raw(echo))
    try:
        told = repr(CALLS[call](one))
    except DicomnbError as error:
        told = str(error) + repr(error)
    assert TOKEN not in told.lower()
    one.close()


def test_a_redirect_within_the_server_does_not_show_the_credential_it_holds(
    raw: Callable[..., Raw],
) -> None:
    one = asked(raw(lambda request: response(status=302, Location=f"/login/{TOKEN}")))
    with pytest.raises(ProtocolError, match="circle") as caught:
        list(one.metadata(REF))
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "hidden"),
    [
        ({"Authorization": "Basic dXNlcjpodW50ZXI="}, {"dXNlcjpodW50ZXI=", "hunter"}),
        ({"Authorization": "Basic ???"}, {"Basic ???"}),
        ({"X-API-Key": "abcdef"}, {"abcdef"}),
        ({"Cookie": "a=1; session=longenough"}, {"longenough"}),
        ({"Accept": "application/dicom+json", "User-Agent": "dicomnb"}, set()),
    ],
)
def test_what_is_secret_in_headers(headers: dict[str, str], hidden: set[str]) -> None:
    found = set(secrets_in(headers))
    assert hidden <= found
    assert bool(found) == bool(hidden)
    assert "1" not in found


def test_no_traceback_holds_the_credential(raw: Callable[..., Raw]) -> None:
    class Vanishing:
        name = "x"
        opened = 0
        length = upload().length

        def open(self) -> object:
            self.opened += 1
            if self.opened > 1:
                raise OSError(2, "No such file")
            return upload().open()

    server = raw(response(b"[]"))
    (told,) = asked(server).store([Vanishing()])  # type: ignore[list-item]
    assert told.outcome == "failed"
    assert "No such file" in told.reason
    body = SizedBody([outgoing_upload(Vanishing())])  # type: ignore[arg-type]
    list(body)
    with pytest.raises(ProtocolError, match="No such file") as vanished:
        asked(server)._transport.send("POST", "studies", body=body)
    refused = raw(response(b"no", status=401))
    with pytest.raises(AuthError) as unauthorized:
        list(asked(refused).metadata(REF))
    broken = raw(lambda request: iter([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", RESET]))
    with pytest.raises(ProtocolError) as cut:
        list(asked(broken).metadata(REF))
    wrong = source(server.url, auth=Bearer(lambda: f"{TOKEN} with blanks"))
    with pytest.raises(AuthError, match="blanks") as malformed:
        list(wrong.metadata(REF))
    for caught in (vanished, unauthorized, cut, malformed):
        assert TOKEN not in texts_and_variables(caught.value)


LOCATIONS = [
    "http://[",
    "//[evil/",
    "http://a]b",
    "http://h:99999/",
    "http://127.0.0.1@evil.example/",
    "http://169.254.169.254/latest/meta-data",
    "//evil.example/",
    "file:///etc/passwd",
    "\u00ff\u00fe",
]


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("call", ["search", "bulk", "delete"])
def test_redirects_that_lead_nowhere_good(
    raw: Callable[..., Raw], call: str, location: str
) -> None:
    head = b"HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: "
    server = raw(head + location.encode("latin-1") + b"\r\n\r\n")
    with pytest.raises(OriginRefused):
        CALLS[call](asked(server))
    assert len(server.requests) == 1


@pytest.mark.parametrize("uri", LOCATIONS)
def test_bulk_data_that_lies_nowhere_good(raw: Callable[..., Raw], uri: str) -> None:
    server = raw(response(b"[]"))
    with pytest.raises(OriginRefused):
        list(asked(server).bulk(uri))
    assert not server.requests


def test_the_body_of_a_redirect_is_not_read(raw: Callable[..., Raw]) -> None:
    bomb = gzip.compress(bytes(64 << 20), 1)
    moved = response(bomb, status=302, Location="/there", Content_Encoding="gzip")
    server = raw(lambda request: response(b"[]") if request.target == "/there" else moved)
    tracemalloc.start()
    try:
        assert [page.rows for page in asked(server).metadata(REF)] == [b"[]"]
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_hooks_of_a_session_brought_along_are_called_and_kept(raw: Callable[..., Raw]) -> None:
    import requests

    seen: list[int] = []
    session = requests.Session()
    hooks = session.hooks["response"]
    hooks.append(lambda answer, *_, **__: seen.append(answer.status_code))
    moved = response(status=302, Location="/there")
    server = raw(lambda request: response(b"[]") if request.target == "/there" else moved)
    one = source(server.url, session=session)
    assert [page.count for page in one.metadata(REF)] == [0]
    assert seen == [302, 200]
    assert len(hooks) == 1
    session.close()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: " + MULTIPART.encode()
PARTS = b"--b\r\n\r\nabc\r\n--b--"


def drip(first: bytes, piece: bytes) -> Iterator[bytes]:
    yield first
    for _ in range(20 * LONG):
        time.sleep(0.05)
        yield piece


def test_what_drips_after_the_end_is_not_waited_for(raw: Callable[..., Raw]) -> None:
    first = CHUNKED + b"\r\n\r\n%x\r\n%s\r\n" % (len(PARTS), PARTS)
    server = raw(lambda request: drip(first, b"1\r\nx\r\n"))
    begin = time.monotonic()
    assert [part.read() for part in asked(server).instances(REF)] == [b"abc"]
    assert time.monotonic() - begin < LONG / 4


def test_an_answer_that_drips_can_be_cancelled(raw: Callable[..., Raw]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n["
    server = raw(lambda request: drip(head, b" "))
    cancel = Cancel()
    begin = time.monotonic()

    def stopping() -> Iterator[bytes]:
        for piece in drip(head, b" "):
            if time.monotonic() - begin > 0.3:
                cancel.set()
            yield piece

    server.respond = lambda request: stopping()
    with pytest.raises(Cancelled):
        list(asked(server).metadata(REF, cancel=cancel))
    assert time.monotonic() - begin < LONG / 4


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n[]",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nWarning: " + b"299 " * 15_000 + b"\r\n\r\n[]",
    ],
)
@pytest.mark.parametrize("call", CALLS)
def test_malformed_heads_are_typed_errors(
    raw: Callable[..., Raw], call: str, answer: bytes
) -> None:
    one = asked(raw(answer))
    begin = time.monotonic()
    with contextlib.suppress(DicomWebError):
        CALLS[call](one)
    assert time.monotonic() - begin < one._options.timeout[1] / 4
    one.close()


def test_padding_after_a_packed_body_ends_it(raw: Callable[..., Raw]) -> None:
    body = gzip.compress(b"[") + gzip.compress(b"]") + bytes(7)
    server = raw(response(body, Content_Encoding="gzip"))
    assert [page.rows for page in asked(server).metadata(REF)] == [b"[]"]


def test_a_body_cut_anywhere_is_not_taken_for_whole(raw: Callable[..., Raw]) -> None:
    body = b"--b\r\nContent-Length: 3\r\n\r\nabc\r\n--b\r\n\r\nxyz\r\n--b--"
    cuts = [(end, told) for end in range(len(body)) for told in (-1, len(body))]
    answers = iter(cuts)

    def cut(request: Request) -> bytes:
        end, told = next(answers)
        return response(body[:end], length=told, kind=MULTIPART)

    one = asked(raw(cut))
    for place in cuts:
        with pytest.raises(ProtocolError):
            pytest.fail(f"taken for whole: {place} {[p.read() for p in one.instances(REF)]}")
    one.close()


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pa/ss@host.example/dicom",
        "https://user:pa?ss@host.example/dicom",
        "https://user:pa#ss@host.example/dicom",
        "https://user:12?pass@host.example/dicom",
        "user:pass@host.example/dicom",
        "http://\uff20host/",
        "http://ex\u00e4..example/",
        "http://" + "\u00e4" * 80 + ".example/",
        "http://fa\u00df.example/",
        "http://[",
    ],
)
def test_addresses_that_are_none_show_no_password(url: str) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        base_address(url)
    for piece in ("pa", "ss", "12", "user"):
        assert piece not in (caught.value.url or "")


def test_host_names_are_looked_up_in_ascii_and_keep_their_user() -> None:
    address, user = base_address("https://u:p@b\u00fccher.example:8042/x")
    assert str(address) == "https://xn--bcher-kva.example:8042/x"
    assert user == ("u", "p")
    address, user = base_address("http://u:p@[::1]:8042/x")
    assert (str(address), user) == ("http://[::1]:8042/x", ("u", "p"))


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..b"])
def test_hosts_that_cannot_be_asked(host: str) -> None:
    with pytest.raises(ConnectionFailed, match="could not be made"):
        WebSource(f"http://{host}/x").check()


def test_a_proxys_password_is_not_pickled() -> None:
    options = Options(proxies={"https": "http://user:secret@proxy.example:3128"})
    with pytest.raises(pickle.PicklingError, match="proxy") as caught:
        pickle.dumps(WebSource("https://host.example/x", options=options))
    assert "secret" not in str(caught.value)
