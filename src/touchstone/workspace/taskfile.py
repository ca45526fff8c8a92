"""The task file: what is measured, on which cases, with which candidates, and what is wanted of the winner."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import AfterValidator, Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from touchstone.data.base import COLUMNS, SPLITS, CaseSource
from touchstone.decision.base import Constraints, Volume
from touchstone.errors import InvalidValue, SettingsError, TaskError, refusal
from touchstone.noun import Noun
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.reading import parse_from
from touchstone.workspace.improve_section import ImproveSection
from touchstone.workspace.yaml_file import Place, read_yaml

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class AnswerSection(Noun):
    """What kind of answer is expected and how it is read out of the output."""

    kind: str = "text"
    """label, choice, number, text, json or free, or the name of an answer-reader plug-in."""
    labels: tuple[str, ...] | str = ()
    """The closed list of labels, or a JSON file with it; without it the targets of the cases are the labels."""
    source: Any = Field(default="auto", alias="from")
    """auto, whole, last, first_line, {after: TEXT}, {regex: PATTERN} or json.FIELD."""
    citations: bool = False
    """Take marks such as `[1]` at the end of the answer or of its sentences as citations and not as part of it."""

    @field_validator("labels", mode="before")
    @classmethod
    def _labels_as_text(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        for label in value:
            if isinstance(label, bool) or not isinstance(label, str | int):
                raise InvalidValue("the label {label!r} is no text; put it in quotes", label=label)
        return tuple(str(label) for label in value)


class SplitSection(Noun):
    """Cases to learn from, drawn by a digest of what they ask; the rest is test."""

    train: float = Field(default=0.0, ge=0, lt=1)
    dev: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _leaves_test_cases(self) -> Self:
        if self.train + self.dev >= 1:
            raise InvalidValue("train and dev together must leave something for test")
        return self


class RaceSection(Noun):
    """How sure, how close, how fast."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    epsilon: float = Field(default=0.01, ge=0, lt=1)
    """A difference smaller than this does not matter."""
    batch: int | None = Field(default=None, ge=1)
    """Cases between two looks; by default 10 up to 100 cases, 25 up to 500, then 50."""
    finish: Literal["proven", "quick"] = "proven"
    """`proven` guarantees the whole race; `quick` each rival by itself, for fewer calls."""
    calls: int | None = Field(default=None, ge=1)
    """Instead of a confidence to reach, a number of calls to spend: half of the rivals leave at each look. For the goal
    `best` only."""
    seed: int = 7
    """Of the order of the cases."""


class LimitsSection(Noun):
    """What a run may use."""

    max_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Cap on the money of a run."""
    concurrency: int = Field(default=16, ge=1, le=1024)
    """Calls in flight at most, over all candidates."""
    resends: int = Field(default=1, ge=0, le=3)
    """How often a request is sent again whose reply was lost and that may have been billed."""


class GateSection(Noun):
    """Thresholds for CI; when one is not met, `compare` exits with code 100."""

    candidate: str | None = None
    """Who is held to the gate; the chosen candidate when it is not named."""
    baseline: str | None = None
    """A candidate than which nobody may be worse by more than `margin`."""
    margin: float = Field(default=0.0, ge=0, lt=1)
    """Non-inferiority margin on the score."""
    min_score: float | None = Field(default=None, ge=0, le=1)
    """Minimum of the lower end of the score's interval."""

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.baseline is None and self.min_score is None:
            raise InvalidValue("a gate needs `baseline` (with `margin`) or `min_score`")
        return self


def _known_column(name: str) -> str:
    if name not in COLUMNS:
        close = get_close_matches(name, COLUMNS, n=1)
        if close:
            raise InvalidValue("{name!r} is none of our columns; did you mean {close}?", name=name, close=close[0])
        raise InvalidValue("{name!r} is none of our columns; ours are {known}", name=name, known=", ".join(COLUMNS))
    return name


ColumnName = Annotated[str, AfterValidator(_known_column)]


