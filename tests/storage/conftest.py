"""A store of some megabytes with tables of every shape, child processes, and a disk of a few megabytes."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from touchstone.storage.database import Schema, ensure_schema, open_database

_metadata = sa.MetaData()
_reply = sa.Table(
    "reply",
    _metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)
_attempt = sa.Table(
    "attempt",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(64), nullable=False, index=True),
    sa.Column("note", sa.String),
    sqlite_autoincrement=True,
)
_outcome = sa.Table(
    "outcome",
    _metadata,
    sa.Column("trial", sa.Integer, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),
    sa.Column("text", sa.String),
    sqlite_with_rowid=False,
)
_recording = sa.Table(
    "recording",
    _metadata,
    sa.Column("file", sa.String, primary_key=True),
    sa.Column("case_id", sa.String, primary_key=True),
    sa.Column("draw", sa.Integer, primary_key=True),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
ROWS = 2_000
KEYS = {"reply": "rowid", "attempt": "id", "outcome": "trial, ordinal", "recording": "file, case_id, draw"}


@pytest.fixture(scope="session")
def large_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tables of 2,000 rows each, written in turns as a run does; about 6 MB. Copy it before you harm it."""
    file = tmp_path_factory.mktemp("large") / "touchstone.sqlite"
    engine = open_database(file)
    ensure_schema(engine, Schema(name="large", version=1, metadata=_metadata))
    draw = random.Random(7)
    for start in range(0, ROWS, 100):
        with engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=OFF")
        numbers = range(start, start + 100)
        bodies = {number: draw.randbytes(draw.choice((300, 900, 9_000))) for number in numbers}
        keys = {number: hashlib.sha256(b"%d" % number).hexdigest() for number in numbers}
        with engine.begin() as connection:
            connection.execute(
                _reply.insert(),
                [{"key": keys[n], "body": bodies[n], "digest": hashlib.sha256(bodies[n]).hexdigest()} for n in numbers],
            )
            connection.execute(_attempt.insert(), [{"key": keys[n], "note": f"note {n} " * 20} for n in numbers])
            connection.execute(
                _outcome.insert(), [{"trial": n % 4, "ordinal": n // 4, "text": f"text {n} " * 20} for n in numbers]
            )
            connection.execute(
                _recording.insert(),
                [{"file": f"f{n % 2}", "case_id": f"c{n:05}", "draw": 0, "payload": bodies[n][:200]} for n in numbers],
            )
    engine.dispose()
    return file


@pytest.fixture
def damaged(large_store: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the large store with some of its pages (from 1) overwritten, and cut off behind `length` bytes."""

    def make(*pages: int, with_: bytes | None = None, length: int | None = None) -> Path:
        file = tmp_path / "touchstone.sqlite"
        shutil.copyfile(large_store, file)
        draw = random.Random(str(pages))
        with file.open("r+b") as stream:
            for page in pages:
                stream.seek((page - 1) * 4096)
                stream.write(draw.randbytes(4096) if with_ is None else with_)
            if length is not None:
                stream.truncate(length)
        return file

    return make


@pytest.fixture
def child() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python code in a process of its own, with pipes; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str | Path, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*before, sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def small_disk(child: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> Callable[[str, int], str]:
    """Runs Python code on a disk of some megabytes at `sys.argv[1]`; returns what it prints."""
    unshare = shutil.which("unshare")
    can = unshare and (
        subprocess.run(
            [unshare, "-rm", "mount", "-t", "tmpfs", "none", str(tmp_path)], capture_output=True, check=False
        ).returncode
        == 0
    )
    if not can:
        pytest.skip("this system lets nobody but its administrator mount a small disk")

    def run(code: str, megabytes: int) -> str:
        mount = f'mount -t tmpfs -o size={megabytes}m none "$0" && exec "$@"'
        process = child(code, tmp_path, before=(str(unshare), "-rm", "sh", "-c", mount, str(tmp_path)))
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        return said

    return run
