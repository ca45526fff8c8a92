"""
Who sells a model at which price: nouns that are plain data, and the offers of the package `genai-prices`.

The package is imported only inside functions and never updates itself here. What is built from it can be stored as
JSON and priced by `touchstone.catalog.costs` without the package.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from touchstone.catalog.model import ModelId, PartialDate
from touchstone.catalog.units import MILLION, precision_in
from touchstone.errors import InvalidValue
from touchstone.noun import Noun

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice
    from genai_prices.types import Provider as PricedProvider


class RateTier(Noun):
    """What every unit of a call costs once its input is longer than a threshold."""

    above_input_tokens: int = Field(ge=0)
    """The tier holds for calls with more input tokens than this, cached ones included."""
    usd: Decimal = Field(ge=0)
    """For as many units as the rate's own `usd`."""


class Rate(Noun):
    """The price of one unit of usage."""

    unit: str
    """What is counted, such as `input_tokens`, `cache_read_tokens`, `audio_seconds` or `requests`."""
    usd: Decimal = Field(ge=0)
    """For `per` units; 0 only where the seller says that it is free."""
    per: int = Field(ge=1)
    """How many units the price is for: 1,000,000 tokens, 3,600 seconds, 1,000 pages."""
    tiers: tuple[RateTier, ...] = ()
    """Other prices of long calls, thresholds ascending; the last one that applies prices all units."""
    least: int | None = Field(default=None, ge=1)
    """As few units as a call is billed for when it uses any. Rates with it measure the same thing."""

    # Of the field, not of the noun: most rates have no tiers, and a catalog holds many thousand rates.
    @field_validator("tiers")
    @classmethod
    def _ascend(cls, tiers: tuple[RateTier, ...], known: ValidationInfo) -> tuple[RateTier, ...]:
        if any(later.above_input_tokens <= tier.above_input_tokens for tier, later in pairwise(tiers)):
            raise InvalidValue(
                "the tiers of {unit} are not ascending; sort them by above_input_tokens", unit=known.data.get("unit")
            )
        return tiers


class Hours(Noun):
    """A part of every day, UTC; it may cross midnight."""

    start: time
    end: time
    """The first moment that is outside."""


class PricePeriod(Noun):
    """Prices that hold from a day on, or during some hours, or for calls of one kind."""

    since: date | None = None
    """First day, UTC; None where nobody says since when."""
    hours: Hours | None = None
    """Only during these hours of every day; None means the whole day."""
    when: Mapping[str, str] = Field(default_factory=dict)
    """Only for calls with these marks, such as `{"processing": "batch"}`; its rates then replace the standard ones."""
    rates: tuple[Rate, ...] = ()
    """None at all where the seller's price is unknown."""

    @model_validator(mode="after")
    def _prices_once(self) -> Self:
        if len({rate.unit for rate in self.rates}) < len(self.rates):
            units = [rate.unit for rate in self.rates]
            twice = next(unit for unit in units if units.count(unit) > 1)
            raise InvalidValue("a period prices {unit} twice; give one price", unit=twice)
        return self


class Offer(Noun):
    """A service that sells one model: whose, under which name, at what price."""

    model: ModelId | None = None
    """The card it is known to serve; None where the crosswalk names none. Never guessed from the name."""
    snapshot: str | None = None
    """The dated version it serves, where its name says so."""
    provider: str
    """Id of the seller, that of `genai-prices` where it has one."""
    served_name: str
    """What the seller calls the model."""
    name: str | None = None
    """What people call it."""
    periods: tuple[PricePeriod, ...] = ()
    """Standard prices, oldest first; the last one that holds at a moment counts. Then those with `when`."""
    context_tokens: int | None = Field(default=None, ge=1)
    """Longest context that this seller serves, which may be shorter than the maker's."""
    max_output_tokens: int | None = Field(default=None, ge=1)
    deprecated: bool | None = None
    """Whether the seller calls it so; it may still answer."""
    precision: str | None = None
    """What the served name says about quantisation, such as `fp8`."""
    source: str
    """Where the prices were read."""
    url: str | None = None
    """The seller's own price page."""
    as_of: PartialDate | None = None
    """Date that the source carries; None where it carries none, as a package that only its version dates."""


GROQ_LEAST_S = 10
"""Groq bills a recording for ten seconds at least: https://groq.com/pricing, and `genai-prices` in its code."""
_BILLED_AT_LEAST = {("groq", "whisper-large-v3"): GROQ_LEAST_S, ("groq", "whisper-large-v3-turbo"): GROQ_LEAST_S}
_FREE = PricePeriod(
    rates=tuple(Rate(unit=unit, usd=Decimal(0), per=MILLION) for unit in ("input_tokens", "output_tokens"))
)


