"""
Everything that one measured candidate is made of, apart from its task: what a version of an endpoint is served from.

A bundle is a folder: `bundle.json`, and under `files/` copies of the prompts, documents and weights that the entry
names. What was built in the workspace (an index, trained weights) and the train and dev cases are found there by their
digests. Whoever changes the task file afterwards changes no endpoint.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from touchstone.data.base import CaseSource
from touchstone.deployment.endpoints.caller import ServingCaller
from touchstone.errors import DataError, SettingsError
from touchstone.evaluation.base import Candidate
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.models.resolve import make_model, model_parameters
from touchstone.noun import Noun
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import ABOUT_THE_MAKING, Caller, CandidateSpec
from touchstone.strategies.joined import strategy_named
from touchstone.workspace.candidates import Lanes, make_workshop
from touchstone.workspace.taskfile import Task, TaskFile

_SCHEMA = "touchstone.bundle/1"
_FILE = "bundle.json"
_FILES = "files"
_LONGEST_PATH = 1024
_CONCURRENCY = 1024
"""Requests at once to one provider; how many a gateway takes is for its admission to say."""
_MAY_CHANGE = ABOUT_THE_MAKING | {"price", "endpoint"}
"""Settings that say nothing of how a candidate answers: prices change, and a proxy may stand before the same model."""

MakeCaller = Callable[[str, Mapping[str, Any]], Caller]


class Bundle(Noun):
    """What `bundle.json` holds."""

    format: str = _SCHEMA
    file: TaskFile
    """The task, with this candidate alone."""
    answer: AnswerSpec
    spec: CandidateSpec
    dataset: str | None = None
    """Digest of the cases, of which only those to learn from are looked at; None where there are none."""
    columns: tuple[str, ...] = ()
    """What a prompt may name."""
    outside: tuple[str, ...] = ()
    """Paths outside the task's folder, which are read where they are."""


def no_task(reference: str) -> TaskFile:
    """What stands for the task of a model that is served without a trial: free answers, and no cases."""
    return TaskFile.model_validate(
        {"task": reference, "instruction": "", "cases": "none", "answer": {"kind": "free"}, "candidates": [reference]}
    )


def write_bundle(bundle: Bundle, source: Path, folder: Path) -> Bundle:
    """
    Write a bundle, with copies of the files that its entry names.

    Args:
        bundle: What is written.
        source: The task's folder.
        folder: A new folder.

    Returns:
        The bundle as it was written.

    Raises:
        SettingsError: a file cannot be copied.
    """
    outside = []
    try:
        (folder / _FILES).mkdir(parents=True)
        for written in sorted(set(_texts(bundle.spec.parameters))):
            place = _named(source, written)
            if place is None:
                continue
            if Path(written).is_absolute() or not place.resolve().is_relative_to(source.resolve()):
                outside.append(written)
                continue
            target = folder / _FILES / written
            target.parent.mkdir(parents=True, exist_ok=True)
            if place.is_dir():
                shutil.copytree(place, target, symlinks=False, dirs_exist_ok=True)
            else:
                shutil.copy2(place, target)
        found = bundle.model_copy(update={"outside": tuple(outside)})
        (folder / _FILE).write_bytes(found.model_dump_json(by_alias=True).encode())
    except OSError as error:
        raise SettingsError(
            "{path} cannot be written: {reason}; free space there, or name another workspace",
            path=str(folder),
            reason=error.strerror or type(error).__name__,
        ) from error
    return found


def read_bundle(folder: Path) -> Bundle:
    """The bundle in a folder. Raises `DataError` where there is none that can be read."""
    try:
        raw = orjson.loads((folder / _FILE).read_bytes())
        if raw.get("format") != _SCHEMA:
            raise ValueError(raw.get("format"))
        return Bundle.model_validate(raw)
    except (OSError, ValueError) as error:
        raise DataError("the endpoint's folder has no recipe that can be read; deploy it again", path=folder) from error


async def make_served(
    bundle: Bundle, folder: Path, ledger: Ledger, workspace: Path, make_caller: MakeCaller | None = None
) -> tuple[Candidate, Mapping[str, Any]]:
    """
    The candidate of a bundle, ready to answer whoever asks, with its settings.

    Nothing is built anew: what a strategy searched, indexed or trained is found by its digest.

    Args:
        bundle: What it is made of.
        folder: Its folder, or the task's own where it was not copied yet.
        workspace: Where strategies keep what they built.
        make_caller: (model reference, its parameters) to a model; by default the one that the entry means.

    Raises:
        UserError: it cannot be made; a key or something that was built is missing.
    """
    files = folder / _FILES if (folder / _FILES).is_dir() else folder
    task = Task(
        path=files / "task.yaml",
        folder=files,
        file=bundle.file,
        source=CaseSource(files={}),
        answer=bundle.answer,
        lines={},
    )
    # Nobody is paid from this purse: stored replies alone say how a search came out.
    purse = Purse(ledger, cap_usd=0.0)
    workshop = replace(
        make_workshop(
            task,
            bundle.dataset or "",
            frozenset(bundle.columns),
            purse,
            Lanes(1, 0),
            offline=True,
            asking=True,
            workspace=workspace,
        ),
        make_caller=make_caller or (lambda reference, given: serving_caller(reference, given, files)),
    )
    strategy = strategy_named(bundle.spec.strategy)
    candidate = await strategy.prepare(bundle.spec, workshop)
    return candidate, strategy.settings(bundle.spec, candidate)


def serving_caller(reference: str, given: Mapping[str, Any], folder: Path) -> ServingCaller:
    """The model that an entry means, asked without a journal. Raises `UserError` where it cannot be asked."""
    from touchstone.models.base import Checkable

    wide = {"concurrency": _CONCURRENCY} if "concurrency" in model_parameters(reference) else {}
    model = make_model(reference, parameters={**given, **wide}, folder=folder)
    if isinstance(model, Checkable):
        model.check()
    return ServingCaller(model)


def served_digest(candidate: Candidate, settings: Mapping[str, Any]) -> str:
    """A digest of everything that decides how a candidate answers: equal means that the same is served."""
    told = answering_settings(settings)
    parts = [candidate.recipe.fingerprint, told]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()


def answering_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide how a candidate answers, as they read after they were stored."""
    plain = {key: value for key, value in settings.items() if key not in _MAY_CHANGE}
    found: dict[str, Any] = orjson.loads(orjson.dumps(plain, default=str))
    return found


def _texts(value: Any) -> Iterator[str]:
    """Every text among parameters that may be the name of a file."""
    if isinstance(value, str):
        if 0 < len(value) <= _LONGEST_PATH and "\n" not in value and "\0" not in value:
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _named(folder: Path, written: str) -> Path | None:
    """The file or folder that a text names, None where it names none."""
    if written in (".", "..") or written.startswith("~"):
        return None
    try:
        place = folder / written
        return place if place.exists() else None
    except OSError:
        return None
