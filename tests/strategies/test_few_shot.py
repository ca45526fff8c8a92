"""What few-shot promises: the examples that were asked for, as the reader would read them, never the case itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies.shop import TRAIN, Shop, case, shown, train_cases, turns

from touchstone.data.base import Case
from touchstone.errors import SettingsError, UserError
from touchstone.evaluation.ledger import Ledger, canonical, key_of
from touchstone.models.base import ImagePart, Message, TextPart
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.reading import make_reader
from touchstone.strategies.chat import Shown
from touchstone.strategies.example_answer import AnswerWriter
from touchstone.strategies.example_choice import Nearest, at_random, diverse
from touchstone.strategies.example_pool import Example, Pool, question_key, read_pool

ASKED = case("q1", "Where did my parcel go?")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


@pytest.fixture
def shop(ledger: Ledger, tmp_path: Path) -> Shop:
    return Shop(ledger, tmp_path)


async def test_examples_stand_as_turns_before_the_case(shop: Shop) -> None:
    """System text, then question and answer of each example, then the case, whose text is never looked at again."""
    candidate = await shop.make(k=2, choose="fixed")
    messages = candidate.messages(case("q1", "Is {input} a {label}?"))

    assert [turn.role for turn in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [turn.content for turn in messages[1:]] == [
        "I want my money back",
        "refund",
        "Give me the money back, please",
        "refund",
        "Is {input} a {label}?",
    ]
    assert "- refund" in str(messages[0].content)


async def test_no_example_asks_what_prompt_asks(shop: Shop) -> None:
    """With k = 0 the request is the very same, so that a stored reply serves both; no train case is read for it."""
    none, plain = await shop.make(k=0), await shop.make("prompt")
    assert none.request(ASKED) == plain.request(ASKED)
    assert key_of(none.caller.endpoint, canonical(none.request(ASKED))) == key_of(
        plain.caller.endpoint, canonical(plain.request(ASKED))
    )
    assert none.asks == plain.asks
    assert shop.looked_at == []
    assert none.recipe.strategy == "few_shot"


async def test_the_nearest_stands_last(shop: Shop) -> None:
    """By BM25 over the questions, each case its own; `as_is` turns the order round."""
    last = shown((await shop.make(k=2, choose="similar")).request(ASKED))
    first = shown((await shop.make(k=2, choose="similar", order="as_is")).request(ASKED))
    assert last[-1] == "Where is my parcel"
    assert first == list(reversed(last))
    other = shown((await shop.make(k=2)).request(case("q2", "log in fails, my password does not work")))
    assert other == ["I cannot log in", "My password does not work when I log in"]


async def test_where_no_word_is_shared_the_first_of_the_file_fill_up(shop: Shop) -> None:
    """A case unlike all others is still shown k examples."""
    found = shown((await shop.make(k=3)).request(case("q", "zzz")))
    assert sorted(found) == sorted(text for _, text, _ in TRAIN[:3])


async def test_a_drawn_set_is_the_same_for_every_case(shop: Shop) -> None:
    """Seeded, and with a larger k the smaller set comes first: a sweep adds examples to those that are there."""
    two, four = [await shop.make(k=k, choose="random") for k in (2, 4)]
    assert shown(two.request(ASKED)) == shown(two.request(case("q", "other")))
    assert shown(four.request(ASKED))[:2] == shown(two.request(ASKED))
    again = await shop.make(k=2, choose="random")
    assert shown(again.request(ASKED)) == shown(two.request(ASKED))
    shop.workshop = replace(shop.workshop, seed=8)
    assert shown((await shop.make(k=4, choose="random")).request(ASKED)) != shown(four.request(ASKED))


async def test_diverse_examples_cover_the_labels(shop: Shop) -> None:
    """With `per_label` every label is shown before any is shown twice."""
    candidate = await shop.make(k=3, choose="diverse", per_label=True)
    answers = [text for role, text in turns(candidate.request(ASKED)) if role == "assistant"]
    assert sorted(answers) == ["login", "refund", "shipping"]


async def test_named_examples_are_shown_in_their_order(shop: Shop) -> None:
    """By id; k may take the first of them."""
    candidate = await shop.make(examples=["t5", "t1", "t3"])
    assert shown(candidate.request(ASKED)) == ["I cannot log in", "I want my money back", "Where is my parcel"]
    fewer = await shop.make(examples=["t5", "t1", "t3"], k=1)
    assert shown(fewer.request(ASKED)) == ["I cannot log in"]


@pytest.mark.parametrize("choose", ["similar", "diverse", "random", "fixed"])
async def test_a_case_is_never_its_own_example(shop: Shop, choose: str) -> None:
    """Also where only capitals, punctuation and spacing differ; another example takes the place."""
    candidate = await shop.make(k=5, choose=choose)
    for _, text, _ in TRAIN:
        for asked in (text, f"  {text.upper()}!! ", text.replace(" ", "  ")):
            found = shown(candidate.request(case("q", asked)))
            assert text not in found
            assert len(found) == 5


async def test_what_was_held_back_is_said(ledger: Ledger, tmp_path: Path) -> None:
    """Train cases that ask what a test case asks are counted and named; to all other cases they are shown."""
    shop = Shop(ledger, tmp_path, tested=[case("q1", "WHERE is my parcel?"), case("q2", "else")])
    settings = await shop.settings(k=2, choose="random")
    assert settings["held_back_from_twins"] == 1
    assert settings["held_back_ids"] == ["t3"]


async def test_settings_say_what_is_shown(shop: Shop) -> None:
    """How many, how they were chosen, which ones where all cases share them, and a digest of what they came from."""
    settings = await shop.settings(k=2, choose="fixed")
    assert settings["strategy"] == "few_shot"
    assert (settings["k"], settings["examples"], settings["choose"]) == (2, 2, "fixed")
    assert settings["example_ids"] == ["t1", "t2"]
    similar = await shop.settings(k=3)
    assert (similar["example_ids"], similar["pool"], similar["order"]) == (None, 6, "best_last")
    assert len(similar["pool_digest"]) == 12
    assert similar["prompt_digest"] != settings["prompt_digest"]
    json.dumps(similar)


async def test_another_pool_is_another_recipe(ledger: Ledger, tmp_path: Path) -> None:
    """What is shown makes the candidate; the same cases give the same one."""
    prints = set()
    for rows in (TRAIN, TRAIN, TRAIN[:-1], [*TRAIN[:-1], ("t6", TRAIN[5][1], "refund")]):
        candidate = await Shop(ledger, tmp_path, learning=train_cases(rows)).make(k=2)
        prints.add((candidate.recipe.fingerprint, candidate.asks[-2]))
    assert len(prints) == 3


async def test_cases_that_are_no_examples_are_left_out(ledger: Ledger, tmp_path: Path) -> None:
    """Without a target, a question that stood there before, or without a column of the template."""
    learning = (
        case("a", "one", "refund", "train", fields={"shop": "x"}),
        case("b", "One!", "login", "train", fields={"shop": "x"}),
        case("c", "two", None, "train", fields={"shop": "x"}),
        case("d", "three", "login", "train"),
        case("e", "four", "login", "dev", fields={"shop": "x"}),
    )
    shop = Shop(ledger, tmp_path, learning=learning, columns=["shop"])
    settings = await shop.settings(k=1, choose="random", prompt="{shop}: {input}")
    assert settings["example_ids"] == ["a"]
    assert settings["pool_left_out"] == {"no target": 1, "repeats": 1, "no column": 1}
    dev = await shop.make(k=1, split="dev")
    assert shown(dev.request(ASKED)) == ["four"]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"k": -1}, "k is -1; write how many examples are shown, from 0 to 256"),
    ({"k": True}, "k is True"),
    ({"k": "four"}, "k is 'four'"),
    ({"choose": "similer"}, "choose is 'similer'; closest: similar"),
    ({"order": "worst"}, "order is 'worst'; closest: as_is, best_last"),
    ({"split": "test"}, "split is 'test'; closest: train, dev"),
    ({"k": 7}, "k is 7 and the train split has 6 different cases"),
    ({"examples": "t1"}, "examples is 't1'; write a list of case ids"),
    ({"examples": ["t9"]}, "the example 't9' is no case of train with a target of its own; closest: t"),
    ({"examples": ["t1"], "k": 2}, "k is 2 and examples names 1"),
    ({"examples": ["t1", "t2", "t1"]}, "examples names t1 twice"),
    ({"examples": ["t1"], "choose": "random"}, "leave one of them out"),
    ({"choose": "random", "order": "best_last"}, "best_last needs a best one"),
    ({"per_label": True}, "per_label goes with choose: diverse"),
    ({"per_label": "yes", "choose": "diverse"}, "per_label is 'yes'"),
    ({"example_answer": 5}, "example_answer is 5; write it as text"),
    ({"example_answer": "{targt}"}, r"the template uses \{targt\}"),
    ({"example_answer": "none of them"}, "would not be read as 'refund'"),
    ({"kk": 2}, "there is no parameter 'kk'; closest: k"),
    ({"split": "dev", "k": 1}, "the dev split and it has none with a target"),
]


@pytest.mark.parametrize(("parameters", "words"), MISTAKES, ids=[str(given)[:50] for given, _ in MISTAKES])
async def test_a_mistake_is_told_before_anything_is_sent(shop: Shop, parameters: dict[str, Any], words: str) -> None:
    """The candidate is named, and what to write instead."""
    with pytest.raises(UserError, match=words) as caught:
        await shop.make(**parameters)
    assert str(caught.value).startswith("mine")
    assert shop.model.calls == []


async def test_a_parameter_of_few_shot_names_its_strategy(shop: Shop) -> None:
    """Who forgets the strategy is told which one knows the parameter."""
    with pytest.raises(SettingsError, match="'k' belongs to the strategy few_shot; write strategy: few_shot"):
        await shop.make("prompt", k=4)


WRITTEN: list[tuple[AnswerSpec, dict[str, Any], str]] = [
    (AnswerSpec(kind="label", labels=("a b", "c")), {"target": "a b"}, "a b"),
    (
        AnswerSpec(kind="label", labels=("a b", "c"), source="json", argument="out.label"),
        {"target": "c"},
        '{"out": {"label": "c"}}',
    ),
    (AnswerSpec(kind="label", labels=("a", "c"), source="after", argument="Final:"), {"target": "c"}, "Final: c"),
    (AnswerSpec(kind="choice"), {"target": "B", "options": ("x", "y")}, "Answer: B"),
    (AnswerSpec(kind="choice"), {"target": "y", "options": ("x", "y")}, "Answer: B"),
    (AnswerSpec(kind="choice", source="first_line"), {"target": "A", "options": ("x", "y")}, "A"),
    (AnswerSpec(kind="number"), {"target": "1,260"}, "Answer: 1,260"),
    (AnswerSpec(kind="number", source="json", argument="total"), {"target": "12.5"}, '{"total": 12.5}'),
    (AnswerSpec(kind="text"), {"target": '["NYC", "New York"]'}, "NYC"),
    (AnswerSpec(kind="text", source="json", argument="a"), {"target": "naïve"}, '{"a": "naïve"}'),
    (AnswerSpec(kind="json"), {"target": '{"b": 1, "a": [2]}'}, '{"b": 1, "a": [2]}'),
    (AnswerSpec(kind="json", source="json", argument="found"), {"target": '{"b": 1}'}, '{"found": {"b": 1}}'),
    (AnswerSpec(kind="free"), {"target": "A poem.\nOf two lines."}, "A poem.\nOf two lines."),
    (AnswerSpec(kind="number", source="regex", argument=r"Answer: (\d+)"), {"target": "42"}, "Answer: 42"),
]


@pytest.mark.parametrize(("answer", "made", "wanted"), WRITTEN, ids=[str(number) for number in range(len(WRITTEN))])
def test_an_answer_is_written_as_the_reader_wants_it(answer: AnswerSpec, made: dict[str, Any], wanted: str) -> None:
    """The form that the system text asks for; the reader of the task gets the target out of it."""
    writer = AnswerWriter(answer, make_reader(answer), None, "mine")
    assert writer.write(Case(id="1", input="?", **made)) == wanted


def test_a_form_of_ones_own_may_show_the_way(ledger: Ledger, tmp_path: Path) -> None:
    """Columns such as a worked solution stand in it; it must still be read as the target."""
    answer = AnswerSpec(kind="number")
    writer = AnswerWriter(answer, make_reader(answer), "{solution} So the answer is {target}.", "mine")
    shown_case = Case(id="1", input="?", target="7", fields={"solution": "3 and 4 are {target}."})
    assert writer.write(shown_case) == "3 and 4 are {target}. So the answer is 7."


def test_an_answer_that_would_be_misread_is_refused() -> None:
    """A regex that fits no form we know: the user says how, before anything is paid."""
    answer = AnswerSpec(kind="label", labels=("a", "b"), source="regex", argument="<(.)>")
    with pytest.raises(SettingsError, match="the example 1, written as 'a', would not be read as 'a'"):
        AnswerWriter(answer, make_reader(answer), None, "mine").write(Case(id="1", input="?", target="a"))


async def test_structured_examples_are_json(shop: Shop) -> None:
    """A candidate that is held to a schema is shown answers that keep to it."""
    candidate = await shop.make(k=1, choose="fixed", structured=True)
    request = candidate.request(ASKED)
    assert turns(request)[1] == ("assistant", '{"answer": "refund"}')
    assert request.response_format is not None
    schema = request.response_format["json_schema"]["schema"]
    assert schema["properties"]["answer"]["enum"] == ["refund", "shipping", "login"]


async def test_options_and_images_of_an_example_are_shown(ledger: Ledger, tmp_path: Path) -> None:
    """As in a case of its own."""
    (tmp_path / "a.png").write_bytes(b"picture")
    learning = (
        case("a", "Which?", "y", "train", options=("x", "y"), image="a.png"),
        case("b", "What?", "x", "train", options=("x", "y"), image="gone.png"),
    )
    shop = Shop(ledger, tmp_path, learning=learning, answer=AnswerSpec(kind="choice"))
    candidate = await shop.make(examples=["a"])
    asked = candidate.messages(case("q", "And here?", options=("p", "q")))
    wanted = "data:image/png;base64," + base64.b64encode(b"picture").decode()
    assert asked[1].content == (TextPart(text="Which?\n\nA. x\nB. y"), ImagePart(url=wanted))
    assert asked[2].content == "Answer: B"
    with pytest.raises(SettingsError, match=r"mine: the example b cannot be shown: .*gone.png"):
        await shop.make(examples=["a", "b"])
    assert shop.model.calls == []


async def test_conversations_come_after_the_examples(ledger: Ledger, tmp_path: Path) -> None:
    """An example that is a conversation is shown turn by turn; what a case says to the system comes before them."""

    def talk(number: str, split: Any, target: str | None, *said: tuple[Any, str]) -> Case:
        turns = tuple(Message(role=role, content=text) for role, text in said)
        return Case(id=number, messages=turns, split=split, target=target)

    learning = (
        talk("a", "train", "login", ("system", "x"), ("user", "hi"), ("assistant", "yes?"), ("user", "no password")),
    )
    shop = Shop(ledger, tmp_path, learning=learning)
    asked = (await shop.make(k=1)).messages(talk("q", "test", None, ("system", "today"), ("user", "my password")))
    assert [(turn.role, turn.content) for turn in asked[1:]] == [
        ("system", "today"),
        ("user", "hi"),
        ("assistant", "yes?"),
        ("user", "no password"),
        ("assistant", "login"),
        ("user", "my password"),
    ]


async def test_what_an_example_holds_is_never_filled_in(ledger: Ledger, tmp_path: Path) -> None:
    """Braces in a question or a target stay what they are (R17)."""
    learning = (case("a", "{id} {input} {passages}", "{target}", "train"),)
    shop = Shop(ledger, tmp_path, learning=learning, answer=AnswerSpec(kind="text"))
    asked = turns((await shop.make(k=1, prompt="Q: {input}")).request(ASKED))
    assert asked[:2] == [("user", "Q: {id} {input} {passages}"), ("assistant", "{target}")]


WORDS = ("parcel", "late", "money", "back", "log", "in", "退", "款", "?", "!", "where")
words_of_cases = st.lists(st.sampled_from(WORDS), max_size=5)


@given(rows=st.lists(st.tuples(words_of_cases, st.sampled_from("xyz")), max_size=12), count=st.integers(0, 14))
def test_any_set_is_different_examples_of_the_pool(rows: list[tuple[list[str], str]], count: int) -> None:
    """Diverse and drawn ones: as many as there are, none twice, the smaller set first."""
    answer = AnswerSpec(kind="text")
    cases = [case(str(place), " ".join(words), target, "train") for place, (words, target) in enumerate(rows)]
    pool = read_pool(cases, AnswerWriter(answer, make_reader(answer), None, "m"), None, seed=1)
    assert len(pool.examples) + pool.repeated == len(cases)
    assert len({question_key(one.shown.case) for one in pool.examples}) == len(pool.examples)
    sets: dict[str, Callable[[int], Sequence[Example]]] = {
        "random": lambda n: at_random(pool, n, 3),
        "diverse": lambda n: diverse(pool, n, 0),
        "labels": lambda n: diverse(pool, n, 0, per_label=True),
    }
    for choose in sets.values():
        ids = [one.id for one in choose(count)]
        assert len(ids) == len(set(ids)) == min(count, len(pool.examples))
        assert ids[:-1] == [one.id for one in choose(len(ids) - 1)] if ids else True
    targets = {one.target for one in pool.examples}
    covered = {one.target for one in diverse(pool, count, 0, per_label=True)}
    assert len(covered) == min(count, len(targets))


def test_a_large_split_is_drawn_from() -> None:
    """Memory holds so many examples at most; each case had the same chance, and their order is the file's."""
    answer = AnswerSpec(kind="text")
    cases = [case(str(place), f"text {place}", "x", "train") for place in range(2000)]
    writer = AnswerWriter(answer, make_reader(answer), None, "m")
    pool = read_pool(cases, writer, None, seed=5, most=100)
    places = [int(one.id) for one in pool.examples]
    assert len(places) == 100
    assert places == sorted(places)
    assert 700 < sum(places) / 100 < 1300
    assert isinstance(pool, Pool)
    assert pool.digest == read_pool(cases, writer, None, seed=5, most=100).digest


def test_a_sweep_looks_for_the_nearest_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are shown, the first of them are the same; one index and one look a question serve a whole sweep."""
    from touchstone.retrieval.bm25 import BM25

    looks: list[str] = []
    kept = BM25.top

    def top(self: BM25, query: str, k: int = 1) -> list[tuple[int, float]]:
        looks.append(query)
        return kept(self, query, k)

    monkeypatch.setattr(BM25, "top", top)
    texts = [f"order {number} of word{number % 7} and word{number % 11}" for number in range(60)]
    pool = Pool([Example(Shown(case(f"c{n}", text, "x", "train"), "x"), n) for n, text in enumerate(texts)], len(texts))
    asked = case("q", "where is word3 of order 17 and word5")
    found = [[one.case.id for one in Nearest(pool, k, best_last=False).choose(asked)] for k in (1, 4, 15, 40)]
    assert [found[3][: len(few)] for few in found] == found
    assert looks == [asked.text] * 2
