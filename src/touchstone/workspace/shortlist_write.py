"""Put a shortlist's models under `candidates` of a task file, and leave every other byte as it is."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from touchstone.catalog.base import Provider
from touchstone.catalog.cards import Card
from touchstone.catalog.providers import find_provider, provider_names
from touchstone.catalog.sellers import seller_id, sellers
from touchstone.decision.base import Constraints, Reason
from touchstone.decision.shortlist_base import Qualified, Shortlist, Supply
from touchstone.errors import SettingsError, TaskError, TouchstoneError
from touchstone.language import N_
from touchstone.noun import Noun
from touchstone.workspace.taskfile import Task, load_task
from touchstone.workspace.yaml_edit import Edit, edited_sequence

OWN = "own"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@+-]*(?::[A-Za-z0-9_./@+-]+)*")
"""A reference that YAML reads as this very text without quotes."""
_ANY_NAME = re.compile(r".*", re.DOTALL)
_LICENCES = {"open-licence": "open", "open-weights": "open_weights", "proprietary": "proprietary"}


class Entry(Noun):
    """One candidate to be written."""

    model: str
    """Id of the catalog."""
    reference: str | Mapping[str, Any]
    """As `compare` understands it."""
    key_env: str | None = None
    """Environment variable of the key, for a remark beside the line."""

    @property
    def name(self) -> str:
        """What the comparison will call it."""
        if isinstance(self.reference, str):
            return self.reference
        given = self.reference
        own = given["model"] == "openai-compatible"
        return str(given.get("name") or (given["served_name"] if own else given["model"]))

    @property
    def line(self) -> str:
        """As YAML, without its dash; JSON is YAML's flow style."""
        if isinstance(self.reference, str):
            plain = _PLAIN.fullmatch(self.reference) is not None
            return self.reference if plain else json.dumps(self.reference, ensure_ascii=False)
        pairs = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in self.reference.items())
        return "{" + ", ".join(pairs) + "}"


class Written(Noun):
    """What was written, and what could not be."""

    path: Path
    added: tuple[str, ...]
    """Names of the candidates, in the order of the shortlist."""
    kept: tuple[str, ...]
    """Entries that stay as they were, by their `model` or file."""
    replaced: tuple[str, ...]
    left_out: tuple[Reason, ...]
    """Models that cannot be called, and why."""


def entries_of(
    found: Shortlist, cards: Mapping[str, Card], top: int, constraints: Constraints
) -> tuple[list[Entry], list[Reason]]:
    """
    The first models of a shortlist that can be called, as candidates; and why others before them cannot.

    Args:
        cards: Of the models that qualify.
        top: So many candidates at most.
        constraints: Of the task file; what they ask of a model is written beside it.
    """
    entries: list[Entry] = []
    left_out: list[Reason] = []
    for one in found.qualified:
        if len(entries) == top:
            break
        reached = next((way for supply in one.supplies if (way := _way(supply, cards[one.model]))), None)
        if reached is None:
            left_out.append(_unreachable(one))
            continue
        reference, key_env = reached
        if not isinstance(reference, str):
            # The decision finds out by itself what the catalog says of a provider's name; of an own address it cannot.
            reference = {**reference, **_facts(one, constraints)}
        entries.append(Entry(model=one.model, reference=reference, key_env=key_env))
    return entries, left_out


def _way(supply: Supply, card: Card) -> tuple[str | dict[str, Any], str | None] | None:
    """How `compare` asks for an offer; None where it cannot without being told an address."""
    offer = supply.offer
    if offer.provider == OWN:
        endpoint = next((one for one in card.endpoints if one.served_name == offer.served_name), None)
        return None if endpoint is None else (endpoint.candidate(), endpoint.key_env)
    seller = sellers().get(seller_id(offer.provider))
    presets = seller.presets if seller else ()
    provider = next((found for name in presets if (found := _reachable(name, offer.served_name))), None)
    return None if provider is None else (f"{provider.id}/{offer.served_name}", provider.key_env)


_NAMES_AT: Mapping[str, re.Pattern[str]] = {
    # OpenRouter calls every model author/slug (openrouter.ai/docs, "Models"); some rows of the price list do not.
    "openrouter": re.compile(r"[^/]+/.+"),
    # The same seller's prices hold what it sells under another interface, Claude among it.
    "gemini": re.compile(r"(gemini|gemma|learnlm|text-embedding)-.*"),
}
"""What names look like at a preset, where the price list holds others too."""


def _reachable(preset: str, served_name: str) -> Provider | None:
    provider = find_provider(preset)
    # Where every customer has an address and names of their own, a reference would mean nothing yet.
    if provider.base_url is None or not _NAMES_AT.get(preset, _ANY_NAME).fullmatch(served_name):
        return None
    return provider


