"""Keys, usage, safety and the audit log in the browser: a key is shown once, money adds up, nothing typed is markup."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from tests.web.visiting import Reply, RunningSite, Seen, Visitor

from touchstone.config import Settings
from touchstone.deployment.base import Budget, Key
from touchstone.deployment.govern.audit import acts
from touchstone.deployment.govern.tables import alerts, charges, key_windows, safety_records
from touchstone.deployment.govern.windows import window_at
from touchstone.web.base import Viewer
from touchstone.web.sessions import Sessions
from touchstone.workspace.deploy import Order, deploy_model
from touchstone.workspace.endpoints import change_policy
from touchstone.workspace.govern import Govern
from touchstone.workspace.workspace import Workspace

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
SECRET = re.compile(r"ts-[A-Za-z0-9_-]{43}")


def harmless(reply: Reply) -> bool:
    """Whether what somebody typed is text on this page and nothing else."""
    return "<script>alert" not in reply.text and "<img src=x" not in reply.text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site over a workspace in which nothing was measured: nothing here needs that."""
    running = RunningSite(tmp_path_factory.mktemp("site"))
    yield running
    running.close()


class House:
    """A workspace with keys, requests of two weeks, decisions of guards and one request in doubt."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.govern = Govern(workspace)
        deploy_model(workspace, "moderation/rules", Order(name="guarded"), who="anna")
        change_policy(workspace, "guarded", None, {}, {"pii": "mask", "blocked": ("secret plan",)}, "anna")
        self.shop = self._key("shop", Budget(usd=20.0))
        self.odd = self._key(HOSTILE, None)
        now = datetime.now(UTC)
        self.rows = [
            self._row(number, self.shop if number % 3 else self.odd, now - timedelta(days=number % 14))
            for number in range(60)
        ]
        self.rows.append({**self.rows[0], "id": 99, "request": "req_doubt", "status": "in_doubt", "usd": 0.5})
        window = window_at("month", time.time())
        with self.govern.engine.begin() as connection:
            connection.execute(charges.insert(), self.rows)
            connection.execute(
                key_windows.insert().values(key=self.shop.id, window=window, spent_usd=17.0, held_usd=0.0)
            )
            for percent in (50, 80):
                connection.execute(
                    alerts.insert().values(
                        key=self.shop.id, window=window, percent=percent, spent_usd=20 * percent / 100, cap_usd=20.0,
                        at=now.isoformat(timespec="milliseconds"),
                    )
                )  # fmt: skip
            for number in range(70):
                said = {"findings": [{"rule": "pii.email", "way": "in", "start": 1, "end": 9, "place": HOSTILE}]}
                connection.execute(
                    safety_records.insert().values(
                        id=number, request=f"req_{number}", endpoint="guarded", way="in" if number % 2 else "out",
                        action="masked" if number % 7 else "blocked", findings=orjson.dumps(said),
                        at=(now - timedelta(minutes=number)).isoformat(timespec="milliseconds"),
                    )
                )  # fmt: skip

    def _key(self, name: str, budget: Budget | None) -> Key:
        return self.govern.keys.create(name, who="anna", budget=budget)[0]

    def _row(self, number: int, key: Key, at: datetime) -> dict[str, object]:
        return {
            "id": number + 1, "request": f"req_{number}", "attempt": 0, "key": key.id, "project": "=cmd()|x",
            "endpoint": "guarded" if number % 2 else "gone", "version": 1, "model": HOSTILE, "kind": "chat",
            "status": "done", "streamed": False, "usd": 0.25, "input_tokens": 100, "output_tokens": 10,
            "estimated": False, "started_at": at.isoformat(timespec="milliseconds"), "shadow": False,
            "purse": key.id, "window": window_at("month", time.time()), "owner": "x",
        }  # fmt: skip


@pytest.fixture(scope="module")
def house(site: RunningSite) -> Iterator[House]:
    with Workspace(Settings(workspace=site.workspace, workspace_from="test")) as workspace:
        yield House(workspace)


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


# Keys -----------------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once(visitor: Visitor, site: RunningSite, house: House) -> None:
    """In the answer to the form and nowhere else: no address, no cookie, no later page, no file."""
    fields = {
        "name": "till", "owner": "anna", "max_usd": "5", "per": "day", "endpoints": ["guarded"], "scopes": ["infer"],
        "requests_per_minute": "60", "expires": "90d",
    }  # fmt: skip
    page = visitor.post("/keys/new", fields)
    assert (page.status, page.path) == (200, "/keys/new")
    [secret] = set(SECRET.findall(page.text))
    assert "shown once" in page.words
    assert page.headers["cache-control"] == "no-store"
    assert "set-cookie" not in page.headers
    assert secret not in "".join(visitor.cookies.values())
    key = house.govern.keys.find(secret)
    assert key is not None
    assert (key.project, key.endpoints, key.scopes, key.limits.requests_per_minute) == (
        "default", ("guarded",), ("infer",), 60,
    )  # fmt: skip
    assert key.budget == Budget(usd=5.0, window="day")
    again = visitor.post("/keys/new", fields)
    assert again.status == 422
    assert "has a key 'till' already" in again.words
    for path in ("/keys", f"/keys/{key.id}", "/audit", "/usage", "/audit/csv", "/endpoints/guarded", "/jobs"):
        assert secret not in visitor.get(path).text
    kept = b"".join(file.read_bytes() for file in site.workspace.rglob("*") if file.is_file())
    assert secret.encode() not in kept


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "a key needs a name"),
        ({"name": "17"}, "a name that is no number"),
        ({"max_usd": "-1"}, "max_usd is '-1'"),
        ({"max_usd": "0"}, "max_usd"),
        ({"max_usd": "1", "per": "year"}, "per is 'year'"),
        ({"scopes": ["root"]}, "scopes 'root' cannot be used"),
        ({"endpoints": [HOSTILE]}, "endpoints"),
        ({"expires": "yesterday"}, "write a day such as"),
        ({"expires": "2020-01-01"}, "would have expired"),
        ({"in_flight": "0"}, "in_flight is '0'"),
    ],
)
def test_a_key_that_cannot_be_made(visitor: Visitor, fields: dict[str, object], words: str) -> None:
    """The form comes again with what was typed and the reason."""
    page = visitor.post("/keys/new", {"name": "kept words", "owner": "anna " + HOSTILE, **fields})
    assert page.status == 422
    assert words in page.words
    assert "anna &lt;script" in page.text
    assert harmless(page)
    assert not SECRET.search(page.text)


def test_rotate_expire_revoke(visitor: Visitor, house: House) -> None:
    """A new key in place of the old one, once; an end; and the end for good. Each by who asks."""
    key, _secret = house.govern.keys.create("to rotate", who="anna")
    path = f"/keys/{key.id}"
    assert "such as 24h" in visitor.post(f"{path}/rotate", {"grace": "a while"}).words
    page = visitor.post(f"{path}/rotate", {"grace": "1h"})
    [secret] = set(SECRET.findall(page.text))
    new = house.govern.keys.find(secret)
    assert new is not None
    assert new.replaces == key.id
    assert "works until" in page.words
    assert f"was replaced by key {new.id} already" in visitor.post(f"{path}/rotate", {"grace": "1h"}).words
    assert "The key ends at" in visitor.post(f"/keys/{new.id}/expire", {"at": "2099-01-31"}).words
    assert "write a day" in visitor.post(f"/keys/{new.id}/expire", {"at": HOSTILE[:30]}).words
    assert "is revoked" in visitor.post(f"/keys/{new.id}/revoke", {}).words
    assert house.govern.keys.state(house.govern.keys.get(new.id)) == "revoked"
    whats = [act.what for act in acts(house.govern.engine, about=f"key {new.id}")]
    assert whats == ["key.revoke", "key.expire", "key.create"]
    assert all(act.who != "anna" for act in acts(house.govern.engine, about=f"key {new.id}"))
    assert "to rotate" not in visitor.get("/keys").words or "Show" in visitor.get("/keys").words
    assert f'href="/keys/{new.id}"' in visitor.get("/keys?show=all").text


def test_a_key_says_how_its_budget_stands(visitor: Visitor, house: House) -> None:
    """Spent, held, left, and the alerts that were given; a hostile name is text."""
    page = visitor.get(f"/keys/{house.shop.id}")
    assert "$17.00 spent, $0 held, $3.00 left" in page.words
    assert "80 %" in page.words
    assert harmless(visitor.get(f"/keys/{house.odd.id}"))
    assert harmless(visitor.get("/keys"))
    for nobody in ("0", "999999", "x", "%2e%2e", "1.0", "-1", "%D9%A3"):
        assert visitor.get(f"/keys/{nobody}").status == 404


# Usage ----------------------------------------------------------------------------------------------------------------


def test_sums_pictures_and_files_say_the_same(visitor: Visitor, house: House) -> None:
    """By whatever it is seen, the parts add up to the whole; the file has them by day, with nothing that runs."""
    total = sum(0.25 for _row in house.rows[:-1]) + 0.5
    for part in ("key", "project", "endpoint", "model", "day", "version", "kind", "status"):
        page = visitor.get(f"/usage?by={part}&measure=requests")
        assert f"${total:,.2f}" in page.words
        assert 'role="img"' in page.text
        assert harmless(page)
        file = visitor.get(f"/usage/csv?by={part}")
        rows = list(csv.DictReader(io.StringIO(file.text)))
        assert sum(float(row["usd"]) for row in rows) == pytest.approx(total)
        assert {"day", part} <= set(rows[0])
    cells = {row["project"] for row in csv.DictReader(io.StringIO(visitor.get("/usage/csv?by=project").text))}
    assert cells == {"'=cmd()|x"}


def test_filters_and_what_cannot_be_one(visitor: Visitor, house: House) -> None:
    """By days, key, endpoint and project; what is no day is told."""
    assert "Nothing was asked in this time." in visitor.get("/usage?since=2020-01-01&until=2020-02-01").words
    assert "guarded" not in visitor.get("/usage?by=endpoint&endpoint=gone").words.partition("Input tokens")[2][:60]
    assert visitor.get(f"/usage?key={house.shop.id}&by=day").status == 200
    for wrong in ("since=soon", "until=20261101T1x", "key=nobody"):
        assert visitor.get(f"/usage?{wrong}").status == 422
    assert visitor.get("/usage?since=20200101T10&until=2099-01-01").status == 200
    assert harmless(visitor.get("/usage?project=%3Cscript%3Ealert(1)%3C/script%3E"))


def test_budgets_and_money_in_doubt(visitor: Visitor, house: House, seen_as: Callable[[str], None]) -> None:
    """A budget that is nearly spent says so; doubtful money is given back by an admin, once."""
    page = visitor.get("/usage")
    assert "80 % passed" in page.words
    assert "shop has spent 80 % of its budget" in page.words
    assert "req_doubt" in page.words
    seen_as("editor")
    assert "Give back" not in visitor.get("/usage").words
    assert visitor.post("/usage/release", {"request": "req_doubt"}).status == 403
    seen_as("admin")
    page = visitor.post("/usage/release", {"request": "req_doubt"})
    assert "0.5 USD of request req_doubt are given back" in page.words
    assert "No request is in doubt." in page.words
    assert visitor.post("/usage/release", {"request": "req_doubt"}).status == 404
    assert acts(house.govern.engine, what="charge.release")[0].about == "request req_doubt"


# Safety and the audit log ---------------------------------------------------------------------------------------------


def test_decisions_of_guards(visitor: Visitor, house: House) -> None:
    """Page by page, newest first, by endpoint, way and decision; places of a hostile request are text."""
    page = visitor.get("/safety")
    assert "masked: 60" in page.words
    assert page.text.count("<code>req_") == 50
    assert harmless(page)
    after = re.search(r'rel="next" href="([^"]+)"', page.text)
    assert after
    rest = visitor.get(after[1].replace("&amp;", "&"))
    assert rest.text.count("<code>req_") == 20
    assert visitor.get("/safety?status=blocked&way=in&endpoint=guarded").text.count("<code>req_") == 5
    assert visitor.get("/safety?status=none").status == 400


def test_how_good_the_rules_are(visitor: Visitor) -> None:
    """False positives on the labelled set, with their intervals."""
    page = visitor.get("/safety/rules")
    assert "pii.email" in page.words
    assert re.search(r"\d+% \( ?\d+/\d+, \d+–\d+% ?\)", page.words.replace(" )", ")"))


def test_a_text_is_tried(visitor: Visitor, house: House) -> None:
    """What is found is marked, what passes is shown masked; by an endpoint's rules or those of the form."""
    page = visitor.post("/safety/try", {"text": f"write to anna@example.org {HOSTILE}", "pii": "mask"})
    assert "It passes with masks." in page.words
    assert "<mark>anna@example.org</mark>" in page.text
    assert harmless(page)
    assert "It is blocked." in visitor.post("/safety/try", {"text": "a secret plan", "as": "guarded"}).words
    assert "Nothing was found." in visitor.post("/safety/try", {"text": "hello", "pii": "off"}).words
    assert visitor.post("/safety/try", {"text": "x", "blocked": "/(/"}).status == 422


