"""Codes of languages, countries and places that flags name: one that nobody uses is a slip, not an empty list."""

from __future__ import annotations

import re
from collections.abc import Collection

from touchstone.catalog.catalog import Catalog
from touchstone.catalog.sellers import sellers
from touchstone.catalog.taxonomy import labs
from touchstone.errors import UnknownName
from touchstone.language import N_
from touchstone.workspace.shortlist_needs import ANY, Wishes

_COUNTRY = re.compile(r"[A-Z]{2}")
"""ISO 3166-1 alpha-2."""
_MANY = "und"
"""In cards: many languages that the maker does not name."""


def check_codes(wishes: Wishes, catalog: Catalog) -> None:
    """
    Refuse codes that no card, lab or seller uses.

    A country that is ruled out may be one from which nobody comes yet, so there any code of two letters will do.

    Raises:
        UnknownName: a code is used by nobody; the closest are named.
    """
    if wishes.languages:
        spoken = {*catalog.index.values_of("language"), ANY} - {_MANY}
        _check(wishes.languages, spoken, N_("language"))
    if wishes.regions:
        _check(wishes.regions, {place for one in sellers().values() for place in one.processed_in or ()}, N_("place"))
    if wishes.lab_countries:
        _check(wishes.lab_countries, _of_labs(), N_("country of a lab"))
    if wishes.seller_countries:
        _check(wishes.seller_countries, _of_sellers(), N_("country of a seller"))
    strange = [one for one in (*wishes.not_lab_countries, *wishes.not_seller_countries) if not _COUNTRY.fullmatch(one)]
    if strange:
        _check(strange, _of_labs() | _of_sellers(), N_("country"))


def _of_labs() -> set[str]:
    return {lab.country for lab in labs().values() if lab.country}


def _of_sellers() -> set[str]:
    return {seller.country for seller in sellers().values() if seller.country}


def _check(codes: Collection[str], known: Collection[str], kind: str) -> None:
    for code in codes:
        if code not in known:
            raise UnknownName(kind=kind, name=code, known=known)
