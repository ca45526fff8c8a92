"""How an OpenAI-compatible server is asked what it serves, and where a key may go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.catalog.replay import Asked, Page, Replay, as_json

from touchstone.catalog.outbound import Door
from touchstone.catalog.providers import find_provider
from touchstone.catalog.source_base import Copy
from touchstone.catalog.source_failed import SourceFailed
from touchstone.catalog.source_store import Shelf
from touchstone.catalog.source_v1_models import V1Models
from touchstone.errors import SettingsError

NOW = "2026-11-27T08:00:00+00:00"
KEY = "sk-invented-0123456789+/="


async def ask(server: Replay, **options: Any) -> Copy:
    """What a server says that it serves."""
    copy = await V1Models(f"{server.url}/v1", **options).ask(Door(near=[server.url]), None, NOW)
    assert copy is not None
    return copy


@pytest.mark.parametrize("wrap", [lambda rows: {"object": "list", "data": rows}, lambda rows: rows])
async def test_both_shapes(wrap: Any) -> None:
    """The documented list, and the bare one that some send."""
    async with Replay({"/v1/models": as_json(wrap([{"id": "quill"}, {"id": "feather"}]))}) as server:
        copy = await ask(server, provider="ours")
    assert [(entry.provider, entry.id) for entry in copy.entries] == [("ours", "quill"), ("ours", "feather")]


@pytest.mark.parametrize("field", ["max_model_len", "context_window", "max_context_length", "context_length"])
async def test_the_context_where_a_server_tells_it(field: str) -> None:
    """Each server has its own word for it."""
    async with Replay({"/v1/models": as_json({"data": [{"id": "quill", field: 32768}]})}) as server:
        [entry] = (await ask(server)).entries
    assert entry.facts == {"context_tokens": 32768}
    assert entry.provider == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(("header", "name"), [("bearer", "authorization"), ("api-key", "api-key")])
async def test_the_key_is_sent_and_kept_nowhere(
    header: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The key goes out in its header; a server that writes it into its answer does not get it stored."""
    monkeypatch.setenv("OUR_KEY", KEY)

    def echo(asked: Asked) -> Page:
        spelled = "".join(f"\\u{ord(sign):04x}" for sign in KEY)
        body = f'{{"data":[{{"id":"{spelled}","x":"{KEY}","headers":"{asked.headers[name]}"}}]}}'
        return Page(body.encode(), headers={"ETag": f'"{KEY}"'})

    async with Replay({"/v1/models": echo}) as server:
        copy = await ask(server, key_env="OUR_KEY", key_header=header)
    assert KEY in server.asked[0].headers[name]
    place = Shelf(tmp_path).take(copy)
    assert KEY not in place.read_text("utf-8")
    assert copy.entries[0].id == "[key]"


async def test_the_key_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal names the host and not the key."""
    monkeypatch.setenv("OUR_KEY", KEY)
    async with Replay({"/v1/models": Page(KEY.encode(), status=401, kind=f"text/{KEY}")}) as server:
        with pytest.raises(SourceFailed) as caught:
            await ask(server, key_env="OUR_KEY")
    assert KEY not in str(caught.value) + repr(caught.value)


async def test_a_presets_key_stays_with_its_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of a preset is not sent to another address, whoever names it."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    async with Replay({"/v1/models": as_json({"data": [{"id": "quill"}]})}) as server:
        source = V1Models.of(find_provider("openai"), f"{server.url}/v1")
        with pytest.raises(SettingsError, match="belongs to another host"):
            await source.ask(Door(near=[server.url]), None, NOW)
    assert server.asked == []


@pytest.mark.parametrize("key", ["a b", "a\nb", "ключ"])
async def test_what_is_no_key(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with a line break would be a second header."""
    monkeypatch.setenv("OUR_KEY", key)
    async with Replay({}) as server:
        with pytest.raises(SettingsError, match="OUR_KEY"):
            await ask(server, key_env="OUR_KEY")
    assert server.asked == []


async def test_a_key_does_not_travel_unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http beyond the private network carries no key."""
    monkeypatch.setenv("OUR_KEY", KEY)
    with pytest.raises(SettingsError, match="unencrypted"):
        await V1Models("http://models.example/v1", key_env="OUR_KEY").ask(Door(), None, NOW)


async def test_a_missing_key_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset that needs one says which variable."""
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="DEEPSEEK_API_KEY"):
        await V1Models.of(find_provider("deepseek")).ask(Door(), None, NOW)


def test_files_of_two_servers_are_two() -> None:
    """However alike two names are, their copies do not replace each other; none of them is a path."""
    names = ["ours", "Ours", "our.s", "our/s", "../ours", "我们", "", "a" * 300, "a" * 301]
    found = [V1Models("http://127.0.0.1:1/v1", provider=name).name for name in names]
    assert len(set(found)) == len(found)
    for name in found:
        assert Shelf(Path("nowhere")).read(name).copy is None
