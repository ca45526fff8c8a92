"""What the front door promises: measured once, decided as often as one likes, from the store alone."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from touchstone.config import load_settings
from touchstone.errors import DataError, ModelError, RequestRejected, SettingsError, TaskError, UnknownName
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer, serve_in_thread
from touchstone.reporting.base import ReportData
from touchstone.reporting.html import render
from touchstone.reporting.result import to_json
from touchstone.workspace.base import CompareOptions, Demands, cap_sentence
from touchstone.workspace.workspace import Workspace

TASK: dict[str, Any] = {
    "task": "topics",
    "instruction": "Name the topic.",
    "cases": "cases.csv",
    "answer": {"kind": "label", "labels": ["refund", "delivery", "login"]},
    "candidates": [
        {"model": "fake/good", "script": "answers.jsonl", "accuracy": 0.95, "price": {"input_usd": 2, "output_usd": 8}},
        {
            "model": "fake/cheap",
            "script": "answers.jsonl",
            "accuracy": 0.9,
            "price": {"input_usd": 0.1, "output_usd": 1},
        },
        {
            "model": "fake/poor",
            "script": "answers.jsonl",
            "accuracy": 0.4,
            "price": {"input_usd": 0.1, "output_usd": 1},
        },
    ],
    "volume": {"requests_per_month": 1000},
}


CASES = 80


class House:
    """A folder with cases, answers and a workspace."""

    def __init__(self, folder: Path, cases: int = CASES) -> None:
        self.folder = folder
        rows = [(f"c{n}", f"question number {n}", ["refund", "delivery", "login"][n % 3]) for n in range(cases)]
        self.write("cases.csv", "id,input,target,tags\n" + "".join(f"{i},{q},{t},tag{len(t)}\n" for i, q, t in rows))
        self.write("answers.jsonl", "".join(json.dumps({"input": q, "reply": t}) + "\n" for _, q, t in rows))
        self.workspace = Workspace(load_settings(folder / "store"))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def compare(self, options: CompareOptions | None = None, **changes: Any) -> ReportData:
        path = self.write("task.yaml", json.dumps({**TASK, **changes}))
        return self.workspace.compare(self.workspace.load_task(path), options or CompareOptions())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path)
    with found.workspace:
        yield found


def test_outcomes_add_up_and_numbers_have_their_n(house: House) -> None:
    """Every planned cell has one outcome, every estimate its n, every pair its common cases."""
    for options in (CompareOptions(), CompareOptions(full=True)):
        comparison = house.compare(options).comparison
        for candidate in comparison.candidates:
            counts = candidate.outcomes.model_dump()
            assert counts.pop("planned") == CASES == sum(counts.values())
            assert candidate.estimate is not None
            assert candidate.estimate.n == candidate.outcomes.asked <= CASES
            assert candidate.estimate.low <= candidate.estimate.mean <= candidate.estimate.high
    assert [pair.n for pair in comparison.pairs] == [CASES] * 3


def test_deciding_again_asks_nobody(house: House) -> None:
    """Other constraints, another goal, another volume: the same stored answers, no call, no files needed."""
    first = house.compare()
    for name in ("cases.csv", "answers.jsonl", "task.yaml"):
        (house.folder / name).unlink()

    again = house.workspace.decide("latest", Demands()).comparison
    cheap = house.workspace.decide("latest", Demands(goal="cheapest-within: 0.2", requests_per_month=5000)).comparison
    strict = house.workspace.decide("latest", Demands(min_score=0.99)).comparison

    assert to_json(again) == to_json(first.comparison)
    assert cheap.decision.chosen == "fake/cheap"
    own, five = first.comparison.candidates[1].cost.per_month_usd, cheap.candidates[1].cost.per_month_usd
    assert own is not None
    assert five == pytest.approx(5 * own)
    assert strict.decision.verdict == "none_qualifies"
    assert {item.candidate for item in strict.decision.rejected} == {"fake/good", "fake/cheap", "fake/poor"}
    assert all("0.99" in item.reason.text() for item in strict.decision.rejected)


def test_a_model_compared_with_itself_shows_its_noise(house: House) -> None:
    """Two names for one model draw apart, and both are paid; alone, either is free again."""
    chance = random.Random(3)

    def noisy(_request: ChatRequest) -> FakeReply:
        return FakeReply(text=chance.choice(["refund", "delivery", "login"]))

    with serve_in_thread(FakeServer(FakeModel("m", reply=noisy))) as server:
        twins = [
            {
                "model": "openai-compatible",
                "name": name,
                "base_url": server.base_url,
                "served_name": "m",
                "price": {"input_usd": 0, "output_usd": 0, "per_call_usd": usd},
            }
            for name, usd in (("one", 0.25), ("two", 0.5))
        ]
        data = house.compare(CompareOptions(full=True), candidates=twins).comparison
        assert len(server.bill) == data.calls.made == 2 * CASES
        assert data.spent_usd == CASES * (0.25 + 0.5)
        assert data.pairs[0].discordance is not None
        assert data.pairs[0].discordance > 0.2
        for twin in twins:
            alone = house.compare(CompareOptions(full=True), candidates=[twin]).comparison
            assert (alone.spent_usd, alone.candidates[0].outcomes.scored) == (0.0, CASES)
        assert len(server.bill) == 2 * CASES


def test_another_comparisons_further_draws_are_in_no_number(house: House) -> None:
    """One answer a case stays one when three were asked for: no score, failure, model or verdict of theirs."""
    asked: Counter[str] = Counter()

    def changing(request: ChatRequest) -> FakeReply | ModelError:
        text = str(request.messages[-1].content)
        asked[text] += 1
        if asked[text] == 1:
            return FakeReply(text="refund")
        return RequestRejected("no") if asked[text] == 2 else FakeReply(text="login please", served_model="m-2")

    def grades(request: ChatRequest) -> FakeReply:
        return FakeReply(
            text=json.dumps({"score": 5 if "login" in str(request.messages[-1].content) else 1, "reason": ""})
        )

    models = {"m": FakeModel("m", reply=changing), "judge-1": FakeModel("judge-1", reply=grades)}
    with serve_in_thread(FakeServer(models)) as server:
        price = {"input_usd": 0, "output_usd": 0, "per_call_usd": 0.25}
        at = {"model": "openai-compatible", "base_url": server.base_url, "price": price}
        task = {
            "candidates": [{**at, "served_name": "m"}],
            "scorers": [
                "label",
                {"length": {"maximum": 8}},
                {"judge": {"model": {**at, "served_name": "judge-1"}, "rubric": "?"}},
            ],
        }
        first = house.compare(**task)
        more = house.compare(CompareOptions(repeats=3), **task)
        # Another goal is another comparison, whose judge is looked at anew.
        again = [house.compare(**task), house.compare(**task, goal="cheapest-within: 0.5")]
    assert any("no" in warning.text() for warning in more.comparison.warnings)
    for data in again:
        assert data.comparison.candidates[0].scorers == first.comparison.candidates[0].scorers
        assert data.settings == first.settings
        assert data.comparison.warnings == first.comparison.warnings
        assert data.judge == first.judge
    assert to_json(again[0].comparison) == to_json(first.comparison)


def test_same_rows_same_report_elsewhere(house: House, tmp_path: Path) -> None:
    """A copied store gives the same pages, byte for byte."""
    house.compare()
    house.workspace.close()
    copy = tmp_path / "elsewhere"
    shutil.copytree(house.folder / "store", copy)
    with Workspace(load_settings(copy)) as other, Workspace(load_settings(house.folder / "store")) as own:
        for language in ("en", "zh"):
            ours, theirs = (place.decide("latest", Demands()) for place in (own, other))
            assert render(ours, language=language) == render(theirs, language=language)


def test_a_changed_prompt_is_asked_anew_and_the_rest_is_not(house: House) -> None:
    """A reply belongs to its request: changing one candidate buys that candidate's answers and no others."""
    house.compare(CompareOptions(full=True))
    changed = [{**TASK["candidates"][0], "system": "Another instruction."}, *TASK["candidates"][1:]]
    calls = house.compare(CompareOptions(full=True), candidates=changed).comparison.calls
    assert (calls.made, calls.from_cache) == (CASES, 2 * CASES)


