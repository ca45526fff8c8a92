"""One journey through a comparison, with the provider's own count at every step: nothing is ever bought twice."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable

import pytest
from tests.workspace.house import CASES, House


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def test_each_step_of_a_journey_buys_only_what_is_new(house: House) -> None:
    """Plan, watch, stop, resume under a cap, raise it, finish, look again, add a candidate, ask under other demands."""
    house.task("large", "small", "poor")
    plan = json.loads(house.run("compare", "task.yaml", "--dry-run", "--json").stdout)
    assert sum(candidate["calls"] for candidate in plan["candidates"]) == 3 * CASES
    assert house.server.requests == 0

    # Watch it, and stop it.
    running = house.start()
    until(lambda: house.sold >= 30)
    house.pace.seconds = 5.0
    busy = house.run("compare", "task.yaml", "--json")
    assert busy.returncode == 2
    assert str(running.pid) in busy.stderr
    watched = json.loads(house.run("trials", "--json").stdout)
    assert [found["state"] for found in watched] == ["running"]
    identity = watched[0]["id"]
    assert house.run("decide", identity, "--json").returncode == 0
    running.send_signal(signal.SIGINT)
    house.pace.seconds = 0.0
    out, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    stopped = json.loads(out)
    bought = house.sold
    assert 30 <= bought < 3 * CASES
    assert stopped["comparison_id"] == identity
    assert stopped["calls"]["made"] == bought
    assert stopped["race"]["finish"] == "stopped"
    assert stopped["spent_usd"] == pytest.approx(house.usd())

    # Go on under a cap that covers a little more.
    capped = house.compare("--max-usd", str(house.usd() + 0.0005), code=3)
    assert house.sold > bought
    assert house.usd() <= capped["spent_usd"] + 1e-12
    assert capped["comparison_id"] == identity

    # Raise it: the race ends where it is proven, not where the money does.
    finished = house.compare("--max-usd", "1")
    assert finished["race"]["finish"] == "proven"
    assert finished["decision"]["chosen"] in ("large", "small")
    assert finished["calls"]["made"] == house.sold < 3 * CASES
    assert finished["spent_usd"] == pytest.approx(house.usd())
    assert house.sold_by_model()["poor"] < house.sold_by_model()["large"]
    house.nothing_was_sold_twice()

    # Look again: no request, the same bytes.
    sold = house.sold
    again = [house.run("compare", "task.yaml", "--json", "--max-usd", "1").stdout for _ in range(2)]
    assert json.loads(again[0]) == finished
    assert again[0] == again[1]
    assert house.server.requests == sold

    # A late candidate costs only what it needs.
    house.task("large", "small", "poor", "late")
    joined = house.compare()
    assert joined["comparison_id"] != identity
    assert house.sold_by_model()["late"] > 0
    assert joined["calls"]["made"] == house.sold - sold
    assert joined["calls"]["from_cache"] == sold
    assert joined["spent_usd"] == pytest.approx(house.usd() - finished["spent_usd"])
    house.nothing_was_sold_twice()

    # Other demands: deciding is free, and measuring on for them buys only what they need on top.
    sold = house.sold
    cheap = json.loads(house.run("decide", "latest", "--goal", "cheapest-within: 0.2", "--json").stdout)
    assert cheap["decision"]["verdict"] in ("winner", "insufficient")
    assert house.server.requests == sold
    house.task("large", "small", "poor", "late", goal={"cheapest-within": 0.1}, constraints={"min_score": 0.8})
    other = house.compare()
    assert other["decision"]["chosen"] == "small"
    assert other["calls"]["made"] == house.sold - sold
    house.nothing_was_sold_twice()