class TaskFile(Noun):
    """A task file as it stands on disk."""

    task: Name
    """Name of the task."""
    instruction: str = ""
    """What every candidate is told to do."""
    cases: str | dict[Literal["train", "dev", "test"], str]
    """A file or folder of cases, or one per split; paths start at the task file."""
    format: str | None = None
    """Name of the reader: csv, jsonl, parquet, datasets or a plug-in; by the file's suffix when it is not given."""
    encoding: str | None = None
    """Text encoding of the cases when it is not UTF-8."""
    allow_duplicates: bool = False
    """Take rows with the same id as further cases rather than as a mistake."""
    split: SplitSection | None = None
    """Shares of train and dev to draw, when the cases say nothing about splits."""
    leaks: Literal["report", "drop"] = "report"
    """What becomes of train and dev cases that ask what test cases ask, or share 13 words in a row with one: `report`
    names them and lets nobody claim to be better who learned from them, `drop` keeps them from whoever learns."""
    columns: dict[ColumnName, str] = Field(default_factory=dict)
    """Our column name to the file's: id, input, target, split, group, tags, options, messages, image, audio."""
    answer: AnswerSection = AnswerSection()
    scorers: tuple[str | dict[str, Any], ...] = ()
    """The first one decides, others are shown; by the answer's kind when none is given."""
    candidates: tuple[str | dict[str, Any], ...] = Field(min_length=1)
    goal: Any = "best"
    """`best`, or {cheapest-within: 0.02}: the cheapest that is at most that much below the best."""
    constraints: Constraints = Constraints()
    volume: Volume = Volume()
    race: RaceSection = RaceSection()
    limits: LimitsSection = LimitsSection()
    gate: GateSection | None = None
    improve: ImproveSection | None = None
    """What `touchstone improve` should know."""

    @field_validator("goal")
    @classmethod
    def _goal(cls, value: Any) -> Any:
        parse_goal(value)
        return value


_GOAL_IN_WORDS = re.compile(r"cheapest[-_]within(?:\s*:\s*|\s+)(\S+)")


def parse_goal(value: Any) -> tuple[Literal["best", "cheapest-within"], float]:
    """
    (goal, tolerance) of a goal as people write it: "best", "cheapest-within: 0.02" or {"cheapest-within": 0.02}.

    Raises:
        ValueError: it is none of these.
    """
    if value == "best":
        return "best", 0.0
    if isinstance(value, str) and (found := _GOAL_IN_WORDS.fullmatch(value.strip())):
        value = {"cheapest-within": found.group(1)}
    if isinstance(value, Mapping) and len(value) == 1:
        key, tolerance = next(iter(value.items()))
        try:
            number = -1.0 if isinstance(tolerance, bool) else float(tolerance)
        except (TypeError, ValueError):
            number = -1.0
        if str(key).replace("_", "-") == "cheapest-within" and 0 <= number < 1:
            return "cheapest-within", number
    raise InvalidValue("use `best` or `cheapest-within: X` with X from 0 to 1")


class Task(Noun):
    """A task file understood: paths resolved, labels read, answer rule parsed."""

    path: Path
    folder: Path
    file: TaskFile
    source: CaseSource
    answer: AnswerSpec
    lines: Mapping[Any, int]
    """Line of every key, by its place in the file."""

    def line(self, *place: str | int) -> int | None:
        """The line on which a key stands, or the nearest key above it."""
        for end in range(len(place), 0, -1):
            if place[:end] in self.lines:
                return self.lines[place[:end]]
        return None


def task_place(spec: Mapping[str, Any]) -> Path:
    """
    Where the task file of a stored comparison lies.

    Its `path` is as somebody typed it, for people; whoever works in another folder needs the whole of it. Comparisons
    of older versions have the first alone.
    """
    return Path(spec.get("at") or spec["path"] or "task.yaml")


def load_task(path: Path, *, candidates_to_come: bool = False) -> Task:
    """
    Read and check a task file.

    Args:
        path: The file, or the folder it is in.
        candidates_to_come: Whether it may name no candidate yet, for whoever is about to choose some.

    Raises:
        TaskError: what is wrong, with the line.
    """
    if path.is_dir():
        path = path / "task.yaml"
    raw, lines = read_yaml(path)
    if not isinstance(raw, dict):
        raise TaskError("a task file is a mapping of keys to values; `touchstone init` writes one", path=path, line=1)
    none_yet = candidates_to_come and raw.get("candidates") in (None, [])
    try:
        file = TaskFile.model_validate({**raw, "candidates": ["none/yet"]} if none_yet else raw)
    except ValidationError as error:
        raise _task_error(error, path, lines) from error
    if none_yet:
        file = file.model_copy(update={"candidates": ()})
    folder = path.parent
    answer = _answer(file.answer, path, folder, lines)
    source = _source(file, path, lines)
    return Task(path=path, folder=folder, file=file, source=source, answer=answer, lines=lines)


