"""All commands, each in a file of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from touchstone import __version__
from touchstone.cli import compare, decide, demo, init, report, trials
from touchstone.cli.help_page import Command, Group
from touchstone.cli.options import Language, answer
from touchstone.language import _


def _print_version(wanted: bool) -> None:
    # Called before a verb is looked for, so that `touchstone --version` alone is complete.
    if wanted:
        answer(f"touchstone {__version__}")
        raise typer.Exit


def build_app() -> typer.Typer:
    """The command line, in the language that is set."""
    app = typer.Typer(
        name="touchstone",
        cls=Group,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help=_("Choose an AI model for one business scenario with evidence."),
    )

    @app.callback()
    def start(
        version: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=_print_version, help=_("Print the version."))
        ] = False,
        lang: Language = None,
    ) -> None:
        """What stands before the verb."""

    app.command(
        "demo", cls=Command, help=_("A real comparison on shipped cases: no key, no network, a decision and a report.")
    )(demo.demo)
    app.command("init", cls=Command, help=_("Write a commented task file, from a file of cases or from a template."))(
        init.init
    )
    app.command(
        "compare", cls=Command, help=_("Measure all candidates of a task file on its cases and say which to take.")
    )(compare.compare)
    app.command("decide", cls=Command, help=_("Decide again from stored trials under other constraints, at no cost."))(
        decide.decide
    )
    app.command("report", cls=Command, help=_("Write the report of a stored comparison again."))(report.report)
    app.command("trials", cls=Command, help=_("List stored comparisons."))(trials.trials)
    return app
