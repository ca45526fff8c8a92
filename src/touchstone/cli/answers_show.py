"""`touchstone answers list`, `export` and `index`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from touchstone.cli.options import (
    Json,
    Language,
    WorkspaceFolder,
    answer,
    answer_json,
    errors_end_the_command,
    open_workspace,
    say,
)
from touchstone.errors import SettingsError, UnknownName
from touchstone.language import N_, _

if TYPE_CHECKING:
    from touchstone.evaluation.answers import Vector
    from touchstone.workspace.answers import OpenedAnswers
    from touchstone.workspace.workspace import Workspace

Comparison = Annotated[str, typer.Argument(metavar="COMPARISON", help=_("Id of a stored comparison, or latest."))]
Candidates = Annotated[list[str] | None, typer.Option("--candidate", help=_("Of this candidate; again for more."))]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help=_("That ended like this, such as scored or refused; again for more."))
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help=_("To cases with this tag; again for more."))]
Low = Annotated[float | None, typer.Option("--low", min=0.0, max=1.0, help=_("With at least this score."))]
High = Annotated[float | None, typer.Option("--high", min=0.0, max=1.0, help=_("With at most this score."))]
Differ = Annotated[
    str, typer.Option("--differ", help=_("To cases on which candidates differ: in score, or in answer."))
]
State = Annotated[str, typer.Option("--state", help=_("To cases that are counted, excluded or corrected."))]
Words = Annotated[str, typer.Option("--words", help=_("In whose texts all these words stand."))]


def _asked(
    place: Workspace,
    comparison: str,
    candidates: list[str] | None,
    kinds: list[str] | None,
    tags: list[str] | None,
    low: float | None,
    high: float | None,
    differ: str,
    state: str,
    words: str,
    sort: str = "case",
) -> tuple[OpenedAnswers, Vector]:
    """The comparison, opened, and the cells that the flags ask for."""
    from touchstone.evaluation.answer_filter import SORTS, AnswerFilter
    from touchstone.evaluation.packed import KINDS
    from touchstone.workspace.answers import make_searchable, open_answers, search

    opened = open_answers(place, comparison)
    for kind, given, known in (
        (N_("candidate"), candidates, opened.names),
        (N_("outcome"), kinds, KINDS),
        (N_("tag"), tags, opened.matrix.tags.names),
        (N_("order"), [sort], SORTS),
        (N_("disagreement"), [differ] if differ else [], ("score", "answer")),
        (N_("state of a case"), [state] if state else [], ("counted", "excluded", "corrected")),
    ):
        for one in given or ():
            if one not in known:
                raise UnknownName(kind=kind, name=one, known=known)
    wanted: Any = {"differ": differ, "state": state, "low": low, "high": high}
    asked = AnswerFilter(candidates=tuple(candidates or ()), kinds=tuple(kinds or ()), tags=tuple(tags or ()), **wanted)
    if (words or differ == "answer") and opened.texts is None:
        say(_("making the texts searchable, which is done once"))
        make_searchable(place, opened)
        opened = open_answers(place, comparison)
    further = None
    if words:
        hits = search(place, opened, words, "any", asked, "case")
        if hits.is_cut:
            say(_("Many texts hold these words: only the first 30,000 different ones were looked at."))
        further = hits.mask
    return opened, opened.matrix.matching(asked, further)


@errors_end_the_command
def list_answers(
    comparison: Comparison = "latest",
    candidate: Candidates = None,
    kind: Kinds = None,
    tag: Tags = None,
    low: Low = None,
    high: High = None,
    differ: Differ = "",
    state: State = "",
    words: Words = "",
    sort: Annotated[
        str, typer.Option("--sort", help=_("case, disagreement, score, score-high, cost or latency."))
    ] = "case",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help=_("So many answers at most."))] = 20,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Answers of a stored comparison."""
    import orjson

    from touchstone.reporting import numbers
    from touchstone.reporting import words as said
    from touchstone.reporting.text import cut
    from touchstone.reporting.text_tables import plain_table
    from touchstone.workspace.answer_rows import as_json_line, rows_at

    with open_workspace(workspace) as place:
        opened, mask = _asked(place, comparison, candidate, kind, tag, low, high, differ, state, words, sort)
        wanted: Any = sort
        places, there = opened.matrix.page(mask, wanted, 0, limit)
        rows = rows_at(place, opened, places)
    if json:
        answer_json(
            orjson.dumps(
                {
                    "comparison": opened.comparison,
                    "all": there,
                    "answers": [orjson.loads(as_json_line(r)) for r in rows],
                }
            )
        )
        return
    if not rows:
        answer(_("No answer meets all of this."))
        return
    answer(
        plain_table(
            (_("Case"), _("Candidate"), _("Score"), _("Answer"), _("Right answer"), _("What became of it")),
            [
                (
                    cut(row.case.id, 24),
                    row.candidate,
                    numbers.percent(row.score) if row.score is not None else "–",
                    cut(str(row.number.get("answer") or row.output or row.number.get("error") or "–"), 44),
                    cut(row.case.target or "–", 24),
                    said.kind_name("unasked" if row.kind == "planned" else row.kind)
                    + (", " + _("not counted") if row.excluded else "")
                    + (", " + _("corrected") if row.corrected else ""),
                )
                for row in rows
            ],
        )
    )
    answer(_("{shown} of {all} answers").format(shown=numbers.count(len(rows)), all=numbers.count(there)))


