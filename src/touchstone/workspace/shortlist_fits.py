"""
What published tests say together, kept in the index that ships: most shortlists ask about the same tests.

Making the index asks the usual questions once and keeps what took the time. A digest of the tests finds it again; where
limits, own results or newer claims leave other tests, they are worked out as if nothing had been kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date

from touchstone.catalog.benchmarks import scenarios
from touchstone.catalog.catalog import Catalog
from touchstone.catalog.claims import Scenario
from touchstone.decision.shortlist import shortlist
from touchstone.decision.shortlist_base import Needs
from touchstone.decision.shortlist_fit import Fit, PublishedTest, fit_as_json, fit_from_json, fit_of, key_of
from touchstone.workspace.shortlist_needs import scenarios_of

_KINDS = ("label", "choice", "number", "json", "free", "text")
"""Of answers, as in a task file."""


Remember = Callable[[str, Callable[[], Fit]], Fit]
"""Gives what it remembers under a key, else what the function gives: who moves a limit asks about the same tests."""


def kept_fit(catalog: Catalog, tests: Sequence[PublishedTest], *, remember: Remember | None = None) -> Fit:
    """The fit of some tests: the kept one, or worked out."""
    key = key_of(tests)

    def find() -> Fit:
        kept = catalog.derived(key)
        return fit_of(tests) if kept is None else fit_from_json(kept)

    return find() if remember is None else remember(key, find)


def usual_fits(catalog: Catalog) -> dict[str, bytes]:
    """What shortlists of the usual tasks work out, by `key_of` the tests; for whoever makes the index that ships."""
    from touchstone.workspace.shortlist import background_of, claims_of
    from touchstone.workspace.shortlist_scope import in_scope

    kept: dict[str, bytes] = {}

    def keep(tests: Sequence[PublishedTest]) -> Fit:
        key = key_of(tests)
        if key in kept:
            return fit_from_json(kept[key])
        found = fit_of(tests)
        kept[key] = fit_as_json(found)
        return found

    scope = in_scope(catalog, Needs(one_task_of=("chat",)))
    cards = list(scope.cards)  # asked about many times
    for needs, used in _usual(catalog.today):
        background, claims = background_of(catalog, needs, used), claims_of(catalog, used, None)
        shortlist(cards, needs, background, claims=claims, scenarios=used, released=scope.released, fit=keep)
    return kept


def _usual(today: date) -> Iterator[tuple[Needs, tuple[Scenario, ...]]]:
    """Models that chat and can be called, for each kind of answer, with Chinese cases and without."""
    known = scenarios()
    for languages in ((), ("zh",)):
        needs = Needs(
            one_task_of=("chat",),
            languages=languages,
            unnamed_languages_pass=True,
            callable=True,
            serve_until=today,
            context_tokens=1024,
        )
        for kind in _KINDS:
            yield needs, tuple(known[name] for name in scenarios_of(kind, (), needs) if name in known)
