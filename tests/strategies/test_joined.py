"""What the composition promises: ingredients in one draft, whatever their order; passages stand where they should."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from tests.strategies.shop import Shop, case, turns

from touchstone import plugins
from touchstone.data.base import Case
from touchstone.errors import SettingsError, UnknownName
from touchstone.evaluation.base import Candidate
from touchstone.evaluation.ledger import Ledger, canonical, key_of
from touchstone.models.base import ImagePart, Message, TextPart
from touchstone.strategies.base import ABOUT_THE_MAKING, BuildCost, CandidateSpec, ContextPassage, Finding, Workshop
from touchstone.strategies.chat import PromptCandidate
from touchstone.strategies.draft import Draft, Ingredient, compose, deal, describe, is_ingredient
from touchstone.strategies.few_shot import FewShot
from touchstone.strategies.joined import Joined, strategy_named
from touchstone.strategies.prompt import Prompt

ASKED = case("q1", "When does the shop open?")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


@pytest.fixture
def shop(ledger: Ledger, tmp_path: Path) -> Shop:
    return Shop(ledger, tmp_path)


@dataclass(frozen=True)
class Page:
    id: str
    text: str


class Shelf:
    """Finds the pages that hold a word of the question; at once, or when it is waited for."""

    identity = "shelf 1"

    def __init__(self, *pages: str, waits: bool = False) -> None:
        self.pages = [Page(f"p{place}", text) for place, text in enumerate(pages)]
        self.waits = waits
        self.asked: list[str] = []

    def find(self, case: Case) -> Any:
        self.asked.append(case.id)
        return self._later(case) if self.waits else self._found(case)

    async def _later(self, case: Case) -> Sequence[ContextPassage]:
        return self._found(case)

    def _found(self, case: Case) -> Sequence[ContextPassage]:
        return [page for page in self.pages if set(page.text.lower().split()) & set(case.text.lower().split())]

    def stand_in(self, _case: Case) -> Sequence[ContextPassage]:
        return [Page("?", "x" * 10)]


class Shelved:
    """An ingredient that gives the model a shelf to read from."""

    name = "shelf"
    stage = 30
    parameters = frozenset({"shelf", "context"})

    def __init__(self, shelf: Shelf | None = None) -> None:
        self.shelf = shelf or Shelf("the shop opens at nine", "parcels take two days")

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        more = {"context": given["context"]} if "context" in given else {}
        return draft.with_part(self.name, {"identity": self.shelf.identity}, finder=self.shelf, about={"s": 1}, **more)

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        return await compose((self,), spec, workshop)

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        return describe(spec, candidate)


async def composed(shop: Shop, *ingredients: Ingredient, **parameters: Any) -> PromptCandidate:
    return await compose(ingredients, shop.spec("prompt", **parameters), shop.workshop)


GOLDEN = [
    (
        {},
        "2b6c156ccbc0caa2a5fe8609e61385fb3ccbdc966cd5c5de500443fa014f299f",
        "9a3b0ffaff668d4b762b62bb5c560d9276acddc0705b5456c39bcaf951c36e01",
    ),
    (
        {
            "prompt": "{customer}: {input}",
            "system": "Be brief.",
            "temperature": 0.3,
            "max_tokens": 9,
            "stop": "END",
            "latency_s": 0.0,
        },
        "11f583c1e487b88db0e7acdd8db3331c9f8e9363315287d8488c2df0621b695e",
        "b830cf56ffe8ac4e8c36528193e3004e999578c66d47ee8c1b12ccbcdca83ba8",
    ),
]


@pytest.mark.parametrize(("parameters", "recipe", "request_key"), GOLDEN, ids=["as it is", "with words"])
async def test_a_plain_prompt_stays_the_candidate_it_was(
    ledger: Ledger, tmp_path: Path, parameters: dict[str, Any], recipe: str, request_key: str
) -> None:
    """Its recipe, settings and requests are those of the first version: stored trials and replies are found again."""
    shop = Shop(ledger, tmp_path, columns=["customer"])
    labels = shop.workshop.answer.model_copy(update={"labels": ("refund", "shipping")})
    shop.workshop = replace(shop.workshop, answer=labels, seed=5)
    spec = CandidateSpec(name="mine", model="fake/parrot", strategy="prompt", parameters=parameters)
    candidate = await Prompt().prepare(spec, shop.workshop)
    assert isinstance(candidate, PromptCandidate)
    assert candidate.recipe.fingerprint == recipe
    asked = candidate.request(Case(id="1", input="Hi", fields={"customer": "K"}))
    assert key_of("e", canonical(asked)) == request_key
    assert [key for key in Prompt().settings(spec, candidate) if key not in ABOUT_THE_MAKING] == [
        "model",
        "strategy",
        "endpoint",
        "prompt_digest",
        "system",
        "prompt",
        "temperature",
        "top_p",
        "max_tokens",
        "seed",
        "price",
    ]


async def test_passages_stand_above_the_question(shop: Shop) -> None:
    """Numbered lines, a blank line, the question: the words that the starter models were trained to read."""
    candidate = await composed(shop, Shelved())
    await candidate.answer(ASKED)
    assert turns(shop.model.calls[0]) == [
        ("user", "Passages:\n[1] the shop opens at nine\n\nQuestion: When does the shop open?")
    ]
    await candidate.answer(case("q2", "Which parcels take the shop two days?"))
    assert turns(shop.model.calls[1])[0][1] == (
        "Passages:\n[1] the shop opens at nine\n[2] parcels take two days\n\n"
        "Question: Which parcels take the shop two days?"
    )


async def test_where_nothing_is_found_the_question_stands_alone(shop: Shop) -> None:
    """No empty list of passages is shown."""
    candidate = await composed(shop, Shelved())
    await candidate.answer(case("q", "zzz"))
    assert turns(shop.model.calls[0]) == [("user", "zzz")]


@pytest.mark.parametrize("waits", [False, True])
async def test_the_passages_of_a_case_are_found_again(shop: Shop, waits: bool) -> None:
    """Whether the finder answers at once or is waited for; a report asks for them by case."""
    candidate = await composed(shop, Shelved(Shelf("the shop opens at nine", waits=waits)))
    await candidate.answer(ASKED)
    assert [page.id for page in await candidate.passages(ASKED)] == ["p0"]
    assert "[1] the shop opens at nine" in turns(shop.model.calls[0])[0][1]
    plain = await composed(shop)
    assert await plain.passages(ASKED) == ()


async def test_a_plan_is_priced_without_looking(shop: Shop) -> None:
    """A request made without its passages holds what stands in for them; the finder is not asked."""
    shelf = Shelf("the shop opens at nine", waits=True)
    candidate = await composed(shop, Shelved(shelf))
    assert turns(candidate.request(ASKED)) == [
        ("user", "Passages:\n[1] xxxxxxxxxx\n\nQuestion: When does the shop open?")
    ]
    assert shelf.asked == []


async def test_what_a_passage_holds_is_never_filled_in(shop: Shop) -> None:
    """Neither passages nor questions are looked at again, whatever braces they hold (R17)."""
    candidate = await composed(shop, Shelved(Shelf("shop {input} {passages} {id}")))
    await candidate.answer(case("q", "shop {passages} {input}"))
    assert turns(shop.model.calls[0])[0][1] == (
        "Passages:\n[1] shop {input} {passages} {id}\n\nQuestion: shop {passages} {input}"
    )


async def test_a_template_may_say_where_passages_stand(shop: Shop) -> None:
    """In the user's own template, or with words of one's own around both."""
    own = await composed(shop, Shelved(), prompt="{input}\nRead: {passages}")
    await own.answer(ASKED)
    around = await composed(shop, Shelved(), context="<{passages}> {input}")
    await around.answer(ASKED)
    assert turns(shop.model.calls[0])[0][1] == "When does the shop open?\nRead: [1] the shop opens at nine"
    assert turns(shop.model.calls[1])[0][1] == "<[1] the shop opens at nine> When does the shop open?"
    with pytest.raises(SettingsError, match=r"the template uses \{passages\}"):
        await composed(shop, prompt="{passages} {input}")


async def test_a_conversation_gets_passages_with_its_last_question(shop: Shop) -> None:
    """Images beside the question stay where they are."""
    picture = ImagePart(url="https://example.com/a.png")
    said = (
        Message(role="user", content="hi"),
        Message(role="assistant", content="yes?"),
        Message(role="user", content=(TextPart(text="the shop?"), picture)),
    )
    candidate = await composed(shop, Shelved())
    await candidate.answer(Case(id="c", messages=said))
    sent = shop.model.calls[0].messages[1:]
    assert sent[:2] == said[:2]
    assert sent[2].content == (TextPart(text="Passages:\n[1] the shop opens at nine\n\nQuestion: the shop?"), picture)


async def test_examples_and_passages_join(shop: Shop) -> None:
    """Examples are shown as they are, without passages; the case with its own."""
    candidate = await composed(shop, Shelved(), FewShot(), k=1, choose="fixed")
    await candidate.answer(ASKED)
    assert turns(shop.model.calls[0]) == [
        ("user", "I want my money back"),
        ("assistant", "refund"),
        ("user", "Passages:\n[1] the shop opens at nine\n\nQuestion: When does the shop open?"),
    ]
    settings = describe(shop.spec(), candidate)
    assert (settings["s"], settings["k"]) == (1, 1)


async def test_the_order_of_the_names_does_not_matter(shop: Shop) -> None:
    """The same parts are the same recipe, the same name and the same requests; `prompt` is in all of them."""
    one = await composed(shop, Shelved(), FewShot(), k=1)
    other = await composed(shop, FewShot(), Prompt(), Shelved(), k=1)
    assert one.recipe.strategy == other.recipe.strategy == "few_shot+shelf"
    assert one.recipe.fingerprint == other.recipe.fingerprint
    assert one.request(ASKED) == other.request(ASKED)
    assert one.asks == other.asks
    assert Joined((FewShot(), Shelved())).name == Joined((Shelved(), FewShot())).name == "few_shot+shelf"
    assert strategy_named("prompt + few_shot").name == "few_shot"


async def test_every_part_gets_its_parameters_and_the_model_the_rest(shop: Shop) -> None:
    """Parameters are dealt by who knows them."""
    spec = shop.spec("few_shot", k=2, context="{passages}{input}", temperature=0.5, system="x", latency_s=0.5)
    dealt, words, rest = deal((FewShot(), Shelved()), spec)
    assert dealt == {"few_shot": {"k": 2}, "shelf": {"context": "{passages}{input}"}}
    assert words == {"temperature": 0.5, "system": "x"}
    assert rest == {"latency_s": 0.5}


async def test_finding_passages_is_on_the_clock(shop: Shop) -> None:
    """Who waits for an answer waits for its passages too."""

    class Slow(Shelf):
        async def _later(self, case: Case) -> Sequence[ContextPassage]:
            await asyncio.sleep(0.05)
            return self._found(case)

    quick, slow = [
        await (await composed(shop, *parts)).answer(ASKED)
        for parts in ((), (Shelved(Slow("the shop opens at nine", waits=True)),))
    ]
    assert (slow.latency_s or 0) - (quick.latency_s or 0) >= 0.05
    assert slow.first_token_s is None


async def test_an_unknown_parameter_names_the_closest(shop: Shop) -> None:
    """Of all parts and the model."""
    with pytest.raises(SettingsError, match="mine: there is no parameter 'contxt'; closest: context"):
        await composed(shop, Shelved(), FewShot(), contxt="x")


def test_no_two_of_ours_know_the_same_parameter() -> None:
    """Whatever is joined of what ships, every parameter has one owner."""
    ours = [strategy_named(name) for name in plugins.shipped("strategy")]
    joinable: list[Any] = [one for one in ours if is_ingredient(one)]
    assert {"few_shot", "prompt_search"} <= {one.name for one in joinable}
    for one, other in combinations(joinable, 2):
        if one.stage != other.stage:
            deal((one, other), CandidateSpec(name="all", model="fake/parrot", strategy="all"))


def test_two_of_a_kind_cannot_be_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that choose examples, or two that make the model, one would undo what the other did."""

    class Third(FewShot):
        name = "third"

    known = {"few_shot": FewShot, "third": Third}
    monkeypatch.setattr(plugins, "names", lambda _kind: tuple(known))
    monkeypatch.setattr(plugins, "load", lambda _kind, name: known[name])
    with pytest.raises(SettingsError, match="few_shot and third add the same to a prompt and cannot be joined"):
        strategy_named("third+few_shot")


