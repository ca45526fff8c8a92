"""A shortlist as people and machines read it: everything named, nothing a terminal or a browser would obey."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
from tests.decision.market import BACKGROUND, SCENARIO, calls, card, claim, offer

from touchstone.catalog.cards import Card
from touchstone.catalog.sellers import sellers
from touchstone.catalog.taxonomy import labs
from touchstone.decision.advice import advise
from touchstone.decision.advice_base import Advice, Situation
from touchstone.decision.shortlist import explain, shortlist
from touchstone.decision.shortlist_base import LIMITS, Figure, Needs, Shortlist
from touchstone.language import set_language
from touchstone.reporting.page_html import html_page
from touchstone.reporting.page_terminal import terminal_page
from touchstone.reporting.shortlist_json import as_json
from touchstone.reporting.shortlist_page import explanation_page, shortlist_page
from touchstone.reporting.shortlist_words import COUNTRIES, nearest, said, said_of
from touchstone.reporting.shortlist_words import LIMITS as NAMES

NEEDS = Needs(tasks=("chat",), languages=("zh",), licences=("open",), regions=("eu",), max_usd_per_month=1.0, **calls())


def _cards() -> list[Card]:
    made = [
        card(
            f"acme/m{at}",
            languages=("en", "zh"),
            licence="mit",
            weights="open",
            offers=[offer("south", 0.1 * at, 0.5)],
            claims=[claim(f"acme/m{at}", 50.0 + at)],
        )
        for at in range(1, 5)
    ]
    return [
        *made,
        card("acme/dear", languages=("zh",), licence="mit", offers=[offer("south", 4, 10)]),
        card("acme/silent", licence="mit", offers=[offer("south", 0.1, 0.1)]),
        card("acme/vectors", tasks=("embedding",), languages=("zh",), licence="mit", offers=[offer("south", 0.1, 0.1)]),
    ]


def _lines(found: Shortlist) -> list[str]:
    text = terminal_page(shortlist_page(found, ()), width=160, colour=False)
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.fixture(scope="module")
def found() -> Shortlist:
    cards = _cards()
    claims = [one for made in cards for one in made.claims]
    return shortlist(cards, NEEDS, BACKGROUND, claims=claims, scenarios=[SCENARIO])


@pytest.fixture(scope="module")
def advice(found: Shortlist) -> tuple[Advice, ...]:
    return advise(found, {one.id: one for one in _cards()}, Situation(train_cases=10))


@pytest.fixture
def chinese() -> Iterator[None]:
    set_language("zh")
    yield
    set_language("en")


def test_the_whole_answer_stands_on_the_page(found: Shortlist, advice: tuple[Advice, ...]) -> None:
    """Who qualifies with cost and place, who does not and by how much, what relaxing brings back, advice by rule."""
    text = terminal_page(shortlist_page(found, advice, task="intents", top=3), width=160, colour=False)
    lines = [" ".join(line.split()) for line in text.splitlines()]

    assert lines[0] == "Shortlist for intents"
    assert lines[1] == "4 of 7 models meet every limit; in order of: quality, cost."
    assert "1 acme/m1 south $0.15 Open licence 50% (10% to 90%)" in lines
    assert "1 more qualify; --top shows more of them." in lines
    assert (
        "• 1. acme/m1: in the leading group by published tests. 1 published test: Quiz 51 (quiz authors), level with "
        "acme/m2 with 52"
    ) in lines
    assert any("known of 4 of the 4 who qualify (published tests: 1; for: –). On each test" in line for line in lines)
    assert any("acme/m2: dearer than acme/m1: 0.25 USD a month by south, 0.10 more" in line for line in lines)
    assert (
        "cost a month acme/dear the cheapest offer, by south, costs 5.00 USD a month, 4.00 over 1 "
        "(of the offers that meet everything else) 0"
    ) in lines
    assert "task acme/vectors it does Embedding, not Chat 0" in lines
    assert "cost a month 1 up to $5.00 acme/dear" in lines
    assert "language 1 only without this limit acme/silent" in lines
    assert any("[improve.few-cases; docs/guide/shortlist.md]" in line for line in lines)
    assert lines[-1] == "Prices as they stand on 1 August 2026, in the dearest hour of the day."


def test_the_page_says_by_what_the_order_goes(found: Shortlist) -> None:
    """A smaller share may stand first: what counts is what a strength is at least."""
    text = " ".join(terminal_page(shortlist_page(found, ()), width=160, colour=False).split())
    assert "The order goes by the strength that it has at least, with five chances in six" in text


def test_a_cost_that_leaves_something_out_is_marked() -> None:
    """Thinking that nobody measured, and pictures that nobody counted, make it what it is at least."""
    guessed = {**calls(), "output_tokens": Figure(value=8, basis="assumed")}
    cards = [
        card("acme/a", reasoning=True, offers=[offer("south", 1, 1)]),
        card("acme/b", reasoning=False, offers=[offer("south", 1, 1)]),
    ]
    found = shortlist(cards, Needs(**guessed), BACKGROUND, priorities=("cost",))
    lines = _lines(found)
    assert "1 acme/a south ≥ $1.01 –" in lines
    assert "2 acme/b south $1.01 –" in lines
    assert "≥: at least; images, recordings or thinking are not counted in it." in lines
    marks = [one["cost_is_lower_end"] for one in as_json(found, (), task=None, assumed=())["qualified"]]
    assert marks == [True, False]

    measured = {**calls(), "output_tokens": Figure(value=8, basis="measured")}
    assert "1 acme/a south $1.01 –" in _lines(shortlist(cards, Needs(**measured), BACKGROUND, priorities=("cost",)))
    pictures = {**measured, "input_tokens": Figure(value=1000, basis="estimated", at_least=True)}
    assert "2 acme/b south ≥ $1.01 –" in _lines(shortlist(cards, Needs(**pictures), BACKGROUND, priorities=("cost",)))


def test_what_keeps_a_call_in_its_place_is_said_beside_the_list() -> None:
    """In the seller's words, once for each seller that leaves the place by itself; `--json` names where to."""
    cards = [card(f"acme/{name}", offers=[offer("openai", name=name)]) for name in ("a", "b")]
    background = BACKGROUND._replace(sellers=sellers())
    found = shortlist(cards, Needs(regions=("eu",)), background)
    text = " ".join(terminal_page(shortlist_page(found, ()), width=160, colour=False).split())
    assert text.count("OpenAI: only a setting or an address of its own keeps a call within EU. Calls run anywhere") == 1
    assert "anywhere" in as_json(found, (), task=None, assumed=())["qualified"][0]["leaves_region"]
    here = shortlist(cards, Needs(), background)
    assert "only a setting" not in terminal_page(shortlist_page(here, ()), width=160, colour=False)


