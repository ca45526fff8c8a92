"""The ladder as a page: which way pays, what each brings and costs, whether more data would, what would change it."""

from __future__ import annotations

from collections.abc import Iterator

from touchstone.decision.ladder_base import FEWEST_COMMON, Ladder, Rung, Stretch
from touchstone.decision.ladder_costs import usd_by_month
from touchstone.decision.what_if import Changed
from touchstone.language import _, ngettext
from touchstone.reporting import numbers
from touchstone.reporting.curve_chart import curve_chart
from touchstone.reporting.improve_nouns import Improvement
from touchstone.reporting.improve_plan_page import plan_blocks, way_name
from touchstone.reporting.line_parts import LINES
from touchstone.reporting.months_chart import months_chart
from touchstone.reporting.notes import Note
from touchstone.reporting.pages import Block, Bullets, Fact, Facts, Page, Paragraph, Picture, Section, Table
from touchstone.reporting.scales import cost_scale, linear_scale
from touchstone.reporting.scatter import Point, scatter
from touchstone.reporting.sentences import full, in_a_row
from touchstone.reporting.words import KINDS


def improve_page(found: Improvement) -> Page:
    """The whole answer."""
    return Page(
        title=_("What improves {task}").format(task=found.plan.task),
        kicker=_("Improve"),
        lead=_lead(found),
        warnings=[full(_shortened(note)) for note in found.comparison.warnings],
        sections=improve_sections(found),
        closing=_("Comparison {id}, {day}. All scores, pairs and answers: touchstone report {id}").format(
            id=found.comparison.comparison_id, day=numbers.day(found.comparison.created)
        ),
    )


def improve_sections(found: Improvement) -> list[Section]:
    """Its parts; without a plan nothing is said of why a way was tried."""
    sections = (
        Section(_("The ladder"), list(_ladder(found)), "ladder"),
        Section(_("Whether more examples would pay"), list(_curves(found)), "curves"),
        Section(_("What changes when"), list(_changes(found)), "changes"),
        Section(_("What was tried, and why"), list(plan_blocks(found.plan)), "plan"),
        Section(_("What the numbers rest on"), [_rests_on(found)], "assumed"),
    )
    return [one for one in sections if one.blocks]


def _lead(found: Improvement) -> str:
    ladder = found.ladder
    if ladder.pays is None and ladder.best is not None:
        return _("Not enough evidence to say which pays: {why}.").format(why=ladder.why.text(_))
    said = full(Note(template=ladder.why.template, values=ladder.why.values))
    chosen = found.comparison.decision.chosen
    if ladder.pays is None or chosen == ladder.pays or all(chosen != rung.candidate for rung in ladder.rungs):
        return said
    return in_a_row((said, _two_questions(found, str(chosen), ladder.pays)))


def _two_questions(found: Improvement, chosen: str, pays: str) -> str:
    """Why the decision of the same comparison names another one: it was asked something else."""
    # Only the goal `cheapest-within` lists who is within.
    if found.comparison.decision.within:
        template = _(
            "The decision of this comparison takes {chosen} and not {pays}, because it goes by what answers cost to "
            "buy; the ladder adds what making, making again and your machine's time cost over {months:g} months."
        )
    else:
        template = _(
            "The decision of this comparison takes {chosen} and not {pays}, because its goal is the best score, and "
            "between those that cannot be told apart it goes by what answers cost to buy and by speed; the ladder asks "
            "who pays, and adds what making, making again and your machine's time cost over {months:g} months."
        )
    return template.format(chosen=chosen, pays=pays, months=found.ladder.stretch.months)


_ROWS = ("rows", "others")
"""Values of a note that name cases, one after another."""
_NAMED = 3


def _shortened(note: Note) -> Note:
    """The note with the first of the rows it names; all of them are in the JSON result."""
    values = dict(note.values)
    for name in _ROWS:
        rows = str(values.get(name, "")).split(", ")
        if len(rows) > _NAMED + 1:
            values[name] = ", ".join((*rows[:_NAMED], "…"))
    return note.model_copy(update={"values": values})


# The ladder -----------------------------------------------------------------------------------------------------------


