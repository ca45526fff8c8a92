"""What `catalog search` found, for a terminal: one line a model, then how many, then the counts that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import groupby
from typing import NamedTuple

from touchstone.catalog.query import KIND_OFFER, Found, Hit, Query
from touchstone.language import _, current_language, ngettext
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.text import terminal
from touchstone.reporting.text_layout import GAP, is_styled, table_lines, terminal_width, width_of, wrapped

_FACET_VALUES = 8
"""So many of a facet's values are shown; the rest is in `--json`."""
_NAME_CELLS = 24
"""A seller's or a model's own name gets no more before other columns do; longer ones go on below."""


class _Column(NamedTuple):
    """One column; the higher the rank, the sooner a narrow terminal goes without it."""

    rank: int
    head: str
    cell: Callable[[Hit], str]
    is_number: bool = False
    is_name: bool = False
    """It may go on below."""


def found_text(found: Found, query: Query, *, width: int | None = None, colour: bool | None = None) -> str:
    """The hits as a table, with what order and total mean."""
    width = terminal_width(width)
    if not found.total:
        return "\n".join(wrapped(terminal(_nothing(found)), width))
    lines: list[str] = []
    if found.hits:
        columns = _fitting(_columns(query, found), found, width)
        lines = table_lines(
            [terminal(column.head) for column in columns],
            [[terminal(column.cell(hit)) for column in columns] for hit in found.hits],
            width,
            numbers=[index for index, column in enumerate(columns) if column.is_number],
            colour=is_styled(colour),
        )
        lines.append("")
    return "\n".join([*lines, *(line for note in _notes(found, query) for line in wrapped(terminal(note), width))])


def facets_text(found: Found, *, width: int | None = None, colour: bool | None = None) -> str:
    """The counts: each number is how many of the hits have that value."""
    width = terminal_width(width)
    rows = []
    for facet, values in groupby(found.facets, key=lambda item: item.facet):
        counted = [f"{words.facet_value(facet, item.value)} {item.count:,}" for item in values]
        more = _("… {n} more").format(n=len(counted) - _FACET_VALUES) if len(counted) > _FACET_VALUES else ""
        texts = [*counted[:_FACET_VALUES], *([more] if more else [])]
        rows.append((terminal(_(words.FACETS[facet])), terminal(_("; ").join(texts))))
    note = _("Each number says how many of the hits have that value.")
    lines = table_lines((_("Facet"), _("Values")), rows, width, colour=is_styled(colour))
    return "\n".join([*lines, *wrapped(note, width)])


def _nothing(found: Found) -> str:
    if found.retired_left_out:
        return ngettext(
            "No model was found that is not retired. {n:,} retired model matches; --all shows it.",
            "No model was found that is not retired. {n:,} retired models match; --all shows them.",
            found.retired_left_out,
        ).format(n=found.retired_left_out)
    if found.suggestions:
        return _("No model was found. Did you mean {names}?").format(names=numbers.listing(found.suggestions))
    return _("No model was found. Leave a filter out; unknown facts meet no filter.")


def _columns(query: Query, found: Found) -> list[_Column]:
    chinese = current_language() == "zh"
    columns = [
        _Column(0, _("Model"), lambda hit: hit.id + (f" ({_('ours')})" if hit.ours else "")),
        _Column(7, _("Name"), lambda hit: (hit.name_zh if chinese and hit.name_zh else hit.name) or "", is_name=True),
        _Column(4, _("Task"), lambda hit: words.term("task", hit.tasks[0]) if hit.tasks else numbers.UNKNOWN),
        _Column(3, _("Openness"), lambda hit: words.openness(hit.openness)),
        _Column(5, _("Parameters"), lambda hit: words.parameters(hit.parameters), is_number=True),
        _Column(2, _("Context"), lambda hit: words.tokens(hit.context_tokens), is_number=True),
        _Column(0, _("$ in"), lambda hit: words.usd(hit.input_usd), is_number=True),
        _Column(1, _("$ out"), lambda hit: words.usd(hit.output_usd), is_number=True),
        _Column(3, _("Seller"), partial(_seller, found=found), is_name=True),
        _Column(6, _("Released"), lambda hit: hit.released or numbers.UNKNOWN),
    ]
    if query.benchmark:
        columns.insert(2, _Column(0, query.benchmark, _score, is_number=True))
    if any(hit.is_gone(found.today) for hit in found.hits):
        columns.append(_Column(1, _("Retired"), lambda hit: (hit.retired or "") if hit.is_gone(found.today) else ""))
    if all(hit.kind == KIND_OFFER for hit in found.hits):
        columns = [column for column in columns if column.head not in (_("Task"), _("Openness"), _("Parameters"))]
    return columns


