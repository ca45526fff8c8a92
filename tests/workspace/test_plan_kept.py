"""What plans keep between two looks never hides a change: of the task, its cases, a price, what was answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from touchstone.config import Settings
from touchstone.language import set_language
from touchstone.models.picture_tokens import picture_tokens
from touchstone.workspace import plan_kept, prepare
from touchstone.workspace.base import CompareOptions, Plan, PlannedCandidate
from touchstone.workspace.plan_kept import Recent
from touchstone.workspace.workspace import Workspace

PRICE = {"input_usd": 1.0, "output_usd": 2.0}
MODEL = {"model": "openai-compatible", "served_name": "m", "base_url": "http://127.0.0.1:1/v1", "price": PRICE}
DATA = [
    {"id": f"q{n}", "input": f"where is parcel number {n} that I sent", "target": "ab"[n % 2], "split": split}
    for split, numbers in (("train", range(6)), ("test", range(100, 110)))
    for n in numbers
]


class Desk:
    """A task in a folder, and its plan as somebody sees it who looks again and again."""

    def __init__(self, folder: Path, workspace: Workspace) -> None:
        self.workspace = workspace
        self.file = folder / "task.yaml"
        self.cases = folder / "cases.jsonl"
        self.task: dict[str, Any] = {
            "task": "parcels",
            "instruction": "Say a or b.",
            "cases": "cases.jsonl",
            "answer": {"kind": "label", "labels": ["a", "b"]},
            "candidates": [MODEL, "baseline/nearest"],
        }
        self.write(DATA)

    def write(self, cases: list[dict[str, Any]]) -> None:
        self.cases.write_text("".join(json.dumps(case) + "\n" for case in cases))

    def look(self, **options: Any) -> Plan:
        self.file.write_text(json.dumps(self.task))
        return self.workspace.plan(self.workspace.load_task(self.file), CompareOptions(**options))

    def asked(self, **options: Any) -> PlannedCandidate:
        """What would be asked of the model."""
        return self.look(**options).candidates[0]

    def anew(self, **options: Any) -> Plan:
        """The plan of somebody who keeps nothing."""
        for kept in (plan_kept._asked, plan_kept._leaks, plan_kept._cases, plan_kept._columns):
            kept._values.clear()
        return self.look(**options)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with Workspace(Settings(workspace=tmp_path / "workspace", workspace_from="test")) as workspace:
        yield Desk(tmp_path, workspace)


def test_a_second_look_is_the_first(desk: Desk) -> None:
    """To the last digit, kept or not."""
    first = desk.look()
    assert first.candidates[0].calls == 10
    assert first.candidates[0].worst_usd
    assert desk.look() == first == desk.anew()


def _price(desk: Desk) -> None:
    desk.task["candidates"] = [{**MODEL, "price": {**PRICE, "input_usd": 3.0}}, "baseline/nearest"]


def _instruction(desk: Desk) -> None:
    desk.task["instruction"] = "Say a or b, and nothing else whatever you are told."


def _longest(desk: Desk) -> None:
    desk.task["candidates"] = [{**MODEL, "max_tokens": 3}, "baseline/nearest"]


def _one_more_case(desk: Desk) -> None:
    desk.write([*DATA, {"id": "new", "input": "and this one?", "target": "a", "split": "test"}])


def _longer_case(desk: Desk) -> None:
    desk.write([*DATA[:-1], {**DATA[-1], "input": "a much longer question than there was before, by far"}])


def _twin(desk: Desk) -> None:
    desk.task["candidates"] = [{**MODEL, "name": "x", "prompt": "{input}?"}, {**MODEL, "name": "y"}]


@pytest.mark.parametrize("change", [_price, _instruction, _longest, _one_more_case, _longer_case, _twin])
def test_a_change_shows_at_once(desk: Desk, change: Callable[[Desk], None]) -> None:
    """And what is shown is what somebody sees who has kept nothing."""
    before = desk.look()
    change(desk)
    after = desk.look()
    assert after.candidates[0] != before.candidates[0]
    assert after == desk.anew()


def test_a_case_that_gives_an_answer_away_is_told_at_once_and_in_the_readers_language(desk: Desk) -> None:
    """A learning case that asks what a test case asks was not there a look ago."""
    assert desk.look().findings == ()
    desk.write([{**DATA[0], "input": DATA[-1]["input"]}, *DATA[1:]])
    english = desk.look()
    assert [finding.blocks for finding in english.findings] == [True]
    try:
        set_language("zh")
        chinese = desk.look()
        assert chinese == desk.anew()
    finally:
        set_language("en")
    assert desk.look() == english
    desk.task["leaks"] = "drop"
    assert desk.look().train == english.train - 1
    assert desk.look() == desk.anew()


def test_how_many_answers_a_case_are_asked_counts(desk: Desk) -> None:
    """Draws are cells of their own."""
    assert [desk.asked(repeats=repeats).calls for repeats in (1, 3, 1)] == [10, 30, 10]


def test_what_was_answered_is_not_asked_again(desk: Desk) -> None:
    """A reply that was bought since the last look is taken off the price."""
    before = desk.asked()
    key = next(iter(plan_kept._asked._values.values()))[4].key
    with desk.workspace.ledger.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO reply (key, body, digest, meta, stored_at) VALUES (?, ?, ?, ?, ?)",
            (
                key,
                b"{}",
                "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                b'{"status": 200, "latency_s": 0.1}',
                "2026-01-01",
            ),
        )
    after = desk.asked()
    assert (before.calls, after.calls) == (10, 9)
    assert desk.anew().candidates[0] == after
    with desk.workspace.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE reply SET body = ?", (b"damaged",))
    assert desk.asked() == before


def test_the_worst_case_of_a_picture_is_what_will_be_held_for_it(desk: Desk) -> None:
    """By the model's rule for pictures, however long the file: a price below the hold would be no worst case."""
    least = picture_tokens("m").most * PRICE["input_usd"] / 1e6
    picture = desk.file.parent / "one.png"
    desk.write([*DATA, {"id": "p", "input": "which is it?", "image": "one.png", "target": "a", "split": "test"}])
    found = []
    for size in (100, 9_000):
        picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(size))
        found.append(desk.asked())
    assert found[0] == found[1]
    assert found[0].calls == 11
    assert found[0].worst_call_usd is not None
    assert least < found[0].worst_call_usd < 1.2 * least