def _ladder(found: Improvement) -> Iterator[Block]:
    ladder = found.ladder
    chosen = frozenset(place for place, rung in enumerate(ladder.rungs) if rung.candidate == ladder.pays)
    # Only where somebody failed to answer is there something to show.
    failed = any(rung.no_answer for rung in ladder.rungs)
    more = (_("No answer"),) if failed else ()
    heads = ("", _("Candidate"), _("Way"), _("Score"), *more, _("Gain in points"), _("p50"), _("In all"))
    rows = [
        (
            str(number),
            # In words, since not every reader sees how a row is marked.
            _("{candidate} (pays)").format(candidate=rung.candidate)
            if rung.candidate == ladder.pays
            else rung.candidate,
            way_name(rung.way),
            _score(rung),
            *((_failed(rung),) if failed else ()),
            _gain(rung),
            numbers.seconds(rung.latency_p50_s),
            "–" if rung.total is None else numbers.money(rung.total.usd),
        )
        for number, rung in enumerate(ladder.rungs, start=1)
    ]
    right = frozenset({0, 3, *((5, 6, 7) if failed else (4, 5, 6))})
    yield Table(heads, rows, right, marked=chosen, note=_note(found))
    for rung in ladder.rungs:
        for reason in rung.blocked:
            yield Paragraph(f"{rung.candidate}: {reason.text(_)}", "warning")
    for picture in (ladder_picture(ladder), months_picture(ladder)):
        if picture is not None:
            yield picture
    heads = (
        "",
        _("Candidate"),
        _("To make it"),
        _("Labelled"),
        _("1,000 requests"),
        _("Against the baseline"),
        _("A further right answer"),
    )
    rows = [
        (
            str(number),
            rung.candidate,
            _making(rung),
            numbers.count(rung.making.labelled_cases) if rung.making.labelled_cases else "–",
            numbers.money(None if rung.usd_per_request is None else 1_000 * rung.usd_per_request),
            _crossing(rung, ladder),
            _further_right(rung, ladder),
        )
        for number, rung in enumerate(ladder.rungs, start=1)
    ]
    yield Table(heads, rows, frozenset({0, 2, 3, 4, 6}), marked=chosen, title=_("What it costs"))


def _score(rung: Rung) -> str:
    if rung.score is None:
        return "–"
    return f"{numbers.percent(rung.score.mean)} ({numbers.interval(rung.score.low, rung.score.high)})"


def _failed(rung: Rung) -> str:
    """How answers failed, with their share of what was asked."""
    said = [f"{_(KINDS[kind])} {_share(share)}" for kind, share in rung.no_answer.items()]
    return _(", ").join(said) or "–"


def _share(share: float) -> str:
    """A share above 0, which is never written as 0."""
    return f"< {numbers.percent(0.001)}" if share < _SMALLEST_SHARE else numbers.percent(share)


_SMALLEST_SHARE = 0.0005


def _gain(rung: Rung) -> str:
    if rung.blocked:
        return _("not to be claimed")
    if rung.gain is None:
        if not rung.common_cases:
            return "–"
        return ngettext("not known ({count} case)", "not known ({count} cases)", rung.common_cases).format(
            count=rung.common_cases
        )
    text = f"{numbers.points(rung.gain.mean)} ({numbers.points_range(rung.gain.low, rung.gain.high)})"
    return text if rung.gain.shown or rung.gain.shown_worse else f"{text} ≈"


def _making(rung: Rung) -> str:
    """What it took: nothing, or money and time."""
    usd, seconds = rung.making.usd, rung.making.seconds
    if usd == 0 and seconds == 0:
        return _("nothing")
    return f"{numbers.money(usd)}, {numbers.seconds(seconds)}"


def _further_right(rung: Rung, ladder: Ladder) -> str:
    """What a further right answer costs; in words where more of them cost less."""
    if rung.usd_per_further_right is not None:
        return numbers.money(rung.usd_per_further_right)
    own, other = rung.total, ladder.rung(ladder.baseline).total
    gains = rung.gain is not None and rung.gain.shown and not rung.blocked
    return _("better and cheaper") if gains and own and other and own.usd < other.usd else "–"


