"""The scripted model: the same request always gets the same reply."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import examples

from touchstone.catalog.base import Price
from touchstone.errors import DataError, ModelError, RateLimited, SettingsError, UnknownName
from touchstone.models.base import ChatModel, ChatRequest, Completion, ImagePart, Message, TextPart
from touchstone.models.fake import FAILURES, FakeModel, FakeReply


def question(text: str, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),), **fields)


def told(model: FakeModel, text: str, **fields: Any) -> Completion:
    return model.read(asyncio.run(model.send(question(text, **fields))))


def test_it_is_a_chat_model_and_a_parrot_by_default() -> None:
    """Without a script it repeats the last user message."""
    model = FakeModel()
    assert isinstance(model, ChatModel)
    assert (model.name, model.paid) == ("fake/parrot", False)
    assert told(model, "Hello 世界").text == "Hello 世界"


def test_the_first_rule_that_fits_wins_and_reply_is_the_rest() -> None:
    """Rules are tried in order on the last user message."""
    model = FakeModel(rules={"lost card": "lost_card", "card": "card_other"}, reply="other")
    assert [told(model, text).text for text in ("my lost card", "a card", "hello")] == [
        "lost_card",
        "card_other",
        "other",
    ]


def test_a_function_may_answer_with_a_text_a_reply_or_an_error() -> None:
    """From Python, anything can be scripted, refusals and failures included."""

    def reply(request: ChatRequest) -> str | FakeReply | ModelError:
        text = str(request.messages[-1].content)
        if text == "no":
            return FakeReply(text="I will not", finish="refusal")
        return RateLimited("slow down", retry_after_s=2.0) if text == "fast" else text.upper()

    model = FakeModel(reply=reply)
    assert told(model, "yes").text == "YES"
    assert (told(model, "no").finish, told(model, "no").text) == ("refusal", "I will not")
    with pytest.raises(RateLimited):
        told(model, "fast")


def test_a_file_of_cases_is_a_script_that_is_always_right(tmp_path: Path) -> None:
    """`target` serves as `reply`; inside a longer prompt the longest known input wins."""
    path = tmp_path / "cases.jsonl"
    path.write_text(
        '{"input": "card", "target": "a"}\n\n{"input": "lost card", "target": "b"}\n{"input": "x", "reply": 7}\n'
    )
    model = FakeModel(script=path)
    assert told(model, "card").text == "a"
    assert told(model, "Name the intent: I have a lost card!").text == "b"
    assert told(model, "x").text == "7"
    assert model.labels == ("a", "b", "7")


@pytest.mark.parametrize("line", ["{", "[]", '{"input": "x"}', '{"reply": "x"}'])
def test_a_bad_line_of_a_script_is_named(line: str, tmp_path: Path) -> None:
    """File and row, before anything is asked."""
    path = tmp_path / "script.jsonl"
    path.write_text('{"input": "a", "reply": "b"}\n' + line + "\n")
    with pytest.raises(DataError, match="row 2"):
        FakeModel(script=path)


def test_accuracy_is_the_share_of_right_answers() -> None:
    """Over many requests the share comes out, and what is not right is another label."""
    labels = ["a", "b", "c"]
    model = FakeModel("eight", reply="a", labels=labels, accuracy=0.8)
    found = [told(model, f"case {n}").text for n in range(500)]
    assert 0.75 <= found.count("a") / 500 <= 0.85
    assert set(found) == set(labels)


def test_a_shared_seed_makes_shared_difficulty() -> None:
    """With one seed, the better fake is right wherever the worse one is; without, their mistakes are independent."""
    cases = [f"case {n}" for n in range(150)]

    def right(name: str, accuracy: float, seed: int | None) -> set[str]:
        model = FakeModel(name, reply="a", labels=["a", "b"], accuracy=accuracy, seed=seed)
        return {case for case in cases if told(model, case).text == "a"}

    assert right("worse", 0.5, 7) < right("better", 0.8, 7)
    assert not right("worse", 0.5, None) < right("better", 0.8, None)


def test_labels_alone_make_a_guesser() -> None:
    """A floor for any comparison: each label about equally often."""
    model = FakeModel(labels=["a", "b"])
    found = [told(model, f"case {n}").text for n in range(400)]
    assert 150 <= found.count("a") <= 250


@examples(20)
@given(st.text(max_size=20), st.integers(0, 3), st.integers(0, 5))
def test_the_order_of_calls_changes_nothing(text: str, draw: int, calls_before: int) -> None:
    """The reply is a function of request, draw and seed (P6)."""
    fresh, used = (FakeModel("m", reply="a", labels=["a", "b", "c"], accuracy=0.5, seed=1) for _ in range(2))
    for n in range(calls_before):
        told(used, f"other {n}")
    assert told(fresh, text, draw=draw) == told(used, text, draw=draw)


def test_draws_are_independent() -> None:
    """Another draw of the same request may end otherwise."""
    model = FakeModel(reply="a", labels=["a", "b"], accuracy=0.5)
    assert {told(model, "case", draw=draw).text for draw in range(30)} == {"a", "b"}


@pytest.mark.parametrize("error", sorted(FAILURES))
def test_every_failure_can_be_scripted(error: str) -> None:
    """The request fails the first time and succeeds when it is asked again."""
    model = FakeModel(reply="x", fail={"error": error, "retry_after_s": 1.0})
    with pytest.raises(FAILURES[error]) as caught:
        told(model, "case")
    assert type(caught.value) is FAILURES[error]
    assert caught.value.retry_after_s == 1.0
    assert told(model, "case").text == "x"


def test_one_request_in_seven_fails() -> None:
    """Which ones is decided by their digests, so it is the same in every run."""

    def failing(times: int | None) -> list[int]:
        model = FakeModel(reply="x", fail={"every": 7, "error": "rate_limited", "times": times})
        found = []
        for n in range(350):
            try:
                told(model, f"case {n}")
            except RateLimited:
                found.append(n)
        return found

    assert failing(1) == failing(None)
    assert 30 <= len(failing(1)) <= 70


def test_calls_are_counted_with_those_that_fail() -> None:
    """A test can assert that no request was sent, or how many were at once."""
    model = FakeModel(reply="x", latency_s=0.02, fail={"error": "no_reply", "times": None})
    assert model.calls == []

    async def three() -> list[object]:
        return await asyncio.gather(*[model.send(question("a")) for _ in range(3)], return_exceptions=True)

    assert all(isinstance(found, ModelError) for found in asyncio.run(three()))
    assert (len(model.calls), model.most_in_flight) == (3, 3)


def test_usage_latency_and_cost_are_declared() -> None:
    """Four bytes a token unless the script says otherwise; clocks are those that were declared, to the digit."""
    price = Price(input_usd=1.0, output_usd=2.0)
    model = FakeModel(reply="12345678", price=price, latency_s=0.2, first_token_s=0.1, wait=False)
    found = told(model, "1234")
    assert (found.usage.input_tokens, found.usage.output_tokens, found.usage.estimated) == (1, 2, False)
    assert found.cost_usd == pytest.approx(5e-6)
    assert (found.latency_s, found.first_token_s) == (0.2, 0.1)
    assert model.paid
    counted = FakeModel(reply=lambda _: FakeReply(text="x", input_tokens=100, output_tokens=50, cached_input_tokens=9))
    assert (told(counted, "a").usage.input_tokens, told(counted, "a").usage.cached_input_tokens) == (100, 9)


def test_a_limit_on_tokens_truncates() -> None:
    """As a real model would, with finish `length`."""
    found = told(FakeModel(reply="x" * 100), "a", max_tokens=5)
    assert (len(found.text), found.finish) == (20, "length")


def test_parts_are_understood() -> None:
    """The text of a message with an image is what the rules look at."""
    content = (TextPart(text="what is this?"), ImagePart(url="data:,"))
    request = ChatRequest(messages=(Message(role="user", content=content),))
    model = FakeModel(rules={"what": "a cat"})
    assert model.read(asyncio.run(model.send(request))).text == "a cat"


def test_another_script_is_another_endpoint() -> None:
    """Stored replies of one script are not taken for those of another (F25)."""
    endpoints = {
        FakeModel("m", **parameters).endpoint
        for parameters in (
            {},
            {"reply": "a"},
            {"rules": {"a": "b"}},
            {"reply": "a", "labels": ["a", "b"]},
            {"reply": "a", "labels": ["a", "b"], "accuracy": 0.5},
            {"reply": "a", "labels": ["a", "b"], "accuracy": 0.5, "seed": 1},
            {"first_token_s": 0.1},
        )
    }
    assert len(endpoints) == 7


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"accuracy": 1.5}, SettingsError),
        ({"accuracy": 0.5}, SettingsError),
        ({"accuracy": 0.5, "labels": ["a"]}, SettingsError),
        ({"fail": {"every": 0}}, SettingsError),
        ({"fail": {"evry": 2}}, SettingsError),
        ({"fail": {"error": "rate_limit"}}, UnknownName),
        ({"script": "no-such-file.jsonl"}, SettingsError),
    ],
)
def test_a_script_that_cannot_work_is_refused(parameters: dict[str, Any], error: type[Exception]) -> None:
    """When it is built, with a sentence that says what it takes."""
    with pytest.raises(error):
        FakeModel("m", **parameters)
