"""The table of all figures, with what it was measured on."""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.measure import Figure

Figures = Callable[..., Iterator[Figure]]

_LIBRARIES = ("touchstone", "aiohttp", "numpy", "pydantic", "orjson", "sqlalchemy")

_WORDS = {True: "yes", False: "**no**", None: ""}


def command(*benchmarks: Figures, arguments: Sequence[str] | None = None) -> None:
    """Run benchmarks as the command line says, and print their figures as a Markdown table."""
    parser = argparse.ArgumentParser(description="Print figures beside those of a bare aiohttp loop in the same run.")
    parser.add_argument("--quick", action="store_true", help="small sizes: says that it works, not how fast it is")
    quick = parser.parse_args(arguments).quick
    print("\n".join(heading(quick=quick)), flush=True)
    for figures in benchmarks:
        show(figures(quick=quick))
    print(f"\nLoad average at the end: {_load()}.")


def heading(*, quick: bool) -> list[str]:
    """What was measured on what, and the head of the table."""
    versions = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    sizes = "quick sizes, " if quick else ""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, load average {_load()} (1, 5, 15 minutes)"
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {sizes}{machine}.",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}.",
        "Median (least to most) of the repetitions; the reference is a bare aiohttp loop in the same run.",
        "",
        "| figure | unit | measured | reference | ratio | target | met | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]


def show(figures: Iterable[Figure]) -> None:
    """A line for every figure, as soon as it is known."""
    for figure in figures:
        print(row(figure), flush=True)


def row(figure: Figure) -> str:
    """One line of the table."""
    target = [] if figure.most is None else [f"at most {figure.most:g} {figure.unit}".rstrip()]
    target += [] if figure.most_ratio is None else [f"ratio at most {figure.most_ratio:g}"]
    cells = (
        figure.name,
        figure.unit,
        figure.measured.text,
        figure.reference.text,
        f"{figure.ratio:.2f}",
        ", ".join(target),
        _WORDS[figure.met],
        figure.note,
    )
    return f"| {' | '.join(cells)} |"


def _load() -> str:
    return ", ".join(f"{value:.1f}" for value in os.getloadavg())
