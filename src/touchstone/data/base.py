"""The user's cases: Case, where they come from, and what a reader of files promises."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from pydantic import Field

from touchstone.models.base import Message
from touchstone.noun import Noun

SPLITS = ("train", "dev", "test")
"""Train teaches baselines and strategies, dev chooses between variants, test is what a comparison measures."""

COLUMNS = ("id", "input", "target", "split", "group", "tags", "options", "messages", "image", "audio")
"""The column names a case is made of; a task file maps others onto them."""


class Case(Noun):
    """One input with the answer that would be right."""

    id: str
    input: str | None = None
    """Plain text input; None when the case is a conversation in `messages`."""
    messages: tuple[Message, ...] | None = None
    image: str | None = None
    """Path of an image file relative to the folder of the cases, or a `data:` or `https:` URL."""
    audio: str | None = None
    """Path of a recording relative to the folder of the cases, or a `data:` URL."""
    target: str | None = None
    """The right answer as text, exactly as in the file ("001" stays "001"); None when there is none."""
    options: tuple[str, ...] = ()
    """Of a choice question, in the order of their letters A, B, C, …"""
    split: Literal["train", "dev", "test"] = "test"
    group: str | None = None
    """Cluster of cases that are not independent (one customer, one document)."""
    tags: tuple[str, ...] = ()
    fields: Mapping[str, str] = Field(default_factory=dict)
    """Every other column, as text."""
    row: int | None = None
    """Data row in its file, counted from 1."""
    copy_number: int = 0
    """How many rows with this id stand before this one in its split, where that is allowed."""

    @property
    def text(self) -> str:
        """What is asked, as plain text: `input`, or the last user message."""
        if self.input is not None:
            return self.input
        for message in reversed(self.messages or ()):
            if message.role == "user":
                content = message.content
                if isinstance(content, str):
                    return content
                return "".join(part.text for part in content if part.type == "text")
        return ""


class CaseSource(Noun):
    """Where the cases of a task are and how their columns are named."""

    files: Mapping[str, Path]
    """
    Split name to file or folder, in order; the single key "" when one file holds all splits in a column (or only test
    cases).
    """
    columns: Mapping[str, str] = Field(default_factory=dict)
    """Name in `COLUMNS` to name in the file; names not mapped stand for themselves."""
    encoding: str | None = None
    """Declared text encoding; None means UTF-8, anything else in the file is refused."""
    format: str | None = None
    """Name of the reader plug-in; None means by the file's suffix."""
    shares: Mapping[str, float] = Field(default_factory=dict)
    """Shares of `train` and `dev` to draw where the files say nothing about splits; empty draws nothing."""
    allow_duplicates: bool = False
    """
    Whether rows with the same id are further draws of a case rather than a mistake. Each is asked as a draw of its own,
    and together they are one group, for they are no more evidence than one case asked again.
    """


class Problem(Noun):
    """Something about the cases that the user should know before anything is paid."""

    severity: Literal["error", "warning"]
    kind: str
    """Stable short name, such as `duplicate_id`, `empty_target`, `twin_across_splits`, `unknown_label`."""
    path: str
    rows: tuple[int, ...]
    """The first few rows concerned, counted from 1."""
    count: int
    """How many rows are concerned in all."""
    template: str
    """Sentence that names what is wrong and the next step; a message id for translation."""
    values: Mapping[str, Any] = Field(default_factory=dict)

    def text(self, translate: Any = str) -> str:
        """The sentence in the reader's language."""
        line: str = translate(self.template)
        return line.format(**self.values) if self.values else line


class CaseSummary(Noun):
    """What one streamed pass over the cases found."""

    counts: Mapping[str, int]
    """Cases per split."""
    labels: Mapping[str, int]
    """How often each target occurs over all splits; empty when there are more than 1,000 different ones."""
    tags: Mapping[str, int]
    groups: int
    """Number of different groups; 0 when no case has one."""
    digest: str
    """SHA-256 over all cases in order; part of the task's fingerprint."""
    described: str
    """How the files were understood (dialect, encoding, columns), one line for people."""
    described_in: Mapping[str, str] = Field(default_factory=dict)
    """The same line by the code of its language: what was found is kept, and read in others than it was found in."""
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that forbid a run."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    def said_in(self, language: str) -> Self:
        """The same with its line in a language; as it is where it was kept in one language alone."""
        return self.model_copy(update={"described": self.described_in.get(language, self.described)})


class Reader(Protocol):
    """
    Reads one kind of file row by row, never the whole of it.

    A reader yields (row number from 1, column name to raw value). Text cells stay text; numbers, lists and objects of
    typed formats stay what they are. A missing value is None.
    """

    name: str
    suffixes: tuple[str, ...]

    def rows(self, path: Path, *, encoding: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every data row in order. Raises `DataError` with path and row."""
        ...

    def describe(self, path: Path, *, encoding: str | None = None) -> str:
        """How the file is understood, one line."""
        ...
