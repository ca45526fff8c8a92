"""A dozen questions, and who fits."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from tests.web.visiting import Reply, RunningSite, Seen, Visitor

from touchstone.errors import SettingsError
from touchstone.web.pages import shortlist
from touchstone.workspace import shortlist as front

ASKED = "task=chat&speaks=zh&max_usd_per_month=200&requests_per_month=50000&input_tokens=800&output_tokens=200"


def test_nothing_is_looked_for_before_anything_is_asked(visitor: Visitor) -> None:
    """The empty form says how to begin."""
    page = visitor.get("/shortlist")
    assert "Nothing is asked for yet" in page.words
    assert "Who qualifies" not in page.words


def test_who_fits_comes_in_order_and_the_others_with_a_reason(visitor: Visitor) -> None:
    """The same page as the command's, with what to do next."""
    page = visitor.get(f"/shortlist?{ASKED}")
    for head in ("Who qualifies", "Who is left out, and by how much", "What giving up one limit brings back"):
        assert head in page.words
    assert 'action="/tasks/new"' in page.text
    assert 'name="models"' in page.text


def test_a_tighter_limit_never_adds_a_model(visitor: Visitor) -> None:
    """Results move as limits move."""

    def fits(most: int) -> int:
        words = visitor.get(
            f"/shortlist?task=chat&requests_per_month=50000&input_tokens=800&output_tokens=200&max_usd_per_month={most}"
        ).words
        found = re.search(r"([\d,]+) of [\d,]+ models? meets? every limit", words)
        assert found
        return int(found[1].replace(",", ""))

    assert 0 < fits(5) < fits(1_000_000)


def test_why_a_model_is_not_among_them(visitor: Visitor) -> None:
    """Every limit against one model."""
    words = visitor.get("/shortlist/why?task=chat&max_usd_per_month=1&requests_per_month=50000&input_tokens=800"
                        "&output_tokens=200&model=openai/gpt-4o").words  # fmt: skip
    assert "misses" in words


def test_a_number_that_is_none_is_told_of(visitor: Visitor) -> None:
    """Beside the form, which keeps what was written."""
    page = visitor.get("/shortlist?task=chat&max_usd_per_month=plenty")
    assert page.status == 422
    assert "max_usd_per_month is &#39;plenty&#39;" in page.text
    assert 'value="plenty"' in page.text


def test_a_model_that_nobody_knows_is_not_found(visitor: Visitor) -> None:
    """And its name is text."""
    page = visitor.get("/shortlist/why?task=chat&model=<script>alert(1)</script>/x")
    assert page.status == 404
    assert "<script>alert" not in page.text


# A large catalog ------------------------------------------------------------------------------------------------------


