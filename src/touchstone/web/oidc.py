"""
Single sign-on: OpenID Connect's authorization code flow, with PKCE, state and nonce.

Everything that is asked of the issuer goes through the one outbound door, to the issuer's own host and to hosts that
the settings name (R13). The ID token is checked by a library (the extra `oidc`): signature by a key of the issuer,
algorithm from a fixed list, issuer, audience, times and nonce. Nothing else of what the issuer says is believed.

Specification: OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3.7; PKCE: RFC 7636; issuer in the answer: RFC 9207.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson

from touchstone.catalog.addresses import is_near
from touchstone.catalog.outbound import Door, Limits
from touchstone.catalog.source_failed import SourceFailed
from touchstone.errors import ExtraMissing, TouchstoneError
from touchstone.web.issuer import Issuer, load_issuer, roles_from

__all__ = ["Flows", "Issuer", "SignInFailed", "Vouched", "begin", "finish", "load_issuer"]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Signatures by a private key of the issuer; `none` and shared secrets are not among them."""
FLOW_S = 600.0
"""For so long somebody may be away at the issuer."""
_MOST_FLOWS = 5_000
_SKEW_S = 60
"""How far the issuer's clock and ours may differ."""
_LIMITS = Limits(connect_s=5.0, idle_s=10.0, total_s=20.0, max_bytes=1 << 20, max_values=50_000)


class SignInFailed(TouchstoneError):
    """The issuer did not vouch for whoever came; why is a code, for the log of the site."""

    def __init__(self, *, code: str) -> None:
        self.code = code
        super().__init__("the single sign-on did not succeed ({code}); try again, or ask who runs this site", code=code)


@dataclass(frozen=True)
class Flow:
    """Somebody is away at the issuer."""

    state: str
    nonce: str
    verifier: str
    back_to: str
    """A path of ours."""
    ends: float


@dataclass
class Flows:
    """Those who are away, in memory: a restart makes them begin again."""

    now: Callable[[], float] = time.monotonic
    _open: dict[str, Flow] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, back_to: str) -> tuple[str, Flow]:
        """A new flow, and what the browser is given, so that nobody else can end it."""
        ticket = secrets.token_urlsafe(32)
        flow = Flow(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), back_to,
            self.now() + FLOW_S,
        )  # fmt: skip
        with self._guard:
            for old in [key for key, one in self._open.items() if one.ends <= self.now()]:
                del self._open[old]
            while len(self._open) >= _MOST_FLOWS:
                del self._open[next(iter(self._open))]
            self._open[_digest(ticket)] = flow
        return ticket, flow

    def take(self, ticket: str, state: str) -> Flow:
        """
        The flow of a browser that came back; it is over for everybody with this.

        Raises:
            SignInFailed: this browser began none, or another one.
        """
        with self._guard:
            flow = self._open.pop(_digest(ticket), None) if ticket else None
        if flow is None or flow.ends <= self.now():
            raise SignInFailed(code="no_flow")
        if not secrets.compare_digest(flow.state.encode(), state.encode()):
            raise SignInFailed(code="state")
        return flow


@dataclass(frozen=True)
class Vouched:
    """Whom the issuer vouches for."""

    subject: str
    name: str
    roles: Mapping[str, Any] | None
    """By project, as the claims say; None where the settings map no claim."""


def begin(issuer: Issuer, flow: Flow, redirect_uri: str) -> str:
    """Where the browser is sent. Raises `SignInFailed` and `SettingsError`."""
    known = asyncio.run(_discover(issuer))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": issuer.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(issuer.scopes),
        "state": flow.state,
        "nonce": flow.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    place = known["authorization_endpoint"]
    return f"{place}{'&' if '?' in place else '?'}{urlencode(query)}"


def finish(
    issuer: Issuer, flow: Flow, *, code: str, said_issuer: str | None, redirect_uri: str, secret: str | None
) -> Vouched:
    """
    Whom the issuer vouches for, once the browser is back with a code.

    Args:
        said_issuer: The `iss` that came with the code, where the issuer sends one (RFC 9207).
        secret: The client's secret; None for a public client, which PKCE alone protects.

    Raises:
        SignInFailed: anything does not fit.
        ExtraMissing: the library that checks tokens is not installed.
    """
    if said_issuer is not None and said_issuer != issuer.issuer:
        raise SignInFailed(code="issuer")
    return asyncio.run(_finish(issuer, flow, code, redirect_uri, secret))


