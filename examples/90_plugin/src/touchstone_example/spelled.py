"""An answer reader: letters spelled one by one."""

import re

from touchstone.data.base import Case
from touchstone.scoring.base import AnswerSpec, Reading

_SPELLED = re.compile(r"\b[A-Z](?:-[A-Z])+\b")


class SpelledReader:
    """Reads `Y-E-S` as `YES`; the last spelled word counts, and without one there is no answer."""

    name = "spelled"

    def __init__(self, spec: AnswerSpec) -> None:
        self.spec = spec

    def read(self, text: str, case: Case) -> Reading:
        """The last spelled word of `text`."""
        found = _SPELLED.findall(text)
        if not found:
            return Reading(answer=None, how="nothing spelled")
        return Reading(answer=found[-1].replace("-", ""), how="spelled letters")
