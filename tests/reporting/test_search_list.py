"""What a search found, in a terminal of any width: ids whole, prices first, and what the numbers mean."""

from __future__ import annotations

from typing import Any

import pytest

from touchstone.catalog.query import FacetCount, Found, Hit, Query
from touchstone.reporting import catalog_words
from touchstone.reporting.search_list import as_json, facets_text, found_text
from touchstone.reporting.text_layout import width_of

from .cards import TODAY
from .conftest import HOSTILE


def hit(model_id: str = "inkwell/quill", **facts: Any) -> Hit:
    given: dict[str, Any] = {"id": model_id, "kind": "card", "name": "Quill", "tasks": ("chat", "text-generation")}
    return Hit(**given | facts)


def found(*hits: Hit, total: int | None = None, **facts: Any) -> Found:
    return Found(total=len(hits) if total is None else total, hits=hits, today=TODAY, **facts)


SOLD = hit(
    openness="open-weights", parameters=8_000_000_000, context_tokens=1_048_576, released="2026-01-02",
    provider="huggingface_nscale", input_usd=0.08, output_usd=0.25, offers=3,
)  # fmt: skip


PRICED = {"provider": "groq", "input_usd": 1.0, "output_usd": 2.0}


def show(of: Found, width: int = 160, **query: Any) -> str:
    return found_text(of, Query(**query), width=width, colour=False)


def test_a_list_as_whole_text() -> None:
    """One line a model, then how many there are and what the prices are."""
    assert show(found(SOLD, hit("inkwell/pen", name="Pen"), total=7), limit=2) == (
        "Model           Name    Task   Openness       Parameters   Context    $ in   $ out   Seller"
        "                 Released\n" + "─" * 118 + "\n"
        "inkwell/quill   Quill   Chat   Open weights           8B        1M   $0.08   $0.25   Hugging Face: Nscale"
        "   2026-01-02\n"
        "inkwell/pen     Pen     Chat   –                       –         –       –       –   –"
        "                      –\n"
        "\n"
        "7 models; 1 to 2 are shown, --offset 2 shows more\n"
        "Prices: USD per million tokens, of the cheapest seller that meets the filters, at 75% input."
    )


@pytest.mark.parametrize("width", [40, 60, 70, 80, 100, 120])
def test_a_narrow_terminal_loses_columns_but_never_an_id_or_the_price(width: int) -> None:
    """Lines fit, the id is in one piece, and the input price is the last column to go."""
    text = show(found(SOLD, hit("inkwell/a-longer-name-32b", input_usd=12.0)), width)

    assert max(map(width_of, text.splitlines())) <= width
    assert "inkwell/a-longer-name-32b" in text
    assert "$12.00" in text


def test_long_names_of_sellers_do_not_push_out_other_columns() -> None:
    """A seller is written short, and goes on below rather than taking the room of what it sells."""
    assert catalog_words.short_seller("huggingface_nscale") == "Hugging Face: Nscale"
    assert catalog_words.short_seller("google") == "Google"
    text = show(found(SOLD.model_copy(update={"provider": "alibaba"})), 110)

    assert "Parameters" in text.splitlines()[0]


def test_two_sellers_of_one_name_keep_what_tells_them_apart() -> None:
    """Short names are unique: the same company at home and abroad has two prices and two places of data."""
    from touchstone.catalog.sellers import sellers

    short = [catalog_words.short_seller(one) for one in sellers()]

    assert len(set(short)) == len(short)


def test_nothing_found_says_what_to_try() -> None:
    """A close name where there is one, else to leave a filter out."""
    assert show(found(suggestions=("deepseek/deepseek-r1",))) == (
        "No model was found. Did you mean deepseek/deepseek-r1?"
    )
    assert "Leave a filter out; unknown facts meet no filter." in show(found())


def test_past_the_last_page_is_not_nothing_found() -> None:
    """The number is said, and so is why none is shown; a count that was asked for needs no reason."""
    assert show(found(total=7), offset=20) == "7 models; --offset 20 is past the last"
    assert show(found(total=7), limit=0) == "7 models"
    assert show(found(SOLD, total=7), offset=6, limit=5).splitlines()[-2] == "7 models; 7 to 7 are shown"


def test_what_is_no_model_is_not_called_one() -> None:
    """Offers without a card are entries, and have no facts of a model to show."""
    text = show(found(hit("groq:quill", kind="offer", tasks=())))

    assert "1 entry" in text
    assert "Openness" not in text


