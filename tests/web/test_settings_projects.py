"""Projects on the pages: another name, and into the trash."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.web.visiting import RunningSite, Visitor

from touchstone.errors import SettingsError
from touchstone.workspace.govern import Govern
from touchstone.workspace.projects import make_project, projects
from touchstone.workspace.workspace import Workspace

ONE = "/settings/projects/one?project="
RENAME, DELETE = "/settings/projects/rename", "/settings/projects/delete"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


@pytest.fixture
def site(start_site: Callable[[Path], RunningSite], tmp_path: Path) -> RunningSite:
    """A site of its own: what is moved would be missed by others."""
    running = start_site(tmp_path / "workspace")
    make_project(running.workspace, "support")
    running.member("boss", {"default": "admin"})
    return running


def audit_log(site: RunningSite) -> list[tuple[str, str, object]]:
    with Workspace(site.site.settings) as workspace:
        return [(act.what, act.about, act.after) for act in Govern(workspace).acts()]


def test_a_project_is_renamed_with_its_people_while_pages_have_it_open(site: RunningSite) -> None:
    """Whoever looks at it goes on looking, with the same role; the log tells; the old name is nobody's."""
    admin = site.visitor()
    member = site.member("ada", {"support": "editor"})
    for path in ("/", "/tasks", "/catalog", "/playground"):
        assert member.get(path).status == 200
    admin.post("/project", {"to": "support"})
    assert f'href="{ONE}support"' in admin.get("/settings/projects").text
    assert f'href="{ONE}default"' not in admin.get("/settings/projects").text

    done = admin.post(RENAME, {"project": "support", "name": "care"})

    assert (done.status, done.path) == (200, "/settings/projects")
    assert "The project support is called care now." in done.words
    assert projects(site.workspace) == ("default", "care")
    assert "care You are in this one." in done.words
    assert "care" in member.get("/settings").words
    assert member.get("/playground").status == 200
    found = site.site.sessions.people.find("ada")
    assert found.roles == {"care": "editor"}
    assert ("project.rename", "project support", {"name": "care"}) in audit_log(site)
    make_project(site.workspace, "support")
    assert "support" not in member.get("/settings/projects").words


def test_a_project_is_deleted_once_its_name_was_typed(site: RunningSite) -> None:
    """It is out of reach, its people lose their roles, the page says where it lies, and the log tells."""
    admin = site.visitor()
    site.member("ada", {"support": "admin", "default": "viewer"})
    admin.post("/project", {"to": "support"})
    (site.workspace / "projects" / "support" / "tasks").mkdir()
    page = admin.get(f"{ONE}support")
    assert "nothing in it is deleted" in page.words

    for typed in ("", "Support", "support x", HOSTILE):
        refused = admin.post(DELETE, {"project": "support", "sure": typed})
        assert refused.status == 422
        assert "<script>alert" not in refused.text
        assert "Type the name exactly" in refused.words
    assert projects(site.workspace) == ("default", "support")
    done = admin.post(DELETE, {"project": "support", "sure": "support"})

    assert done.status == 200
    assert projects(site.workspace) == ("default",)
    [place] = (site.workspace / "trash").iterdir()
    assert f"The project support lies in the trash: {place}." in done.words
    assert "In the trash" in done.words
    assert (place / "tasks").is_dir()
    assert site.site.sessions.people.find("ada").roles == {"default": "viewer"}
    assert ("project.delete", "project support", {"trash": place.name}) in audit_log(site)
    assert admin.get(f"{ONE}support").status == 404
    make_project(site.workspace, "support")
    assert admin.get(f"{ONE}support").status == 200


def test_a_new_project_of_an_old_name_is_empty(site: RunningSite) -> None:
    """Threads of the site that had the earlier one open do not show it."""
    visitor = site.visitor()
    visitor.post("/project", {"to": "support"})
    visitor.post("/tasks/new/example", {"which": "helpdesk"})
    assert 'href="/tasks/helpdesk"' in visitor.get("/tasks").text
    visitor.post(RENAME, {"project": "support", "name": "care"})
    visitor.post("/settings/projects", {"name": "support"})
    visitor.post("/project", {"to": "support"})
    for _each_thread in range(20):
        assert 'href="/tasks/helpdesk"' not in visitor.get("/tasks").text
    visitor.post("/project", {"to": "care"})
    assert 'href="/tasks/helpdesk"' in visitor.get("/tasks").text


def test_what_cannot_be_is_said_beside_its_field(site: RunningSite) -> None:
    """Bad or taken names, and a project in which something runs: 422, and nothing has changed."""
    visitor = site.visitor()
    make_project(site.workspace, "other")
    for name in ("default", "other", "support", "A b", HOSTILE, ""):
        refused = visitor.post(RENAME, {"project": "support", "name": name})
        assert refused.status == 422, name
        assert "<script>alert" not in refused.text
    job = site.site.jobs("support").start("doctor", title=HOSTILE, who="me")
    try:
        page = visitor.get(f"{ONE}support")
        assert "Something runs in it" in page.words
        assert "<script>alert" not in page.text
        for path, fields in ((RENAME, {"name": "care"}), (DELETE, {"sure": "support"})):
            refused = visitor.post(path, {"project": "support", **fields})
            assert (refused.status, "something runs" in refused.words) == (422, True)
            assert "<script>alert" not in refused.text
    finally:
        site.site.jobs("support").stop(job.id)
    assert projects(site.workspace) == ("default", "other", "support")


@pytest.mark.parametrize("name", ["default", "nobody", "..", "../support", "SUPPORT", ""])
def test_what_is_no_project_is_nowhere(site: RunningSite, name: str) -> None:
    """Also the first one, which stays as it is."""
    visitor = site.visitor()
    assert visitor.get(ONE + name).status == 404
    assert visitor.post(RENAME, {"project": name, "name": "x"}).status == 404
    assert visitor.post(DELETE, {"project": name, "sure": name}).status == 404


def test_an_admin_of_the_project_alone_does_not_move_it(site: RunningSite) -> None:
    """Names and the trash are the site's."""
    member: Visitor = site.member("ada", {"support": "admin"})
    member.get("/")
    assert "Rename or delete" not in member.get("/settings/projects").words
    assert member.get(f"{ONE}support").status == 403
    assert member.post(RENAME, {"project": "support", "name": "x"}).status == 403
    assert member.post(DELETE, {"project": "support", "sure": "support"}).status == 403


def test_pages_that_are_being_made_are_waited_for(site: RunningSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of the project ends first; one that takes too long is not cut off, and nobody comes in meanwhile."""
    monkeypatch.setattr("touchstone.web.site._PATIENCE_S", 0.1)
    place, inside, leave = site.site, threading.Event(), threading.Event()

    def page() -> None:
        with place.visit("support"):
            inside.set()
            leave.wait(10)

    other = threading.Thread(target=page)
    other.start()
    assert inside.wait(10)
    with pytest.raises(SettingsError, match="still being made"), place.closed("support"):
        pytest.fail("somebody is in it")
    threading.Timer(0.02, leave.set).start()
    monkeypatch.setattr("touchstone.web.site._PATIENCE_S", 10.0)
    visitor = site.visitor()
    visitor.post("/project", {"to": "support"})
    with place.closed("support"):
        assert visitor.get("/tasks").status == 404
        with pytest.raises(SettingsError, match="somebody else"), place.closed("support"):
            pytest.fail("one at a time")
    other.join()
    assert visitor.get("/tasks").status == 200