def test_who_comes_back_is_named_the_closest_first() -> None:
    """The column agrees with the value at which the first of them comes back."""
    cards = [card(f"acme/m{at}", context_tokens=1_000 * (at + 1)) for at in range(5)]
    assert "context 5 5,000 tokens acme/m4, acme/m3, acme/m2 and 2 more" in _lines(
        shortlist(cards, Needs(context_tokens=8_000), BACKGROUND)
    )


def test_as_many_as_asked_are_shown(found: Shortlist) -> None:
    """The rest is counted."""
    page = terminal_page(shortlist_page(found, (), top=1, per_limit=0), width=160, colour=False)
    assert "3 more qualify" in page
    assert "… 1 more" in page


def test_a_page_of_nobody_says_so() -> None:
    """And still tells what relaxing brings back."""
    empty = shortlist(_cards(), NEEDS.model_copy(update={"licences": ("odd",)}), BACKGROUND)
    text = terminal_page(shortlist_page(empty, ()), width=160, colour=False)
    assert "Nobody." in text
    assert "also mit" in text


def test_unknown_facts_that_leave_out_many_are_warned_of() -> None:
    """Nobody should take an unstated fact for a bad model."""
    cards = [card(f"acme/m{at}") for at in range(3)]
    found = shortlist(cards, Needs(languages=("zh",)), BACKGROUND)
    assert found.relaxed[0].unknown == 3
    assert "3 models are left out only because nobody states" in shortlist_page(found, ()).warnings[0]


def test_a_field_of_the_json_has_one_type_in_all_rows(found: Shortlist) -> None:
    """Whoever loads it into a table finds numbers with a point, whatever they count, or texts."""
    long = shortlist(_cards(), Needs(tasks=("chat",), context_tokens=10**6), BACKGROUND)
    for one in (found, long):
        body = orjson.loads(orjson.dumps(as_json(one, (), task=None, assumed=())))
        told = [row[key] for row in body["excluded"] for key in ("actual", "required", "gap", "nearest")]
        told += [row["nearest"] for row in body["relaxed"]]
        assert {type(value) for value in told} <= {float, str, type(None)}
        assert any(isinstance(value, float) for value in told)


def test_the_json_says_everything_of_a_check_and_of_published_tests(found: Shortlist) -> None:
    """Its keys are what programs go by."""
    body = orjson.loads(orjson.dumps(as_json(found, (), task="t", assumed=())))
    assert set(body["relaxed"][0]) == {"limit", "models", "unknown", "nearest", "first"}
    assert set(body["excluded"][0]) == {
        *("model", "name", "further", "limit", "verdict", "actual", "required", "gap", "nearest"),
        *("text", "template", "values", "among"),
    }
    assert set(body["published"]) == {"scenarios", "tests", "pairs", "models", "known"}
    known = next(row["published"] for row in body["qualified"] if row["published"])
    assert set(known) == {
        *("strength", "at_least", "low", "high", "place", "best_place", "worst_place", "of", "tests", "pairs"),
        "evidence",
    }
    test = known["evidence"][0]
    assert set(test) == {"benchmark", "claim", "place", "of", "told_apart", "rival", "level"}
    assert {"model", "benchmark", "value", "measured_by", "source", "as_of"} <= set(test["claim"]) & set(test["rival"])