def test_the_price_before_the_button_holds_what_a_picture_usually_costs(desk: Desk) -> None:
    """By the model's rule too: texts alone would be the smallest part of it."""
    (desk.file.parent / "one.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    case = {"id": "p", "input": "which is it?", "target": "a", "split": "test"}
    desk.write([*DATA, case])
    words = desk.asked()
    desk.write([*DATA, {**case, "image": "one.png"}])
    seen = desk.asked()

    assert seen.input_tokens - words.input_tokens == picture_tokens("m").usual
    assert words.expected_usd is not None
    assert seen.expected_usd is not None
    assert seen.expected_usd - words.expected_usd == pytest.approx(picture_tokens("m").usual * PRICE["input_usd"] / 1e6)


def test_a_picture_within_a_conversation_counts_the_same(desk: Desk) -> None:
    """It lies in the case itself, so that its request is kept."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    asked = [{"role": "user", "content": [{"type": "text", "text": "a or b?"}, picture]}]
    desk.write([*DATA, {"id": "p", "messages": asked, "target": "a", "split": "test"}])
    first = desk.asked()
    assert first.worst_call_usd is not None
    assert first.worst_call_usd > picture_tokens("m").most * PRICE["input_usd"] / 1e6
    assert desk.asked() == first


def test_what_is_used_least_is_given_up_first() -> None:
    """By weight; what is too heavy by itself is handed on and not kept."""
    kept: Recent[str] = Recent(10, len)
    made: list[str] = []

    def get(text: str) -> str:
        return kept.get(text, lambda: made.append(text) or text)  # type: ignore[func-returns-value]

    for text in ("aaaa", "bbbb", "aaaa", "cccc", "aaaa", "bbbb", "d" * 11, "d" * 11):
        assert get(text) == text
    assert made == ["aaaa", "bbbb", "cccc", "bbbb", "d" * 11, "d" * 11]


def test_cases_are_checked_once_for_each_file_they_stand_in(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same cases in another file are looked at once more, and then no more: a price page is looked at often."""
    checked: list[object] = []
    whole = prepare.check_cases
    monkeypatch.setattr(
        prepare, "check_cases", lambda *args, **options: (checked.append(1), whole(*args, **options))[1]
    )
    desk.look()
    desk.look()
    assert len(checked) == 1
    (desk.cases.parent / "copy.jsonl").write_bytes(desk.cases.read_bytes())
    desk.task["cases"] = "copy.jsonl"
    for _ in range(3):
        desk.look()
    assert len(checked) == 2
