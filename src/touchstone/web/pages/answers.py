"""The answers of a comparison: a list to filter, a case with everybody's answers, one answer with all that is known."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from touchstone.errors import SettingsError, TouchstoneError
from touchstone.evaluation.answer_filter import AnswerFilter
from touchstone.evaluation.answers import Vector
from touchstone.language import N_, _
from touchstone.reporting import words
from touchstone.reporting.word_diff import word_diff
from touchstone.web.base import Answer, Ask, Move, NotHere, Route, Send, Show
from touchstone.web.pages.answers_lines import case_lines
from touchstone.web.pages.answers_query import (
    BUCKET_WORDS,
    DIFFER_WORDS,
    PAGE,
    SORT_WORDS,
    STATE_WORDS,
    WHERE_WORDS,
    AnswerQuery,
    read_query,
)
from touchstone.web.render import address
from touchstone.workspace.answer_rows import (
    AnswerRow,
    as_csv_line,
    as_json_line,
    case_rows,
    cases_at,
    csv_head,
    exported,
    rows_at,
)
from touchstone.workspace.answers import (
    OpenedAnswers,
    make_searchable,
    may_be_made_at_once,
    open_answers,
    search,
)
from touchstone.workspace.asked import how_it_was_asked
from touchstone.workspace.case_changes import change_case, history, take_back

KIND_WORDS = {**words.KINDS, "scored": N_("scored"), "planned": N_("not asked yet")}
SEND_WORDS = {
    "intent": N_("about to be sent"),
    "unread": N_("came, and was not read"),
    "replied": N_("replied"),
    "failed": N_("failed"),
    "in_doubt": N_("reply lost"),
}
FILE_ROWS = 50_000
"""Rows of a file that is downloaded; `touchstone answers export` writes all."""
_FILE_BYTES = 64 << 20


def listing(ask: Ask) -> Answer:
    """The cases or answers that are asked for, with counts for every filter."""
    opened = _opened(ask)
    problem, status = "", 200
    try:
        query = _query(ask, opened)
    except SettingsError as error:
        problem, status = error.text(_), 422
        query = AnswerQuery("", "any", "case", "case", 1, AnswerFilter())
    mask, told = _matching(ask, opened, query)
    if query.filter.differ == "answer" and opened.matrix.answers_differ is None:
        opened = _opened(ask)  # made while somebody waited
    matrix, start = opened.matrix, (query.page - 1) * PAGE
    facets = matrix.facets(_known(opened, query), mask if query.words else None, f"{query.where} {query.words}")
    find = matrix.case_page if query.by == "case" else matrix.page
    places, there = find(mask, query.sort, start, start + PAGE)
    values: dict[str, Any] = {
        "opened": opened,
        "query": query,
        "problem": problem,
        "facets": facets,
        "there": there,
        "cells": int(np.count_nonzero(mask)),
        "first": start + 1,
        "pages": max(1, -(-there // PAGE)),
        "told_of_search": told,
        "here": f"/decisions/{opened.comparison}/answers",
        "sort_options": [(key, _(said)) for key, said in SORT_WORDS.items()],
        "where_options": [(key, _(said)) for key, said in WHERE_WORDS.items()],
        "bucket_words": BUCKET_WORDS,
        "kind_words": KIND_WORDS,
        "state_words": STATE_WORDS,
        "differ_words": DIFFER_WORDS,
        "may_search": opened.texts is not None or may_be_made_at_once(opened),
        "file_rows": FILE_ROWS,
        "changed": len(opened.standing.excluded) + len(opened.standing.corrected),
    }
    if query.by == "case":
        values["rows"] = case_lines(ask.workspace, opened, places, mask)
    else:
        values["rows"] = rows_at(ask.workspace, opened, places)
    return Show("answers/list.html.j2", values, block="results", status=status)


def one_case(ask: Ask) -> Answer:
    """A case with every candidate's answer, and two of them held against each other."""
    opened = _opened(ask)
    return _case_page(ask, opened)


def _case_page(ask: Ask, opened: OpenedAnswers, problem: str = "", status: int = 200) -> Show:
    ordinal, copies = _case_place(ask, opened)
    rows = case_rows(ask.workspace, opened, ordinal)
    case = rows[0][0].case
    query = _query(ask, opened)
    first, second = _compared(ask, opened, rows)
    before, after = (_text_of(one, rows) for one in (first, second))
    here = f"/decisions/{opened.comparison}/answers"
    back, on = _neighbours(ask, opened, query, ordinal)
    return Show(
        "answers/case.html.j2",
        {
            "opened": opened,
            "case": case,
            "asked_target": rows[0][0].asked_target,
            "excluded": rows[0][0].excluded,
            "corrected": rows[0][0].corrected,
            "rows": rows,
            "copies": len(copies),
            "copy": copies.index(ordinal),
            "first": first,
            "second": second,
            "pieces": word_diff(before, after) if before is not None and after is not None else None,
            "choices": [
                *((name, name) for name in opened.names),
                *([("", _("the right answer"))] if case.target is not None else []),
            ],
            "here": here,
            "query": query,
            "before": back,
            "after": on,
            "history": history(ask.workspace, opened.comparison, case.id),
            "problem": problem,
            "typed": ask.form,
        },
        status=status,
    )