def test_a_score_says_under_which_condition_it_was_measured() -> None:
    """In whatever order the hits stand; and of which snapshot and mode it is."""
    high = SOLD.model_copy(update={"score": 71.5, "score_of": "quill-2, high"})
    plain = SOLD.model_copy(update={"score": 70.0})
    of = found(high, plain, SOLD, score_condition=("mmlu", "", "5-shot", "harness-x", "Inkwell"))

    for sort in ("relevance", "score"):
        text = show(of, benchmark="mmlu", sort=sort)
        assert "   71.5 (quill-2, high)   Chat" in text
        assert "   70   Chat" in text
        assert "mmlu: each model's best result of those measured alike (5-shot, harness-x, Inkwell)" in text


def test_models_that_were_left_out_because_they_are_retired_are_counted() -> None:
    """Nobody asked to leave them out, so the list says how many there are; also where there is nothing else."""
    assert "\n1 retired model matches as well; --all shows it." in show(found(SOLD, retired_left_out=1))
    assert "\n1,200 retired models match as well; --all shows them." in show(found(SOLD, retired_left_out=1200))
    assert "retired" not in show(found(SOLD))
    assert show(found(suggestions=("inkwell/pen",), retired_left_out=2)) == (
        "No model was found that is not retired. 2 retired models match; --all shows them."
    )


@pytest.mark.parametrize("width", [40, 160])
def test_a_deprecated_offer_is_marked(width: int) -> None:
    """Beside its seller, and below for a terminal that has no room for sellers."""
    text = show(found(SOLD.model_copy(update={"deprecated": True}), hit("inkwell/pen", **PRICED)), width)

    assert ("Hugging Face: Nscale (deprecated)" in text) == (width > 40)
    assert "Every offer of these is deprecated: inkwell/quill." in " ".join(text.split())
    assert "deprecated" not in show(found(SOLD))


def test_what_is_ours_or_retired_is_marked() -> None:
    """Both beside what is not."""
    text = show(found(SOLD.model_copy(update={"ours": True}), hit("inkwell/old", retired="2026-08-01")))

    assert "inkwell/quill (ours)" in text
    assert "Retired" in text.splitlines()[0]
    assert "Retired" not in show(found(hit(retired="2026-08-02"))).splitlines()[0]
    assert "Retired" not in show(found(hit(retired="2026-08-01", openness="open-weights"))).splitlines()[0]


def test_commercial_use_comes_with_its_warning() -> None:
    """The filter lets conditions pass, and the list says so."""
    assert "allow commercial use under conditions" in show(found(SOLD), licences=("commercial",))


def test_counts_name_what_they_count_and_how_many_more_there_are() -> None:
    """The first values of each facet by number, in words."""
    counts = [FacetCount(facet="task", value="chat", count=1200), FacetCount(facet="ability", value="vision", count=2)]
    counts += [FacetCount(facet="lab", value=f"lab-{n}", count=20 - n) for n in range(10)]
    text = facets_text(found(SOLD, facets=tuple(counts)), width=200, colour=False)

    assert "Task      Chat 1,200\n" in text
    assert "Ability   reads images 2\n" in text
    assert "lab-7 13; … 2 more" in text
    assert "Each number says how many of the hits have that value." in text


def test_json_repeats_what_was_asked() -> None:
    """Filters, total, hits and counts."""
    body = as_json(found(SOLD), Query(tasks=("chat",), limit=5))

    assert body["schema"] == "touchstone.catalog-search/1"
    assert body["filters"] == {"tasks": ("chat",)}
    assert body["total"] == 1


def test_a_name_cannot_move_the_cursor() -> None:
    """Ids and names that a source wrote are one line of plain text."""
    text = show(found(hit(HOSTILE, name=HOSTILE), suggestions=(HOSTILE,)), 200)

    assert not set(text) & {"\x1b", "\x07", "\u202e", "\ud800"}
    assert not set(show(found(suggestions=(HOSTILE,)))) & {"\x1b", "\x07", "\u202e", "\ud800"}


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (None, "–"),
        (512, "512"),
        (131_072, "131,072"),
        (1_000_000, "1M"),
        (1_048_576, "1M"),
        (10_000_000, "10M"),
        (999_600_000, "1,000M"),
    ],
)
def test_tokens_are_written_whole_up_to_a_million(tokens: int | None, said: str) -> None:
    """A million by tens and by twos is a million to a reader."""
    assert catalog_words.tokens(tokens) == said


@pytest.mark.parametrize(
    ("total", "active", "said"),
    [
        (None, None, "–"),
        (671 * 10**9, 37 * 10**9, "671B (37B active)"),
        (110 * 10**6, None, "110M"),
        (999_400_000, None, "999M"),
        (999_885_952, None, "1B"),  # Gemma 3 1B
        (1_500 * 10**12, None, "1,500T"),
        (999, None, "999"),
    ],
)
def test_parameters_are_written_short(total: int | None, active: int | None, said: str) -> None:
    """With those that one token passes through where they differ."""
    assert catalog_words.parameters(total, active) == said
