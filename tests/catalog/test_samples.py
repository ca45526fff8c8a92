"""Code samples: they run as they stand, hold no key, and none is given where nobody would answer it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.catalog.entries import model, offer

from touchstone.catalog.assemble import assemble
from touchstone.catalog.cards import Card
from touchstone.catalog.catalog import Catalog
from touchstone.catalog.offers import Offer
from touchstone.catalog.own_offer import OwnOffer
from touchstone.catalog.samples import LOCAL_ADDRESS, Sample, callable_offer, samples
from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer, serve_in_thread
from touchstone.models.resolve import make_model

TODAY = date(2026, 11, 27)
KEY = "sk-a-secret-that-no-sample-may-hold"


def card(*offers: Offer, endpoint: OwnOffer | None = None, model_id: str = "acme/one", **facts: Any) -> Card:
    """The card of one model with its offers and, perhaps, an endpoint of the team's own."""
    known = [one.model_copy(update={"model": model_id}) for one in offers]
    made = assemble([model(model_id, **facts)], known, [], (), {model_id: [endpoint]} if endpoint else {})
    return next(made)


def texts(found: tuple[Sample, ...]) -> dict[str, str]:
    return {one.kind: one.text for one in found}


SOLD = {
    "chat": card(offer("one", "openai")),
    "embedding": card(offer("one", "openai"), tasks=["embedding"], output_types=["embedding"]),
    "image-generation": card(offer("one", "openai"), tasks=["image-generation"], output_types=["image"]),
    "speech-recognition": card(offer("one", "openai"), tasks=["speech-recognition"], output_types=["transcript"]),
    "speech-synthesis": card(offer("one", "openai"), tasks=["speech-synthesis"], output_types=["audio"]),
    "moderation": card(offer("one", "openai"), tasks=["moderation"], output_types=["scores"]),
}
CALLS = {
    "chat": ("chat.completions.create(", "/chat/completions"),
    "embedding": ("embeddings.create(", "/embeddings"),
    "image-generation": ("images.generate(", "/images/generations"),
    "speech-recognition": ("audio.transcriptions.create(", "/audio/transcriptions"),
    "speech-synthesis": ("audio.speech.create(", "/audio/speech"),
    "moderation": ("moderations.create(", "/moderations"),
}


