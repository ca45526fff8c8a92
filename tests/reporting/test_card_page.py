"""A model's card as people read it: facts with their sources, what is unknown, and nothing that misleads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from touchstone.catalog.cards import Card
from touchstone.catalog.model import Network, PointsTo, Snapshot
from touchstone.catalog.offers import PricePeriod, Rate, RateTier
from touchstone.catalog.own_offer import OwnOffer
from touchstone.language import set_language
from touchstone.reporting.card_page import Surroundings, card_page
from touchstone.reporting.card_results import BRIEF_ROWS
from touchstone.reporting.page_html import html_page
from touchstone.reporting.page_terminal import terminal_page
from touchstone.reporting.pages import Code, Facts, Page, Picture, Section, Table

from .cards import TODAY, card, claim, model, offer, period, reported, source, words
from .conftest import HOSTILE
from .test_html import Page as Parsed


@pytest.fixture
def chinese() -> Iterator[None]:
    set_language("zh")
    yield
    set_language("en")


def page(of: Any = None, *, brief: bool = False, own: Any = (), descendants: Any = (), **parts: Any) -> Page:
    around = Surroundings(today=TODAY, descendants=descendants, own_claims=own, brief=brief)
    return card_page(of if isinstance(of, Card) else card(of, **parts), around)


def text(of: Page) -> str:
    return terminal_page(of, width=160, colour=False)


def section(of: Page, anchor: str) -> Section:
    return next(one for one in of.sections if one.anchor == anchor)


def facts(of: Page) -> dict[str, tuple[str, str]]:
    (block,) = section(of, "facts").blocks
    assert isinstance(block, Facts)
    return {fact.name: (fact.value, fact.source) for fact in block.rows}


def tables(of: Page, anchor: str) -> list[Table]:
    return [block for block in section(of, anchor).blocks if isinstance(block, Table)]


def test_each_fact_names_the_sources_that_state_it() -> None:
    """A number in brackets leads to the source at the end, with its date and address."""
    sources = (
        source("Page", "context_tokens", "tools"),
        source("Paper", "context_tokens", url="https://b.example"),
    )
    found = page(model(context_tokens=8192, tools=True, sources=sources))

    assert facts(found)["Context"] == ("8,192", "[1][2]")
    assert facts(found)["Tools"] == ("yes", "[1]")
    assert "[2] Paper, 2026-01-02\n    https://b.example" in text(found)
    assert '<a href="#source-2">[2]</a>' in html_page(found)
    assert 'id="source-2"' in html_page(found)


def test_what_nobody_states_is_said_once_and_nowhere_as_a_zero() -> None:
    """Unknown facts stand in a sentence of their own, not among the facts."""
    found = page(model(reasoning=False))

    assert "Context" not in facts(found)
    assert facts(found)["Reasoning"] == ("no", "")
    assert "Nobody whom we read states: Reads, Architecture, Origin, Weights" in text(found)
    assert "Traits" not in text(found)


def test_nobody_is_asked_what_makes_no_sense_of_a_model() -> None:
    """An embedder writes no answers, a picture maker has no context, a service has no repository."""
    embedder = text(page(model(tasks=("embedding",), output_types=("embedding",))))
    painter = text(page(model(tasks=("image-generation",), output_types=("image",), weights="closed")))

    assert "Dimensions" in embedder
    assert "Longest answer" not in embedder
    assert "Tools" not in embedder
    assert "Context" not in painter
    assert "Hugging Face" not in painter
    assert "Dimensions" not in painter


def test_a_retirement_that_is_to_come_is_not_one_that_was() -> None:
    """The day decides; the successor is named."""
    gone = page(model(retired="2026-08-01", successor="inkwell/pen"))
    going = page(model(retired="2026-08-02"))

    assert gone.warnings == ["Retired on 1 August 2026. Its maker names inkwell/pen as successor."]
    assert facts(gone)["Retired"] == ("1 August 2026", "")
    assert going.warnings == ["Will be retired on 2 August 2026."]
    assert facts(going)["Will be retired"] == ("2 August 2026", "")


def test_what_is_gone_has_last_prices_and_no_code() -> None:
    """A call that cannot be answered is not offered, unless the weights can be downloaded."""
    sold = (offer("openai", period(input_tokens=1, output_tokens=2)),)
    gone = page(model(retired="2026-01"), offers=sold)
    kept = page(model(retired="2026-01", weights="open", hugging_face="Inkwell/Quill"), offers=sold)

    assert "the last known prices" in tables(gone, "offers")[0].note
    assert [one.anchor for one in gone.sections if one.anchor == "samples"] == []
    assert section(kept, "samples").blocks


def test_who_still_serves_open_weights_has_todays_prices() -> None:
    """Only the maker's own service ended with its day; it stands last, and says so."""
    made = model(lab="openai", retired="2026-01", weights="open", hugging_face="Inkwell/Quill")
    sold = (
        offer("openai", period(input_tokens=1, output_tokens=2)),
        offer("groq", period(input_tokens=3, output_tokens=4)),
    )
    several = tables(page(made, offers=sold), "offers")[0]
    (alone,) = tables(page(made, offers=sold[:1]), "offers")

    assert [(row[0], row[-1]) for row in several.rows] == [("Groq", ""), ("OpenAI", "ended")]
    assert "on 1 August 2026" in several.note
    assert "the last known prices" in alone.note


