"""What the prompt search promises: variants measured on dev cases under a cap, the best one taken, test never seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies.shop import LABELS, TRAIN, Shop, case, train_cases

from touchstone import errors
from touchstone.catalog.base import Price
from touchstone.data.base import Case
from touchstone.errors import BudgetStop, ModelError, SettingsError, UserError
from touchstone.evaluation.base import Recipe
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.exact import Exact
from touchstone.scoring.read_text import TextReader
from touchstone.scoring.reading import make_reader
from touchstone.strategies.base import Caller, Workshop
from touchstone.strategies.draft import Draft, compose
from touchstone.strategies.prompt_search import PromptSearch
from touchstone.strategies.proposer import read_proposals
from touchstone.strategies.search_rounds import Tally, measure_rounds, plan_rounds, planned_calls
from touchstone.strategies.search_variants import Wording, built_in

DEV = tuple(
    case(f"d{place}-{number}", f"{text} {number}", target, "dev")
    for number in range(5)
    for place, (_, text, target) in enumerate(TRAIN)
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


class Table:
    """A bench with one purse, whose models are fakes by name."""

    concurrency = 3

    def __init__(self, ledger: Ledger, models: Mapping[str, FakeModel], cap_usd: float | None, offline: bool) -> None:
        self.purse = Purse(ledger, "bench", cap_usd=cap_usd)
        self.models = models
        self.offline = offline
        self.reader = make_reader(LABELS)
        self.scorers = (Exact(),)
        self.closed = 0

    def make_caller(self, reference: str, parameters: Mapping[str, Any]) -> Caller:
        return Journal(self.models[reference], self.purse, offline=self.offline)

    async def close(self) -> None:
        self.closed += 1


class SearchShop(Shop):
    """A shop whose search asks `learns`, and `writer` where a proposer is named."""

    def __init__(
        self,
        ledger: Ledger,
        folder: Path,
        *,
        offline: bool = False,
        learning: Sequence[Case] = (*train_cases(), *DEV),
        **more: Any,
    ) -> None:
        super().__init__(ledger, folder, learning=learning, open_bench=self._open, **more)
        price = Price(input_usd=1, output_usd=10)
        self.searched = FakeModel("searched", reply=self._answer, price=price)
        self.writer = FakeModel("writer", reply=self._write, price=price)
        self.offline = offline
        self.knows: Any = shown_labels
        self.proposals = json.dumps(["Say refund when money is meant.", "MAGIC: sort it well.", "Hurry."])
        self.benches: list[Table] = []
        self.caps: list[float | None] = []

    def _answer(self, request: ChatRequest) -> Any:
        return self.knows(request)

    def _write(self, _request: ChatRequest) -> FakeReply:
        return FakeReply(text=self.proposals, input_tokens=100, output_tokens=50)

    def _open(self, _what: str, most_usd: float | None) -> Table:
        self.caps.append(most_usd)
        models = {"fake/parrot": self.searched, "fake/writer": self.writer}
        self.benches.append(Table(self.workshop.ledger, models, most_usd, self.offline))
        return self.benches[-1]


def shown_labels(request: ChatRequest) -> str:
    """Right where an example shares a long word with the question; otherwise always the same label."""
    question = set(str(request.messages[-1].content).split())
    for asked, answered in zip(request.messages, request.messages[1:], strict=False):
        common = set(str(asked.content).split()) & question
        if answered.role == "assistant" and any(len(word) > 4 for word in common):
            return str(answered.content)
    return "refund"


def magic_words(request: ChatRequest) -> str:
    """Right where the instruction holds a word; the label is guessed by what is asked."""
    question = str(request.messages[-1].content)
    right = "shipping" if "parcel" in question else "login" if "log in" in question else "refund"
    return right if "MAGIC" in str(request.messages[0].content) else "I cannot say"


async def test_the_best_variant_becomes_the_candidate(ledger: Ledger, tmp_path: Path) -> None:
    """Where only examples help, the winner shows examples; its words and examples are the recipe."""
    shop = SearchShop(ledger, tmp_path)
    candidate = await shop.make("prompt_search")
    found = candidate.about["search"]
    assert found["score"] > found["score_before"]
    assert "examples" in found["winner"]
    assert candidate.shots is not None
    parts = candidate.recipe.parameters
    assert parts["searched"]["written"] == candidate.system
    assert parts["few_shot"]["k"] == candidate.about["k"]
    assert candidate.recipe.strategy == "prompt_search"
    assert found["measured_on"] == "dev"
    assert found["tried"][0]["variant"] == "as it was"
    assert shop.benches[0].closed == 1


class Citing:
    """An ingredient that asks for something more at the end of the system text."""

    name = "citing"
    stage = 30
    parameters: frozenset[str] = frozenset()

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        return draft.with_part(self.name, {}, system=f"{draft.system}\nName your source.")


@pytest.mark.parametrize("own", [{}, {"system": "Sort it. MAGIC helps."}])
async def test_variants_keep_what_ingredients_asked_for(ledger: Ledger, tmp_path: Path, own: dict[str, str]) -> None:
    """Whoever words the instruction, and whatever is made of it, the end of the system text stays."""
    shop = SearchShop(ledger, tmp_path)
    shop.knows = magic_words
    await compose((PromptSearch(), Citing()), shop.spec("prompt_search", proposer="fake/writer", **own), shop.workshop)
    asked = {str(request.messages[0].content) for request in shop.searched.calls}
    assert len(asked) > 3
    assert all(text.endswith("\nName your source.") and text.count("Name your source.") == 1 for text in asked)


async def test_what_there_was_wins_where_nothing_is_better(ledger: Ledger, tmp_path: Path) -> None:
    """Of equals the first is taken, so a search never changes a prompt for nothing."""
    shop = SearchShop(ledger, tmp_path)
    shop.knows = lambda _request: "refund"
    candidate = await shop.make("prompt_search")
    plain = await shop.make("prompt")
    assert candidate.about["search"]["winner"] == "as it was"
    assert candidate.messages(DEV[0]) == plain.messages(DEV[0])


async def test_no_test_case_is_looked_at(ledger: Ledger, tmp_path: Path) -> None:
    """What is sent while searching holds dev cases as questions, and train cases as examples."""
    shop = SearchShop(ledger, tmp_path)
    await shop.make("prompt_search")
    dev, train = {one.text for one in DEV}, {text for _, text, _ in TRAIN}
    for request in shop.searched.calls:
        asked = [str(turn.content) for turn in request.messages if turn.role == "user"]
        assert asked[-1] in dev
        assert set(asked[:-1]) <= train
    assert not {one for one in shop.looked_at if one.startswith("q")}


async def test_the_same_search_asks_nobody_again(ledger: Ledger, tmp_path: Path) -> None:
    """Every call is journalled: made again it takes the same, costs nothing and finds the same candidate."""
    first = SearchShop(ledger, tmp_path)
    one = await first.make("prompt_search", proposer="fake/writer")
    await ledger.drain()
    second = SearchShop(ledger, tmp_path, offline=True)
    other = await second.make("prompt_search", proposer="fake/writer")
    assert first.searched.calls
    assert second.searched.calls == second.writer.calls == []
    assert other.about == one.about
    assert other.recipe.fingerprint == one.recipe.fingerprint


async def test_build_cost_is_what_the_replies_cost(ledger: Ledger, tmp_path: Path) -> None:
    """Dollars, calls and seconds of the models, apart from what asking the candidate will cost."""
    shop = SearchShop(ledger, tmp_path)
    candidate = await shop.make("prompt_search", search={"max_calls": 100, "variants": 6})
    await ledger.drain()
    build = candidate.about["build"]
    assert build["calls"] == len(shop.searched.calls) <= 100
    assert build["usd"] == pytest.approx(shop.benches[0].purse.spent_usd)
    assert build["usd"] > 0


async def test_a_model_may_write_instructions(ledger: Ledger, tmp_path: Path) -> None:
    """Named as `proposer`; what it wrote is tried like the rest, with the form of the answer added."""
    shop = SearchShop(ledger, tmp_path)
    shop.knows = magic_words
    candidate = await shop.make("prompt_search", proposer={"model": "fake/writer", "max_tokens": 500})
    found = candidate.about["search"]
    assert (found["winner"], found["score"], found["written_by_proposer"]) == ("proposed 2", 1, 3)
    assert candidate.system.startswith("MAGIC: sort it well.\nReply with exactly one of these labels")
    [asked] = shop.writer.calls
    assert asked.max_tokens == 500
    text = str(asked.messages[-1].content)
    assert "Task: Name the intent." in text
    assert "Possible answers: refund, shipping, login" in text
    assert any(question in text for _, question, _ in TRAIN)
    assert not any(one.text in text for one in DEV)


async def test_a_proposer_that_writes_no_list_changes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    """The search goes on with its own variants, and says that none was written."""
    shop = SearchShop(ledger, tmp_path)
    shop.proposals = "I would rather not."
    candidate = await shop.make("prompt_search", proposer="fake/writer")
    assert candidate.about["search"]["written_by_proposer"] == 0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('```json\n["a", " b ", "a", 5, "", null]\n```', ("a", "b")),
        ('{"instructions": ["x", "y", "z", "w"]}', ("x", "y", "z")),
        (json.dumps(["x" * 4001, "short"]), ("short",)),
        ("no list", ()),
        ("5", ()),
        ("{}", ()),
    ],
)
def test_proposals_are_the_texts_of_a_list(text: str, wanted: tuple[str, ...]) -> None:
    """What is no text, empty, repeated or endless is passed over."""
    assert read_proposals(text, 3) == wanted


async def test_the_cap_of_the_search_ends_it_at_a_finished_round(ledger: Ledger, tmp_path: Path) -> None:
    """The best of the rounds that were paid is taken, and made again it is the same one."""
    width = {"variants": 6, "rounds": 3, "max_calls": 90}
    free = await SearchShop(ledger, tmp_path).make("prompt_search", search=width, max_tokens=30)
    await ledger.drain()
    spent = free.about["build"]["usd"]

    def shop(folder: Path) -> tuple[SearchShop, Ledger]:
        folder.mkdir(exist_ok=True)
        own = Ledger(folder / "store.db")
        return SearchShop(own, tmp_path), own

    one, own = shop(tmp_path / "a")
    capped = {"search": {**width, "max_usd": 0.75 * spent}, "max_tokens": 30}
    candidate = await one.make("prompt_search", **capped)
    found = candidate.about["search"]
    assert found["stopped_by_its_cap_after_cases"] == found["cases"] < free.about["search"]["cases"]
    assert one.benches[0].purse.balance.spent_usd <= 0.75 * spent
    await own.drain()
    own.close()
    again, own = shop(tmp_path / "a")
    other = await again.make("prompt_search", **capped)
    assert other.about == candidate.about
    own.close()


async def test_a_cap_below_the_first_round_is_told(ledger: Ledger, tmp_path: Path) -> None:
    """Nothing is chosen by chance: what to raise is said."""
    shop = SearchShop(ledger, tmp_path)
    with pytest.raises(BudgetStop, match=r"mine: the money does not cover the first round .* raise search.max_usd"):
        await shop.make("prompt_search", search={"max_usd": 0.001}, max_tokens=20)
    assert shop.benches[0].closed == 1


async def test_a_provider_that_fails_ends_the_search_and_it_goes_on_later(ledger: Ledger, tmp_path: Path) -> None:
    """No failure is a score: nothing is chosen, what was answered is kept, and nobody is asked for it again."""
    shop = SearchShop(ledger, tmp_path)
    left = [20]

    def fails(request: ChatRequest) -> Any:
        left[0] -= 1
        return shown_labels(request) if left[0] > 0 else errors.AccessDenied("the key is not accepted")

    shop.knows = fails
    with pytest.raises(ModelError, match=r"its prompt search could not go on .*the key is not accepted"):
        await shop.make("prompt_search")
    await ledger.drain()
    bought = {request.model_dump_json() for request in shop.searched.calls[:19]}
    again = SearchShop(ledger, tmp_path)
    await again.make("prompt_search")
    assert not bought & {request.model_dump_json() for request in again.searched.calls}


async def test_a_request_that_nobody_takes_counts_as_wrong(ledger: Ledger, tmp_path: Path) -> None:
    """A variant that is too long for the model would fail in service as well; how many is said."""
    shop = SearchShop(ledger, tmp_path)

    def short_only(request: ChatRequest) -> Any:
        if len(request.messages) > 4:
            return errors.RequestRejected("too long")
        return shown_labels(request)

    shop.knows = short_only
    candidate = await shop.make("prompt_search", search={"variants": 20})
    found = candidate.about["search"]
    assert found["rejected_requests"] > 0
    assert all(row["score"] == 0 for row in found["tried"] if "4 " in row["variant"])
    assert found["winner"] == "1 similar example"


async def test_without_dev_cases_a_part_of_train_is_measured_on(ledger: Ledger, tmp_path: Path) -> None:
    """Drawn with the seed; a case is still never its own example."""
    rows = [(f"t{n}", f"{text} {n}", target) for n in range(4) for _, text, target in TRAIN]
    shop = SearchShop(ledger, tmp_path, learning=train_cases(rows))
    candidate = await shop.make("prompt_search")
    assert candidate.about["search"]["measured_on"] == "train"
    for request in shop.searched.calls:
        asked = [str(turn.content) for turn in request.messages if turn.role == "user"]
        assert asked[-1] not in asked[:-1]
    with pytest.raises(UserError, match="measures variants on dev cases and there are fewer than 5"):
        await SearchShop(ledger, tmp_path, learning=train_cases()[:5]).make("prompt_search")


async def test_a_plan_asks_nobody(ledger: Ledger, tmp_path: Path) -> None:
    """It says how many calls a search may take; once the search is stored it knows the winner."""
    shop = SearchShop(ledger, tmp_path, offline=True, planning=True)
    candidate = await shop.make("prompt_search", search={"max_usd": 2})
    assert candidate.about["search"]["planned_calls"] <= 400
    assert candidate.about["search"]["max_usd"] == 2
    assert shop.searched.calls == []
    await SearchShop(ledger, tmp_path).make("prompt_search")
    await ledger.drain()
    known = await SearchShop(ledger, tmp_path, offline=True, planning=True).make("prompt_search")
    assert "examples" in known.about["search"]["winner"]


async def test_an_offline_run_says_what_it_misses(ledger: Ledger, tmp_path: Path) -> None:
    """A prompt that was not searched is no stand-in for one that was."""
    with pytest.raises(UserError, match="replies of its search were never bought, and this run is offline"):
        await SearchShop(ledger, tmp_path, offline=True).make("prompt_search")


async def test_examples_of_the_entry_are_kept(ledger: Ledger, tmp_path: Path) -> None:
    """Joined with `few_shot`, only the words are searched."""
    shop = SearchShop(ledger, tmp_path)
    shop.knows = magic_words
    candidate = await shop.make("few_shot+prompt_search", k=1, choose="fixed", proposer="fake/writer")
    assert candidate.about["search"]["winner"] == "proposed 2"
    assert all(len(request.messages) == 4 for request in shop.searched.calls)
    assert candidate.recipe.strategy == "few_shot+prompt_search"


async def test_a_search_under_another_cap_finds_the_same_candidate(ledger: Ledger, tmp_path: Path) -> None:
    """What it may cost is no part of the recipe; how widely it looks is."""
    prints = [
        (await SearchShop(ledger, tmp_path).make("prompt_search", search=search)).recipe.fingerprint
        for search in ({"max_usd": 5}, {"max_usd": 6}, {"max_usd": 5, "variants": 3})
    ]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"search": 5}, "mine: search is 5; write a mapping"),
        ({"search": {"max_cals": 5}}, "there is no key 'search.max_cals'; closest: max_calls"),
        ({"search": {"max_usd": 0}}, "search.max_usd is 0; write a number above 0"),
        ({"search": {"max_calls": 5}}, "search.max_calls is 5; write a number of at least 10"),
        ({"search": {"max_calls": 20}}, "search.max_calls is 20, which buys 10 variants fewer than 5 answers"),
        ({"search": {"variants": 1}}, "search.variants is 1; write a number of at least 2"),
        ({"proposer": 5}, "proposer is 5; write provider/name"),
        ({"proposer": {"name": "x"}}, "proposer is .*; write provider/name"),
        ({"serch": {}}, "there is no parameter 'serch'; closest: search"),
    ],
)
async def test_a_mistake_is_told_before_anything_is_sent(
    ledger: Ledger, tmp_path: Path, parameters: dict[str, Any], words: str
) -> None:
    """With the key, its value and what to write."""
    shop = SearchShop(ledger, tmp_path)
    with pytest.raises(SettingsError, match=words):
        await shop.make("prompt_search", **parameters)
    assert shop.searched.calls == []


@given(variants=st.integers(1, 64), cases=st.integers(1, 3000), calls=st.integers(1, 5000), rounds=st.integers(1, 10))
def test_rounds_keep_to_their_calls(variants: int, cases: int, calls: int, rounds: int) -> None:
    """Fewer variants on more cases, never more answers than were allowed, nor more cases than there are."""
    planned = plan_rounds(variants, cases, calls, rounds)
    assert planned_calls(planned) <= calls
    assert len(planned) <= rounds
    fields, upto = [one.field for one in planned], [one.cases for one in planned]
    assert fields == sorted(fields, reverse=True)
    assert upto == sorted(set(upto))
    assert all(2 <= field <= variants for field in fields) or variants == 1
    assert all(one <= cases for one in upto)
    assert bool(planned) == (calls >= variants)
    assert not planned or fields[0] == variants


class Scripted:
    """A candidate that is right on the first so many of its cases."""

    recipe = Recipe(model="m", strategy="s")

    def __init__(self, name: str, right: int) -> None:
        self.name = name
        self.right = right
        self.asked: list[str] = []

    async def answer(self, case: Case, *, draw: int = 0) -> Any:
        self.asked.append(case.id)
        from touchstone.models.base import Completion, TextPart

        text = str(case.target) if int(case.id) < self.right else "wrong"
        return Completion(parts=(TextPart(text=text),), cost_usd=0.1, latency_s=0.1, finish="stop")

    async def close(self) -> None:
        pass


async def test_the_worse_part_of_the_field_leaves(ledger: Ledger) -> None:
    """What there was stays to the end; who goes on is not asked again; sums do not depend on the order of replies."""
    cases = [case(str(place), f"q{place}", "yes", "dev") for place in range(40)]
    field = [Scripted(str(right), right) for right in (0, 9, 36, 3, 12, 24, 6, 1)]
    bench = Table(ledger, {}, None, offline=False)
    bench.reader, bench.scorers = TextReader(AnswerSpec()), (Exact(),)
    tally = Tally()
    rounds = plan_rounds(len(field), len(cases), 150, 3)
    best, measured, board, stop = await measure_rounds(field, cases, rounds, bench, tally)
    assert (field[best].name, stop) == ("36", None)
    assert len(field[0].asked) == len(field[best].asked) == measured
    assert all(len(one.asked) == len(set(one.asked)) for one in field)
    assert sum(len(one.asked) for one in field) == planned_calls(rounds) == tally.calls <= 150
    assert min(len(one.asked) for one in field) == rounds[0].cases
    assert tally.cost().usd == pytest.approx(0.1 * tally.calls)
    assert board.mean(best, measured) == min(1, 36 / measured)


class Failing(Scripted):
    """A candidate whose provider is down."""

    async def answer(self, case: Case, *, draw: int = 0) -> Any:
        self.asked.append(case.id)
        raise errors.ProviderFailed("down")


async def test_after_a_failure_nothing_further_is_sent(ledger: Ledger) -> None:
    """What is in flight comes back, and then the search ends."""
    cases = [case(str(place), f"q{place}", "yes", "dev") for place in range(40)]
    field = [Failing("down", 0), Failing("down too", 0)]
    with pytest.raises(errors.ProviderFailed):
        await measure_rounds(field, cases, plan_rounds(2, 40, 80, 1), Table(ledger, {}, None, offline=False), Tally())
    assert sum(len(one.asked) for one in field) <= Table.concurrency


def test_variants_are_edits_that_keep_the_form() -> None:
    """Each differs, the first is what there was, and every one tells the model what the reader looks for."""
    wording = Wording("Name the intent. Be kind.", LABELS)
    found = built_in(
        wording, train_cases(), start=wording.system(wording.instruction), max_tokens=None, with_examples=True
    )
    systems = {one.name: one.system for one in found}
    assert found[0].name == "as it was"
    assert len({one.key for one in found}) == len(found)
    assert all("shipping" in system for system in systems.values())
    assert systems["shorter"].startswith("Name the intent.\nReply with")
    [about_shipping] = [line for line in systems["label words"].splitlines() if line.startswith("- shipping: ")]
    assert "parcel" in about_shipping
    assert "money" not in about_shipping
    assert "- login: I cannot log in" in systems["label samples"]
    assert "Answer: LABEL" in systems["step by step"]
    reader = make_reader(LABELS)
    assert reader.read("It is about a parcel.\nAnswer: shipping", case("q", "?")).answer == "shipping"
    short = built_in(wording, train_cases(), start="x", max_tokens=20, with_examples=False)
    assert "step by step" not in {one.name for one in short}
    assert not any(one.examples for one in short)


@pytest.mark.parametrize("kind", ["choice", "number", "text", "json", "free"])
def test_every_kind_of_answer_has_variants(kind: str) -> None:
    """At least its rules."""
    wording = Wording("Do it.", AnswerSpec(kind=kind))
    found = built_in(wording, (), start=wording.system("Do it."), max_tokens=None, with_examples=False)
    assert len(found) >= 2
    own = Wording("My own words.", AnswerSpec(kind=kind), own_system=True)
    assert "Answer:" not in own.system("My own words.")