class TestWhoIsCalled:
    """The maker before others, the team's own server before everybody, and nobody who would not answer."""

    @pytest.mark.parametrize("task", SOLD)
    def test_each_task_has_its_interface(self, task: str) -> None:
        """Python and curl ask the same part of the protocol at the seller's address."""
        found, (python, path) = texts(samples(SOLD[task], TODAY)), CALLS[task]

        assert python in found["python"]
        assert f"https://api.openai.com/v1{path}" in found["curl"]
        assert ("task file" in found) == (task == "chat")

    def test_the_makers_own_offer_comes_first_and_a_deprecated_one_never(self) -> None:
        """Whoever wants the model gets it from who made it, unless it says that it will stop."""
        sold = offer("openai/one", "openrouter"), offer("one", "openai")
        leaving = offer("one", "openai", deprecated=True)

        assert '"openrouter/openai/one"' in texts(samples(card(*sold), TODAY))["task file"]
        assert "api.openai.com" in texts(samples(card(*sold, model_id="openai/one", lab="openai"), TODAY))["python"]
        assert (
            "openrouter.ai"
            in texts(samples(card(sold[0], leaving, model_id="openai/one", lab="openai"), TODAY))["python"]
        )
        assert samples(card(leaving), TODAY) == ()

    def test_what_its_maker_stopped_serving_is_called_at_another_seller_of_the_weights(self) -> None:
        """From the day on; where weights are not given out, nobody else can go on serving it."""
        sold = offer("one", "openai"), offer("openai/one", "openrouter")

        def called(on: str, weights: str) -> str:
            of = card(*sold, model_id="openai/one", lab="openai", weights=weights, retired=on)
            return texts(samples(of, TODAY)).get("python", "nobody")

        assert "api.openai.com" in called("2026-11-28", "open")
        assert "openrouter.ai" in called("2026-11-27", "open")
        assert "api.openai.com" in called("2026-11-28", "closed")
        assert called("2026-11-27", "closed") == "nobody"

    def test_a_dated_version_that_has_ended_is_not_called(self) -> None:
        """The next offer is, also where the ended one stands first."""
        old, new = offer("one-preview", "openai", snapshot="one-preview"), offer("one", "openai")
        ended = {"name": "one-preview", "retired": "2026-11-27"}

        def called(*sold: Offer, on: date = TODAY) -> str:
            of = card(*sold, model_id="openai/one", lab="openai", weights="closed", snapshots=[ended])
            return texts(samples(of, on)).get("task file", "nobody")

        assert '"openai/one"' in called(old, new)
        assert called(old) == "nobody"
        assert '"openai/one-preview"' in called(old, new, on=date(2026, 11, 26))

    def test_the_teams_own_endpoint_comes_before_all(self) -> None:
        """Its address, its name there, and the name of the variable that holds its key."""
        own = OwnOffer(served_name="one-v2", base_url="http://models.internal:8000/v1", key_env="ONE_KEY")

        found = texts(samples(card(offer("one", "openai"), endpoint=own), TODAY))

        assert 'OpenAI(base_url="http://models.internal:8000/v1", api_key=os.environ["ONE_KEY"])' in found["python"]
        assert "Authorization: Bearer $ONE_KEY" in found["curl"]
        assert yaml.safe_load(found["task file"]) == {"candidates": [own.candidate()]}
        assert "serve" not in found

    def test_weights_alone_are_served_on_ones_own_machine(self) -> None:
        """The command that serves them comes first; no key is needed there."""
        found = samples(card(hugging_face="acme/One-8B"), TODAY)

        assert [one.kind for one in found] == ["serve", "python", "curl", "task file"]
        assert found[0].text == "vllm serve acme/One-8B"
        assert 'api_key="unused"' in found[1].text
        assert all(LOCAL_ADDRESS in one.text for one in found[1:])
        assert "Authorization" not in found[2].text

    @pytest.mark.parametrize(
        ("task", "output", "more"),
        [
            ("image-generation", "image", {}),
            ("speech-synthesis", "audio", {}),
            ("speech-recognition", "transcript", {"family": "wav2vec"}),
            ("moderation", "scores", {}),
            ("embedding", "embedding", {"traits": ("late-interaction",)}),
            ("embedding", "embedding", {"traits": ("sparse-retrieval",)}),
            ("reranking", "scores", {}),
            ("text-generation", "text", {}),
        ],
    )
    def test_what_no_such_server_answers_has_no_sample(self, task: str, output: str, more: dict[str, Any]) -> None:
        """Code that fails is worse than none: the server draws nothing, speaks nothing, knows few that hear."""
        found = card(hugging_face="acme/one", tasks=[task], output_types=[output], **more)

        assert samples(found, TODAY) == ()

    def test_whisper_is_served(self) -> None:
        """Its family is among the few that hear and are served."""
        found = card(hugging_face="openai/whisper-small", tasks=["speech-recognition"], output_types=["transcript"],
                     family="Whisper")  # fmt: skip

        assert texts(samples(found, TODAY))["serve"] == "vllm serve openai/whisper-small"

    @pytest.mark.parametrize(
        ("provider", "task"),
        [("openrouter", "image-generation"), ("gemini", "speech-synthesis"), ("groq", "moderation"),
         ("anthropic", "speech-recognition"), ("mistral", "moderation")],
    )  # fmt: skip
    def test_a_seller_is_not_asked_for_what_it_does_not_answer(self, provider: str, task: str) -> None:
        """A price for pictures does not mean that OpenAI's interface for pictures is there."""
        output = {"image-generation": "image", "speech-synthesis": "audio", "speech-recognition": "transcript"}
        seller = {"gemini": "google"}.get(provider, provider)

        assert (
            samples(card(offer("acme/one", seller), tasks=[task], output_types=[output.get(task, "scores")]), TODAY)
            == ()
        )

    def test_a_guard_that_writes_its_judgement_is_asked_by_chat(self) -> None:
        """Only OpenAI's own moderation models answer its moderation interface."""
        found = card(offer("acme/guard", "groq"), tasks=["moderation"], output_types=["scores", "text"])

        assert "/chat/completions" in texts(samples(found, TODAY))["curl"]

    def test_openrouter_is_asked_by_its_own_full_names(self) -> None:
        """Price lists shorten `qwen/qwen-max`; OpenRouter does not know the short name."""
        assert callable_offer(offer("qwen-max", "openrouter")) is None
        found = texts(samples(card(offer("qwen-max", "openrouter"), offer("qwen/qwen-max", "openrouter")), TODAY))
        assert '"openrouter/qwen/qwen-max"' in found["task file"]

    def test_who_has_no_preset_is_not_called(self) -> None:
        """Nor does a card without offers and weights get code."""
        assert samples(card(offer("one", "a-seller-of-nobody")), TODAY) == ()
        assert samples(card(), TODAY) == ()
        lone = Card(id="shop:one", kind="offer", name="one", offers=(offer("one", "openai"),))
        assert samples(lone, TODAY) == ()

    def test_an_address_of_the_customers_own_is_read_from_its_variable(self) -> None:
        """Azure's address is each customer's own; Python and the shell both take it from where Touchstone does."""
        found = texts(samples(card(offer("one", "azure")), TODAY))

        assert 'base_url=os.environ["AZURE_OPENAI_ENDPOINT"] + "/openai/v1"' in found["python"]
        assert 'curl "$AZURE_OPENAI_ENDPOINT/openai/v1/chat/completions"' in found["curl"]
        assert "api-key: $AZURE_OPENAI_API_KEY" in found["curl"]


