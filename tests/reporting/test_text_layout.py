"""Texts and columns in a terminal: nothing is lost, nothing is wider than it may be, and numbers stay whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from touchstone.reporting.text_layout import (
    column_widths,
    grid_lines,
    is_styled,
    styled,
    table_lines,
    terminal_width,
    width_of,
    wrapped,
)

TEXTS = st.text(st.sampled_from("ab-/_: 中文，。（）é😀"), max_size=60)


@given(TEXTS, st.integers(min_value=4, max_value=50), st.integers(min_value=0, max_value=2))
def test_wrapping_loses_nothing_and_stays_within(text: str, width: int, indent: int) -> None:
    """Every character but blanks is there, in order, and no line takes more cells than it may."""
    lines = wrapped(text, width, indent=indent)

    assert "".join("".join(lines).split()) == "".join(text.split())
    assert max(map(width_of, lines)) <= width
    assert all(line == line.strip(" ") or index for index, line in enumerate(lines))


def test_a_line_breaks_at_a_blank_then_inside_a_name_and_only_then_anywhere() -> None:
    """Words stay whole where they fit, names break after their marks, and what has no mark is cut."""
    assert wrapped("see deepseek/deepseek-chat", 15) == ["see deepseek/", "deepseek-chat"]
    assert wrapped("see deepseek/deepseek-chat", 22) == ["see", "deepseek/deepseek-chat"]
    assert wrapped("abcdefghij", 4) == ["abcd", "efgh", "ij"]


def test_chinese_takes_two_cells_and_breaks_between_characters() -> None:
    """A line of eight cells holds four characters, and none begins with a closing mark."""
    assert width_of("中文ab") == 6
    assert wrapped("一二三四，五六", 8) == ["一二三", "四，五六"]


def test_lines_after_the_first_can_be_indented() -> None:
    """A point goes on under its own text."""
    assert wrapped("• one two", 6, indent=2) == ["• one", "  two"]


@given(
    st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(["$0.10", "1,234", "–"])), min_size=1, max_size=5),
    st.integers(min_value=40, max_value=120),
)
def test_a_table_is_never_wider_than_the_terminal(rows: list[tuple[str, str, str]], width: int) -> None:
    """Whatever the texts, lines fit and every number stands whole in one of them."""
    lines = table_lines(("Name", "Text", "$"), rows, width, numbers={2})

    assert max(map(width_of, lines)) <= width
    for row in rows:
        assert any(line.endswith(row[2]) for line in lines)


def test_a_table_as_whole_text() -> None:
    """Heads stand over their columns, numbers to the right, long texts go on in their own column."""
    rows = [("inkwell/quill", "writes letters and bills", "$0.10"), ("b", "", "$12.00")]

    assert "\n".join(table_lines(("Model", "What", "$ per million"), rows, 42, numbers={2})) == (
        "                                     $ per\n"
        "Model           What               million\n"
        "──────────────────────────────────────────\n"
        "inkwell/quill   writes letters       $0.10\n"
        "                and bills\n"
        "b                                   $12.00"
    )


def test_the_widest_column_gives_way_first() -> None:
    """A short column keeps what it needs beside a long one."""
    assert column_widths([["ab"], ["word " * 20]], 40) == [2, 35]


def test_a_grid_has_no_heads() -> None:
    """Names, values and sources stand below each other."""
    assert grid_lines([("Id", "a/b", ""), ("Languages", "en, zh", "[1]")], 60) == [
        "Id          a/b",
        "Languages   en, zh   [1]",
    ]


def test_styles_are_written_only_where_they_are_asked_for() -> None:
    """Without colour a line is as it was, and a test's output is no terminal."""
    assert styled("a", "bold", False) == "a"
    assert styled("a", "bold", True) == "\x1b[1ma\x1b[0m"
    assert styled("a", "", True) == "a"
    assert is_styled(None) is False
    assert terminal_width(20) == 40
