"""The route table: exact bytes, and names for what may vary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.deployment.gateway.house import Handlers

from touchstone.deployment.gateway.routes import Routes

TABLE = Routes(Handlers().routes())


def test_methods_of_a_path_are_found_together() -> None:
    """A path is found with all its methods and with the values that it names."""
    methods, values = TABLE.find(b"/v1/items/a-1")
    assert set(methods) == {"GET", "DELETE"}
    assert values == {"item": "a-1"}
    assert set(TABLE.find(b"/v1/echo")[0]) == {"POST"}
    assert TABLE.find(b"/v1/none") == ({}, {})


@given(st.binary(max_size=40))
def test_a_value_is_one_segment_of_plain_characters(value: bytes) -> None:
    """What a path names never has a slash, a percent sign, a space, or a dot at its start."""
    methods, values = TABLE.find(b"/v1/items/" + value)
    assert bool(methods) == bool(values)
    if values:
        assert set(values["item"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-")
        assert values["item"][0].isalnum()
        assert values["item"].encode() == value


def test_a_route_stands_once() -> None:
    """Two handlers for one method of one path are a mistake that shows at the start."""
    one = Handlers().routes()[0]
    with pytest.raises(AssertionError, match="stands twice"):
        Routes((one, one))