def test_a_list_of_prices_has_the_date_that_it_carries_and_no_other() -> None:
    """What a package's version dates stands without a day."""
    sold = (
        offer("openai", period(input_tokens=1), source="genai-prices 0.2.3"),
        offer("groq", period(input_tokens=1), source="models-dev", as_of="2026-07-30"),
    )

    assert "Source: genai-prices 0.2.3; models-dev, 2026-07-30." in tables(page(offers=sold), "offers")[0].note


def test_a_dated_version_that_has_ended_says_so() -> None:
    """Its price is no price of today, although the model itself is served on."""
    ended = Snapshot(name="quill-preview", retired="2026-07-31")
    sold = (
        offer("openai", period(input_tokens=1), served_name="quill-preview", snapshot="quill-preview"),
        offer("openai", period(input_tokens=3)),
    )
    (found,) = tables(page(model(weights="closed", snapshots=(ended,)), offers=sold), "offers")

    (alone,) = tables(page(model(weights="closed", snapshots=(ended,)), offers=sold[:1]), "offers")

    assert [(row[1], row[-1]) for row in found.rows] == [("quill", ""), ("quill-preview", "ended")]
    assert [row[-1] for row in alone.rows] == ["ended"]
    assert "serves it no more" not in alone.note


def test_a_server_of_our_own_is_called_whatever_the_maker_does() -> None:
    """A team that made its own arrangement still has it when the maker's service has ended."""
    server = OwnOffer(served_name="q", base_url="http://models.internal:8000/v1")
    found = page(model(weights="closed", retired="2026-01"), endpoints=(server,))

    assert any("models.internal" in code.text for code in section(found, "samples").blocks if isinstance(code, Code))


def test_a_moving_name_says_what_it_stood_for() -> None:
    """With a warning, and without asking for facts that only a fixed model can have."""
    steps = (PointsTo(model="inkwell/quill-1", since="2025-01-02"), PointsTo(model="inkwell/quill-2", since="2026-01"))
    found = page(model(points_to=steps))

    assert any("This name moves" in warning for warning in found.warnings)
    assert tables(found, "lineage")[0].rows == [("2 January 2025", "inkwell/quill-1"), ("2026-01", "inkwell/quill-2")]
    assert "Released" not in text(found)


def test_lineage_reads_both_ways() -> None:
    """What it was made from and how, what was made from it, and its dated versions."""
    of = model(
        origin="derived",
        base_model="inkwell/base",
        relation="instruction-tuned",
        snapshots=(Snapshot(name="quill-2026-01-01", released="2026-01-01"),),
    )
    said = text(page(of, descendants=("inkwell/small", "other/tuned")))

    assert "Made from inkwell/base (Instruction-tuned)." in said
    assert "Models that were made from it: inkwell/small, other/tuned." in said
    assert re.search(r"quill-2026-01-01 +1 January 2026 +–", said)


def test_a_terminal_gets_one_sentence_of_each_explanation_and_a_file_all() -> None:
    """Terms of the taxonomy are explained in two sentences; the second stands in the longer page."""
    of = model(architecture="decoder-only", traits=("mixture-of-experts",))
    (brief,) = section(page(of, brief=True), "lineage").blocks
    (whole,) = section(page(of), "lineage").blocks

    assert isinstance(brief, Facts)
    assert isinstance(whole, Facts)
    for short, long in zip(brief.rows, whole.rows, strict=True):
        assert long.value.startswith(short.value)
        assert short.value.endswith(".")
        assert len(short.value) < len(long.value)


