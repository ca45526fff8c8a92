"""What errors promise: one line with the value, the place and the next step, in either language."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator
from tests.source import sources

from touchstone import errors
from touchstone.errors import (
    BudgetStop,
    DataError,
    ExtraMissing,
    GateNotMet,
    InvalidValue,
    ModelError,
    SettingsError,
    StoreError,
    TaskError,
    TouchstoneError,
    UnknownName,
    UserError,
    refusal,
)

KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, TouchstoneError) and kind not in (UnknownName, ExtraMissing)
}


@pytest.mark.parametrize(
    ("kind", "code"),
    [(StoreError, 1), (ModelError, 1), (UserError, 2), (SettingsError, 2), (BudgetStop, 3), (GateNotMet, 100)],
)
def test_exit_codes(kind: type[TouchstoneError], code: int) -> None:
    """1 it failed, 2 the user must change something, 3 the cap stopped it, 100 a gate was not met."""
    assert kind("x").exit_code == code


def test_a_message_is_filled_in_and_translated() -> None:
    """English by `str`, the reader's language by `text`; the values go into either."""
    error = SettingsError("{flag} is {value!r}; use a number", flag="--repeat", value="many")

    assert str(error) == "--repeat is 'many'; use a number"
    assert error.text({"{flag} is {value!r}; use a number": "{flag}：{value}"}.__getitem__) == "--repeat：many"


def test_braces_in_values_are_text() -> None:
    """What the user wrote is never taken for a slot."""
    assert str(SettingsError("{value} is wrong", value="{other}")) == "{other} is wrong"


def test_places_come_first() -> None:
    """File and row, file and line; the words for row and line are translated too."""
    data = DataError("the id is empty", path="cases.csv", row=7)
    task = TaskError("no such key", path="task.yaml", line=3)

    assert str(data) == "cases.csv, row 7: the id is empty"
    assert str(DataError("it is empty", path="cases.csv")) == "cases.csv: it is empty"
    assert str(task) == "task.yaml, line 3: no such key"
    chinese = {"{path}, row {row}": "{path} 第 {row} 行", "the id is empty": "id 为空"}
    assert data.text(lambda message: chinese.get(message, message)) == "cases.csv 第 7 行: id 为空"


def test_an_error_can_be_given_the_place_that_led_to_it() -> None:
    """Its own values may be called `path` or `line`, and it is still translated."""
    inner = SettingsError("script {path} cannot be read, line {line}", path="a.jsonl", line=9)
    error = TaskError.of(inner, path="task.yaml", line=3)

    assert str(error) == "task.yaml, line 3: script a.jsonl cannot be read, line 9"
    chinese = {inner.template: "脚本 {path} 无法读取，第 {line} 行"}
    assert error.text(lambda message: chinese.get(message, message)) == (
        "task.yaml, line 3: 脚本 a.jsonl 无法读取，第 9 行"
    )


def test_unknown_names_name_the_closest() -> None:
    """A few near ones, or some of those there are."""
    assert "known: logistic" in str(UnknownName(kind="baseline", name="logstic", known=["majority", "logistic"]))
    assert "known: a, b" in str(UnknownName(kind="thing", name="zzzz", known=["b", "a"]))
    assert "known: none" in str(UnknownName(kind="thing", name="x", known=[]))


def test_the_kind_of_an_unknown_name_is_translated() -> None:
    """No English word stands in a Chinese sentence."""
    chinese = {"no {kind} is called {name!r}; known: {close}": "没有叫 {name} 的{kind}：{close}", "scorer": "评分器"}

    error = UnknownName(kind="scorer", name="exakt", known=["exact"])
    assert error.text(lambda message: chinese.get(message, message)) == "没有叫 exakt 的评分器：exact"


class Shelf(BaseModel):
    """Something with one field for every way of being refused."""

    name: Annotated[str, Field(min_length=1, max_length=4)] = "a"
    full: bool = True
    width: Annotated[int, Field(gt=0, lt=9)] = 1
    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    wood: Literal["oak", "elm"] = "oak"
    books: Annotated[tuple[str, ...], Field(min_length=1)] = ("a",)
    places: dict[str, str] = {}

    @field_validator("wood", mode="before")
    @classmethod
    def _no_plastic(cls, value: object) -> object:
        if value == "plastic":
            raise InvalidValue("{wood} is no wood", wood="plastic")
        if value == "glass":
            raise ValueError("glass breaks")
        return value


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", 7, "write a text"),
        ("name", "", "write a text that is not empty"),
        ("name", "shelf", "write at most 4 characters"),
        ("full", "perhaps", "write true or false"),
        ("width", "wide", "write a whole number"),
        ("width", 1.5, "write a whole number"),
        ("width", 0, "write a number above 0"),
        ("width", 9, "write a number below 9"),
        ("share", "half", "write a number"),
        ("share", [], "write a number"),
        ("share", -1, "write a number of at least 0.0"),
        ("share", 2, "write a number of at most 1.0"),
        ("share", float("nan"), "write a finite number"),
        ("wood", "ash", "use one of 'oak', 'elm'"),
        ("wood", "plastic", "plastic is no wood"),
        ("wood", "glass", "glass breaks"),
        ("books", "a", "write a list"),
        ("books", [], "give at least 1 of them"),
        ("places", "a", "write a mapping of keys to values"),
    ],
)
def test_a_refused_value_says_what_to_write(field: str, value: object, said: str) -> None:
    """Short, translatable, in place of what pydantic says."""
    with pytest.raises(ValidationError) as caught:
        Shelf.model_validate({field: value})

    assert str(refusal(caught.value.errors()[0])) == said


def test_a_missing_extra_says_what_to_install() -> None:
    """The command, ready to copy."""
    assert "pip install 'touchstone[classical]'" in str(ExtraMissing(feature="logistic", extra="classical"))


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every place in the package where one of our errors is made with a template."""
    for source in sources(*(f"{kind}(" for kind in KINDS)):
        for call in source.calls:
            if isinstance(call.node.func, ast.Name) and call.node.func.id in KINDS:
                yield call.place, call.node


def test_every_template_is_a_literal_whose_slots_are_filled() -> None:
    """A computed message could not be translated, and a slot without a value would hide the error behind another."""
    found = 0
    for place, call in calls():
        assert call.args, place
        template = call.args[0]
        given = {keyword.arg for keyword in call.keywords}
        if None in given:
            continue  # values passed on from another error
        assert isinstance(template, ast.Constant), f"{place}: the template is no literal"
        text = template.value
        assert isinstance(text, str), place
        slots = {name.partition(".")[0] for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        # `path`, `row` and `line` make up the place in front of the message and are not among its values.
        apart = {"DataError": {"path", "row"}, "TaskError": {"path", "line"}}.get(call.func.id, set())
        values = given - apart - {"retry_after_s"}
        assert slots <= values, f"{place}: {slots - values} has no value"
        assert values or "{" not in text, f"{place}: braces without values would be shown doubled"
        found += 1
    assert found > 100
