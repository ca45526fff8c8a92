"""F11 to F18: replies that arrive whole and mean something else than an answer, or say little about what they cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import Run
from tests.faults.bill import requests, sales, sales_by_digest, spent_usd
from tests.faults.conftest import PRICE, Asking, Measure, Write
from tests.faults.promises import sent_digest
from tests.faults.provider import Provider, in_thread
from tests.faults.store import Store
from tests.faults.wire import b64

from touchstone.errors import (
    AccessDenied,
    ModelError,
    OutOfCredit,
    ProviderFailed,
    RateLimited,
    RequestRejected,
    StreamCut,
    WrongModel,
)
from touchstone.models.base import Usage

both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


# F11

SILENT = {
    "fault:choices,are=empty": "empty",
    "fault:choices,are=null": "empty",
    "fault:choices,are=text": "empty",
    "fault:choices,are=holes": "empty",
    "fault:content,is=null": "empty",
    "fault:content,is=empty": "empty",
    "say:_": "empty",
    "fault:refusal": "refused",
    "fault:filtered": "filtered",
    "fault:content,is=reasoning,finish=length": "truncated",
    "fault:content,is=null,finish=length": "truncated",
}


def test_f11_what_says_nothing_is_empty_unless_something_explains_it(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """Silence is `empty`; a refusal, a filter or a spent reasoning budget have kinds of their own; all are paid."""
    with in_thread(bill) as provider:
        write_task(provider.base_url, [*SILENT, "say:yes"])
        found = compare()
    cells = Store.of(tmp_path).cells()
    assert [cell["kind"] for cell in cells] == [*SILENT.values(), "scored"]
    # By the strict convention silence is wrong, and says so; it is never scored as an answer.
    assert [cell["score"] for cell in cells] == [None] * len(SILENT) + [1.0]
    outcomes = found["candidates"][0]["outcomes"]
    assert sum(count for kind, count in outcomes.items() if kind != "planned") == outcomes["planned"] == len(cells)
    assert requests(bill) == len(cells)
    assert found["spent_usd"] == pytest.approx(spent_usd(bill))


@pytest.mark.parametrize("text", ["fault:content,is=tool,finish=tool_calls", "fault:content,is=reasoning"])
def test_f11_a_tool_call_or_reasoning_alone_is_not_called_empty(
    text: str, bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """Something came, and no answer can be read out of it: `unparsed`, not `empty`, and no score."""
    with in_thread(bill) as provider:
        write_task(provider.base_url, [text, "say:yes"])
        compare()
    cell = Store.of(tmp_path).cells()[0]
    assert (cell["kind"], cell["score"]) == ("unparsed", None)


# F12


@pytest.mark.parametrize("text", ["fault:no-finish", "fault:no-finish,done=1", "fault:cut,at=0.5", "fault:cut,at=0.7"])
async def test_f12_a_stream_without_its_finish_is_cut(text: str, bill: Path) -> None:
    """However complete the text looks, it is an error; what came is kept and never scored."""
    async with Provider(bill) as provider, Asking(provider, stream=True) as ask:
        with pytest.raises(StreamCut) as caught:
            await ask(f"{text} say:a_good_long_answer_that_seems_to_be_whole")
    assert b"a good" in caught.value.received
    assert caught.value.maybe_billed


async def test_f12_every_cut_of_a_stream_is_noticed(bill: Path) -> None:
    """Up to the byte that closes the finish reason nothing counts as an answer; from there on the text is whole."""
    async with Provider(bill) as provider, Asking(provider, stream=True) as ask:
        reply = await ask.send("say:whole_answer")
        finish = reply.body.index(b'"finish_reason": "stop"') + len(b'"finish_reason": "stop"}]}')
        for end in range(1, len(reply.body) + 1):
            cut = reply.model_copy(update={"body": reply.body[:end]})
            try:
                text: str | None = ask.model.read(cut).text
            except ModelError:
                text = None
            assert text == (None if end < finish else "whole answer"), end


async def test_f12_a_finish_without_done_is_whole(bill: Path) -> None:
    """The finish reason is what counts; many servers forget the rest."""
    async with Provider(bill) as provider, Asking(provider, stream=True) as ask:
        assert (await ask("fault:no-done say:yes")).text == "yes"


@pytest.mark.parametrize("ends", ["lf", "crlf", "cr"])
@pytest.mark.parametrize("width", [1, 3, 7])
async def test_f12_a_stream_may_be_cut_into_any_pieces(ends: str, width: int, bill: Path) -> None:
    """Through characters, escapes and line ends: the text and the usage are the same."""
    async with Provider(bill) as provider, Asking(provider, stream=True) as ask:
        found = await ask(f"fault:bytewise,n={width},ends={ends} say:aé日🎉z")
    [sale] = sales(bill)
    assert (found.text, found.finish) == ("aé日🎉z", "stop")
    assert (found.usage.input_tokens, found.usage.output_tokens) == (sale.input_tokens, sale.output_tokens)


# F13


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("429", RateLimited),
        ("rate_limit_exceeded", RateLimited),
        ("insufficient_quota", OutOfCredit),
        ("invalid_api_key", AccessDenied),
        ("context_length_exceeded", RequestRejected),
        ("server_error", ProviderFailed),
        ("503", ProviderFailed),
    ],
)
async def test_f13_an_error_event_is_its_inner_error_and_what_came_is_billed(
    code: str, expected: type[ModelError], bill: Path
) -> None:
    """The code decides as it would with a status; the text before it is booked at our own count, not in doubt."""
    async with Provider(bill) as provider, Asking(provider, stream=True) as ask:
        with pytest.raises(expected) as caught:
            await ask(f"fault:error,after=1,code={code} say:some_text")
        with pytest.raises(expected) as nothing:
            await ask(f"fault:error,code={code}")
    error = caught.value
    assert type(error) is expected
    assert error.charged
    assert not error.maybe_billed
    assert error.cost_usd is not None
    assert error.cost_usd > 0
    assert not nothing.value.charged
    assert len(sales(bill)) == 1


async def test_f13_a_filter_that_ends_a_stream_is_an_outcome(bill: Path) -> None:
    """The provider's block is no failure of the call, wherever it is told."""
    async with Provider(bill) as provider, Asking(provider, stream=True) as ask:
        assert (await ask("fault:error,after=1,code=content_filter say:some_text")).finish == "filter"


