"""All commands, each in a file of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from touchstone import __version__
from touchstone.cli import catalog, compare, decide, demo, improve, init, report, shortlist, train, trials
from touchstone.cli.help_page import Command, Group
from touchstone.cli.options import Language, answer
from touchstone.language import _


def _print_version(wanted: bool) -> None:
    # Called before a verb is looked for, so that `touchstone --version` alone is complete.
    if wanted:
        answer(f"touchstone {__version__}")
        raise typer.Exit


def build_app(verb: str | None = None, inner: str | None = None) -> typer.Typer:
    """
    The command line, in the language that is set.

    Args:
        verb: The one command that is needed, where that is known: the library looks at every parameter of every
            command it has. Anything else gives all commands.
        inner: The verb below it, where `verb` is a group.
    """
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

    commands: dict[str, tuple[Callable[..., Any], str]] = {
        "demo": (
            demo.demo,
            _("A real comparison on shipped cases: no key, no network, a decision and a report."),
        ),
        "init": (init.init, _("Write a commented task file, from a file of cases or from a template.")),
        "shortlist": (
            shortlist.shortlist,
            _("Which models fit a scenario, in order, and why the others do not."),
        ),
        "compare": (
            compare.compare,
            _("Measure all candidates of a task file on its cases and say which to take."),
        ),
        "improve": (
            improve.improve,
            _("Prompt, few-shot, RAG and training side by side in one table, and which of them pays."),
        ),
        "train": (
            train.train,
            _("Fine-tune a model on a task's train cases, or train one from nothing, and put it into the catalog."),
        ),
        "decide": (decide.decide, _("Decide again from stored trials under other constraints, at no cost.")),
        "report": (report.report, _("Write the report of a stored comparison again.")),
        "trials": (trials.trials, _("List stored comparisons.")),
    }
    for name in [verb] if verb in commands else () if verb == "catalog" else commands:
        command, words = commands[name]
        app.command(name, cls=Command, help=words)(command)
    if verb not in commands:
        words = _("Models that exist: search, cards, prices, results.")
        app.add_typer(catalog.group(inner if verb == "catalog" else None), name="catalog", help=words)
    return app
