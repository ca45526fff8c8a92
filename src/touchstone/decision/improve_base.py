"""Ways of improving, what decides whether one is worth trying, and what was decided."""

from typing import Literal

from pydantic import Field

from touchstone.decision.advice_base import Situation
from touchstone.decision.base import Reason
from touchstone.noun import Noun

Way = Literal[
    "prompt",
    "baseline",
    "few_shot",
    "prompt_search",
    "rag",
    "few_shot+rag",
    "fine_tune",
    "fine_tune+rag",
    "pretrain",
]
WAYS: tuple[Way, ...] = (
    "prompt", "baseline", "few_shot", "prompt_search", "rag", "few_shot+rag", "fine_tune", "fine_tune+rag", "pretrain",
)  # fmt: skip


class Circumstances(Noun):
    """What decides which ways are worth trying for one model."""

    situation: Situation
    dev_cases: int = Field(default=0, ge=0)
    looks_up_cases: bool = False
    """Whether passages are labelled cases and no documents."""
    facts_change_days: float | None = Field(default=None, gt=0)
    kind: Literal["starter", "weights", "service"]
    """One of the small models that ship, weights in a folder, or somebody's service."""
    service_tunes: bool = False
    """Whether the service fine-tunes through `/fine_tuning/jobs`, as the user says."""
    can_train: bool = False
    """Whether the extra `train` is installed."""
    stored_fine_tune: bool = False
    """Whether a fine-tuned model for this task lies ready."""
    search_usd: float | None = None
    """What a prompt search would cost; None where a price is missing, nothing is left to buy, or there is no budget."""
    asked: frozenset[Way] = frozenset()
    """Ways the user names; empty leaves it to the rules."""
    only: bool = False
    """Whether only the ways that the user names are tried."""


class Prospect(Noun):
    """One way, whether it is tried, and why."""

    way: Way
    tried: bool
    rule: str
    """Id of the rule, a heading of the guide."""
    reason: Reason
