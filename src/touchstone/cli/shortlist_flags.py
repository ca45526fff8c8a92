"""What the flags of `touchstone shortlist` mean, checked as far as it goes without the catalog."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from touchstone.workspace.shortlist_needs import Wishes

Many = list[str] | None


def wishes_of(**fields: Any) -> Wishes:
    """The wishes; a value that cannot be used is told by its flag."""
    from pydantic import ValidationError

    from touchstone.errors import SettingsError, refusal
    from touchstone.workspace.shortlist_needs import Wishes

    flags = {
        "memory_gib": "--fits-gb",
        "fit_context_tokens": "--fit-context",
        "context_tokens": "--min-context",
        "lab_countries": "--country",
        "callable": "--callable",
        "inputs": "--input",
    }
    try:
        return Wishes.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        flag = flags.get(name, "--" + name.replace("_", "-"))
        raise SettingsError("{flag}: {reason}", flag=flag, reason=refusal(first)) from None


def priorities_of(words: Many) -> Any:
    """What the order goes by."""
    from touchstone.decision.shortlist import DEFAULT_PRIORITIES
    from touchstone.decision.shortlist_order import PRIORITIES
    from touchstone.errors import UnknownName
    from touchstone.language import N_

    for word in words or ():
        if word not in PRIORITIES:
            raise UnknownName(kind=N_("priority"), name=word, known=PRIORITIES)
    return tuple(words) if words else DEFAULT_PRIORITIES


def terms_of(kind: Any, words: Many) -> list[str]:
    """Ids of the taxonomy."""
    from touchstone.catalog.taxonomy import find_term

    return [find_term(kind, word).id for word in words or ()]


def licences_of(words: Many) -> list[str]:
    """Ids of licences and their classes."""
    if not words:
        return []
    from touchstone.catalog.query import LICENCE_CLASSES
    from touchstone.catalog.taxonomy import licences
    from touchstone.errors import UnknownName
    from touchstone.language import N_

    known = (*LICENCE_CLASSES, *licences())
    for word in words:
        if word.lower() not in known:
            raise UnknownName(kind=N_("licence"), name=word, known=known)
    return [word.lower() for word in words]


def countries_of(words: Many) -> list[str]:
    """Codes as they are written."""
    return [word.upper() for word in words or ()]


def providers_of(words: Many) -> list[str]:
    """Ids of sellers."""
    from touchstone.catalog.sellers import find_seller

    return [word if word == "own" else find_seller(word).id for word in words or ()]


def floor_of(benchmark: str | None, value: float | None) -> Any:
    """The least result on a test; None where none is asked for."""
    from touchstone.catalog.benchmarks import find_benchmark
    from touchstone.decision.shortlist_base import Floor
    from touchstone.errors import InvalidValue, SettingsError

    if benchmark is None and value is None:
        return None
    if benchmark is None or value is None:
        raise SettingsError("--benchmark and --min-score go together: a test, and the least result on it")
    if not math.isfinite(value):
        raise SettingsError("{flag}: {reason}", flag="--min-score", reason=InvalidValue("write a finite number"))
    return Floor(benchmark=find_benchmark(benchmark), value=value)


def scenario_of(word: str | None) -> str | None:
    """Id of a scenario."""
    from touchstone.catalog.benchmarks import find_scenario

    return None if word is None else find_scenario(word).id