def test_the_audit_log(visitor: Visitor, house: House) -> None:
    """Who changed what, field by field; filtered, page by page, and as a file with nothing that runs."""
    for number in range(60):
        change_policy(house.workspace, "guarded", None, {"max_output_tokens": 100 + number}, {}, "=1+1 " + HOSTILE)
    page = visitor.get("/audit?about=endpoint+guarded")
    assert "policy.max_output_tokens : 158 → 159" in page.words
    assert harmless(page)
    after = re.search(r'rel="next" href="([^"]+)"', page.text)
    assert after
    assert "policy.max_output_tokens : 101 → 102" in visitor.get(after[1].replace("&amp;", "&")).words
    assert "endpoint.policy" not in visitor.get("/audit?what=key.create").words.partition("Change")[2]
    assert "No act was written down" in visitor.get("/audit?until=2020-01-01").words
    for wrong in ("since=soon", "until=2026-99-01"):
        page = visitor.get(f"/audit?{wrong}&who=ada")
        assert page.status == 422
        assert "write a day such as 2026-11-27" in page.words
        assert 'value="ada"' in page.text
        assert visitor.get(f"/audit/csv?{wrong}").status == 400
    rows = list(csv.DictReader(io.StringIO(visitor.get("/audit/csv?what=endpoint.policy").text)))
    assert len(rows) == 61
    assert rows[0]["who"].startswith("'=1+1")


def test_roles(visitor: Visitor, house: House, seen_as: Callable[[str], None]) -> None:
    """Who only looks, or edits, makes no key."""
    visitor.get("/keys")
    for role in ("viewer", "editor"):
        seen_as(role)
        assert "Make a key" not in visitor.get("/keys").words
        for path in ("/keys", f"/keys/{house.shop.id}", "/usage", "/safety", "/safety/try", "/audit"):
            assert visitor.get(path).status == 200
        for path in ("/keys/new", f"/keys/{house.shop.id}/revoke", f"/keys/{house.shop.id}/rotate"):
            assert visitor.post(path, {"name": "x"}).status == 403


def test_on_a_phone_in_chinese_and_dark(site: RunningSite, house: House, open_page: Callable[..., Seen]) -> None:
    """No page is wider than the screen, and nothing complains."""
    page = open_page("/usage", language="zh", width=390, theme="dark").page
    for path in ("/usage", "/keys/new", f"/keys/{house.shop.id}", "/safety", "/audit", "/endpoints/guarded"):
        page.goto(site.address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
