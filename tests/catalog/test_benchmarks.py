"""Benchmarks, scenarios and published results: what is shipped hangs together, and what cannot be used is refused."""

from __future__ import annotations

import csv
import re
from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.catalog.benchmarks import (
    benchmarks,
    find_benchmark,
    find_scenario,
    panel,
    read_claims,
    read_panel,
    scenarios,
    shipped_claims,
)
from touchstone.catalog.claims import Area, Claim
from touchstone.errors import DataError, UnknownName

CHINESE = re.compile(r"[\u4e00-\u9fff]")

HEADER = 'source = "A paper"\nas_of = "2024-05"\nmeasured_by = "Acme"\nbenchmark = "gsm8k"\n'


def rows(*lines: str, header: str = HEADER, table: str = "") -> tuple[Claim, ...]:
    """The claims of a file with one table."""
    text = header + "[[table]]\n" + table + "rows = [\n" + "".join(f"  {line},\n" for line in lines) + "]\n"
    return read_claims(text, place="paper.toml", benchmarks=benchmarks())


# --- what is shipped ------------------------------------------------------------------------------------------------


def test_every_area_has_a_benchmark_and_a_result() -> None:
    """No area of the closed list is empty, neither of tests nor of results."""
    areas = set(get_args(Area))
    assert {one.area for one in panel().benchmarks} == areas
    assert {benchmarks()[claim.benchmark].area for claim in shipped_claims()} == areas


def test_the_panel_is_as_large_as_promised() -> None:
    """At least 50 benchmarks, 10 scenarios, 600 results and 150 models."""
    assert len(benchmarks()) >= 50
    assert len(scenarios()) >= 10
    assert len(shipped_claims()) >= 600
    assert len({claim.model for claim in shipped_claims()}) >= 150


def test_every_benchmark_is_explained_in_two_sentences_in_both_languages() -> None:
    """Two sentences in English, and two in Chinese that are Chinese."""
    for one in panel().benchmarks:
        assert len(re.findall(r"[.!?](?=\s|$)", one.explanation.en)) == 2, one.id
        assert one.explanation.zh.count("。") == 2, one.id
        assert CHINESE.search(one.explanation.zh), one.id
        assert one.known_issues is None or CHINESE.search(one.known_issues.zh), one.id


def test_every_scenario_says_why_a_benchmark_fits_and_what_it_misses() -> None:
    """Both reasons, in both languages, and no benchmark twice."""
    for use in panel().scenarios:
        assert CHINESE.search(use.name.zh), use.id
        assert CHINESE.search(use.explanation.zh), use.id
        assert len({fit.benchmark for fit in use.benchmarks}) == len(use.benchmarks), use.id
        for fit in use.benchmarks:
            assert fit.why.en.endswith("."), (use.id, fit.benchmark)
            assert fit.misses.en.endswith("."), (use.id, fit.benchmark)
            assert CHINESE.search(fit.why.zh), (use.id, fit.benchmark)
            assert CHINESE.search(fit.misses.zh), (use.id, fit.benchmark)


def test_a_scenario_says_of_which_benchmark_no_result_is_shipped() -> None:
    """So that nobody looks for a ranking that is not there; and it says so of no other."""
    measured = {claim.benchmark for claim in shipped_claims()}
    for use in panel().scenarios:
        for fit in use.benchmarks:
            said = "no results are shipped" in fit.misses.en
            assert said == (fit.benchmark not in measured), (use.id, fit.benchmark)
            assert said == ("未附成绩" in fit.misses.zh), (use.id, fit.benchmark)


def test_every_result_is_of_a_model_with_a_card() -> None:
    """A result whose model nobody described could not be shown on any page."""
    cards = {
        f"{lab.name}/{card.name.removesuffix('.toml')}"
        for lab in files("touchstone.catalog").joinpath("cards").iterdir()
        for card in lab.iterdir()
    }
    assert {claim.model for claim in shipped_claims()} - cards == set()


