"""The report is one file that needs nothing, shows everybody and runs nothing that somebody else wrote."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from touchstone.evaluation.base import RetrievalScores
from touchstone.language import current_language
from touchstone.reporting.base import DecisionResult, JudgeInfo, ReportData, Reproduction
from touchstone.reporting.html import render

from .conftest import HOSTILE, ROWS, build, wilson

HEADING = {"h1", "h2", "h3", "th", "caption", "summary", "dt"}
VOID = {"meta", "link", "br", "wbr", "img", "input", "hr"}


class Page(HTMLParser):
    """What stands in a page: elements, headings (without names, which stand in `bdi`), text, and whether it nests."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self.visible: list[str] = []
        self.stack: list[str] = []
        self.broken: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.broken.append(tag)

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] in {"script", "style"}:
            return
        self.visible.append(data)
        if "bdi" not in self.stack and any(tag in HEADING for tag in self.stack):
            self.headings.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.visible).split())


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_element_is_closed_where_it_belongs(
    twelve: ReportData, two: ReportData, raced: ReportData, again: ReportData, language: str
) -> None:
    """The page nests as HTML must, with many candidates and with two, after a race and after repeats."""
    for data in (twelve, two, raced, again):
        page = Page(render(data, language))

        assert page.broken == []
        assert page.stack == []


def test_the_page_asks_nobody_for_anything(twelve: ReportData, language: str) -> None:
    """No element loads or links anything but a place in the same page."""
    page = Page(render(twelve, language))
    loading = [
        (tag, name, value)
        for tag, attributes in page.elements
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "action", "data", "poster", "xlink:href"}
        and not (value or "").startswith("#")
    ]
    styles = re.findall(r"url\((?!#)|@import", render(twelve, language))

    assert loading == []
    assert styles == []


