"""What `improve` promises in a real run: the plan, the ladder, what would change it, and nothing bought twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Run
from tests.workspace.learner import TOPICS, Learner, learner

from touchstone.config import load_settings
from touchstone.errors import RequestRejected
from touchstone.evaluation.comparisons import Comparisons
from touchstone.models.base import ChatRequest
from touchstone.workspace.stored import load
from touchstone.workspace.workspace import Workspace


@pytest.fixture
def shop(tmp_path: Path, touchstone: Run) -> Iterator[Learner]:
    with learner(tmp_path, touchstone) as found:
        yield found


def improve(shop: Learner, *flags: str, code: int = 0) -> dict[str, Any]:
    done = shop.run("improve", "task.yaml", "--json", *flags)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return found


VOLUME = {"volume": {"requests_per_month": 1000}}


def test_a_dry_run_tells_the_ways_their_reasons_and_the_price(shop: Learner) -> None:
    """And asks nobody; what is left out says what it misses."""
    shop.task(shop.entry(), improve={"shots": [1, 4]}, **VOLUME)
    found = improve(shop, "--dry-run")
    [model] = found["plan"]["models"]
    assert {way["way"] for way in model["ways"] if way["tried"]} == {"prompt", "baseline", "few_shot", "prompt_search"}
    assert found["plan"]["candidates"] == [
        "learner",
        "learner few_shot, k=1",
        "learner few_shot, k=4",
        "learner prompt_search",
        "baseline/nearest",
        "baseline/logistic, train_cases=3",
        "baseline/logistic, train_cases=6",
        "baseline/logistic, train_cases=12",
    ]
    priced = {one["name"]: one["expected_usd"] for one in found["price"]["candidates"]}
    assert 0 < priced["learner"] < priced["learner few_shot, k=1"] < priced["learner few_shot, k=4"]
    assert shop.sold == 0

    said = shop.run("improve", "task.yaml", "--dry-run").stdout
    assert "no documents are named that answers rest on" in said
    assert "(rag.missing)" in said


def test_the_ladder_says_what_each_way_brings_and_costs(shop: Learner) -> None:
    """Examples tell the model what it cannot know; the same command shows it all again and buys nothing."""
    section = {"ways": ["prompt", "few_shot", "baseline"], "shots": [1, 4], "machine_usd_per_hour": 0.08}
    shop.task(shop.entry(), improve=section, **VOLUME)
    found = improve(shop, "--full")
    assert found["schema"] == "touchstone.improvement/1"
    ladder = found["ladder"]
    rungs = {one["candidate"]: one for one in ladder["rungs"]}
    assert rungs["learner"]["gain"] is None
    assert rungs["learner few_shot, k=1"]["gain"]["mean"] == 1
    assert rungs["learner few_shot, k=1"]["gain"]["shown"]
    assert rungs["learner few_shot, k=1"]["making"]["labelled_cases"] == 12
    assert rungs["baseline/logistic, train_cases=6"]["making"]["labelled_cases"] == 6
    plain, one, four = (rungs[f"learner{end}"]["usd_per_request"] for end in ("", " few_shot, k=1", " few_shot, k=4"))
    assert rungs["learner"]["total"]["usd"] == pytest.approx(12_000 * plain)
    # With an example in view it answers in one word, which saves more than the example costs; four cost more.
    assert one < plain < four
    assert [rungs[f"learner few_shot, k={k}"]["break_even"] for k in (1, 4)] == ["cheaper", "dearer"]
    assert (ladder["baseline"], ladder["best"] is not None) == ("learner", True)
    assert ladder["pays"].startswith("baseline/")
    assert [change["change"] for change in found["changes"]] == ["volume-up", "volume-down", "prices-down", "prices-up"]

    bought = shop.sold
    again = improve(shop, "--full")
    assert again["ladder"] == ladder
    assert shop.sold == bought == 3 * 40


def test_what_was_asked_in_full_is_no_race(shop: Learner) -> None:
    """Without `--full` the same is said of the same answers; a further candidate races, and what raced stays a race."""
    shop.task(shop.entry(), improve={"ways": ["few_shot"], "shots": [1]}, **VOLUME)
    full, again = improve(shop, "--full"), improve(shop)
    assert shop.sold == 2 * 40
    assert again["comparison"]["race"]["finish"] == "full"
    assert again["comparison"]["pairs"] == full["comparison"]["pairs"]
    assert again["ladder"] == full["ladder"]
    assert improve(shop)["comparison"] == again["comparison"]
    shop.task(shop.entry(), improve={"ways": ["few_shot"], "shots": [1, 2]}, **VOLUME)
    assert improve(shop)["comparison"]["race"]["finish"] == "proven"
    # All of it raced to its end says no more than a race does.
    shop.task(shop.entry(), improve={"ways": ["few_shot"], "shots": [1, 2]}, goal="cheapest-within: 0.5")
    assert improve(shop)["comparison"]["race"]["finish"] != "full"


def test_sweeps_become_learning_curves(shop: Learner) -> None:
    """Examples shown begin at none, which is the model as it is; examples learned from at the smallest share."""
    shop.task(shop.entry(), improve={"ways": ["prompt", "few_shot", "baseline"], "shots": [1, 4]}, **VOLUME)
    curves = {one["name"]: one for one in improve(shop, "--full")["curves"]}
    assert set(curves) == {"learner few_shot", "baseline/logistic"}
    shown = curves["learner few_shot"]
    assert [point["examples"] for point in shown["points"]] == [0, 1, 4]
    # Right with one example and with four: no difference, but forty cases could hide a small one.
    assert (shown["kind"], shown["trend"]) == ("shown", "open")
    assert [point["examples"] for point in curves["baseline/logistic"]["points"]] == [3, 6, 12]


def test_a_sweep_over_two_things_has_a_curve_for_each_value_of_the_other(shop: Learner) -> None:
    """Two of one number of examples are no points of one curve; shots beyond the train cases are left out."""
    few = shop.entry(name="few", strategy="few_shot", sweep={"k": [1, 2], "choose": ["similar", "random"]})
    shop.task(shop.entry(), few, improve={"ways": ["prompt", "few_shot"], "shots": [200]}, **VOLUME)
    found = improve(shop, "--full")
    assert {one["name"] for one in found["curves"]} == {"few, choose=similar", "few, choose=random"}
    assert "learner few_shot" in found["plan"]["candidates"]
    # A model that is swept stands in the names alone, and first.
    both = {"strategy": "few_shot", "sweep": {"model": ["fake/a", "fake/b"], "k": [1, 2]}}
    shop.task(shop.entry(), both, improve={"ways": ["prompt"]})
    assert {one["name"] for one in improve(shop, "--full")["curves"]} == {"fake/a few_shot", "fake/b few_shot"}


def test_examples_begin_at_the_same_candidate_without_them(shop: Learner) -> None:
    """Another prompt of the same model is no point of the curve, and a curve without its own beginning has none."""
    kind = shop.entry(name="kind", system="Be kind.")
    sweep: dict[str, Any] = {"strategy": "few_shot", "sweep": {"k": [1, 2]}}
    few = [shop.entry(name=f"few {word}", system=f"Be {word}.", **sweep) for word in ("kind", "brief")]
    shop.task(shop.entry(), kind, *few, improve={"models": ["learner"], "ways": ["prompt"]}, **VOLUME)
    curves = {one["name"]: one["points"] for one in improve(shop, "--full")["curves"]}
    assert [point["candidate"] for point in curves["few kind"]] == ["kind", "few kind, k=1", "few kind, k=2"]
    assert [point["examples"] for point in curves["few brief"]] == [1, 2]


def test_a_machine_of_ones_own_costs_by_the_hour(shop: Learner) -> None:
    """For what runs here, by the mean time of a request and its interval; a provider's price is its own."""
    shop.task(shop.entry(), improve={"ways": ["prompt", "baseline"], "machine_usd_per_hour": 3600}, **VOLUME)
    found = improve(shop, "--full")
    rungs = {one["candidate"]: one for one in found["ladder"]["rungs"]}
    place = Workspace(load_settings(shop.folder / ".touchstone"))
    cells = load(place.ledger, Comparisons(place.ledger).find("latest") or {}).cells
    place.close()
    seconds = {
        one["name"]: one_cells.latency_s
        for one, one_cells in zip(found["comparison"]["candidates"], cells, strict=True)
    }
    nearest = rungs["baseline/nearest"]
    each = nearest["machine_usd_per_request"]
    assert nearest["usd_per_request"] == pytest.approx(float(seconds["baseline/nearest"].mean()))
    assert each["low"] < each["mean"] < each["high"]
    assert nearest["total"]["high"] == pytest.approx(12_000 * each["high"] + nearest["making"]["usd"])
    assert nearest["making"]["usd"] == pytest.approx(nearest["making"]["seconds"])
    assert rungs["learner"]["usd_per_request"] < 0.01
    assert found["machine_usd_per_hour"] == 3600
    # A month is reckoned as the ladder does it: in the comparison, and when it is decided again.
    decided = json.loads(shop.run("decide", "latest", "--json", "--max-usd-per-month", "0.001").stdout)
    for comparison in (found["comparison"], decided):
        months = {one["name"]: one["cost"]["per_month_usd"] for one in comparison["candidates"]}
        assert months == pytest.approx({name: 1_000 * rung["usd_per_request"] for name, rung in rungs.items()})
    assert decided["decision"]["verdict"] == "none_qualifies"


