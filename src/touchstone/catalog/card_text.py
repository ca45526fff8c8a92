"""The prose of a card: plain paragraphs read out of Markdown, and a new card's sections written from facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.model import Model, Words

_LONGEST_CHARS = 600
# No pattern here looks further than the next mark of its own kind: a megabyte of brackets takes as long as of words.
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_NO_PROSE = re.compile(r"\s*(?:[|<>]|[*+-]\s|\d+[.)]\s|!\[|\[!\[|:::|[=-]{3,})")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_IMAGE = re.compile(r"!\[[^\[\]\n]{0,300}\]\([^()\n]{0,1000}\)")
_LINK = re.compile(r"\[([^\[\]\n]{1,300})\]\([^()\n]{0,1000}\)")
_TAG = re.compile(r"<[^<>\n]{0,1000}>")
_UNFILLED = re.compile(r"\[?More Information Needed\]?|\[optional\]", re.IGNORECASE)

USES = ("direct use", "intended use", "intended uses", "intended uses & limitations", "uses", "用途", "预期用途")
LIMITS = (
    "bias, risks, and limitations",
    "bias, risks and limitations",
    "limitations",
    "out-of-scope use",
    "局限",
    "限制",
)
TITLE_PREFIXES = ("model card for ", "model card: ")


def title_of(body: str) -> str | None:
    """The first heading of a card, without `Model Card for`."""
    for level, heading, _lines in _sections(body):
        if level == 1 and heading:
            plain = _plain(heading)
            for prefix in TITLE_PREFIXES:
                if plain.casefold().startswith(prefix):
                    plain = plain[len(prefix) :]
            return plain or None
    return None


def first_paragraph(body: str) -> str | None:
    """The first paragraph of prose, as plain text; None where there is none."""
    return next((found for _level, _heading, lines in _sections(body) for found in _paragraphs(lines)), None)


def paragraph_under(body: str, headings: Iterable[str]) -> str | None:
    """The first paragraph of prose under one of these headings (in small letters), the first of them that has one."""
    found = list(_sections(body))
    for wanted in headings:
        for _level, heading, lines in found:
            if _plain(heading).casefold() == wanted:
                paragraph = next(_paragraphs(lines), None)
                if paragraph:
                    return paragraph
    return None


def _sections(body: str) -> Iterator[tuple[int, str, list[str]]]:
    """Level, heading and lines of each section; code between fences is no text and opens no section."""
    level, heading, lines, fence = 0, "", [], ""
    for line in re.split(r"\r\n|\r|\n", _COMMENT.sub("", body)):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence):
                fence = ""
            continue
        if mark:
            fence = mark[1]
            lines.append("")
            continue
        found = _HEADING.match(line)
        if found:
            yield level, heading, lines
            level, heading, lines = len(found[1]), line[found.end() :].strip().rstrip("#").strip(), []
        else:
            lines.append(line)
    yield level, heading, lines


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    block: list[str] = []
    for line in (*lines, ""):
        if line.strip():
            block.append(line)
            continue
        if block and not _NO_PROSE.match(block[0]) and not block[0].startswith("    "):
            text = _UNFILLED.sub("", _plain(" ".join(block))).strip()
            if len(text) > 1:
                yield text if len(text) <= _LONGEST_CHARS else text[:_LONGEST_CHARS].rsplit(" ", 1)[0] + " …"
        block = []


def _plain(text: str) -> str:
    """Markdown as text: links by their words, no pictures, no tags, no marks of emphasis."""
    text = _TAG.sub("", _LINK.sub(r"\1", _IMAGE.sub("", text)))
    return re.sub(r"\s+", " ", re.sub(r"\*\*|__|`", "", text)).strip()


def write_body(
    model: Model, claims: Iterable[Claim], benchmarks: Mapping[str, Benchmark], *, base: str | None = None
) -> str:
    """
    The Markdown of a new card: the sections of the Hub's template for which something is known.

    Args:
        base: What the base model is called on the Hub, where that is known.
    """
    parts = [f"# Model Card for {_safe(model.name)}", *_said(model.summary)]
    parts += ["## Model Details", "\n".join(_details(model, base))]
    for heading, words in (
        ("## Uses", model.intended_use),
        ("## Bias, Risks, and Limitations", model.limits),
        ("## Training Details", model.training_data),
    ):
        if words is not None:
            parts += [heading, *(["### Training Data"] if heading == "## Training Details" else []), *_said(words)]
    rows = list(claims)
    if rows:
        parts += ["## Evaluation", "### Results", "\n".join(_table(rows, benchmarks))]
    sizes = list(_sizes(model))
    if sizes:
        parts += ["## Technical Specifications", "\n".join(sizes)]
    return "\n\n".join(parts) + "\n"


def _said(words: Words) -> list[str]:
    return [_safe(text) for text in dict.fromkeys((words.en, words.zh))]


def _details(model: Model, base: str | None) -> Iterator[str]:
    kind = ", ".join(filter(None, (model.architecture, *model.traits)))
    for label, value in (
        ("Developed by", model.lab),
        ("Model type", kind),
        ("Language(s) (NLP)", ", ".join(model.languages or ())),
        ("License", model.licence),
        ("Finetuned from model", base or model.base_model),
        ("Released", model.released),
        ("Knowledge cutoff", model.knowledge_cutoff),
        ("Retired", model.retired),
    ):
        if value:
            yield f"- **{label}:** {_safe(value)}"
    for link in model.links:
        yield f"- **Link:** {_safe(link)}"


def _sizes(model: Model) -> Iterator[str]:
    shown: Callable[[int], str] = "{:,}".format
    for label, value in (
        ("Parameters", model.parameters),
        ("Active parameters", model.active_parameters),
        ("Context, tokens", model.context_tokens),
        ("Longest output, tokens", model.max_output_tokens),
        ("Embedding dimensions", model.embedding_dimensions),
    ):
        if value is not None:
            yield f"- **{label}:** {shown(value)}"


def _table(claims: list[Claim], benchmarks: Mapping[str, Benchmark]) -> Iterator[str]:
    yield "| Benchmark | Metric | Value | 95 % interval | Questions | Setting | Measured by | Date |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for claim in claims:
        benchmark = benchmarks[claim.benchmark]
        unit = {"percent": " %", "ratio": "", "points": ""}[benchmark.unit]
        cells = (
            " / ".join(filter(None, (benchmark.name, claim.subset))),
            benchmark.metric,
            f"{claim.value:g}{unit}",
            "" if claim.low is None or claim.high is None else f"{claim.low:g} to {claim.high:g}",
            "" if claim.questions is None else str(claim.questions),
            ", ".join(filter(None, (claim.setting, claim.mode, claim.harness, claim.harness_version))),
            claim.measured_by,
            claim.date or "",
        )
        yield "| " + " | ".join(_safe(cell) for cell in cells) + " |"


def _safe(text: str) -> str:
    """Text that Markdown shows as it is: no tag, no link, no picture, no emphasis and no table cell comes of it."""
    return re.sub(r"([\\`*_\[\]<>|#!~$])", r"\\\1", re.sub(r"\s+", " ", text).strip())