def _is_deprecated(hit: Hit, found: Found) -> bool:
    """Of what is retired every offer is over; its date says so."""
    return hit.deprecated and not hit.is_gone(found.today)


def _seller(hit: Hit, found: Found) -> str:
    return words.short_seller(hit.provider) + (f" ({_('deprecated')})" if _is_deprecated(hit, found) else "")


def _score(hit: Hit) -> str:
    if hit.score is None:
        return numbers.UNKNOWN
    return f"{hit.score:g}" + (f" ({hit.score_of})" if hit.score_of else "")


def _fitting(columns: list[_Column], found: Found, width: int) -> list[_Column]:
    """The columns that fit; the least important go first, and the first two always stay."""
    while len(columns) > 2 and _needed(columns, found) > width:
        weakest = max(columns, key=lambda column: column.rank)
        columns = [column for column in columns if column is not weakest]
    return columns


def _needed(columns: list[_Column], found: Found) -> int:
    cells = 0
    for column in columns:
        texts = (column.head, *(column.cell(hit) for hit in found.hits))
        widest = max(width_of(terminal(text)) for text in texts)
        cells += min(widest, _NAME_CELLS) if column.is_name else widest
    return cells + GAP * (len(columns) - 1)


def _notes(found: Found, query: Query) -> list[str]:
    lines = [_count(found, query)]
    if found.retired_left_out:
        lines.append(
            ngettext(
                "{n:,} retired model matches as well; --all shows it.",
                "{n:,} retired models match as well; --all shows them.",
                found.retired_left_out,
            ).format(n=found.retired_left_out)
        )
    if any(hit.input_usd is not None for hit in found.hits):
        lines.append(
            _(
                "Prices: USD per million tokens, of the cheapest seller that meets the filters, at {share:.0%} input."
            ).format(share=query.input_share)
        )
    if deprecated := [hit.id for hit in found.hits if _is_deprecated(hit, found)]:
        # Also where the terminal is too narrow for the sellers.
        lines.append(_("Every offer of these is deprecated: {models}.").format(models=numbers.listing(deprecated)))
    if "commercial" in query.licences:
        lines.append(
            _("Some licences allow commercial use under conditions; `touchstone catalog show MODEL` says which.")
        )
    if found.score_condition and found.hits:
        lines.append(condition_words(found.score_condition))
    return lines


def _count(found: Found, query: Query) -> str:
    first, last = query.offset + 1, query.offset + len(found.hits)
    if any(hit.kind == KIND_OFFER for hit in found.hits):
        said = ngettext("{total:,} entry", "{total:,} entries", found.total).format(total=found.total)
    else:
        said = ngettext("{total:,} model", "{total:,} models", found.total).format(total=found.total)
    if not found.hits:
        return (
            said
            if query.limit == 0
            else _("{total}; --offset {offset:,} is past the last").format(total=said, offset=query.offset)
        )
    if last < found.total:
        return _("{total}; {first:,} to {last:,} are shown, --offset {last} shows more").format(
            total=said, first=first, last=last
        )
    return (
        _("{total}; {first:,} to {last:,} are shown").format(total=said, first=first, last=last) if first > 1 else said
    )


def condition_words(condition: tuple[str, ...]) -> str:
    """Under which condition the scores of a list were measured."""
    benchmark, *rest = condition
    said = _(", ").join(part for part in rest if part)
    return _(
        "{benchmark}: each model's best result of those measured alike ({how}), the same ones whatever else is asked; "
        "others are not comparable and not shown."
    ).format(benchmark=benchmark, how=said or _("nothing further is said"))


def as_json(found: Found, query: Query) -> Mapping[str, object]:
    """What `--json` prints: the query's filters, the total, the hits and the counts."""
    return {"schema": "touchstone.catalog-search/1", "filters": query.filters, **found.model_dump(mode="json")}
