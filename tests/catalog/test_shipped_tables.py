"""The data files as tables: what was parsed when the package was built, else the file itself; never anything older."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import orjson
import pytest
import tomli
from tests.conftest import ROOT

from touchstone.catalog import shipped_tables
from touchstone.catalog.index_write import write_index
from touchstone.catalog.shipped_tables import parsed_tables, read_shipped

ROOM = ROOT / "src/touchstone/catalog"
FILES = sorted(file.name for file in ROOM.glob("*.toml"))
LABS = tomli.loads((ROOM / "labs.toml").read_text("utf-8"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the index of what ships would lie; nothing lies there."""
    found = tmp_path / "shipped.sqlite"
    monkeypatch.setattr(shipped_tables, "SHIPPED_INDEX", found)
    return found


def keep(place: Path, tables: dict[str, bytes]) -> None:
    """An index beside which somebody laid these."""
    write_index(place, [], {"key": "k", "from": date.min.isoformat()}, derive=lambda _connection: tables)


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_the_same_with_the_index_and_without(name: str, place: Path) -> None:
    """Whichever is read, people find what stands in the TOML."""
    expected = tomli.loads((ROOM / name).read_text("utf-8"))
    assert read_shipped(name) == expected
    keep(place, parsed_tables())
    assert read_shipped(name) == expected


def test_what_was_parsed_when_the_package_was_built_is_not_parsed_again(place: Path) -> None:
    """That is what it is kept for."""
    keep(place, {key: b'{"lab": ["kept"]}' for key, body in parsed_tables().items() if orjson.loads(body) == LABS})
    assert read_shipped("labs.toml") == {"lab": ["kept"]}


def test_what_was_parsed_of_another_text_is_not_taken(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was changed since the package was built speaks for itself."""
    keep(place, parsed_tables())
    changed = {name: (ROOM / name).read_text("utf-8") for name in FILES}
    changed["labs.toml"] = changed["labs.toml"].replace(LABS["lab"][0]["name"], "Renamed", 1)
    monkeypatch.setattr(shipped_tables, "_text_of", changed.__getitem__)
    assert read_shipped("labs.toml") == tomli.loads(changed["labs.toml"]) != LABS
    assert read_shipped("sellers.toml") == tomli.loads(changed["sellers.toml"])


@pytest.mark.parametrize("damage", ["no index", "other version", "torn", "torn inside"])
def test_a_bad_index_hides_nothing(place: Path, damage: str) -> None:
    """It is derived: what it cannot say stands in the files."""
    if damage == "no index":
        place.write_bytes(b"no index of anything")
    else:
        keep(place, parsed_tables())
    if damage == "other version":
        with closing(sqlite3.connect(place)) as connection:
            connection.execute("DROP TABLE derived")
    if damage == "torn":
        body = place.read_bytes()
        place.write_bytes(body[:8192] + b"\xff" * (len(body) - 8192))
    if damage == "torn inside":
        keep(place, {key: body[: len(body) // 2] for key, body in parsed_tables().items()})
    assert read_shipped("labs.toml") == LABS
