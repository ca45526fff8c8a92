"""F34: outputs that attack whoever looks at them or reads an answer out of them."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Run
from tests.faults.conftest import Asking, Write
from tests.faults.provider import Provider, in_thread
from tests.faults.store import Store
from tests.faults.wire import b64
from tests.source import sources

from touchstone.data.base import Case
from touchstone.evaluation.engine import score_completion
from touchstone.models.base import Completion, TextPart
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.make import make_scorer
from touchstone.scoring.reading import make_reader

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "</td></table><iframe src=https://evil.invalid></iframe>",
    "<a href='javascript:alert(1)'>click</a>",
    "![x](https://evil.invalid/pixel.png) [y](javascript:alert(1))",
    "| a | b |\n| --- | --- |\n`</code></pre><script>alert(2)</script>`",
    "{{ 7*7 }} {% import os %} ${7*7} #{7*7}",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b]8;;https://evil.invalid\x1b\\link\x1b]8;;\x1b\\",
    "\r\x1b[1A\x1b[2Ktouchstone: all good",
    "=cmd|' /C calc'!A0",
    "\u202eevil\u2066",
]


class Tags(HTMLParser):
    """What a browser would see: tags and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember a tag."""
        self.seen.append((tag, dict(attrs)))


def test_f34_outputs_are_text_wherever_they_are_shown(
    bill: Path, write_task: Write, touchstone: Run, tmp_path: Path
) -> None:
    """No tag, script, address, template or terminal code of an output lives in report, summary, JUnit or terminal."""
    texts = [f"fault:text,b64={b64(json.dumps(output)[1:-1].encode())} {at}" for at, output in enumerate(HOSTILE)]
    gate = "gate: {min_score: 0.9}\n"
    files = ("--report", "report.html", "--markdown", "report.md", "--junit", "gate.xml")
    with in_thread(bill) as provider:
        write_task(provider.base_url, texts, task=gate)
        result = touchstone("compare", "task.yaml", *files)
    assert result.returncode == 100, result.stderr
    assert [cell["text"] for cell in Store.of(tmp_path).cells()] == HOSTILE
    report = (tmp_path / "report.html").read_text()
    tags = Tags()
    tags.feed(report)
    assert not {"iframe", "img", "object", "embed", "base", "link"} & {tag for tag, _ in tags.seen}
    for _tag, attributes in tags.seen:
        assert not any(name.startswith("on") for name in attributes)
        assert not (attributes.get("href") or "").strip().lower().startswith(("javascript:", "data:", "http"))
    assert "alert(1)</script>" not in report
    assert "{{ 7*7 }}" in report
    summary = (tmp_path / "report.md").read_text()
    assert "<script" not in summary
    assert "](javascript:" not in summary
    assert "](https://evil.invalid" not in summary
    for shown in (result.stdout, result.stderr, report, summary, (tmp_path / "gate.xml").read_text()):
        assert not set(shown) & set("\x00\x07\x1b\u202e\u2066")


OUTPUTS = {
    "power": "Answer: 9**9**9**9",
    "import": "Answer: __import__('os').system('touch owned')",
    "digits": "Answer: " + "9" * 100_000,
    "exponent": "Answer: 1e999999999",
    "numbers": "1," * 50_000,
    "brackets": "[" * 100_000,
    "deep": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "letters": "answer is (" * 20_000,
    "repeated": "a" * 100_000 + "!",
    "repeated in JSON": json.dumps("a" * 5_000 + "!"),
    "after": "Answer:" * 30_000,
    "labels": "a b " * 50_000,
    "thinking": "<think>" * 30_000,
    "fences": "```\n" * 50_000,
    "half a character": "\ud83d" * 1_000,
}
READERS = [
    AnswerSpec(kind="number"),
    AnswerSpec(kind="json"),
    AnswerSpec(kind="choice"),
    AnswerSpec(kind="label", labels=("a", "b")),
    AnswerSpec(kind="free"),
    AnswerSpec(kind="text", source="regex", argument="^(a+)+$"),
    AnswerSpec(kind="text", source="after", argument="Answer:"),
    AnswerSpec(kind="text", source="json", argument="a.a"),
]
SCORERS: list[str | dict[str, Any]] = [
    "exact",
    "number",
    "choice",
    "squad_f1",
    "squad_em",
    "contains",
    {"regex": {"pattern": "^(a+)+$"}},
    "json_valid",
    "json_fields",
    {"json_schema": {"schema": {"type": "string", "pattern": "^(a+)+$"}}},
    "rouge",
    "length",
    "refusal",
]


@pytest.mark.parametrize("output", OUTPUTS)
async def test_f34_no_reader_and_no_scorer_runs_or_hangs_on_an_output(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is evaluated, nothing takes time that grows out of hand, and every cell has an outcome."""
    monkeypatch.chdir(tmp_path)
    text = OUTPUTS[output]
    case = Case(id="q0", input="?", target="81", options=("81", "82"))
    completion = Completion(parts=(TextPart(text=text),), finish="stop")
    for spec in READERS:
        made = [make_scorer(scorer) for scorer in SCORERS]
        outcome = await score_completion("one", case, completion, make_reader(spec), made)
        assert outcome.kind in ("scored", "unparsed", "judge_unparsed")
    assert not (tmp_path / "owned").exists()


def test_f34_nothing_evaluates_text() -> None:
    """`eval`, `exec` and their like stand nowhere in the product (R23)."""
    names = {"eval", "exec", "compile", "__import__"}
    attributes = {"literal_eval", "sympify", "parse_expr"}
    for source in sources(*(f"{name}(" for name in names), *attributes):
        for call in source.calls:
            assert getattr(call.node.func, "id", "") not in names, call.place
            assert getattr(call.node.func, "attr", "") not in attributes, call.place


async def test_f34_an_error_text_is_one_plain_line(bill: Path) -> None:
    """What a provider writes into its errors does not move the cursor of whoever reads ours."""
    async with Provider(bill) as provider, Asking(provider) as ask:
        for output in HOSTILE:
            body = json.dumps({"error": {"message": output}}).encode()
            with pytest.raises(Exception, match="400") as caught:
                await ask("fault:400,b64=" + b64(body))
            assert str(caught.value).isprintable()