def test_no_result_is_stated_twice() -> None:
    """Two files may measure the same; none restates the same condition, model, snapshot, mode and day again."""
    seen = Counter(
        (claim.condition, claim.model, claim.snapshot, claim.mode, claim.date, claim.harness_version)
        for claim in shipped_claims()
    )
    assert [same for same, times in seen.items() if times > 1] == []


def test_indexes_over_unlike_tests_are_not_results() -> None:
    """An average over benchmarks has no scale of its own, so no benchmark is one."""
    assert not [one.id for one in panel().benchmarks if "index" in one.name.lower()]


def test_systems_of_two_models_are_no_models() -> None:
    """The source's rows of an architect with an editor are left out."""
    assert not [claim for claim in shipped_claims() if "architect" in (claim.mode or "")]


def test_benchmarks_and_scenarios_are_found_by_name() -> None:
    """By id or name, in either language, whatever the case; an unknown one names the closest."""
    assert find_benchmark("gpqa diamond").id == "gpqa-diamond"
    assert find_benchmark("中文 SimpleQA").id == "chinese-simpleqa"
    assert find_scenario("客户服务").id == "customer-service"
    with pytest.raises(UnknownName, match="gsm8k"):
        find_benchmark("gsm8")
    with pytest.raises(UnknownName, match="coding"):
        find_scenario("codin")


# --- facts against their sources --------------------------------------------------------------------------------------

AIDER = ("benchmarks/aider_polyglot_leaderboard.csv", "aider-polyglot", "Aider")
EDIT = ("benchmarks/aider_edit_leaderboard.csv", "aider-edit", "Aider")
EVALS = "benchmarks/openai_simple_evals.csv"
REDUX = ("benchmarks/zeroeval_mmlu-redux.csv", "mmlu-redux", "ZeroEval authors")
ZEBRA = ("benchmarks/zeroeval_zebra-grid.csv", "zebralogic", "ZeroEval authors")
GSM1K = ("benchmarks/epoch_gsm1k_2024-11.csv", "gsm1k", "Scale AI")
DEV = "catalog/modelsdev_benchmarks.csv"

