"""A shortlist as a page: who fits and why, who does not and by how much, what relaxing brings back, and advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from touchstone.catalog.benchmarks import scenarios
from touchstone.catalog.sellers import seller_id
from touchstone.decision.advice_base import Advice
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import (
    Check,
    Evidence,
    Excluded,
    Needs,
    Published,
    PublishedTests,
    Qualified,
    Shortlist,
    Standing,
)
from touchstone.decision.shortlist_costs import is_lower_end
from touchstone.language import _, current_language, ngettext
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.pages import Block, Bullets, Fact, Facts, Page, Paragraph, Section, Table
from touchstone.reporting.shortlist_words import limit_name, nearest, places, said, said_of, setting

_MANY_UNKNOWN = 0.25
"""So many left out for an unknown fact alone, as a share of those who qualify, are worth a warning."""


def shortlist_page(
    found: Shortlist,
    advice: Sequence[Advice],
    *,
    task: str | None = None,
    assumed: Sequence[Reason] = (),
    top: int = 10,
    per_limit: int | None = 3,
) -> Page:
    """
    The whole answer.

    Args:
        task: Name of the task; None without a task file.
        assumed: What the numbers rest on.
        top: So many of those who qualify are shown.
        per_limit: So many of those whom one limit left out are shown, the closest; None shows all.
    """
    looked_at = len(found.qualified) + len(found.excluded)
    order = _(", ").join(_of_priority(name) for name in found.priorities)
    lead = ngettext(
        "{count:,} of {all:,} models meets every limit; in order of: {order}.",
        "{count:,} of {all:,} models meet every limit; in order of: {order}.",
        len(found.qualified),
    ).format(count=len(found.qualified), all=looked_at, order=order)
    rests_on = [said(one) for one in (*assumed, *_rests_on(found))]
    return Page(
        title=_("Shortlist for {task}").format(task=task) if task else _("Shortlist"),
        kicker=_("Shortlist"),
        lead=lead,
        warnings=list(_warnings(found)),
        sections=[
            Section(_("What is asked"), [_asked(found)], "asked"),
            Section(_("Who qualifies"), list(_qualified(found, top)), "qualified"),
            Section(_("Who is left out, and by how much"), list(_excluded(found, per_limit)), "excluded"),
            Section(_("What giving up one limit brings back"), list(_relaxed(found)), "relaxed"),
            Section(_("Advice"), [Bullets([_advice(one) for one in advice])] if advice else [], "advice"),
            Section(_("What the numbers rest on"), [Bullets(rests_on)] if rests_on else [], "assumed"),
        ],
        closing=_("Prices as they stand on {day}, in the dearest hour of the day.").format(
            day=numbers.day(found.day.isoformat())
        ),
    )


def explanation_page(model: str, name: str, checks: Sequence[Check]) -> Page:
    """Every limit held against one model."""
    missed = [check for check in checks if check.verdict != "met"]
    lead = (
        ngettext("{model} misses {count} limit.", "{model} misses {count} limits.", len(missed)).format(
            model=model, count=len(missed)
        )
        if missed
        else _("{model} meets every limit.").format(model=model)
    )
    verdicts = {"met": _("met"), "not-met": _("not met"), "unknown": _("unknown, so not met")}
    rows = [(limit_name(check.limit), verdicts[check.verdict], said_of(check)) for check in checks]
    marked = frozenset(at for at, check in enumerate(checks) if check.verdict != "met")
    table = Table((_("Limit"), _("Verdict"), _("Why")), rows, marked=marked)
    return Page(title=name, kicker=_("Shortlist"), lead=lead, sections=[Section(_("Limits"), [table], "limits")])


def _warnings(found: Shortlist) -> Iterator[str]:
    for one in found.relaxed:
        if one.unknown > _MANY_UNKNOWN * len(found.qualified):
            yield ngettext(
                "{count:,} model is left out only because nobody states a fact that the limit {limit} asks about.",
                "{count:,} models are left out only because nobody states a fact that the limit {limit} asks about.",
                one.unknown,
            ).format(count=one.unknown, limit=limit_name(one.limit))


def _asked(found: Shortlist) -> Block:
    if not found.asked:
        return Paragraph(_("Nothing: every model qualifies."))
    return Facts([Fact(limit_name(name), said(reason, name)) for name, reason in found.asked.items()])


def _of_priority(name: str) -> str:
    return {"quality": _("quality"), "cost": _("cost"), "speed": _("speed"), "openness": _("openness")}[name]


# Who qualifies --------------------------------------------------------------------------------------------------------


def _qualified(found: Shortlist, top: int) -> Iterator[Block]:
    if not found.qualified:
        yield Paragraph(_("Nobody."), "warning")
        return
    shown = found.qualified[:top]
    by_memory = found.needs.self_hostable or found.needs.memory_gib is not None
    by_speed = any(one.seconds is not None for one in shown)
    heads = [_("Place"), _("Model"), _("Seller"), _cost_head(found.needs), _("Openness")]
    numbers_at = {0, 3}
    if found.yardstick is not None:
        heads.append(found.yardstick.name)
        numbers_at.add(len(heads) - 1)
    if found.published is not None:
        heads.append(_("Published tests"))
        numbers_at.add(len(heads) - 1)
    if by_speed:
        heads.append(_("Answer"))
        numbers_at.add(len(heads) - 1)
    if by_memory:
        heads.append(_("Memory"))
        numbers_at.add(len(heads) - 1)
    rows = []
    for at, one in enumerate(shown, 1):
        row = [
            str(at),
            one.model,
            words.seller(one.supply.offer.provider) if one.supply else numbers.UNKNOWN,
            _cost(one, found.needs),
            words.term("openness", one.openness),
        ]
        if found.yardstick is not None:
            row.append(_standing(one.standing))
        if found.published is not None:
            row.append(_ahead(one.published))
        if by_speed:
            row.append(numbers.seconds(one.seconds))
        if by_memory:
            row.append(words.gib(one.memory.total_bytes) if one.memory else numbers.UNKNOWN)
        rows.append(row)
    more = len(found.qualified) - len(shown)
    notes = [_("{count:,} more qualify; --top shows more of them.").format(count=more)] if more else []
    if any(is_lower_end(one, found.needs) for one in shown):
        notes.append(_("≥: at least; images, recordings or thinking are not counted in it."))
    yield Table(heads, rows, numbers=frozenset(numbers_at), note=" ".join(notes))
    yield from _leaving(shown, found.needs)
    yield Bullets(
        [
            _("{place}. {model}: {reason}").format(place=at, model=one.model, reason=_reason(one))
            for at, one in enumerate(shown, 1)
        ]
    )
    if found.yardstick is not None and found.condition is not None:
        how = _(", ").join(part for part in found.condition[1:] if part)
        yield Paragraph(
            _("Own results come first: the place on {benchmark}, of results measured alike ({how}).").format(
                benchmark=found.yardstick.name, how=how or _("nothing further is said")
            ),
            "quiet",
        )
    if found.published is not None:
        yield Paragraph(_how_published(found.published, len(found.qualified)), "quiet")
    elif "quality" in found.priorities and found.yardstick is None:
        yield Paragraph(
            _("Quality is unknown: no published tests of this scenario compare enough of those who qualify."), "warning"
        )


def _leaving(shown: Sequence[Qualified], needs: Needs) -> Iterator[Block]:
    """Of sellers that keep calls in the wanted place only when something is set: what it is, in their words."""
    leaving = [seller_id(one.supply.offer.provider) for one in shown if one.supply is not None and one.supply.leaves]
    if leaving:
        yield Bullets(
            [
                _("{seller}: only a setting or an address of its own keeps a call within {places}. {setting}").format(
                    seller=words.seller(name), places=places(needs.regions), setting=setting(name)
                )
                for name in dict.fromkeys(leaving)
            ]
        )


def _how_published(basis: PublishedTests, qualified: int) -> str:
    names = scenarios()
    spoken = [names[one].name.in_language(current_language()) for one in basis.scenarios if one in names]
    return _(
        "Published quality is known of {known:,} of the {qualified:,} who qualify (published tests: {tests:,}; for: "
        "{scenarios}). On each test, two models that were measured alike are a win and a loss, or a tie where error "
        "does not tell them apart; {pairs:,} such pairs of {models:,} models are put together by the Bradley-Terry "
        "model, and values of unlike scales are never averaged. The share says how often a model is expected to be "
        "ahead of one of middle strength. The order goes by the strength that it has at least, with five chances in "
        "six, so a model with a wide interval may stand behind one with a smaller share. Who was measured too little "
        "is not worse: nobody knows."
    ).format(
        known=basis.known,
        qualified=qualified,
        tests=basis.tests,
        scenarios=numbers.listing(spoken) if spoken else numbers.UNKNOWN,
        pairs=basis.pairs,
        models=basis.models,
    )


def _reason(one: Qualified) -> str:
    """Why it stands there, with the tests behind it that one can look up."""
    if one.published is None or one.standing is not None:
        return said(one.reason)
    tests = ngettext("{count:,} published test", "{count:,} published tests", one.published.tests).format(
        count=one.published.tests
    )
    return _("{reason}. {tests}: {evidence}").format(
        reason=said(one.reason), tests=tests, evidence=_("; ").join(map(_evidence, one.published.evidence))
    )


def _evidence(one: Evidence) -> str:
    claim, rival = one.claim, one.rival
    how = _(", ").join(part for part in (claim.subset, claim.setting, claim.measured_by) if part)
    if one.level:
        template = _("{benchmark} {value:g} ({how}), level with {rival} with {ahead:g}")
    elif one.place < one.of:
        template = _("{benchmark} {value:g} ({how}), before {rival} with {ahead:g}")
    else:
        template = _("{benchmark} {value:g} ({how}), behind {rival} with {ahead:g}")
    return template.format(benchmark=one.benchmark, value=claim.value, how=how, rival=rival.model, ahead=rival.value)


def _ahead(published: Published | None) -> str:
    if published is None:
        return numbers.UNKNOWN
    share, low, high = published.ahead
    return _("{share:.0%} ({low:.0%} to {high:.0%})").format(share=share, low=low, high=high)


def _cost_head(needs: Needs) -> str:
    if needs.input_tokens is None or needs.output_tokens is None:
        return _("$ in / out")
    return _("$ a month") if needs.requests_per_month is not None else _("$ a call")


def _cost(one: Qualified, needs: Needs) -> str:
    supply = one.supply
    if supply is None:
        return numbers.UNKNOWN
    if needs.input_tokens is None or needs.output_tokens is None:
        return f"{words.usd(supply.input_usd)} / {words.usd(supply.output_usd)}"
    usd = supply.usd_per_month if needs.requests_per_month is not None else supply.usd_per_call
    return f"≥ {words.usd(usd)}" if usd is not None and is_lower_end(one, needs) else words.usd(usd)


def _standing(standing: Standing | None) -> str:
    if standing is None:
        return numbers.UNKNOWN
    place = numbers.places((standing.best_rank, standing.worst_rank))
    return _("{value:g} (place {place})").format(value=standing.claim.value, place=place)


# Who does not ---------------------------------------------------------------------------------------------------------


def _excluded(found: Shortlist, per_limit: int | None) -> Iterator[Block]:
    rows: list[Sequence[str]] = []
    for limit, group in groupby(found.excluded, key=lambda one: one.check.limit):
        left_out = list(group)
        shown = left_out if per_limit is None else _worth_showing(left_out, per_limit)
        rows += [
            (limit_name(limit) if at == 0 else "", one.model, said_of(one.check), _further(one))
            for at, one in enumerate(shown)
        ]
        if len(left_out) > len(shown):
            rows.append(("", _("… {count:,} more").format(count=len(left_out) - len(shown)), "", ""))
    if rows:
        yield Table((_("Limit"), _("Model"), _("How far off"), _("Others missed")), rows, numbers=frozenset({3}))


def _worth_showing(left_out: Sequence[Excluded], count: int) -> list[Excluded]:
    """Those that miss nothing else first; then as they come, the closest first."""
    return sorted(left_out, key=lambda one: (one.further is None, one.further or 0))[:count]


def _further(one: Excluded) -> str:
    return numbers.UNKNOWN if one.further is None else str(one.further)


def _relaxed(found: Shortlist) -> Iterator[Block]:
    rows = [
        (
            limit_name(one.limit),
            f"{len(one.models):,}",
            nearest(one, found.needs),
            _few(one.models),
        )
        for one in found.relaxed
    ]
    if rows:
        heads = (_("Limit"), _("Back without it"), _("The first comes back at"), _("Who"))
        yield Table(heads, rows, numbers=frozenset({1}))


def _few(models: Sequence[str]) -> str:
    """The first three, and how many others there are."""
    if len(models) <= 3:
        return numbers.listing(models)
    shown = _(", ").join(models[:3])
    return _("{models} and {count:,} more").format(models=shown, count=len(models) - 3)


def _advice(one: Advice) -> str:
    return _("{sentence} [{rule}; {source}]").format(sentence=said(one.reason), rule=one.rule, source=one.source)


def _rests_on(found: Shortlist) -> Iterator[Reason]:
    first = found.qualified[0].supply if found.qualified else None
    if first is not None:
        source = first.offer.source if first.offer.as_of is None else f"{first.offer.source}, {first.offer.as_of}"
        template = _("prices of the first: {source}")
        yield Reason(template=template, values={"source": source})