class TestTheyAreWhole:
    """Whatever a model is called, the code is code and the task file is a task file."""

    @given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1))
    def test_no_name_breaks_out(self, name: str) -> None:
        """Quotes, dollars, backslashes and braces of a foreign name stay a name in each of the languages."""
        own = OwnOffer(served_name=name, base_url="http://127.0.0.1:1/v1")
        found = texts(samples(card(endpoint=own), TODAY))

        compile(found["python"], "sample", "exec")
        assert yaml.safe_load(found["task file"])["candidates"][0]["served_name"] == name
        words = found["curl"].partition("-d '")[2].removesuffix("'").replace("'\\''", "\0")
        assert "'" not in words
        assert json.loads(words.replace("\0", "'"))["model"] == name

    @pytest.fixture
    def customers_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://example.openai.azure.com")

    def test_every_sample_of_what_ships_is_code_and_every_task_file_is_accepted(
        self, everything: Catalog, customers_address: None
    ) -> None:
        """Hundreds of models: Python compiles, the candidate is one that `compare` takes, keys are named, not held."""
        kinds, presets = set(), Counter[str]()
        for one in everything.cards():
            for sample in samples(one, TODAY):
                kinds.add(sample.kind)
                assert not re.search(r"\bsk-|Bearer [^$]", sample.text)
                if sample.kind == "python":
                    compile(sample.text, one.id, "exec")
                if sample.kind == "task file":
                    (entry,) = yaml.safe_load(sample.text)["candidates"]
                    entry = {"model": entry} if isinstance(entry, str) else entry
                    preset = entry["model"].partition("/")[0]
                    presets[preset] += 1
                    if presets[preset] <= 3:  # looking up prices takes its time; the shape is the same for all
                        assert make_model(entry.pop("model"), parameters=entry)
        assert kinds == {"python", "curl", "task file", "serve"}
        assert len(presets) > 10

    def test_no_key_is_in_any_sample(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Even where the keys are set, only the names of their variables are written down."""
        for variable in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "ONE_KEY"):
            monkeypatch.setenv(variable, KEY)
        own = OwnOffer(served_name="one", base_url="http://models.internal:8000/v1", key_env="ONE_KEY")

        for found in (*SOLD.values(), card(endpoint=own), card(offer("one", "azure"))):
            assert samples(found, TODAY)
            assert all(KEY not in one.text for one in samples(found, TODAY))


@dataclass(frozen=True)
class Asked:
    """One request that the little server got."""

    path: str
    key: str | None
    body: bytes


ANSWERS = {
    "/v1/embeddings": {"object": "list", "model": "one", "usage": {"prompt_tokens": 1, "total_tokens": 1},
                       "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25, 0.125]}]},
    "/v1/images/generations": {"created": 0, "data": [{"b64_json": "AAAA"}]},
    "/v1/audio/transcriptions": {"text": "where is my order"},
    "/v1/moderations": {"id": "1", "model": "one", "results": [
        {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}]},
}  # fmt: skip


class Everything(BaseHTTPRequestHandler):
    """Answers the other parts of OpenAI's protocol as its reference shows them, in the least words."""

    asked: list[Asked]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(Asked(self.path, self.headers["Authorization"], body))
        found = ANSWERS.get(self.path)
        answer = json.dumps(found).encode() if found else b"sound"
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if found else "audio/mpeg")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_said: object) -> None:
        """Nobody reads it."""


