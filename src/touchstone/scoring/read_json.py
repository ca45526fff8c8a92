"""Reads a JSON value."""

from __future__ import annotations

from touchstone.data.base import Case
from touchstone.scoring.base import AnswerSpec, Reading
from touchstone.scoring.json_text import canonical, first_value
from touchstone.scoring.source import Narrowing


class JsonReader:
    """
    Reads one JSON value and gives it in canonical form: keys sorted, no blanks.

    The first object or array that parses is the answer, whatever fences and words stand around it; a text that is
    nothing but a JSON number, string, true, false or null counts too. With `json.FIELD` it is that member; a text
    under it that is no JSON is given as a JSON string. Broken JSON is never repaired.
    """

    name = "json"

    def __init__(self, spec: AnswerSpec) -> None:
        self.spec = spec
        self._narrowing = Narrowing(spec)

    def read(self, text: str, case: Case) -> Reading:
        """The JSON value in `text`."""
        part, step = self._narrowing.narrow(text)
        if part is None:
            return Reading(answer=None, how="nothing found")
        how = "json" if step == "auto" else step
        try:
            return Reading(answer=canonical(first_value(part)), how=how)
        except ValueError:
            if self.spec.source == "json" and self.spec.argument:
                return Reading(answer=canonical(part), how=how)
            return Reading(answer=None, how="nothing found")
