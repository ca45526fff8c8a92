"""`touchstone catalog benchmarks`: published results, like with like."""

from __future__ import annotations

from typing import Annotated

import typer

from touchstone.cli.catalog_show import HtmlFile, give_page
from touchstone.cli.options import Json, Language, WorkspaceFolder, answer_json, errors_end_the_command, open_catalog
from touchstone.language import _

_TOP, _TOP_OF_EACH = 15, 10
"""Rows of a ranking that are shown without --all: of one test, and of each test that speaks for a use."""


@errors_end_the_command
def benchmarks(
    name: Annotated[
        str | None, typer.Argument(help=_("A benchmark such as mmlu; all by default."), metavar="BENCHMARK")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option("--scenario", help=_("A use such as coding or customer-service."))
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help=_("Every row of every ranking."))] = False,
    html: HtmlFile = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """The published tests; one test's rankings; or the rankings that speak for a use."""
    from touchstone.catalog import benchmarks as shipped
    from touchstone.catalog.asked import added_benchmarks, find_benchmark
    from touchstone.config import load_settings
    from touchstone.errors import SettingsError

    if name is not None and scenario is not None:
        raise SettingsError("name either a benchmark or --scenario, not both")
    # Before the catalog is opened, which tells of a broken file of the team's own too: nothing is said twice.
    benchmark = None if name is None else find_benchmark(name, load_settings(workspace).workspace / "catalog")
    with open_catalog(workspace) as catalog:
        if scenario is not None:
            from touchstone.evaluation.leaderboard import scenario_boards
            from touchstone.reporting.board_page import scenario_page

            use = shipped.find_scenario(scenario)
            claims = [claim for fit in use.benchmarks for claim in catalog.claims(fit.benchmark)]
            boards = scenario_boards(use, shipped.benchmarks(), claims)
            if json:
                answer_json(boards.model_dump_json().encode())
                return
            facts = catalog.facts({claim.model for claim in claims})
            page = scenario_page(boards, facts, catalog.today, top=None if everything else _TOP_OF_EACH)
        elif benchmark is not None:
            from touchstone.evaluation.leaderboard import leaderboard
            from touchstone.reporting.board_page import benchmark_page

            claims = list(catalog.claims(benchmark.id))
            found = leaderboard(benchmark, claims)
            if json:
                answer_json(found.model_dump_json().encode())
                return
            models = catalog.facts({claim.model for claim in claims})
            top = None if everything or html else _TOP
            page = benchmark_page(found, models, catalog.today, top=top, charts=html is not None)
        else:
            from touchstone.reporting.panel_page import panel_page

            panel, counts = shipped.panel(), catalog.index.claim_counts()
            if json:
                answer_json(panel.model_dump_json().encode())
                return
            page = panel_page(
                [*panel.benchmarks, *added_benchmarks(catalog.folder)], panel.scenarios, counts, catalog.today
            )
    give_page(page, html)
