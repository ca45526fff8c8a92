"""A measured recipe in front of a real local provider: it sends what a trial sends, and sees what is billed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from touchstone.catalog.base import Price
from touchstone.data.base import Case
from touchstone.deployment.base import Asked
from touchstone.deployment.endpoints.caller import ServingCaller
from touchstone.deployment.endpoints.make import upstream_of
from touchstone.deployment.endpoints.served import UNTOLD_TOKENS, AnsweredWhole, PassedThrough
from touchstone.errors import ContentFiltered, ProviderFailed, RequestRejected, StreamCut
from touchstone.evaluation.base import Recipe
from touchstone.models.base import ChatRequest, Completion, TextPart, Usage
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer
from touchstone.models.local import write as local_write
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.models.starter import model as starter_model
from touchstone.strategies.base import ContextPassage
from touchstone.strategies.chat import PromptCandidate, Shown

PRICE = Price(input_usd=1.0, output_usd=2.0)


class Passage:
    """One passage."""

    def __init__(self, text: str) -> None:
        self.id, self.text = text[:8], text


class Finder:
    """Finds one passage about whatever is asked."""

    identity = "finder"

    async def find(self, case: Case) -> Sequence[ContextPassage]:
        return (Passage(f"About: {case.text}"),)

    def stand_in(self, _case: Case) -> Sequence[ContextPassage]:
        return ()


class Examples:
    """Always the same example."""

    identity = "examples"
    always = (Shown(Case(id="e", input="Where is my parcel?"), "shipping"),)

    def choose(self, _case: Case) -> Sequence[Shown]:
        return self.always


class Provider:
    """A local provider that keeps the bodies that it was asked with."""

    def __init__(self, reply: str | FakeReply = "refund", faults: Sequence[Fault | None] = ()) -> None:
        self.asked: list[ChatRequest] = []

        def answer(request: ChatRequest) -> FakeReply:
            self.asked.append(request)
            return FakeReply(text=reply) if isinstance(reply, str) else reply

        self.server = FakeServer(FakeModel("m", reply=answer), faults=faults)

    @asynccontextmanager
    async def upstream(self, **parts: Any) -> AsyncIterator[PassedThrough]:
        """A recipe in front of it."""
        async with self.server:
            candidate = recipe(self.server.base_url, **parts)
            found = upstream_of(
                candidate, PRICE, sampling="measured", most_output_tokens=64, image_hosts=("images.example",)
            )
            assert isinstance(found, PassedThrough)
            yield found
            await found.close()


def recipe(base_url: str, **parts: Any) -> PromptCandidate:
    """A candidate with a system text, as a strategy makes it."""
    model = OpenAICompatible("m", base_url)
    made: dict[str, Any] = {"system": "Name the intent.", "template": None, "fields": {"temperature": 0.0}, **parts}
    return PromptCandidate(
        "c", Recipe(model="m", strategy="prompt"), ServingCaller(model), folders={"": Path("nowhere")}, **made
    )


def chat(content: Any, *more: Mapping[str, Any], stream: bool = False, **fields: Any) -> Asked:
    """A request with one question and what stands around it."""
    turns = [*more, {"role": "user", "content": content}]
    return Asked("chat", {"model": "helpdesk", "messages": turns, **fields}, stream, "req-1")


def said(request: ChatRequest) -> list[tuple[str, Any]]:
    """Roles and contents."""
    return [(message.role, message.content) for message in request.messages]


async def test_the_same_case_sends_the_same_messages_as_in_the_trial() -> None:
    """System text, examples, passages and question stand as `PromptCandidate.answer` sends them."""
    provider = Provider()
    async with provider.upstream(shots=Examples(), finder=Finder()) as upstream:
        await upstream.candidate.answer(Case(id="1", input="I want my money back"))
        await upstream.answer(await upstream.prepare(chat("I want my money back")))
    in_trial, served = provider.asked
    assert said(served) == said(in_trial)
    assert served.temperature == in_trial.temperature == 0.0


async def test_earlier_turns_stand_between_the_examples_and_the_question() -> None:
    """A client's own system text comes after the recipe's, and tool replies after the question."""
    provider = Provider()
    tool = {"role": "tool", "tool_call_id": "t1", "content": "paid"}
    async with provider.upstream(shots=Examples()) as upstream:
        asked = chat("Refund?", {"role": "system", "content": "Be short."}, {"role": "assistant", "content": "Hello"})
        asked.body["messages"].append(tool)
        ready = await upstream.prepare(asked)
    turns = orjson.loads(ready.sent)["messages"]
    assert [turn["content"] for turn in turns] == [
        "Name the intent.", "Be short.", "Where is my parcel?", "shipping", "Hello", "Refund?", "paid",
    ]  # fmt: skip
    assert turns[-1]["tool_call_id"] == "t1"


async def test_measured_values_stand_and_are_named_as_ignored() -> None:
    """A client's temperature does not replace the recipe's, nor its limit a smaller one; tools pass."""
    provider = Provider()
    async with provider.upstream(fields={"temperature": 0.2, "max_tokens": 40}) as upstream:
        ready = await upstream.prepare(
            chat("hi", temperature=1.5, max_tokens=500, tools=[{"type": "function", "function": {"name": "f"}}])
        )
        client = upstream_of(upstream.candidate, PRICE, sampling="client", most_output_tokens=64, image_hosts=())
        freed = await client.prepare(chat("hi", temperature=1.5, max_completion_tokens=7))
    body = orjson.loads(ready.sent)
    assert (body["temperature"], body["max_tokens"], ready.ignored) == (0.2, 40, ("temperature",))
    assert body["tools"][0]["function"]["name"] == "f"
    assert (orjson.loads(freed.sent)["temperature"], orjson.loads(freed.sent)["max_tokens"]) == (1.5, 7)


async def test_nothing_of_the_client_names_whom_is_asked() -> None:
    """The model, the user and the metadata of a request do not travel; an unknown field is refused."""
    provider = Provider()
    async with provider.upstream() as upstream:
        ready = await upstream.prepare(chat("hi", user="anna@example.com", metadata={"a": "b"}, store=True))
        with pytest.raises(RequestRejected, match="base_url"):
            await upstream.prepare(chat("hi", base_url="http://evil"))
    body = orjson.loads(ready.sent)
    assert body["model"] == "m"
    assert not {"user", "metadata", "store", "touchstone"} & body.keys()


@pytest.mark.parametrize(
    "url", ["http://images.example/a.png", "https://other.example/a.png", "photos/a.png", "file:///etc/passwd", 7,
            "https://me@images.example/a.png", "https://images.example:444/a.png", "data:text/html,x"],
)  # fmt: skip
async def test_an_image_is_data_or_of_a_host_that_is_allowed(url: Any) -> None:
    """No request makes anybody fetch an address of its choice, and none reads a file of ours."""
    provider = Provider()
    async with provider.upstream() as upstream:
        for turns in ([], [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]):
            content = (
                "hi" if turns else [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": url}}]
            )
            with pytest.raises(RequestRejected, match="data: URL"):
                await upstream.prepare(chat(content, *turns))


async def test_an_image_that_may_be_sent_is_sent() -> None:
    """Beside its text, whether as data or by an allowed address."""
    provider = Provider()
    data = "data:image/png;base64,aGVsbG8="
    async with provider.upstream() as upstream:
        for url in (data, "https://images.example/a.png"):
            ready = await upstream.prepare(
                chat([{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": url}}])
            )
            assert orjson.loads(ready.sent)["messages"][-1]["content"][1]["image_url"]["url"] == url


@pytest.mark.parametrize("stream", [False, True])
async def test_what_it_takes_at_most_is_never_less_than_the_bill(stream: bool) -> None:
    """The hold covers the provider's count, for letters of every size."""
    for text in ("hi", "退款在哪里？" * 40, "🦊" * 30):
        provider = Provider("a b c")
        async with provider.upstream(finder=Finder()) as upstream:
            ready = await upstream.prepare(chat(text, stream=stream))
            if stream:
                flow = await upstream.open(ready)
                async for _ in flow:
                    pass
                usage = flow.usage
                await flow.close()
            else:
                usage = (await upstream.answer(ready)).usage
        sale = provider.server.bill[0]
        assert (usage.input_tokens, usage.output_tokens) == (sale.input_tokens, sale.output_tokens)
        assert not usage.estimated
        assert ready.input_tokens >= sale.input_tokens
        assert ready.output_tokens == 64


