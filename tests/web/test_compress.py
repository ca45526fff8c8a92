"""Answers made small, where that tells a listener nothing."""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import Any

import pytest
from tests.web.visiting import Reply, Visitor

from touchstone.web.compress import Compressed

GZIP = {"Accept-Encoding": "gzip, deflate, br", "Sec-Fetch-Site": "none"}


def is_small(reply: Reply) -> bool:
    """Whether the answer came compressed."""
    return reply.headers.get("content-encoding") == "gzip"


def test_a_page_travels_small_and_is_the_same_page(visitor: Visitor) -> None:
    """What a browser unpacks is what others get, in less than a third of the bytes."""
    plain, small = visitor.ask("GET", "/settings"), visitor.ask("GET", "/settings", headers=GZIP)
    assert is_small(small)
    assert not is_small(plain)
    assert gzip.decompress(small.body) == plain.body
    assert int(small.headers["content-length"]) == len(small.body) < len(plain.body) / 2
    assert small.headers["vary"] == "accept-encoding"
    assert small.headers["content-security-policy"] == plain.headers["content-security-policy"]


@pytest.mark.parametrize("cause", [None, "cross-site", "same-site", "none, cross-site"])
def test_what_another_site_caused_is_not_made_small(visitor: Visitor, cause: str | None) -> None:
    """Its length would tell whether words of the other site's choice stand on the page (BREACH)."""
    headers = {"Accept-Encoding": "gzip", **({} if cause is None else {"Sec-Fetch-Site": cause})}
    assert not is_small(visitor.ask("GET", "/decisions?from=0", headers=headers))


def test_our_own_files_are_made_small_for_everybody(visitor: Visitor) -> None:
    """They hold no secret; each is compressed once, and asked for again it is the same."""
    address = re.search(r'href="(/static/[^"]+/site\.css)"', visitor.get("/").text)
    assert address
    first, second = (visitor.ask("GET", address[1], headers={"Accept-Encoding": "gzip"}) for _ in range(2))
    assert is_small(first)
    assert first.body == second.body
    assert gzip.decompress(first.body) == visitor.ask("GET", address[1]).body


@pytest.mark.parametrize("said", ["", "br", "gzip;q=0", "gzip; q=0.0", "deflate, x-gzip-2"])
def test_whoever_does_not_take_gzip_gets_none(visitor: Visitor, said: str) -> None:
    """Also where the header names it to refuse it."""
    headers = {"Accept-Encoding": said, "Sec-Fetch-Site": "none"}
    assert not is_small(visitor.ask("GET", "/settings", headers=headers))


def test_a_short_answer_and_a_head_are_left_alone(visitor: Visitor) -> None:
    """Nothing is gained by either."""
    assert not is_small(visitor.ask("GET", "/static/none/none.css", headers={"Accept-Encoding": "gzip"}))
    assert not is_small(visitor.ask("HEAD", "/settings", headers=GZIP))


@pytest.mark.parametrize("kind", [b"text/event-stream", b"text/html; charset=utf-8"])
def test_a_stream_comes_piece_by_piece(kind: bytes) -> None:
    """Nothing of it is held back or changed, whatever it is."""
    pieces = [b"data: " + b"x" * 2_000 + b"\n\n" for _ in range(3)]
    sent: list[dict[str, Any]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        if kind == b"text/event-stream":
            assert [one["type"] for one in sent] == ["http.response.start"]
        for number, piece in enumerate(pieces, start=1):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            assert len(sent) == number + 1
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"accept-encoding", b"gzip"), (b"sec-fetch-site", b"same-origin")]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    asyncio.run(Compressed(app)(scope, receive, send))
    assert [one.get("body") for one in sent[1:]] == [*pieces, b""]
    assert dict(sent[0]["headers"]) == {b"content-type": kind}
