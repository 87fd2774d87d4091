"""Ways through a network: a signing auth object, an IPv6 address, a client certificate."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import socket
import ssl
import threading
import traceback
import warnings

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from requests.auth import AuthBase

import dicomnb as dn
from tests.conftest import SECONDS
from tests.web.forward_proxy import ForwardProxy
from tests.web.raw_server import RESET, in_turn, response, source, transport


class Signing(AuthBase):
    """Signs as AWS's SigV4 does: over the method, the final URL and the headers."""

    def __init__(self) -> None:
        self.signed: list[tuple[str, str, dict[str, str]]] = []

    def __call__(self, request):
        self.signed.append((request.method, request.url, dict(request.headers)))
        request.headers["Authorization"] = f"AWS4-HMAC-SHA256 {len(self.signed)}"
        return request


def test_a_signing_auth_object_sees_what_is_sent(raw):
    server, auth = raw(response(b"[]"), keep=True), Signing()
    archive = dn.connect(server.url, auth=auth)
    archive.studies(PatientName="Wang^Xiao=王")
    assert len(server.requests) == len(auth.signed)
    for sent, (method, url, headers) in zip(server.requests, auth.signed, strict=True):
        assert (sent.method, server.root + sent.target) == (method, url)
        assert headers["Accept"] == sent.headers["accept"]
        assert sent.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
    assert len({one.headers["authorization"] for one in server.requests}) == len(server.requests)


def test_an_ipv6_address():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 loopback on this machine")

    def answer() -> None:
        with listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(response(b"[]", Connection="close"))

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    with listener:
        url = f"http://[::1]:{listener.getsockname()[1]}/dicom-web"
        here = source(url, auth=("user", "password"))
        assert here.address == url
        answered = here._transport.send("GET", "studies")
        with answered:
            assert answered.read(10) == b"[]"
        thread.join(SECONDS)


def made(folder, name: str) -> str:
    """A certificate for this machine with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + secret)
    return str(path)


def test_a_client_certificate_that_the_server_wants(raw, tmp_path):
    hospital, client = made(tmp_path, "hospital"), made(tmp_path, "client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(hospital)
    context.load_verify_locations(client)
    context.verify_mode = ssl.CERT_REQUIRED
    server = raw(response(b"[]"), tls=context)
    with transport(server.url, verify=hospital, cert=client).send("GET", "studies") as answer:
        assert answer.read(10) == b"[]"
    count = len(server.requests)
    with pytest.raises(dn.ConnectionFailed):
        transport(server.url, verify=hospital).send("GET", "studies")
    assert len(server.requests) == count


# A small request is prepared here, a large one by requests: both are the same on the line


def headers_sent(raw, made, *, times: int = 2, **keywords):
    """What a server gets that sets a cookie, by a transport made by ``made(url)``."""
    server = raw(response(b"[]", Set_Cookie="visit=1"))
    here = made(server.url)
    for _ in range(times):
        with here.send("GET", **keywords) as answer:
            assert answer.read(10) == b"[]"
    return [(one.target, one.headers | {"host": "", "connection": ""}) for one in server.requests]


@pytest.mark.parametrize(
    "url",
    [
        "studies/1.2/series/3.4/instances/5.6",
        "studies/1.2/instances?PatientName=A%5eB&x=[1]~%7E",
        "studies/a b/%41/../c;d=e/./f",
        "studies/{1}/|/%zz",
        "",
    ],
)
def test_a_request_prepared_here_is_the_one_that_requests_prepares(raw, monkeypatch, url):
    auth = requests.auth.HTTPBasicAuth("user", "password")
    keywords = {"url": url, "headers": {"Accept": "a/b", "X-One": "1"}}

    def made(address):
        return transport(address, auth=auth)

    try:
        here = headers_sent(raw, made, **keywords)
    except dn.DicomnbError as error:
        here = type(error)
    monkeypatch.setattr("dicomnb.web.network._prepared", by_requests)
    try:
        there = headers_sent(raw, made, **keywords)
    except dn.DicomnbError as error:
        there = type(error)
    assert here == there
    if url.startswith("studies/1.2"):
        assert [one[1].get("cookie") for one in here] == [None, "visit=1"]


def by_requests(session, url, headers, auth):
    """The whole way of requests, which `dicomnb.web.network` shortens."""
    return session.prepare_request(requests.Request("GET", url, headers=headers, auth=auth))


def test_hooks_that_credentials_register_come_before_ours(raw):
    """Digest answers a 401 in a hook; a redirect that then comes is followed here."""
    challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
    server = raw(
        in_turn(
            response(status=401, WWW_Authenticate=challenge),
            response(b"not looked at", status=302, Location="/dicomweb/there"),
            response(b"[]"),
        ),
        keep=True,
    )
    auth = requests.auth.HTTPDigestAuth("user", "password")
    with transport(server.url, auth=auth).send("GET", "studies/1.2") as answer:
        assert answer.read(10) == b"[]"
    assert [one.target for one in server.requests] == [
        "/dicomweb/studies/1.2",
        "/dicomweb/studies/1.2",
        "/dicomweb/there",
    ]
    assert server.requests[1].headers["authorization"].startswith("Digest ")


# Private authorities


def signed_by(folder, authority: str) -> str:
    """A certificate for this machine that an authority (see `made`) issued, with its key."""
    with open(authority, "rb") as file:
        pem = file.read()
    issuer = x509.load_pem_x509_certificate(pem)
    issuer_key = serialization.load_pem_private_key(pem[pem.index(b"-----BEGIN PRIVATE") :], None)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pacs")])
    here = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("pacs.example")]
    issued = (
        x509.CertificateBuilder(issuer.subject, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName(here), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    path = folder / "pacs.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(issued.public_bytes(serialization.Encoding.PEM) + secret)
    return str(path)


@pytest.fixture
def hospital(raw, tmp_path):
    """A server with a certificate of a private authority, and the authority's bundle."""
    authority = made(tmp_path, "hospital")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed_by(tmp_path, authority))
    return raw(response(b"[]"), tls=context), authority


