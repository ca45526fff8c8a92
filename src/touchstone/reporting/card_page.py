"""A model's card as a page: what it is, what it is for, who sells it, what it scored, and what is unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from touchstone.catalog.cards import Card
from touchstone.catalog.claims import Claim
from touchstone.catalog.model import Model, Words, earliest
from touchstone.catalog.samples import samples
from touchstone.catalog.taxonomy import TermKind, licences, terms_of
from touchstone.language import N_, _, current_language, ngettext
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.reporting.card_memory import memory_section
from touchstone.reporting.card_offers import offers_section
from touchstone.reporting.card_results import results_section
from touchstone.reporting.pages import (
    Block,
    Bullets,
    Code,
    Fact,
    Facts,
    Page,
    Paragraph,
    Reference,
    References,
    Section,
    Table,
)

if TYPE_CHECKING:
    from touchstone.training.base import Trained

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
    training: Trained | None = None
    """Of a model that was trained here, what is kept of its training."""
    brief: bool = False
    """For a terminal: long tables cut, and each word of the taxonomy explained in one sentence."""


def card_page(card: Card, around: Surroundings) -> Page:
    """The page of a card, in the language that is set."""
    model = card.model
    gone = model is not None and model.retired is not None and earliest(model.retired) <= around.today
    weighty = model is not None and model.weights in ("open", "gated")
    sections = [
        *([_facts_section(card, model, around.today)] if model else [_reported_section(card)]),
        *([_use_section(model)] if model else []),
        *([_lineage_section(model, around)] if model else []),
        *([_training_section(around.training)] if around.training else []),
        *([_licence_section(model)] if model and model.licence else []),
        offers_section(card, around.today, brief=around.brief),
        results_section(card, around.own_claims, brief=around.brief),
        *([memory_section(model)] if model and model.parameters and weighty else []),
        # What nobody serves any more and nobody can download cannot be called.
        *([] if gone and not weighty and not card.endpoints else [_samples_section(card, around.today)]),
        _unknown_section(card, model),
        *([_sources_section(model)] if model else []),
    ]
    return Page(
        kicker=_("Model card"),
        title=_name(card),
        lead=model.summary.in_language(current_language())
        if model
        else _("Nobody has written a card for this; what is here is what its sellers and lists say."),
        warnings=list(_warnings(card, around.today)),
        sections=[section for section in sections if section.blocks],
        closing=_("{id}, as known on {date}.").format(id=card.id, date=numbers.day(around.today.isoformat())),
    )


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


def _facts_section(card: Card, model: Model, today: date) -> Section:
    openness = words.term("openness", card.openness)
    retiring = model.retired is not None and earliest(model.retired) > today
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
    names = {"lab": _("Lab"), "retired": _("Will be retired") if retiring else _("Retired")}
    rows = [
        Fact(name=names.get(field) or words.field_name(field), value=value, source=_source_of(model, field))
        for field, value in said
        if value != numbers.UNKNOWN
    ]
    first = [
        Fact(_("Id"), card.id),
        *([Fact(_("Ours"), _("a card of your own team"))] if model.ours else []),
        *([Fact(_("Openness"), openness)] if openness != numbers.UNKNOWN else []),
    ]
    return Section(_("At a glance"), [Facts([*first, *rows])], anchor="facts")


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
    rows = []
    for field in ("intended_use", "limits", "training_data"):
        said: Words | None = getattr(model, field)
        if said is not None:
            text = said.in_language(current_language())
            rows.append(Fact(words.field_name(field), text, _source_of(model, field)))
    return Section(_("What it is for"), [Facts(rows)] if rows else [], anchor="use")


def _lineage_section(model: Model, around: Surroundings) -> Section:
    blocks: list[Block] = []
    kinds: list[tuple[TermKind, str, Sequence[str]]] = [
        ("architecture", "architecture", (model.architecture,) if model.architecture else ()),
        ("trait", "traits", model.traits),
    ]
    language = current_language()
    explained: list[Fact] = []
    for kind, field, ids in kinds:
        for term_id in ids:
            term = terms_of(kind).get(term_id)
            if term is not None:
                text = term.explanation.in_language(language)
                text = _first_sentence(text) if around.brief else text
                explained.append(Fact(term.name.in_language(language), text, _source_of(model, field)))
    if explained:
        blocks.append(Facts(explained))
    if model.base_model:
        how = words.term("relation", model.relation) if model.relation else _("unknown how")
        blocks.append(Paragraph(_("Made from {model} ({how}).").format(model=model.base_model, how=how)))
    elif model.origin == "foundation":
        blocks.append(Paragraph(_("Trained from the start by its maker.")))
    if around.descendants:
        blocks.append(
            Paragraph(_("Models that were made from it: {models}.").format(models=_(", ").join(around.descendants)))
        )
    if model.points_to:
        stood_for = [(_day(step.since), step.model) for step in model.points_to]
        blocks.append(Table((_("Since"), _("Stood for")), stood_for))
    if model.snapshots:
        rows = [
            (
                one.name,
                _day(one.released) if one.released else numbers.UNKNOWN,
                _day(one.retired) if one.retired else numbers.UNKNOWN,
            )
            for one in model.snapshots
        ]
        blocks.append(Table((_("Dated version"), _("Released"), _("Ends or ended")), rows))
    return Section(_("Architecture and lineage"), blocks, anchor="lineage")


def _first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence, Chinese ones too."""
    return re.split(r"(?<=[.!?])\s+(?=[^a-z])|(?<=[。！？])", text, maxsplit=1)[0]


def _training_section(trained: Trained) -> Section:
    from touchstone.reporting.card_training import training_section

    return training_section(trained)


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
        blocks.append(References([Reference("•", licence.name, licence.as_of or "", licence.url)]))
    return Section(_("Licence"), blocks, anchor="licence")


def _samples_section(card: Card, today: date) -> Section:
    blocks = [Code(_(_SAMPLES[one.kind]), one.text) for one in samples(card, today)]
    return Section(_("Call it"), blocks, anchor="samples")


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
        gaps = [field for field in words.gaps(model) if card.fact(field) is None]
        if gaps:
            names = _(", ").join(words.field_name(field) for field in gaps)
            blocks.append(Paragraph(_("Nobody whom we read states: {names}.").format(names=names)))
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
        Reference(f"[{number}]", source.name, source.as_of, source.url or "")
        for number, source in enumerate(model.sources, 1)
    ]
    blocks: list[Block] = [References(rows)]
    said = {source.url for source in model.sources}
    further = [link for link in model.links if link not in said]
    if further:
        blocks += [Paragraph(_("Worth reading:")), Bullets(further)]
    return Section(_("Sources"), blocks, anchor="sources")
