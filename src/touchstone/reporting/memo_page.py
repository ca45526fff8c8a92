"""
A decision as a memo that people forward: question, answer, options, evidence, cost, risks, what would change it.

Everything in it is in the report too; the memo leaves out what only engineers ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from touchstone.decision.base import Volume
from touchstone.decision.projection import usd_per_month
from touchstone.language import _, ngettext
from touchstone.reporting import figures, numbers, sentences, words
from touchstone.reporting.base import CandidateResult, ReportData
from touchstone.reporting.figures import Row
from touchstone.reporting.pages import Block, Bullets, Fact, Facts, Page, Paragraph, Picture, Section, Table
from touchstone.reporting.ranking import difference, find
from touchstone.reporting.scatter import placed

_DECADES = (0.1, 1.0, 10.0)
"""Volumes that the cost is told at, as multiples of the user's."""
USUAL_REQUESTS = 10_000
"""A volume to tell costs at, where nobody named one."""
_QUOTED = 400
"""Characters of the instruction that are quoted."""
_PASSED_OVER = 4
"""Of so many who were not chosen it is said why; the report tells of all."""


def memo_page(data: ReportData) -> Page:
    """The memo, in the language that is set; costs are told at the volume that the decision was made for."""
    comparison = data.comparison
    rows = figures.rows(data)
    return Page(
        title=sentences.headline(comparison),
        lead=sentences.explanation(comparison),
        kicker=_("Decision: {task}").format(task=comparison.task.name),
        sections=[
            Section(_("The question"), list(_question(data)), "question"),
            Section(_("The options"), list(_options(data, rows)), "options"),
            Section(_("The evidence"), list(_evidence(data, rows)), "evidence"),
            Section(_("What it costs"), list(_cost(data, rows)), "cost"),
            Section(_("Risks"), list(_risks(data)), "risks"),
            Section(_("What would change it"), [Bullets(list(_changes(data)))], "changes"),
        ],
        closing=_("Comparison {id}, {date}.").format(id=comparison.comparison_id, date=numbers.day(comparison.created)),
    )


def _question(data: ReportData) -> Iterator[Block]:
    comparison = data.comparison
    asked = data.instruction.strip()
    if asked:
        short = asked if len(asked) <= _QUOTED else asked[:_QUOTED].rstrip() + " …"
        yield Paragraph(_("Which of these does this best? {instruction}").format(instruction=short))
    facts = [
        Fact(_("Goal"), words.goal_sentence(data.goal)),
        Fact(_("Cases"), numbers.count(comparison.task.cases)),
        Fact(_("Scored by"), numbers.listing([scorer.name for scorer in data.scorers if scorer.decides]) or "–"),
    ]
    if data.constraints:
        facts.append(Fact(_("Conditions"), _(", ").join(f"{one.name}: {one.limit}" for one in data.constraints)))
    if data.requests_per_month:
        facts.append(
            Fact(_("Volume"), _("{count} requests a month").format(count=numbers.count(data.requests_per_month)))
        )
    yield Facts(facts)


def _options(data: ReportData, rows: Sequence[Row]) -> Iterator[Block]:
    heads = [
        "#",
        _("Candidate"),
        _("Model"),
        _("Way"),
        _("Score"),
        _("Interval"),
        "n",
        _("Cost per case"),
        _("95% within"),
        "",
    ]
    yield Table(
        heads,
        [
            [
                str(row.number),
                row.candidate.name,
                row.candidate.model,
                words.strategy_name(row.candidate.strategy),
                numbers.percent(row.candidate.estimate.mean) if row.candidate.estimate else numbers.UNKNOWN,
                numbers.interval(row.candidate.estimate.low, row.candidate.estimate.high)
                if row.candidate.estimate
                else numbers.UNKNOWN,
                numbers.count(row.candidate.estimate.n) if row.candidate.estimate else "0",
                numbers.money(row.candidate.cost.per_case_usd),
                numbers.seconds(row.candidate.latency_s.p95),
                words.role_name(row.role) if row.role else "",
            ]
            for row in rows
        ],
        numbers=frozenset({0, 4, 5, 6, 7, 8}),
        marked=frozenset(at for at, row in enumerate(rows) if row.role == "chosen"),
    )
    rejected = [
        _("{name}: {reason}").format(name=one.candidate, reason=sentences.full(one.reason))
        for one in data.comparison.decision.rejected
    ]
    if rejected:
        yield Paragraph(_("Ruled out by the conditions:"))
        yield Bullets(rejected)


def _evidence(data: ReportData, rows: Sequence[Row]) -> Iterator[Block]:
    yield Bullets(list(sentences.evidence(data)))
    points = figures.cost_points(rows)
    drawn = figures.cost_chart(rows, points) if any(placed(point) for point in points) else None
    if drawn is not None:
        yield Picture(
            _("Score against cost"),
            _("Further up is better, further left is cheaper; whiskers are intervals, numbers are the rows above."),
            drawn,
        )


