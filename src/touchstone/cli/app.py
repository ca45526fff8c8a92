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
        "deploy": _("Make an endpoint of what was chosen."),
        "serve": _("Answer requests: one address for every endpoint, with keys and budgets."),
        "ui": _("The web pages: choose, measure, improve and serve by looking."),
        "usage": _("What was asked, by whom, and what it cost."),
        "audit": _("Who changed keys and endpoints, and how."),
        "doctor": _("What works on this machine and what does not."),
        "settings": _("Each setting with where it came from."),
    }
    groups: dict[str, str] = {
        "answers": _("What was answered: look through it, leave cases out, correct what is right."),
        "catalog": _("Models that exist: search, cards, prices, results."),
        "endpoints": _("What is served: versions, shares of the requests, evidence."),
        "keys": _("Who may ask, whom, how fast and for how much."),
        "people": _("Who may come in to the pages, and what they may do."),
        "safety": _("What the content rules find, and how good they are."),
    }
    # Each command is the function of its own name in a module of its own name, and loads when it is needed; a group is
    # the function `group` there.
    for name in [verb] if verb in words_of else () if verb in groups else words_of:
        command = getattr(import_module(f"touchstone.cli.{name}"), name)
        app.command(name, cls=Command, help=words_of[name])(command)
    for name in [verb] if verb in groups else () if verb in words_of else groups:
        group = import_module(f"touchstone.cli.{name}").group
        app.add_typer(group(inner if verb == name else None), name=name, help=groups[name])
    return app
