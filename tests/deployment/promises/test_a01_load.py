"""
A1 and A24 under load, with a real process: many keys, several streams each, clients that leave whenever they like.

Two seconds by default; `TOUCHSTONE_LOAD=200x5x180` for the load that the gateway was built for: 200 keys with five
streams each for three minutes.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
import sqlalchemy as sa
from tests.deployment.api.house import question
from tests.deployment.api.process import Place, serving

from touchstone.deployment.base import Budget
from touchstone.deployment.govern.tables import key_windows
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer, serve_in_thread

KEYS, STREAMS, SECONDS = (int(part) for part in os.environ.get("TOUCHSTONE_LOAD", "12x5x2").split("x"))


@dataclass
class Seen:
    """What clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)


def now_and_then(number: int, _asked: ChatRequest) -> Fault | None:
    """One request in twenty fails, and one in twenty is cut."""
    return {7: Fault(kind="status"), 13: Fault(kind="cut")}.get(number % 20)


async def client(url: str, secret: str, seed: int, seen: Seen, until: float) -> None:
    """One stream after the other, left at a random piece in one case of three."""
    rng = random.Random(seed)
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    while time.monotonic() < until:
        leaves_at = rng.randrange(1, 12) if rng.random() < 1 / 3 else None
        body = orjson.dumps(question("helpdesk", f"say {rng.random()} again and again and again", stream=True))
        # A connection of its own, because closing it is how a client leaves.
        async with (
            aiohttp.ClientSession() as session,
            session.post(url + "/chat/completions", data=body, headers=headers) as response,
        ):
            seen.statuses[response.status] += 1
            if response.status != 200:
                seen.codes[(await response.json())["error"]["code"]] += 1
                continue
            last, count = b"", 0
            while (line := await response.content.readline()) and count != leaves_at:
                if line.startswith(b"data: "):
                    last, count = line, count + 1
            left = count == leaves_at
            seen.ends["left" if left else "done" if last.startswith(b"data: [DONE]") else "error"] += 1


async def load(url: str, secrets: list[str]) -> Seen:
    """All keys at the same time."""
    seen = Seen()
    until = time.monotonic() + SECONDS
    await asyncio.gather(
        *(client(url, secret, 1000 * n + m, seen, until) for n, secret in enumerate(secrets) for m in range(STREAMS))
    )
    return seen


def test_many_streams_are_metered_exactly(tmp_path: Path) -> None:
    """
    No error of our own, a row for each request, no money left held; of every stream that was not cut or left the tokens
    are the provider's, and nothing of what was asked is in the log.
    """
    place = Place(tmp_path / "place")
    log = tmp_path / "gateway.log"
    with serve_in_thread(FakeServer(FakeModel("parrot"), faults=now_and_then, token_s=0.002)) as server:
        place.deploy("helpdesk", server.base_url)
        secrets = [place.key(f"key{number}", budget=Budget(usd=100)) for number in range(KEYS)]
        with serving(place, "--log", str(log)) as gateway:
            seen = asyncio.run(load(gateway.url, secrets))
        assert gateway.process.returncode == 0
        assert set(seen.statuses) <= {200, 502}, seen
        assert set(seen.codes) <= {"upstream_failed"}, seen
        assert seen.ends["done"]
        assert seen.ends["left"]
        rows = place.rows()
        assert len(rows) == seen.statuses.total() == server.requests
        counted = Counter(row["status"] for row in rows)
        assert set(counted) <= {"done", "failed", "cut", "client_closed"}
        assert counted["done"] >= seen.ends["done"]
        exact = [row for row in rows if not row["estimated"] and row["output_tokens"]]
        whole = Counter((sale.input_tokens, sale.output_tokens) for sale in server.bill)
        mine = Counter((row["input_tokens"], row["output_tokens"]) for row in exact)
        assert not mine - whole
        assert len(exact) >= seen.ends["done"]
        if not counted["client_closed"]:
            assert len(server.bill) == len(rows) - counted["failed"]
    with place.opened() as workspace, workspace.ledger.engine.connect() as connection:
        spent, held = connection.execute(
            sa.select(sa.func.sum(key_windows.c.spent_usd), sa.func.sum(key_windows.c.held_usd))
        ).one()
    assert held == 0
    assert abs(spent - sum(row["usd"] for row in rows)) < 1e-9 * len(rows)
    assert b"again and again" not in log.read_bytes()
    assert not any(secret.encode() in log.read_bytes() for secret in secrets)
