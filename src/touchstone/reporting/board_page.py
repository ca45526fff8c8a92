"""Published rankings as pages: all of one test, and those that speak for a use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from touchstone.catalog.claims import Benchmark
from touchstone.catalog.costs import INPUT_SHARE
from touchstone.catalog.query import Hit
from touchstone.evaluation.leaderboard_nouns import Board, Difference, Leaderboard, Place, ScenarioBoards
from touchstone.language import N_, _, current_language, ngettext
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.card_results import benchmark_name, interval, score
from touchstone.reporting.pages import Block, Bullets, Page, Paragraph, Section, Table, without_empty

_SOURCES = 4
"""So many are named under a ranking."""

_DIFFERENCES = {
    "date": N_("measured between {first} and {last}"),
    "harness_version": N_("versions of the program from {first} to {last}"),
    "questions": N_("on {first} to {last} questions"),
    "mode": N_("models set differently ({all})"),
    "source": N_("restated from several sources ({all})"),
}

_FEATURES = {
    "date": N_("date"),
    "harness_version": N_("version of the program"),
    "questions": N_("number of questions"),
    "mode": N_("how a model was set"),
    "source": N_("source"),
}


def benchmark_page(
    found: Leaderboard, models: Mapping[str, Hit], today: date, *, top: int | None = None, charts: bool = False
) -> Page:
    """
    One benchmark: what it asks and what is wrong with it, then a ranking for each condition.

    Args:
        found: All rankings.
        models: What a list shows of the models in them, for names, prices and dates.
        today: Whose prices, and what is retired by then.
        top: Rows shown of each ranking; None shows all.
        charts: Whether to draw score against price and against date.
    """
    benchmark = found.benchmark
    language = current_language()
    about: list[Block] = [Paragraph(benchmark.explanation.in_language(language))]
    if benchmark.known_issues:
        about.append(Paragraph(_("Known issues: {text}").format(text=benchmark.known_issues.in_language(language))))
    about.append(Paragraph(_facts_of(benchmark), tone="quiet"))
    sections = [Section(_("What it asks"), about, anchor="about")]
    rankings = [board for board in found.boards if len(board.places) > 1]
    sections += [
        Section(
            heading(board),
            _board_blocks(benchmark, board, models, today, top=top, charts=charts),
            anchor=f"board{number}",
        )
        for number, board in enumerate(rankings, 1)
    ]
    alone = [board for board in found.boards if len(board.places) == 1]
    if alone:
        sections.append(Section(_("Results that stand alone"), _alone(benchmark, alone), anchor="alone"))
    return Page(
        kicker=_("Benchmark"),
        title=benchmark_name(benchmark.id) if benchmark.name_zh else benchmark.name,
        lead=ngettext(
            "{n} ranking. Rankings are never joined: each has its own program, prompt and measurer.",
            "{n} rankings. They are never joined: each has its own program, prompt and measurer.",
            len(rankings),
        ).format(n=len(rankings))
        if rankings
        else _("No two results are known that were measured alike."),
        sections=sections,
        closing=_closing(today),
    )


def scenario_page(found: ScenarioBoards, models: Mapping[str, Hit], today: date, *, top: int | None = None) -> Page:
    """
    The longest ranking of each test that speaks for a use, with what the test has in common with it and misses.

    Args:
        found: The rankings.
        models: As for `benchmark_page`.
        today: Whose prices, and what is retired by then.
        top: Rows shown of each ranking; None shows all.
    """
    language = current_language()
    sections = []
    for fit, board in zip(found.scenario.benchmarks, found.leaderboards, strict=True):
        blocks: list[Block] = [
            Paragraph(fit.why.in_language(language)),
            Paragraph(_("It misses: {text}").format(text=fit.misses.in_language(language))),
        ]
        ranked = [one for one in board.boards if one.places]
        if ranked:
            blocks.append(Paragraph(heading(ranked[0]), tone="quiet"))
            blocks += _board_blocks(board.benchmark, ranked[0], models, today, top=top, charts=False)
        else:
            blocks.append(Paragraph(_("No result is known here."), tone="quiet"))
        further = len(ranked) - 1
        if further > 0:
            more = ngettext(
                "{n} further ranking, not comparable with it: touchstone catalog benchmarks {benchmark}",
                "{n} further rankings, not comparable with it: touchstone catalog benchmarks {benchmark}",
                further,
            )
            blocks.append(Paragraph(more.format(n=further, benchmark=fit.benchmark), tone="quiet"))
        sections.append(Section(benchmark_name(fit.benchmark), blocks, anchor=f"test-{fit.benchmark}"))
    return Page(
        kicker=_("Benchmarks by use"),
        title=found.scenario.name.in_language(language),
        lead=found.scenario.explanation.in_language(language),
        warnings=[
            _("There is no total: the scales are unlike. Only your own cases can say which model is best for you.")
        ],
        sections=sections,
        closing=_closing(today),
    )


def _closing(today: date) -> str:
    return _(
        "As known on {date}. $ per million: what a million tokens cost today at the cheapest seller, three in to one "
        "out, whatever version or mode was measured."
    ).format(date=numbers.day(today.isoformat()))


def _facts_of(benchmark: Benchmark) -> str:
    said = [
        _("{metric}, {better} is better").format(
            metric=words.metric(benchmark.metric), better=_("higher") if benchmark.higher_is_better else _("lower")
        )
    ]
    if benchmark.questions:
        said.append(_("{n} questions").format(n=numbers.count(benchmark.questions)))
    if benchmark.chance is not None:
        said.append(_("guessing scores {value}").format(value=score(benchmark.chance)))
    if benchmark.released:
        said.append(_("published {date}").format(date=benchmark.released))
    facts = _(", ").join(said)
    return _("{facts}. {address}").format(facts=facts[:1].upper() + facts[1:], address=benchmark.url)


def heading(board: Board) -> str:
    """Who measured, and under which conditions; the source where the program has no name."""
    who = _("Measured by us") if board.ours else _("Measured by {who}").format(who=board.measured_by)
    harness = board.harness or (board.places[0].claim.source if board.places else None)
    how = _(", ").join(part for part in (board.subset, board.setting, harness) if part)
    return _("{who}: {how}").format(who=who, how=how) if how else who


def _board_blocks(
    benchmark: Benchmark, board: Board, models: Mapping[str, Hit], today: date, *, top: int | None, charts: bool
) -> list[Block]:
    shown = board.places if top is None else board.places[:top]
    heads = (
        "#",
        _("Place"),
        _("Model"),
        _("Set to"),
        words.metric(benchmark.metric),
        _("Interval"),
        _("$ per million"),
        _("Date"),
    )
    rows = [(str(number), *_row(place, models, today)) for number, place in enumerate(shown, 1)]
    table = without_empty(Table(heads, rows, numbers=frozenset({0, 1, 4, 5, 6})))
    notes = []
    if len(board.places) > len(shown):
        notes.append(_("{n} more rows with --all").format(n=len(board.places) - len(shown)))
    if any(place.best_rank is not None for place in board.places):
        notes.append(_("places are those that the error leaves possible, all rows together at 95 %"))
    if any(place.best_rank is None for place in board.places):
        notes.append(
            _("a place in brackets is only the order of the published values, for the error of that row is unknown")
        )
    notes += [_difference(one) for one in board.differences]
    if board.apart:
        notes.append(
            ngettext(
                "{n} result stands in no ranking (a part of the questions, too few, or measured again later)",
                "{n} results stand in no ranking (a part of the questions, too few, or measured again later)",
                len(board.apart),
            ).format(n=len(board.apart))
        )
    source = sorted({(place.claim.source, place.claim.as_of) for place in board.places})
    cited = [_("{source}, {date}").format(source=name, date=day) for name, day in source[:_SOURCES]]
    cited += [_("{n} more").format(n=len(source) - _SOURCES)] if len(source) > _SOURCES else []
    notes.append(_("source: {sources}").format(sources=_("; ").join(cited)))
    blocks: list[Block] = [
        table,
        Bullets([note[:1].upper() + note[1:] for note in notes]),
    ]
    if charts:
        from touchstone.reporting.board_charts import board_charts

        blocks += board_charts(benchmark, board, models, today)
    return blocks


def _alone(benchmark: Benchmark, boards: Sequence[Board]) -> list[Block]:
    """Results of which no second was measured alike: there is nothing to rank."""
    rows = []
    for board in boards:
        place = board.places[0]
        how = _(", ").join(part for part in (place.claim.snapshot, place.claim.mode) if part)
        rows.append((place.claim.model, how, score(place.claim.value), heading(board), place.claim.as_of))
    rows.sort(key=lambda row: (row[0], row[3]))
    heads = (_("Model"), _("Set to"), words.metric(benchmark.metric), _("How"), _("Read"))
    return [
        without_empty(Table(heads, rows, numbers=frozenset({2}))),
        Paragraph(_("Each was measured in a way of its own; their values are not comparable."), tone="quiet"),
    ]


def _row(place: Place, models: Mapping[str, Hit], today: date) -> tuple[str, ...]:
    claim = place.claim
    hit = models.get(claim.model)
    how = _(", ").join(part for part in (claim.snapshot, claim.mode) if part)
    places = (place.best_rank, place.worst_rank)
    return (
        numbers.places(places) if None not in places else f"({place.rank})",  # type: ignore[arg-type]
        claim.model,
        how,
        score(claim.value),
        interval((place.low, place.high) if place.low is not None and place.high is not None else None),
        _("retired") if hit is not None and hit.is_gone(today) else words.usd(blended_usd(hit, today)),
        claim.date or numbers.UNKNOWN,
    )


def blended_usd(hit: Hit | None, today: date) -> float | None:
    """What a million tokens of a model cost today at its cheapest seller, `INPUT_SHARE` of them input."""
    if hit is None or hit.input_usd is None or hit.output_usd is None or hit.is_gone(today):
        return None
    return INPUT_SHARE * hit.input_usd + (1 - INPUT_SHARE) * hit.output_usd


def _difference(one: Difference) -> str:
    silent = _("{n} rows do not say").format(n=one.unknown) if one.unknown else ""
    if not one.values:
        return _("{what}: {silent}").format(what=_(_FEATURES[one.of]), silent=silent)
    shown = _("; ").join(f"“{value}”" for value in one.values[:6]) + ("…" if len(one.values) > 6 else "")
    text = _(_DIFFERENCES[one.of]).format(first=one.values[0], last=one.values[-1], all=shown)
    return _("{text}, {silent}").format(text=text, silent=silent) if silent else text
