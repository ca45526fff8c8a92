"""What candidates were made of: their prompts side by side, the examples they show, the passages they find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from pydantic import ValidationError

from touchstone.data.base import Case
from touchstone.errors import UserError
from touchstone.evaluation.base import RetrievalScores
from touchstone.language import N_, _, ngettext
from touchstone.reporting import numbers
from touchstone.reporting.sentences import in_a_row
from touchstone.reporting.word_diff import word_diff
from touchstone.scoring.citations import cited
from touchstone.strategies.passages_traced import whole_text
from touchstone.web.base import Answer, Ask, NotHere, Route, Show
from touchstone.web.pages.decisions import comparison_of
from touchstone.web.pages.improve_base import asks_models, tabs, task_folder
from touchstone.workspace.answer_rows import AnswerRow, case_rows
from touchstone.workspace.answers import OpenedAnswers, open_answers
from touchstone.workspace.base import StoredComparison
from touchstone.workspace.gather import RETRIEVAL
from touchstone.workspace.prompt_versions import PromptText, changed_files, measured_prompts, prompts_in_folder
from touchstone.workspace.remade import Seen, seen, sent

_KEPT_S = 300.0
_LONGEST_QUESTION = 4_000
_PASSAGES_PAGE = 60
"""Passages of a document on one page."""

LEFT_OUT = {
    "beyond": N_("further down than it reads"),
    "floor": N_("below the least score"),
    "itself": N_("the case itself"),
}
STEPS = {
    "lexical": N_("Words (BM25)"),
    "dense": N_("Vectors (cosine)"),
    "fused": N_("Fused"),
    "reranked": N_("Reranked"),
}


@dataclass(frozen=True)
class _Place:
    """Which case is looked at, and where others are."""

    ordinal: int
    case: Case
    before: int | None
    after: int | None
    rows: Sequence[AnswerRow]
    """What the candidate answered, each draw."""


def prompts(ask: Ask) -> Answer:
    """The versions of a comparison and of the task's folder; two side by side, word by word."""
    one = comparison_of(ask)
    own, folder = task_folder(ask, one)
    measured = measured_prompts(ask.workspace.settings_of(one.id))
    files = () if folder is None else prompts_in_folder(folder, measured)
    every: dict[str, PromptText] = {}
    for text in (*measured, *files):
        every.setdefault(text.id, text)
    ids = list(every)
    left = every.get(ask.query.text("a", longest=100), every[ids[0]] if ids else None)
    right = every.get(ask.query.text("b", longest=100), every[ids[-1]] if ids else None)
    values: dict[str, Any] = {
        "one": one,
        "own": own,
        "tabs": tabs(one.id, "/prompts"),
        "measured": measured,
        "files": files,
        "changed": () if folder is None else changed_files(folder, measured),
        "every": [(text.id, _title(text, ids)) for text in every.values()],
        "title": partial(_title, ids=ids),
        "left": left,
        "right": right,
        "pieces": word_diff(left.text, right.text) if left and right else (),
        "sent": (),
        "problem": "",
        **_shown(ask, [name for text in measured for name in text.candidates]),
    }
    if values["candidate"]:
        opened = open_answers(ask.workspace, one.id)
        place = _case(ask, opened, values["candidate"])
        values["place"] = place
        if place is not None:
            try:
                values["sent"] = sent(ask.workspace, opened, values["candidate"], place.case)
            except UserError as error:
                values["problem"] = error.text(_)
    return Show("improve/prompts.html.j2", values)


def _title(text: PromptText, ids: Sequence[str]) -> str:
    number = ids.index(text.id) + 1
    if text.candidates:
        more = len(text.candidates) - 1
        name = text.candidates[0] if not more else _("{name} and {n} more").format(name=text.candidates[0], n=more)
        return _("{number}: {name}").format(number=number, name=name)
    return _("{number}: {name}").format(number=number, name=text.file or text.id)


def examples(ask: Ask) -> Answer:
    """Which examples stand before a case, and why these."""
    one, opened, settings = _opened(ask)
    who = [name for name, told in settings.items() if asks_models(told) and ("k" in told or "example_ids" in told)]
    values: dict[str, Any] = {
        "one": one,
        "tabs": tabs(one.id, "/examples"),
        "reasons": (),
        "problem": "",
        **_shown(ask, who),
    }
    name = values["candidate"]
    if name:
        values["place"] = place = _case(ask, opened, name)
        values |= {"told": settings[name], "how": _how(settings[name])}
        if place is not None:
            try:
                values["reasons"] = _seen(ask, opened, name, settings[name]).examples(place.case)
            except UserError as error:
                values["problem"] = error.text(_)
    return Show("improve/examples.html.j2", values, block="found")


def _how(told: Mapping[str, Any]) -> str:
    """How examples are chosen, in a sentence or two."""
    said = {
        "similar": _("The {k} most like the question, by BM25 over words in common."),
        "diverse": _("One set of {k} examples that are unlike each other, for every case."),
        "random": _("One set of {k} examples, drawn with the seed, for every case."),
        "fixed": _("One set of {k} examples, as named or as they stand in the file, for every case."),
    }.get(str(told.get("choose")), _("{k} examples."))
    parts = [said.format(k=told.get("k", "–"))]
    if told.get("choose") == "similar" and told.get("order") == "best_last":
        parts.append(_("The most like stands last, right before the question."))
    if told.get("pool"):
        parts.append(
            ngettext("They are chosen out of {n} case.", "They are chosen out of {n} cases.", int(told["pool"])).format(
                n=numbers.count(int(told["pool"]))
            )
        )
    return in_a_row(parts)


