"""
The pages of the catalog over 100,000 invented models: search as somebody types and ticks, cards, comparisons, rankings.

The models are those of the benchmark of searching (`catalog_search.py`), here with cards that a page can show. The site
is opened on loopback and each kind of page is asked for. What is timed is a request and its whole answer; the reference
is a page with nothing on it but the frame.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from benchmarks import catalog_search
from benchmarks.measure import Figure, Spread, run
from benchmarks.pages_site import PagesSite, get
from benchmarks.table import command

_MOST_MS = 100.0
_EACH = 24


def figures(*, quick: bool) -> Iterator[Figure]:
    """Milliseconds of a page at the median and at the 95th percentile, by kind of page."""
    rows = 2_000 if quick else 100_000
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        built = run(["-m", "benchmarks.web_catalog", "build", str(place), str(rows)], place)
        asked = run(["-m", "benchmarks.web_catalog", "ask", str(place)], place)
        size_mb = (place / "catalog" / "index.sqlite").stat().st_size / 2**20
        note = (
            f"index of {size_mb:,.0f} MB, made in {built.cpu_s:,.0f} CPU s; opened first in "
            f"{asked.result['first_s']:.1f} s; {asked.result['memory_mb']:,.0f} MB"
        )
        everything: list[list[float]] = []
        bare = asked.result["ms"].pop("the frame")
        for name, found in asked.result["ms"].items():
            everything += found
            yield from _of(f"catalog pages, {name}", found, bare, note)
            note = ""
        yield from _of(f"catalog pages over {rows:,} models, all of them", everything, bare, "")


def _of(name: str, found: list[list[float]], bare: list[list[float]], note: str) -> Iterator[Figure]:
    # What others run beside it stretches the clock, not the processor time.
    for column, clock in ((0, "by the clock"), (1, "processor time")):
        for share, most in ((0.5, None), (0.95, _MOST_MS)):
            value, frame = (_quantile([one[column] for one in each], share) for each in (found, bare))
            measured, reference = Spread.of([value]), Spread.of([frame])
            yield Figure(f"{name}, {clock}, p{100 * share:.0f}", "ms", measured, reference, most=most, note=note)
            note = ""


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def build(place: Path, rows: int) -> None:
    """Write a workspace whose catalog is the invented models."""
    from touchstone.catalog.catalog import Catalog, _key, shipped_digest, shipped_stamp
    from touchstone.catalog.index_write import write_index

    folder = place / "catalog" / "claims"
    folder.mkdir(parents=True)
    # Something of the team's own, so that the workspace has an index to itself.
    (folder / "none.toml").write_text("claim = []\n", encoding="utf-8")
    catalog = Catalog(place, today=datetime.now(UTC).date())
    shipped = shipped_digest()
    meta = {"key": _key(shipped, catalog._own_files()), "shipped": shipped, "stamp": shipped_stamp(),
            "from": "0001-01-01", "lower_is_better": "[]"}  # fmt: skip
    write_index(place / "catalog" / "index.sqlite", _with_cards(rows), meta)


def _with_cards(rows: int) -> Iterator[Any]:
    rng = random.Random(3)
    for row in catalog_search._invented(rows):
        known = orjson.loads(row.listing)
        facets, numbers = row.facets, row.numbers
        source = {"name": "an invented list", "as_of": "2026-08-01", "facts": ["parameters", "context_tokens"]}
        model = {
            "id": row.id, "name": known["name"], "lab": known["lab"], "tasks": facets["task"],
            "output_types": ["text"], "input_modalities": ["text"], "weights": facets["weights"][0],
            "licence": facets["licence"][0] if facets["licence"][0] in ("mit", "apache-2.0") else None,
            "parameters": int(numbers["parameters"]) if numbers["parameters"] else None,
            "context_tokens": int(numbers["context_tokens"]) if numbers["context_tokens"] else None,
            "languages": sorted(facets["language"]), "architecture": facets["architecture"][0],
            "summary": {"en": row.about[:150], "zh": row.about[-12:]}, "sources": [source],
        }  # fmt: skip
        offers = [
            {"model": row.id, "provider": one.provider, "served_name": one.served_name, "source": "invented",
             "as_of": "2026-08-01", "periods": [{"rates": [
                 {"unit": "input_tokens", "usd": str(one.input_usd), "per": 1_000_000},
                 {"unit": "output_tokens", "usd": str(one.output_usd), "per": 1_000_000}]}]}
            for one in row.offers
        ]  # fmt: skip
        claims = [
            {"model": row.id, "benchmark": "mmlu", "value": round(value, 1), "setting": "5-shot", "questions": 14_042,
             "measured_by": "somebody", "source": "an invented list", "as_of": "2026-08-01"}
            for _benchmark, _condition, value in row.scores
            if rng.random() < 0.02
        ]  # fmt: skip
        yield replace(
            row,
            listing=orjson.dumps(
                known | {"tasks": facets["task"], "openness": facets["openness"][0], "licence": facets["licence"][0],
                         "parameters": model["parameters"], "context_tokens": model["context_tokens"], "released": None}
            ),
            card=orjson.dumps(
                {"id": row.id, "kind": "card", "name": known["name"], "offers": offers,
                 "model": {name: value for name, value in model.items() if value is not None}}
            ),
            claims=[("mmlu", orjson.dumps(claim)) for claim in claims],
        )  # fmt: skip


def ask(place: Path) -> dict[str, Any]:
    """Ask for pages of every kind, and say how long each answer took."""
    from touchstone.catalog.catalog import Catalog

    rng = random.Random(11)
    with Catalog(place, today=datetime.now(UTC).date()) as catalog:
        ids = rng.sample(catalog.index.ids(), 400)
    words, _weights = catalog_search._vocabulary(random.Random(7), 40_000)
    pages: dict[str, Any] = {
        "nothing asked": dict,
        "a word": lambda: {"q": words[rng.randrange(100, 5_000)]},
        "a common word": lambda: {"q": words[rng.randrange(3, 30)]},
        "a beginning": lambda: {"q": words[rng.randrange(50, 5_000)][: rng.choice((2, 3, 4))]},
        "Chinese": lambda: {"q": catalog_search._HAN[(at := rng.randrange(40)) : at + 2]},
        "facets": lambda: {
            "task": rng.choice(catalog_search._TASKS), "licence": rng.choice(("open", "mit", "apache-2.0")),
            "openness": ["open-licence", "proprietary"][: rng.randint(1, 2)], "ability": "tools",
            "language": rng.choice(catalog_search._LANGUAGES),
        },
        "limits": lambda: {
            "min_context": rng.choice((8_192, 32_768)), "max_parameters": rng.choice(("7B", "32B")),
            "max_usd": rng.choice((0.3, 1.0, 5.0)), "input_share": rng.choice((0.5, 0.75, 0.9)),
        },
        "memory": lambda: {"fits_gb": rng.choice((16, 24, 80)), "precision": rng.choice(("8bit", "4bit"))},
        "a collection": lambda: {"collection": rng.choice(("open-licence", "embeddings", "reasoning", "ours"))},
        "everything": lambda: {
            "q": words[rng.randrange(3, 300)], "task": "chat", "openness": "open-licence", "max_usd": 2,
            "min_context": 8_192, "fits_gb": 80, "retired": "all", "tray": rng.sample(ids, 6),
        },
    }  # fmt: skip
    sorts = ("relevance", "price", "context", "released", "parameters", "name")
    found: dict[str, list[tuple[float, float]]] = {}
    with PagesSite(place) as (address, cookie):
        began = time.perf_counter()
        get(address, cookie, "/catalog")
        first_s = time.perf_counter() - began
        for sort in sorts:
            get(address, cookie, f"/catalog?sort={sort}")
        get(address, cookie, "/benchmarks/mmlu")
        for name, make in pages.items():
            for number in range(_EACH):
                asked = {**make(), "sort": sorts[number % 6], "view": ("cards", "table")[number // 6 % 2],
                         "page": rng.choice((1, 1, 1, 3))}  # fmt: skip
                query = urlencode(asked, doseq=True)
                found.setdefault(f"search, {name}", []).append(get(address, cookie, f"/catalog?{query}"))
        for number in range(_EACH):
            found.setdefault("a card", []).append(get(address, cookie, f"/catalog/{ids[number]}"))
            query = urlencode({"models": ids[8 * number : 8 * number + 2 + number % 6]}, doseq=True)
            found.setdefault("side by side", []).append(get(address, cookie, f"/catalog/compare?{query}"))
            found.setdefault("a test", []).append(get(address, cookie, "/benchmarks/mmlu"))
            found.setdefault("collections", []).append(get(address, cookie, "/catalog/collections"))
            found.setdefault("the words", []).append(get(address, cookie, "/catalog/taxonomy"))
            found.setdefault("the frame", []).append(get(address, cookie, "/jobs"))
            found.setdefault("all tests", []).append(get(address, cookie, "/benchmarks"))
    import resource

    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"ms": found, "first_s": first_s, "memory_mb": memory_mb}


if __name__ == "__main__":
    if sys.argv[1:2] == ["build"]:
        build(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["ask"]:
        sys.stdout.buffer.write(orjson.dumps(ask(Path(sys.argv[2]))))
    else:
        command(figures)
