"""R20: no cell of a report is a formula, whoever chose the name that stands in it."""

from __future__ import annotations

import csv
import io

import pytest
from tests.deployment.govern.books import Books, a_key

from touchstone.deployment.govern.csv_text import harmless
from touchstone.deployment.govern.usage_report import usage, usage_csv

HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "  =1",
    "=cmd|' /C calc'!A0",
    "＝1",
    "\0=1",
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_name_that_is_a_formula_is_text(books: Books, name: str) -> None:
    """In the file that `touchstone usage --csv` writes."""
    key = a_key(project=name)
    await books.ask(key, 0.01, 0.01)
    [_head, line] = csv.reader(io.StringIO(usage_csv(usage(books.engine, ("project",)), ("project",)), newline=""))

    assert line[0].startswith("'")
    assert line[0][1:] == name.replace("\0", "")


@pytest.mark.parametrize("name", ["shop", "a=b", "it's", "1-2", "", "质检"])
def test_other_names_stay_as_they_are(name: str) -> None:
    """Nobody's name is changed without need."""
    assert harmless(name) == name
