"""Answers that must be JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.base import Case
from touchstone.errors import SettingsError
from touchstone.models.base import Completion
from touchstone.scoring.base import Reading
from touchstone.scoring.json_fields import JsonFields, JsonSchema, JsonValid
from touchstone.scoring.schema_keywords import linear

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', 1.0),
        ('```json\n{"a": 1}\n```', 1.0),
        ("null", 1.0),
        ('Here: {"a": 1}', 0.0),
        ('{"a": NaN}', 0.0),
        ("{'a': 1}", 0.0),
        ("", 0.0),
        ("[" * 100_000, 0.0),
        ("<think>{</think>[]", 1.0),
    ],
)
async def test_valid_means_that_the_whole_output_is_json(score, text: str, value: float) -> None:
    """Words around it and NaN make it invalid; a fence does not."""
    assert (await score(JsonValid(), text)).value == value


async def test_a_fence_can_be_forbidden(score) -> None:
    """Some consumers parse the raw output."""
    assert (await score(JsonValid(fence=False), "```json\n1\n```")).value == 0.0


SCHEMA = {
    "type": "object",
    "required": ["n"],
    "properties": {"n": {"type": "integer"}, "d": {"type": "string", "format": "date"}},
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("answer", "value", "reason"),
    [
        ('{"n": 1}', 1.0, ""),
        ('{"n": "1"}', 0.0, "n: '1' is not of type 'integer'"),
        ('{"n": 1, "d": "yesterday"}', 0.0, "d: 'yesterday' is not a 'date'"),
        ("words", 0.0, "not JSON"),
        (None, None, "no answer"),
    ],
)
async def test_a_schema_accepts_or_names_the_first_violation(score, answer, value, reason) -> None:
    """The reason says where and what."""
    found = await score(JsonSchema(SCHEMA), answer)
    assert (found.value, found.reason) == (value, reason)


def test_a_broken_schema_is_refused() -> None:
    """A schema that is none is the user's to mend."""
    with pytest.raises(SettingsError, match="schema"):
        JsonSchema({"type": "objekt"})


@pytest.mark.parametrize(
    ("scorer", "answer", "target", "value", "reason"),
    [
        (JsonFields(), '{"b": 2, "a": 1.0}', '{"a": 1, "b": 2}', 1.0, ""),
        (JsonFields(), '{"a": 1, "b": 3, "c": 4}', '{"a": 1, "b": 2}', 0.5, "differs: b"),
        (JsonFields(strict=True), '{"a": 1, "b": 3, "c": 4}', '{"a": 1, "b": 2}', 1 / 3, "differs: b, c"),
        (JsonFields(), '{"x": {"y": 1}}', '{"x": {"y": 1, "z": [1, 2]}}', 0.5, "differs: x.z"),
        (JsonFields(), '{"x": 5}', '{"x": {"y": 1}}', 0.0, "differs: x.y"),
        (JsonFields(fields=["a"]), '{"a": 1}', '{"a": 1, "b": 2}', 1.0, ""),
        (JsonFields(rel_tol=0.1), '{"a": 95}', '{"a": 100}', 1.0, ""),
        (JsonFields(ignore_case=True), '{"a": "X "}', '{"a": "x"}', 1.0, ""),
        (JsonFields(), '{"a": "1"}', '{"a": 1}', 0.0, "differs: a"),
        (JsonFields(), '{"a": true}', '{"a": 1}', 0.0, "differs: a"),
        (JsonFields(), '{"a": null}', '{"a": null}', 1.0, ""),
        (JsonFields(), "{}", '{"a": null}', 0.0, "differs: a"),
        (JsonFields(), "[1, 2]", "[1, 2]", 1.0, ""),
        (JsonFields(), "words", '{"a": 1}', 0.0, "not JSON"),
        (JsonFields(), "{}", "words", None, "the target words is not JSON"),
        (JsonFields(), None, "{}", None, "no answer"),
    ],
)
async def test_fields_are_compared_one_by_one(score, scorer, answer, target, value, reason) -> None:
    """The share of equal fields, and the names of the others."""
    found = await score(scorer, answer, target)
    assert found.value == (value if value is None else pytest.approx(value))
    assert found.reason == reason


