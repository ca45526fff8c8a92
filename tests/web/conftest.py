"""A site over a small measured workspace, and a real browser."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.web.visiting import RunningSite, Seen, Visitor

from touchstone.config import Settings
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.demo import write_intents
from touchstone.workspace.workspace import Workspace

_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def measured_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the shipped intents were compared; made once, and copied by whoever changes it."""
    folder = tmp_path_factory.mktemp("measured")
    task = write_intents(folder / "task")
    settings = Settings(workspace=folder / "workspace", workspace_from="test")
    # Hooks of this folder are not asked about fixtures of the whole session.
    with _no_loop_of_the_browser(used=False), Workspace(settings) as workspace:
        workspace.compare(workspace.load_task(task), CompareOptions())
    return folder / "workspace"


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """
    Debian's or anybody's Chromium; CI has one, so a missing one fails there instead of skipping.

    One for each module: while it is open its library keeps an event loop running in this thread, in which no other test
    could start one of its own.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have a browser; install the package chromium")
        pytest.skip("no Chromium on this machine; install the package chromium")
    with sync_playwright() as playwright:
        loop = asyncio.get_running_loop()
        started = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield started
        asyncio._set_running_loop(loop)
        started.close()


@contextmanager
def _no_loop_of_the_browser(used: bool) -> Iterator[None]:
    """
    Let tests and fixtures run loops of their own while a browser is open.

    Playwright's synchronous door leaves its loop marked as the running one of this thread, and then `asyncio.run`
    refuses to begin, also in tests that never heard of the browser.
    """
    loop = asyncio._get_running_loop()
    if loop is None or used:
        yield
        return
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(None if loop.is_closed() else loop)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    """A fixture is made without the browser's loop, unless it is made of the browser."""
    with _no_loop_of_the_browser(bool({"browser", "page", "open_page"} & {fixturedef.argname, *fixturedef.argnames})):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """The same for a test."""
    with _no_loop_of_the_browser("browser" in getattr(item, "fixturenames", ())):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """And for what is taken down after it."""
    with _no_loop_of_the_browser("browser" in getattr(item, "fixturenames", ())):
        return (yield)


@pytest.fixture
def open_page(browser: Browser, site: RunningSite) -> Iterator[Callable[..., Seen]]:
    """Opens signed-in pages of the site in the browser; nothing may leave it, and nothing may complain."""
    seen: list[Seen] = []

    def open_one(path: str = "/", *, language: str = "en", width: int = 1280, theme: str = "light",
                 scripts: bool = True, at: RunningSite | None = None) -> Seen:  # fmt: skip
        place = at or site
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            locale="zh-CN" if language == "zh" else "en-GB",
            java_script_enabled=scripts,
        )
        found = Seen(context.new_page())
        seen.append(found)
        found.page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((place.address, "data:", "blob:"))
                else found.elsewhere.append(request.url)
            ),
        )
        found.page.on(
            "console", lambda said: found.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        found.page.goto(place.server.new_link())
        found.page.goto(place.address + path)
        return found

    yield open_one
    for one in seen:
        assert one.elsewhere == []
        assert one.complaints == []
        one.page.context.close()