def _crossing(rung: Rung, ladder: Ladder) -> str:
    if rung.break_even == "level":
        made, other = rung.making.usd or 0.0, ladder.rung(ladder.baseline).making.usd or 0.0
        if made == other:
            return _("about the same")
        more = _("about the same a request, dearer to make")
        return more if made > other else _("about the same a request, cheaper to make")
    at = None if rung.break_even_requests is None else f"{rung.break_even_requests:,.0f}"
    words = {
        "baseline": _("the baseline"),
        "cheaper": _("never dearer"),
        "dearer": _("never cheaper"),
        "from": _("cheaper from {requests} requests on"),
        "until": _("cheaper up to {requests} requests"),
        "unknown": "–",
    }
    return words[rung.break_even].format(requests=at)


def _note(found: Improvement) -> str:
    ladder = found.ladder
    parts = [_("Gain: against {baseline} on common cases; ≈ may be chance.").format(baseline=ladder.baseline)]
    if any(rung.gain is None and rung.common_cases and not rung.blocked for rung in ladder.rungs):
        parts.append(
            _(
                "Not known: fewer than {count} of them, as where a race asked one no more; --full asks everybody."
            ).format(count=FEWEST_COMMON)
        )
    stretch = ladder.stretch
    if stretch.requests_per_month is not None:
        parts.append(
            _("In all: making it, and {requests} requests a month for {months:g} months.").format(
                requests=f"{stretch.requests_per_month:,.0f}", months=stretch.months
            )
        )
        if stretch.facts_change_days is not None and any(rung.making.renewal == "again" for rung in ladder.rungs):
            parts.append(
                ngettext(
                    "Facts change every {days:g} days, so what learned them is made again {count} time.",
                    "Facts change every {days:g} days, so what learned them is made again {count} times.",
                    stretch.renewals,
                ).format(days=stretch.facts_change_days, count=stretch.renewals)
            )
    if any(rung.machine_usd_per_request is not None for rung in ladder.rungs):
        parts.append(
            _(
                "What runs on your machine is priced by the mean time of a request in this run; beside other programs "
                "it takes longer."
            )
        )
    elif found.machine_usd_per_hour is None and any(rung.usd_per_request is None for rung in ladder.rungs):
        parts.append(
            _(
                "What runs on your machine costs its time, which has no price here: set machine_usd_per_hour under "
                "improve in the task file."
            )
        )
    if ladder.level and ladder.pays is not None:
        parts.append(
            _("As good as {pays}, and about as cheap: {named}.").format(
                pays=ladder.pays, named=numbers.listing(ladder.level)
            )
        )
    return in_a_row(parts)


def ladder_picture(ladder: Ladder) -> Picture | None:
    """Score against total cost; against the cost of a request without a volume, and nothing where neither is known."""
    over_time = any(rung.total is not None for rung in ladder.rungs)
    points = [
        Point(
            number,
            rung.candidate,
            (None if rung.total is None else rung.total.usd) if over_time else rung.usd_per_request,
            rung.score.mean if rung.score and not rung.blocked else None,
            rung.score.low if rung.score else None,
            rung.score.high if rung.score else None,
            chosen=rung.candidate == ladder.pays,
        )
        for number, rung in enumerate(ladder.rungs, start=1)
    ]
    placed = [point for point in points if point.cost_usd is not None and point.mean is not None]
    if len(placed) < 2 or len({point.cost_usd for point in placed}) < 2:
        return None
    title = _("Score against total cost at your volume") if over_time else _("Score against the cost of a request")
    caption = _(
        "Further left is cheaper, higher is better; the line is what no cheaper candidate beats. Numbers are the rows "
        "of the table, bars are intervals."
    )
    ends = [end for point in placed for end in (point.low, point.high)]
    drawn = scatter(
        points,
        cost_scale(point.cost_usd for point in placed),
        linear_scale(ends, ceiling=1.0),
        write_cost=numbers.money_tick,
        write_score=lambda value: numbers.percent(value, 0),
        label=title,
    )
    return Picture(title, caption, drawn)


