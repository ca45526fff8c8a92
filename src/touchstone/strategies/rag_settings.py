"""What an entry says of the passages that its model reads."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from touchstone.errors import InvalidValue, SettingsError, refusal
from touchstone.noun import Noun
from touchstone.strategies.search_settings import SearchSettings
from touchstone.strategies.task_path import task_path

Read = TypeVar("Read", bound=Noun)

MOST_PASSAGES = 100


class ChunkSettings(Noun):
    """How documents are cut."""

    way: Literal["heading", "sentence", "fixed", "semantic", "whole"] = "heading"
    """Along headings, between sentences, every so many tokens, where the meaning changes, or not at all."""
    size: int | None = None
    """Most estimated tokens of a passage; None takes the way's own default."""
    overlap: int | None = None
    """Estimated tokens that the next passage repeats, for `fixed` and `sentence`."""
    percentile: int | None = None
    """Of the distances between neighbouring sentences: a larger one is a break; for `semantic`."""

    @model_validator(mode="before")
    @classmethod
    def _named_alone(cls, given: Any) -> Any:
        return {"way": given} if isinstance(given, str) else given

    @property
    def sizes(self) -> dict[str, int]:
        """What was said of sizes, by the name that a chunker knows it by."""
        named = {"size": self.size, "overlap": self.overlap, "percentile": self.percentile}
        return {name: value for name, value in named.items() if value is not None}


class StoreSettings(Noun):
    """Where vectors are kept."""

    name: str = "numpy"
    """`numpy` for files beside the index, `lancedb`, `qdrant`, or a plug-in's."""
    url: str | None = None
    """Of a server."""
    key_env: str | None = None
    """Name of the environment variable with the server's key."""

    @model_validator(mode="before")
    @classmethod
    def _named_alone(cls, given: Any) -> Any:
        return {"name": given} if isinstance(given, str) else given


class ColumnSettings(Noun):
    """Names of the columns in a file of passages."""

    id: str | None = None
    text: str = "text"
    title: str | None = "title"


Gold = Mapping[Literal["document", "heading", "text"], str]
"""What a column of the cases names, and the column."""


def _one_column(gold: Gold | None) -> None:
    if gold is not None and len(gold) != 1:
        raise InvalidValue("name one column: document, heading or text")


def _of_documents(given: Any) -> Any:
    return {"document": given} if isinstance(given, str) else given


class TuneSettings(SearchSettings):
    """How the settings of retrieval are searched for."""

    by: Literal["answers", "passages"] = "answers"
    """What decides: the score of the answers, or how often a right passage is among those shown."""
    gold: Gold | None = None
    """
    Column of the cases that says which passages are right: by the id of their document, by a heading they stand under,
    or by a text that they hold. Several in one cell are parted by `;`.
    """
    over: Mapping[Literal["way", "size", "passages", "retriever", "rerank"], tuple[Any, ...]] = Field(
        default_factory=dict
    )
    """Values that are tried, by name; a default for each where nothing is said."""

    @field_validator("gold", mode="before")
    @classmethod
    def _documents(cls, given: Any) -> Any:
        return _of_documents(given)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        _one_column(self.gold)
        if self.by == "passages" and self.gold is None:
            raise InvalidValue("to go by passages, `gold` must name the column that says which are right")
        return self


