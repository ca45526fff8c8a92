"""`touchstone catalog export`: a card and its results in other people's formats."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from touchstone.cli.options import (
    Language,
    WorkspaceFolder,
    answer,
    errors_end_the_command,
    one_line,
    open_catalog,
    say,
)
from touchstone.language import _

if TYPE_CHECKING:
    from touchstone.catalog.cards import Card
    from touchstone.catalog.catalog import Catalog

FORMATS = ("hugging-face", "eval-results", "every-eval-ever")


@errors_end_the_command
def export(
    model: Annotated[str, typer.Argument(help=_("Id such as acme/ticket-router."), metavar="MODEL")],
    form: Annotated[
        str,
        typer.Option(
            "--as", help=_("hugging-face (README.md), eval-results (.eval_results) or every-eval-ever (JSON).")
        ),
    ] = "hugging-face",
    out: Annotated[Path | None, typer.Option("--out", help=_("The file to write; stdout by default."))] = None,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Write a model's card, or its results, as the Hugging Face Hub or Every Eval Ever read them."""
    from touchstone.errors import SettingsError, UnknownName
    from touchstone.language import N_

    if form not in FORMATS:
        raise UnknownName(kind=N_("format"), name=form, known=FORMATS)
    with open_catalog(workspace) as catalog:
        card = catalog.card(model)
        if card.model is None:
            raise SettingsError("{model} has no card to export; it is an offer or a reported entry", model=model)
        text = _written(card, form, catalog)
    if out is None:
        answer(text.rstrip("\n"))
        return
    try:
        out.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SettingsError(
            "--out {path} cannot be written: {reason}", path=str(out), reason=error.strerror or type(error).__name__
        ) from None
    say(_("Written: {path}").format(path=out))


def _written(card: Card, form: str, catalog: Catalog) -> str:
    from touchstone.errors import SettingsError

    assert card.model is not None
    benchmarks = catalog.benchmarks
    claims = [claim for claim in card.claims if claim.benchmark in benchmarks]
    if form == "hugging-face":
        from touchstone.catalog.hf_write import to_hf_card

        return to_hf_card(card.model, claims, benchmarks=benchmarks)
    if not claims:
        raise SettingsError("{model} has no results to export", model=card.id)
    if form == "eval-results":
        from touchstone.catalog.eval_results import write_eval_results

        written = write_eval_results(claims)
        for left in written.left_out:
            line = _("left out: {key} {value} ({reason})")
            say(one_line(line.format(key=left.key, value=left.value, reason=left.reason)))
        return written.text
    import orjson

    from touchstone.catalog.every_eval import write_runs

    made = datetime.combine(catalog.today, time(), tzinfo=UTC)
    runs = write_runs(card.model, claims, benchmarks=benchmarks, retrieved=int(made.timestamp()))
    return orjson.dumps(runs, option=orjson.OPT_INDENT_2).decode() + "\n"
