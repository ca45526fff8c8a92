"""
Limits on what a model is: each asked of one card, met, not met or unknown, and by how much.

A fact that nobody stated does not meet a limit. The one exception is said where it stands: a retirement that nobody
announced is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache

from touchstone.catalog.cards import Card
from touchstone.catalog.model import earliest
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import Background, Check, Needs
from touchstone.decision.shortlist_checks import Limit, joined, met, missed, unknown
from touchstone.decision.shortlist_permits import limits_on_what_it_allows
from touchstone.language import N_

_MANY = "und"
"""In `Model.languages`: the maker says only that there are many."""

_ABILITY_FACTS = {"tools": "tools", "structured-output": "structured_output", "reasoning": "reasoning"}


def model_limits(needs: Needs, background: Background) -> tuple[Limit, ...]:
    """The limits that needs put on a model, in the fixed order; those on its offers are `shortlist_offers`'."""
    return (*_limits_on_what_it_does(needs), *limits_on_what_it_allows(needs, background))


def _limits_on_what_it_does(needs: Needs) -> Iterator[Limit]:
    if needs.tasks:
        yield Limit(
            "task",
            Reason(template=N_("it does {tasks}"), values={"tasks": joined(needs.tasks)}),
            lambda card: task_check(card.fact("tasks"), needs.tasks),
        )
    if needs.one_task_of:
        asked = Reason(template=N_("it does one of {tasks}"), values={"tasks": joined(needs.one_task_of)})
        yield Limit("any-task", asked, lambda card: any_task_check(card.fact("tasks"), needs.one_task_of))
    if needs.outputs:
        asked = Reason(template=N_("it writes {outputs}"), values={"outputs": joined(needs.outputs)})
        yield Limit("output", asked, lambda card: _output(_listed(card, "output_types"), needs.outputs))
    if needs.inputs:
        asked = Reason(template=N_("it reads {inputs}"), values={"inputs": joined(needs.inputs)})
        yield Limit("input", asked, lambda card: _input(_listed(card, "input_modalities"), needs.inputs))
    if needs.languages:
        asked = Reason(
            template=N_("its maker names the languages {languages}"), values={"languages": joined(needs.languages)}
        )
        if needs.unnamed_languages_pass:
            asked = Reason(
                template=N_("its maker names the languages {languages}, or none at all"),
                values={"languages": joined(needs.languages)},
            )
        yield Limit(
            "language",
            asked,
            lambda card: _language(_listed(card, "languages"), needs.languages, needs.unnamed_languages_pass),
        )
    if needs.abilities:
        asked = Reason(template=N_("it can: {abilities}"), values={"abilities": joined(needs.abilities)})
        yield Limit("ability", asked, lambda card: _ability(card, needs.abilities))
    tokens = needs.context_tokens
    if tokens is not None:
        asked = Reason(template=N_("its context holds {tokens:,} tokens"), values={"tokens": tokens})
        yield Limit("context", asked, lambda card: _context(card.fact("context_tokens"), tokens))
    until = needs.serve_until
    if until is not None:
        asked = Reason(template=N_("it is not retired on {day} or before"), values={"day": until.isoformat()})
        yield Limit("retirement", asked, lambda card: _retirement(card.fact("retired"), card.retires, until))
    if needs.released_after is not None:
        asked = Reason(template=N_("it was released on {day} or later"), values={"day": needs.released_after})
        yield Limit("released", asked, lambda card: _released(card, needs))


def task_check(had: Sequence[str] | None, wanted: Sequence[str]) -> Check:
    """Whether a model does all of what is wanted."""
    return _tasks(tuple(had or ()), tuple(wanted))


def any_task_check(had: Sequence[str] | None, wanted: Sequence[str]) -> Check:
    """Whether what a model does holds one of what is wanted."""
    return _any_task(tuple(had or ()), tuple(wanted))


def _listed(card: Card, fact: str) -> tuple[str, ...]:
    """A fact that is several ids; () where nobody states it."""
    return tuple(card.fact(fact) or ())


# Many models state the same, and what is said of that is said once.
@lru_cache(maxsize=4096)
def _tasks(had: tuple[str, ...], wanted: tuple[str, ...]) -> Check:
    if not had:
        return unknown("task", N_("unknown: nobody states what it does"), joined(wanted))
    missing = [task for task in wanted if task not in had]
    values = {"tasks": joined(had), "missing": joined(missing)}
    if not missing:
        return met("task", Reason(template=N_("it does {tasks}"), values={"tasks": joined(had)}), joined(had))
    return missed("task", Reason(template=N_("it does {tasks}, not {missing}"), values=values), missing, had, wanted)


@lru_cache(maxsize=4096)
def _any_task(had: tuple[str, ...], wanted: tuple[str, ...]) -> Check:
    if not had:
        return unknown("any-task", N_("unknown: nobody states what it does"), joined(wanted))
    values = {"tasks": joined(had)}
    if set(had) & set(wanted):
        return met("any-task", Reason(template=N_("it does {tasks}"), values=values), joined(had))
    reason = Reason(template=N_("it does {tasks}, none of {wanted}"), values={**values, "wanted": joined(wanted)})
    return Check(
        limit="any-task",
        verdict="not-met",
        reason=reason,
        actual=joined(had),
        required=joined(wanted),
        nearest=had[0],
    )


