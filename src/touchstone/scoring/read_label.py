"""Reads one label of a closed list."""

from __future__ import annotations

import re
from collections import deque
from functools import cached_property

from touchstone.data.base import Case
from touchstone.scoring.base import AnswerSpec, Reading
from touchstone.scoring.json_text import field
from touchstone.scoring.normal import label_key
from touchstone.scoring.source import Narrowing

_FIELDS = ("label", "intent", "category", "class", "answer")
_SAID = re.compile(
    r"(?:\b(?:label|intent|category|class|answer)|标签|分类|类别|意图|答案)"
    r"[*_`\"】]{0,3}[ \t]?(?:[:：]|\bis\b|是|为)[*_]{0,3}[ \t]*(\S[^\n]*)",
    re.IGNORECASE,
)


class LabelReader:
    """
    Reads one label of the list in `spec.labels` and gives it as the list spells it.

    Labels are compared without case, quotes, punctuation at the ends, and with `_`, `-` and blanks alike. `auto` takes
    the first step that gives a label:
    1. the whole text is a label,
    2. the JSON field `label`, `intent`, `category`, `class` or `answer` is a label,
    3. what follows the last `label:`, `intent:`, `category:`, `answer:`, 标签：, 分类：, 类别：, 意图： or 答案：
       begins with one,
    4. exactly one label of the list occurs in the text as whole words. The longest match counts first, so `card` inside
       `card_arrival` does not; two different labels are no answer.

    `last` takes the label that occurs last. Other places are read by steps 1 and 4. Without a list the answer is the
    first line that is not blank, without quotes and marks at its ends.
    """

    name = "label"

    def __init__(self, spec: AnswerSpec) -> None:
        self.spec = spec
        self._narrowing = Narrowing(spec)

    @cached_property
    def _labels(self) -> dict[str, str]:
        return {label_key(label): label for label in reversed(self.spec.labels)}

    @cached_property
    def _anywhere(self) -> re.Pattern[str]:
        """Any label; longer ones first, so that the longest one wins where two begin alike."""
        shapes = []
        for key in sorted(self._labels, key=len, reverse=True):
            shape = r"[\s_-]{1,3}".join(re.escape(word) for word in key.split(" "))
            head, tail = _edge(key[:1]), _edge(key[-1:])
            shapes.append((r"(?<![\w-])" if head else "") + shape + (r"(?![\w-])" if tail else ""))
        return re.compile("|".join(shape for shape in shapes if shape) or r"(?!)")

    def read(self, text: str, case: Case) -> Reading:
        """The label that `text` names."""
        part, where = self._narrowing.narrow(text)
        if part is None:
            return Reading(answer=None, how="nothing found")
        if not self.spec.labels:
            line = next((line.strip(" \t\"'`*“”.。") for line in part.splitlines() if line.strip()), "")
            return Reading(answer=line, how="first line") if line else Reading(answer=None, how="nothing found")
        found, how = self._auto(part) if where == "auto" else self._part(part, where)
        return Reading(answer=found, how=how) if found is not None else Reading(answer=None, how=how)

    def _part(self, text: str, where: str) -> tuple[str | None, str]:
        if self.spec.source != "last" and (found := self._labels.get(label_key(text))) is not None:
            return found, where
        named = self._named(text)
        if self.spec.source == "last":
            return (named[-1], "last label") if named else (None, "nothing found")
        return self._single(named, where)

    def _auto(self, text: str) -> tuple[str | None, str]:
        if (found := self._labels.get(label_key(text))) is not None:
            return found, "whole"
        for name in _FIELDS if '"' in text and "{" in text else ():
            value = field(text, name)
            if value is not None and (found := self._labels.get(label_key(value[0]))) is not None:
                return found, f"json.{name}"
        said = next(iter(deque(_SAID.finditer(text), maxlen=1)), None)
        if said is not None and (found := self._opening(said.group(1))) is not None:
            return found, "after " + said.group(0)[: said.start(1) - said.start()].strip()
        return self._single(self._named(text), "only label in the text")

    def _opening(self, text: str) -> str | None:
        """The label that `text` is or begins with."""
        if (found := self._labels.get(label_key(text))) is not None:
            return found
        match = self._anywhere.match(text.casefold().lstrip(" \t\"'`*“”[("))
        return self._labels[label_key(match.group())] if match else None

    def _named(self, text: str) -> list[str]:
        return [self._labels[label_key(found.group())] for found in self._anywhere.finditer(text.casefold())]

    @staticmethod
    def _single(named: list[str], how: str) -> tuple[str | None, str]:
        if len(set(named)) == 1:
            return named[0], how
        return None, "several labels" if named else "nothing found"


def _edge(sign: str) -> bool:
    """Whether a label's end needs a word boundary: Chinese writes none."""
    return sign.isalnum() and not "\u2e80" <= sign <= "\uffef"
