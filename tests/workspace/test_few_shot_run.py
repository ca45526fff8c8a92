"""What few-shot promises in a real run: the command, a provider over HTTP, the store and the table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Run
from tests.workspace.learner import Learner, learner


@pytest.fixture
def shop(tmp_path: Path, touchstone: Run) -> Iterator[Learner]:
    with learner(tmp_path, touchstone) as found:
        yield found


def test_a_sweep_over_examples_stands_in_one_table(shop: Learner) -> None:
    """Zero, one and several examples on the same cases; what a model cannot know, examples tell it."""
    shop.task(
        shop.entry(name="plain"),
        shop.entry(name="few", strategy="few_shot", choose="similar", sweep={"k": [0, 1, 4]}),
        shop.entry(name="drawn", strategy="few_shot", choose="random", k=2),
    )
    plan = shop.compare("--dry-run")
    tokens = {one["name"]: one["input_tokens"] for one in plan["candidates"]}
    assert tokens["plain"] == tokens["few, k=0"] < tokens["few, k=1"] < tokens["few, k=4"]
    assert shop.sold == 0

    result = shop.compare("--full")
    scores = {one["name"]: one["estimate"]["mean"] for one in result["candidates"]}
    assert list(scores) == ["plain", "few, k=0", "few, k=1", "few, k=4", "drawn"]
    assert (scores["plain"], scores["few, k=0"]) == (0, 0)
    assert scores["few, k=1"] == scores["few, k=4"] == 1
    assert 0 < scores["drawn"] < 1
    assert {one["strategy"] for one in result["candidates"]} == {"prompt", "few_shot"}
    assert result["decision"]["chosen"] in ("few, k=1", "few, k=4")
    # `plain` and `few, k=0` ask the same of one model, so each paid for answers of its own (ARCHITECTURE.md).
    assert shop.sold == 5 * 40

    again = shop.compare("--full")
    assert again["candidates"] == result["candidates"]
    assert shop.sold == 5 * 40


def test_no_example_costs_nothing_where_the_prompt_was_asked_before(shop: Learner) -> None:
    """The replies to the plain prompt are those to few-shot with k = 0, found in the store."""
    shop.task(shop.entry(name="plain"))
    shop.compare()
    bought = shop.sold
    shop.task(shop.entry(name="none", strategy="few_shot", k=0))
    result = shop.compare()
    assert shop.sold == bought == 40
    assert result["calls"]["from_cache"] == 40


def test_no_test_case_is_ever_shown(shop: Learner) -> None:
    """Whatever is sent holds one test case, the one that is asked, and no case of dev."""
    shop.task(shop.entry(strategy="few_shot", k=4))
    shop.compare()
    for request in shop.model.calls:
        examples = [str(turn.content) for turn in request.messages[1:-1] if turn.role == "user"]
        assert len(examples) == 4
        assert all(text.split()[-1] in "012" for text in examples)


def test_without_train_cases_the_entry_is_refused_by_line(shop: Learner) -> None:
    """Before anybody is asked, with what to do."""
    text = (shop.folder / "cases.csv").read_text()
    (shop.folder / "cases.csv").write_text("\n".join(line for line in text.splitlines() if ",train," not in line))
    shop.task(shop.entry(strategy="few_shot"))
    done = shop.run("compare", "task.yaml")
    assert done.returncode == 2
    assert "shows examples of the train split and it has none" in done.stderr
    assert shop.sold == 0
