"""Single sign-on against an issuer on loopback, over real sockets: who comes in, and every way not to."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.web.visiting import Reply, RunningSite, Visitor

from touchstone.errors import SettingsError
from touchstone.web.issuer import SECRET, Issuer, load_issuer, roles_from
from touchstone.workspace.projects import make_project

pytest.importorskip("joserfc", reason="the extra `oidc` is not installed")

from joserfc import jwt
from joserfc.jwk import ECKey
from tests.web.fake_issuer import FakeIssuer


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    found = FakeIssuer()
    yield found
    found.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, issuer: FakeIssuer) -> Iterator[RunningSite]:
    folder = tmp_path_factory.mktemp("oidc") / "workspace"
    folder.mkdir()
    make_project(folder, "support")
    (folder / "sign-in.yaml").write_text(
        f"issuer: {issuer.address}\n"
        "client_id: touchstone\n"
        "claim: groups\n"
        "roles:\n"
        "  team: {support: editor}\n"
        "  leads: {support: admin, default: viewer}\n"
    )
    running = RunningSite(folder, issuer=load_issuer(folder))
    yield running
    running.close()


@pytest.fixture(autouse=True)
def _calm(issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, issuer.secret)
    issuer.claims, issuer.document, issuer.header, issuer.token = {"groups": ["team"]}, {}, {}, None
    issuer.signs_with = issuer.key
    issuer.refused.clear()


def go(site: RunningSite, issuer: FakeIssuer, visitor: Visitor | None = None, **more: str) -> Reply:
    """From the sign-in page to the issuer and back; the last redirect is not followed."""
    visitor = visitor or Visitor(site.address)
    sent = visitor.ask("GET", "/sign-in/issuer?to=/jobs")
    assert sent.status == 303, sent.words
    return visitor.ask("GET", issuer.back(issuer.come(sent.headers["location"]), **more))


def refused(site: RunningSite, reply: Reply, code: str) -> None:
    """Nobody came in, and the page names the code."""
    assert reply.status == 401
    assert f"({code})" in reply.words
    assert "_session=" not in reply.headers.get("set-cookie", "").replace('_session=""', "")


def test_who_is_vouched_for_comes_in_with_the_roles_of_the_claims(site: RunningSite, issuer: FakeIssuer) -> None:
    """The page that was asked for is shown, under the name and with the roles that the claims give."""
    visitor = Visitor(site.address)
    reply = go(site, issuer, visitor)
    assert (reply.status, reply.headers["location"]) == (303, "/jobs")
    assert issuer.refused == []
    page = visitor.get("/settings").words
    assert "olga" in page
    assert "support" in page
    assert "editor" in page
    issuer.claims = {"groups": ["team", "leads", "others"]}
    go(site, issuer)
    assert site.site.sessions.people.find("olga").roles == {"support": "admin", "default": "viewer"}


def test_who_has_no_role_stays_outside(site: RunningSite, issuer: FakeIssuer) -> None:
    """Known and without a role is told so; roles that the issuer takes back are gone."""
    issuer.claims = {"groups": ["others"]}
    reply = go(site, issuer)
    assert reply.status == 403
    assert "no role" in reply.words
    assert site.site.sessions.people.find("olga").roles == {}


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"nonce": "another"}, "token_nonce"),
        ({"nonce": None}, "token_nonce"),
        ({"aud": "another-client"}, "token_aud"),
        ({"aud": None}, "token_aud"),
        ({"aud": ["touchstone", "another-client"]}, "token_azp"),
        ({"aud": ["touchstone", "another-client"], "azp": "another-client"}, "token_azp"),
        ({"azp": "another-client"}, "token_azp"),
        ({"iss": "https://evil.example"}, "token_iss"),
        ({"exp": int(time.time()) - 3600}, "token_exp"),
        ({"exp": None}, "token_exp"),
        ({"iat": int(time.time()) + 3600}, "token_iat"),
        ({"nbf": int(time.time()) + 3600}, "token_nbf"),
        ({"sub": None}, "token_sub"),
    ],
)
def test_a_token_that_does_not_fit_is_refused(
    site: RunningSite, issuer: FakeIssuer, claims: dict[str, Any], code: str
) -> None:
    """Wrong nonce, audience, party, issuer or time: signed well and worth nothing here."""
    issuer.claims = {"groups": ["team"], **claims}
    refused(site, go(site, issuer), code)


def _claims(issuer: FakeIssuer, nonce: str) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": issuer.address, "aud": "touchstone", "iat": now, "exp": now + 300, "nonce": nonce, "sub": "4711",
        "groups": ["leads"],
    }  # fmt: skip


def _unsigned(claims: dict[str, Any], **header: str) -> str:
    return f"{_plain(orjson.dumps({'alg': 'none', **header}))}.{_plain(orjson.dumps(claims))}."


def _with_shared_secret(claims: dict[str, Any], secret: bytes) -> str:
    signed = _unsigned(claims, alg="HS256", kid="one")[:-1]
    return f"{signed}.{_plain(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _plain(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize("kind", ["none", "another key", "the key in the header", "a shared secret", "cut", "no token"])
def test_a_token_of_another_hand_is_refused(site: RunningSite, issuer: FakeIssuer, kind: str) -> None:
    """No signature, another key, a key that comes along in the header, the public key as a shared secret."""
    visitor = Visitor(site.address)
    sent = visitor.ask("GET", "/sign-in/issuer")
    asked = issuer.come(sent.headers["location"])
    claims = _claims(issuer, asked.query["nonce"])
    if kind == "none":
        issuer.token = _unsigned(claims)
    elif kind == "another key":
        issuer.token = jwt.encode({"alg": "ES256", "kid": "one"}, claims, ECKey.generate_key("P-256"))
    elif kind == "the key in the header":
        other = ECKey.generate_key("P-256")
        issuer.token = jwt.encode({"alg": "ES256", "jwk": other.as_dict(private=False)}, claims, other)
    elif kind == "a shared secret":
        issuer.token = _with_shared_secret(claims, issuer.key.as_pem(private=False))
    elif kind == "cut":
        issuer.token = jwt.encode({"alg": "ES256", "kid": "one"}, claims, issuer.key)[:-4]
    else:
        issuer.token = " "
    refused(site, visitor.ask("GET", issuer.back(asked)), "token_signature")


def test_only_the_browser_that_began_may_end(site: RunningSite, issuer: FakeIssuer) -> None:
    """A code of the attacker's own sign-in, put into somebody else's browser, opens nothing; nor does a second use."""
    attacker, victim = Visitor(site.address), Visitor(site.address)
    asked = issuer.come(attacker.ask("GET", "/sign-in/issuer").headers["location"])
    refused(site, victim.ask("GET", issuer.back(asked)), "no_flow")
    victim.ask("GET", "/sign-in/issuer")
    refused(site, victim.ask("GET", issuer.back(asked)), "state")
    back = issuer.back(asked)
    assert attacker.ask("GET", back).status == 303
    refused(site, attacker.ask("GET", back), "no_flow")


def test_the_state_is_looked_at(site: RunningSite, issuer: FakeIssuer) -> None:
    """Another state is another flow; a failed try ends it."""
    visitor = Visitor(site.address)
    asked = issuer.come(visitor.ask("GET", "/sign-in/issuer").headers["location"])
    refused(site, visitor.ask("GET", issuer.back(asked, state="guessed")), "state")
    refused(site, visitor.ask("GET", issuer.back(asked)), "no_flow")
    assert issuer.refused == []


def test_an_answer_of_another_issuer_is_refused(site: RunningSite, issuer: FakeIssuer) -> None:
    """RFC 9207: the `iss` beside the code is the issuer that was asked."""
    refused(site, go(site, issuer, iss="https://evil.example"), "issuer")
    assert go(site, issuer, iss=issuer.address).status == 303


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"issuer": "https://evil.example"}, "issuer"),
        ({"token_endpoint": "https://evil.example/token"}, "endpoint"),
        ({"token_endpoint": "http://169.254.169.254/latest"}, "endpoint"),
        ({"jwks_uri": "http://127.0.0.1:1/keys"}, "endpoint"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "endpoint"),
        ({"jwks_uri": None}, "endpoint"),
    ],
)
def test_nothing_but_the_issuers_own_host_is_asked(
    site: RunningSite, issuer: FakeIssuer, document: dict[str, Any], code: str
) -> None:
    """R13: a discovery document cannot lead anywhere else."""
    issuer.document = document
    refused(site, Visitor(site.address).ask("GET", "/sign-in/issuer"), code)


def test_the_secret_goes_to_the_issuer_alone(
    site: RunningSite, issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on no page; with a wrong one the issuer says no, and the page tells no more than the status."""
    sent = Visitor(site.address).ask("GET", "/sign-in/issuer")
    assert issuer.secret not in sent.headers["location"] + sent.text
    monkeypatch.setenv(SECRET, "wrong-one")
    reply = go(site, issuer)
    refused(site, reply, "http_400")
    assert issuer.refused == ["client"]
    assert "wrong-one" not in reply.text