class Bound(Shelved):
    """A shelf whose pages somebody had to bind, and which has a page too many."""

    name = "bound"

    def __init__(self, build: BuildCost) -> None:
        super().__init__()
        self.build = build

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        found = Finding(kind="leak", template="{n} pages say it all", values={"n": 1}, blocks=True)
        return draft.with_part(self.name, {}, finder=self.shelf, build=self.build, findings=[found])


class Printed(Bound):
    name = "printed"
    stage = 10
    parameters = frozenset()


async def test_what_building_took_adds_up(shop: Shop) -> None:
    """Money, seconds and calls of all ingredients; what nobody knows of one is known of none together."""
    plain = describe(shop.spec(), await composed(shop))
    assert plain["build"] == BuildCost(usd=0.0, took_s=0.0).model_dump()
    parts = Bound(BuildCost(usd=1.5, took_s=None, calls=2, forecast=True)), Printed(BuildCost(usd=0.5, took_s=3.0))
    settings = describe(shop.spec(), await composed(shop, *parts))
    assert settings["build"] == {"usd": 2.0, "took_s": None, "calls": 2, "forecast": True}
    found = {"kind": "leak", "template": "{n} pages say it all", "values": {"n": 1}, "blocks": True}
    assert settings["findings"] == [found, found]


