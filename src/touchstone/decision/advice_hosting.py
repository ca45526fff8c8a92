"""
API or a server of one's own: from how many calls on the second is cheaper, and which memory it must have.

One model is compared with itself: what it costs where it is sold, and what a server costs that holds it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from touchstone.catalog.memory import GIB, USABLE_SHARE
from touchstone.decision.advice_base import GUIDE, Advice, Situation
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import Needs, Qualified, Shortlist, Supply
from touchstone.language import N_

HOURS_A_MONTH = 730
"""A server that runs all the time: 8,760 hours a year by twelve."""
NOTHING_USD = 1e-12
"""A call that costs less is free: a million million of them cost a dollar."""


def about_hosting(found: Shortlist, situation: Situation) -> Iterator[Advice]:
    """The first of the list whose weights are given out, on a server of one's own against its cheapest offer."""
    if not found.qualified:
        return
    hosted = next((one for one in found.qualified if one.openness in ("open-licence", "open-weights")), None)
    if hosted is None:
        template = N_("nobody who qualifies gives out its weights, so there is nothing to run on your own machines")
        yield Advice(rule="host.no-weights", reason=Reason(template=template), source=GUIDE)
        return
    yield _memory(hosted, found.needs)
    sold = hosted if _usd(hosted) < math.inf else min(found.qualified, key=lambda one: (_usd(one), one.model))
    if sold.supply is None or _usd(sold) == math.inf:
        yield _no_price(hosted, found.needs)
        return
    if sold is not hosted:
        template = N_(
            "of {own} no offer with a known price meets the limits; compared is {sold} by {seller}, the cheapest who "
            "qualifies"
        )
        values: dict[str, str | int | float] = {
            "own": hosted.model,
            "sold": sold.model,
            "seller": sold.supply.offer.provider,
        }
        reason = Reason(template=template, values=values)
        yield Advice(rule="host.other-model", reason=reason, source=_priced_by(sold.supply))
    yield _break_even(hosted, sold, sold.supply, found, situation)


def _usd(one: Qualified) -> float:
    """Of a call by its cheapest offer; infinite where unknown."""
    supply = one.supply
    return math.inf if supply is None or supply.usd_per_call is None else supply.usd_per_call


def _memory(hosted: Qualified, needs: Needs) -> Advice:
    need = hosted.memory
    values: dict[str, str | int | float] = {"own": hosted.model}
    if need is None:
        template = N_("which memory a server for {own} must have is unknown: nobody states its size")
        return Advice(rule="host.memory", reason=Reason(template=template, values=values), source=GUIDE)
    values |= {"precision": needs.precision, "tokens": needs.fit_context_tokens}
    whole = need.weight_bytes if need.total_bytes is None else need.total_bytes
    values["gib"] = math.ceil(whole / GIB / USABLE_SHARE)
    template = (
        N_(
            "a server for {own} must have {gib:,} GiB of memory for its weights at {precision}; what a context of "
            "{tokens:,} tokens adds is unknown, because nobody states the sizes of its layers"
        )
        if need.total_bytes is None
        else N_("a server for {own} must have {gib:,} GiB of memory at {precision} for a context of {tokens:,} tokens")
    )
    return Advice(rule="host.memory", reason=Reason(template=template, values=values), source=GUIDE)


def _no_price(hosted: Qualified, needs: Needs) -> Advice:
    flags = [
        flag
        for flag, figure in (("--input-tokens", needs.input_tokens), ("--output-tokens", needs.output_tokens))
        if figure is None
    ]
    values: dict[str, str | int | float] = {"model": hosted.model}
    if flags:
        template = N_(
            "whether {model} pays on your own machines cannot be told, because the tokens of a call are not known; "
            "give {flags}"
        )
        values["flags"] = ", ".join(flags)
    else:
        template = N_(
            "whether {model} pays on your own machines cannot be told: nobody who qualifies has an offer whose cost is "
            "known"
        )
    return Advice(rule="host.no-price", reason=Reason(template=template, values=values), source=GUIDE)


def _break_even(hosted: Qualified, sold: Qualified, supply: Supply, found: Shortlist, situation: Situation) -> Advice:
    source, usd_per_call = _priced_by(supply), _usd(sold)
    values: dict[str, str | int | float] = {
        "own": hosted.model,
        "sold": sold.model,
        "seller": supply.offer.provider,
        "call": usd_per_call,
    }
    if usd_per_call < NOTHING_USD:
        template = N_("{sold} by {seller} is free of charge at this price; no server of your own can be cheaper")
        return Advice(rule="host.free", reason=Reason(template=template, values=values), source=source)
    gpu = situation.gpu_usd_per_hour
    if gpu is None:
        template = N_(
            "API or your own machine: {sold} by {seller} costs {call:.3g} USD a call; a server that runs all month "
            "breaks even at (USD an hour x {hours}) / {call:.3g} calls a month; give --gpu-usd-per-hour to work it out"
        )
        values["hours"] = HOURS_A_MONTH
        return Advice(rule="host.give-gpu-price", reason=Reason(template=template, values=values), source=source)
    server = gpu * HOURS_A_MONTH
    values |= {"gpu": gpu, "hours": HOURS_A_MONTH, "server": server, "calls": math.ceil(server / usd_per_call)}
    volume = found.needs.requests_per_month
    if volume is None:
        template = N_(
            "a server for {own} at {gpu:g} USD an hour costs {server:,.0f} USD for {hours} hours; it is cheaper than "
            "{sold} by {seller} from {calls:,} calls a month on, if one server can take that load"
        )
    elif volume.value >= server / usd_per_call:
        template = N_(
            "at {volume:,.0f} calls a month your own machine is cheaper: {server:,.0f} USD ({hours} hours at {gpu:g}) "
            "for {own}, against {api:,.0f} by {seller} for {sold}; it pays from {calls:,} calls on, if one server can "
            "take that load"
        )
        values |= {"volume": volume.value, "api": volume.value * usd_per_call}
    else:
        template = N_(
            "at {volume:,.0f} calls a month the API is cheaper: {api:,.2f} USD by {seller} for {sold}, against "
            "{server:,.0f} ({hours} hours at {gpu:g}) for a server with {own}; that pays from {calls:,} calls on, if "
            "one server can take that load"
        )
        values |= {"volume": volume.value, "api": volume.value * usd_per_call}
    return Advice(rule="host.break-even", reason=Reason(template=template, values=values), source=source)


def _priced_by(supply: Supply) -> str:
    offer = supply.offer
    return f"{offer.source}, {offer.as_of}" if offer.as_of else offer.source
