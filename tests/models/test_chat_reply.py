"""What a raw reply says, and when it is no answer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.catalog.base import Price
from touchstone.errors import ModelError, NoReply, ProviderFailed, RateLimited, StreamCut, WrongModel
from touchstone.models.base import Completion, Reply, TextPart, Usage
from touchstone.models.chat_reply import read_reply
from touchstone.models.chat_serve import completion_body, stream_events

PRICE = Price(input_usd=1.0, output_usd=2.0, cached_input_usd=0.5)


def plain(body: object, **fields: Any) -> Reply:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Reply(body=raw, latency_s=0.5, **fields)


def stream(*chunks: object, done: bool = True, **fields: Any) -> Reply:
    events = [b"data: " + (chunk if isinstance(chunk, bytes) else orjson.dumps(chunk)) + b"\n\n" for chunk in chunks]
    if done:
        events.append(b"data: [DONE]\n\n")
    size, times = 0, []
    for position, event in enumerate(events):
        size += len(event)
        times.append((size, float(position)))
    return Reply(body=b"".join(events), streamed=True, latency_s=99.0, chunk_times_s=tuple(times), **fields)


def answer(message: dict[str, Any], finish: str | None = "stop", **fields: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
    return {"model": "m-1", "choices": [{"message": message, "finish_reason": finish}], "usage": usage, **fields}


def delta(finish: str | None = None, **found: Any) -> dict[str, Any]:
    return {"model": "m-1", "choices": [{"delta": found, "finish_reason": finish}]}


def read(reply: Reply) -> Completion:
    return read_reply(reply, place="m at host", price=PRICE)


def test_an_answer_with_all_it_took() -> None:
    """Text, finish, echoed model, usage with its parts, cost, latency, and the digest of the bytes."""
    body = answer({"content": "Paris", "reasoning_content": "hm"}, system_fingerprint="fp_1")
    body["usage"] |= {
        "prompt_tokens_details": {"cached_tokens": 6},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    found = read(plain(body))
    assert (found.text, found.reasoning, found.finish) == ("Paris", "hm", "stop")
    assert (found.served_model, found.system_fingerprint) == ("m-1", "fp_1")
    assert found.usage == Usage(input_tokens=10, output_tokens=4, cached_input_tokens=6, reasoning_tokens=2)
    assert found.cost_usd == pytest.approx((4 * 1 + 6 * 0.5 + 4 * 2) / 1e6)
    assert (found.latency_s, found.first_token_s) == (0.5, None)
    assert len(found.raw_digest or "") == 64


@pytest.mark.parametrize(
    ("said", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("content_filter", "filter"),
        ("sensitive", "filter"),
        ("SAFETY", "filter"),
        ("tool_calls", "tool"),
        ("refusal", "refusal"),
        ("something new", "other"),
        (None, None),
    ],
)
def test_finish_reasons_of_many_spellings(said: str | None, finish: str | None) -> None:
    """Each provider's word for why a reply ended becomes one of ours; an unknown one is `other`, never `stop`."""
    assert read(plain(answer({"content": "x"}, said))).finish == finish


@pytest.mark.parametrize("said", ["error", "network_error", "insufficient_system_resource"])
def test_a_provider_that_broke_off_failed(said: str) -> None:
    """A finish reason that means a failure is a failure, whatever text came before it."""
    with pytest.raises(ProviderFailed, match=said):
        read(plain(answer({"content": "Par"}, said)))


def test_a_refusal_is_no_answer_and_no_failure() -> None:
    """The refusal field ends as `refusal`, with its sentence as the text."""
    found = read(plain(answer({"content": None, "refusal": "I cannot help with that"})))
    assert (found.finish, found.text) == ("refusal", "I cannot help with that")


@pytest.mark.parametrize("choices", [[], None, [None], [{}], [{"message": None, "finish_reason": "stop"}]])
def test_nothing_said_is_empty_and_not_an_error(choices: object) -> None:
    """`choices` empty or null leaves an empty completion with its usage (F11)."""
    found = read(plain({**answer({}), "choices": choices}))
    assert found.text == ""
    assert found.usage.input_tokens == 10


