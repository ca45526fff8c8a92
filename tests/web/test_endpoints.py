"""Endpoints in the browser: from a decision to an answer that a program gets, and everything that is changed later."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from tests.web.visiting import Reply, RunningSite, Visitor

from touchstone.config import Settings
from touchstone.deployment.govern.audit import acts
from touchstone.deployment.govern.tables import shadow_replies
from touchstone.web.base import Viewer
from touchstone.web.sessions import Sessions
from touchstone.workspace.deploy import Order, deploy_decision, deploy_model
from touchstone.workspace.endpoints import registry
from touchstone.workspace.workspace import Workspace

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


def harmless(reply: Reply) -> bool:
    """Whether what somebody typed is text on this page and nothing else."""
    return "<script>alert" not in reply.text and "<img src=x" not in reply.text


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def workspace(site: RunningSite) -> Iterator[Workspace]:
    """The site's workspace, for what pages do not do: an endpoint of two versions, and one that nobody measured."""
    settings = Settings(workspace=site.workspace, workspace_from="test")

    def deploy() -> None:
        canary = Order(name="intents", candidate="baseline/majority", because=HOSTILE, percent=0, check_cases=0)
        with Workspace(settings) as place:
            deploy_decision(place, "latest", Order(name="intents", check_cases=0), who="anna")
            deploy_decision(place, "latest", canary, who="anna")
            deploy_model(place, "moderation/rules", Order(), who="anna")

    # In a thread of its own: the browser's library keeps an event loop in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(deploy).result()
    with Workspace(settings) as place:
        yield place


@pytest.fixture
def seen_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Whoever asks is of this role from now on."""
    before = Sessions.viewer

    def become(role: str) -> None:
        def of_role(sessions: Sessions, token: str | None) -> Viewer | None:
            viewer = before(sessions, token)
            return None if viewer is None else Viewer(**{**viewer.__dict__, "role": role, "is_local": False})

        monkeypatch.setattr(Sessions, "viewer", of_role)

    return become


def until(visitor: Visitor, words: str) -> Reply:
    deadline = time.monotonic() + 60
    while words not in (page := visitor.get("/endpoints/-/gateway")).words:
        assert time.monotonic() < deadline, page.words
        time.sleep(0.1)
    return page


# From a decision to an answer -----------------------------------------------------------------------------------------


def test_a_gateway_that_cannot_start_says_why(visitor: Visitor) -> None:
    """A port that somebody has is told beside its field, before anything is begun."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        page = visitor.post("/endpoints/-/gateway/start", {"port": str(port)})
    assert page.status == 422
    assert f"cannot listen on 127.0.0.1 port {port}" in page.words
    assert 'aria-invalid="true"' in page.text
    page = visitor.post("/endpoints/-/gateway/start", {"port": HOSTILE})
    assert page.status == 422
    assert harmless(page)


def test_the_gateway_outlives_the_site(tmp_path: Path, start_site: Callable[[Path], RunningSite]) -> None:
    """It goes on when the site ends; the next site finds it and can stop it."""
    (tmp_path / "workspace").mkdir()
    first = RunningSite(tmp_path / "workspace")
    visitor = first.visitor()
    visitor.post("/endpoints/-/gateway/start", {"port": str(free_port())})
    assert "starting already" in visitor.post("/endpoints/-/gateway/start", {}).words
    address = re.search(r"http://127\.0\.0\.1:\d+/v1", until(visitor, "/v1").text)
    assert address
    assert "runs already" in visitor.post("/endpoints/-/gateway/start", {}).words
    first.close()
    second = start_site(tmp_path / "workspace").visitor()
    assert address[0] in second.get("/endpoints").text
    second.post("/endpoints/-/gateway/stop", {})
    assert "Start the gateway" in until(second, "not running").words
    assert "No gateway runs" in second.post("/endpoints/-/gateway/stop", {}).words


# Deploying ------------------------------------------------------------------------------------------------------------


