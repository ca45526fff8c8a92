"""The benchmarks of the gateway's books run, and measure what they say they do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import sqlalchemy as sa

from benchmarks import gateway_meter, gateway_start
from touchstone.deployment.govern.state import prepare_store
from touchstone.deployment.govern.tables import charges
from touchstone.storage.database import open_database


def test_every_request_of_the_meter_is_settled(tmp_path: Path) -> None:
    """A figure for each, and a row in the store for each."""
    taken = asyncio.run(gateway_meter.measure(tmp_path, requests=50, at_once=8, keys=3, budget=True))

    assert taken > 0
    engine = open_database(tmp_path / "8-3-True.sqlite")
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).where(charges.c.status == "done")).scalar() == 50
    engine.dispose()


def test_a_start_books_what_was_under_way(tmp_path: Path) -> None:
    """Over rows that have ended and a thousand that have not."""
    file = tmp_path / "touchstone.sqlite"
    engine = open_database(file)
    prepare_store(engine)
    gateway_start.fill(engine, gateway_start.UNDER_WAY + 500)
    engine.dispose()
    took = asyncio.run(gateway_start.start(file))

    assert took["all_s"] >= took["recover_s"] > 0
