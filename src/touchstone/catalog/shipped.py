"""The cards that come with this package: one TOML file a model, under `cards/LAB/NAME.toml`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

import tomli
from pydantic import ValidationError

from touchstone.catalog.model import Model
from touchstone.errors import DataError, refusal


def card_files() -> Iterator[Traversable]:
    """Every shipped card file, by lab and name."""
    for lab in sorted(files("touchstone.catalog").joinpath("cards").iterdir(), key=lambda item: item.name):
        if lab.is_dir():
            yield from sorted(
                (item for item in lab.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name
            )


def shipped_models() -> tuple[Model, ...]:
    """
    Every shipped card, by id.

    Raises:
        DataError: a card cannot be read; the file and the key are named.
    """
    return tuple(read_card(file.read_text("utf-8"), place=str(file)) for file in card_files())


def shipped_model(model_id: str) -> Model | None:
    """One shipped card; None when there is none of this id."""
    lab, _slash, name = model_id.partition("/")
    file = files("touchstone.catalog").joinpath("cards", lab, f"{name}.toml")
    return read_card(file.read_text("utf-8"), place=str(file)) if file.is_file() else None


def read_card(text: str, *, place: str) -> Model:
    """
    A card out of its TOML text.

    Raises:
        DataError: it is no TOML, or a key is unknown, missing or has a value that cannot be used.
    """
    try:
        return Model.model_validate(tomli.loads(text))
    except tomli.TOMLDecodeError as error:
        raise DataError("this is no TOML: {reason}", path=place, reason=str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            "{field}: {reason}", path=place, field=".".join(map(str, first["loc"])) or "card", reason=refusal(first)
        ) from None
