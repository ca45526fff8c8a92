"""What a run asks when its race has nobody to settle, a fixed budget, or somebody who cannot be asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.workspace.house import CASES, House


def scored(found: dict[str, Any]) -> dict[str, int]:
    return {candidate["name"]: candidate["outcomes"]["scored"] for candidate in found["candidates"]}


def test_who_has_no_rival_is_measured_like_a_single_candidate(house: House) -> None:
    """The other one breaks a constraint whatever it answers: nobody asks it, and the first is asked every case."""
    facts = {"large": {"licence": "open"}, "small": {"licence": "proprietary"}}
    house.task("large", "small", facts=facts, constraints={"licence": "open"})
    found = house.compare()
    assert scored(found) == {"large": CASES, "small": 0}
    assert house.sold == CASES
    assert (found["decision"]["verdict"], found["decision"]["chosen"]) == ("winner", "large")


def test_who_is_alone_because_a_rival_cannot_be_reached_waits_for_it(house: House) -> None:
    """Asking everything would be no race, and ten cases choose nobody; the same command goes on once that is mended."""
    house.task("large", "small", facts={"small": {"served_name": "mall"}})
    found = house.compare(code=2)
    assert scored(found)["small"] == 0
    assert 0 < house.sold < CASES / 4
    assert found["decision"]["verdict"] == "insufficient"
    assert {step["certificate"] for step in found["race"]["steps"]} <= {None}
    house.task("large", "small")
    found = house.compare("--new")
    assert found["race"]["finish"] == "proven"
    house.nothing_was_sold_twice()


@pytest.mark.parametrize(
    ("calls", "flags", "more"),
    [(200, (), {}), (200, ("--repeat", "3"), {}), (100, (), {"constraints": {"min_score": 0.85}})],
)
def test_a_fixed_number_of_calls_is_kept_to(
    house: House, calls: int, flags: tuple[str, ...], more: dict[str, Any]
) -> None:
    """However often each case is asked, and whatever the leader has not shown yet."""
    house.task("large", "small", "poor", "late", race={"calls": calls}, **more)
    found = house.compare(*flags)
    assert found["race"]["finish"] == "budget"
    assert 0.5 * calls < house.sold <= calls


@pytest.mark.parametrize(
    ("flags", "more", "words"),
    [
        ((), {"race": {"calls": 3}}, "3 calls do not buy the first answers of 4 candidates; it takes at least 4"),
        (("--repeat", "3"), {"race": {"calls": 11}}, "it takes at least 12"),
        ((), {"race": {"calls": 60}, "goal": "cheapest-within: 0.02"}, "leave one of the two out"),
    ],
)
def test_a_budget_that_cannot_be_kept_to_is_refused(
    house: House, flags: tuple[str, ...], more: dict[str, Any], words: str
) -> None:
    """Before anybody is asked, also by the plan."""
    house.task("large", "small", "poor", "late", **more)
    for dry in ((), ("--dry-run",)):
        result = house.run("compare", "task.yaml", *flags, *dry)
        assert (result.returncode, house.server.requests) == (2, 0)
        assert words in result.stderr


@pytest.mark.parametrize(
    ("flags", "more"), [(("--full",), {}), ((), {"gate": {"candidate": "large", "min_score": 0.5}})]
)
def test_a_budget_is_refused_only_where_there_is_a_race(
    house: House, flags: tuple[str, ...], more: dict[str, Any]
) -> None:
    """Who asks everybody everything keeps to no budget; stopped on the way, that run halves no field either."""
    house.task("large", "small", race={"calls": 1}, **more)
    plan = house.run("compare", "task.yaml", "--dry-run", *flags)
    assert plan.returncode == 0, plan.stderr
    assert f"In all: {2 * CASES} calls" in plan.stdout
    assert "race.calls" not in plan.stdout
    found = house.compare(*flags, "--max-usd", "0.004", code=3)
    assert found["race"]["finish"] == "stopped"


def test_the_plan_keeps_to_the_budget(house: House) -> None:
    """Calls, money and minutes in all are those of the budget, the rows what each would be asked without it."""
    house.task("large", "small", "poor", "late")
    whole = house.run("compare", "task.yaml", "--dry-run").stdout
    assert f"In all: {4 * CASES} calls" in whole
    assert "usually a tenth to a half" in whole
    house.task("large", "small", "poor", "late", race={"calls": 10})
    plan = house.run("compare", "task.yaml", "--dry-run").stdout
    assert plan.count(f": {CASES} calls") == 4
    assert "In all: 10 calls" in plan
    # At worst all ten are of the dearest, with ten output tokens each at $10 a million.
    assert "worst $0.0010; less than 0.1 minutes (2 s a call assumed)" in plan
    assert "race.calls: the candidates get at most 10 calls in all; --full makes them all" in plan
    assert "usually a tenth to a half" not in plan
    full = house.run("compare", "task.yaml", "--dry-run", "--full").stdout
    assert f"In all: {4 * CASES} calls" in full
    assert "race.calls" not in full


def test_a_small_cap_is_said_in_full_and_that_it_is_reached(house: House) -> None:
    """In the plan and before anybody is asked; what an earlier session spent counts."""
    house.task("large", "small", "poor")
    cap = ("compare", "task.yaml", "--max-usd")
    assert "The cap of $0.004 holds at every instant" in house.run(*cap, "0.004", "--dry-run").stdout
    spent = house.compare("--max-usd", "0.004", code=3)["spent_usd"]
    lower = str(spent / 2)
    plan = house.run(*cap, lower, "--dry-run").stdout
    assert "is reached: $0.00" in plan
    assert "was spent, so nothing that costs money is asked" in plan
    assert "holds at every instant" not in plan
    assert "was spent, so nothing that costs money is asked" in house.run(*cap, lower).stderr


def test_a_race_that_the_cap_cut_short_claims_nothing_about_who_was_left_out(house: House) -> None:
    """The last step is one that all three had taken part in, and says no more than the end of it."""
    house.task("large", "small", "poor")
    found = house.compare("--max-usd", "0.004", code=3)
    steps = found["race"]["steps"]
    assert {step["running"] for step in steps} >= {3}
    assert all(step["running"] > 1 for step in steps)
    assert steps[-1]["certificate"] >= found["race"]["certificate"] > 0
    json.dumps(steps, allow_nan=False)


def test_a_quick_finish_is_told_of_only_where_it_would_have_come_earlier(house: House) -> None:
    """With two candidates the two lines are one; with four the quick one is passed first."""
    house.task("large", "poor")
    assert house.compare()["race"]["quick_at_calls"] is None
    house.task("large", "small", "poor", "late")
    found = house.compare()
    quick_at = found["race"]["quick_at_calls"]
    assert quick_at is None or quick_at < found["calls"]["made"] + found["calls"]["from_cache"]