def passages(ask: Ask) -> Answer:
    """What was found for a case or a typed question, step by step, and what the answer made of it."""
    one, opened, settings = _opened(ask)
    who = [name for name, told in settings.items() if "documents_read" in told]
    typed = ask.query.text("q", longest=_LONGEST_QUESTION)
    values: dict[str, Any] = {
        "one": one,
        "tabs": tabs(one.id, "/passages"),
        "trace": None,
        "q": typed,
        "problem": "",
        "has_changed": False,
        "step_words": STEPS,
        "why_words": LEFT_OUT,
        "cited": (),
        "retrieval": _retrieval(settings),
        **_shown(ask, who),
    }
    name = values["candidate"]
    if name:
        values["told"] = settings[name]
        values["place"] = place = None if typed else _case(ask, opened, name)
        if place is not None or typed:
            try:
                found = _seen(ask, opened, name, settings[name])
                case = None if place is None else place.case
                values["trace"] = found.search(typed or (case.text if case else ""), case)
                values["has_changed"] = found.has_changed
            except UserError as error:
                values["problem"] = error.text(_)
        if place is not None and place.rows:
            values["cited"] = cited(place.rows[0].output)
    return Show("improve/passages.html.j2", values, block="found")


def document(ask: Ask) -> Answer:
    """A document as it was indexed, with a passage marked."""
    one, opened, settings = _opened(ask)
    name = ask.query.text("candidate", longest=300)
    if name not in settings:
        raise NotHere
    finder = _seen(ask, opened, name, settings[name]).finder
    passage = None if finder is None else finder.opened.passage(ask.query.text("passage", longest=200))
    if finder is None or passage is None:
        raise NotHere
    whole = whole_text(finder.opened.of_document(passage.document))
    at = next((place for place, (part, _text) in enumerate(whole) if part.id == passage.id), 0)
    begin = max(0, at - _PASSAGES_PAGE // 2)
    begin = min(ask.query.whole("from", begin, high=10**9) or 0, max(0, len(whole) - 1))
    end = begin + _PASSAGES_PAGE
    return Show(
        "improve/document.html.j2",
        {
            "one": one,
            "candidate": name,
            "passage": passage,
            "parts": whole[begin:end],
            "count": len(whole),
            "number": at + 1,
            "before": max(0, begin - _PASSAGES_PAGE) if begin else None,
            "after": end if end < len(whole) else None,
            "back": ask.query.text("case", longest=300),
        },
    )


# What they share ------------------------------------------------------------------------------------------------------


def _opened(ask: Ask) -> tuple[StoredComparison, OpenedAnswers, Mapping[str, Mapping[str, Any]]]:
    one = comparison_of(ask)
    return one, open_answers(ask.workspace, one.id), ask.workspace.settings_of(one.id)


def _shown(ask: Ask, who: Sequence[str]) -> dict[str, Any]:
    """Which candidate is looked at, of those that can be."""
    wanted = ask.query.text("candidate", longest=300)
    chosen = wanted if wanted in who else (who[0] if who else "")
    return {
        "who": [(name, name) for name in who],
        "candidate": chosen,
        "place": None,
        "here": ask.path,
        "only_wrong": ask.query.flag("wrong"),
        "told": {},
    }


def _seen(ask: Ask, opened: OpenedAnswers, name: str, settings: Mapping[str, Any]) -> Seen:
    """A candidate made again, kept for a few minutes: a case after another is looked at."""
    key = ("seen", ask.viewer.project, opened.comparison, name)
    return ask.site.kept(key, _KEPT_S, lambda: seen(ask.workspace, opened, name, settings))


def _case(ask: Ask, opened: OpenedAnswers, name: str) -> _Place | None:
    """The case of the address, by its id or its place; where it is asked for, only among those answered wrongly."""
    ids, matrix = opened.matrix.ids, opened.matrix
    if not len(ids):
        return None
    places = _places(opened, name, wrong=ask.query.flag("wrong"))
    wanted = ask.query.text("case", longest=1_000)
    at = ask.query.whole("at", high=10**9)
    if wanted:
        known = opened.cases_called(wanted)
        if not known:
            raise NotHere(N_("there is no case {id} in this comparison"), id=wanted)
        ordinal = known[0]
    else:
        ordinal = min(at, len(ids) - 1) if at is not None else (int(places[0]) if len(places) else 0)
    before, after = places[places < ordinal], places[places > ordinal]
    [case] = ask.workspace.reader.datasets.cases_at(opened.dataset, "test", [ordinal])
    rows = case_rows(ask.workspace, opened, ordinal)[matrix.candidates.index(name)]
    return _Place(
        ordinal=ordinal,
        case=case,
        before=int(before[-1]) if len(before) else None,
        after=int(after[0]) if len(after) else None,
        rows=[row for row in rows if row.cell is not None],
    )


def _places(opened: OpenedAnswers, name: str, *, wrong: bool) -> Any:
    matrix = opened.matrix
    if not wrong:
        return np.arange(len(matrix.ids))
    first = matrix.candidates.index(name) * matrix.repeats
    return np.flatnonzero((matrix.score[first : first + matrix.repeats] < 1.0).any(axis=0))


def _retrieval(settings: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, RetrievalScores]]:
    """How well each candidate finds what is right, where the cases say so."""
    found = []
    for name, told in settings.items():
        if told.get(RETRIEVAL) is not None:
            try:
                found.append((name, RetrievalScores.model_validate(told[RETRIEVAL])))
            except ValidationError:
                continue  # of a version that told something else
    return found


routes = (
    Route("/improve/ladders/{comparison}/prompts", prompts, "view"),
    Route("/improve/ladders/{comparison}/examples", examples, "view"),
    Route("/improve/ladders/{comparison}/passages", passages, "view"),
    Route("/improve/ladders/{comparison}/document", document, "view"),
)
