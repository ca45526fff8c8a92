"""The page of promises names every row, and tests that are there and speak of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/promises.md").read_text("utf-8")
ROWS: dict[str, str] = dict(re.findall(r"^\| ([AR]\d+) \| [^|]* \| (.*) \|$", PAGE, re.MULTILINE))
WITHOUT_A_TEST_HERE: frozenset[str] = frozenset()
"""Rows that nothing proves."""
UNDER_ANOTHER_NAME = {"A23", "R24", "R26"}
"""Their tests go by R7, by F31, and by A5 to A7."""


def test_every_row_is_there() -> None:
    """A1 to A24 and R1 to R30."""
    assert list(ROWS) == [*(f"A{number}" for number in range(1, 25)), *(f"R{number}" for number in range(1, 31))]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_tests(row: str) -> None:
    """The files are there, and at least one of them names the row, by its file name or in words."""
    files = re.findall(r"`([\w/]+\.py)`", ROWS[row])
    assert files or row in WITHOUT_A_TEST_HERE
    named = False
    for file in files:
        text = (ROOT / "tests" / file).read_text("utf-8")
        letter, number = row[0], int(row[1:])
        named |= bool(re.search(rf"\b{row}\b|_{letter.lower()}{number:02d}_", file + text))
    assert named or row in WITHOUT_A_TEST_HERE | UNDER_ANOTHER_NAME, f"no file of {row} says that it is about it"