def test_repeats_are_independent_draws(house: House) -> None:
    """With two repeats every case is asked twice, and its score is the mean of both."""
    comparison = house.compare(CompareOptions(repeats=2, full=True)).comparison
    assert comparison.calls.full == 6 * CASES
    assert comparison.calls.made == 6 * CASES
    assert comparison.candidates[0].outcomes.planned == 2 * CASES
    assert comparison.candidates[0].estimate is not None
    assert comparison.candidates[0].estimate.n == CASES


def test_the_cap_holds_and_what_was_bought_is_kept(house: House) -> None:
    """The run stops below its cap, says so, and the same run goes on from there when the cap is raised."""
    limited = [{**candidate, "max_tokens": 10} for candidate in TASK["candidates"]]
    full = CompareOptions(full=True)
    spent = house.compare(full, candidates=limited).comparison.spent_usd
    assert spent is not None
    (house.folder / "other").mkdir()
    other = House(house.folder / "other")
    with other.workspace:
        stopped = other.compare(CompareOptions(full=True, max_usd=spent / 3), candidates=limited).comparison
        assert stopped.spent_usd is not None
        assert 0 < stopped.spent_usd <= spent / 3
        assert stopped.race.finish == "stopped"
        assert sum(candidate.outcomes.skipped_budget for candidate in stopped.candidates) > 0
        bought = sum(candidate.outcomes.scored for candidate in stopped.candidates)
        assert 0 < bought < 3 * CASES

        on = other.compare(full, candidates=limited).comparison
        assert on.comparison_id == stopped.comparison_id
        assert (on.calls.made, on.calls.from_cache) == (3 * CASES, 0)
        assert on.spent_usd == pytest.approx(spent)