def test_an_hour_without_a_price_is_unknown_wherever_it_counts(shop: Learner) -> None:
    """Neither the ladder nor a month nor a limit of a month takes a machine for free."""
    shop.task(shop.entry(), improve={"ways": ["prompt", "baseline"]}, **VOLUME)
    found = improve(shop, "--full")
    rungs = {one["candidate"]: one for one in found["ladder"]["rungs"]}
    months = {one["name"]: one["cost"]["per_month_usd"] for one in found["comparison"]["candidates"]}
    assert [rungs["baseline/nearest"][name] for name in ("usd_per_request", "total")] == [None, None]
    assert rungs["baseline/nearest"]["making"]["usd"] is None
    assert months["baseline/nearest"] is None
    assert months["learner"] == pytest.approx(1_000 * rungs["learner"]["usd_per_request"])
    decided = json.loads(shop.run("decide", "latest", "--json", "--max-usd-per-month", "1000").stdout)
    assert decided["decision"]["qualifying"] == ["learner"]
    assert "`machine_usd_per_hour` under `improve`" in str(decided["decision"]["rejected"])


def test_after_the_facts_changed_it_is_measured_who_is_stale(shop: Learner) -> None:
    """Departments get new names: examples of the old ones mislead, and both scores stand side by side."""
    rows = (shop.folder / "cases.csv").read_text().splitlines()
    new = [rows[0]]
    for row in rows[1:]:
        for label in TOPICS.values():
            row = row.replace(label, f"{label}-NEW") if ",test," in row else row
        new.append(row)
    (shop.folder / "updated.csv").write_text("\n".join(new) + "\n")
    answer = {"kind": "text"}
    section = {"ways": ["prompt", "few_shot"], "shots": [1], "updated": {"cases": "updated.csv"}}
    shop.task(shop.entry(), improve=section, answer=answer, **VOLUME)
    found = improve(shop, "--full")
    [change] = [one for one in found["changes"] if one["change"] == "facts"]
    assert found["ladder"]["rungs"][0]["making"]["renewal"] == "again"
    assert change["stale"] == ["learner few_shot"]
    assert change["scores"]["learner few_shot"]["mean"] == 0
    # Nobody is asked what was asked before: the questions are the same, and so are the examples.
    assert shop.sold == 2 * 40
    said = shop.run("improve", "task.yaml", "--full").stdout
    assert "After the facts changed" in said


