"""
A shortlist from questions: what it must do, read and speak, where it may run, what it may cost.

What was found is kept for the same questions over the same catalog, in both languages. Over a large catalog it is
worked out beside the requests, and the page says so until it is there.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from touchstone.catalog.benchmarks import scenarios
from touchstone.catalog.sellers import sellers
from touchstone.catalog.taxonomy import terms_of
from touchstone.decision.shortlist_base import Priority
from touchstone.errors import SettingsError, TouchstoneError, refusal
from touchstone.language import LANGUAGES, N_, _, current_language, in_language
from touchstone.reporting.shortlist_page import explanation_page, shortlist_page
from touchstone.web.base import Answer, Ask, Route, Send, Show
from touchstone.web.forms import Form
from touchstone.web.looks import Looks
from touchstone.workspace import shortlist as front
from touchstone.workspace.shortlist_codes import check_codes
from touchstone.workspace.shortlist_needs import Wishes

if TYPE_CHECKING:
    from touchstone.catalog.catalog import Catalog
    from touchstone.catalog.index import CatalogIndex
    from touchstone.decision.shortlist_fit import Fit
    from touchstone.reporting.pages import Page

PRIORITIES: Sequence[tuple[Priority, str]] = (
    ("quality", N_("Quality, by published tests")),
    ("cost", N_("Cost")),
    ("speed", N_("Speed")),
    ("openness", N_("Openness")),
)
_READS = (("image", N_("Images")), ("audio", N_("Sound")), ("file", N_("Files such as PDF")))
_ABILITIES = (
    ("structured-output", N_("Keep to a JSON schema")),
    ("tools", N_("Call tools")),
    ("reasoning", N_("Think before it answers")),
)
_SPOKEN = (("", N_("Any")), ("en", N_("English")), ("zh", N_("Chinese")), ("en,zh", N_("English and Chinese")))
_USE = (
    ("", N_("Does not matter")),
    ("commercial", N_("Commercial use allowed")),
    ("open", N_("An open licence")),
)
_HOSTS = (
    ("", N_("A provider or our own machines")),
    ("own", N_("Our own machines only")),
)
_TOP = 20
AT_ONCE = 5_000
"""Up to so many entries of a catalog the reader waits for the answer; what ships has 2,100 and takes some 0.3 s."""
_FURTHER = ("models", "lang", "first", "model", "waiting")
"""Fields that ask for nothing by themselves."""
_LIMITS = ("context_tokens", "requests_per_month", "input_tokens", "output_tokens", "max_usd_per_month", "memory_gib")


def questions(ask: Ask) -> Answer:
    """The form, and what it finds once anything is asked."""
    values: dict[str, Any] = {
        "query": ask.query,
        "tasks": _tasks(current_language()),
        "reads": _READS,
        "abilities": _ABILITIES,
        "spoken": _SPOKEN,
        "use": _USE,
        "hosts": _HOSTS,
        "places": (("", _("Anywhere")), *_places()),
        "scenarios": (("", _("As the work suggests")), *_scenarios(current_language())),
        "priorities": PRIORITIES,
        "found": None,
        "waits_for": 0,
        "problem": "",
        "chosen": ask.query.all("models"),
        "asked": [
            (key, value) for key, value in ask.query.items() if value and key not in ("lang", "model", "waiting")
        ],
    }
    if any(value for key, value in ask.query.items() if key not in _FURTHER):
        try:
            found = _found(ask)
        except TouchstoneError as error:
            values["problem"] = error.text(_)
        else:
            if isinstance(found, _Found):
                values["found"] = found
            elif ask.is_fragment and ask.query.flag("waiting"):
                return Send(b"", "text/html; charset=utf-8", status=204)  # what the page shows still holds
            else:
                values["waits_for"] = found
    return Show("shortlist/questions.html.j2", values, block="results", status=422 if values["problem"] else 200)


def why(ask: Ask) -> Answer:
    """Every limit held against one model."""
    wishes = wishes_of(ask.query)
    model = ask.query.text("model", longest=300)
    with ask.catalog() as catalog:
        asked = front.ask(wishes, ask.workspace.settings, today=catalog.today)
        card, checks = front.explained(asked, catalog, model)
    return Show("shortlist/why.html.j2", {"page": explanation_page(card.id, card.name, checks), "model": card.id})


def wishes_of(query: Form) -> Wishes:
    """
    What the form asks for.

    Raises:
        SettingsError: an answer cannot be used.
    """
    hosting, use = query.text("hosting"), query.text("use")
    numbers = {name: query.number(name, low=0, high=1e12) for name in _LIMITS}
    place = query.text("place")
    given = {
        "tasks": query.all("task"),
        "inputs": query.all("reads"),
        "languages": tuple(code for code in query.text("speaks").split(",") if code),
        "abilities": query.all("ability"),
        "licences": (use,) if use else (),
        "self_hostable": True if hosting == "own" else None,
        "seller_countries": (place.upper(),) if place else (),
        "rests_on_documents": query.flag("documents"),
        "scenario": query.text("scenario") or None,
        "max_input_usd": query.number("max_input_usd", low=0, high=1e12),
        "max_output_usd": query.number("max_output_usd", low=0, high=1e12),
        **{name: value for name, value in numbers.items() if value},
    }
    if given.get("context_tokens"):
        given["context_tokens"] = int(numbers["context_tokens"] or 0)
    try:
        return Wishes.model_validate({key: value for key, value in given.items() if value not in (None, (), False)})
    except ValidationError as error:
        found: Any = error.errors()[0]
        raise SettingsError(
            "{field} {value!r} cannot be used: {reason}",
            field=str(found["loc"][0]),
            value=found.get("input"),
            reason=refusal(found),
        ) from None


class _Found(NamedTuple):
    """What the page shows of a shortlist."""

    pages: dict[str, Page]
    """By language."""
    qualified: list[tuple[str, str]]
    """Id and name of the first ones."""
    excluded: list[str]
    """Ids of some, to be asked about."""

    @property
    def page(self) -> Page:
        """In the reader's language."""
        return self.pages[current_language()]


