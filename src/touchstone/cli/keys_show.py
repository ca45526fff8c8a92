"""`touchstone keys list` and `show`. Neither shows a key: nobody can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from touchstone.cli.keys_change import KeyName
from touchstone.cli.options import (
    Json,
    Language,
    WorkspaceFolder,
    answer,
    answer_json,
    errors_end_the_command,
    open_workspace,
)
from touchstone.language import N_, _

if TYPE_CHECKING:
    from touchstone.deployment.base import Key
    from touchstone.deployment.govern.balance import Standing

_STATES = {"live": N_("live"), "revoked": N_("revoked"), "expired": N_("expired")}


@errors_end_the_command
def list_keys(
    project: Annotated[str | None, typer.Option("--project", help=_("Of one project only."))] = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """List keys, oldest first, ended ones too."""
    import orjson

    from touchstone.deployment.govern.balance import standing
    from touchstone.workspace.govern import Govern

    with open_workspace(workspace) as place:
        govern = Govern(place)
        found = [
            (key, govern.keys.state(key), standing(govern.engine, key)) for key in govern.keys.list(project=project)
        ]
    if json:
        answer_json(orjson.dumps([_plain(*one) for one in found]))
        return
    if not found:
        answer(_("There is no key yet; make one with: touchstone keys create --name NAME"))
        return
    from touchstone.reporting.text_tables import plain_table

    answer(
        plain_table(
            (_("Key"), _("Name"), _("Begins"), _("State"), _("Project"), _("Endpoints"), _("Budget"), _("Left")),
            [
                (
                    str(key.id),
                    key.name,
                    key.shown + "…",
                    _(_STATES[state]),
                    key.project,
                    _("all") if key.endpoints is None else ", ".join(key.endpoints),
                    *_budget(stands),
                )
                for key, state, stands in found
            ],
        )
    )


@errors_end_the_command
def show(
    key: KeyName,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """What a key may do, and how its budget stands."""
    import orjson

    from touchstone.deployment.govern.balance import standing
    from touchstone.reporting.text_tables import plain_table
    from touchstone.workspace.govern import Govern

    with open_workspace(workspace) as place:
        govern = Govern(place)
        found = govern.keys.named(key)
        state, stands = govern.keys.state(found), standing(govern.engine, found)
    if json:
        answer_json(orjson.dumps(_plain(found, state, stands)))
        return
    answer(plain_table((_("Key {id}").format(id=found.id), found.name), _facts(found, state, stands)))


def _facts(key: Key, state: str, stands: Standing | None) -> list[tuple[str, str]]:
    limits = key.limits
    facts = [
        (_("Begins"), key.shown + "…"),
        (_("State"), _(_STATES[state])),
        (_("Scopes"), ", ".join(key.scopes)),
        (_("Endpoints"), _("all") if key.endpoints is None else ", ".join(key.endpoints)),
        (_("Project"), key.project),
        (_("Owner"), key.owner or "–"),
        (_("Requests a minute"), _count(limits.requests_per_minute)),
        (_("Tokens a minute"), _count(limits.tokens_per_minute)),
        (_("At once"), _count(limits.in_flight)),
        (_("Made"), _minute(key.created_at)),
        (_("Ends"), _minute(key.expires_at)),
        (_("Revoked"), _minute(key.revoked_at)),
    ]
    if key.replaces is not None:
        facts.append((_("Replaces"), str(key.replaces)))
    if stands is not None:
        facts += [
            (_("Budget"), _budget(stands)[0]),
            (_("Spent"), _usd(stands.spent_usd)),
            (_("Held for requests under way"), _usd(stands.held_usd)),
            (_("Left"), _usd(stands.left_usd)),
            (_("Begins anew"), _minute(stands.ends_at)),
        ]
    return facts


def _plain(key: Key, state: str, stands: Standing | None) -> dict[str, Any]:
    standing = None if stands is None else stands.model_dump(mode="json")
    return {**key.model_dump(mode="json"), "state": state, "standing": standing}


def _budget(stands: Standing | None) -> tuple[str, str]:
    """A budget and what is left of it."""
    if stands is None:
        return _("without limit"), "–"
    return f"{_usd(stands.cap_usd)} / {_(_WINDOWS[stands.window])}", _usd(stands.left_usd)


_WINDOWS = {"hour": N_("hour"), "day": N_("day"), "week": N_("week"), "month": N_("month"), "ever": N_("ever")}


def _usd(value: float) -> str:
    from touchstone.reporting.numbers import money

    return money(value)


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _minute(moment: str | None) -> str:
    return "–" if moment is None else moment[:16].replace("T", " ") + " UTC"