def test_a_reasoning_budget_that_ran_out_is_truncated() -> None:
    """Content null with finish `length` stays `length`: the model was cut off, it did not decline."""
    found = read(plain(answer({"content": None, "reasoning": "thinking and thinking"}, "length")))
    assert (found.text, found.finish, found.reasoning) == ("", "length", "thinking and thinking")


def test_a_tool_call_instead_of_text_is_a_tool_call() -> None:
    """Also where the server calls it `stop`."""
    assert read(plain(answer({"content": None, "tool_calls": [{"id": "1"}]}, "stop"))).finish == "tool"


def test_content_in_parts_is_joined() -> None:
    """Mistral's reasoning models answer in parts; the thinking is no part of the answer."""
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "let me see"}]},
        {"type": "text", "text": "Pa"},
        {"type": "text", "text": "ris"},
    ]
    found = read(plain(answer({"content": content})))
    assert (found.text, found.reasoning) == ("Paris", "let me see")


@pytest.mark.parametrize(
    "body",
    [b"", b"   ", b"<html>Sign in</html>", b"null", b"[]", b'"text"', b"{}", b'{"id":"x"}', b"\x00\x01\xff"],
)
def test_status_200_without_a_completion_is_a_providers_failure(body: bytes) -> None:
    """HTML, nothing, or some other JSON is never taken for an empty answer (F10); also where a stream was asked for."""
    with pytest.raises(ProviderFailed, match="no chat completion"):
        read(plain(body))
    with pytest.raises(ProviderFailed, match="no chat completion"):
        read(Reply(body=body, streamed=True, latency_s=1.0))


def test_json_that_was_cut_is_a_lost_reply_and_never_repaired() -> None:
    """Half a document is in doubt, with its bytes kept for people to look at (F9)."""
    whole = completion_body(Completion(parts=(TextPart(text="Paris"),)), "m")
    with pytest.raises(NoReply) as caught:
        read(plain(whole[:-20]))
    assert caught.value.maybe_billed
    assert caught.value.received == whole[:-20]


def test_an_error_object_in_a_reply_of_status_200_is_that_error() -> None:
    """OpenRouter and vLLM report failures under status 200; the inner code decides."""
    with pytest.raises(RateLimited):
        read(plain({"error": {"code": 429, "message": "slow down"}}))
    with pytest.raises(ModelError):
        read(plain({"object": "error", "message": "boom"}))


def test_a_filters_block_is_a_completion_with_finish_filter() -> None:
    """Whether the provider says it with a status, in an error object or in a stream (F17)."""
    blocked = {"error": {"code": "content_filter", "message": "blocked"}}
    for reply in (plain(blocked, status=400), plain(blocked), stream(delta(content="x"), blocked)):
        assert read(reply).finish == "filter"


def test_missing_usage_is_estimated_and_flagged() -> None:
    """Four bytes a token on both sides, and the cost at the estimate (F14)."""
    body = answer({"content": "abcdefgh"})
    del body["usage"]
    found = read(plain(body, request_bytes=41))
    assert found.usage == Usage(input_tokens=11, output_tokens=2, estimated=True)
    assert found.cost_usd == pytest.approx((11 + 4) / 1e6)


def test_without_request_bytes_the_input_stays_unknown_and_so_does_the_cost() -> None:
    """Unknown is not zero."""
    body = answer({"content": "abcdefgh"})
    del body["usage"]
    found = read(plain(body))
    assert found.usage.input_tokens is None
    assert found.cost_usd is None


@pytest.mark.parametrize("value", [-1, 1.5, "7", True, None, {}])
def test_a_count_that_is_no_count_is_unknown(value: object) -> None:
    """Nonsense in the usage does not become money."""
    body = answer({"content": "abcd"})
    body["usage"] = {"prompt_tokens": value, "completion_tokens": 3}
    found = read(plain(body, request_bytes=8))
    assert (found.usage.input_tokens, found.usage.estimated) == (2, True)


