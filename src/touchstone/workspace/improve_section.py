"""The `improve` part of a task file: what is known about documents, facts and machines, and which ways are wanted."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from touchstone.decision.improve_base import WAYS, Way
from touchstone.errors import InvalidValue
from touchstone.noun import Noun

Paths = str | tuple[str, ...]
Documents = Paths | Mapping[Literal["cases"], Literal["train", "dev"]]
"""Files and folders, or the labelled cases of a split, as in an entry with `strategy: rag`."""
Tuned = Literal["fine_tune", "fine_tune+rag"]
"""Ways that ask fine-tuned weights."""


class UpdatedSection(Noun):
    """The same questions after the facts have changed, to measure what goes stale."""

    cases: str
    """Cases whose right answers are the new ones; the rows to learn from and to tune on as before."""
    documents: Paths | None = None
    """The documents as they are then; None leaves those of `improve`."""


class ImproveSection(Noun):
    """What `touchstone improve` should know; every part may be left out."""

    models: tuple[str, ...] = ()
    """Names of the candidates to improve; by default every one that asks a model as it is."""
    baseline: str | None = None
    """Name of the candidate that the others are held against; the first of `models` by default."""
    ways: tuple[Way, ...] = ()
    """Only these; by default what the rules find worth trying."""
    also: tuple[Way, ...] = ()
    """These too, whatever the rules say of their worth."""
    documents: Documents | None = None
    """Files or folders that right answers stand in; or {cases: train}, to look up labelled cases."""
    facts_change_days: float | None = Field(default=None, gt=0, le=36_500)
    """Days between two changes of the facts in them."""
    months: float = Field(default=12.0, gt=0, le=600)
    """The time over which costs are added up."""
    machine_usd_per_hour: float | None = Field(default=None, ge=0, le=10_000, allow_inf_nan=False)
    """What an hour of your own machine costs; for what runs and is trained on it."""
    shots: tuple[int, ...] = (1, 4, 8)
    """Numbers of examples to show."""
    curve: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Shares of the cases to learn from, for the learning curve of a classical baseline."""
    fine_tuned: Mapping[str, str | Mapping[Tuned, str]] = Field(default_factory=dict)
    """Candidate to a folder with its fine-tuned weights, where they lie ready; or one for each way that asks them, such
    as {fine_tune: FOLDER, fine_tune+rag: FOLDER}, since what reads passages is best trained on them."""
    few_shot: Mapping[str, Any] = Field(default_factory=dict)
    """Parameters of the strategy, as in an entry of `candidates`; so for the following."""
    rag: Mapping[str, Any] = Field(default_factory=dict)
    prompt_search: Mapping[str, Any] = Field(default_factory=dict)
    fine_tune: Mapping[str, Any] = Field(default_factory=dict)
    pretrain: Mapping[str, Any] = Field(default_factory=dict)
    updated: UpdatedSection | None = None

    @field_validator("ways", "also", mode="before")
    @classmethod
    def _known_ways(cls, value: Any) -> Any:
        for way in value if isinstance(value, list | tuple) else ():
            if way not in WAYS:
                raise InvalidValue("there is no way {way!r}; there are {known}", way=way, known=", ".join(WAYS))
        return value

    @field_validator("shots")
    @classmethod
    def _shots_rise(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or any(k < 1 or k > 256 for k in value) or len(set(value)) < len(value):
            raise InvalidValue("shots is {value}; write different numbers from 1 to 256", value=list(value))
        return tuple(sorted(value))

    @field_validator("curve")
    @classmethod
    def _shares_rise(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share <= 1 for share in value) or len(set(value)) < len(value):
            raise InvalidValue("curve is {value}; write different shares above 0 and up to 1", value=list(value))
        return tuple(sorted(value))

    @field_validator("fine_tuned")
    @classmethod
    def _ways_are_fine_tuned(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        for name, folders in value.items():
            if not isinstance(folders, str) and "fine_tune" not in folders:
                raise InvalidValue("{name} has no folder for fine_tune; add it", name=name)
        return value

    @property
    def reads(self) -> Documents | None:
        """What passages are looked up in: the documents, or those that `rag` names instead."""
        own: Documents | None = self.rag.get("documents")
        return self.documents if own is None else own

    def paths(self) -> tuple[str, ...]:
        """Files and folders that passages are looked up in, as a tuple; none for labelled cases."""
        return as_paths(self.reads)

    def weights(self, candidate: str, way: Way) -> str | None:
        """The folder of a candidate's weights for a way; where it has none of its own, that of plain fine-tuning."""
        found = self.fine_tuned.get(candidate)
        if found is None or isinstance(found, str):
            return found
        return next((folder for name, folder in found.items() if name == way), found["fine_tune"])


def as_paths(given: object) -> tuple[str, ...]:
    """One path, several or none, as a tuple; what is neither is for whoever reads it to refuse."""
    if isinstance(given, str):
        return (given,)
    return tuple(given) if isinstance(given, list | tuple) and all(isinstance(one, str) for one in given) else ()