@lru_cache(maxsize=4096)
def _output(had: tuple[str, ...], wanted: tuple[str, ...]) -> Check:
    if not had:
        return unknown("output", N_("unknown: nobody states what it writes"), joined(wanted))
    missing = [output for output in wanted if output not in had]
    values = {"outputs": joined(had), "missing": joined(missing)}
    if not missing:
        reason = Reason(template=N_("it writes {outputs}"), values={"outputs": joined(had)})
        return met("output", reason, joined(had))
    reason = Reason(template=N_("it writes {outputs}, not {missing}"), values=values)
    return missed("output", reason, missing, had, wanted)


@lru_cache(maxsize=4096)
def _input(had: tuple[str, ...], wanted: tuple[str, ...]) -> Check:
    if not had:
        return unknown("input", N_("unknown: nobody states what it reads"), joined(wanted))
    missing = [modality for modality in wanted if modality not in had]
    values = {"inputs": joined(had), "missing": joined(missing)}
    if not missing:
        reason = Reason(template=N_("it reads {inputs}"), values={"inputs": joined(had)})
        return met("input", reason, joined(had))
    reason = Reason(template=N_("it reads {inputs}, not {missing}"), values=values)
    return missed("input", reason, missing, had, wanted)


@lru_cache(maxsize=4096)
def _language(had: tuple[str, ...], wanted: tuple[str, ...], unnamed_pass: bool) -> Check:
    if unnamed_pass and (not had or _MANY in had):
        return met("language", Reason(template=N_("its maker names no languages")), joined(had), joined(wanted))
    if not had:
        return unknown("language", N_("unknown: its maker names no languages"), joined(wanted))
    missing = [language for language in wanted if language not in had]
    if not missing:
        reason = Reason(template=N_("its maker names the languages {languages}"), values={"languages": joined(wanted)})
        return met("language", reason, joined(had))
    if _MANY in had:
        template = N_("unknown: its maker says that there are many languages, and does not name {missing}")
        check = missed("language", Reason(template=template, values={"missing": joined(missing)}), missing, had, wanted)
        return check._replace(verdict="unknown", gap=None)
    values = {"languages": joined(had), "missing": joined(missing)}
    reason = Reason(template=N_("its maker names the languages {languages}, not {missing}"), values=values)
    return missed("language", reason, missing, had, wanted)


def _ability(card: Card, wanted: Sequence[str]) -> Check:
    able = {name: card.fact(fact) for name, fact in _ABILITY_FACTS.items()}
    reads = card.fact("input_modalities")
    able["vision"] = None if not reads else "image" in reads
    missing = [name for name in wanted if able[name] is not True]
    refused = [name for name in wanted if able[name] is False]
    had = [name for name, can in able.items() if can is True]
    if not missing:
        reason = Reason(template=N_("it can: {abilities}"), values={"abilities": joined(wanted)})
        return met("ability", reason, joined(had))
    if refused:
        reason = Reason(template=N_("it cannot: {missing}"), values={"missing": joined(refused)})
        return missed("ability", reason, missing, had, wanted)
    reason = Reason(
        template=N_("unknown: nobody states whether it can: {missing}"), values={"missing": joined(missing)}
    )
    check = missed("ability", reason, missing, had, wanted)
    return check._replace(verdict="unknown", gap=None)


@lru_cache(maxsize=4096)
def _context(had: int | None, wanted: int) -> Check:
    if had is None:
        return unknown("context", N_("unknown: nobody states how much its context holds"), wanted)
    values = {"had": had, "wanted": wanted}
    if had >= wanted:
        reason = Reason(template=N_("its context holds {had:,} tokens; {wanted:,} are needed"), values=values)
        return met("context", reason, had, wanted)
    reason = Reason(
        template=N_("its context holds {had:,} tokens, {gap:,} fewer than the {wanted:,} that are needed"),
        values={**values, "gap": wanted - had},
    )
    return Check(
        limit="context",
        verdict="not-met",
        reason=reason,
        actual=had,
        required=wanted,
        gap=wanted - had,
        nearest=had,
    )


@lru_cache(maxsize=4096)
def _retirement(said: str | None, retires: date | None, until: date) -> Check:
    wanted = until.isoformat()
    if said is None:
        return met("retirement", Reason(template=N_("nobody has announced its retirement")), None, wanted)
    if retires is None:
        template = N_("its maker's own service ends on {day}; its weights are given out and go on working")
        return met("retirement", Reason(template=template, values={"day": said}), said, wanted)
    if retires > until:
        reason = Reason(template=N_("it retires on {day}, after that day"), values={"day": said})
        return met("retirement", reason, said, wanted)
    days = (until - retires).days
    template = N_("it retires or retired on {day}, {days:,} days before {wanted}")
    return Check(
        limit="retirement",
        verdict="not-met",
        reason=Reason(template=template, values={"day": said, "days": days, "wanted": wanted}),
        actual=said,
        required=wanted,
        gap=days,
        nearest=(retires - timedelta(days=1)).isoformat(),
    )


def _released(card: Card, needs: Needs) -> Check:
    assert needs.released_after is not None  # who asks has looked
    said, wanted = card.fact("released"), needs.released_after
    if said is None:
        return unknown("released", N_("unknown: nobody states when it was released"), wanted)
    short = (earliest(wanted) - earliest(said)).days
    if short <= 0:
        reason = Reason(template=N_("it was released on {day}"), values={"day": said})
        return met("released", reason, said, wanted)
    template = N_("it was released on {day}, {days:,} days before {wanted}")
    reason = Reason(template=template, values={"day": said, "days": short, "wanted": wanted})
    return Check(
        limit="released", verdict="not-met", reason=reason, actual=said, required=wanted, gap=short, nearest=said
    )
