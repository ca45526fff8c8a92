"""
Finding passages among 100,000 invented ones, a third of them Chinese: by words, by vectors, by both, and reranked.

Words follow a law of few that stand everywhere and many that are rare. Questions are made of words of one passage, so
that there is something to find; every fourth one holds words that stand in most passages, which is the most work. The
reference is the same search by words in SQLite's FTS5, which knows no Chinese pairs and no vectors.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Figure, Run, Spread, run
from benchmarks.table import command

if TYPE_CHECKING:
    from touchstone.retrieval.index import Index

_SYLLABLES = ("ba", "co", "di", "fu", "ga", "he", "jo", "ki", "lu", "mo", "na", "pe", "ri", "so", "ta", "vu")
_WAYS = ("lexical", "dense", "hybrid", "hybrid+terms")
_MOST_P95_MS = 50
_PER_FILE = 100


def figures(*, quick: bool) -> Iterator[Figure]:
    """Milliseconds of a search at the median and the 95th percentile; seconds to index, and after one change."""
    rows, questions = (2_000, 50) if quick else (100_000, 300)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write(place / "source", rows)
        me = ["-m", "benchmarks.retrieval"]
        bare = run([*me, "bare", str(questions)], place)
        built = run([*me, "index"], place)
        asked = run([*me, "ask", str(questions)], place)
        change(place / "source")
        changed = run([*me, "index"], place)
        yield from _searches(rows, asked, bare, built)
        yield from _indexing(rows, built, changed, bare)


def _searches(rows: int, asked: Run, bare: Run, built: Run) -> Iterator[Figure]:
    note = (
        f"indexed in {built.wall_s:,.0f} s, {built.peak_mb:,.0f} MB while indexing; "
        f"{asked.result['memory_mb']:,.0f} MB while asking, opened in {1000 * asked.result['open_s']:,.0f} ms"
    )
    for way in _WAYS:
        for share, most in ((0.5, None), (0.95, _MOST_P95_MS)):
            yield Figure(
                f"{way} search, {rows:,} passages, p{100 * share:.0f}",
                "ms",
                Spread.of([_quantile(asked.result[way], share)]),
                Spread.of([_quantile(bare.result["ask_ms"], share)]),
                most=most,
                note=note,
            )
            note = ""
        # What others run beside it stretches the clock, not the processor time.
        yield Figure(
            f"{way} search, {rows:,} passages, p95, processor time",
            "ms",
            Spread.of([_quantile(asked.result[f"{way} cpu"], 0.95)]),
            Spread.of([_quantile(bare.result["ask_cpu_ms"], 0.95)]),
            most=_MOST_P95_MS,
        )


def _indexing(rows: int, built: Run, changed: Run, bare: Run) -> Iterator[Figure]:
    done = changed.result
    said = ", ".join(f"{name.replace('_', ' ')} {done[name]:,}" for name in sorted(done) if name != "seconds")
    for name, found, note in (("index", built, ""), ("index again after 1 changed document", changed, said)):
        yield Figure(
            f"{name}, {rows:,} passages",
            "s",
            Spread.of([found.result["seconds"]]),
            Spread.of([bare.result["build_s"]]),
            note=note,
        )


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def write(source: Path, rows: int) -> None:
    """Files of invented passages, one passage a heading."""
    source.mkdir()
    for number in range(0, rows, _PER_FILE):
        text = "".join(f"## Part {one}\n\n{_passage(one)}\n\n" for one in range(number, min(rows, number + _PER_FILE)))
        (source / f"{number:07d}.md").write_text(text, encoding="utf-8")


def change(source: Path) -> None:
    """Another word in one passage of one file."""
    file = min(source.iterdir())
    file.write_text(
        file.read_text(encoding="utf-8").replace("## Part 0\n\n", "## Part 0\n\nChanged "), encoding="utf-8"
    )


def _vocabulary() -> tuple[list[str], list[str], list[float]]:
    rng = random.Random(7)
    words = list({"".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(60_000)})
    words.sort()
    rng.shuffle(words)
    han = [chr(rng.randrange(0x4E00, 0x9FA5)) for _ in range(3_000)]
    return words, han, list(accumulate(1 / (rank + 3) for rank in range(len(words))))


_WORDS, _HAN, _WEIGHTS = _vocabulary()


def _passage(number: int) -> str:
    rng = random.Random(number)
    if number % 3 == 0:
        chosen = rng.choices(_HAN, cum_weights=_WEIGHTS[: len(_HAN)], k=160)
        return "".join(character + ("。" if place % 20 == 19 else "") for place, character in enumerate(chosen))
    chosen = rng.choices(_WORDS, cum_weights=_WEIGHTS, k=80)
    return "".join(f"{word}{'. ' if place % 12 == 11 else ' '}" for place, word in enumerate(chosen))


def _questions(rows: int, count: int) -> list[str]:
    rng = random.Random(11)
    asked = []
    for number in range(count):
        one = rng.randrange(rows)
        text = _passage(one)
        if one % 3 == 0:
            start = rng.randrange(len(text) - 12)
            asked.append(text[start : start + 12])
        else:
            words = rng.sample(text.split(), 8)
            asked.append(" ".join([*words, *(_WORDS[:4] if number % 4 == 0 else ())]))
    return asked


def index(folder: Path) -> None:
    """Index the files, or what changed in them; print seconds and counts as JSON."""
    import orjson

    from touchstone.retrieval.documents import Source

    started = time.perf_counter()
    changes = _index(folder).update(Source(folder / "source"))
    seconds = time.perf_counter() - started
    counts = changes.model_dump(exclude={"unread", "repaired", "fitted"}, exclude_defaults=True)
    sys.stdout.buffer.write(orjson.dumps({"seconds": seconds, **counts}))


def _index(folder: Path) -> Index:
    from touchstone.retrieval.chunk import make_chunker
    from touchstone.retrieval.embed_lsa import LsaEmbedder
    from touchstone.retrieval.index import Index

    return Index(folder / "index", make_chunker("heading"), embedder=LsaEmbedder(256))


def ask(folder: Path, count: int) -> None:
    """Ask every way; print the milliseconds of each question as JSON."""
    import orjson

    from touchstone.retrieval.rerank import TermReranker
    from touchstone.retrieval.retrievers import RerankedRetriever, make_retriever

    started = time.perf_counter()
    opened = _index(folder).open()
    said: dict[str, object] = {"open_s": time.perf_counter() - started}
    questions = _questions(opened.size, count)
    for way in _WAYS:
        retriever = make_retriever(opened, way.partition("+")[0])
        if "+" in way:
            retriever = RerankedRetriever(retriever, TermReranker(opened.rarity))
        for question in questions[:20]:
            retriever.find(question, 10)
        took, took_cpu = [], []
        for question in questions:
            started, started_cpu = time.perf_counter(), time.process_time()
            found = retriever.find(question, 10)
            took.append(1000 * (time.perf_counter() - started))
            took_cpu.append(1000 * (time.process_time() - started_cpu))
            assert len(found) <= 10
        said |= {way: took, f"{way} cpu": took_cpu}
    said["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.buffer.write(orjson.dumps(said))


def bare(folder: Path, count: int) -> None:
    """The same passages in FTS5."""
    import sqlite3

    import orjson

    started = time.perf_counter()
    with sqlite3.connect(folder / "bare.sqlite") as store:
        store.execute("CREATE VIRTUAL TABLE passages USING fts5 (text)")
        texts = [
            part
            for file in sorted((folder / "source").iterdir())
            for part in file.read_text(encoding="utf-8").split("## ")[1:]
        ]
        store.executemany("INSERT INTO passages VALUES (?)", ((text,) for text in texts))
    said = {"build_s": time.perf_counter() - started}
    took, took_cpu = [], []
    for question in _questions(len(texts), count):
        expression = " OR ".join(f'"{word}"' for word in question.replace("。", " ").replace(".", " ").split())
        started, started_cpu = time.perf_counter(), time.process_time()
        store.execute(
            "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY rank LIMIT 10", (expression,)
        ).fetchall()
        took.append(1000 * (time.perf_counter() - started))
        took_cpu.append(1000 * (time.process_time() - started_cpu))
    store.close()
    sys.stdout.buffer.write(orjson.dumps({**said, "ask_ms": took, "ask_cpu_ms": took_cpu}))


if __name__ == "__main__":
    here = Path.cwd()
    if sys.argv[1:2] == ["index"]:
        index(here)
    elif sys.argv[1:2] == ["ask"]:
        ask(here, int(sys.argv[2]))
    elif sys.argv[1:2] == ["bare"]:
        bare(here, int(sys.argv[2]))
    else:
        command(figures)
