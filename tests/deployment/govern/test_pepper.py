"""The pepper of a workspace: made once, for its owner's eyes, and never quietly replaced."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest

from touchstone.deployment.govern.pepper import NAME, load_pepper, mark_of
from touchstone.errors import StoreError


def test_it_is_made_once(tmp_path: Path) -> None:
    """256 bits in a file that others cannot read; the next process finds the same."""
    pepper = load_pepper(tmp_path / "new")

    assert len(pepper) == 32
    assert load_pepper(tmp_path / "new") == pepper
    assert load_pepper(tmp_path / "other") != pepper
    assert stat.S_IMODE((tmp_path / "new" / NAME).stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "new").iterdir()] == [NAME]


def test_two_processes_agree(tmp_path: Path) -> None:
    """Whoever is quicker makes it, the others read it."""
    with multiprocessing.get_context("fork").Pool(4) as pool:
        found = pool.map(load_pepper, [tmp_path] * 8)

    assert len(set(found)) == 1


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """With the command that mends it."""
    load_pepper(tmp_path)
    (tmp_path / NAME).chmod(0o640)

    with pytest.raises(StoreError, match="chmod 600"):
        load_pepper(tmp_path)


@pytest.mark.parametrize("body", [b"", b"abc", b"z" * 64, b"0" * 65])
def test_a_damaged_one_is_refused(tmp_path: Path, body: bytes) -> None:
    """It is not made anew: every key would be unknown from then on."""
    load_pepper(tmp_path)
    (tmp_path / NAME).write_bytes(body)

    with pytest.raises(StoreError, match="damaged"):
        load_pepper(tmp_path)


def test_its_mark_tells_peppers_apart() -> None:
    """And is no part of it."""
    assert mark_of(bytes(32)) != mark_of(b"\1" * 32)
    assert bytes(32).hex()[:16] != mark_of(bytes(32))
