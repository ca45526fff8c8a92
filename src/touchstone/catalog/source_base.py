"""
What a live source reports: nouns, and how a foreign entry becomes one.

Everything foreign is text here. Fields that we understand get our names; every other field is kept as the JSON it came
as. No foreign text names a file, a field of ours or a format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field

from touchstone.catalog.offers import Rate, RateTier
from touchstone.catalog.source_failed import SourceFailed
from touchstone.catalog.units import MILLION, partial_date, usd, usd_per_million
from touchstone.errors import InvalidValue
from touchstone.language import N_
from touchstone.noun import Noun

if TYPE_CHECKING:
    from touchstone.catalog.outbound import Door

MAX_ENTRIES = 50_000
"""Of one source. The largest known, models.dev, has about 5,300."""
MAX_ID = 300
MAX_TEXT = 2_000
"""Characters of a fact that is text."""
MAX_FIELDS = 200
MAX_REST_BYTES = 64 << 10
"""Of what is kept of one entry beside the facts. A card of the Hugging Face Hub may be longer, see there."""
_EXAMPLES = 50
_MAX_COUNT = 10**15

Reason = Literal["no_object", "no_id", "long_id", "many_fields", "twice", "gone", "moved", "refused", "failed"]
REASONS: Mapping[Reason, str] = {
    "no_object": N_("it is no object with fields"),
    "no_id": N_("it has no id"),
    "long_id": N_("its id is too long"),
    "many_fields": N_("it has too many fields"),
    "twice": N_("its id is there already"),
    "gone": N_("the source does not know it"),
    "moved": N_("it has another name now; name it as the source does"),
    "refused": N_("the source does not show it without permission"),
    "failed": N_("the source failed to answer for it"),
}
"""Why an entry is left out, for people."""

MODALITIES = {"text": "text", "image": "image", "audio": "audio", "video": "video", "pdf": "file", "file": "file"}
OUTPUTS = {"text": "text", "image": "image", "audio": "audio", "video": "video"}
"""Words for what goes in and comes out, as the lists write them and as cards do."""

Fact = bool | int | str | tuple[str, ...]


class Reported(Noun):
    """What one source says about one model, or about one provider's offer of it."""

    source: str
    """Name of the source."""
    url: str
    """The address that was asked."""
    fetched_at: str
    """When, ISO 8601 in UTC."""
    provider: str | None = None
    """Who serves it, as the source calls them; None where the source speaks of the model itself."""
    id: str
    """What the source calls it; text, whatever it looks like."""
    facts: Mapping[str, Fact] = Field(default_factory=dict)
    """Fields that we understand, under the names of `Model` and `Offer`."""
    rates: tuple[Rate, ...] = ()
    """Prices; none where the source names none, or 0 without saying that it means free."""
    rest: str = "{}"
    """Every other field, as JSON."""
    left_out: tuple[str, ...] = ()
    """Names of fields that were too large to keep."""

    @property
    def key(self) -> tuple[str, str]:
        """What one source's entries differ in."""
        return self.provider or "", self.id


class Skipped(Noun):
    """An entry that could not be used."""

    id: str
    """Its id, or what stood in its place, cut to 100 characters."""
    reason: Reason


