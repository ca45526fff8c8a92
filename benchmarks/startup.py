"""What starting costs: the whole process of a comparison of one case."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from benchmarks.asking import ask, ask_bare, prepare, workplace
from benchmarks.measure import Figure, megabytes, seconds
from benchmarks.table import command


def figures(*, quick: bool) -> Iterator[Figure]:
    """CPU and wall seconds of a one-case run, bare loop and Touchstone taking turns; files are warm."""
    bare, ours = [], []
    with workplace() as (folder, served):
        place = prepare(folder, served, 1)
        for repetition in range(2 if quick else 8):
            found = ask_bare(place, served), ask(place, "w")
            shutil.rmtree(place / "w")
            if repetition:  # the first one writes bytecode and fills the disk's cache
                bare.append(found[0])
                ours.append(found[1])
    name = "one-case run, whole process"
    yield from seconds(name, ours, bare, 0.8)
    yield megabytes(name, ours, bare)


if __name__ == "__main__":
    command(figures)