@dataclass(frozen=True)
class Place:
    """Where samples run: two servers and a folder with a recording."""

    chat: FakeServer
    other: str
    asked: list[Asked]
    folder: Path

    def at_home(self, task: str, kind: str) -> str:
        """A sample with the address of a server here in place of the seller's; nothing else is changed."""
        text = texts(samples(SOLD[task], TODAY))[kind]
        assert "https://api.openai.com/v1" in text
        return text.replace("https://api.openai.com/v1", self.chat.base_url if task == "chat" else self.other)

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "OPENAI_API_KEY": KEY}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "call.wav").write_bytes(b"RIFF")
    asked: list[Asked] = []
    handler = type("Handler", (Everything,), {"asked": asked})
    with (
        serve_in_thread(FakeServer({"one": FakeModel("one", reply="on its way")}, key=KEY)) as chat,
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
    ):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Place(chat, f"http://127.0.0.1:{server.server_port}/v1", asked, tmp_path)
        server.shutdown()
        thread.join()


PRINTED = {
    "chat": "on its way", "embedding": "3", "image-generation": "4", "speech-recognition": "where is my order",
    "speech-synthesis": "", "moderation": "False",
}  # fmt: skip


class TestTheyRun:
    """As a reader would run them: with the official client, with curl."""

    def test_with_the_official_client(self, place: Place) -> None:
        """Each prints what the model said; the key comes from the variable; the speech lies in the file it names."""
        code = (
            "import json, sys\n"
            "for text in json.load(sys.stdin):\n"
            "    exec(compile(text, 'sample', 'exec'), {})\n"
            "    print('--')\n"
        )
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            input=json.dumps([place.at_home(task, "python") for task in SOLD]),
            cwd=place.folder, env=place.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

        assert result.returncode == 0, result.stderr
        assert [said.strip() for said in result.stdout.split("--\n")][:-1] == [PRINTED[task] for task in SOLD]
        assert len(place.chat.bill) == 1
        assert (place.folder / "answer.mp3").read_bytes() == b"sound"
        self.all_were_asked_alike(place)

    @pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
    def test_with_curl(self, place: Place) -> None:
        """Pasted into a shell."""
        answers = {}
        for task in SOLD:
            command = place.at_home(task, "curl").replace("curl ", "curl -sS --fail --noproxy '*' ", 1)
            result = subprocess.run(
                ["sh", "-c", command], cwd=place.folder, env=place.environment, capture_output=True, timeout=60,
                check=False,
            )  # fmt: skip
            assert result.returncode == 0, result.stderr
            answers[task] = result.stdout

        assert json.loads(answers["chat"])["choices"][0]["message"]["content"] == "on its way"
        assert json.loads(answers["speech-recognition"])["text"] == "where is my order"
        assert (place.folder / "answer.mp3").read_bytes() == b"sound"
        self.all_were_asked_alike(place)

    def all_were_asked_alike(self, place: Place) -> None:
        assert {one.path for one in place.asked} == {
            f"/v1{path}" for task, (_, path) in CALLS.items() if task != "chat"
        }
        for one in place.asked:
            assert one.key == f"Bearer {KEY}"
            if one.path == "/v1/audio/transcriptions":
                assert b'name="model"' in one.body
                assert b"RIFF" in one.body
            else:
                assert json.loads(one.body)["model"] == "one"
