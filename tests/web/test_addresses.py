"""Addresses: an origin is what a credential belongs to, and tricks do not change it."""

from __future__ import annotations

import pytest
from urllib3.util import parse_url

from dicomnb.errors import ConnectionFailed, OriginRefused
from dicomnb.web.addresses import (
    Origin,
    base_address,
    parse_address,
    with_parameters,
    without_secrets,
)


@pytest.mark.parametrize(
    ("url", "origin", "text"),
    [
        ("https://h/x", Origin("https", "h", 443), "https://h/x"),
        ("HTTPS://H:443/x?a=b#c", Origin("https", "h", 443), "https://h/x?a=b"),
        ("http://h:8042", Origin("http", "h", 8042), "http://h:8042/"),
        ("http://h:/x", Origin("http", "h", 80), "http://h/x"),
        ("http://[::1]:8042/x", Origin("http", "[::1]", 8042), "http://[::1]:8042/x"),
        ("http://u:p@h/x", Origin("http", "h", 80), "http://h/x"),
        (
            "https://pacs.example.com@evil.com/",
            Origin("https", "evil.com", 443),
            "https://evil.com/",
        ),
    ],
)
def test_origins(url, origin, text):
    address = parse_address(url)
    assert address.origin == origin
    assert str(address) == text
    # What the HTTP library will make of it is the same.
    seen = parse_url(str(address))
    assert (seen.scheme, seen.host) == (origin.scheme, origin.host)
    assert seen.port in (origin.port, None)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://h/x",
        "dicomnb:/studies/1",
        "//h/x",
        "studies/1",
        "http:///x",
        "http://",
        "https://evil.com\\@pacs.example.com/x",
        "https://pacs.example.com\\.evil.com/x",
        "http://h/\r\nHost: evil",
        "http://h/ x",
        "http://h:99999/",
        "http://h:port/",
        "http://[::1/",
        "http://hö/",
        "http://%65vil.com/",
        "http://h\0/",
    ],
)
def test_what_is_refused(url):
    with pytest.raises(OriginRefused):
        parse_address(url)


def test_base_address():
    address, user = base_address("https://us%40er:p%3Aw@h:8443/dicom-web/")
    assert str(address) == "https://h:8443/dicom-web"
    assert user == ("us@er", "p:w")
    assert base_address("http://h")[1] is None
    assert str(base_address("http://h/")[0]) == "http://h"
    assert base_address("http://bücher.example/x")[0].origin.host == "xn--bcher-kva.example"


@pytest.mark.parametrize("url", ["h:8042/dicom-web", "ftp://h/", "http://", "localhost", ""])
def test_no_base_address(url):
    with pytest.raises(ConnectionFailed, match="no address of a server"):
        base_address(url)


def test_a_base_address_has_no_query_and_shows_no_secret():
    with pytest.raises(ConnectionFailed, match="has no query") as caught:
        base_address("https://user:s3cret@h/x?access_token=s3cret")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ConnectionFailed) as caught:
        base_address("ftp://user:s3cret@h/x?key=s3cret")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "name",
    [
        "access_token", "id_token", "key", "sig", "Signature", "X-Amz-Signature", "api_key",
        "X-Amz-Security-Token", "X-Goog-Credential", "client_secret", "PASSWORD", "jwt",
    ],
)  # fmt: skip
def test_secrets_are_cut_out(name):
    shown = without_secrets(f"https://u:s3cret@h/x?limit=5&{name}=s3cret&PatientName=a#s3cret")
    assert "s3cret" not in shown
    assert shown == f"https://h/x?limit=5&{name}=…&PatientName=a"


def test_what_is_no_secret_stays():
    url = "https://h/studies?StudyInstanceUID=1.2&includefield=all&limit=1&offset=2"
    assert without_secrets(url) == url


def test_values_are_escaped():
    url = with_parameters(
        "http://h/studies", [("PatientName", "Wang^XiaoDong=王&x"), ("a", 'T"s y')]
    )
    assert url == ("http://h/studies?PatientName=Wang%5EXiaoDong%3D%E7%8E%8B%26x&a=T%22s%20y")
    assert with_parameters("http://h/x", []) == "http://h/x"
    assert with_parameters("http://h/x?a=1", [("b", "1,2*")]) == "http://h/x?a=1&b=1,2*"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "a.localhost"])
def test_this_machine(host):
    assert Origin("http", host, 80).is_loopback
    assert not Origin("http", f"{host}.example.com", 80).is_loopback
