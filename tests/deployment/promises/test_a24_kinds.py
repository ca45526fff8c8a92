"""A24 for every kind beside chat: rows of requests equal the provider's bill, to the token, live and in batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
import pytest_asyncio
from tests.deployment.api.house import PRICE, House
from tests.deployment.api.kinds_house import Sale, Shop, client, ended, lines, open_kinds

from touchstone.deployment.base import Budget


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Shop]:
    async with Shop().open() as found:
        yield found


@pytest_asyncio.fixture
async def house(tmp_path: Path, shop: Shop) -> AsyncIterator[House]:
    async with open_kinds(tmp_path / "place") as found:
        await found.deploy("all", shop.base_url)
        yield found


async def test_a24_every_kind_is_metered_as_it_is_billed(house: House, shop: Shop) -> None:
    """Embeddings, pictures, transcripts, moderation, reranking; asked live and by batches, in the key's budget."""
    key = house.key("ann", budget=Budget(usd=100.0))
    async with client(house) as ask:
        for number in range(3):
            await ask.embeddings.create(model="all", input=["word " * (number + 1), "other"])
            await ask.images.generate(model="all", prompt="a red lamp", n=number + 1)
            await ask.audio.transcriptions.create(model="all", file=("a.wav", b"RIFF" * 100 * (number + 1)))
            await ask.moderations.create(model="all", input=["fine"] * (number + 1))
            await house.ask({"model": "all", "query": "q", "documents": ["a"]}, "/v1/rerank")
        file = await ask.files.create(
            file=("in.jsonl", lines(*[{"model": "all", "input": "a b c"}] * 10, url="/v1/embeddings")), purpose="batch"
        )
        made = await ask.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")
        assert (await ended(ask, made.id)).request_counts.completed == 10
    rows = await house.rows()
    assert {row["status"] for row in rows} == {"done"}
    metered = sorted(Sale(row["kind"], row["input_tokens"], row["output_tokens"]) for row in rows)
    assert metered == sorted(shop.bill)
    assert len(rows) == 25
    assert not any(row["estimated"] for row in rows)
    usd = sum(sale.input_tokens * PRICE.input_usd + sale.output_tokens * PRICE.output_usd for sale in shop.bill) / 1e6
    spent, held = house.spent(key)
    assert spent == pytest.approx(usd)
    assert held == pytest.approx(0.0, abs=1e-12)


async def test_a24_what_a_provider_does_not_count_is_marked(house: House, shop: Shop) -> None:
    """A transcript as plain text says nothing of tokens: its row has an estimate, and says so."""
    async with client(house) as ask:
        await ask.audio.transcriptions.create(model="all", file=("a.wav", b"RIFF" * 10), response_format="text")
    [row] = await house.rows()
    assert row["estimated"]
    assert row["input_tokens"] >= 10


async def test_a24_a_failure_has_a_row_too(house: House, shop: Shop) -> None:
    """With its code, and nothing to pay where the provider billed nothing."""
    shop.fails = True
    async with client(house) as ask:
        with pytest.raises(openai.InternalServerError):
            await ask.embeddings.create(model="all", input="x")
    [row] = await house.rows()
    assert (row["status"], row["kind"], row["error"]) == ("failed", "embedding", "upstream_failed")
    assert not shop.bill
