"""How the starter models are made: the quick reading of tokens is the same as ours, on any number of processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from touchstone.models.starter.tokens import Tokens, render
from touchstone.training.rows import Rows
from touchstone.training.starter import recipe
from touchstone.training.starter.conversations import conversations

pytest.importorskip("tokenizers")


def test_quick_tokens_are_ours(tmp_path: Path) -> None:
    """Number by number, and which of them the assistant says."""
    recipe.prepare(tmp_path, count=60, processes=1)
    talks = [*conversations(9, 40), [("user", "Zoë's  50 % \n\n- Ärmel, 東京?"), ("assistant", "no")]]
    tokens = Tokens.read(tmp_path / "tokenizer.json")
    assert list(recipe.quick_rendered(tmp_path / "tokenizer.json", talks)) == [render(tokens, talk) for talk in talks]


def test_how_many_processes_there_are_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same vocabulary and the same rows."""
    monkeypatch.setattr(recipe, "_PART", 20)
    for processes in (1, 2):
        recipe.prepare(tmp_path / str(processes), count=50, processes=processes)
    one, two = (tmp_path / name for name in "12")
    assert (one / "tokenizer.json").read_bytes() == (two / "tokenizer.json").read_bytes()
    first, second = Rows.read(one / "rows"), Rows.read(two / "rows")
    assert len(first) == 50
    assert np.array_equal(first.tokens, second.tokens)
    assert np.array_equal(first.said, second.said)


def test_held_back_conversations_are_of_every_kind() -> None:
    """Read, not there, shown before, and guessed."""
    assert {kind for kind, _, _ in recipe.held_back(300)} == {"read", "not there", "shown", "guessed"}
