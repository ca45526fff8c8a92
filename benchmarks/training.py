"""
Training: our loop beside a plain one, and what a fine-tune forgets. `python -m benchmarks.training` (extra `train`).

The plain loop is what one writes by hand: the same network, batches and optimiser, the library's own loss, nothing
reported, nothing kept. Both take turns in one process on one thread, and CPU seconds are compared, so that what else
the machine does matters little. The second part fine-tunes a starter model on three intents and measures, before and
after, how often it says the right answer to conversations about invented shops that it has never seen.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from touchstone.models.local.networks import load_network
from touchstone.models.local.words import read_words
from touchstone.models.starter.folder import SHIPPED
from touchstone.models.starter.tokens import Tokens
from touchstone.training.base import Example, TrainingJob
from touchstone.training.examples import rows_by
from touchstone.training.loop import train
from touchstone.training.networks import NetworkSizes, make_decoder
from touchstone.training.rows import Rows, batches, padded, rows_of
from touchstone.training.starter.recipe import held_back_scores
from touchstone.training.steps import LoopSettings

SIZES = NetworkSizes(layers=4, width=256, heads=8, inner=704, context_tokens=256)
VOCABULARY = 4_000
INTENTS = {"refund": "money back for order", "delivery": "where is the parcel of order", "login": "no login for"}
SYSTEM = "Name the intent.\nAnswer with one of: delivery, login, refund"


def plain_loop(model: Any, rows: Rows, settings: LoopSettings) -> None:
    """The loop that one would write by hand."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.95))
    model.train()
    for chosen in batches(rows, batch_tokens=settings.batch_tokens, seed=settings.seed, epoch=0):
        tokens, weights = padded(rows, chosen)
        labels = np.where(weights > 0, tokens, -100)
        loss = model(input_ids=torch.from_numpy(tokens), labels=torch.from_numpy(labels)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def speed(steps: int, turns: int) -> None:
    """Print tokens a CPU second of both loops, taking turns, and their ratio."""
    import torch

    torch.set_num_threads(1)
    chance = np.random.default_rng(1)
    settings = LoopSettings(batch_tokens=2_048, report_steps=10, checkpoint_steps=10**9)
    lengths = chance.integers(100, 250, steps * 2_048 // 175)
    rows = rows_of(
        ((chance.integers(4, VOCABULARY, length).tolist(), [True] * length) for length in lengths), longest=256
    )
    tokens = int(rows.lengths.sum())
    found: dict[str, list[float]] = {"plain": [], "ours": []}
    for turn in range(turns):
        for name in ("plain", "ours") if turn % 2 == 0 else ("ours", "plain"):
            torch.manual_seed(turn)
            model = make_decoder(SIZES, VOCABULARY)
            with tempfile.TemporaryDirectory() as folder:
                began = time.process_time()
                if name == "ours":
                    train(model, rows, settings, Path(folder))
                else:
                    plain_loop(model, rows, settings)
                found[name].append(tokens / (time.process_time() - began))
    ratios = [plain / ours for plain, ours in zip(found["plain"], found["ours"], strict=True)]
    print(f"\n{SIZES.layers} layers of {SIZES.width}, {VOCABULARY:,} tokens, 2,048 tokens a step, {turns} turns each\n")
    print("| loop | tokens per CPU second, median | lowest | highest |")
    print("| --- | ---: | ---: | ---: |")
    for name, values in found.items():
        print(f"| {name} | {statistics.median(values):,.0f} | {min(values):,.0f} | {max(values):,.0f} |")
    print(f"\nOurs takes {statistics.median(ratios):.3f} times the CPU of the plain loop (wanted: at most 1.10).")


def forgetting(size: str, count: int) -> None:
    """Print how often a starter model is right on unseen shops, before and after it learned three intents."""
    import shutil

    with tempfile.TemporaryDirectory() as place:
        base = Path(place) / "base"
        base.mkdir()
        for file in (SHIPPED / size / "config.json", SHIPPED / size / "model.safetensors", SHIPPED / "tokenizer.json"):
            shutil.copy(file, base / file.name)
        tokens, words = Tokens.read(base / "tokenizer.json"), read_words(base)
        print(f"\nstarter/{size}, {count:,} conversations about unseen shops; answers right word for word\n")
        print("| weights | kind of question | right | n |")
        print("| --- | --- | ---: | ---: |")
        _print_scores("as shipped", load_network(base), tokens, count)
        for way, rate in (("full", 1e-3), ("full", 3e-4), ("full", 1e-4), ("lora", 5e-3), ("lora", 5e-4)):
            job = TrainingJob.model_validate(
                {
                    "way": way,
                    "base": base,
                    "longest": 768,
                    "loop": {"epochs": 5, "batch_tokens": 256, "learning_rate": rate, "weight_decay": 0.0,
                             "read_weight": 0.0, "report_steps": 100, "checkpoint_steps": 10**9},
                }
            )  # fmt: skip
            from touchstone.training.make import make_network

            model = make_network(job, base)
            train(model, rows_by(_intents(0, 40), words, job, place=base).rows, job.loop, Path(place) / way)
            model = model.merge_and_unload() if way == "lora" else model
            right = _intents_right(model, words, _intents(100, 20))
            _print_scores(f"{way}, rate {rate:g} (intents {right:.0%} right)", model, tokens, count)


def _intents(first: int, count: int) -> list[Example]:
    return [
        Example(turns=(("system", SYSTEM), ("user", f"{text} {number}"), ("assistant", label)))
        for number in range(first, first + count)
        for label, text in INTENTS.items()
    ]


def _intents_right(model: Any, words: Any, examples: list[Example]) -> float:
    import torch

    model.eval()
    right = 0
    for example in examples:
        numbers, said = words.conversation(example.turns)
        with torch.no_grad():
            likeliest = model(input_ids=torch.tensor([numbers])).logits[0].argmax(-1).tolist()
        right += all(likeliest[at - 1] == numbers[at] for at in range(1, len(numbers)) if said[at])
    return right / len(examples)


def _print_scores(name: str, model: Any, tokens: Tokens, count: int) -> None:
    for kind, one in held_back_scores(model, tokens, count).items():
        print(f"| {name} | {kind} | {one['share']:.3f} | {one['n']:.0f} |", flush=True)


def main() -> None:
    """Both parts."""
    parser = argparse.ArgumentParser(description="Our training loop beside a plain one; what a fine-tune forgets.")
    parser.add_argument("--quick", action="store_true", help="small sizes: says that it works, not how fast it is")
    parser.add_argument("--size", default="l", choices=("s", "m", "l"))
    options = parser.parse_args()
    speed(*((6, 2) if options.quick else (20, 6)))
    forgetting(options.size, 40 if options.quick else 400)


if __name__ == "__main__":
    main()
