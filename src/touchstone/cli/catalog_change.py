"""`touchstone catalog refresh` and `add`: what changes the catalog of a workspace."""

from __future__ import annotations

from datetime import UTC, datetime
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
    one_line,
    open_catalog,
    say,
)
from touchstone.language import _

if TYPE_CHECKING:
    from touchstone.catalog.refresh import Refreshed

_EXAMPLES = 12
"""Changes of one kind that are listed; `--json` has them all."""


@errors_end_the_command
def refresh(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help=_("models-dev, openrouter, hugging-face, ollama, v1/PRESET or an address; models-dev by default."),
            metavar="SOURCE…",
        ),
    ] = None,
    take: Annotated[bool, typer.Option("--take", help=_("Take what was found without being asked."))] = False,
    force: Annotated[bool, typer.Option("--force", help=_("Take it although it looks incomplete."))] = False,
    seen: Annotated[
        str | None,
        typer.Option("--seen", help=_("Take it only if it says what this digest is of, which --json showed before.")),
    ] = None,
    repository: Annotated[
        list[str] | None,
        typer.Option("--repository", help=_("For hugging-face: owner/name; by default those of the cards.")),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", help=_("Another address of the one source, such as a mirror's."))
    ] = None,
    key_env: Annotated[
        str | None, typer.Option("--key-env", help=_("For an address: the variable that holds its key."))
    ] = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Ask live sources, show what would change, and take it when told to; the old copy is kept."""
    import asyncio

    from touchstone.catalog import refresh as live
    from touchstone.config import load_settings
    from touchstone.errors import SettingsError

    names = sources or ["models-dev"]
    if base_url is not None and len(names) != 1:
        raise SettingsError("--base-url is for one source; name exactly one")
    if seen is not None and len(names) != 1:
        raise SettingsError("--seen is for one source; name exactly one")
    repositories: list[str] = list(repository or ())
    if "hugging-face" in names and not repositories:
        with open_catalog(workspace) as catalog:
            repositories = list(live.repositories_of([card.model for card in catalog.cards() if card.model]))
    asked = [live.find_source(name, base_url=base_url, repositories=repositories, key_env=key_env) for name in names]
    shelf = live.shelf_of(load_settings(workspace).workspace)
    door = live.door_for(asked)

    async def ask() -> list[Refreshed]:
        now = datetime.now(UTC)
        return [await live.refresh(source, shelf, door, now) for source in asked]

    found = asyncio.run(ask())
    if seen is not None:
        found = [_as_seen(one, seen) for one in found]
    taken: dict[str, str] = {}
    for one in found:
        if not json:
            for line in _lines(one):
                answer(line)
        if one.new is None:
            continue
        if take or force or (not json and _agreed(one)):
            path = live.take(one, shelf, accept=force)
            taken[one.source] = str(path)
            if not json:
                answer(_("Taken: {path}").format(path=path))
        elif not json and _is_news(one):
            answer(_("Nothing was taken; add --take to take it."))
    if json:
        import orjson

        answer_json(orjson.dumps([_as_json(one, taken.get(one.source)) for one in found]))
    if any(one.failed is not None for one in found):
        raise typer.Exit(1)


def _as_seen(one: Refreshed, digest: str) -> Refreshed:
    """The same where the source still says what was shown; else nothing is taken, for nobody has looked at it."""
    from dataclasses import replace

    from touchstone.catalog.source_failed import SourceFailed

    if one.new is None or one.new.digest == digest:
        return one
    changed = SourceFailed(
        "{source} says something else than was shown; nothing was taken, look at it again", source=one.source
    )
    return replace(one, new=None, failed=changed)


def _is_news(one: Refreshed) -> bool:
    """Whether anything but its date differs from the copy that is kept."""
    found = one.difference
    return one.old is None or not found.is_empty


def _agreed(one: Refreshed) -> bool:
    """Whether the person at the terminal takes it; nobody is asked where nobody can answer."""
    import sys

    if one.doubt is not None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return typer.confirm(_("Take it?"), default=False, err=True)


def _lines(one: Refreshed) -> list[str]:
    from collections import Counter

    from touchstone.catalog.source_base import REASONS

    source = one.source
    lines = [one_line(one.notice.text(_))] if one.notice else []
    if one.failed is not None:
        return [*lines, _("{source}: {reason}").format(source=source, reason=one_line(one.failed.text(_)))]
    if one.new is None:
        return [*lines, _("{source}: nothing has changed.").format(source=source)]
    found = one.difference
    if not _is_news(one):
        said = _("{source}: {entries:,} entries, all as in the copy that is kept; --take renews its date.")
        return [*lines, said.format(source=source, entries=len(one.new.entries))]
    lines.append(
        _(
            "{source}: {entries:,} entries; {added:,} new, {removed:,} gone, {facts:,} facts and {prices:,} prices "
            "changed"
        ).format(
            source=source,
            entries=len(one.new.entries),
            added=len(found.added),
            removed=len(found.removed),
            facts=len(found.changed),
            prices=len(found.prices),
        )
    )
    if one.new.skipped_count:
        lines.append(_("  {n:,} entries could not be used").format(n=one.new.skipped_count))
        lines += [
            _("    {n:,}: {reason}").format(n=count, reason=_(REASONS[reason]))
            for reason, count in Counter(entry.reason for entry in one.new.skipped).most_common()
        ]
        if one.new.skipped_count > len(one.new.skipped):
            lines.append(_("    {n:,} more").format(n=one.new.skipped_count - len(one.new.skipped)))
    lines += _some(_("  new: {text}"), [_entry(key) for key in found.added] if one.old else [])
    lines += _some(_("  gone: {text}"), [_entry(key) for key in found.removed])
    lines += _some(
        _("  {text}"),
        [
            _("{entry}: {field} was {old}, is {new}").format(
                entry=_entry((change.provider or "", change.id)), field=change.field, old=change.old, new=change.new
            )
            for change in found.changed
        ],
    )
    lines += _some(
        _("  {text}"),
        [
            _("{entry}: {unit} was {old}, is {new} USD per {per:,}{percent}").format(
                entry=_entry((change.provider or "", change.id)),
                unit=change.unit,
                old=change.old_usd,
                new=change.new_usd,
                per=change.per,
                percent="" if change.percent is None else f" ({change.percent:+.1f} %)",
            )
            for change in found.prices
        ],
    )
    if one.doubt is not None:
        lines.append(one_line(one.doubt.text(_)))
    return lines


def _some(template: str, texts: list[str]) -> list[str]:
    shown = [one_line(template.format(text=text)) for text in texts[:_EXAMPLES]]
    return shown + ([_("  … and {n:,} more").format(n=len(texts) - _EXAMPLES)] if len(texts) > _EXAMPLES else [])


def _entry(key: tuple[str, str]) -> str:
    provider, entry = key
    return f"{provider}: {entry}" if provider else entry


def _as_json(one: Refreshed, taken: str | None) -> dict[str, object]:
    return {
        "source": one.source,
        "unchanged": one.is_unchanged,
        "entries": None if one.new is None else len(one.new.entries),
        "digest": None if one.new is None else one.new.digest,
        "first": one.old is None,
        "skipped": None if one.new is None else one.new.skipped_count,
        "difference": one.difference.model_dump(mode="json"),
        "doubt": None if one.doubt is None else one.doubt.text(),
        "failed": None if one.failed is None else one.failed.text(),
        "taken": taken,
    }


@errors_end_the_command
def add(
    file: Annotated[
        Path, typer.Argument(help=_("A card as TOML, or a Hugging Face card (README.md)."), metavar="FILE")
    ],
    model_id: Annotated[
        str | None, typer.Option("--id", help=_("Its id, lab/name, where the file gives none."))
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help=_("Stand in for a card of the same id."))] = False,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Take a model of our own, or an internal endpoint, into the catalog of the workspace."""
    from touchstone.catalog.own import add_card
    from touchstone.config import load_settings

    folder = load_settings(workspace).workspace / "catalog"
    today = datetime.now(UTC).date().isoformat()
    repositories = {}
    if file.suffix.lower() in (".md", ".markdown"):
        with open_catalog(workspace) as catalog:
            repositories = {
                card.model.hugging_face: card.id for card in catalog.cards() if card.model and card.model.hugging_face
            }
    added = add_card(folder, file, today=today, model_id=model_id, replace=replace, repositories=repositories)
    if json:
        answer_json(added.model_dump_json().encode())
        return
    model = added.card.model
    answer(_("{model} is in the catalog, marked as ours: {path}").format(model=model.id, path=added.path))
    if added.hides_shipped:
        answer(_("It stands in for the card of {model} that comes with the package.").format(model=model.id))
    if added.copy_path:
        answer(_("The Hugging Face card is kept as it was: {path}").format(path=added.copy_path))
    if added.claims:
        answer(_("{n} results were read from it.").format(n=len(added.claims)))
    for kept in added.kept:
        say(one_line(_("{key}: {value} ({reason})").format(key=kept.key, value=kept.value, reason=kept.reason)))
    from touchstone.reporting import catalog_words

    if gaps := catalog_words.gaps(model):
        names = _(", ").join(catalog_words.field_name(name) for name in gaps)
        answer(_("It does not say: {names}.").format(names=names))
