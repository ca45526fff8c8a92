"""Give a chat model passages to read before it is asked: the `rag` ingredient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.errors import SettingsError
from touchstone.evaluation.base import Candidate
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.draft import Draft, compose, describe
from touchstone.strategies.rag_library import Library, NotIndexed, forecast, reading
from touchstone.strategies.rag_search import most_calls, tuned
from touchstone.strategies.rag_settings import RagSettings, read_settings

CITE = "Answer from the passages, and name those your answer rests on by their numbers in brackets, such as [1]."
"""What a system text ends with where citations are asked for."""


class Rag:
    """
    Ingredient `rag`: passages of documents stand above the question.

    Documents are read, cut and indexed when the candidate is made; only what changed since is read again. Parameters
    are the fields of `RagSettings`.
    """

    name = "rag"
    stage = 30
    parameters = frozenset(RagSettings.model_fields)

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        """The draft with whoever finds its passages."""
        wanted = read_settings(RagSettings, given, draft.name)
        _agree(wanted, draft.name, workshop.columns)
        library = Library(wanted, draft.name, workshop)
        if wanted.cite:
            system = "\n".join(part for part in (draft.system, CITE) if part)
            draft = draft.with_part("cite", {"text": CITE}, system=system)
        try:
            if wanted.tune is not None:
                return await tuned(draft, wanted, wanted.tune, library, workshop)
            return reading(draft, wanted, await library.finder(wanted), library)
        except NotIndexed:
            calls = 0 if wanted.tune is None else most_calls(wanted, wanted.tune, draft.name, workshop)
            return forecast(draft, wanted, await library.stand_in(wanted), calls)

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """A `PromptCandidate` that reads; fails before anything is sent when there is nothing to read."""
        return await compose((self,), spec, workshop)

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """As of `prompt`, with what is read, how it is cut and found, and what indexing took."""
        return describe(spec, candidate)


def _agree(wanted: RagSettings, name: str, columns: frozenset[str]) -> None:
    """Raises `SettingsError` where two values do not go together, or the cases have no such column."""
    if wanted.gold is not None and wanted.right is not None and wanted.right[1] not in columns:
        raise SettingsError(
            "{name}: gold names the column {column!r}, which the cases do not have; they have {known}",
            name=name,
            column=wanted.right[1],
            known=", ".join(sorted(columns)),
        )
    if wanted.split is not None and "chunk" in wanted.model_fields_set:
        raise SettingsError("{name}: labelled cases are not cut, so `chunk` says nothing here; leave it out", name=name)
