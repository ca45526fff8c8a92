"""Make the starter models: `starter_models.py FOLDER [SIZE ...]`; see `touchstone.training.starter.recipe`."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from pathlib import Path

from touchstone.training.loop import LoopSettings, Step
from touchstone.training.starter.recipe import CONVERSATIONS, SETTINGS, SIZES, make, prepare


def main() -> None:
    """Prepare the rows, then train the sizes side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sizes", nargs="*", default=list(SIZES))
    parser.add_argument("--conversations", type=int, default=CONVERSATIONS)
    parser.add_argument("--epochs", type=float, help="instead of the recipe's")
    asked = parser.parse_args()
    prepare(asked.folder, count=asked.conversations)
    started = [multiprocessing.Process(target=_make, args=(asked.folder, size, asked.epochs)) for size in asked.sizes]
    for process in started:
        process.start()
    for process in started:
        process.join()
    sys.exit(any(process.exitcode for process in started))


def _make(folder: Path, size: str, epochs: float | None) -> None:
    settings: LoopSettings = SETTINGS[size]
    if epochs is not None:
        settings = settings.model_copy(update={"epochs": epochs})

    def report(step: Step) -> None:
        sys.stdout.write(
            f"{size} {step.step}/{step.of} loss {step.loss:.4f} {step.tokens_per_s:,.0f} tokens/s, "
            f"{step.memory_mb or 0:,.0f} MB, {step.seconds_left:,.0f} s left\n"
        )
        sys.stdout.flush()

    made = make(folder, size, settings, report)
    sys.stdout.write(f"{size} is in {made}\n")


if __name__ == "__main__":
    main()
