"""One journey through a comparison, with the provider's own count at every step: nothing is ever bought twice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Run

from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer, serve_in_thread

CASES = 400
PRICES = {"large": 10.0, "small": 1.0, "poor": 0.5, "late": 2.0}
"""USD per million output tokens."""
SKILL = {"large": 0.95, "small": 0.9, "poor": 0.5, "late": 0.94}


class Pace:
    """How long the provider takes for an answer: one that somebody watches must not be over before they look."""

    seconds = 0.02


def answering(name: str, pace: Pace) -> FakeModel:
    """A model that is right on a share of the cases, the same ones every time."""

    def reply(request: ChatRequest) -> FakeReply:
        question = str(request.messages[-1].content)
        drawn = hashlib.sha256(f"{name}{question}".encode()).digest()[0] / 256
        text = f"city {question.split()[-1]}" if drawn < SKILL[name] else "no idea"
        return FakeReply(text=text, input_tokens=30, output_tokens=5, latency_s=pace.seconds)

    return FakeModel(name, reply=reply)


class House:
    """A folder with cases, a provider that keeps count, and the command line."""

    def __init__(self, folder: Path, server: FakeServer, models: dict[str, FakeModel], pace: Pace, run: Run) -> None:
        self.folder, self.server, self.models, self.pace, self.run = folder, server, models, pace, run
        rows = "".join(f"q{n},capital of country {n},city {n}\n" for n in range(CASES))
        (folder / "cases.csv").write_text("id,input,target\n" + rows)

    def task(self, *names: str, **more: Any) -> None:
        candidates = [
            {
                "model": "openai-compatible",
                "name": name,
                "base_url": self.server.base_url,
                "served_name": name,
                "max_tokens": 10,
                "price": {"input_usd": 0, "output_usd": PRICES[name]},
            }
            for name in names
        ]
        body = {"task": "capitals", "cases": "cases.csv", "answer": {"kind": "text"}, "candidates": candidates, **more}
        (self.folder / "task.yaml").write_text(json.dumps({**body, "limits": {"concurrency": 8}}))

    def compare(self, *flags: str, code: int = 0) -> dict[str, Any]:
        result = self.run("compare", "task.yaml", "--json", *flags)
        assert result.returncode == code, result.stderr
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def start(self) -> subprocess.Popen[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}
        return subprocess.Popen(
            [sys.executable, "-m", "touchstone", "compare", "task.yaml", "--json"],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def sold(self) -> int:
        return len(self.server.bill)

    def sold_by_model(self) -> Counter[str]:
        return Counter(sale.model for sale in self.server.bill)

    def usd(self) -> float:
        return sum(PRICES[sale.model] * sale.output_tokens / 1e6 for sale in self.server.bill)

    def nothing_was_sold_twice(self) -> None:
        for name, model in self.models.items():
            asked = Counter(str(request.messages[-1].content) for request in model.calls)
            assert all(number == 1 for number in asked.values()), name


@pytest.fixture
def house(tmp_path: Path, touchstone: Run) -> Iterator[House]:
    pace = Pace()
    models = {name: answering(name, pace) for name in PRICES}
    with serve_in_thread(FakeServer(models)) as server:
        yield House(tmp_path, server, models, pace, touchstone)


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
