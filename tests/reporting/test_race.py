"""A race in words and pictures: what it took, what it proved, and nothing that it did not."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.language import set_language
from touchstone.reporting import figures, race, race_charts, sentences
from touchstone.reporting.base import (
    Calls,
    Comparison,
    Note,
    RaceInfo,
    RaceLane,
    RaceStep,
    RejectedCandidate,
    ReportData,
)
from touchstone.reporting.html import render
from touchstone.reporting.markdown import render_markdown
from touchstone.reporting.numbers import at_most
from touchstone.reporting.result import from_json, to_json
from touchstone.reporting.tables import final_text

from .conftest import ASKED, CASES, HOSTILE, ROWS
from .test_html import Page

LEADER, SECOND, THIRD = (row[0] for row in ROWS[:3])


def altered(data: ReportData, **changes: Any) -> ReportData:
    """The same report with another `race`; `goal` and `calls` go to their own places."""
    goal, calls = changes.pop("goal", data.goal), changes.pop("calls", data.comparison.calls)
    stop = changes.pop("ending", data.ending)
    of_race = data.comparison.race.model_copy(update=changes)
    comparison = data.comparison.model_copy(update={"race": of_race, "calls": calls})
    return data.model_copy(update={"comparison": comparison, "goal": goal, "ending": stop})


def halved(data: ReportData) -> ReportData:
    """The same race as a halving of the field on a fixed number of calls, where nobody settles anybody."""
    lanes = tuple(lane.model_copy(update={"against": None}) for lane in data.comparison.race.lanes)
    return altered(data, finish="budget", lanes=lanes)


def words(data: ReportData) -> str:
    """Everything the section says in sentences."""
    told = (
        race.rules(data), *race.savings(data.comparison), *race.ending(data), *race.ties(data)
    )  # fmt: skip
    return " ".join(told)


def test_a_proven_race_in_words(raced: ReportData) -> None:
    """Rules, calls, money, guarantee, the quick line and both kinds of ties, as whole text."""
    assert words(raced) == (
        "All candidates got the cases in the same random order, 25 cases a round. A rival was settled and asked no "
        "more once it was shown not to be more than 1.0 points better than the leader. "
        "The race took 2,060 of 5,040 calls (40.9%); 300 of them were answered from the store. "
        "2,980 calls were not needed; at each candidate's measured cost per case they would have cost about $0.417. "
        f"Proven: on these cases {LEADER} is at most 1.0 points below the best of those that could be asked (95% "
        "confidence). A quick finish, each rival for itself, was reached after 1,725 calls; the calls after that "
        "bought the guarantee for the whole race. "
        f"Tied with {LEADER} on these cases, as far as was shown: {SECOND}. "
        f"On future cases like these, also {THIRD}."
    )


@pytest.mark.parametrize(
    ("finish", "said", "unsaid"),
    [
        ("quick", "no guarantee covers the whole race. What is guaranteed: on these cases", "Proven"),
        ("stopped", "was stopped before it was decided. What can be said so far: on these cases", "Proven"),
        ("budget", "no confidence was aimed at. What it showed: on these cases", "Proven"),
        ("full", "Every candidate was measured on every case. What it showed: on these cases", "Proven"),
        ("proven", "Proven: on these cases", "no guarantee"),
    ],
)
def test_each_finish_says_what_it_guarantees(raced: ReportData, finish: str, said: str, unsaid: str) -> None:
    """Only a proven finish is called one; a quick one says that it covers each rival alone; on every page."""
    data = altered(raced, finish=finish)
    pages = (words(data), final_text(data, width=10_000, colour=False), render_markdown(data), Page(render(data)).text)

    for page in pages:
        assert said in page
        assert unsaid not in page


@pytest.mark.parametrize(
    ("why", "said"),
    [("budget", "The money cap stopped it."), ("cancel", "Somebody interrupted it."), ("lanes", "Some accounts could")],
)
def test_why_it_stopped_is_said(raced: ReportData, why: str, said: str) -> None:
    """The cap, a person or dead accounts: the report, the terminal and the summary name the reason."""
    data = altered(raced, finish="stopped", ending=why)

    assert said in words(data)
    assert said in final_text(data, width=10_000, colour=False)
    assert said in render_markdown(data)
    assert Page(render(data)).text.count(said) == 3
    assert said not in words(altered(raced, finish="stopped"))


def test_halving_is_not_settling(raced: ReportData) -> None:
    """On a fixed number of calls rivals are left out, which proves nothing; no tolerance is drawn."""
    data = halved(raced)
    endings = {one.row.candidate.name: one.ending for one in race_charts.lanes(data, figures.rows(data))}
    section = Page(render(data)).text

    assert endings[SECOND] == "left out, round 16"
    assert "That proves nothing" in section
    assert "were not needed" not in section
    assert race.savings(data.comparison)[1:] == ()
    assert "Settled does not mean worse" not in section
    assert "Dashed: the tolerance" not in section
    assert "shown not to be more than" not in race.rules(data)
    assert race.tolerance(data) is None


def test_the_bound_is_about_the_chosen_one(raced: ReportData) -> None:
    """Where the decision takes somebody tied with the race's leader, the bound is named after the one taken."""
    decision = raced.comparison.decision.model_copy(update={"chosen": SECOND})
    data = raced.model_copy(update={"comparison": raced.comparison.model_copy(update={"decision": decision})})

    assert f"on these cases {SECOND} is at most 1.0 points below the best" in words(data)
    assert f"Tied with {LEADER} on these cases" in words(data)