FACTS = [
    (*AIDER, {"model": "gpt-5 (high)"}, "pass_rate_2", "openai/gpt-5", None, "diff, high"),
    (*AIDER, {"model": "DeepSeek R1 (0528)"}, "pass_rate_2", "deepseek/deepseek-r1-0528", None, "diff"),
    (*AIDER, {"model": "grok-4 (high)"}, "pass_rate_2", "xai/grok-4", None, "diff, high"),
    (
        *AIDER,
        {"model": "claude-opus-4-20250514 (32k thinking)"},
        "pass_rate_2",
        "anthropic/claude-opus-4",
        "claude-opus-4-20250514",
        "diff, 32k thinking",
    ),
    (*AIDER, {"model": "Kimi K2"}, "pass_rate_2", "moonshotai/kimi-k2-instruct", None, "diff"),
    (*EDIT, {"model": "qwen2:72b-instruct-q8_0"}, "pass_rate_2", "alibaba/qwen2-72b-instruct", None, "whole, q8_0"),
    (*EDIT, {"model": "gpt-4-0613"}, "pass_rate_2", "openai/gpt-4", "gpt-4-0613", "diff"),
    (
        "benchmarks/aider_refactor_leaderboard.csv",
        "aider-refactor",
        "Aider",
        {"model": "o1-preview"},
        "pass_rate_1",
        "openai/o1-preview",
        None,
        "diff",
    ),
    (EVALS, "mmlu", "OpenAI", {"model": "o3-low"}, "mmlu", "openai/o3", None, "low"),
    (EVALS, "math", "OpenAI", {"model": "gpt-4o-2024-08-06"}, "math", "openai/gpt-4o", "gpt-4o-2024-08-06", None),
    (EVALS, "math-500", "OpenAI", {"model": "o1-mini"}, "math", "openai/o1-mini", None, None),
    (
        EVALS,
        "simpleqa",
        "OpenAI",
        {"model": "gpt-4.1-nano-2025-04-14"},
        "simpleqa",
        "openai/gpt-4.1-nano",
        "gpt-4.1-nano-2025-04-14",
        None,
    ),
    (EVALS, "mmlu", "xAI", {"model": "Grok 2"}, "mmlu", "xai/grok-2", None, None),
    (*REDUX, {"Model": "Qwen2.5-72B-Instruct"}, "Acc", "alibaba/qwen2.5-72b-instruct", None, None),
    (
        *REDUX,
        {"Model": "Llama-3.1-405B-Inst-fp8@together"},
        "Acc",
        "meta/llama-3.1-405b-instruct",
        None,
        "fp8, Together",
    ),
    (*ZEBRA, {"Model": "deepseek-R1"}, "Puzzle Acc", "deepseek/deepseek-r1", None, None),
    (*ZEBRA, {"Model": "gemma-2-27b-it"}, "Puzzle Acc", "google/gemma-2-27b-it", None, None),
    (
        "outputs-gsm8k/published_scores.csv",
        "gsm8k",
        "ZeroEval authors",
        {"model": "gpt-4o-mini-2024-07-18"},
        "published_accuracy",
        "openai/gpt-4o-mini",
        "gpt-4o-mini-2024-07-18",
        None,
    ),
    (
        "outputs-mmlu-pro/full_run_scores.csv",
        "mmlu-pro",
        "MMLU-Pro authors",
        {"model": "Mixtral-8x7B-Instruct-v0.1", "category": "overall"},
        "accuracy_strict",
        "mistral/mixtral-8x7b-instruct-v0.1",
        None,
        None,
    ),
    (*GSM1K, {"System": "phi-2"}, "GSM1k", "microsoft/phi-2", None, None),
    (*GSM1K, {"System": "gemma-7b-it"}, "GSM1k", "google/gemma-7b-it", None, None),
    (
        DEV,
        "swe-bench-verified",
        "DeepSeek",
        {"model_id": "deepseek/deepseek-v4-pro", "name": "SWE-Bench Verified"},
        "score",
        "deepseek/deepseek-v4-pro",
        None,
        None,
    ),
    (
        DEV,
        "terminal-bench-hard",
        "Artificial Analysis",
        {"model_id": "meta/llama-3.3-70b-instruct", "name": "Terminal-Bench Hard"},
        "score",
        "meta/llama-3.3-70b-instruct",
        None,
        None,
    ),
    (
        DEV,
        "swe-bench-pro",
        "Scale AI",
        {"model_id": "openai/gpt-5.4", "name": "SWE-Bench Pro", "dataset": "public"},
        "score",
        "openai/gpt-5.4",
        None,
        None,
    ),
]


