"""
The Hub's `.eval_results/*.yaml`: results kept in a model's repository, read as claims and written from them.

The format names a data set and its task, a value, and no unit or metric: both are those of the benchmark that the data
set hosts. What is written validates against the Hub's description; what cannot be said there is named to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.foreign import (
    HUB_TASKS,
    NO_BENCHMARK,
    NO_PLACE,
    NO_SHAPE,
    UNIT_IN_DOUBT,
    Kept,
    benchmark_of,
    day_of,
    in_unit,
    keep,
    number_of,
    table_of,
    text_of,
)
from touchstone.errors import DataError
from touchstone.noun import Noun

_KEYS = frozenset({"dataset", "value", "verifyToken", "date", "source", "notes"})
_DATASET_KEYS = frozenset({"id", "task_id", "revision"})
_SOURCE_KEYS = frozenset({"url", "name", "user", "org"})
_NOT_SAID = frozenset(("low", "high", "questions", "harness", "harness_version", "snapshot", "mode", "subset", "usd"))
"""Fields of a claim that the format has no key for."""
_MOST_ROWS = 10_000


class WrittenResults(Noun):
    """A file for `.eval_results/`, and what could not be written into it."""

    text: str
    left_out: tuple[Kept, ...]
    """Results whose benchmark has no data set on the Hub, and facts of others that the format has no key for."""


def read_eval_results(
    body: bytes, *, place: str, model: str, lab: str, as_of: str, benchmarks: Mapping[str, Benchmark]
) -> tuple[tuple[Claim, ...], tuple[Kept, ...]]:
    """
    The results in a file of `.eval_results/`.

    Args:
        body: The file.
        place: Its name, for errors and as the source of results that name none.
        model: Our id of the model whose repository it is.
        lab: Who measured, where a result names nobody.
        as_of: The day it was read, ISO 8601.
        benchmarks: Those that a claim may name, by id.

    Returns:
        The claims, and what was not taken: unknown benchmarks, values whose unit is in doubt, further keys.

    Raises:
        DataError: it is no safe YAML, or no list of results.
    """
    from touchstone.catalog.front_matter import decode, load_yaml

    rows = load_yaml(decode(body, place=place).removeprefix("\ufeff"), place=place)
    if not isinstance(rows, list):
        raise DataError("this is no list of results; begin each with `- dataset:`", path=place)
    claims: list[Claim] = []
    kept: list[Kept] = []
    for number, row in enumerate(rows[:_MOST_ROWS]):
        found = _read_row(row, place, model, lab, as_of, benchmarks)
        if isinstance(found, Claim):
            claims.append(found)
            kept += _beyond(number, row)
        else:
            kept.append(keep(str(number), _shown(row), found))
    kept += [keep(str(_MOST_ROWS), _shown(rows[_MOST_ROWS]), NO_PLACE)] if len(rows) > _MOST_ROWS else []
    return tuple(claims), tuple(kept)


def _read_row(
    row: Any, place: str, model: str, lab: str, as_of: str, benchmarks: Mapping[str, Benchmark]
) -> Claim | str:
    """The claim, or why there is none."""
    if check_eval_results([row]):
        return NO_SHAPE
    dataset, source = row["dataset"], table_of(row.get("source"))
    benchmark, part = benchmark_of(dataset["id"], dataset["task_id"], benchmarks)
    if benchmark is None:
        return NO_BENCHMARK
    value = in_unit(float(row["value"]), benchmark)
    if value is None:
        return UNIT_IN_DOUBT
    try:
        return Claim(
            model=model,
            benchmark=benchmark.id,
            subset=None if (part or "").replace("_", "-").casefold() == benchmark.id else part,
            value=value,
            setting=text_of(row.get("notes")),
            measured_by=text_of(source.get("org")) or text_of(source.get("user")) or lab,
            date=day_of(row.get("date")),
            source=text_of(source.get("name")) or place,
            url=text_of(source.get("url")),
            as_of=as_of,
        )
    except ValidationError:
        return NO_SHAPE


def _beyond(number: int, row: Mapping[str, Any]) -> Iterable[Kept]:
    parts = (("", row, _KEYS - {"verifyToken"}), ("dataset.", row["dataset"], _DATASET_KEYS - {"revision"}))
    for prefix, table, known in (*parts, ("source.", table_of(row.get("source")), _SOURCE_KEYS)):
        yield from (keep(f"{number}.{prefix}{key}", table[key]) for key in table if key not in known)


def _shown(row: Any) -> str:
    table = table_of(row)
    dataset = table_of(table.get("dataset"))
    return f"{dataset.get('id')} {dataset.get('task_id')}: {table.get('value')}" if dataset else repr(row)


def write_eval_results(
    claims: Iterable[Claim],
    *,
    tasks: Mapping[str, tuple[str, str]] = HUB_TASKS,
    org: str | None = None,
) -> WrittenResults:
    """
    Results of one model as a file for `.eval_results/`.

    Args:
        claims: Of one model.
        tasks: Benchmark to data set and task on the Hub; a result of any other benchmark is left out and named.
        org: Organisation on the Hub that stands for who measured.
    """
    from touchstone.catalog.front_matter import dump_yaml

    rows: list[dict[str, Any]] = []
    left: list[Kept] = []
    for claim in claims:
        if claim.benchmark not in tasks:
            left.append(keep(claim.benchmark, f"{claim.value:g}", NO_BENCHMARK))
            continue
        dataset, task = tasks[claim.benchmark]
        row: dict[str, Any] = {"dataset": {"id": dataset, "task_id": task}, "value": claim.value}
        if claim.date is not None:
            row["date"] = claim.date
        if claim.url is not None:
            row["source"] = {"url": claim.url, "name": claim.source} | ({"org": org} if org else {})
        if claim.setting is not None:
            row["notes"] = claim.setting
        rows.append(row)
        said = claim.model_dump(mode="json", exclude_defaults=True)
        left += [keep(f"{claim.benchmark}.{key}", str(said[key])) for key in said if key in _NOT_SAID]
    problems = check_eval_results(rows)
    assert not problems, problems
    return WrittenResults(text=dump_yaml(rows) if rows else "[]\n", left_out=tuple(left))


def check_eval_results(rows: Any) -> tuple[str, ...]:
    """What is wrong with the value of such a file, by the Hub's description; nothing where it is right."""
    if not isinstance(rows, list):
        return ("the file is no list of results",)
    problems: list[str] = []
    for number, row in enumerate(rows):
        problems += [f"{number}.{problem}" for problem in _problems(row)]
    return tuple(problems)


def _problems(row: Any) -> Iterable[str]:
    if not isinstance(row, dict) or not isinstance(row.get("dataset"), dict):
        yield "dataset is missing"
        return
    for key in ("id", "task_id"):
        if not text_of(row["dataset"].get(key)):
            yield f"dataset.{key} is no text"
    if number_of(row.get("value")) is None:
        yield "value is no number"
    for table, keys, prefix in (
        (row, ("verifyToken", "date", "notes"), ""),
        (row["dataset"], ("revision",), "dataset."),
        (table_of(row.get("source")), ("name", "user", "org"), "source."),
    ):
        yield from (f"{prefix}{key} is no text" for key in keys if key in table and not isinstance(table[key], str))
    if "date" in row and isinstance(row["date"], str) and day_of(row["date"]) is None:
        yield "date is no ISO 8601 date"
    if "source" in row and not text_of(table_of(row["source"]).get("url")):
        yield "source.url is missing"