def test_a_tie_after_a_race_is_no_accident(raced: ReportData) -> None:
    """The explanation says why the race let a rival go, or that it ended too early to tell; of one and of several."""

    def said(*peers: str, asked: int, **changes: Any) -> str:
        data = chosen_with(raced, *peers, asked=asked)
        return sentences.explanation(altered(data, **changes).comparison)

    one, two = f"{SECOND} may be just as good: ", f"{SECOND} and {THIRD} may be just as good: "
    both = {"ties_here": (SECOND, THIRD)}
    early = "the race stopped asking once {} shown not to be more than 1.0 points better."
    whole = "all that was shown is that {} not more than 1.0 points better."
    assert said(SECOND, asked=400).startswith(one + early.format("it was"))
    assert said(SECOND, THIRD, asked=400, **both).startswith(two + early.format("they were"))
    assert said(SECOND, asked=CASES).startswith(one + whole.format("it is"))
    assert said(SECOND, THIRD, asked=CASES, **both).startswith(two + whole.format("they are"))
    assert said(SECOND, asked=400, finish="stopped").startswith(one + "the race ended before it could tell them apart.")


def chosen_with(data: ReportData, *peers: str, asked: int) -> ReportData:
    """The same race where these may be as good as the leader and were asked so many cases."""
    decision = data.comparison.decision.model_copy(update={"indistinguishable": (LEADER, *peers)})
    lanes = tuple(
        lane.model_copy(update={"cases": asked}) if lane.candidate in peers else lane
        for lane in data.comparison.race.lanes
    )
    found = altered(data, lanes=lanes)
    return found.model_copy(update={"comparison": found.comparison.model_copy(update={"decision": decision})})


def test_who_is_worse_here_may_be_as_good_later(raced: ReportData) -> None:
    """Explanation and section agree: shown to be worse on these cases, and not on future ones like these."""
    data = altered(chosen_with(raced, SECOND, THIRD, asked=50), ties_here=(), ties_future=(SECOND, THIRD))
    text = final_text(data, width=10_000, colour=False)

    assert (
        "On these cases it is shown to be better; on future cases like these, "
        f"{SECOND} and {THIRD} may be just as good."
    ) in text
    assert "may be just as good: " not in text
    assert f"on future cases like these that is not shown of {SECOND} and {THIRD}." in text
    mixed = sentences.explanation(altered(data, ties_here=(SECOND,)).comparison)
    assert mixed.startswith(f"{SECOND} may be just as good: the race stopped asking once it was")
    assert f" On future cases like these, also {THIRD}." in mixed


