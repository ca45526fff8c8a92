"""Help pages whose fixed words are in the reader's language: the library that prints them speaks English alone."""

from __future__ import annotations

import re
from typing import Any

import typer.core

from touchstone.language import N_, _

_MISTAKES = (
    (r"No such command (.*)\. Did you mean (.*)\?", N_("No such command {0}. Did you mean {1}?")),
    (r"No such command (.*)", N_("No such command {0}")),
    (r"No such option: (\S+) \(Possible options: (.*)\)", N_("No such option: {0} (Possible options: {1})")),
    (r"No such option: (.*)", N_("No such option: {0}")),
    (r"Missing argument (.*)", N_("Missing argument {0}")),
    (r"Got unexpected extra argument\(s\) \((.*)\)", N_("Got unexpected extra argument(s) ({0})")),
    (r"Option (.*) requires an argument", N_("Option {0} requires an argument")),
    (r"Option (.*) does not take a value", N_("Option {0} does not take a value")),
    (r"Invalid value for (.*?): (.*)", N_("Invalid value for {0}: {1}")),
    (r"Input should be a valid number, .*", N_("Input should be a valid number")),
    (r"Input should be a valid integer, .*", N_("Input should be a valid integer")),
    (r"Input should be greater than or equal to (.*)", N_("Input should be greater than or equal to {0}")),
    (r"Input should be less than or equal to (.*)", N_("Input should be less than or equal to {0}")),
)
"""What the library says of a mistake in the arguments, and the same to be translated."""


def in_our_words(page: str) -> str:
    """A help page or a usage line with its headings and remarks translated; what we wrote into it is left as it is."""
    headings = {"Options:": _("Options:"), "Arguments:": _("Arguments:"), "Commands:": _("Commands:")}
    lines = [headings.get(line, line) for line in page.split("\n")]
    page = re.sub(r"\AUsage: ", lambda _found: _("Usage: "), "\n".join(lines))
    page = page.replace("Show this message and exit.", _("Show this message and exit."))
    # Remarks in brackets close a help text: [default: 1; 1<=x<=100], [required].
    # The library may break the line behind the colon.
    page = re.sub(r"(?<=\[)default: ", lambda _found: _("default: "), page)
    page = re.sub(r"(?<=\[)default:(?=\n)", lambda _found: _("default: ").rstrip(), page)
    return re.sub(r"(?<=[\[ ])required(?=\]$)", lambda _found: _("required"), page, flags=re.MULTILINE)


def mistake_in_our_words(said: str) -> str:
    """What the library says of a mistake in the arguments, translated where it is known."""
    said = said.rstrip(".")
    for pattern, template in _MISTAKES:
        found = re.fullmatch(pattern, said)
        if found:
            return _(template).format(*map(mistake_in_our_words, found.groups()))
    return said


class Command(typer.core.TyperCommand):
    """One verb."""

    def get_help(self, ctx: Any) -> str:
        """The whole page."""
        return in_our_words(super().get_help(ctx))

    def get_usage(self, ctx: Any) -> str:
        """The first line, as it stands above a mistake in the arguments."""
        return in_our_words(super().get_usage(ctx))


class Group(typer.core.TyperGroup):
    """All verbs."""

    def get_help(self, ctx: Any) -> str:
        """The whole page."""
        return in_our_words(super().get_help(ctx))

    def get_usage(self, ctx: Any) -> str:
        """The first line, as it stands above a mistake in the arguments."""
        return in_our_words(super().get_usage(ctx))