def test_a_search_that_found_examples_is_made_again_when_facts_change(shop: Learner) -> None:
    """Old right answers stand in what it shows, as in examples that the user asked for."""
    shop.task(shop.entry(), improve={"ways": ["prompt_search"], "facts_change_days": 90}, **VOLUME)
    ladder = improve(shop, "--full")["ladder"]
    made = {one["way"]: one["making"] for one in ladder["rungs"]}
    assert {way: one["renewal"] for way, one in made.items()} == {"prompt": "by-itself", "prompt_search": "again"}
    [searched] = [one for one in ladder["rungs"] if one["way"] == "prompt_search"]
    assert searched["total"]["usd"] == pytest.approx(
        5 * made["prompt_search"]["usd"] + 12_000 * searched["usd_per_request"]
    )


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"models": ["leaner"]}, "improve.models names 'leaner'"),
        ({"ways": ["finetune"]}, "there is no way 'finetune'"),
        ({"shots": [0, 1]}, "write different numbers from 1 to 256"),
        ({"curve": [0.5, 0.5]}, "write different shares above 0"),
        ({"document": "a.md"}, "there is no key 'improve.document'; closest: documents"),
        ({"baseline": "nobody"}, "improve.baseline is 'nobody'"),
        ({"documents": "nowhere.md"}, "improve.documents names nowhere.md, which does not exist"),
        ({"updated": {"cases": "nowhere.csv"}}, "improve.updated names nowhere.csv, which does not exist"),
    ],
)
def test_a_slip_is_named_before_anybody_is_asked(shop: Learner, section: dict[str, Any], said: str) -> None:
    """With the line, and what it may be."""
    shop.task(shop.entry(), improve=section)
    done = shop.run("improve", "task.yaml")
    assert done.returncode == 2
    assert said in done.stderr
    assert "line 1" in done.stderr
    assert shop.sold == 0


