"""
Invented shops: what the starter models learn to read from.

Every shop has facts of its own, so that nothing can be known by heart: whoever answers must have read the passages, or
must have seen the answer in the turns before. Without either the models learn that some answer of the right kind is
given, which is what guessing looks like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from touchstone.training.starter.base import Fact, Passage, Shop, Subject, capital
from touchstone.training.starter.names import Draw, label, place, proper, shop_name, words
from touchstone.training.starter.prose import bare, both, side_by_side, told
from touchstone.training.starter.values import VALUES
from touchstone.training.starter.wording import Attribute, Topic, topics

_CURRENCIES = ("$", "$", "$", "€", "€", "£", "euros", "dollars", "EUR", "francs")
_PASSAGES = (3, 4, 4, 5, 5, 6, 6, 7)
_KINDS = ("shop", "shop", "shop", "product", "product", "product", "branch", "branch", "thing", "thing", "thing")


@cache
def _topics(kind: str) -> tuple[Topic, ...]:
    return tuple(topic for topic in topics() if topic.of == kind)


def invent_shop(draw: Draw) -> Shop:
    """A shop with three to seven passages about itself, its products, branches and services."""
    draw = replace(draw, currency=draw.choice(_CURRENCIES))
    draw = replace(draw, shop=shop_name(draw))
    used: set[str] = set()
    taken: set[int] = set()
    passages: list[Passage] = []
    for _ in range(draw.rng.choice(_PASSAGES)):
        kind = draw.choice(_KINDS)
        if kind in ("shop", "thing"):
            left = [topic for topic in _topics(kind) if id(topic) not in taken]
            if not left:
                continue
            topic = draw.rng.choice(left)
            taken.add(id(topic))
        else:
            topic = _topics(kind)[0]
        if kind != "shop":
            passages.append(_about_others(topic, draw, used))
            continue
        spoken = [topic]
        if draw.rng.random() < 0.15:  # a passage that was cut without regard to what it is about
            others = [other for other in _topics("shop") if id(other) not in taken]
            spoken += draw.rng.sample(others, min(1, len(others)))
            taken.update(id(other) for other in spoken)
        passages.append(_about_shop(spoken, draw))
    return Shop(draw.shop, tuple(passages))


def _facts(subject: Subject, attributes: Sequence[Attribute], draw: Draw) -> list[Fact]:
    return [Fact(subject, each, VALUES[each.kind](draw)) for each in attributes]


def _headed(heading: str, text: str, draw: Draw) -> str:
    share = draw.rng.random()
    if share < 0.4:
        return f"{heading}. {text}"
    if share < 0.55:
        return f"{heading}: {text}"
    if share < 0.75:
        return text
    if share < 0.95:
        return f"{heading}\n{text}"
    return f"{draw.choice(('# ', '## ', '**'))}{heading}\n\n{text}" if share < 0.98 else f"{heading.upper()} {text}"


_SHOP = Subject("shop")
_AFTER_HEADING = (". ", ". ", ": ", "\n")
_OWN = ("service", "plan", "pass", "option", "offer", "package", "programme", "rate", "kit")


def _about_shop(spoken: Sequence[Topic], draw: Draw) -> Passage:
    facts: list[Fact] = []
    for topic in spoken:
        count = min(len(topic.attributes), draw.rng.choice((1, 2, 2, 3, 3, 4, 4, 5)[len(spoken) - 1 :: len(spoken)]))
        facts += _facts(_SHOP, draw.rng.sample(topic.attributes, count), draw)
    return Passage(_headed(draw.choice(spoken[0].heading), told(facts, draw), draw), tuple(facts))


def _about_others(topic: Topic, draw: Draw, used: set[str]) -> Passage:
    """A passage about one to four products, branches or things."""
    rng = draw.rng
    count = rng.choice((1, 1, 1, 1, 2, 2, 3) if topic.of != "thing" else (1, 2, 2, 2, 3, 3, 4))
    subjects = _subjects(topic, count, draw, used)
    most = {1: 6, 2: 3, 3: 2}.get(len(subjects), 1)
    shared = rng.sample(topic.attributes, rng.randint(1, min(most, len(topic.attributes))))
    facts: list[Fact] = []
    parts: list[str] = []
    if len(subjects) > 1 and rng.random() < 0.45:
        sentence = _compared(subjects, shared[0], draw, facts)
        parts += [sentence] if sentence else []
    stated = {fact.attribute.name for fact in facts}
    # A heading that names the only subject lets the first sentence begin with "it".
    headed = len(subjects) == 1 and topic.of != "thing" and rng.random() < 0.6
    more: list[Fact] = []
    for subject in subjects:
        own = shared if rng.random() < 0.6 else rng.sample(topic.attributes, len(shared))
        more += _facts(subject, [each for each in own if each.name not in stated], draw)
    if more:
        parts.append(told(more, draw, introduced=headed))
    if rng.random() < 0.3:
        parts.reverse()
    text, heading = " ".join(parts), _heading(topic, subjects, draw)
    whole = f"{heading}{draw.choice(_AFTER_HEADING)}{text}" if headed else _headed(heading, text, draw)
    return Passage(whole, (*facts, *more))


def _compared(subjects: Sequence[Subject], attribute: Attribute, draw: Draw, facts: list[Fact]) -> str | None:
    """A sentence about all of the subjects; their facts are put behind the others."""
    if len(subjects) == 2 and draw.rng.random() < 0.4:
        first = Fact(subjects[0], attribute, VALUES[attribute.kind](draw))
        found = [first, replace(first, subject=subjects[1])]
        text = both(found, draw)
    else:
        found = [Fact(subject, attribute, VALUES[attribute.kind](draw)) for subject in subjects]
        text = side_by_side(found, draw) if attribute.kind not in ("yes_no", "colours", "material") else None
    if text is not None:
        facts += found
    return text


def _subjects(topic: Topic, count: int, draw: Draw, used: set[str]) -> list[Subject]:
    """So many subjects whose names this shop has not yet."""
    if topic.of == "thing":
        chosen = draw.rng.sample(topic.things, count)
        if topic.pronoun == "it":
            chosen = [forms if draw.rng.random() < 0.88 else _own(draw, used) for forms in chosen]
        return [Subject("thing", forms, topic.pronoun) for forms in chosen]
    found: list[Subject] = []
    while len(found) < count:
        subject = _product(draw) if topic.of == "product" else _branch(draw)
        name = subject.town or subject.forms[-1].removeprefix("the ")
        if name not in used:
            used.add(name)
            found.append(subject)
    return found


def _own(draw: Draw, used: set[str]) -> tuple[str, ...]:
    """A service whose name says nothing."""
    while True:
        name = proper(draw) if draw.rng.random() < 0.6 else draw.name("plain")
        if name not in used:
            used.add(name)
            return f"the {name} {draw.choice(_OWN)}", name


def _product(draw: Draw) -> Subject:
    """A product: its name, at times a number, and what it is; in short the name alone."""
    rng = draw.rng
    name = label(draw)
    thing = draw.choice(words("things"))
    share = rng.random()
    if share < 0.12:
        name = f"{name} {rng.randint(2, 990)}"
    elif share < 0.16:
        name = f"{draw.choice('ABCDEFGHKLMRSTXZ')}{rng.randint(1, 99)}" + (f" {name}" if share < 0.14 else "")
    return Subject("product", (f"the {name} {thing}", f"the {name}"))


def _branch(draw: Draw) -> Subject:
    town = place(draw)
    forms = (
        f"the branch in {town}", f"the {town} branch", f"our shop in {town}", f"the shop in {town}", f"our {town} shop",
        f"the {town} shop", f"the store in {town}",
    )  # fmt: skip
    return Subject("branch", forms, town=town)


def _heading(topic: Topic, subjects: Sequence[Subject], draw: Draw) -> str:
    if topic.of == "thing" and (len(subjects) > 1 or draw.rng.random() < 0.5):
        return draw.choice(topic.heading)
    if len(subjects) > 1:
        names = [bare(subject.forms[-1]) if topic.of == "product" else subject.town for subject in subjects]
        return " and ".join(names) if draw.rng.random() < 0.4 else draw.choice(words("catalogue"))
    subject = subjects[0]
    if topic.of == "branch":
        return draw.choice(topic.heading).replace("{c}", subject.town)
    return capital(bare(subject.forms[0] if draw.rng.random() < 0.75 else draw.choice(subject.forms)))
