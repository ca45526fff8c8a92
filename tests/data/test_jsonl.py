from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import examples
from tests.data.conftest import ANY_TEXT, Write, lines_of

from touchstone.data import jsonl as module
from touchstone.data.jsonl import MAX_DEPTH, JsonlReader
from touchstone.errors import DataError
from touchstone.testing.exams import ReaderExam

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), ANY_TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ANY_TEXT, inner, max_size=3)),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(ANY_TEXT, VALUES, max_size=4), min_size=1, max_size=8)


def read(path: Path, encoding: str | None = None) -> list[dict[str, Any]]:
    return [row for _, row in JsonlReader().rows(path, encoding=encoding)]


def refusal(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return caught.value


class TestJsonlExam(ReaderExam):
    @pytest.fixture
    def reader(self) -> JsonlReader:
        return JsonlReader()

    @pytest.fixture
    def sample(self, tmp_path: Path) -> tuple[Path, list[dict[str, object]]]:
        rows: list[dict[str, object]] = [{"id": "001", "n": 7}, {"id": "2", "list": [1, None]}]
        path = tmp_path / "cases.jsonl"
        path.write_text(lines_of(rows))
        return path, rows


@examples(60)
@given(
    rows=ROWS, line_end=st.sampled_from(["\n", "\r\n"]), ascii_only=st.booleans(), mark=st.sampled_from(["", "\ufeff"])
)
def test_what_was_written_comes_back(
    rows: list[dict[str, Any]],
    line_end: str,
    ascii_only: bool,
    mark: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Any objects come back with their types, from lines and from one array."""
    folder = tmp_path_factory.mktemp("jsonl")
    texts = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    as_lines, as_array = folder / "t.jsonl", folder / "t.json"
    as_lines.write_bytes((mark + line_end.join(texts)).encode())
    as_array.write_bytes((mark + "[" + ",\n".join(texts) + "]").encode())
    assert read(as_lines) == rows
    assert read(as_array) == rows


def test_blank_lines_are_counted_and_skipped(write: Write) -> None:
    """A row's number is its line."""
    path = write("t.jsonl", '\n{"a": 1}\n  \n{"a": 2}\n\n')
    assert [number for number, _ in JsonlReader().rows(path)] == [2, 4]


def test_nan_and_infinity_are_missing(write: Write) -> None:
    """Values that are no numbers are missing values."""
    path = write("t.jsonl", '{"a": NaN, "b": [Infinity, -Infinity]}\n')
    assert read(path) == [{"a": None, "b": [None, None]}]


def test_large_integers_keep_all_digits(write: Write) -> None:
    """An id of 30 digits is not rounded."""
    assert read(write("t.jsonl", '{"id": 123456789012345678901234567890}\n'))[0]["id"] == 123456789012345678901234567890


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"a": }', "character 7"),
        ("{'a': 1}", "JSON"),
        ('"text"', "a text and not"),
        ("3", "a number and not"),
        ("null", "null and not"),
        ("[1]", "a list and not"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": "\\ud83d"}', "half of a surrogate"),
        ('{"a": ' + "9" * 5000 + "}", "cannot be used"),
        ('{"a": ' + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1) + "}", "levels"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "levels"),
        ('{"a": 1} {"a": 2}', "one JSON object per line"),
    ],
)
def test_bad_line_is_named(line: str, words: str, write: Write) -> None:
    """A line that is no JSON object, or breaks a rule, is refused with its row."""
    error = refusal(write("t.jsonl", f'{{"a": 1}}\n{line}\n'))
    assert error.row == 2
    assert words in str(error)


def test_deep_but_allowed(write: Write) -> None:
    """Data up to the limit of depth is read."""
    deep = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert len(read(write("t.jsonl", f'{{"a": {deep}}}\n'))) == 1
    assert len(read(write("wide.jsonl", '{"a": [' + ",".join(["[]"] * 500) + "]}\n"))) == 1


def test_escaped_pairs_are_characters(write: Write) -> None:
    """An escaped pair of surrogates is the character it stands for."""
    assert read(write("t.jsonl", '{"a": "\\ud83d\\ude00"}\n')) == [{"a": "😀"}]


def test_pretty_printed_object_says_what_to_do(write: Write) -> None:
    """A file with one object over several lines is refused with the remedy."""
    assert "one object per line" in str(refusal(write("t.json", '{\n  "a": 1\n}\n')))


def test_array_too_large_to_hold(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large array is refused with the way to turn it into lines."""
    monkeypatch.setattr(module, "MAX_ARRAY_BYTES", 10)
    assert "jq -c" in str(refusal(write("t.json", '[{"a": 1}, {"a": 2}]')))


def test_broken_array_names_line_and_column(write: Write) -> None:
    """A mistake in an array is named by line and column, an item that is no object by its position."""
    assert "line 2, column 8" in str(refusal(write("t.json", '[{"a": 1},\n {"a": }]')))
    assert refusal(write("u.json", '[{"a": 1}, 2]')).row == 2


def test_broken_byte_is_named_with_row_and_offset(write: Write) -> None:
    """Bytes that are not UTF-8 are refused with row and offset, and read in a declared encoding."""
    path = write("t.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n')
    error = refusal(path)
    assert (error.row, error.values["offset"]) == (2, 16)
    assert read(path, "latin-1")[1] == {"a": "é"}


def test_description(write: Write) -> None:
    """What was found out about a file is said in one line."""
    assert JsonlReader().describe(write("t.jsonl", '{"a": 1}\n{"b": 1}\n')) == "JSON Lines, UTF-8, 2 columns: a, b"
    assert JsonlReader().describe(write("t.json", '[{"a": 1}]')) == "JSON array, UTF-8, 1 columns: a"


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """50,000 rows (11 MB) are read within 2 MB."""
    path = tmp_path / "long.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f'{{"id": {n}, "text": "{"many words " * 20}"}}\n' for n in range(50_000))
    rows = JsonlReader().rows(path)
    next(rows)
    tracemalloc.start()
    assert sum(1 for _ in rows) == 49_999
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
