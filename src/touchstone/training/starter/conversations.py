"""Conversations about invented shops, in the forms in which the starter models are asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from touchstone.training.starter.base import Fact, Form, Passage, Shop, Turn
from touchstone.training.starter.names import Draw
from touchstone.training.starter.questions import asked
from touchstone.training.starter.shops import invent_shop

_PLAIN_SYSTEMS = (
    "Answer the customer's question.",
    "You answer questions of customers.",
    "You work at the help desk of {shop}. Answer the customer's question.",
    "Answer the customer's question about the shop.",
    "Answer the customer's question about {shop}.",
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
        "Answer the customer's question in as few words as possible.",
        "Answer the customer's question about {shop} in as few words as possible.",
        "Answer the question in as few words as possible.",
        "Answer the visitor's question in as few words as possible.",
        "Reply with the fact only.",
    ),
    "full": (
        "Answer the customer's question in a whole sentence.",
        "Be friendly and answer in a full sentence.",
        "Write one complete sentence to the customer.",
    ),
}
_SAYS_FORM = 0.5
"""Share of conversations whose instruction names the form."""
_SHORT_SAID = 0.7
"""Share of these that ask for the fact alone."""
_FULL_UNASKED = 0.8
"""Share of whole sentences where neither instruction nor examples say the form."""
_READS = 0.86
"""Share of conversations with passages."""
_NOT_THERE = 0.07
"""Share of questions about passages that none of them answers."""
_UNKNOWN: dict[Form, str] = {"short": "I do not know", "full": "I am sorry, I do not know."}


def user_turn(passages: Sequence[str], question: str) -> str:
    """What a question with passages looks like; the same words as a retrieval-augmented candidate sends."""
    if not passages:
        return question
    listed = "\n".join(f"[{place}] {text}" for place, text in enumerate(passages, start=1))
    return f"Passages:\n{listed}\n\nQuestion: {question}"


def conversations(seed: int, count: int, *, held_back: bool = False) -> Iterator[list[Turn]]:
    """
    Conversations about invented shops, a shop each.

    Args:
        seed: Of everything that is drawn; the same seed gives the same conversations.
        count: How many.
        held_back: Whether the names are those that no starter model learns from.
    """
    draw = Draw(Random(seed), held_back)  # noqa: S311 - nothing secret is drawn
    for _ in range(count):
        yield _conversation(draw)


def _conversation(draw: Draw) -> list[Turn]:
    rng = draw.rng
    shop = invent_shop(draw)
    form, system = _form(rng)
    reads = rng.random() < _READS
    examples = rng.choice((0, 0, 0, 0, 1, 2, 4, 5) if reads else (0, 0, 1, 2, 3, 4, 6))
    facts = list(shop.facts)
    rng.shuffle(facts)
    shown = facts[:examples]
    if examples and form is None:
        form = rng.choice(("short", "full"))
    turns: list[Turn] = [("system", system.replace("{shop}", shop.name))] if system else []
    for fact in shown:
        turns += _exchange(fact, form or "short", draw)
    if form is None:
        form = "full" if rng.random() < _FULL_UNASKED else "short"
    if reads:
        return turns + _reading(shop, form, draw)
    # Nothing to read: what an example showed can be said again, and anything else can only be guessed.
    return turns + _exchange(rng.choice(shown) if shown and rng.random() < 0.6 else rng.choice(facts), form, draw)


def _exchange(fact: Fact, form: Form, draw: Draw) -> list[Turn]:
    question, called = asked(fact, draw)
    return [("user", question), ("assistant", fact.answer(form, called))]


def _form(rng: Random) -> tuple[Form | None, str]:
    if rng.random() >= _SAYS_FORM:
        return None, rng.choice(_PLAIN_SYSTEMS)
    form: Form = "short" if rng.random() < _SHORT_SAID else "full"
    return form, rng.choice(_SYSTEMS_BY_FORM[form])


def _reading(shop: Shop, form: Form, draw: Draw) -> list[Turn]:
    """A question with passages, mostly with further questions about the same passages."""
    rng = draw.rng
    passages = rng.sample(shop.passages, min(len(shop.passages), rng.choice((1, 2, 2, 3, 3, 3, 4, 5))))
    texts = [passage.text for passage in passages]
    there = [(place, fact) for place, passage in enumerate(passages, start=1) for fact in passage.facts]
    missing = _missing(shop, passages)
    rng.shuffle(there)
    turns: list[Turn] = []
    for number in range(min(len(there), rng.choice((1, 2, 2, 3, 3, 4, 5)))):
        if missing and rng.random() < _NOT_THERE:
            fact = rng.choice(missing)
            question, _ = asked(fact, draw)
            answer = _UNKNOWN[form]
        else:
            place, fact = there[number]
            question, called = asked(fact, draw)
            answer = f"{fact.answer(form, called)} [{place}]"
        turns += [("user", question if number else user_turn(texts, question)), ("assistant", answer)]
    return turns


def _missing(shop: Shop, passages: Sequence[Passage]) -> list[Fact]:
    """Facts of the shop that stand in none of the passages that are shown."""
    shown = {fact.key for passage in passages for fact in passage.facts}
    return [fact for fact in shop.facts if fact.key not in shown]
