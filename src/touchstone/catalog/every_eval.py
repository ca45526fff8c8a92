"""
Every Eval Ever: JSON of evaluation results, whole runs and single questions, read as claims and written from them.

Written for version 0.3.0 of its two schemas (github.com/evaleval/every_eval_ever, commit 9bce413, MIT). What they have
no key for stands in their `additional_details` and `details`, which take texts by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError

from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.every_eval_check import SCHEMA_VERSION, check_instance, check_run
from touchstone.catalog.foreign import (
    NO_BENCHMARK,
    NO_SHAPE,
    UNIT_IN_DOUBT,
    Kept,
    benchmark_of,
    day_of,
    in_unit,
    keep,
    number_of,
    rows_of,
    scaled,
    table_of,
    text_of,
)
from touchstone.catalog.model import Model
from touchstone.errors import DataError, UnknownName
from touchstone.language import N_
from touchstone.noun import Noun

_UNITS = {"percent": "percent", "ratio": "proportion", "points": "points"}
_LARGEST_BYTES = 8 * 1024 * 1024
_DEEPEST = 32
_UNKNOWN = "unknown"
_AVAILABILITY = {"open": "open_weights", "gated": "open_weights", "closed": "closed_weights", None: _UNKNOWN}
_DETAILS = ("snapshot", "setting", "mode", "as_of", "usd")
"""Fields of a claim that a result says in its `details`."""


def write_runs(
    model: Model, claims: Iterable[Claim], *, benchmarks: Mapping[str, Benchmark], retrieved: int
) -> tuple[dict[str, Any], ...]:
    """
    Results of one model as aggregate records, one for each source, measurer and harness.

    Args:
        model: Of which the results are.
        claims: Any number.
        benchmarks: Those that the results name, by id.
        retrieved: When the record is made, seconds since 1970.

    Raises:
        UnknownName: a result names a benchmark that is not given.
    """
    groups: dict[tuple[Any, ...], list[Claim]] = {}
    for claim in claims:
        if claim.benchmark not in benchmarks:
            raise UnknownName(kind=N_("benchmark"), name=claim.benchmark, known=benchmarks)
        shared = (claim.source, claim.measured_by, claim.harness, claim.harness_version, claim.date, claim.ours)
        groups.setdefault(shared, []).append(claim)
    records = tuple(_run(model, rows, benchmarks, retrieved) for rows in groups.values())
    for record in records:
        assert not check_run(record), check_run(record)
    return records


def _run(model: Model, rows: list[Claim], benchmarks: Mapping[str, Benchmark], retrieved: int) -> dict[str, Any]:
    first = rows[0]
    first_party = first.ours if model.ours else first.measured_by == model.lab
    digest = hashlib.sha256("\n".join(claim.model_dump_json() for claim in rows).encode()).hexdigest()[:12]
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"touchstone-{digest}/{model.id}/{retrieved}",
        "retrieved_timestamp": str(retrieved),
        "source_metadata": {
            "source_name": first.source,
            "source_type": "evaluation_run" if first.ours else "documentation",
            "source_organization_name": first.measured_by,
            "evaluator_relationship": "first_party" if first_party else "third_party",
        },
        "eval_library": {"name": first.harness or _UNKNOWN, "version": first.harness_version or _UNKNOWN},
        "model_info": {
            "name": model.name,
            "id": model.hugging_face or model.id,
            "developer": model.lab,
            "additional_details": {
                "deployment_type": _UNKNOWN,
                "model_availability": _AVAILABILITY[model.weights],
                "touchstone_id": model.id,
            },
        },
        "evaluation_results": [_result(claim, benchmarks[claim.benchmark]) for claim in rows],
    }
    return record | ({"evaluation_timestamp": first.date} if first.date else {})


def _result(claim: Claim, benchmark: Benchmark) -> dict[str, Any]:
    name = claim.benchmark if claim.subset is None else f"{claim.benchmark}/{claim.subset}"
    source: dict[str, Any] = {"dataset_name": claim.benchmark, "source_type": "other"}
    if claim.url is not None:
        source = {"dataset_name": claim.benchmark, "source_type": "url", "url": [claim.url]}
    if claim.subset is not None:
        source["additional_details"] = {"subset": claim.subset}
    score: dict[str, Any] = {"score": claim.value}
    details = {key: str(value) for key in _DETAILS if (value := getattr(claim, key)) is not None}
    score["details"] = details
    uncertainty: dict[str, Any] = {}
    if claim.low is not None and claim.high is not None:
        uncertainty["confidence_interval"] = {"lower": claim.low, "upper": claim.high, "confidence_level": 0.95}
    if claim.questions is not None:
        uncertainty["num_samples"] = claim.questions
    if uncertainty:
        score["uncertainty"] = uncertainty
    return {
        "evaluation_name": name,
        "evaluation_result_id": name,
        "source_data": source,
        "metric_config": {
            "metric_name": benchmark.metric,
            "metric_unit": _UNITS[benchmark.unit],
            "lower_is_better": not benchmark.higher_is_better,
            "score_type": "continuous",
            "min_score": None if benchmark.whole is None else 0.0,
            # An error rate may pass the whole, so that its scale has no end.
            "max_score": benchmark.whole if benchmark.higher_is_better else None,
        },
        "score_details": score,
    }


def read_run(
    body: bytes,
    *,
    place: str,
    as_of: str,
    benchmarks: Mapping[str, Benchmark],
    repositories: Mapping[str, str] | None = None,
    ours: bool = False,
) -> tuple[tuple[Claim, ...], tuple[Kept, ...]]:
    """
    The results in one aggregate record.

    Args:
        body: The JSON file.
        place: Its name, for errors.
        as_of: The day it was read, ISO 8601, where the record does not say when its source was.
        benchmarks: Those that a claim may name, by id.
        repositories: Names of models in the record's `model_info.id`, in small letters, to ids of our cards.
        ours: Whether the record is believed where it says that our own team measured.

    Returns:
        The claims, and what was not taken.

    Raises:
        DataError: it is no JSON, no record of this format, or of a model that nobody knows.
    """
    record = _json(body, place)
    problems = check_run(record)
    if problems:
        raise DataError("this is no record of Every Eval Ever: {problem}", path=place, problem=problems[0])
    info, source, library = record["model_info"], record["source_metadata"], record["eval_library"]
    known = {name.casefold(): card for name, card in (repositories or {}).items()}
    model = text_of(info["additional_details"].get("touchstone_id")) or known.get(info["id"].casefold())
    if model is None:
        raise DataError("no card is known for the model {model!r}; add its card first", path=place, model=info["id"])
    shared = {
        "model": model,
        "harness": None if library["name"] == _UNKNOWN else library["name"],
        "harness_version": None if library["version"] == _UNKNOWN else library["version"],
        "measured_by": source["source_organization_name"],
        "date": day_of(record.get("evaluation_timestamp")),
        "source": text_of(source.get("source_name")) or source["source_organization_name"],
        "as_of": as_of,
        "ours": ours and source["source_type"] == "evaluation_run",
    }
    claims: list[Claim] = []
    kept: list[Kept] = []
    for number, result in enumerate(record["evaluation_results"]):
        found = _read_result(result, shared, benchmarks)
        if isinstance(found, Claim):
            claims.append(found)
        else:
            shown = f"{result['evaluation_name']}: {result['score_details']['score']}"
            kept.append(keep(f"evaluation_results.{number}", shown, found))
    return tuple(claims), tuple(kept)


def _read_result(
    result: Mapping[str, Any], shared: Mapping[str, Any], benchmarks: Mapping[str, Benchmark]
) -> Claim | str:
    """The claim, or why there is none."""
    data, score = result["source_data"], result["score_details"]
    name = text_of(data.get("hf_repo")) or data["dataset_name"]
    subset = text_of(table_of(data.get("additional_details")).get("subset"))
    benchmark, part = benchmark_of(name, subset, benchmarks)
    if benchmark is None:
        return NO_BENCHMARK
    uncertainty = table_of(score.get("uncertainty"))
    interval = table_of(uncertainty.get("confidence_interval"))
    if interval.get("confidence_level") not in (None, 0.95):
        interval = {}
    ends = (float(score["score"]), number_of(interval.get("lower")), number_of(interval.get("upper")))
    value, low, high = (None if end is None else _in_unit(end, result["metric_config"], benchmark) for end in ends)
    if value is None or (low is None) != (ends[1] is None) or (high is None) != (ends[2] is None):
        return UNIT_IN_DOUBT
    details = table_of(score.get("details"))
    facts = {
        **shared,
        "benchmark": benchmark.id,
        "subset": part if part is not None else subset,
        "value": value,
        "low": low,
        "high": high,
        "questions": uncertainty.get("num_samples"),
        "url": next((url for url in rows_of(data.get("url")) if isinstance(url, str)), None),
        **{key: details[key] for key in _DETAILS if key in details},
    }
    try:
        return Claim.model_validate(facts)
    except ValidationError:
        return NO_SHAPE


def _in_unit(value: float, metric: Mapping[str, Any], benchmark: Benchmark) -> float | None:
    """A value in the benchmark's unit, by what the record says of its own; by its size only where it says nothing."""
    unit, top = metric.get("metric_unit"), metric.get("max_score")
    percent = unit == "percent" or (unit is None and top == 100)
    proportion = unit == "proportion" or (unit is None and top == 1)
    if benchmark.unit == "percent" and (percent or proportion):
        return value if percent else scaled(value, 100)
    if benchmark.unit == "ratio" and (percent or proportion):
        return value if proportion else value / 100
    return in_unit(value, benchmark)


