"""One sitting of an engine: recover, prepare, measure, and stop when told to."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.measure import StopSignal
from touchstone.evaluation.recovery import recover
from touchstone.language import _
from touchstone.reporting.live import Progress
from touchstone.storage.database import store_file
from touchstone.storage.reserve import Reserve
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.conclude import before_asking
from touchstone.workspace.prepare import prepare
from touchstone.workspace.run import run
from touchstone.workspace.taskfile import Task


def measure(
    task: Task,
    ledger: Ledger,
    options: CompareOptions,
    *,
    workspace: Path | None,
    command: str,
    progress: Callable[[Progress], None],
    notice: Callable[[str], None],
    stop: StopSignal,
) -> str:
    """
    Measure a task into a store whose lock is held; returns the comparison's id.

    Args:
        workspace: Folder in which strategies keep what they build.

    Raises:
        UserError: something must be changed first; nobody was asked.
        StoreError: something could not be kept; nothing further was asked.
    """
    file = store_file(ledger.engine)
    reserve = Reserve(file) if file is not None else None
    if reserve is not None and (warning := reserve.take()) is not None:
        notice(warning.text(_))
    recover(ledger)

    async def sitting() -> str:
        prepared = await prepare(task, ledger, options, workspace=workspace, notice=notice)
        try:
            for line in before_asking(prepared, ledger, options):
                notice(line)
            with signals_stop(stop):
                return await run(
                    prepared,
                    ledger,
                    options,
                    command=command,
                    progress=progress,
                    notice=notice,
                    stop=stop,
                    make_room=reserve.release if reserve is not None else lambda: None,
                )
        finally:
            await prepared.close()

    try:
        with rare_collection(), asyncio.Runner(loop_factory=event_loop) as runner:
            return runner.run(sitting())
    finally:
        if reserve is not None:
            reserve.release()


def event_loop() -> asyncio.AbstractEventLoop:
    """A new event loop: uvloop's where there is one, which takes a seventh off the CPU of a quick call."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


@contextmanager
def rare_collection() -> Iterator[None]:
    """
    Look for garbage in cycles seldom: what a call makes dies by itself, and looking through all that lives takes a
    quarter of the time of a quick call (docs/experiments.md).
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        # What the run held refers to itself; the report, which needs as much again, comes next.
        gc.collect()
        gc.unfreeze()


@contextmanager
def signals_stop(stop: StopSignal) -> Iterator[None]:
    """SIGINT and SIGTERM ask the run to stop, once to finish what is in flight, twice to stop at once (F22)."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to the main thread; whoever started this one has its own way to stop
        return
    loop = asyncio.get_running_loop()
    installed = []
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.ask)
        except NotImplementedError:  # Windows: an interruption then cancels the run, which is as safe and less patient
            continue
        installed.append(number)
    try:
        yield
    finally:
        for number in installed:
            loop.remove_signal_handler(number)
