"""
What differs: between two copies of one source, and between what several sources say of one model.

Nothing is resolved here. Where sources disagree, every value is shown with who says it and since when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from touchstone.catalog.crosswalk import find_model
from touchstone.catalog.model import Model
from touchstone.catalog.offers import Offer, PricePeriod, Rate
from touchstone.catalog.source_base import Copy, Fact, Reported
from touchstone.catalog.units import precision_in
from touchstone.noun import Noun

Find = Callable[[str, str], "tuple[str, str | None] | None"]
"""From a provider and its name for a model to our model and snapshot; None when the crosswalk lists none."""


class FactChange(Noun):
    """A fact that a source states otherwise than before."""

    provider: str | None
    id: str
    field: str
    old: Fact | None
    """None when it was not stated."""
    new: Fact | None


class PriceChange(Noun):
    """A price that a source states otherwise than before."""

    provider: str | None
    id: str
    unit: str
    above_input_tokens: int | None = None
    """Of a tier; None for the ordinary price."""
    per: int
    old_usd: Decimal | None
    """None when it was not stated; not free."""
    new_usd: Decimal | None
    percent: float | None
    """How much dearer; None when one of the two is unknown or the old one was 0."""


class Difference(Noun):
    """What taking a copy would change."""

    added: tuple[tuple[str, str], ...] = ()
    """Provider and id of entries that were not there."""
    removed: tuple[tuple[str, str], ...] = ()
    changed: tuple[FactChange, ...] = ()
    prices: tuple[PriceChange, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change but the date."""
        return not (self.added or self.removed or self.changed or self.prices)


class Statement(Noun):
    """One source's word on one field."""

    field: str
    value: Fact | Decimal
    source: str
    as_of: str
    """The day the source was read, or the date it carries."""
    url: str | None = None
    provider: str | None = None
    """Whose offer it is about; None when it is about the model itself."""


class Conflict(Noun):
    """A field on which sources disagree."""

    field: str
    statements: tuple[Statement, ...]
    """All that was said about the field, also by those that agree."""


def diff(old: Copy | None, new: Copy) -> Difference:
    """What differs between two copies of a source; everything is new when there was none."""
    before = {entry.key: entry for entry in old.entries} if old else {}
    after = {entry.key: entry for entry in new.entries}
    both = [(before[key], entry) for key, entry in after.items() if key in before]
    return Difference(
        added=tuple(key for key in after if key not in before),
        removed=tuple(key for key in before if key not in after),
        changed=tuple(change for pair in both for change in _fact_changes(*pair)),
        prices=tuple(change for pair in both for change in _price_changes(*pair)),
    )


def conflicts(statements: Iterable[Statement]) -> tuple[Conflict, ...]:
    """
    The fields of one model on which the statements disagree.

    A date that is only less exact agrees (2025-04 and 2025-04-16), the order of a list does not count, and `open` and
    `gated` weights agree, because most lists know only whether there are weights at all. Prices are compared within one
    provider.
    """
    said: dict[tuple[str, str | None], list[Statement]] = {}
    for statement in statements:
        whose = statement.provider if isinstance(statement.value, Decimal) else None
        said.setdefault((statement.field, whose), []).append(statement)
    return tuple(
        Conflict(field=field, statements=tuple(found))
        for (field, _), found in said.items()
        if any(not _agree(one.value, other.value) for one in found for other in found)
    )


def statements_of_card(model: Model) -> Iterator[Statement]:
    """What a card states, by the sources that it names for each fact."""
    for source in model.sources:
        for field in source.facts:
            value = getattr(model, field)
            if isinstance(value, str | bool | int) or (
                isinstance(value, tuple) and all(isinstance(v, str) for v in value)
            ):
                yield Statement(field=field, value=value, source=source.name, as_of=source.as_of, url=source.url)


def statements_of(entry: Reported) -> Iterator[Statement]:
    """What a source's entry states."""
    common = {"source": entry.source, "as_of": entry.fetched_at[:10], "url": entry.url, "provider": entry.provider}
    for field, value in entry.facts.items():
        yield Statement(field=field, value=value, **common)
    for (unit, above, _), price in _prices(entry).items():
        field = f"usd/{unit}" if above is None else f"usd/{unit}/above {above}"
        yield Statement(field=field, value=price, **common)


def find_shipped(provider: str, name: str) -> tuple[str, str | None] | None:
    """What the shipped crosswalk knows."""
    known = find_model(provider, name)
    return (known.model, known.snapshot) if known else None


def offer_of(entry: Reported, find: Find = find_shipped) -> Offer | None:
    """The entry as an offer; None where the source speaks of the model and not of a service."""
    if entry.provider is None:
        return None
    known = find(entry.provider, entry.id)
    name, deprecated = entry.facts.get("name"), entry.facts.get("deprecated")
    context, most = entry.facts.get("context_tokens"), entry.facts.get("max_output_tokens")
    return Offer(
        model=known[0] if known else None,
        snapshot=known[1] if known else None,
        provider=entry.provider,
        served_name=entry.id,
        name=name if isinstance(name, str) else None,
        periods=(PricePeriod(rates=entry.rates),) if entry.rates else (),
        context_tokens=context if isinstance(context, int) else None,
        max_output_tokens=most if isinstance(most, int) else None,
        deprecated=deprecated if isinstance(deprecated, bool) else None,
        precision=precision_in(entry.id),
        source=entry.source,
        url=entry.url,
        as_of=entry.fetched_at[:10],
    )


def _fact_changes(old: Reported, new: Reported) -> Iterator[FactChange]:
    for field in dict.fromkeys((*old.facts, *new.facts)):
        if old.facts.get(field) != new.facts.get(field):
            yield FactChange(
                provider=new.provider, id=new.id, field=field, old=old.facts.get(field), new=new.facts.get(field)
            )


def _price_changes(old: Reported, new: Reported) -> Iterator[PriceChange]:
    before, after = _prices(old), _prices(new)
    for key in dict.fromkeys((*before, *after)):
        was, now = before.get(key), after.get(key)
        if was != now:
            unit, above, per = key
            yield PriceChange(
                provider=new.provider,
                id=new.id,
                unit=unit,
                above_input_tokens=above,
                per=per,
                old_usd=was,
                new_usd=now,
                percent=None if not was or now is None else float((now - was) / was * 100),
            )


def _prices(entry: Reported) -> dict[tuple[str, int | None, int], Decimal]:
    return {key: usd for rate in entry.rates for key, usd in _flat(rate)}


def _flat(rate: Rate) -> Iterator[tuple[tuple[str, int | None, int], Decimal]]:
    yield (rate.unit, None, rate.per), rate.usd
    for tier in rate.tiers:
        yield (rate.unit, tier.above_input_tokens, rate.per), tier.usd


def _agree(one: Fact | Decimal, other: Fact | Decimal) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return set(one) == set(other)
    if {one, other} == {"open", "gated"}:
        return True
    if isinstance(one, str) and isinstance(other, str) and one[:4].isdigit() and other[:4].isdigit():
        shorter, longer = sorted((one, other), key=len)
        return longer == shorter or longer.startswith(f"{shorter}-")
    return one == other and isinstance(one, bool) == isinstance(other, bool)
