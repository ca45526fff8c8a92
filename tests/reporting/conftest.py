"""Two comparisons as a workspace would gather them: twelve candidates with every difficulty, and two plain ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from touchstone.data.base import Problem
from touchstone.evaluation.base import Cost, Estimate, Latency, OutcomeCounts, PairResult, TrialSummary, UsageTotal
from touchstone.evaluation.repeats import RepeatStats, repeat_stats
from touchstone.reporting.base import (
    Calls,
    CandidateSettings,
    CasesInfo,
    Comparison,
    Constraint,
    DecisionResult,
    Example,
    ExampleAnswer,
    GateCheck,
    GateResult,
    JudgeInfo,
    Note,
    PassedOverCandidate,
    RaceInfo,
    RaceLane,
    RaceStep,
    RejectedCandidate,
    ReportData,
    Reproduction,
    ScorerInfo,
    Slice,
    StatisticsInfo,
    TaskInfo,
)
from touchstone.reporting.result import build_comparison
from touchstone.scoring.base import AnswerSpec

HOSTILE = "<script>alert(1)</script> \u202eevil\u202c \x1b[31mred\x07 | `code` & \ud800"
"""What a model may write: markup, direction marks, terminal codes, a lone surrogate."""

CASES = 420


def wilson(mean: float, n: int) -> Estimate:
    z = 1.96
    centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    return Estimate(mean=mean, low=centre - half, high=centre + half, n=n, method="Wilson 95 %")


# name, model, strategy, mean, cost per case, p50, p95, first token, unparsed, errors
ROWS: list[tuple[Any, ...]] = [
    ("gpt-4o-mini, few-shot (8)", "openai/gpt-4o-mini", "few_shot", 0.912, 0.000131, 0.84, 1.92, 0.31, 2, 0),
    ("claude-haiku-4.5", "anthropic/claude-haiku-4.5", "prompt", 0.907, 0.00094, 0.71, 1.35, 0.24, 0, 0),
    ("deepseek/deepseek-chat", "deepseek/deepseek-chat", "prompt", 0.900, 0.000062, 2.10, 6.80, 0.95, 5, 3),
    (
        "Qwen3-235B-A22B-Instruct-2507-FP8 on our own cluster", "vllm/qwen3-235b-a22b", "prompt",
        0.893, None, 1.2, 2.9, None, 1, 0,
    ),
    ("gemini-2.5-flash", "google/gemini-2.5-flash", "prompt", 0.881, 0.00021, 0.62, 1.20, 0.28, 3, 0),
    ("mistral-small-3.2-24b-instruct", "mistral/mistral-small", "prompt", 0.874, 0.000055, 0.55, 1.10, 0.19, 8, 0),
    ("ollama/qwen3:8b", "ollama/qwen3:8b", "prompt", 0.843, None, 3.9, 9.4, 1.1, 14, 0),
    ("baseline/logistic", "baseline/logistic", "baseline", 0.829, 0.0, 0.0012, 0.0021, None, 0, 0),
    ("本地模型 qwen3-4b（量化版）", "llama.cpp/qwen3-4b-q4", "prompt", 0.786, None, 2.2, 4.1, 0.6, 31, 0),
    (
        "llama-3.1-8b-instruct-turbo-with-a-very-long-provider-given-name", "together/llama-3.1-8b", "prompt",
        0.751, 0.000018, 0.41, 0.88, 0.12, 44, 22,
    ),
    ("baseline/nearest", "baseline/nearest", "baseline", 0.702, 0.0, 0.004, 0.007, None, 0, 0),
    ("baseline/majority", "baseline/majority", "baseline", 0.104, 0.0, 0.0001, 0.0002, None, 0, 0),
]  # fmt: skip


def trial(row: tuple[Any, ...], *, n: int = CASES) -> TrialSummary:
    name, model, strategy, mean, cost, p50, p95, first, unparsed, errors = row
    scored = n - unparsed - errors
    return TrialSummary(
        name=name,
        model=model,
        strategy=strategy,
        estimate=wilson(mean, n - errors),
        answered_only=wilson(min(mean * (n - errors) / scored, 1.0), scored) if unparsed else wilson(mean, n - errors),
        bounds=(mean * (n - errors) / n, (mean * (n - errors) + errors) / n) if errors else None,
        outcomes=OutcomeCounts(planned=n, scored=scored, unparsed=unparsed, error=errors),
        usage=UsageTotal(input_tokens=n * 210, output_tokens=n * 9, estimated=cost is None, estimated_share=0.4),
        cost=Cost(
            run_usd=None if cost is None else cost * n,
            per_case_usd=cost,
            per_correct_usd=None if cost is None else cost / mean,
            per_month_usd=None if cost is None else cost * 200_000,
            judge_usd=0.011,
            price_source=None if cost is None else "genai-prices 0.0.31",
        ),
        latency=Latency(p50=p50, p95=p95, first_token_p50=first, n=n - errors, concurrency=16),
        scorers={"contains": wilson(min(mean + 0.02, 1.0), n - errors)},
        recipe_fingerprint="9f" * 32,
    )


def pairs(rows: list[tuple[Any, ...]], n: int = CASES) -> tuple[PairResult, ...]:
    found = []
    for index, a in enumerate(rows):
        for b in rows[index + 1 :]:
            difference, half = a[3] - b[3], 0.021
            p = min(1.0, math.exp(-((difference / half) ** 2) * 2.4))
            found.append(
                PairResult(
                    a=a[0], b=b[0], difference=difference, low=difference - half, high=difference + half, n=n,
                    p=p, adjusted_p=min(1.0, p * 8), discordance=0.1, method="exact McNemar",
                )
            )  # fmt: skip
    return tuple(found)


def example(number: int, rows: list[tuple[Any, ...]]) -> Example:
    text = [
        "I payed twice for order 88213 and now the app says 'pending'. pls refund ONE of them, not both!!",
        "你好，我上周买的咖啡机漏水了，想换一台新的，但是发票找不到了怎么办？",
        HOSTILE,
    ][number % 3]
    return Example(
        case=f"m{number:04d}",
        row=number + 1,
        input=text * (1 + 3 * (number == 3)),
        cut_characters=120 if number == 3 else 0,
        target="refund_duplicate",
        tags=("en", "long") if number % 2 else ("zh",),
        answers=tuple(
            ExampleAnswer(
                candidate=row[0],
                kind="unparsed" if index % 5 == 4 else "error" if index % 7 == 6 else "scored",
                output=HOSTILE if (index, number) == (0, 2) else f"The intent is: refund ({index})\n" * (1 + index % 3),
                cut_characters=2_400 if index == 3 else 0,
                answer=None if index % 5 == 4 else "refund_duplicate" if (index + number) % 2 else "refund_status",
                how="label, whole word",
                score=None if index % 5 == 4 or index % 7 == 6 else float((index + number) % 2),
                reason="rate limited after 4 attempts" if index % 7 == 6 else "",
                latency_s=0.8 + index / 10,
                cost_usd=row[4],
            )
            for index, row in enumerate(rows)
        ),
    )  # fmt: skip


def build(
    rows: list[tuple[Any, ...]],
    decision: DecisionResult,
    repeats: Mapping[str, RepeatStats | None] | None = None,
    **more: Any,
) -> Comparison:
    return build_comparison(
        task=TaskInfo(name="support-intents", cases=CASES, fingerprint="c0ffee" * 10 + "abcd"),
        trials=[trial(row).model_copy(update={"repeats": (repeats or {}).get(row[0])}) for row in rows],
        pairs=pairs(rows),
        decision=decision,
        created="2026-11-23",
        comparison_id="20261123-support-intents-4f1c",
        calls=Calls(made=3100, from_cache=640, full=5040, share=0.742, retries=4),
        spent_usd=0.4213,
        race=RaceInfo(finish="full", rounds=1),
        statistics=StatisticsInfo(minimum_detectable_difference=0.031, cases_needed=1240, confidence=0.95),
        **more,
    )


def data(rows: list[tuple[Any, ...]], comparison: Comparison, **more: Any) -> ReportData:
    return ReportData(
        comparison=comparison,
        instruction="Name the intent of the customer's message. Answer with one of the labels, nothing else.",
        answer=AnswerSpec(kind="label", labels=("refund_duplicate", "refund_status", "cancel_order"), source="auto"),
        scorers=(
            ScorerInfo(name="label", description="1 when the label that was read is the target.", decides=True),
            ScorerInfo(name="contains", description="1 when the target stands in the output."),
        ),
        cases=CasesInfo(
            files=("cases.csv",),
            described="CSV, UTF-8, comma; id, text as input, label as target",
            counts={"train": 600, "dev": 120, "test": CASES},
            digest="ab" * 32,
            problems=(
                Problem(
                    severity="warning", kind="twin_across_splits", path="cases.csv", rows=(17, 204), count=6,
                    template="{n} test texts also stand in train; take them out of one split", values={"n": 6},
                ),
            ),
        ),
        requests_per_month=200_000,
        slices=tuple(
            Slice(tag=tag, candidate=row[0], estimate=wilson(max(0.05, min(0.99, row[3] - drop)), n) if n else None)
            for tag, drop, n in (("en", -0.02, 260), ("zh", 0.04, 160), ("typos", 0.07, 64), ("mixed intent", 0.18, 22))
            for row in rows
        ),
        worst=tuple(example(number, rows) for number in (1, 2)),
        disagreeing=tuple(example(number, rows) for number in (3, 4, 5)),
        settings=tuple(
            CandidateSettings(
                candidate=row[0], model=row[1],
                endpoint=None if row[2] == "baseline" else f"https://api.example.test/v1 {row[1]}",
                prompt_digest=None if row[2] == "baseline" else "d41d8cd98f00b204", temperature=0.0 if index else 0.7,
                max_tokens=64, stream=bool(index % 2), input_usd=None if row[4] is None else 0.15,
                output_usd=None if row[4] is None else 0.6,
                price_source=None if row[4] is None else "genai-prices", price_as_of="2026-11-02",
                note=Note(template="8 shots from train") if row[2] == "few_shot" else None,
            )
            for index, row in enumerate(rows)
        ),
        reproduction=Reproduction(
            command="touchstone compare support-intents/task.yaml",
            further=("touchstone decide latest --min-score 0.85", "touchstone report latest --lang zh"),
            versions={"touchstone": "0.1.0", "python": "3.11.2", "numpy": "2.3.4"},
            seed=7,
            task_file="support-intents/task.yaml",
            task_digest="5e" * 32,
        ),
        **more,
    )  # fmt: skip


def twelve_candidates() -> ReportData:
    decision = DecisionResult(
        verdict="tie",
        chosen="deepseek/deepseek-chat",
        leader=ROWS[0][0],
        indistinguishable=tuple(row[0] for row in ROWS[:4]),
        why=Note(
            template="of those that cannot be told apart, {name} costs least per case",
            values={"name": "deepseek/deepseek-chat"},
        ),
        rejected=(
            RejectedCandidate(
                candidate=ROWS[6][0],
                reason=Note(
                    template="its 95th percentile of latency, {p95:.2f} s, is above the limit of {limit:g} s",
                    values={"p95": 9.4, "limit": 8},
                ),
                further=(Note(template="its cost per case is unknown: a price or the usage is missing"),),
            ),
            *(
                RejectedCandidate(
                    candidate=row[0],
                    reason=Note(
                        template="its score {mean:.3f} is below the minimum of {limit:g}",
                        values={"mean": row[3], "limit": 0.8},
                    ),
                )
                for row in ROWS[8:]
            ),
        ),
        passed_over=tuple(
            PassedOverCandidate(
                candidate=row[0],
                kind="worse",
                reason=Note(
                    template="{leader} is better by {points:.1f} points "
                    "({low:.1f} to {high:.1f}; n = {n}, adjusted p {p:.2g})",
                    values={
                        "leader": ROWS[0][0],
                        "points": 100 * (ROWS[0][3] - row[3]),
                        "low": 1.0,
                        "high": 5.2,
                        "n": 420,
                        "p": 0.012,
                    },
                ),
            )
            for row in (ROWS[4], ROWS[5], ROWS[7])
        ),
        front=(ROWS[0][0], ROWS[2][0], ROWS[5][0], ROWS[7][0]),
        caveats=(
            Note(template="the best of {count} candidates looks a little better than it is; expect less on new cases",
                 values={"count": 12}),
        ),
        cases_needed=2600,
    )  # fmt: skip
    comparison = build(
        ROWS,
        decision,
        gate=GateResult(
            passed=False,
            checks=(
                GateCheck(
                    name="min_score", passed=True, candidate=ROWS[2][0], measured=0.867, required=0.8,
                    text=Note(
                        template="{candidate}: the lower end of the score's interval is {low:.3f}, "
                        "the gate asks for {limit:.3f}",
                        values={"candidate": ROWS[2][0], "low": 0.867, "limit": 0.8},
                    ),
                ),
                GateCheck(
                    name="non_inferior", passed=False, candidate=ROWS[2][0], measured=-0.012, required=-0.01,
                    text=Note(
                        template="{candidate} against {baseline}: the lower end of the difference is {low:+.3f}, "
                        "the gate allows {allowed:+.3f}",
                        values={"candidate": ROWS[2][0], "baseline": ROWS[7][0], "low": -0.012, "allowed": -0.01},
                    ),
                ),
            ),
        ),
        warnings=(Note(template="the price of {name} is unknown", values={"name": ROWS[3][0]}),),
    )  # fmt: skip
    return data(
        ROWS,
        comparison,
        goal="cheapest-within: 0.02",
        constraints=(Constraint(name="min_score", limit="0.8"), Constraint(name="max_p95_latency_s", limit="8")),
        baseline="baseline/logistic",
        judge=JudgeInfo(
            model="openai/gpt-4.1",
            consistency=0.94,
            controls=3,
            controls_passed=3,
            fit=True,
            same_family=(ROWS[0][0],),
        ),
    )


def two_candidates() -> ReportData:
    rows = [ROWS[1], ROWS[7]]
    decision = DecisionResult(
        verdict="winner", chosen=rows[0][0], leader=rows[0][0], front=(rows[0][0], rows[1][0]),
        why=Note(template="{name} is better than every other candidate that qualifies", values={"name": rows[0][0]}),
    )  # fmt: skip
    return data(rows, build(rows, decision), baseline=rows[1][0])


ASKED = (420, 420, 395, 150, 200, 125, 100, 100, 50, 25, 50, 25)
"""How many of the cases the race asked each of `ROWS`."""


def raced_candidates() -> ReportData:
    """The twelve after a proven race: most were settled early, one broke a condition, one could not be called."""
    leader = ROWS[0][0]

    def lane(place: int, row: tuple[Any, ...], asked: int) -> RaceLane:
        state: Any = {0: "leader", 6: "infeasible", 9: "unreachable"}.get(place, "settled")
        rival = ROWS[1][0] if place == 10 else leader
        saved = 0.0 if row[4] == 0 else None if row[4] is None else row[4] * (CASES - asked)
        return RaceLane(
            candidate=row[0], state=state, cases=asked, planned=CASES,
            settled_at=min(asked, CASES) - 4 * (place == 3) if state == "settled" else None,
            against=rival if state == "settled" else None, round=None if place in (0, 9) else max(1, asked // 25),
            reason=Note(template="its 95th percentile of latency, {p95:.2f} s, is above the limit of {limit:g} s",
                        values={"p95": 9.4, "limit": 8}) if state == "infeasible" else None,
            saved_calls=CASES - asked, saved_usd=saved,
        )  # fmt: skip

    lanes = tuple(lane(place, row, asked) for place, (row, asked) in enumerate(zip(ROWS, ASKED, strict=True)))
    made, full = sum(ASKED), CASES * len(ROWS)
    bounds = (None, 0.41, 0.24, 0.17, 0.11, 0.094, 0.07, 0.052, 0.047, 0.038, 0.031, 0.028, 0.022, 0.019, 0.014, 0.012)
    calls = [sum(min(asked, 25 * n) for asked in ASKED) for n in range(1, len(bounds) + 1)] + [made]
    steps = tuple(
        RaceStep(
            round=n, calls=so_far, leader=ROWS[1][0] if n < 3 else leader,
            running=max(1, sum(asked > 25 * n for asked in ASKED)), certificate=bound,
        )
        for n, (so_far, bound) in enumerate(zip(calls, (*bounds, 0.00955), strict=True), start=1)
    )  # fmt: skip
    twelve = twelve_candidates()
    decision = DecisionResult(
        verdict="tie", chosen=leader, leader=leader, front=(leader,), indistinguishable=(leader, ROWS[1][0]),
        why=Note(template="of those that cannot be told apart, {name} costs least per case", values={"name": leader}),
    )  # fmt: skip
    comparison = twelve.comparison.model_copy(
        update={
            "decision": decision,
            "gate": None,
            "calls": Calls(made=made - 300, from_cache=300, full=full, share=made / full, retries=4),
            "candidates": tuple(
                c.model_copy(
                    update={
                        "estimate": wilson(c.estimate.mean, asked).model_copy(update={"method": "anytime-valid 95 %"})
                        if c.estimate else None,
                        "answered_only": None, "bounds": None, "coverage": asked / CASES,
                        "outcomes": OutcomeCounts(planned=CASES, scored=asked, skipped_race=CASES - asked),
                        "state": "leader" if c.name == leader else "eliminated",
                    }
                )
                for c, asked in zip(twelve.comparison.candidates, ASKED, strict=True)
            ),
            "race": RaceInfo(
                finish="proven", certificate=0.00955, rounds=len(steps), epsilon=0.01, confidence=0.95, batch=25,
                quick_at_calls=calls[11], lanes=lanes, steps=steps, ties_here=(ROWS[1][0],),
                ties_future=(ROWS[1][0], ROWS[2][0]), saved_calls=full - made, saved_usd=0.4174,
            ),
        }
    )  # fmt: skip
    return twelve.model_copy(update={"comparison": comparison, "goal": "best", "judge": None})


def repeated(mean: float, spread: float, seed: int, repeats: int = 3) -> RepeatStats:
    """Answers to 200 cases whose own chance of being right varies by `spread` around the mean."""
    generator = np.random.default_rng(seed)
    chances = np.clip(mean + spread * generator.standard_normal(200), 0, 1)
    found = repeat_stats((generator.random((200, repeats)) < chances[:, None]).astype(float))
    assert found is not None
    return found


def repeated_candidates() -> ReportData:
    """Three candidates asked every case three times; the last one answers always alike."""
    names = [ROWS[1], ROWS[8], ROWS[7]]
    decision = DecisionResult(
        verdict="winner", chosen=names[0][0], leader=names[0][0],
        why=Note(template="{name} is better than every other candidate that qualifies", values={"name": names[0][0]}),
    )  # fmt: skip
    stats = {
        names[0][0]: repeated(0.9, 0.12, 1),
        names[1][0]: repeated(0.75, 0.02, 5),
        names[2][0]: repeat_stats([[float(n % 6 > 0)] * 3 for n in range(200)]),
    }
    shown = data(names, build(names, decision, repeats=stats), baseline=names[2][0])
    again = shown.disagreeing[0].answers
    answers = tuple(a.model_copy(update={"right": 2 - n, "of": 3}) for n, a in enumerate(again))
    first = shown.disagreeing[0].model_copy(update={"answers": answers})
    return shown.model_copy(update={"disagreeing": (first, *shown.disagreeing[1:])})


@pytest.fixture
def raced() -> ReportData:
    return raced_candidates()


@pytest.fixture
def again() -> ReportData:
    return repeated_candidates()


@pytest.fixture
def twelve() -> ReportData:
    return twelve_candidates()


@pytest.fixture
def two() -> ReportData:
    return two_candidates()
