"""What `improve` looks at before anybody is asked: files, names, cases that must stay, and what a search would cost."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from touchstone.data.cases import read_cases
from touchstone.errors import TaskError
from touchstone.evaluation.ledger import Ledger
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.improve_entries import Base, search_entry, with_candidates
from touchstone.workspace.improve_section import ImproveSection, as_paths
from touchstone.workspace.plan import make_plan, spent_before
from touchstone.workspace.prepare import prepare
from touchstone.workspace.taskfile import Task, with_cases


def check_section(task: Task, section: ImproveSection, models: Collection[str]) -> None:
    """
    Look for what a later step would stumble over, when much was paid.

    Args:
        task: The task.
        section: Its `improve` part.
        models: Names of the candidates that are improved.

    Raises:
        TaskError: a file is not there, weights are named for nobody, or updated cases would teach something else.
        DataError: the updated cases cannot be read.
    """
    updated = section.updated
    later = () if updated is None else (updated.cases, *as_paths(updated.documents))
    own = "documents" if section.reads is section.documents else "rag"
    for name, key in (*((one, own) for one in section.paths()), *((one, "updated") for one in later)):
        if not (task.folder / name).exists():
            raise TaskError(
                "improve.{key} names {name}, which does not exist in {folder}; mend the path",
                path=task.path,
                line=task.line("improve", key),
                key=key,
                name=name,
                folder=str(task.folder),
            )
    for name in section.fine_tuned:
        if name not in models:
            raise TaskError(
                "improve.fine_tuned names {name!r}, which is no model that is improved; closest: {close}",
                path=task.path,
                line=task.line("improve", "fine_tuned"),
                name=name,
                close=", ".join(get_close_matches(name, models, n=1, cutoff=0.5) or sorted(models)),
            )
    if updated is not None and learning_digest(with_cases(task, updated.cases)) != learning_digest(task):
        raise TaskError(
            "the train and dev rows of {name} are not those of the cases before, so others would be learned from; keep "
            "them word for word, and change test rows alone",
            path=task.path,
            line=task.line("improve", "updated"),
            name=updated.cases,
        )


def learning_digest(task: Task) -> str:
    """SHA-256 in hex of all cases that are learned from or tuned on, in their order."""
    found = hashlib.sha256()
    for case in read_cases(task.source):
        if case.split != "test":
            found.update(case.model_dump_json(exclude={"row"}).encode("utf-8", "surrogatepass") + b"\0")
    return found.hexdigest()


def look_over(task: Task, ledger: Ledger, options: CompareOptions, workspace: Path) -> float:
    """
    Check a task, its cases and its candidates as a plan does; nobody is asked and nothing is built.

    Args:
        workspace: Folder in which strategies keep what they build.

    Returns:
        What earlier sessions of its measurement spent, in USD.

    Raises:
        UserError: something must be changed first.
    """

    async def look() -> float:
        prepared = await prepare(task, ledger, options, planning=True, workspace=workspace)
        try:
            return spent_before(prepared, ledger, options)
        finally:
            await prepared.close()

    return asyncio.run(look())


def search_usd(
    base: Base, task: Task, section: ImproveSection, ledger: Ledger, options: CompareOptions
) -> float | None:
    """
    What a prompt search for one model would still cost; None where no price is known, or nothing is left to buy.

    It is priced as the plan of a comparison prices it: so many calls, each about as long as what will be asked.
    """
    alone = with_candidates(task, (search_entry(base, section),))
    [planned] = [
        one for one in asyncio.run(make_plan(alone, ledger, options)).candidates if one.strategy == "prompt_search"
    ]
    return None if planned.build is None else planned.build.usd
