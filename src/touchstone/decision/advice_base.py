"""Nouns of advice: what it needs to know beside a shortlist, and one sentence of it."""

from pydantic import Field

from touchstone.decision.base import Reason
from touchstone.noun import Noun

GUIDE = "docs/guide/shortlist.md"
"""Where every rule is explained."""
FEWEST_TO_LEARN = 20
"""Fewer labelled cases than this are examples to show, not data to learn from."""
ENOUGH_TO_TRAIN = 500
"""More labelled cases than this are worth training on."""


class Situation(Noun):
    """What advice needs to know beside the shortlist; None where nobody said."""

    train_cases: int | None = Field(default=None, ge=0)
    """Labelled cases to learn from, apart from the test."""
    test_cases: int | None = Field(default=None, ge=0)
    answer_kind: str = "text"
    """As in a task file: label, choice, number, text, json, free."""
    fixed_labels: bool = False
    """Whether the answers come from a closed list."""
    rests_on_documents: bool = False
    """Whether right answers stand in documents of the user's own, such as a handbook."""
    days: float | None = Field(default=None, ge=0)
    """Working days until it must run."""
    budget_usd: float | None = Field(default=None, ge=0)
    """For comparing and improving together."""
    gpu_usd_per_hour: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """What a server costs that can hold the model."""


class Advice(Noun):
    """One sentence of advice."""

    rule: str
    """Id of the rule, a heading of the guide."""
    reason: Reason
    """The sentence and the numbers behind it."""
    source: str
    """Where the numbers are from, or the rule where there are none."""
