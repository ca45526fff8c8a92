"""
Texts of which we know what is in them: attacks, personal data, and harmless texts that look alike.

All were written for this purpose, in English and Chinese; no line is taken from a data set or from anybody's mail, and
numbers are made up. 609 were looked at while the rules were written (`tuned`); 168 were written before the last rules
and have not been looked at since (`apart`). All have the same author as the rules, so neither says how the rules do
against texts of yours: measure those.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

import orjson
from pydantic import Field

from touchstone.noun import Noun

Half = Literal["tuned", "apart"]
TextKind = Literal["direct", "indirect", "hidden", "encoded", "marker", "personal", "harmless"]


class LabelledText(Noun):
    """One text and what should be found in it."""

    id: str
    lang: Literal["en", "zh"]
    kind: TextKind
    """
    `direct`: a user orders; `indirect`: a document does; `hidden`: invisible, look-alike or spaced letters; `encoded`;
    `marker`: marks of chat templates; `personal`: data that is somebody's; `harmless`: looks like one of these.
    """
    half: Half
    text: str
    find: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Personal data in it, by kind, as it stands in the text."""
    injection: bool = False
    """Whether it tries to give orders to the model."""


@cache
def labelled_texts() -> tuple[LabelledText, ...]:
    """The whole set, in the order of its file."""
    written = (files("touchstone.deployment.safety") / "labelled.jsonl").read_bytes()
    return tuple(LabelledText.model_validate(orjson.loads(line)) for line in written.splitlines())
