"""R10: no statement is put together out of texts, and keys are looked up by their digest."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import touchstone.deployment

ROOM = Path(touchstone.deployment.__file__).parent
RUNS = {"execute", "executemany", "executescript", "exec_driver_sql", "text", "literal_column", "DDL"}
"""Calls whose first argument is SQL."""


def put_together(source: str) -> list[int]:
    """Lines on which SQL is made of parts."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in RUNS and node.args:
            first = node.args[0]
            made = isinstance(first, ast.JoinedStr | ast.BinOp)
            formatted = (
                isinstance(first, ast.Call)
                and isinstance(first.func, ast.Attribute)
                and first.func.attr in ("format", "join")
            )
            if made or formatted:
                found.append(node.lineno)
    return found


@pytest.mark.parametrize("file", sorted(ROOM.rglob("*.py")), ids=lambda file: str(file.relative_to(ROOM)))
def test_no_statement_is_put_together(file: Path) -> None:
    """Values are parameters; what is run is a constant or was made by SQLAlchemy."""
    assert put_together(file.read_text(encoding="utf-8")) == []


def test_the_lint_sees_what_it_looks_for() -> None:
    """Every way in which a text is put together."""
    for made in ('f"SELECT {x}"', '"SELECT " + x', '"SELECT %s" % x', '"SELECT {}".format(x)', '" ".join(x)'):
        assert put_together(f"c.execute({made})") == [1]
    assert put_together('c.execute("SELECT 1"); c.execute(query)') == []
