"""How a training goes, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from touchstone.noun import Noun


class LoopSettings(Noun):
    """How a training goes."""

    epochs: float = Field(default=1.0, gt=0)
    """How often every row is seen; a part of one stops early."""
    batch_tokens: int = Field(default=8_192, ge=16)
    """Tokens of a step, padding included."""
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    """The highest; it rises over the warm-up and falls along a cosine to a tenth."""
    warmup: float = Field(default=0.02, ge=0, lt=1)
    """Share of the steps in which the rate rises."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Of matrices; norms have none."""
    clip: float = Field(default=1.0, gt=0)
    """Longest gradient."""
    read_weight: float = Field(default=1.0, ge=0, le=1)
    """How much a token that is only read counts beside one that is said."""
    seed: int = 0
    checkpoint_steps: int = Field(default=500, ge=1)
    report_steps: int = Field(default=50, ge=1)


class Step(Noun):
    """Where a training stands."""

    step: int
    of: int
    loss: float
    """Mean of the steps since the last report: nats per token, weighted."""
    learning_rate: float
    tokens_per_s: float
    memory_mb: float | None = None
    """Most memory in use so far; of the accelerator where there is one."""
    seconds_left: float
    elapsed_s: float | None = None
    """Seconds of the loop until here, all sessions together where it was interrupted; None in older records."""


DRAWN = 240
"""Reports that a curve on a page is drawn of; more would lie on one pixel."""


class TrainingProgress(Noun):
    """How far a training is, for whoever watches it from another process."""

    name: str
    """What is trained: the candidate, or the name of the model to be."""
    steps: tuple[Step, ...]
    """Reports so far, thinned to `DRAWN`; the last is where it stands."""

    @property
    def last(self) -> Step:
        """Where it stands."""
        return self.steps[-1]


class TrainingLog:
    """
    Gathers the reports of a training.

    Args:
        name: What is trained.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._steps: list[Step] = []

    def add(self, step: Step) -> TrainingProgress:
        """What is known with one more report; a training that began again says its reports again."""
        while self._steps and self._steps[-1].step >= step.step:
            self._steps.pop()
        self._steps.append(step)
        return TrainingProgress(name=self._name, steps=tuple(thinned(self._steps, DRAWN)))


def thinned(steps: Sequence[Step], most: int) -> Sequence[Step]:
    """At most so many reports, at least 2 of them: the first and the last, the others at even distances."""
    if len(steps) <= most:
        return steps
    return [steps[round(place * (len(steps) - 1) / (most - 1))] for place in range(most)]
