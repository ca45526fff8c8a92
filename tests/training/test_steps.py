"""Where a training stands, for whoever watches: reports in order, thinned, said once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from touchstone.training.steps import DRAWN, Step, TrainingLog, thinned


def step(number: int, of: int = 10_000) -> Step:
    return Step(step=number, of=of, loss=1 / number, learning_rate=0.1, tokens_per_s=100, seconds_left=5)


def test_a_log_tells_every_report_so_far_with_the_last_as_where_it_stands() -> None:
    """Under the name of what is trained."""
    log = TrainingLog("mine")
    log.add(step(10))
    found = log.add(step(20))
    assert (found.name, found.last.step, [one.step for one in found.steps]) == ("mine", 20, [10, 20])


def test_a_training_that_goes_on_says_its_reports_again_and_none_is_told_twice() -> None:
    """The child of a resumed training reports from the beginning."""
    log = TrainingLog("mine")
    for number in (10, 20, 30, 10, 20):
        found = log.add(step(number))
    assert [one.step for one in found.steps] == [10, 20]


@given(st.integers(1, 3_000), st.integers(2, 300))
def test_thinning_keeps_the_ends_the_order_and_the_limit(count: int, most: int) -> None:
    """Whatever the length."""
    found = thinned([step(number) for number in range(1, count + 1)], most)
    numbers = [one.step for one in found]
    assert len(found) == min(count, most)
    assert (numbers[0], numbers[-1]) == (1, count)
    assert numbers == sorted(set(numbers))


def test_a_long_training_is_told_in_few_points() -> None:
    """A page draws no more."""
    log = TrainingLog("mine")
    for number in range(1, 1_000):
        found = log.add(step(number))
    assert len(found.steps) == DRAWN