def test_only_its_own_style_and_script_may_run(twelve: ReportData) -> None:
    """The content policy names the digests of the one style and the one script, and allows nothing else."""
    text = render(twelve, "en")
    page = Page(text)
    policy = next(a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy") or ""

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(bodies) == 1
        digest = base64.b64encode(hashlib.sha256(bodies[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not [a for _, a in page.elements if "style" in a or any(name.startswith("on") for name in a)]


def test_everybody_is_on_the_page(twelve: ReportData, language: str) -> None:
    """Every candidate's name stands in the page as it was given."""
    page = Page(render(twelve, language))

    for row in ROWS:
        assert row[0] in page.text


@pytest.mark.parametrize("which", ["raced", "again"])
def test_every_hatch_is_in_the_page(request: pytest.FixtureRequest, which: str, language: str) -> None:
    """Patterns that a style fills with stand in the page once, and so does every id."""
    text = render(request.getfixturevalue(which), language)
    ids = [attributes["id"] for _, attributes in Page(text).elements if "id" in attributes]

    assert len(ids) == len(set(ids))
    kind = {"raced": "spared", "again": "within"}[which]
    assert f"url(#hatch-{kind})" in text
    assert f"hatch-{kind}" in ids


def test_what_a_model_wrote_is_text(twelve: ReportData, language: str) -> None:
    """Markup in an output is shown, not obeyed; invisible characters are written out."""
    text = render(twelve, language)

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not set(text) & {"\u202e", "\u202c", "\x1b", "\x07", "\ud800"}
    assert '<span class="unseen">⟨U+202E⟩</span>' in text
    text.encode("utf-8")


def test_hostile_text_anywhere_stays_text(two: ReportData) -> None:
    """A name, task, command or constraint that is markup breaks neither an attribute nor the page."""
    names = {row[0]: HOSTILE + "\"' onload=x>" for row in (ROWS[1], ROWS[7])}
    hostile = two.model_copy(
        update={
            "baseline": names[ROWS[7][0]],
            "instruction": HOSTILE,
            "reproduction": Reproduction(command=HOSTILE, versions={HOSTILE: HOSTILE}, task_file=HOSTILE),
            "comparison": two.comparison.model_copy(
                update={
                    "task": two.comparison.task.model_copy(update={"name": HOSTILE + '"'}),
                    "candidates": tuple(
                        c.model_copy(update={"name": names.get(c.name, c.name), "model": HOSTILE})
                        for c in two.comparison.candidates
                    ),
                }
            ),
        }
    )
    page = Page(render(hostile, "en"))

    assert page.broken == []
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]


def test_a_chinese_page_has_chinese_headings(
    twelve: ReportData, two: ReportData, raced: ReportData, again: ReportData
) -> None:
    """No heading, table head, caption or fold of the English page stands in the Chinese one; names may."""
    for data in (twelve, two, raced, again):
        english, chinese = Page(render(data, "en")), Page(render(data, "zh"))
        names = {text for row in ROWS for text in row[:3]} | {one.tag for one in data.slices} | {"contains"}
        names |= {"touchstone", "python", "numpy", "8 shots from train"}
        untranslated = {text.strip() for text in english.headings} & {text.strip() for text in chinese.headings}
        words = {text for text in untranslated if re.search("[A-Za-z]{2}", text)}

        assert {text for text in words if not any(text.strip("· …") in name for name in names)} == set()
        assert '<html lang="zh-CN">' in render(data, "zh")


def test_unknown_is_never_zero(twelve: ReportData) -> None:
    """A cost nobody knows is an en dash that says so, and its candidate is listed apart from the picture."""
    page = Page(render(twelve, "en"))

    assert ("span", {"title": "unknown", "aria-label": "unknown"}) in page.elements
    assert (
        "Not drawn, because its cost or score is unknown: Qwen3-235B-A22B-Instruct-2507-FP8 on our own cluster"
        in page.text
    )


def test_pictures_have_words(raced: ReportData, again: ReportData) -> None:
    """A picture is either hidden from screen readers, because its numbers stand beside it, or has a label."""
    for tag, attributes in [*Page(render(raced, "en")).elements, *Page(render(again, "en")).elements]:
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label")


@pytest.mark.parametrize("which", ["twelve", "raced", "again"])
def test_headings_go_down_one_by_one(request: pytest.FixtureRequest, which: str) -> None:
    """There is one h1, and no level is skipped."""
    data = request.getfixturevalue(which)
    levels = [int(tag[1]) for tag, _ in Page(render(data, "en")).elements if re.fullmatch("h[1-6]", tag)]

    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        (DecisionResult(verdict="winner", chosen=ROWS[1][0]), f"Take {ROWS[1][0]}."),
        (
            DecisionResult(verdict="tie", chosen=ROWS[1][0], indistinguishable=(ROWS[1][0], ROWS[7][0])),
            f"A tie: take {ROWS[1][0]}.",
        ),
        (DecisionResult(verdict="none_qualifies"), "No candidate meets your conditions."),
        (DecisionResult(verdict="insufficient", cases_needed=90), "There is not enough evidence to choose yet."),
    ],
)
def test_each_verdict_is_a_sentence(two: ReportData, decision: DecisionResult, sentence: str) -> None:
    """The headline says the verdict in plain words, whatever it is."""
    data = two.model_copy(update={"comparison": build([ROWS[1], ROWS[7]], decision)})

    assert sentence in Page(render(data, "en")).text


def test_an_empty_comparison_is_still_a_page(two: ReportData) -> None:
    """Nothing measured, nothing priced, nothing timed: the page says so and does not fail."""
    bare = two.comparison.model_copy(
        update={
            "candidates": tuple(
                c.model_copy(
                    update={
                        "estimate": None, "answered_only": None, "scorers": {}, "cost": type(c.cost)(),
                        "latency_s": type(c.latency_s)(), "outcomes": type(c.outcomes)(), "coverage": 0.0,
                    }
                )
                for c in two.comparison.candidates
            ),
            "pairs": (),
            "spent_usd": None,
            "decision": DecisionResult(verdict="insufficient"),
        }
    )  # fmt: skip
    data = ReportData(comparison=bare, reproduction=Reproduction(command="touchstone compare task.yaml"))

    assert "No candidate has a score." in Page(render(data, "en")).text


def test_the_callers_language_stays(two: ReportData) -> None:
    """Rendering in Chinese does not make the rest of the program speak it."""
    render(two, "zh")

    assert current_language() == "en"


def test_the_same_data_gives_the_same_bytes(twelve: ReportData, language: str) -> None:
    """Nothing of the clock or the machine is in the page."""
    assert render(twelve, language) == render(twelve, language)


def test_what_is_off_the_picture_is_not_drawn_into_it(twelve: ReportData) -> None:
    """A baseline far below the axis has no dashed line; costs that are all alike make no picture of cost."""
    low = twelve.model_copy(update={"baseline": "baseline/majority"})
    free = twelve.comparison.model_copy(
        update={
            "candidates": tuple(
                c.model_copy(update={"cost": c.cost.model_copy(update={"per_case_usd": 0.0})})
                for c in twelve.comparison.candidates
            )
        }
    )

    assert "Dashed: the baseline, baseline/logistic." in Page(render(twelve, "en")).text
    assert "Dashed:" not in Page(render(low, "en")).text
    assert "there are no two known costs that differ" in Page(
        render(twelve.model_copy(update={"comparison": free}), "en")
    ).text  # fmt: skip


def test_what_a_tie_rests_on_is_said_once(twelve: ReportData) -> None:
    """The reason of the choice stands in the explanation and not among the caveats again."""
    decision = twelve.comparison.decision
    assert decision.why is not None
    repeated = decision.model_copy(update={"caveats": (decision.why, *decision.caveats)})
    comparison = twelve.comparison.model_copy(update={"decision": repeated})
    text = Page(render(twelve.model_copy(update={"comparison": comparison}), "en")).text

    assert text.count("Of those that cannot be told apart, deepseek/deepseek-chat costs least per case.") == 1


def test_what_is_wrong_with_a_judge_is_told(twelve: ReportData) -> None:
    """Control rows without a verdict by their number, and the words of the error when it could not be asked."""
    judge = JudgeInfo(
        model="acme/judge", controls=9, controls_passed=0, controls_unanswered=9, fit=False, error="acme/judge: no key"
    )
    text = Page(render(twelve.model_copy(update={"judge": judge}))).text

    assert "Control rows judged rightly: 0 of 9. Without a verdict: 9." in text
    assert "The judge could not be asked: acme/judge: no key" in text
    assert "Without a verdict" not in Page(render(twelve)).text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_was_found_to_read_has_a_table_of_its_own(two: ReportData, language: str) -> None:
    """Only candidates that read stand in it, with intervals and n; where nobody reads there is no such table."""
    scores = RetrievalScores(k=4, recall=wilson(0.9, 40), mrr=wilson(0.7, 40), ndcg=wilson(0.8, 40))
    first, *rest = two.comparison.candidates
    reading = first.model_copy(update={"retrieval": scores})
    comparison = two.comparison.model_copy(update={"candidates": (reading, *rest)})
    html = render(two.model_copy(update={"comparison": comparison}), language)
    section = html.partition('<section id="retrieval"')[2].partition("</section>")[0]

    assert Page(html).broken == []
    assert section.count("<tr>") == 2
    assert all(number in section for number in ("90.0%", "70.0%", "80.0%", "n = 40", ">4<"))
    assert 'id="retrieval"' not in render(two, language)