def test_offline_asks_nobody_and_closes_nothing(house: House) -> None:
    """Without stored replies an offline run has no cell, and none is lost by it; with them it has everything."""
    offline, full = CompareOptions(offline=True, full=True), CompareOptions(full=True)
    nothing = house.compare(offline)
    assert nothing.ending == "offline"
    assert all(candidate.outcomes.unasked == CASES for candidate in nothing.comparison.candidates)
    assert nothing.comparison.decision.verdict == "insufficient"
    assert house.compare(full).comparison.calls.made == 3 * CASES
    stored = house.compare(offline)
    assert stored.ending is None
    assert all(candidate.outcomes.scored == CASES for candidate in stored.comparison.candidates)


def test_gate_names_its_checks(house: House) -> None:
    """Non-inferiority to a named candidate, and a minimum on the lower end; both say what was measured."""
    passed = house.compare(gate={"baseline": "fake/poor", "margin": 0.05, "min_score": 0.5}).comparison.gate
    failed = house.compare(
        gate={"candidate": "fake/poor", "baseline": "fake/good", "margin": 0.05, "min_score": 0.9}
    ).comparison.gate
    assert passed is not None
    assert failed is not None
    assert passed.passed
    assert not failed.passed
    assert [check.name for check in failed.checks] == ["min_score", "non_inferior"]
    assert all(check.text.text() for check in failed.checks)


def test_a_gate_for_nobody_is_refused(house: House) -> None:
    """A gate that names no candidate is an error before anybody is asked."""
    with pytest.raises(TaskError, match="fake/god"):
        house.compare(gate={"baseline": "fake/god"})


def test_slices_and_examples_come_from_the_cells(house: House) -> None:
    """Tags become slices, the cases most got wrong and those that divide the best are shown with what was read."""
    data = house.compare(CompareOptions(full=True))
    assert {found.tag for found in data.slices} == {"tag6", "tag8", "tag5"}
    assert data.worst
    assert all(len(found.answers) == 3 for found in data.worst)
    assert all(answer.how for found in data.worst for answer in found.answers)
    assert data.disagreeing
    assert data.comparison.decision.expires is not None


def test_what_a_report_shows_of_an_answer_is_cut(tmp_path: Path) -> None:
    """A very long output is not told twice: neither as output nor as what was read out of it."""
    long = {"model": "fake/long", "reply": "x" * 200_000}
    house = House(tmp_path, 3)
    with house.workspace:
        data = house.compare(candidates=[long], answer={"kind": "text"}, scorers=["exact"])
    [answer] = data.worst[0].answers
    assert len(answer.output or "") + len(answer.answer or "") < 10_000
    assert answer.cut_characters > 190_000


def test_further_scorers_of_one_name_have_a_column_each(house: House) -> None:
    """Two `length` scorers with different limits are two estimates."""
    scorers = ["label", {"length": {"maximum": 5}}, {"length": {"minimum": 4, "maximum": 5}}]
    data = house.compare(scorers=scorers)
    assert [scorer.name for scorer in data.scorers] == ["label", "length", "length 2"]
    found = data.comparison.candidates[0].scorers
    assert (found["length"].mean, found["length 2"].mean) == (1.0, 0.0)


