"""Logs that do not grow for ever."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.compute.log_file import LogFile


def test_old_lines_are_dropped(tmp_path: Path) -> None:
    """Three files of a kilobyte hold the newest lines, and no more than they may."""
    log = LogFile(tmp_path / "deep/replica.log", most_bytes=1_024, files=3)
    for number in range(400):
        log.write(b"line %04d\n" % number)
    log.close()
    kept = sorted(log.path.parent.iterdir())
    assert [place.name for place in kept] == ["replica.log", "replica.log.1", "replica.log.2"]
    assert all(place.stat().st_size <= 1_024 for place in kept)
    assert log.tail(150) == tuple(f"line {number:04d}" for number in range(250, 400))
    assert log.tail(0) == ()
    log.write(b"again\n")
    assert log.tail(1) == ("again",)
    log.close()


def test_a_place_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    """A full disk, for example."""
    log = LogFile(tmp_path / "replica.log", most_bytes=1_024, files=2)
    log.path.mkdir()
    log.write(b"lost\n")
    log.path.rmdir()
    log.write(b"kept\n")
    assert log.tail(5) == ("kept",)
    log.close()


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_what_is_shown_can_be_shown(parts: list[bytes]) -> None:
    """Whatever was printed: no control characters, no bytes that are no text."""
    with tempfile.TemporaryDirectory() as place:
        log = LogFile(Path(place) / "replica.log", most_bytes=256, files=2)
        for part in parts:
            log.write(part)
        log.close()
        for line in log.tail(100):
            assert all(sign.isprintable() or sign == "\t" for sign in line)
