"""What can be said, asked and answered about invented shops: read from the TOML files beside this one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any

Wording = tuple[str, ...]
"""All texts that one template stands for."""

_FILES = ("facts.toml", "things.toml", "services.toml")


@dataclass(frozen=True)
class Attribute:
    """Something to ask, and its wordings: `{s}` is the subject, `{v}` the value, `{at}` where a branch is."""

    name: str
    kind: str
    """Of its value."""
    noun: Wording
    """What the value is called: "price"."""
    does: tuple[Wording, ...]
    """What can follow the subject: "costs {v}"."""
    say: tuple[Wording, ...]
    """Clauses without capital and stop."""
    ask: tuple[Wording, ...]
    full: Wording
    """Answers in a sentence."""
    does_no: tuple[Wording, ...] = ()
    """As `does`, of a fact that is asked with yes or no, for the answer no."""
    say_no: tuple[Wording, ...] = ()


@dataclass(frozen=True)
class Topic:
    """Attributes that stand together in a passage."""

    of: str
    """shop, product, branch or thing."""
    heading: Wording
    attributes: tuple[Attribute, ...]
    things: tuple[Wording, ...] = ()
    """Of a topic about things: each with all its names."""
    pronoun: str = "it"


def expanded(template: str) -> Wording:
    """Every text of a template in which brackets hold alternatives: "a [b|c]" is "a b" and "a c"."""
    parts = [part.split("|") if place % 2 else [part] for place, part in enumerate(re.split(r"\[([^\]]*)\]", template))]
    return tuple(dict.fromkeys(re.sub(r"\s+", " ", "".join(chosen)).strip() for chosen in product(*parts)))


def _all(read: Mapping[str, Any], name: str) -> tuple[Wording, ...]:
    return tuple(expanded(template) for template in read.get(name, ()))


def _flat(wordings: Iterable[Wording]) -> Wording:
    return tuple(text for wording in wordings for text in wording)


@cache
def topics() -> tuple[Topic, ...]:
    """Everything that an invented shop can speak of."""
    folder = files("touchstone.training.starter")
    return tuple(
        Topic(
            of=topic["of"],
            heading=_flat(_all(topic, "heading")),
            attributes=tuple(
                Attribute(
                    name=f"{topic['heading'][0]}/{name}",
                    kind=each["kind"],
                    noun=tuple(each.get("noun", ())),
                    does=_all(each, "does"),
                    say=_all(each, "say"),
                    ask=_all(each, "ask"),
                    full=_flat(_all(each, "full")),
                    does_no=_all(each, "does_no"),
                    say_no=_all(each, "no"),
                )
                for name, each in topic["attributes"].items()
            ),
            things=tuple(tuple(thing.split("|")) for thing in topic.get("things", ())),
            pronoun=topic.get("pronoun", "it"),
        )
        for name in _FILES
        for topic in tomllib.loads(folder.joinpath(name).read_text("utf-8"))["topics"]
    )
