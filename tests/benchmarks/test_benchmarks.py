"""The benchmarks run: server, reference and table, at sizes that say nothing about speed."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from benchmarks.asking import ask, ask_bare, calls_made, prepare
from benchmarks.measure import Figure, Spread, serving
from benchmarks.server import right_letter
from benchmarks.table import row


def _completion(base_url: str, model: str, number: str) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": f"Item {number}: which?"}]}
    request = Request(f"{base_url}/chat/completions", json.dumps(body).encode())
    with urlopen(request) as reply:
        answer: str = json.load(reply)["choices"][0]["message"]["content"]
    return answer


def test_a_model_is_right_as_often_as_its_name_says() -> None:
    """Answers follow from question and model alone; `share-75-x` is right in about 75 of 100, and requests count."""
    numbers = [f"{number:06d}" for number in range(200)]
    with serving() as served:
        first = [_completion(served.base_url, "share-75-x", number) for number in numbers]
        again = [_completion(served.base_url, "share-75-x", number) for number in numbers]
        always = [_completion(served.base_url, "share-100-x", number) for number in numbers]
        count = served.count()

    truth = [f"The answer is ({right_letter(number.encode())})." for number in numbers]
    assert first == again
    assert always == truth
    assert 0.6 < sum(said == right for said, right in zip(first, truth, strict=True)) / len(numbers) < 0.9
    assert count == 3 * len(numbers)


def test_both_ask_every_case_once(tmp_path: Path) -> None:
    """The bare loop and `touchstone compare` send a request per case, and score the answers alike."""
    with serving() as served:
        place = prepare(tmp_path, served, 5)
        bare = ask_bare(place, served)
        assert served.count() == 5
        ours = ask(place, "w")
        assert served.count() == calls_made(ours) + 5 == 10

    assert ours.result["candidates"][0]["estimate"]["mean"] == int(bare.out) / 5
    assert bare.cpu_s > 0
    assert bare.peak_mb > 5


@pytest.mark.parametrize(
    ("most", "most_ratio", "met"), [(None, None, ""), (3, None, "yes"), (2.5, 9, "**no**"), (3, 1.4, "**no**")]
)
def test_a_target_holds_for_the_median(most: float | None, most_ratio: float | None, met: str) -> None:
    """A line says median, range, ratio and whether every target is met."""
    figure = Figure("f", "s", Spread((9.0, 3.0, 1.0)), Spread((2.0,)), most=most, most_ratio=most_ratio)

    line = row(figure)
    assert line.startswith("| f | s | 3.00 (1.00 to 9.00) | 2.00 | 1.50 |")
    assert line.split(" | ")[6].strip() == met
