"""The JSON result: names and order as documented, nothing rounded, nothing invented."""

from __future__ import annotations

from datetime import date

import orjson

from touchstone.decision.base import Constraints, Decision, Goal, PassedOver, Reason, Rejection, Volume
from touchstone.reporting.base import Note, ReportData
from touchstone.reporting.result import decision_result, from_json, to_json

from .conftest import ROWS, build

DOCUMENTED = {
    "": ["schema", "task", "candidates", "pairs", "calls", "spent_usd", "race", "decision"],
    "task": ["name", "cases", "fingerprint"],
    "candidates": ["name", "model", "strategy", "state", "estimate", "outcomes", "usage", "cost", "latency_s"],
    "estimate": ["mean", "low", "high", "n", "method"],
    "outcomes": [
        "planned", "scored", "unparsed", "refused", "filtered", "truncated", "empty", "error", "judge_unparsed",
        "skipped_race", "skipped_budget", "skipped_cancel", "in_doubt",
    ],
    "usage": ["input_tokens", "output_tokens", "estimated"],
    "cost": ["run_usd", "per_case_usd", "per_correct_usd", "per_month_usd"],
    "latency_s": ["p50", "p95", "first_token_p50"],
    "pairs": ["a", "b", "difference", "low", "high", "n", "p", "adjusted_p"],
    "calls": ["made", "from_cache", "full", "share", "retries"],
    "race": ["finish", "certificate", "rounds"],
    "decision": ["verdict", "chosen", "indistinguishable", "rejected", "front", "caveats", "cases_needed"],
}  # fmt: skip


def test_fields_stand_in_the_documented_order(twelve: ReportData) -> None:
    """Every documented field is there under its name, in its order; others may stand among them."""
    body = orjson.loads(to_json(twelve.comparison))
    first = body["candidates"][0]
    found = {
        "": body,
        "task": body["task"],
        "candidates": first,
        "estimate": first["estimate"],
        "outcomes": first["outcomes"],
        "usage": first["usage"],
        "cost": first["cost"],
        "latency_s": first["latency_s"],
        "pairs": body["pairs"][0],
        "calls": body["calls"],
        "race": body["race"],
        "decision": body["decision"],
    }

    for place, names in DOCUMENTED.items():
        assert [name for name in found[place] if name in names] == names, place
    assert body["schema"] == "touchstone.comparison/1"


def test_unknown_is_null_and_numbers_are_whole(twelve: ReportData) -> None:
    """None stays null, and a float has all its digits."""
    comparison = twelve.comparison
    body = orjson.loads(to_json(comparison))
    unpriced = next(c for c in body["candidates"] if c["name"] == ROWS[3][0])

    assert unpriced["cost"]["per_case_usd"] is None
    assert unpriced["cost"]["price_source"] is None
    estimate = comparison.candidates[0].estimate
    assert estimate is not None
    assert body["candidates"][0]["estimate"]["low"] == estimate.low


def test_sentences_are_plain_text(twelve: ReportData) -> None:
    """Caveats, reasons, warnings and checks are English sentences, whatever the reader's language."""
    body = orjson.loads(to_json(twelve.comparison))

    assert body["decision"]["rejected"][0]["candidate"] == "ollama/qwen3:8b"
    assert body["decision"]["rejected"][0]["reason"] == (
        "its 95th percentile of latency, 9.40 s, is above the limit of 8 s"
    )
    assert body["decision"]["caveats"] == [
        "the best of 12 candidates looks a little better than it is; expect less on new cases"
    ]
    assert body["warnings"] == [f"the price of {ROWS[3][0]} is unknown"]
    assert body["gate"]["checks"][1]["passed"] is False
    assert isinstance(body["gate"]["checks"][1]["text"], str)


def test_a_result_can_be_read_back(twelve: ReportData) -> None:
    """Reading the JSON and writing it again gives the same bytes."""
    body = to_json(twelve.comparison)

    assert to_json(from_json(body)) == body


def test_a_decision_is_shown_whole() -> None:
    """Everything a decision says is in the result, its sentences still translatable."""
    reason = Reason(
        template="its score {mean:.3f} is below the minimum of {limit:g}", values={"mean": 0.7, "limit": 0.8}
    )
    decision = Decision(
        goal=Goal(), constraints=Constraints(min_score=0.8), volume=Volume(), confidence=0.95, verdict="winner",
        chosen="a", leader="a", why=Reason(template="only {name} qualifies", values={"name": "a"}),
        qualifying=("a",), rejected=(Rejection(candidate="b", kind="constraint", reason=reason, further=(reason,)),),
        passed_over=(PassedOver(candidate="c", kind="worse", reason=reason),), front=("a",), caveats=(reason,),
        expires=date(2027, 1, 31),
    )  # fmt: skip
    shown = decision_result(decision)

    assert shown.rejected[0].reason == Note(template=reason.template, values=reason.values)
    assert shown.rejected[0].further[0].text() == "its score 0.700 is below the minimum of 0.8"
    assert shown.passed_over[0].candidate == "c"
    assert shown.why is not None
    assert shown.why.text() == "only a qualifies"
    assert shown.expires == "2027-01-31"
    body = orjson.loads(to_json(build(ROWS[:2], shown)))
    assert body["decision"]["passed_over"][0]["reason"] == "its score 0.700 is below the minimum of 0.8"