def test_a_bound_of_the_chosen_one_is_its_own(raced: ReportData) -> None:
    """Where somebody tied with the leader is taken, what is said of the leader is what the certificate shows."""
    data = chosen_with(raced, SECOND, asked=CASES)
    decision = data.comparison.decision.model_copy(update={"chosen": SECOND})
    comparison = data.comparison.model_copy(update={"decision": decision})
    race_info = comparison.race.model_copy(update={"certificate": 0.004})

    said = sentences.explanation(comparison.model_copy(update={"race": race_info}))
    assert said.startswith(f"{LEADER} may be just as good: all that was shown is that it is not more than 0.4 points")


def rejecting(data: ReportData, *names: str, **decided: Any) -> ReportData:
    """The same comparison where these may not be chosen."""
    rejected = tuple(RejectedCandidate(candidate=name, reason=Note(template="too slow")) for name in names)
    decision = data.comparison.decision.model_copy(update={"rejected": rejected, **decided})
    return data.model_copy(update={"comparison": data.comparison.model_copy(update={"decision": decision})})


def test_ties_are_of_those_that_may_be_chosen(raced: ReportData) -> None:
    """Who was ruled out is tied with nobody; where nobody else is left nothing is said; nor of another leader."""
    both = altered(raced, ties_here=(SECOND, THIRD), ties_future=(SECOND, THIRD))
    assert race.ties(rejecting(both, SECOND)) == (f"Tied with {LEADER} on these cases, as far as was shown: {THIRD}.",)
    none = " ".join(race.ties(rejecting(both, SECOND, THIRD)))
    assert none.startswith("On these cases and on future ones like these, every rival that may be chosen")
    assert race.ties(rejecting(both, *(row[0] for row in ROWS[1:]))) == ()
    assert race.ties(rejecting(both, LEADER, leader=SECOND, chosen=SECOND)) == ()
    nobody = rejecting(both, *(row[0] for row in ROWS), leader=None, chosen=None, verdict="none_qualifies")
    assert race.ties(nobody) == ()
    assert race.ending(nobody) == ("Nobody meets the conditions, so the race guarantees nothing.",)


@pytest.mark.parametrize("finish", ["stopped", "open"])
def test_an_unfinished_search_for_the_cheapest_ties_nobody(raced: ReportData, finish: str) -> None:
    """Its leader is the cheapest still in question, with whom nobody wants to be compared."""
    data = altered(raced, goal="cheapest-within: 0.02", ties_here=(SECOND,), finish=finish)

    assert race.ties(data) == ()
    assert race.ties(altered(data, finish="proven"))


def test_who_could_not_be_reached_is_not_beaten(raced: ReportData) -> None:
    """The certificate is about those that could be asked, and says nothing where nobody else could be."""
    reached = tuple(
        lane.model_copy(update={"state": "settled"}) if lane.state == "unreachable" else lane
        for lane in raced.comparison.race.lanes
    )
    alone = tuple(
        lane if lane.state == "leader" else lane.model_copy(update={"state": "unreachable"}) for lane in reached
    )
    untied = altered(raced, ties_here=(), ties_future=(), certificate=0.0, finish="stopped")

    assert "on these cases nobody of those that could be asked is better than" in words(untied)
    assert "every rival that may be chosen and could be asked was shown to be worse" in words(untied)
    assert "could be asked" not in words(altered(untied, lanes=reached))
    assert race.ties(altered(untied, lanes=alone)) == ()
    said = " ".join(race.ending(altered(untied, lanes=alone)))
    assert said.endswith("How far its leader is below the best cannot be said yet.")
    assert "nobody" not in said


def test_without_a_certificate_nothing_is_promised(raced: ReportData) -> None:
    """A race stopped too early says that nothing can be said yet."""
    text = words(altered(raced, finish="stopped", certificate=None, quick_at_calls=None))

    assert "How far its leader is below the best cannot be said yet." in text
    assert "below the best (" not in text


