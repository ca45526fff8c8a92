"""The benchmark panel as pages: which tests there are, one test's rankings, and the rankings that speak for a use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from touchstone.catalog.claims import Benchmark, Claim, Scenario
from touchstone.catalog.model import earliest
from touchstone.catalog.query import Hit
from touchstone.evaluation.leaderboard import over_time, trade_off
from touchstone.evaluation.leaderboard_nouns import Board, Difference, Leaderboard, Place, ScenarioBoards
from touchstone.language import N_, _, current_language, ngettext
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.card_results import interval, score
from touchstone.reporting.pages import Block, Page, Paragraph, Picture, Section, Table
from touchstone.reporting.scales import Scale, cost_scale, linear_scale
from touchstone.reporting.scatter import Point, scatter

AREAS = {
    "general-knowledge": N_("General knowledge"),
    "language-understanding": N_("Language understanding"),
    "reasoning": N_("Reasoning"),
    "maths": N_("Mathematics"),
    "coding": N_("Coding"),
    "agents": N_("Agents and tools"),
    "instruction-following": N_("Instruction following"),
    "long-context": N_("Long documents"),
    "chinese": N_("Chinese"),
    "multilingual": N_("Many languages"),
    "safety": N_("Safety"),
    "factuality": N_("Facts"),
    "embedding": N_("Embeddings"),
    "reranking": N_("Reranking"),
    "speech": N_("Speech"),
    "image": N_("Image generation"),
    "vision": N_("Images understood"),
    "preference": N_("What people prefer"),
}

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

_MOST_POINTS = 60
"""So many of the best are drawn; more would hide each other."""


def panel_page(
    benchmarks: Iterable[Benchmark], scenarios: Iterable[Scenario], counts: Mapping[str, tuple[int, int]], today: date
) -> Page:
    """All benchmarks by area, with how many results are known, and the scenarios they speak for."""
    language = current_language()
    by_area: dict[str, list[Benchmark]] = {}
    for benchmark in benchmarks:
        by_area.setdefault(benchmark.area, []).append(benchmark)
    rows = [
        (
            one.id,
            (one.name_zh if language == "zh" and one.name_zh else one.name),
            _(AREAS[area]) if area in AREAS else area,
            numbers.count(counts.get(one.id, (0, 0))[0]),
            numbers.count(counts.get(one.id, (0, 0))[1]),
            one.metric,
        )
        for area, found in by_area.items()
        for one in found
    ]
    uses = [
        (one.id, one.name.in_language(language), _(", ").join(fit.benchmark for fit in one.benchmarks))
        for one in scenarios
    ]
    return Page(
        kicker=_("Benchmark panel"),
        title=_("Published tests"),
        lead=_(
            "What was published, with source, date and harness. Only like is ranked with like; nothing is averaged."
        ),
        sections=[
            Section(
                _("Benchmarks"),
                [
                    Table(
                        (_("Id"), _("Name"), _("Area"), _("Results"), _("Models"), _("Metric")),
                        rows,
                        numbers=frozenset({3, 4}),
                        note=_("One test's rankings: touchstone catalog benchmarks ID"),
                    )
                ],
            ),
            Section(
                _("By use"),
                [
                    Table(
                        (_("Id"), _("Use"), _("Tests that speak for it")),
                        uses,
                        note=_("Rankings for a use: touchstone catalog benchmarks --scenario ID"),
                    )
                ],
            ),
        ],
        closing=_("As known on {date}.").format(date=numbers.day(today.isoformat())),
    )


def benchmark_page(found: Leaderboard, models: Mapping[str, Hit], today: date, *, top: int | None = None) -> Page:
    """
    One benchmark: what it asks and what is wrong with it, then a ranking for each condition, with its charts.

    Args:
        found: All rankings.
        models: What a list shows of the models in them, for names, prices and dates.
        today: For the last line.
        top: Rows shown of each ranking; None shows all.
    """
    benchmark = found.benchmark
    language = current_language()
    about: list[Block] = [Paragraph(benchmark.explanation.in_language(language))]
    if benchmark.known_issues:
        about.append(Paragraph(_("Known issues: {text}").format(text=benchmark.known_issues.in_language(language))))
    about.append(Paragraph(_facts_of(benchmark), tone="quiet"))
    sections = [Section(_("What it asks"), about, anchor="about")]
    sections += [
        Section(_heading(board), _board_blocks(benchmark, board, models, top), anchor=f"board{number}")
        for number, board in enumerate(found.boards, 1)
    ]
    return Page(
        kicker=_("Benchmark"),
        title=(benchmark.name_zh if language == "zh" and benchmark.name_zh else benchmark.name),
        lead=ngettext(
            "{n} ranking. Rankings are never joined: each has its own program, prompt and measurer.",
            "{n} rankings. They are never joined: each has its own program, prompt and measurer.",
            len(found.boards),
        ).format(n=len(found.boards)),
        sections=sections,
        closing=_("As known on {date}.").format(date=numbers.day(today.isoformat())),
    )


def scenario_page(found: ScenarioBoards, models: Mapping[str, Hit], today: date, *, top: int = 10) -> Page:
    """The longest ranking of each test that speaks for a use, with what the test has in common with it and misses."""
    language = current_language()
    sections = []
    for fit, board in zip(found.scenario.benchmarks, found.leaderboards, strict=True):
        blocks: list[Block] = [
            Paragraph(fit.why.in_language(language)),
            Paragraph(_("It misses: {text}").format(text=fit.misses.in_language(language))),
        ]
        if board.boards:
            first = board.boards[0]
            blocks.append(Paragraph(_heading(first), tone="quiet"))
            blocks += _board_blocks(board.benchmark, first, models, top)[:-2]
        else:
            blocks.append(Paragraph(_("No result is known here."), tone="quiet"))
        sections.append(Section(board.benchmark.name, blocks))
    return Page(
        kicker=_("Benchmarks by use"),
        title=found.scenario.name.in_language(language),
        lead=found.scenario.explanation.in_language(language),
        warnings=[
            _("There is no total: the scales are unlike. Only your own cases can say which model is best for you.")
        ],
        sections=sections,
        closing=_("As known on {date}.").format(date=numbers.day(today.isoformat())),
    )


def _facts_of(benchmark: Benchmark) -> str:
    said = [
        _("{metric}, {better} is better").format(
            metric=benchmark.metric, better=_("higher") if benchmark.higher_is_better else _("lower")
        )
    ]
    if benchmark.questions:
        said.append(_("{n} questions").format(n=numbers.count(benchmark.questions)))
    if benchmark.chance is not None:
        said.append(_("guessing scores {value}").format(value=score(benchmark.chance)))
    if benchmark.released:
        said.append(_("published {date}").format(date=benchmark.released))
    return _(", ").join([*said, benchmark.url])


def _heading(board: Board) -> str:
    said = [board.subset, board.setting, board.harness, _("measured by us") if board.ours else board.measured_by]
    return _(", ").join(part for part in said if part)


def _board_blocks(benchmark: Benchmark, board: Board, models: Mapping[str, Hit], top: int | None) -> list[Block]:
    shown = board.places if top is None else board.places[:top]
    rows = [_row(place, models) for place in shown]
    notes = [_difference(one) for one in board.differences]
    if any(place.best_rank is not None for place in board.places):
        notes.append(_("places are those that the error leaves possible, all rows together at 95 %"))
    else:
        notes.append(_("the error is unknown, so the order claims nothing but the published values"))
    if len(board.places) > len(shown):
        notes.append(_("{n} more rows with --all").format(n=len(board.places) - len(shown)))
    if board.apart:
        notes.append(
            _("{n} results stand in no ranking (a part of the questions, too few, or measured again later)").format(
                n=len(board.apart)
            )
        )
    heads = (_("Place"), _("Model"), _("Set to"), benchmark.metric, _("Interval"), _("$ per million"), _("Date"))
    source = {(place.claim.source, place.claim.as_of) for place in board.places}
    cited = _(", ").join(_("{source}, {date}").format(source=name, date=day) for name, day in sorted(source)[:4])
    blocks: list[Block] = [
        Table(heads, rows, numbers=frozenset({0, 3, 4, 5}), note=_sentence(notes)),
        Paragraph(_("Source: {sources}").format(sources=cited), tone="quiet"),
    ]
    return [*blocks, *_charts(benchmark, board, models)]


def _sentence(notes: Sequence[str]) -> str:
    text = _("; ").join(notes)
    return text[:1].upper() + text[1:]


def _row(place: Place, models: Mapping[str, Hit]) -> tuple[str, ...]:
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
        words.usd(_blended(hit)),
        claim.date or numbers.UNKNOWN,
    )


def _blended(hit: Hit | None, input_share: float = 0.75) -> float | None:
    if hit is None or hit.input_usd is None or hit.output_usd is None:
        return None
    return input_share * hit.input_usd + (1 - input_share) * hit.output_usd


def _difference(one: Difference) -> str:
    silent = _("{n} rows do not say").format(n=one.unknown) if one.unknown else ""
    if not one.values:
        return _("{what}: {silent}").format(what=_(_FEATURES[one.of]), silent=silent)
    shown = _("; ").join(f"“{value}”" for value in one.values[:6]) + ("…" if len(one.values) > 6 else "")
    text = _(_DIFFERENCES[one.of]).format(first=one.values[0], last=one.values[-1], all=shown)
    return _("{text}, {silent}").format(text=text, silent=silent) if silent else text


def _charts(benchmark: Benchmark, board: Board, models: Mapping[str, Hit]) -> list[Block]:
    """Score against price and against date; of the best rows where there are many."""
    prices = {place.claim.model: _blended(models.get(place.claim.model)) for place in board.places}
    released = {
        place.claim.model: hit.released if (hit := models.get(place.claim.model)) else None for place in board.places
    }
    priced = trade_off(benchmark, board, prices).points
    dated = over_time(benchmark, board, released).points
    blocks: list[Block] = []
    if len({point.usd for point in priced}) > 1:
        points = _points(benchmark, [(point.claim, point.usd) for point in priced])
        blocks.append(
            Picture(
                _("Score against price"),
                _(
                    "Further left is cheaper: USD per million tokens today, three in to one out, at the cheapest "
                    "seller. The line is the front of published values; neighbours may be within each other's error."
                ),
                scatter(
                    points,
                    cost_scale(point.cost_usd for point in points),
                    _score_scale(points),
                    write_cost=words.usd,
                    write_score=score,
                    label=_("Score against price"),
                ),
            )
        )
    if len({point.released for point in dated}) > 1:
        points = _points(benchmark, [(point.claim, float(earliest(point.released).toordinal())) for point in dated])
        blocks.append(
            Picture(
                _("Score against date"),
                _("By the day the model came out. The line is the best published value so far."),
                scatter(
                    points,
                    _date_scale([point.cost_usd or 0.0 for point in points]),
                    _score_scale(points),
                    write_cost=lambda value: date.fromordinal(round(value)).isoformat()[:7],
                    write_score=score,
                    label=_("Score against date"),
                ),
            )
        )
    return blocks


def _points(benchmark: Benchmark, found: Sequence[tuple[Claim, float]]) -> list[Point]:
    sign = 1.0 if benchmark.higher_is_better else -1.0
    best_first = sorted(found, key=lambda one: -sign * one[0].value)[:_MOST_POINTS]
    return [
        Point(number, claim.model.partition("/")[2], place, claim.value)
        for number, (claim, place) in enumerate(best_first, 1)
    ]


def _score_scale(points: Sequence[Point]) -> Scale:
    return linear_scale([point.mean for point in points])


def _date_scale(days: Sequence[float]) -> Scale:
    """A year's first day is a tick, and every third month where the span is short."""
    first, last = date.fromordinal(round(min(days))), date.fromordinal(round(max(days)))
    months = (1,) if (last - first).days > 900 else (1, 7) if (last - first).days > 400 else (1, 4, 7, 10)
    ticks = [
        date(year, month, 1).toordinal()
        for year in range(first.year, last.year + 2)
        for month in months
        if first.toordinal() - 31 <= date(year, month, 1).toordinal() <= last.toordinal() + 31
    ]
    low, high = min(first.toordinal(), *ticks), max(last.toordinal(), *ticks)
    return Scale(float(low), float(high + (high == low)), tuple(map(float, ticks)))
