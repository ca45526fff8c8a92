"""A training small enough for a test: three intents in a few words, and one network of two thousand values a layer."""

from __future__ import annotations

import os
from pathlib import Path

from touchstone.training.base import Example, TrainingJob
from touchstone.training.networks import NetworkSizes
from touchstone.training.steps import LoopSettings

LABELS = ("delivery", "login", "refund")
SIZES = NetworkSizes(layers=1, width=32, heads=2, inner=64, context_tokens=64)
_WORDS = {"refund": "money back please", "delivery": "where is my parcel", "login": "I cannot sign in"}

EXAMPLES = tuple(
    Example(turns=(("user", f"{_WORDS[label]} {number}"), ("assistant", label)))
    for number in range(60)
    for label in LABELS
)
HELD_BACK = tuple(
    Example(turns=(("user", f"{_WORDS[label]} {number}"), ("assistant", label)))
    for number in range(60, 70)
    for label in LABELS
)

LOOP = LoopSettings(
    epochs=5, batch_tokens=256, learning_rate=5e-3, warmup=0.1, report_steps=4, checkpoint_steps=6, seed=1
)


def job(**changes: object) -> TrainingJob:
    """A job from nothing, unless it is told otherwise."""
    given = {"way": "pretrain", "sizes": SIZES, "vocabulary": 400, "longest": 64, "loop": LOOP, **changes}
    if given["way"] != "pretrain":
        given["sizes"] = None
    return TrainingJob.model_validate(given)


def processes_of(folder: Path) -> list[int]:
    """Ids of the processes that train in a folder."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                words = (place / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue  # it ended meanwhile
            if b"touchstone.training.child" in words and os.fsencode(folder) in words:
                found.append(int(place.name))
    return found
