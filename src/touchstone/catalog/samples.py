"""
Code that calls a model: the official `openai` client for Python, curl, and a candidate of a task file.

Made for the first of a model's offers that can be called with an OpenAI-compatible client, else for weights served on
one's own machine. No key stands in the code, only the name of the variable that holds it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

from touchstone.catalog.base import Price, Provider
from touchstone.catalog.cards import Card
from touchstone.catalog.model import Model
from touchstone.catalog.offers import Offer
from touchstone.catalog.providers import find_provider
from touchstone.catalog.sellers import seller_id, sellers
from touchstone.noun import Noun

LOCAL_ADDRESS = "http://127.0.0.1:8000/v1"
"""Where `vllm serve` listens unless told otherwise (vLLM documentation, OpenAI-compatible server)."""

Interface = Literal["chat", "embeddings", "images", "transcriptions", "speech", "moderations"]

_INTERFACES: Sequence[tuple[str, Interface]] = (
    ("chat", "chat"),
    ("embedding", "embeddings"),
    ("image-generation", "images"),
    ("speech-recognition", "transcriptions"),
    ("speech-synthesis", "speech"),
    ("moderation", "moderations"),
)


_EVERYWHERE: frozenset[Interface] = frozenset({"chat", "embeddings"})
_SERVED: Mapping[str, frozenset[Interface]] = {
    "openai": frozenset({"images", "transcriptions", "speech", "moderations"}),
    "gemini": frozenset({"images"}),
    "groq": frozenset({"transcriptions", "speech"}),
    "together": frozenset({"images", "speech"}),
}
"""What presets answer beside chat and embeddings in OpenAI's protocol: OpenAI's API reference; "OpenAI compatibility"
in the documentation of the Gemini API and of Together; "Speech to text" and "Text to speech" in that of Groq."""

_NO_VECTOR = frozenset({"late-interaction", "sparse-retrieval"})
"""Traits of embedders that give no single dense vector, which is all that the protocol has room for."""


class Sample(Noun):
    """A piece of code, and what it takes."""

    kind: Literal["python", "curl", "task file", "serve"]
    text: str


class Callable(Noun):
    """An address at which a model answers, and what it is called there."""

    served_name: str
    base_url: str
    key_env: str | None = None
    key_header: Literal["bearer", "api-key"] = "bearer"
    price: Price | None = None
    """What a team reckons with for an endpoint of its own."""
    preset: str | None = None
    """Id in `providers.toml`; None for an address of one's own."""


def callable_offer(offer: Offer) -> Callable | None:
    """How to call an offer; None when its seller has no preset, or does not know the offer's name."""
    if offer.provider == "openrouter" and "/" not in offer.served_name:
        return None  # price lists shorten its names; it answers only to AUTHOR/NAME (OpenRouter API reference)
    seller = sellers().get(seller_id(offer.provider))
    presets = [find_provider(name) for name in seller.presets] if seller else []
    preset = next((one for one in presets if one.base_url is not None), presets[0] if presets else None)
    if preset is None:
        return None
    return Callable(
        served_name=offer.served_name,
        base_url=preset.base_url or _from_variable(preset),
        key_env=preset.key_env,
        key_header=preset.key_header,
        preset=preset.id,
    )


def _from_variable(preset: Provider) -> str:
    return f"${preset.base_url_env}{preset.base_url_env_path}"


def samples(card: Card, today: date) -> tuple[Sample, ...]:
    """Code for a card as of a day; none when nobody can be called and no weights can be served."""
    model = card.model
    interface = _interface(model) if model else None
    target = _target(card, interface, today) if interface else None
    if interface is None or target is None:
        return ()
    found = [Sample(kind="python", text=_python(interface, target)), Sample(kind="curl", text=_curl(interface, target))]
    if interface == "chat":
        found.append(Sample(kind="task file", text=_candidate(target)))
    if target.base_url == LOCAL_ADDRESS and model is not None and model.hugging_face:
        found.insert(0, Sample(kind="serve", text=f"vllm serve {shlex.quote(model.hugging_face)}"))
    return tuple(found)


def _interface(model: Model) -> Interface | None:
    """The part of the protocol that does the first thing which the model can do."""
    found = next((one for task, one in _INTERFACES if task in model.tasks), None)
    if found == "moderations" and "text" in model.output_types:
        return "chat"  # a guard model writes its judgement; the moderation interface is OpenAI's own models'
    return found


