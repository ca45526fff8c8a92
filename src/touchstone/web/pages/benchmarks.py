"""Published tests: the panel, the rankings of one test, and those that speak for a use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from touchstone.catalog import benchmarks as shipped
from touchstone.catalog.claims import Benchmark, Scenario
from touchstone.errors import UnknownName
from touchstone.evaluation.leaderboard import leaderboard, scenario_boards
from touchstone.language import N_, _, current_language
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.board_page import benchmark_page, heading, scenario_page
from touchstone.reporting.board_ranking import ranking_picture
from touchstone.reporting.card_results import benchmark_name
from touchstone.reporting.panel_page import AREAS
from touchstone.web.base import Answer, Ask, NotHere, Route, Show
from touchstone.web.pages.catalog_card import places_of
from touchstone.web.render import address

if TYPE_CHECKING:
    from touchstone.catalog.catalog import Catalog
    from touchstone.catalog.claims import Claim
    from touchstone.evaluation.leaderboard_nouns import Board, Leaderboard, ScenarioBoards

_KEPT_S = 3_600.0
"""Rankings change when the catalog does; its key is part of what is kept."""
_TOP_OF_EACH = 10


def panel(ask: Ask) -> Answer:
    """All tests by area, with how many results are known, and the uses they speak for."""
    use = ask.query.text("scenario", longest=100)
    if use:
        return _use(ask, use)
    language = current_language()
    with ask.catalog() as catalog:
        counts = catalog.index.claim_counts()
        known = catalog.benchmarks
    areas: dict[str, list[tuple[str, str, str, str, str]]] = {}
    for one in known.values():
        results, models = counts.get(one.id, (0, 0))
        areas.setdefault(one.area, []).append(
            (one.id, _name(one), words.metric(one.metric), numbers.count(results), numbers.count(models))
        )
    uses = [
        (one.name.in_language(language), one.explanation.in_language(language), _tests(one, known),
         address("/benchmarks", scenario=one.id))
        for one in shipped.scenarios().values()
    ]  # fmt: skip
    rows = [(_(AREAS[area]) if area in AREAS else area, found) for area, found in areas.items()]
    return Show("benchmarks/panel.html.j2", {"areas": rows, "uses": uses, "count": len(known)})


def _name(one: Benchmark) -> str:
    return (one.name_zh if current_language() == "zh" else None) or one.name


def _tests(use: Scenario, known: Mapping[str, Benchmark]) -> list[tuple[str, str]]:
    return [(fit.benchmark, benchmark_name(fit.benchmark)) for fit in use.benchmarks if fit.benchmark in known]


def _use(ask: Ask, name: str) -> Answer:
    """The longest ranking of each test that speaks for a use."""
    try:
        use = shipped.find_scenario(name)
    except UnknownName:
        raise NotHere(N_("There is no use {name!r} among those that tests speak for."), name=name) from None

    def look(catalog: Catalog) -> ScenarioBoards:
        claims = [claim for fit in use.benchmarks for claim in catalog.claims(fit.benchmark)]
        return scenario_boards(use, catalog.benchmarks, claims)

    with ask.catalog() as catalog:
        found = _kept(ask, catalog, ("use", use.id), look)
        facts = catalog.facts(_models(board for one in found.leaderboards for board in one.boards))
        page = scenario_page(found, facts, catalog.today, top=_TOP_OF_EACH)
        linked = places_of(catalog, facts)
    tests = {fit.benchmark: f"/benchmarks/{fit.benchmark}" for fit in use.benchmarks}
    named = {benchmark_name(test): to for test, to in tests.items()}
    values = {"page": page, "places": {**linked, **tests, **named}, "tests": list(named.items())}
    return Show("benchmarks/use.html.j2", {**values, "compared": list(facts)[:8]})


def one(ask: Ask) -> Answer:
    """One test: what it asks, and the ranking that was chosen, as a picture, a table and against price and date."""
    wanted = ask.query.whole("ranking", 1, low=1, high=10_000) or 1
    with ask.catalog() as catalog:
        benchmark = catalog.benchmarks.get(ask.params["benchmark"])
        if benchmark is None:
            raise NotHere(N_("There is no test {name!r} in the panel."), name=ask.params["benchmark"][:200])

        def look(catalog: Catalog) -> Leaderboard:
            return leaderboard(benchmark, catalog.claims(benchmark.id))

        found = _kept(ask, catalog, ("test", benchmark.id), look)
        ranked = [board for board in found.boards if len(board.places) > 1]
        place = min(wanted, len(ranked))
        chosen = ranked[place - 1] if ranked else None
        alone = [board for board in found.boards if len(board.places) == 1]
        shown = found.model_copy(update={"boards": (*([chosen] if chosen else []), *alone)})
        facts = catalog.facts(_models(shown.boards))
        page = benchmark_page(shown, facts, catalog.today, charts=True)
        linked = places_of(catalog, facts)
    here = f"/benchmarks/{benchmark.id}"
    return Show(
        "benchmarks/one.html.j2",
        {
            "page": page,
            "sections": _with_picture(page.sections, benchmark, chosen),
            "benchmark": benchmark,
            "rankings": [
                (_ranking(here, number), heading(board), len(board.places), number == place)
                for number, board in enumerate(ranked, 1)
            ],
            "places": linked,
            "uses": _uses_of(benchmark),
            "best": [spot.claim.model for spot in chosen.places[:5]] if chosen else [],
        },
    )


def _ranking(here: str, number: int) -> str:
    return address(here, ranking=number if number > 1 else None)


def _with_picture(sections: Sequence[Any], benchmark: Benchmark, chosen: Board | None) -> list[Any]:
    """The sections of the page with the ranking drawn before its table."""
    picture = ranking_picture(benchmark, chosen) if chosen else None
    return [
        section._replace(blocks=[picture, *section.blocks]) if picture and section.anchor == "board1" else section
        for section in sections
    ]


def _uses_of(benchmark: Benchmark) -> list[tuple[str, str]]:
    language = current_language()
    return [
        (address("/benchmarks", scenario=use.id), use.name.in_language(language))
        for use in shipped.scenarios().values()
        if benchmark.id in {fit.benchmark for fit in use.benchmarks}
    ]


def _models(boards: Iterable[Board]) -> set[str]:
    return {claim.model for board in boards for claim in _claims(board)}


def _claims(board: Board) -> Iterator[Claim]:
    yield from (place.claim for place in board.places)
    yield from (one.claim for one in board.apart)


def _kept(ask: Ask, catalog: Catalog, what: tuple[str, str], look: Any) -> Any:
    """What was worked out from the results of the catalog, until it is another."""
    key = (ask.viewer.project, "rankings", what, catalog.index.meta.get("key"), catalog.today)
    return ask.site.kept(key, _KEPT_S, lambda: look(catalog))


routes = (
    Route("/benchmarks", panel, "view"),
    Route("/benchmarks/{benchmark}", one, "view"),
)
