"""`touchstone safety …`: what the content rules find, and how good they are."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Literal, get_args

import typer

from touchstone.cli.help_page import Command, Group
from touchstone.cli.options import Json, Language, answer, answer_json, errors_end_the_command
from touchstone.errors import SettingsError
from touchstone.language import N_, _

Pii = Literal["off", "mask", "block"]
Injection = Literal["off", "flag", "block"]


def group(verb: str | None = None) -> typer.Typer:
    """
    The verbs below `safety`.

    Args:
        verb: The one that is needed, where that is known; anything else gives all of them.
    """
    app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

    @app.callback()
    def start(lang: Language = None) -> None:
        """What stands before the verb."""

    commands: dict[str, str] = {
        "check": _("What the rules find in a text, and the text as it may pass."),
        "evaluate": _("Precision, recall and false positives of the rules on a labelled set."),
    }
    for name in [verb] if verb in commands else commands:
        command = getattr(import_module("touchstone.cli.safety"), name)
        app.command(name, cls=Command, help=commands[name])(command)
    return app


@errors_end_the_command
def check(
    text: Annotated[str, typer.Argument(help=_("The text, or - to read it from standard input."), metavar="TEXT|-")],
    pii: Annotated[Pii, typer.Option("--pii", help=_("What becomes of personal data."))] = "mask",
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help=_("A kind of personal data; again for more. All by default."))
    ] = None,
    injection: Annotated[
        Injection, typer.Option("--injection", help=_("What becomes of a text that gives orders to the model."))
    ] = "flag",
    block: Annotated[
        list[str] | None, typer.Option("--block", help=_("A word, phrase or /expression/ that blocks; again for more."))
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help=_("A text that is no finding; again for more."))
    ] = None,
    presidio: Annotated[
        bool, typer.Option("--presidio", help=_("Let Presidio's recognisers look too (the extra 'pii')."))
    ] = False,
    json: Json = False,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """What the rules find in a text."""
    from touchstone.deployment.base import SafetyPolicy
    from touchstone.workspace.safety import check_text

    policy = SafetyPolicy(
        pii=pii,
        pii_kinds=tuple(kind or ()),
        injection=injection,
        blocked=tuple(block or ()),
        allowed=tuple(allow or ()),
        presidio=presidio,
    )
    said = _read_input() if text == "-" else text
    found = check_text(said, policy)
    if json:
        answer_json(found.model_dump_json().encode())
        return
    from touchstone.reporting.text import terminal
    from touchstone.reporting.text_tables import plain_table

    words = {"pass": _("It passes."), "mask": _("It passes with masks:"), "block": _("It is blocked.")}
    answer(words[found.action])
    if found.action == "mask":
        answer(terminal(found.text or ""))
    if found.findings:
        rows = [
            (one.rule, terminal(said[one.start : one.end]), f"{one.start}–{one.end}", f"{one.score:.2f}")
            for one in found.findings
        ]
        answer("")
        answer(plain_table((_("Rule"), _("Text"), _("Place"), _("Score")), rows))


def _read_input() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise SettingsError("standard input is not UTF-8 at byte {offset}", offset=error.start) from error


_HALVES = {"apart": N_("set apart"), "tuned": N_("tuned on")}


@errors_end_the_command
def evaluate(
    json: Json = False,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Precision, recall and false positives of the rules on the labelled set."""
    from touchstone.workspace.safety import evaluate_safety

    found = evaluate_safety()
    if json:
        answer_json(found.model_dump_json().encode())
        return
    from touchstone.deployment.safety.evaluate import Share
    from touchstone.deployment.safety.labelled import Half
    from touchstone.reporting.text_tables import plain_table

    def share(one: Share | None) -> str:
        if one is None:
            return "–"
        return f"{100 * one.value:.0f}% ({one.part}/{one.of}) [{100 * one.low:.0f}–{100 * one.high:.0f}]"

    for half in reversed(get_args(Half)):
        answer(_("{texts} texts, {half}:").format(texts=found.halves[half], half=_(_HALVES[half])))
        rows = [
            (one.rule, share(one.precision), share(one.recall), share(one.false_positives))
            for one in found.measures
            if one.half == half
        ]
        answer(plain_table((_("Rule"), _("Precision"), _("Recall"), _("False positives")), rows, width=110))
        answer("")
    answer(
        _(
            "Shares with 95 % Wilson intervals, {day}. Rules and texts have the same author: heuristics are no "
            "guarantee, measure them on texts of yours."
        ).format(day=found.measured_on.isoformat())
    )
