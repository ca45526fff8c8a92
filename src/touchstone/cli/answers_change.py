"""`touchstone answers exclude`, `correct`, `take-back` and `changes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from touchstone.cli.options import (
    Json,
    Language,
    WorkspaceFolder,
    answer,
    answer_json,
    errors_end_the_command,
    open_workspace,
)
from touchstone.language import _

if TYPE_CHECKING:
    from touchstone.evaluation.amendments import Amendment

Comparison = Annotated[str, typer.Argument(metavar="COMPARISON", help=_("Id of a stored comparison, or latest."))]
CaseId = Annotated[str, typer.Argument(metavar="CASE", help=_("Id of a test case."))]
Reason = Annotated[str, typer.Option("--reason", help=_("Why; others will read it."))]
Who = Annotated[str | None, typer.Option("--by", help=_("Who says so; by default who is logged in here."))]


@errors_end_the_command
def exclude(
    comparison: Comparison,
    case: CaseId,
    reason: Reason,
    by: Who = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """The case leaves every estimate, pair and decision on these cases; nothing is deleted."""
    from touchstone.workspace.case_changes import change_case

    with open_workspace(workspace) as place:
        word = change_case(place, comparison, case, "exclude", reason=reason, who=_who(by))
    _told(word, json=json)


@errors_end_the_command
def correct(
    comparison: Comparison,
    case: CaseId,
    target: Annotated[str, typer.Option("--target", help=_("The right answer, as it would stand in the cases."))],
    reason: Reason,
    by: Who = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Every stored answer to the case is scored again by it, for free; a judge's verdict stays."""
    from touchstone.workspace.case_changes import change_case

    with open_workspace(workspace) as place:
        word = change_case(place, comparison, case, "correct", reason=reason, who=_who(by), target=target)
    _told(word, json=json)


@errors_end_the_command
def take_back(
    comparison: Comparison,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help=_("Of the change, as `answers changes` says it."))],
    reason: Reason,
    by: Who = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """The case is as it was measured; what was said of it stays to be read."""
    from touchstone.workspace import case_changes

    with open_workspace(workspace) as place:
        word = case_changes.take_back(place, comparison, number, reason=reason, who=_who(by))
    _told(word, json=json)


@errors_end_the_command
def changes(
    comparison: Comparison = "latest",
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """The last one first; those that were taken back too."""
    import orjson

    from touchstone.reporting.text import cut
    from touchstone.reporting.text_tables import plain_table
    from touchstone.workspace.case_changes import history

    with open_workspace(workspace) as place:
        found = history(place, comparison)
    if json:
        answer_json(orjson.dumps([word.model_dump(mode="json") for word in found]))
        return
    if not found:
        answer(_("No case was left out or corrected."))
        return
    answer(
        plain_table(
            (_("Number"), _("Case"), _("What"), _("Why"), _("By"), _("Date"), _("State")),
            [
                (
                    str(word.id),
                    cut(word.case, 24),
                    _what(word),
                    cut(word.reason, 50),
                    word.who,
                    word.made_at[:16].replace("T", " "),
                    _("stands") if word.stands else _("taken back"),
                )
                for word in found
            ],
        )
    )


def _what(word: Amendment) -> str:
    from touchstone.reporting.text import cut

    if word.kind == "exclude":
        return _("not counted")
    return _("right answer: {target}").format(target=cut(word.target or "", 30))


def _told(word: Amendment, *, json: bool) -> None:
    if json:
        answer_json(word.model_dump_json().encode())
        return
    answer(
        _("{number}: case {case}, {what}; decide again with: touchstone decide").format(
            number=word.id, case=word.case, what=_what(word) if word.stands else _("taken back")
        )
    )


def _who(said: str | None) -> str:
    from touchstone.workspace.govern import user_name

    return said or user_name()
