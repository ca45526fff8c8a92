"""Reading an answer out of a text, and scoring it: nouns and Protocols."""

from typing import Literal, Protocol, runtime_checkable

from pydantic import Field

from touchstone.data.base import Case
from touchstone.models.base import Completion
from touchstone.noun import Noun

AnswerKind = Literal["label", "choice", "number", "text", "json", "free"]


class AnswerSpec(Noun):
    """What kind of answer is expected and where in the output it stands."""

    kind: str = "text"
    """An `AnswerKind`, or the name of an answer-reader plug-in."""
    labels: tuple[str, ...] = ()
    """The closed list for `label`; empty means: the targets seen in the cases."""
    source: str = "auto"
    """`whole`, `last`, `first_line`, `after`, `regex`, `json.FIELD` or `auto`; the task file calls it `from`."""
    argument: str | None = None
    """The text of `after`, the pattern of `regex`, the dotted FIELD of `json`."""
    citations: bool = Field(default=False, exclude_if=lambda wanted: not wanted)
    """
    Whether marks such as `[1]` at the end of the answer or of its sentences name passages and are no part of it. It is
    written only where it is set, so that what was measured without it is found again.
    """


class Reading(Noun):
    """What was read out of one output."""

    answer: str | None
    """The answer as canonical text; None means unparsed."""
    how: str
    """Which step found it, shown per cell: `answer is (X)`, `json.answer, quoted field`, `nothing found`."""
    cited: str | None = Field(default=None, repr=False)
    """The answer with its marks of citation, where the task reads them; None where it does not."""


@runtime_checkable
class AnswerReader(Protocol):
    """Reads the answer out of an output; pure, and never invents one."""

    name: str

    def read(self, text: str, case: Case) -> Reading:
        """What `text` answers to `case`. The target is never looked at."""
        ...


class Score(Noun):
    """One scorer's verdict on one answer."""

    scorer: str
    value: float | None = Field(ge=0, le=1, allow_inf_nan=False)
    """From 0 to 1; None when this scorer cannot say (unparsed answer, judge without verdict)."""
    reason: str = ""
    """Why, in a few words, for the reader of a report."""
    cost_usd: float | None = None
    """What the verdict itself cost (a judge); None when nothing or unknown."""
    failed: bool = False
    """True when the scorer itself broke down (judge unparsed), which is nobody's wrong answer."""
    orders_agree: bool | None = None
    """Of a pairwise judge, whether it said the same in both orders; None elsewhere."""


@runtime_checkable
class Scorer(Protocol):
    """
    Scores one answer. All but judges are pure: the same input gives the same score, for free.

    `reading` is what the task's answer reader found. When `reading.answer` is None the engine records the cell as
    `unparsed` and does not ask a scorer whose `reads_answer` is True.
    """

    name: str
    reads_answer: bool
    """True when it scores `reading.answer`; False when it looks at the whole completion (length, refusal, judge)."""
    needs_target: bool

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """A value in [0, 1], or None with the reason."""
        ...
