"""Cards, sellers and needs for tests, and plain Python that says who fits: a second opinion of few words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Benchmark, Claim, Fit, Scenario
from touchstone.catalog.memory import GIB, memory_need
from touchstone.catalog.model import Model, Network, Source, Words
from touchstone.catalog.offers import Offer, PricePeriod, Rate
from touchstone.catalog.sellers import Seller
from touchstone.catalog.taxonomy import Lab, Licence
from touchstone.decision.shortlist import shortlist
from touchstone.decision.shortlist_base import Background, Figure, Needs, Shortlist

TODAY = date(2026, 8, 1)
WORDS = Words(en="words", zh="词")
NETWORK = Network(layers=2, hidden_size=64, attention_heads=4)


def seller(name: str, **facts: Any) -> Seller:
    said = {"data": WORDS, "data_as_of": "2026-01-01"} if "processed_in" in facts else {}
    return Seller(id=name, name=Words(en=name.title(), zh=name.title()), **{**said, **facts})


SELLERS = {
    "north": seller("north", country="US", processed_in=("anywhere", "us"), presets=("openai",)),
    "south": seller("south", country="FR", processed_in=("eu",), presets=("mistral",)),
    "quiet": seller("quiet"),
    "acme": seller("acme", country="US"),  # a lab that sells its own models
}
LABS = {
    "acme": Lab(id="acme", name="Acme", country="US", as_of="2026"),
    "zhen": Lab(id="zhen", name="Zhen", country="CN", as_of="2026"),
    "nowhere": Lab(id="nowhere", name="Nowhere", as_of="2026"),
}
LICENCES = {
    "mit": Licence(id="mit", name="MIT", kind="open", commercial_use="yes", allows=WORDS, as_of="2026"),
    "research": Licence(id="research", name="R", kind="restricted", commercial_use="no", allows=WORDS, as_of="2026"),
    "odd": Licence(id="odd", name="Odd", kind="restricted", allows=WORDS, as_of="2026"),
    "terms": Licence(
        id="terms", name="Terms", kind="proprietary", commercial_use="conditions", allows=WORDS, as_of="2026"
    ),
}
QUIZ = Benchmark(
    id="quiz",
    name="Quiz",
    area="reasoning",
    explanation=WORDS,
    metric="accuracy",
    unit="percent",
    kind="share",
    questions=1000,
    url="https://quiz.example",
)
ERRORS = QUIZ.model_copy(update={"id": "errors", "name": "Errors", "higher_is_better": False, "questions": None})
OWN_TEST = QUIZ.model_copy(update={"id": "our-task", "name": "Our task"})
BENCHMARKS = {one.id: one for one in (QUIZ, ERRORS, OWN_TEST)}
SCENARIO = Scenario(
    id="asking", name=WORDS, explanation=WORDS, benchmarks=(Fit(benchmark="quiz", why=WORDS, misses=WORDS),)
)
CALLABLE = ("north", "south", "own")
BACKGROUND = Background(
    SELLERS,
    LABS,
    LICENCES,
    BENCHMARKS,
    TODAY,
    lambda one: one.provider in CALLABLE and not one.served_name.endswith("!"),
)


def offer(
    provider: str,
    input_usd: float | None = 1.0,
    output_usd: float | None = 2.0,
    *,
    name: str = "it",
    context: int | None = None,
    deprecated: bool | None = None,
    snapshot: str | None = None,
    further: dict[str, float] | None = None,
) -> Offer:
    """At so many USD a million tokens; `further` prices other units, a million of them as well."""
    rates = tuple(
        Rate(unit=unit, usd=Decimal(repr(usd)), per=1_000_000)
        for unit, usd in (("input_tokens", input_usd), ("output_tokens", output_usd), *(further or {}).items())
        if usd is not None
    )
    return Offer(
        provider=provider,
        served_name=name,
        snapshot=snapshot,
        periods=(PricePeriod(rates=rates),) if rates else (),
        context_tokens=context,
        deprecated=deprecated,
        source="test prices",
        as_of="2026-07-01",
    )


def card(
    model_id: str = "acme/one",
    *,
    offers: Sequence[Offer] = (),
    claims: Sequence[Claim] = (),
    lab: str = "acme",
    tasks: tuple[str, ...] = ("chat",),
    **facts: Any,
) -> Card:
    """A card that states just these facts."""
    model = Model(
        id=model_id,
        name=model_id.partition("/")[2],
        lab=lab,
        summary=WORDS,
        tasks=tasks,
        output_types=facts.pop("output_types", ("text",)),
        sources=(Source(name="page", as_of="2026", facts=("licence", "retired", "reasoning")),),
        **facts,
    )
    return Card(id=model_id, kind="card", name=model.name, model=model, offers=tuple(offers), claims=tuple(claims))


def claim(model: str, value: float, benchmark: str = "quiz", **more: Any) -> Claim:
    said = {"measured_by": "quiz authors", "harness": "quiz", "source": "quiz table", "as_of": "2026-07-01"}
    return Claim(model=model, value=value, benchmark=benchmark, **{**said, **more})


def calls(requests: float = 1000.0, read: float = 1000.0, written: float = 100.0) -> dict[str, Figure]:
    given = {"requests_per_month": requests, "input_tokens": read, "output_tokens": written}
    return {name: Figure(value=value, basis="given") for name, value in given.items()}


def solve(cards: list[Card], needs: Needs, **more: Any) -> Shortlist:
    """The shortlist of some cards, with the results that stand on them."""
    claims = [one for made in cards for one in made.claims]
    return shortlist(cards, needs, BACKGROUND, **{"claims": claims, **more})


def ids(found: Shortlist) -> list[str]:
    """Who qualifies, in order."""
    return [one.model for one in found.qualified]


# The second opinion ---------------------------------------------------------------------------------------------------


def meets_as_model(limit: str, one: Card, needs: Needs) -> bool:
    """Whether a card meets one limit on the model itself, fact by fact."""
    model = one.model
    assert model is not None
    country = LABS[model.lab].country
    licence = LICENCES.get(model.licence or "")
    able = {
        "tools": model.tools,
        "structured-output": model.structured_output,
        "reasoning": model.reasoning,
        "vision": "image" in (model.input_modalities or ()),
    }
    if limit == "task":
        return set(needs.tasks) <= set(model.tasks)
    if limit == "any-task":
        return bool(set(needs.one_task_of) & set(model.tasks))
    if limit == "language":
        return set(needs.languages) <= set(model.languages or ())
    if limit == "ability":
        return all(able[name] is True for name in needs.abilities)
    if limit == "context":
        return model.context_tokens is not None and model.context_tokens >= (needs.context_tokens or 0)
    if limit == "retirement":
        assert needs.serve_until is not None
        given_out = model.weights in ("open", "gated")  # whoever has them may go on
        return given_out or model.retired is None or model.retired > needs.serve_until.isoformat()
    if limit == "licence":
        classes = set()
        if licence is not None and licence.kind == "open":
            classes.add("open")
        if licence is not None and licence.commercial_use in ("yes", "conditions"):
            classes.add("commercial")
        return model.licence is not None and bool({model.licence, *classes} & set(needs.licences))
    if limit == "lab-country":
        allowed = not needs.lab_countries or country in needs.lab_countries
        return country is not None and allowed and country not in needs.not_lab_countries
    if limit == "self-hosting":
        if model.weights not in ("open", "gated"):
            return False
        if needs.memory_gib is None:
            return True
        if model.parameters is None or model.network is None:
            return False
        need = memory_need(
            model.parameters, model.network, precision=needs.precision, context_tokens=needs.fit_context_tokens
        )
        assert need.total_bytes is not None
        return need.total_bytes <= 0.9 * needs.memory_gib * GIB
    if limit == "benchmark":
        assert needs.floor is not None
        return any(one.benchmark == "quiz" and one.value >= needs.floor.value for one in one.claims)
    raise AssertionError(limit)


def month_usd(one: Offer, needs: Needs) -> float | None:
    rates = {rate.unit: float(rate.usd) for period in one.periods for rate in period.rates}
    if not {"input_tokens", "output_tokens"} <= set(rates) or needs.requests_per_month is None:
        return None
    assert needs.input_tokens is not None
    assert needs.output_tokens is not None
    call = rates["input_tokens"] * needs.input_tokens.value + rates["output_tokens"] * needs.output_tokens.value
    return call / 1e6 * needs.requests_per_month.value


def meets_as_offer(limit: str, one: Offer, needs: Needs, model: Model | None = None) -> bool:
    """Whether an offer meets one limit on offers."""
    sold_by = SELLERS[one.provider]
    if limit == "context":
        return one.context_tokens is None or one.context_tokens >= (needs.context_tokens or 0)
    if limit == "retirement":
        assert model is not None
        assert needs.serve_until is not None
        by_maker = one.provider == model.lab
        if model.weights in ("open", "gated") and not by_maker:
            return True
        days = [model.retired] if by_maker else []
        days += [version.retired for version in model.snapshots if version.name == one.snapshot]
        return all(day is None or day > needs.serve_until.isoformat() for day in days)
    if limit == "deprecated":
        return one.deprecated is not True
    if limit == "provider":
        return one.provider in needs.providers
    if limit == "callable":
        return one.provider in CALLABLE and not one.served_name.endswith("!")
    if limit == "region":
        return bool(set(sold_by.processed_in or ()) & set(needs.regions))
    if limit == "usd-per-month":
        usd = month_usd(one, needs)
        limit_usd = needs.max_usd_per_month
        assert limit_usd is not None
        return usd is not None and (usd <= limit_usd or math.isclose(usd, limit_usd, rel_tol=1e-12))
    raise AssertionError(limit)


@dataclass(frozen=True)
class Opinion:
    """What plain Python finds for one card."""

    of_model: frozenset[str]
    """Limits on the model that it misses."""
    of_offers: tuple[frozenset[str], ...]
    """What each offer misses."""
    without: frozenset[str]
    """What is missed when no offer counts."""

    @property
    def fits(self) -> bool:
        return not self.of_model and (not self.without or any(not missed for missed in self.of_offers))


def opinion(one: Card, needs: Needs) -> Opinion:
    """Who fits, worked out limit by limit."""
    of_model = [
        name
        for name, asked in (
            ("task", needs.tasks),
            ("any-task", needs.one_task_of),
            ("language", needs.languages),
            ("ability", needs.abilities),
            ("context", needs.context_tokens),
            ("retirement", needs.serve_until),
            ("licence", needs.licences),
            ("lab-country", needs.lab_countries or needs.not_lab_countries),
            ("self-hosting", needs.self_hostable or needs.memory_gib),
            ("benchmark", needs.floor),
        )
        if asked and not meets_as_model(name, one, needs)
    ]
    wanted = [
        name
        for name, asked in (
            ("provider", needs.providers),
            ("callable", needs.callable),
            ("region", needs.regions),
            ("usd-per-month", needs.max_usd_per_month is not None),
        )
        if asked
    ]
    judging = [
        *wanted,
        *(["context"] if needs.context_tokens else []),
        *(["retirement"] if needs.serve_until else []),
        *([] if needs.allow_deprecated else ["deprecated"]),
    ]
    missed = tuple(
        frozenset(name for name in judging if not meets_as_offer(name, sold, needs, one.model)) for sold in one.offers
    )
    return Opinion(frozenset(of_model), missed, frozenset(wanted))
