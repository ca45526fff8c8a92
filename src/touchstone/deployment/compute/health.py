"""What a process says of itself over HTTP on loopback: whether it is ready, what it serves, and a first answer."""

from __future__ import annotations

import socket

import aiohttp
import orjson

_MOST_BYTES = 2**20


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def new_session() -> aiohttp.ClientSession:
    """For asking processes of this machine: no proxy, no cookies, a connection each."""
    return aiohttp.ClientSession(
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(force_close=True),
    )


async def is_healthy(session: aiohttp.ClientSession, port: int, path: str, timeout_s: float) -> bool:
    """Whether the health check answers with status 200."""
    status, _ = await _asked(session, "GET", port, path, timeout_s)
    return status == 200


async def names_served(session: aiohttp.ClientSession, port: int, timeout_s: float) -> tuple[str, ...] | None:
    """The models that `/v1/models` names; None where that is no list of models."""
    status, body = await _asked(session, "GET", port, "/v1/models", timeout_s)
    try:
        return tuple(str(one["id"]) for one in orjson.loads(body)["data"]) if status == 200 else None
    except (ValueError, KeyError, TypeError):
        return None


async def warm_up(session: aiohttp.ClientSession, port: int, name: str, timeout_s: float) -> int | None:
    """
    Ask for one token, so that the first request finds everything loaded.

    Returns:
        The status; None where no answer came. A model that does not chat may refuse.
    """
    asked = {"model": name, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    status, _ = await _asked(session, "POST", port, "/v1/chat/completions", timeout_s, orjson.dumps(asked))
    return status


async def _asked(
    session: aiohttp.ClientSession, method: str, port: int, path: str, timeout_s: float, body: bytes | None = None
) -> tuple[int | None, bytes]:
    try:
        async with session.request(
            method,
            f"http://127.0.0.1:{port}{path}",
            data=body,
            headers=None if body is None else {"Content-Type": "application/json"},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response:
            # `read(n)` gives what has come, which may be less than all of it.
            read = bytearray()
            while len(read) < _MOST_BYTES and (part := await response.content.read(_MOST_BYTES)):
                read += part
            return response.status, bytes(read)
    except (TimeoutError, aiohttp.ClientError, OSError):
        return None, b""
