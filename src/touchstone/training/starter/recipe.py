"""
How the starter models are made: a vocabulary, conversations about invented shops, and three sizes of one network.

`make starter-models` runs this. It takes minutes on an accelerator and many hours on two processor cores.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from touchstone.models.starter.tokens import ASSISTANT, END, SYSTEM, USER, Tokens, render
from touchstone.training.loop import LoopSettings, Report, train
from touchstone.training.networks import NetworkSizes, make_decoder
from touchstone.training.rows import Rows, joined, padded, rows_of
from touchstone.training.starter.conversations import conversations
from touchstone.training.tokenizer import train_tokenizer

SIZES: Mapping[str, NetworkSizes] = {
    "s": NetworkSizes(layers=2, width=96, heads=4, inner=256, context_tokens=768),
    "m": NetworkSizes(layers=3, width=160, heads=5, inner=432, context_tokens=768),
    "l": NetworkSizes(layers=4, width=240, heads=6, inner=640, context_tokens=768),
}
"""Three sizes; together they stay under 12 MB at 16 bits."""

VOCABULARY = 2_048
CONVERSATIONS = 630_000
"""Each about a shop of its own."""
_VOCABULARY_CONVERSATIONS = 16_000
_PART = 1_000
_SEED = 20_261_127
"""Seeds below it are those of tests and of what is held back."""
HELD_BACK_SEED = 7
"""Of conversations that no starter model has seen."""

SETTINGS: Mapping[str, LoopSettings] = {
    # Trained on two processor cores, so on a part of the conversations and in smaller steps.
    "s": LoopSettings(epochs=0.09, batch_tokens=16_384, learning_rate=4e-3, read_weight=0.3, report_steps=100),
    "m": LoopSettings(epochs=1.0, batch_tokens=65_536, learning_rate=3e-3, read_weight=0.3, report_steps=100),
    "l": LoopSettings(epochs=1.0, batch_tokens=65_536, learning_rate=2e-3, read_weight=0.3, report_steps=100),
}


def prepare(folder: Path, *, count: int = CONVERSATIONS, processes: int | None = None) -> None:
    """Write `tokenizer.json` and the training rows into a folder; what is there already is kept."""
    with ProcessPoolExecutor(processes) as pool:
        if not (folder / "tokenizer.json").exists():
            parts = _parts(_SEED - _VOCABULARY_CONVERSATIONS, min(count, _VOCABULARY_CONVERSATIONS))
            texts = (text for part in pool.map(_texts, parts) for text in part)
            train_tokenizer(texts, folder / "tokenizer.json", size=VOCABULARY)
        if not (folder / "rows" / "starts.npy").exists():
            joined(pool.map(_part, [(folder, *part) for part in _parts(_SEED, count)])).write(folder / "rows")


def _parts(seed: int, count: int) -> list[tuple[int, int]]:
    """(seed, conversations) of each part, so that how many processes there are changes nothing."""
    return [(seed + first, min(_PART, count - first)) for first in range(0, count, _PART)]


def _texts(part: tuple[int, int]) -> list[str]:
    return [text for turns in conversations(*part) for _, text in turns]


def _part(part: tuple[Path, int, int]) -> Rows:
    folder, seed, count = part
    longest = max(sizes.context_tokens for sizes in SIZES.values())
    return rows_of(quick_rendered(folder / "tokenizer.json", conversations(seed, count)), longest=longest)


def quick_rendered(
    tokenizer: Path, talks: Iterable[Sequence[tuple[str, str]]]
) -> Iterator[tuple[list[int], list[bool]]]:
    """
    What `render` gives for each conversation, with the library in place of our reader: about ten times as quick.

    Text that spells a special token would become one here, which the generator never writes.
    """
    from tokenizers import Tokenizer

    library = Tokenizer.from_file(str(tokenizer))
    roles = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}
    special = {name: number for name in (END, *roles.values()) if (number := library.token_to_id(name)) is not None}
    for turns in talks:
        numbers: list[int] = []
        said: list[bool] = []
        for role, text in turns:
            own = [*library.encode(text, add_special_tokens=False).ids, special[END]]
            numbers += [special[roles[role]], *own]
            said += [False, *([role == "assistant"] * len(own))]
        yield numbers, said


def make(folder: Path, size: str, settings: LoopSettings | None = None, report: Report = lambda _step: None) -> Path:
    """
    Train one size and write its folder: config, weights at 16 bits, tokenizer, and how it went.

    Returns:
        The folder of the model.
    """
    import torch
    from safetensors.torch import save_file

    settings = settings or SETTINGS[size]
    tokens = Tokens.read(folder / "tokenizer.json")
    torch.manual_seed(settings.seed)
    model = make_decoder(SIZES[size], tokens.size)
    told = train(model, Rows.read(folder / "rows"), settings, folder / f"training-{size}", report)
    made = folder / size
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    model.config.save_pretrained(made)
    weights = {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in model.state_dict().items()
        if name != "lm_head.weight"  # the same numbers as the embeddings
    }
    save_file(weights, made / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(folder / "tokenizer.json", made / "tokenizer.json")
    held = held_back_scores(model, tokens)
    said = {
        "settings": settings.model_dump(mode="json"),
        "held_back": held,
        "steps": [one.model_dump() for one in told],
    }
    (made / "training.json").write_text(json.dumps(said, indent=1), encoding="utf-8")
    return made


def held_back(count: int) -> Iterator[tuple[str, list[tuple[str, str]], str]]:
    """(kind of question, turns before the last answer, the answer) of conversations whose names nobody learned from."""
    for turns in conversations(HELD_BACK_SEED, count, held_back=True):
        *before, (_, answer) = turns
        yield _kind(before, answer), before, answer


def _kind(before: list[tuple[str, str]], answer: str) -> str:
    if answer.endswith("]"):
        return "read"
    if "do not know" in answer:
        return "not there"
    return "shown" if answer in [text for role, text in before if role == "assistant"] else "guessed"


def held_back_scores(model: Any, tokens: Tokens, count: int = 2_000) -> dict[str, dict[str, float]]:
    """
    By kind of question, the share of answers that the model would write word for word, and how many there are.

    An answer is written word for word exactly when each of its tokens is the likeliest after those before it, so that
    one pass tells what greedy writing would give.
    """
    import torch

    device = next(model.parameters()).device
    model.eval()
    counts: dict[str, list[bool]] = {}
    for kind, before, answer in held_back(count):
        numbers, _ = render(tokens, before, open_ended=True)
        own = [*tokens.encode(answer), 0]
        rows = rows_of([(numbers + own, [False] * (len(numbers) + len(own)))], longest=768)
        if len(rows.tokens) < len(numbers) + len(own):
            continue
        asked, _ = padded(rows, rows.starts[:1])
        with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            likeliest = model(input_ids=torch.from_numpy(asked).to(device)).logits[0].argmax(-1).tolist()
        counts.setdefault(kind, []).append(likeliest[len(numbers) - 1 : -1] == own)
    return {kind: {"share": sum(found) / len(found), "n": len(found)} for kind, found in sorted(counts.items())}