def one_answer(ask: Ask) -> Answer:
    """One answer: what was asked, the raw reply, what was read out of it, its scores, what it took."""
    opened = _opened(ask)
    ordinal, copies = _case_place(ask, opened)
    name = ask.params["candidate"]
    if name not in opened.names:
        raise NotHere
    draws = case_rows(ask.workspace, opened, ordinal)[opened.names.index(name)]
    draw = min(ask.query.whole("draw", 0) or 0, len(draws) - 1)
    row = draws[draw]
    values: dict[str, Any] = {
        "opened": opened,
        "case": row.case,
        "row": row,
        "draws": draws,
        "draw": draw,
        "copy": copies.index(ordinal),
        "here": f"/decisions/{opened.comparison}/answers",
        "call": None,
        "send_words": SEND_WORDS,
        "model": next(one["model"] for one in opened.spec["candidates"] if one["name"] == name),
        "strategy": next(one["strategy"] for one in opened.spec["candidates"] if one["name"] == name),
    }
    if ask.query.flag("call"):
        measured = cases_at(ask.workspace, opened, [ordinal])[ordinal]
        text = None if row.cell is None else row.cell["text"]
        call = how_it_was_asked(ask.workspace, opened, name, measured, row.repeat, text)
        values["call"], values["because"] = call, "" if call.because is None else call.because.text(_)
    return Show("answers/cell.html.j2", values, block="call" if ask.query.flag("call") else None)


def changes(ask: Ask) -> Answer:
    """Everything that was said of the cases: left out, corrected, taken back."""
    opened = _opened(ask)
    return Show(
        "answers/changes.html.j2",
        {
            "opened": opened,
            "words_said": history(ask.workspace, opened.comparison),
            "here": f"/decisions/{opened.comparison}/answers",
        },
    )


def change(ask: Ask) -> Answer:
    """Leave a case out, or correct its right answer."""
    opened = _opened(ask)
    case = ask.form.raw("case")
    if not opened.cases_called(case):
        raise NotHere
    kind = ask.form.choice("kind", ("exclude", "correct"), "exclude")
    try:
        change_case(
            ask.workspace,
            opened.comparison,
            case,
            "correct" if kind == "correct" else "exclude",
            reason=ask.form.text("reason"),
            who=ask.viewer.name,
            target=ask.form.raw("target") if kind == "correct" else None,
        )
    except SettingsError as error:
        ask.params = {**ask.params, "case": case}
        return _case_page(ask, opened, error.text(_), 422)
    said = _("Corrected. Every candidate is scored by it, and the decision says so.")
    if kind == "exclude":
        said = _("Left out for every candidate. The decision says so, and it can be taken back.")
    return Move(_case_address(opened, case), said)


def back(ask: Ask) -> Answer:
    """Take a word about a case back; what was said stays to be read."""
    opened = _opened(ask)
    number = ask.form.whole("number", 0) or 0
    reason = ask.form.text("reason") or _("taken back on the pages")
    word = take_back(ask.workspace, opened.comparison, number, reason=reason, who=ask.viewer.name)
    return Move(_case_address(opened, word.case), _("Taken back; the case is as it was measured."))


def index(ask: Ask) -> Answer:
    """Make the texts searchable; many take a job."""
    opened = _opened(ask)
    about = f"/decisions/{opened.comparison}/answers"
    if may_be_made_at_once(opened):
        make_searchable(ask.workspace, opened)
        return Move(about)
    job = ask.jobs.start(
        "answers",
        "index",
        opened.comparison,
        title=_("Texts of {task} made searchable").format(task=opened.task),
        about=about,
        who=ask.viewer.name,
        language=ask.language,
    )
    return Move(f"/jobs/{job.id}")


def file(ask: Ask) -> Answer:
    """The answers that are asked for as a file: JSON Lines exactly, CSV for a spreadsheet."""
    opened = _opened(ask)
    kind = ask.params["format"]
    if kind not in ("jsonl", "csv"):
        raise NotHere
    mask, _told = _matching(ask, opened, _query(ask, opened))
    write = as_csv_line if kind == "csv" else as_json_line
    parts, size = [csv_head()] if kind == "csv" else [], 0
    for row in exported(ask.workspace, opened, mask, FILE_ROWS):
        parts.append(write(row))
        size += len(parts[-1])
        if size > _FILE_BYTES:
            raise SettingsError(
                "these answers are more than {most} MiB; ask for fewer, or write them with `touchstone answers export`",
                most=_FILE_BYTES >> 20,
            )
    media = "text/csv; charset=utf-8" if kind == "csv" else "application/x-ndjson"
    return Send(b"".join(parts), media, f"answers-{opened.comparison}.{kind}")


