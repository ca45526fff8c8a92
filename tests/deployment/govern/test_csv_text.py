"""CSV: what goes in comes out, except that nothing runs."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.govern.csv_text import csv_text

cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)


@given(st.lists(st.lists(cells, min_size=2, max_size=4), min_size=1, max_size=5))
def test_what_goes_in_comes_out(rows: list[list[str]]) -> None:
    """Commas, quotes and line breaks stay within their cell; at most an apostrophe is put in front."""
    found = list(csv.reader(io.StringIO(csv_text(rows), newline="")))

    for row, read in zip(rows, found, strict=True):
        for cell, back in zip(row, read, strict=True):
            assert back in (cell, f"'{cell}")


def test_numbers_are_numbers() -> None:
    """They are no text, so a sum over the column still works; what is unknown is an empty cell."""
    assert csv_text([("a", 1, -2.5, None)]) == "a,1,-2.5,\r\n"
