"""`touchstone keys …`: who may ask, whom, how fast and for how much."""

from __future__ import annotations

from importlib import import_module

import typer

from touchstone.cli.help_page import Command, Group
from touchstone.cli.options import Language
from touchstone.language import _


def group(verb: str | None = None) -> typer.Typer:
    """
    The verbs below `keys`.

    Args:
        verb: The one that is needed, where that is known; anything else gives all of them.
    """
    app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

    @app.callback()
    def start(lang: Language = None) -> None:
        """What stands before the verb."""

    commands: dict[str, tuple[str, str, str]] = {
        "create": ("keys_change", "create", _("A new key; it is shown once.")),
        "list": ("keys_show", "list_keys", _("All keys, with what is left of their budgets.")),
        "show": ("keys_show", "show", _("One key: what it may do, and how its budget stands.")),
        "rotate": ("keys_change", "rotate", _("A new key in place of an old one, which works a while longer.")),
        "revoke": ("keys_change", "revoke", _("End a key for good, within a second.")),
        "expire": ("keys_change", "expire", _("Let a key end at a moment.")),
        "release": ("keys_change", "release", _("Give back what a request in doubt counts as.")),
    }
    for name in [verb] if verb in commands else commands:
        module, function, words = commands[name]
        command = getattr(import_module(f"touchstone.cli.{module}"), function)
        app.command(name, cls=Command, help=words)(command)
    return app