def test_reasoning_that_only_the_total_counts_is_counted() -> None:
    """Gemini leaves thoughts out of `completion_tokens`; they are billed, so the larger reading holds."""
    body = answer({"content": "x"})
    body["usage"] = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 114}
    assert read(plain(body)).usage.output_tokens == 104


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 5},  # DeepSeek
        {"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 5},  # Moonshot
        {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 5}},
    ],
)
def test_cached_tokens_under_every_name(usage: dict[str, Any]) -> None:
    """Cached input is found where each provider puts it."""
    assert read(plain({**answer({"content": "x"}), "usage": usage})).usage.cached_input_tokens == 5


def test_a_stream_with_its_clocks() -> None:
    """The first token is the first content; reasoning has a clock of its own, and the role counts as neither."""
    found = read(
        stream(
            delta(role="assistant", content=""),
            delta(reasoning_content="hm"),
            delta(reasoning_content="m"),
            delta(content="Pa"),
            delta(content="ris"),
            delta("stop"),
            {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 4}},
        )
    )
    assert (found.text, found.reasoning, found.finish) == ("Paris", "hmm", "stop")
    assert (found.first_thought_s, found.first_token_s, found.latency_s) == (1.0, 3.0, 99.0)
    assert found.usage == Usage(input_tokens=10, output_tokens=4)


def test_usage_that_grows_in_a_stream_counts_once() -> None:
    """Each field's maximum, never the sum, wherever the chunk carries it (F15)."""
    found = read(
        stream(
            {**delta(content="a"), "usage": {"prompt_tokens": 10, "completion_tokens": 1}},
            {**delta(content="b"), "usage": {"prompt_tokens": 10, "completion_tokens": 2}},
            {
                "choices": [
                    {"delta": {}, "finish_reason": "stop", "usage": {"prompt_tokens": 9, "completion_tokens": 3}}
                ]
            },
        )
    )
    assert found.usage == Usage(input_tokens=10, output_tokens=3, shrank=True)


@pytest.mark.parametrize(("second", "shrank"), [(1, False), (2, False), (0, True)])
def test_usage_that_shrinks_is_remembered(second: int, shrank: bool) -> None:
    """The larger count holds, and somebody is told that a smaller one came later (F15)."""
    found = read(
        stream(
            {**delta(content="a"), "usage": {"prompt_tokens": 10, "completion_tokens": 1}},
            {**delta("stop"), "usage": {"prompt_tokens": 10, "completion_tokens": second}},
        )
    )
    assert found.usage == Usage(input_tokens=10, output_tokens=max(1, second), shrank=shrank)


@pytest.mark.parametrize("done", [True, False])
def test_a_stream_without_a_finish_reason_is_cut(done: bool) -> None:
    """However complete the text looks, and although somebody wrote [DONE], it is not an answer (F12)."""
    with pytest.raises(StreamCut) as caught:
        read(stream(delta(content="Paris"), done=done))
    assert b"Paris" in caught.value.received


def test_a_stream_with_its_finish_needs_no_done() -> None:
    """The finish reason is what ends an answer."""
    assert read(stream(delta(content="Paris"), delta("stop"), done=False)).text == "Paris"


def test_a_stream_that_ends_inside_an_event_is_cut() -> None:
    """The torn last event is not repaired."""
    reply = stream(delta(content="Paris"), delta("stop"), done=False)
    torn = reply.model_copy(update={"body": reply.body[:-15]})
    with pytest.raises(StreamCut):
        read(torn)


def test_garbage_in_the_middle_of_a_stream_is_a_failure() -> None:
    """An event that is no JSON is not skipped: the text around it may be incomplete."""
    with pytest.raises(ProviderFailed):
        read(stream(delta(content="Pa"), b"{oops", delta("stop")))


