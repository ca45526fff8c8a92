"""Why calls failed is stored in English and told in the reader's language, with the values as they stood."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from tests.source import sources

from touchstone import errors
from touchstone.errors import BudgetStop, ModelError, Unreachable
from touchstone.evaluation.lane_doors import Doors, LaneClosed
from touchstone.language import _, set_language
from touchstone.models.chat_failure import Said, failure_of
from touchstone.reporting import sentences
from touchstone.reporting.base import Note, ReportData
from touchstone.reporting.failures import TEMPLATES, retold
from touchstone.reporting.html import render

ROOMS = ("evaluation", "models", "strategies")
"""Where calls are made and fail."""


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Each test begins and ends in English."""
    yield
    set_language("en")


def raised() -> Iterator[str]:
    """The template of every error in these rooms that becomes the reason of a cell or of a closed account."""
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, ModelError)}
    kinds |= {"LaneClosed", "BudgetStop"}
    for source in sources(*(f"{kind}(" for kind in kinds)):
        if source.name.rpartition("/")[0] in ROOMS:
            for call in source.calls:
                first = call.node.args[0] if call.node.args else None
                if getattr(call.node.func, "id", "") in kinds and isinstance(first, ast.Constant):
                    yield str(first.value)


def test_every_failure_can_be_retold() -> None:
    """The list holds what the source raises, no more and no less."""
    assert set(TEMPLATES) == set(raised())
    assert len(set(TEMPLATES)) == len(TEMPLATES)


@pytest.fixture
def stored() -> dict[str, LaneClosed | ModelError | BudgetStop]:
    """Errors as they are raised, by what they are about."""
    place = "x at 127.0.0.1:9"
    lost = Unreachable("{place}: no connection ({reason}); check base_url and the network", place=place, reason="reset")
    parked, ended, broke = Doors("http://127.0.0.1:9"), Doors("a"), Doors("my account")
    parked.park(0.0, 300.0, lost, "unreachable")
    ended.stop("e", failure_of(Said({}), 404, place, 'no model: {"x": 1}'))
    broke.stop("e", failure_of(Said({}), 402, place, "empty"))
    cap = BudgetStop(
        "the cap of ${cap:.4f} is reached: ${spent:.4f} spent, ${held:.4f} in flight, ${usd:.4f} at worst for the next "
        "call; raise it with --max-usd",
        cap=0.001, spent=0.00095, held=0.0, usd=0.0001,
    )  # fmt: skip
    found = {"parked": parked.closed("e", 0.0), "ended": ended.closed("e", 0.0), "broke": broke.closed("e", 0.0)}
    closed = {name: error for name, error in found.items() if error is not None}
    return {**closed, "cap": cap, "busy": failure_of(Said({}), 429, place, "slow down (2: please)")}


def test_a_stored_failure_is_told_in_the_readers_language(
    stored: dict[str, LaneClosed | ModelError | BudgetStop],
) -> None:
    """What it says in Chinese is what the error itself would have said; in English it stays as it is."""
    for error in stored.values():
        assert retold(str(error), str) == str(error)
        assert retold(str(error), _) == str(error)
    set_language("zh")
    for name, error in stored.items():
        assert retold(str(error), _) == error.text(_) != str(error), name
    assert retold("a plug-in said no", _) == "a plug-in said no"


def test_stored_failures_on_a_page(stored: dict[str, LaneClosed | ModelError | BudgetStop], two: ReportData) -> None:
    """As a warning, as the reason of a lane, and under an answer."""
    text = str(stored["parked"])
    warning = Note(template="{candidate}: {reason}", values={"candidate": "dead", "reason": text})
    answer = two.disagreeing[0].answers[0].model_copy(update={"kind": "error", "reason": str(stored["busy"])})
    example = two.disagreeing[0].model_copy(update={"answers": (answer,)})
    comparison = two.comparison.model_copy(update={"warnings": (warning,)})
    page = render(two.model_copy(update={"comparison": comparison, "disagreeing": (example,)}), "zh")

    assert "check base_url" not in page
    assert "too many requests" not in page
    assert "Http://" not in page
    set_language("zh")
    assert sentences.full(warning) == f"dead：{stored['parked'].text(_)}".rstrip("。") + "。"
    assert sentences.full(Note(template=text)).startswith(stored["parked"].text(_))


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("http://127.0.0.1:9 is not asked any further: gone", "http://127.0.0.1:9 is not asked any further: gone."),
        ("my account is not asked any further: gone", "my account is not asked any further: gone."),
        ("127.0.0.1:9 said no", "127.0.0.1:9 said no."),
        ("not asked any further: gone", "Not asked any further: gone."),
        ("no answer came", "No answer came."),
        ("dead: no answer", "dead: no answer."),
    ],
)
def test_an_address_has_no_capital(stored: str, said: str) -> None:
    """Nor has a name; other sentences begin with one."""
    assert sentences.full(Note(template=stored)) == said
