"""The chart of usage: one file, every day, the costliest lines, and nothing that runs."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import date

import pytest

from touchstone.deployment.govern.usage_report import UsageRow
from touchstone.reporting.line_parts import LINES
from touchstone.workspace.usage_chart import MEASURES, Measure, usage_chart, usage_picture

_ZEROS = {name: 0 for name in UsageRow.model_fields if name not in ("parts", "usd")}
SVG = "{http://www.w3.org/2000/svg}"


def row(day: str, usd: float, **parts: str) -> UsageRow:
    return UsageRow(parts={"day": day, **parts}, usd=usd, **_ZEROS)


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(picture).iter(f"{SVG}text")]


def lines(picture: str) -> list[ET.Element]:
    return [one for one in ET.fromstring(picture).iter(f"{SVG}g") if (one.get("class") or "").startswith("line ")]


def test_a_day_without_a_request_cost_nothing() -> None:
    """Its place on the line is at zero, not left out."""
    picture = usage_chart([row("2026-11-01", 4.0), row("2026-11-04", 2.0)])

    [line] = lines(picture)
    heights = [float(dot.get("cy") or "") for dot in line.iter(f"{SVG}circle")]
    assert len(heights) == 4
    assert heights[1] == heights[2] > heights[3] > heights[0]
    assert {"2026-11-01", "2026-11-04"} <= set(texts(picture))


def test_the_costliest_lines_are_drawn() -> None:
    """As many as can be told apart, dearest first, with their sums."""
    rows = [row("2026-11-01", float(number), endpoint=f"e{number}") for number in range(1, 10)]
    picture = usage_chart(rows, ["endpoint"])

    assert len(lines(picture)) == LINES
    said = texts(picture)
    place = said.index("e9: $9.00")
    assert said[place - 1] == "1"
    assert next(text for text in said if text.startswith("e") and ": $" in text) == said[place]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"&<', "\x1b[31m", "]]>"])
def test_names_are_text(name: str) -> None:
    """Whatever somebody calls a project, the file is well-formed and holds no element of theirs."""
    picture = usage_chart([row("2026-11-01", 1.0, project=name)], ["project"])

    assert {element.tag.removeprefix(SVG) for element in ET.fromstring(picture).iter()} <= {
        "svg", "title", "style", "text", "g", "line", "circle",
    }  # fmt: skip


def test_what_is_not_drawn_is_counted() -> None:
    """Whoever adds up the lines learns that there are more."""
    rows = [row("2026-11-01", float(number), endpoint=f"e{number}") for number in range(1, 10)]
    assert any("3 more" in text for text in texts(usage_chart(rows, ["endpoint"])))
    assert not any("more" in text for text in texts(usage_chart(rows[:LINES], ["endpoint"])))


def test_several_parts_are_a_line_for_each_combination() -> None:
    """Named by all of them, so that the lines add up to what the table says; parts in any order."""
    rows = [
        row("2026-11-01", 1.0, endpoint="a", model="x"),
        row("2026-11-01", 2.0, endpoint="a", model="y"),
        row("2026-11-02", 4.0, endpoint="a", model="x"),
        row("2026-11-02", 8.0, endpoint="b", model="x"),
    ]
    picture = usage_chart(rows, ["endpoint", "model"])
    assert len(lines(picture)) == 3
    assert [text for text in texts(picture) if " · " in text] == ["b · x: $8.00", "a · x: $5.00", "a · y: $2.00"]
    assert "x · b: $8.00" in texts(usage_chart(rows, ["model", "endpoint"]))
    many = [row("2026-11-01", float(number), endpoint=f"e{number % 3}", model=f"m{number}") for number in range(1, 10)]
    assert any(f"{9 - LINES} more" in text for text in texts(usage_chart(many, ["endpoint", "model"])))


def test_names_that_hold_the_mark_between_them_stay_apart() -> None:
    """What is drawn as one line is one combination, whatever its parts are called."""
    rows = [row("2026-11-01", 1.0, key="a · b", model="c"), row("2026-11-01", 2.0, key="a", model="b · c")]
    assert len(lines(usage_chart(rows, ["key", "model"]))) == 2


def test_the_picture_keeps_its_shape_at_any_size() -> None:
    """A page that shows it smaller shows all of it."""
    found = ET.fromstring(usage_chart([row("2026-11-01", 1.0)]))
    assert (found.get("viewBox") or "").split()[2:] == [found.get("width"), found.get("height")]


def test_no_request_is_an_empty_picture() -> None:
    """Still a picture."""
    assert lines(usage_chart([])) == []


def test_a_page_has_the_same_picture_without_a_style_of_its_own() -> None:
    """The content policy of pages allows neither styles nor scripts within; the legend says the sums."""
    rows = [row("2026-11-01", 4.0, endpoint="a<b"), row("2026-11-03", 2.0, endpoint="c")]
    picture = usage_picture(rows, "endpoint")

    assert picture is not None
    assert picture.title == "USD a day"
    assert not re.search(r"<style|style=|<script|\son[a-z]+=", picture.drawn)
    assert "a&lt;b: $4.00" in picture.drawn
    assert picture.caption == ""
    assert usage_picture([], "endpoint") is None


@pytest.mark.parametrize("measure", MEASURES)
def test_days_without_a_request_are_drawn_too(measure: Measure) -> None:
    """From the first day that was asked for to the last, whatever the height says."""
    rows = [row("2026-11-02", 4.0).model_copy(update={"requests": 3, "input_tokens": 5, "output_tokens": 1})]
    picture = usage_picture(rows, None, measure, (date(2026, 11, 1), date(2026, 11, 5)))

    assert picture is not None
    heights = re.findall(r'<circle cx="[^"]*" cy="([^"]*)"', picture.drawn)
    assert len(heights) == 5
    assert heights.count(max(heights, key=float)) == 4
    assert {"usd": "$4.00", "requests": "3", "tokens": "6"}[measure] in picture.drawn


def test_a_page_counts_what_is_not_drawn() -> None:
    """So that nobody takes the lines for everything."""
    rows = [row("2026-11-01", float(number), endpoint=f"e{number}") for number in range(1, LINES + 3)]
    picture = usage_picture(rows, "endpoint")

    assert picture is not None
    assert "2 more" in picture.caption
