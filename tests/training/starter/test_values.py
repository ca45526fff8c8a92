"""Values of every kind: short, on one line, and not always the same."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.training.starter.names import Draw
from touchstone.training.starter.values import VALUES


@given(st.integers(0, 100_000), st.sampled_from(sorted(VALUES)), st.sampled_from(["$", "€", "euros"]))
@settings(max_examples=300, deadline=None)
def test_a_value_is_short(seed: int, kind: str, currency: str) -> None:
    """It can stand in a sentence and be an answer alone."""
    value = VALUES[kind](Draw(Random(seed), currency=currency, shop="Brolt Tea"))
    assert 0 < len(value) < 70
    assert value == " ".join(value.split())
    assert value[-1] not in ".,;"
    if "money" in kind:
        assert currency in value
        assert float(value.strip(f"{currency} ").replace(",", "")) > 0


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_a_kind_has_several_values(kind: str) -> None:
    """Otherwise it could be guessed."""
    draw = Draw(Random(1), shop="Brolt Tea")
    assert len({VALUES[kind](draw) for _ in range(60)}) > (1 if kind == "yes_no" else 4)
