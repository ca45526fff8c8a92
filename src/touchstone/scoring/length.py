"""Outputs of a wanted length."""

from __future__ import annotations

from typing import Literal

from touchstone.data.base import Case
from touchstone.errors import SettingsError
from touchstone.models.base import Completion
from touchstone.scoring.base import Reading, Score
from touchstone.scoring.normal import tokens
from touchstone.scoring.source import without_reasoning


class Length:
    """
    1 when the output is at least `minimum` and at most `maximum` long, else 0; an empty output is always 0.

    `words` counts words, and every Chinese, Japanese or Korean character as one; `characters` counts all characters but
    blanks. Reasoning blocks do not count.
    """

    name = "length"
    reads_answer = False
    needs_target = False

    def __init__(
        self,
        maximum: int | None = None,
        minimum: int = 1,
        unit: Literal["words", "characters"] = "words",
    ) -> None:
        if unit not in ("words", "characters"):
            raise SettingsError("length: unit is {unit!r}; use words or characters", unit=unit)
        if maximum is not None and maximum < minimum:
            raise SettingsError(
                "length: no text has at least {minimum} and at most {maximum} {unit}; mend one of them",
                minimum=minimum,
                maximum=maximum,
                unit=unit,
            )
        self.minimum = minimum
        self.maximum = maximum
        self.unit = unit

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """1 or 0, never None."""
        text = without_reasoning(completion.text)
        count = len(tokens(text)) if self.unit == "words" else len("".join(text.split()))
        fits = count >= max(self.minimum, 1) and (self.maximum is None or count <= self.maximum)
        return Score(scorer=self.name, value=float(fits), reason=f"{count} {self.unit}")