def test_plan_counts_calls_and_money_and_asks_nobody(house: House) -> None:
    """The plan says what a run would ask and cost; after the run there is nothing left to ask."""
    path = house.write("task.yaml", json.dumps(TASK))
    plan = house.workspace.plan(house.workspace.load_task(path), CompareOptions())
    assert [candidate.calls for candidate in plan.candidates] == [CASES] * 3
    for candidate in plan.candidates:
        assert candidate.low_usd is not None
        assert candidate.expected_usd is not None
        assert candidate.worst_usd is not None
        assert candidate.low_usd <= candidate.expected_usd <= candidate.worst_usd
    spent = house.compare().comparison.candidates[0].cost.run_usd
    assert spent is not None
    assert plan.candidates[0].worst_usd is not None
    assert spent <= plan.candidates[0].worst_usd
    after = house.workspace.plan(house.workspace.load_task(path), CompareOptions())
    assert [candidate.calls for candidate in after.candidates] == [0, 0, 0]


def test_a_race_plans_nothing_for_whom_it_will_not_ask(house: House) -> None:
    """Who breaks a constraint whatever it answers costs no call, nor one of the judge's; without a race it is asked."""
    judge = {"model": "fake/judge", "price": {"input_usd": 1, "output_usd": 1}}
    candidates = [
        {**candidate, "licence": licence}
        for candidate, licence in zip(TASK["candidates"], ("open", "proprietary", "open"), strict=True)
    ]
    more = {"constraints": {"licence": "open"}, "scorers": [{"judge": {"model": judge, "rubric": "Is it right?"}}]}
    task = house.workspace.load_task(house.write("task.yaml", json.dumps({**TASK, "candidates": candidates, **more})))
    raced = house.workspace.plan(task, CompareOptions())
    assert [candidate.calls for candidate in raced.candidates] == [CASES, 0, CASES, 2 * CASES + 9]
    assert raced.candidates[1].worst_usd == 0
    full = house.workspace.plan(task, CompareOptions(full=True))
    assert [candidate.calls for candidate in full.candidates] == [CASES, CASES, CASES, 3 * CASES + 9]


@pytest.mark.parametrize(("limit", "firm"), [({}, True), ({"max_tokens": None}, False)])
def test_a_cap_is_firm_when_the_judge_has_a_limit_too(house: House, limit: dict[str, None], firm: bool) -> None:
    """Said in the plan and before anybody is asked; at worst each verdict takes two calls."""

    def grades(_request: ChatRequest) -> FakeReply:
        return FakeReply(text="fine")

    with serve_in_thread(FakeServer(FakeModel("judge-1", reply=grades))) as server:
        model = {
            "model": "openai-compatible",
            "base_url": server.base_url,
            "served_name": "judge-1",
            "price": {"input_usd": 0, "output_usd": 0, "per_call_usd": 0.25},
        }
        scorers = ["label", {"judge": {"model": model, "rubric": "Is it right?", **limit}}]
        candidates = [{**TASK["candidates"][0], "max_tokens": 5}]
        path = house.write("task.yaml", json.dumps({**TASK, "scorers": scorers, "candidates": candidates}))
        task, options = house.workspace.load_task(path), CompareOptions(max_usd=500.0)
        plan = house.workspace.plan(task, options)
        assert plan.cap_is_firm is firm
        assert plan.candidates[1].expected_usd == (CASES + 9) * 0.25
        told: list[str] = []
        data = house.workspace.compare(task, options, notice=told.append)
    assert [line for line in told if "cap" in line] == [cap_sentence(500.0, firm, str)]
    assert data.judge is not None
    assert data.judge.cost_usd == plan.candidates[1].worst_usd == 2 * (CASES + 9) * 0.25


def test_unknown_comparisons_are_named(house: House) -> None:
    """An id nobody knows names those there are; an empty workspace says how to begin."""
    with pytest.raises(SettingsError, match="nothing was measured"):
        house.workspace.decide("latest", Demands())
    identity = house.compare().comparison.comparison_id
    with pytest.raises(UnknownName, match=identity):
        house.workspace.decide("0" * 12, Demands())
    [stored] = house.workspace.comparisons()
    assert (stored.id, stored.verdict) == (identity, "tie")


@pytest.mark.parametrize("demands", [{"goal": "cheapest"}, {"licence": "free"}, {"min_score": 2.0}])
def test_demands_that_cannot_be_used(house: House, demands: dict[str, Any]) -> None:
    """A wrong demand is named with its value."""
    house.compare()
    with pytest.raises(SettingsError, match=str(next(iter(demands.values())))):
        house.workspace.decide("latest", Demands(**demands))


