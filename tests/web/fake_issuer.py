"""An OpenID Connect issuer on loopback, which can be told to misbehave."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
from joserfc import jwt
from joserfc.jwk import ECKey


@dataclass
class Asked:
    """What a browser was sent here with."""

    query: Mapping[str, str]
    code: str


@dataclass
class FakeIssuer:
    """
    Answers discovery, keys and tokens. Whoever comes is let in as `person`.

    Attributes:
        claims: Put over the claims of the next token; None takes one away.
        sign: What makes a token of claims; by default the issuer's own key.
        document: Put over the discovery document.
    """

    secret: str = "s3cret"
    person: Mapping[str, Any] = field(default_factory=lambda: {"sub": "4711", "preferred_username": "Olga"})
    claims: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    """Why the token endpoint refused."""

    def __post_init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
        self.signs_with: Any = self.key
        self.token: str | None = None
        self._codes: dict[str, Mapping[str, str]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = outer._get(self.path)
                self._say(200 if found is not None else 404, found or {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                said = outer._exchange({k: v[0] for k, v in parse_qs(body).items()}, self.headers.get("authorization"))
                self._say(200 if "id_token" in said else 400, said)

            def _say(self, status: int, body: Mapping[str, Any]) -> None:
                raw = orjson.dumps(body)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def come(self, place: str) -> Asked:
        """A browser comes to the authorization endpoint; whoever sits before it says yes."""
        assert place.startswith(f"{self.address}/authorize?")
        query = {key: values[0] for key, values in parse_qs(urlsplit(place).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self._codes)}"
        self._codes[code] = query
        return Asked(query, code)

    def back(self, asked: Asked, **more: str) -> str:
        """Where the browser is sent back to; a path of the site."""
        place = urlsplit(asked.query["redirect_uri"])
        return f"{place.path}?{urlencode({'code': asked.code, 'state': asked.query['state'], **more})}"

    def _get(self, path: str) -> Mapping[str, Any] | None:
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.address,
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "jwks_uri": f"{self.address}/keys",
                **self.document,
            }
        return {"keys": [self.key.as_dict(private=False)]} if path == "/keys" else None

    def _exchange(self, form: Mapping[str, str], authorization: str | None) -> Mapping[str, Any]:
        query = self._codes.pop(form.get("code", ""), None)
        if query is None:
            return self._refuse("unknown code")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != query["code_challenge"]:
            return self._refuse("verifier")
        if form.get("redirect_uri") != query["redirect_uri"]:
            return self._refuse("redirect_uri")
        if authorization != "Basic " + base64.b64encode(f"{query['client_id']}:{self.secret}".encode()).decode():
            return self._refuse("client")
        now = int(time.time())
        claims = {
            "iss": self.address, "aud": query["client_id"], "iat": now, "exp": now + 300, "nonce": query["nonce"],
            **self.person, **self.claims,
        }  # fmt: skip
        claims = {key: value for key, value in claims.items() if value is not None}
        header = {"alg": "ES256", "kid": "one", **self.header}
        return {"id_token": self.token or jwt.encode(header, claims, self.signs_with), "token_type": "Bearer"}

    def _refuse(self, why: str) -> Mapping[str, Any]:
        self.refused.append(why)
        return {"error": "invalid_grant"}