async def test_a_stream_goes_on_as_it_came_but_for_its_end_and_its_count() -> None:
    """The client that does not ask for the usage does not see it; the meter does."""
    for wanted in (False, True):
        provider = Provider("one two three")
        async with provider.upstream() as upstream:
            options = {"stream_options": {"include_usage": True}} if wanted else {}
            flow = await upstream.open(await upstream.prepare(chat("hi", stream=True, **options)))
            raw = b"".join([block async for block in flow])
            await flow.close()
        chunks = [orjson.loads(line[6:]) for line in raw.split(b"\n\n") if line]
        words = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]
        assert "".join(words) == "one two three"
        assert any(chunk.get("usage") for chunk in chunks) == wanted
        assert b"[DONE]" not in raw
        assert flow.first_token_s is not None
        assert flow.model == "m"
        assert flow.usage.output_tokens == provider.server.bill[0].output_tokens


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault(kind="no_finish"), StreamCut), (Fault(kind="cut"), StreamCut), (Fault(kind="error_event"), ProviderFailed)],
)
async def test_a_stream_that_breaks_off_says_so_and_is_still_counted(fault: Fault, error: type[Exception]) -> None:
    """What came was text, so what is counted is an estimate of it, and says so."""
    provider = Provider("word " * 40, [fault])
    async with provider.upstream() as upstream:
        flow = await upstream.open(await upstream.prepare(chat("hi", stream=True)))
        with pytest.raises(error):
            async for _ in flow:
                pass
        await flow.close()
    if fault.kind == "cut":
        assert flow.usage.estimated
        assert 0 < (flow.usage.output_tokens or 0) <= 60