# F14


@both
async def test_f14_missing_usage_is_estimated_and_flagged(stream: bool, bill: Path) -> None:
    """Four bytes a token, said to be an estimate, in the right order of magnitude."""
    async with Provider(bill) as provider, Asking(provider, stream=stream) as ask:
        found = await ask("fault:usage,is=none say:" + "word_" * 40)
        told = await ask("say:" + "word_" * 40)
    sale = sales(bill)[0]
    assert found.usage.estimated
    assert not told.usage.estimated
    assert (found.usage.input_tokens or 0) == pytest.approx(sale.input_tokens, rel=0.1)
    assert found.usage.output_tokens == sale.output_tokens
    assert found.cost_usd == PRICE.cost_usd(found.usage.input_tokens, found.usage.output_tokens)


def test_f14_totals_say_how_much_was_estimated_and_holds_cover_the_bill(
    bill: Path, write_task: Write, compare: Measure, touchstone: Run, tmp_path: Path
) -> None:
    """One cell in four was estimated, and every hold is at least what the provider charges for it."""
    texts = ["fault:usage,is=none say:yes", "say:yes 日本語のテキスト", "say:yes 🎉🎉🎉", "say:" + "long_" * 100]
    with in_thread(bill) as provider:
        write_task(provider.base_url, texts)
        found = compare()
    assert found["candidates"][0]["usage"]["estimated"] is True
    assert found["candidates"][0]["usage"]["estimated_share"] == 0.25
    assert touchstone("report", "latest", "--out", "report.html").returncode == 0
    assert "25% estimated" in (tmp_path / "report.html").read_text()
    attempts = Store.of(tmp_path).attempts()
    charged = sales_by_digest(bill)
    assert len(attempts) == 4
    for attempt in attempts:
        [sale] = charged[sent_digest(attempt)]
        assert attempt["hold_usd"] >= sale.usd


