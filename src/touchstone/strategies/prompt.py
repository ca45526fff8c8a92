"""Ask a chat model as it is, with an instruction: the `prompt` strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.evaluation.base import Candidate
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.chat import PromptCandidate as PromptCandidate
from touchstone.strategies.draft import Draft, compose, describe
from touchstone.strategies.instruction import default_system as default_system


class Prompt:
    """
    Strategy `prompt`: a draft to which nothing is added.

    Its parameters are those of every chat candidate: `prompt` (template of the user turn), `system`, each as text or
    `{file: PATH}`, `structured`, and the request's own (temperature, …).
    """

    name = "prompt"
    stage = 0
    parameters: frozenset[str] = frozenset()

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        """The draft as it is: its words are there already."""
        return draft

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """A `PromptCandidate`; fails before anything is sent when the template names a column there is not."""
        return await compose((self,), spec, workshop)

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """Model, endpoint, prompt digest, sampling parameters and the price with its source."""
        return describe(spec, candidate)
