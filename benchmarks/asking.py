"""The two that are compared: a bare aiohttp loop and `touchstone compare`, whole processes on the same cases."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.items import write_cases, write_task
from benchmarks.measure import Run, Served, run, serving

IN_FLIGHT = 64
MODEL = "share-80-one"
YARDSTICK_CASES = 2_000
"""Cases of the bare loop against which figures are set that ask nobody: it says how fast this machine is."""


@contextmanager
def workplace() -> Iterator[tuple[Path, Served]]:
    """A folder that is removed afterwards, and a running server."""
    with tempfile.TemporaryDirectory(prefix="touchstone-benchmark-") as folder, serving() as served:
        yield Path(folder), served


def prepare(
    folder: Path, served: Served, cases: int, *, models: Sequence[str] = (MODEL,), characters: int = 100
) -> Path:
    """A folder of its own under `folder`, with a task file and so many cases."""
    place = folder / f"{len(models)}-{cases}-{characters}"
    if not place.exists():
        place.mkdir()
        write_cases(place / "cases.csv", cases, characters=characters)
        write_task(place, served.base_url, models, in_flight=IN_FLIGHT)
    return place


def ask_bare(place: Path, served: Served) -> Run:
    """The bare loop over the cases of a folder."""
    return run(["-m", "benchmarks.bare_loop", served.base_url, "cases.csv", MODEL, str(IN_FLIGHT)], place)


def ask(place: Path, workspace: str, *flags: str, codes: Sequence[int] = (0,)) -> Run:
    """`touchstone compare` of the task of a folder, into a workspace beside it."""
    return run(
        ["-m", "touchstone", "compare", "task.yaml", "--json", "--workspace", workspace, *flags], place, codes=codes
    )


def calls_made(measured: Run) -> int:
    """How many calls a comparison says it made."""
    return int(measured.result["calls"]["made"])


def yardstick(folder: Path, served: Served, *, quick: bool, repetitions: int = 3) -> list[Run]:
    """The bare loop, for figures that ask nobody themselves."""
    place = prepare(folder, served, 200 if quick else YARDSTICK_CASES)
    return [ask_bare(place, served) for _ in range(repetitions)]
