"""Results in the form of Every Eval Ever validate against its schemas and are read back the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from touchstone.catalog.benchmarks import benchmarks
from touchstone.catalog.claims import Claim
from touchstone.catalog.every_eval import InstanceRow, instance_records, read_run, write_runs
from touchstone.catalog.every_eval_check import check_instance, check_run
from touchstone.catalog.model import Model
from touchstone.errors import DataError, UnknownName

MODEL = Model.model_validate(
    {
        "id": "own/support",
        "name": "Support",
        "lab": "own",
        "summary": {"en": "x", "zh": "x"},
        "tasks": ["chat"],
        "output_types": ["text"],
        "weights": "closed",
        "ours": True,
        "sources": [{"name": "own team", "as_of": "2026", "facts": ["weights"]}],
    }
)


def claim(benchmark: str, value: float, **facts: Any) -> Claim:
    given = {"measured_by": "ours", "source": "comparison 7", "as_of": "2026-01-02", "ours": True, "date": "2026-01-02"}
    return Claim.model_validate({"model": MODEL.id, "benchmark": benchmark, "value": value, **given, **facts})


CLAIMS = (
    claim("mmlu", 61.5, low=60, high=63, questions=500, setting="5 shots", usd=1.25, harness="touchstone"),
    claim("mmlu", 50, subset="law", mode="high", harness="touchstone", harness_version=None),
    claim("librispeech-clean", 3.1, harness="touchstone"),
    claim("chatbot-arena", 1290, measured_by="LMArena", source="Arena", ours=False, url="https://a.example", date=None),
    claim("geneval", 0.61, measured_by="own", source="paper", ours=False, snapshot="v1"),
)
ROWS = (
    InstanceRow(
        evaluation_id="e",
        model_id="own/support",
        evaluation_name="intents",
        result_id="intents",
        sample_id="1",
        input="Where is my card?",
        reference=("card",),
        choices=("card", "loan"),
        output="card",
        answer="card",
        read_by="regex",
        score=1.0,
        input_tokens=9,
        output_tokens=1,
        latency_s=0.25,
        first_token_s=0.1,
        tags={"split": "test"},
    ),
    InstanceRow(
        evaluation_id="e", model_id="own/support", evaluation_name="intents", sample_id="2", input="?", error="refused"
    ),
)


def records() -> tuple[dict[str, Any], ...]:
    return write_runs(MODEL, CLAIMS, benchmarks=benchmarks(), retrieved=1_767_312_000)


def schema(shared_data: Path, name: str) -> Callable[[Any], None]:
    jsonschema = pytest.importorskip("jsonschema")
    text = (shared_data / "specs" / name).read_text("utf-8")
    return jsonschema.Draft7Validator(json.loads(text)).validate


def test_runs_validate_against_the_schema(shared_data: Path) -> None:
    """Every record that we write is valid by the format's own schema."""
    validate = schema(shared_data, "everyevalever_eval.schema.json")
    for record in records():
        validate(record)


def test_instances_validate_against_the_schema(shared_data: Path) -> None:
    """So is every row, with everything filled in and with nothing but what is needed."""
    validate = schema(shared_data, "everyevalever_instance_level_eval.schema.json")
    for record in instance_records(ROWS, score_of_failed=0.0):
        validate(record)


def test_runs_are_one_for_each_source_and_read_back_the_same() -> None:
    """No claim loses a fact, its unit or its interval on the way."""
    found: list[Claim] = []
    for record in records():
        body = json.dumps(record).encode()
        claims, kept = read_run(body, place="r.json", as_of="2030", benchmarks=benchmarks(), ours=True)
        assert kept == ()
        found += claims
    assert len(records()) == 3
    assert tuple(found) == CLAIMS


def test_a_strangers_record_does_not_speak_for_us() -> None:
    """That our own team measured is believed only where the caller says so."""
    for record in records():
        claims, _ = read_run(json.dumps(record).encode(), place="r", as_of="2030", benchmarks=benchmarks())
        assert not any(claim.ours for claim in claims)