def test_another_candidate_needs_a_reason(visitor: Visitor, workspace: Workspace) -> None:
    """What was typed is still there, with the problem; with a reason it becomes a canary."""
    fields = {"decision": "latest", "candidate": "baseline/majority", "name": "canary", "percent": "100"}
    page = visitor.post("/endpoints/new", fields)
    assert page.status == 422
    assert "did not choose baseline/majority" in page.words
    assert re.search(r'value="baseline/majority" checked', page.text)
    page = visitor.post("/endpoints/new", {**fields, "because": HOSTILE, "pii": "mask", "check_cases": "0"})
    assert page.path == "/endpoints/canary"
    assert harmless(page)
    assert "the decision chose another" in page.words
    endpoint = registry(workspace, "").find("canary")
    assert endpoint.versions[0].created_by == acts(workspace.ledger.engine, about="endpoint canary")[0].who
    assert endpoint.policy.safety.pii == "mask"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "Not a name"}, "such as not-a-name"),
        ({"name": "new"}, "the address of a page"),
        ({"percent": "50", "name": "first"}, "has no other version that could answer the rest"),
        ({"percent": "150"}, "percent is '150'"),
        ({"input_usd": "1"}, "give both prices or none"),
        ({"good_until": "soon"}, "such as 2027-01-31"),
        ({"good_until": "2099-01-01"}, "measure again instead"),
        ({"compute": "nothing"}, "compute is 'nothing'"),
        ({"compute": "starter"}, "has no weights on this machine"),
        ({"candidate": HOSTILE}, "candidate"),
    ],
)
def test_what_cannot_be_deployed_is_told(visitor: Visitor, fields: dict[str, str], words: str) -> None:
    """Beside its field, and nothing is made of it."""
    page = visitor.post("/endpoints/new", {"decision": "latest", "name": "wrong", **fields})
    assert page.status == 422
    assert words in page.words
    assert harmless(page)
    assert visitor.get("/endpoints/wrong").status == 404


def test_evidence_may_end_sooner(visitor: Visitor, workspace: Workspace) -> None:
    """And an endpoint whose evidence has expired says so wherever it is shown."""
    yesterday = str((datetime.now(UTC) - timedelta(days=1)).date())
    fields = {"decision": "latest", "name": "stale", "good_until": yesterday, "check_cases": "0"}
    page = visitor.post("/endpoints/new", {**fields, "input_usd": "1", "output_usd": "2", "project": "1"})
    assert f"The evidence of version 1 expired on {yesterday}" in page.words
    assert "$1.00 in, $2.00 out a million tokens" in page.words
    assert "Only keys of project default may ask it." in page.words
    assert "expired" in visitor.get("/endpoints").words
    assert registry(workspace, "").find("stale").project == "default"


def test_a_model_without_a_trial(visitor: Visitor, seen_as: Callable[[str], None]) -> None:
    """It is served, and says that nobody measured it. Files of this machine are named by whoever runs it alone."""
    page = visitor.post("/endpoints/new", {"recipe": "rerank/terms", "name": "ranker"})
    assert "no evidence: it was not measured" in page.words
    assert "client.post(" in page.words
    assert visitor.post("/endpoints/new", {"recipe": ""}).status == 422
    seen_as("editor")
    for reference in ("embedding/etc", "moderation/words.txt", "local//etc", "openai-compatible/../x"):
        assert visitor.post("/endpoints/new", {"recipe": reference, "name": "far"}).status == 422
    assert visitor.get("/endpoints/far").status == 404


# What is changed later ------------------------------------------------------------------------------------------------


def test_shares_and_the_way_back(visitor: Visitor, workspace: Workspace) -> None:
    """A canary, a wrong sum, and back with one button; each is an act of whoever asks."""
    page = visitor.post("/endpoints/intents/split", {"share_1": "90", "share_2": "10"})
    assert "v1 90 %" in visitor.get("/endpoints").words
    assert "Roll back to v1 100 %" in page.words
    assert "must be 100" in visitor.post("/endpoints/intents/split", {"share_1": "90"}).words
    visitor.post("/endpoints/intents/roll-back", {})
    assert registry(workspace, "").find("intents").split == {1: 100}
    kinds = [(act.what, act.who) for act in acts(workspace.ledger.engine, about="endpoint intents", limit=2)]
    assert [what for what, _who in kinds] == ["endpoint.roll-back", "endpoint.split"]
    assert all(who != "anna" for _what, who in kinds)