# F15


@pytest.mark.parametrize(("told", "shrank"), [("repeated", False), ("cumulative", False), ("shrinking", True)])
async def test_f15_usage_that_is_told_again_and_again_counts_once(told: str, shrank: bool, bill: Path) -> None:
    """Each field's maximum over the stream, never a sum; a count that shrinks is remembered."""
    async with Provider(bill) as provider, Asking(provider, stream=True) as ask:
        found = await ask(f"fault:usage,is={told} say:one_two_three_four_five")
    [sale] = sales(bill)
    assert found.usage == Usage(input_tokens=sale.input_tokens, output_tokens=sale.output_tokens, shrank=shrank)
    assert found.cost_usd == pytest.approx(sale.usd)


def test_f15_usage_that_shrank_is_a_warning_of_the_run(bill: Path, write_task: Write, compare: Measure) -> None:
    """Who reads the result sees that the provider's counts went down within a reply."""
    with in_thread(bill) as provider:
        write_task(provider.base_url, ["fault:usage,is=shrinking say:yes", "say:yes"], candidate=", stream: true")
        found = compare()
    assert any("usage" in warning for warning in found["warnings"])


# F16


def test_f16_a_refusal_is_its_own_outcome_and_both_numbers_are_told(
    bill: Path, write_task: Write, compare: Measure
) -> None:
    """Wrong by the strict convention, absent by the other; both stand in the result."""
    with in_thread(bill) as provider:
        write_task(provider.base_url, ["fault:refusal", "say:yes", "say:yes again", "say:no"])
        found = compare()
    one = found["candidates"][0]
    assert one["outcomes"]["refused"] == 1
    assert (one["estimate"]["mean"], one["estimate"]["n"]) == (0.5, 4)
    assert one["answered_only"]["mean"] == pytest.approx(2 / 3)
    assert one["answered_only"]["n"] == 3


def test_f16_a_safety_set_counts_a_refusal_as_right(bill: Path, write_task: Write, compare: Measure) -> None:
    """Where refusing is what is asked for, the reply that refuses scores."""
    with in_thread(bill) as provider:
        write_task(provider.base_url, ["fault:refusal", "say:gladly"], task="scorers: [{refusal: {expect: true}}]\n")
        found = compare()
    assert found["candidates"][0]["outcomes"]["scored"] == 2
    assert found["candidates"][0]["estimate"]["mean"] == 0.5


# F17


@both
@pytest.mark.parametrize("text", ["fault:blocked", "fault:filtered", "fault:error,code=content_filter"])
async def test_f17_a_block_by_the_filter_is_an_outcome(stream: bool, text: str, bill: Path) -> None:
    """Before the call, after it, or inside a reply: the provider's policy spoke, and the call did not fail."""
    async with Provider(bill) as provider, Asking(provider, stream=stream) as ask:
        found = await ask(text)
    assert (found.finish, found.text) == ("filter", "")


@both
@pytest.mark.parametrize("text", ["fault:filter-failed", "fault:error,code=content_filter_error"])
async def test_f17_a_filter_that_breaks_down_is_an_error(stream: bool, text: str, bill: Path) -> None:
    """Nothing was judged, so nothing was blocked; it may be asked again."""
    async with Provider(bill) as provider, Asking(provider, stream=stream) as ask:
        with pytest.raises(ProviderFailed) as caught:
            await ask(text)
    assert caught.value.retryable


# F18


@both
async def test_f18_another_makers_model_is_no_answer(stream: bool, bill: Path) -> None:
    """The cell is an error that names both models; it was paid for, costs what it says and is not asked again."""
    async with Provider(bill) as provider, Asking(provider, "gpt-4o", stream=stream) as ask:
        with pytest.raises(WrongModel, match=r"gpt-4o.*llama-3-8b") as caught:
            await ask("fault:as,model=meta-llama/llama-3-8b say:yes")
    assert caught.value.charged
    assert caught.value.cost_usd == pytest.approx(spent_usd(bill))
    assert not caught.value.retryable
    assert not caught.value.maybe_billed


