"""A general set, asked before and after a training: what was forgotten that the task does not ask."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from touchstone.data.base import Case, CaseSource
from touchstone.data.cases import read_cases
from touchstone.errors import DataError, ModelError, SettingsError
from touchstone.evaluation.base import Estimate, Finding, Recipe
from touchstone.evaluation.intervals import estimate
from touchstone.evaluation.paired import mcnemar_p
from touchstone.evaluation.purse import NotStored
from touchstone.language import N_
from touchstone.noun import Noun
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.make import make_scorer
from touchstone.scoring.reading import make_reader
from touchstone.strategies.base import Caller, Workshop
from touchstone.strategies.chat import PromptCandidate

MOST_CASES = 500
"""Of a general set; the first of its file."""
_AT_ONCE = 8
_UNLIKELY = 0.05
"""Below this p of McNemar's exact test a change is said to be shown."""

_ANSWER = AnswerSpec(kind="text", citations=True)
"""A general set is another task than the one at hand: its answers are texts, and marks such as [1] no part of them."""

_FORGOT = N_(
    "{name}: the training made it forget: of {n} cases of {file}, which are no part of this task, it answered "
    "{before:.1%} right before and {after:.1%} after; lower learning_rate or epochs, or add such cases to train"
)
_KEPT = N_(
    "{name}: of {n} cases of {file}, which are no part of this task, it answered {before:.1%} right before the "
    "training and {after:.1%} after; nothing shows that it forgot"
)


class General(Noun):
    """How often a model was right on a general set before it was trained, and after."""

    file: str
    """Its name, without folders."""
    before: Estimate
    after: Estimate
    p: float
    """Of the exact test that both are right equally often (McNemar)."""
    unanswered: int = 0
    """Cases that one of the two could not answer; they count in neither."""

    @property
    def forgot(self) -> bool:
        """Whether it is shown to be worse than before."""
        return self.p < _UNLIKELY and self.after.mean < self.before.mean

    def finding(self, name: str) -> Finding:
        """What a report says of it, under the candidate's name."""
        shares = {"before": self.before.mean, "after": self.after.mean}
        values = {"name": name, "n": self.after.n, "file": self.file, **shares}
        kind, template = ("forgot", _FORGOT) if self.forgot else ("kept", _KEPT)
        return Finding(kind=kind, template=template, values=values)


def read_general(path: Path, name: str) -> tuple[Case, ...]:
    """
    The cases of a general set that have a target, at most 500; of any format that cases may have.

    Raises:
        SettingsError: the file is not there, cannot be read, or none of its cases has a target.
    """
    if not path.exists():
        raise SettingsError("{name}: the general set {path} does not exist; mend the path", name=name, path=str(path))
    source = CaseSource(files={"test": path})
    try:
        cases = tuple(islice((case for case in read_cases(source) if case.target), MOST_CASES))
    except DataError as error:
        raise SettingsError("{name}: {reason}", name=name, reason=error) from error
    if not cases:
        raise SettingsError(
            "{name}: the general set {path} has no case with a target; give it the right answers",
            name=name,
            path=str(path),
        )
    return cases


async def measure_general(
    path: Path,
    cases: Sequence[Case],
    before: tuple[str, Mapping[str, Any]],
    after: tuple[str, Mapping[str, Any]],
    fields: Mapping[str, Any],
    workshop: Workshop,
) -> General | None:
    """
    Ask both models every case as it stands, without system text, and count exact answers, capitals apart.

    Args:
        path: Of the set.
        cases: As `read_general` has them.
        before: Model and parameters, as in a task file.
        after: Likewise.
        fields: Of the requests.
        workshop: Makes the models; replies are kept as of any candidate, so nobody is asked twice.

    Returns:
        None where no case was answered by both, or this run is offline and some replies were never bought.

    Raises:
        UserError: a model cannot be asked.
    """
    kept = {name: value for name, value in fields.items() if name != "response_format"}
    folders = {"": path.parent}
    try:
        old, new = [await _right(cases, *model, kept, folders, workshop) for model in (before, after)]
    except NotStored:
        return None
    both = [(one, other) for one, other in zip(old, new, strict=True) if one is not None and other is not None]
    if not both:
        return None
    lost = sum(one > other for one, other in both)
    won = sum(other > one for one, other in both)
    return General(
        file=path.name,
        before=estimate([one for one, _ in both]),
        after=estimate([other for _, other in both]),
        p=mcnemar_p(lost, won),
        unanswered=len(cases) - len(both),
    )


async def _right(
    cases: Sequence[Case],
    model: str,
    parameters: Mapping[str, Any],
    fields: Mapping[str, Any],
    folders: Mapping[str, Path],
    workshop: Workshop,
) -> list[float | None]:
    """1 or 0 for each case; None where there was no answer."""
    reader, scorer = make_reader(_ANSWER), make_scorer({"exact": {"ignore_case": True}})
    caller: Caller = workshop.make_caller(model, parameters)
    asked = PromptCandidate(
        model, Recipe(model=model, strategy="general"), caller, system="", template=None, folders=folders, fields=fields
    )
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def right(case: Case) -> float | None:
        async with at_once:
            try:
                completion = await asked.answer(case)
            except ModelError:
                return None
        score = await scorer.score(case, completion, reader.read(completion.text, case))
        # An answer that cannot be read is an answer, and not the right one.
        return 0.0 if score is None or score.value is None else float(score.value)

    try:
        return list(await asyncio.gather(*map(right, cases)))
    finally:
        await asked.close()
