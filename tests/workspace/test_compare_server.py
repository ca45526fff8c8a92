"""A comparison of two candidates on a real local server that speaks the OpenAI protocol, streaming and not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import Run

from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer, serve_in_thread

TASK = """\
task: capitals
instruction: Name the capital.
cases: cases.csv
answer: {{kind: text}}
scorers: [exact]
candidates:
  - {{model: openai-compatible, name: plain, base_url: "{plain}", served_name: plain-1,
     price: {{input_usd: 1, output_usd: 2}}}}
  - {{model: openai-compatible, name: streamed, base_url: "{streamed}", served_name: streamed-1, stream: true,
     price: {{input_usd: 1, output_usd: 2}}, key_env: OWN_KEY}}
volume: {{requests_per_month: 1000}}
"""


def _right(request: ChatRequest) -> FakeReply:
    question = request.messages[-1].content
    assert isinstance(question, str)
    return FakeReply(text=f"city {question.split()[-1]}", input_tokens=30, output_tokens=5, latency_s=0.03)


def _half_right(request: ChatRequest) -> FakeReply:
    reply = _right(request)
    return reply if int(reply.text.split()[-1]) % 2 else reply.model_copy(update={"text": "no idea"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = "".join(f"q{n},capital of country {n},city {n}\n" for n in range(60))
    (tmp_path / "cases.csv").write_text("id,input,target\n" + rows)
    return tmp_path


def test_two_candidates_end_to_end(folder: Path, touchstone_anew: Run) -> None:
    """Usage, cost, latency and first-token time come from the wire; a second run prints the same bytes, unasked."""
    with (
        serve_in_thread(FakeServer(FakeModel("plain-1", reply=_right))) as plain,
        serve_in_thread(
            FakeServer(
                FakeModel("streamed-1", reply=_half_right), key="sk-canary-4711", first_token_s=0.01, token_s=0.005
            )
        ) as streamed,
    ):
        (folder / "task.yaml").write_text(TASK.format(plain=plain.base_url, streamed=streamed.base_url))
        key = {"OWN_KEY": "sk-canary-4711"}

        first = touchstone_anew("compare", "task.yaml", "--full", "--json", environment=key)
        assert first.returncode == 0, first.stderr
        found = json.loads(first.stdout)
        assert plain.requests == streamed.requests == 60

        again = touchstone_anew("compare", "task.yaml", "--full", "--json", environment=key)
        assert again.returncode == 0, again.stderr
        assert plain.requests == streamed.requests == 60

    one, two = found["candidates"]
    assert (one["name"], two["name"]) == ("plain", "streamed")
    assert one["estimate"]["mean"] == 1.0
    assert two["estimate"]["mean"] == 0.5
    assert one["usage"] == {"input_tokens": 1800, "output_tokens": 300, "estimated": False, "estimated_share": 0.0}
    assert one["cost"]["run_usd"] == pytest.approx((1800 * 1 + 300 * 2) / 1e6)
    assert one["cost"]["per_month_usd"] == pytest.approx((1800 * 1 + 300 * 2) / 1e6 / 60 * 1000)
    assert one["cost"]["per_correct_usd"] == pytest.approx(one["cost"]["per_case_usd"])
    assert one["latency_s"]["p50"] >= 0.03
    assert one["latency_s"]["first_token_p50"] is None
    assert two["latency_s"]["p50"] > two["latency_s"]["first_token_p50"] >= 0.01
    assert one["outcomes"]["scored"] == one["outcomes"]["planned"] == 60
    assert found["decision"]["verdict"] == "winner"
    assert found["decision"]["chosen"] == "plain"
    assert found["pairs"][0]["difference"] == 0.5
    assert found["spent_usd"] == pytest.approx(2 * one["cost"]["run_usd"])

    assert again.stdout == first.stdout


def test_the_key_is_nowhere(folder: Path, touchstone: Run) -> None:
    """A key, refused or accepted, stands in no file of the workspace and in nothing that is printed."""
    with (
        serve_in_thread(FakeServer(FakeModel("plain-1", reply=_half_right))) as plain,
        serve_in_thread(FakeServer(FakeModel("streamed-1", reply=_right), key="sk-canary-4711")) as streamed,
    ):
        (folder / "task.yaml").write_text(TASK.format(plain=plain.base_url, streamed=streamed.base_url))
        refused = touchstone("compare", "task.yaml", "--json", environment={"OWN_KEY": "sk-canary-0815"})
        result = touchstone(
            "compare", "task.yaml", "--report", "report.html", environment={"OWN_KEY": "sk-canary-4711"}
        )

    assert refused.returncode == 2
    assert "the key or its rights were not accepted" in refused.stderr
    assert result.returncode == 0, result.stderr
    for text in (result.stdout, result.stderr, refused.stdout, refused.stderr):
        assert "canary" not in text
    for file in folder.rglob("*"):
        if file.is_file():
            assert b"canary" not in file.read_bytes(), file
