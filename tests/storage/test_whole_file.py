"""A file that is replaced as a whole."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from touchstone.storage.whole_file import replace_whole


def test_it_is_written_and_written_again(tmp_path: Path) -> None:
    """Nothing else lies in the folder afterwards, and only its owner may read it."""
    file = tmp_path / "kept.json"
    for body in (b"first", b""):
        replace_whole(file, body)
        assert file.read_bytes() == body
        assert [one.name for one in tmp_path.iterdir()] == ["kept.json"]
        assert file.stat().st_mode & 0o077 == 0


def test_what_cannot_be_replaced_stays_and_nothing_lies_about(tmp_path: Path) -> None:
    """Here a folder stands in its place."""
    file = tmp_path / "kept.json"
    file.mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_whole(file, b"body")
    assert [one.name for one in tmp_path.iterdir()] == ["kept.json"]


def test_two_writers_leave_one_text_or_the_other(tmp_path: Path) -> None:
    """Who reads meanwhile finds one of them whole."""
    file = tmp_path / "kept.json"
    bodies = [bytes([sign]) * 200_000 for sign in b"ab"]
    replace_whole(file, bodies[0])

    def write(body: bytes) -> None:
        for _time in range(50):
            replace_whole(file, body)

    writers = [threading.Thread(target=write, args=(body,)) for body in bodies]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert file.read_bytes() in bodies
    assert [one.name for one in tmp_path.iterdir()] == ["kept.json"]
