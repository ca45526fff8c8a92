"""Draw train and dev cases out of a file that says nothing about splits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

from touchstone.data.base import Case


def drawn_split(case: Case, shares: Mapping[str, float]) -> Literal["train", "dev", "test"]:
    """
    The split of a case by the digest of its group, or of what it asks where it has no group.

    A case keeps its split when others are added; cases of one group, and twins but for case and spaces, stay together,
    so what is learned from train never stands in test.

    Args:
        shares: `train` and `dev` to their share of the cases, from 0 to 1; the rest is test.
    """
    key = f"group {case.group}" if case.group is not None else f"text {' '.join(case.text.casefold().split())}"
    digest = hashlib.sha256(key.encode("utf-8", "backslashreplace")).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    train = shares.get("train", 0.0)
    if place < train:
        return "train"
    return "dev" if place < train + shares.get("dev", 0.0) else "test"
