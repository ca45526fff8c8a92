"""From needs to the cards of a catalog: an answer for everybody, with its reason."""

from __future__ import annotations

from pathlib import Path

from tests.decision.market import QUIZ, card, claim, offer
from tests.workspace.small_task import TODAY, SmallCatalog, settings_in, task_in

from touchstone.decision.shortlist_base import Floor, Needs
from touchstone.workspace.shortlist import answer, ask, background_of, explained
from touchstone.workspace.shortlist_needs import Wishes


def test_a_catalog_answers_with_a_reason_for_everybody(tmp_path: Path) -> None:
    """Who does another task is told by the index alone; the others by their cards."""
    sold = [offer("openai", 0.1, 0.2)]
    cards = [
        card("acme/fits", weights="open", licence="mit", context_tokens=8000, offers=sold),
        card("acme/vectors", tasks=("embedding",)),
        card("acme/closed", weights="closed", context_tokens=8000, offers=sold),
        card("acme/guard", tasks=("moderation", "classification"), offers=sold),
    ]
    task = task_in(tmp_path)
    asked = ask(Wishes(), settings_in(tmp_path), today=TODAY, task=task)
    found = answer(asked, SmallCatalog(cards), wishes=Wishes(), task=task)

    assert [one.model for one in found.shortlist.qualified] == ["acme/fits"]
    assert {one.model: (one.check.limit, one.further) for one in found.shortlist.excluded} == {
        "acme/vectors": ("any-task", None),
        "acme/closed": ("openness", 0),
        "acme/guard": ("any-task", None),  # it has classes of its own
    }
    assert "any-task" not in {one.limit for one in found.shortlist.relaxed}
    assert list(found.cards) == ["acme/fits"]
    assert found.advice
    _, checks = explained(asked, SmallCatalog(cards), "acme/vectors")
    assert [check.limit for check in checks if check.verdict != "met"][:1] == ["any-task"]


def test_a_result_is_judged_by_the_condition_that_a_search_shows(tmp_path: Path) -> None:
    """The one under which most models were measured; the best value under any would mix two tests."""
    cards = [
        card("acme/a", claims=[claim("acme/a", 90.0, "gpqa", subset="easy"), claim("acme/a", 30.0, "gpqa")]),
        card("acme/b", claims=[claim("acme/b", 70.0, "gpqa")]),
    ]
    wishes = Wishes(floor=Floor(benchmark=QUIZ.model_copy(update={"id": "gpqa"}), value=60.0), callable=False)
    asked = ask(wishes, settings_in(tmp_path), today=TODAY)
    found = answer(asked, SmallCatalog(cards), wishes=wishes).shortlist
    assert [one.model for one in found.qualified] == ["acme/b"]
    assert found.needs.floor is not None
    assert found.needs.floor.condition == cards[1].claims[0].condition
    _, checks = explained(asked, SmallCatalog(cards), "acme/a")
    assert [check.actual for check in checks if check.limit == "benchmark"] == [30.0]


def test_who_qualifies_as_callable_can_be_written() -> None:
    """Whoever judges and whoever writes ask the same question."""
    background = background_of(SmallCatalog([]), Needs(), ())
    assert background.can_call(offer("openrouter", name="acme/e"))
    assert background.can_call(offer("own"))
    for sold in (offer("openrouter", name="no-author"), offer("azure"), offer("google", name="claude-x")):
        assert not background.can_call(sold)
