"""From cases to a served answer: what was measured is what is served, case by case."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from tests.deployment.api.house import open_house

from touchstone.config import load_settings
from touchstone.data.base import Case
from touchstone.evaluation.comparisons import Comparisons
from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer, serve_in_thread
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.deploy import Order, deploy_decision
from touchstone.workspace.workspace import Workspace

LABELS = ("refund", "delivery", "login")
WORDS = {"refund": "money back", "delivery": "parcel late", "login": "password lost"}


def measured(folder: Path, base_url: str) -> Workspace:
    """A workspace with one comparison: a baseline that learned, a starter model, and a model behind a prompt."""
    rows = [
        (f"c{n}", f"Case {n}: {WORDS[LABELS[n % 3]]}, what now?", LABELS[n % 3], "train" if n % 2 else "test")
        for n in range(36)
    ]
    lines = [",".join(("id", "input", "target", "split")), *('{},"{}",{},{}'.format(*row) for row in rows)]
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    asked = {"model": "openai-compatible", "base_url": base_url, "served_name": "parrot", "name": "prompted"}
    task = {
        "task": "Help desk",
        "instruction": "Name the topic.",
        "cases": "cases.csv",
        "answer": {"kind": "label", "labels": list(LABELS)},
        "candidates": [
            "baseline/logistic",
            "starter/s",
            {**asked, "prompt": "Topic of: {input}", "price": {"input_usd": 1, "output_usd": 2}},
        ],
    }
    (folder / "task.yaml").write_text(json.dumps(task))
    workspace = Workspace(load_settings(folder / "place"))
    workspace.compare(workspace.load_task(folder / "task.yaml"), CompareOptions(full=True))
    return workspace


def stored(workspace: Workspace, name: str) -> Sequence[tuple[Case, str]]:
    """The test cases of the comparison, each with the answer that its trial stored for a candidate."""
    comparisons = Comparisons(workspace.ledger)
    row = comparisons.find("latest")
    assert row is not None
    trial = next(one["trial"] for one in comparisons.entries(row["id"]) if one["name"] == name)
    cells = [cell for cell in comparisons.cells_at(trial, range(1000)) if cell["repeat"] == 0 and cell["text"]]
    cases = workspace.ledger.datasets.cases_at(row["dataset"], "test", [cell["ordinal"] for cell in cells])
    return [(case, cell["text"]) for case, cell in zip(cases, cells, strict=True)]


def test_what_was_measured_is_what_is_served(tmp_path: Path) -> None:
    """Every test case, asked over HTTP as one message of a user, gets the letters that its trial has stored."""
    rules = {words: label for label, words in WORDS.items()}
    with serve_in_thread(FakeServer(FakeModel("parrot", rules=rules))) as server:
        workspace = measured(tmp_path, server.base_url)
        names = {"baseline/logistic": "learned", "starter/s": "small", "prompted": "prompted"}
        wanted = {}
        for candidate, name in names.items():
            deploy_decision(
                workspace, "latest", Order(name=name, candidate=candidate, because="all of them"), who="test"
            )
            wanted[name] = stored(workspace, candidate)
        workspace.close()

        async def ask() -> None:
            async with open_house(tmp_path / "place") as house:
                for name, cases in wanted.items():
                    assert len(cases) >= 12, name
                    for case, text in cases:
                        reply = await house.chat(name, case.text)
                        assert (reply.status, reply.text) == (200, text), (name, case.id, reply.body)
                        assert "x-touchstone-evidence" not in reply.headers

        asyncio.run(ask())
