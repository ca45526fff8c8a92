"""Reads the letter of a choice."""

from __future__ import annotations

import re

from touchstone.data.base import Case
from touchstone.scoring.base import AnswerSpec, Reading
from touchstone.scoring.source import Narrowing

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_UNKNOWN_OPTIONS = 10
"""Letters A to J when the case does not say how many options it has; the largest common format."""

_OPEN = r"(?:\*{1,3}|\$|\\\(|\\boxed\{|\\text(?:bf)?\{|\\mathrm\{|[(\[{（【「“\"'`]|[ \t]){0,6}"
_CLOSE = r"(?:\*{1,3}|\$|\\\)|[)\]}）】」”\"'`]|[.。]|[ \t]){0,6}"
_ALONE = r"(?![A-Za-z0-9_’/])(?!'[a-z])"
_BRACKETS = frozenset("([{（【「")

_SAID = re.compile(
    rf"[Aa](?:nswer|NSWER)[*]{{0,3}}[ \t](?i:is)[*]{{0,3}}[ \t]?:?"
    rf"(?P<open>{_OPEN})(?:(?P<letter>[A-Z]){_ALONE}(?P<pronoun>[ \t]+[a-z])?|(?P<false>F)alse\b)"
)
_SEVERAL = re.compile(rf"[)\]*]{{0,3}}(?:,|,?[ \t](?:and|or|&)[ \t])[ \t]?[(\[*]{{0,3}}[A-Z]{_ALONE}")
_LINE = re.compile(
    rf"^[ \t>#*_-]{{0,8}}(?:(?:the|my)[ \t])?(?:final|correct|best)?[ \t]?answer"
    rf"[*_]{{0,3}}[ \t]?[:：][*_]{{0,3}}{_OPEN}"
    rf"(?-i:(?P<letter>[A-Z])){_CLOSE}$",
    re.IGNORECASE | re.MULTILINE,
)
_HAN = re.compile(
    rf"(?:答案(?:选项)?(?:[】\]*]{{0,3}}[:：]|是|为|应?选|[】\]])(?:选项|选)?"
    rf"|(?<![不别能可勿])(?:故|应|应该|因此|所以|我)选择?[:：]?)"
    rf"[*]{{0,3}}{_OPEN}(?P<letter>[A-Z]){_ALONE}(?![、，,和与及][ \t]?[A-Z]{_ALONE})"
)
_HAN_LINE = re.compile(rf"^[ \t*]{{0,8}}选择?[:：]?{_OPEN}(?P<letter>[A-Z]){_CLOSE}$", re.MULTILINE)
_START = re.compile(
    r"[*_`\"“]{0,3}(?:[(\[（【](?P<bracketed>[A-Z])[)\]）】]"
    r"|(?P<letter>[A-Z])(?P<mark>[*_`]{0,3}[.)）:：、。][*_`]{0,3}|[*_`\"”]{0,3}(?=\s*$|\s*\n)))"
    r"(?P<rest>.?)",
    re.DOTALL,
)
_BOXED = re.compile(r"\\boxed\{[ \t]*(?:\\(?:text|textbf|mathrm|mathbf)\{)?[ \t]*\(?([A-Z])\)?[ \t]*\}")
_STANDING = re.compile(rf"(?<![A-Za-z0-9_'’\\])([A-Z]){_ALONE}")
_FOUND_NOTHING = Reading(answer=None, how="nothing found")


