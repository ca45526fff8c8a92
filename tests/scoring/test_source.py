"""Where in the output the answer stands."""

from __future__ import annotations

import pytest

from touchstone.errors import SettingsError, UnknownName
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.reading import make_reader, parse_from


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("auto", ("auto", None)),
        ("whole", ("whole", None)),
        ("json", ("json", None)),
        ("json.answer", ("json", "answer")),
        ("json.result.0.answer", ("json", "result.0.answer")),
        ({"after": "Answer:"}, ("after", "Answer:")),
        ({"regex": r"= (\d+)"}, ("regex", r"= (\d+)")),
        ({"json": "a.b"}, ("json", "a.b")),
        ("after: Answer:", ("after", "Answer:")),
        (r"regex: = (\d+)$", ("regex", r"= (\d+)$")),
    ],
)
def test_every_form_of_from_is_understood(written: object, meant: tuple[str, str | None]) -> None:
    """A word, json.FIELD, a mapping and its one-line form say where the answer stands."""
    assert parse_from(written) == meant


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("firstline", "first_line"),
        ("jsn.answer", "json"),
        ("after", "after"),
        ("json.", "json"),
        ({"befor": "x"}, "after"),
        ({"regex": ""}, "regex"),
        ({"regex": 3}, "regex"),
        ({"after": "a", "regex": "b"}, "2 keys"),
        (3, "json.answer"),
    ],
)
def test_an_unknown_from_names_the_closest_form(written: object, hint: str) -> None:
    """What cannot be understood is refused with the form that was probably meant."""
    with pytest.raises(SettingsError, match=hint):
        parse_from(written)


def test_an_unknown_kind_names_the_closest_kind() -> None:
    """`nummber` is not a kind; `number` is."""
    with pytest.raises(UnknownName, match="number"):
        make_reader(AnswerSpec(kind="nummber"))


@pytest.mark.parametrize("pattern", ["(", "(?=x)", r"(a)\1", "[z-a]"])
def test_a_pattern_that_is_not_re2_is_refused_when_the_reader_is_made(pattern: str) -> None:
    """A broken pattern is the user's to mend before anything is paid."""
    with pytest.raises(SettingsError, match="RE2"):
        make_reader(AnswerSpec(kind="text", source="regex", argument=pattern))


def test_a_source_without_its_text_is_refused() -> None:
    """`after` and `regex` need an argument."""
    with pytest.raises(SettingsError, match="after"):
        make_reader(AnswerSpec(kind="text", source="after"))
    with pytest.raises(SettingsError, match="whole"):
        make_reader(AnswerSpec(kind="text", source="everything"))


@pytest.mark.parametrize(
    ("origin", "text", "answer"),
    [
        ("first_line", "\n\n yes \nno", "yes"),
        ({"after": "Answer:"}, "Answer: a\nAnswer: b \nc", "b"),
        ({"after": "Answer:"}, "Answer:\n\n b\nc", "b"),
        ({"after": "Answer:"}, "nothing here", None),
        ({"after": "Answer:"}, "Answer:", None),
        ({"regex": r"= (\w+)"}, "x = one, y = two", "two"),
        ({"regex": r"\d\d"}, "12 then 34.", "34"),
        ({"regex": r"(x)?y"}, "y", None),
        ({"regex": r"= (\w+)"}, "none", None),
        ("last", "one\ntwo\n", "two"),
        ("whole", "  a b ", "a b"),
        ("whole", "   ", None),
    ],
)
def test_the_source_narrows_the_text(read, origin: object, text: str, answer: str | None) -> None:
    """Each source takes the part it documents, and nothing where there is none."""
    assert read("text", text, origin) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>maybe 3</think>\n4", "4"),
        ("<thinking>maybe 3</thinking>4", "4"),
        ("the template opened it: 3</think>4", "4"),
        ("<think>cut off at 3", None),
        ("the tag <think> is mentioned", "the tag <think> is mentioned"),
    ],
)
def test_reasoning_is_never_read_as_the_answer(read, text: str, answer: str | None) -> None:
    """A think block is dropped, and one that never ends leaves no answer."""
    assert read("text", text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"answer": "a"}', "a"),
        ('Sure!\n```json\n{"reasoning": "because {x}", "answer": "a"}\n```\nBye', "a"),
        ('{"reasoning": "two\nlines", "answer": "a"}', "a"),
        ('First {1, 2}, then {"answer": "a"}', "a"),
        ('{"reasoning": "5\\" tall \\( x \\)", "answer": "a"}', "a"),
        ('{"reasoning": "he said "hi"", "answer": "a \\"b\\""}', 'a "b"'),
        ('{"reasoning": ”, "answer": 12}', "12"),
        ('{"reasoning": ”, "answer": 12, "x": 1}', "12"),
        ('{"answer": 1.50}', "1.50"),
        ('{"answer": ["a", "b"]}', '["a","b"]'),
        ('{"answer": null}', None),
        ('{"reasoning": "cut here, answer: 5', None),
        ('answer": "42"', None),
        ("", None),
    ],
)
def test_a_json_field_is_found_in_fenced_and_broken_json(read, text: str, answer: str | None) -> None:
    """The first object with the field counts, then a quoted value, then an unquoted one; nothing is repaired."""
    assert read("text", text, "json.answer") == answer


def test_a_dotted_field_walks_into_objects_and_lists(read) -> None:
    """`json.a.0.b` names a member of a list in an object."""
    assert read("text", '{"a": [{"b": "x"}]}', "json.a.0.b") == "x"
    assert read("text", '{"a.b": "x"}', "json.a.b") == "x"
    assert read("text", '{"a": ["x"]}', "json.a.3") is None


def test_deeply_nested_json_is_no_answer_and_no_crash(read) -> None:
    """A hundred thousand brackets are just text without an answer."""
    assert read("json", "[" * 100_000) is None
    assert read("text", '{"answer":' * 50_000, "json.answer") is None
    for depth in range(50, 1_200, 50):
        nested = "[" * depth + "]" * depth
        assert read("json", nested) in {nested, None}
        assert read("text", f'{{"answer": {nested}}}', "json.answer") in {nested, None}
