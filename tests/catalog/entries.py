"""Invented models, offers, results and reports of sources, with what must stand in each filled in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from touchstone.catalog.claims import Claim
from touchstone.catalog.model import Model
from touchstone.catalog.offers import Offer, PricePeriod, Rate
from touchstone.catalog.source_base import Copy, Reported

FACTS = ("input_modalities", "weights", "licence", "context_tokens", "parameters", "released", "retired", "languages",
         "tools", "structured_output", "reasoning", "architecture", "network", "hugging_face")  # fmt: skip


def model(model_id: str, **facts: Any) -> Model:
    """A chat model about which little is known."""
    name = model_id.partition("/")[2]
    filled = {
        "id": model_id,
        "name": name,
        "lab": model_id.partition("/")[0],
        "summary": {"en": f"{name}, invented.", "zh": f"{name}，虚构的。"},
        "tasks": ["chat"],
        "output_types": ["text"],
        "sources": [{"name": "card of the maker", "as_of": "2026-01-01", "facts": FACTS}],
    }
    return Model.model_validate({**filled, **facts})


def offer(served: str, provider: str = "shop", *, usd: tuple[str, str] | None = ("1", "2"), **more: Any) -> Offer:
    """An offer at a price per million tokens in and out; `usd=None` for an unknown price."""
    rates = [
        Rate(unit=unit, usd=Decimal(one), per=1_000_000)
        for unit, one in zip(("input_tokens", "output_tokens"), usd or (), strict=False)
    ]
    periods = more.pop("periods", (PricePeriod(rates=tuple(rates)),) if rates else ())
    return Offer(provider=provider, served_name=served, periods=periods, source="price list", **more)


def claim(model_id: str, benchmark: str = "mmlu", value: float = 50.0, **more: Any) -> Claim:
    """A published result."""
    filled = {"measured_by": "somebody", "source": "a paper", "as_of": "2026-01-01"}
    return Claim.model_validate({"model": model_id, "benchmark": benchmark, "value": value, **filled, **more})


def reported(name: str, source: str = "models-dev", *, provider: str | None = None, **more: Any) -> Reported:
    """What a refreshed source says of one model."""
    url, day = f"https://{source}.example/api", "2026-05-01T00:00:00+00:00"
    return Reported(source=source, url=url, fetched_at=day, provider=provider, id=name, **more)


def copy_of(source: str, *entries: Reported) -> Copy:
    """What a source said in one answer."""
    url, day = f"https://{source}.example/api", "2026-05-01T00:00:00+00:00"
    return Copy(source=source, url=url, fetched_at=day, entries=entries)
