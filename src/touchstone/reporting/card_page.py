"""A model's card as a page: what it is, what it is for, who sells it, what it scored, and what is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Claim
from touchstone.catalog.model import Model, Words, earliest
from touchstone.catalog.samples import samples
from touchstone.catalog.taxonomy import TermKind, licences, terms_of
from touchstone.language import N_, _, current_language, ngettext
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.card_offers import offers_section
from touchstone.reporting.card_results import memory_section, results_section
from touchstone.reporting.pages import Block, Bullets, Code, Fact, Facts, Page, Paragraph, Section, Table

_SAMPLES = {
    "python": N_("Python, with the official openai client"),
    "curl": N_("curl"),
    "task file": N_("Touchstone, in a task file"),
    "serve": N_("Serve the weights on a machine of your own (vLLM)"),
}


@dataclass(frozen=True)
class Surroundings:
    """What a page says of a card beyond the card itself."""

    today: date
    descendants: Sequence[str] = ()
    """Ids of models that were made from this one."""
    own_claims: Sequence[Claim] = ()
    """Results that this workspace measured."""


def card_page(card: Card, around: Surroundings) -> Page:
    """The page of a card, in the language that is set."""
    model = card.model
    sections = [
        *([_facts_section(card, model)] if model else [_reported_section(card)]),
        *([_use_section(model)] if model else []),
        *([_lineage_section(model, around)] if model else []),
        *([_licence_section(model)] if model and model.licence else []),
        offers_section(card, around.today),
        results_section(card, around.own_claims),
        *([memory_section(model)] if model and model.parameters and model.weights in ("open", "gated") else []),
        _samples_section(card),
        _unknown_section(card, model),
        *([_sources_section(model)] if model else []),
    ]
    return Page(
        kicker=_("Model card"),
        title=_name(card),
        lead=model.summary.in_language(current_language()) if model else _NO_CARD(),
        warnings=list(_warnings(card, around.today)),
        sections=[section for section in sections if section.blocks],
        closing=_("{id}, as known on {date}.").format(id=card.id, date=numbers.day(around.today.isoformat())),
    )


def _NO_CARD() -> str:  # noqa: N802 - reads as the constant it would be without a language
    return _("Nobody has written a card for this; what is here is what its sellers and lists say.")


def _name(card: Card) -> str:
    model = card.model
    if model is not None and model.name_zh and current_language() == "zh":
        return _("{name_zh} ({name})").format(name_zh=model.name_zh, name=model.name)
    return card.name


def _warnings(card: Card, today: date) -> Iterable[str]:
    model = card.model
    if model is None:
        return
    if model.retired is not None:
        gone = earliest(model.retired) <= today
        said = _("Retired on {date}.") if gone else _("Will be retired on {date}.")
        line = said.format(date=_day(model.retired))
        if model.successor:
            line += " " + _("Its maker names {model} as successor.").format(model=model.successor)
        yield line
    if model.moves:
        yield _(
            "This name moves: it stands for different models at different times. Pin a dated version where you can."
        )
    found = len(card.conflicts)
    if found:
        yield ngettext(
            "Sources disagree on {n} fact; see what is unknown below.",
            "Sources disagree on {n} facts; see what is unknown below.",
            found,
        ).format(n=found)


def _day(partial: str) -> str:
    return numbers.day(partial) if len(partial) == 10 else partial


def _facts_section(card: Card, model: Model) -> Section:
    said: list[tuple[str, str]] = [
        ("lab", words.lab(model.lab)),
        ("tasks", words.terms("task", model.tasks)),
        ("input_modalities", _modalities(model)),
        ("output_types", words.terms("output", model.output_types)),
        ("weights", _(words.WEIGHTS[model.weights]) if model.weights else numbers.UNKNOWN),
        ("licence", words.licence(model.licence)),
        ("parameters", words.parameters(model.parameters, model.active_parameters)),
        ("context_tokens", words.tokens(card.fact("context_tokens"))),
        ("max_output_tokens", words.tokens(card.fact("max_output_tokens"))),
        ("embedding_dimensions", numbers.count(model.embedding_dimensions)),
        ("languages", _languages(model)),
        ("tools", words.yes_no(card.fact("tools"))),
        ("structured_output", words.yes_no(card.fact("structured_output"))),
        ("reasoning", words.yes_no(card.fact("reasoning"))),
        ("released", _day(model.released) if model.released else numbers.UNKNOWN),
        ("knowledge_cutoff", _day(model.knowledge_cutoff) if model.knowledge_cutoff else numbers.UNKNOWN),
        ("retired", _day(model.retired) if model.retired else numbers.UNKNOWN),
        ("hugging_face", model.hugging_face or numbers.UNKNOWN),
    ]
    rows = [
        Fact(name=_("Lab") if field == "lab" else words.field_name(field), value=value, source=_source_of(model, field))
        for field, value in said
        if value != numbers.UNKNOWN
    ]
    blocks: list[Block] = [Facts([Fact(_("Id"), card.id), Fact(_("Openness"), _openness(card)), *rows])]
    return Section(_("At a glance"), blocks, anchor="facts")


def _openness(card: Card) -> str:
    return words.term("openness", card.openness)


def _modalities(model: Model) -> str:
    named = [_(words.MODALITIES[one]) for one in model.input_modalities or ()]
    return _(", ").join(named) or numbers.UNKNOWN


def _languages(model: Model) -> str:
    if model.languages is None:
        return numbers.UNKNOWN
    return _("many") if model.languages == ("und",) else _(", ").join(model.languages)


def _source_of(model: Model, field: str) -> str:
    """Where a fact was read, as the number that the source has in the list at the end."""
    return "".join(f"[{number}]" for number, source in enumerate(model.sources, 1) if field in source.facts)


def _use_section(model: Model) -> Section:
    blocks: list[Block] = []
    for field in ("intended_use", "limits", "training_data"):
        said: Words | None = getattr(model, field)
        if said is not None:
            text = _("{name}: {text}").format(name=words.field_name(field), text=said.in_language(current_language()))
            blocks.append(Paragraph(f"{text} {_source_of(model, field)}"))
    return Section(_("What it is for"), blocks, anchor="use")


def _lineage_section(model: Model, around: Surroundings) -> Section:
    blocks: list[Block] = []
    kinds: list[tuple[TermKind, Sequence[str]]] = [
        ("architecture", (model.architecture,) if model.architecture else ()),
        ("trait", model.traits),
    ]
    for kind, ids in kinds:
        for term_id in ids:
            term = terms_of(kind).get(term_id)
            if term is not None:
                language = current_language()
                blocks.append(Paragraph(f"{term.name.in_language(language)}: {term.explanation.in_language(language)}"))
    if model.base_model:
        how = words.term("relation", model.relation) if model.relation else _("unknown how")
        blocks.append(Paragraph(_("Made from {model} ({how}).").format(model=model.base_model, how=how)))
    elif model.origin == "foundation":
        blocks.append(Paragraph(_("Trained from the start by its maker.")))
    if around.descendants:
        blocks += [Paragraph(_("Models of this catalog that were made from it:")), Bullets(around.descendants)]
    if model.points_to:
        stood_for = [(_day(step.since), step.model) for step in model.points_to]
        blocks.append(Table((_("Since"), _("Stood for")), stood_for))
    if model.snapshots:
        rows = [
            (
                one.name,
                _day(one.released) if one.released else numbers.UNKNOWN,
                _day(one.retired) if one.retired else "",
            )
            for one in model.snapshots
        ]
        blocks.append(Table((_("Dated version"), _("Released"), _("Retired")), rows))
    return Section(_("Architecture and lineage"), blocks, anchor="lineage")


def _licence_section(model: Model) -> Section:
    licence = licences().get(model.licence or "")
    if licence is None:
        return Section(_("Licence"), [Paragraph(model.licence or "")], anchor="licence")
    kinds = {
        "open": _("An open licence."),
        "restricted": _("Not an open licence: weights are published, with limits on who may use them or for what."),
        "proprietary": _("Terms of a service; weights are not given out."),
    }
    blocks: list[Block] = [
        Paragraph(_("{licence}. {kind}").format(licence=words.licence(licence.id), kind=kinds[licence.kind])),
        Paragraph(licence.allows.in_language(current_language())),
    ]
    if licence.url:
        blocks.append(Paragraph(_("{source}, {date}").format(source=licence.url, date=licence.as_of), tone="quiet"))
    return Section(_("Licence"), blocks, anchor="licence")


def _samples_section(card: Card) -> Section:
    return Section(_("Call it"), [Code(_(_SAMPLES[one.kind]), one.text) for one in samples(card)], anchor="samples")


def _reported_section(card: Card) -> Section:
    rows = [
        (
            words.field_name(field),
            words.text(value),
            _("{source}, {date}").format(source=entry.source, date=entry.fetched_at[:10]),
        )
        for entry in card.reported
        for field, value in entry.facts.items()
    ]
    return Section(
        _("As reported"), [Table((_("Fact"), _("Value"), _("Source")), rows)] if rows else [], anchor="facts"
    )


def _unknown_section(card: Card, model: Model | None) -> Section:
    blocks: list[Block] = []
    if model is not None:
        closed = model.weights == "closed"
        beside = {"network", "points_to", "model_scope", "snapshots", "retired", "successor", "base_model", "relation"}
        beside |= {"hugging_face", "active_parameters"} if closed else {"active_parameters"}
        beside |= set() if "embedding" in model.output_types else {"embedding_dimensions"}
        names = [words.field_name(field) for field in model.unknown if field not in beside and card.fact(field) is None]
        if names:
            blocks.append(Paragraph(_("Nobody whom we read states: {names}.").format(names=_(", ").join(names))))
    rows = [
        (
            words.field_name(conflict.field),
            words.text(one.value),
            one.provider or "",
            _("{source}, {date}").format(source=one.source, date=one.as_of),
        )
        for conflict in card.conflicts
        for one in conflict.statements
    ]
    if rows:
        blocks.append(
            Table(
                (_("Fact"), _("Value"), _("Seller"), _("Source")),
                rows,
                note=_("Sources disagree here. The card's own statement is shown above; nothing was decided."),
            )
        )
    return Section(_("What is unknown"), blocks, anchor="unknown")


def _sources_section(model: Model) -> Section:
    rows = [
        (f"[{number}]", source.name, source.as_of, source.url or "") for number, source in enumerate(model.sources, 1)
    ]
    blocks: list[Block] = [Table(("", _("Source"), _("Date"), _("Page")), rows)]
    if model.links:
        blocks += [Paragraph(_("Worth reading:")), Bullets(model.links)]
    return Section(_("Sources"), blocks, anchor="sources")
