"""`touchstone answers …`: look through what was answered, leave cases out, correct targets."""

from __future__ import annotations

from importlib import import_module

import typer

from touchstone.cli.help_page import Command, Group
from touchstone.cli.options import Language
from touchstone.language import _


def group(verb: str | None = None) -> typer.Typer:
    """
    The verbs below `answers`.

    Args:
        verb: The one that is needed, where that is known; anything else gives all of them.
    """
    app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

    @app.callback()
    def start(lang: Language = None) -> None:
        """What stands before the verb."""

    commands: dict[str, tuple[str, str, str]] = {
        "list": ("answers_show", "list_answers", _("Answers by candidate, outcome, score, tag or words.")),
        "export": ("answers_show", "export", _("Write answers to a file: JSON Lines exactly, or CSV.")),
        "index": ("answers_show", "index", _("Make the texts of a comparison searchable.")),
        "exclude": ("answers_change", "exclude", _("Leave a case out for every candidate, with a reason.")),
        "correct": ("answers_change", "correct", _("Say what the right answer to a case is, with a reason.")),
        "take-back": ("answers_change", "take_back", _("Take back that a case was left out or corrected.")),
        "changes": ("answers_change", "changes", _("Who left out or corrected which case, when and why.")),
    }  # fmt: skip
    for name in [verb] if verb in commands else commands:
        module, function, words = commands[name]
        command = getattr(import_module(f"touchstone.cli.{module}"), function)
        app.command(name, cls=Command, help=words)(command)
    return app
