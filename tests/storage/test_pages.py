"""What is promised of keys read off pages: those of a sound page are all found, and nonsense is no error."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from touchstone.storage.pages import leaf_keys

INTEGERS = (0, 1, -1, 127, -128, 2**15, -(2**15) - 1, 2**23, 2**31, -(2**47), 2**47, 2**63 - 1, -(2**63))


def made(file: Path, sql: str, rows: list[tuple[object, ...]]) -> Path:
    connection = sqlite3.connect(file)
    connection.execute(sql)
    connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.commit()
    connection.close()
    return file


def test_keys_of_every_kind_are_read(tmp_path: Path) -> None:
    """Whole numbers of every length, texts in every script, bytes, fractions and nothing."""
    keys = [(name, number) for name in ("", "a", "意图", "x" * 60) for number in (*INTEGERS, 1.5, b"\0\xff")]
    file = made(
        tmp_path / "a.db",
        "CREATE TABLE t (a, b, c, PRIMARY KEY (a, b)) WITHOUT ROWID",
        [(*key, "y" * 10) for key in keys],
    )

    # Some rows stand on inner pages of the tree, which are no leaves.
    found = list(leaf_keys(file, 4096, 2, 3))
    assert set(found) <= set(keys)
    assert len(found) > len(keys) - 5


def test_numbers_of_rows_are_read(tmp_path: Path) -> None:
    """Of a table that has them, also those below zero; not of one with more columns."""
    file = made(tmp_path / "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, c)", [(n, "y") for n in INTEGERS])

    assert {key for key in leaf_keys(file, 4096, 0, 2) if key[0] in INTEGERS} == {(n,) for n in INTEGERS}
    assert list(leaf_keys(file, 4096, 0, 1)) == []


@pytest.mark.parametrize("length", [10, 900, 1_100, 20_000])
def test_rows_that_go_on_elsewhere_are_read_as_far_as_they_are_there(tmp_path: Path, length: int) -> None:
    """A key at the beginning is always on the leaf, however long the row; one that is longer than that is left out."""
    short = made(
        tmp_path / "short.db",
        "CREATE TABLE t (a TEXT, b, PRIMARY KEY (a)) WITHOUT ROWID",
        [("key", b"x" * length)],
    )
    long = made(
        tmp_path / "long.db",
        "CREATE TABLE t (a TEXT, b, PRIMARY KEY (a)) WITHOUT ROWID",
        [("k" * length, b"x")],
    )

    assert list(leaf_keys(short, 4096, 1, 2)) == [("key",)]
    assert list(leaf_keys(long, 4096, 1, 2)) in ([("k" * length,)], [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from([10, 13]), body=st.binary(max_size=300), width=st.integers(0, 3), columns=st.integers(0, 5))
def test_nonsense_is_no_error(tmp_path: Path, kind: int, body: bytes, width: int, columns: int) -> None:
    """Whatever stands on a page, keys of the asked width come out of it, or none."""
    (tmp_path / "nonsense").write_bytes((bytes([kind]) + body).ljust(512, b"\x81")[:512])

    assert all(len(key) == (width or 1) for key in leaf_keys(tmp_path / "nonsense", 512, width, columns))
