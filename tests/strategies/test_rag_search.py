"""What the search for retrieval settings promises: measured on dev cases alone, under a cap, told as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.strategies.shop import Shop, case

from touchstone.catalog.base import Price
from touchstone.errors import BudgetStop, UserError
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel
from touchstone.retrieval.base import Found, Passage
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.exact import Exact
from touchstone.scoring.reading import make_reader
from touchstone.strategies.base import Caller
from touchstone.strategies.chat import PromptCandidate
from touchstone.strategies.draft import compose, describe
from touchstone.strategies.rag import Rag
from touchstone.strategies.rag_search import grid, measure
from touchstone.strategies.rag_settings import RagSettings, TuneSettings

TEXT = AnswerSpec(kind="text")
GOODS = ("lamp", "chair", "table", "shelf", "clock", "mirror", "carpet", "kettle", "pillow", "basket")
DOCUMENT = "".join(
    f"## The {name}\n\nPeople like the {name}. The {name} is sold in our shop. It costs {place + 10} dollars.\n\n"
    for place, name in enumerate(GOODS)
)
DEV = tuple(
    case(f"d{place}", f"What does the {name} cost?", f"{place + 10} dollars", "dev",
         fields={"section": f"The {name}", "file": "goods.md", "says": f"costs {place + 10} dollars"})
    for place, name in enumerate(GOODS)
)  # fmt: skip
TEST = tuple(case(f"t{place}", f"Price of the {name}, please?", None, "test") for place, name in enumerate(GOODS))
OVER = {"size": [10, 40], "passages": [1, 2], "retriever": ["lexical"], "rerank": [None]}


class Table:
    """A bench with one purse and one model."""

    concurrency = 3

    def __init__(self, ledger: Ledger, model: FakeModel, cap_usd: float | None, offline: bool) -> None:
        self.purse = Purse(ledger, "bench", cap_usd=cap_usd)
        self.model, self.offline = model, offline
        self.reader = make_reader(TEXT)
        self.scorers = (Exact(),)
        self.closed = 0

    def make_caller(self, reference: str, parameters: Mapping[str, Any]) -> Caller:
        return Journal(self.model, self.purse, offline=self.offline)

    async def close(self) -> None:
        self.closed += 1


class Goods(Shop):
    """A shop of ten goods; its model says a price only where a passage does."""

    def __init__(self, ledger: Ledger, folder: Path, *, offline: bool = False, **more: Any) -> None:
        (folder / "goods.md").write_text(DOCUMENT)
        super().__init__(ledger, folder, learning=(*DEV, *TEST), answer=TEXT, workspace=folder / "home",
                         columns=("section", "file", "says"), open_bench=self._open, **more)  # fmt: skip
        self.reader = FakeModel("reader", reply=self._say, price=Price(input_usd=1, output_usd=1))
        self.offline = offline
        self.benches: list[Table] = []

    def _say(self, request: ChatRequest) -> str:
        above, _, question = str(request.messages[-1].content).partition("Question: ")
        name = next((name for name in GOODS if name in question), "")
        for line in above.replace(". ", ".\n").splitlines():
            if "costs" in line and name in above:
                return line.removeprefix("It costs ").rstrip(".")
        return "I do not know"

    def _open(self, _what: str, most_usd: float | None) -> Table:
        self.benches.append(Table(self.workshop.ledger, self.reader, most_usd, self.offline))
        return self.benches[-1]

    async def tune(self, tune: Any, **more: Any) -> PromptCandidate:
        given = {"documents": "goods.md", "chunk": {"way": "sentence", "size": 10}, "passages": 1, **more}
        return await compose((Rag(),), self.spec("rag", **given, tune=tune), self.workshop)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


@pytest.fixture
def goods(ledger: Ledger, tmp_path: Path) -> Goods:
    return Goods(ledger, tmp_path)


async def test_the_settings_whose_answers_are_best_are_taken(goods: Goods) -> None:
    """One small passage never holds a price; the search finds settings under which it does, and says what they are."""
    candidate = await goods.tune({"over": OVER})
    told = describe(goods.spec("rag"), candidate)
    found = told["tuned"]
    assert found["score"] > found["score_before"] == 0
    assert found["by"] == "answers"
    assert told["chunk"]["size"] == 40
    assert found["answers"][0]["variant"] == "sentence, size 10, lexical, 1 passages"
    assert found["measured_on"] == "dev"
    assert told["build"]["calls"] == len(goods.reader.calls)
    assert told["build"]["usd"] > 0
    assert goods.benches[0].closed == 1


async def test_no_test_case_is_looked_at(goods: Goods) -> None:
    """Only dev cases are asked while searching."""
    await goods.tune({"over": OVER})
    assert goods.reader.calls
    assert not any("please" in str(call.messages[-1].content) for call in goods.reader.calls)
    assert not {one.id for one in TEST} & set(goods.looked_at)


async def test_the_same_search_again_is_the_same_and_buys_nothing(goods: Goods) -> None:
    """Replies are found in the store; winner, recipe and what it cost are told alike."""
    first = await goods.tune({"over": OVER})
    bought = len(goods.reader.calls)
    again = await goods.tune({"over": OVER})
    assert len(goods.reader.calls) == bought
    assert again.recipe == first.recipe
    told = [dict(describe(goods.spec("rag"), one)) for one in (first, again)]
    for one in told:
        one["build"] = {key: value for key, value in one["build"].items() if key != "took_s"}
    assert told[0] == told[1]


@pytest.mark.parametrize("gold", ["file", {"heading": "section"}, {"text": "says"}])
async def test_by_passages_nobody_is_asked(goods: Goods, gold: Any) -> None:
    """Where the cases say which passages are right, settings are measured by what they find alone."""
    candidate = await goods.tune({"over": OVER, "gold": gold, "by": "passages"})
    found = describe(goods.spec("rag"), candidate)["tuned"]
    assert goods.benches == []
    assert found["winner"] == found["passages"][0]["settings"]
    best = found["passages"][0]
    assert best["recall"] == 1
    assert best["tokens"] == min(one["tokens"] for one in found["passages"] if one["recall"] == 1)


async def test_passages_first_then_answers(goods: Goods) -> None:
    """With both, all settings are measured by what they find, and only the best and the entry's own are asked about."""
    candidate = await goods.tune({"over": OVER, "gold": {"text": "says"}, "variants": 2})
    found = describe(goods.spec("rag"), candidate)["tuned"]
    assert len(found["passages"]) == 4
    own = "sentence, size 10, lexical, 1 passages"
    best = next(one["settings"] for one in found["passages"] if one["settings"] != own)
    assert [one["variant"] for one in found["answers"]] == [own, best]


