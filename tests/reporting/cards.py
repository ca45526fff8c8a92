"""Invented models, offers and results, as short as a test can say them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.model import Model, Source, Words
from touchstone.catalog.offers import Offer, PricePeriod, Rate
from touchstone.catalog.source_base import Reported

TODAY = date(2026, 8, 1)


def words(en: str, zh: str = "中文") -> Words:
    return Words(en=en, zh=zh)


def source(name: str = "Quill's page", *facts: str, url: str | None = "https://inkwell.example/quill") -> Source:
    return Source(name=name, url=url, as_of="2026-01-02", facts=facts or ("training_data",))


def reported(name: str = "models-dev", **facts: Any) -> Reported:
    """What a refreshed source says of the model."""
    return Reported(
        source=name, url="https://lists.example", fetched_at="2026-07-01T00:00:00Z", id="quill", facts=facts
    )


def model(model_id: str = "inkwell/quill", **facts: Any) -> Model:
    given: dict[str, Any] = {
        "id": model_id,
        "name": model_id.partition("/")[2].title(),
        "lab": "inkwell",
        "summary": words("Writes letters."),
        "tasks": ("chat",),
        "output_types": ("text",),
        "sources": (source(),),
    }
    return Model(**given | facts)


def period(since: date | None = None, **usd: float) -> PricePeriod:
    """Prices per million by unit: `input_tokens=0.5`."""
    rates = [Rate(unit=unit, usd=Decimal(str(price)), per=1_000_000) for unit, price in usd.items()]
    return PricePeriod(since=since, rates=tuple(rates))


def offer(provider: str = "openrouter", *periods: PricePeriod, **facts: Any) -> Offer:
    given: dict[str, Any] = {"provider": provider, "served_name": "quill", "periods": periods, "source": "a list"}
    return Offer(**given | facts)


def claim(benchmark: str = "mmlu", value: float = 70.0, **facts: Any) -> Claim:
    given: dict[str, Any] = {
        "model": "inkwell/quill",
        "benchmark": benchmark,
        "value": value,
        "measured_by": "Inkwell",
        "source": "Quill report",
        "as_of": "2026-01-02",
    }
    return Claim(**given | facts)


def card(of: Model | None = None, **parts: Any) -> Card:
    of = of or model()
    return Card(**{"id": of.id, "kind": "card", "name": of.name, "model": of} | parts)


def benchmark(benchmark_id: str = "mmlu", **facts: Any) -> Benchmark:
    given: dict[str, Any] = {
        "id": benchmark_id,
        "name": benchmark_id.upper(),
        "area": "general-knowledge",
        "explanation": words("Asks much."),
        "metric": "accuracy",
        "unit": "percent",
        "kind": "share",
        "questions": 1000,
        "url": "https://tests.example/" + benchmark_id,
    }
    return Benchmark(**given | facts)
