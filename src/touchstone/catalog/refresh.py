"""
`catalog refresh`: ask live sources, show what would change, take it on request.

This module and the sources it asks are the only part of the catalog that goes online, and only through one `Door`. A
source that fails, or that says much less than before, changes nothing: what was taken last stays.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from touchstone.catalog.model import Model
from touchstone.catalog.outbound import Door, Limits, Resolve
from touchstone.catalog.providers import base_url_of, find_provider
from touchstone.catalog.source_base import Copy, Source
from touchstone.catalog.source_diff import Difference, diff
from touchstone.catalog.source_failed import SourceFailed
from touchstone.catalog.source_hugging_face import HuggingFace
from touchstone.catalog.source_modelsdev import ModelsDev
from touchstone.catalog.source_ollama import Ollama
from touchstone.catalog.source_openrouter import OpenRouter
from touchstone.catalog.source_store import Shelf
from touchstone.catalog.source_v1_models import V1Models
from touchstone.errors import TouchstoneError, UnknownName

SOURCES = ("models-dev", "openrouter", "hugging-face", "ollama")
"""Names of the sources that are always known; beside them every preset, as `v1/PRESET`, and every address."""


@dataclass(frozen=True)
class Refreshed:
    """What became of asking one source; nothing is stored yet."""

    source: str
    old: Copy | None
    """The copy at hand."""
    new: Copy | None = None
    """What the source says now; None when it failed or nothing has changed."""
    difference: Difference = field(default_factory=Difference)
    doubt: TouchstoneError | None = None
    """Why `new` is not taken unless the user insists."""
    failed: TouchstoneError | None = None
    notice: TouchstoneError | None = None
    """What was wrong with the copy at hand."""

    @property
    def is_unchanged(self) -> bool:
        """Whether the source said that nothing has changed."""
        return self.new is None and self.failed is None


def shelf_of(workspace: Path) -> Shelf:
    """Where a workspace keeps its copies."""
    return Shelf(workspace / "catalog" / "sources")


def find_source(
    name: str,
    *,
    base_url: str | None = None,
    repositories: Collection[str] = (),
    key_env: str | None = None,
) -> Source:
    """
    The source that a user means.

    Args:
        name: One of `SOURCES`, `v1/PRESET`, a preset's name, or the address of an OpenAI-compatible server.
        base_url: Another address, such as a mirror's.
        repositories: For `hugging-face`: `owner/name` each.
        key_env: For an address: the variable that holds its key.

    Raises:
        UnknownName: nobody knows it.
        SettingsError: an address or a repository cannot be used.
    """
    named = {"base_url": base_url, "named": True} if base_url is not None else {}
    if name == "models-dev":
        return ModelsDev(**named)  # type: ignore[arg-type]
    if name == "openrouter":
        return OpenRouter(**named)  # type: ignore[arg-type]
    if name == "hugging-face":
        return HuggingFace(repositories, **named)  # type: ignore[arg-type]
    if name == "ollama":
        return Ollama(base_url or base_url_of(find_provider("ollama")))
    if "://" in name:
        return V1Models(name, key_env=key_env, key_required=key_env is not None)
    try:
        return V1Models.of(find_provider(name.removeprefix("v1/")), base_url)
    except UnknownName:
        raise UnknownName(kind="source", name=name, known=SOURCES) from None


def repositories_of(models: Collection[Model]) -> tuple[str, ...]:
    """The repositories of the Hugging Face Hub that cards name."""
    return tuple(dict.fromkeys(model.hugging_face for model in models if model.hugging_face))


def door_for(
    sources: Sequence[Source],
    *,
    resolve: Resolve | None = None,
    limits: Limits | None = None,
    proxy: str | None = None,
) -> Door:
    """A door that is open for these sources: near addresses only where the user named them."""
    return Door(
        near=[source.base_url for source in sources if source.named], resolve=resolve, limits=limits, proxy=proxy
    )


async def refresh(source: Source, shelf: Shelf, door: Door, now: datetime) -> Refreshed:
    """
    Ask one source. Nothing is stored, and no failure of the source is raised.

    Args:
        source: Who is asked.
        shelf: Holds the copy at hand.
        door: How one goes online.
        now: The date that the new copy will carry.
    """
    found = shelf.read(source.name)
    try:
        new = await source.ask(door, found.copy, now.astimezone(UTC).isoformat(timespec="seconds"))
    except TouchstoneError as error:
        return Refreshed(source.name, found.copy, failed=error, notice=found.notice)
    if new is None:
        return Refreshed(source.name, found.copy, notice=found.notice)
    return Refreshed(
        source.name,
        found.copy,
        new=new,
        difference=diff(found.copy, new),
        doubt=doubt_of(found.copy, new),
        notice=found.notice,
    )


def take(refreshed: Refreshed, shelf: Shelf, *, accept: bool = False) -> Path | None:
    """
    Store what a source said as its good copy; None when there is nothing to store.

    Args:
        refreshed: What became of asking.
        shelf: Where it goes.
        accept: Whether the user takes it in spite of the doubt.

    Raises:
        SourceFailed: there is a doubt and the user has not accepted it. The old copy stays.
        StoreError: it cannot be written. The old copy stays.
    """
    if refreshed.new is None:
        return None
    if refreshed.doubt is not None and not accept:
        raise refreshed.doubt
    return shelf.take(refreshed.new)


def doubt_of(old: Copy | None, new: Copy) -> SourceFailed | None:
    """Why an answer looks partial: it has fewer than half of the entries there were, or most were left out."""
    if old is not None and len(new.entries) * 2 < len(old.entries):
        return SourceFailed(
            "{source} lists {now} models where it listed {before}; the old copy stays unless you add --force",
            source=new.source,
            now=len(new.entries),
            before=len(old.entries),
        )
    if new.skipped_count > len(new.entries):
        return SourceFailed(
            "{source} lists {now} models that can be used and {skipped} that cannot; nothing is taken unless you "
            "add --force",
            source=new.source,
            now=len(new.entries),
            skipped=new.skipped_count,
        )
    return None
