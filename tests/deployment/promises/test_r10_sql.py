"""R10: no statement is put together out of texts, and keys are looked up by their digest."""

from __future__ import annotations

import ast

from tests.source import Source, source_of, sources

RUNS = {"execute", "executemany", "executescript", "exec_driver_sql", "text", "literal_column", "DDL"}
"""Calls whose first argument is SQL."""


def put_together(source: Source) -> list[str]:
    """Places at which SQL is made of parts."""
    found = []
    for call in source.calls:
        if isinstance(call.node.func, ast.Attribute) and call.node.func.attr in RUNS and call.node.args:
            first = call.node.args[0]
            made = isinstance(first, ast.JoinedStr | ast.BinOp)
            formatted = (
                isinstance(first, ast.Call)
                and isinstance(first.func, ast.Attribute)
                and first.func.attr in ("format", "join")
            )
            if made or formatted:
                found.append(call.place)
    return found


def test_no_statement_is_put_together() -> None:
    """Values are parameters; what is run is a constant or was made by SQLAlchemy."""
    for source in sources(*(f".{name}(" for name in RUNS)):
        if source.name.startswith("deployment/"):
            assert put_together(source) == []


def test_the_lint_sees_what_it_looks_for() -> None:
    """Every way in which a text is put together."""
    for made in ('f"SELECT {x}"', '"SELECT " + x', '"SELECT %s" % x', '"SELECT {}".format(x)', '" ".join(x)'):
        assert put_together(source_of(f"c.execute({made})")) == ["made-up.py:1"]
    assert put_together(source_of('c.execute("SELECT 1"); c.execute(query)')) == []
