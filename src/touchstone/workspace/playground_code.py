"""The same question as a program, without a key: Python, curl and TypeScript against OpenAI's protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from touchstone.catalog.providers import find_provider, provider_names
from touchstone.models.base import AudioPart, ImagePart, Message, TextPart
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.models.resolve import make_model
from touchstone.workspace.playground_base import Choice, Kind, Parameters
from touchstone.workspace.playground_choices import Plain

if TYPE_CHECKING:
    from touchstone.models.base import Part

_GATEWAY = "http://127.0.0.1:8080/v1"
_GATEWAY_KEY = "TOUCHSTONE_KEY"
_LONGEST_DATA = 60
_NAME = re.compile(r"[^a-z0-9._-]+")


class Code(NamedTuple):
    """How a program asks the same."""

    before: str
    """A command that must run first; empty where none must."""
    python: str
    curl: str
    typescript: str


class _Call(NamedTuple):
    base_url: str
    model: str
    key_env: str | None
    kind: Kind
    messages: Sequence[Mapping[str, Any]]
    fields: Mapping[str, Any]


def code_of(choice: Choice, plain: Plain | None, messages: Sequence[Message], parameters: Parameters) -> Code:
    """
    The code for one pane.

    Args:
        plain: How it is reached, where it is asked as it is; None for a recipe or an endpoint.
        messages: The conversation, with the system text where the caller sends it.
    """
    before = ""
    plain_messages = [_message(one) for one in messages]
    fields = {
        "temperature": parameters.temperature,
        "top_p": parameters.top_p,
        "seed": parameters.seed,
        "stop": list(parameters.stop) or None,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    model = None if plain is None else make_model(plain.reference, parameters=plain.parameters, folder=plain.folder)
    if isinstance(model, OpenAICompatible) and plain is not None:
        given[model.max_tokens_field] = parameters.max_tokens
        call = _Call(model.base_url, model.served_name, _key_env(plain), choice.kind, plain_messages, given)
    else:
        # What runs here, and what has a recipe, is asked through an endpoint: that brings its own words.
        given["max_tokens"] = parameters.max_tokens
        name = choice.name
        if choice.source != "endpoint":
            name = _NAME.sub("-", choice.name.lower()).strip("-._")[:64] or "model"
            before = (
                f"touchstone deploy --recipe {_shell(plain.reference)} --name {name}"
                if plain is not None
                else f"touchstone deploy --decision {choice.id.split(':', 2)[1]} --candidate {_shell(choice.name)} "
                f"--because playground --name {name}"
            )
            before += "\n"
        before += "touchstone serve"
        call = _Call(_GATEWAY, name, _GATEWAY_KEY, choice.kind, plain_messages, given)
    return Code(before, _python(call), _curl(call), _typescript(call))


def _key_env(plain: Plain) -> str | None:
    kind = plain.reference.partition("/")[0]
    if "key_env" in plain.parameters:
        return str(plain.parameters["key_env"])
    return find_provider(kind).key_env if kind in provider_names() else None


def _message(message: Message) -> dict[str, Any]:
    content = message.content
    return {"role": message.role, "content": content if isinstance(content, str) else [_part(one) for one in content]}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "image_url", "image_url": {"url": _shortened(part.url)}}
    assert isinstance(part, AudioPart)
    return {"type": "input_audio", "input_audio": {"data": _shortened(part.data), "format": part.format}}


def _shortened(data: str) -> str:
    """The beginning of data that nobody reads; whoever runs the code puts their own there."""
    return data if len(data) <= _LONGEST_DATA else data[:_LONGEST_DATA] + "…"


def _text(call: _Call) -> str:
    last = call.messages[-1]["content"] if call.messages else ""
    return last if isinstance(last, str) else "".join(one.get("text", "") for one in last)


def _python(call: _Call) -> str:
    key = f'os.environ["{call.key_env}"]' if call.key_env else '"none"'
    head = f"import os\n\nfrom openai import OpenAI\n\nclient = OpenAI(base_url={call.base_url!r}, api_key={key})\n"
    if not call.key_env:
        head = head.removeprefix("import os\n\n")
    if call.kind == "embedding":
        return (
            f"{head}reply = client.embeddings.create(model={call.model!r}, input={_text(call)!r})\n"
            "print(reply.data[0].embedding)\n"
        )
    if call.kind == "image":
        return (
            f"{head}reply = client.images.generate(model={call.model!r}, prompt={_text(call)!r})\n"
            "print(reply.data[0].b64_json)\n"
        )
    if call.kind == "transcription":
        return (
            f'{head}with open("recording.wav", "rb") as file:\n'
            f"    reply = client.audio.transcriptions.create(model={call.model!r}, file=file)\nprint(reply.text)\n"
        )
    messages = "[\n" + "".join(f"    {one!r},\n" for one in call.messages) + "]"
    fields = "".join(f"    {name}={value!r},\n" for name, value in call.fields.items())
    return (
        f"{head}messages = {messages}\nstream = client.chat.completions.create(\n    model={call.model!r},\n"
        f"    messages=messages,\n{fields}    stream=True,\n)\nfor chunk in stream:\n    if chunk.choices:\n"
        '        print(chunk.choices[0].delta.content or "", end="")\n'
    )


_CURL_PATHS: Mapping[Kind, str] = {
    "chat": "/chat/completions",
    "embedding": "/embeddings",
    "image": "/images/generations",
    "transcription": "/audio/transcriptions",
}


def _curl(call: _Call) -> str:
    key = f'  -H "Authorization: Bearer ${call.key_env}" \\\n' if call.key_env else ""
    url = _shell(call.base_url + _CURL_PATHS[call.kind])
    if call.kind == "transcription":
        return f"curl {url} \\\n{key}  -F file=@recording.wav -F {_shell('model=' + call.model)}\n"
    body: dict[str, Any] = {"model": call.model}
    if call.kind == "chat":
        body |= {"messages": list(call.messages), **call.fields, "stream": True}
    else:
        body["input" if call.kind == "embedding" else "prompt"] = _text(call)
    written = json.dumps(body, ensure_ascii=False, indent=2)
    return f"curl -N {url} \\\n{key}  -H 'Content-Type: application/json' \\\n  -d {_shell(written)}\n"


def _typescript(call: _Call) -> str:
    key = f"process.env.{call.key_env}" if call.key_env else '"none"'
    head = (
        'import OpenAI from "openai";\n\n'
        f"const client = new OpenAI({{ baseURL: {json.dumps(call.base_url)}, apiKey: {key} }});\n"
    )
    model = json.dumps(call.model)
    text = json.dumps(_text(call), ensure_ascii=False)
    if call.kind == "embedding":
        return (
            f"{head}const reply = await client.embeddings.create({{ model: {model}, input: {text} }});\n"
            "console.log(reply.data[0].embedding);\n"
        )
    if call.kind == "image":
        return (
            f"{head}const reply = await client.images.generate({{ model: {model}, prompt: {text} }});\n"
            "console.log(reply.data?.[0].b64_json);\n"
        )
    if call.kind == "transcription":
        return (
            f'import fs from "node:fs";\n{head}const reply = await client.audio.transcriptions.create({{\n'
            f'  model: {model},\n  file: fs.createReadStream("recording.wav"),\n}});\nconsole.log(reply.text);\n'
        )
    messages = json.dumps(list(call.messages), ensure_ascii=False, indent=2)
    fields = "".join(f"  {name}: {json.dumps(value, ensure_ascii=False)},\n" for name, value in call.fields.items())
    return (
        f"{head}const stream = await client.chat.completions.create({{\n  model: {model},\n"
        f"  messages: {_indented(messages)},\n{fields}  stream: true,\n}});\nfor await (const chunk of stream) {{\n"
        '  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");\n}\n'
    )


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _shell(text: str) -> str:
    """A text as one word of a shell."""
    if re.fullmatch(r"[A-Za-z0-9_./:@%+=,-]+", text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
