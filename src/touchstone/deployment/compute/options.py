"""What a kind of compute was told: its options, checked, and the places below the version's folder that it may read."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pydantic import ValidationError

from touchstone.deployment.base import ComputeSettings
from touchstone.errors import SettingsError, refusal
from touchstone.noun import Noun

Options = TypeVar("Options", bound=Noun)


def read_options(kind: type[Options], settings: ComputeSettings) -> Options:
    """
    The options of a kind as a noun of it.

    Raises:
        SettingsError: one is unknown, or has a value that cannot be used.
    """
    try:
        return kind.model_validate(dict(settings.options))
    except ValidationError as error:
        found = error.errors()[0]
        name = str(found["loc"][0]) if found["loc"] else ""
        if found["type"] == "extra_forbidden":
            known = sorted(kind.model_fields)
            close = get_close_matches(name, known, n=3, cutoff=0.5) or known
            raise SettingsError(
                "compute {kind} has no option {name!r}; known: {known}",
                kind=settings.kind,
                name=name,
                known=", ".join(close) or "-",
            ) from error
        raise SettingsError(
            "option {name} of compute {kind}: {reason}", name=name, kind=settings.kind, reason=refusal(dict(found))
        ) from error


def weights_of(settings: ComputeSettings, folder: Path) -> Path:
    """
    The folder or file of weights.

    Raises:
        SettingsError: none is named, it lies elsewhere, or is not there.
    """
    if settings.weights is None:
        raise SettingsError(
            "compute {kind} needs weights: name the folder or file below the version's folder", kind=settings.kind
        )
    return below(folder, settings.weights)


def adapter_of(settings: ComputeSettings, folder: Path) -> Path | None:
    """The folder of the adapter, None where there is none. Raises `SettingsError` as `weights_of` does."""
    return None if settings.adapter is None else below(folder, settings.adapter)


def below(folder: Path, name: str) -> Path:
    """
    A place below a folder, which it may not leave by `..`, an absolute path or a link.

    Raises:
        SettingsError: it would, or is not there.
    """
    parts = PurePosixPath(name)
    place = folder / name
    if not name or parts.is_absolute() or ".." in parts.parts or "\0" in name or "\\" in name:
        raise SettingsError("{name!r} is no place below the version's folder; write a relative path", name=name)
    try:
        resolved, inside = place.resolve(strict=True), folder.resolve(strict=True) / name
    except OSError as error:
        raise SettingsError("{place} does not exist; deploy the version again", place=str(place)) from error
    if resolved != inside:
        raise SettingsError("{place} is a link; weights must lie below the version's own folder", place=str(place))
    return resolved


def no_adapter(settings: ComputeSettings) -> None:
    """Raise `SettingsError` where an adapter is named for a kind that takes none."""
    if settings.adapter is not None:
        raise SettingsError(
            "compute {kind} takes no adapter; merge it into the weights, or use transformers", kind=settings.kind
        )
