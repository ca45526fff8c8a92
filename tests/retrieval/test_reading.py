"""What the reading process promises: whatever a file does to its reader, it stays one finding, and harms nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from touchstone.retrieval import reading, reading_child
from touchstone.retrieval.base import Document, Unread
from touchstone.retrieval.documents import Source
from touchstone.retrieval.parsed import Unreadable
from touchstone.retrieval.reading import ReadingChild

CHILD = """
import sys
from touchstone.retrieval import reading_child
{prepare}
reading_child.main()
"""


def hostile(body: str) -> str:
    """A child whose reader of plain text does what is given here: what a bug in a library would let a file do."""
    prepare = f"""
import types
module = types.ModuleType("hostile")
exec({body!r}, module.__dict__)
sys.modules["hostile"] = module
reading_child.MODULES["text"] = "hostile"
reading_child.MEMORY_BYTES = 1 << 29
reading_child.CPU_S = 1
"""
    return CHILD.format(prepare=prepare)


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    """Makes a `ReadingChild` whose process runs a program of the test's, with everything else as it is."""
    made: list[ReadingChild] = []

    def make(body: str, deadline_s: float = 20.0) -> ReadingChild:
        program = tmp_path / "child.py"
        program.write_text(hostile(body))
        monkeypatch.setattr(reading, "COMMAND", ("-I", "-B", str(program)))
        made.append(ReadingChild(deadline_s))
        return made[-1]

    yield make
    for one in made:
        one.close()


def refused(child: ReadingChild, data: bytes = b"x") -> str:
    with pytest.raises(Unreadable) as caught:
        child.read("text", data)
    return caught.value.reason


def test_a_file_is_read() -> None:
    """Text comes back with its headings, again and again from one process; a refusal does not end it."""
    with ReadingChild() as child:
        assert child.read("markdown", "# 退货\n\nYes.".encode()).parts == ((("退货",), "Yes.", None, ()),)
        with pytest.raises(Unreadable):
            child.read("text", b"\xff")
        first = child._child
        assert child.read("html", b"<p>Hi").parts[0].text == "Hi"
        assert child._child is first


def test_a_crash_is_one_finding(child: object) -> None:
    """The reader dies over one file; the next is read by a new process."""
    reader = child("import os\ndef read(data):\n    os.abort()")  # type: ignore[operator]
    assert refused(reader) == "reader_died"
    assert reader.read("html", b"<p>Hi").parts[0].text == "Hi"


def test_an_exception_is_one_finding_without_its_words(child: object) -> None:
    """Only the kind of the exception is told: its text may come out of the file."""
    reader = child("def read(data):\n    raise ValueError('\\x1b[31m ' + data.decode())")  # type: ignore[operator]
    with pytest.raises(Unreadable) as caught:
        reader.read("text", b"secret")
    assert (caught.value.reason, caught.value.values_said) == ("broken", {"kind": "ValueError"})


def test_memory_is_limited(child: object) -> None:
    """A file that blows up in memory is refused, not the machine's trouble."""
    reader = child("def read(data):\n    return bytearray(1 << 40)")  # type: ignore[operator]
    assert refused(reader) == "too_much_memory"
    reader = child("def read(data):\n    kept = []\n    while True:\n        kept.append(bytes(1 << 24))")  # type: ignore[operator]
    assert refused(reader) in ("too_much_memory", "reader_died")


def test_computing_time_is_limited(child: object) -> None:
    """A reader that computes on is ended by the system."""
    reader = child("def read(data):\n    while True: pass")  # type: ignore[operator]
    assert refused(reader) == "too_much_cpu"


def test_waiting_is_limited(child: object) -> None:
    """A reader that hangs is killed with all that it started, at its deadline."""
    reader = child("import time\ndef read(data):\n    time.sleep(60)", deadline_s=0.5)  # type: ignore[operator]
    started = time.monotonic()
    assert refused(reader) == "too_slow"
    assert time.monotonic() - started < 20
    assert reader.read("html", b"<p>Hi").parts[0].text == "Hi"


