"""What is known of weights in a folder: a training of ours leaves beside them what it learned from and what it took."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson

from touchstone.evaluation.base import NOTHING_BUILT, BuildCost, Finding
from touchstone.language import N_
from touchstone.strategies.base import Workshop
from touchstone.strategies.task_path import task_path

if TYPE_CHECKING:
    from touchstone.training.base import Trained

ASKED = "asked.json"
"""Keys of the questions that a training learned from, so that a leak is found wherever its weights are used."""
QUESTIONS = "questions.jsonl"
"""The questions themselves, a JSON text a line, so that a long piece of one is found too."""

WEIGHTS_LEARNED = "weights_learned"
"""Setting of a candidate whose weights were trained before: a `Learned`."""

_MOST_BYTES = 2**29
"""Of a file beside weights; 200,000 questions of some 500 words have fewer."""
_NAMED = 10
"""Test cases that a finding names."""
_UNKNOWN_ROWS = N_(
    "{name}: nobody knows what the weights in {folder} were trained on, so nobody can say whether test cases were "
    "among it"
)
_LEAK = N_(
    "{count} test cases ({rows}) ask what the weights in {folder} were trained on, or share 13 words in a row with it: "
    "they know the answers; take them out of test, or train without them "
    "(`leaks: drop` in the task file)"
)


def given_folder(parameters: Mapping[str, Any], workshop: Workshop) -> Path | None:
    """The folder of weights beside a `model`, found as `make_model` finds it; None where none is named."""
    given = parameters.get("folder")
    if not isinstance(given, str):
        return None
    beside = task_path(workshop.folder, given)
    return (beside if beside.exists() else Path(given)).resolve()


@dataclass(frozen=True)
class Known:
    """What is known of weights that an entry names by `folder`."""

    findings: tuple[Finding, ...] = ()
    took: BuildCost = NOTHING_BUILT
    """What making them took."""
    learned: Mapping[str, Any] | None = None
    """`way` (fine_tune or pretrain), `training_digest` and `rows` of the training; None where no record is there."""


def known_of(name: str, parameters: Mapping[str, Any], workshop: Workshop) -> Known:
    """
    What is known of the weights that an entry names by `folder`.

    Nothing is said of a folder beside which no training of ours lies: as little is known of a provider's model.
    """
    weights = given_folder(parameters, workshop)
    place = None if weights is None else training_folder(weights)
    if weights is None or place is None:
        return Known()
    trained = training_of(weights)
    findings = findings_of_weights(name, weights, workshop)
    if trained is None:
        return Known(findings, BuildCost())
    learned = {"way": way_of_training(place), "training_digest": trained.digest[:16], "rows": trained.rows}
    return Known(findings, BuildCost(usd=0.0, took_s=round(trained.seconds, 3)), learned)


def way_of_training(place: Path) -> Literal["fine_tune", "pretrain"]:
    """Whether a training began with weights or with nothing, by its job; copied without it, it counts as the former."""
    from touchstone.training.child import JOB

    if _is_plain(place / JOB):
        try:
            return "pretrain" if orjson.loads((place / JOB).read_bytes())["job"]["way"] == "pretrain" else "fine_tune"
        except (OSError, ValueError, KeyError, TypeError):
            pass
    return "fine_tune"


def training_folder(weights: Path) -> Path | None:
    """The folder of the training that left weights, which lie in it or right under it; None where there is none."""
    for place in (weights, weights.parent):
        if keys_of(place) is not None:
            return place
    trained = training_of(weights)
    return None if trained is None else weights if trained.folder != weights else weights.parent


def training_of(weights: Path) -> Trained | None:
    """The training whose folder this is, or whose weights; None where there is none."""
    from touchstone.training.child import RESULT
    from touchstone.training.run import stored_training

    own = stored_training(weights) if _is_plain(weights / RESULT) else None
    if own is not None or not _is_plain(weights.parent / RESULT):
        return own
    above = stored_training(weights.parent)
    return above if above is not None and above.folder.resolve() == weights.resolve() else None


def _is_plain(path: Path) -> bool:
    """Whether a file may be read: a regular one, no link, not too large. Nobody need trust who made the folder."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size <= _MOST_BYTES


def keys_of(place: Path) -> frozenset[int] | None:
    """Keys of the questions that a training learned from; None where nobody knows."""
    if not _is_plain(place / ASKED):
        return None
    try:
        found = orjson.loads((place / ASKED).read_bytes())
        return frozenset(int(key) for key in found) if isinstance(found, list) else None
    except (OSError, ValueError, TypeError):
        return None


def questions_of(place: Path) -> Iterator[str]:
    """The questions that a training learned from, as far as they were kept."""
    if not _is_plain(place / QUESTIONS):
        return
    try:
        with (place / QUESTIONS).open("rb") as opened:
            for line in opened:
                yield str(orjson.loads(line))
    except (OSError, ValueError):
        return


def findings_of_weights(name: str, weights: Path, workshop: Workshop) -> tuple[Finding, ...]:
    """What bears on weights that were trained before: test cases among their rows, or rows that nobody knows."""
    named = {"name": name, "folder": weights.name}
    place = training_folder(weights)
    keys = None if place is None else keys_of(place)
    if place is None or keys is None:
        return (Finding(kind="unknown_rows", template=_UNKNOWN_ROWS, values=named),)
    rows = workshop.named_in_test(keys, questions_of(place))
    if not rows:
        return ()
    told = ", ".join(rows[:_NAMED]) + (", …" if len(rows) > _NAMED else "")
    return (Finding(kind="leak", template=_LEAK, values={"count": len(rows), "rows": told, **named}, blocks=True),)


def keep_what_is_learned(place: Path, keys: Iterable[int], questions: Sequence[str], base: Path | None) -> None:
    """
    Write what a training learns from into its folder, with what its base had learned before.

    Nothing is written where nobody knows what the base had learned: whoever uses the weights shall be told so.

    Args:
        place: The training's folder.
        keys: Of the questions.
        questions: Themselves.
        base: Weights to begin with.
    """
    before = None if base is None else training_folder(base)
    inherited = frozenset() if before is None else keys_of(before)
    if inherited is None:
        return
    place.mkdir(parents=True, exist_ok=True)
    with (place / f"{QUESTIONS}.new").open("wb") as opened:
        for text in (*questions, *(questions_of(before) if before is not None else ())):
            opened.write(_line(text))
    (place / f"{QUESTIONS}.new").replace(place / QUESTIONS)
    (place / f"{ASKED}.new").write_bytes(orjson.dumps(sorted({*keys, *inherited})))
    (place / f"{ASKED}.new").replace(place / ASKED)


def _line(text: str) -> bytes:
    # A lone surrogate cannot be written as UTF-8; it says nothing of what is asked.
    return orjson.dumps(text.encode("utf-8", "replace").decode(), option=orjson.OPT_APPEND_NEWLINE)