@cache
def table(path: Path) -> list[dict[str, str]]:
    """A source's file, as rows."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(("path", "benchmark", "by", "where", "column", "model", "snapshot", "mode"), FACTS)
def test_a_result_is_as_its_source_says(
    shared_data: Path,
    path: str,
    benchmark: str,
    by: str,
    where: dict[str, str],
    column: str,
    model: str,
    snapshot: str | None,
    mode: str | None,
) -> None:
    """Read again from the source, the value is the same (shares of one as percent)."""
    [row] = [row for row in table(shared_data / path) if all(row[key] == said for key, said in where.items())]
    found = [
        claim.value
        for claim in shipped_claims()
        if (claim.benchmark, claim.measured_by, claim.model, claim.snapshot, claim.mode)
        == (benchmark, by, model, snapshot, mode)
    ]
    value = float(row[column])
    wanted = 100 * value if "gsm1k" in path else value
    assert sum(one == pytest.approx(wanted) for one in found) == 1


def test_a_cost_of_zero_in_the_source_is_no_cost(shared_data: Path) -> None:
    """Runs whose cost the source gives as 0 have none here; the others have theirs."""
    costs = {row["model"]: float(row["total_cost"] or 0) for row in table(shared_data / AIDER[0])}
    stated = sum(cost > 0 for cost in costs.values())
    ours = [claim.usd for claim in shipped_claims() if claim.measured_by == "Aider" and claim.benchmark == AIDER[1]]
    assert 0 < sum(usd is not None for usd in ours) <= stated
    assert all(usd is None or usd > 0 for usd in ours)


def test_the_run_that_was_divided_by_another_number_says_so(shared_data: Path) -> None:
    """DeepSeek R1 (0528) solved 160 of 224 cases; the other rates are of 225, as the source's own counts show."""
    for row in table(shared_data / AIDER[0]):
        whole = 224 if row["model"] == "DeepSeek R1 (0528)" else 225
        assert abs(100 * int(row["pass_num_2"]) / whole - float(row["pass_rate_2"])) < 0.11, row["model"]
    [claim] = [one for one in shipped_claims() if one.measured_by == "Aider" and one.model.endswith("r1-0528")]
    assert claim.questions == 224


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_row_wins_over_its_table_and_a_table_over_the_file() -> None:
    """What most rows share is written once."""
    text = (
        HEADER
        + '[[table]]\nsetting = "8-shot"\nrows = [\n'
        + '{ model = "a/b", value = 1 },\n{ model = "a/c", value = 2, as_of = "2025" }]\n'
        + '[[table]]\nbenchmark = "mmlu"\nrows = [{ model = "a/b", value = 3 }]\n'
    )
    first, second, third = read_claims(text, place="paper.toml", benchmarks=benchmarks())
    assert (first.setting, first.as_of, first.benchmark) == ("8-shot", "2024-05", "gsm8k")
    assert second.as_of == "2025"
    assert (third.benchmark, third.setting) == ("mmlu", None)


