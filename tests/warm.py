"""
The command line in a process of its own that has nothing to import: it is forked from one that has imported it.

Importing takes longer than most of what the tests of the command line look at. Environment, folder, arguments, streams
and exit code are a process's own; what it shares with the others is what was imported, and the order of sets of text.
Where the start itself is the point, a test starts a real one.
"""

from __future__ import annotations

import atexit
import io
import json
import multiprocessing
import os
import runpy
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory

from touchstone.evaluation.crash_points import KILL_AT, crash_point

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.warm_imports"])


def begin(target: Callable[..., object], *arguments: object) -> ForkServerProcess:
    """Run a function of a module in a process of its own; what it needs is mostly imported already."""
    process = _context.Process(target=target, args=arguments)
    process.start()
    return process


def start(
    arguments: tuple[str, ...], *, folder: Path, environment: Mapping[str, str], out: Path, err: Path
) -> ForkServerProcess:
    """Begin `python -m touchstone`; it writes into two files, and `exitcode` is None while it runs."""
    return begin(_live, arguments, str(folder), dict(environment), str(out), str(err))


def run(
    *arguments: str, folder: Path, environment: Mapping[str, str], timeout_s: float = 120.0
) -> CompletedProcess[str]:
    """Run `python -m touchstone` to its end; one that takes longer hangs, and is killed."""
    told = ["touchstone", *arguments]
    with TemporaryDirectory() as kept:
        out, err = Path(kept, "stdout.txt"), Path(kept, "stderr.txt")
        process = start(arguments, folder=folder, environment=environment, out=out, err=err)
        process.join(timeout_s)
        code = process.exitcode
        if code is None:
            process.kill()
            process.join()
        process.close()
        if code is None:
            raise TimeoutExpired(told, timeout_s)
        return CompletedProcess(told, code, out.read_text("utf-8"), err.read_text("utf-8"))


@contextmanager
def on_path(folder: Path) -> Iterator[Path]:
    """A folder for `PATH` whose `touchstone` is answered by forked processes, for what a shell runs."""
    place, script = folder / "line", folder / "touchstone"
    script.write_text(_CLIENT.format(python=sys.executable, place=str(place)))
    script.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        process = begin(_answer, listener)
    try:
        yield folder
    finally:
        process.kill()
        process.join()
        process.close()


_CLIENT = """\
#!{python} -IS
import json, os, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect({place!r})
told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b"\\n"
sent = socket.send_fds(line, [told], [0, 1, 2])
line.sendall(told[sent:])
sys.exit(int(line.recv(16) or b"1"))
"""


def _answer(listener: socket.socket) -> None:
    """Fork once for every command that a shell starts, and tell the shell how it ended."""
    fork = multiprocessing.get_context("fork")
    while True:
        line, _ = listener.accept()
        fork.Process(target=_serve, args=(line,)).start()
        line.close()


def _serve(line: socket.socket) -> None:
    told, streams, _flags, _address = socket.recv_fds(line, 1 << 20, 3)
    while not told.endswith(b"\n"):
        told += line.recv(1 << 20)
    process = multiprocessing.get_context("fork").Process(target=_live_in_shell, args=(*json.loads(told), streams))
    process.start()
    for stream in streams:
        os.close(stream)
    process.join()
    code = process.exitcode or 0
    line.sendall(str(code if code >= 0 else 128 - code).encode())


def _live(arguments: tuple[str, ...], folder: str, environment: dict[str, str], out: str, err: str) -> None:
    """In the forked process: become `python -m touchstone`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    _take_over([os.open(os.devnull, os.O_RDONLY), os.open(out, flags, 0o600), os.open(err, flags, 0o600)])
    _settle(arguments, folder, environment)
    try:
        runpy.run_module("touchstone", run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()


def _live_in_shell(arguments: list[str], folder: str, environment: dict[str, str], streams: list[int]) -> None:
    """In the forked process: become the console script."""
    _take_over(streams)
    _settle(arguments, folder, environment)
    from touchstone.cli.main import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()


def _take_over(streams: list[int]) -> None:
    """Make these the standard streams, with objects as Python makes them for files and pipes."""
    for descriptor, stream in enumerate(streams):
        os.dup2(stream, descriptor)
        os.close(stream)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "r", closefd=False)), "utf-8", "surrogateescape")
    out, err = (io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False)) for descriptor in (1, 2))
    sys.stdout = io.TextIOWrapper(out, "utf-8", "surrogateescape")
    sys.stderr = io.TextIOWrapper(err, "utf-8", "backslashreplace", line_buffering=True)


def _settle(arguments: list[str] | tuple[str, ...], folder: str, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if KILL_AT in environment:  # read once at import, and that was before the fork
        crash_point.arm(environment[KILL_AT])
    sys.argv = ["touchstone", *arguments]