_fits: Looks[Fit] = Looks(most_kept=16)
"""What published tests say together, of whatever catalog: their digest finds it."""


def _found(ask: Ask) -> _Found | int:
    """What was found; the number of the catalog's entries while they are being looked at."""
    wishes = wishes_of(ask.query)
    first = ask.query.choice("first", [name for name, _words in PRIORITIES], "quality")
    # What matters most, then quality and cost.
    order = sorted(
        (name for name, _words in PRIORITIES if name in (first, "quality", "cost")), key=lambda n: n != first
    )
    with ask.catalog() as catalog:
        check_codes(wishes, catalog)
        index, today = catalog.index, catalog.today
    settings = ask.workspace.settings

    def look() -> _Found:
        with _beside(catalog, index) as mine:
            asked = front.ask(wishes, settings, today=today)
            answered = front.answer(asked, mine, wishes=wishes, priorities=order, remember=_fits.at_once)
        found = answered.shortlist
        return _Found(
            {
                code: in_language(code, lambda: shortlist_page(found, answered.advice, assumed=asked.assumed, top=_TOP))
                for code in LANGUAGES
            },
            [(one.model, one.name) for one in found.qualified[:_TOP]],
            [one.model for one in found.excluded[:200]],
        )

    key: Hashable = ("shortlist", ask.viewer.project, index.meta["key"], today, wishes.model_dump_json(), first)
    if len(index) <= AT_ONCE:
        direct: _Found = ask.site.looks.at_once(key, look)
        return direct
    found: _Found | None = ask.site.looks.beside(key, look)
    return len(index) if found is None else found


@contextmanager
def _beside(catalog: Catalog, index: CatalogIndex) -> Iterator[Catalog]:
    """A catalog to be read beside the one that all pages share, so that they need not wait for this reader."""
    from touchstone.catalog.catalog import Catalog

    with Catalog(catalog.folder and catalog.folder.parent, today=catalog.today) as mine:
        mine.index = index.another()
        yield mine


@cache
def _tasks(language: str) -> Sequence[tuple[str, str]]:
    return [(term.id, term.name.in_language(language)) for term in terms_of("task").values()]


def _scenarios(language: str) -> Sequence[tuple[str, str]]:
    return [(key, one.name.in_language(language)) for key, one in scenarios().items()]


def _places() -> Sequence[tuple[str, str]]:
    return [(code, code) for code in sorted({one.country for one in sellers().values() if one.country})]


routes = (
    Route("/shortlist", questions, "view"),
    Route("/shortlist/why", why, "view"),
)
