"""Limits on what a model allows: its licence and openness, where its lab sits, where it fits, what it has shown."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Claim
from touchstone.catalog.memory import GIB, USABLE_SHARE, MemoryNeed, memory_need
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import OPENNESS, Background, Check, Floor, Needs
from touchstone.decision.shortlist_checks import Limit, joined, met, unknown
from touchstone.language import N_


def limits_on_what_it_allows(needs: Needs, background: Background) -> Iterator[Limit]:
    """Those of the needs that are asked of the card, in the fixed order."""
    if needs.licences:
        asked = Reason(template=N_("its licence is one of: {licences}"), values={"licences": joined(needs.licences)})
        yield Limit("licence", asked, lambda card: _licence(card, needs.licences, background))
    openness = needs.openness
    if openness is not None:
        asked = Reason(template=N_("it is at least this open: {openness}"), values={"openness": openness})
        yield Limit("openness", asked, lambda card: _openness(card, openness))
    if needs.lab_countries or needs.not_lab_countries:
        yield Limit(
            "lab-country",
            _countries_asked(needs.lab_countries, needs.not_lab_countries),
            lambda card: _lab_country(card, needs, background),
        )
    if needs.memory_gib is not None:
        asked = Reason(
            template=N_("it fits a device of {gib:g} GiB at {precision} with {tokens:,} tokens of context"),
            values={"gib": needs.memory_gib, "precision": needs.precision, "tokens": needs.fit_context_tokens},
        )
        yield Limit("self-hosting", asked, lambda card: _self_hosting(card, needs))
    elif needs.self_hostable:
        asked = Reason(template=N_("its weights can be downloaded"))
        yield Limit("self-hosting", asked, lambda card: _self_hosting(card, needs))
    floor = needs.floor
    if floor is not None:
        values: dict[str, str | int | float] = {"value": floor.value, "benchmark": floor.benchmark.name}
        template = N_("it has a result of {value:g} or better on {benchmark}")
        if floor.condition is not None:
            template = N_("it has a result of {value:g} or better on {benchmark}, measured so: {condition}")
            values["condition"] = _how(floor.condition)
        asked = Reason(template=template, values=values)
        yield Limit("benchmark", asked, lambda card: _floor(card, floor))
    if needs.ours:
        yield Limit("ours", Reason(template=N_("it is of your own")), _ours)


def memory_of(card: Card, needs: Needs) -> MemoryNeed | None:
    """What its weights and cache need at the precision and context asked about; None where that is unknown."""
    parameters = card.fact("parameters")
    if parameters is None or card.fact("weights") not in ("open", "gated"):
        return None
    return memory_need(
        parameters,
        card.model.network if card.model else None,
        precision=needs.precision,
        context_tokens=needs.fit_context_tokens,
    )


def _countries_asked(allowed: Sequence[str], forbidden: Sequence[str]) -> Reason:
    if not forbidden:
        return Reason(template=N_("its lab has its seat in one of {allowed}"), values={"allowed": joined(allowed)})
    if not allowed:
        return Reason(
            template=N_("its lab has its seat in none of {forbidden}"), values={"forbidden": joined(forbidden)}
        )
    values = {"allowed": joined(allowed), "forbidden": joined(forbidden)}
    return Reason(
        template=N_("its lab has its seat in one of {allowed} and in none of {forbidden}"),
        values=values,
    )


def _licence(card: Card, wanted: Sequence[str], background: Background) -> Check:
    had = card.fact("licence")
    if had is None:
        return unknown("licence", N_("unknown: nobody states its licence"), joined(wanted))
    values = {"licence": had, "wanted": joined(wanted)}
    known = background.licences.get(had)
    classes: set[str] = set()
    if known is not None:
        classes |= {"open"} if known.kind == "open" else set()
        classes |= {"commercial"} if known.commercial_use in ("yes", "conditions") else set()
    if had in wanted or classes & set(wanted):
        reason = Reason(template=N_("its licence is {licence}"), values={"licence": had})
        return met("licence", reason, had)
    unsure = "commercial" in wanted and (known is None or known.commercial_use is None)
    template = (
        N_("unknown: nobody states whether its licence {licence} is one of: {wanted}")
        if unsure or (known is None and "open" in wanted)
        else N_("its licence is {licence}, none of: {wanted}")
    )
    return Check(
        limit="licence",
        verdict="unknown" if template.startswith("unknown") else "not-met",
        reason=Reason(template=template, values=values),
        actual=had,
        required=joined(wanted),
        nearest=had,
    )


def _openness(card: Card, wanted: str) -> Check:
    had = card.openness
    if had is None:
        return unknown("openness", N_("unknown: nobody states whether its weights are given out"), wanted)
    if OPENNESS.index(had) <= OPENNESS.index(wanted):
        reason = Reason(template=N_("it is this open: {openness}"), values={"openness": had})
        return met("openness", reason, had, wanted)
    template = N_("it is this open: {openness}; asked for is at least: {wanted}")
    return Check(
        limit="openness",
        verdict="not-met",
        reason=Reason(template=template, values={"openness": had, "wanted": wanted}),
        actual=had,
        required=wanted,
        # Dropping the limit is what lets a proprietary model in: there is nothing less open to ask for.
        nearest=None if had == "proprietary" else had,
    )


def _lab_country(card: Card, needs: Needs, background: Background) -> Check:
    lab = background.labs.get(card.model.lab) if card.model else None
    country = lab.country if lab else None
    required = joined((*needs.lab_countries, *(f"≠{code}" for code in needs.not_lab_countries)))
    if country is None:
        return unknown("lab-country", N_("unknown: nobody states in which country its lab has its seat"), required)
    values = {"country": country}
    if country_meets(country, needs.lab_countries, needs.not_lab_countries):
        reason = Reason(template=N_("its lab has its seat in {country}"), values=values)
        return met("lab-country", reason, country, required)
    template = N_("its lab has its seat in {country}, which is not allowed")
    return Check(
        limit="lab-country",
        verdict="not-met",
        reason=Reason(template=template, values=values),
        actual=country,
        required=required,
        nearest=country,
    )


def country_meets(country: str, allowed: Collection[str], forbidden: Collection[str]) -> bool:
    """Whether a country is among the allowed ones, where there are any, and not among the forbidden ones."""
    return (not allowed or country in allowed) and country not in forbidden


def _self_hosting(card: Card, needs: Needs) -> Check:
    weights, gib = card.fact("weights"), needs.memory_gib
    if weights is None:
        return unknown("self-hosting", N_("unknown: nobody states whether its weights are given out"), gib)
    if weights == "closed":
        reason = Reason(template=N_("its weights are not given out"))
        return Check(limit="self-hosting", verdict="not-met", reason=reason, actual=weights, required=gib)
    if gib is None:
        return met("self-hosting", Reason(template=N_("its weights can be downloaded")), weights)
    need = memory_of(card, needs)
    fits = None if need is None else need.fits(gib)
    if need is None or fits is None:
        template = N_("unknown: nobody states its size or that of its layers, so its memory cannot be worked out")
        return unknown("self-hosting", template, gib)
    whole = need.weight_bytes if need.total_bytes is None else need.total_bytes
    device = math.ceil(whole / GIB / USABLE_SHARE * 10) / 10
    values: dict[str, str | int | float] = {"device": device, "gib": gib, "precision": needs.precision}
    if fits:
        template = N_("at {precision} it needs a device of {device:,.1f} GiB; there are {gib:g}")
        return met("self-hosting", Reason(template=template, values=values), device, gib)
    template = N_("at {precision} it needs a device of {device:,.1f} GiB, {gap:,.1f} more than {gib:g}")
    return Check(
        limit="self-hosting",
        verdict="not-met",
        reason=Reason(template=template, values={**values, "gap": device - gib}),
        actual=device,
        required=gib,
        gap=device - gib,
        # Without the sizes of the layers the weights alone are too large; what would be enough nobody can say.
        nearest=None if need.total_bytes is None else device,
    )


def _floor(card: Card, floor: Floor) -> Check:
    benchmark = floor.benchmark
    sign = 1 if benchmark.higher_is_better else -1
    every = [claim for claim in card.claims if claim.benchmark == benchmark.id]
    results = [claim for claim in every if floor.condition in (None, claim.condition)]
    values: dict[str, str | int | float] = {"benchmark": benchmark.name}
    if not every:
        template = N_("unknown: nobody states a result of it on {benchmark}")
        reason = Reason(template=template, values=values)
        return Check(limit="benchmark", verdict="unknown", reason=reason, required=floor.value)
    best: Claim = max(results or every, key=lambda claim: (sign * claim.value, claim.model_dump_json()))
    values |= {"value": best.value, "source": best.source, "condition": _how(best.condition)}
    if not results:
        template = N_(
            "unknown: on {benchmark} it was measured only otherwise ({condition}), where it has {value:g} ({source})"
        )
        reason = Reason(template=template, values=values)
        return Check(limit="benchmark", verdict="unknown", reason=reason, required=floor.value)
    values["wanted"] = floor.value
    short = sign * (floor.value - best.value)
    if short <= 0:
        template = N_("it has {value:g} on {benchmark} ({condition}; {source}); asked is {wanted:g}")
        reason = Reason(template=template, values=values)
        return met("benchmark", reason, best.value, floor.value)
    template = N_(
        "its best result on {benchmark} is {value:g} ({condition}; {source}), {gap:g} off the {wanted:g} asked for"
    )
    return Check(
        limit="benchmark",
        verdict="not-met",
        reason=Reason(template=template, values={**values, "gap": round(short, 6)}),
        actual=best.value,
        required=floor.value,
        gap=short,
        nearest=best.value,
    )


def _how(condition: Sequence[str]) -> str:
    """What is special about a condition: subset, setting, harness and who measured."""
    return joined([part for part in condition[1:] if part])


def _ours(card: Card) -> Check:
    if card.model is not None and card.model.ours:
        return met("ours", Reason(template=N_("it is of your own")), "ours")
    return Check(limit="ours", verdict="not-met", reason=Reason(template=N_("it is not of your own")))
