"""A scorer that needs no target."""

from touchstone.data.base import Case
from touchstone.models.base import Completion
from touchstone.scoring.base import Reading, Score


class WithinWords:
    """1 when the answer has at most `limit` words, else 0. Needs no target."""

    name = "within_words"
    reads_answer = False
    needs_target = False

    def __init__(self, limit: int = 100) -> None:
        self.limit = limit

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """1 or 0, with the number of words."""
        words = len(completion.text.split())
        return Score(scorer=self.name, value=float(words <= self.limit), reason=f"{words} words")