def test_who_measured_is_told_from_who_made() -> None:
    """Our own model measured by us is first party, by an arena it is third."""
    relations = [record["source_metadata"]["evaluator_relationship"] for record in records()]
    assert relations == ["first_party", "third_party", "third_party"]


def changed(**changes: Any) -> bytes:
    record = copy.deepcopy(records()[0])
    result = record["evaluation_results"][0]
    for key, value in changes.items():
        target = {"metric": result["metric_config"], "score": result["score_details"], "data": result["source_data"]}
        target.get(key, record).update(value)
    return json.dumps(record).encode()


@pytest.mark.parametrize(
    ("metric", "score", "value"),
    [
        ({"metric_unit": "proportion"}, {"score": 0.005, "uncertainty": {}}, 0.5),
        ({"metric_unit": "percent"}, {"score": 0.5, "uncertainty": {}}, 0.5),
        ({"metric_unit": "proportion", "max_score": 1}, {"score": 0.615, "uncertainty": {}}, 61.5),
    ],
)
def test_the_unit_is_what_the_record_says(metric: dict[str, Any], score: dict[str, Any], value: float) -> None:
    """A proportion becomes percent, however small; a percentage stays, however small."""
    claims, _ = read_run(changed(metric=metric, score=score), place="r", as_of="2030", benchmarks=benchmarks())
    assert claims[0].value == value


def test_an_interval_of_another_level_is_not_taken_for_one_of_95_percent() -> None:
    """A claim's ends are those of 95 %."""
    interval = {"uncertainty": {"confidence_interval": {"lower": 1, "upper": 99, "confidence_level": 0.99}}}
    claims, _ = read_run(changed(score=interval), place="r", as_of="2030", benchmarks=benchmarks())
    assert (claims[0].low, claims[0].high) == (None, None)


def test_what_is_not_taken_is_named() -> None:
    """A benchmark nobody knows stays in the file and is shown."""
    claims, kept = read_run(changed(data={"dataset_name": "x"}), place="r", as_of="2030", benchmarks=benchmarks())
    assert len(claims) == 2
    assert [(one.key, one.value) for one in kept] == [("evaluation_results.0", "mmlu: 61.5")]


def test_a_model_is_known_by_our_id_or_by_the_callers_table() -> None:
    """No id is guessed from a repository's name."""
    info = {"model_info": {**records()[0]["model_info"], "id": "Acme/Support"}}
    info["model_info"]["additional_details"] = {"deployment_type": "unknown", "model_availability": "unknown"}
    with pytest.raises(DataError, match="add its card first"):
        read_run(changed(record=info), place="r", as_of="2030", benchmarks=benchmarks())
    known = {"acme/support": "own/support"}
    claims, _ = read_run(changed(record=info), place="r", as_of="2030", benchmarks=benchmarks(), repositories=known)
    assert {claim.model for claim in claims} == {"own/support"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'"text"', b"NaN", b"\xff", b"[" * 5000])
def test_what_is_no_record_is_refused(body: bytes) -> None:
    """The error names the file; depth and size have limits."""
    with pytest.raises(DataError, match=r"r\.json: "):
        read_run(body, place="r.json", as_of="2030", benchmarks=benchmarks())


@pytest.mark.parametrize("body", [b"[" * 40 + b"]" * 40, b'{"a":' * 40 + b"1" + b"}" * 40])
def test_32_levels_are_the_limit(body: bytes) -> None:
    """Depth is looked at before anything walks the record."""
    with pytest.raises(DataError, match="nested too deeply"):
        read_run(body, place="r", as_of="2030", benchmarks=benchmarks())


def test_a_file_of_8_megabytes_is_the_limit() -> None:
    """The size is looked at before anything is parsed."""
    with pytest.raises(DataError, match="8 MiB"):
        read_run(b" " * (8 * 1024 * 1024 + 1), place="r", as_of="2030", benchmarks=benchmarks())