def test_settings_that_cannot_be_used_stop_the_start(tmp_path: Path) -> None:
    """Each problem of `sign-in.yaml` is named before anybody is let in."""
    file = tmp_path / "sign-in.yaml"
    assert load_issuer(tmp_path) is None
    for text, words in [
        ("issuer: http://login.example.com\nclient_id: x\n", "without encryption"),
        ("issuer: https://login.example.com\n", "client_id"),
        ("issuer: https://login.example.com\nclient_id: x\nsecret: y\n", "secret"),
        ("issuer: https://login.example.com\nclient_id: x\nroles: {a: {b: owner}}\n", "roles"),
        ("issuer: https://login.example.com\nclient_id: x\nroles: {a: {../b: viewer}}\n", "project"),
        ("issuer: https://login.example.com\nclient_id: x\nscopes: [profile]\n", "openid"),
        ("- a\n", "sign-in.yaml"),
    ]:
        file.write_text(text)
        with pytest.raises(SettingsError, match=words):
            load_issuer(tmp_path)


def test_claims_of_other_shapes_give_no_role() -> None:
    """A mapped claim is a text or a list of texts; numbers, objects and absence give nothing."""
    issuer = Issuer(issuer="https://login.example.com", client_id="x", claim="groups", roles={"a": {"p": "admin"}})
    assert roles_from(issuer, {"groups": "a"}) == {"p": "admin"}
    for said in (None, 1, {"a": True}, [["a"]], [None], "A", "a ", []):
        assert roles_from(issuer, {"groups": said}) == {}
    assert roles_from(Issuer(issuer="https://login.example.com", client_id="x"), {"groups": "a"}) is None
