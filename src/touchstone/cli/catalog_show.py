"""`touchstone catalog show`, `compare`, `collections`, `terms`: read what the catalog knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from touchstone.cli.options import (
    Json,
    Language,
    WorkspaceFolder,
    answer,
    answer_json,
    errors_end_the_command,
    open_catalog,
    open_workspace,
    say,
)
from touchstone.language import _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from touchstone.catalog.claims import Claim
    from touchstone.reporting.pages import Page
    from touchstone.training.base import Trained

HtmlFile = Annotated[Path | None, typer.Option("--html", help=_("Write the page as one HTML file here."))]


@errors_end_the_command
def show(
    model: Annotated[str, typer.Argument(help=_("Id such as deepseek/deepseek-chat."), metavar="MODEL")],
    everything: Annotated[
        bool, typer.Option("--all", help=_("Every seller, every result and the long explanations."))
    ] = False,
    html: HtmlFile = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """One model: facts with sources, licence, sellers and prices, results, memory, code, and what is unknown."""
    with open_catalog(workspace) as catalog:
        card = catalog.card(model)
        descendants = catalog.made_from(card.id)
    (measured,) = _own_results(workspace, [card.id])
    if json:
        answer_json(card.model_copy(update={"claims": (*measured, *card.claims)}).model_dump_json().encode())
        return
    from touchstone.reporting.card_page import Surroundings, card_page

    around = Surroundings(
        today=catalog.today,
        descendants=descendants,
        own_claims=measured,
        training=_training(workspace, card.id),
        brief=html is None and not everything,
    )
    give_page(card_page(card, around), html)


def _own_results(workspace: Path | None, models: Sequence[str]) -> list[tuple[Claim, ...]]:
    """What this workspace measured of each; the store is not even opened where it cannot hold anything of any."""
    from touchstone.config import load_settings
    from touchstone.workspace.own_results import may_have_measured, own_results

    settings = load_settings(workspace)
    measured = {model for model in models if may_have_measured(settings, model)}
    if not measured:
        return [()] * len(models)
    with open_workspace(workspace) as place:
        return [own_results(place, model) if model in measured else () for model in models]


def _training(workspace: Path | None, model: str) -> Trained | None:
    from touchstone.config import load_settings
    from touchstone.workspace.own_results import training_of

    return training_of(load_settings(workspace).workspace, model)


@errors_end_the_command
def compare(
    models: Annotated[list[str], typer.Argument(help=_("Ids, two or more."), metavar="MODEL MODEL…")],
    html: HtmlFile = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Models side by side: facts, prices, and the results that were measured alike."""
    from touchstone.errors import SettingsError

    with open_catalog(workspace) as catalog:
        cards = list({card.id: card for card in map(catalog.card, models)}.values())
    if len(cards) < 2:
        raise SettingsError(
            "{model} alone cannot be compared; name another model too, or see it with: touchstone catalog show {model}",
            model=cards[0].id,
        )
    cards = [
        card.model_copy(update={"claims": (*measured, *card.claims)})
        for card, measured in zip(cards, _own_results(workspace, [card.id for card in cards]), strict=True)
    ]
    if json:
        import orjson

        answer_json(orjson.dumps([card.model_dump(mode="json") for card in cards]))
        return
    from touchstone.reporting.cards_compared import compared_page

    give_page(compared_page(cards, catalog.today), html)


@errors_end_the_command
def collections(
    html: HtmlFile = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Saved queries, each with how many models it finds today."""
    from touchstone.catalog.collections import collections as shipped
    from touchstone.catalog.query import Query

    with open_catalog(workspace) as catalog:
        counted = [
            (one, catalog.search(one.query_with_defaults(Query(limit=0)), collection=one.id).total) for one in shipped()
        ]
    if json:
        import orjson

        answer_json(orjson.dumps([{**one.model_dump(mode="json"), "models": count} for one, count in counted]))
        return
    from touchstone.reporting.catalog_lists import collections_page

    give_page(collections_page(counted, catalog.today), html)


@errors_end_the_command
def terms(
    kind: Annotated[
        str | None, typer.Argument(help=_("task, output, architecture, trait, …; all by default."), metavar="KIND")
    ] = None,
    html: HtmlFile = None,
    json: Json = False,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """The words that sort models, each explained with examples."""
    from typing import get_args

    from touchstone.catalog.taxonomy import TermKind
    from touchstone.catalog.taxonomy import terms as all_terms
    from touchstone.errors import UnknownName
    from touchstone.language import N_

    if kind is not None and kind not in get_args(TermKind):
        raise UnknownName(kind=N_("kind of term"), name=kind, known=get_args(TermKind))
    found = [term for term in all_terms() if kind in (None, term.kind)]
    if json:
        import orjson

        answer_json(orjson.dumps([term.model_dump(mode="json") for term in found]))
        return
    from touchstone.reporting.catalog_lists import terms_page

    give_page(terms_page(found), html)


def give_page(page: Page, html: Path | None) -> None:
    """A page to the terminal, or into a file."""
    if html is None:
        from touchstone.reporting.page_terminal import terminal_page

        answer(terminal_page(page))
        return
    from touchstone.errors import SettingsError
    from touchstone.reporting.page_html import html_page

    try:
        html.write_text(html_page(page), encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            "--html {path} cannot be written: {reason}", path=str(html), reason=error.strerror or type(error).__name__
        ) from None
    say(_("Written: {path}").format(path=html))
