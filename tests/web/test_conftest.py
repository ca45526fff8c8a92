"""What the tests of the pages stand on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser
from tests.web.visiting import Seen


async def nothing() -> int:
    """What somebody's own loop runs."""
    await asyncio.sleep(0)
    return 7


@pytest.fixture
def made_by_a_loop() -> int:
    return asyncio.run(nothing())


def test_a_fixture_may_run_a_loop_although_a_browser_is_open(browser: Browser, made_by_a_loop: int) -> None:
    """The browser came first, and is in nobody's way."""
    assert made_by_a_loop == 7
    assert browser.version


def test_so_may_a_test() -> None:
    """Also one that never heard of the browser."""
    assert asyncio.run(nothing()) == 7


async def test_a_test_may_be_a_coroutine() -> None:
    """The same for tests that run on a loop of their own."""
    assert await nothing() == 7


def test_the_browser_works_on(open_page: Callable[..., Seen]) -> None:
    """After all that."""
    assert open_page("/jobs").page.inner_text("h1")
