from __future__ import annotations

import io
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.conftest import ANY_TEXT, Write

from touchstone.data import lines as module
from touchstone.data.lines import LineTooLong, Undecodable, lines


@settings(max_examples=100, deadline=None)
@given(
    text=st.lists(st.one_of(ANY_TEXT, st.sampled_from(["\n", "\r\n", "\r", "\r\r\n"])), max_size=20).map("".join),
    chunk=st.integers(1, 9),
    encoding=st.sampled_from(["utf-8", "utf-16", "gb18030", "utf-32"]),
)
def test_lines_are_those_python_would_read(
    text: str, chunk: int, encoding: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """However the file falls into chunks, the lines are its text, split where universal line ends are."""
    path = tmp_path_factory.mktemp("lines") / "t.txt"
    path.write_bytes(text.encode(encoding))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK_BYTES", chunk)
        found = list(lines(path, encoding))
    assert found == list(io.StringIO(text.removeprefix("\ufeff"), newline=""))


@settings(max_examples=100, deadline=None)
@given(before=ANY_TEXT, after=st.binary(max_size=10), chunk=st.integers(1, 9))
def test_offset_of_a_broken_byte(
    before: str, after: bytes, chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The offset is where the first broken byte stands in the file, and everything before it was read."""
    path = tmp_path_factory.mktemp("lines") / "t.txt"
    path.write_bytes(before.encode() + b"\n\xff" + after)
    read: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK_BYTES", chunk)
        source = lines(path)
        with pytest.raises(Undecodable) as caught:
            deque(map(read.append, source))
    assert caught.value.offset == len(before.encode()) + 1
    assert "".join(read) == before.removeprefix("\ufeff") + "\n"


@pytest.mark.parametrize(
    ("data", "guess"),
    [
        ("我的卡在哪里".encode("gb18030"), "gb18030"),
        ("d\u00e9j\u00e0 vu, \u00e7a va".encode("cp1252"), "cp1252"),
        ("M\u00fcller stra\u00dfe".encode("latin-1"), "cp1252"),
        ("问题：订单没有到".encode("gbk"), "gb18030"),
    ],
)
def test_guess_of_the_encoding(data: bytes, guess: str, write: Write) -> None:
    """The encoding that is suggested is the likely one."""
    with pytest.raises(Undecodable) as caught:
        list(lines(write("t.txt", data)))
    assert caught.value.guess == guess


def test_endless_line_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the limit is refused before the whole of it is in memory."""
    monkeypatch.setattr(module, "MAX_LINE_CHARS", 100_000)
    with pytest.raises(LineTooLong):
        list(lines(write("t.txt", "x" * 300_000)))
