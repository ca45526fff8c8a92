"""What asking again showed, as people read it."""

from __future__ import annotations

import pytest

from touchstone.reporting import figures
from touchstone.reporting.base import ReportData
from touchstone.reporting.html import render
from touchstone.reporting.markdown import render_markdown
from touchstone.reporting.result import from_json, to_json
from touchstone.reporting.tables import final_text

from .conftest import repeated
from .test_html import Page


def section(data: ReportData, language: str = "en") -> str:
    text = render(data, language)
    return text[text.index('<section id="again"') : text.index('<section id="cases"')]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_everybody_who_was_asked_again(again: ReportData, language: str) -> None:
    """Chances for one and for all answers, unstable cases and the split of the variance, with n and intervals."""
    page = Page(section(again, language))

    assert page.broken == []
    for candidate in again.comparison.candidates:
        assert candidate.repeats is not None
        assert candidate.name in page.text
        for chance in (*candidate.repeats.pass_hat_k, candidate.repeats.unstable_share):
            assert f"{100 * chance.mean:.1f}%" in page.text
    assert "pass^3" in page.text
    assert page.text.count("n = 200") == 12


def test_variances_are_split(again: ReportData) -> None:
    """Shares fill the bar; a negative variance is explained where one was set to 0, and only there."""
    rows = [row for row in figures.rows(again) if row.candidate.repeats]
    split = figures.variance_chart(rows)
    assert split is not None
    assert len(split.chart.strips) == 3

    assert split.clipped == any(row.candidate.repeats.between_clipped for row in rows if row.candidate.repeats)
    assert ("no more than asking again explains" in Page(section(again)).text) == split.clipped


def test_columns_of_many_answers() -> None:
    """Up to four answers each have a column; of more, the last one does."""
    found = repeated(0.8, 0.1, 3, repeats=9)

    assert figures.powers(found, (2, 3, 4, 9))[-1] == found.pass_hat_k[8]
    assert figures.powers(found, (12,)) == [None]


def test_the_chosen_one_in_a_sentence(again: ReportData) -> None:
    """How often it is right every time stands in all three outputs."""
    chosen = again.comparison.candidates[0].repeats
    assert chosen is not None
    sentence = f"Asked 3 times, it is right every time on {100 * chosen.pass_hat_k[-1].mean:.1f}% of the cases"

    assert sentence in Page(render(again)).text
    assert sentence in final_text(again, width=10_000, colour=False)
    assert sentence in render_markdown(again)


def test_stability_beside_each_answer(again: ReportData, two: ReportData) -> None:
    """An example says how many of the answers were right where the case was asked again."""
    assert "2 of 3 right" in Page(render(again)).text
    assert "0 of 3 right" in Page(render(again)).text
    assert " of 3 right" not in Page(render(two)).text


def test_asked_once_has_no_section(two: ReportData) -> None:
    """Neither the section nor its place in the contents."""
    assert 'id="again"' not in render(two)
    assert "#again" not in render(two)


def test_it_comes_back_from_json(again: ReportData) -> None:
    """The numbers survive the JSON result as they are."""
    back = from_json(to_json(again.comparison))

    assert [c.repeats for c in back.candidates] == [c.repeats for c in again.comparison.candidates]
