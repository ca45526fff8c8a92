"""Reports: sums that add up, by whatever is asked for, with the unknown counted apart."""

from __future__ import annotations

import csv
import io

import pytest
from tests.deployment.govern.books import DAY_S, Books, a_key

from touchstone.deployment.base import Usage
from touchstone.deployment.govern.keys import Keys
from touchstone.deployment.govern.meter import Ending
from touchstone.deployment.govern.usage_report import PARTS, together, usage, usage_csv
from touchstone.errors import SettingsError

SUMS = ("requests", "attempts", "input_tokens", "output_tokens", "usd", "unpriced", "failed", "in_doubt", "cached")


async def fill(books: Books) -> None:
    """Two days, two keys, two endpoints, every kind of ending."""
    shop, free = a_key(1, project="web"), a_key(2, cap_usd=None, project="app")
    await books.ask(shop, 0.1, 0.01)
    await books.meter.settle(await books.open(free, None, endpoint="other"), Ending("done", Usage(7, 3)))
    await books.meter.settle(await books.open(shop), Ending("failed", usd=0.0, error="provider_failed"))
    second = books.intent(shop)._replace(attempt=1)
    await books.meter.settle(await books.meter.open(second), Ending("done", Usage(4, 4, estimated=True), 0.002))
    books.clock.at_s += DAY_S
    await books.meter.settle(await books.open(shop, 0.1, shadow=True), Ending("done", Usage(9, 9), 0.003))
    await books.meter.note(books.intent(shop), Ending("cached", Usage(10, 5), 0.0))
    await books.meter.settle(await books.open(shop), Ending("client_closed", Usage(6, 2), 0.001))
    await books.meter.settle(await books.open(free), Ending("blocked", usd=0.0))


async def test_everything_in_one_row(books: Books) -> None:
    """Requests are what keys asked; second attempts and copies are attempts beside them."""
    await fill(books)
    [row] = usage(books.engine)

    assert (row.requests, row.attempts) == (6, 8)
    assert (row.input_tokens, row.output_tokens) == (46, 28)
    assert row.usd == pytest.approx(0.016)
    assert (row.unpriced, row.estimated, row.failed, row.client_closed, row.blocked, row.cached) == (1, 1, 1, 1, 1, 1)


@pytest.mark.parametrize("part", PARTS)
async def test_parts_add_up_to_the_whole(books: Books, part: str) -> None:
    """Whatever the rows are put together by."""
    await fill(books)
    [whole] = usage(books.engine)
    rows = usage(books.engine, (part,))  # type: ignore[arg-type]  # one of PARTS

    assert len(rows) > 1 or part in ("version", "model", "kind")
    for name in SUMS:
        assert sum(getattr(row, name) for row in rows) == pytest.approx(getattr(whole, name))


async def test_days_are_days_in_utc(books: Books) -> None:
    """From a day on, and up to one, which counts in whole."""
    await fill(books)

    assert [row.parts["day"] for row in usage(books.engine, ("day",))] == ["2026-11-27", "2026-11-28"]
    assert [row.requests for row in usage(books.engine, ("day",), since="2026-11-28")] == [3]
    assert [row.requests for row in usage(books.engine, ("day",), until="2026-11-27")] == [3]
    assert [row.requests for row in usage(books.engine, since="2026-11-27T12:00", until="2026-11-28T12:00")] == [3]
    with pytest.raises(SettingsError, match="since is 'yesterday'"):
        usage(books.engine, since="yesterday")


async def test_only_of_one_key_project_or_endpoint(books: Books) -> None:
    """What another project spent is not in the sum (R9)."""
    await fill(books)

    assert [row.requests for row in usage(books.engine, key=2)] == [2]
    assert [row.parts["key"] for row in usage(books.engine, ("key",), project="web")] == ["1"]
    assert [row.requests for row in usage(books.engine, endpoint="other")] == [1]
    assert list(usage(books.engine, ("key",), project="nobody")) == []


async def test_keys_are_named(books: Books) -> None:
    """By number and name, so that a replaced key and its successor stay apart."""
    key, _secret = Keys(books.engine, bytes(32), clock=books.clock).create("shop", who="me")
    await books.ask(key, 0.0, 0.0)

    assert [row.parts["key"] for row in usage(books.engine, ("key",))] == [f"{key.id} shop"]


async def test_an_empty_store_says_zero_requests(books: Books) -> None:
    """One row of nothing in all, no row by anything."""
    assert usage(books.engine)[0].requests == 0
    assert list(usage(books.engine, ("key",))) == []


async def test_csv_has_a_header_and_the_same_numbers(books: Books) -> None:
    """Read back by the standard reader."""
    await fill(books)
    rows = usage(books.engine, ("endpoint", "day"))
    [head, *lines] = csv.reader(io.StringIO(usage_csv(rows, ("endpoint", "day"))))

    assert head[:4] == ["endpoint", "day", "requests", "attempts"]
    assert [line[0] for line in lines] == [row.parts["endpoint"] for row in rows]
    assert [float(line[head.index("usd")]) for line in lines] == [row.usd for row in rows]


@pytest.mark.parametrize("part", PARTS)
async def test_rows_of_one_look_are_put_together_again(books: Books, part: str) -> None:
    """Seen from another side they say what a look at the store from there says."""
    await fill(books)
    others = tuple(one for one in ("day", "key", "endpoint") if one != part)
    rows = usage(books.engine, (part, *others))  # type: ignore[arg-type]  # one of PARTS
    again = together(rows, (part,))  # type: ignore[arg-type]

    for found, wanted in zip(again, usage(books.engine, (part,)), strict=True):  # type: ignore[arg-type]
        assert found.parts == wanted.parts
        assert found.model_dump(exclude={"parts"}) == pytest.approx(wanted.model_dump(exclude={"parts"}))
    assert together(rows)[0].requests == usage(books.engine)[0].requests
    assert together([]) == []
