"""Pages of the catalog in a real browser: nothing is asked for, nothing is cut off, and everything can be read."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from touchstone.evaluation.leaderboard import leaderboard
from touchstone.reporting.board_page import benchmark_page
from touchstone.reporting.card_page import Surroundings, card_page
from touchstone.reporting.cards_compared import compared_page
from touchstone.reporting.page_html import html_page

from .cards import TODAY, benchmark, card, claim, model, offer, period, source
from .test_board_page import hits, results
from .test_in_browser import Look, look

__all__ = ["look"]  # the fixture

CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const linear = (c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
    const [r, g, b] = rgb.slice(0, 3).map((c) => linear(c / 255));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const found = numbers(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const one of document.querySelectorAll("main *, header *, footer *")) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || one.getClientRects().length === 0) continue;
    const style = getComputedStyle(one);
    const [a, b] = [light(numbers(one.closest("svg") ? style.fill : style.color)), light(ground(one))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) low.push([one.tagName, one.className.toString(), one.textContent.slice(0, 40), ratio]);
  }
  return low;
}"""
"""Texts whose contrast is below what WCAG 2.2 asks at level AA (1.4.3)."""


def long_card() -> Any:
    of = model(
        "inkwell/quill-with-a-very-long-name-2-instruct-235b-a22b",
        weights="open",
        hugging_face="Inkwell/Quill-With-A-Very-Long-Name-2-Instruct-235B-A22B",
        parameters=235_000_000_000,
        architecture="decoder-only",
        licence="apache-2.0",
        languages=tuple(f"a{chr(97 + n % 26)}" for n in range(90)),
        sources=(source("Page", "licence", url="https://inkwell.example/" + "very-long-path/" * 12),),
    )
    history = (period(input_tokens=2, output_tokens=4), period(date(2026, 3, 1), input_tokens=1, output_tokens=4))
    offers = tuple(
        offer(seller, *history, served_name="org/" + "quill-" * 9) for seller in ("openai", "groq", "novita")
    )
    claims = tuple(claim(value=50.0 + n, snapshot=f"quill-{n}", setting="5-shot, greedy") for n in range(30))
    return card(of, offers=offers, claims=claims)


def pages() -> dict[str, str]:
    one, other = long_card(), card(model("inkwell/pen"), claims=(claim(model="inkwell/pen"),))
    board = leaderboard(benchmark(), results(90, 80, 70, 60, 50))
    return {
        "card": html_page(card_page(one, Surroundings(today=TODAY))),
        "compared": html_page(compared_page([one, other] * 3, TODAY)),
        "board": html_page(benchmark_page(board, hits(), TODAY, charts=True)),
    }


PAGES = pages()
every = pytest.mark.parametrize("which", PAGES)


@every
def test_nothing_is_asked_for_and_nothing_complains(look: Look, tmp_path: Path, which: str) -> None:
    """One file, one request, and its links are only followed by a reader."""
    visit = look(PAGES[which])

    assert visit.requests == [(tmp_path / "report.html").as_uri()]
    assert visit.complaints == []


@every
def test_the_page_never_scrolls_sideways(look: Look, which: str) -> None:
    """Wide tables and code scroll within their own frames, which the keyboard reaches."""
    page = look(PAGES[which], width=1600).page
    for width in (1600, 768, 390, 320):
        page.set_viewport_size({"width": width, "height": 900})
        frames = page.evaluate(
            """() => [...document.querySelectorAll("main *")]
                .filter((one) => ["auto", "scroll"].includes(getComputedStyle(one).overflowX))
                .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.tabIndex)"""
        )

        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        assert set(frames) <= {0}


@every
def test_every_text_stands_out_from_its_ground(look: Look, which: str) -> None:
    """At least 4.5 to 1, also what is small, in a chart or beside the matter, in the light and in the dark."""
    page = look(PAGES[which]).page

    assert page.evaluate(CONTRAST) == []
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(CONTRAST) == []


def test_lines_of_a_chart_can_be_told_apart_without_colour(look: Look) -> None:
    """Each line has its number at its end and in the legend, whatever the width."""
    page = look(PAGES["card"], width=390).page
    ends = page.locator("svg.steps text.number").all_text_contents()
    legend = page.locator("figure .legend li b").all_inner_texts()
    boxes = [box for one in page.locator("svg.steps text.number").all() if (box := one.bounding_box())]

    assert ends == legend == ["1", "2", "3"]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)


def test_a_mark_leads_to_its_source(look: Look) -> None:
    """The number behind a fact is a link within the page."""
    page = look(PAGES["card"]).page
    page.get_by_role("link", name="[1]").first.click()

    assert page.evaluate("document.querySelector(':target').textContent").startswith("[1]")