GOOD = '{ model = "a/b", value = 50 }'


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('{ model = "a/b", value = 50, benchmark = "gsm8" }', "gsm8k"),
        ('{ model = "a/c", value = 50, shots = 5 }', "shots"),
        ('{ model = "A/C", value = 50 }', "lab/name in small letters"),
        ('{ model = "a/c" }', "value"),
        ('{ model = "a/c", value = "high" }', "write a number"),
        ('{ model = "a/c", value = 101 }', "another unit"),
        ('{ model = "a/c", value = -1 }', "another unit"),
        ('{ model = "a/c", value = nan }', "value"),
        ('{ model = "a/c", value = 50, low = -inf, high = 60 }', "low"),
        ('{ model = "a/c", value = 50, subset = "x", questions = 9_000_000_000_000 }', "questions"),
        ('{ model = "a/c", value = 50, questions = 1320 }', "has 1319"),
        ('{ model = "a/c", value = 50, low = 51, high = 52 }', "outside its interval"),
        ('{ model = "a/c", value = 50, low = 49 }', "one end of an interval"),
        ('{ model = "a/c", value = 50, usd = 0 }', "stands for unknown"),
        ('{ model = "a/c", value = 50, date = "2024-13" }', "no day of any calendar"),
        (GOOD, "row 1 says"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_with_file_and_row(row: str, says: str) -> None:
    """The error names the file, counts rows from 1, and says what is wrong."""
    with pytest.raises(DataError) as caught:
        rows(GOOD, row)
    assert str(caught.value).startswith("paper.toml, row 2: ")
    assert says in str(caught.value)


def test_rows_are_counted_through_all_tables() -> None:
    """The third row of a file is row 3, whichever table it stands in."""
    text = HEADER + f"[[table]]\nrows = [{GOOD}]\n[[table]]\nbenchmark = 'mmlu'\nrows = [{GOOD}, {{ value = 1 }}]\n"
    with pytest.raises(DataError, match=r"^paper\.toml, row 3: model"):
        read_claims(text, place="paper.toml", benchmarks=benchmarks())


def test_two_modes_snapshots_or_days_of_a_model_are_two_results() -> None:
    """They say different things, so none repeats the other."""
    found = rows(
        GOOD,
        '{ model = "a/b", value = 50, mode = "high" }',
        '{ model = "a/b", value = 50, snapshot = "b-2" }',
        '{ model = "a/b", value = 50, date = "2024-05" }',
        '{ model = "a/b", value = 50, subset = "hard" }',
    )
    assert len(found) == 5


def test_an_error_rate_may_pass_the_whole() -> None:
    """A transcript can have more mistakes than the speaker said words."""
    assert rows('{ model = "a/b", value = 130.5, benchmark = "fleurs" }')[0].value == 130.5


def test_our_own_measurement_may_cost_nothing() -> None:
    """A local model costs no money, and who measured knows it."""
    assert rows('{ model = "a/b", value = 50, usd = 0, ours = true }')[0].usd == 0


def test_a_file_that_is_no_toml_is_refused_by_name() -> None:
    """The reason is the parser's."""
    for read in (lambda: read_claims("[", place="x.toml", benchmarks={}), lambda: read_panel("[", place="x.toml")):
        with pytest.raises(DataError, match=r"^x\.toml: this is no TOML"):
            read()


BENCHMARK = """
[[benchmark]]
id = "one"
name = "One"
area = "maths"
explanation = { en = "A. B.", zh = "甲。乙。" }
metric = "accuracy"
unit = "percent"
kind = "share"
url = "https://example.org"
"""
SCENARIO = """
[[scenario]]
id = "use"
name = { en = "Use", zh = "用途" }
explanation = { en = "A.", zh = "甲。" }
benchmarks = [{ benchmark = "BENCHMARK", why = { en = "A.", zh = "甲。" }, misses = { en = "B.", zh = "乙。" } }]
"""


def test_a_panel_is_refused_where_ids_do_not_hang_together() -> None:
    """A second benchmark of one id, a scenario of a benchmark nobody explains, a share counted in points."""
    assert read_panel(BENCHMARK + SCENARIO.replace("BENCHMARK", "one"), place="b.toml").scenarios[0].id == "use"
    with pytest.raises(DataError, match=r"^b\.toml, row 2: there is a second one"):
        read_panel(BENCHMARK + BENCHMARK, place="b.toml")
    with pytest.raises(DataError, match=r"^b\.toml, row 1: .*'two'"):
        read_panel(BENCHMARK + SCENARIO.replace("BENCHMARK", "two"), place="b.toml")
    with pytest.raises(DataError, match=r"^b\.toml, row 1: .*share in points"):
        read_panel(BENCHMARK.replace('"percent"', '"points"'), place="b.toml")


@given(harness=st.none() | st.just("h"), source=st.sampled_from(["p", "q"]), other=st.sampled_from(["p", "q"]))
def test_without_a_named_harness_only_one_source_is_alike(harness: str | None, source: str, other: str) -> None:
    """Nobody knows whether two papers asked alike; a named harness says so."""
    one, two = (
        Claim(model="a/b", benchmark="mmlu", value=1, measured_by="m", source=where, as_of="2024", harness=harness)
        for where in (source, other)
    )
    assert (one.condition == two.condition) == (harness is not None or source == other)


@pytest.mark.parametrize(
    "text", ['source = "x"\n', '[[claim]]\nmodel = "acme/one"\n', "[[table]]\nrows = []\n", "[[table]]\nvalue = 3\n"]
)
def test_a_file_without_results_is_refused(text: str) -> None:
    """Results under another key than the one that is read would be lost without a word."""
    with pytest.raises(DataError, match=r"\[\[table\]\]"):
        read_claims(text, place="own.toml", benchmarks=benchmarks())