class RagSettings(Noun):
    """Everything that decides which passages a case gets."""

    documents: tuple[str, ...] | Mapping[Literal["cases"], Literal["train", "dev"]]
    """Files and folders, relative to the task file; or the labelled cases of a split."""
    chunk: ChunkSettings = ChunkSettings()
    retriever: Literal["lexical", "dense", "hybrid"] = "lexical"
    """By words, by vectors, or by both."""
    passages: int = Field(default=4, ge=1, le=MOST_PASSAGES)
    """How many a case gets."""
    rerank: Literal["terms"] | None = None
    """What orders them once more."""
    min_score: float | None = Field(default=None, allow_inf_nan=False)
    """Passages below it are left out, so that a case may get none."""
    cite: bool = False
    """Whether the system text asks for the numbers of the passages that an answer rests on."""
    columns: ColumnSettings = ColumnSettings()
    embedder: Literal["lsa"] | Mapping[Literal["static"], str] = "lsa"
    """`lsa` learns from the documents; `static` names a folder of word vectors. Not used by `lexical`."""
    store: StoreSettings = StoreSettings()
    tune: TuneSettings | None = None
    """Looks for better values on dev cases; None takes those that are given."""
    gold: Gold | None = None
    """
    Column of the test cases that says which passages are right, as in `tune`: how often they are found is then shown
    apart from the answers. It decides nothing.
    """

    @field_validator("documents", mode="before")
    @classmethod
    def _one_alone(cls, given: Any) -> Any:
        given = (given,) if isinstance(given, str) else given
        paths = isinstance(given, list | tuple) and given and all(isinstance(one, str) and one for one in given)
        if not paths and given not in ({"cases": "train"}, {"cases": "dev"}):
            raise InvalidValue(
                "write a path, a list of paths, or {form} for the labelled cases of a split", form="{cases: train}"
            )
        return given

    @field_validator("gold", mode="before")
    @classmethod
    def _documents(cls, given: Any) -> Any:
        return _of_documents(given)

    @field_validator("gold")
    @classmethod
    def _one_column(cls, given: Gold | None) -> Gold | None:
        _one_column(given)
        return given

    @field_validator("embedder", mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        if given != "lsa" and not (isinstance(given, Mapping) and [*given] == ["static"]):
            raise InvalidValue("write lsa, or {form} for word vectors on this machine", form="{static: FOLDER}")
        return given

    @field_validator("rerank", mode="before")
    @classmethod
    def _switched(cls, given: Any) -> Any:
        return {True: "terms", False: None}.get(given, given) if isinstance(given, bool) else given

    @field_validator("tune", mode="before")
    @classmethod
    def _with_defaults(cls, given: Any) -> Any:
        return {True: {}, False: None}.get(given, given) if isinstance(given, bool) else given

    @property
    def split(self) -> str | None:
        """The split whose cases are the documents; None where they are files."""
        return self.documents["cases"] if isinstance(self.documents, Mapping) else None

    @property
    def right(self) -> tuple[str, str] | None:
        """(what the column names, the column) that finding is measured by on test; that of `tune` by default."""
        gold = self.gold if self.gold is not None else self.tune.gold if self.tune is not None else None
        return None if gold is None else next((str(kind), column) for kind, column in gold.items())

    @property
    def needs_vectors(self) -> bool:
        """Whether the index has vectors."""
        return self.retriever != "lexical"

    def told(self) -> dict[str, Any]:
        """What was decided, for recipe and report: without what says nothing of the passages, and without defaults."""
        left_out = {"tune", "gold", *(() if self.needs_vectors else ("embedder", "store"))}
        found = self.model_dump(mode="json", exclude=left_out, exclude_defaults=True)
        found.get("store", {}).pop("key_env", None)
        return {**found, "retriever": self.retriever, "passages": self.passages, "chunk": self.chunk_told()}

    def chunk_told(self) -> dict[str, Any]:
        """How documents are cut, without what nobody said."""
        return self.chunk.model_dump(exclude_none=True)


def read_settings(noun: type[Read], given: Mapping[str, Any], name: str) -> Read:
    """
    Settings that an entry gives.

    Args:
        noun: What they are.
        given: By name.
        name: The candidate's, for errors.

    Raises:
        SettingsError: a name is unknown or a value cannot be used.
    """
    try:
        return noun.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"]]
        if first["type"] == "missing":
            raise SettingsError("{name} needs {key}; add it", name=name, key=".".join(place)) from None
        if first["type"] == "extra_forbidden":
            known = list(_fields_at(noun, place[:-1]))
            raise SettingsError(
                "{name}: there is no key {key!r}; closest: {close}",
                name=name,
                key=".".join(place),
                close=", ".join(get_close_matches(place[-1], known, n=1, cutoff=0.5) or known),
            ) from None
        raise SettingsError(
            "{name}: {key} is {value!r}; {reason}",
            name=name,
            key=".".join(place),
            value=first["input"],
            reason=refusal(first),
        ) from None


def _fields_at(noun: type[Noun], place: list[str]) -> Mapping[str, Any]:
    """The fields of the noun that a path of names leads to."""
    inner: Mapping[str, type[Noun]] = {
        "chunk": ChunkSettings,
        "store": StoreSettings,
        "columns": ColumnSettings,
        "tune": TuneSettings,
    }
    found = inner.get(place[0], noun) if place else noun
    return found.model_fields


def below(folder: Path, documents: tuple[str, ...], name: str) -> tuple[tuple[str, Path], ...]:
    """
    (as written, where it is) of every file and folder.

    Raises:
        SettingsError: one is not there, or stands there twice.
    """
    found: dict[str, Path] = {}
    for written in documents:
        place = task_path(folder, written)
        if not place.exists():
            raise SettingsError(
                "{name}: the documents {place} do not exist; mend the path, which starts at the task file",
                name=name,
                place=str(place),
            )
        if written in found:
            raise SettingsError("{name}: documents names {place} twice; once is enough", name=name, place=written)
        found[written] = place
    return tuple(found.items())