def test_a_certificate_of_zero_is_the_best(raced: ReportData) -> None:
    """Nobody can be above the winner then, and the sentence says it so."""
    lanes = tuple(lane for lane in raced.comparison.race.lanes if lane.state != "unreachable")
    assert f"Proven: on these cases nobody is better than {LEADER} (95% confidence)." in words(
        altered(raced, certificate=0.0, lanes=lanes)
    )


@given(st.floats(0, 1))
def test_a_bound_is_never_rounded_down(bound: float) -> None:
    """The points that are promised are at least those that were shown, and less than a tenth above."""
    said = float(at_most(bound)) / 100

    assert bound - 1e-8 <= said <= bound + 0.001 + 1e-8


@pytest.mark.parametrize(
    ("here", "future", "said"),
    [
        (
            (),
            (),
            "On these cases and on future ones like these, every rival that may be chosen and could be asked was",
        ),
        ((), (SECOND,), f"on future cases like these that is not shown of {SECOND}."),
        ((SECOND,), (SECOND,), f"Tied with {LEADER} on these cases, as far as was shown: {SECOND}."),
    ],
)
def test_ties_are_named(raced: ReportData, here: tuple[str, ...], future: tuple[str, ...], said: str) -> None:
    """For these cases and for future ones; that nobody is tied is said too, with the confidence of each claim."""
    text = " ".join(race.ties(altered(raced, ties_here=here, ties_future=future)))

    assert said in text
    assert ("each at 95% confidence for itself" in text) == (not here)


def test_many_ties_are_counted_on_a_terminal(raced: ReportData) -> None:
    """A terminal counts what the report lists."""
    data = altered(raced, ties_here=tuple(row[0] for row in ROWS[1:9]), ties_future=())

    # One of the eight broke a condition and may not be chosen.
    assert "as far as was shown: 7 rivals." in race.paragraph(data)
    assert ROWS[8][0] in race.ties(data)[0]


def test_a_thrifty_goal_claims_no_superiority(raced: ReportData) -> None:
    """Looking for the cheapest that is good enough, nobody is said to be worse, and the rule is another."""
    data = altered(raced, goal="cheapest-within: 0.02", ties_here=(), ties_future=())

    assert race.ties(data) == ()
    assert "not to be too far above the cheapest that was still in question" in race.rules(data)
    assert race.ties(altered(data, ties_here=(SECOND,)))[0].startswith("Not shown to be worse")


@pytest.mark.parametrize(
    ("saved_usd", "said"),
    [
        (None, "2,980 calls were not needed; what they would have cost is unknown, because a price is."),
        (0.0, "2,980 calls were not needed."),
        (12.5, "they would have cost about $12.50."),
    ],
)
def test_unknown_money_is_not_zero(raced: ReportData, saved_usd: float | None, said: str) -> None:
    """What was saved in money is a sum, nothing, or unknown; the three are told apart."""
    data = altered(raced, saved_usd=saved_usd)

    assert race.savings(data.comparison)[-1].endswith(said)
    assert ("saved." in race.paragraph(data)) == bool(saved_usd)


def test_a_race_that_saved_nothing(raced: ReportData) -> None:
    """When everybody was asked everything, only what it took is said."""
    data = altered(raced, saved_calls=0, calls=Calls(made=5040, full=5040, share=1.0))

    assert race.savings(data.comparison) == ("The race took 5,040 of 5,040 calls (100.0%).",)


def test_a_run_without_a_race_has_no_section(twelve: ReportData) -> None:
    """No heading, no place in the contents, no line on the terminal or in Markdown."""
    assert '<section id="race"' not in render(twelve)
    assert '<a href="#race">' not in render(twelve)
    assert "Race:" not in final_text(twelve, width=100, colour=False)
    assert "Race:" not in render_markdown(twelve)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_everybody_is_in_the_picture(raced: ReportData, language: str) -> None:
    """Each candidate has a bar, its number of cases and how it ended; the reason of a broken condition is told."""
    text = render(raced, language)
    section = text[text.index('<section id="race"') : text.index('<section id="charts"')]
    page = Page(section)

    assert page.broken == []
    assert section.count('class="strip stack"') == len(ROWS)
    for row, asked in zip(ROWS, ASKED, strict=True):
        assert row[0] in page.text
        assert (f"{asked} of {CASES}" if language == "en" else f"{asked} / {CASES}") in page.text
    assert ("Its 95th percentile of latency" in page.text) == (language == "en")


