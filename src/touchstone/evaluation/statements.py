"""What a run writes for every call and every cell: statements made once, and a cell as a row."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa

from touchstone.evaluation import tables
from touchstone.evaluation.base import Outcome
from touchstone.evaluation.noun_json import safe_text

# Built once: making a statement costs more than running it, and rows of one statement are committed with one call.
INSERT_ATTEMPT = tables.attempts.insert()
SETTLE_ATTEMPT = (
    tables.attempts.update()
    .where(tables.attempts.c.id == sa.bindparam("b_id"))
    .values(
        state=sa.bindparam("b_state"),
        cost_usd=sa.bindparam("b_cost"),
        error=sa.bindparam("b_error"),
        received=sa.bindparam("b_received"),
    )
)
KEEP_UNREAD = (
    tables.attempts.update()
    .where(
        tables.attempts.c.id
        == sa.select(tables.attempts.c.id)
        .where(
            tables.attempts.c.key == sa.bindparam("b_key"),
            tables.attempts.c.state.in_(("intent", "replied")),
            tables.attempts.c.received.is_(None),
        )
        .order_by(tables.attempts.c.sent_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    .values(received=sa.bindparam("b_received"))
)
INSERT_REPLY = tables.replies.insert().prefix_with("OR REPLACE", dialect="sqlite")
DELETE_REPLY = tables.replies.delete().where(tables.replies.c.key == sa.bindparam("b_key"))
INSERT_OUTCOME = tables.outcomes.insert()
FIND_REPLY = sa.select(tables.replies.c.body, tables.replies.c.digest, tables.replies.c.meta).where(
    tables.replies.c.key == sa.bindparam("b_key")
)


def outcome_row(trial: int, ordinal: int, outcome: Outcome) -> dict[str, Any]:
    """One cell as a row of the `outcome` table."""
    completion, reading = outcome.completion, outcome.reading
    first = outcome.scores[0] if outcome.scores else None
    judge_usd = [score.cost_usd for score in outcome.scores if score.cost_usd is not None]
    telling = len(outcome.scores) > 1 or (first is not None and first.reason)
    return {
        "trial": trial,
        "ordinal": ordinal,
        "repeat": outcome.repeat,
        "kind": outcome.kind,
        "score": first.value if first else None,
        "answer": safe_text(reading.answer) if reading and reading.answer is not None else None,
        "how": safe_text(reading.how) if reading else None,
        "text": safe_text(completion.text) if completion else None,
        "scores": _scores_json(outcome) if telling else None,
        "input_tokens": completion.usage.input_tokens if completion else None,
        "output_tokens": completion.usage.output_tokens if completion else None,
        "estimated": completion.usage.estimated if completion else None,
        "cost_usd": completion.cost_usd if completion else None,
        "retry_usd": outcome.retry_usd,
        "judge_usd": sum(judge_usd) if judge_usd else None,
        "latency_s": completion.latency_s if completion else None,
        "first_token_s": completion.first_token_s if completion else None,
        "served_model": safe_text(completion.served_model) if completion and completion.served_model else None,
        "error": safe_text(outcome.error) if outcome.error else None,
        "retries": outcome.retries,
        "from_cache": outcome.from_cache,
    }


def _scores_json(outcome: Outcome) -> bytes:
    scores = [score.model_dump() for score in outcome.scores]
    return orjson.dumps([{**score, "reason": safe_text(score["reason"])} for score in scores])