@pytest.mark.parametrize(
    "deed",
    [
        "open({marker!r}, 'w').write('x')",
        "__import__('pathlib').Path({marker!r}).write_bytes(b'x')",
        "__import__('os').close(__import__('os').open({marker!r}, 65))",
        "__import__('os').mkdir({marker!r})",
        "__import__('os').system('touch {marker}')",
        "__import__('subprocess').run(['touch', {marker!r}])",
        "__import__('os').fork()",
        "__import__('socket').create_connection(('127.0.0.1', {port}), 2)",
        "__import__('urllib.request').request.urlopen('http://127.0.0.1:{port}')",
    ],
)
def test_what_a_reader_has_no_business_with(child: object, tmp_path: Path, deed: str) -> None:
    """It writes no file, starts no program and opens no connection, even when a file makes it try."""
    import socket

    marker = tmp_path / "marker"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        body = deed.format(marker=str(marker), port=server.getsockname()[1])
        reader = child(f"def read(data):\n    {body}\n    return ('t', ())")  # type: ignore[operator]
        assert refused(reader) in ("broken", "reader_died")
        with pytest.raises(TimeoutError):
            server.accept()
    assert not marker.exists()


def test_no_secret_in_its_environment(child: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this process's environment is handed on, and its limits are set before a file is read."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    body = """
import os, resource
from touchstone.retrieval.parsed import Parsed, Part
def read(data):
    limits = [resource.getrlimit(one)[0] for one in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE)]
    return Parsed(repr(sorted(os.environ)), (Part((), repr(limits)),))
"""
    found = child(body).read("text", b"x")  # type: ignore[operator]
    assert "OPENAI_API_KEY" not in (found.title or "")
    assert set(eval(found.title or "")) <= {"PATH", "LANG", "LC_CTYPE", "PYTHONNODEBUGRANGES"}
    assert found.parts[0].text == repr([1 << 29, 0, 0])


def test_it_is_a_group_of_its_own() -> None:
    """Killing it kills what it started, and a signal to our group is none to it."""
    with ReadingChild() as child:
        child.read("text", b"x")
        assert child._child is not None
        assert os.getpgid(child._child.pid) == child._child.pid


def test_a_new_process_after_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """What leaks in a library ends with its process."""
    monkeypatch.setattr(reading, "FILES_PER_CHILD", 2)
    with ReadingChild() as child:
        seen = set()
        for _ in range(4):
            child.read("text", b"x")
            assert child._child is not None
            seen.add(child._child.pid)
        assert len(seen) == 2


def test_an_answer_that_never_ends(child: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read to its end."""
    monkeypatch.setattr(reading, "MOST_ANSWER_BYTES", 1000)
    reader = child("from touchstone.retrieval.parsed import Parsed, Part\n"  # type: ignore[operator]
                   "def read(data):\n    return Parsed('t', (Part((), 'x' * 10_000),))")  # fmt: skip
    assert refused(reader) == "too_much_text"


def test_a_text_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document of more characters than passages are looked up in is refused."""
    data = b"word " * (reading_child.importlib.import_module("touchstone.retrieval.parsed").MOST_CHARS // 5 + 1)
    assert reading_child.answer("text", data)["refused"] == "too_much_text"


def test_starting_it_imports_little() -> None:
    """No pydantic, numpy or parser before a file needs it: a folder of one file starts one too."""
    ended = subprocess.run(
        [sys.executable, "-c", "import sys, touchstone.retrieval.reading_child; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not {"pydantic", "numpy", "markdown_it", "html.parser"} & set(ended.stdout.split())


def test_a_broken_file_does_not_end_the_run(tmp_path: Path) -> None:
    """The other documents of the folder are there."""
    (tmp_path / "a.md").write_text("# A\n\nfine")
    (tmp_path / "b.txt").write_bytes(b"\x80")
    (tmp_path / "c.html").write_text("<p>fine")
    with Source(tmp_path) as source:
        found = {one.id: type(one) for one in source.documents()}
    assert found == {"a.md": Document, "b.txt": Unread, "c.html": Document}
