"""
A Hugging Face model card: its facts in our nouns, with what we do not know kept and named.

The file itself is a `FrontMatter`, which is written back as it was read. Our own team's cards carry, under the key
`touchstone`, what the Hub's keys cannot say; it is believed only where the caller says that the card is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from touchstone.catalog.benchmarks import benchmarks as shipped_benchmarks
from touchstone.catalog.card_text import LIMITS, USES, first_paragraph, paragraph_under, title_of
from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.foreign import NO_SHAPE, NO_TERM, Kept, keep, rows_of, table_of, text_of
from touchstone.catalog.front_matter import FrontMatter
from touchstone.catalog.hf_results import OURS, Origin, read_results
from touchstone.catalog.hub_terms import (
    LIBRARY_ARCHITECTURES,
    LIBRARY_PIPELINES,
    LIBRARY_RELATIONS,
    MANY_LANGUAGES,
    NO_LICENCE,
    PIPELINES,
    RELATIONS,
    TASK_TAGS,
    TRAIT_TAGS,
    Pipeline,
)
from touchstone.catalog.model import NOT_FACTS, Model
from touchstone.errors import DataError, refusal
from touchstone.noun import Noun

OWN_LAB = "own"
"""Lab of a card that does not say whose it is."""
_ARXIV = re.compile(r"arxiv:(\d{4}\.\d{4,5})")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_MODEL_ID = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9._:+-]*")


class Understood(Noun):
    """What a foreign card says, in our nouns."""

    model: Model
    claims: tuple[Claim, ...]
    kept: tuple[Kept, ...]
    """What the card says beyond them."""


def understand(
    card: FrontMatter,
    *,
    as_of: str,
    model_id: str | None = None,
    repository: str | None = None,
    repositories: Mapping[str, str] | None = None,
    benchmarks: Mapping[str, Benchmark] | None = None,
    ours: bool = False,
) -> Understood:
    """
    The facts of a Hugging Face card.

    Args:
        as_of: The day it was read, ISO 8601.
        model_id: Our id of the model; by default what the card says or, failing that, one made of its name.
        repository: `owner/name` on the Hub, where it was read there.
        repositories: Repositories on the Hub, in small letters, to the ids of our cards, for base models. One that is
            missing keeps its own name.
        benchmarks: Those that a result may name, by id; the shipped ones by default.
        ours: Whether the user's own team vouches for the card.

    Raises:
        DataError: the card has no front matter, says no task that we know, or a value cannot be used.
    """
    if card.start is None:
        raise DataError(
            "this card has no front matter; begin it with a line of ---, keys such as license: mit, and another ---",
            path=card.place,
        )
    reading = _Reading(card, repositories or {}, ours)
    name = reading.name(repository)
    own_id = model_id or reading.block.get("id") or made_id(name, card.place)
    source = {"name": f"Model card {repository or card.place}" + (", Hugging Face" if repository else "")}
    if repository is not None:
        source["url"] = f"https://huggingface.co/{repository}"
    facts = {"lab": str(own_id).partition("/")[0], "hugging_face": repository, **reading.facts(), **reading.block}
    stated = [key for key, value in facts.items() if key not in NOT_FACTS and value not in (None, (), [])]
    # A card may state no fact at all; what it would have to state first is then what it is asked for in vain.
    supported = {"sources": [{**source, "as_of": as_of, "facts": stated or ["input_modalities"]}]}
    facts = {**supported, **facts, "id": own_id, "name": name, "ours": ours}
    model = checked_model(facts, card.place)
    origin = Origin(model=model.id, lab=model.lab, source=source["name"], url=source.get("url"), as_of=as_of, ours=ours)
    known = shipped_benchmarks() if benchmarks is None else benchmarks
    claims, left = read_results(card.data.get("model-index"), origin, known)
    return Understood(model=model, claims=claims, kept=(*reading.kept, *left))


def made_id(name: str, place: str) -> str:
    """
    An id for a model of our own, made of its name.

    Raises:
        DataError: nothing of the name can stand in an id.
    """
    slug = re.sub(r"[^a-z0-9._+-]+", "-", name.casefold()).strip("-._+")
    if not slug:
        raise DataError("no id can be made of the name {name!r}; give one such as own/support", path=place, name=name)
    return f"{OWN_LAB}/{slug}"


def checked_model(facts: Mapping[str, Any], place: str) -> Model:
    """
    A card out of plain data.

    Raises:
        DataError: a key is unknown or missing, or a value cannot be used; both are named.
    """
    try:
        return Model.model_validate(facts)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            "{field}: {reason}", path=place, field=".".join(map(str, first["loc"])) or "card", reason=refusal(first)
        ) from None


class _Reading:
    """One walk over a front matter; what it meets and cannot use is collected in `kept`."""

    def __init__(self, card: FrontMatter, repositories: Mapping[str, str], ours: bool) -> None:
        self.card = card
        self.data = card.data
        self.repositories = repositories
        self.ours = ours
        self.kept: list[Kept] = []
        block = table_of(self.data.get(OURS)) if ours else {}
        self.block = {key: value for key, value in block.items() if key in Model.model_fields}
        self.kept += [keep(f"{OURS}.{key}", value) for key, value in block.items() if key not in self.block]

    def facts(self) -> dict[str, Any]:
        """The fields of a `Model` that the Hub's keys and the text give, without `id`, `name` and sources."""
        pipeline = self._pipeline()
        library = text_of(self.data.get("library_name"))
        tags = [tag for tag in rows_of(self.data.get("tags")) if isinstance(tag, str)]
        added = [TASK_TAGS[tag.casefold()] for tag in tags if tag.casefold() in TASK_TAGS]
        tasks = [*(task for task in added if task == "chat"), *(pipeline.tasks if pipeline else ()), *added]
        base, relation = self._base(library)
        summary = first_paragraph(self.card.body)
        facts: dict[str, Any] = {
            "tasks": tuple(dict.fromkeys(tasks)),
            "output_types": (
                *(pipeline.gives if pipeline else ("text",)),
                *(("code",) if "code-generation" in tasks else ()),
            ),
            "input_modalities": pipeline.reads if pipeline else None,
            "architecture": LIBRARY_ARCHITECTURES.get(library or ""),
            "traits": tuple(dict.fromkeys(TRAIT_TAGS[tag.casefold()] for tag in tags if tag.casefold() in TRAIT_TAGS)),
            "origin": "derived" if base or relation else None,
            "base_model": base,
            "relation": relation,
            "weights": "gated" if any(key.startswith("extra_gated_") for key in self.data) else None,
            "licence": self._licence(),
            "languages": self._languages(),
            "successor": self._repository("new_version"),
            "links": self._links(tags),
            "intended_use": _words(paragraph_under(self.card.body, USES)),
            "limits": _words(paragraph_under(self.card.body, LIMITS)),
            "training_data": self._datasets(),
            "summary": _words(summary or "The card has no text of its own."),
        }
        self._keep_the_rest(library, tags)
        if not facts["tasks"] and "tasks" not in self.block:
            raise DataError(
                "the card says no task that the catalog sorts by; set pipeline_tag to one of {known}",
                path=self.card.place,
                known=", ".join(PIPELINES),
            )
        return facts

    def name(self, repository: str | None) -> str:
        """What the card calls the model."""
        if text_of(self.block.get("name")):
            return str(self.block["name"])
        index = rows_of(self.data.get("model-index"))
        first = text_of(table_of(index[0]).get("name")) if index else None
        found = first or title_of(self.card.body) or repository or self.card.place
        return found.rpartition("/")[2].removesuffix(".md") or found

    def _pipeline(self) -> Pipeline | None:
        said = text_of(self.data.get("pipeline_tag"))
        if said is not None:
            if said not in PIPELINES:
                self.kept.append(keep("pipeline_tag", said, NO_TERM))
            return PIPELINES.get(said)
        by_library = LIBRARY_PIPELINES.get(text_of(self.data.get("library_name")) or "")
        by_tag = [tag for tag in rows_of(self.data.get("tags")) if isinstance(tag, str) and tag in PIPELINES]
        results = [
            row for entry in rows_of(self.data.get("model-index")) for row in rows_of(table_of(entry).get("results"))
        ]
        by_result = [text_of(table_of(table_of(row).get("task")).get("type")) for row in results[:1]]
        found = next((tag for tag in (*by_tag, by_library, *by_result) if tag in PIPELINES), None)
        return PIPELINES[found] if found else None

    def _licence(self) -> str | None:
        rows = rows_of(self.data.get("license"))
        said = text_of(rows[0]) if len(rows) == 1 else None
        if rows and said is None:
            self.kept.append(keep("license", self.data["license"], NO_SHAPE))
        named = text_of(self.data.get("license_name"))
        if said is None or said.casefold() not in NO_LICENCE:
            return said.casefold() if said else None
        return named if said.casefold() == "other" else None

    def _languages(self) -> tuple[str, ...] | None:
        found: list[str] = []
        for said in rows_of(self.data.get("language")):
            code = said.strip().casefold() if isinstance(said, str) else ""
            plain = "und" if code == MANY_LANGUAGES else re.split("[-_]", code)[0]
            if _LANGUAGE.fullmatch(plain):
                found.append(plain)
            else:
                self.kept.append(keep("language", said, NO_TERM))
        return tuple(dict.fromkeys(found)) or None

    def _base(self, library: str | None) -> tuple[str | None, str | None]:
        said = rows_of(self.data.get("base_model"))
        relation = text_of(self.data.get("base_model_relation"))
        known = RELATIONS.get(relation or "") or LIBRARY_RELATIONS.get(library or "")
        if relation is not None and relation not in RELATIONS:
            self.kept.append(keep("base_model_relation", relation, NO_TERM))
        if len(said) > 1:
            # One field for the base: of a merge of several, the card is shown.
            self.kept.append(keep("base_model", said))
            return None, known or "merge"
        base = self._repository("base_model")
        return base, known if base else RELATIONS.get(relation or "")

    def _repository(self, key: str) -> str | None:
        """Our id of the repository that a key names."""
        rows = rows_of(self.data.get(key))
        said = text_of(rows[0]) if rows else None
        if said is None:
            return None
        lab, _, name = said.casefold().partition("/")
        known = self.repositories.get(said.casefold()) or f"{lab.replace('_', '-')}/{name}"
        if not _MODEL_ID.fullmatch(known):
            self.kept.append(keep(key, said, NO_SHAPE))
            return None
        return known

    def _links(self, tags: Iterable[str]) -> tuple[str, ...]:
        papers = [found[1] for tag in tags if (found := _ARXIV.fullmatch(tag.casefold()))]
        licence = text_of(self.data.get("license_link"))
        links = [f"https://arxiv.org/abs/{paper}" for paper in papers]
        return tuple(links + ([licence] if licence and licence.startswith("https://") else []))

    def _datasets(self) -> dict[str, str] | None:
        names = [name for name in rows_of(self.data.get("datasets")) if isinstance(name, str) and name.strip()]
        if not names:
            return None
        return {
            "en": f"The card names these data sets: {', '.join(names)}.",
            "zh": f"卡片列出的数据集：{'、'.join(names)}。",
        }

    def _keep_the_rest(self, library: str | None, tags: Iterable[str]) -> None:
        if library is not None:
            self.kept.append(keep("library_name", library))
        used = {*TASK_TAGS, *TRAIT_TAGS, *PIPELINES}
        unused = [tag for tag in tags if tag.casefold() not in used and not _ARXIV.fullmatch(tag.casefold())]
        self.kept += [keep("tags", tag, NO_TERM) for tag in unused]
        read = _READ if self.ours else _READ - {OURS}
        rest = [key for key in self.data if key not in read and not key.startswith("extra_gated_")]
        self.kept += [keep(key, self.data[key]) for key in rest]
        for key in ("tags", "datasets"):
            self.kept += [keep(key, row, NO_SHAPE) for row in rows_of(self.data.get(key)) if not isinstance(row, str)]


_READ = frozenset(
    (
        *("license", "license_name", "license_link", "language", "pipeline_tag", "library_name", "tags", "datasets"),
        *("base_model", "base_model_relation", "new_version", "model-index", OURS),
    )
)


def _words(text: str | None) -> dict[str, str] | None:
    """A text in the one language it is in, for readers of both."""
    return None if text is None else {"en": text, "zh": text}
