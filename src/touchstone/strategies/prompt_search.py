"""Look for a better prompt on dev cases, under a cap: the `prompt_search` ingredient."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from touchstone.data.base import Case
from touchstone.errors import BudgetStop, ModelError, SettingsError, UserError
from touchstone.evaluation.base import Candidate, Recipe
from touchstone.evaluation.lane_doors import LaneClosed
from touchstone.evaluation.purse import NotStored
from touchstone.strategies.base import Bench, BuildCost, Caller, CandidateSpec, Workshop
from touchstone.strategies.chat import Shown
from touchstone.strategies.draft import Draft, answering, compose, describe
from touchstone.strategies.example_pool import LARGEST_POOL
from touchstone.strategies.few_shot import Wanted, add_examples, choose_examples
from touchstone.strategies.proposer import Proposer
from touchstone.strategies.search_rounds import Round, Tally, measure_rounds, plan_rounds, planned_calls, table
from touchstone.strategies.search_settings import SearchSettings
from touchstone.strategies.search_variants import Variant, Wording, built_in, different

_FEWEST_CASES = 5
"""With fewer, the luckiest variant would win."""


class PromptSearch:
    """
    Ingredient `prompt_search`: of many instructions and sets of examples, the one that does best on the dev cases.

    Variants are edits of the instruction (shorter, step by step, with rules, with what the train cases say of each
    label), sets of examples, and what a model writes that `proposer` names. They are measured with the task's reader
    and first scorer by successive halving; what there was before takes part to the end. Test cases are never looked at.

    Parameters: `search` (`max_usd`, `max_calls`, `rounds`, `variants`) and `proposer`.
    """

    name = "prompt_search"
    stage = 90
    parameters = frozenset({"search", "proposer"})

    async def add(self, draft: Draft, given: Mapping[str, Any], workshop: Workshop) -> Draft:
        """The draft with the words and examples that won; asking for them is paid from a purse of its own."""
        wanted = SearchSettings.read(given.get("search"), draft.name)
        proposer = Proposer(given["proposer"], draft.name) if given.get("proposer") is not None else None
        if workshop.open_bench is None:
            raise SettingsError("{name}: nothing can be measured here, so no prompt can be searched", name=draft.name)
        bench = workshop.open_bench(draft.name, wanted.max_usd)
        try:
            return await _Search(draft, wanted, proposer, workshop, bench).run()
        finally:
            await bench.close()

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """A `PromptCandidate` that asks as the winner did."""
        return await compose((self,), spec, workshop)

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """As of `prompt`, with what was tried, how it did and what that took."""
        return describe(spec, candidate)


@dataclass(frozen=True)
class _Tried:
    """A variant that can be asked."""

    variant: Variant
    draft: Draft


class _Search:
    """One search, from variants to the draft of the winner."""

    def __init__(
        self, draft: Draft, wanted: SearchSettings, proposer: Proposer | None, workshop: Workshop, bench: Bench
    ) -> None:
        self.draft = draft
        self.wanted = wanted
        self.proposer = proposer
        self.workshop = workshop
        self.bench = bench
        self.tally = Tally()
        self.written: int | None = None
        """Instructions that the proposer wrote; None without one."""

    async def run(self) -> Draft:
        """
        The draft of the winner. Where only a plan is made and replies are missing, the draft as it was.

        Raises:
            UserError: there is nothing to measure on, or the run is offline and replies are missing.
            BudgetStop: the money did not cover the first round.
            ModelError: somebody cannot be asked for now; what was bought is kept.
        """
        cases, split = self._cases()
        caller = self.bench.make_caller(self.draft.model, self.draft.model_parameters)
        try:
            if self.workshop.planning and not caller.paid:
                return self._unsearched(cases)
            return await self._search(cases, split, caller)
        except NotStored as missing:
            if self.workshop.planning:
                return self._unsearched(cases)
            raise UserError(
                "{name}: replies of its search were never bought, and this run is offline; run it once without "
                "--offline",
                name=self.draft.name,
            ) from missing
        except BudgetStop as stop:
            raise BudgetStop(
                "{name}: the money does not cover the first round of its prompt search ({reason}); raise "
                "search.max_usd or the cap of the run, or lower variants",
                name=self.draft.name,
                reason=stop,
            ) from stop
        except (ModelError, LaneClosed) as error:
            raise ModelError(
                "{name}: its prompt search could not go on ({reason}); what was answered is kept, and the same command "
                "goes on from there",
                name=self.draft.name,
                reason=error,
            ) from error
        finally:
            await caller.close()

    def _cases(self) -> tuple[list[Case], str]:
        """(cases to measure on in a seeded order, of which split)."""
        needed = any(scorer.needs_target for scorer in self.bench.scorers)
        for split in ("dev", "train"):
            cases = (case for case in self.workshop.learning_cases(split) if case.target is not None or not needed)
            found = list(islice(cases, LARGEST_POOL))
            random.Random(self.workshop.seed).shuffle(found)  # noqa: S311 - the same order whenever it is searched
            if split == "train":
                # The rest stays what examples are chosen from; no case is its own example either way.
                found = found[: len(found) // 2]
            if len(found) >= _FEWEST_CASES:
                return found[: self.wanted.max_calls], split
        raise UserError(
            "{name} measures variants on dev cases and there are fewer than {fewest} with a target; give some rows "
            "split = dev, draw some with `split: {{dev: 0.2}}`, or give at least {train} train cases",
            name=self.draft.name,
            fewest=_FEWEST_CASES,
            train=2 * _FEWEST_CASES,
        )

    async def _search(self, cases: Sequence[Case], split: str, caller: Caller) -> Draft:
        tried = self._ready(await self._variants())
        rounds = self._rounds(len(tried), len(cases))
        recipe = Recipe(model=self.draft.model, strategy="prompt_search")
        candidates = [answering(one.draft, recipe, caller, self.workshop) for one in tried]
        best, measured, board, stop = await measure_rounds(candidates, cases, rounds, self.bench, self.tally)
        winner = tried[best]
        found = {
            "winner": winner.variant.name,
            "score": round(board.mean(best, measured), 6),
            "score_before": round(board.mean(0, measured), 6),
            "cases": measured,
            "measured_on": split,
            "tried": table([one.variant.name for one in tried], board),
            **({} if self.written is None else {"written_by_proposer": self.written}),
            **({"rejected_requests": self.tally.rejected} if self.tally.rejected else {}),
            # The state of a cap that is reached does not change; see `measure_rounds`.
            **({} if stop is None else {"stopped_by_its_cap_after_cases": measured}),
        }
        draft = winner.draft.with_part(
            "searched",
            {"winner": winner.variant.name, "written": winner.variant.system},
            about={"search": found},
            build=self.tally.cost(),
        )
        # How much a search may cost is no part of what it found.
        return replace(draft, recipe={**draft.recipe, "search": self.wanted.model_dump(exclude={"max_usd"})})

    async def _variants(self) -> list[Variant]:
        """What is tried, at most as many as are wanted; the first is what there was."""
        draft, workshop = self.draft, self.workshop
        structured = draft.answer != workshop.answer
        wording = Wording(
            draft.begun_with if draft.own_system else workshop.instruction,
            draft.answer,
            draft.own_system,
            structured,
            ending=draft.system.removeprefix(draft.begun_with).strip("\n"),
        )
        limit = draft.fields.get("max_tokens")
        ours = built_in(
            wording,
            workshop.learning_cases("train"),
            start=draft.system,
            max_tokens=limit if isinstance(limit, int) else None,
            with_examples=draft.shots is None and self._has_examples(),
        )
        if self.proposer is None:
            return ours[: self.wanted.variants]
        count = max(1, self.wanted.variants // 3)
        labels = draft.answer.labels if draft.answer.kind == "label" else ()
        request = self.proposer.request(wording.instruction, labels, self._shown(), count)
        texts, completion = await self.proposer.propose(self.bench, request, count)
        self.tally.book(completion.cost_usd, completion.latency_s)
        self.written = len(texts)
        theirs = [Variant(f"proposed {number}", wording.system(text)) for number, text in enumerate(texts, start=1)]
        head = ours[: self.wanted.variants - len(theirs)]
        return different([*head, *theirs, *ours[len(head) :]])[: self.wanted.variants]

    def _has_examples(self) -> bool:
        return any(case.target is not None for case in islice(self.workshop.learning_cases("train"), 1_000))

    def _shown(self) -> Sequence[Shown]:
        """A few unlike train cases for the proposer; none where there are none."""
        for k in (8, 4, 1):
            try:
                wanted = Wanted({"choose": "diverse", "k": k}, self.draft.name)
                return choose_examples(self.draft, wanted, self.workshop)[1].always[:k]
            except UserError:
                continue  # there are fewer
        return ()

    def _ready(self, variants: Sequence[Variant]) -> list[_Tried]:
        """The variants as drafts; those whose examples are not there are left out."""
        tried = []
        for one in variants:
            draft = replace(self.draft, system=one.system)
            if one.examples:
                try:
                    draft = add_examples(draft, Wanted(one.examples, draft.name), self.workshop, "few_shot")
                except UserError:
                    continue  # fewer train cases than it wants to show
            tried.append(_Tried(one, draft))
        return tried

    def _rounds(self, variants: int, cases: int) -> tuple[Round, ...]:
        rounds = plan_rounds(variants, cases, self.wanted.max_calls, self.wanted.rounds)
        if not rounds or rounds[0].cases < min(_FEWEST_CASES, cases):
            raise SettingsError(
                "{name}: search.max_calls is {calls}, which buys {variants} variants fewer than {fewest} answers each; "
                "raise it, or lower search.variants",
                name=self.draft.name,
                calls=self.wanted.max_calls,
                variants=variants,
                fewest=_FEWEST_CASES,
            )
        return rounds

    def _unsearched(self, cases: Sequence[Case]) -> Draft:
        """For a plan: the prompt as it was, which costs about what the winner will, and what the search may take."""
        rounds = self._rounds(self.wanted.variants, len(cases))
        calls = planned_calls(rounds) + (self.proposer is not None)
        return self.draft.with_part(
            "searched",
            {},
            about={"search": {"planned_calls": calls, "max_usd": self.wanted.max_usd}},
            build=BuildCost(calls=calls, forecast=True),
        )