def test_stop_start_and_remove(visitor: Visitor, workspace: Workspace) -> None:
    """A stopped endpoint stays; a removed one is gone once its name was written."""
    deploy_model(workspace, "rerank/terms", Order(name="short-lived"), who="anna")
    assert "It answers nobody any more." in visitor.post("/endpoints/short-lived/state", {"to": "stopped"}).words
    assert registry(workspace, "").find("short-lived").state == "stopped"
    assert "It answers again." in visitor.post("/endpoints/short-lived/state", {"to": "running"}).words
    assert "nothing of short-lived runs here" in visitor.post("/endpoints/short-lived/scale", {"replicas": "2"}).words
    assert "New processes" in visitor.post("/endpoints/short-lived/restart", {}).words
    assert "its name was not written" in visitor.post("/endpoints/short-lived/remove", {"name": "x"}).words
    assert "is removed" in visitor.post("/endpoints/short-lived/remove", {"name": "short-lived"}).words
    assert visitor.get("/endpoints/short-lived").status == 404


def test_the_policy_as_a_form_and_as_text(visitor: Visitor, workspace: Workspace) -> None:
    """Both say the same; what cannot be used is told, and what was typed is still there."""
    path = "/endpoints/intents/policy"
    fields = {
        "pii": "block", "blocked": f"secret plan\n{HOSTILE}", "cache_s": "60", "moderation": "moderation",
        "ways": ["in"], "fail_over": "", "sampling": "client", "keep_content_days": "0",
        "on_key_end": "cut",
    }  # fmt: skip
    page = visitor.post(path, fields)
    assert "Saved." in page.words
    assert harmless(page)
    policy = registry(workspace, "").find("intents").policy
    assert (policy.cache_s, policy.keep_content_days, policy.sampling) == (60, None, "client")
    assert (policy.safety.pii, policy.safety.ways, policy.safety.moderation) == ("block", ("in",), "moderation")
    assert policy.safety.blocked == ("secret plan", HOSTILE)
    assert policy.on_key_end == "cut"
    for wrong in ({"blocked": "/(/"}, {"pii_kinds": "shoe-size"}, {"fail_over": "nobody"}, {"cache_s": "soon"}):
        page = visitor.post(path, {**fields, **wrong})
        assert page.status == 422, wrong
    assert "soon" in page.text
    text = re.search(r'name="text"[^>]*>\n?(.*?)</textarea>', visitor.get(path).text, re.DOTALL)
    assert text
    assert "pii: block" in text[1]
    assert "Saved." in visitor.post(f"{path}/text", {"text": "cache_s: 5\nsafety: {pii: mask}"}).words
    assert registry(workspace, "").find("intents").policy.cache_s == 5
    for wrong_text in ("- a", "cache_s: [", "colour: blue", "safety: {pii: perhaps}"):
        page = visitor.post(f"{path}/text", {"text": wrong_text})
        assert page.status == 422
        assert wrong_text in page.words
        assert "/tmp" not in page.words


def test_a_shadow_is_scored_offline(visitor: Visitor, workspace: Workspace) -> None:
    """It is asked beside the other version; pairs of replies are held against each other, hostile ones are text."""
    for number, (reply, shadow) in enumerate([("refund", "refund"), (HOSTILE, "refund"), ("refund", None)]):
        pair = {
            "asked": {"messages": [{"role": "user", "content": f"{HOSTILE} {number}"}]},
            "reply": {"choices": [{"message": {"content": reply}}]},
            "shadow_reply": None if shadow is None else {"choices": [{"message": {"content": shadow}}]},
            "error": None if shadow else "upstream_failed",
        }
        with workspace.ledger.engine.begin() as connection:
            connection.execute(
                shadow_replies.insert().values(
                    request=f"req_{number}", endpoint="intents", version=1, shadow_version=2,
                    document=orjson.dumps(pair), size_bytes=1, at=f"2026-11-27T12:00:0{number}", expires_s=1 << 40,
                )
            )  # fmt: skip
    assert (
        "Version 2 is asked too" in visitor.post("/endpoints/intents/shadow", {"version": "2", "percent": "30"}).words
    )
    page = visitor.get("/endpoints/intents/shadow?show=all")
    assert "Version 1 and its shadow 2" in page.words
    assert "upstream_failed" in page.words
    assert harmless(page)
    assert "No version is asked beside" in visitor.post("/endpoints/intents/shadow", {}).words
    assert "answers requests already" in visitor.post("/endpoints/intents/shadow", {"version": "1"}).words