def test_who_settled_whom(raced: ReportData) -> None:
    """The leader first, then who was asked longest; each with the rank of who settled it."""
    shown = race_charts.lanes(raced, figures.rows(raced))

    assert [one.lane.cases for one in shown] == sorted(ASKED, reverse=True)
    assert shown[0].ending == "leader"
    endings = {one.row.candidate.name: one.ending for one in shown}
    assert endings[SECOND] == "settled by no. 1, round 16"
    assert endings["baseline/nearest"] == "settled by no. 2, round 2"
    assert endings["ollama/qwen3:8b"] == "breaks a condition, round 4"
    assert endings[ROWS[9][0]] == "could not be called"


def test_bars_fill_the_axis(raced: ReportData) -> None:
    """What was asked and what was not add up to all cases; the mark stands where it was settled."""
    info = raced.comparison.race
    scale = race_charts.case_scale(CASES)
    for lane in info.lanes:
        strip = race_charts.lane_strip(scale, lane, info)
        widths = re.findall(r'width="([\d.]+)%"', strip)
        assert sum(map(float, widths)) == pytest.approx(100, abs=0.01)
        assert ('class="settled"' in strip) == (lane.settled_at is not None)


@pytest.mark.parametrize(
    ("state", "finish", "rest"),
    [
        ("settled", "stopped", "spared"),
        ("infeasible", "proven", "spared"),
        ("leader", "proven", "spared"),
        ("leader", "stopped", "unasked"),
        ("running", "stopped", "unasked"),
        ("unreachable", "proven", "unasked"),
        ("leader", "budget", "unasked"),
    ],
)
def test_only_what_was_not_needed_is_called_so(state: Any, finish: Any, rest: str) -> None:
    """Cases that a cap or a dead provider took away are drawn apart from those that nobody had to ask."""
    lane = RaceLane(candidate="a", state=state, cases=40, planned=100, against="b" if state == "settled" else None)
    strip = race_charts.lane_strip(race_charts.case_scale(100), lane, RaceInfo(finish=finish, lanes=(lane,)))

    assert f'class="kind {rest}"' in strip


bounds = st.one_of(st.none(), st.floats(0, 1), st.just(math.nan))
steps = st.lists(
    st.builds(
        RaceStep, round=st.integers(1, 99), calls=st.integers(0, 10**6), leader=st.none(), running=st.integers(1, 9),
        certificate=bounds,
    ),
    max_size=300,
)  # fmt: skip


@given(steps, st.one_of(st.none(), st.floats(0, 1)), st.one_of(st.none(), st.integers(0, 10**6)))
def test_a_certificate_chart_has_no_nan(found: list[RaceStep], epsilon: float | None, quick: int | None) -> None:
    """Whatever the rounds were: every coordinate lies in the picture, or there is no picture."""
    found.sort(key=lambda step: step.calls)
    picture = race_charts.certificate_chart(RaceInfo(steps=tuple(found), epsilon=epsilon, quick_at_calls=quick))
    if picture is None:
        return
    places = re.findall(r' (x1|x2|cx|x|y1|y2|cy|y)="([-\d.]+|nan|inf)%?"', picture)
    assert len(places) > 4
    for axis, text in places:
        assert -1 <= float(text) <= (100 if axis.startswith(("x", "cx")) else 210)
    assert 'role="img" height="210" aria-label="After ' in picture


