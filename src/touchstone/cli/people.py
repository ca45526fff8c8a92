"""`touchstone people …`: who may come in to the pages, and what they may do."""

from __future__ import annotations

from importlib import import_module

import typer

from touchstone.cli.help_page import Command, Group
from touchstone.cli.options import Language
from touchstone.language import _


def group(verb: str | None = None) -> typer.Typer:
    """
    The verbs below `people`.

    Args:
        verb: The one that is needed, where that is known; anything else gives all of them.
    """
    app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

    @app.callback()
    def start(lang: Language = None) -> None:
        """What stands before the verb."""

    commands: dict[str, tuple[str, str, str]] = {
        "add": ("people_change", "add", _("Somebody new; prints a link by which they set a password.")),
        "list": ("people_change", "list_people", _("Everybody, with their roles by project.")),
        "role": ("people_change", "role", _("What somebody may do in a project.")),
        "remove": ("people_change", "remove", _("Take somebody out; their sessions end within a second.")),
        "reset-link": ("people_change", "reset_link", _("A new link by which somebody sets a password.")),
    }
    for name in [verb] if verb in commands else commands:
        module, function, words = commands[name]
        command = getattr(import_module(f"touchstone.cli.{module}"), function)
        app.command(name, cls=Command, help=words)(command)
    return app
