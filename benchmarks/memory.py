"""Peak memory for growing numbers of cases of 1 KB; the largest run is then resumed."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.asking import ask, ask_bare, calls_made, prepare, workplace
from benchmarks.measure import Figure, Spread
from benchmarks.resume import CHARACTERS, WORKSPACE, resumed
from benchmarks.table import command


def figures(*, quick: bool) -> Iterator[Figure]:
    """Megabytes at each size; then what resuming the largest, finished run takes."""
    sizes = (100, 1_000) if quick else (1_000, 10_000, 100_000)
    with workplace() as (folder, served):
        for cases in sizes:
            place = prepare(folder, served, cases, characters=CHARACTERS)
            bare = ask_bare(place, served)
            ours = ask(place, WORKSPACE)
            assert calls_made(ours) == cases
            yield Figure(
                f"peak memory, {cases:,} cases of 1 KB",
                "MB",
                Spread.of([ours.peak_mb]),
                Spread.of([bare.peak_mb]),
                most=150,
                note=f"{ours.wall_s:,.0f} s, {ours.cpu_s:,.0f} CPU s",
            )
        yield from resumed(place, served, bare, ours)


if __name__ == "__main__":
    command(figures)
