"""
A shadow version held against the version that answered: pairs of kept replies, scored when nobody waits for them.

Two things can be said without asking anybody. Whether both gave the same answer, read as the task reads answers. And,
with the task's own scorers but for judges, how good each was: on replies to questions that are cases of the task, and
with scorers that need no right answer on all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from touchstone.data.base import Case
from touchstone.deployment.base import Endpoint
from touchstone.deployment.govern.state import prepare_store
from touchstone.deployment.govern.tables import charges, shadow_replies
from touchstone.errors import TouchstoneError
from touchstone.evaluation.base import Estimate, PairResult
from touchstone.evaluation.intervals import estimate
from touchstone.evaluation.paired import compare_pairs
from touchstone.evaluation.store_errors import store_errors
from touchstone.models.base import Completion, TextPart
from touchstone.noun import Noun
from touchstone.scoring.base import Reading, Scorer
from touchstone.scoring.make import default_scorers, make_scorer
from touchstone.scoring.reading import make_reader
from touchstone.workspace.bundle import Bundle, read_bundle
from touchstone.workspace.workspace import Workspace

MOST_PAIRS = 1_000
"""The newest pairs that are scored."""
_MOST_CASES = 20_000
"""Cases among which a question is looked for."""


class ShadowPair(Noun):
    """One request that both versions answered."""

    request: str
    at: str
    asked: str
    """The last turn of the user."""
    reply: str
    shadow_reply: str | None
    """None where the shadow failed, or its reply was blocked."""
    error: str | None
    """Why, as a code."""
    same: bool | None = None
    """Whether both gave the same answer; None where one gave none that can be read."""


class Compared(NamedTuple):
    """One scorer on both versions."""

    scorer: str
    real: Estimate
    shadow: Estimate
    difference: PairResult
    """Of the version that answered minus the shadow."""
    of_known_cases: bool
    """Whether a right answer is needed, so that only questions that are cases of the task count."""


class Took(NamedTuple):
    """What requests of one version took, on average."""

    requests: int
    usd: float | None
    """None where no price is known."""
    seconds: float | None


class ShadowScores(NamedTuple):
    """Pairs of one version and its shadow."""

    version: int
    shadow: int
    pairs: tuple[ShadowPair, ...]
    """Newest first."""
    failed: int
    """Of them, those that the shadow could not answer."""
    agreement: Estimate | None
    """How often both gave the same answer."""
    compared: tuple[Compared, ...]
    real: Took
    copies: Took


class _Both(NamedTuple):
    case: Case
    knows_target: bool
    texts: tuple[str, str]
    readings: tuple[Reading, Reading]


def shadow_scores(workspace: Workspace, endpoint: Endpoint) -> tuple[ShadowScores, ...]:
    """
    Every pair of version and shadow of which replies are kept, the newest first; nobody is asked.

    Raises:
        StoreError: the store cannot be read.
    """
    groups: dict[tuple[int, int], list[ShadowPair]] = {}
    for version, shadow, pair in _kept(workspace, endpoint.name):
        groups.setdefault((version, shadow), []).append(pair)
    return tuple(_scored(workspace, endpoint, version, shadow, pairs) for (version, shadow), pairs in groups.items())


def _kept(workspace: Workspace, name: str) -> Iterator[tuple[int, int, ShadowPair]]:
    engine = workspace.ledger.engine
    prepare_store(engine)
    table = shadow_replies
    query = sa.select(table).where(table.c.endpoint == name).order_by(table.c.at.desc()).limit(MOST_PAIRS)
    with store_errors(), engine.connect() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        said = orjson.loads(bytes(row.document))
        reply = said.get("shadow_reply")
        yield (
            row.version,
            row.shadow_version,
            ShadowPair(
                request=row.request,
                at=row.at,
                asked=_asked(said.get("asked")),
                reply=_text(said.get("reply")),
                shadow_reply=None if reply is None else _text(reply),
                error=said.get("error"),
            ),
        )


def _scored(
    workspace: Workspace, endpoint: Endpoint, version: int, shadow: int, pairs: Sequence[ShadowPair]
) -> ShadowScores:
    bundle = _bundle(workspace, endpoint, version) or _bundle(workspace, endpoint, shadow)
    marked, both = list(pairs), []
    if bundle is not None:
        reader = make_reader(bundle.answer)
        known = _known_cases(workspace, bundle, {pair.asked for pair in pairs})
        for place, pair in enumerate(pairs):
            if pair.shadow_reply is None:
                continue
            case = known.get(pair.asked) or Case(id=pair.request, input=pair.asked)
            texts = (pair.reply, pair.shadow_reply)
            readings = (reader.read(texts[0], case), reader.read(texts[1], case))
            answers = [one.answer for one in readings]
            same = None if None in answers else answers[0] == answers[1]
            marked[place] = pair.model_copy(update={"same": same})
            both.append(_Both(case, pair.asked in known, texts, readings))
    agreed = [float(pair.same) for pair in marked if pair.same is not None]
    compared = asyncio.run(_compare(_scorers(bundle), both)) if bundle is not None and both else ()
    return ShadowScores(
        version,
        shadow,
        tuple(marked),
        sum(pair.shadow_reply is None for pair in pairs),
        estimate(agreed) if agreed else None,
        compared,
        _took(workspace, endpoint.name, version, copies=False),
        _took(workspace, endpoint.name, shadow, copies=True),
    )


def _bundle(workspace: Workspace, endpoint: Endpoint, version: int) -> Bundle | None:
    try:
        return read_bundle(workspace.settings.workspace / endpoint.version(version).folder)
    except (KeyError, TouchstoneError):
        return None  # taken out since, or its folder is gone: the replies are there all the same


def _known_cases(workspace: Workspace, bundle: Bundle, asked: set[str]) -> Mapping[str, Case]:
    """Cases of the task by what they ask, of those that were asked here and have a right answer."""
    if bundle.dataset is None:
        return {}
    cases = workspace.reader.datasets.cases(bundle.dataset, "test", stop=_MOST_CASES)
    return {case.text: case for _, case in cases if case.target is not None and case.text in asked}


def _scorers(bundle: Bundle) -> tuple[Scorer, ...]:
    """The task's scorers that ask nobody."""
    found = []
    for spec in bundle.file.scorers or default_scorers(bundle.answer.kind):
        with suppress(TouchstoneError):  # a judge asks a model; a scorer may have been uninstalled
            found.append(make_scorer(spec))
    return tuple(found)


