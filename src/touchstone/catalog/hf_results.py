"""The `model-index` of a Hugging Face card: published results, read as claims and written from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.foreign import (
    NO_BENCHMARK,
    NO_METRIC,
    NO_SHAPE,
    UNIT_IN_DOUBT,
    Kept,
    benchmark_of,
    extras_of,
    in_unit,
    keep,
    number_of,
    rows_of,
    same_metric,
    table_of,
    text_of,
)
from touchstone.noun import Noun

OURS = "touchstone"
"""Key, in a front matter and in the `args` of a metric, under which we write what the format has no key for."""
_MOST_RESULTS = 10_000
_EXTRAS = frozenset(Claim.model_fields) - {"model"}


class Origin(Noun):
    """Whose card results were read from, and when."""

    model: str
    """Our id of the model."""
    lab: str
    """Who measured, where a result names nobody: the card's own author."""
    source: str
    """What the card is called."""
    url: str | None = None
    as_of: str
    ours: bool = False
    """Whether what the card says under `touchstone` is believed: only where our own team wrote the card."""


def read_results(
    index: Any, origin: Origin, benchmarks: Mapping[str, Benchmark]
) -> tuple[tuple[Claim, ...], tuple[Kept, ...]]:
    """
    The results in a `model-index` that our benchmarks know, and those that they do not.

    Args:
        index: The value of the key; anything, since anybody wrote it.
        origin: Whose card it is.
        benchmarks: Those that a claim may name, by id.
    """
    claims: list[Claim] = []
    kept: list[Kept] = []
    rows = 0
    for place, entry in enumerate(rows_of(index)):
        for number, result in enumerate(rows_of(table_of(entry).get("results"))):
            key = f"model-index.{place}.results.{number}"
            for metric in rows_of(table_of(result).get("metrics")) or [None]:
                rows += 1
                if rows > _MOST_RESULTS:
                    return tuple(claims), (*kept, keep(key, result))
                found = _read_metric(key, table_of(result), table_of(metric), origin, benchmarks)
                if isinstance(found, Claim):
                    claims.append(found)
                else:
                    kept.append(keep(key, result, found.why) if found.why == NO_SHAPE else found)
    return tuple(claims), tuple(kept)


def _read_metric(
    key: str, result: Mapping[str, Any], metric: Mapping[str, Any], origin: Origin, benchmarks: Mapping[str, Benchmark]
) -> Claim | Kept:
    dataset, value = table_of(result.get("dataset")), number_of(metric.get("value"))
    kind, name = text_of(metric.get("type")), text_of(dataset.get("type"))
    shown = f"{name}: {kind} {metric.get('value', '')}".strip()
    if name is None or kind is None or value is None:
        return keep(key, shown, NO_SHAPE)
    config = text_of(dataset.get("config"))
    benchmark, subset = benchmark_of(name, config, benchmarks)
    if benchmark is None:
        return keep(key, shown, NO_BENCHMARK)
    if not same_metric(kind, benchmark):
        return keep(key, shown, NO_METRIC)
    args = table_of(metric.get("args"))
    extra = table_of(args.get(OURS))
    inside = value if extra.get("unit") == benchmark.unit else in_unit(value, benchmark)
    if inside is None:
        return keep(key, shown, UNIT_IN_DOUBT)
    source = table_of(result.get("source"))
    facts = {
        "model": origin.model,
        "benchmark": benchmark.id,
        "subset": subset,
        "value": inside,
        "setting": _setting(dataset, args),
        "measured_by": text_of(source.get("name")) or origin.lab,
        "source": text_of(source.get("name")) or origin.source,
        "url": text_of(source.get("url")) or origin.url,
        "as_of": origin.as_of,
        **({name: extra[name] for name in _EXTRAS & extra.keys()} if origin.ours else {}),
    }
    try:
        return Claim.model_validate(facts)
    except ValidationError:
        return keep(key, shown, NO_SHAPE)


def _setting(dataset: Mapping[str, Any], args: Mapping[str, Any]) -> str | None:
    """What changes the value, as the card says it: a split other than the test, and arguments."""
    split = text_of(dataset.get("split"))
    said = [f"split: {split}"] if split and split != "test" else []
    given = {**table_of(dataset.get("args")), **{name: value for name, value in args.items() if name != OURS}}
    said += [f"{name}: {value}" for name, value in given.items() if isinstance(value, str | int | float)]
    return ", ".join(said) or None


def write_results(
    name: str, task: str, claims: Iterable[Claim], origin: Origin, benchmarks: Mapping[str, Benchmark]
) -> list[dict[str, Any]]:
    """
    A `model-index` of one model; read back, it gives the same claims.

    Args:
        name: What people call the model.
        task: Pipeline tag of the model's main task.
        claims: Results of this model; each names a benchmark of `benchmarks`.
        origin: Whose card they are written into.
        benchmarks: By id.
    """
    return [{"name": name, "results": [_write(task, claim, origin, benchmarks) for claim in claims]}]


def _write(task: str, claim: Claim, origin: Origin, benchmarks: Mapping[str, Benchmark]) -> dict[str, Any]:
    benchmark = benchmarks[claim.benchmark]
    dataset = {"type": claim.benchmark, "name": benchmark.name} | ({"config": claim.subset} if claim.subset else {})
    metric: dict[str, Any] = {"type": benchmark.metric, "value": claim.value, "name": benchmark.metric}
    result: dict[str, Any] = {"task": {"type": task}, "dataset": dataset, "metrics": [metric]}
    if claim.url is not None:
        result["source"] = {"name": claim.source, "url": claim.url}
    bare = _read_metric("", result, {**metric, "args": {OURS: {"unit": benchmark.unit}}}, origin, benchmarks)
    metric["args"] = {OURS: {"unit": benchmark.unit, **extras_of(claim, bare if isinstance(bare, Claim) else None)}}
    return result
