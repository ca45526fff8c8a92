"""
One real browser for all tests of a worker, and its windows.

Starting one takes three seconds of a processor and opening a window another, so windows are lent: whoever has ended
gives back a blank one that is signed in nowhere.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

OpenWindow = Callable[..., "Page"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's or anybody's Chromium; CI has one, so a missing one fails there instead of skipping."""
    from playwright.sync_api import sync_playwright

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


@pytest.fixture(scope="session")
def _blank_windows(browser: Browser) -> dict[tuple[str, bool], list[Page]]:
    """Those that nobody has, by what cannot be changed of one: its language, and whether scripts run in it."""
    return defaultdict(list)


@pytest.fixture
def open_window(browser: Browser, _blank_windows: dict[tuple[str, bool], list[Page]]) -> Iterator[OpenWindow]:
    """Opens windows in which nothing has happened; each has its own cookies, and they close with the test."""
    lent: list[tuple[tuple[str, bool], Page]] = []

    def open_one(*, locale: str = "en-GB", width: int = 1280, scheme: str = "light", scripts: bool = True) -> Page:
        kind = (locale, scripts)
        blank = _blank_windows[kind]
        page = blank.pop() if blank else browser.new_context(locale=locale, java_script_enabled=scripts).new_page()
        lent.append((kind, page))
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        return page

    yield open_one
    for kind, page in lent:
        # Not before here, and so not if this fails: streams end, and what one says of that is nobody's any more.
        page.goto("about:blank")
        page.context.clear_cookies()
        _blank_windows[kind].append(page)


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


_MADE_OF_IT = {"browser", "open_window", "page", "open_page"}


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    """A fixture is made without the browser's loop, unless it is made of the browser."""
    with _no_loop_of_the_browser(not _MADE_OF_IT.isdisjoint((fixturedef.argname, *fixturedef.argnames))):
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