async def _finish(issuer: Issuer, flow: Flow, code: str, redirect_uri: str, secret: str | None) -> Vouched:
    known = await _discover(issuer)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": issuer.client_id,
        "code_verifier": flow.verifier,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if secret is not None:
        # RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
        pair = f"{quote(issuer.client_id, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    said = await _ask(issuer, known["token_endpoint"], post=urlencode(form).encode(), headers=headers)
    keys = await _ask(issuer, known["jwks_uri"])
    token = said.get("id_token")
    if not isinstance(token, str):
        raise SignInFailed(code="no_id_token")
    claims = check_id_token(token, keys, issuer=issuer.issuer, client_id=issuer.client_id, nonce=flow.nonce)
    name = claims.get(issuer.name_claim) or claims.get("preferred_username") or claims.get("email") or claims["sub"]
    return Vouched(claims["sub"], str(name), roles_from(issuer, claims))


def check_id_token(
    token: str, keys: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, now: int | None = None
) -> Mapping[str, Any]:
    """
    The claims of an ID token that is what it says (OpenID Connect Core, 3.1.3.7).

    Args:
        keys: The issuer's key set as it was sent.
        now: Seconds since 1970; the wall clock by default.

    Raises:
        SignInFailed: with the code of the first thing that does not fit.
    """
    try:
        from joserfc import jwt
        from joserfc.errors import ClaimError, JoseError
        from joserfc.jwk import KeySet
    except ImportError:
        raise ExtraMissing(feature="single sign-on", extra="oidc") from None
    # Only keys for signatures, by a private part that the issuer has: a shared secret in the set is none.
    usable = [
        key
        for key in keys.get("keys", ())
        if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
    ]
    try:
        found = jwt.decode(token, KeySet.import_key_set({"keys": usable}), algorithms=list(ALGORITHMS))
        claims: Mapping[str, Any] = found.claims
        jwt.JWTClaimsRegistry(
            now=now if now is not None else int(time.time()),
            leeway=_SKEW_S,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        ).validate(dict(claims))
    except ClaimError as error:
        raise SignInFailed(code=f"token_{error.claim}") from None
    except (JoseError, ValueError, TypeError, KeyError):
        raise SignInFailed(code="token_signature") from None
    audience = claims["aud"]
    if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != client_id:
        raise SignInFailed(code="token_azp")
    if claims.get("azp", client_id) != client_id:
        raise SignInFailed(code="token_azp")
    return claims


async def _discover(issuer: Issuer) -> Mapping[str, str]:
    known = await _ask(issuer, issuer.issuer.rstrip("/") + "/.well-known/openid-configuration")
    if known.get("issuer") != issuer.issuer:
        raise SignInFailed(code="issuer")
    found: dict[str, str] = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        place = known.get(name)
        if not isinstance(place, str) or not _may_ask(issuer, place):
            raise SignInFailed(code="endpoint")
        found[name] = place
    return found


def _may_ask(issuer: Issuer, place: str) -> bool:
    """Whether an address that the issuer named is its own, or of a host that the settings name."""
    try:
        here, there = urlsplit(issuer.issuer), urlsplit(place)
        same = (there.scheme, there.hostname, there.port) == (here.scheme, here.hostname, here.port)
        named = there.scheme == "https" and there.port in (None, 443) and there.hostname in issuer.hosts
    except ValueError:
        return False
    return (same or named) and not there.fragment and there.username is None


async def _ask(
    issuer: Issuer, place: str, *, post: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    base = issuer.issuer
    door = Door(near=(base,) if is_near(base) else (), limits=_LIMITS)
    try:
        answer = await door.ask(place, post=post, headers=headers)
        said = orjson.loads(answer.body)
    except SourceFailed as error:
        raise SignInFailed(code="unreachable" if error.status is None else f"http_{error.status}") from None
    except orjson.JSONDecodeError:
        raise SignInFailed(code="answer") from None
    if not isinstance(said, dict):
        raise SignInFailed(code="answer")
    return said


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
