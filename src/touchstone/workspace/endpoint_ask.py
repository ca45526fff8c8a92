"""
One question to an endpoint, and how a program asks the same.

Through the gateway it is asked as any client would, with a key, and stands in the usage. Through the recipe it is
answered in this process, by the version that answers most; that is for recipes that cost nothing, because no key's
budget covers it.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from touchstone.data.base import Case
from touchstone.deployment.base import Endpoint, Kind, Version
from touchstone.deployment.endpoints.own_kinds import STRATEGIES
from touchstone.errors import ModelError, SettingsError, TouchstoneError
from touchstone.workspace.bundle import make_served, read_bundle
from touchstone.workspace.deploy import costs_nothing
from touchstone.workspace.workspace import Workspace

_TIMEOUT_S = 120.0
_MOST_BYTES = 4 << 20
_KEY = "TOUCHSTONE_KEY"
"""The variable from which samples take a key."""


class AskedOnce(NamedTuple):
    """What came of one question."""

    status: int
    """Of the gateway's reply; 200 where the recipe answered here."""
    text: str
    """What was answered, or what the gateway said is wrong."""
    seconds: float
    version: str | None = None
    model: str | None = None
    request: str | None = None
    """Its id, by which `usage` and the log know it; None where no gateway was asked."""
    code: str | None = None
    """Of an error, for programs."""
    input_tokens: int | None = None
    output_tokens: int | None = None


class Samples(NamedTuple):
    """How programs ask an endpoint."""

    python: str
    curl: str
    typescript: str


def main_version(endpoint: Endpoint) -> Version:
    """The version that answers the most requests."""
    return max(endpoint.versions, key=lambda one: (endpoint.split.get(one.number, 0), one.number))


def kind_of(endpoint: Endpoint) -> Kind:
    """What an endpoint is asked for."""
    strategy = main_version(endpoint).recipe.strategy
    if strategy not in STRATEGIES:
        return "chat"
    return strategy  # type: ignore[return-value]  # strategies of our own kinds are called as the kinds are


def may_ask_recipe(endpoint: Endpoint) -> bool:
    """Whether the recipe can be asked here for nothing."""
    version = main_version(endpoint)
    return kind_of(endpoint) == "chat" and version.compute is None and costs_nothing(version.price)


def ask_recipe(workspace: Workspace, endpoint: Endpoint, text: str) -> AskedOnce:
    """
    Have the recipe of the version that answers most answer a question, here.

    Raises:
        SettingsError: it is none that answers here for nothing.
        UserError: it cannot be made any more.
        ModelError: it failed.
    """
    if not may_ask_recipe(endpoint):
        raise SettingsError(
            "{name} is asked through the gateway, with a key whose budget covers it", name=endpoint.name
        )
    return asyncio.run(_ask_recipe(workspace, endpoint, text))


async def _ask_recipe(workspace: Workspace, endpoint: Endpoint, text: str) -> AskedOnce:
    version = main_version(endpoint)
    folder = workspace.settings.workspace / version.folder
    candidate, _settings = await make_served(
        read_bundle(folder), folder, workspace.ledger, workspace.settings.workspace
    )
    try:
        begun = time.perf_counter()
        completion = await candidate.answer(Case(id="asked", input=text))
        return AskedOnce(
            200,
            completion.text,
            time.perf_counter() - begun,
            version=str(version.number),
            model=completion.served_model or version.recipe.model,
            input_tokens=completion.usage.input_tokens,
            output_tokens=completion.usage.output_tokens,
        )
    except ModelError:
        raise
    finally:
        await candidate.close()


