"""What the classical baselines promise: trained on train alone, the same for a seed, at home in two languages."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.base import Case
from touchstone.errors import ExtraMissing, SettingsError, UnknownName, UserError
from touchstone.evaluation.base import Finding, Recipe
from touchstone.evaluation.ledger import Ledger
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.baseline import Baseline, BaselineCandidate, train_logistic, train_majority, train_nearest

EXAMPLES = [
    ("where is my parcel", "shipping"),
    ("my parcel has not arrived yet", "shipping"),
    ("track the delivery of my order", "shipping"),
    ("the courier never came", "shipping"),
    ("我的包裹到哪里了", "shipping"),
    ("快递一直没有送到", "shipping"),
    ("物流信息没有更新", "shipping"),
    ("I want my money back", "refund"),
    ("please refund this purchase", "refund"),
    ("how do I return these shoes", "refund"),
    ("send me a refund for the broken lamp", "refund"),
    ("我想退款", "refund"),
    ("怎么申请退货退款", "refund"),
    ("灯坏了请退钱", "refund"),
    ("I cannot log in", "account"),
    ("reset my password", "account"),
    ("my login is locked", "account"),
    ("登录不了账号", "account"),
    ("忘记密码怎么办", "account"),
    ("change the password of my account", "account"),
]

UNSEEN = [
    ("has the parcel arrived?", "shipping"),
    ("包裹还没有送到", "shipping"),
    ("refund please, the lamp is broken", "refund"),
    ("可以退货吗", "refund"),
    ("I forgot my password", "account"),
    ("密码忘记了，登录不了", "account"),
]


class Split:
    """Train cases that may be read, and test cases that may not."""

    def __init__(self, examples: list[tuple[str, str]]) -> None:
        self.examples = examples
        self.asked: list[str] = []

    def __call__(self, split: str) -> Iterator[Case]:
        self.asked.append(split)
        if split == "test":
            raise ValueError("a strategy may not see the split 'test'")
        yield Case(id="unlabelled", input="nobody knows", split="train")
        for number, (text, label) in enumerate(self.examples):
            yield Case(id=str(number), input=text, target=label, split="train")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


def workshop(ledger: Ledger, split: Split, seed: int = 7) -> Workshop:
    def no_model(_reference: str, _parameters: Any) -> Any:
        raise AssertionError("a baseline asks no model")

    return Workshop(
        instruction="",
        answer=AnswerSpec(kind="label"),
        columns=frozenset(),
        folder=Path(),
        learning_cases=split,
        make_caller=no_model,
        ledger=ledger,
        seed=seed,
    )


def spec(kind: str, **parameters: Any) -> CandidateSpec:
    return CandidateSpec(name=f"my {kind}", model=f"baseline/{kind}", strategy="baseline", parameters=parameters)


async def answers(ledger: Ledger, kind: str, texts: list[str], seed: int = 7, **parameters: Any) -> list[str]:
    candidate = await Baseline().prepare(spec(kind, **parameters), workshop(ledger, Split(EXAMPLES), seed))
    found = [(await candidate.answer(Case(id="q", input=text))).text for text in texts]
    await candidate.close()
    return found


@pytest.mark.parametrize("kind", ["nearest", "logistic"])
async def test_unseen_messages_in_both_languages_get_their_label(ledger: Ledger, kind: str) -> None:
    """Learned from twenty messages; most of six new ones are understood, Chinese as well as English."""
    found = await answers(ledger, kind, [text for text, _ in UNSEEN])
    right = [answer == label for answer, (_, label) in zip(found, UNSEEN, strict=True)]

    assert sum(right) >= 5
    assert sum(right[1::2]) >= 2  # the Chinese ones


@pytest.mark.parametrize("features", ["words", "chars", "both"])
async def test_every_choice_of_features_learns_both_languages(ledger: Ledger, features: str) -> None:
    """Words of Chinese are characters and pairs; a sentence as one word would learn nothing."""
    found = await answers(ledger, "logistic", ["我要退款", "忘记登录密码", "refund", "password"], features=features)
    assert found == ["refund", "account", "refund", "account"]


@pytest.mark.parametrize("kind", ["majority", "nearest", "logistic"])
async def test_the_same_seed_gives_the_same_answers(ledger: Ledger, kind: str) -> None:
    """Answer by answer, also for texts nobody has seen."""
    texts = [f"{word} {other}" for word in ("parcel", "退款", "zebra", "my") for other in ("login", "lamp", "…")]
    assert await answers(ledger, kind, texts, seed=3) == await answers(ledger, kind, texts, seed=3)


async def test_an_answer_costs_nothing_and_is_timed(ledger: Ledger) -> None:
    """Zero money because it is zero, not because nobody knows; latency is the time of predicting."""
    candidate = await Baseline().prepare(spec("majority"), workshop(ledger, Split(EXAMPLES)))
    completion = await candidate.answer(Case(id="q", input="hello"))

    assert (completion.text, completion.cost_usd, completion.finish) == ("refund", 0.0, "stop")
    assert completion.latency_s is not None
    assert completion.latency_s >= 0
    await candidate.close()
    await candidate.close()


@pytest.mark.parametrize("kind", ["majority", "nearest", "logistic"])
async def test_only_the_train_split_is_read(ledger: Ledger, kind: str) -> None:
    """Test cases are never asked for, and rows without a target teach nothing."""
    split = Split(EXAMPLES)
    strategy = Baseline()
    candidate = await strategy.prepare(spec(kind), workshop(ledger, split))

    assert split.asked == ["train"]
    assert strategy.settings(spec(kind), candidate)["trained_on"] == len(EXAMPLES)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_learning_curve_only_adds_cases(ledger: Ledger, seed: int) -> None:
    """What was learned from fewer cases is part of what is learned from more, whichever seed draws them."""
    split = Split([(f"word{n}", f"label{n}") for n in range(30)])
    known: set[str] = set()
    for wanted in (1, 5, 30):
        made = await Baseline().prepare(spec("nearest", train_cases=wanted), workshop(ledger, split, seed))
        assert isinstance(made, BaselineCandidate)
        assert made.trained_on == wanted
        right = {f"label{n}" for n in range(30) if made.predict(f"word{n}") == f"label{n}"}
        await made.close()
        assert known <= right
        assert len(right) == wanted
        known = right


@pytest.mark.parametrize("kind", ["majority", "nearest", "logistic"])
async def test_a_test_case_in_train_is_told_of_whoever_learned_from_it(ledger: Ledger, kind: str) -> None:
    """A nearest example that is the test case itself is no merit; the majority reads no question."""
    found = Finding(kind="leak", template="{row}", values={"row": 3}, blocks=True)
    place = replace(workshop(ledger, Split(EXAMPLES)), leaks=lambda split: (found,) if split == "train" else ())
    candidate = await Baseline().prepare(spec(kind), place)
    told = Baseline().settings(spec(kind), candidate).get("findings", [])
    await candidate.close()

    assert told == ([] if kind == "majority" else [found.model_dump()])


async def test_a_task_without_train_cases_says_what_to_do(ledger: Ledger) -> None:
    """The candidate, the split and the remedy are named."""
    with pytest.raises(UserError, match=r"my majority learns from the train split.*split = train"):
        await Baseline().prepare(spec("majority"), workshop(ledger, Split([])))


async def test_one_label_needs_no_learning(ledger: Ledger) -> None:
    """A train split with a single label answers with it."""
    one = Split([("a", "yes"), ("b", "yes")])
    candidate = await Baseline().prepare(spec("logistic"), workshop(ledger, one))
    assert (await candidate.answer(Case(id="q", input="c"))).text == "yes"


async def test_two_labels_are_told_apart(ledger: Ledger) -> None:
    """The two-class case, which has one row of weights instead of two."""
    two = Split([(text, label) for text, label in EXAMPLES if label != "account"])
    candidate = await Baseline().prepare(spec("logistic"), workshop(ledger, two))
    found = [(await candidate.answer(Case(id="q", input=text))).text for text in ("refund", "parcel", "退款", "快递")]
    assert found == ["refund", "shipping", "refund", "shipping"]


async def test_texts_without_a_word_are_refused_by_name(ledger: Ledger) -> None:
    """Cases that are all pictures cannot teach a bag of words."""
    blank = Split([("", "a"), (" ", "b")])
    with pytest.raises(UserError, match="logistic finds no"):
        await Baseline().prepare(spec("logistic"), workshop(ledger, blank))


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        ("logistic", {"feature": "words"}, "no parameter feature; it takes features, c, train_cases"),
        ("nearest", {"train_cases": 0}, "train_cases is 0; write how many"),
        ("nearest", {"train_cases": True}, "train_cases is True; write how many"),
        ("nearest", {"train_cases": 10_000}, "the train split has "),
        ("majority", {"c": 1.0}, "no parameter c; it takes train_cases"),
        ("logistic", {"features": "letters"}, "features is 'letters'; use one of words, chars, both"),
        ("logistic", {"c": "much"}, "c is 'much'; write a number above 0"),
        ("logistic", {"c": -1}, "c is -1"),
        ("logistic", {"c": float("inf")}, "c is inf"),
        ("logistic", {"c": True}, "c is True"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_named(
    ledger: Ledger, kind: str, parameters: dict[str, Any], words: str
) -> None:
    """With what it may be instead."""
    with pytest.raises(SettingsError, match=words):
        await Baseline().prepare(spec(kind, **parameters), workshop(ledger, Split(EXAMPLES)))


async def test_an_unknown_baseline_names_the_closest(ledger: Ledger) -> None:
    """A slip of the pen is found."""
    with pytest.raises(UnknownName, match="baseline/logistic"):
        await Baseline().prepare(spec("logstic"), workshop(ledger, Split(EXAMPLES)))


async def test_without_scikit_learn_the_extra_is_named(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The light core says what to install; the other baselines need nothing."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'touchstone\[classical\]'"):
        await Baseline().prepare(spec("logistic"), workshop(ledger, Split(EXAMPLES)))
    for kind in ("majority", "nearest"):
        await Baseline().prepare(spec(kind), workshop(ledger, Split(EXAMPLES)))


async def test_a_closed_baseline_answers_no_more(ledger: Ledger) -> None:
    """What it held is released."""
    candidate = await Baseline().prepare(spec("majority"), workshop(ledger, Split(EXAMPLES)))
    await candidate.close()
    with pytest.raises(RuntimeError, match="closed"):
        await candidate.answer(Case(id="q", input="hello"))


labelled = st.lists(st.tuples(st.sampled_from(["a b", "b", "退款", ""]), st.sampled_from("xyz")), min_size=1)


@given(examples=labelled, seed=st.integers(0, 99))
def test_the_majority_is_the_most_frequent_label(examples: list[tuple[str, str]], seed: int) -> None:
    """In whatever order the examples come; ties go to the first in the alphabet."""
    labels = [label for _, label in examples]
    predict, count = train_majority(iter(examples))
    shuffled = random.Random(seed).sample(examples, len(examples))

    assert count == len(examples)
    assert predict("anything") == min(set(labels), key=lambda label: (-labels.count(label), label))
    assert train_majority(shuffled)[0]("anything") == predict("anything")


@given(examples=labelled)
def test_nearest_answers_with_a_label_of_an_example_that_shares_a_word(examples: list[tuple[str, str]]) -> None:
    """And with the most frequent label where none does."""
    predict, count = train_nearest(iter(examples))

    assert count == len(examples)
    assert predict("zebra") == train_majority(examples)[0]("zebra")
    with_b = {label for text, label in examples if "b" in text}
    assert not with_b or predict("b") in with_b


def test_the_penalty_is_felt() -> None:
    """A tiny `c` holds the weights back until only the most frequent label is left."""
    many = [*EXAMPLES, *[("parcel", "shipping")] * 40]
    predict, _ = train_logistic(many, c=1e-6)
    assert {predict(text) for text, _ in UNSEEN} == {"shipping"}


@pytest.mark.parametrize("kind", ["majority", "nearest", "logistic"])
async def test_asked_many_times_at_once_it_answers_as_one_by_one(ledger: Ledger, kind: str) -> None:
    """Sixteen questions in flight get the labels that they get alone."""
    spec = CandidateSpec(name="b", model=f"baseline/{kind}", strategy="baseline")
    candidate = await Baseline().prepare(spec, workshop(ledger, Split(EXAMPLES)))
    cases = [Case(id=str(place), input=text) for place, (text, _) in enumerate((UNSEEN + EXAMPLES) * 8)]
    serial = [(await candidate.answer(case)).text for case in cases]
    gate = asyncio.Semaphore(16)

    async def one(case: Case) -> str:
        async with gate:
            return (await candidate.answer(case)).text

    assert await asyncio.gather(*map(one, cases)) == serial
    await candidate.close()
    await candidate.close()
    with pytest.raises(RuntimeError, match="was closed"):
        await candidate.answer(cases[0])


async def test_predicting_leaves_the_event_loop_free() -> None:
    """What is measured beside it goes on meanwhile, and nobody's waiting for a turn is on its clock."""
    went_on = threading.Event()
    seen: list[bool] = []

    def predict(text: str) -> str:
        seen.append(went_on.wait(30.0))
        time.sleep(0.05)
        return text

    candidate = BaselineCandidate("b", Recipe(model="m", strategy="baseline"), predict, 1)
    asked = [asyncio.create_task(candidate.answer(Case(id="1", input="x"))) for _ in range(9)]
    await asyncio.sleep(0.01)
    went_on.set()
    latencies = sorted(completion.latency_s or 0.0 for completion in await asyncio.gather(*asked))
    await candidate.close()

    assert all(seen)
    assert 0.04 < latencies[4] < 0.25


@pytest.mark.parametrize("kind", ["majority", "nearest", "logistic"])
async def test_a_plan_trains_no_baseline_and_knows_it_all_the_same(
    ledger: Ledger, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tells it from others is what it learns from, so a plan finds the answers of the trained one."""
    own = spec(kind, train_cases=12)
    trained = await Baseline().prepare(own, workshop(ledger, Split(EXAMPLES)))

    def never(*_arguments: Any, **_options: Any) -> Any:
        raise AssertionError("a plan trains nothing")

    from touchstone.strategies import baseline

    monkeypatch.setattr(
        baseline, "_TRAINERS", {name: (never, known) for name, (_, known) in baseline._TRAINERS.items()}
    )
    plan = replace(workshop(ledger, Split(EXAMPLES)), planning=True)
    planned = await Baseline().prepare(own, plan)
    told, seen = (dict(Baseline().settings(own, one)) for one in (planned, trained))
    assert (told.pop("build")["took_s"], seen.pop("build")["took_s"] is None) == (None, False)
    assert told == seen
    assert planned.recipe == trained.recipe
    monkeypatch.setitem(sys.modules, "sklearn", None)
    if kind == "logistic":
        with pytest.raises(ExtraMissing):
            await Baseline().prepare(own, plan)
