"""How facts become prose: sentences alone and joined, pronouns, lists, subjects side by side, and idle remarks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from touchstone.training.starter.base import Fact, Subject, capital, filled
from touchstone.training.starter.names import Draw, words
from touchstone.training.starter.wording import Attribute, Wording

_PLAIN_VERB = re.compile(r"\w+ \{v\}")
_PLURAL = {"is": "are", "has": "have", "was": "were", "does": "do", "goes": "go", "lies": "lie"}
_PLURAL_NOUNS = frozenset({"opening hours", "headquarters"})
_ALONE = frozenset({"street", "phone", "code", "email"})
"""Kinds of values that two subjects do not share."""


def told(facts: Sequence[Fact], draw: Draw, *, introduced: bool = False) -> str:
    """
    A paragraph that states facts.

    Args:
        facts: At least one; those of a subject stand together.
        draw: Chance.
        introduced: Whether a heading names the subject already, so that the first sentence may say "it".
    """
    rng = draw.rng
    if facts[0].subject.kind != "shop" and rng.random() < 0.08:
        return _list(facts, draw)
    sentences: list[str] = []
    first = 0
    while first < len(facts):
        last = first + 1
        while last < len(facts) and facts[last].subject is facts[first].subject:
            last += 1
        sentences += _block(facts[first:last], draw, introduced=introduced and first == 0)
        first = last
    if rng.random() < 0.3:
        kind = facts[-1].subject.kind
        remark = draw.choice(words(f"fillers_{'shop' if kind == 'thing' else kind}"))
        # "It" in a remark means whom the last sentence was about, and of a shop nothing is meant.
        sentences.insert(len(sentences) if kind in ("product", "branch") else rng.randint(0, len(sentences)), remark)
    return " ".join(f"{capital(sentence)}{'' if sentence[-1] in '.!' else '.'}" for sentence in sentences)


def _block(facts: Sequence[Fact], draw: Draw, *, introduced: bool) -> list[str]:
    """Sentences about one subject."""
    rng = draw.rng
    sentences: list[str] = []
    place = 0
    while place < len(facts):
        fact = facts[place]
        called = mention(fact.subject, draw, introduced=introduced)
        phrases: list[str] = []
        while place < len(facts) and len(phrases) < 4 and rng.random() < (0.5 if phrases else 0.7):
            options = _does(facts[place])
            if not options:
                break
            at = fact.subject.at
            phrases.append(filled(draw.choice(draw.any_of(options)), facts[place], called, at))
            place += 1
        if phrases:
            sentence = f"{called} {_joined(phrases, draw)}"
        else:
            sentence = _clause(fact, called, draw, introduced=introduced)
            place += 1
        introduced = True
        if sentences and len(sentences[-1]) < 100 and rng.random() < 0.17:
            sentences[-1] += draw.choice((", and ", ", and ", "; ", ", while ")) + sentence
        else:
            sentences.append(sentence)
    return sentences


def _does(fact: Fact) -> tuple[Wording, ...]:
    return fact.attribute.does_no if fact.value == "no" else fact.attribute.does


def mention(subject: Subject, draw: Draw, *, introduced: bool) -> str:
    """What a sentence calls its subject: a pronoun only where it was named before."""
    if subject.kind == "shop":
        return ""
    share = draw.rng.random()
    if introduced and share < 0.5:
        return subject.pronoun
    if subject.kind == "product":
        return subject.forms[0] if share < (0.6 if introduced else 0.75) else draw.choice(subject.forms)
    return draw.choice(subject.forms)


def _clause(fact: Fact, called: str, draw: Draw, *, introduced: bool) -> str:
    attribute = fact.attribute
    if attribute.noun and draw.rng.random() < 0.3:
        return _named(attribute, fact, called, draw)
    options = attribute.say_no if fact.value == "no" else attribute.say
    if not options:
        return f"{called} {filled(draw.choice(draw.any_of(_does(fact))), fact, called, fact.subject.at)}"
    at = "there" if introduced and draw.rng.random() < 0.4 else fact.subject.at
    if called == fact.subject.pronoun and (called == "they" or fact.subject.kind == "branch"):
        called = draw.choice(fact.subject.forms)  # clauses may want "them", and "at it" is no English
    if called and not introduced:  # the first sentence has to name whom all of them are about
        options = tuple(wording for wording in options if "{s}" in wording[0] or "{at}" in wording[0]) or options
    template = draw.choice(draw.any_of(options))
    return filled(template, fact, called, at)


def _named(attribute: Attribute, fact: Fact, called: str, draw: Draw) -> str:
    noun = draw.choice(attribute.noun)
    be = "are" if noun in _PLURAL_NOUNS else "is"
    if not called:
        whose = draw.choice(("the", "our", "our", "your" if "password" in noun else "the")) + f" {noun}"
    elif called == "it":
        whose = f"its {noun}"
    elif called == "they":
        whose = f"their {noun}"
    else:
        whose = f"{called}'s {noun}" if draw.rng.random() < 0.3 and called[-1] != "s" else f"the {noun} of {called}"
    return f"{whose} {be} {fact.value}"


def _joined(phrases: Sequence[str], draw: Draw) -> str:
    if len(phrases) == 1:
        return phrases[0]
    last = draw.choice((" and ", " and ", ", and "))
    return ", ".join(phrases[:-1]) + last + phrases[-1]


def _list(facts: Sequence[Fact], draw: Draw) -> str:
    """Short entries, as in a catalogue."""
    entries: list[str] = []
    between = draw.choice(("; ", ", ", ". ", " / ", " - ", "\n- "))
    subject: Subject | None = None
    for fact in facts:
        noun = draw.choice(fact.attribute.noun) if fact.attribute.noun else ""
        options = _does(fact)
        if noun:
            entry = f"{noun}{draw.choice((': ', ' '))}{fact.value}"
        elif options:
            entry = filled(draw.choice(draw.any_of(options)), fact, "", fact.subject.at)
        else:
            entry = _clause(fact, fact.subject.forms[0], draw, introduced=False)
        if between in (". ", "\n- "):
            entry = capital(entry)
        if fact.subject is not subject:
            subject = fact.subject
            entry = f"{capital(bare(draw.choice(subject.forms)))}{draw.choice((': ', ' - ', ': '))}{entry}"
        entries.append(entry)
    text = between.join(entries)
    return f"- {text}" if between.startswith("\n") else f"{text}."


def bare(called: str) -> str:
    """Without its article."""
    return called.removeprefix("the ").removeprefix("our ").removeprefix("a ").removeprefix("an ")


def side_by_side(facts: Sequence[Fact], draw: Draw) -> str | None:
    """One sentence on the same attribute of two or more subjects; None where its wording does not allow that."""
    plain = [text for wording in facts[0].attribute.does for text in wording if _PLAIN_VERB.fullmatch(text)]
    if not plain:
        return None
    names = [draw.choice(fact.subject.forms) for fact in facts]
    start = f"{names[0]} {filled(draw.choice(plain), facts[0], '', '')}"
    rest = [f"{name} {fact.value}" for name, fact in zip(names[1:], facts[1:], strict=True)]
    return f"{capital(', '.join([start, *rest[:-1]]))}{draw.choice((' and ', ', and ', ', '))}{rest[-1]}."


def both(facts: Sequence[Fact], draw: Draw) -> str | None:
    """One sentence on two subjects that share a value; None where its wording does not allow that."""
    first, second = facts
    if not _does(first) or first.subject.pronoun != "it" or first.attribute.kind in _ALONE:
        return None
    verb, _, rest = filled(draw.choice(draw.any_of(_does(first))), first, "", "").partition(" ")
    plural = _PLURAL.get(verb) or (verb[:-3] + "y" if verb.endswith("ies") else verb.removesuffix("s"))
    one, other = (draw.choice(fact.subject.forms) for fact in (first, second))
    start = draw.choice((f"both {one} and {other}", f"{one} and {other}", f"{one} and {other} both"))
    return f"{capital(start)} {plural} {rest}."