def ask_gateway(address: str, endpoint: Endpoint, secret: str, text: str) -> AskedOnce:
    """
    Ask an endpoint through a gateway of this machine, as a client with a key does.

    Args:
        address: `http://127.0.0.1:…`, as the gateway has written it down.
        secret: The key; it goes into one header and nowhere else.

    Raises:
        SettingsError: the key cannot be one, or the gateway does not listen on this machine alone.
        TouchstoneError: it did not answer.
    """
    place = urlsplit(address)
    if place.scheme != "http" or place.hostname not in ("127.0.0.1", "::1") or place.port is None:
        raise SettingsError(
            "the gateway at {address} is not of this machine alone; ask it as a client", address=address
        )
    if not secret.isascii() or not secret.isprintable() or " " in secret or not secret:
        raise SettingsError("that is no key; a key begins with ts- and has 46 characters")
    path, body = _request(endpoint, text)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=_TIMEOUT_S)
    begun = time.perf_counter()
    try:
        connection.request(
            "POST", path, orjson.dumps(body), {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        )
        reply = connection.getresponse()
        raw = reply.read(_MOST_BYTES)
        said = {name.lower(): value for name, value in reply.getheaders()}
    except (OSError, http.client.HTTPException) as error:
        raise TouchstoneError(
            "the gateway at {address} did not answer: {reason}; look whether it runs",
            address=address,
            reason=str(error) or type(error).__name__,
        ) from None
    finally:
        connection.close()
    return _read(reply.status, raw, said, time.perf_counter() - begun)


def _request(endpoint: Endpoint, text: str) -> tuple[str, dict[str, Any]]:
    kind, name = kind_of(endpoint), endpoint.name
    if kind in ("embedding", "moderation"):
        return f"/v1/{kind}s", {"model": name, "input": text}
    if kind == "rerank":
        query, _line, documents = text.partition("\n")
        return "/v1/rerank", {"model": name, "query": query, "documents": documents.splitlines() or [query]}
    return "/v1/chat/completions", {"model": name, "messages": [{"role": "user", "content": text}]}


def _read(status: int, raw: bytes, said: dict[str, str], seconds: float) -> AskedOnce:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        found = None
    code: str | None = None
    text, usage = raw.decode("utf-8", "replace"), dict[str, Any]()
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        code, text = found["error"].get("code"), str(found["error"].get("message", ""))
    elif isinstance(found, dict):
        text = _words(found)
        usage = found["usage"] if isinstance(found.get("usage"), dict) else {}
    return AskedOnce(
        status,
        text,
        seconds,
        version=said.get("x-touchstone-version"),
        model=said.get("x-touchstone-model"),
        request=said.get("x-request-id"),
        code=code,
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
    )


def _words(found: dict[str, Any]) -> str:
    try:
        content = found["choices"][0]["message"]["content"]
        if isinstance(content, str):
            return content
    except (KeyError, IndexError, TypeError):
        pass
    return json.dumps(found, ensure_ascii=False, indent=1)[:20_000]


def samples(endpoint: Endpoint, base_url: str, text: str) -> Samples:
    """
    Programs that ask an endpoint, without a key in them.

    Args:
        base_url: Where the gateway answers, with `/v1`.
        text: The question that they ask.
    """
    path, body = _request(endpoint, text)
    path = path.removeprefix("/v1")
    head = (
        "import os\n\nfrom openai import OpenAI  # pip install openai\n\n"
        f'client = OpenAI(base_url={_js(base_url)}, api_key=os.environ["{_KEY}"])\n'
    )
    begin = (
        'import OpenAI from "openai"; // npm install openai\n\n'
        f"const client = new OpenAI({{\n  baseURL: {_js(base_url)},\n  apiKey: process.env.{_KEY},\n}});\n"
    )
    call, answer = _CALLS[kind_of(endpoint)]
    if call is None:
        given = f"    {_js(path)},\n    cast_to=object,\n    body={_js(body)},\n"
        python = f"{head}reply = client.post(\n{given})\nprint(reply)\n"
        typescript = (
            f"{begin}const reply = await client.post({_js(path)}, {{\n  body: {_js(body)},\n}});\nconsole.log(reply);\n"
        )
    else:
        # A text, a list or a mapping of texts as JSON is one in Python and TypeScript too.
        given = "".join(f"    {name}={_js(value)},\n" for name, value in body.items())
        python = f"{head}reply = client.{call}(\n{given})\nprint(reply.{answer})\n"
        fields = "".join(f"  {name}: {_js(value)},\n" for name, value in body.items())
        typescript = f"{begin}const reply = await client.{call}({{\n{fields}}});\nconsole.log(reply.{answer});\n"
    written = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
    curl = (
        f'curl {base_url}{path} \\\n  -H "Authorization: Bearer ${_KEY}" \\\n'
        f"  -H 'Content-Type: application/json' \\\n  -d '{written}'\n"
    )
    return Samples(python, curl, typescript)


_CALLS: dict[Kind, tuple[str | None, str]] = {
    "chat": ("chat.completions.create", "choices[0].message.content"),
    "embedding": ("embeddings.create", "data[0].embedding"),
    "moderation": ("moderations.create", "results[0]"),
    "rerank": (None, ""),
}
"""How OpenAI's clients call what they know, and where the answer stands in the reply."""


def _js(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
