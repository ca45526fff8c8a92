"""What the families learn from a batch: one loss each, for the one loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from touchstone.training.rows import Rows, padded

Chosen = NDArray[np.int64]
"""(rows of a batch,): their places."""


class Objective(Protocol):
    """
    What a network learns from rows.

    `loss` draws what it draws by chance from (seed, step) alone, so that a training that goes on after a kill learns
    what it would have learned.
    """

    def loss(self, model: Any, rows: Rows, chosen: Chosen, *, device: str, read_weight: float, draw: list[int]) -> Any:
        """Mean nats of what counts in a batch, a scalar tensor."""
        ...

    def counted(self, rows: Rows, chosen: Chosen) -> int:
        """How many tokens or labels of a batch are answers."""
        ...


@dataclass(frozen=True)
class NextToken:
    """A decoder: each token after those before it; what is only read counts `read_weight`."""

    def loss(self, model: Any, rows: Rows, chosen: Chosen, *, device: str, read_weight: float, draw: list[int]) -> Any:
        """As `Objective` has it."""
        import torch

        tokens, weights = (torch.from_numpy(array).to(device, non_blocking=True) for array in padded(rows, chosen))
        # Padding stands at the end and attention looks back only, so that no mask is needed.
        scores = model(input_ids=tokens).logits
        each = torch.nn.functional.cross_entropy(
            scores[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none"
        )
        counted = weights[:, 1:].flatten()
        weight = torch.where(counted == 2, 1.0, torch.where(counted == 1, read_weight, 0.0))
        return (each * weight).sum() / weight.sum().clamp(min=1e-6)

    def counted(self, rows: Rows, chosen: Chosen) -> int:
        """As `Objective` has it."""
        return sum(int(rows.row(int(row))[1][1:].sum()) for row in chosen)


@dataclass(frozen=True)
class LabelOf:
    """An encoder with a head: the label, which is the row's one said number, of the tokens before it."""

    def loss(self, model: Any, rows: Rows, chosen: Chosen, *, device: str, read_weight: float, draw: list[int]) -> Any:
        """As `Objective` has it."""
        import torch

        read, answers = _apart(rows, chosen)
        tokens, mask = _given(torch, read, device)
        labels = torch.tensor([int(one[0]) for one in answers], device=device)
        scores = model(input_ids=tokens, attention_mask=mask).logits
        return torch.nn.functional.cross_entropy(scores.float(), labels)

    def counted(self, rows: Rows, chosen: Chosen) -> int:
        """As `Objective` has it."""
        return len(chosen)


@dataclass(frozen=True)
class HiddenWords:
    """
    An encoder without labels: words that were hidden from it.

    15 % of the tokens are asked for; of these 80 % are replaced by the mask, 10 % by any token and 10 % stay (Devlin et
    al. 2018, arXiv:1810.04805, section 3.1).
    """

    mask_token: int
    vocabulary: int
    share: float = 0.15

    def loss(self, model: Any, rows: Rows, chosen: Chosen, *, device: str, read_weight: float, draw: list[int]) -> Any:
        """As `Objective` has it."""
        import torch

        true, weights = padded(rows, chosen)
        chance = np.random.default_rng(draw)
        asked = (chance.random(true.shape) < self.share) & (weights > 0)
        how = chance.random(true.shape)
        shown = np.where(asked & (how < 0.8), self.mask_token, true)
        shown = np.where(asked & (how >= 0.9), chance.integers(0, self.vocabulary, true.shape), shown)
        mask = np.arange(true.shape[1]) < rows.lengths[chosen][:, None]
        given, looked_at, wanted, counts = (torch.from_numpy(array).to(device) for array in (shown, mask, true, asked))
        scores = model(input_ids=given, attention_mask=looked_at.long()).logits
        each = torch.nn.functional.cross_entropy(scores.flatten(0, 1).float(), wanted.flatten(), reduction="none")
        weight = counts.flatten().float()
        return (each * weight).sum() / weight.sum().clamp(min=1e-6)

    def counted(self, rows: Rows, chosen: Chosen) -> int:
        """As `Objective` has it."""
        return int(rows.lengths[chosen].sum())


@dataclass(frozen=True)
class AnswerTo:
    """An encoder-decoder: what is said, after what is read; `start` is the token before the first one said."""

    start: int

    def loss(self, model: Any, rows: Rows, chosen: Chosen, *, device: str, read_weight: float, draw: list[int]) -> Any:
        """As `Objective` has it."""
        import torch

        read, answers = _apart(rows, chosen)
        tokens, mask = _given(torch, read, device)
        wanted, written = _given(torch, answers, device)
        begun = torch.cat([torch.full_like(wanted[:, :1], self.start), wanted[:, :-1]], dim=1)
        scores = model(input_ids=tokens, attention_mask=mask, decoder_input_ids=begun).logits
        each = torch.nn.functional.cross_entropy(scores.flatten(0, 1).float(), wanted.flatten(), reduction="none")
        weight = written.flatten().float()
        return (each * weight).sum() / weight.sum().clamp(min=1e-6)

    def counted(self, rows: Rows, chosen: Chosen) -> int:
        """As `Objective` has it."""
        return sum(int(rows.row(int(row))[1].sum()) for row in chosen)


def _apart(rows: Rows, chosen: Chosen) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """(what is read, what is said) of each row of a batch."""
    both = [rows.row(int(row)) for row in chosen]
    return [own[~said] for own, said in both], [own[said] for own, said in both]


def _given(torch: Any, lists: list[NDArray[Any]], device: str) -> tuple[Any, Any]:
    """(tokens, 1 where there is one and 0 for padding), both (rows, longest) int64."""
    longest = max(1, *(len(own) for own in lists))
    tokens = np.zeros((len(lists), longest), np.int64)
    mask = np.zeros((len(lists), longest), np.int64)
    for place, own in enumerate(lists):
        tokens[place, : len(own)] = own
        mask[place, : len(own)] = 1
    return torch.from_numpy(tokens).to(device), torch.from_numpy(mask).to(device)
