"""Problems collected while cases stream by: the first few rows of each, and how many there are."""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Literal

from touchstone.data.base import Problem

ROWS_SHOWN = 10


class Findings:
    """Problems by kind, file and occasion, in the order in which they were found."""

    def __init__(self) -> None:
        self._found: dict[Hashable, _Finding] = {}

    def error(
        self, kind: str, path: Path, row: int | None, *, template: str, of: Hashable = None, **values: Any
    ) -> None:
        """A problem that forbids a run; see `warning`."""
        self._add("error", kind, path, row, template, of, values)

    def warning(
        self, kind: str, path: Path, row: int | None, *, template: str, of: Hashable = None, **values: Any
    ) -> None:
        """
        A problem worth knowing.

        Args:
            kind: Stable short name.
            path: File concerned.
            row: Row concerned; None when the file as a whole is meant.
            template: Sentence with the next step; `{rows}`, `{count}`, `{others}`, and of the first row `{first_row}`
                and `{other_row}` are known in it.
            of: What else tells this problem from others of its kind in the file.
            values: For the template, of the first row that is found; `others` of every row shown.
        """
        self._add("warning", kind, path, row, template, of, values)

    def how_many(self, kind: str, path: Path) -> int:
        """Different problems of a kind in a file."""
        return sum(finding.kind == kind and finding.path == path for finding in self._found.values())

    def first_rows(self, kind: str) -> dict[Path, int]:
        """First row of the problem of a kind in each file that has one."""
        return {found.path: found.shown[0][0] for found in self._found.values() if found.kind == kind and found.shown}

    def name(self, kind: str, path: Path, value: str) -> None:
        """Give the problem of a kind in a file the text of its first row, as `{value}`."""
        for found in self._found.values():
            if found.kind == kind and found.path == path:
                found.values = {**found.values, "value": value}

    def forget(self, kind: str) -> None:
        """Drop the problems of a kind, because another one says it better."""
        self._found = {key: finding for key, finding in self._found.items() if finding.kind != kind}

    def problems(self) -> tuple[Problem, ...]:
        """All of them, errors first."""
        found = [finding.problem() for finding in self._found.values()]
        # In an order that does not depend on how the cases were compared.
        return tuple(
            sorted(found, key=lambda problem: (problem.severity != "error", problem.kind, problem.path, problem.rows))
        )

    def _add(
        self,
        severity: Literal["error", "warning"],
        kind: str,
        path: Path,
        row: int | None,
        template: str,
        of: Hashable,
        values: dict[str, Any],
    ) -> None:
        key = (kind, path, of)
        finding = self._found.get(key)
        if finding is None:
            finding = self._found[key] = _Finding(severity, kind, path, template, values)
        finding.count += 1
        if row is not None:
            finding.show(row, str(values.get("others", "")))


class _Finding:
    def __init__(
        self, severity: Literal["error", "warning"], kind: str, path: Path, template: str, values: dict[str, Any]
    ) -> None:
        self.severity: Literal["error", "warning"] = severity
        self.kind = kind
        self.path = path
        self.template = template
        self.values = values
        self.shown: list[tuple[int, str]] = []
        self.count = 0

    def show(self, row: int, other: str) -> None:
        """Keep the row if it is among the first few; rows do not always come in order."""
        if len(self.shown) < ROWS_SHOWN or row < self.shown[-1][0]:
            insort(self.shown, (row, other))
            del self.shown[ROWS_SHOWN:]

    def problem(self) -> Problem:
        """The noun for it."""
        more = ", …" if self.count > len(self.shown) else ""
        values = {
            **self.values,
            "rows": ", ".join(str(row) for row, _other in self.shown) + more,
            "others": ", ".join(other for _row, other in self.shown) + more,
            "count": self.count,
            "first_row": self.shown[0][0] if self.shown else "",
            "other_row": self.shown[0][1] if self.shown else "",
        }
        return Problem(
            severity=self.severity,
            kind=self.kind,
            path=str(self.path),
            rows=tuple(row for row, _other in self.shown),
            count=self.count,
            template=self.template,
            values=values,
        )