@given(st.integers(0, 5000), st.integers(2, 40))
def test_many_rounds_are_thinned(rounds: int, most: int) -> None:
    """Never more than asked for, in order, with the first and the last."""
    found = [RaceStep(round=n, calls=n, leader=None, running=1, certificate=None) for n in range(1, rounds + 1)]
    kept = [step.round for step in race_charts.thinned(found, most)]

    assert len(kept) == min(rounds, most)
    assert kept == sorted(set(kept))
    assert kept[:1] + kept[-1:] == ([1, rounds] if rounds else [])


@given(st.integers(0, 10**6))
def test_cases_are_whole(cases: int) -> None:
    """The axis of cases ends at their number and has ticks at whole ones."""
    scale = race_charts.case_scale(cases)

    assert scale.high == max(cases, 1)
    assert all(tick == pytest.approx(round(tick)) and tick <= scale.high for tick in scale.ticks)


def test_anytime_valid_intervals_are_explained(raced: ReportData, twelve: ReportData) -> None:
    """The method is named and explained where such intervals are shown, and nowhere else."""
    text = Page(render(raced)).text

    assert "Method: anytime-valid 95 %." in text
    assert "Anytime-valid intervals hold at every moment at once" in text
    assert "Anytime-valid" not in Page(render(twelve)).text


def test_tests_for_one_look_are_not_sold_as_more(raced: ReportData, twelve: ReportData) -> None:
    """After a race, p values of a fixed number of cases carry a warning; anytime-valid ones do not need it."""
    warning = "so these p values are smaller than they ought to be"
    pairs = tuple(p.model_copy(update={"method": "anytime-valid 95 %"}) for p in raced.comparison.pairs)
    valid = raced.model_copy(update={"comparison": raced.comparison.model_copy(update={"pairs": pairs})})

    for data, warned, holm in ((raced, True, True), (valid, False, False), (twelve, False, True)):
        text = Page(render(data)).text
        assert (warning in text) == warned
        assert ("Holm" in text) == holm
        assert ("adjusted p" in text) == holm
    assert "p 1 at any moment, 420 common cases" in Page(render(valid)).text


def test_hostile_names_stay_names(raced: ReportData) -> None:
    """A candidate whose name is markup or moves a cursor breaks neither the section nor the terminal."""

    def renamed(comparison: Comparison) -> Comparison:
        info = comparison.race
        return comparison.model_copy(
            update={
                "candidates": tuple(
                    c.model_copy(update={"name": HOSTILE}) if c.name == SECOND else c for c in comparison.candidates
                ),
                "race": info.model_copy(
                    update={
                        "lanes": tuple(
                            lane.model_copy(update={"candidate": HOSTILE}) if lane.candidate == SECOND else lane
                            for lane in info.lanes
                        ),
                        "ties_here": (HOSTILE,),
                    }
                ),
            }
        )

    data = raced.model_copy(update={"comparison": renamed(raced.comparison)})
    page = Page(render(data))

    assert page.broken == []
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert "\x1b" not in final_text(data, width=100, colour=False)
    assert "<script>" not in render_markdown(data)


def test_a_race_comes_back_from_json(raced: ReportData) -> None:
    """Lanes, steps and ties survive the JSON result; notes become sentences."""
    back = from_json(to_json(raced.comparison))

    assert back.race.steps == raced.comparison.race.steps
    assert [lane.candidate for lane in back.race.lanes] == [row[0] for row in ROWS]
    assert back.race.lanes[6].reason is not None
    assert back.race.lanes[6].reason.text() == "its 95th percentile of latency, 9.40 s, is above the limit of 8 s"
    assert to_json(back) == to_json(raced.comparison)


def test_chinese(raced: ReportData, request: pytest.FixtureRequest) -> None:
    """Every sentence of the race has its Chinese."""
    request.addfinalizer(lambda: set_language("en"))
    set_language("zh")
    told = [words(altered(raced, finish=finish, ending="lanes")) for finish in ("proven", "quick", "stopped", "full")]
    told += [words(halved(raced)), race.meaning(halved(raced)), race.meaning(raced)]
    for text in told:
        for name in (LEADER, SECOND, THIRD):
            text = text.replace(name, "")
        assert not re.search("[A-Za-z]", text), text