async def test_a_reply_without_a_count_is_estimated_and_flagged() -> None:
    """Four bytes a token, streamed or not."""
    provider = Provider("12345678", [Fault(kind="no_usage"), Fault(kind="no_usage")])
    async with provider.upstream() as upstream:
        whole = await upstream.answer(await upstream.prepare(chat("hi")))
        flow = await upstream.open(await upstream.prepare(chat("hi", stream=True)))
        async for _ in flow:
            pass
        await flow.close()
    assert (whole.usage.output_tokens, whole.usage.estimated) == (2, True)
    assert (flow.usage.output_tokens, flow.usage.estimated) == (2, True)


async def test_the_filter_of_a_provider_has_its_own_error() -> None:
    """So that a client is told, and nobody else is asked."""
    provider = Provider(faults=[Fault(kind="status", status=400, code="content_filter")])
    async with provider.upstream() as upstream:
        with pytest.raises(ContentFiltered):
            await upstream.answer(await upstream.prepare(chat("hi")))


async def test_columns_of_a_template_come_with_the_request() -> None:
    """A recipe that was measured with a template finds its values under `touchstone.fields`."""
    provider = Provider()
    async with provider.upstream(template="{product}: {input}") as upstream:
        ready = await upstream.prepare(chat("It broke", touchstone={"fields": {"product": "Lamp"}}))
        with pytest.raises(RequestRejected, match="product"):
            await upstream.prepare(chat("It broke"))
    assert orjson.loads(ready.sent)["messages"][-1]["content"] == "Lamp: It broke"


class Baseline:
    """A candidate that answers by itself."""

    name = "b"
    recipe = Recipe(model="baseline/rule", strategy="baseline")

    async def answer(self, case: Case, *, draw: int = 0) -> Completion:
        return Completion(parts=(TextPart(text=case.text.upper()),), usage=Usage(input_tokens=0, output_tokens=0))

    async def close(self) -> None:
        """Nothing is open."""