@pytest.mark.parametrize("code", [429, "429", "rate_limit_exceeded"])
def test_an_error_event_is_that_error_and_what_came_before_is_billed(code: int | str) -> None:
    """The inner code decides; text before it is charged by our own count, and nothing is in doubt (F13)."""
    with pytest.raises(RateLimited) as caught:
        read(stream(delta(content="Paris"), {"error": {"code": code, "message": "slow"}}, request_bytes=100))
    assert caught.value.charged
    assert caught.value.cost_usd == PRICE.cost_usd(25, 2)
    assert not caught.value.maybe_billed
    with pytest.raises(RateLimited) as caught:
        read(stream({"error": {"code": code, "message": "slow"}}))
    assert not caught.value.charged
    assert caught.value.cost_usd is None


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": 10, "completion_tokens": 3}])
def test_what_the_provider_broke_off_is_billed_as_far_as_it_came(usage: dict[str, int] | None) -> None:
    """A finish that says "error" is a failure; its usage is charged where it is told, else what came is counted."""
    with pytest.raises(ProviderFailed, match="broke off") as caught:
        read(plain(answer({"content": "Paris"}, "error", usage=usage), request_bytes=100))
    assert caught.value.charged
    assert caught.value.cost_usd == PRICE.cost_usd(*((10, 3) if usage else (25, 2)))


def test_no_reply_that_tells_its_usage_is_charged() -> None:
    """What is no completion costs what it says, nothing where it says nothing, and what came before it in a stream."""
    counted = {"usage": {"prompt_tokens": 10, "completion_tokens": 3}}
    for reply, cost_usd in (
        (plain(counted), PRICE.cost_usd(10, 3)),
        (plain({"object": "list"}), None),
        (plain(b"<html>"), None),
        (stream(delta(content="Paris"), b"{oops", request_bytes=100), PRICE.cost_usd(25, 2)),
    ):
        with pytest.raises(ProviderFailed) as caught:
            read(reply)
        assert caught.value.charged is (cost_usd is not None)
        assert caught.value.cost_usd == cost_usd


@pytest.mark.parametrize("streamed", [False, True])
def test_another_makers_model_is_no_answer_and_is_paid_for(streamed: bool) -> None:
    """A reply that names another maker's model is an error with its cost on it, and is not asked for again (F18)."""
    counted: dict[str, Any] = {"model": "llama-3-8b", "usage": {"prompt_tokens": 10, "completion_tokens": 3}}
    reply = plain({**answer({"content": "Paris"}), **counted})
    if streamed:
        reply = stream({**delta("stop", content="Paris"), **counted})
    with pytest.raises(WrongModel, match="llama-3-8b") as caught:
        read_reply(reply, place="m at host", price=PRICE, requested="gpt-4o")
    assert caught.value.charged
    assert caught.value.cost_usd == PRICE.cost_usd(10, 3)
    assert not caught.value.retryable
    assert not caught.value.maybe_billed
    with pytest.raises(WrongModel) as caught:
        read_reply(reply, place="m at host", requested="gpt-4o")
    assert caught.value.charged
    assert caught.value.cost_usd is None


@pytest.mark.parametrize("requested", [None, "llama3.1", "my-deployment"])
def test_a_name_that_may_be_right_is_no_error(requested: str | None) -> None:
    """The same maker, a name nobody knows, or nothing to compare with."""
    reply = plain({**answer({"content": "Paris"}), "model": "llama-3-8b"})
    assert read_reply(reply, place="m at host", requested=requested).served_model == "llama-3-8b"


def test_the_region_that_answered_is_kept() -> None:
    """Of the headers that name one, the provider's own comes first."""
    reply = plain(answer({"content": "Paris"}), headers={"x-region": "here", "x-ms-region": "Sweden Central"})
    assert read(reply).served_region == "Sweden Central"
    assert read(plain(answer({"content": "Paris"}))).served_region is None


def test_a_server_that_answers_a_stream_with_a_document_is_read_all_the_same() -> None:
    """Then there is no first token to time."""
    found = read(plain(answer({"content": "Paris"}), streamed=True, chunk_times_s=((10, 0.1),)))
    assert (found.text, found.first_token_s) == ("Paris", None)


