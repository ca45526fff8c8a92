"""The cases that are asked, and the task file that asks them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.server import right_letter

SYSTEM = "Choose the right letter. End with one line: The answer is (X)."

_FILLER = "The parcel left the warehouse on a wet morning and was signed for at the side door by a man in a blue coat. "


def write_cases(path: Path, number: int, *, characters: int = 100) -> None:
    """`number` questions of so many characters each, with the letter that is right."""
    filler = _FILLER * (characters // len(_FILLER) + 1)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("id,input,target\n")
        for place in range(number):
            digits = f"{place:06d}"
            head = f"Item {digits}: which of A B C D is it? "
            file.write(f"q{digits},{(head + filler)[:characters]},{right_letter(digits.encode())}\n")


def write_task(folder: Path, base_url: str, models: Sequence[str], *, in_flight: int = 64) -> Path:
    """A task file beside `cases.csv`, with a price and a cap, so that every call is journalled and paid for."""
    candidates = "".join(
        f'  - {{model: openai-compatible, name: {model}, served_name: {model}, base_url: "{base_url}",\n'
        f'     max_tokens: 16, system: "{SYSTEM}", price: {{input_usd: 0.1, output_usd: 0.4}}}}\n'
        for model in models
    )
    path = folder / "task.yaml"
    path.write_text(
        "task: benchmark\n"
        "instruction: Choose the right letter.\n"
        "cases: cases.csv\n"
        "answer: {kind: choice}\n"
        f"candidates:\n{candidates}"
        f"limits: {{max_usd: 1000, concurrency: {in_flight}}}\n",
        encoding="utf-8",
    )
    return path