@errors_end_the_command
def export(
    comparison: Comparison = "latest",
    out: Annotated[Path, typer.Option("--out", help=_("The file to write; its name ends in .jsonl or .csv."))] = Path(
        "answers.jsonl"
    ),
    candidate: Candidates = None,
    kind: Kinds = None,
    tag: Tags = None,
    low: Low = None,
    high: High = None,
    differ: Differ = "",
    state: State = "",
    words: Words = "",
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Answers to a file, row by row: as many as there are."""
    import os

    from touchstone.reporting import numbers
    from touchstone.workspace.answer_rows import as_csv_line, as_json_line, csv_head, exported

    if out.suffix not in (".jsonl", ".csv"):
        raise SettingsError("{path} is no name of such a file; end it in .jsonl or .csv", path=str(out))
    is_table, count = out.suffix == ".csv", 0
    with open_workspace(workspace) as place:
        opened, mask = _asked(place, comparison, candidate, kind, tag, low, high, differ, state, words)
        try:
            with out.open("wb") as file:
                if is_table:
                    file.write(csv_head())
                for row in exported(place, opened, mask):
                    file.write(as_csv_line(row) if is_table else as_json_line(row))
                    count += 1
        except OSError as error:
            raise SettingsError(
                "{path} cannot be written: {reason}; name another place",
                path=str(out),
                reason=os.strerror(error.errno or 0),
            ) from error
    answer(_("{n} answers: {path}").format(n=numbers.count(count), path=out))


@errors_end_the_command
def index(
    comparison: Comparison = "latest",
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """What the pages search in; it is made from the store, and may be thrown away."""
    import sqlite3

    import orjson

    from touchstone.reporting import numbers
    from touchstone.workspace.answers import make_searchable, open_answers, texts_file

    told = 0

    def progress(done: int, all_of_them: int) -> None:
        nonlocal told
        share = 10 * done // max(1, all_of_them)
        if share > told:
            told = share
            say(_("{share} of the answers read").format(share=numbers.percent(share / 10, 0)))

    with open_workspace(workspace) as place:
        opened = open_answers(place, comparison)
        path = texts_file(place, opened.comparison)
        try:
            made = make_searchable(place, opened, progress)
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(
                "{path} cannot be written: {reason}; free space there, or name another workspace",
                path=str(path),
                reason=str(error),
            ) from error
    if json:
        answer_json(orjson.dumps({"comparison": opened.comparison, "texts": made.texts, "cells": made.cells}))
        return
    answer(
        _("{texts} different texts of {cells} answers are searchable").format(
            texts=numbers.count(made.texts), cells=numbers.count(made.cells)
        )
    )
