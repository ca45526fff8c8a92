"""Embeddings, pictures, transcripts, moderation and reranking through the gateway, by the official client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import openai
import pytest
import pytest_asyncio
from tests.deployment.api.house import House
from tests.deployment.api.kinds_house import Shop, client, open_kinds

from touchstone.deployment.base import SafetyPolicy


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Shop]:
    async with Shop().open() as found:
        yield found


@pytest_asyncio.fixture
async def house(tmp_path: Path, shop: Shop) -> AsyncIterator[House]:
    async with open_kinds(tmp_path / "place") as found:
        await found.deploy("all", shop.base_url)
        yield found


async def test_the_official_client_asks_every_kind(house: House, shop: Shop) -> None:
    """Unchanged; what arrives at the provider is what was asked, under the provider's name of the model."""
    async with client(house) as ask:
        vectors = await ask.embeddings.create(model="all", input=["one two", "three"], user="anna")
        picture = await ask.images.generate(model="all", prompt="a red lamp", n=2, size="1024x1024")
        said = await ask.audio.transcriptions.create(
            model="all", file=("a.wav", b"RIFF" * 100, "audio/wav"), language="en", temperature=0.2,
            timestamp_granularities=["word"],
        )  # fmt: skip
        plain = await ask.audio.transcriptions.create(model="all", file=("a.wav", b"RIFF"), response_format="text")
        judged = await ask.moderations.create(model="all", input=["fine", "bad"])
    assert [len(one.embedding) for one in vectors.data] == [2, 2]
    assert len(picture.data or ()) == 2
    assert (said.text, plain) == ("hello there", "hello there")
    assert [one.flagged for one in judged.results] == [False, True]
    kinds = dict(shop.asked)
    assert kinds["embeddings"]["model"] == "parrot"
    assert "user" not in kinds["embeddings"]
    first = next(body for kind, body in shop.asked if kind == "audio/transcriptions")
    assert first["file"] == ("a.wav", b"RIFF" * 100, "audio/wav")
    assert (first["language"], first["temperature"], first["timestamp_granularities[]"]) == ("en", "0.2", "word")


async def test_documents_are_ranked_in_the_shape_of_cohere_and_jina(house: House, shop: Shop) -> None:
    """By the one route that both speak."""
    body = {"model": "all", "query": "lamp", "documents": ["a", "b"], "top_n": 2}
    found = await house.ask(body, "/v1/rerank")
    assert [one["index"] for one in found.json["results"]] == [0, 1]
    assert found.headers["x-touchstone-model"] == "shop-1"


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ({"model": "all"}, "invalid_value", "file"),
        ({"model": "all", "colour": "red", "file": b"x"}, "invalid_value", "colour"),
        ({"model": "all", "stream": "true", "file": b"x"}, "unsupported", "stream"),
        ({"model": "nobody", "file": b"x"}, "model_not_found", "model"),
    ],
)
async def test_a_form_that_cannot_be_used_says_why(
    house: House, shop: Shop, form: dict[str, str | bytes], code: str, param: str
) -> None:
    """And reaches nobody."""
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value in form.items():
        if isinstance(value, bytes):
            data.add_field(name, value, filename="a.wav", content_type="audio/wav")
        else:
            data.add_field(name, value)
    headers = {"authorization": house.head()["authorization"]}
    place = house.gateway.address + "/v1/audio/transcriptions"
    async with house.session.post(place, data=data(), headers=headers) as reply:
        error = (await reply.json())["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert not shop.asked


async def test_a_client_that_sends_a_recording_again_pays_once(house: House, shop: Shop) -> None:
    """Under one idempotency key, although each form has a boundary of its own; another recording is another request."""
    async with client(house) as ask:
        again = {"idempotency-key": "once"}
        for _ in range(2):
            said = await ask.audio.transcriptions.create(model="all", file=("a.wav", b"RIFF"), extra_headers=again)
            assert said.text == "hello there"
        with pytest.raises(openai.UnprocessableEntityError):
            await ask.audio.transcriptions.create(model="all", file=("a.wav", b"FFIR"), extra_headers=again)
    assert len(shop.asked) == 1


async def test_a_guard_looks_at_every_kind(house: House, shop: Shop) -> None:
    """What is personal is masked on the way in: in texts, documents, prompts, and in the name of a recording."""
    await house.deploy("safe", shop.base_url, safety=SafetyPolicy(pii="mask"))
    async with client(house) as ask:
        await ask.embeddings.create(model="safe", input="I am anna@example.com")
        await ask.images.generate(model="safe", prompt="anna@example.com as a lamp")
        await ask.audio.transcriptions.create(model="safe", file=("anna@example.com.wav", b"RIFF"), prompt="by a@b.org")
        await ask.moderations.create(model="safe", input="anna@example.com")
    await house.ask({"model": "safe", "query": "a@b.org", "documents": ["anna@example.com"]}, "/v1/rerank")
    assert len(shop.asked) == 5
    assert not any(word in repr(shop.asked) for word in ("anna@example.com", "a@b.org"))
    assert shop.asked[2][1]["file"][1] == b"RIFF"
    with pytest.raises(KeyError):
        shop.asked[0][1]["messages"]


async def test_a_recording_that_nobody_looked_into_is_recorded_so_or_blocked(house: House, shop: Shop) -> None:
    """Nobody here decodes sound; a policy may refuse it for that."""
    await house.deploy("noted", shop.base_url, safety=SafetyPolicy(pii="mask"))
    await house.deploy("strict", shop.base_url, safety=SafetyPolicy(media="block"))
    async with client(house) as ask:
        await ask.audio.transcriptions.create(model="noted", file=("a.wav", b"RIFF"))
        with pytest.raises(openai.BadRequestError, match="blocked"):
            await ask.audio.transcriptions.create(model="strict", file=("a.wav", b"RIFF"))
    await house.rows()
    assert [row["action"] for row in house.safety() if row["way"] == "in"] == ["not_checked", "blocked"]


async def test_kept_replies_and_kept_content_hold_recordings_too(house: House, shop: Shop) -> None:
    """A policy that keeps answers keeps those of recordings; the same recording is then answered from the store."""
    await house.deploy("kept", shop.base_url, cache_s=60, keep_content_days=1)
    async with client(house) as ask:
        for _ in range(2):
            await ask.audio.transcriptions.create(model="kept", file=("a.wav", b"RIFF"))
            await house.rows()
    assert len(shop.asked) == 1


async def test_token_numbers_pass_to_a_provider_only_where_no_guard_looks(house: House, shop: Shop) -> None:
    """They cannot be looked at, so a guarded endpoint wants the text."""
    await house.deploy("safe", shop.base_url, safety=SafetyPolicy(blocked=("lamp",)))
    refused = await house.ask({"model": "safe", "input": [1, 2, 3]}, "/v1/embeddings")
    assert (refused.status, refused.code) == (400, "invalid_value")
    assert not shop.asked


async def test_base64_vectors_come_as_they_are_asked_for(house: House, shop: Shop) -> None:
    """The official client asks for them and decodes them; plain ones come as numbers."""
    plain = await house.ask({"model": "all", "input": "x", "encoding_format": "float"}, "/v1/embeddings")
    assert plain.json["data"][0]["embedding"] == [1.0, 1.0]
    assert shop.asked[-1][1]["encoding_format"] == "float"
