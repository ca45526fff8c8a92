"""From conversations to rows of tokens, by the vocabulary of the model that learns them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import ValidationError

from touchstone.errors import DataError
from touchstone.models.local.words import Words
from touchstone.training.base import Example, TrainingJob
from touchstone.training.rows import Rows, rows_of

EXAMPLES, HELD_BACK = "examples.jsonl", "held_back.jsonl"


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write conversations as JSON Lines; returns how many."""
    count = 0
    made = path.with_suffix(".new")
    with made.open("wb") as opened:
        for example in examples:
            opened.write(orjson.dumps(example.model_dump(mode="json"), option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    made.replace(path)
    return count


def read_examples(path: Path) -> Iterator[Example]:
    """
    Conversations of a file; none where there is no file.

    Raises:
        DataError: a line is none.
    """
    if path.exists():
        with path.open("rb") as opened:
            for row, line in enumerate(opened, start=1):
                try:
                    yield Example.model_validate_json(line)
                except ValidationError as error:
                    raise DataError("this is no conversation to learn from", path=path, row=row) from error


@dataclass(frozen=True)
class Prepared:
    """Rows of tokens, and what did not fit."""

    rows: Rows
    cut: int
    """Rows that were longer than the job allows."""
    unanswered: int = 0
    """Of a decoder, rows whose answer lost its end by that."""


def last_run(said: list[bool]) -> list[bool]:
    """The last turn of an assistant alone; between two of its turns there are always tokens that are not its own."""
    ends = next((at for at in range(len(said), 0, -1) if said[at - 1]), 0)
    begins = next((at for at in range(ends, 0, -1) if not said[at - 1]), 0)
    return [begins <= at < ends for at in range(len(said))]


def rows_by(examples: Iterable[Example], words: Words, job: TrainingJob, *, place: Path) -> Prepared:
    """
    Rows of tokens, in the form that the family learns from.

    Of a decoder a row is the whole conversation. Of the others it is what is read, then what is said: the answer's
    tokens, or the number of the label alone. A cut takes away the end of a conversation, and the end of what is read.
    Where it takes the end of answers it is counted, and `refuse_unanswered` says so.

    Raises:
        DataError: a conversation cannot be written with this vocabulary, or its label is not among the job's.
    """
    cut = unanswered = 0
    longest = job.longest
    numbers_of = {label: number for number, label in enumerate(job.labels)}

    def rendered() -> Iterator[tuple[list[int], list[bool]]]:
        nonlocal cut, unanswered
        for row, example in enumerate(examples, start=1):
            if job.family == "decoder-only":
                numbers, said = words.conversation(example.turns)
                said = last_run(said) if example.last_alone else said
                cut += len(numbers) > longest
                unanswered += any(said[longest:])
                yield numbers[:longest], said[:longest]
                continue
            if job.family == "encoder-only" and not job.labels:
                numbers = words.given(example.turns)
                cut += len(numbers) > longest
                yield numbers[:longest], [False] * min(len(numbers), longest)
                continue
            *before, (role, text) = example.turns
            if role != "assistant" or not before:
                raise DataError("a row to learn from ends with an answer, after what was asked", path=place, row=row)
            given = words.given(before)
            if job.labels and text not in numbers_of:
                raise DataError("{label!r} is none of the labels", path=place, row=row, label=text[:80])
            answer = [numbers_of[text]] if job.labels else words.answer(text)
            cut += len(given) > longest or len(answer) > longest
            given, answer = given[:longest], answer[:longest]
            yield [*given, *answer], [False] * len(given) + [True] * len(answer)

    rows = rows_of(rendered(), longest=2 * longest)
    return Prepared(rows, cut, unanswered)


def refuse_unanswered(found: Prepared, job: TrainingJob, place: Path) -> None:
    """
    Make sure that most rows still end with their answer; for bases whose vocabulary is not known earlier.

    Raises:
        DataError: most of them lost it, so that the training would teach next to nothing.
    """
    if 2 * found.unanswered > len(found.rows):
        raise DataError(
            "{cut:,} of {rows:,} rows are longer than {longest:,} tokens, so the answer at their end is cut off; "
            "shorten the system text or what is shown with a question, or raise row_tokens",
            path=place,
            cut=found.unanswered,
            rows=len(found.rows),
            longest=job.longest,
        )
