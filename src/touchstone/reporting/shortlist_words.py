"""How a shortlist reads: its limits, reasons and numbers, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from touchstone.catalog.sellers import seller_id, sellers
from touchstone.decision.base import Reason
from touchstone.decision.shortlist_base import Check, LimitName, Needs, Relaxed
from touchstone.decision.shortlist_order import PRIORITIES
from touchstone.language import N_, _, current_language
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers

LIMITS: Mapping[LimitName, str] = {
    "task": N_("task"),
    "any-task": N_("task"),
    "output": N_("output"),
    "input": N_("input"),
    "language": N_("language"),
    "ability": N_("ability"),
    "context": N_("context"),
    "retirement": N_("retirement"),
    "released": N_("release date"),
    "licence": N_("licence"),
    "openness": N_("openness"),
    "lab-country": N_("country of the lab"),
    "self-hosting": N_("own machine"),
    "benchmark": N_("published result"),
    "ours": N_("own models only"),
    "deprecated": N_("deprecated offer"),
    "provider": N_("seller"),
    "callable": N_("sellers we can call"),
    "seller-country": N_("country of the seller"),
    "region": N_("place of the data"),
    "input-usd": N_("price of input"),
    "output-usd": N_("price of output"),
    "usd-per-month": N_("cost a month"),
}
"""What the limits are called."""


COUNTRIES: Mapping[str, str] = {
    "AE": N_("the United Arab Emirates"),
    "AU": N_("Australia"),
    "CA": N_("Canada"),
    "CN": N_("China"),
    "DE": N_("Germany"),
    "FI": N_("Finland"),
    "FR": N_("France"),
    "GB": N_("the United Kingdom"),
    "HK": N_("Hong Kong"),
    "IL": N_("Israel"),
    "IN": N_("India"),
    "JP": N_("Japan"),
    "KR": N_("South Korea"),
    "NL": N_("the Netherlands"),
    "RU": N_("Russia"),
    "SG": N_("Singapore"),
    "US": N_("the United States"),
}
"""What the countries of labs and sellers and the places of calls are called; others stand for themselves."""
_NOT = "≠"
"""Before the code of a country that is ruled out."""


def limit_name(limit: str) -> str:
    """A limit by its name."""
    found = LIMITS.get(limit)  # type: ignore[call-overload]  # an unknown one stands for itself
    return _(found) if found else limit


def _each(one: Callable[[str], str]) -> Callable[[str], str]:
    return lambda joined: _(", ").join(one(part) for part in joined.split(", "))


_task = _each(lambda task: words.term("task", task))
_output = _each(lambda output: words.term("output", output))
_openness = _each(lambda openness: words.term("openness", openness))
_input = _each(lambda name: _(words.MODALITIES[name]) if name in words.MODALITIES else name)
_ability = _each(lambda name: _(words.ABILITIES[name]) if name in words.ABILITIES else name)
_seller = _each(words.seller)


def _one_country(code: str) -> str:
    name = COUNTRIES.get(code.removeprefix(_NOT))
    shown = code.removeprefix(_NOT) if name is None else _(name)
    return _("not {country}").format(country=shown) if code.startswith(_NOT) else shown


def _one_place(code: str) -> str:
    return _one_country(code.upper()) if code.removeprefix(_NOT).upper() in COUNTRIES else words.places([code])


_country = _each(_one_country)
_place = _each(_one_place)

_BY_KEY: Mapping[str, Callable[[str], str]] = {
    "tasks": _task,
    "outputs": _output,
    "inputs": _input,
    "abilities": _ability,
    "seller": _seller,
    "sellers": _seller,
    "places": _place,
    "country": _country,
    "countries": _country,
    "allowed": _country,
    "forbidden": _country,
    "setting": lambda name: setting(name),
    "shown": _seller,
    "openness": _openness,
    "basis": _,
    "priority": lambda name: _(PRIORITIES[name]) if name in PRIORITIES else name,  # type: ignore[index]
    "limit": limit_name,
}
"""Values of reasons that are ids, and what they are called."""
_BY_LIMIT: Mapping[str, Callable[[str], str]] = {
    "task": _task,
    "any-task": _task,
    "output": _output,
    "input": _input,
    "ability": _ability,
    "openness": _openness,
}
"""What is `missing` or `wanted` is a list of whatever the limit is about."""


def said(reason: Reason, limit: str = "") -> str:
    """A sentence in the reader's language, the ids in it by their names."""
    values: dict[str, str | int | float] = {}
    for key, value in reason.values.items():
        word = _BY_KEY.get(key) or (_BY_LIMIT.get(limit) if key in ("missing", "wanted") else None)
        values[key] = word(value) if word is not None and isinstance(value, str) else value
    return reason.model_copy(update={"values": values}).text(_)


def said_of(check: Check) -> str:
    """A check in words, with which offers it is about."""
    sentence = said(check.reason, check.limit)
    return (
        sentence
        if check.among is None
        else _("{sentence} ({among})").format(sentence=sentence, among=said(check.among))
    )


def places(codes: Iterable[str]) -> str:
    """Where calls may be kept."""
    return _(", ").join(map(_one_place, codes))


def setting(seller: str) -> str:
    """What a seller says of where calls run, and where it says so."""
    found = sellers().get(seller_id(seller))
    if found is None or found.data is None:
        return ""
    source = _(", ").join(part for part in (found.data_source, found.data_as_of) if part)
    return _("{words} ({source})").format(words=found.data.in_language(current_language()), source=source)


def nearest(relaxed: Relaxed, needs: Needs) -> str:
    """How far a limit must be relaxed for the first model to come back."""
    value, limit = relaxed.nearest, relaxed.limit
    if value is None:
        return _("only without this limit") if relaxed.models else numbers.UNKNOWN
    if limit in ("task", "output", "input", "language", "ability"):
        shown = _BY_LIMIT[limit](str(value)) if limit in _BY_LIMIT else str(value)
        return _("without {missing}").format(missing=shown)
    if limit in ("licence", "provider", "region", "lab-country", "seller-country", "any-task", "openness"):
        word = {
            "provider": _seller,
            "region": _place,
            "any-task": _task,
            "openness": _openness,
            "lab-country": _country,
            "seller-country": _country,
        }.get(limit, str)
        shown = word(str(value))
        return _("also {value}").format(value=shown)
    if limit in ("input-usd", "output-usd", "usd-per-month"):
        return _("up to {usd}").format(usd=numbers.money(float(value)))
    if limit == "self-hosting":
        return _("{gib:g} GiB instead of {wanted:g}").format(gib=float(value), wanted=needs.memory_gib or 0)
    if limit == "context":
        return _("{tokens} tokens").format(tokens=words.tokens(int(value)))
    if limit == "benchmark":
        return f"{float(value):g}"
    return numbers.day(str(value))
