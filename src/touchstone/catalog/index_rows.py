"""From a card to its row of the index: what a list shows, what words find it, and the facts that queries filter on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import orjson

from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Claim
from touchstone.catalog.costs import dearest_rates
from touchstone.catalog.index_write import IndexRow, LaterPrice, OfferRow, ScoreRow
from touchstone.catalog.memory import bits_per_weight, cache_shape
from touchstone.catalog.model import earliest
from touchstone.catalog.offers import Offer
from touchstone.catalog.query import LICENCE_CLASSES
from touchstone.catalog.taxonomy import TermKind, labs, licences, terms_of
from touchstone.catalog.units import MILLION

_NO_LETTER = re.compile(r"[\W_]+")


def index_rows(cards: Iterable[Card], day: date, regions: Mapping[str, Sequence[str]]) -> Iterator[IndexRow]:
    """
    The rows of an index, in the order of the cards.

    Args:
        cards: By id.
        day: Whose prices count.
        regions: Where each seller says it keeps data, by seller.
    """
    for card in cards:
        yield IndexRow(
            id=card.id,
            listing=orjson.dumps(_listing(card)),
            card=card.model_dump_json(exclude={"claims"}, exclude_defaults=True).encode(),
            names=" ".join(_names(card)),
            about=" ".join(_about(card)),
            facets=_facets(card),
            numbers=_numbers(card),
            offers=[_offer_row(offer, card, day, regions) for offer in card.offers],
            scores=[_score_row(claim) for claim in card.claims],
            claims=[(claim.benchmark, claim.model_dump_json(exclude_defaults=True).encode()) for claim in card.claims],
        )


def _listing(card: Card) -> dict[str, Any]:
    model = card.model
    return {
        "id": card.id,
        "kind": card.kind,
        "name": card.name,
        "name_zh": model.name_zh if model else None,
        "lab": model.lab if model else None,
        "tasks": model.tasks if model else (),
        "openness": card.openness,
        "ours": bool(model and model.ours),
        **{
            field: card.fact(field)
            for field in ("licence", "parameters", "active_parameters", "context_tokens", "released", "retired")
        },
    }


def _names(card: Card) -> Iterator[str]:
    """What people call it, also written without its hyphens: `gpt4o` is looked for as often as `gpt-4o`."""
    names = [card.id, card.name, *(offer.served_name for offer in card.offers), *(entry.id for entry in card.reported)]
    model = card.model
    if model is not None:
        lab = labs().get(model.lab)
        names += [model.name_zh or "", *model.aliases, model.family or "", model.hugging_face or ""]
        names += [snapshot.name for snapshot in model.snapshots]
        names += [lab.name, lab.name_zh or ""] if lab else []
    names += [_NO_LETTER.sub("", name.rpartition("/")[2]) for name in names]
    yield from dict.fromkeys(name for name in names if name)


def _about(card: Card) -> Iterator[str]:
    model = card.model
    if model is None:
        return
    for words in (model.summary, model.intended_use, model.limits):
        if words is not None:
            yield from (words.en, words.zh)
    kinds: list[tuple[TermKind, Sequence[str]]] = [
        ("task", model.tasks),
        ("output", model.output_types),
        ("trait", model.traits),
        ("architecture", (model.architecture,) if model.architecture else ()),
        ("openness", (card.openness,) if card.openness else ()),
    ]
    for kind, ids in kinds:
        for term in (terms_of(kind).get(one) for one in ids):
            if term is not None:
                yield from (term.id, term.name.en, term.name.zh, *term.aliases)
    licence = licences().get(model.licence or "")
    if licence is not None:
        yield from (licence.id, licence.name)


def _facets(card: Card) -> dict[str, Sequence[str]]:
    model = card.model
    licence, openness, weights = card.fact("licence"), card.openness, card.fact("weights")
    found: dict[str, Sequence[str]] = {
        "kind": (card.kind,),
        "input": card.fact("input_modalities") or (),
        "output": card.fact("output_types") or (),
        "language": card.fact("languages") or (),
        "ability": card.abilities,
        "licence": (licence,) if licence else (),
        "licence-class": _licence_classes(licence),
        "openness": (openness,) if openness else (),
        "weights": (weights,) if weights else (),
        "has": ("ours",) if model and model.ours else (),
    }
    if model is not None:
        lab = labs().get(model.lab)
        found |= {
            "task": model.tasks,
            "trait": model.traits,
            "architecture": (model.architecture,) if model.architecture else (),
            "origin": (model.origin,) if model.origin else (),
            "relation": (model.relation,) if model.relation else (),
            "family": (model.family,) if model.family else (),
            "lab": (model.lab,),
            "country": (lab.country,) if lab and lab.country else (),
            "made-from": (model.base_model,) if model.base_model else (),
            "benchmark": tuple(dict.fromkeys(claim.benchmark for claim in card.claims)),
        }
    return found


def _licence_classes(licence_id: str | None) -> tuple[str, ...]:
    licence = licences().get(licence_id or "")
    if licence is None:
        return ()
    holds = (licence.kind == "open", licence.commercial_use in ("yes", "conditions"))
    return tuple(name for name, held in zip(LICENCE_CLASSES, holds, strict=True) if held)


def _numbers(card: Card) -> dict[str, float | None]:
    found: dict[str, float | None] = {name: card.fact(name) for name in ("context_tokens", "parameters")}
    released = card.fact("released")
    found["released"] = earliest(released).toordinal() if released else None
    found["retired"] = card.retires.toordinal() if card.retires else None
    network = card.model.network if card.model else None
    if (parameters := found["parameters"]) is not None:
        found["four_bit_bits"] = bits_per_weight("4bit", parameters, network)
    shape = cache_shape(network) if network else None
    if shape is not None:
        found |= {
            "values_per_token": shape.values_per_token,
            "windowed_values_per_token": shape.windowed_values_per_token,
            "window_tokens": shape.window_tokens,
            "state_values": shape.state_values,
        }
    return found


def _offer_row(offer: Offer, card: Card, day: date, regions: Mapping[str, Sequence[str]]) -> OfferRow:
    usd = _usd(offer, day)
    later = sorted({period.since for period in offer.periods if period.since is not None and period.since > day})
    return OfferRow(
        provider=offer.provider,
        served_name=offer.served_name,
        input_usd=usd.get("input_tokens"),
        output_usd=usd.get("output_tokens"),
        writes_tokens=card.writes_tokens,
        context_tokens=offer.context_tokens,
        regions=tuple(regions.get(offer.provider, ())),
        deprecated=bool(offer.deprecated),
        ends=end.toordinal() if (end := card.ends(offer)) else None,
        later=tuple(
            LaterPrice(start.toordinal(), then.get("input_tokens"), then.get("output_tokens"))
            for start in later
            for then in (_usd(offer, start),)
        ),
    )


def _usd(offer: Offer, day: date) -> dict[str, float]:
    """USD per million units on a day, at its dearest hour."""
    rates = dearest_rates(offer.periods, day)[0] if offer.periods else ()
    return {rate.unit: float(rate.usd * MILLION / rate.per) for rate in rates}


def _score_row(claim: Claim) -> ScoreRow:
    return ScoreRow(
        benchmark=claim.benchmark,
        condition=orjson.dumps(claim.condition).decode(),
        value=claim.value,
        label=", ".join(part for part in (claim.snapshot, claim.mode) if part),
        # A leaderboard that names no day says what held when it was read.
        day=earliest(claim.date or claim.as_of).toordinal(),
    )