def test_what_the_new_facts_miss_is_found_before_the_old_ones_cost_anything(shop: Learner) -> None:
    """A label that nobody knows, and documents that are none: neither waits for the first measurement to be paid."""
    shop.updated("ZK-1", "ZK-9")
    (shop.folder / "handbook.md").write_text("# Departments\n\nLamps are ZK-1.\n")
    (shop.folder / "empty").mkdir()
    shop.task(shop.entry(), improve={"ways": ["prompt"], "updated": {"cases": "updated.csv"}})
    assert "the target 'ZK-9' is not in the list of labels" in shop.run("improve", "task.yaml").stderr
    updated = {"cases": "cases.csv", "documents": "empty"}
    shop.task(shop.entry(), improve={"ways": ["rag"], "documents": "handbook.md", "updated": updated})
    assert "empty holds no document that can be read" in shop.run("improve", "task.yaml").stderr
    assert shop.sold == 0


def test_without_a_model_there_is_nothing_to_improve(shop: Learner) -> None:
    """Baselines alone are no model."""
    shop.task({"model": "baseline/nearest"})
    done = shop.run("improve", "task.yaml")
    assert done.returncode == 2
    assert "there is no model to improve" in done.stderr


def test_a_page_that_cannot_be_written_costs_nothing(shop: Learner) -> None:
    """Looked at before anybody is asked."""
    shop.task(shop.entry())
    (shop.folder / "file").write_text("no folder")
    done = shop.run("improve", "task.yaml", "--html", "file/x.html")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert shop.sold == 0


def test_a_cap_that_is_reached_ends_with_its_code(shop: Learner) -> None:
    """What was answered is shown; raising the cap goes on."""
    shop.task(shop.entry(), improve={"ways": ["prompt", "few_shot"], "shots": [1]}, **VOLUME)
    improve(shop, "--full", "--max-usd", "0.0005", code=3)
    assert 0 < shop.sold < 80
    improve(shop, "--full", "--max-usd", "5")
    assert shop.sold == 80


def test_before_and_after_the_facts_changed_keep_to_one_cap(shop: Learner) -> None:
    """What the first comparison spent is taken off for the second, and how that one ended is the exit code."""
    shop.updated("mend my", "please mend my")
    section = {"ways": ["prompt"], "updated": {"cases": "updated.csv"}}
    shop.task(shop.entry(), improve=section, **VOLUME)
    first = improve(shop, "--full", "--max-usd", "0.0018", code=3)
    assert not first["after"]["finished"]
    assert "it was not measured to the end" in shop.run("improve", "task.yaml", "--full", "--max-usd", "0.0018").stdout
    with sqlite3.connect(shop.folder / ".touchstone" / "touchstone.sqlite") as connection:
        [(spent,)] = connection.execute("SELECT SUM(spent_usd) FROM budget")
    connection.close()
    assert spent <= 0.0018


