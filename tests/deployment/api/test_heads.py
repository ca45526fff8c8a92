"""What headers say of who answered: an upstream may call itself anything, and breaks nothing with it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.gateway.api.heads import plain


@given(st.text(max_size=400))
def test_any_name_is_one_header_value(name: str) -> None:
    """Printable ASCII, of a bounded length, without a line end."""
    found = plain(name)
    assert found.isascii()
    assert len(found) <= 200
    assert not any(byte < 32 or byte == 127 for byte in found)


def test_a_usual_name_stays_as_it_is() -> None:
    """Names of models are printable as a rule."""
    assert plain("openai/gpt-4o-mini-2024-07-18") == b"openai/gpt-4o-mini-2024-07-18"