async def _compare(scorers: Sequence[Scorer], both: Sequence[_Both]) -> tuple[Compared, ...]:
    found = []
    for scorer in scorers:
        rows: list[list[float]] = [[], []]
        for one in both:
            if scorer.needs_target and not one.knows_target:
                continue
            scores = [
                await _score(scorer, one.case, text, reading)
                for text, reading in zip(one.texts, one.readings, strict=True)
            ]
            if scores[0] is not None and scores[1] is not None:
                rows[0].append(scores[0])
                rows[1].append(scores[1])
        if rows[0]:
            [difference] = compare_pairs(("real", "shadow"), rows)  # type: ignore[arg-type]  # made an array there
            found.append(Compared(scorer.name, estimate(rows[0]), estimate(rows[1]), difference, scorer.needs_target))
    return tuple(found)


async def _score(scorer: Scorer, case: Case, text: str, reading: Reading) -> float | None:
    if reading.answer is None and scorer.reads_answer:
        return 0.0  # as in a trial: an answer that cannot be read earns nothing
    return (await scorer.score(case, Completion(parts=(TextPart(text=text),)), reading)).value


def _took(workspace: Workspace, name: str, version: int, *, copies: bool) -> Took:
    column = charges.c
    query = sa.select(sa.func.count(), sa.func.avg(column.usd), sa.func.avg(column.seconds)).where(
        column.endpoint == name, column.version == version, column.shadow == copies, column.status == "done"
    )
    with store_errors(), workspace.ledger.engine.connect() as connection:
        number, usd, seconds = connection.execute(query).one()
    return Took(int(number), usd, seconds)


def _asked(body: Any) -> str:
    """The last turn of a user, as text."""
    turns = body.get("messages") if isinstance(body, dict) else None
    for turn in reversed(turns if isinstance(turns, list) else []):
        if isinstance(turn, dict) and turn.get("role") == "user":
            return _content(turn.get("content"))
    return str(body.get("input", body.get("prompt", ""))) if isinstance(body, dict) else ""


def _text(reply: Any) -> str:
    """What a reply says, as text."""
    if not isinstance(reply, dict):
        return str(reply)
    choices = reply.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        message = choices[0].get("message")
        return _content(message.get("content")) if isinstance(message, dict) else str(choices[0].get("text", ""))
    return orjson.dumps(reply).decode()


def _content(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)
