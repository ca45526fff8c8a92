"""What the prompt search promises in a real run: killed it goes on for free, and one cap holds for all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Run
from tests.workspace.learner import Learner, learner

from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.models.base import ChatRequest, Message
from touchstone.workspace.candidates import Lanes, make_workshop
from touchstone.workspace.taskfile import load_task

SEARCH = {"max_calls": 120, "variants": 6, "rounds": 3}


@pytest.fixture
def shop(tmp_path: Path, touchstone: Run) -> Iterator[Learner]:
    with learner(tmp_path, touchstone) as found:
        yield found


def searching(shop: Learner, **more: Any) -> None:
    shop.task(shop.entry(name="plain"), shop.entry(name="searched", strategy="prompt_search", search=SEARCH), **more)


def usd(shop: Learner) -> float:
    """What the provider charged in all."""
    return sum(sale.input_tokens * 1 + sale.output_tokens * 2 for sale in shop.server.bill) / 1e6


def test_a_search_killed_in_the_middle_goes_on_without_a_call_twice(shop: Learner) -> None:
    """SIGKILL once a reply is on disk; the same command asks only for what is missing, and then for nothing."""
    searching(shop, limits={"concurrency": 1})
    assert shop.killed("after-reply-committed:25") == -9
    assert shop.sold == 25
    assert shop.killed("after-settle:40") == -9
    assert 25 < shop.sold < 120

    result = shop.compare("--full")
    scores = {one["name"]: one["estimate"]["mean"] for one in result["candidates"]}
    assert scores["searched"] == 1
    assert scores["plain"] == 0
    assert shop.sold_twice() == []
    sold = shop.sold
    assert sold <= 120 + 2 * 40
    plain, searched = (one["build"] for one in result["candidates"])
    assert (plain["usd"], plain["took_s"], plain["calls"]) == (0, 0, 0)
    assert searched["forecast"] is False
    assert searched["calls"] == sold - 2 * 40
    assert searched["usd"] == pytest.approx(usd(shop) - sum(one["cost"]["run_usd"] for one in result["candidates"]))
    assert searched["took_s"] > 0

    again = shop.compare("--full")
    assert again["candidates"] == result["candidates"]
    assert shop.sold == sold


def test_search_and_comparison_keep_to_one_cap(shop: Learner) -> None:
    """What was spent on looking is off the cap of the run; neither the plan nor an offline run asks anybody."""
    searching(shop)
    plan = shop.compare("--dry-run")
    assert [one["name"] for one in plan["candidates"]] == ["plain", "searched"]
    plain, searched = plan["candidates"]
    assert plain["build"] is None
    build = searched["build"]
    assert 100 < build["calls"] <= 120
    assert build["forecast"]
    assert build["usd"] == pytest.approx(build["calls"] * searched["expected_usd"] / searched["calls"])
    said = shop.run("compare", "task.yaml", "--dry-run").stdout
    assert f"built first: {build['calls']} calls, expected USD $0.0" in said
    assert f"Building comes on top: {build['calls']} calls, expected USD ${build['usd']:.4f}" in said
    assert shop.sold == 0
    done = shop.run("compare", "task.yaml", "--offline")
    assert done.returncode == 2
    assert "this run is offline" in done.stderr

    shop.compare("--full", "--max-usd", "0.001", code=3)
    assert 0 < usd(shop) <= 0.001
    shop.compare("--full", "--max-usd", "1")
    assert shop.sold_twice() == []
    everything = usd(shop)
    assert shop.compare("--dry-run")["candidates"][1]["build"] is None

    # In another workspace, where nothing is stored: the cap ends the comparison, after the search was paid.
    shop.compare("--full", "--max-usd", f"{0.8 * everything:.6f}", "--workspace", "elsewhere", code=3)
    assert 0.6 * everything < usd(shop) - everything <= 0.8 * everything


async def test_a_bench_takes_what_it_spent_off_the_cap(shop: Learner) -> None:
    """Under its own cap or what is left of the run's, whichever is less; another question of the task is free."""
    searching(shop, limits={"max_usd": 1.0})
    ledger = Ledger(shop.folder / "own.db")

    async def spend(purse: Purse, most_usd: float | None, **file: Any) -> tuple[float | None, float]:
        task = load_task(shop.folder / "task.yaml")
        task = task.model_copy(update={"file": task.file.model_copy(update=file)})
        workshop = make_workshop(task, "d", frozenset({"input"}), purse, Lanes(concurrency=2, resends=1))
        assert workshop.open_bench is not None
        bench = workshop.open_bench("searched", most_usd)
        price = {"input_usd": 100_000, "output_usd": 0}
        caller = bench.make_caller("fake/parrot", {"price": price, "reply": "x"})
        await caller.complete(ChatRequest(messages=(Message(role="user", content="a question"),), max_tokens=5))
        cap = bench.purse.cap_usd  # type: ignore[attr-defined]
        await caller.close()
        await bench.close()
        return cap, purse.balance.cap_usd or 0.0

    purse = Purse(ledger, "run", cap_usd=50.0)
    cap, left = await spend(purse, 20.0)
    assert cap == 20
    assert 0 < 50.0 - left < 20
    # The same command goes on: what its search has spent is off the cap again, although nothing is bought.
    assert await spend(Purse(ledger, "run", cap_usd=50.0), None) == (50.0, left)
    # Another goal is another run, which finds the replies and spends nothing.
    assert await spend(Purse(ledger, "other", cap_usd=50.0), None, goal={"cheapest-within": 0.1}) == (50.0, 50.0)
    ledger.close()
