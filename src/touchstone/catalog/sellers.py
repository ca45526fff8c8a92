"""
Who sells models as a service, and where the data of a call goes, read from `sellers.toml` beside this module.

One seller has several names: an id in `genai-prices`, another in models.dev, a preset of ours. `seller_id` brings them
together.
"""

from collections.abc import Mapping
from functools import cache
from typing import Self

from pydantic import model_validator

from touchstone.catalog.model import PartialDate, Words
from touchstone.catalog.shipped_tables import read_shipped
from touchstone.errors import InvalidValue, UnknownName
from touchstone.noun import Noun

ANYWHERE = "anywhere"
"""In `processed_in`: the seller may process an ordinary call in any country."""


class Seller(Noun):
    """A company's service that answers calls for money, or the user's own machine."""

    id: str
    name: Words
    country: str | None = None
    """ISO 3166-1 alpha-2 code of the seat of the company, or of its parent."""
    url: str | None = None
    """Its price page or list of models."""
    presets: tuple[str, ...] = ()
    """Ids in `providers.toml` under which Touchstone can call it; none means not without a task file's `base_url`."""
    models_dev: tuple[str, ...] = ()
    """Further ids of it in models.dev, beside its own."""
    processed_in: tuple[str, ...] | None = None
    """Where calls run, or can be made to stay when the customer asks: small ISO country codes, `eu`, `anywhere` or
    `own-machine`. None where nothing is known to be published."""
    stored_in: tuple[str, ...] | None = None
    """Where data at rest is kept, as far as published; same codes."""
    data: Words | None = None
    """What the seller says about both, in a sentence."""
    data_source: str | None = None
    """The page that says so."""
    data_as_of: PartialDate | None = None
    """The day it was read, or the date it carries."""

    @model_validator(mode="after")
    def _says_since_when(self) -> Self:
        stated = self.processed_in is not None or self.stored_in is not None
        if stated and (self.data is None or self.data_as_of is None):
            raise InvalidValue(
                "seller {seller} says where data goes and not in which words or since when; add data and data_as_of",
                seller=self.id,
            )
        return self

    def can_keep_in(self, places: frozenset[str]) -> bool | None:
        """
        Whether calls can be kept within some places; None when nobody knows.

        It may take a setting or an address of its own; `data` says which.
        """
        return None if self.processed_in is None else any(place in places for place in self.processed_in)


@cache
def sellers() -> Mapping[str, Seller]:
    """Every seller, by id, in the order of the file."""
    return {table["id"]: Seller.model_validate(table) for table in read_shipped("sellers.toml")["seller"]}


@cache
def _by_other_name() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for seller in sellers().values():
        found |= dict.fromkeys((*seller.models_dev, *seller.presets), seller.id)
    return found | {name: name for name in sellers()}


def seller_id(name: str) -> str:
    """The seller behind an id of `genai-prices` or models.dev or a preset; an unknown name stands for itself."""
    return _by_other_name().get(name, name)


def find_seller(name: str) -> Seller:
    """
    The seller with this id, id in models.dev or preset.

    Raises:
        UnknownName: there is none; the closest are named.
    """
    try:
        return sellers()[_by_other_name()[name]]
    except KeyError:
        raise UnknownName(kind="seller", name=name, known=_by_other_name()) from None