async def test_labelled_cases_are_searched_without_sizes(goods: Goods) -> None:
    """What is not cut has no size: retriever, number and reranker are what is left to try."""
    wanted = RagSettings(documents={"cases": "train"})  # type: ignore[arg-type]
    tried = grid(wanted, TuneSettings(), "mine")
    assert {one.chunk.size for one in tried} == {None}
    assert len(tried) == 13  # three numbers, two retrievers, with and without; and the entry's own four passages


def test_a_grid_has_each_setting_once() -> None:
    """The entry's own come first and are not tried twice."""
    wanted = RagSettings(documents="d.md", passages=3)  # type: ignore[arg-type]
    tried = grid(wanted, TuneSettings(over={"passages": (3, 3, 5), "size": (200,)}), "mine")
    assert tried[0] == wanted
    dumped = [one.model_dump_json() for one in tried]
    assert len(set(dumped)) == len(dumped) == 9


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ({"by": "passages"}, "gold"),
        ({"gold": {"document": "file", "text": "says"}}, "one column"),
        ({"gold": "nothing"}, "does not have|do not have"),
        ({"over": {"passages": [0]}}, "passages is 0"),
        ({"over": {"size": list(range(1, 400)), "passages": [1, 2, 3]}}, "fewer values"),
        ({"over": {"colour": [1]}}, "colour|one of"),
        ({"max_calls": 10, "over": OVER}, "max_calls is 10"),
        ({"max_cals": 10}, "closest: max_calls"),
    ],
)
async def test_what_is_refused(goods: Goods, tune: Mapping[str, Any], said: str) -> None:
    """Before anything is paid: what is wrong and what to write."""
    with pytest.raises(UserError, match=said):
        await goods.tune(tune)
    assert not goods.reader.calls


async def test_without_dev_cases(ledger: Ledger, tmp_path: Path) -> None:
    """There is nothing to measure on, and the error says how to get some."""
    shop = Goods(ledger, tmp_path)
    shop.learning = TEST
    with pytest.raises(UserError, match=r"dev: 0\.2"):
        await shop.tune({"over": OVER})


async def test_the_cap_holds(goods: Goods) -> None:
    """Too little money for the first round stops the search and says which setting raises it."""
    with pytest.raises(BudgetStop, match=r"tune\.max_usd"):
        await goods.tune({"over": OVER, "max_usd": 0.0001})


async def test_offline_without_replies(ledger: Ledger, tmp_path: Path) -> None:
    """What was never bought cannot be searched offline."""
    with pytest.raises(UserError, match="offline"):
        await Goods(ledger, tmp_path, offline=True).tune({"over": OVER})


async def test_a_plan_tells_the_calls_and_asks_nobody(ledger: Ledger, tmp_path: Path) -> None:
    """Nothing is indexed and nobody asked; with replies in the store the plan is of the winner."""
    planner = Goods(ledger, tmp_path, offline=True, planning=True)
    first = describe(planner.spec("rag"), await planner.tune({"over": OVER, "max_calls": 80}))
    assert first["build"] == {"usd": None, "took_s": None, "calls": first["build"]["calls"], "forecast": True}
    assert 0 < first["build"]["calls"] <= 80
    assert not planner.reader.calls

    real = await Goods(ledger, tmp_path).tune({"over": OVER, "max_calls": 80})
    known = await planner.tune({"over": OVER, "max_calls": 80})
    assert known.recipe == real.recipe


def test_measured_by_hand() -> None:
    """Two right texts, found at places 1 and 3 of three: recall, reciprocal rank and nDCG as on paper."""

    class Fixed:
        wanted = RagSettings(documents="d", passages=3)  # type: ignore[arg-type]

        def found(self, _case: Any) -> tuple[Found, ...]:
            texts = ("costs 10 dollars", "costs 10 dollars again", "open on Sunday")
            return tuple(
                Found(passage=Passage(id=f"{place}", document="d", text=text), score=1.0)
                for place, text in enumerate(texts)
            )

    asked = case("d1", "?", None, "dev", fields={"says": "costs 10  dollars; open on Sunday; nowhere"})
    measured = measure(Fixed(), [asked], "text", "says")  # type: ignore[arg-type]
    assert measured.recall == pytest.approx(2 / 3)
    assert measured.reciprocal_rank == 1
    assert measured.ndcg == pytest.approx((1 + 0.5) / (1 + 0.63093 + 0.5), abs=1e-4)
