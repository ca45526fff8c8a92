"""Rankings as pages: each condition by itself, places no surer than the error allows, charts with up for better."""

from __future__ import annotations

import re
from typing import Any

import pytest

from touchstone.catalog.benchmarks import benchmarks
from touchstone.catalog.claims import Fit, Scenario
from touchstone.catalog.query import Hit
from touchstone.evaluation.leaderboard import leaderboard, scenario_boards
from touchstone.reporting.board_page import benchmark_page, heading, scenario_page
from touchstone.reporting.catalog_words import METRICS
from touchstone.reporting.page_html import html_page
from touchstone.reporting.page_terminal import terminal_page
from touchstone.reporting.pages import Bullets, Page, Picture, Table
from touchstone.reporting.panel_page import panel_page

from .cards import TODAY, benchmark, claim, words
from .conftest import HOSTILE
from .test_html import Page as Parsed

NAMES = ("quill", "pen", "brush", "chalk", "ink")


def results(*values: float, **facts: Any) -> list[Any]:
    """One result for each model, best first where `values` are."""
    return [claim(value=value, model=f"inkwell/{name}", **facts) for name, value in zip(NAMES, values, strict=False)]


def hits(**released: str) -> dict[str, Hit]:
    """What a list shows of them; each model costs a dollar more than the one before."""
    return {
        f"inkwell/{name}": Hit(
            id=f"inkwell/{name}",
            kind="card",
            name=name,
            input_usd=float(usd),
            output_usd=float(usd),
            released=released.get(name),
        )
        for usd, name in enumerate(NAMES, 1)
    }


def page(claims: list[Any], *, of: Any = None, models: Any = None, **how: Any) -> Page:
    return benchmark_page(leaderboard(of or benchmark(), claims), models or {}, TODAY, **how)


def table(of: Page, number: int = 0) -> Table:
    return [block for one in of.sections for block in one.blocks if isinstance(block, Table)][number]


def notes(of: Page) -> list[str]:
    return [item for one in of.sections for block in one.blocks if isinstance(block, Bullets) for item in block.items]


def test_each_condition_is_a_ranking_of_its_own() -> None:
    """Another program or measurer is another section; its heading says which."""
    found = page([*results(70, 60), *results(90, 80, harness="harness-x"), *results(50, 40, measured_by="Somebody")])

    assert {one.title for one in found.sections[1:]} == {
        "Measured by Inkwell: Quill report",
        "Measured by Inkwell: harness-x",
        "Measured by Somebody: Quill report",
    }
    assert found.lead.startswith("3 rankings. They are never joined")


def test_places_are_those_that_the_error_leaves_possible() -> None:
    """Of a thousand questions, 70 and 69 cannot be told apart, 50 can."""
    found = page(results(70, 69, 50))

    assert [row[1] for row in table(found).rows] == ["1–2", "1–2", "3"]
    assert "Places are those that the error leaves possible, all rows together at 95 %" in notes(found)


def test_where_the_error_is_unknown_a_place_stands_in_brackets() -> None:
    """Then it claims nothing but the order of what was published, and the note says so."""
    found = page(results(70, 69), of=benchmark(questions=None))

    assert [row[1] for row in table(found).rows] == ["(1)", "(2)"]
    assert any(note.startswith("A place in brackets is only the order") for note in notes(found))
    assert not any(note.startswith("Places are those") for note in notes(found))
    assert "Interval" not in table(found).heads


def test_what_still_differs_within_a_ranking_is_said() -> None:
    """Days, versions and modes that are not the same, and rows that do not say."""
    claims = [
        *results(70, 60, date="2026-01-01", mode="high"),
        *results(65, date="2026-03-01", mode="low", snapshot="s"),
    ]
    said = notes(page(claims))

    assert "Measured between 2026-01-01 and 2026-03-01" in said
    assert any(note.startswith("Models set differently (“high”; “low”)") for note in said)


def test_a_result_that_nothing_was_measured_like_is_in_no_ranking() -> None:
    """It stands in a table without places."""
    found = page([*results(70, 60), *results(99, setting="my prompt")])

    assert found.sections[-1].title == "Results that stand alone"
    assert list(table(found, -1).heads) == ["Model", "accuracy", "How", "Read"]
    assert table(found, -1).rows == [
        ["inkwell/quill", "99.0", "Measured by Inkwell: my prompt, Quill report", "2026-01-02"]
    ]


