"""The leak check on public cases that are known to overlap; skipped where they are not at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from touchstone.data.base import Case
from touchstone.training.leaks import find_leaks


@pytest.fixture
def banking77(shared_data: Path) -> Path:
    place = shared_data / "classify-banking77"
    if not place.is_dir():
        pytest.skip("BANKING77 is not at hand")
    return place


def cases(file: Path) -> Iterator[Case]:
    for row, line in enumerate(file.read_bytes().splitlines(), start=1):
        found = orjson.loads(line)
        yield Case(id=found["id"], input=found["text"], target=found["label"], row=row)


def test_leaks_of_real_cases_are_found_and_gone_once_their_rows_are(banking77: Path) -> None:
    """BANKING77 holds 6 test texts in train as they are, 19 in other dress and 34 that share 13 words in a row."""
    train, test = list(cases(banking77 / "train.jsonl")), list(cases(banking77 / "test.jsonl"))
    leaks = find_leaks(train, test)

    assert Counter(leak.kind for leak in leaks) == {"same": 6, "near": 19, "piece": 34}
    leaking = {leak.train_id for leak in leaks}
    assert find_leaks((case for case in train if case.id not in leaking), test) == ()
