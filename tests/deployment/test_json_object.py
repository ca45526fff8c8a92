"""JSON of others: an object or nothing."""

from __future__ import annotations

import pytest

from touchstone.deployment.json_object import json_object


@pytest.mark.parametrize(
    ("body", "found"),
    [(b'{"a": 1}', {"a": 1}), (b"{}", {}), (b"[1]", None), (b'"a"', None), (b"", None), (b"{", None), (b"\xff", None)],
)
def test_whatever_is_no_object_is_nothing(body: bytes, found: object) -> None:
    """Also what is no JSON, and no text."""
    assert json_object(body) == found