def months_picture(ladder: Ladder) -> Picture | None:
    """What each way has cost by each month; those first between which the choice is."""
    first = [rung for rung in ladder.rungs if rung.candidate in (ladder.pays, ladder.baseline, ladder.best)]
    others = [rung for rung in ladder.rungs if rung not in first]
    order = [*first, *sorted(others, key=lambda rung: (not rung.on_front, bool(rung.blocked)))]
    lines = [(rung.candidate, usd_by_month(rung, ladder.stretch)) for rung in order]
    caption = _("Each line begins with what making it costs; a step is its being made again because facts changed.")
    return months_chart(
        [(name, points) for name, points in lines if points][:LINES],
        write=numbers.money_tick,
        title=_("Cost over the months"),
        caption=caption,
    )


# More data, and what changes ------------------------------------------------------------------------------------------


def _curves(found: Improvement) -> Iterator[Block]:
    if not found.curves:
        yield Paragraph(
            _("No way was measured with two numbers of examples, so nothing is said; sweep them to find out.")
        )
        return
    yield Bullets([f"{curve.name}: {curve.said.text(_)}" for curve in found.curves])
    for kind, title in (("shown", _("Score by examples shown")), ("learned", _("Score by examples learned from"))):
        picture = curve_chart(
            [curve for curve in found.curves if curve.kind == kind],
            write=lambda value: numbers.percent(value, 0),
            title=title,
            caption=_("Bars are intervals; numbers of examples stand at even distances."),
        )
        if picture is not None:
            yield picture


def _changes(found: Improvement) -> Iterator[Block]:
    rows = [
        (
            change.what.text(_),
            change.pays or _("nobody"),
            numbers.money(change.usd),
            _("another") if change.turns else _("the same"),
        )
        for change in found.changes
    ]
    if rows:
        marked = frozenset(place for place, change in enumerate(found.changes) if change.turns)
        heads = (_("If"), _("then this pays"), _("In all"), _("Against today"))
        yield Table(heads, rows, frozenset({2}), marked=marked)
    if found.after is not None and not found.after.finished:
        yield Paragraph(
            _(
                "After the facts changed it was not measured to the end, so nothing is said of who is stale; the same "
                "command goes on from there."
            ),
            "warning",
        )
    for change in found.changes:
        if change.scores:
            yield from _after_the_facts(change, found.ladder)


def _after_the_facts(change: Changed, ladder: Ladder) -> Iterator[Block]:
    rows = []
    for rung in ladder.rungs:
        after = change.scores.get(rung.candidate)
        if after is None:
            continue
        rows.append(
            (
                rung.candidate,
                _score(rung),
                f"{numbers.percent(after.mean)} ({numbers.interval(after.low, after.high)})",
                _("stale") if rung.candidate in change.stale else "",
            )
        )
    stale = frozenset(place for place, row in enumerate(rows) if row[3])
    yield Table(
        (_("Candidate"), _("Before"), _("After the facts changed"), ""),
        rows,
        frozenset({1, 2}),
        marked=stale,
        title=_("After the facts changed"),
        note=_("Stale: shown to be worse on the cases of the new facts than on those of the old ones."),
    )


def _rests_on(found: Improvement) -> Block:
    stretch = found.ladder.stretch
    return Facts([Fact(name, value) for name, value in _assumed(stretch, found)])


def _assumed(stretch: Stretch, found: Improvement) -> Iterator[tuple[str, str]]:
    unknown = _("not given")
    volume = stretch.requests_per_month
    yield _("Requests a month"), unknown if volume is None else f"{volume:,.0f}"
    yield _("Time looked at"), _("{months:g} months").format(months=stretch.months)
    days = stretch.facts_change_days
    yield _("Facts change"), unknown if days is None else _("every {days:g} days").format(days=days)
    hourly = found.machine_usd_per_hour
    yield _("An hour of your machine"), unknown if hourly is None else numbers.money(hourly)
    yield _("Paid for answers and building"), numbers.money(found.comparison.spent_usd)
    if found.after is not None:
        yield _("Paid once more after the facts changed"), numbers.money(found.after.spent_usd)
    yield _("Baseline"), found.ladder.baseline
    yield _("Cases"), numbers.count(found.comparison.task.cases)