@pytest.mark.usefixtures("chinese")
def test_in_chinese_a_sentence_ends_with_its_own_stop() -> None:
    """The same shortening, and the model's own Chinese name before the other."""
    found = page(model(name_zh="羽毛笔", architecture="decoder-only"), brief=True)
    (block,) = section(found, "lineage").blocks

    assert isinstance(block, Facts)
    assert block.rows[0].value.count("。") == 1
    assert found.title.startswith("羽毛笔")


def test_a_licence_says_what_it_allows_and_where_that_was_read() -> None:
    """An id that no list has is shown as it is."""
    said = text(page(model(licence="mit", weights="open")))

    assert "MIT License: commercial use allowed. An open licence." in said
    assert "https://opensource.org/license/mit" in said
    assert "own-terms" in text(page(model(licence="own-terms")))


def test_offers_stand_cheapest_first_and_unknown_prices_last() -> None:
    """For three tokens in to one out, as in a search; a price of zero is a price, an unknown one is a dash."""
    offers = (
        offer("groq", served_name="unpriced"),
        offer("mistral", period(input_tokens=5, output_tokens=6)),
        offer("openai", period(input_tokens=3, output_tokens=9)),
        offer("novita", period(input_tokens=0, output_tokens=0)),
    )
    (table,) = tables(page(model(), offers=offers), "offers")

    assert [row[0] for row in table.rows] == ["Novita AI", "OpenAI", "Mistral AI", "Groq"]
    prices = [["$0", "$0"], ["$3.00", "$9.00"], ["$5.00", "$6.00"], ["–", "–"]]
    assert [list(row[2:4]) for row in table.rows] == prices
    assert "Context" not in table.heads


def test_other_units_and_long_calls_have_a_table_of_their_own() -> None:
    """With what a price is for; sound that is read and sound in all, at one price, are said once."""
    tier = RateTier(above_input_tokens=200_000, usd=Decimal(4))
    rates = (
        Rate(unit="input_tokens", usd=Decimal(2), per=1_000_000, tiers=(tier,)),
        Rate(unit="audio_seconds", usd=Decimal("0.36"), per=3600),
        Rate(unit="input_audio_seconds", usd=Decimal("0.36"), per=3600),
        Rate(unit="web_searches", usd=Decimal(10), per=1000),
    )
    first, second = tables(page(model(), offers=(offer("openai", PricePeriod(rates=rates)),)), "offers")

    assert "dearer above 200,000 tokens" in first.rows[0]
    assert [row[2:] for row in second.rows] == [
        ("input tokens, calls above 200,000 input tokens", "$4.00", "million"),
        ("audio read", "$0.36", "hour"),
        ("web searches", "$10.00", "thousand"),
    ]


def test_a_price_by_the_hour_is_no_price_of_tokens() -> None:
    """Where nobody prices tokens there are no empty columns of them, and the note does not speak of tokens."""
    hourly = PricePeriod(rates=(Rate(unit="audio_seconds", usd=Decimal("0.1"), per=3600),))
    first, second = tables(page(model(), offers=(offer("groq", hourly),)), "offers")

    assert list(first.heads) == ["Seller", "Name there"]
    assert first.note == "No price per token is known. Source: a list."
    assert [tuple(row[2:]) for row in second.rows] == [("audio", "$0.10", "hour")]


def test_price_history_is_a_table_and_a_picture() -> None:
    """Newest first; days on which none of the three prices changed are left out, and a flat line is not drawn."""
    history = (
        period(input_tokens=2, output_tokens=4),
        period(date(2026, 1, 1), input_tokens=2, output_tokens=4, web_searches=9),
        period(date(2026, 3, 1), input_tokens=1, output_tokens=4),
    )
    flat = (period(input_tokens=2, output_tokens=4), period(date(2026, 3, 1), input_tokens=2, output_tokens=5))
    found = page(model(), offers=(offer("openai", *history),))
    still = page(model(), offers=(offer("openai", *flat),))

    assert [row[2:4] for row in tables(found, "offers")[-1].rows] == [("2026-03-01", "$1.00"), ("earlier", "$2.00")]
    assert [isinstance(block, Picture) for block in section(found, "offers").blocks].count(True) == 1
    assert tables(still, "offers")[-1].title == "How prices changed"
    assert not any(isinstance(block, Picture) for block in section(still, "offers").blocks)