# What pages share -----------------------------------------------------------------------------------------------------


def _opened(ask: Ask) -> OpenedAnswers:
    comparison = ask.params["comparison"]
    if comparison == "latest":
        raise NotHere
    return open_answers(ask.workspace, comparison)


def _query(ask: Ask, opened: OpenedAnswers) -> AnswerQuery:
    return read_query(ask.query, opened.names, opened.matrix.tags.names, opened.matrix.groups.names)


def _known(opened: OpenedAnswers, query: AnswerQuery) -> AnswerFilter:
    """The filter without what nobody can say yet."""
    if query.filter.differ == "answer" and opened.matrix.answers_differ is None:
        return query.filter.model_copy(update={"differ": ""})
    return query.filter


def _matching(ask: Ask, opened: OpenedAnswers, query: AnswerQuery) -> tuple[Vector, Sequence[str]]:
    """The cells that are asked for, and what there is to say of how words were looked for."""
    told: list[str] = []
    needs_texts = bool(query.words) or query.filter.differ == "answer"
    if needs_texts and opened.texts is None and may_be_made_at_once(opened):
        try:
            make_searchable(ask.workspace, opened)
            opened = _opened(ask)
        except (OSError, sqlite3.Error, SQLAlchemyError, TouchstoneError):
            told.append(N_("The texts cannot be made searchable here: the workspace cannot be written."))
    wanted = _known(opened, query)
    if wanted != query.filter:
        told.append(N_("Who answers differently is known once the texts are searchable; this filter was left out."))
    if not query.words:
        return opened.matrix.matching(wanted), told
    hits = search(ask.workspace, opened, query.words, query.where, wanted, query.sort)
    if opened.texts is None and hits.is_cut:
        told.append(N_("The texts are not searchable yet: only the first 2,000 answers of this list were looked at."))
    elif hits.is_cut:
        told.append(N_("Many texts hold these words: only the first 30,000 different ones were looked at."))
    if hits.is_vague:
        told.append(N_("One or two characters stand in very many texts; some of them were not looked at."))
    return opened.matrix.matching(wanted, hits.mask), told


def _case_place(ask: Ask, opened: OpenedAnswers) -> tuple[int, list[int]]:
    copies = list(opened.cases_called(ask.params["case"]))
    if not copies:
        raise NotHere
    return copies[min(ask.query.whole("copy", 0) or 0, len(copies) - 1)], copies


def _compared(ask: Ask, opened: OpenedAnswers, rows: Sequence[Sequence[AnswerRow]]) -> tuple[str, str]:
    """Two names of candidates, an empty one for the right answer; at first, two that differ in score."""
    said = [ask.query.raw(name) if name in ask.query else None for name in ("a", "b")]
    with_text = [own[0] for own in rows if own[0].output]
    with_text.sort(key=lambda row: -1.0 if row.score is None else -row.score)
    usual = [with_text[0].candidate, with_text[-1].candidate] if len(with_text) > 1 else [opened.names[0], ""]
    first, second = (
        given if given is not None and (given == "" or given in opened.names) else other
        for given, other in zip(said, usual, strict=True)
    )
    return first, second


def _text_of(name: str, rows: Sequence[Sequence[AnswerRow]]) -> str | None:
    if name == "":
        return rows[0][0].case.target
    return next((own[0].output for own in rows if own[0].candidate == name), None)


def _neighbours(ask: Ask, opened: OpenedAnswers, query: AnswerQuery, ordinal: int) -> tuple[str | None, str | None]:
    """Addresses of the cases before and after in the list that one came from."""
    mask, _told = _matching(ask, opened, query)
    before, after = opened.matrix.neighbours(mask, query.sort, ordinal)
    return (
        None if before is None else _place_address(opened, before, query),
        None if after is None else _place_address(opened, after, query),
    )


def _place_address(opened: OpenedAnswers, ordinal: int, query: AnswerQuery) -> str:
    case = opened.matrix.ids[ordinal]
    copy = opened.cases_called(case).index(ordinal)
    return address(_case_address(opened, case), **query.query(copy=copy or None, page=""))


def _case_address(opened: OpenedAnswers, case: str) -> str:
    return f"/decisions/{opened.comparison}/answers/{quote(case, safe='')}"


routes = (
    Route("/decisions/{comparison}/answers", listing, "view"),
    Route("/decisions/{comparison}/answers/{case}", one_case, "view"),
    Route("/decisions/{comparison}/answers/{case}/{candidate}", one_answer, "view"),
    Route("/decisions/{comparison}/answers-file/{format}", file, "view"),
    Route("/decisions/{comparison}/answers-changes", changes, "view"),
    Route("/decisions/{comparison}/answers-changes", change, "edit", methods=("POST",)),
    Route("/decisions/{comparison}/answers-changes/back", back, "edit", methods=("POST",)),
    Route("/decisions/{comparison}/answers-index", index, "view", methods=("POST",)),
)