async def test_any_candidate_can_be_served() -> None:
    """A baseline answers in OpenAI's shape, whole and streamed; what it cannot do is refused."""
    upstream = upstream_of(Baseline(), None, sampling="measured", most_output_tokens=8, image_hosts=())
    assert isinstance(upstream, AnsweredWhole)
    answered = await upstream.answer(await upstream.prepare(chat("money back")))
    assert orjson.loads(answered.body)["choices"][0]["message"]["content"] == "MONEY BACK"
    flow = await upstream.open(await upstream.prepare(chat("money back", stream=True)))
    raw = b"".join([block async for block in flow])
    assert b"MONEY" in raw
    assert answered.finish == flow.finish == ("stop",)
    assert b"[DONE]" not in raw
    for asked in (chat("a", tools=[{}]), chat("a", n=2), chat("a", {"role": "assistant", "content": "x"})):
        with pytest.raises(RequestRejected):
            await upstream.prepare(asked)


class OwnModel:
    """Weights of one's own: they write as many words as they may, 400 where nobody says how many."""

    name = endpoint = "local/words"
    price = None
    paid = False

    async def send(self, request: ChatRequest) -> Any:
        return request

    def read(self, reply: Any) -> Completion:
        words = reply.max_tokens or 400
        read = sum(len(str(message.content).split()) for message in reply.messages)
        return Completion(parts=(TextPart(text="word " * words),), usage=Usage(input_tokens=read, output_tokens=words))

    async def close(self) -> None:
        """Nothing is open."""


def own(most: int = 64, **parts: Any) -> AnsweredWhole:
    """A recipe in front of such weights."""
    made: dict[str, Any] = {"system": "Name the intent.", "template": None, "fields": {}, **parts}
    candidate = PromptCandidate(
        "c", Recipe(model="local/words", strategy="prompt"), ServingCaller(OwnModel()), folders={}, **made
    )
    found = upstream_of(candidate, PRICE, sampling="measured", most_output_tokens=most, image_hosts=())
    assert isinstance(found, AnsweredWhole)
    return found


@pytest.mark.parametrize("measured", [None, 16, 300])
@pytest.mark.parametrize("asked", [None, 1, 32, 500])
async def test_what_is_held_for_our_own_weights_is_never_less_than_the_bill(
    measured: int | None, asked: int | None
) -> None:
    """However small a limit a request names, whatever the recipe adds: else a budget could be passed (A2)."""
    upstream = own(system="word " * 50, shots=Examples(), finder=Finder(), fields={"max_tokens": measured})
    ready = await upstream.prepare(chat("money back", **({} if asked is None else {"max_tokens": asked})))
    used = (await upstream.answer(ready)).usage
    assert used.input_tokens is not None
    assert used.output_tokens is not None
    assert used.input_tokens <= ready.input_tokens
    assert used.output_tokens <= ready.output_tokens
    limits = [limit for limit in (measured, asked) if limit is not None]
    assert used.output_tokens == min(limits, default=400)


async def test_what_our_own_candidates_do_not_hear_is_named() -> None:
    """A field that such a candidate answers without is named as ignored; a baseline hears no limit either."""
    ready = await own().prepare(chat("money back", max_tokens=5, temperature=1.0, response_format={"type": "json"}))
    assert ready.ignored == ("response_format", "temperature")
    upstream = upstream_of(Baseline(), None, sampling="client", most_output_tokens=8, image_hosts=())
    ready = await upstream.prepare(chat("money back", max_tokens=1, temperature=1.0))
    assert ready.ignored == ("max_tokens", "temperature")
    assert ready.output_tokens >= 8


async def test_a_hole_in_a_prompt_is_told_before_anything_is_held() -> None:
    """As for a provider's model: the request is refused, and says which column it lacks."""
    with pytest.raises(RequestRejected, match="product"):
        await own(template="{product}: {input}").prepare(chat("It broke"))


def test_what_is_held_without_a_limit_covers_what_our_own_weights_write() -> None:
    """The number stands here too, so that serving need not import what runs them."""
    assert local_write.MOST_OUTPUT_TOKENS <= UNTOLD_TOKENS
    assert starter_model.MOST_OUTPUT_TOKENS <= UNTOLD_TOKENS