def _unreachable(one: Qualified) -> Reason:
    if not one.supplies:
        return Reason(
            template=N_("{model} is left out: nobody is known to sell it; serve it yourself and add its address"),
            values={"model": one.model},
        )
    named = ", ".join(dict.fromkeys(supply.offer.provider for supply in one.supplies))
    return Reason(
        template=N_("{model} is left out: Touchstone cannot call {sellers} by name; add it with its base_url"),
        values={"model": one.model, "sellers": named},
    )


def _facts(one: Qualified, constraints: Constraints) -> dict[str, Any]:
    """What the task's constraints ask of a model, so that the decision knows it too."""
    found: dict[str, Any] = {}
    if constraints.licence is not None and one.openness is not None:
        found["licence"] = _LICENCES[one.openness]
    if constraints.self_hostable and one.openness is not None:
        found["self_hostable"] = one.openness != "proprietary"
    return found


def write_candidates(
    task: Task, entries: Sequence[Entry], *, left_out: Sequence[Reason] = (), replace: bool = False
) -> Written:
    """
    Write candidates into a task file: what stands there and is no model of the catalog stays, comments stay.

    The file is replaced as a whole when the new one was read and checked, or not at all.

    Args:
        task: The task file, as it is.
        entries: What to write.
        left_out: Models that could not be written, for the answer.
        replace: Whether models of the catalog that stand there already may be taken out.

    Raises:
        TaskError: there are models of the catalog already and `replace` is False; or the file is written in a way
            that cannot be edited without changing something else.
        SettingsError: nobody can be written, or the file cannot be.
    """
    if not entries:
        raise SettingsError(
            "no model of the shortlist can be called by name, so {path} stays as it is; serve one yourself and add its "
            "base_url, or relax a limit",
            path=str(task.path),
        )
    mine = [position for position, entry in enumerate(task.file.candidates) if _of_catalog(entry)]
    names = [_shown(entry) for entry in task.file.candidates]
    if mine and not replace:
        raise TaskError(
            "there are candidates of the catalog already: {names}; --replace takes them out and keeps the others",
            path=task.path,
            line=task.line("candidates", mine[0]),
            names=", ".join(names[position] for position in mine),
        )
    kept = [name for position, name in enumerate(names) if position not in mine]
    known = set(kept)
    wanted = [entry for entry in entries if entry.name not in known]
    lines = [entry.line + (f"   # {entry.key_env}" if entry.key_env else "") for entry in wanted]
    path = task.path.resolve()
    text = _read(path)
    edit = Edit(remove=frozenset(mine), add=tuple(lines), plain=tuple(entry.line for entry in wanted))
    expected = [entry for position, entry in enumerate(task.file.candidates) if position not in mine]
    expected += [entry.reference if isinstance(entry.reference, str) else dict(entry.reference) for entry in wanted]
    _replace(path, edited_sequence(text, "candidates", edit, path=task.path), task, expected)
    return Written(
        path=task.path,
        added=tuple(entry.name for entry in wanted),
        kept=tuple(kept),
        replaced=tuple(names[position] for position in mine),
        left_out=tuple(left_out),
    )


def _of_catalog(entry: str | Mapping[str, Any]) -> bool:
    """Whether an entry is sold by a provider that the catalog knows; baselines, recordings and own servers are not."""
    model = entry if isinstance(entry, str) else entry.get("model")
    if not isinstance(model, str) or (not isinstance(entry, str) and "recorded" in entry):
        return False
    preset = model.partition("/")[0]
    return preset in provider_names() and not find_provider(preset).local


def _shown(entry: str | Mapping[str, Any]) -> str:
    if isinstance(entry, str):
        return entry
    if "recorded" in entry:
        return str(entry.get("name") or entry["recorded"])
    own = entry.get("model") == "openai-compatible"
    return str(entry.get("name") or entry.get("served_name" if own else "model"))


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise SettingsError("{path} cannot be read: {reason}", path=str(path), reason=error.strerror) from error


def _replace(path: Path, text: str, task: Task, expected: Sequence[Any]) -> None:
    """Put the new text in the file's place once it was read back and says what it should and nothing else."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            fresh.chmod(path.stat().st_mode & 0o7777)
            _check(fresh, task, expected)
            fresh.replace(path)
        finally:
            with suppress(FileNotFoundError):
                fresh.unlink()
    except OSError as error:
        raise SettingsError("{path} cannot be written: {reason}", path=str(path), reason=error.strerror) from error


def _check(fresh: Path, task: Task, expected: Sequence[Any]) -> None:
    try:
        now = load_task(fresh).file
    except TouchstoneError:
        now = None
    said = task.file.model_dump(exclude={"candidates"})
    if now is None or now.model_dump(exclude={"candidates"}) != said or list(now.candidates) != list(expected):
        raise TaskError(
            "the candidates cannot be edited without changing something else; write them as a list, one a line, "
            "and try again",
            path=task.path,
            line=task.line("candidates"),
        )
