"""Results in the Hub's `.eval_results` form are read as claims, and what we write is of that form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from touchstone.catalog.benchmarks import benchmarks
from touchstone.catalog.claims import Claim
from touchstone.catalog.eval_results import check_eval_results, read_eval_results, write_eval_results
from touchstone.catalog.foreign import Kept
from touchstone.errors import DataError

RESULTS = """
- dataset: {id: cais/hle, task_id: hle, revision: "5503434"}
  value: 20.90
  verifyToken: abc
  date: 2025-01-15T10:30:00Z
  source: {url: https://x.example, name: Eval Logs, user: jo, org: acme, extra: 1}
  notes: no-tools
  more: yes
- dataset: {id: Idavidrein/gpqa, task_id: gpqa_diamond}
  value: 0.412
- dataset: {id: cais/hle, task_id: hle}
  value: 0.9
- dataset: {id: acme/private, task_id: default}
  value: 3
- dataset: {id: cais/hle}
  value: 21
"""


def read(text: str, **options: Any) -> tuple[tuple[Claim, ...], tuple[Kept, ...]]:
    given = {"place": "hle.yaml", "model": "acme/x", "lab": "acme", "as_of": "2026-01-02", "benchmarks": benchmarks()}
    return read_eval_results(text.encode(), **{**given, **options})


def test_results_become_claims_in_the_benchmarks_unit() -> None:
    """The Hub's own example writes 20.90 and 0.412: both are percent here, since guessing alone scores 25 %."""
    (hle, gpqa), _ = read(RESULTS)
    assert (hle.benchmark, hle.subset, hle.value, hle.date) == ("hle", None, 20.9, "2025-01-15")
    assert (hle.setting, hle.measured_by, hle.source, hle.url) == ("no-tools", "acme", "Eval Logs", "https://x.example")
    assert (gpqa.benchmark, gpqa.value, gpqa.measured_by, gpqa.source) == ("gpqa-diamond", 41.2, "acme", "hle.yaml")
    assert {hle.as_of, gpqa.as_of} == {"2026-01-02"}
    assert not hle.ours


def test_what_is_not_taken_is_named_with_the_reason() -> None:
    """Further keys, doubtful units, unknown data sets and rows without a task are shown."""
    _, kept = read(RESULTS)
    assert [(one.key, one.value) for one in kept] == [
        ("0.verifyToken", "abc"),
        ("0.more", "yes"),
        ("0.dataset.revision", "5503434"),
        ("0.source.extra", "1"),
        ("2", "cais/hle hle: 0.9"),
        ("3", "acme/private default: 3"),
        ("4", "cais/hle None: 21"),
    ]
    assert [one.why.split()[0] for one in kept[4:]] == ["percent", "no", "it"]


CLAIMS = (
    Claim(
        model="acme/x",
        benchmark="hle",
        value=20.9,
        setting="with: tools",
        measured_by="acme",
        date="2025-01",
        source="Logs",
        url="https://x.example",
        as_of="2026-01-02",
    ),
    Claim(
        model="acme/x", benchmark="gpqa-diamond", value=41.2, measured_by="acme", source="hle.yaml", as_of="2026-01-02"
    ),
)


def test_what_is_written_is_of_the_form_and_read_back_the_same() -> None:
    """Claims that the format can hold come back as they were."""
    written = write_eval_results(CLAIMS)
    assert written.left_out == ()
    assert check_eval_results(yaml.safe_load(written.text)) == ()
    assert read(written.text) == (CLAIMS, ())
    assert read(write_eval_results(()).text) == ((), ())


def test_what_the_format_cannot_hold_is_named() -> None:
    """An interval has no key, and a benchmark without a data set on the Hub has no row."""
    claim = Claim(
        model="a/b",
        benchmark="hle",
        value=20,
        low=18,
        high=22,
        questions=100,
        measured_by="ours",
        source="s",
        as_of="2026",
    )
    written = write_eval_results([claim, claim.model_copy(update={"benchmark": "cmath"})])
    assert len(yaml.safe_load(written.text)) == 1
    assert [one.key for one in written.left_out] == ["hle.low", "hle.high", "hle.questions", "cmath"]


def test_a_caller_can_name_further_data_sets() -> None:
    """A benchmark's place on the Hub is data; it is read back as the same benchmark, as a whole."""
    claim = CLAIMS[0].model_copy(update={"benchmark": "mmlu-pro", "value": 60.5})
    written = write_eval_results([claim], tasks={"mmlu-pro": ("TIGER-Lab/MMLU-Pro", "mmlu_pro")}, org="acme")
    (found,), _ = read(written.text)
    assert (found.benchmark, found.subset, found.value) == ("mmlu-pro", None, 60.5)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("text", "0.dataset is missing"),
        ({"value": 1}, "0.dataset is missing"),
        ({"dataset": {"id": "a/b"}, "value": 1}, "0.dataset.task_id is no text"),
        ({"dataset": {"id": "a/b", "task_id": "c"}, "value": "1"}, "0.value is no number"),
        ({"dataset": {"id": "a/b", "task_id": "c"}, "value": True}, "0.value is no number"),
        ({"dataset": {"id": "a/b", "task_id": "c"}, "value": 1, "source": {"name": "x"}}, "0.source.url is missing"),
        ({"dataset": {"id": "a/b", "task_id": "c"}, "value": 1, "notes": 3}, "0.notes is no text"),
        ({"dataset": {"id": "a/b", "task_id": "c"}, "value": 1, "date": "soon"}, "0.date is no ISO 8601 date"),
        ({"dataset": {"id": "a/b", "task_id": "c"}, "value": 1, "date": "2025-02-30"}, "0.date is no ISO 8601 date"),
    ],
)
def test_the_form_is_checked_without_a_schema(row: object, problem: str) -> None:
    """Each rule of the Hub's description has a row that breaks it."""
    assert check_eval_results([row]) == (problem,)


@pytest.mark.parametrize(
    "text", ["a: 1", "text", "", "- !!python/object:os.system x", "- a: &a [*a]", "- a: 1\n  a: 2"]
)
def test_what_is_no_safe_list_is_refused(text: str) -> None:
    """The error names the file."""
    with pytest.raises(DataError, match=r"hle\.yaml: "):
        read(text)


def test_the_hubs_own_example_is_of_the_form(shared_data: Path) -> None:
    """The description's example, with its placeholders filled, is read as it says."""
    text = (shared_data / "specs" / "hf_eval_results.yaml").read_text("utf-8")
    filled = {"task_id": "hle", "metric_value": "20.90", "date": "2025-01-15"}
    text = re.sub(r"\{(\w+)\}", lambda found: filled.get(found[1], found[1]), text)
    claims, _ = read(text)
    assert [(claim.benchmark, claim.value) for claim in claims] == [("hle", 20.9), ("gpqa-diamond", 41.2)]
