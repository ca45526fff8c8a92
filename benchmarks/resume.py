"""A finished run, and the same command again: seconds, and no request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.asking import ask, ask_bare, calls_made, prepare, workplace
from benchmarks.measure import Figure, Run, Served, Spread, megabytes, seconds
from benchmarks.table import command

CHARACTERS = 1_000
WORKSPACE = "w"


def figures(*, quick: bool) -> Iterator[Figure]:
    """A run of 100,000 cases of 1 KB is finished first, which takes minutes."""
    with workplace() as (folder, served):
        place = prepare(folder, served, 1_000 if quick else 100_000, characters=CHARACTERS)
        bare, ours = ask_bare(place, served), ask(place, WORKSPACE)
        yield from resumed(place, served, bare, ours)


def resumed(place: Path, served: Served, bare: Run, ours: Run) -> Iterator[Figure]:
    """
    Seconds and requests of three resumes.

    Args:
        place: Folder of the task, with the finished run's workspace.
        bare: The bare loop over the same cases.
        ours: The finished run.
    """
    cases = calls_made(ours)
    before = served.count()
    again = [ask(place, WORKSPACE) for _ in range(3)]
    requests = served.count() - before
    assert all(one.result["decision"] == ours.result["decision"] for one in again), "a resume decided otherwise"
    name = f"resume of a finished run of {cases:,} cases"
    yield from seconds(name, again, [bare], 3.0)
    yield megabytes(name, again, [bare])
    yield Figure(f"requests of {len(again)} resumes", "", Spread.of([requests]), Spread.of([cases]), most=0)


if __name__ == "__main__":
    command(figures)
