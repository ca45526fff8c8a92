"""`touchstone catalog …`: what exists."""

from __future__ import annotations

from importlib import import_module

import typer

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

    commands: dict[str, tuple[str, str]] = {
        "search": ("catalog_search", _("Find models by words and facts.")),
        "show": ("catalog_show", _("One model's card.")),
        "compare": ("catalog_show", _("Models side by side.")),
        "benchmarks": ("catalog_boards", _("Published tests and their rankings.")),
        "collections": ("catalog_show", _("Saved queries.")),
        "refresh": ("catalog_change", _("Ask live sources what is new.")),
        "add": ("catalog_change", _("Take a model of our own into the catalog.")),
        "export": ("catalog_export", _("A card or its results in other people's formats.")),
        "terms": ("catalog_show", _("The words that sort models, explained.")),
    }
    for name in [verb] if verb in commands else commands:
        module, words = commands[name]
        command = getattr(import_module(f"touchstone.cli.{module}"), name)
        app.command(name, cls=Command, help=words)(command)
    return app
