"""
What usage costs by an offer's prices: exact, with the unpriced named; needs no price list but the offer itself.

The rules are those of `genai-prices`, so that the numbers agree to the last digit: usage is split into its narrowest
priced parts (a cached token with a cached price leaves the ordinary ones), a part without a price of its own costs
what the next wider unit costs, and a call's length picks its tier. They differ in one place: a used unit without any
price makes the cost unknown here, where the package counts it as nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from itertools import combinations

from touchstone.catalog.offers import Hours, Offer, PricePeriod, Rate
from touchstone.catalog.units import MILLION, dimensions_of
from touchstone.errors import InvalidValue
from touchstone.noun import Noun

INPUT_SHARE = 0.75
"""Of the tokens behind a price at which offers are ranked unless the user says otherwise: three in to one out."""

Usage = Mapping[str, "int | float | Decimal"]
"""Counts by unit, of one call. Narrow units are inside wide ones: `input_tokens` includes `cache_read_tokens`."""


class CostLine(Noun):
    """One unit's part of a cost."""

    unit: str
    count: Decimal
    """Units that are charged at this price, those with a narrower price taken out."""
    rate_usd: Decimal
    """For `per` units, in the tier that applied."""
    per: int
    usd: Decimal


class Cost(Noun):
    """What a call costs and how it comes about."""

    usd: Decimal | None
    """None when a used unit has no price, or nobody knows any price."""
    lines: tuple[CostLine, ...] = ()
    unpriced: tuple[str, ...] = ()
    """Used units that no price covers."""
    at_wider_price: tuple[str, ...] = ()
    """Used units without a price of their own, charged at that of a wider unit: cached input as ordinary input."""


def rates_at(periods: Sequence[PricePeriod], at: datetime, when: Mapping[str, str] | None = None) -> tuple[Rate, ...]:
    """
    The rates that hold at a moment.

    Args:
        periods: Of one offer, in its order.
        at: The moment of the call; without a time zone it is taken for UTC.
        when: Marks of the call, such as `{"processing": "batch"}`; none by default.

    Returns:
        None at all when nobody knows a price.
    """
    moment = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    standard = [period for period in periods if not period.when]
    holding = [period for period in standard if _holds(period, moment)]
    # Before the first known start the oldest prices count: nobody knows older ones.
    chosen = holding[-1] if holding else standard[0] if standard else None
    rates = {rate.unit: rate for rate in (chosen.rates if chosen else ())}
    own: dict[str, Rate] = {}
    for period in periods:
        if period.when and when and period.when.items() <= when.items() and _holds(period, moment):
            for rate in period.rates:
                own.setdefault(rate.unit, rate)
    return tuple((rates | own).values())


def _holds(period: PricePeriod, moment: datetime) -> bool:
    if period.since is not None and moment.date() < period.since:
        return False
    return period.hours is None or _within(period.hours, moment.time())


def _within(hours: Hours, clock: time) -> bool:
    if hours.end < hours.start:
        return clock >= hours.start or clock < hours.end
    return hours.start <= clock < hours.end


def dearest_rates(periods: Sequence[PricePeriod], day: date) -> tuple[tuple[Rate, ...], bool]:
    """The dearest standard rates of a day by ordinary input plus output, and whether they differ from hour to hour."""
    clocks = {time()} | {
        clock for period in periods if period.hours for clock in (period.hours.start, period.hours.end)
    }
    found = [rates_at(periods, datetime.combine(day, clock, tzinfo=UTC)) for clock in sorted(clocks)]
    dearest = max(found, key=lambda rates: sum(rate.usd for rate in rates if rate.unit in _ORDINARY))
    return dearest, any(rates != dearest for rates in found)


_ORDINARY = ("input_tokens", "output_tokens")


def cost_of(
    periods: Sequence[PricePeriod], usage: Usage, *, at: datetime, when: Mapping[str, str] | None = None
) -> Cost:
    """
    What one call costs at a moment.

    Args:
        periods: Prices of an offer.
        usage: What the call used. A request is counted by itself: one, unless `requests` says otherwise.
        at: When it was made.
        when: Marks of the call that may change the price, such as `{"processing": "batch"}`.

    Raises:
        InvalidValue: a count is negative or no number, a narrow count exceeds the wide one that contains it, or a
            narrow one is given without the wide one.
    """
    return price_usage(rates_at(periods, at, when), usage)


def price_usage(rates: Sequence[Rate], usage: Usage) -> Cost:
    """What one call costs at given rates; see `cost_of`."""
    counts = _counts(usage)
    used = {unit: count for unit, count in counts.items() if count > 0}
    _bill_at_least(rates, counts)
    long = _count("input_tokens", counts) if any(rate.tiers for rate in rates) else Decimal(0)
    leaves = _leaves([rate.unit for rate in rates if rate.unit != "requests"], counts)
    leaves["requests"] = counts.get("requests", Decimal(1))
    lines = tuple(_line(rate, leaves[rate.unit], long) for rate in rates)
    priced = {rate.unit for rate in rates}
    covered = {unit: any(_contains(wide, unit) for wide in priced) for unit in used if unit not in priced}
    unpriced = tuple(unit for unit, found in covered.items() if not found and unit != "requests")
    return Cost(
        usd=None if unpriced or not rates else sum((line.usd for line in lines), Decimal(0)),
        lines=tuple(line for line in lines if line.count),
        unpriced=unpriced,
        at_wider_price=tuple(unit for unit, found in covered.items() if found),
    )


