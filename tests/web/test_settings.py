"""The settings pages: keys, people, projects, prices, storage, doctor."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.web.visiting import RunningSite, Visitor

from touchstone import config
from touchstone.config import KEPT_KEYS, keep_keys_in
from touchstone.workspace.workspace import Workspace

KEY = "sk-canary-0123456789abcdef"


@pytest.fixture(autouse=True)
def _keys_of_this_site(site: RunningSite, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config, "_kept_keys", ())
    keep_keys_in(site.workspace)
    yield
    (site.workspace / KEPT_KEYS).unlink(missing_ok=True)


def audit_log(site: RunningSite) -> list[tuple[str, str, str]]:
    from touchstone.workspace.govern import Govern

    with Workspace(site.site.settings) as workspace:
        return [(act.who, act.what, act.about) for act in Govern(workspace).acts()]


def test_every_place_of_the_settings_opens(visitor: Visitor) -> None:
    """Each tab leads to a page with one heading, in both languages."""
    places = re.findall(r'href="(/settings[^"]*)"', visitor.get("/settings").text)
    assert len(set(places)) == 8
    for place in sorted(set(places)):
        for language in ("en", "zh"):
            page = visitor.get(f"{place}?lang={language}")
            assert page.status == 200
            assert page.text.count("<h1") == 1


def test_a_key_is_kept_and_never_shown(site: RunningSite, visitor: Visitor) -> None:
    """R12: after it was typed only its date is told, on every page; it is replaced, deleted, and noted in the log."""
    page = visitor.post("/settings/keys", {"provider": "openai", "key": KEY})
    assert page.status == 200
    assert "set on 20" in page.words
    for path in ("/settings/keys", "/settings", "/settings/storage", "/settings/doctor", "/jobs", "/"):
        assert KEY not in visitor.get(path).text
    assert KEY in (site.workspace / KEPT_KEYS).read_text()
    page = visitor.post("/settings/keys/delete", {"provider": "openai"})
    assert "set on 20" not in page.words
    assert KEY not in (site.workspace / KEPT_KEYS).read_text()
    told = audit_log(site)
    assert [act[1:] for act in told[:2]] == [
        ("provider_key.delete", "provider openai"), ("provider_key.set", "provider openai"),
    ]  # fmt: skip
    assert KEY not in repr(told)


def test_what_is_no_key_is_said_beside_its_field(visitor: Visitor) -> None:
    """The form comes back with the problem, without what was typed."""
    page = visitor.post("/settings/keys", {"provider": "openai", "key": f"{KEY} {KEY}"})
    assert page.status == 422
    assert "that is no key" in page.words
    assert KEY not in page.text
    assert visitor.post("/settings/keys", {"provider": "<b>", "key": KEY}).status == 404
    assert visitor.post("/settings/keys/test", {"provider": "openai"}).status == 422
    assert visitor.post("/settings/keys/test", {"provider": "http://evil.example"}).status == 404


def test_an_editor_sees_which_keys_there_are_and_sets_none(site: RunningSite) -> None:
    """Keys are governed: whoever looks sees that one is set; setting, testing and deleting is for the site's admins."""
    editor = site.member("eddy", {"default": "editor"}) if site.site.sessions.people.all() else None
    if editor is None:
        site.site.sessions.people.add("anna", {"default": "admin"})
        editor = site.member("eddy", {"default": "editor"})
    assert "OpenAI" in editor.get("/settings/keys").words
    assert 'name="key"' not in editor.get("/settings/keys").text
    for path in ("/settings/keys", "/settings/keys/test", "/settings/keys/delete"):
        assert editor.post(path, {"provider": "openai", "key": KEY}).status == 403
    for path in ("/settings/people", "/settings/doctor", "/settings/storage", "/settings/members"):
        assert editor.get(path).status == 403


def test_somebody_is_added_invited_and_taken_out(site: RunningSite, visitor: Visitor) -> None:
    """The link is shown once, and sets a password; roles are given by project; the log knows who did it."""
    if not site.site.sessions.people.all():
        site.site.sessions.people.add("anna", {"default": "admin"})
    page = visitor.post("/settings/people", {"name": "Vera", "project": "default", "role": "viewer"})
    link = re.search(rf"{re.escape(site.address)}(/join/[\w-]+)", page.text)
    assert link is not None
    assert link[1] not in visitor.get("/settings/people").text
    assert "vera" in Visitor(site.address).get(link[1]).words
    assert visitor.post("/settings/people", {"name": "vera"}).status == 422
    assert visitor.post("/settings/people", {"name": "<script>"}).status == 422
    assert "editor" in visitor.post("/settings/people/role", {"name": "vera", "role": "editor"}).words
    assert "vera" in visitor.get("/settings/members").words
    assert "vera" not in visitor.post("/settings/members", {"name": "vera", "role": "none"}).text.split("<table")[1]
    visitor.post("/settings/people/remove", {"name": "vera"})
    assert "vera" not in visitor.get("/settings/people").text
    assert visitor.post("/settings/members", {"name": "nobody", "role": "viewer"}).status == 422
    assert {"person.add", "person.role", "person.remove"} <= {act[1] for act in audit_log(site)}


def test_a_project_is_made_and_opened(site: RunningSite, visitor: Visitor) -> None:
    """It is empty and apart; names that are no names are said beside the field."""
    for name in ("", "../up", "Support", "default", "a" * 41, "<b>"):
        assert visitor.post("/settings/projects", {"name": name}).status == 422
    assert "support" in visitor.post("/settings/projects", {"name": "support"}).words
    assert visitor.post("/settings/projects", {"name": "support"}).status == 422
    assert "support" in visitor.post("/project", {"to": "support"}).words
    before = visitor.get("/settings").words
    assert "support" in before
    visitor.post("/project", {"to": "default"})


def test_prices_have_their_dates(visitor: Visitor) -> None:
    """The package with its version, and each live source with when it was taken."""
    page = visitor.get("/settings/prices").words
    assert re.search(r"genai-prices \d+\.\d+", page)
    assert "models-dev never" in page
    assert visitor.post("/settings/prices", {"source": "https://evil.example"}).status in (400, 422)


def test_storage_names_what_takes_room(visitor: Visitor) -> None:
    """The store with its size; the check is a job of its own."""
    page = visitor.get("/settings/storage").words
    assert "touchstone.sqlite" in page
    reply = visitor.post("/settings/storage")
    assert reply.path.startswith("/jobs/")


def test_a_hostile_name_of_a_file_is_text(site: RunningSite, visitor: Visitor) -> None:
    """File names end on the storage page; they are text there."""
    (site.workspace / "<img src=x onerror=alert(1)>.bak").write_text("x")
    site.site._kept.clear()
    page = visitor.get("/settings/storage").text
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
