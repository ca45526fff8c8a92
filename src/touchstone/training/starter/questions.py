"""How customers ask: whole questions, fragments, a sentence before, other words for the subject, careless typing."""

from __future__ import annotations

from touchstone.training.starter.base import Fact, capital, filled
from touchstone.training.starter.names import Draw, words
from touchstone.training.starter.prose import bare

_OF_NOUN = (
    "What is the {n} of {s}?", "What is the {n} of {s}?", "What's the {n} of {s}?", "Which {n} does {s} have?",
    "Do you know the {n} of {s}?", "Can you tell me the {n} of {s}?", "What {n} does {s} have?", "{n} of {s}?",
    "Tell me the {n} of {s}.", "I need the {n} of {s}.",
)  # fmt: skip
_NOUN = (
    "What is your {n}?", "What is the {n}?", "What is the {n}?", "What's your {n}?", "Can you tell me the {n}?",
    "Do you know the {n}?", "What is the {n}, please?", "Is there a {n}?", "Tell me your {n}.", "{n}?", "Your {n}?",
)  # fmt: skip
_FRAGMENTS = ("{n} {s}", "{s} {n}", "{s} {n}?", "{s}: {n}?", "{n} {s}?", "{n} for {s}?", "{s}, {n}?")


def asked(fact: Fact, draw: Draw) -> tuple[str, str]:
    """
    One way to ask for a fact.

    Returns:
        (the question, what it calls the subject).
    """
    rng = draw.rng
    called = _called(fact, draw)
    text = _plain(fact, called, draw)
    share = rng.random()
    if share < 0.09:
        opener = draw.choice(words("openers"))
        text = f"{opener} {text if opener[-1] in '.!?' or text.startswith('I ') else text[0].lower() + text[1:]}"
    elif share < 0.12:
        text = f"{text} {draw.choice(words('closers'))}"
    share = rng.random()
    if share < 0.05:
        text = text.lower()
    elif share < 0.11:
        text = text.removesuffix("?")
    elif share < 0.13:
        text = text.lower().removesuffix("?")
    elif share < 0.14:
        text = text + draw.choice(("?", "!", "??", " ?"))
    elif share < 0.145:
        text = text.upper()
    return text, called


def _called(fact: Fact, draw: Draw) -> str:
    forms = fact.subject.forms
    if fact.subject.kind == "product":
        return forms[0] if draw.rng.random() < 0.5 else forms[-1]
    return draw.choice(forms)


def _plain(fact: Fact, called: str, draw: Draw) -> str:
    rng = draw.rng
    attribute, at = fact.attribute, fact.subject.at
    share = rng.random()
    if attribute.noun and share < 0.26:
        noun = draw.choice(attribute.noun)
        if not called:
            template = draw.choice(_NOUN)
        elif share < 0.07:
            template, called = draw.choice(_FRAGMENTS), bare(called)
        else:
            template = draw.choice(_OF_NOUN)
        return capital(template.replace("{n}", noun).replace("{s}", called))
    template = draw.choice(draw.any_of(attribute.ask))
    if called and share > 0.92 and fact.subject.pronoun == "it" and fact.subject.kind != "branch" and "{s}" in template:
        return f"{capital(draw.choice(words('about')).replace('{s}', called))} {filled(template, fact, 'it', at)}"
    return capital(filled(template, fact, called, at))
