"""A model's card: facts with sources, sellers and prices, memory, results and ours, code to call it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from touchstone.catalog.benchmarks import benchmarks
from touchstone.catalog.cards import Card
from touchstone.catalog.memory import Precision
from touchstone.catalog.model import Model
from touchstone.errors import SettingsError
from touchstone.language import N_, _, current_language
from touchstone.reporting.card_memory import memory_answer
from touchstone.reporting.card_page import Surroundings, card_page
from touchstone.reporting.card_results import benchmark_name, results_section
from touchstone.web.base import Answer, Ask, NotHere, Route, Show
from touchstone.web.pages.catalog_asked import card_address, is_starter, playground_address
from touchstone.workspace.own_results import may_have_measured, own_results, training_of

if TYPE_CHECKING:
    from touchstone.catalog.catalog import Catalog
    from touchstone.catalog.claims import Claim

PRECISIONS: Mapping[Precision, str] = {"16bit": N_("16 bit"), "8bit": N_("8 bit"), "4bit": N_("4 bit")}
CACHES = {"16": N_("16 bit"), "8": N_("8 bit"), "4": N_("4 bit")}
_OURS_S = 60.0
"""What was measured is worked out from stored answers at most once in so many seconds."""


def card(ask: Ask) -> Answer:
    """The page of one entry, or the part of it that a script asks for."""
    with ask.catalog() as catalog:
        found = _known(catalog, ask.params["entry"])
        around = Surroundings(
            today=catalog.today,
            descendants=catalog.made_from(found.id),
            training=training_of(ask.folder, found.id) if found.model is not None and found.model.ours else None,
        )
        linked = places_of(catalog, _models_named(found, around.descendants))
    part = ask.query.text("part")
    if ask.is_fragment and part == "ours":
        return Show("catalog/card.html.j2", {"ours": _ours(ask, found), "places": _tests(found)}, block="ours")
    if ask.is_fragment and part == "memory":
        return Show("catalog/card.html.j2", _memory(ask, found), block="memory")
    page = card_page(found, around)
    may_be_ours = may_have_measured(ask.workspace.settings, found.id)
    memory = _memory(ask, found)
    values: dict[str, Any] = {
        "page": page,
        "card": found,
        "address_of_card": card_address(found.id),
        "places": {**linked, **_tests(found)},
        "may_be_ours": may_be_ours,
        "ours": _ours(ask, found) if may_be_ours and part == "ours" else None,
        "to_playground": playground_address([found.id]) if found.offers or is_starter(found.id) else "",
        **memory,
    }
    return Show("catalog/card.html.j2", values, status=422 if memory.get("problems") else 200)


def _known(catalog: Catalog, entry: str) -> Card:
    """The card of an id that somebody typed. Raises `NotHere` where there is none."""
    from touchstone.errors import UnknownName

    try:
        return catalog.card(entry)
    except UnknownName as error:
        raise NotHere(
            N_("The catalog has no {name!r}. Spelt alike: {close}"), name=entry[:200], close=error.values["close"]
        ) from None


def _models_named(card: Card, descendants: Iterable[str]) -> list[str]:
    model = card.model
    named = list(descendants)
    if model is not None:
        named += [one for one in (model.base_model, model.successor) if one]
        named += [step.model for step in model.points_to or ()]
    return named


def places_of(catalog: Catalog, ids: Iterable[str]) -> dict[str, str]:
    """Addresses of those ids that the catalog has."""
    return {one: card_address(one) for one in catalog.facts(dict.fromkeys(ids))}


def _tests(card: Card) -> dict[str, str]:
    """Addresses of the tests of which a card has results, by what they are called."""
    return {
        benchmark_name(one): f"/benchmarks/{one}"
        for one in dict.fromkeys(claim.benchmark for claim in card.claims)
        if one in benchmarks()
    }


def _ours(ask: Ask, card: Card) -> Any:
    """What this workspace measured of it, as blocks; None where that is nothing."""
    key = (ask.viewer.project, "measured of", card.id, current_language())

    def look() -> tuple[Claim, ...]:
        return own_results(ask.workspace, card.id)

    measured = ask.site.kept(key, _OURS_S, look) if may_have_measured(ask.workspace.settings, card.id) else ()
    if not measured:
        return None
    return results_section(card.model_copy(update={"claims": ()}), measured)


# Memory ---------------------------------------------------------------------------------------------------------------


def _memory(ask: Ask, card: Card) -> dict[str, Any]:
    """The calculator's fields and its answer; none where nobody knows the parameters, or there are no weights."""
    model = card.model
    if model is None or not model.parameters or model.weights not in ("open", "gated"):
        return {"calculator": None, "problems": {}, "address_of_card": card_address(card.id)}
    problems: dict[str, str] = {}
    given = {
        "context": _whole(ask, "context", _usual_context(model), problems),
        "batch": _whole(ask, "batch", 1, problems),
        "device": _device(ask, problems),
    }
    precision = ask.query.text("precision", "16bit")
    cache = ask.query.text("cache", "16")
    if precision not in PRECISIONS:
        precision = "16bit"
    if cache not in CACHES:
        cache = "16"
    answer = None
    if not problems:
        answer = memory_answer(
            model,
            precision=precision,  # type: ignore[arg-type]  # looked up above
            context_tokens=int(given["context"] or 1),
            sequences=int(given["batch"] or 1),
            cache_bits=float(cache),
            memory_gib=given["device"],
        )
    return {
        "calculator": {
            **{name: ask.query.text(name) or _written(value) for name, value in given.items()},
            "precision": precision,
            "cache": cache,
            "answer": answer,
        },
        "precisions": list(PRECISIONS.items()),
        "caches": list(CACHES.items()),
        "problems": problems,
        "address_of_card": card_address(card.id),
    }


def _usual_context(model: Model) -> int:
    return min(model.context_tokens or 8_192, 8_192)


def _written(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if value != int(value) else str(int(value))


def _whole(ask: Ask, name: str, default: int, problems: dict[str, str]) -> int | None:
    try:
        return ask.query.whole(name, default, low=1, high=100_000_000)
    except SettingsError:
        problems[name] = _("Write a whole number from 1 to 100,000,000.")
        return None


def _device(ask: Ask, problems: dict[str, str]) -> float | None:
    try:
        return ask.query.number("device", None, low=0.1, high=1_000_000)
    except SettingsError:
        problems["device"] = _("Write the memory in GiB, such as 24.")
        return None


routes = (Route("/catalog/{entry:path}", card, "view"),)
