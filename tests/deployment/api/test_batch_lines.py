"""The lines of a batch: found again wherever they end, kept whole, and cut where a process died."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.gateway.api import batch_lines
from touchstone.deployment.gateway.api.batch_lines import Answer, Line, kept, lines_of, read_line, validate
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.govern.batches import Batch

BATCH = Batch(
    id="batch_1", key=1, project="p", endpoint="/v1/embeddings", input_file="file-1", digest="0" * 64, created_s=0,
    expires_s=1,
)  # fmt: skip


def wanted(name: str) -> bytes:
    """A line that is as it should be."""
    return orjson.dumps({"custom_id": name, "method": "POST", "url": "/v1/embeddings", "body": {"input": "x"}})


@given(
    st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b""))),
    st.booleans(),
    st.integers(1, 30),
)
def test_lines_are_found_with_and_without_a_last_line_end(texts: list[bytes], ends: bool, most: int) -> None:
    """Every line that says something, in order, at its place; longer ones than are held at a time, too."""
    content = b"\n".join(texts) + (b"\n" if ends and texts else b"")
    file = io.BytesIO(content)
    found = list(lines_of(file, most))
    said = [read_line(file, line) for line in found]
    assert [one for one in said if one] == [text.strip() for text in texts if text.strip()]
    assert [line.number for line in found] == sorted({line.number for line in found})
    assert all(texts[line.number - 1].strip() == one for line, one in zip(found, said, strict=True))


def test_a_file_of_too_many_lines_is_refused_before_all_are_read() -> None:
    """The limit counts requests; the error names it."""
    file = io.BytesIO(b"".join(wanted(str(n)) + b"\n" for n in range(5)))
    assert len(validate(file, BATCH, DoorLimits(), 5).lines) == 5
    [error] = validate(file, BATCH, DoorLimits(), 4).errors
    assert (error.code, "4" in error.message) == ("too_many_lines", True)


def test_so_many_mistakes_are_told_and_no_more() -> None:
    """A file of nothing but mistakes does not become a row as large as the file."""
    file = io.BytesIO(b"{\n" * 10_000)
    assert len(validate(file, BATCH, DoorLimits(), 50_000).errors) == batch_lines.MOST_ERRORS


def test_a_file_of_line_ends_is_not_read_to_its_end() -> None:
    """Some empty lines say nothing; nobody keeps the gateway busy with millions of them."""
    few = io.BytesIO(b"\n" * 99_999 + wanted("a") + b"\n\n")
    assert len(validate(few, BATCH, DoorLimits(), 9).lines) == 1
    many = io.BytesIO(b"\n" * 1_000_000)
    assert validate(many, BATCH, DoorLimits(), 50_000).errors
    assert many.tell() < 200_000


def test_a_line_is_as_long_as_a_live_body() -> None:
    """A longer one is refused by the same code."""
    limits = DoorLimits(body_bytes=1000)
    file = io.BytesIO(wanted("a" * 300) + b"\n" + wanted("b" * 40).replace(b'"x"', b'"' + b"x" * 6000 + b'"'))
    [error] = validate(file, BATCH, limits, 9).errors
    assert (error.code, error.line) == ("body_too_large", 2)


@pytest.fixture
def work(tmp_path: Path) -> BinaryIO:
    """An empty work file."""
    handle = os.open(tmp_path / "work", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    return os.fdopen(handle, "r+b", buffering=0)


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=20)), max_size=8), st.integers(0, 40))
def test_answers_outlive_the_process_and_a_torn_one_goes(answers: list[tuple[bool, str]], torn: int) -> None:
    """Whatever of the last record was written: all whole ones are found, and the next one follows them."""
    import tempfile

    with tempfile.TemporaryFile(buffering=0) as file:
        for number, (good, text) in enumerate(answers, start=1):
            batch_lines.keep(file, Answer(number, good, orjson.dumps(text)))
        whole = file.seek(0, 2)
        file.write((b"99 1 " + b"x" * 40)[:torn])
        found = kept(file)
        assert sorted(found) == list(range(1, len(answers) + 1))
        assert file.seek(0, 2) == whole
        for number, (good, text) in enumerate(answers, start=1):
            file.seek(found[number].start)
            assert orjson.loads(file.read(found[number].size)) == text
            assert found[number].good is good
        place = batch_lines.keep(file, Answer(99, True, b'"after"'))
        assert kept(file)[99] == place


def test_an_answer_that_the_disk_did_not_take_leaves_no_half(work: BinaryIO) -> None:
    """The record is cut off again, so that the next one is whole."""
    batch_lines.keep(work, Answer(1, True, b'"one"'))

    class Full:
        def __getattr__(self, name: str) -> object:
            return getattr(work, name)

        def write(self, data: bytes) -> int:
            work.write(data[:3])
            raise OSError(28, "No space left on device")

    with work:
        with pytest.raises(OSError, match="No space"):
            batch_lines.keep(Full(), Answer(2, True, b'"two"'))  # type: ignore[arg-type]
        batch_lines.keep(work, Answer(3, False, b'"three"'))
        assert sorted(kept(work)) == [1, 3]


def test_the_same_line_has_the_same_name_after_a_restart() -> None:
    """And other lines have others."""
    line = Line(1, 0, 0)
    first = batch_lines.not_asked(BATCH, line, "a", "c", "m")
    assert first == batch_lines.not_asked(BATCH, line, "a", "c", "m")
    assert (
        orjson.loads(first.said)["id"]
        != orjson.loads(batch_lines.not_asked(BATCH, Line(2, 0, 0), "a", "c", "m").said)["id"]
    )
