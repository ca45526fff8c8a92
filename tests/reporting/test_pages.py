"""Blocks become text for a terminal and one HTML file; whatever a source wrote stays text in both."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise

import pytest
from markupsafe import Markup

from touchstone.language import set_language
from touchstone.reporting.block_html import cell, linked
from touchstone.reporting.page_html import html_page
from touchstone.reporting.page_terminal import terminal_page
from touchstone.reporting.pages import (
    Block,
    Bullets,
    Code,
    Fact,
    Facts,
    Page,
    Paragraph,
    Picture,
    Reference,
    References,
    Section,
    Table,
    without_empty,
)
from touchstone.reporting.text_layout import width_of

from .conftest import HOSTILE
from .test_html import Page as Parsed

PICTURE = Picture("Prices", "USD", Markup('<svg role="img" aria-label="Prices"></svg>'))
BLOCKS: list[Block] = [
    Paragraph("Read this."),
    Paragraph("Small print.", tone="quiet"),
    Paragraph("Do not miss it.", tone="warning"),
    Facts([Fact("Context", "8,192", "[1]"), Fact("Lab", "Inkwell")]),
    Table(("Seller", "$"), [("OpenRouter", "$0.10"), ("Groq", "–")], numbers=frozenset({1}), note="USD.", title="Now"),
    Bullets(["one", "see https://a.example/b."]),
    Code("curl", "curl x \\\n    -d '{\"a\": 1}'"),
    PICTURE,
    References([Reference("[1]", "A page", "2026-01-02", "https://a.example/very-long/" + "x" * 80)]),
]


def page(*blocks: Block, **parts: object) -> Page:
    return Page(**{"title": "Quill", "lead": "Writes.", "sections": [Section("All", blocks, "all")]} | parts)  # type: ignore[arg-type]


def hostile(text: str = HOSTILE) -> Page:
    """A page in which every text is hostile."""
    blocks: list[Block] = [
        Paragraph(text),
        Facts([Fact(text, text, text)]),
        Table((text, text), [(text, text)], note=text, title=text),
        Bullets([text]),
        Code(text, text),
        References([Reference(text, text, text, text)]),
    ]
    return Page(text, text, [Section(text, blocks)], kicker=text, closing=text, warnings=[text])


def test_a_page_in_a_terminal_as_whole_text() -> None:
    """Each kind of block in its own shape; a picture is left out, for a table beside it says the same."""
    text = terminal_page(page(*BLOCKS, warnings=["Ends soon."], closing="As known today."), width=60, colour=False)

    assert text == (
        "Quill\nWrites.\n! Ends soon.\n\nAll\nRead this.\nSmall print.\nDo not miss it.\n"
        "Context   8,192     [1]\nLab       Inkwell\n\n"
        "Now\nSeller           $\n──────────────────\nOpenRouter   $0.10\nGroq             –\nUSD.\n"
        "• one\n• see https://a.example/b.\n\n"
        "curl\n    curl x \\\n        -d '{\"a\": 1}'\n"
        "[1] A page, 2026-01-02\n    https://a.example/very-long/" + "x" * 80 + "\n\nAs known today."
    )


@pytest.mark.parametrize("width", [40, 80, 200])
def test_only_code_and_addresses_may_be_wider_than_the_terminal(width: int) -> None:
    """They are to be copied; everything else is wrapped."""
    long = "wort " * 60
    blocks = [
        Paragraph(long),
        Bullets([long]),
        Facts([Fact("Name", long, "[1][2]")]),
        Table(("A", "B"), [(long, long)]),
    ]
    text = terminal_page(page(*blocks, lead=long, warnings=[long], closing=long), width=width, colour=False)

    assert max(map(width_of, text.splitlines())) <= width


def test_bold_and_dim_only_on_a_terminal() -> None:
    """Codes are written where a terminal reads them, never into a pipe."""
    assert "\x1b" not in terminal_page(page(*BLOCKS))
    assert "\x1b[1mQuill\x1b[0m" in terminal_page(page(*BLOCKS), colour=True)


def test_nothing_that_a_source_wrote_reaches_the_terminal_as_a_command() -> None:
    """Terminal codes, direction marks and lone surrogates are gone; the words are there."""
    text = terminal_page(hostile(), width=200, colour=False)

    assert not set(text) & {"\x1b", "\x07", "\u202e", "\u202c", "\ud800"}
    assert "<script>alert(1)</script>" in text
    text.encode("utf-8")


def test_nothing_that_a_source_wrote_runs_or_breaks_the_page() -> None:
    """Markup is shown, invisible characters are written out, and the page nests as it should."""
    text = html_page(hostile(HOSTILE + "\"' onload=x>"))
    parsed = Parsed(text)

    assert parsed.broken == []
    assert parsed.stack == []
    assert sum(tag == "script" for tag, _ in parsed.elements) == 1
    assert not [a for _, a in parsed.elements if any(name.startswith("on") or name == "style" for name in a)]
    assert not set(text) & {"\u202e", "\u202c", "\x1b", "\x07", "\ud800"}
    assert "⟨U+202E⟩" in text


def test_the_policy_forbids_scripts_loads_and_forms() -> None:
    """Only the file's own style and script may run, by their digests."""
    policy = next(
        a["content"] or ""
        for _, a in Parsed(html_page(page())).elements
        if a.get("http-equiv") == "Content-Security-Policy"
    )

    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[\w+/=]+';", policy)
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil.example", "https://раура.example/x"],
)
def test_only_plain_web_addresses_become_links(address: str) -> None:
    """Everything else, names in look-alike letters too, stays text."""
    assert "<a" not in linked(f"see {address} now")
    assert "<a" not in cell(address)
    assert "<a" not in html_page(page(References([Reference("[1]", "x", "", address)]))).partition("<main")[2]


