"""Cards side by side: only what was measured alike stands in one row, and no number is chosen silently."""

from __future__ import annotations

from touchstone.reporting.cards_compared import compared_page
from touchstone.reporting.page_html import html_page
from touchstone.reporting.page_terminal import terminal_page
from touchstone.reporting.pages import Page, Paragraph, Table
from touchstone.reporting.text_layout import width_of

from .cards import TODAY, card, claim, model, offer, period
from .conftest import HOSTILE
from .test_html import Page as Parsed

QUILL, PEN = model("inkwell/quill", context_tokens=8192), model("inkwell/pen", tools=True)


def compared(*cards: object) -> Page:
    return compared_page(cards, TODAY)  # type: ignore[arg-type]


def table(of: Page, anchor: str) -> Table:
    return next(
        block for one in of.sections if one.anchor == anchor for block in one.blocks if isinstance(block, Table)
    )


def rows(of: Page, anchor: str) -> dict[str, tuple[str, ...]]:
    return {row[0]: tuple(row[1:]) for row in table(of, anchor).rows}


def test_a_column_for_each_and_a_row_for_each_fact_that_somebody_states() -> None:
    """In the order that was asked for; what one of them does not say is a dash, what none says is left out."""
    found = rows(compared(card(PEN), card(QUILL)), "facts")

    assert found["Id"] == ("inkwell/pen", "inkwell/quill")
    assert found["Context"] == ("–", "8,192")
    assert found["Tools"] == ("yes", "–")
    assert "Parameters" not in found


def test_the_price_is_that_of_the_cheapest_seller() -> None:
    """For three tokens in to one out; a seller without both prices is taken only where there is no other."""
    offers = (
        offer("groq"),
        offer("openai", period(input_tokens=3, output_tokens=5)),
        offer("novita", period(input_tokens=1, output_tokens=9)),
        offer("together", period(input_tokens=0.5)),
        offer("mistral", period(input_tokens=0.1, output_tokens=0.1), deprecated=True),
    )
    found = rows(compared(card(QUILL, offers=offers), card(PEN, offers=(offer("groq"),))), "prices")

    assert found["Cheapest seller"] == ("Novita AI", "Groq")
    assert found["$ in"] == ("$1.00", "–")
    assert found["Sellers"] == ("5", "1")


def test_an_offer_that_has_ended_is_no_cheapest_one() -> None:
    """The maker's, once it serves the weights no more; of what nobody serves the last known price is told."""
    of = model("inkwell/quill", lab="openai", retired="2026-01", weights="open")
    offers = (
        offer("openai", period(input_tokens=1, output_tokens=1)),
        offer("groq", period(input_tokens=3, output_tokens=3)),
    )
    found = rows(compared(card(of, offers=offers), card(of, offers=offers[:1])), "prices")

    assert found["$ in"] == ("$3.00", "$1.00")


def test_only_what_was_measured_alike_stands_in_one_row() -> None:
    """Another prompt, program or measurer is another row, and a row needs two of the cards."""
    quill = (claim(value=70), claim(value=80, setting="5-shot"), claim("gsm8k", 50))
    pen = (
        claim(value=60, model="inkwell/pen"),
        claim(value=99, model="inkwell/pen", harness="harness-x"),
        claim(value=98, model="inkwell/pen", measured_by="Somebody"),
    )
    found = table(compared(card(QUILL, claims=quill), card(PEN, claims=pen)), "results")

    assert [tuple(row) for row in found.rows] == [("MMLU", "Quill report; measured by Inkwell", "70.0", "60.0")]


def test_several_versions_or_modes_are_a_range() -> None:
    """No one of them is picked: the lowest and the highest are shown, and the note says what they are."""
    quill = (claim(value=70), claim(value=72.5, mode="high"), claim(value=71, snapshot="quill-2026-01-01"))
    found = table(compared(card(QUILL, claims=quill), card(PEN, claims=(claim(model="inkwell/pen"),))), "results")

    assert found.rows[0][2:] == ("70.0–72.5", "70.0")
    assert "the lowest and the highest" in found.note


def test_without_a_common_measurement_the_page_says_so() -> None:
    """Rather than showing numbers that invite a comparison."""
    found = compared(card(QUILL, claims=(claim(),)), card(PEN))
    blocks = next(one.blocks for one in found.sections if one.anchor == "results")

    assert [type(block) for block in blocks] == [Paragraph]
    assert "No two of them were measured alike" in terminal_page(found, width=100, colour=False)


def test_a_retirement_that_is_to_come_says_so() -> None:
    """A bare day in the row of retirements means that it has passed."""
    found = rows(compared(card(model(retired="2026-08-01")), card(model("inkwell/pen", retired="2026-09"))), "facts")

    assert found["Retired"] == ("2026-08-01", "will be on 2026-09")


def test_any_number_fits_a_terminal() -> None:
    """Nine cards in a hundred columns: lines wrap within their columns; the title names some and counts the rest."""
    nine = [card(model(f"inkwell/quill-with-a-long-name-{n}", context_tokens=8192)) for n in range(9)]
    found = compared(*nine)

    assert max(map(width_of, terminal_page(found, width=100, colour=False).splitlines())) <= 100
    assert found.title.endswith(" and 6 more")


def test_names_and_sources_are_only_text() -> None:
    """Markup in either breaks no table."""
    name = HOSTILE.replace("\ud800", "")
    evil = claim(value=1, harness="<img src=x onerror=alert(1)>")
    one, two = card(model(name=name), claims=(evil,)), card(PEN, claims=(evil,))
    parsed = Parsed(html_page(compared(one, two)))

    assert parsed.broken == []
    assert "img" not in [tag for tag, _ in parsed.elements]
