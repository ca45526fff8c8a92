"""What the cases of a task say about the models they need: how long they are, in which language, with which media."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from pydantic import Field

from touchstone.data.base import Case
from touchstone.data.digests import canonical_bytes
from touchstone.noun import Noun
from touchstone.strategies.template import option_lines

if TYPE_CHECKING:
    from touchstone.workspace.taskfile import Task

BYTES_PER_TOKEN = 4
"""UTF-8 bytes of text that are taken for one token, as in the plan of a comparison."""
ANSWER_TOKENS = {"label": 8, "choice": 64, "number": 64}
"""Guess of the output by kind of answer, as in the plan of a comparison."""
OTHER_ANSWER_TOKENS = 256
"""Guess for every other kind."""

_MOST_LABELS = 1000
"""More different targets than this are no labels."""
_HAN_CASE = 0.3
"""A case with this share of Chinese characters among its letters, and no kana, is Chinese."""
_CHINESE_CASES = 0.05
"""From this share of Chinese cases on, the model must know Chinese."""
_LETTERS_LOOKED_AT = 2_000
_FRAME_BYTES = 80
"""The sentence that says how to answer, where there is one."""


class CasesLook(Noun):
    """One pass over the cases."""

    train: int = 0
    dev: int = 0
    test: int = 0
    mean_tokens: float = Field(default=0.0, ge=0)
    """Estimated input of a call over the test cases, the instruction included."""
    longest_tokens: int = 0
    """The longest of them."""
    chinese_share: float = 0.0
    """Of the test cases."""
    images: bool = False
    audio: bool = False
    labels: int = 0
    """Different targets; 0 when there are too many to be labels."""
    digest: str = ""
    """The same as of a comparison's cases; tells whether trials are of these. Empty where not asked for."""


def look_at_cases(task: Task, *, digest: bool = False) -> CasesLook:
    """
    Read all cases once; memory does not grow with their number.

    Args:
        digest: Whether stored trials will be looked for, which takes a digest of every case.

    Raises:
        DataError: a row cannot be read as a case.
    """
    from touchstone.data.cases import read_cases  # mostly the look was kept, and no case is read

    counts: Counter[str] = Counter()
    whole = hashlib.sha256()
    total = longest = chinese = 0
    images = audio = False
    targets: set[str] = set()
    for case in read_cases(task.source):
        counts[case.split] += 1
        if digest:
            whole.update(_bytes_of(case))
        if case.target is not None and len(targets) <= _MOST_LABELS:
            targets.add(case.target)
        if case.split != "test":
            continue
        text = asked_text_of(case)
        size = len(text.encode("utf-8", "backslashreplace"))
        total += size
        longest = max(longest, size)
        chinese += _is_chinese(text)
        shown, heard = _media(case)
        images, audio = images or shown, audio or heard
    labels = len(targets) if len(targets) <= _MOST_LABELS else 0
    frame = instruction_bytes(task, sorted(targets) if labels else ())
    tested = counts["test"]
    return CasesLook(
        train=counts["train"],
        dev=counts["dev"],
        test=tested,
        mean_tokens=(total / tested + frame) / BYTES_PER_TOKEN if tested else 0.0,
        longest_tokens=-(-(longest + frame) // BYTES_PER_TOKEN),
        chinese_share=chinese / tested if tested else 0.0,
        images=images,
        audio=audio,
        labels=labels,
        digest=whole.hexdigest() if digest else "",
    )


def answer_tokens(kind: str) -> int:
    """How long an answer of this kind is taken to be."""
    return ANSWER_TOKENS.get(kind, OTHER_ANSWER_TOKENS)


def instruction_bytes(task: Task, targets: tuple[str, ...] | list[str]) -> int:
    """About how long the text is that every call starts with: the instruction, and the labels where there are any."""
    found = len(task.file.instruction.encode("utf-8", "backslashreplace")) + _FRAME_BYTES
    if task.answer.kind == "label":
        found += sum(len(label.encode("utf-8", "backslashreplace")) + 3 for label in task.answer.labels or targets)
    return found


def asked_text_of(case: Case) -> str:
    """Everything of a case that is sent as text."""
    if case.messages is None:
        return case.text + (f"\n\n{option_lines(case.options)}" if case.options else "")
    texts = []
    for message in case.messages:
        if isinstance(message.content, str):
            texts.append(message.content)
        else:
            texts += [part.text for part in message.content if part.type == "text"]
    return "\n".join(texts)


def _bytes_of(case: Case) -> bytes:
    try:
        return canonical_bytes(case)
    except TypeError:
        return b""  # half a character; the check before a comparison says so, and no trial is of such a case


def _media(case: Case) -> tuple[bool, bool]:
    parts = [
        part.type for message in case.messages or () if not isinstance(message.content, str) for part in message.content
    ]
    return case.image is not None or "image" in parts, case.audio is not None or "audio" in parts


def _is_chinese(text: str) -> bool:
    if text.isascii():
        return False  # most are, and no letter has to be looked at
    letters = [letter for letter in text[:_LETTERS_LOOKED_AT] if letter.isalpha()]
    if not letters or any("\u3040" <= letter <= "\u30ff" for letter in letters):
        return False  # Japanese writes Chinese characters too
    # By comparison: a pattern of so many characters takes longer to compile than to be used.
    chinese = sum("\u3400" <= letter <= "\u9fff" or letter >= "\U00020000" for letter in letters)
    return chinese >= _HAN_CASE * len(letters)


def is_chinese(look: CasesLook) -> bool:
    """Whether enough of the cases are Chinese that a model must know it."""
    return look.chinese_share >= _CHINESE_CASES
