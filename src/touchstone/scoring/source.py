"""Where in an output the answer stands: the step before a kind reads it."""

from __future__ import annotations

from collections import deque
from typing import Any

from touchstone.errors import SettingsError
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.citations import without_marks
from touchstone.scoring.json_text import field

SOURCES = ("auto", "whole", "last", "first_line", "after", "regex", "json")


class Narrowing:
    """
    The part of an output that the answer is read from.

    Reasoning in front of the answer is dropped first (`without_reasoning`). Then, by `spec.source`:

    - `auto`, `whole`, `last`: the whole text; what `auto` and `last` mean is the kind's own business.
    - `first_line`: the first line that is not blank.
    - `after`: what follows the last occurrence of the argument, up to the end of its line, or the next line that is not
      blank when the argument ends its line.
    - `regex`: group 1, or the whole match, of the last match of the argument (RE2 syntax, linear time).
    - `json`: the field named by the argument, with the fall-backs of `json_text.field`; without an argument, the text.

    Where the task reads citations, the part loses the marks at its end and at the ends of its sentences.
    """

    def __init__(self, spec: AnswerSpec) -> None:
        self.source = spec.source
        self.argument = spec.argument
        self.citations = spec.citations
        if spec.source not in SOURCES:
            raise SettingsError(
                "an answer cannot be read from {source!r}; use one of {known}",
                source=spec.source,
                known=", ".join(SOURCES),
            )
        if spec.source in ("after", "regex") and not spec.argument:
            raise SettingsError("`from: {source}` needs a text; write `from: {{{source}: …}}`", source=spec.source)
        self.pattern: Any = compile_pattern(spec.argument or "") if spec.source == "regex" else None
        self.step = f"json.{spec.argument}" if spec.source == "json" and spec.argument else spec.source

    def narrow(self, text: str) -> tuple[str | None, str]:
        """The part, or None where there is no such part, and the step that found it."""
        part, step = self._part(without_reasoning(text))
        return (without_marks(part) if self.citations and part is not None else part), step

    def _part(self, text: str) -> tuple[str | None, str]:
        if self.source == "json" and self.argument:
            found = field(text, self.argument)
            if found is None:
                return None, self.step
            return found[0], f"{self.step}, {found[1]}" if found[1] else self.step
        if self.source == "first_line":
            return next((line.strip() for line in text.splitlines() if line.strip()), None), self.step
        if self.source == "after":
            _, mark, rest = text.rpartition(self.argument or "")
            if not mark:
                return None, self.step
            return next((line.strip() for line in rest.splitlines() if line.strip()), None), self.step
        if self.source == "regex":
            last = next(iter(deque(self.pattern.finditer(encodable(text)), maxlen=1)), None)
            if last is None:
                return None, self.step
            return (last.group(1) if self.pattern.groups else last.group(0)), self.step
        return text, self.step


def without_reasoning(text: str) -> str:
    """
    The text without a leading `<think>…</think>` (or `<thinking>`) block.

    A closing tag alone also ends the reasoning, since some templates put the opening one into the prompt. A block that
    is opened and never closed leaves nothing: the output was cut before it came to an answer.
    """
    for tag in ("think", "thinking"):
        _, closing, rest = text.rpartition(f"</{tag}>")
        if closing:
            return rest
        if text.lstrip().startswith(f"<{tag}>"):
            return ""
    return text


def compile_pattern(pattern: str, *, ignore_case: bool = False) -> Any:
    """A compiled RE2 pattern, which takes time linear in any text; raises `SettingsError` when it is none."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    options.never_nl = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise SettingsError(
            "the pattern {pattern!r} is not a regular expression in RE2 syntax: {reason}; look-around and "
            "back-references are not in it",
            pattern=pattern,
            reason=_words(error),
        ) from None


def encodable(text: str) -> str:
    """RE2 works on UTF-8, which has no place for half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _words(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
