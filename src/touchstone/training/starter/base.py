"""Subjects, facts and passages of invented shops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from touchstone.training.starter.wording import Attribute, Wording

Form = Literal["short", "full"]
"""How a shop answers: with the fact alone, or in a whole sentence."""

Turn = tuple[str, str]
"""(role, text)."""


@dataclass(frozen=True)
class Subject:
    """Whom a fact is about."""

    kind: str
    """shop, product, branch or thing."""
    forms: Wording = ("",)
    """What it is called, the fullest first; of the shop itself nothing is said."""
    pronoun: str = "it"
    town: str = ""
    """Of a branch."""

    @property
    def at(self) -> str:
        """Where a branch is."""
        return f"in {self.town}"


@dataclass(frozen=True)
class Fact:
    """One value of one attribute of one subject."""

    subject: Subject
    attribute: Attribute
    value: str

    @property
    def key(self) -> tuple[str, str]:
        """What no two facts of a shop share."""
        return self.subject.forms[0], self.attribute.name

    def answer(self, form: Form, called: str) -> str:
        """
        The value alone, or in a sentence.

        Args:
            form: Which of both.
            called: What the question calls the subject; the sentence does the same.
        """
        if form == "short":
            return self.value
        if self.attribute.kind == "yes_no":
            return "Yes, that is so." if self.value == "yes" else "No, that is not so."
        return filled(self.attribute.full[0], self, called, self.subject.at)


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


def capital(text: str) -> str:
    """With a capital in front."""
    return text[:1].upper() + text[1:]


def filled(template: str, fact: Fact, called: str, at: str) -> str:
    """A template with its subject, place and value put in."""
    # Replacing is several times as quick as str.format, and a name may hold any character.
    text = template.replace("{s}", called).replace("{at}", at)
    if "{S}" in text:
        text = text.replace("{S}", capital(called))
    return text.replace("{v}", fact.value)
