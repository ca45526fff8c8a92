"""Published tests in a browser: the panel, rankings with intervals, price and time, and uses."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.web.visiting import RunningSite, Visitor

from touchstone.catalog.benchmarks import benchmarks, scenarios


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site over an empty workspace: what ships."""
    place = tmp_path_factory.mktemp("panel") / "workspace"
    place.mkdir()
    running = RunningSite(place)
    yield running
    running.close()


def test_the_panel_has_every_test_and_every_use(visitor: Visitor) -> None:
    """Each leads to its page."""
    page = visitor.get("/benchmarks")
    for one in benchmarks():
        assert f'href="/benchmarks/{one}"' in page.text
    for use in scenarios():
        assert f'href="/benchmarks?scenario={use}"' in page.text


def test_a_test_has_a_ranking_with_intervals_prices_and_dates_as_pictures_and_tables(visitor: Visitor) -> None:
    """Each picture has a text beside it, and rows lead to cards."""
    page = visitor.get("/benchmarks/gpqa-diamond")
    assert "Known issues" in page.words
    assert '<ol class="rows" aria-label="Ranking">' in page.text
    assert page.text.count('class="whisker"') > 5
    assert 'aria-label="Score against price"' in page.text
    assert 'class="front"' in page.text
    assert 'aria-label="Score against date"' in page.text
    assert 'href="/catalog/openai/o3"' in page.text
    assert "/catalog?benchmark=gpqa-diamond&amp;sort=score" in page.text


def test_rankings_are_looked_at_one_by_one_and_never_joined(visitor: Visitor) -> None:
    """A ranking has its own address; a number that is too high is the last one."""
    first, second = visitor.get("/benchmarks/gpqa-diamond"), visitor.get("/benchmarks/gpqa-diamond?ranking=2")
    headings = [re.findall(r'<h2 id="board1-title">([^<]+)', page.text) for page in (first, second)]
    assert headings[0] != headings[1]
    assert first.text.count('aria-current="true"') == second.text.count('aria-current="true"') == 1
    assert visitor.get("/benchmarks/gpqa-diamond?ranking=999").status == 200


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_test_and_every_use_has_a_page(site: RunningSite, language: str) -> None:
    """Also those without a result, in both languages."""
    visitor = site.visitor(language)
    for one in list(benchmarks())[:: 1 if language == "en" else 6]:
        assert visitor.get(f"/benchmarks/{one}").status == 200, one
    for use in list(scenarios())[:: 1 if language == "en" else 4]:
        page = visitor.get(f"/benchmarks?scenario={use}")
        assert page.status == 200
        assert page.text.count("<section") == len(scenarios()[use].benchmarks)


def test_what_is_not_in_the_panel_is_not_here(visitor: Visitor) -> None:
    """Whatever stands in the address is text."""
    for address in (
        "/benchmarks/none",
        "/benchmarks/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/benchmarks?scenario=%3Cb%3E",
    ):
        page = visitor.get(address)
        assert page.status == 404
        assert "<script>alert" not in page.text
    assert visitor.get("/benchmarks/mmlu?ranking=many").status == 400