def test_a_result_of_an_unknown_benchmark_is_not_written() -> None:
    """Its unit and direction would be a guess."""
    with pytest.raises(UnknownName):
        write_runs(MODEL, CLAIMS, benchmarks={}, retrieved=1)


def without(record: Any, *path: str | int) -> Any:
    found = copy.deepcopy(record)
    inner = found
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return found


RUN_PATHS: list[tuple[str | int, ...]] = [
    *((key,) for key in ("schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "eval_library")),
    *(("model_info",), ("model_info", "id"), ("model_info", "additional_details"), ("evaluation_results",)),
    ("source_metadata", "evaluator_relationship"),
    ("model_info", "additional_details", "deployment_type"),
    *(("evaluation_results", 0, key) for key in ("evaluation_name", "source_data", "metric_config", "score_details")),
    ("evaluation_results", 0, "metric_config", "lower_is_better"),
    ("evaluation_results", 0, "metric_config", "min_score"),
    ("evaluation_results", 0, "score_details", "score"),
    ("evaluation_results", 0, "score_details", "uncertainty", "confidence_interval", "upper"),
]
INSTANCE_PATHS: list[tuple[str | int, ...]] = [
    *((key,) for key in ("schema_version", "evaluation_id", "model_id", "evaluation_name", "sample_id")),
    *(("interaction_type",), ("input",), ("input", "reference"), ("output",), ("answer_attribution",), ("evaluation",)),
    *(("evaluation", "score"), ("evaluation", "is_correct"), ("token_usage", "total_tokens")),
    ("answer_attribution", 0, "is_terminal"),
]


@pytest.mark.parametrize("path", RUN_PATHS, ids=str)
def test_our_own_check_of_runs_finds_what_is_missing(path: tuple[str | int, ...]) -> None:
    """The check that needs no schema turns red for each thing that the schema demands."""
    assert check_run(records()[0]) == ()
    assert check_run(without(records()[0], *path))


@pytest.mark.parametrize("path", INSTANCE_PATHS, ids=str)
def test_our_own_check_of_instances_finds_what_is_missing(path: tuple[str | int, ...]) -> None:
    """As for runs."""
    record = next(instance_records(ROWS))
    assert check_instance(record) == ()
    assert check_instance(without(record, *path))


def test_our_own_check_agrees_with_the_schemas(shared_data: Path) -> None:
    """What our check refuses in the rows above, the schemas refuse too."""
    jsonschema = pytest.importorskip("jsonschema")
    run = schema(shared_data, "everyevalever_eval.schema.json")
    instance = schema(shared_data, "everyevalever_instance_level_eval.schema.json")
    first = next(instance_records(ROWS))
    cases = [(run, without(records()[0], *path)) for path in RUN_PATHS]
    for validate, record in cases + [(instance, without(first, *path)) for path in INSTANCE_PATHS]:
        with pytest.raises(jsonschema.ValidationError):
            validate(record)
    for record in ({**records()[0], "more": 1}, {**first, "more": 1}):
        assert (check_run(record), check_instance(record)) != ((), ())


def test_a_failed_question_is_left_out_or_counted_by_the_strict_convention() -> None:
    """An error is never a score by itself: the caller says so, and the record says that it failed."""
    assert [record["sample_id"] for record in instance_records(ROWS)] == ["1"]
    first, second = instance_records(ROWS, score_of_failed=0.0)
    assert (first["evaluation"], first["error"]) == ({"score": 1.0, "is_correct": True}, None)
    assert (second["evaluation"], second["error"]) == ({"score": 0.0, "is_correct": False}, "refused")
    assert (second["output"], second["answer_attribution"]) == ({"raw": []}, [])
    assert first["performance"] == {"latency_ms": 250.0, "time_to_first_token_ms": 100.0}
    assert "token_usage" not in second