def test_a_short_page_says_how_many_rows_it_leaves_out() -> None:
    """`--all` has them."""
    found = page(results(70, 60, 50, 40), top=2)

    assert len(table(found).rows) == 2
    assert notes(found)[0] == "2 more rows with --all"


def test_a_benchmark_says_what_is_wrong_with_it() -> None:
    """What it asks, known issues, metric, direction, size and what guessing scores."""
    of = benchmark(known_issues=words("Labels are wrong."), chance=25)
    said = terminal_page(page(results(70, 60), of=of), width=200, colour=False)

    assert "Known issues: Labels are wrong." in said
    assert "Accuracy, higher is better, 1,000 questions, guessing scores 25.0. https://tests.example/mmlu" in said


def test_our_own_ranking_is_called_ours() -> None:
    """Measured by this team, under the name of its comparison."""
    (board,) = leaderboard(benchmark(), results(70, 60, ours=True, measured_by="ours", harness="touchstone")).boards

    assert heading(board) == "Measured by us: touchstone"


def charts(of: Page) -> dict[str, str]:
    return {b.title: str(b.drawn) for one in of.sections for b in one.blocks if isinstance(b, Picture)}


@pytest.mark.parametrize("higher", [True, False])
def test_up_is_better_whichever_way_the_values_run(higher: bool) -> None:
    """An error rate is drawn turned round: the best stands highest and is the front, and its axis is positive."""
    values = (90, 70, 50, 30) if higher else (10, 30, 50, 70)
    of = benchmark(higher_is_better=higher)
    drawn = charts(page(results(*values), of=of, models=hits(), charts=True))["Score against price"]
    tops = [float(y) for y in re.findall(r'<circle class="dot[^"]*" cx="[^"]+" cy="([^"]+)"', drawn)]
    numbers = re.findall(r'<tspan class="number">(\d+)</tspan>', drawn)

    assert min(tops) == tops[numbers.index("1")]
    assert drawn.count("on-front") == 1
    assert "−" not in drawn
    assert not re.search(r">-\d", drawn)


def test_numbers_in_a_chart_are_rows_of_the_table() -> None:
    """Also where a row has no price and is not drawn."""
    models = {model: hit for model, hit in hits().items() if model != "inkwell/pen"}
    found = page(results(90, 80, 70, 60, 50), models=models, charts=True)
    drawn = charts(found)["Score against price"]

    assert sorted(re.findall(r'<tspan class="number">(\d+)</tspan>', drawn)) == ["1", "3", "4", "5"]
    assert [row[0] for row in table(found).rows] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("retired", "openness", "cell"),
    [
        ("2026-08-01", "proprietary", "retired"),
        ("2026-08-01", None, "retired"),
        ("2026-08-02", "proprietary", "$5.00"),
        ("2026-08-01", "open-weights", "$5.00"),
        ("2026-08-01", "open-licence", "$5.00"),
    ],
)
def test_what_nobody_serves_has_no_price_of_today(retired: str, openness: str | None, cell: str) -> None:
    """Neither in the table nor in the chart; weights that were given out are served on, before the day all are."""
    models = hits()
    models["inkwell/ink"] = models["inkwell/ink"].model_copy(update={"retired": retired, "openness": openness})
    found = page(results(90, 80, 70, 60, 50), models=models, charts=True)
    prices = dict(zip([row[2] for row in table(found).rows], [row[-1] for row in table(found).rows], strict=True))
    drawn = charts(found)["Score against price"]

    assert (prices["inkwell/pen"], prices["inkwell/ink"]) == ("$2.00", cell)
    assert ('<tspan class="number">5</tspan>' in drawn) == (cell != "retired")