class Greedy(Shelved):
    name = "greedy"
    parameters = frozenset({"k"})


class Wordy(Shelved):
    name = "wordy"
    parameters = frozenset({"system"})


@pytest.mark.parametrize(
    ("parts", "words"),
    [((FewShot(), Greedy()), "'k' is known to few_shot and to greedy"), ((Wordy(),), "'system' is known to prompt")],
)
async def test_two_parts_may_not_know_the_same_parameter(shop: Shop, parts: tuple[Ingredient, ...], words: str) -> None:
    """A mistake of whoever wrote them, found by the first test that joins them, not by a user's wrong number."""
    with pytest.raises(RuntimeError, match=words):
        await composed(shop, *parts)


@pytest.mark.parametrize(
    ("name", "words", "kind"),
    [
        ("few_shot+baseline", "baseline answers by itself and cannot be joined in 'few_shot.baseline'", SettingsError),
        ("few_shot+few_shot", "few_shot stands twice", SettingsError),
        ("few_shoot+prompt", "no strategy is called 'few_shoot'; known: few_shot", UnknownName),
        ("few_shot+", "no strategy is called ''", UnknownName),
    ],
)
def test_what_cannot_be_joined_is_said(name: str, words: str, kind: type[Exception]) -> None:
    """The part is named, with what can be joined."""
    with pytest.raises(kind, match=words):
        strategy_named(name)


async def test_another_shelf_asks_something_else(shop: Shop) -> None:
    """Twins are those that ask just the same; what is found counts."""
    one, other, plain = [await composed(shop, *parts) for parts in ((Shelved(),), (Shelved(),), ())]
    assert one.asks == other.asks != plain.asks
    assert describe(shop.spec(), one)["prompt_digest"] != describe(shop.spec(), plain)["prompt_digest"]
