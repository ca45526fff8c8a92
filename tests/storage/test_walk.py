"""What is promised of the keys between two others, by which the good rows between bad pages are found."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.storage.walk import TableWalk, between, order

TEXTS = st.text(max_size=8)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
KEYS = st.one_of(
    st.tuples(st.tuples(INTEGERS), st.tuples(INTEGERS)),
    st.tuples(st.tuples(TEXTS), st.tuples(TEXTS)),
    st.tuples(st.tuples(TEXTS, INTEGERS, TEXTS), st.tuples(TEXTS, INTEGERS, TEXTS)),
    st.tuples(st.tuples(INTEGERS, TEXTS), st.tuples(INTEGERS, TEXTS)),
)


@given(KEYS)
def test_what_is_between_is_between(pair: tuple[tuple[object, ...], tuple[object, ...]]) -> None:
    """Neither of the two, in SQLite's own order, and something that SQLite can be asked for."""
    low, high = sorted(pair, key=order)
    middle = between(low, high)
    if middle is not None:
        assert order(low) < order(middle) < order(high)
        assert len(middle) == len(low)
        "".join(part for part in middle if isinstance(part, str)).encode()


@given(INTEGERS, INTEGERS)
def test_whole_numbers_are_never_given_up_early(one: int, other: int) -> None:
    """There is a number between two exactly when they are no neighbours."""
    low, high = sorted((one, other))
    assert (between((low,), (high,)) is None) == (high - low < 2)


@given(INTEGERS, INTEGERS, st.data())
def test_any_number_is_soon_reached(one: int, other: int, data: st.DataObject) -> None:
    """Fewer steps than digits of the largest number lead to any one between."""
    low, high = sorted((one, other))
    if high - low < 2:
        return
    wanted = data.draw(st.integers(low + 1, high - 1))
    for _ in range(200):
        middle = between((low,), (high,))
        assert middle is not None
        if middle[0] == wanted:
            return
        low, high = (middle[0], high) if middle[0] < wanted else (low, middle[0])
    raise AssertionError("not reached")


@given(st.lists(st.one_of(st.none(), INTEGERS, st.floats(allow_nan=False), TEXTS, st.binary(max_size=4)), max_size=20))
def test_keys_are_ordered_as_sqlite_orders_them(values: list[object]) -> None:
    """Nothing, numbers, texts by their characters' numbers, bytes."""
    values = [value for value in values if not (isinstance(value, str) and "\0" in value)]
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (v)")
    connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    by_sqlite = [row[0] for row in connection.execute("SELECT v FROM t ORDER BY v, rowid")]
    connection.close()

    assert [order((value,)) for value in by_sqlite] == sorted(order((value,)) for value in values)


def test_neighbours_that_begin_differently_are_looked_between() -> None:
    """What follows the first beginning and what comes before the second one are both reached."""
    assert between((3, 500), (4, 20)) == (4, -(2**63))
    later = between((3, 500), (4, -(2**63)))
    assert later is not None
    assert later[0] == 3
    assert later[1] > 500
    assert between(("dev", 9), ("test", 5)) == ("test", -(2**63))
    assert between(("dev", 9), ("test", -(2**63))) == ("dev\0", -(2**63))
    later = between(("dev", 9), ("dev\0", -(2**63)))
    assert later is not None
    assert later[0] == "dev"
    assert later[1] > 9


def test_nothing_is_between_the_same() -> None:
    """Nor between parts of different kinds, whose middle nobody knows."""
    assert between((1, "a"), (1, "a")) is None
    assert between((b"a",), (b"b",)) is None
    assert between((1,), ("a",)) is None


@pytest.mark.parametrize("rowid", [True, False])
def test_a_sound_table_is_read_once_through(rowid: bool) -> None:
    """Every row once, and nothing is said to be lost."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE t (a TEXT, b INTEGER, PRIMARY KEY (a, b)) {'' if rowid else 'WITHOUT ROWID'}")
    rows = [(name, number) for name in "abc" for number in range(50)]
    connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    walk = (
        TableWalk(connection, "t", ["rowid"], [True], ["a", "b"])
        if rowid
        else TableWalk(connection, "t", ["a", "b"], [False, True], ["a", "b"])
    )

    assert list(walk) == rows
    assert walk.whole
    assert walk.lost_at_most == 0
    connection.close()