def test_a_terminal_gets_the_first_sellers_and_is_told_of_the_others() -> None:
    """Forty offers are cut; `--all` has them."""
    offers = tuple(offer("openai", period(input_tokens=n, output_tokens=n), served_name=f"q{n}") for n in range(1, 41))

    assert len(tables(page(model(), offers=offers), "offers")[0].rows) == 40
    (short,) = tables(page(model(), offers=offers, brief=True), "offers")
    assert len(short.rows) == 12
    assert short.note.endswith("28 more rows with --all.")


def test_weights_that_nobody_sells_can_still_be_run() -> None:
    """The page says so, and how to serve them."""
    found = page(model(weights="open", hugging_face="Inkwell/Quill"))

    assert "No seller is known here. Its weights can be run on your own machines." in text(found)
    assert "vllm serve Inkwell/Quill" in text(found)


def test_every_result_stands_under_its_source_and_ours_come_first() -> None:
    """Source, day of reading, measurer and program are the table's title."""
    published = (claim(value=70), claim(value=71, source="Other", measured_by="Somebody", harness="harness-x"))
    ours = claim(benchmark="gsm8k", value=64.5, ours=True, measured_by="ours", source="Comparison 7")
    titles = [table.title for table in tables(page(model(), claims=published, own=(ours,)), "results")]

    assert titles == [
        "Measured by us: Comparison 7",
        "Other, read 2026-01-02; measured by Somebody, with harness-x",
        "Quill report, read 2026-01-02; measured by Inkwell",
    ]


def test_an_interval_is_the_published_one_else_wilsons_else_none() -> None:
    """MMLU has 14,042 questions, so that its error is known; an Elo has no such count."""
    claims = (claim(value=70), claim("chatbot-arena", 1286, low=1284, high=1289), claim("chatbot-arena", 1250))
    (table,) = tables(page(model(), claims=claims), "results")

    assert [row[1:3] for row in table.rows] == [["70.0", "69.2–70.8"], ["1,286", "1,284–1,289"], ["1,250", "–"]]


def test_a_terminal_gets_the_latest_result_of_each_test() -> None:
    """One table with its sources by letter below, ours never cut, and a line that says how many more there are."""
    tests = ("mmlu", "gsm8k", "humaneval")
    claims = [claim(test, 50 + n, date=f"2026-0{n + 1}-01", source=f"S{n}") for test in tests for n in range(3)]
    ours = [claim(value=n, ours=True, measured_by="ours", source="Ours") for n in range(30)]
    (table,) = tables(page(model(), claims=tuple(claims), brief=True), "results")
    (full,) = tables(page(model(), claims=tuple(claims), own=tuple(ours), brief=True), "results")
    said = text(page(model(), claims=tuple(claims), brief=True))

    assert [row[1] for row in table.rows] == ["52.0"] * 3
    assert "6 more with --all" in said
    assert "a S2, read 2026-01-02; measured by Inkwell" in said
    assert len(full.rows) == max(30, BRIEF_ROWS)


def test_memory_is_told_by_precision_and_context_where_the_layers_are_known() -> None:
    """Weights and cache, and the smallest device that holds both."""
    network = Network(layers=32, hidden_size=4096, attention_heads=32, key_value_heads=8)
    of = model(weights="open", parameters=8_000_000_000, context_tokens=32_768, network=network)
    (table,) = tables(page(of), "memory")

    assert [row[:2] for row in table.rows[:2]] == [("16 bit", "8,192"), ("16 bit", "32,768")]
    assert table.rows[0][2:] == ("14.9 GiB", "1.0 GiB", "15.9 GiB", "24 GB")
    assert table.rows[-1][5] == "12 GB"


def test_weights_published_in_4_bit_say_so() -> None:
    """So that nobody buys memory for 16 bit that nobody has."""
    network = Network(layers=32, hidden_size=4096, attention_heads=32, key_value_heads=8, published_bits=4.25)
    of = model(weights="open", parameters=8_000_000_000, context_tokens=8_192, network=network)
    (table,) = tables(page(of), "memory")

    assert [row[2] for row in table.rows] == ["14.9 GiB", "7.9 GiB", "4.0 GiB"]
    assert "published the weights in 4 bit" in table.note
    (other,) = tables(
        page(of.model_copy(update={"network": network.model_copy(update={"published_bits": None})})), "memory"
    )
    assert "published the weights" not in other.note


