"""Help pages whose fixed words are in the reader's language: the library that prints them speaks English alone."""

from __future__ import annotations

import re
from typing import Any

import typer.core

from touchstone.language import _


def in_our_words(page: str) -> str:
    """A help page or a usage line with its headings and remarks translated; what we wrote into it is left as it is."""
    headings = {"Options:": _("Options:"), "Arguments:": _("Arguments:"), "Commands:": _("Commands:")}
    lines = [headings.get(line, line) for line in page.split("\n")]
    page = re.sub(r"\AUsage: ", lambda _found: _("Usage: "), "\n".join(lines))
    page = page.replace("Show this message and exit.", _("Show this message and exit."))
    # Remarks in brackets close a help text: [default: 1; 1<=x<=100], [required].
    page = re.sub(r"(?<=\[)default: ", lambda _found: _("default: "), page)
    return re.sub(r"(?<=[\[ ])required(?=\]$)", lambda _found: _("required"), page, flags=re.MULTILINE)


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