class Copy(Noun):
    """What a source said at one time: the unit that is stored, compared and taken."""

    source: str
    url: str
    fetched_at: str
    etag: str | None = None
    last_modified: str | None = None
    skipped_count: int = Field(default=0, ge=0)
    skipped: tuple[Skipped, ...] = ()
    """Some of the entries that were left out."""
    entries: tuple[Reported, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of what it says, whenever and from which address it was fetched."""
        found = sha256()
        for entry in self.entries:
            found.update(entry.model_dump_json(exclude={"fetched_at", "url"}, exclude_defaults=True).encode() + b"\n")
        return found.hexdigest()


class Source(Protocol):
    """Somebody who can be asked what exists."""

    name: str
    """Also that of its file: small letters, digits and hyphens, never from an answer."""
    base_url: str
    named: bool
    """Whether the user named this address, so that it may be on this machine or in a private network."""

    async def ask(self, door: Door, old: Copy | None, now: str) -> Copy | None:
        """
        What the source says now; None when nothing has changed since `old`.

        Raises:
            SourceFailed: nothing usable came.
        """
        ...


class Fields:
    """
    One foreign entry, from which facts are taken by their path; what nobody understands stays in `left`.

    A value of an unexpected type or size is not understood, so it stays and raises nothing.
    """

    def __init__(self, entry: dict[str, Any]) -> None:
        self.left = entry
        self.facts: dict[str, Fact] = {}
        self.rates: list[Rate] = []

    def text(self, path: str, name: str) -> None:
        """A text that says something."""
        self._take(path, name, lambda value: value if _is_text(value) else None)

    def count(self, path: str, name: str) -> None:
        """A whole number from 1; 0 is what lists write for unknown."""
        self._take(path, name, lambda value: value if type(value) is int and 1 <= value <= _MAX_COUNT else None)

    def flag(self, path: str, name: str) -> None:
        """True or false."""
        self._take(path, name, lambda value: value if type(value) is bool else None)

    def date(self, path: str, name: str) -> None:
        """A day, month or year."""
        self._take(path, name, lambda value: partial_date(value) if _is_text(value) else None)

    def terms(self, path: str, name: str, known: Mapping[str, str]) -> None:
        """Words of a closed list, in our spelling; one that is not in the list keeps them all from being understood."""
        self._take(path, name, lambda value: _translated(value, known))

    def rate(self, path: str, unit: str, *, per: Literal["token", "million", "request"], free: bool = False) -> None:
        """A price in USD; 0 is one only where the source says that it means free."""
        value = self._at(path)
        price = _price(value, per=per, free=free)
        if price is not None:
            self.rates.append(Rate(unit=unit, usd=price, per=1 if per == "request" else MILLION))
            self._drop(path)

    def tier(self, unit: str, above: int, value: Any) -> bool:
        """A price for calls with more input tokens than `above`; whether it was understood."""
        price = _price(value, per="million", free=False)
        for place, rate in enumerate(self.rates):
            if rate.unit == unit and price is not None and all(t.above_input_tokens != above for t in rate.tiers):
                tiers = sorted((*rate.tiers, RateTier(above_input_tokens=above, usd=price)), key=_threshold)
                self.rates[place] = rate.model_copy(update={"tiers": tuple(tiers)})
                return True
        return False

    def get(self, path: str) -> Any:
        """The value, which stays."""
        return self._at(path)

    def fact(self, path: str | None, name: str, value: Fact | None) -> None:
        """A fact that the caller has read out of the value at `path`, which is then understood; None is no fact."""
        if value is not None:
            self.facts[name] = value
            if path is not None:
                self._drop(path)

    def _take(self, path: str, name: str, read: Callable[[Any], Fact | None]) -> None:
        value = self._at(path)
        if value is None:
            return
        try:
            found = read(value)
        except InvalidValue:
            return
        self.fact(path, name, found)

    def _at(self, path: str) -> Any:
        value: Any = self.left
        for step in path.split("/"):
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def _drop(self, path: str) -> None:
        *way, last = path.split("/")
        inner: Any = self.left
        for step in way:
            inner = inner[step]
        del inner[last]
        if way and not inner:
            self._drop("/".join(way))


class Gathering:
    """
    Collects the entries of one answer, leaving out those that cannot be used.

    Args:
        source: Name of the source.
        url: What was asked.
        now: When, ISO 8601.
    """

    def __init__(self, source: str, url: str, now: str) -> None:
        self.source = source
        self.url = url
        self.now = now
        self.entries: dict[tuple[str, str], Reported] = {}
        self.skipped: list[Skipped] = []
        self.skipped_count = 0

    def keep(
        self,
        provider: str | None,
        identity: Any,
        entry: Any,
        read: Callable[[Fields], None],
        *,
        url: str | None = None,
        max_bytes: int = MAX_REST_BYTES,
    ) -> None:
        """
        Keep one entry.

        Args:
            provider: Who serves it.
            identity: What stands where its id should be.
            entry: What stands where its fields should be; it is used up.
            read: Takes the facts out of the fields.
            url: What was asked for this entry alone.
            max_bytes: Of `rest`.

        Raises:
            SourceFailed: there are more entries than are read.
        """
        wrong = self._wrong(provider, identity, entry)
        if wrong is not None:
            self.skip(identity if isinstance(identity, str) else "", wrong)
            return
        if len(self.entries) >= MAX_ENTRIES:
            raise SourceFailed(
                "{source} has more than the {limit} entries that are read; nothing was taken",
                source=self.source,
                limit=MAX_ENTRIES,
            )
        fields = Fields(entry)
        read(fields)
        rest, left_out = _packed(fields.left, max_bytes)
        made = Reported(
            source=self.source,
            url=url or self.url,
            fetched_at=self.now,
            provider=provider,
            id=identity,
            facts=fields.facts,
            rates=tuple(fields.rates),
            rest=rest,
            left_out=left_out,
        )
        self.entries[made.key] = made

    def carry(self, entry: Reported) -> None:
        """Keep an entry as an earlier copy has it, with its own date."""
        self.entries.setdefault(entry.key, entry)

    def skip(self, identity: str, reason: Reason) -> None:
        """Count an entry that could not be used."""
        self.skipped_count += 1
        if len(self.skipped) < _EXAMPLES:
            self.skipped.append(Skipped(id=identity[:100], reason=reason))

    def copy(self, *, etag: str | None = None, last_modified: str | None = None) -> Copy:
        """
        All that was kept.

        Raises:
            SourceFailed: nothing was.
        """
        if not self.entries:
            raise SourceFailed(
                "{source} listed no model that can be used ({skipped} left out); nothing was taken",
                source=self.source,
                skipped=self.skipped_count,
            )
        return Copy(
            source=self.source,
            url=self.url,
            fetched_at=self.now,
            etag=etag,
            last_modified=last_modified,
            skipped_count=self.skipped_count,
            skipped=tuple(self.skipped),
            entries=tuple(self.entries.values()),
        )

    def _wrong(self, provider: str | None, identity: Any, entry: Any) -> Reason | None:
        if not isinstance(entry, dict):
            return "no_object"
        if not isinstance(identity, str) or not identity.strip():
            return "no_id"
        if len(identity) > MAX_ID or len(provider or "") > MAX_ID:
            return "long_id"
        if len(entry) > MAX_FIELDS:
            return "many_fields"
        return "twice" if (provider or "", identity) in self.entries else None


def validators(old: Copy | None, url: str) -> tuple[str | None, str | None]:
    """Etag and date of the copy at hand, if it came from this very address."""
    return (old.etag, old.last_modified) if old is not None and old.url == url else (None, None)


def using_up(values: list[Any]) -> Iterator[Any]:
    """Every value, each forgotten by the list as it is handed out, so that an answer is not held twice."""
    for place, value in enumerate(values):
        values[place] = None
        yield value


def wrong_shape(source: str, wanted: str) -> SourceFailed:
    """What to say of an answer that is good JSON and not what the source documents."""
    return SourceFailed(
        "the answer of {source} is not as documented ({wanted}); nothing was taken", source=source, wanted=wanted
    )


def _packed(left: dict[str, Any], max_bytes: int) -> tuple[str, tuple[str, ...]]:
    """The fields as JSON, without the largest ones where all together are too large."""
    import orjson

    packed, left_out = orjson.dumps(left), []
    while len(packed) > max_bytes:
        largest = max(left, key=lambda name: len(name) + len(orjson.dumps(left[name])))
        del left[largest]
        left_out.append(largest[:100])
        packed = orjson.dumps(left)
    return packed.decode(), tuple(left_out)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and not value.isspace()


def _translated(value: Any, known: Mapping[str, str]) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) and word in known for word in value):
        return None
    return tuple(dict.fromkeys(known[word] for word in value))


def _price(value: Any, *, per: Literal["token", "million", "request"], free: bool) -> Decimal | None:
    if type(value) not in (int, float, str):
        return None
    zero: Literal["free", "unknown"] = "free" if free else "unknown"
    try:
        return usd(value, zero=zero) if per == "request" else usd_per_million(value, per=per, zero=zero)
    except InvalidValue:
        return None


def _threshold(tier: RateTier) -> int:
    return tier.above_input_tokens