def _json(body: bytes, place: str) -> Any:
    import orjson

    if len(body) > _LARGEST_BYTES:
        raise DataError("the file is larger than 8 MiB", path=place)
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DataError("this is no JSON: {reason}", path=place, reason=str(error)) from None
    level = [found]
    for _ in range(_DEEPEST + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return found
    raise DataError("the file is nested too deeply; 32 levels are the limit", path=place)


class InstanceRow(Noun):
    """One question and what a model answered, in plain values."""

    evaluation_id: str
    """Of the aggregate record."""
    model_id: str
    evaluation_name: str
    result_id: str | None = None
    """`evaluation_result_id` of the aggregate record."""
    sample_id: str
    input: str
    reference: tuple[str, ...] = ()
    """Right answers."""
    choices: tuple[str, ...] | None = None
    output: str | None = None
    """None where no answer came."""
    answer: str | None = None
    """What was read out of the output; None where nothing was."""
    read_by: str = "custom"
    """How it was read out, such as `regex`."""
    score: float | None = None
    """None where the question was not scored."""
    correct: bool | None = None
    """None follows from the score: 1 is right."""
    input_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int | None = Field(default=None, ge=0)
    latency_s: float | None = Field(default=None, ge=0)
    first_token_s: float | None = Field(default=None, ge=0)
    error: str | None = None
    """Why there is no answer or no score, such as `refused`."""
    tags: Mapping[str, str] = Field(default_factory=dict)


def instance_records(rows: Iterable[InstanceRow], *, score_of_failed: float | None = None) -> Iterator[dict[str, Any]]:
    """
    Rows as instance-level records, for a file of JSON lines.

    Args:
        rows: In any order; single questions with one answer each.
        score_of_failed: The format demands a score. 0 is the strict convention, under which a failed question is not
            answered right; the record then says in `error` that it failed. None leaves those rows out.
    """
    for row in rows:
        score = row.score if row.score is not None else score_of_failed
        if score is not None:
            record = _instance(row, score)
            assert not check_instance(record), check_instance(record)
            yield record


def _instance(row: InstanceRow, score: float) -> dict[str, Any]:
    known = "\n".join((row.input, *row.reference))
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": row.evaluation_id,
        "model_id": row.model_id,
        "evaluation_name": row.evaluation_name,
        "sample_id": row.sample_id,
        "sample_hash": hashlib.sha256(known.encode()).hexdigest(),
        "interaction_type": "single_turn",
        "input": {"raw": row.input, "reference": list(row.reference)},
        "output": {"raw": [] if row.output is None else [row.output]},
        "answer_attribution": [],
        "evaluation": {
            "score": score,
            "is_correct": row.score is not None and (row.correct if row.correct is not None else score == 1),
        },
        "error": row.error or (None if row.score is not None else "not scored"),
    }
    if row.result_id is not None:
        record["evaluation_result_id"] = row.result_id
    if row.choices is not None:
        record["input"]["choices"] = list(row.choices)
    if row.answer is not None:
        attribution = {"turn_idx": 0, "source": "output.raw", "extracted_value": row.answer}
        record["answer_attribution"] = [{**attribution, "extraction_method": row.read_by, "is_terminal": True}]
    if row.input_tokens is not None and row.output_tokens is not None:
        record["token_usage"] = {
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "total_tokens": row.input_tokens + row.output_tokens,
        }
    times = {"latency_ms": row.latency_s, "time_to_first_token_ms": row.first_token_s}
    if any(value is not None for value in times.values()):
        record["performance"] = {key: value * 1000 for key, value in times.items() if value is not None}
    return record | ({"metadata": dict(row.tags)} if row.tags else {})