def _line(rate: Rate, count: Decimal, long: Decimal) -> CostLine:
    usd = rate.usd
    for tier in rate.tiers:
        if long > tier.above_input_tokens:
            usd = tier.usd
    return CostLine(unit=rate.unit, count=count, rate_usd=usd, per=rate.per, usd=usd * count / rate.per)


def _counts(usage: Usage) -> dict[str, Decimal]:
    found = {}
    for unit, count in usage.items():
        number = count if isinstance(count, Decimal) else Decimal(repr(count) if isinstance(count, float) else count)
        if isinstance(count, bool) or not number.is_finite() or number < 0:
            raise InvalidValue("{count!r} {unit} is no usage; give a number of at least 0", count=count, unit=unit)
        found[unit] = number
    return found


def _bill_at_least(rates: Iterable[Rate], counts: dict[str, Decimal]) -> None:
    """Lift what a call used to what it is billed for."""
    lifted = {rate.unit: rate.least for rate in rates if rate.least is not None}
    said = next((counts[unit] for unit in lifted if counts.get(unit)), None)
    if said is not None:
        counts |= {unit: max(said, Decimal(least)) for unit, least in lifted.items()}


def _leaves(units: Iterable[str], counts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Each priced unit's count without what narrower priced units already hold."""
    narrow_first = sorted(units, key=lambda unit: (-len(dimensions_of(unit)), unit))
    leaves: dict[str, Decimal] = {}
    for unit in narrow_first:
        inside = [narrow for narrow in leaves if _contains(unit, narrow)]
        leaves[unit] = _count(unit, counts) - sum((leaves[narrow] for narrow in inside), Decimal(0))
        if leaves[unit] < 0:
            raise InvalidValue(
                "usage counts {count} {unit} and more than that of what they contain: {narrow}",
                count=counts.get(unit, 0),
                unit=unit,
                narrow=", ".join(f"{counts[narrow]} {narrow}" for narrow in inside if counts.get(narrow)),
            )
    return leaves


def _count(unit: str, counts: Mapping[str, Decimal]) -> Decimal:
    """How many of a unit were used; not to be told when only parts of it were counted."""
    if unit in counts:
        return counts[unit]
    used = sorted(known for known, count in counts.items() if count > 0)
    inside = [narrow for narrow in used if _contains(unit, narrow)]
    if not inside:
        whole = dimensions_of(unit)
        inside = next(
            (
                [one, other]
                for one, other in combinations(used, 2)
                if dimensions_of(one) | dimensions_of(other) == whole and not _contains(one, other)
            ),
            [],
        )
    if inside:
        raise InvalidValue(
            "usage counts {narrow} and not {unit}, of which they are a part; give {unit} too",
            narrow=", ".join(inside),
            unit=unit,
        )
    return Decimal(0)


@lru_cache(maxsize=4096)
def _contains(wide: str, narrow: str) -> bool:
    return wide != narrow and dimensions_of(wide) <= dimensions_of(narrow)


def blended_usd(rates: Sequence[Rate], input_share: float | Decimal) -> Decimal | None:
    """
    USD per million tokens at a ratio of input to output, in the tier of short calls.

    Args:
        rates: That hold at the moment asked about; see `rates_at`.
        input_share: Input tokens as a share of all, from 0 to 1: 0.75 at three to one.

    Returns:
        None when a part that has a share has no price.

    Raises:
        InvalidValue: the share is not between 0 and 1.
    """
    share = input_share if isinstance(input_share, Decimal) else Decimal(repr(input_share))
    if not 0 <= share <= 1:
        raise InvalidValue("input share {share} is not between 0 and 1", share=input_share)
    per_million = {rate.unit: rate.usd * MILLION / rate.per for rate in rates}
    parts = [(share, per_million.get("input_tokens")), (1 - share, per_million.get("output_tokens"))]
    total = Decimal(0)
    for weight, usd in parts:
        if weight and usd is None:
            return None
        total += weight * (usd or 0)
    return total


def cheapest_first(
    offers: Iterable[Offer], input_share: float, day: date, *, writes_tokens: bool = True
) -> list[Offer]:
    """
    Offers by their blended price, those without a known one last.

    Args:
        offers: Of one model.
        input_share: Input tokens as a share of all; the catalog shows prices at `INPUT_SHARE`.
        day: Whose prices; where they change from hour to hour, the dearest.
        writes_tokens: Whether the model's output is billed by the token; without, an output price may be missing.
    """

    def order(offer: Offer) -> tuple[bool, Decimal, str]:
        rates = list(dearest_rates(offer.periods, day)[0]) if offer.periods else []
        if not writes_tokens and rates and not any(rate.unit == "output_tokens" for rate in rates):
            rates.append(Rate(unit="output_tokens", usd=Decimal(0), per=MILLION))
        usd = blended_usd(rates, input_share)
        return usd is None, usd or Decimal(0), offer.provider

    return sorted(offers, key=order)


def usd_per_month(cost: Cost, calls_per_month: int) -> Decimal | None:
    """What as many calls like this one cost; None when the cost of one is unknown."""
    return None if cost.usd is None else cost.usd * calls_per_month