def shipped_offers() -> Iterator[Offer]:
    """Every offer of `genai-prices`, in its order; none has a date, for the package carries none but its version."""
    from touchstone.catalog.crosswalk import find_model

    units = _package_units()
    source = snapshot_name()
    for provider in price_snapshot().providers:
        url = provider.pricing_urls[0] if provider.pricing_urls else None
        for model in provider.models:
            known = find_model(provider.id, model.id)
            yield Offer(
                model=known.model if known else None,
                snapshot=known.snapshot if known else None,
                provider=provider.id,
                served_name=model.id,
                name=model.name,
                periods=_periods(provider.id, model, units),
                context_tokens=model.context_window,
                deprecated=model.deprecated,
                precision=precision_in(model.id),
                source=source,
                url=url,
            )


def find_listed(provider_id: str, served_name: str) -> "tuple[PricedProvider, ModelInfo] | None":
    """
    The entry of `genai-prices` that stands for a served name, by the package's own matching rules.

    Those rules fold dated names and resellers' prefixes into one price; they say what a call costs, not which model
    answers. None when no entry matches.
    """
    try:
        return price_snapshot().find_provider_model(served_name, None, provider_id, None)
    except LookupError:
        return None


def periods_of(provider_id: str, model: "ModelInfo") -> tuple[PricePeriod, ...]:
    """The prices of one entry of the package, as plain data."""
    return _periods(provider_id, model, _package_units())


def snapshot_name() -> str:
    """The package and its version, which is what dates the snapshot; it carries no date of its own."""
    return f"genai-prices {_version()}"


@cache
def _version() -> str:
    from importlib.metadata import version

    return version("genai-prices")


@cache
def price_snapshot() -> "DataSnapshot":
    """The prices that came with the installed package."""
    # Built here, not asked of the package: somebody else in this process may have switched its updating on.
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    return DataSnapshot(providers=providers, from_auto_update=False)


@cache
def _package_units() -> Mapping[str, tuple[str, int]]:
    """The unit and the number of units behind each of the package's price keys."""
    from genai_prices.data_units import unit_data

    return {unit["price_key"]: (name, unit["per"]) for name, unit in unit_data.items()}


def _periods(provider_id: str, model: "ModelInfo", units: Mapping[str, tuple[str, int]]) -> tuple[PricePeriod, ...]:
    least = _BILLED_AT_LEAST.get((provider_id, model.id))
    if isinstance(model.prices, list):
        found = [
            PricePeriod(**_holds(period.constraint), rates=_rates(period.prices, units, least))
            for period in model.prices
        ]
    else:
        found = [PricePeriod(rates=_rates(model.prices, units, least))]
    if provider_id == "openrouter" and model.id.endswith(":free") and not any(period.rates for period in found):
        # The package drops zeros. This suffix is OpenRouter's word for free; elsewhere no price means unknown.
        found = [_FREE]
    return (
        *found,
        *(
            PricePeriod(**_holds(kind.constraint), when=kind.when, rates=_rates(kind.prices, units, least))
            for kind in model.price_variants or ()
        ),
    )


def _holds(constraint: Any) -> dict[str, Any]:
    """When a price holds, in our words."""
    if constraint is None:
        return {}
    since = getattr(constraint, "start_date", None)
    if since is not None:
        return {"since": since}
    return {"hours": Hours(start=_utc(constraint.start_time), end=_utc(constraint.end_time))}


def _utc(moment: time) -> time:
    if moment.tzinfo is None or moment.tzinfo is UTC:
        return moment.replace(tzinfo=None)
    return datetime.combine(date(1970, 1, 1), moment).astimezone(UTC).time()


def _rates(prices: "ModelPrice", units: Mapping[str, tuple[str, int]], least: int | None) -> tuple[Rate, ...]:
    return tuple(_rate(value, *units[key], least) for key, value in prices.__dict__.items() if value is not None)


def _rate(value: Any, unit: str, per: int, least: int | None) -> Rate:
    if isinstance(value, Decimal):
        return _flat(unit, value, per, least)
    tiers = tuple(RateTier(above_input_tokens=tier.start, usd=tier.price) for tier in value.tiers)
    return Rate(unit=unit, usd=value.base, per=per, tiers=tiers, least=least)


@cache
def _flat(unit: str, usd: Decimal, per: int, least: int | None) -> Rate:
    # Two thousand offers share a few hundred prices; checking each one once halves the time.
    return Rate(unit=unit, usd=usd, per=per, least=least)
