"""A site over a small measured workspace, and a real browser."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.browsing import OpenWindow
from tests.web.visiting import RunningSite, Seen, Visitor

from touchstone.config import Settings
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.demo import write_intents
from touchstone.workspace.workspace import Workspace


@pytest.fixture(scope="session")
def measured_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the shipped intents were compared; made by one worker, and copied by whoever changes it."""
    own = tmp_path_factory.getbasetemp()
    place = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    made = place / "measured" / "made"
    with (place / "measured.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            task = write_intents(made.parent / "task")
            settings = Settings(workspace=made.parent / "workspace", workspace_from="test")
            with Workspace(settings) as workspace:
                workspace.compare(workspace.load_task(task), CompareOptions())
            made.touch()
    return made.parent / "workspace"


@pytest.fixture
def start_site() -> Iterator[Callable[[Path], RunningSite]]:
    """Starts sites over workspaces; they end with the test."""
    started: list[RunningSite] = []

    def start(workspace: Path) -> RunningSite:
        workspace.mkdir(parents=True, exist_ok=True)
        started.append(RunningSite(workspace))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(scope="module")
def site(measured_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site over a copy of the measured workspace, for the tests of one module."""
    folder = tmp_path_factory.mktemp("site") / "workspace"
    shutil.copytree(measured_once, folder)
    running = RunningSite(folder)
    yield running
    running.close()


@pytest.fixture
def visitor(site: RunningSite) -> Visitor:
    """Somebody who is signed in, without scripts, in English."""
    return site.visitor()


@pytest.fixture
def open_page(open_window: OpenWindow, site: RunningSite) -> Iterator[Callable[..., Seen]]:
    """Opens signed-in pages of the site in the browser; nothing may leave it, and nothing may complain."""
    watched: list[Seen] = []

    def open_one(path: str = "/", *, language: str = "en", width: int = 1280, theme: str = "light",
                 scripts: bool = True, at: RunningSite | None = None) -> Seen:  # fmt: skip
        place = at or site
        page = open_window(locale="zh-CN" if language == "zh" else "en-GB", width=width, scheme=theme, scripts=scripts)
        found = Seen(page, place.address)
        watched.append(found)
        page.context.add_cookies(
            [
                {"name": name, "value": value, "url": place.address, "httpOnly": True, "sameSite": "Lax"}
                for name, value in place.visitor().cookies.items()
            ]
        )
        page.goto(place.address + path)
        return found

    yield open_one
    for one in watched:
        one.look_away()
        assert one.elsewhere == []
        assert one.complaints == []