def with_cases(task: Task, cases: str) -> Task:
    """
    The task on other cases of the same columns.

    Raises:
        TaskError: they do not exist.
    """
    file = task.file.model_copy(update={"cases": cases})
    return task.model_copy(update={"file": file, "source": _source(file, task.path, task.lines)})


def _source(file: TaskFile, path: Path, lines: Mapping[Place, int]) -> CaseSource:
    folder = path.parent
    files = {"": file.cases} if isinstance(file.cases, str) else dict(file.cases)
    for split, name in files.items():
        if not (folder / name).exists():
            raise TaskError(
                "the cases {name} do not exist in {folder}; mend the path under `cases`",
                path=path,
                line=lines.get(("cases", split) if split else ("cases",)),
                name=name,
                folder=str(folder),
            )
    return CaseSource(
        files={split: folder / name for split, name in files.items()},
        columns=file.columns,
        encoding=file.encoding,
        format=file.format,
        shares=file.split.model_dump() if file.split is not None else {},
        allow_duplicates=file.allow_duplicates,
    )


def _answer(section: AnswerSection, path: Path, folder: Path, lines: Mapping[Place, int]) -> AnswerSpec:
    labels = section.labels
    if isinstance(labels, str):
        labels = _label_file(folder / labels, path, lines.get(("answer", "labels")))
    try:
        source, argument = parse_from(section.source)
    except SettingsError as error:
        raise TaskError.of(error, path=path, line=lines.get(("answer", "from"))) from error
    return AnswerSpec(
        kind=section.kind, labels=tuple(labels), source=source, argument=argument, citations=section.citations
    )


def _label_file(file: Path, path: Path, line: int | None) -> tuple[str, ...]:
    try:
        found = orjson.loads(file.read_bytes())
    except OSError as error:
        raise TaskError(
            "the labels {file} cannot be read: {reason}", path=path, line=line, file=str(file), reason=error.strerror
        ) from error
    except orjson.JSONDecodeError as error:
        raise TaskError(
            "{file} is not JSON: {reason}; write a list of labels", path=path, line=line, file=str(file), reason=error
        ) from error
    if isinstance(found, dict):
        found = list(found)
    if not isinstance(found, list) or not found or not all(isinstance(label, str) for label in found):
        raise TaskError("{file} must hold a list of labels as text", path=path, line=line, file=str(file))
    return tuple(found)


def _task_error(error: ValidationError, path: Path, lines: Mapping[Place, int]) -> TaskError:
    found = error.errors()
    # Of a value that may be one thing or another there is an error for each; the one that went deepest fits best.
    first = max((one for one in found if one["loc"][:1] == found[0]["loc"][:1]), key=lambda one: len(one["loc"]))
    place = tuple(str(part) if part is None else part for part in first["loc"] if not _is_type_name(part))
    line = next((lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in lines), None)
    key = ".".join(str(part) for part in place)
    if first["type"] == "extra_forbidden":
        known = _known_keys(place[:-1])
        close = get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        return TaskError(
            "there is no key {key!r}; closest: {close}",
            path=path,
            line=line,
            key=key,
            close=close[0] if close else ", ".join(known),
        )
    if first["type"] == "missing":
        return TaskError("the key {key!r} is missing; add it", path=path, line=line, key=key)
    value = first["input"]
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "…"
    return TaskError("{key} is {shown}: {reason}", path=path, line=line, key=key, shown=shown, reason=refusal(first))


def _is_type_name(part: str | int) -> bool:
    # pydantic puts the member of a union into the location: `cases.str`, `candidates.0.dict[str,any]`.
    return isinstance(part, str) and (
        part in ("str", "tuple[str, ...]", "[key]") or part.startswith(("dict[", "tuple["))
    )


def _known_keys(place: tuple[str | int, ...]) -> list[str]:
    noun: Any = TaskFile
    for part in place:
        field: FieldInfo | None = noun.model_fields.get(part) if hasattr(noun, "model_fields") else None
        noun = (
            next(
                (
                    kind
                    for kind in getattr(field.annotation, "__args__", (field.annotation,))
                    if hasattr(kind, "model_fields")
                ),
                None,
            )
            if field
            else None
        )
    if not hasattr(noun, "model_fields"):
        return list(SPLITS)
    return [field.alias or name for name, field in noun.model_fields.items()]
