"""Signing in as the documentation shows: OpenID Connect, and AWS's signatures (SigV4)."""

from __future__ import annotations

import doctest
import hashlib
import hmac
import json
import os
import re
import traceback
from urllib.parse import parse_qs

import pytest
import requests

import dicomnb as dn
from tests.web.raw_server import response

SECRET = "s3cret-s3cret"
KEY_ID = "AKIDEXAMPLE"


def shown(what: object, **places: str) -> dict[str, object]:
    """Run the examples of a docstring, with other addresses in the place of theirs."""
    names: dict[str, object] = {
        "connect": dn.connect,
        "Bearer": dn.Bearer,
        "os": os,
        "requests": requests,
    }
    examples = doctest.DocTestParser().get_examples(what.__doc__)
    source = "".join(one.source for one in examples if "//localhost" not in one.source)
    for host, place in places.items():
        pattern = rf'"https://{host.replace("_", "[.-]")}[^"]*"'
        assert re.search(pattern, source), (pattern, source)
        source = re.sub(pattern, repr(place), source)
    exec(source, names)
    return names


class Realm:
    """The token server of a realm, and a DICOMweb server that takes its last token only."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.refused = 0

    def token(self, request):
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        wanted = {
            "grant_type": "client_credentials",
            "client_id": "notebook",
            "client_secret": SECRET,
        }
        if request.method != "POST" or form != wanted:
            return response(b'{"error": "unauthorized_client"}', status=401)
        self.given.append(f"token-{len(self.given)}")
        said = {"access_token": self.given[-1], "token_type": "Bearer", "expires_in": 300}
        return response(json.dumps(said).encode(), kind="application/json")

    def dicomweb(self, request):
        if request.headers.get("authorization") != f"Bearer {self.given[-1]}":
            self.refused += 1
            return response(b"", status=401, WWW_Authenticate='Bearer realm="dcm4che"')
        return response(ROW)


def test_the_tokens_of_openid_connect(raw, monkeypatch):
    monkeypatch.setenv("CLIENT_ID", "notebook")
    monkeypatch.setenv("CLIENT_SECRET", SECRET)
    realm = Realm()
    tokens, server = raw(realm.token), raw(realm.dicomweb)
    archive = shown(dn.Bearer, keycloak_example=tokens.url, pacs_example=server.url)["archive"]
    assert list(archive.studies(limit=1)["StudyInstanceUID"]) == ["1.2.3"]
    assert (realm.given, realm.refused) == (["token-0"], 0)
    realm.given.append("revoked")
    assert len(archive.studies(limit=1)) == 1  # 401, a new token, and the request once more
    assert (realm.given[-1], realm.refused) == ("token-2", 1)
    assert all(SECRET not in repr(one) for one in server.requests)


def test_a_token_server_that_refuses_is_told_without_the_secret(raw, monkeypatch):
    monkeypatch.setenv("CLIENT_ID", "someone else")
    monkeypatch.setenv("CLIENT_SECRET", SECRET)
    realm = Realm()
    tokens, server = raw(realm.token), raw(realm.dicomweb)
    with pytest.raises(dn.AuthError, match="the token server answered 401") as caught:
        shown(dn.Bearer, keycloak_example=tokens.url, pacs_example=server.url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    assert server.requests == []


def signature(request, authorization: str) -> str:
    """The signature that AWS would expect of a request as it came in (SigV4)."""
    scope = re.search(r"Credential=[^/]+/([^,]+)", authorization)[1]
    names = re.search(r"SignedHeaders=([^,]+)", authorization)[1]
    path, _, query = request.target.partition("?")
    canonical = "\n".join(
        [
            request.method,
            path,
            "&".join(sorted(query.split("&"))),
            *(f"{name}:{request.headers[name].strip()}" for name in names.split(";")),
            "",
            names,
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signed = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{SECRET}".encode()
    for text in [*scope.split("/"), signed]:
        key = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return key.hex()


def test_signatures_of_aws(raw, monkeypatch):
    """Over what is really sent: a server that signs it again gets the same."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

    def answer(request):
        authorization = request.headers.get("authorization", "")
        if not authorization.startswith(f"AWS4-HMAC-SHA256 Credential={KEY_ID}/"):
            return response(b'{"message": "Missing Authentication Token"}', status=403)
        if not authorization.endswith(f"Signature={signature(request, authorization)}"):
            return response(b'{"message": "signature does not match"}', status=403)
        if request.target.endswith("/instances/1.2.5"):
            return response(PART, kind='multipart/related; type="application/dicom"; boundary=abc')
        return response(ROW)

    server = raw(answer, keep=True)
    archive = shown(dn.connect, dicom_medical_imaging=server.url)["archive"]
    assert len(archive.studies(PatientName="Wang^Xiao", StudyDate=("2020-01-01", None))) == 1
    parts = archive.source.instances(dn.Ref("1.2.3", "1.2.4", "1.2.5"))
    assert [part.read() for part in parts] == [b"abc"]
    assert len({one.headers["authorization"] for one in server.requests}) > 1
    assert all("us-east-1/medical-imaging" in repr(one) for one in server.requests)


ROW = b"""[{"0020000D": {"vr": "UI", "Value": ["1.2.3"]},
"00080020": {"vr": "DA", "Value": ["20230405"]},
"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Wang^Xiao"}]}}]"""
PART = b"--abc\r\nContent-Type: application/dicom\r\n\r\nabc\r\n--abc--\r\n"
