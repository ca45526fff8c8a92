"""`touchstone catalog …`: what exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from touchstone.cli import catalog_boards, catalog_change, catalog_export, catalog_search, catalog_show
from touchstone.cli.help_page import Command, Group
from touchstone.cli.options import Language
from touchstone.language import _


def group(verb: str | None = None) -> typer.Typer:
    """
    The verbs below `catalog`.

    Args:
        verb: The one that is needed, where that is known; anything else gives all of them.
    """
    app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

    @app.callback()
    def start(lang: Language = None) -> None:
        """What stands before the verb."""

    commands: dict[str, tuple[Callable[..., Any], str]] = {
        "search": (catalog_search.search, _("Find models by words and facts.")),
        "show": (catalog_show.show, _("One model's card.")),
        "compare": (catalog_show.compare, _("Models side by side.")),
        "benchmarks": (catalog_boards.benchmarks, _("Published tests and their rankings.")),
        "collections": (catalog_show.collections, _("Saved queries.")),
        "refresh": (catalog_change.refresh, _("Ask live sources what is new.")),
        "add": (catalog_change.add, _("Take a model of our own into the catalog.")),
        "export": (catalog_export.export, _("A card or its results in other people's formats.")),
        "terms": (catalog_show.terms, _("The words that sort models, explained.")),
    }
    for name in [verb] if verb in commands else commands:
        command, words = commands[name]
        app.command(name, cls=Command, help=words)(command)
    return app