def _cost(data: ReportData, rows: Sequence[Row]) -> Iterator[Block]:
    told = data.requests_per_month or USUAL_REQUESTS
    if data.requests_per_month is None:
        yield Paragraph(
            _("Nobody has said how many requests there will be; these are costs at {count} a month.").format(
                count=numbers.count(round(told))
            ),
            "quiet",
        )
    chosen = data.comparison.decision.chosen
    multiples = [told * factor for factor in _DECADES]
    heads = [_("Candidate"), *(_("{count} requests").format(count=numbers.count(round(count))) for count in multiples)]
    yield Table(
        heads,
        [
            [row.candidate.name, *(_at(row.candidate, count) for count in multiples)]
            for row in rows
            if row.candidate.estimate is not None
        ],
        numbers=frozenset({1, 2, 3}),
        marked=frozenset(
            at
            for at, row in enumerate([one for one in rows if one.candidate.estimate is not None])
            if row.candidate.name == chosen
        ),
        note=_("USD a month, from the mean cost of a case; the brackets are the ends of its interval."),
    )


def _at(candidate: CandidateResult, requests: float) -> str:
    mean, low, high = usd_per_month(candidate.cost, Volume(requests_per_month=requests))
    if mean is None:
        return numbers.UNKNOWN
    if low is None or high is None or low >= high:
        return numbers.money(mean)
    return _("{mean} ({low} to {high})").format(
        mean=numbers.money(mean), low=numbers.money(low), high=numbers.money(high)
    )


def _risks(data: ReportData) -> Iterator[Block]:
    comparison = data.comparison
    risks = [*sentences.caveats(comparison), *(sentences.full(note) for note in comparison.warnings)]
    if data.judge is not None and not data.judge.fit:
        risks.insert(0, _("The judge failed its control rows: no ranking may rest on its verdicts."))
    elif data.judge is not None and not data.judge.validated:
        risks.append(_("The judge is not validated: nobody compared its verdicts with people's labels."))
    chosen = find(comparison, comparison.decision.chosen)
    unusable = 0 if chosen is None else chosen.outcomes.strict_n - chosen.outcomes.scored
    if chosen is not None and unusable:
        risks.append(
            ngettext(
                "{count} of {all} answers of {name} could not be used; it counts as wrong.",
                "{count} of {all} answers of {name} could not be used; they count as wrong.",
                unusable,
            ).format(count=numbers.count(unusable), all=numbers.count(chosen.outcomes.strict_n), name=chosen.name)
        )
    yield Bullets(list(dict.fromkeys(risks)) or [_("Nothing was found that stands against it.")])


def _changes(data: ReportData) -> Iterator[str]:
    comparison = data.comparison
    decision, chosen = comparison.decision, find(comparison, comparison.decision.chosen)
    if decision.cases_needed:
        yield _("More cases: about {n} would decide what these {cases} leave open.").format(
            n=numbers.count(decision.cases_needed), cases=numbers.count(comparison.task.cases)
        )
    yield from _closest(data)
    yield from _too_much_traffic(data, chosen)
    for one in decision.passed_over[:_PASSED_OVER]:
        yield _("{name}: {reason}").format(name=one.candidate, reason=sentences.full(one.reason))
    yield _(
        "A new version of a model under the same name, a new price, or other traffic than these cases: measure again, "
        "the same command asks only what is new."
    )
    if decision.expires:
        yield _("Time: this evidence is to be measured again by {date}.").format(date=numbers.day(decision.expires))


def _too_much_traffic(data: ReportData, chosen: CandidateResult | None) -> Iterator[str]:
    """From which volume on the chosen one would cost more than the task allows, by the careful end."""
    limit = next((one.limit for one in data.constraints if one.name == "max_usd_per_month"), None)
    if chosen is None or limit is None:
        return
    mean, _low, high = usd_per_month(chosen.cost, Volume(requests_per_month=1.0))
    careful = high or mean
    try:
        most = float(limit) / careful if careful else 0.0
    except ValueError:
        return
    if most > 0:
        yield _("More traffic: from about {count} requests a month, {name} would cost more than allowed.").format(
            count=numbers.count(round(most)), name=chosen.name
        )


def _closest(data: ReportData) -> Iterator[str]:
    """Who is nearest, and by how much it would have to be better."""
    comparison = data.comparison
    centre = comparison.decision.chosen or comparison.decision.leader
    if centre is None:
        return
    known = [
        (pair, row.candidate.name)
        for row in figures.rows(data)
        if row.candidate.name != centre
        and (pair := difference(comparison.pairs, centre, row.candidate.name)) is not None
    ]
    if known:
        pair, name = min(known, key=lambda entry: abs(entry[0].difference))
        yield _(
            "Its nearest rival: {name} is {points} points from {chosen}, in truth {range} ({confidence} confidence)."
        ).format(
            name=name,
            chosen=centre,
            points=numbers.points(-pair.difference),
            range=numbers.points_range(-pair.high, -pair.low),
            confidence=numbers.percent(comparison.statistics.confidence, 0),
        )
