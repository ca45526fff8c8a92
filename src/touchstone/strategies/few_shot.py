"""Show a chat model examples before it is asked: the `few_shot` ingredient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from touchstone.errors import SettingsError, UserError
from touchstone.evaluation.base import Candidate
from touchstone.scoring.reading import make_reader
from touchstone.strategies.base import CandidateSpec, Workshop
from touchstone.strategies.chat import Shots
from touchstone.strategies.draft import Draft, compose, describe
from touchstone.strategies.example_answer import AnswerWriter
from touchstone.strategies.example_choice import Nearest, OneSet, at_random, diverse, first
from touchstone.strategies.example_pool import Pool, read_pool

CHOICES = ("similar", "diverse", "random", "fixed")
ORDERS = ("as_is", "best_last")

_DEFAULT_K = 4
_LARGEST_K = 256
_NAMED = 20
"""Ids that the report names of cases that were held back."""


class FewShot:
    """
    Ingredient `few_shot`: examples as turns of user and assistant before the case.

    Parameters: `k` (0 shows none), `choose` (`similar`: by BM25, for each case its own; `diverse`: one set of unlike
    ones; `random`: one set, drawn with the seed; `fixed`: the first of the file, or those that `examples` names),
    `per_label` (of `diverse`: labels take turns), `order` (`best_last` puts the nearest last, the default of
    `similar`), `split` (`train` or `dev`), `example_answer` (a form of the answers of one's own, with `{target}` and
    the columns).
    """

    name = "few_shot"
    stage = 20
    parameters = frozenset({"k", "choose", "examples", "per_label", "order", "split", "example_answer"})

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        """The draft with examples."""
        wanted = Wanted(given, draft.name)
        if wanted.k == 0:
            # Nothing is read and nothing is shown: what is asked is what `prompt` asks.
            return draft.with_part(self.name, {"k": 0}, about={"k": 0, "examples": 0})
        return add_examples(draft, wanted, workshop, self.name)

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """A `PromptCandidate` with examples; fails before anything is sent when there are none to show."""
        return await compose((self,), spec, workshop)

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """As of `prompt`, with how many examples are shown, how they are chosen and out of which."""
        return describe(spec, candidate)


class Wanted:
    """
    What an entry says of its examples.

    Raises:
        SettingsError: a value cannot be used.
    """

    def __init__(self, given: Mapping[str, Any], name: str) -> None:
        self.name = name
        ids = given.get("examples")
        if ids is not None and (
            not isinstance(ids, list | tuple) or not ids or any(isinstance(one, bool) for one in ids)
        ):
            raise SettingsError("{name}: examples is {value!r}; write a list of case ids", name=name, value=ids)
        self.ids = None if ids is None else tuple(str(one) for one in ids)
        self.choose = self._one_of(given.get("choose", "similar" if ids is None else "fixed"), "choose", CHOICES)
        self.order = self._one_of(
            given.get("order", "best_last" if self.choose == "similar" else "as_is"), "order", ORDERS
        )
        self.split = self._one_of(given.get("split", "train"), "split", ("train", "dev"))
        self.per_label = given.get("per_label", False)
        if not isinstance(self.per_label, bool):
            raise SettingsError("{name}: per_label is {value!r}; write true or false", name=name, value=self.per_label)
        k = given.get("k", _DEFAULT_K if self.ids is None else len(self.ids))
        if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k <= _LARGEST_K:
            raise SettingsError(
                "{name}: k is {value!r}; write how many examples are shown, from 0 to {most}",
                name=name,
                value=k,
                most=_LARGEST_K,
            )
        self.k = k
        self.template = given.get("example_answer")
        if self.template is not None and not isinstance(self.template, str):
            raise SettingsError(
                "{name}: {key} is {value!r}; write it as text", name=name, key="example_answer", value=self.template
            )
        self._agree()

    def _agree(self) -> None:
        """Raises `SettingsError` where two values do not go together."""
        twice = next((one for one, times in Counter(self.ids or ()).items() if times > 1), None)
        if twice is not None:
            raise SettingsError("{name}: examples names {id} twice; once is enough", name=self.name, id=twice)
        if self.ids is not None and self.choose != "fixed":
            raise SettingsError(
                "{name}: examples names cases and choose is {choose}; leave one of them out",
                name=self.name,
                choose=self.choose,
            )
        if self.ids is not None and self.k > len(self.ids):
            raise SettingsError(
                "{name}: k is {k} and examples names {n} cases; name more, or lower k",
                name=self.name,
                k=self.k,
                n=len(self.ids),
            )
        if self.order == "best_last" and self.choose != "similar":
            raise SettingsError(
                "{name}: order best_last needs a best one; with choose {choose} all are for every case alike, write "
                "choose: similar",
                name=self.name,
                choose=self.choose,
            )
        if self.per_label and self.choose != "diverse":
            raise SettingsError(
                "{name}: per_label goes with choose: diverse, not with {choose}", name=self.name, choose=self.choose
            )

    def _one_of(self, value: Any, key: str, known: tuple[str, ...]) -> str:
        if value not in known:
            close = get_close_matches(str(value), known, n=1, cutoff=0.5) or known
            raise SettingsError(
                "{name}: {key} is {value!r}; closest: {close}",
                name=self.name,
                key=key,
                value=value,
                close=", ".join(close),
            )
        return str(value)


def add_examples(draft: Draft, wanted: Wanted, workshop: Workshop, ingredient: str) -> Draft:
    """
    The draft with the examples that are wanted, at least one.

    Raises:
        UserError: there are not so many.
    """
    pool, shots, ids = choose_examples(draft, wanted, workshop)
    same = workshop.asked_in_test(pool.keys)
    held_back = [one.id for one in pool.examples if one.key in same]
    facts: dict[str, Any] = {
        "k": wanted.k,
        "choose": wanted.choose,
        "order": wanted.order,
        "split": wanted.split,
        **({"per_label": True} if wanted.per_label else {}),
        **({"example_answer": wanted.template} if wanted.template is not None else {}),
        "example_ids": ids,
    }
    about = {
        **facts,
        "examples": wanted.k,
        "pool": len(pool.examples) if pool.whole else None,
        "pool_digest": pool.digest[:12] if pool.whole else None,
        "pool_left_out": {"no target": pool.without_target, "repeats": pool.repeated, "no column": pool.unusable},
        # Never shown to the test cases that ask the same; to all others they are.
        "held_back_from_twins": len(held_back),
        "held_back_ids": held_back[:_NAMED],
    }
    return draft.with_part(ingredient, {**facts, "shown": shots.identity}, shots=shots, about=about)


def choose_examples(draft: Draft, wanted: Wanted, workshop: Workshop) -> tuple[Pool, Shots, list[str] | None]:
    """
    (the pool, who chooses from it, ids of a set that is the same for all cases).

    Raises:
        UserError: there are not enough examples, or an answer of one could not be read.
    """
    writer = AnswerWriter(draft.answer, make_reader(workshop.answer), wanted.template, wanted.name)
    writer.check(workshop.columns)
    few = wanted.k + 1 if wanted.choose == "fixed" and wanted.ids is None else None
    pool = read_pool(
        workshop.learning_cases(wanted.split),
        writer,
        None if draft.jinja else draft.template,
        seed=workshop.seed,
        enough=few,
    )
    if not pool.examples:
        raise UserError(
            "{name} shows examples of the {split} split and it has none with a target; give some rows split = {split}, "
            "draw some with `split: {{{split}: 0.3}}`, or write k: 0",
            name=wanted.name,
            split=wanted.split,
        )
    if wanted.k > len(pool.examples):
        raise SettingsError(
            "{name}: k is {k} and the {split} split has {n} different cases with a target; lower k or add cases",
            name=wanted.name,
            k=wanted.k,
            split=wanted.split,
            n=len(pool.examples),
        )
    if wanted.choose == "similar":
        return pool, Nearest(pool, wanted.k, best_last=wanted.order == "best_last"), None
    if wanted.ids is not None:
        chosen = pool.by_id(wanted.ids, wanted.name, wanted.split)
    elif wanted.choose == "diverse":
        chosen = tuple(diverse(pool, wanted.k + 1, workshop.seed, per_label=wanted.per_label))
    else:
        draw = at_random if wanted.choose == "random" else first
        chosen = tuple(draw(pool, wanted.k + 1, workshop.seed))
    return pool, OneSet(chosen, wanted.k), [one.id for one in chosen[: wanted.k]]