@given(JSON, JSON)
async def test_any_json_scores_within_bounds_and_itself_one(one: object, other: object) -> None:
    """Every JSON value equals itself, and no pair leaves [0, 1]."""
    for scorer in (JsonFields(), JsonFields(strict=True)):
        for answer in (one, other):
            reading = Reading(answer=json.dumps(answer), how="")
            found = await scorer.score(Case(id="c", target=json.dumps(one)), Completion(parts=()), reading)
            assert found.value is not None
            assert 0.0 <= found.value <= 1.0
            if answer is one:
                assert found.value == 1.0


@pytest.mark.parametrize(
    ("schema", "answer", "value"),
    [
        ({"pattern": "^[a-z]+$"}, '"abc"', 1.0),
        ({"pattern": "b"}, '"abc"', 1.0),
        ({"pattern": "^b"}, '"abc"', 0.0),
        ({"pattern": "^b"}, "7", 1.0),
        ({"patternProperties": {"^n_": {"type": "integer"}}}, '{"n_a": 1, "x": "y"}', 1.0),
        ({"patternProperties": {"^n_": {"type": "integer"}}}, '{"n_a": "1"}', 0.0),
        ({"patternProperties": {"^n_": {}}, "additionalProperties": False}, '{"n_a": 1}', 1.0),
        ({"patternProperties": {"^n_": {}}, "additionalProperties": False}, '{"n_a": 1, "x": 1}', 0.0),
        ({"properties": {"a": {}}, "additionalProperties": {"type": "null"}}, '{"a": 1, "b": null}', 1.0),
        ({"properties": {"a": {}}, "additionalProperties": {"type": "null"}}, '{"a": 1, "b": 2}', 0.0),
        ({"properties": {"pattern": {"type": "integer"}}}, '{"pattern": 1}', 1.0),
        ({"enum": [{"pattern": "("}]}, '{"pattern": "("}', 1.0),
        ({"uniqueItems": True}, '[1, true, "1", [1], {"a": 1}, [["a", 1]]]', 1.0),
        ({"uniqueItems": True}, "[1, 1.0]", 0.0),
        ({"uniqueItems": True}, '[{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}]', 0.0),
        ({"uniqueItems": True}, "[100000000000000000001, 100000000000000000002]", 1.0),
        ({"uniqueItems": False}, "[1, 1]", 1.0),
    ],
)
async def test_the_keywords_we_replace_mean_what_they_mean(score, schema: dict, answer: str, value: float) -> None:
    """Patterns anywhere in a text, further properties, equal items: as JSON Schema has them."""
    assert (await score(JsonSchema(schema), answer)).value == value


@given(st.lists(JSON, max_size=5))
def test_unique_means_what_the_library_means(items: list) -> None:
    """Our linear comparison and the library's quadratic one agree on every list."""
    import jsonschema

    ours = linear(jsonschema.Draft202012Validator)({"uniqueItems": True})
    theirs = jsonschema.Draft202012Validator({"uniqueItems": True})
    assert ours.is_valid(items) == theirs.is_valid(items)


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"pattern": "^(a+)+$"}, json.dumps("a" * 100_000 + "!")),
        ({"patternProperties": {"^(a+)+$": {}}}, json.dumps({"a" * 100_000 + "!": 1})),
        ({"uniqueItems": True}, json.dumps([{"a": number} for number in range(20_000)])),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"items": {"$ref": "#/$defs/n"}}}}, "[" * 400 + "]" * 400),
    ],
    ids=["pattern", "property names", "unique items", "nested"],
)
async def test_no_answer_keeps_a_schema_busy_or_breaks_it(score, schema: dict, answer: str) -> None:
    """What would take years, or end the run, is a score (R22)."""
    assert (await score(JsonSchema(schema), answer)).value in (0.0, 1.0)


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "(?=a)"},
        {"properties": {"a": {"pattern": "("}}},
        {"patternProperties": {r"(a)\1": {}}},
        {"patternProperties": {"a": {}}, "unevaluatedProperties": False},
    ],
)
def test_a_pattern_that_could_be_slow_is_refused_before_the_run(schema: dict) -> None:
    """Look-around, back-references and what is no pattern; said when the scorer is made."""
    with pytest.raises(SettingsError):
        JsonSchema(schema)
