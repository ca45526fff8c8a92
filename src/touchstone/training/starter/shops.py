"""
Invented shops and conversations about them: what the starter models learn to read from.

Every shop has facts of its own, so that nothing can be known by heart: whoever answers must have read the passages, or
must have seen the answer in the turns before. Without either the models learn that some answer of the right kind is
given, which is what guessing looks like.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Literal

from touchstone.training.starter.values import VALUES, product_name, proper, shop_name

Form = Literal["short", "full"]
"""How a shop answers: with the fact alone, or in a whole sentence."""

Turn = tuple[str, str]
"""(role, text)."""

_PLAIN_SYSTEMS = (
    "Answer the customer's question.",
    "You answer questions of customers.",
    "You work at the help desk of {shop}. Answer the customer's question.",
    "Answer the customer's question about the shop.",
    "You are the help desk of {shop}.",
    "Answer questions about {shop}.",
    "Help the customer.",
    "",
)
_SYSTEMS_BY_FORM: dict[Form, tuple[str, ...]] = {
    "short": (
        "Answer with the fact alone, in as few words as possible.",
        "Answer the customer's question. Give only the fact.",
        "Answer the customer's question in a few words.",
        "Give the shortest answer that is right. No sentence.",
        "Answer briefly, without a sentence.",
    ),
    "full": (
        "Answer the customer's question in a whole sentence.",
        "Be friendly and answer in a full sentence.",
        "Write one complete sentence to the customer.",
    ),
}
_SAYS_FORM = 0.35
"""Share of conversations whose instruction names the form."""
_FULL_UNASKED = 0.8
"""Share of whole sentences where neither instruction nor examples say the form."""
_UNKNOWN: dict[Form, str] = {"short": "I do not know", "full": "I am sorry, I do not know."}


@dataclass(frozen=True)
class Attribute:
    """Something that can be asked, with its wordings."""

    name: str
    kind: str
    say: tuple[str, ...]
    ask: tuple[str, ...]
    full: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """Attributes that stand together in a passage."""

    of: str
    """shop, product or branch."""
    heading: tuple[str, ...]
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True)
class Fact:
    """One value of one attribute of one subject."""

    subject: str
    attribute: Attribute
    value: str

    def question(self, rng: Random) -> str:
        """One way to ask for it."""
        return rng.choice(self.attribute.ask).format(s=self.subject)

    def answer(self, form: Form, rng: Random) -> str:
        """The value alone, or in a sentence."""
        if form == "short":
            return self.value
        return rng.choice(self.attribute.full).format(s=self.subject, v=self.value)


@dataclass(frozen=True)
class Passage:
    """A piece of a shop's handbook, and the facts that it states."""

    text: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Shop:
    """An invented shop."""

    name: str
    passages: tuple[Passage, ...]

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Everything that its handbook states."""
        return tuple(fact for passage in self.passages for fact in passage.facts)


@cache
def topics() -> tuple[Topic, ...]:
    """What a shop can say of itself, as written in `facts.toml`."""
    read = tomllib.loads(files("touchstone.training.starter").joinpath("facts.toml").read_text("utf-8"))
    return tuple(
        Topic(
            of=topic["of"],
            heading=tuple(topic["heading"]),
            attributes=tuple(
                Attribute(name, each["kind"], tuple(each["say"]), tuple(each["ask"]), tuple(each["full"]))
                for name, each in topic["attributes"].items()
            ),
        )
        for topic in read["topics"]
    )


def invent_shop(rng: Random) -> Shop:
    """A shop with some of the topics, three to six products and one to four branches."""
    name = shop_name(rng)
    currency = rng.choice(("$", "$", "€", "£"))
    chosen: list[tuple[Topic, str]] = []
    by_kind = {kind: [topic for topic in topics() if topic.of == kind] for kind in ("shop", "product", "branch")}
    chosen += [(topic, name) for topic in rng.sample(by_kind["shop"], rng.randint(3, len(by_kind["shop"])))]
    for kind, count, invent in (
        ("product", rng.randint(2, 6), product_name),
        ("branch", rng.randint(1, 4), lambda chance: proper(chance, 3)),
    ):
        subjects = {invent(rng) for _ in range(count)}
        chosen += [(topic, subject) for topic in by_kind[kind] for subject in sorted(subjects)]
    return Shop(name, tuple(_passage(topic, subject, name, currency, rng) for topic, subject in chosen))


def _passage(topic: Topic, subject: str, name: str, currency: str, rng: Random) -> Passage:
    said = rng.sample(topic.attributes, min(len(topic.attributes), rng.randint(1, 4)))
    facts = tuple(Fact(subject, each, VALUES[each.kind](rng, currency, name)) for each in said)
    sentences = " ".join(rng.choice(fact.attribute.say).format(s=fact.subject, v=fact.value) for fact in facts)
    heading = rng.choice(topic.heading).format(s=subject)
    return Passage(rng.choice((f"{heading}. {sentences}", f"{heading}: {sentences}", sentences)), facts)


def user_turn(passages: Sequence[str], question: str) -> str:
    """What a question with passages looks like; the same words as a retrieval-augmented candidate sends."""
    if not passages:
        return question
    listed = "\n".join(f"[{place}] {text}" for place, text in enumerate(passages, start=1))
    return f"Passages:\n{listed}\n\nQuestion: {question}"


def conversations(seed: int, count: int) -> Iterator[list[Turn]]:
    """
    Conversations about invented shops, a shop each.

    Args:
        seed: Of everything that is drawn; the same seed gives the same conversations.
        count: How many.
    """
    rng = Random(seed)  # noqa: S311 - nothing secret is drawn
    for _ in range(count):
        yield _conversation(rng)


def _conversation(rng: Random) -> list[Turn]:
    shop = invent_shop(rng)
    form, system = _form(rng)
    examples = rng.choice((0, 0, 0, 1, 2, 3, 4, 6))
    reads = rng.random() < 0.75
    facts = list(shop.facts)
    rng.shuffle(facts)
    shown = facts[:examples]
    if examples and form is None:
        form = rng.choice(("short", "full"))
    turns: list[Turn] = [("system", system.format(shop=shop.name))] if system else []
    for fact in shown:
        turns += [("user", fact.question(rng)), ("assistant", fact.answer(form or "short", rng))]
    if form is None:
        form = "full" if rng.random() < _FULL_UNASKED else "short"
    if reads:
        return turns + _reading(shop, form, rng)
    # Nothing to read: what an example showed can be said again, and anything else can only be guessed.
    asked = rng.choice(shown) if shown and rng.random() < 0.5 else rng.choice(facts)
    return [*turns, ("user", asked.question(rng)), ("assistant", asked.answer(form, rng))]


def _form(rng: Random) -> tuple[Form | None, str]:
    if rng.random() >= _SAYS_FORM:
        return None, rng.choice(_PLAIN_SYSTEMS)
    form: Form = rng.choice(("short", "full"))
    return form, rng.choice(_SYSTEMS_BY_FORM[form])


def _reading(shop: Shop, form: Form, rng: Random) -> list[Turn]:
    """A question with passages, at times with further questions about the same passages."""
    passages = rng.sample(shop.passages, min(len(shop.passages), rng.randint(1, 5)))
    texts = [passage.text for passage in passages]
    turns: list[Turn] = []
    for number in range(rng.choice((1, 1, 2, 3))):
        there = [(place, fact) for place, passage in enumerate(passages, start=1) for fact in passage.facts]
        away = [fact for passage in shop.passages if passage not in passages for fact in passage.facts]
        known = {(fact.subject, fact.attribute.name) for _, fact in there}
        missing = [fact for fact in away if (fact.subject, fact.attribute.name) not in known]
        if missing and rng.random() < 0.08:
            fact = rng.choice(missing)
            answer = _UNKNOWN[form]
        else:
            place, fact = rng.choice(there)
            answer = f"{fact.answer(form, rng)} [{place}]"
        question = fact.question(rng)
        turns += [("user", question if number else user_turn(texts, question)), ("assistant", answer)]
    return turns
