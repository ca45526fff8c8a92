"""Strategies by name, alone or joined: `few_shot`, `few_shot+rag`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from touchstone import plugins
from touchstone.errors import SettingsError, UnknownName
from touchstone.evaluation.base import Candidate
from touchstone.language import N_
from touchstone.strategies.base import CandidateSpec, Strategy, Workshop
from touchstone.strategies.draft import Ingredient, compose, describe, in_order, is_ingredient, joined_name


class Joined:
    """
    Several ingredients in one draft.

    Args:
        ingredients: At least two, in any order.
    """

    def __init__(self, ingredients: Sequence[Ingredient]) -> None:
        self.ingredients = in_order(ingredients)
        self.name = joined_name(ingredients)

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """A `PromptCandidate` to which every ingredient has added."""
        return await compose(self.ingredients, spec, workshop)

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """As of `prompt`, with what each ingredient says."""
        return describe(spec, candidate)


def strategy_named(name: str) -> Strategy:
    """
    The strategy, or the joined ones, that a task file means.

    Its `name` is the canonical one: `rag+few_shot` is `few_shot+rag`.

    Raises:
        UnknownName: no strategy is called so; the closest are named.
        SettingsError: a part cannot be joined, stands there twice, or adds what another part adds.
    """
    parts = [part.strip() for part in name.split("+")]
    for part in parts:
        if part not in plugins.names("strategy"):
            raise UnknownName(kind=N_("strategy"), name=part, known=plugins.names("strategy"))
    made: list[Any] = [plugins.load("strategy", part)() for part in parts]
    if len(made) == 1:
        strategy: Strategy = made[0]
        return strategy
    for part, one in zip(parts, made, strict=True):
        if not is_ingredient(one):
            raise SettingsError(
                "{part} answers by itself and cannot be joined in {name!r}; what can is {known}",
                part=part,
                name=name,
                known=", ".join(known for known in plugins.names("strategy") if is_ingredient(_member(known))),
            )
        if parts.count(part) > 1:
            raise SettingsError("{part} stands twice in {name!r}; once is enough", part=part, name=name)
    kept: Sequence[Any] = in_order([one for one in made if one.name != "prompt"])
    for one, next_one in pairwise(kept):
        if one.stage == next_one.stage:
            raise SettingsError(
                "{one} and {other} add the same to a prompt and cannot be joined in {name!r}; name one of them",
                one=one.name,
                other=next_one.name,
                name=name,
            )
    if len(kept) == 1:
        # `prompt+few_shot`: the words are in every draft.
        alone: Strategy = kept[0]
        return alone
    return Joined(kept)


def _member(name: str) -> Any:
    return plugins.load("strategy", name)
