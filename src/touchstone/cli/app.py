"""All commands, each in a file of its own."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from touchstone import __version__
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

    words_of: dict[str, str] = {
        "demo": _("A real comparison on shipped cases: no key, no network, a decision and a report."),
        "init": _("Write a commented task file, from a file of cases or from a template."),
        "shortlist": _("Which models fit a scenario, in order, and why the others do not."),
        "compare": _("Measure all candidates of a task file on its cases and say which to take."),
        "improve": _("Prompt, few-shot, RAG and training side by side in one table, and which of them pays."),
        "train": _(
            "Fine-tune a model on a task's train cases, or train one from nothing, and put it into the catalog."
        ),
        "decide": _("Decide again from stored trials under other constraints, at no cost."),
        "report": _("Write the report of a stored comparison again."),
        "trials": _("List stored comparisons."),
    }
    for name in [verb] if verb in words_of else () if verb == "catalog" else words_of:
        # Each command is the function of its own name in a module of its own name, and loads when it is needed.
        command = getattr(import_module(f"touchstone.cli.{name}"), name)
        app.command(name, cls=Command, help=words_of[name])(command)
    if verb not in words_of:
        from touchstone.cli import catalog

        words = _("Models that exist: search, cards, prices, results.")
        app.add_typer(catalog.group(inner if verb == "catalog" else None), name="catalog", help=words)
    return app
