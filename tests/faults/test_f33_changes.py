"""F33: a task that changes between the stop of a run and the command that would go on with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.bill import requests
from tests.faults.conftest import Measure, Write
from tests.faults.provider import in_thread
from tests.faults.store import Store

from touchstone.errors import SettingsError

CASES = 12
QUESTION = "say:" + "word_" * 36
"""Its answer has 45 tokens of the 50 that are held, so that the cap stops the run in the middle."""
CHANGES = {
    "prompt": ("task: faults", "task: faults\ninstruction: Answer in one word."),
    "model": ("served_name: m", "served_name: m-2"),
    "limit": ("max_tokens: 50", "max_tokens: 60"),
    "answer": ("answer: {kind: text}", "answer: {kind: free}\nscorers: [exact]"),
    "grader": ("answer: {kind: text}", "answer: {kind: text}\nscorers: [contains]"),
}


def _stopped(write_task: Write, compare: Measure, url: str) -> Path:
    """A run that its cap stopped somewhere in the middle."""
    path = write_task(url, [f"{QUESTION} {n}" for n in range(CASES)], task="limits: {concurrency: 1}\n")
    found = compare(max_usd=0.0012)
    outcomes = found["candidates"][0]["outcomes"]
    assert 0 < outcomes["scored"] < CASES
    assert outcomes["skipped_budget"] == CASES - outcomes["scored"]
    return path


@pytest.mark.parametrize("change", CHANGES)
def test_f33_a_changed_task_does_not_go_on_with_an_unfinished_run(
    change: str, bill: Path, write_task: Write, compare: Measure
) -> None:
    """Prompt, model, settings, answer rule and scorers: refused before anybody is asked, with the way out."""
    with in_thread(bill) as provider:
        path = _stopped(write_task, compare, provider.base_url)
        asked = requests(bill)
        path.write_text(path.read_text().replace(*CHANGES[change]))
        with pytest.raises(SettingsError, match="--new") as refused:
            compare()
        assert refused.value.exit_code == 2
        assert requests(bill) == asked


def test_f33_changed_cases_are_a_new_run_that_buys_only_what_is_new(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """One question of twelve was mended: refused as it is, and with `new` the identical ones are taken over."""
    with in_thread(bill) as provider:
        path = _stopped(write_task, compare, provider.base_url)
        asked = requests(bill)
        cases = path.with_name("cases.csv")
        cases.write_text(cases.read_text().replace(f'{QUESTION} 0"', f'{QUESTION} zero"'))
        with pytest.raises(SettingsError, match="cases"):
            compare()
        found = compare(new=True)
    assert found["candidates"][0]["outcomes"]["scored"] == CASES
    texts = [attempt["request"] for attempt in Store.of(tmp_path).attempts()]
    assert len(texts) == len(set(texts)) == requests(bill)
    assert requests(bill) <= CASES + 1
    assert found["calls"]["from_cache"] >= asked - 1


def test_f33_the_unchanged_task_goes_on(bill: Path, write_task: Write, compare: Measure) -> None:
    """A higher cap, another goal or a further candidate changes nothing of what was measured."""
    with in_thread(bill) as provider:
        path = _stopped(write_task, compare, provider.base_url)
        text = path.read_text()
        path.write_text(text + "goal: {cheapest-within: 0.02}\n")
        found = compare()
        assert found["candidates"][0]["outcomes"]["scored"] == CASES
        assert requests(bill) == CASES
        path.write_text(text.replace("limits:", "  - {model: fake/other, reply: 'no'}\nlimits:"))
        compare()
        assert requests(bill) == CASES


def test_f33_a_finished_run_may_be_changed_freely(bill: Path, write_task: Write, compare: Measure) -> None:
    """Nothing is left open, so a changed task is simply another comparison."""
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, ["say:yes"])
        first = compare()
        path.write_text(path.read_text().replace(*CHANGES["prompt"]))
        second = compare()
    assert first["comparison_id"] != second["comparison_id"]
    assert requests(bill) == 2