def test_the_weights_alone_count_the_vocabulary_too() -> None:
    """An encoder of 568 million weights, 256 million of them embeddings: at 4 bit more than its size alone says."""
    network = Network(layers=24, hidden_size=1024, keeps_cache=False, vocabulary=250_002)
    made = model(weights="open", parameters=568_000_000, network=network, output_types=("embedding",))
    (table,) = tables(page(made), "memory")

    assert [row[1] for row in table.rows] == ["1.1 GiB", "576 MiB", "379 MiB"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"tasks": ("speech-recognition",), "output_types": ("transcript",)}, "grows with the input"),
        ({"output_types": ("image",)}, "grows with the input"),
        ({"output_types": ("text",)}, "nobody whom we read states the sizes of its layers"),
    ],
)
def test_without_a_cache_that_is_known_only_the_weights_are_counted(made: dict[str, Any], said: str) -> None:
    """No rows of contexts that such a model does not have, and no sum with an unknown in it."""
    (table,) = tables(page(model(weights="open", parameters=1_000_000_000, **made)), "memory")

    assert list(table.heads) == ["Weights in", "Weights", "Fits on"]
    assert table.rows[0] == ("16 bit", "1.9 GiB", "8 GB")
    assert said in table.note


def test_what_fits_no_common_device_says_so() -> None:
    """Not a dash, which would mean that nobody knows."""
    (table,) = tables(page(model(weights="open", parameters=2 * 10**12)), "memory")

    assert table.rows[0][2] == "more than 1,128 GB"


def test_sources_that_disagree_are_shown_side_by_side() -> None:
    """Nothing is decided: each statement with its source and day, and a warning above."""
    said, stated = reported(context_tokens=4096), source("Page", "context_tokens")
    found = page(model(context_tokens=8192, sources=(stated,)), reported=(said,))
    (table,) = tables(found, "unknown")

    assert found.warnings == ["Sources disagree on 1 fact; see what is unknown below."]
    assert {row[1] for row in table.rows} == {"8192", "4096"}
    assert any("models-dev, 2026-07-01" in row for row in table.rows)


def test_an_offer_without_a_card_is_a_page_too() -> None:
    """What its sellers and lists say, and that nobody wrote a card."""
    said = reported("list", tools=True)
    lone = Card(id="groq:quill", kind="reported", name="Quill", offers=(offer("groq"),), reported=(said,))
    found = page(lone)

    assert "Nobody has written a card for this" in found.lead
    assert tables(found, "facts")[0].rows == [("Tools", "yes", "list, 2026-07-01")]


def test_a_card_of_ours_says_so_and_is_called_at_our_own_address() -> None:
    """An internal endpoint with its own name and the variable that holds its key."""
    endpoint = OwnOffer(served_name="q", base_url="http://models.internal:8000/v1", key_env="OUR_KEY")
    found = page(model(ours=True), endpoints=(endpoint,))
    codes = [block.text for block in section(found, "samples").blocks if isinstance(block, Code)]

    assert "Ours" in facts(found)
    assert all("http://models.internal:8000/v1" in code for code in codes)
    assert any('os.environ["OUR_KEY"]' in code for code in codes)


def test_code_samples_stand_in_both_places_to_the_letter() -> None:
    """What is copied from the page or the terminal is what was made."""
    found = page(model(), offers=(offer("openai", served_name="a\"b'c"),))
    codes = [block.text for block in section(found, "samples").blocks if isinstance(block, Code)]
    shown = "".join(Parsed(html_page(found)).visible)

    assert len(codes) == 3
    for code in codes:
        assert code in shown
        assert "\n".join(f"    {line}" if line else "" for line in code.splitlines()) in text(found)


def test_whatever_a_source_wrote_is_text() -> None:
    """Scripts, terminal codes and direction marks in names, sources, results and reports are shown, not obeyed."""
    of = model(
        name=HOSTILE.replace("\ud800", ""),
        summary=words(HOSTILE.replace("\ud800", "")),
        links=("javascript:alert(1)",),
        sources=(source("<script>alert(1)</script>", url="javascript:alert(1)"),),
    )
    evil = "<img src=x onerror=alert(1)>\x1b[2J"
    said = reported(evil, context_tokens=1)
    parts: dict[str, Any] = {
        "offers": (offer("openai", served_name=evil, source=evil),),
        "claims": (claim(source=evil, harness=evil, setting=evil),),
        "reported": (said,),
    }
    found = page(of, **parts)
    parsed = Parsed(html_page(found))

    assert parsed.broken == []
    assert [tag for tag, _ in parsed.elements].count("script") == 1
    assert "img" not in [tag for tag, _ in parsed.elements]
    assert not [a for tag, a in parsed.elements if tag == "a" and (a.get("href") or "").startswith("java")]
    assert "\x1b" not in text(found)
    assert "\u202e" not in html_page(found)
