"""
CPU per case and cases per second, with journal, cache, scoring, cap and race on.

A figure "per case" is once the whole process over its cases, start-up included, and once without start-up: what a run
of many cases takes beyond a run of one. Two candidates that are equally good keep a race going longest.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from benchmarks.asking import MODEL, ask, ask_bare, calls_made, prepare, workplace
from benchmarks.measure import Figure, Run, Spread
from benchmarks.table import command

RIVAL = "share-80-two"


def figures(*, quick: bool) -> Iterator[Figure]:
    """CPU milliseconds per call and calls per second, bare loop and Touchstone taking turns."""
    cases, repetitions = (200, 2) if quick else (2_000, 5)
    bare: list[tuple[Run, Run]] = []
    ours: dict[int, list[tuple[Run, Run]]] = {1: [], 2: []}
    with workplace() as (folder, served):
        for repetition in range(repetitions):
            places = [prepare(folder, served, number) for number in (cases, 1)]
            bare.append((ask_bare(places[0], served), ask_bare(places[1], served)))
            for candidates, found in ours.items():
                models = [MODEL, RIVAL][:candidates]
                runs = []
                for number in (cases, 1):
                    place = prepare(folder, served, number, models=models)
                    before = served.count()
                    runs.append(ask(place, f"w{repetition}"))
                    assert served.count() - before == calls_made(runs[-1]), "the server saw other calls than the ledger"
                    shutil.rmtree(place / f"w{repetition}")
                found.append((runs[0], runs[1]))
    whole = Spread.of(1000 * many.cpu_s / cases for many, _ in bare)
    beyond = Spread.of(1000 * (many.cpu_s - one.cpu_s) / (cases - 1) for many, one in bare)
    rate = Spread.of(cases / many.wall_s for many, _ in bare)
    for candidates, found in ours.items():
        calls = [(calls_made(many), calls_made(one)) for many, one in found]
        named = "one candidate" if candidates == 1 else "two candidates, racing"
        note = f"{calls[0][0]:,} calls"
        yield Figure(
            f"CPU per call, whole process, {named}",
            "ms",
            Spread.of(1000 * many.cpu_s / n for (many, _), (n, _one) in zip(found, calls, strict=True)),
            whole,
            most_ratio=3.0,
            note=note,
        )
        yield Figure(
            f"CPU per call beyond start-up, {named}",
            "ms",
            Spread.of(
                1000 * (many.cpu_s - one.cpu_s) / (n - m) for (many, one), (n, m) in zip(found, calls, strict=True)
            ),
            beyond,
            most=1.0,
            most_ratio=3.0,
            note=note,
        )
        yield Figure(
            f"calls per second, whole process, {named}",
            "1/s",
            Spread.of(n / many.wall_s for (many, _), (n, _one) in zip(found, calls, strict=True)),
            rate,
            note="more is better",
        )


if __name__ == "__main__":
    command(figures)
