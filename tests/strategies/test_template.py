"""What templates promise: plain substitution, once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.base import Case
from touchstone.errors import SettingsError
from touchstone.strategies.template import case_values, check_slots, fill, option_lines, slots


def test_slots_are_filled_and_other_braces_are_text() -> None:
    """JSON in a prompt stays what it is; so do empty braces and format codes."""
    template = 'Reply as {"intent": "…", "n": {}} or {0} or {{input}} to: {input}'
    assert slots(template) == {"input"}
    assert fill(template, {"input": "hi"}) == 'Reply as {"intent": "…", "n": {}} or {0} or {hi} to: hi'


def test_a_value_is_never_filled_again() -> None:
    """What a case says about slots is text, also when it names one."""
    values = {"input": "{target} {id} {input}", "id": "{input}", "target": "secret"}
    assert fill("{id}: {input}", values) == "{input}: {target} {id} {input}"


@given(value=st.text(), other=st.text())
def test_values_go_in_letter_for_letter(value: str, other: str) -> None:
    """Whatever a value holds: braces, backslashes, anything."""
    assert fill("<{a}|{b}>", {"a": value, "b": other}) == f"<{value}|{other}>"


@given(st.text())
def test_a_template_without_values_stays(template: str) -> None:
    """Unknown slots are left as they stand."""
    assert fill(template, {}) == template


def test_columns_may_be_named_in_any_script() -> None:
    """A slot is a word, in Chinese as in English; a number or a phrase is none."""
    assert slots("{客户} {due_date} {Größe} {1st} {due date} {a-b}") == {"客户", "due_date", "Größe"}


def test_a_slot_that_names_no_column_is_refused() -> None:
    """Before anything is sent, with the columns there are."""
    with pytest.raises(SettingsError, match=r"my prompt: the template uses \{custmer\}.*customer, input") as caught:
        check_slots('{input} {custmer} {"a": 1}', ["input", "customer"], where="my prompt")
    assert caught.value.exit_code == 2
    check_slots("{input} {customer}", ["input", "customer", "more"], where="my prompt")


def test_a_template_never_sees_the_target() -> None:
    """Input, options, id and further columns; the answer is not among them."""
    case = Case(id="7", input="Which?", target="B", options=("red", "blue"), fields={"customer": "c1"})
    values = case_values(case)

    assert values == {"input": "Which?", "options": "A. red\nB. blue", "id": "7", "customer": "c1"}
    assert option_lines([]) == ""