CARD = """
id = "own/pocket"
name = "Pocket"
lab = "own"
summary = {en = "Ours.", zh = "自有。"}
tasks = ["chat"]
output_types = ["text"]
[[sources]]
name = "us"
as_of = "2026-08-01"
facts = ["weights"]
"""


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ships is taken for a catalog so large that nobody could wait for an answer."""
    monkeypatch.setattr(shortlist, "AT_ONCE", 100)


def when_there(look: Callable[[], Reply]) -> Reply:
    """The page, once it is no longer being looked at."""
    for _moment in range(300):
        page = look()
        if page.status != 204 and "Looking at the" not in page.words:
            return page
        time.sleep(0.05)
    raise AssertionError("it never came")


@pytest.mark.usefixtures("large")
def test_over_a_large_catalog_the_page_comes_at_once_and_then_what_it_found(visitor: Visitor) -> None:
    """Without scripts: the questions with their answers, how many entries are looked at, and a link to look again."""
    asked = "/shortlist?task=chat&speaks=zh&max_output_usd=7"
    page = visitor.get(asked)
    assert page.status == 200
    assert re.search(r"Looking at the [\d,]+ entries of the catalog", page.words)
    assert '<option value="zh" selected' in page.text
    again = re.search(r'<noscript><p><a class="button" href="([^"]*)"', page.text)
    assert again
    found = when_there(lambda: visitor.get(unescape(again[1])))
    assert "Who qualifies" in found.words
    assert unescape(again[1]) == asked


@pytest.mark.usefixtures("large")
def test_scripts_fetch_what_was_found_when_it_is_there(visitor: Visitor) -> None:
    """Until then they are told that nothing has changed, so that the page is not read out again and again."""
    asked, scripts = "/shortlist?task=chat&max_output_usd=8", {"hx-request": "true"}
    part = visitor.get(asked, headers=scripts)
    assert "<html" not in part.text
    address = re.search(r'id="waiting"[^>]*hx-get="([^"]*)"', part.text)
    assert address
    found = when_there(lambda: visitor.get(unescape(address[1]), headers=scripts))
    assert "<html" not in found.text
    assert "Who qualifies" in found.words
    assert "waiting" not in found.text


@pytest.mark.usefixtures("large")
def test_in_a_browser_what_was_found_comes_by_itself(open_page: Callable[..., Seen]) -> None:
    """Also for a question that is changed while another is looked at: the page shows the answer to the last one."""
    page = open_page("/shortlist?task=chat&max_output_usd=3").page
    assert page.get_by_text("Looking at the").is_visible()
    page.get_by_label("Which language does it speak?").select_option("zh")
    page.get_by_text("What giving up one limit brings back").wait_for()
    page.wait_for_url("**speaks=zh**")
    assert page.get_by_text("its maker names the languages zh").first.is_visible()
    assert page.locator("#waiting").count() == 0


def test_what_is_found_beside_is_what_is_found_at_once(
    start_site: Callable[[Path], RunningSite], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word, in both languages; another language of the same is there at once."""
    at_once = {}
    for language in ("en", "zh"):
        at_once[language] = start_site(tmp_path / "workspace").visitor(language).get(f"/shortlist?{ASKED}").words
    monkeypatch.setattr(shortlist, "AT_ONCE", 100)
    site = start_site(tmp_path / "workspace")
    assert when_there(lambda: site.visitor().get(f"/shortlist?{ASKED}")).words == at_once["en"]
    assert site.visitor("zh").get(f"/shortlist?{ASKED}").words == at_once["zh"]


def test_the_catalog_is_free_while_it_is_looked_at(site: RunningSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of the catalog does not wait for a shortlist that is being worked out, here or beside."""
    free: list[bool] = []

    def read_a_card() -> None:
        with site.site.catalog("default") as catalog:
            catalog.card("openai/gpt-4o")

    def answer(*_given: object, **_more: object) -> None:
        other = threading.Thread(target=read_a_card, daemon=True)
        other.start()
        other.join(5)
        free.append(not other.is_alive())
        raise SettingsError("that was all")

    monkeypatch.setattr(front, "answer", answer)
    for most, number in ((100_000, 9), (100, 10)):
        monkeypatch.setattr(shortlist, "AT_ONCE", most)
        page = when_there(lambda number=number: site.visitor().get(f"/shortlist?task=chat&max_output_usd={number}"))  # type: ignore[misc]
        assert (page.status, "that was all" in page.words) == (422, True)
    assert free == [True, True]


def test_a_card_that_was_added_is_looked_at(start_site: Callable[[Path], RunningSite], tmp_path: Path) -> None:
    """What was found is kept for the same catalog only."""
    visitor = start_site(tmp_path / "workspace").visitor()

    def looked_at() -> int:
        found = re.search(r" of ([\d,]+) models? meets?", visitor.get("/shortlist?task=chat").words)
        assert found
        return int(found[1].replace(",", ""))

    before = looked_at()
    assert looked_at() == before
    visitor.post("/catalog/add", {"text": CARD, "kind": "toml"})
    assert looked_at() == before + 1
