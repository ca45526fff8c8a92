"""Whether the target of a case is one that its kind of answer can have."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from touchstone.data.base import Case
from touchstone.data.findings import Findings
from touchstone.data.values import LETTERS

_MOST_UNKNOWN_LABELS = 20
_UNKNOWN_OPTIONS = 10
"""Letters, A to J, where a case does not say how many options it has; as the reader of choices has it."""
_NUMBER = re.compile(
    r"""\s*[+\-−]?\s*[^\w\s.,+\-−/:]{0,3}\s*                        # sign, currency sign
        (?:\d{1,3}(?:[.,'’\s_]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?|\.\d+)  # digits, perhaps in groups
        (?:e[+-]?\d+)?                           # exponent
        (?:\s*/\s*[\d,.]*\d)?                    # the lower part of a fraction
        \s*[^\d.,;]{0,12}""",  # percent sign, unit, currency
    re.VERBOSE | re.IGNORECASE,
)


class TargetCheck:
    """Looks at one target after the other; what it finds goes to `findings`."""

    def __init__(self, kind: str, labels: Sequence[str], findings: Findings) -> None:
        self.kind = kind
        self.findings = findings
        self.labels = tuple(labels)
        self.known = frozenset(labels)
        self.folded = {" ".join(label.casefold().split()): label for label in labels}

    def look(self, path: Path, case: Case) -> None:
        """Find out what is wrong with the target of a case that has one."""
        assert case.target is not None
        if self.known and self.kind != "choice":
            if case.target not in self.known:
                self._unknown_label(path, case.row, case.target)
        elif self.kind == "choice":
            self._choice(path, case, case.target)
        elif self.kind == "number":
            if not is_number(case.target):
                self.findings.error(
                    "target_not_number",
                    path,
                    case.row,
                    template="targets that are no number: {count} (rows {rows}; the first is {value!r}); "
                    "write numbers such as 42, -1.5 or 3/4",
                    value=_short(case.target),
                )
        elif self.kind == "json" and not _is_json(case.target):
            self.findings.error(
                "target_not_json",
                path,
                case.row,
                template="targets that are no JSON: {count} (rows {rows}; the first is {value!r}); "
                "write JSON, or use another answer kind",
                value=_short(case.target),
            )

    def _unknown_label(self, path: Path, row: int | None, target: str) -> None:
        same = self.folded.get(" ".join(target.casefold().split()))
        if self.findings.how_many("unknown_label", path) >= _MOST_UNKNOWN_LABELS:
            self.findings.error(
                "unknown_labels",
                path,
                row,
                template="further targets that are not in the list of labels: {count} (rows {rows}); "
                "mend them or the list",
            )
        elif same is not None:
            self.findings.error(
                "label_spelling",
                path,
                row,
                template="the target {value!r} is the label {label!r} but for capitals or spaces (rows {rows}); "
                "write it as in the list of labels",
                of=target,
                value=_short(target),
                label=same,
            )
        else:
            close = get_close_matches(target[:200], self.labels, n=1, cutoff=0.0)
            self.findings.error(
                "unknown_label",
                path,
                row,
                template="the target {value!r} is not in the list of labels (rows {rows}); closest: {label!r}; "
                "mend it or the list",
                of=target,
                value=_short(target),
                label=close[0] if close else self.labels[0],
            )

    def _choice(self, path: Path, case: Case, target: str) -> None:
        letters = LETTERS[: len(case.options) or _UNKNOWN_OPTIONS]
        if not case.options:
            self.findings.warning(
                "no_options",
                path,
                case.row,
                template="questions without options of their own: {count} (rows {rows}); letters up to {last} are "
                "understood, and candidates see only the options that stand in the input",
                last=letters[-1],
            )
        if len(case.options) == 1:
            self.findings.error(
                "too_few_options",
                path,
                case.row,
                template="questions with fewer than two options: {count} (rows {rows}); "
                "give a list, or text separated by ` | `",
            )
        elif (len(target) == 1 and target in letters) or target in case.options:
            # The text of an option stands for its letter, in the scorer too.
            return
        elif target.strip().isdecimal():
            self.findings.error(
                "choice_as_number",
                path,
                case.row,
                template="targets that are numbers rather than letters: {count} (rows {rows}; the first is {value!r}); "
                "write A for the first option, B for the second",
                value=_short(target),
            )
        else:
            self.findings.error(
                "no_such_option",
                path,
                case.row,
                template="targets that are no letter of an option: {count} (rows {rows}; the first is {value!r}, "
                "the options go to {last}); "
                "write a letter from A to {last}",
                value=_short(target),
                last=letters[-1],
            )


def is_number(text: str) -> bool:
    """Whether a text is one number: with sign, groups of thousands, percent, currency or as a fraction."""
    return _NUMBER.fullmatch(text) is not None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
