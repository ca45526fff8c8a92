from __future__ import annotations

import csv
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.conftest import Write, csv_text, tables

from touchstone.data.csv import CsvReader
from touchstone.errors import DataError
from touchstone.testing.exams import ReaderExam

SEPARATORS = [",", ";", "\t", "|"]


def read(path: Path, encoding: str | None = None) -> list[dict[str, str]]:
    return [row for _, row in CsvReader().rows(path, encoding=encoding)]


def refusal(path: Path, encoding: str | None = None) -> DataError:
    with pytest.raises(DataError) as caught:
        read(path, encoding)
    assert str(path) in str(caught.value)
    return caught.value


class TestCsvExam(ReaderExam):
    @pytest.fixture
    def reader(self) -> CsvReader:
        return CsvReader()

    @pytest.fixture
    def sample(self, tmp_path: Path) -> tuple[Path, list[dict[str, object]]]:
        path = tmp_path / "cases.csv"
        path.write_text("id,input\n001,Hello\n2,\n")
        return path, [{"id": "001", "input": "Hello"}, {"id": "2", "input": ""}]


@settings(max_examples=150, deadline=None)
@given(
    table=tables(),
    separator=st.sampled_from(SEPARATORS),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
)
def test_what_was_written_comes_back_cell_for_cell(
    table: tuple[list[str], list[list[str]]],
    separator: str,
    line_end: str,
    encoding: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Any table, with any separator, line end and Unicode encoding, comes back as it was written."""
    names, rows = table
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(csv_text(names, rows, separator, line_end, all_quoted=True).encode(encoding))
    declared = None if encoding.startswith("utf-8") else encoding
    assert read(path, declared) == [dict(zip(names, row, strict=True)) for row in rows]


@settings(max_examples=100, deadline=None)
@given(table=tables(), separator=st.sampled_from(SEPARATORS))
def test_cells_that_need_no_quotes_come_back_too(
    table: tuple[list[str], list[list[str]]], separator: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A table with quotes only where they are needed comes back as it was written."""
    names, rows = table
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(csv_text(names, rows, separator, "\r\n", all_quoted=False).encode())
    assert read(path) == [dict(zip(names, row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("id;text\n1;one, two, three\n2;four, five\n", ["1", "one, two, three"]),
        ('"the id, please";"text; all of it"\n1;one\n', ["1", "one"]),
        ("id\ttext\n1\tone, two; three\n", ["1", "one, two; three"]),
        ('id\ttext\n1\t"Hello" she said\n2\t5" disk\n', ["1", '"Hello" she said']),
        ("id|text\n1|a,b;c\n", ["1", "a,b;c"]),
        ("sep=;\nid;text\n1;2,5\n", ["1", "2,5"]),
        ('id,text\n1,"a;b\n;c;"\n2,"d"\n', ["1", "a;b\n;c;"]),
        ("text\nHello; you\nHello, you\n", ["Hello; you"]),
        (" id , text\n1, one\n", ["1", " one"]),
    ],
)
def test_header_and_rows_tell_the_separator(text: str, cells: list[str], write: Write) -> None:
    """Separators within texts and quoting in the header do not mislead."""
    first = read(write("cases.csv", text))[0]
    assert list(first.values()) == cells


def test_byte_order_mark_and_line_ends_are_told(write: Write) -> None:
    """What was found out about a file is said in one line."""
    line = CsvReader().describe(write("cases.csv", b"\xef\xbb\xbfid;text\r\n1;a\r\n"))
    assert line == (
        "CSV, UTF-8 with byte order mark, separator semicolon, cells may be quoted, line ends CRLF, 2 columns: id, text"
    )


def test_line_ends_within_quotes_stay(write: Write) -> None:
    """CRLF ends rows and stays as it is within a cell."""
    assert read(write("cases.csv", 'id,text\r\n1,"a\r\nb\nc\rd"\r\n')) == [{"id": "1", "text": "a\r\nb\nc\rd"}]


def test_line_end_split_between_two_chunks(write: Write) -> None:
    """A CRLF that two reads of the file share is one line end."""
    for length in range(65_520, 65_540):
        path = write("cases.csv", f"a,b\r\n{'x' * (length - 10)},1\r\ny,2\r\n")
        assert [row["b"] for row in read(path)] == ["1", "2"]


def test_blank_lines_are_counted_and_skipped(write: Write) -> None:
    """A row's number is its distance from the header, blank lines included."""
    path = write("cases.csv", "\nid,text\n\n1,a\n\n2,b\n\n")
    assert [number for number, _ in CsvReader().rows(path)] == [2, 4]


@pytest.mark.parametrize("row", [1, 2, 500, 5000])
def test_broken_byte_is_named_with_row_and_offset(row: int, write: Write) -> None:
    """Bytes that are not UTF-8 are refused with the data row and their offset in the file, wherever they are."""
    before = "id,text\n" + "".join(f"{n},été\n" for n in range(1, row))
    error = refusal(write("cases.csv", before.encode() + f"{row},caf".encode() + b"\xe9\n"))
    assert error.row == row
    assert error.values["offset"] == len(before.encode()) + len(f"{row},caf")
    assert "encoding: cp1252" in str(error)


def test_rows_before_a_broken_byte_are_read(write: Write) -> None:
    """A preview of a file with a broken byte further down works."""
    path = write("cases.csv", b"id,text\n1,a\n2,b\n3,\xff\n")
    rows = CsvReader().rows(path)
    assert [next(rows)[0], next(rows)[0]] == [1, 2]


def test_chinese_encoding_is_suggested_and_read_when_declared(write: Write) -> None:
    """A GB 18030 file is refused with that suggestion, and read exactly once it is declared."""
    path = write("cases.csv", "编号,文本\n1,我的卡在哪里？\n".encode("gb18030"))
    assert "encoding: gb18030" in str(refusal(path))
    assert read(path, "gb18030") == [{"编号": "1", "文本": "我的卡在哪里？"}]


def test_broken_byte_in_a_declared_encoding(write: Write) -> None:
    """A declared encoding is as strict as UTF-8."""
    path = write("cases.csv", "a,b\n1,好\n".encode("gb18030") + b"2,\xff\xff\n")
    error = refusal(path, "gb18030")
    assert (error.row, error.values["offset"]) == (2, 11)


def test_utf_16_announces_itself_and_must_be_declared(write: Write) -> None:
    """UTF-16 is refused with its name, and read when it is declared."""
    path = write("cases.csv", "a,b\n1,é\n".encode("utf-16"))
    assert "encoding: utf-16" in str(refusal(path))
    assert read(path, "utf-16") == [{"a": "1", "b": "é"}]
    bare = write("bare.csv", "a,b\n1,e\n".encode("utf-16-le"))
    assert "UTF-16" in str(refusal(bare))


def test_unknown_encoding_is_refused(write: Write) -> None:
    """An encoding nobody knows is refused with examples of known ones."""
    path = write("cases.csv", "a,b\n1,2\n")
    assert "gb2313" in str(refusal(path, "gb2313"))
    assert "base64" in str(refusal(path, "base64"))


@pytest.mark.parametrize(
    ("text", "row", "words"),
    [
        ("a,b\n1,2\n3,4,5\n", 2, "3 cells and the header 2"),
        ("a,b,c\n1,2,3\n4,5\n", 2, "c is the first"),
        ('a,b\n1,"open\n2,x\n3,y\n', 1, "never closed"),
        ('a,b\n1,2\n"x"y,2\n', 2, "quoting is broken"),
        ("a,b,a\n1,2,3\n", 0, "'a' twice"),
        (",text,label\n0,a,b\n", 0, "index=False"),
    ],
)
def test_rows_that_are_no_rows_are_refused(text: str, row: int, words: str, write: Write) -> None:
    """Ragged rows, broken quotes and useless headers are refused with row and remedy."""
    error = refusal(write("cases.csv", text))
    assert error.row == row
    assert words in str(error)


def test_empty_file_is_refused(write: Write) -> None:
    """A file without a header is refused."""
    assert "empty" in str(refusal(write("cases.csv", "")))
    assert "empty" in str(refusal(write("blank.csv", "\n \n")))


def test_folder_is_refused(tmp_path: Path) -> None:
    """A folder in place of a file is refused."""
    assert "folder" in str(refusal(tmp_path))


def test_nul_and_control_characters_stay(write: Write) -> None:
    """NUL and control characters in cells are what they are."""
    assert read(write("cases.csv", "a,b\nx\0y,\x1b[31m\u202e\n")) == [{"a": "x\0y", "b": "\x1b[31m\u202e"}]


def test_cells_of_megabytes(write: Write) -> None:
    """A cell of 8 Mi characters is read, a longer one refused with its row; other limits of the process stay."""
    size = 8 << 20
    assert len(read(write("cases.csv", f"a,b\n1,{'x' * size}\n"))[0]["b"]) == size
    error = refusal(write("long.csv", f"a,b\n1,{'x' * (size + 1)}\n"))
    assert error.row == 1
    assert csv.field_size_limit() >= size


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """50,000 rows (11 MB) are read within 2 MB."""
    path = tmp_path / "long.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("id,text\n")
        file.writelines(f"{n},{'many words ' * 20}\n" for n in range(50_000))
    rows = CsvReader().rows(path)
    next(rows)
    tracemalloc.start()
    assert sum(1 for _ in rows) == 49_999
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