class ChoiceReader:
    r"""
    Reads the letter of a choice: `A`, `B`, … up to the case's number of options, or to `J` when it has none.

    `auto` takes the first step that applies, and the first match of that step:
    1. `answer is (X)`, X an upper-case letter that stands alone; brackets, bold, `\boxed{}` and `\text{}` optional, a
       colon allowed. "The answer is I think" names nobody. When the letter is none of the case's options, nothing is
       read at all: what follows belongs to another question. Of several letters ("(A) and (B)") the first counts, and
       the reading says so.
    2. A line that says only `Answer: X` (also `Final answer: X`), or 答案：X, 答案是 X, 正确答案为 X, 故选 X.
    3. A reply that is only the letter, or begins with it and a mark: `B`, `(B) text`, `B. text`, `**B**`, `B：…`; not
       when the text goes through further options the same way.
    4. A last `\boxed{X}`.
    Nothing else: a capital letter in running text is not an answer, and no letter is ever guessed.

    One word is read as a letter: `answer is False` as F, where the case has an option F. MMLU-Pro's own rule does so
    (it asks for no word boundary at all), and this keeps scores comparable with the recorded ones.

    `last` takes the last upper-case letter that stands alone, for those who want it. Any other place is read by step 3
    first (a lone letter in lower case counts there), then by steps 1, 2 and 4.
    """

    name = "choice"

    def __init__(self, spec: AnswerSpec) -> None:
        self.spec = spec
        self._narrowing = Narrowing(spec)

    def read(self, text: str, case: Case) -> Reading:
        """The letter that `text` chooses."""
        part, where = self._narrowing.narrow(text)
        if part is None:
            return _FOUND_NOTHING
        letters = _LETTERS[: len(case.options) or _UNKNOWN_OPTIONS]
        if self.spec.source == "last":
            standing = [letter for letter in _STANDING.findall(part) if letter in letters]
            return Reading(answer=standing[-1], how="last letter") if standing else _FOUND_NOTHING
        lone = part.strip().strip("()[]{}.*`\"'（）【】。 ") if len(part) < 40 else ""
        if len(lone) == 1 and lone.upper() in letters:
            return Reading(answer=lone.upper(), how="the letter alone" if where == "auto" else where)
        steps = (_said, _line, _start, _boxed) if where in ("auto", "whole") else (_start, _said, _line, _boxed)
        for step in steps:
            found = step(part, letters)
            if found is not None:
                letter, how = found
                if letter not in letters:
                    return Reading(answer=None, how=f"{how}: {letter} is not among the options")
                return Reading(answer=letter, how=how if where == "auto" else f"{where}, {how}")
        return _FOUND_NOTHING


def _said(text: str, letters: str) -> tuple[str, str] | None:
    for found in _SAID.finditer(text):
        letter = found["letter"]
        if letter is None:
            if "F" in letters:
                return "F", "answer is False, read as F"
        elif (letter == "I" and found["pronoun"]) or (
            letter > "J" and letter not in letters and not _BRACKETS & {*found["open"]}
        ):
            continue  # "the answer is I think …", "the answer is T = 5"
        else:
            several = _SEVERAL.match(text, found.end("letter")) is not None
            return letter, "answer is (X), first of several" if several else "answer is (X)"
    return None


def _line(text: str, letters: str) -> tuple[str, str] | None:  # noqa: ARG001 - all steps are asked alike
    if found := _LINE.search(text):
        return found["letter"], "Answer: X"
    if text.isascii():
        return None
    for pattern in (_HAN, _HAN_LINE):
        said = {found["letter"] for found in pattern.finditer(text)}
        if len(said) == 1:
            return said.pop(), "答案 X"
    return None


def _start(text: str, letters: str) -> tuple[str, str] | None:
    text = text.lstrip()
    found = _START.match(text)
    if found is None:
        return None
    letter, mark = found["bracketed"] or found["letter"], (found["mark"] or "").strip('*_`"”')
    if mark in (".", ":", ")") and not (found["rest"].isspace() or found["rest"] == "" or not found["rest"].isascii()):
        return None  # "A.M. Turing", "C:\temp"
    if letter not in letters:
        return None
    if _goes_through_options(text, found.end(), letter, letters, mark if found["bracketed"] is None else "("):
        return None
    return letter, "begins with the letter"


def _goes_through_options(text: str, start: int, letter: str, letters: str, mark: str) -> bool:
    """Whether another option is set apart like the first: then the text weighs options rather than naming one."""
    if not mark:
        return False
    others = letters.replace(letter, "")
    shape = (
        rf"[(\[（【][{others}][)\]）】]" if mark == "(" else rf"(?<![A-Za-z0-9_(])[{others}]{re.escape(mark)}(?=[\s*])"
    )
    return bool(others) and re.compile(shape).search(text, start) is not None


def _boxed(text: str, letters: str) -> tuple[str, str] | None:  # noqa: ARG001 - all steps are asked alike
    if "\\boxed" not in text:
        return None
    found = _BOXED.findall(text)
    return (found[-1], "boxed") if found else None
