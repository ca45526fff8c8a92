"""What makes two runs the same run, two trials the same trial, and what changed between them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from touchstone import __version__
from touchstone.errors import SettingsError
from touchstone.language import N_, _
from touchstone.plugins import origin
from touchstone.strategies.base import ABOUT_THE_MAKING
from touchstone.strategies.chat import PromptCandidate
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.leaks import learns
from touchstone.workspace.prepare import Prepared


@dataclass(frozen=True)
class Identity:
    """Digests of a run."""

    fingerprint: str
    """Over cases, answer rule, scorers, recipes and repeats: another one is another comparison."""
    run_key: str
    """The fingerprint with goal, constraints, volume and race: the same command goes on with the same run."""
    trials: tuple[str, ...]
    """One per candidate: over everything that, changed, would make other cells of it."""
    parts: Mapping[str, Any]
    """What the digests are made of, piece by piece, so that a change can be named."""


def identify(prepared: Prepared, options: CompareOptions) -> Identity:
    """The digests of a prepared run."""
    file = prepared.task.file
    ground = {
        "cases": prepared.summary.digest,
        "answer": _digest(prepared.answer.model_dump(mode="json")),
        "scorers": _digest(
            [[scorer.name, origin("scorer", scorer.name)] for scorer in prepared.scorers],
            file.model_dump(mode="json", include={"scorers"}),
        ),
        "judges": [[judge.endpoint, judge.price and judge.price.model_dump(mode="json")] for judge in prepared.judges],
    }
    seen: Counter[str] = Counter()
    candidates: dict[str, str] = {}
    trials: list[str] = []
    # Nothing is added where leaks are reported, so that what was measured before there was a choice is found again.
    leaks = None if file.leaks == "report" else file.leaks
    for candidate, spec, settings in zip(prepared.candidates, prepared.specs, prepared.settings, strict=True):
        told = {key: value for key, value in settings.items() if key not in ABOUT_THE_MAKING}
        if leaks is not None and learns(spec):
            told["leaks"] = leaks
        own = _digest(candidate.recipe.fingerprint, told)
        seen[own] += 1
        candidates[candidate.name] = own
        # Who asks the same as another draws answers of its own, and so has cells of its own; see `make_candidates`.
        place = candidate.twin + 1 if isinstance(candidate, PromptCandidate) else seen[own]
        trials.append(_digest(ground, own, place, __version__))
    recipes = [candidate.recipe.fingerprint for candidate in prepared.candidates]
    fingerprint = _digest(ground, recipes, options.repeats, *(() if leaks is None else (leaks,)))
    demands = file.model_dump(mode="json", include={"cases", "goal", "constraints", "volume", "race", "gate"})
    run_key = _digest(fingerprint, trials, list(candidates), demands, options.full)
    return Identity(fingerprint, run_key, tuple(trials), {**ground, "leaks": leaks, "candidates": candidates})


_PARTS = {
    "cases": N_("the cases"),
    "leaks": N_("what becomes of leaks"),
    "answer": N_("how answers are read"),
    "scorers": N_("the scorers"),
    "judges": N_("the judge"),
}


def refuse_a_changed_task(unfinished: Mapping[str, Any], parts: Mapping[str, Any]) -> None:
    """
    An unfinished comparison of a task goes on only with what it began with (promises.md, F33).

    Another goal, a further candidate or one fewer is no change of what was measured.

    Args:
        unfinished: Its row.
        parts: Of the run that is about to begin.

    Raises:
        SettingsError: what changed, and how to begin anew without paying again for what is the same.
    """
    before = orjson.loads(unfinished["parts"]) if unfinished["parts"] else None
    if before is None:
        return
    changed = [_(name) for part, name in _PARTS.items() if before.get(part) != parts.get(part)]
    changed += [
        _("the candidate {name}").format(name=name)
        for name, digest in parts["candidates"].items()
        if before["candidates"].get(name, digest) != digest
    ]
    if changed:
        raise SettingsError(
            "comparison {id} of this task was not finished, and since then {changed} changed; restore it to go on, or "
            "begin a new comparison with --new, which buys nothing again that stayed the same",
            id=unfinished["id"],
            changed=", ".join(changed),
        )


def _digest(*parts: Any) -> str:
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()
