"""How facts of the catalog read: sizes, prices, terms, places and names of fields, in the reader's language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache

from touchstone.catalog.memory import GIB
from touchstone.catalog.model import Model
from touchstone.catalog.sellers import ANYWHERE, seller_id, sellers
from touchstone.catalog.taxonomy import TermKind, labs, licences, terms_of
from touchstone.language import N_, _, current_language
from touchstone.reporting import numbers

FACETS = {
    "task": N_("Task"),
    "openness": N_("Openness"),
    "licence": N_("Licence"),
    "lab": N_("Lab"),
    "provider": N_("Provider"),
    "architecture": N_("Architecture"),
    "input": N_("Input"),
    "output": N_("Output"),
    "language": N_("Language"),
    "ability": N_("Ability"),
    "trait": N_("Trait"),
}
"""What is counted beside the hits."""

ABILITIES = {
    "tools": N_("tools"),
    "structured-output": N_("structured output"),
    "vision": N_("reads images"),
    "reasoning": N_("reasoning"),
}

MODALITIES = {
    "text": N_("text"),
    "image": N_("images"),
    "audio": N_("audio"),
    "video": N_("video"),
    "file": N_("files"),
}

FIELDS = {
    "input_modalities": N_("Reads"),
    "output_types": N_("Writes"),
    "tasks": N_("Tasks"),
    "architecture": N_("Architecture"),
    "traits": N_("Traits"),
    "origin": N_("Origin"),
    "base_model": N_("Made from"),
    "relation": N_("How"),
    "weights": N_("Weights"),
    "licence": N_("Licence"),
    "parameters": N_("Parameters"),
    "active_parameters": N_("Active parameters"),
    "context_tokens": N_("Context"),
    "max_output_tokens": N_("Longest answer"),
    "embedding_dimensions": N_("Dimensions"),
    "languages": N_("Languages"),
    "tools": N_("Tools"),
    "structured_output": N_("Structured output"),
    "reasoning": N_("Reasoning"),
    "released": N_("Released"),
    "knowledge_cutoff": N_("Knowledge until"),
    "retired": N_("Retired"),
    "successor": N_("Successor"),
    "intended_use": N_("Intended use"),
    "limits": N_("Limits"),
    "training_data": N_("Training data"),
    "hugging_face": N_("Hugging Face"),
    "model_scope": N_("ModelScope"),
    "network": N_("Layer sizes"),
    "snapshots": N_("Dated versions"),
    "points_to": N_("Stood for"),
    "name": N_("Name"),
    "deprecated": N_("Deprecated"),
}
"""Fields of cards and offers."""

LANGUAGES = {
    "ar": N_("Arabic"),
    "bn": N_("Bengali"),
    "cs": N_("Czech"),
    "da": N_("Danish"),
    "de": N_("German"),
    "el": N_("Greek"),
    "en": N_("English"),
    "es": N_("Spanish"),
    "fa": N_("Persian"),
    "fi": N_("Finnish"),
    "fr": N_("French"),
    "he": N_("Hebrew"),
    "hi": N_("Hindi"),
    "hu": N_("Hungarian"),
    "id": N_("Indonesian"),
    "it": N_("Italian"),
    "ja": N_("Japanese"),
    "ko": N_("Korean"),
    "ms": N_("Malay"),
    "nl": N_("Dutch"),
    "no": N_("Norwegian"),
    "pl": N_("Polish"),
    "pt": N_("Portuguese"),
    "ro": N_("Romanian"),
    "ru": N_("Russian"),
    "sv": N_("Swedish"),
    "th": N_("Thai"),
    "tl": N_("Tagalog"),
    "tr": N_("Turkish"),
    "uk": N_("Ukrainian"),
    "und": N_("many"),
    "ur": N_("Urdu"),
    "vi": N_("Vietnamese"),
    "zh": N_("Chinese"),
}
"""Names of the languages that are asked for most; others are shown by their codes."""

WEIGHTS = {
    "open": N_("can be downloaded"),
    "gated": N_("can be downloaded after accepting terms"),
    "closed": N_("not given out"),
}

COMMERCIAL_USE = {
    "yes": N_("commercial use allowed"),
    "conditions": N_("commercial use under conditions"),
    "no": N_("no commercial use"),
}

OPENNESS = {
    "open-licence": N_("Open licence"),
    "open-weights": N_("Open weights"),
    "proprietary": N_("Proprietary"),
}
"""How open a model is, in a narrow column; the taxonomy says it at length."""

UNITS = {
    "input_tokens": N_("input tokens"),
    "output_tokens": N_("output tokens"),
    "cache_read_tokens": N_("cached input tokens"),
    "cache_audio_read_tokens": N_("cached audio input tokens"),
    "cache_image_read_tokens": N_("cached image input tokens"),
    "cache_write_tokens": N_("tokens written to the cache"),
    "cache_write_1h_tokens": N_("tokens written to the cache for an hour"),
    "input_audio_tokens": N_("audio input tokens"),
    "output_audio_tokens": N_("audio output tokens"),
    "input_image_tokens": N_("image input tokens"),
    "output_image_tokens": N_("image output tokens"),
    "input_video_tokens": N_("video input tokens"),
    "output_video_tokens": N_("video output tokens"),
    "output_reasoning_tokens": N_("reasoning tokens"),
    "output_citation_tokens": N_("citation tokens"),
    "audio_seconds": N_("audio"),
    "input_audio_seconds": N_("audio read"),
    "output_audio_seconds": N_("audio written"),
    "requests": N_("requests"),
    "web_searches": N_("web searches"),
    "social_searches": N_("searches of social media"),
    "storage_searches": N_("searches of stored files"),
    "code_executions": N_("runs of code"),
    "input_document_pages": N_("pages"),
    "input_annotated_document_pages": N_("annotated pages"),
    "input_characters": N_("characters"),
    "input_text_messages": N_("messages"),
    "input_images": N_("pictures read"),
    "output_images": N_("pictures"),
    "rerank_searches": N_("searches"),
}
"""What is paid for; units that are rare are shown by their own names."""


METRICS = {
    "accuracy": N_("accuracy"),
    "solved": N_("solved"),
    "score": N_("score"),
    "resolved": N_("resolved"),
    "win rate": N_("win rate"),
    "solved in two tries": N_("solved in two tries"),
    "overall": N_("overall"),
    "correct": N_("correct"),
    "true and informative": N_("true and informative"),
    "toxic share": N_("toxic share"),
    "top-1 accuracy": N_("top-1 accuracy"),
    "solved steps": N_("solved steps"),
    "share of points": N_("share of points"),
    "relaxed accuracy": N_("relaxed accuracy"),
    "refused harmless requests": N_("refused harmless requests"),
    "puzzle accuracy": N_("puzzle accuracy"),
    "prompt-level strict accuracy": N_("prompt-level strict accuracy"),
    "mean over tasks": N_("mean over tasks"),
    "mean over 13 tasks": N_("mean over 13 tasks"),
    "mean MAP": N_("mean MAP"),
    "match ratio": N_("match ratio"),
    "exact match": N_("exact match"),
    "average over data sets": N_("average over data sets"),
    "average of 56 data sets": N_("average of 56 data sets"),
    "average of 41 tasks": N_("average of 41 tasks"),
    "attack success rate": N_("attack success rate"),
    "WER or CER": N_("WER or CER"),
}
"""What benchmarks measure; signs that are the same in every language (`pass@1`, `nDCG@10`) are not among them."""


def metric(name: str) -> str:
    """What a benchmark measures."""
    return _(METRICS[name]) if name in METRICS else name


def parameters(total: int | None, active: int | None = None) -> str:
    """Such as `671B (37B active)` or `110M`."""
    if total is None:
        return numbers.UNKNOWN
    return (
        _("{total} ({active} active)").format(total=_short(total), active=_short(active)) if active else _short(total)
    )


def _short(value: int) -> str:
    for size, unit in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        # From where three digits round up to it, so that 999.9 million are one billion.
        if value >= 0.9995 * size:
            return _three_digits(value / size) + unit
    return str(value)


def _three_digits(value: float) -> str:
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"


def tokens(value: int | None) -> str:
    """A number of tokens; a million and more in millions, of 1,048,576 only that it is one."""
    if value is None:
        return numbers.UNKNOWN
    if value < 1_000_000:
        return f"{value:,}"
    mega = value / 2**20 if value % 2**16 == 0 else value / 10**6
    return f"{_three_digits(mega)}M"


def gib(size_bytes: float | None) -> str:
    """Memory."""
    if size_bytes is None:
        return numbers.UNKNOWN
    size = size_bytes / GIB
    return f"{size:,.0f} GiB" if size >= 100 else f"{size:.1f} GiB" if size >= 1 else f"{size * 1024:.0f} MiB"


def usd(value: float | Decimal | None) -> str:
    """A price."""
    return numbers.money(None if value is None else float(value))


def term(kind: TermKind, term_id: str | None) -> str:
    """The name of a taxonomy term; its id where the taxonomy has none."""
    if term_id is None:
        return numbers.UNKNOWN
    found = terms_of(kind).get(term_id)
    return found.name.in_language(current_language()) if found else term_id


def terms(kind: TermKind, ids: Iterable[str]) -> str:
    """Several of them."""
    return _(", ").join(term(kind, one) for one in ids) or numbers.UNKNOWN


def licence(licence_id: str | None) -> str:
    """A licence with what it says of commercial use."""
    if licence_id is None:
        return numbers.UNKNOWN
    found = licences().get(licence_id)
    if found is None:
        return licence_id
    name = _("Terms of the provider's service") if licence_id == "service-terms" else found.name
    if found.commercial_use is None:
        return name
    return _("{licence}: {use}").format(licence=name, use=_(COMMERCIAL_USE[found.commercial_use]))


def openness(term_id: str | None) -> str:
    """How open, for a narrow column."""
    return _(OPENNESS[term_id]) if term_id in OPENNESS else term("openness", term_id)


def lab(lab_id: str | None) -> str:
    """Who made it."""
    found = labs().get(lab_id or "")
    if found is None:
        return lab_id or numbers.UNKNOWN
    return (found.name_zh if current_language() == "zh" else None) or found.name


def seller(provider: str | None) -> str:
    """Who sells it."""
    if provider is None:
        return numbers.UNKNOWN
    if provider == "own":
        return _("own endpoint")
    found = sellers().get(seller_id(provider))
    return found.name.in_language(current_language()) if found else provider


def short_seller(provider: str | None) -> str:
    """Who sells it, for a narrow column: without what stands in brackets, where no other seller is called the same."""
    name = seller(provider)
    return _short_sellers(current_language()).get(name, name)


@cache
def _short_sellers(language: str) -> Mapping[str, str]:
    names = [one.name.in_language(language) for one in sellers().values()]
    # Ours are written "Google (Gemini API and Vertex AI)" and "Hugging Face, passed on to Novita".
    cut = {name: name.replace(", passed on to ", ": ").replace("（", " (").partition(" (")[0] for name in names}
    alone = Counter(cut.values())
    return {name: short for name, short in cut.items() if short != name and alone[short] == 1}


def places(codes: Iterable[str] | None) -> str:
    """Where calls are processed."""
    if codes is None:
        return numbers.UNKNOWN
    names = {ANYWHERE: _("anywhere"), "own-machine": _("own machine"), "eu": _("EU")}
    return _(", ").join(names.get(code, code.upper()) for code in codes) or numbers.UNKNOWN


def field_name(field: str) -> str:
    """What a field of a card is called."""
    return _(FIELDS[field]) if field in FIELDS else field


def language(code: str) -> str:
    """The name of a language; its code where we have none."""
    return _(LANGUAGES[code]) if code in LANGUAGES else code


def facet_value(facet: str, value: str) -> str:
    """A value of a facet, in words."""
    kinds: Mapping[str, TermKind] = {
        "task": "task",
        "openness": "openness",
        "architecture": "architecture",
        "output": "output",
        "trait": "trait",
        "relation": "relation",
        "supply": "supply",
        "origin": "origin",
    }
    if facet in kinds:
        return term(kinds[facet], value)
    if facet == "lab":
        return lab(value)
    if facet == "provider":
        return seller(value)
    if facet == "input":
        return _(MODALITIES[value]) if value in MODALITIES else value
    if facet == "ability":
        return _(ABILITIES[value]) if value in ABILITIES else value
    return value


def yes_no(value: bool | None) -> str:
    """Whether."""
    return numbers.UNKNOWN if value is None else _("yes") if value else _("no")


def text(value: object) -> str:
    """Any fact as a source states it, for setting statements side by side."""
    if isinstance(value, bool):
        return yes_no(value)
    if isinstance(value, tuple):
        return _(", ").join(map(str, value))
    if isinstance(value, int) and value >= 10_000:
        return f"{value:,}"
    return str(value)


def gaps(model: Model) -> list[str]:
    """Facts that nobody stated and that people ask of such a model; others are only said where they exist."""
    beside = {"network", "points_to", "model_scope", "snapshots", "retired", "successor", "base_model", "relation"}
    beside |= {"traits", "active_parameters"}
    if model.weights == "closed":
        beside.add("hugging_face")
    if model.moves:
        beside |= {"origin", "architecture", "parameters", "released", "hugging_face", "weights"}
    if "embedding" not in model.output_types:
        beside.add("embedding_dimensions")
    if not {"text", "code"} & set(model.output_types):
        beside |= {"max_output_tokens", "tools", "structured_output", "reasoning", "knowledge_cutoff"}
        if not {"embedding", "scores"} & set(model.output_types):
            beside.add("context_tokens")
    return [field for field in model.unknown if field not in beside]