def test_what_a_source_wrote_is_text_and_nothing_else(found: Shortlist) -> None:
    """A name with an escape or a tag reaches no terminal and no browser as such."""
    bad = found.qualified[0]._replace(model="acme/\x1b[31m<script>alert(1)</script>")
    page = shortlist_page(found._replace(qualified=(bad,)), ())
    assert "\x1b" not in terminal_page(page, colour=False)
    assert "<script>alert" not in html_page(page)
    assert "&lt;script&gt;alert" in html_page(page)


def test_the_json_holds_everything(found: Shortlist, advice: tuple[Advice, ...]) -> None:
    """All models, every limit, each sentence with its numbers; the schema is named and nothing is lost in writing."""
    body = orjson.loads(orjson.dumps(as_json(found, advice, task="intents", assumed=())))

    assert body["schema"] == "touchstone.shortlist/1"
    assert [one["place"] for one in body["qualified"]] == [1, 2, 3, 4]
    first = body["qualified"][0]
    assert (first["model"], first["seller"], first["usd_per_month"]) == ("acme/m1", "south", pytest.approx(0.15))
    assert (first["published"]["tests"], first["published"]["pairs"]) == (1, 3)
    assert first["published"]["evidence"][0]["rival"]["model"] == "acme/m2"
    assert body["published"]["tests"] == 1
    assert (first["own"], body["yardstick"], body["condition"]) == (None, None, None)
    dear = next(one for one in body["excluded"] if one["model"] == "acme/dear")
    assert (dear["limit"], dear["verdict"], dear["further"]) == ("usd-per-month", "not-met", 0)
    assert (dear["actual"], dear["required"], dear["gap"]) == (pytest.approx(5), 1, pytest.approx(4))
    assert dear["text"] == dear["template"].format(**{**dear["values"], "seller": "south"})
    assert set(body["asked"]) == {"task", "language", "licence", "region", "usd-per-month", "deprecated"}
    assert {one["limit"] for one in body["relaxed"]} == set(body["asked"])
    assert {one["rule"] for one in body["advice"]} == {one.rule for one in advice}


def test_every_limit_has_a_name() -> None:
    """So that no id stands where people read."""
    assert set(NAMES) == set(LIMITS)


def test_an_explanation_shows_what_is_met_and_what_is_not() -> None:
    """Unknown is said to be not met; what was missed stands out."""
    one = card("acme/silent", licence="mit", offers=[offer("south", 0.1, 0.1)])
    page = explanation_page(one.id, one.name, explain(one, NEEDS, BACKGROUND))
    lines = [" ".join(line.split()) for line in terminal_page(page, width=160, colour=False).splitlines()]
    assert "acme/silent misses 1 limit." in lines
    assert "language unknown, so not met unknown: its maker names no languages" in lines
    assert "licence met its licence is mit" in lines


def test_countries_are_called_by_their_names() -> None:
    """Codes are for flags, in either language."""
    one = card(lab="zhen", offers=[offer("north")])
    found = shortlist([one], Needs(not_lab_countries=("CN",)), BACKGROUND)
    assert said(found.asked["lab-country"], "lab-country") == "its lab has its seat in none of China"
    assert said_of(found.excluded[0].check) == "its lab has its seat in China, which is not allowed"
    assert nearest(found.relaxed[0], found.needs) == "also China"
    sold = shortlist([one], Needs(not_seller_countries=("US",)), BACKGROUND)
    asked = said(sold.asked["seller-country"], "seller-country")
    assert asked == "its seller has its seat in: not the United States"
    assert said_of(sold.excluded[0].check).startswith("its sellers, north, have their seats in: the United States")


def test_every_country_of_a_lab_or_seller_has_a_name() -> None:
    """And so has every place where calls are kept."""
    codes = {lab.country for lab in labs().values() if lab.country}
    codes |= {seller.country for seller in sellers().values() if seller.country}
    codes |= {place.upper() for one in sellers().values() for place in one.processed_in or ()}
    assert codes - set(COUNTRIES) == {"ANYWHERE", "EU", "OWN-MACHINE"}


def test_ids_are_told_by_their_names(found: Shortlist) -> None:
    """Tasks and places are words, not ids."""
    by_limit = {name: said(reason, name) for name, reason in found.asked.items()}
    assert by_limit["task"] == "it does Chat"
    assert by_limit["region"] == "calls can be kept within: EU"
    vectors = next(one for one in found.excluded if one.model == "acme/vectors")
    assert said(vectors.check.reason, "task") == "it does Embedding, not Chat"
    back = next(one for one in found.relaxed if one.limit == "usd-per-month")
    assert nearest(back, NEEDS) == "up to $5.00"


@pytest.mark.usefixtures("chinese")
def test_the_page_is_made_in_chinese_too(found: Shortlist, advice: tuple[Advice, ...]) -> None:
    """Names of terms come from the Chinese taxonomy; every template can be filled in."""
    text = terminal_page(shortlist_page(found, advice, task="意图"), width=160, colour=False)
    assert "对话" in text or "聊天" in text
    assert "{" not in text