def test_a_capped_reply_is_truncated_and_estimated_by_what_came() -> None:
    """Closed at our limit of bytes: never scored as an answer, billed as received (F26)."""
    found = read(plain(b'{"choices": [{"message": {"content": "' + b"x" * 4000, capped=True, request_bytes=4))
    assert (found.text, found.finish) == ("", "length")
    assert found.usage.estimated
    assert (found.usage.output_tokens or 0) >= 1000
    found = read(stream(delta(content="x" * 400), done=False, capped=True))
    assert (found.text, found.finish, found.usage.output_tokens) == ("x" * 400, "length", 100)


def test_half_characters_are_put_together_or_marked() -> None:
    """Some servers split an emoji over two chunks as lone surrogates; a half that stays alone becomes U+FFFD (F27)."""
    halves = (
        rb'{"choices": [{"delta": {"content": "\ud83d"}}]}',
        rb'{"choices": [{"delta": {"content": "\ude00!"}, "finish_reason": "stop"}]}',
    )
    assert read(stream(*halves)).text == "😀!"
    assert read(stream(rb'{"choices": [{"delta": {"content": "\ud83d!"}, "finish_reason": "stop"}]}')).text == "\ufffd!"


def test_deep_json_is_a_failure_and_not_a_crash() -> None:
    """A bomb of brackets is no chat completion."""
    with pytest.raises(ProviderFailed):
        read(plain(b"[" * 100_000))


texts = st.text(st.characters(blacklist_categories=("Cs",)), max_size=60)


@settings(deadline=None)
@given(texts, texts, st.integers(0, 10**6), st.integers(0, 10**6), st.lists(st.integers(1, 40), max_size=30))
def test_how_the_network_cuts_a_stream_changes_nothing_but_the_clocks(
    text: str, reasoning: str, input_tokens: int, output_tokens: int, cuts: list[int]
) -> None:
    """Any division of the same bytes into chunks gives the same completion, and a first token within the call."""
    said = Completion(
        parts=(TextPart(text=text),) if text else (),
        reasoning=reasoning or None,
        finish="stop",
        usage=Usage(input_tokens=input_tokens, output_tokens=output_tokens),
    )
    body = b"".join(stream_events(said, "m", usage=True))
    ends = [min(len(body), sum(cuts[: position + 1])) for position in range(len(cuts))] + [len(body)]
    times = tuple((end, float(position)) for position, end in enumerate(ends))
    found = read(Reply(body=body, streamed=True, latency_s=float(len(ends)), chunk_times_s=times))
    whole = read(Reply(body=body, streamed=True, latency_s=1.0, chunk_times_s=((len(body), 1.0),)))
    same = {"latency_s", "first_token_s", "first_thought_s"}
    assert found.model_dump(exclude=same) == whole.model_dump(exclude=same)
    assert (found.text, found.reasoning or "") == (text, reasoning)
    assert (found.usage.input_tokens, found.usage.output_tokens) == (input_tokens, output_tokens)
    assert (found.first_token_s is None) == (text == "")
    if found.first_token_s is not None and found.first_thought_s is not None:
        assert found.first_thought_s <= found.first_token_s <= float(len(ends))


@settings(deadline=None)
@given(texts)
def test_plain_and_streamed_say_the_same(text: str) -> None:
    """The same answer, written both ways, is read as the same answer."""
    said = Completion(parts=(TextPart(text=text),), finish="stop", usage=Usage(input_tokens=1, output_tokens=2))
    one = read(plain(completion_body(said, "m")))
    other = read(Reply(body=b"".join(stream_events(said, "m", usage=True)), streamed=True, latency_s=0.5))
    changing = {"first_token_s", "raw_digest"}
    assert one.model_dump(exclude=changing) == other.model_dump(exclude=changing)


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_completion_or_one_of_our_errors(body: bytes, streamed: bool) -> None:
    """Whatever a server sends, reading it ends in an outcome."""
    for prefix in (b"", b"data: ", b'{"choices": ['):
        try:
            read(Reply(body=prefix + body, streamed=streamed, latency_s=1.0))
        except ModelError as error:
            assert str(error).isprintable()  # noqa: PT017 - either way out is fine, and this one has a property
