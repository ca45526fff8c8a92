"""What published tests say together is worked out when the index is made, and found by whoever asks about the same."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from pathlib import Path

from tests.decision.market import card, claim, offer

from touchstone.catalog.cards import Card
from touchstone.catalog.catalog import Catalog
from touchstone.catalog.index import CatalogIndex
from touchstone.catalog.index_rows import index_rows
from touchstone.catalog.index_write import fill_index
from touchstone.config import Settings
from touchstone.decision.shortlist_fit import Fit, PublishedTest, fit_as_json, fit_from_json, fit_of, key_of
from touchstone.workspace.shortlist import Answered, answer, ask
from touchstone.workspace.shortlist_fits import kept_fit, usual_fits
from touchstone.workspace.shortlist_needs import Wishes
from touchstone.workspace.shortlist_scope import in_scope
from touchstone.workspace.taskfile import load_task

TODAY = date(2026, 8, 1)
MODELS = ("one", "two", "three", "four")


def cards(ahead: float = 1.0) -> list[Card]:
    """Models that anybody can call, measured alike on two tests of knowledge."""
    found = []
    for place, name in enumerate(MODELS):
        model = f"acme/{name}"
        claims = [claim(model, 90.0 - 10 * ahead * place, test) for test in ("mmlu", "mmlu-pro")]
        found.append(card(model, offers=[offer("openai", name=name)], claims=claims, context_tokens=100_000))
    return found


class Small(Catalog):
    """A catalog of a few cards, with a real index in memory; counts what it is asked for."""

    def __init__(self, stock: Sequence[Card], kept: dict[str, bytes] | None = None) -> None:
        super().__init__(None, today=TODAY)
        connection = sqlite3.connect(":memory:")
        fill_index(connection, index_rows(sorted(stock, key=lambda one: one.id), TODAY, {}), {"key": "test"})
        connection.executemany("INSERT INTO derived VALUES (?, ?)", (kept or {}).items())
        self.index = CatalogIndex(connection)
        self.found: list[bool] = []

    def derived(self, key: str) -> bytes | None:
        body = super().derived(key)
        self.found.append(body is not None)
        return body


def shortlisted(catalog: Catalog, folder: Path, wishes: Wishes | None = None) -> Answered:
    """The shortlist of a task whose answers are choices."""
    (folder / "cases.csv").write_text("id,input,target\n" + "".join(f"q{n},which?,A\n" for n in range(9)), "utf-8")
    (folder / "task.yaml").write_text(
        "task: quiz\ninstruction: Choose.\ncases: cases.csv\nanswer: {kind: choice}\ncandidates: [openai/one]\n",
        "utf-8",
    )
    task, wanted = load_task(folder), wishes or Wishes()
    settings = Settings(workspace=folder / ".touchstone", workspace_from="test")
    asked = ask(wanted, settings, today=TODAY, task=task)
    return answer(asked, catalog, wishes=wanted, task=task)


def test_the_usual_shortlist_finds_what_was_kept(tmp_path: Path) -> None:
    """It is word for word the one that works everything out."""
    plain, keeping = Small(cards()), Small(cards(), usual_fits(Small(cards())))

    worked_out, found = shortlisted(plain, tmp_path), shortlisted(keeping, tmp_path)

    assert (plain.found, keeping.found) == ([False], [True])
    assert found == worked_out
    assert found.shortlist.published is not None
    assert found.shortlist.published.known == len(MODELS)


def test_other_results_are_worked_out_anew(tmp_path: Path) -> None:
    """What was kept of other values says nothing of these."""
    catalog = Small(cards(ahead=2.0), usual_fits(Small(cards())))

    found = shortlisted(catalog, tmp_path)

    assert catalog.found == [False]
    assert found == shortlisted(Small(cards(ahead=2.0)), tmp_path)


def test_what_was_kept_is_taken_as_it_is() -> None:
    """Nothing is worked out where something was kept: another place in it comes back."""
    tests = [one_test()]
    fit = fit_of(tests)
    moved = fit._replace(pairs=fit.pairs + 1)

    assert kept_fit(Small([], {key_of(tests): fit_as_json(moved)}), tests) == moved
    assert kept_fit(Small([]), tests) == fit


def test_what_is_remembered_is_not_looked_for_again() -> None:
    """Whoever asks many times may remember by the digest of the tests, which is all that a fit hangs on."""
    tests, catalog, remembered = [one_test()], Small([]), {}

    def remember(key: str, find: Callable[[], Fit]) -> Fit:
        if key not in remembered:
            remembered[key] = find()
        return remembered[key]

    first, second = (kept_fit(catalog, tests, remember=remember) for _time in range(2))

    assert first == second == fit_of(tests)
    assert list(remembered) == [key_of(tests)]
    assert catalog.found == [False]


def test_what_is_kept_of_the_usual_tasks_is_what_they_work_out() -> None:
    """Under each key lies a fit of all models, and few of the tasks ask about tests of their own."""
    kept = usual_fits(Small(cards()))

    assert 1 <= len(kept) <= 12
    assert {tuple(sorted(fit_from_json(body).strengths)) for body in kept.values()} == {
        tuple(sorted(f"acme/{name}" for name in MODELS))
    }


def test_cards_come_with_their_results_only_where_a_floor_asks(tmp_path: Path) -> None:
    """Results take a third of the time that cards take to read, and only a floor looks at them on the card."""
    from touchstone.catalog.benchmarks import benchmarks
    from touchstone.decision.shortlist_base import Floor

    catalog = Small(cards())
    floor = Floor(benchmark=benchmarks()["mmlu"], value=75.0)

    asked = shortlisted(catalog, tmp_path)
    with_floor = shortlisted(catalog, tmp_path, Wishes(floor=floor))

    assert not any(one.claims for one in in_scope(catalog, asked.asked.needs).cards)
    assert all(one.claims for one in in_scope(catalog, with_floor.asked.needs).cards)
    assert {one.model for one in with_floor.shortlist.qualified} == {"acme/one", "acme/two"}


def test_cards_of_who_qualifies_are_there_when_the_index_is_closed(tmp_path: Path) -> None:
    """They were read while it was open, and are made when somebody asks."""
    catalog = Small(cards())
    found = shortlisted(catalog, tmp_path)
    catalog.close()

    assert sorted(found.cards) == [f"acme/{name}" for name in sorted(MODELS)]
    assert len(found.cards) == len(MODELS)
    assert found.cards["acme/one"].name == cards()[0].name
    assert "acme/none" not in found.cards


@cache
def one_test() -> PublishedTest:
    from touchstone.catalog.benchmarks import benchmarks

    results = tuple(one for card in cards() for one in itertools.islice(card.claims, 1))
    return PublishedTest(benchmarks()["mmlu"], results, day=1, weight=1.0)
