"""What the report promises in a real browser: complete, calm, and nothing leaves the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Dialog, Page
from tests.browsing import OpenWindow

from touchstone.reporting.base import ReportData
from touchstone.reporting.html import render

Look = Callable[..., "Visit"]

OPENED = "folds => folds.forEach(one => one.click())"


class Visit(NamedTuple):
    """An open page with everything it asked for and complained about."""

    page: Page
    requests: list[str]
    complaints: list[str]


@pytest.fixture
def look(open_window: OpenWindow, tmp_path: Path) -> Iterator[Look]:
    """Opens a page from a file, as a reader does who was sent it."""
    listened: list[tuple[Page, str, Callable[..., None]]] = []

    def look_at(html: str, *, width: int = 1280, scheme: str = "light") -> Visit:
        file = tmp_path / "report.html"
        file.write_text(html, encoding="utf-8")
        page = open_window(width=width, scheme=scheme)
        found = Visit(page, [], [])

        def refuse(dialog: Dialog) -> None:
            found.complaints.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        def listen(event: str, note: Callable[..., None]) -> None:
            page.on(event, note)  # type: ignore[call-overload]
            listened.append((page, event, note))

        listen("request", lambda request: found.requests.append(request.url))
        listen("console", lambda message: found.complaints.append(message.text))
        listen("pageerror", lambda error: found.complaints.append(str(error)))
        listen("dialog", refuse)
        page.goto(file.as_uri())
        return found

    yield look_at
    for page, event, note in listened:
        page.remove_listener(event, note)


def _background(page: Page) -> str:
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_leaves_the_page_and_nothing_runs(
    look: Look, tmp_path: Path, twelve: ReportData, language: str
) -> None:
    """One file, one request; no error, no dialog, though the outputs hold scripts."""
    visit = look(render(twelve, language=language))
    visit.page.locator("summary").evaluate_all(OPENED)
    assert visit.requests == [(tmp_path / "report.html").as_uri()]
    assert visit.complaints == []
    assert visit.page.locator("script").count() == 1
    headings = " ".join(visit.page.locator("h1, h2, h3").all_inner_texts())
    assert any("\u4e00" <= character <= "\u9fff" for character in headings) == (language == "zh")


def test_light_and_dark(look: Look, two: ReportData) -> None:
    """The page follows the reader's setting, and the button turns it round."""
    light = look(render(two), scheme="light").page
    dark = look(render(two), scheme="dark").page
    was = _background(light)
    assert was != _background(dark)
    light.locator(".theme").click()
    assert _background(light) == _background(dark)
    light.locator(".theme").click()
    assert _background(light) == was


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("which", ["twelve", "raced", "again"])
def test_no_width_is_too_small(look: Look, request: pytest.FixtureRequest, which: str, language: str) -> None:
    """From a phone to a wide screen the page itself never scrolls sideways; wide tables do within their frame."""
    page = look(render(request.getfixturevalue(which), language=language), width=1600).page
    page.locator("#race summary, #again summary").evaluate_all(OPENED)
    for width in (1600, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_it_prints(look: Look, two: ReportData) -> None:
    """The page becomes a PDF of a few A4 sheets."""
    page = look(render(two)).page
    body = page.pdf(format="A4")
    assert body.startswith(b"%PDF")
    assert 1 <= body.count(b"/Type /Page\n") + body.count(b"/Type /Page ") + body.count(b"/Type/Page/") < 30


@pytest.mark.parametrize("which", ["raced", "again"])
def test_every_picture_is_said_in_words_too(look: Look, request: pytest.FixtureRequest, which: str) -> None:
    """Drawings are hidden from screen readers, so the figure around them says its numbers as text."""
    page = look(render(request.getfixturevalue(which))).page
    figures = page.locator("figure")
    assert figures.count() >= 3
    for figure in figures.all():
        box = figure.bounding_box()
        assert box is not None
        assert box["height"] > 10
        assert any(character.isdigit() for character in figure.inner_text())


@pytest.mark.parametrize("width", [390, 1280])
def test_bars_of_a_race_share_one_axis(look: Look, raced: ReportData, width: int) -> None:
    """Every bar begins and ends at the same place, whatever stands beside it, and the marks lie within."""
    page = look(render(raced), width=width).page
    frames = [box for strip in page.locator("#race .rows svg.strip").all() if (box := strip.bounding_box())]
    assert len(frames) == len(raced.comparison.candidates)
    assert len({(round(box["x"]), round(box["width"])) for box in frames}) == 1
    assert frames[0]["width"] > 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_hatch_is_drawn(look: Look, raced: ReportData, scheme: str) -> None:
    """What was not needed is told by its hatch, which takes its colours from the reader's setting."""
    page = look(render(raced), scheme=scheme).page
    fill = page.locator("#race .rows .kind.spared").first.evaluate("one => getComputedStyle(one).fill")
    assert "hatch-spared" in fill
    ground = page.locator("#hatch-spared rect").evaluate("one => getComputedStyle(one).fill")
    line = page.locator("#hatch-spared path").evaluate("one => getComputedStyle(one).stroke")
    assert ground != line