def test_a_link_ends_before_the_stop_and_tells_nobody_where_it_came_from() -> None:
    """The address alone is the link; it may break after its marks."""
    assert linked("See https://a.example/b?c=1&d=2.") == (
        'See <a href="https://a.example/b?c=1&amp;d=2" rel="noopener noreferrer">'
        "https:/<wbr>/a.example/b?c=1&amp;d=2</a>.".replace("https:/<wbr>/a.example/b", "https://<wbr>a.example/<wbr>b")
    )


def test_an_address_cannot_leave_its_attribute() -> None:
    """Quotes and brackets end an address before they can end the attribute."""
    text = linked('https://a.example/"onmouseover="x <b>')

    assert '"onmouseover' not in text
    assert "<b>" not in text


def test_code_copies_exactly() -> None:
    """What stands in the file between the tags, read as HTML, is the sample to the letter."""
    code = 'candidates:\n  - {model: "a&b", served_name: "<x>"}\n\n    # four blanks'
    parsed = Parsed(html_page(page(Code("task file", code))))

    assert code in "".join(parsed.visible)
    text = terminal_page(page(Code("task file", code)), width=40, colour=False)
    assert "\n".join(f"    {line}" if line else "" for line in code.splitlines()) in text


def test_headings_go_down_one_by_one_and_every_id_is_there_once() -> None:
    """There is one h1, no level is skipped, and the contents lead to places that exist."""
    many = Page("Quill", "Writes.", [Section(f"Part {n}", BLOCKS, f"part{n}") for n in range(3)])
    # The same mark twice would be two places of one name; a page has its sources once.
    many = Page(
        many.title,
        many.lead,
        [Section(s.title, s.blocks[:-1] if n else s.blocks, s.anchor) for n, s in enumerate(many.sections)],
    )
    parsed = Parsed(html_page(many))
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    ids = [a["id"] for _, a in parsed.elements if "id" in a]
    inside = [a["href"] or "" for tag, a in parsed.elements if tag == "a" and (a.get("href") or "").startswith("#")]

    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(ids) == len(set(ids))
    assert {href[1:] for href in inside} <= set(ids)
    assert "#source-1" in inside


def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name() -> None:
    """Tables and code stand in regions that take the focus and are labelled by a place in the page."""
    parsed = Parsed(html_page(page(*BLOCKS)))
    ids = {a["id"] for _, a in parsed.elements if "id" in a}
    regions = [a for _, a in parsed.elements if a.get("role") == "region"]

    assert len(regions) == 2
    assert all(a.get("tabindex") == "0" and a.get("aria-labelledby") in ids for a in regions)
    assert [tag for tag, _ in parsed.elements].count("caption") == 1


def test_a_head_without_words_is_no_head() -> None:
    """An empty corner of a table is a plain cell, for a screen reader would read an empty head."""
    parsed = Parsed(html_page(page(Table(("", "Quill"), [("Lab", "Inkwell")]))))

    assert [a.get("scope") for tag, a in parsed.elements if tag == "th"] == ["col", "row"]


def test_an_empty_table_is_left_out() -> None:
    """No heads without rows, in neither place."""
    assert "<table" not in html_page(page(Table(("A",), [])))
    assert terminal_page(page(Table(("A",), [])), width=60, colour=False) == "Quill\nWrites."


def test_columns_that_say_nothing_are_left_out() -> None:
    """A column of dashes and blanks goes, and numbers stay where they were."""
    table = without_empty(Table(("A", "B", "C"), [("x", "–", "1"), ("y", "", "2")], numbers=frozenset({2})))

    assert (table.heads, table.rows, table.numbers) == (["A", "C"], [["x", "1"], ["y", "2"]], frozenset({1}))


def test_the_page_speaks_the_language_that_is_set() -> None:
    """Its fixed words and its language attribute."""
    set_language("zh")
    try:
        text = html_page(page(*BLOCKS))
    finally:
        set_language("en")

    assert '<html lang="zh-CN">' in text
    assert "浅色" in text


def test_a_name_that_is_toml_stays_toml() -> None:
    """A line of code with quotes in a table file can be read back from the terminal."""
    code = 'served_name = "a\\"b"'
    text = terminal_page(page(Code("toml", code)), width=40, colour=False)

    assert tomllib.loads(text.splitlines()[-1].strip()) == {"served_name": 'a"b'}
