"""What a record of Every Eval Ever must have, restated: a check that needs no schema file and no schema library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SCHEMA_VERSION = "0.3.0"

_RUN = ("schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info", "eval_library")
_RUN_KEYS = frozenset(
    {*_RUN, "evaluation_timestamp", "evaluation_results", "detailed_evaluation_results"},
)
_SOURCE_TYPES = frozenset({"documentation", "evaluation_run"})
_RELATIONSHIPS = frozenset({"first_party", "third_party", "collaborative", "other"})
_DEPLOYMENTS = frozenset({"self_deployed", "externally_managed", "unknown"})
_AVAILABILITIES = frozenset({"open_weights", "closed_weights", "unknown"})
_SCORE_TYPES = frozenset({"binary", "continuous", "levels"})
_INSTANCE = ("schema_version", "evaluation_id", "model_id", "evaluation_name", "sample_id")
_INSTANCE_KEYS = frozenset(
    {
        *_INSTANCE,
        *("evaluation_result_id", "sample_hash", "interaction_type", "input", "output", "messages"),
        *("answer_attribution", "evaluation", "token_usage", "performance", "error", "metadata"),
    }
)
_INTERACTIONS = frozenset({"single_turn", "multi_turn", "agentic"})


def check_run(record: Any) -> tuple[str, ...]:
    """What is wrong with an aggregate record; nothing where it is right."""
    return tuple(_run_problems(record))


def check_instance(record: Any) -> tuple[str, ...]:
    """What is wrong with an instance-level record; nothing where it is right."""
    return tuple(_instance_problems(record))


def _run_problems(record: Any) -> Iterator[str]:
    if not isinstance(record, dict):
        yield "it is no object"
        return
    yield from (f"{key} is not a key of it" for key in record if key not in _RUN_KEYS)
    yield from _texts(record, "", ("schema_version", "evaluation_id", "retrieved_timestamp"), ("evaluation_timestamp",))
    source = _table(record, "source_metadata")
    yield from _texts(source, "source_metadata.", ("source_organization_name",), ("source_name",))
    yield from _one_of(source, "source_metadata.", "source_type", _SOURCE_TYPES)
    yield from _one_of(source, "source_metadata.", "evaluator_relationship", _RELATIONSHIPS)
    yield from _texts(_table(record, "eval_library"), "eval_library.", ("name", "version"))
    model = _table(record, "model_info")
    yield from _texts(model, "model_info.", ("name", "id"), ("developer",))
    details = _table(model, "additional_details")
    yield from _one_of(details, "model_info.additional_details.", "deployment_type", _DEPLOYMENTS)
    yield from _one_of(details, "model_info.additional_details.", "model_availability", _AVAILABILITIES)
    yield from _all_texts(details, "model_info.additional_details")
    results = record.get("evaluation_results")
    if not isinstance(results, list):
        yield "evaluation_results is no list"
        return
    for number, result in enumerate(results):
        place = f"evaluation_results.{number}."
        yield from (place + problem for problem in _result_problems(result))


def _result_problems(result: Any) -> Iterator[str]:
    if not isinstance(result, dict):
        yield "it is no object"
        return
    yield from _texts(result, "", ("evaluation_name",), ("evaluation_result_id", "evaluation_timestamp"))
    data = _table(result, "source_data")
    yield from _texts(data, "source_data.", ("dataset_name",))
    yield from _one_of(data, "source_data.", "source_type", frozenset({"url", "hf_dataset", "other"}))
    yield from _all_texts(data.get("additional_details", {}), "source_data.additional_details")
    if data.get("source_type") == "url":
        urls = data.get("url")
        if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):
            yield "source_data.url is no list of texts"
    metric = _table(result, "metric_config")
    if not isinstance(metric.get("lower_is_better"), bool):
        yield "metric_config.lower_is_better is neither true nor false"
    if "score_type" in metric:
        yield from _one_of(metric, "metric_config.", "score_type", _SCORE_TYPES)
    needed = {"continuous": ("min_score", "max_score"), "levels": ("level_names", "has_unknown_level")}
    for key in needed.get(str(metric.get("score_type")), ()):
        if key not in metric:
            yield f"metric_config.{key} is missing"
    for key in ("min_score", "max_score"):
        if not (metric.get(key) is None or _is_number(metric[key]) or metric[key] in ("Infinity", "-Infinity")):
            yield f"metric_config.{key} is no number"
    score = _table(result, "score_details")
    if not _is_number(score.get("score")):
        yield "score_details.score is no number"
    yield from _all_texts(score.get("details", {}), "score_details.details")
    uncertainty = _table(score, "uncertainty") if "uncertainty" in score else {}
    if "confidence_interval" in uncertainty:
        interval = _table(uncertainty, "confidence_interval")
        if not (_is_number(interval.get("lower")) and _is_number(interval.get("upper"))):
            yield "score_details.uncertainty.confidence_interval lacks an end"
    if "num_samples" in uncertainty and not _is_whole(uncertainty["num_samples"]):
        yield "score_details.uncertainty.num_samples is no whole number"


def _instance_problems(record: Any) -> Iterator[str]:
    if not isinstance(record, dict):
        yield "it is no object"
        return
    yield from (f"{key} is not a key of it" for key in record if key not in _INSTANCE_KEYS)
    yield from _texts(record, "", _INSTANCE, ("evaluation_result_id",))
    yield from _one_of(record, "", "interaction_type", _INTERACTIONS)
    given = _table(record, "input")
    yield from _texts(given, "input.", ("raw",))
    yield from _list_of_texts(given, "input.", "reference")
    if record.get("interaction_type") == "single_turn":
        yield from _list_of_texts(_table(record, "output"), "output.", "raw")
        if record.get("messages") is not None:
            yield "messages belong to conversations"
    elif not isinstance(record.get("messages"), list):
        yield "messages is no list"
    elif record.get("output") is not None:
        yield "output belongs to single questions"
    evaluation = _table(record, "evaluation")
    if not _is_number(evaluation.get("score")):
        yield "evaluation.score is no number"
    if not isinstance(evaluation.get("is_correct"), bool):
        yield "evaluation.is_correct is neither true nor false"
    rows = record.get("answer_attribution")
    if not isinstance(rows, list):
        yield "answer_attribution is no list"
    else:
        for number, row in enumerate(rows):
            place = f"answer_attribution.{number}."
            table = row if isinstance(row, dict) else {}
            yield from _texts(table, place, ("source", "extracted_value", "extraction_method"))
            if not _is_whole(table.get("turn_idx")) or not isinstance(table.get("is_terminal"), bool):
                yield f"{place}turn_idx or is_terminal is wrong"
    if record.get("token_usage") is not None:
        usage = _table(record, "token_usage")
        for key in ("input_tokens", "output_tokens", "total_tokens"):
            if not _is_whole(usage.get(key)):
                yield f"token_usage.{key} is no whole number"
    if record.get("metadata") is not None:
        yield from _all_texts(record["metadata"], "metadata")


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = table.get(key)
    return found if isinstance(found, dict) else {}


def _texts(
    table: Mapping[str, Any], place: str, needed: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[str]:
    yield from (f"{place}{key} is no text" for key in needed if not isinstance(table.get(key), str))
    yield from (f"{place}{key} is no text" for key in optional if key in table and not isinstance(table[key], str))


def _one_of(table: Mapping[str, Any], place: str, key: str, allowed: frozenset[str]) -> Iterator[str]:
    found = table.get(key)
    if not isinstance(found, str) or found not in allowed:
        yield f"{place}{key} is none of {', '.join(sorted(allowed))}"


def _all_texts(table: Any, place: str) -> Iterator[str]:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        yield f"{place} holds something else than texts"


def _list_of_texts(table: Mapping[str, Any], place: str, key: str) -> Iterator[str]:
    found = table.get(key)
    if not isinstance(found, list) or not all(isinstance(row, str) for row in found):
        yield f"{place}{key} is no list of texts"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