def test_what_was_paid_after_the_facts_changed_counts_before_too(shop: Learner) -> None:
    """Failures of the first measurement that are asked again find what the second has left of the one cap."""
    shop.updated("my", "our")
    learned = shop.model.reply
    assert callable(learned)

    def half(request: ChatRequest) -> Any:
        refused = str(request.messages[-1].content).startswith(("find", "return"))
        return RequestRejected("down") if refused else learned(request)

    shop.model.reply = half
    shop.task(
        shop.entry(), improve={"ways": ["prompt"], "updated": {"cases": "updated.csv"}}, limits={"concurrency": 1}
    )
    cap = ("--full", "--max-usd", "0.0018")
    first = improve(shop, *cap)
    assert first["comparison"]["spent_usd"] + first["after"]["spent_usd"] > 0.0015
    shop.model.reply = learned
    shop.run("improve", "task.yaml", *cap, "--retry-failed")
    with sqlite3.connect(shop.folder / ".touchstone" / "touchstone.sqlite") as connection:
        [(spent,)] = connection.execute("SELECT SUM(spent_usd) FROM budget")
    connection.close()
    assert spent <= 0.0018


def test_ten_times_the_volume_meets_the_limit_of_a_month_or_not(shop: Learner) -> None:
    """Who is within the limit today and beyond it then does not pay then; half the price lets it in again."""
    limits = {"max_usd_per_month": 0.05, "min_score": 0.5}
    section = {"ways": ["prompt", "few_shot"], "shots": [1]}
    shop.task(shop.entry(), improve=section, constraints=limits, **VOLUME)
    found = improve(shop, "--full")
    monthly = next(one for one in found["ladder"]["rungs"] if one["way"] == "few_shot")["usd_per_request"] * 1_000
    assert 0.0125 < monthly < 0.05
    assert {one["change"]: one["pays"] for one in found["changes"]} == {
        "volume-up": None,
        "volume-down": "learner few_shot",
        "prices-down": "learner few_shot",
        "prices-up": None if monthly > 0.025 else "learner few_shot",
    }


def test_too_few_cases_make_nobody_pay(shop: Learner) -> None:
    """As a comparison chooses nobody: the lead says what is missing."""
    rows = (shop.folder / "cases.csv").read_text().splitlines()
    (shop.folder / "cases.csv").write_text("\n".join(rows[:-20]) + "\n")
    shop.task(shop.entry(), improve={"ways": ["prompt", "few_shot"], "shots": [1]}, **VOLUME)
    found = improve(shop, "--full")
    assert found["comparison"]["decision"]["verdict"] == "insufficient"
    assert found["ladder"]["pays"] is None
    assert "Not enough evidence to say which pays" in shop.run("improve", "task.yaml", "--full").stdout


def test_what_a_later_candidate_misses_is_found_before_a_search_buys(shop: Learner) -> None:
    """Documents that are not there cost no reply, in whatever order the entries stand."""
    search = shop.entry(name="searched", strategy="prompt_search")
    rag = shop.entry(name="reads", strategy="rag", documents="missing.md")
    shop.task(search, rag)
    done = shop.run("compare", "task.yaml")
    assert done.returncode == 2
    assert "missing.md" in done.stderr
    assert shop.sold == 0


def test_after_both_measurements_the_latest_is_the_one_that_was_shown(shop: Learner) -> None:
    """Whoever decides again decides over the table that was seen, and not over the new facts'."""
    shop.updated("send my", "please send my")
    shop.task(shop.entry(), improve={"ways": ["prompt"], "updated": {"cases": "updated.csv"}}, **VOLUME)
    shown = improve(shop, "--full")["comparison"]["comparison_id"]
    decided = json.loads(shop.run("decide", "latest", "--json").stdout)
    assert decided["comparison_id"] == shown
