"""What a plan says a judge costs, where it reads passages beside the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from touchstone.config import load_settings
from touchstone.workspace.base import CompareOptions, PlannedCandidate
from touchstone.workspace.judging import CONTROL_ROWS
from touchstone.workspace.workspace import Workspace

CASES = 12
SERVICE = {
    "model": "openai-compatible",
    "base_url": "http://127.0.0.1:9/v1",
    "price": {"input_usd": 1, "output_usd": 1},
}
Plan = Callable[..., PlannedCandidate]


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Plan]:
    """The judge's line of a plan over a model as it is and one that reads; nobody is asked."""
    place = Workspace(load_settings(tmp_path / "workspace"))
    (tmp_path / "goods.md").write_text(
        "".join(f"# Lamp {n}\n\n{'It costs a lot of money. ' * 40}\n\n" for n in range(9))
    )
    rows = "".join(f"t{n},What does lamp {n} cost?\n" for n in range(CASES))
    (tmp_path / "cases.csv").write_text("id,input\n" + rows)

    def planned(*strategies: str, **more: Any) -> PlannedCandidate:
        entries = [
            {**SERVICE, "served_name": "m", "max_tokens": 10, "strategy": one, "name": one}
            | ({"documents": "goods.md", "passages": 3} if one == "rag" else {})
            for one in strategies
        ]
        scorer = {"judge": {"model": {**SERVICE, "served_name": "j"}, "rubric": "Is it so?", **more}}
        body = {"task": "t", "cases": "cases.csv", "answer": {"kind": "free"}, "scorers": [scorer]}
        (tmp_path / "task.yaml").write_text(json.dumps({**body, "candidates": entries}))
        plan = place.plan(place.load_task(tmp_path / "task.yaml"), CompareOptions(full=True))
        return next(one for one in plan.candidates if one.strategy == "judge")

    yield planned
    place.close()


def test_passages_are_read_and_paid_for(judge: Plan) -> None:
    """Three passages of some 250 tokens stand beside each answer."""
    bare, reading = judge("rag"), judge("rag", passages=True)
    assert bare.calls == reading.calls == CASES + CONTROL_ROWS
    assert bare.input_tokens is not None
    assert reading.input_tokens is not None
    assert reading.input_tokens - bare.input_tokens > CASES * 3 * 200
    assert (reading.expected_usd or 0) > (bare.expected_usd or 0)
    assert (reading.worst_usd or 0) > (bare.worst_usd or 0)


def test_who_reads_nothing_is_judged_for_nothing(judge: Plan) -> None:
    """A judge that goes by passages gives no verdict where there are none, and is not asked."""
    assert judge("prompt", "rag", passages=True).calls == CASES + CONTROL_ROWS
    assert judge("prompt", "rag").calls == 2 * CASES + CONTROL_ROWS
