"""The ladder as people read it: who pays first, every number with its unit, nothing that a browser would obey."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.decision.conftest import make_pairs, make_trial

from touchstone.decision.advice_base import Situation
from touchstone.decision.base import Reason
from touchstone.decision.improve_base import Circumstances
from touchstone.decision.improve_plan import plan_ways
from touchstone.decision.ladder import make_ladder
from touchstone.decision.ladder_base import Amount, Making, Stretch
from touchstone.decision.learning_curve import CurvePoint, make_curve
from touchstone.decision.what_if import after_the_facts_changed, what_changes
from touchstone.language import set_language
from touchstone.reporting.base import ReportData
from touchstone.reporting.improve_nouns import Improvement, ImprovePlan, ModelPlan
from touchstone.reporting.improve_page import improve_page
from touchstone.reporting.improve_plan_page import plan_page
from touchstone.reporting.notes import Note
from touchstone.reporting.page_html import html_page
from touchstone.reporting.page_terminal import terminal_page

from .conftest import HOSTILE

Made = Callable[..., Improvement]


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    yield
    set_language("en")


def share(right: float, cases: int = 300) -> list[float]:
    return [1.0] * round(right * cases) + [0.0] * (cases - round(right * cases))


@pytest.fixture
def improvement(two: ReportData) -> Made:
    """A plain model, one with passages, one with examples, and a tuned one whose training saw the test."""

    def made(name: str = "m", stretch: Stretch | None = None, **given: Any) -> Improvement:
        stretch = stretch or Stretch(requests_per_month=20_000, facts_change_days=30)
        table = {f"{name}": 0.4, f"{name} few_shot, k=4": 0.6, f"{name} rag": 0.8, f"{name} fine_tune": 0.9}
        scores = {one: share(right) for one, right in table.items()}
        pairs = make_pairs(dict(scores))
        ways = {f"{name}": "prompt", f"{name} few_shot, k=4": "few_shot", f"{name} rag": "rag"}
        trials = [
            make_trial(one, values, usd=0.001 * (place + 1), strategy=ways.get(one, "fine_tune"))
            for place, (one, values) in enumerate(scores.items())
        ]
        makings = {
            f"{name} fine_tune": Making(usd=30.0, seconds=3_700, labelled_cases=800, renewal="again"),
            f"{name} rag": Making(usd=0.0000001, seconds=0.5),
        }
        leak = Reason(template="train row {row} asks what test case {case} asks", values={"row": 7, "case": "q3"})

        def on(other: Stretch, trials: Any = trials) -> Any:
            return make_ladder(
                trials,
                pairs,
                baseline=name,
                makings=makings,
                stretch=other,
                blocked={f"{name} fine_tune": (leak,)},
            )

        ladder = on(stretch)
        stale = [
            trial if "rag" in trial.name else make_trial(trial.name, share(0.2), strategy=trial.strategy)
            for trial in trials
        ]
        points = [
            CurvePoint(examples=count, candidate=one, score=next(t.estimate for t in trials if t.name == one))
            for count, one in ((0, name), (4, f"{name} few_shot, k=4"))
        ]
        planned = plan_ways(
            Circumstances(
                situation=Situation(train_cases=97, rests_on_documents=True),
                dev_cases=48,
                facts_change_days=30,
                kind="weights",
                can_train=True,
            )
        )
        return Improvement(
            plan=ImprovePlan(task="t", models=(ModelPlan(model=name, ways=planned),), candidates=tuple(table)),
            ladder=ladder,
            curves=(make_curve(f"{name} few_shot", "shown", points, pairs, matters=0.01),),
            changes=(*what_changes(ladder, on), after_the_facts_changed(ladder, on(stretch, stale))),
            comparison=two.comparison,
            **given,
        )

    return made


def lines(found: Improvement) -> str:
    return " ".join(terminal_page(improve_page(found), width=200, colour=False).split())


def test_the_answer_comes_first(improvement: Made) -> None:
    """Who pays and by which numbers, before any table."""
    found = improvement()
    page = improve_page(found)
    assert page.lead == (
        "m rag is shown to be better than everybody else who qualifies (0.800), at 720.00 USD over the whole time."
    )


@pytest.mark.parametrize(
    ("within", "said"),
    [((), "because its goal is the best score"), (("m", "m rag"), "because it goes by what answers cost to buy; the")],
)
def test_a_decision_that_asks_something_else_is_explained(
    improvement: Made, within: tuple[str, ...], said: str
) -> None:
    """Best and what pays are two questions; where their answers differ, one sentence says why."""
    found = improvement()
    decision = found.comparison.decision

    def lead(chosen: str) -> str:
        other = decision.model_copy(update={"chosen": chosen, "within": within})
        comparison = found.comparison.model_copy(update={"decision": other})
        return improve_page(found.model_copy(update={"comparison": comparison})).lead

    assert f"The decision of this comparison takes m few_shot, k=4 and not m rag, {said}" in lead("m few_shot, k=4")
    assert "The decision" not in lead("m rag")
    assert "The decision" not in lead("somebody else")


def test_warnings_name_the_first_rows_alone(improvement: Made) -> None:
    """The JSON result names more; a page of row numbers is read by nobody."""
    found = improvement()
    rows = {"count": 75, "rows": "2, 5, 7, 8, 9, 10, …", "others": "107, 245, 66, 27"}
    note = Note(template="groups: {count} (rows {rows}, together with {others})", values=rows)
    comparison = found.comparison.model_copy(update={"warnings": (note,)})

    [said] = improve_page(found.model_copy(update={"comparison": comparison})).warnings

    assert said == "Groups: 75 (rows 2, 5, 7, …, together with 107, 245, 66, 27)."


def test_a_machine_without_a_price_is_said_to_have_none(improvement: Made) -> None:
    """What its time costs is unknown, which is told with the next step, and never counted as nothing."""
    found = improvement()
    rungs = tuple(one.model_copy(update={"usd_per_request": None, "total": None}) for one in found.ladder.rungs)
    unpriced = found.model_copy(update={"ladder": found.ladder.model_copy(update={"rungs": rungs})})

    assert "which has no price here: set machine_usd_per_hour under improve in the task file." in lines(unpriced)
    assert "no price here" not in lines(found)


def test_every_number_has_its_unit_and_its_interval(improvement: Made) -> None:
    """Scores in percent, gains in points, money over time, and what chance may have done is marked."""
    text = lines(improvement())
    assert "m rag (pays) passages from documents (RAG) 80.0% (75.1–84.1%) +40.0 (+" in text
    assert "1.00 s $720.00" in text
    assert "m few_shot, k=4 examples in the prompt (few-shot)" in text
    assert "< $0.000001, 0.50 s" in text
    assert "$30.00, 3,700 s 800 $4.00 never cheaper" in text
    assert "In all: making it, and 20,000 requests a month for 12 months." in text
    assert "so what learned them is made again 12 times" in text


def test_more_right_answers_for_less_are_said_in_words(improvement: Made) -> None:
    """A price below nothing would be none."""
    found = improvement()
    dear = found.ladder.rung("m rag").model_copy(update={"usd_per_further_right": None})
    assert dear.total is not None
    cheap = dear.model_copy(update={"total": dear.total.model_copy(update={"usd": 1.0})})
    rungs = tuple(cheap if one.candidate == "m rag" else one for one in found.ladder.rungs)
    text = lines(found.model_copy(update={"ladder": found.ladder.model_copy(update={"rungs": rungs})}))
    assert "better and cheaper" in text
    assert "better and cheaper" not in lines(found)


def test_a_note_has_no_minus_nothing_either() -> None:
    """What a decision says is kept as notes in the result."""
    assert Note(template="{points:.1f} points", values={"points": -0.004}).text() == "0.0 points"


def test_few_common_cases_and_failed_answers_are_said(improvement: Made) -> None:
    """Instead of a gain that rests on nine cases; and beside the score, in a column that is there for those alone."""
    found = improvement()
    rungs = [
        one.model_copy(
            update={"gain": None, "common_cases": 9, "no_answer": {"unparsed": 0.4, "error": 0.0001}}
            if one.candidate == "m rag"
            else {}
        )
        for one in found.ladder.rungs
    ]
    odd = found.model_copy(update={"ladder": found.ladder.model_copy(update={"rungs": tuple(rungs)})})
    text = lines(odd)
    assert "80.0% (75.1–84.1%) no answer found in the output 40.0%, failed call < 0.1% not known (9 cases)" in text
    assert "Not known: fewer than 30 of them" in text
    assert "No answer" not in lines(found)
    assert "Not known" not in lines(found)
    assert "failed call &lt; 0.1%" in html_page(improve_page(odd))


def test_a_gain_that_must_not_be_claimed_is_not_shown(improvement: Made) -> None:
    """The number is withheld, and the row that leaked is named."""
    text = lines(improvement())
    assert "m fine_tune fine-tuned 90.0% (86.1–92.9%) not to be claimed" in text
    assert "m fine_tune: train row 7 asks what test case q3 asks" in text


def test_what_changes_is_said_of_volume_prices_and_facts(improvement: Made) -> None:
    """And after the facts changed both scores of everybody stand side by side."""
    text = lines(improvement())
    assert "200,000 requests a month, ten times as many m rag $7,200 the same" in text
    assert "the facts changed; documents are read again, nothing is trained again" in text
    assert "m few_shot, k=4 60.0% (54.4–65.4%) 20.0% (15.9–24.9%) stale" in text


def test_without_a_volume_the_picture_is_about_a_request(improvement: Made) -> None:
    """Nothing over time is made up: no column of totals, no sentence about months."""
    page = html_page(improve_page(improvement(stretch=Stretch())))
    assert "Score against the cost of a request" in page
    assert "requests a month for" not in page


def test_ways_that_were_left_out_say_why(improvement: Made) -> None:
    """With the id of the rule, before anybody was asked as well."""
    plan = improvement().plan
    for page in (plan_page(plan), improve_page(improvement())):
        text = " ".join(terminal_page(page, width=200, colour=False).split())
        assert "the facts change every 30 days, more often than every 90" in text
        assert "(tune.restless)" in text


def test_models_of_which_the_same_is_said_share_a_table(improvement: Made) -> None:
    """Their names stand above it."""
    plan = improvement().plan
    two = plan.model_copy(update={"models": (*plan.models, plan.models[0].model_copy(update={"model": "n"}))})
    text = terminal_page(plan_page(two), width=200, colour=False)
    assert text.count("tune.restless") == 1
    assert "m and n" in text


def test_a_part_of_a_joined_way_is_named_like_a_way(improvement: Made) -> None:
    """The plan of a service without documents says that passages are not tried, and not `rag`."""
    ways = plan_ways(Circumstances(situation=Situation(train_cases=97), kind="service"))
    plan = improvement().plan.model_copy(update={"models": (ModelPlan(model="m", ways=ways),)})
    text = " ".join(terminal_page(plan_page(plan), width=200, colour=False).split())
    assert "passages from documents (RAG) is not tried (joined.missing)" in text
    assert "rag is not tried" not in text


def test_models_of_which_other_numbers_are_said_have_their_own_table(improvement: Made) -> None:
    """The same rule with another number is another sentence."""
    plan = improvement().plan
    few = plan_ways(Circumstances(situation=Situation(train_cases=3), kind="weights", can_train=True))
    many = plan_ways(Circumstances(situation=Situation(train_cases=9), kind="weights", can_train=True))
    models = tuple(ModelPlan(model=name, ways=ways) for name, ways in (("a", few), ("b", many)))
    text = terminal_page(plan_page(plan.model_copy(update={"models": models})), width=200, colour=False)
    assert "3 cases to learn from are fewer than 20" in text
    assert "9 cases to learn from are fewer than 20" in text


def test_too_little_evidence_stands_first(improvement: Made) -> None:
    """Nobody is marked, and the lead says why."""
    found = improvement()
    few = Reason(template="{n} cases are too few to rank", values={"n": 20})
    ladder = found.ladder.model_copy(update={"pays": None, "why": few})
    page = improve_page(found.model_copy(update={"ladder": ladder}))
    assert page.lead == "Not enough evidence to say which pays: 20 cases are too few to rank."


def test_noise_of_the_clock_is_said_to_be_noise(improvement: Made) -> None:
    """No number of requests, who is about as cheap, and what an hour was taken to cost."""
    plain = improvement()
    seconds = Amount(mean=1.0, low=0.9, high=1.2)
    rungs = tuple(
        one.model_copy(
            update={"machine_usd_per_request": seconds, "break_even": "level", "making": Making(usd=usd, seconds=1.0)}
        )
        for one, usd in zip(plain.ladder.rungs, (0.0, 1.0, 0.0, 0.0), strict=True)
    )
    ladder = plain.ladder.model_copy(update={"rungs": rungs, "level": ("m few_shot, k=4",)})
    text = lines(plain.model_copy(update={"ladder": ladder, "machine_usd_per_hour": 0.08}))
    assert "about the same a request, dearer to make" in text
    assert "As good as m rag, and about as cheap: m few_shot, k=4." in text
    assert "is priced by the mean time of a request in this run" in text
    assert "An hour of your machine $0.08" in text


def test_names_are_text(improvement: Made) -> None:
    """Markup, direction marks and terminal codes of a name do nothing anywhere."""
    name = "".join(sign for sign in HOSTILE if sign != "\ud800")
    page = html_page(improve_page(improvement(name)))
    assert "<script>alert(1)" not in page
    assert "\u202e" not in page
    assert "\x1b" not in terminal_page(improve_page(improvement(name)), width=120, colour=False)


def test_the_page_is_chinese_where_that_is_read(improvement: Made) -> None:
    """Heads, ways, reasons and sentences about numbers; names of candidates stay."""
    set_language("zh")
    text = terminal_page(improve_page(improvement()), width=200, colour=False)
    ours = r"touchstone report|support-intents|few_shot|few-shot|fine_tune|train row.*asks|\([a-z_.-]+\)"
    words = re.sub(ours, "", text)
    assert "。 " not in words
    assert not re.findall(r"[A-Za-z]{4,}", words)
