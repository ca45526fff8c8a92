"""What people say of keys and prices: read, or told with the name by which they know the field."""

from __future__ import annotations

import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.govern.state import seconds_of
from touchstone.errors import SettingsError
from touchstone.workspace.deploy_said import check_finite, day_said, price_said
from touchstone.workspace.key_words import key_draft, moment_said, seconds_said

CALLED = {"name": "--name", "usd": "--max-usd", "scopes": "--scope", "endpoints": "--endpoint"}


def test_spans_and_moments() -> None:
    """A span from now on, a day, or a moment; all in UTC."""
    assert seconds_said("--grace", "90m") == 5_400
    assert seconds_of(moment_said("--at", "2d")) - time.time() == pytest.approx(2 * 86_400, abs=60)
    assert moment_said("--at", "2027-01-31") == "2027-01-31T00:00:00.000+00:00"
    assert moment_said("--at", "2027-01-31T18:00+02:00") == "2027-01-31T16:00:00.000+00:00"


@given(st.text(max_size=30))
def test_anything_else_names_its_field(said: str) -> None:
    """Whatever somebody types is a moment or a sentence."""
    try:
        moment = moment_said("the end", said)
    except SettingsError as error:
        told = str(error)
    else:
        seconds_of(moment)
        return
    assert told.startswith("the end is ")


def test_a_draft_names_the_field_that_is_wrong() -> None:
    """As whoever filled it in knows it, inner fields too."""
    assert key_draft({"name": "shop", "budget": {"usd": 1.0}}, CALLED).budget is not None
    for values, name in (
        ({"name": "a", "scopes": ["root"]}, "--scope"),
        ({"name": "a", "budget": {"usd": -1}}, "--max-usd"),
        ({"name": "a", "endpoints": ["No Name"]}, "--endpoint"),
        ({}, "--name"),
    ):
        with pytest.raises(SettingsError, match=name):
            key_draft(values, CALLED)


def test_prices_and_days() -> None:
    """Both halves of a price or none; a day in one form."""
    assert price_said(None, None, "x") is None
    price = price_said(1.0, 2.0, "given on the page")
    assert price is not None
    assert price.source == "given on the page"
    with pytest.raises(SettingsError, match="give both"):
        price_said(1.0, None, "x")
    assert day_said("--good-until", None) is None
    assert day_said("--good-until", "2027-01-31") == date(2027, 1, 31)
    with pytest.raises(SettingsError, match="--good-until is 'soon'"):
        day_said("--good-until", "soon")


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_is_none_is_named_by_its_flag(value: float) -> None:
    """What was not said, and a number, pass."""
    check_finite(memory_gib=None, input_usd=0.0)
    with pytest.raises(SettingsError, match=r"--memory-gib .* finite"):
        check_finite(input_usd=1.0, memory_gib=value)