def test_by_date_only_what_has_one_is_drawn_and_days_ascend() -> None:
    """Partial dates stand at their first day; fewer than four points are read from the table."""
    released = {"quill": "2026-01", "pen": "2025-06-01", "brush": "2024-01-01", "chalk": "2023"}
    drawn = charts(page(results(90, 80, 70, 60, 50), models=hits(**released), charts=True))["Score against date"]
    few = charts(page(results(90, 80, 70, 60, 50), models=hits(quill="2026-01", pen="2025"), charts=True))
    across = {
        number: float(x)
        for x, number in re.findall(r'<text class="label" x="([^"%]+)%".*?<tspan class="number">(\d+)</tspan>', drawn)
    }

    assert across["4"] < across["3"] < across["2"] < across["1"]
    assert "Score against date" not in few


def test_rows_of_one_model_are_told_apart_by_their_mode() -> None:
    """A chart with five times the same name says nothing."""
    claims = [claim(value=90 - n, model="inkwell/quill", mode=f"effort {n}") for n in range(3)] + results(1, 2)
    drawn = charts(page(claims, models=hits(), charts=True))["Score against price"]

    assert "quill, effort 0" in drawn


def scenario(*tests: str) -> Scenario:
    fits = tuple(Fit(benchmark=test, why=words("It is alike."), misses=words("Your customers.")) for test in tests)
    return Scenario(id="letters", name=words("Letters"), explanation=words("Writing letters."), benchmarks=fits)


def test_a_use_has_a_ranking_for_each_test_and_no_total() -> None:
    """The longest ranking of each, what the test misses, how many others there are, and a test without results."""
    tests = {one: benchmark(one) for one in ("mmlu", "gsm8k")}
    claims = [*results(70, 60, 50), *results(70, 60, harness="harness-x")]
    found = scenario_page(scenario_boards(scenario("mmlu", "gsm8k"), tests, claims), {}, TODAY)
    said = terminal_page(found, width=160, colour=False)

    assert "There is no total" in found.warnings[0]
    assert [one.title for one in found.sections] == ["MMLU", "GSM8K"]
    assert len(table(found).rows) == 3
    assert "It misses: Your customers." in said
    assert "1 further ranking, not comparable with it: touchstone catalog benchmarks mmlu" in said
    assert "No result is known here." in said


def test_a_ranking_of_a_use_is_whole_though_nothing_is_drawn() -> None:
    """Two rows without prices or dates still have their table and their notes."""
    found = scenario_page(scenario_boards(scenario("mmlu"), {"mmlu": benchmark()}, results(70, 60)), {}, TODAY)

    assert len(table(found).rows) == 2
    assert "Source: Quill report, 2026-01-02" in notes(found)


def test_the_panel_counts_what_is_known_of_each_test() -> None:
    """A test without a result is there with a zero, which is a count."""
    tests = [benchmark("mmlu"), benchmark("chatbot-arena", area="preference")]
    found = panel_page(tests, [scenario("mmlu")], {"mmlu": (91, 53)}, TODAY)

    assert table(found).rows == [
        ("mmlu", "MMLU", "General knowledge", "91", "53", "accuracy"),
        ("chatbot-arena", "CHATBOT-ARENA", "What people prefer", "0", "0", "accuracy"),
    ]
    assert table(found, 1).rows == [("letters", "Letters", "mmlu")]


def test_what_a_source_wrote_is_only_text() -> None:
    """Markup in measurers, settings and sources breaks neither page nor terminal."""
    evil = HOSTILE.replace("\ud800", "")
    claims = results(90, 80, 70, 60, harness=evil, setting=evil, source=evil, mode=evil, measured_by=evil)
    found = page(claims, models=hits(), charts=True)
    parsed = Parsed(html_page(found))

    assert parsed.broken == []
    assert [tag for tag, _ in parsed.elements].count("script") == 1
    assert not set(terminal_page(found, width=120, colour=False)) & {"\x1b", "\x07", "\u202e"}


def test_every_metric_in_words_has_chinese() -> None:
    """What a benchmark measures is a column head: words are translated, signs such as `pass@1` are the same for all."""
    signs = re.compile(r"[\w^@+\-]*[A-Z@^\d][\w^@+\-]*")
    spoken = {one.metric for one in benchmarks().values() if not signs.fullmatch(one.metric)}

    assert spoken <= set(METRICS), spoken - set(METRICS)