def _target(card: Card, interface: Interface, today: date) -> Callable | None:
    for endpoint in card.endpoints:
        return Callable(
            served_name=endpoint.served_name,
            base_url=endpoint.base_url,
            key_env=endpoint.key_env,
            price=endpoint.price,
        )
    model = card.model
    answering = [offer for offer in card.offers if not offer.deprecated and not card.ended(offer, today)]
    own = [offer for offer in answering if model and seller_id(offer.provider) == model.lab]
    for offer in (*own, *answering):
        found = callable_offer(offer)
        if found is not None and interface in _EVERYWHERE | _SERVED.get(found.preset or "", frozenset()):
            return found
    if model is not None and model.hugging_face and _runs_in_vllm(model, interface):
        return Callable(served_name=model.hugging_face, base_url=LOCAL_ADDRESS)
    return None


def _runs_in_vllm(model: Model, interface: Interface) -> bool:
    """
    Whether its server answers this interface with such weights (vLLM documentation, list of supported models).

    It draws no pictures, speaks no text, and of what hears most families are foreign to it.
    """
    if interface == "embeddings":
        return not _NO_VECTOR & set(model.traits)
    return interface == "chat" or (interface == "transcriptions" and model.family == "Whisper")


_PYTHON_CALLS: dict[Interface, str] = {
    "chat": """reply = client.chat.completions.create(
    model={name},
    messages=[{{"role": "user", "content": "Where is my order?"}}],
)
print(reply.choices[0].message.content)""",
    "embeddings": """reply = client.embeddings.create(model={name}, input=["Where is my order?"])
print(len(reply.data[0].embedding))""",
    "images": """reply = client.images.generate(model={name}, prompt="A lighthouse at dusk")
print(reply.data[0].url or len(reply.data[0].b64_json))""",
    "transcriptions": """with open("call.wav", "rb") as recording:
    reply = client.audio.transcriptions.create(model={name}, file=recording)
print(reply.text)""",
    "speech": """reply = client.audio.speech.create(model={name}, voice="alloy", input="Your order is on its way.")
reply.write_to_file("answer.mp3")""",
    "moderations": """reply = client.moderations.create(model={name}, input="Where is my order?")
print(reply.results[0].flagged)""",
}


def _python(interface: Interface, target: Callable) -> str:
    lines = ["from openai import OpenAI"]
    key = f"os.environ[{json.dumps(target.key_env)}]" if target.key_env else '"unused"'
    address = json.dumps(target.base_url)
    if target.base_url.startswith("$"):
        variable, slash, path = target.base_url[1:].partition("/")
        address = f"os.environ[{json.dumps(variable)}] + {json.dumps(slash + path)}"
    if "os.environ" in key + address:
        lines.insert(0, "import os\n")
    lines += ["", f"client = OpenAI(base_url={address}, api_key={key})"]
    lines.append(_PYTHON_CALLS[interface].format(name=json.dumps(target.served_name, ensure_ascii=False)))
    return "\n".join(lines)


def _curl(interface: Interface, target: Callable) -> str:
    name = target.served_name
    bodies: dict[Interface, tuple[str, dict[str, object]]] = {
        "chat": ("chat/completions", {"messages": [{"role": "user", "content": "Where is my order?"}]}),
        "embeddings": ("embeddings", {"input": ["Where is my order?"]}),
        "images": ("images/generations", {"prompt": "A lighthouse at dusk"}),
        "speech": ("audio/speech", {"voice": "alloy", "input": "Your order is on its way."}),
        "moderations": ("moderations", {"input": "Where is my order?"}),
    }
    key = ""
    if target.key_env:
        key = (
            f' \\\n  -H "api-key: ${target.key_env}"'
            if target.key_header == "api-key"
            else f' \\\n  -H "Authorization: Bearer ${target.key_env}"'
        )
    if interface == "transcriptions":
        return (
            f'curl "{target.base_url}/audio/transcriptions"{key} \\\n  -F file=@call.wav -F {_quoted(f"model={name}")}'
        )
    path, body = bodies[interface]
    return (
        f'curl "{target.base_url}/{path}"{key} \\\n  -H "Content-Type: application/json" \\\n'
        f"  -d {_quoted(json.dumps({'model': name, **body}, ensure_ascii=False))}"
        + (" \\\n  -o answer.mp3" if interface == "speech" else "")
    )


def _candidate(target: Callable) -> str:
    if target.preset is not None:
        return f"candidates:\n  - {json.dumps(f'{target.preset}/{target.served_name}', ensure_ascii=False)}"
    parts = [
        "model: openai-compatible",
        f"base_url: {json.dumps(target.base_url)}",
        f"served_name: {json.dumps(target.served_name, ensure_ascii=False)}",
        *([f"key_env: {json.dumps(target.key_env)}"] if target.key_env else []),
    ]
    if target.price is not None:
        usd = target.price.model_dump(include={"input_usd", "output_usd", "cached_input_usd"}, exclude_none=True)
        parts.append("price: {" + ", ".join(f"{name}: {value:g}" for name, value in usd.items()) + "}")
    return "candidates:\n  - {" + ", ".join(parts) + "}"


def _quoted(text: str) -> str:
    """For a shell, in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"