def test_a_private_authority(hospital, tmp_path):
    server, authority = hospital
    archive = dn.connect(server.url, options=dn.Options(verify=authority))
    assert archive.studies(limit=1).empty
    count = len(server.requests)
    for verify in (True, made(tmp_path, "another")):
        with pytest.raises(dn.ConnectionFailed, match=r"not trusted .*Options\(verify=") as caught:
            dn.connect(server.url, options=dn.Options(verify=verify))
        assert "unable to get local issuer certificate" in str(caught.value)
    assert len(server.requests) == count


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_bundle_that_is_none(hospital, tmp_path, content):
    server, _ = hospital
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(dn.ConnectionFailed, match=r"No certificates .*verify=.*bundle\.pem"):
        dn.connect(server.url, options=dn.Options(verify=str(path)))
    assert server.requests == []


def test_a_client_certificate_that_is_not_there(hospital):
    server, authority = hospital
    for cert in ("nowhere.pem", (authority, "nowhere.pem")):
        with pytest.raises(dn.ConnectionFailed, match=r"cert=.*nowhere.*No such file"):
            dn.connect(server.url, options=dn.Options(verify=authority, cert=cert))
    assert server.requests == []


def test_unchecked_certificates_warn_once_whatever_is_asked(hospital):
    with pytest.warns(dn.DicomnbWarning, match="not checked") as caught:
        archive = dn.connect(hospital[0].url, options=dn.Options(verify=False))
    assert len(caught) == 1
    for _ in range(3):
        assert archive.studies(limit=1).empty  # a further warning would be an error


# Proxies

PASSWORD = "pr0xy-s3cret"
ALLOWED = "Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()


@pytest.fixture
def every_name_is_here(monkeypatch):
    """Names of other machines that lead to this one."""
    real = socket.getaddrinfo

    def here(host, *arguments, **keywords):
        known = host == "pacs.example"
        return real("127.0.0.1" if known else host, *arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", here)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_through_a_proxy_that_wants_credentials(raw, hospital, scheme):
    """The proxy's credentials go to the proxy only, and the server's only to the server."""
    encrypted, authority = hospital
    server = encrypted if scheme == "https" else raw(response(b"[]"))
    with ForwardProxy(ALLOWED) as proxy, warnings.catch_warnings():
        if scheme == "http":
            warnings.filterwarnings("ignore", message="Credentials will go to")
        options = dn.Options(
            verify=authority, proxies={scheme: f"http://user:{PASSWORD}@{proxy.address}"}
        )
        url = f"{scheme}://pacs.example:{server.port}/dicomweb"
        archive = dn.connect(url, auth=("user", "of the server"), options=options)
        assert archive.studies(limit=1).empty
        assert PASSWORD not in repr(archive) + repr(options) + archive._repr_html_()
    assert len(proxy.seen) >= 1
    begins = f"CONNECT pacs.example:{server.port} " if scheme == "https" else f"GET {url}/studies"
    assert all(head.startswith(begins) for head in proxy.seen)
    if scheme == "https":
        assert all("\r\nauthorization:" not in head.lower() for head in proxy.seen)
    for request in server.requests:
        assert request.headers["authorization"].startswith("Basic ")
        assert "proxy-authorization" not in request.headers


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("user", ["", f"someone:{PASSWORD}@"])
def test_a_proxy_that_refuses(raw, hospital, scheme, user):
    server = hospital[0] if scheme == "https" else raw(response(b"[]"))
    with ForwardProxy(ALLOWED) as proxy:
        options = dn.Options(verify=hospital[1], proxies={scheme: f"http://{user}{proxy.address}"})
        with pytest.raises(dn.DicomWebError, match=r"[Tt]he proxy wants credentials") as caught:
            dn.connect(f"{scheme}://pacs.example:{server.port}/dicomweb", options=options)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert server.requests == []


@pytest.mark.usefixtures("every_name_is_here")
def test_credentials_over_plain_http_to_another_machine(raw):
    server = raw(response(b"[]"))
    url = f"http://pacs.example:{server.port}/dicomweb"
    with pytest.warns(dn.DicomnbWarning, match="plain http") as caught:
        archive = dn.connect(url, auth=("user", PASSWORD))
    assert len(caught) == 1
    assert archive.studies(limit=1).empty  # a further warning would be an error
    assert PASSWORD not in str(caught[0].message)
    assert dn.connect(url).studies(limit=1).empty  # without credentials there is nothing to warn of
    assert dn.connect(server.url, auth=("user", PASSWORD)).studies(limit=1).empty


def test_a_digest_handshake_that_breaks_off_is_made_again(raw):
    """A server that closes after its challenge without saying so resets what follows."""
    challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'

    def answer(request):
        if "authorization" not in request.headers:
            return response(b"", status=401, WWW_Authenticate=challenge)
        return [RESET] if len(server.requests) == 2 else response(b"[]")

    server = raw(answer, keep=True)
    auth = requests.auth.HTTPDigestAuth("user", PASSWORD)
    with transport(server.url, auth=auth).send("GET", "studies") as answered:
        assert answered.read(10) == b"[]"
    signed = ["authorization" in one.headers for one in server.requests]
    assert signed == [False, True, True]
