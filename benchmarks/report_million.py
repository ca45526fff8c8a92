"""
A report and a decision over 1,000,000 stored outcomes: 10 candidates, 100,000 cases each.

Nobody could ask that often for a benchmark. A comparison is opened for real and stopped by its cap after a few calls;
the ledger then gets the outcomes that a run would have kept, all but one of each candidate; the same command goes on,
asks for those, and finishes. What is timed afterwards are whole processes of `decide` and `report`.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.asking import ask, prepare, workplace, yardstick
from benchmarks.measure import Figure, megabytes, run, seconds
from benchmarks.table import command

_CANDIDATES = 10


def figures(*, quick: bool) -> Iterator[Figure]:
    """Seconds and megabytes of `decide` and of `report`."""
    cases, repetitions = (2_000, 2) if quick else (100_000, 3)
    with workplace() as (folder, served):
        models = [f"share-{50 + 3 * place}-{place}" for place in range(_CANDIDATES)]
        place = prepare(folder, served, cases, models=models)
        ask(place, "w", "--full", "--max-usd", "0.0002", codes=(3,))
        started = time.perf_counter()
        # In a process of its own: what it imports would count as memory of every later child.
        run(["-m", "benchmarks.report_million", "fill", "w/touchstone.sqlite", str(cases)], place)
        filled_s = time.perf_counter() - started
        before = served.count()
        finished = ask(place, "w", "--full")
        asked = served.count() - before
        outcomes = cases * _CANDIDATES
        assert asked == _CANDIDATES
        assert sum(one["outcomes"]["scored"] for one in finished.result["candidates"]) == outcomes
        size_mb = (place / "w" / "touchstone.sqlite").stat().st_size / 2**20
        bare = yardstick(folder, served, quick=quick)
        note = (
            f"store of {size_mb:,.0f} MB, filled in {filled_s:,.0f} s; "
            f"going on took {finished.wall_s:.1f} s and {asked} calls"
        )
        for verb, flags in (("decide", ["--json"]), ("report", ["--out", "report.html"])):
            found = [run(["-m", "touchstone", verb, *flags, "--workspace", "w"], place) for _ in range(repetitions)]
            name = f"`{verb}` over {outcomes:,} outcomes"
            yield from seconds(name, found, bare, 5.0, note)
            yield megabytes(name, found, bare, 400)
            note = ""
        shutil.rmtree(place)


def fill(store: Path, cases: int) -> None:
    """Keep an outcome for every case but the last, for every trial of the newest comparison."""
    from touchstone.evaluation.base import Outcome
    from touchstone.evaluation.ledger import Ledger
    from touchstone.models.base import Completion, TextPart, Usage
    from touchstone.scoring.base import Reading, Score

    with closing(sqlite3.connect(store)) as connection:
        comparison = connection.execute("SELECT id FROM comparison ORDER BY created DESC").fetchone()[0]
        trials = connection.execute(
            "SELECT trial, name FROM entry WHERE comparison = ? ORDER BY position", (comparison,)
        ).fetchall()

    def outcome(right: bool, latency_s: float) -> Outcome:
        letter = "A" if right else "B"
        return Outcome(
            case="",
            candidate="",
            kind="scored",
            completion=Completion(
                parts=(TextPart(text=f"The answer is ({letter})."),),
                usage=Usage(input_tokens=60, output_tokens=6),
                cost_usd=8.4e-6,
                latency_s=latency_s,
                finish="stop",
                served_model="share",
            ),
            reading=Reading(answer=letter, how="answer is (X)"),
            scores=(Score(scorer="choice", value=float(right), reason="" if right else "'B' is not 'A'"),),
        )

    rng = random.Random(7)
    # The row says which case it is; the outcome itself is the same for many.
    kinds = {right: [outcome(right, rng.lognormvariate(-1, 0.5)) for _ in range(500)] for right in (False, True)}

    async def keep() -> None:
        ledger = Ledger(store)
        for trial, name in trials:
            share = int(name.split("-")[1]) / 100
            for ordinal in range(cases - 1):
                await ledger.keep_outcome(trial, ordinal, rng.choice(kinds[rng.random() < share]), comparison)
            await ledger.drain()
        ledger.close()

    asyncio.run(keep())


if __name__ == "__main__":
    import sys

    if sys.argv[1:2] == ["fill"]:
        fill(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        command(figures)
