"""What is said of candidates before anybody is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from touchstone.language import _, set_language
from touchstone.reporting.notes import Note
from touchstone.workspace.base import PlannedFinding

TEMPLATE = (
    "{name}: the weights in {folder} were trained on other rows, words or settings than this entry has; train again "
    "to learn what is there now"
)


@pytest.fixture(params=["en", "zh"])
def colon(request: pytest.FixtureRequest) -> Iterator[str]:
    """The colon of the reader's language, in which everything is said."""
    set_language(request.param)
    yield {"en": ": ", "zh": "："}[request.param]
    set_language("en")


def finding(*candidates: str, name: str) -> PlannedFinding:
    note = Note(template=TEMPLATE, values={"name": name, "folder": "mine"})
    return PlannedFinding(candidates=candidates, text=note, blocks=False)


def test_a_candidate_is_named_once(colon: str) -> None:
    """Where the sentence begins with its name, in whatever language."""
    line = finding("a", name="a").line(_)
    assert line.startswith(f"a{colon}")
    assert line.count(f"a{colon}") == 1


def test_others_whom_it_concerns_are_named_before_it(colon: str) -> None:
    """A sentence about one of them does not say whom else it is about."""
    assert finding("b", name="a").line(_).startswith(f"b{colon}a{colon}")
    plain = PlannedFinding(candidates=("b",), text=Note(template="it is old"), blocks=False)
    assert plain.line(_) == f"b{colon}it is old"


def test_a_finished_sentence_is_not_named_again(colon: str) -> None:
    """As it comes back from the JSON of a plan, in English."""
    finished = PlannedFinding(candidates=("a",), text=Note(template="a: it is old"), blocks=False)
    assert finished.line(_) == "a: it is old", colon