def test_a_scorer_that_needs_no_target_asks_for_none(house: House) -> None:
    """Whether cases need targets is the scorers' to say, not the kind of answer's."""
    house.write("cases.csv", "id,input\n" + "".join(f"c{n},question number {n}\n" for n in range(40)))
    found = house.compare(answer={"kind": "text"}, scorers=[{"regex": {"pattern": "refund"}}]).comparison
    assert found.candidates[0].outcomes.scored == 40
    with pytest.raises(DataError, match="no case has a target"):
        house.compare(answer={"kind": "free"}, scorers=["exact"])


def test_what_is_scored_by_belongs_to_the_fingerprint(house: House) -> None:
    """Another parameter of a scorer makes another comparison."""
    one, other, same = (
        house.compare(answer={"kind": "text"}, scorers=[{"contains": {"text": text}}]).comparison.task.fingerprint
        for text in ("refund", "login", "refund")
    )
    assert one == same != other


def test_the_same_cases_in_another_file_report_their_own_file(house: House) -> None:
    """What was found in the cases belongs to the run, not to whoever had the same cases first."""
    text = (house.folder / "cases.csv").read_text()
    house.write("cases.csv", text + "c9999,question number 1,delivery,tag8\n")
    house.write("copy.csv", text + "c9999,question number 1,delivery,tag8\n")
    house.compare()
    assert {problem.path.rpartition("/")[2] for problem in house.compare(cases="copy.csv").cases.problems} == {
        "copy.csv"
    }


def test_a_model_that_changes_under_its_name_is_told(house: House) -> None:
    """Two echoed names in one trial are a warning."""
    names = iter(["m-2026-01", "m-2026-02"] * 1000)
    model = FakeModel("m", reply=lambda _request: FakeReply(text="refund", served_model=next(names)))
    with serve_in_thread(FakeServer(model)) as server:
        own = {"model": "openai-compatible", "base_url": server.base_url, "served_name": "m"}
        warnings = house.compare(candidates=[own]).comparison.warnings
    assert any("m-2026-01, m-2026-02" in note.text() for note in warnings)


def test_the_plan_prices_call_by_call_and_names_the_judge(house: House) -> None:
    """What a judge costs is unknown before there are answers; unknown is not free."""
    house.write(
        "task.yaml",
        json.dumps({**TASK, "scorers": ["label", {"judge": {"model": "fake/judge", "rubric": "Is it right?"}}]}),
    )
    plan = house.workspace.plan(house.workspace.load_task(house.folder / "task.yaml"), CompareOptions())
    judge = plan.candidates[-1]
    assert (judge.strategy, judge.calls, judge.expected_usd) == ("judge", 3 * CASES + 9, None)


def test_the_cheapest_is_cheapest_by_case_and_not_by_group(tmp_path: Path) -> None:
    """
    A race that may choose the cheapest counts what all cases of a group cost.

    One candidate writes a lot where a group is large: a case of it costs twice as much as one of the other, though the
    mean of its groups is lower.
    """
    house = House(tmp_path, 180)
    rows = [(f"c{n}", f"question number {n}", f"g{n if n < 60 else n // 20 + 1000}") for n in range(180)]
    house.write("cases.csv", "id,input,target,group\n" + "".join(f"{i},{q},refund,{group}\n" for i, q, group in rows))
    long = " It is about money that somebody wants back" * 4
    for name, single, grouped in (("even", " Yes" * 15, " Yes" * 15), ("uneven", "", long)):
        replies = [f"Label: refund.{single if n < 60 else grouped}" for n in range(180)]
        lines = [json.dumps({"input": q, "reply": reply}) for (_, q, _), reply in zip(rows, replies, strict=True)]
        house.write(f"{name}.jsonl", "\n".join(lines))
    candidates = [
        {"model": f"fake/{name}", "script": f"{name}.jsonl", "price": {"input_usd": 0, "output_usd": 10}}
        for name in ("even", "uneven")
    ]
    with house.workspace:
        found = house.compare(
            candidates=candidates, goal={"cheapest-within": 0.2}, columns={"group": "group"}
        ).comparison

    even, uneven = (candidate.cost.per_case_usd for candidate in found.candidates)
    assert found.race.finish == "proven"
    assert even is not None
    assert uneven is not None
    assert even < uneven / 1.5
    assert found.decision.chosen == "fake/even"
