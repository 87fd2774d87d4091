"""A token server on this machine, as strict as Google's with what it is sent; and an API.

Both are plain HTTP servers; the credentials that meet them are google-auth's own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

if TYPE_CHECKING:
    from pathlib import Path

EMAIL = "robot@p.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
REFRESH_TOKEN = "1//refresh-s3cret"
CLIENT_SECRET = "client-s3cret"
GOOGLES_OWN = "https://oauth2.googleapis.com/token"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass
class Tokens:
    """A running token server.

    Attributes:
        expires_in: seconds that it says a token is good for.
        grants: what it gave tokens for, in order.
        good: the tokens that an API should take.
    """

    expires_in: int = 3600
    grants: list[dict[str, Any]] = field(default_factory=list)
    good: set[str] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.server = serve(_handler(self))
        self.root = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def private_key(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def key_file(self, path: Path, **more: str) -> Path:
        """A service account's key as Google hands it out, with this server in it."""
        info = {
            "type": "service_account",
            "project_id": "p",
            "client_email": EMAIL,
            "private_key_id": "1",
            "private_key": self.private_key(),
            "token_uri": f"{self.root}/token",
        }
        path.write_text(json.dumps(info | more))
        return path

    def user_file(self, path: Path, **more: str) -> Path:
        """What ``gcloud auth application-default login`` writes."""
        info = {
            "type": "authorized_user",
            "client_id": "client.apps.googleusercontent.com",
            "client_secret": CLIENT_SECRET,
            "refresh_token": REFRESH_TOKEN,
        }
        path.write_text(json.dumps(info | more))
        return path

    def revoke(self) -> None:
        """No token given so far is taken any more."""
        self.good.clear()

    def grant(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The answer to a request for a token."""
        if form.get("grant_type") == JWT_BEARER:
            claims = self._verified(form.get("assertion", ""))
        elif form.get("grant_type") == "refresh_token":
            right = (REFRESH_TOKEN, CLIENT_SECRET)
            is_right = (form.get("refresh_token"), form.get("client_secret")) == right
            claims = {"kind": "user"} if is_right else None
        else:
            return 400, {"error": "unsupported_grant_type"}
        if claims is None:
            # As a careless server would: it echoes what it was sent.
            said = form.get("assertion") or form.get("refresh_token")
            return 400, {"error": "invalid_grant", "error_description": f"Bad: {said}"}
        token = f"ya29.token-{len(self.grants) + 1}-s3cret"
        self.grants.append(claims)
        self.good.add(token)
        return 200, {
            "access_token": token,
            "expires_in": self.expires_in,
            "token_type": "Bearer",
        }

    def _verified(self, assertion: str) -> dict[str, Any] | None:
        """The claims of an assertion that is signed with the key, for this server, and in time."""
        head, body, signature = map(_decoded, assertion.split("."))
        signed = assertion.rpartition(".")[0].encode()
        try:
            self.key.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return None
        claims: dict[str, Any] = json.loads(body)
        now = time.time()
        is_right = (
            json.loads(head)["alg"] == "RS256"
            and claims["iss"] == EMAIL
            and claims["aud"] == GOOGLES_OWN  # google-auth's, whatever the file's token_uri is
            and claims["scope"] == SCOPE
            and now - 60 < claims["iat"] <= now + 60 < claims["exp"] <= now + 3660
        )
        return claims if is_right else None


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Server(ThreadingHTTPServer):
    """Clients may leave when they like."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def serve(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """A server on a free port, in a thread."""
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


class Quiet(BaseHTTPRequestHandler):
    """A handler that writes no log and answers JSON."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, status: int, said: object, kind: str = "application/json") -> None:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _handler(tokens: Tokens) -> type[BaseHTTPRequestHandler]:
    class Handler(Quiet):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self.answer(*tokens.grant(form))

    return Handler


@dataclass
class Api:
    """A DICOMweb server that wants a token of ``tokens`` and answers every search with ``[]``.

    Attributes:
        seen: (method, path, headers by lower-case name) of each request.
        stored: SHA-256 and length of each body that was taken whole.
        refuse_after: bytes of a body after which a bad token is answered, the rest unread and
            the connection closed; None reads all of it first.
        refused: how many bytes had been read of each body that was refused.
    """

    tokens: Tokens
    refuse_after: int | None = None
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list, repr=False)
    stored: list[tuple[str, int]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = serve(_api_handler(self))
        self.root = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.url = f"{self.root}/dicom-web"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _api_handler(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(Quiet):
        def do_GET(self) -> None:
            if self._is_let_in():
                self.answer(200, b"[]", "application/dicom+json")
            else:
                self.answer(401, {"error": {"code": 401, "message": "Who are you?"}})

        def do_POST(self) -> None:
            left = int(self.headers["Content-Length"])
            let_in = self._is_let_in()
            digest, done = hashlib.sha256(), 0
            while left > done:
                if not let_in and api.refuse_after is not None and done >= api.refuse_after:
                    break
                piece = self.rfile.read1(min(left - done, 1 << 16))
                if not piece:
                    return
                done += len(piece)
                digest.update(piece)
            if let_in:
                api.stored.append((digest.hexdigest(), done))
                self.answer(200, b"{}", "application/dicom+json")
                return
            api.refused.append(done)
            self.close_connection = done < left
            self.answer(401, {"error": {"code": 401, "message": "Who are you?"}})

        def _is_let_in(self) -> bool:
            headers = {name.lower(): value for name, value in self.headers.items()}
            api.seen.append((self.command, self.path, headers))
            scheme, _, token = self.headers.get("Authorization", "").partition(" ")
            return scheme == "Bearer" and token in api.tokens.good

    return Handler