def test_logs_live_and_as_a_file(visitor: Visitor, site: RunningSite, workspace: Workspace) -> None:
    """The end of what processes printed; as text it is text."""
    place = site.workspace / "processes" / "intents" / "1"
    place.mkdir(parents=True)
    (place / "replica-0.log").write_text("first\n" + HOSTILE + "\n")
    page = visitor.get("/endpoints/intents/logs?lines=1")
    assert "v1.0" in page.words
    assert "first" not in page.words
    assert harmless(page)
    file = visitor.get("/endpoints/intents/logs/text?version=1")
    assert file.text == f"# v1.0\nfirst\n{HOSTILE}\n"
    assert file.headers["content-disposition"] == 'attachment; filename="intents.log.txt"'
    assert file.headers["content-type"].startswith("text/plain")
    assert "printed anything" in visitor.get("/endpoints/intents/logs?version=2").words


# Asking ---------------------------------------------------------------------------------------------------------------


def test_asked_on_the_page(visitor: Visitor, workspace: Workspace) -> None:
    """Through the recipe for nothing; without a gateway or a question it says what is missing."""
    page = visitor.post("/endpoints/intents/ask", {"how": "recipe", "text": "Where is my parcel?" + HOSTILE})
    assert page.status == 200
    assert "version 1" in page.words
    assert harmless(page)
    part = visitor.ask(
        "POST", "/endpoints/intents/ask", b"how=recipe&text=Where+is+my+parcel",
        {"Content-Type": "application/x-www-form-urlencoded", "Origin": visitor.address,
         "Sec-Fetch-Site": "same-origin", "X-Form-Token": visitor.form_token, "HX-Request": "true"},
    )  # fmt: skip
    assert part.text.strip().startswith("<blockquote")
    assert "the gateway does not run" in visitor.post("/endpoints/intents/ask", {"text": "x", "key": "ts-x"}).words
    assert "write a question first" in visitor.post("/endpoints/intents/ask", {"how": "recipe"}).words
    assert visitor.post("/endpoints/moderation/ask", {"how": "recipe", "text": "x"}).status == 422


# Around them ----------------------------------------------------------------------------------------------------------


def test_files_for_other_machinery(visitor: Visitor) -> None:
    """Shown and downloaded; a name that could be anything else is refused."""
    page = visitor.get("/endpoints/-/manifest?kind=compose&hosts=models.internal&secrets=OPENAI_API_KEY")
    assert "models.internal" in page.words
    file = visitor.get("/endpoints/-/manifest?kind=systemd&hosts=models.internal&download=1")
    assert 'filename="gateway.service"' in file.headers["content-disposition"]
    page = visitor.get("/endpoints/-/manifest?hosts=%3Cscript%3Ealert(1)")
    assert page.status == 422
    assert harmless(page)


@pytest.mark.parametrize(
    "path", ["/endpoints/nobody", "/endpoints/..%2f..%2fetc", "/endpoints/nobody/policy", "/endpoints/nobody/shadow",
             "/endpoints/nobody/logs", "/endpoints/nobody/logs/text", "/endpoints/nobody/logs/events",
             "/endpoints/new?decision=000000000000"],
)  # fmt: skip
def test_what_is_not_there(visitor: Visitor, path: str) -> None:
    """Names of a stranger are looked up, and lead nowhere else."""
    assert visitor.get(path).status == 404


def test_roles(visitor: Visitor, workspace: Workspace, seen_as: Callable[[str], None]) -> None:
    """A viewer looks; an editor deploys, asks and stops; only an admin removes and changes policies."""
    visitor.get("/endpoints")
    seen_as("viewer")
    for path in ("", "/intents", "/intents/shadow", "/intents/policy", "/intents/logs", "/-/manifest", "/-/gateway"):
        assert visitor.get(f"/endpoints{path}").status == 200
    assert "Start the gateway" not in visitor.get("/endpoints").words
    for path in ("/new", "/-/gateway/start", "/-/gateway/stop", "/intents/ask", "/intents/split", "/intents/state"):
        assert visitor.post(f"/endpoints{path}", {}).status == 403
    seen_as("editor")
    assert visitor.get("/endpoints/new").status == 200
    for path in ("/intents/remove", "/intents/policy", "/intents/policy/text"):
        assert visitor.post(f"/endpoints{path}", {"name": "intents"}).status == 403
    assert "Remove it" not in visitor.get("/endpoints/intents").words
