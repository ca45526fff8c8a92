"""A13 and A14: an upstream that dies, before and after its first byte, and who is asked instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.deployment.api.house import PRICE, QUESTION, House, open_house, sold, tokens
from tests.deployment.promises.api import LONG, broken

from touchstone.catalog.base import Price
from touchstone.deployment.base import Budget
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer

DEAR = Price(input_usd=20.0, output_usd=80.0)

BEFORE_THE_FIRST_BYTE = [
    ("status", {"status": 500}, "upstream_failed"),
    ("status", {"status": 503}, "upstream_failed"),
    ("status", {"status": 429}, "upstream_rate_limited"),
    ("status", {"status": 429, "code": "insufficient_quota"}, "upstream_out_of_credit"),
    ("status", {"status": 401}, "upstream_denied"),
    ("html", {}, "upstream_failed"),
    ("empty", {}, None),
    ("reset", {}, "upstream_no_reply"),
    ("silence", {"seconds": 5}, "upstream_no_reply"),
    ("error_event", {}, "upstream_failed"),
]


def spare() -> FakeServer:
    """Another provider, whose model calls itself otherwise."""
    return FakeServer(FakeModel("spare", reply=lambda _asked: FakeReply(text="from the spare", served_model="spare-1")))


async def two(house: House, first: FakeServer | str, second: FakeServer, **policy: Any) -> None:
    """An endpoint that fails over to another one, whose price is tenfold."""
    await house.deploy("spare", second, price=DEAR)
    await house.deploy("helpdesk", first, price=PRICE, fail_over=("spare",), **policy)


@pytest.mark.parametrize(("kind", "more", "code"), BEFORE_THE_FIRST_BYTE)
async def test_before_the_first_byte_the_next_one_is_asked(
    tmp_path: Path, kind: str, more: dict[str, Any], code: str | None
) -> None:
    """Once; both attempts are rows, and the reply says who answered."""
    async with (
        FakeServer(faults=broken(kind, **more)) as first,
        spare() as second,
        open_house(tmp_path / "place") as house,
    ):
        await two(house, first, second, first_byte_s=0.3)
        for asked, stream in enumerate((False, True), start=1):
            reply = await house.chat("helpdesk", stream=stream)
            assert reply.status == 200, reply.body
            assert (reply.streamed_text if stream else reply.text) == "from the spare"
            head = reply.headers
            assert head["x-touchstone-failed-over"] == "1"
            assert head["x-touchstone-endpoint"] == "spare"
            assert head["x-touchstone-model"] == "spare-1"
            failed, done = (await house.rows())[2 * (asked - 1) :]
            assert (failed["endpoint"], failed["attempt"], failed["status"]) == ("helpdesk", 0, "failed")
            assert (done["endpoint"], done["attempt"], done["status"], done["model"]) == ("spare", 1, "done", "spare-1")
            assert failed["request"] == done["request"]
            assert code is None or failed["error"] == code
            assert (first.requests, second.requests) == (asked, asked)


async def test_an_address_where_nobody_listens_fails_over(tmp_path: Path) -> None:
    """Nothing was sent, so the first attempt costs nothing."""
    async with spare() as second, open_house(tmp_path / "place") as house:
        await two(house, "http://127.0.0.1:9/v1", second)
        assert (await house.chat("helpdesk")).text == "from the spare"
        failed, _done = await house.rows()
        assert (failed["error"], failed["usd"], failed["output_tokens"]) == ("upstream_unreachable", 0.0, 0)


async def test_the_price_and_the_hold_are_those_of_whoever_answers(tmp_path: Path) -> None:
    """A14: tenfold dearer is held and charged tenfold; a budget that covers the first only ends with the refusal."""
    async with (
        FakeServer(faults=broken("status")) as first,
        spare() as second,
        open_house(tmp_path / "place") as house,
    ):
        await two(house, first, second)
        key = house.key(budget=Budget(usd=1))
        assert (await house.chat("helpdesk", max_tokens=100)).status == 200
        failed, done = await house.rows()
        assert done["hold_usd"] == pytest.approx(10 * failed["hold_usd"])
        assert done["usd"] == pytest.approx((done["input_tokens"] * 20 + done["output_tokens"] * 80) / 1e6)
        assert house.spent(key) == (pytest.approx(done["usd"]), 0)
        house.key("poor", budget=Budget(usd=2 * failed["hold_usd"]))
        assert (await house.chat("helpdesk", key="poor", max_tokens=100)).code == "insufficient_quota"
        assert second.requests == 1


@pytest.mark.parametrize("kind", ["cut", "no_finish", "close", "reset", "error_event"])
async def test_after_the_first_byte_it_ends_with_an_error(tmp_path: Path, kind: str) -> None:
    """An error event and no end mark; never a word of another model, and nobody else is asked."""
    half = {"after_bytes": 2000} if kind in ("close", "reset") else {}
    async with (
        FakeServer(FakeModel("parrot", reply=LONG), faults=broken(kind, **half), token_s=0.005) as first,
        spare() as second,
        open_house(tmp_path / "place") as house,
    ):
        await two(house, first, second)
        reply = await house.chat("helpdesk", stream=True)
        assert reply.status == 200
        assert "[DONE]" not in reply.events
        assert reply.events[-1]["error"]["code"].startswith("upstream_")
        assert reply.streamed_text
        assert LONG.startswith(reply.streamed_text)
        [row] = await house.rows()
        assert row["status"] == "cut"
        assert row["error"] == reply.events[-1]["error"]["code"]
        assert row["output_tokens"] > 0
        assert second.requests == 0


async def test_a_request_that_is_rejected_is_rejected_everywhere(tmp_path: Path) -> None:
    """A 400 says that the request is wrong; asking another provider would cost money for the same."""
    async with (
        FakeServer(faults=broken("status", status=400)) as first,
        spare() as second,
        open_house(tmp_path / "place") as house,
    ):
        await two(house, first, second)
        assert (await house.chat("helpdesk")).code == "upstream_rejected"
        assert second.requests == 0


async def test_nobody_is_asked_whom_the_key_may_not_ask(tmp_path: Path) -> None:
    """The list of an endpoint opens no door: the next one that the key may ask is taken, or none."""
    async with (
        FakeServer(faults=broken("status")) as first,
        spare() as second,
        FakeServer(FakeModel("third", reply="from the third")) as third,
        open_house(tmp_path / "place") as house,
    ):
        await house.deploy("third", third)
        await house.deploy("spare", second)
        await house.deploy("helpdesk", first, fail_over=("spare", "third"))
        house.key("bob", endpoints=("helpdesk",))
        house.key("cid", endpoints=("helpdesk", "third"))
        assert (await house.chat("helpdesk", key="bob")).code == "upstream_failed"
        assert (await house.chat("helpdesk", key="cid")).text == "from the third"
        house.registry.set_state("spare", "stopped")
        await house.follow()
        assert (await house.chat("helpdesk")).text == "from the third"
        assert second.requests == 0


async def test_one_other_is_tried(tmp_path: Path) -> None:
    """Where that one fails too, its error is the reply; a third is not asked."""
    async with (
        FakeServer(faults=broken("status")) as first,
        FakeServer(faults=broken("status", status=429)) as second,
        FakeServer() as third,
        open_house(tmp_path / "place") as house,
    ):
        await house.deploy("third", third)
        await house.deploy("spare", second)
        await house.deploy("helpdesk", first, fail_over=("spare", "third"))
        reply = await house.chat("helpdesk")
        assert (reply.status, reply.code) == (429, "upstream_rate_limited")
        assert third.requests == 0
        assert [row["attempt"] for row in await house.rows()] == [0, 1]


async def test_the_text_of_a_providers_error_stays_here(tmp_path: Path) -> None:
    """R14: what a provider says in its error may hold anything; a client gets a code."""
    faults = broken("status", message="key sk-live-1234567890abcdef of account 42 is wrong")
    async with FakeServer(faults=faults) as first, open_house(tmp_path / "place") as house:
        await house.deploy("helpdesk", first)
        for stream in (False, True):
            reply = await house.chat("helpdesk", stream=stream)
            assert b"sk-live" not in reply.body
            assert b"account" not in reply.body
            assert reply.json["error"]["type"] == "server_error"


async def test_both_attempts_add_up_to_both_bills(tmp_path: Path) -> None:
    """What failed before it was sold is on nobody's bill; the rest is, to the token."""
    async with (
        FakeServer(faults=broken("status")) as first,
        spare() as second,
        open_house(tmp_path / "place") as house,
    ):
        await two(house, first, second)
        for stream in (False, True):
            assert (await house.chat("helpdesk", QUESTION, stream=stream)).status == 200
        assert tokens(await house.rows()) == sold(first, second)