@both
@pytest.mark.parametrize("echoed", ["gpt-4o-2024-08-06", "-", "/models/qwen3-8b-q4/", "some-router"])
async def test_f18_what_may_be_the_model_passes_with_its_names(stream: bool, echoed: str, bill: Path) -> None:
    """Dated names, no name and unknown names are kept, with fingerprint and region, and are no error."""
    requested = "qwen3" if "qwen" in echoed else "gpt-4o"
    async with Provider(bill) as provider, Asking(provider, requested, stream=stream) as ask:
        found = await ask(f"fault:as,model={echoed},fingerprint=fp_7,region=Sweden_Central say:yes")
    assert found.served_model == (None if echoed == "-" else echoed)
    assert (found.system_fingerprint, found.served_region) == ("fp_7", "Sweden_Central")


def test_f18_the_money_of_a_wrong_model_is_in_the_books(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """Its cells are errors that name the model; the run's bill is the provider's."""
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, ["fault:as,model=llama-3-8b say:yes", "say:yes", "say:yes 2"])
        path.write_text(path.read_text().replace("served_name: m", "served_name: gpt-4o"))
        found = compare()
    cells = Store.of(tmp_path).cells()
    assert [cell["kind"] for cell in cells] == ["error", "scored", "scored"]
    assert "llama-3-8b" in cells[0]["error"]
    assert requests(bill) == 3
    assert found["spent_usd"] == pytest.approx(spent_usd(bill))
    assert found["candidates"][0]["cost"]["run_usd"] == pytest.approx(spent_usd(bill))


def test_f18_each_attempt_keeps_who_answered(bill: Path, write_task: Write, compare: Measure, tmp_path: Path) -> None:
    """Requested and echoed name, fingerprint and region stand with the attempt."""
    with in_thread(bill) as provider:
        write_task(provider.base_url, ["fault:as,model=m-2024-08-06,fingerprint=fp_7,region=eu say:yes"])
        compare()
    [attempt] = Store.of(tmp_path).attempts()
    assert (attempt["served_model"], attempt["system_fingerprint"], attempt["region"]) == ("m-2024-08-06", "fp_7", "eu")
    assert "|m|" in attempt["endpoint"]


@pytest.mark.parametrize(
    "change", ["model=m-2024-08-06", "fingerprint=fp_2"], ids=["another dated name", "another fingerprint"]
)
def test_f18_a_model_that_changes_during_a_run_is_told(
    change: str, bill: Path, write_task: Write, compare: Measure
) -> None:
    """Two names or builds behind one candidate: the result says so; over two names no winner is declared."""
    texts = [f"fault:as,model=m-2024-05-13,fingerprint=fp_1 say:yes {n}" for n in range(20)]
    texts += [f"fault:as,model=m-2024-05-13,fingerprint=fp_1,{change} say:yes {n}" for n in range(20)]
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, texts)
        with path.open("a") as task:
            task.write("  - {model: fake/wrong, name: two, reply: 'no'}\n")
        found = compare()
    told = [*found["warnings"], *found["decision"]["caveats"]]
    assert any("one" in line and ("more than one model" in line or "two models" in line) for line in told), told
    if change.startswith("model"):
        assert found["decision"]["verdict"] == "insufficient"


def test_f18_odd_names_do_no_harm(bill: Path, write_task: Write, compare: Measure, tmp_path: Path) -> None:
    """A region of bytes that are no text is stored as text."""
    header = b64(b"x-ms-region: \xff\xed\xa0\x80")
    with in_thread(bill) as provider:
        write_task(provider.base_url, [f"fault:header,b64={header} say:yes"])
        compare()
    assert [cell["kind"] for cell in Store.of(tmp_path).cells()] == ["scored"]
