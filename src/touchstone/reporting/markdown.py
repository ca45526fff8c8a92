"""A short Markdown summary for a pull request: verdict, table, the pairs that matter, gate, caveats, how to repeat."""

from __future__ import annotations

import re
from contextvars import copy_context

from touchstone.language import _, set_language
from touchstone.reporting import figures, numbers, race, sentences, words
from touchstone.reporting.base import ReportData
from touchstone.reporting.ranking import difference, find
from touchstone.reporting.text import markdown

_PAIRS = 5
"""As many pairs are told; the report has all."""


def render_markdown(data: ReportData, language: str = "en") -> str:
    """The summary in `language` (`en` or `zh`); the caller's own language stays as it is."""
    return copy_context().run(_render, data, language)


def _render(data: ReportData, language: str) -> str:
    set_language(language)
    comparison = data.comparison
    blocks = [
        f"## {markdown(comparison.task.name)}: {markdown(sentences.headline(comparison))}",
        markdown(sentences.explanation(comparison)),
        _bullets(sentences.evidence(data)),
        markdown(race.paragraph(data)) if race.is_race(comparison) else "",
        _table(data),
        _section(_("Pairs"), _pairs(data)),
        _gate(data),
        _section(_("Ruled out"), _rejected(data)),
        _section(_("Before you rely on it"), _caveats(data)),
        f"**{_('How to repeat it')}**\n\n{_commands(data)}",
        _last_line(data),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _table(data: ReportData) -> str:
    heads = [
        "#",
        _("Candidate"),
        _("Score"),
        _("Interval"),
        "n",
        _("Rank"),
        _("Unparsed"),
        _("Cost per case"),
        _("95% within"),
        "",
    ]
    lines = [heads, ["--:", "---", "--:", "--:", "--:", "--:", "--:", "--:", "--:", "---"]]
    for row in figures.rows(data):
        candidate, estimate = row.candidate, row.candidate.estimate
        name = markdown(candidate.name)
        lines.append(
            [
                str(row.number),
                f"**{name}**" if row.role == "chosen" else name,
                numbers.percent(estimate.mean) if estimate else numbers.UNKNOWN,
                numbers.interval(estimate.low, estimate.high) if estimate else numbers.UNKNOWN,
                numbers.count(estimate.n) if estimate else "0",
                numbers.places(candidate.rank),
                numbers.count(candidate.outcomes.unparsed),
                markdown(numbers.money(candidate.cost.per_case_usd)),
                numbers.seconds(candidate.latency_s.p95),
                words.role_name(row.role),
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _pairs(data: ReportData) -> list[str]:
    comparison = data.comparison
    centre = comparison.decision.chosen or comparison.decision.leader
    if find(comparison, centre) is None or centre is None:
        return []
    found = []
    for row in figures.rows(data):
        pair = difference(comparison.pairs, centre, row.candidate.name) if row.candidate.name != centre else None
        if pair is not None:
            found.append(sentences.compared(pair, comparison.statistics.confidence))
    return found[:_PAIRS]


def _gate(data: ReportData) -> str:
    gate = data.comparison.gate
    if gate is None:
        return ""
    title = _("Gate: passed") if gate.passed else _("Gate: not met")
    lines = [f"- [{'x' if check.passed else ' '}] {markdown(sentences.full(check.text))}" for check in gate.checks]
    return "\n".join([f"**{title}**", "", *lines])


def _rejected(data: ReportData) -> list[str]:
    return [
        _("{name}: {reason}").format(name=rejected.candidate, reason=sentences.full(rejected.reason))
        for rejected in data.comparison.decision.rejected
    ]


def _caveats(data: ReportData) -> list[str]:
    found = [*sentences.caveats(data.comparison), *(sentences.full(note) for note in data.comparison.warnings)]
    if data.judge is not None and not data.judge.validated:
        found.append(_("The judge is not validated: nobody compared its verdicts with people's labels."))
    return list(dict.fromkeys(found))


def _commands(data: ReportData) -> str:
    body = "\n".join([data.reproduction.command, *data.reproduction.further])
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{body}\n{fence}"


def _last_line(data: ReportData) -> str:
    comparison = data.comparison
    return _("{cases} cases, {calls} calls, {usd} spent. Comparison {id}, {date}.").format(
        cases=numbers.count(comparison.task.cases),
        calls=numbers.count(comparison.calls.made),
        usd=markdown(numbers.money(comparison.spent_usd)),
        id=markdown(comparison.comparison_id),
        date=numbers.day(comparison.created),
    )


def _section(title: str, lines: list[str]) -> str:
    return f"**{title}**\n\n{_bullets(lines)}" if lines else ""


def _bullets(lines: list[str] | tuple[str, ...]) -> str:
    return "\n".join(f"- {markdown(line)}" for line in lines)
