"""Answers that take long: worked out once, kept, and worked out beside the requests."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from touchstone.errors import SettingsError
from touchstone.web.looks import Looks


class Work:
    """Work that waits until it may end, and counts how often it was begun."""

    def __init__(self, answer: str = "found") -> None:
        self.answer = answer
        self.begun = 0
        self.may_end = threading.Event()

    def __call__(self) -> str:
        self.begun += 1
        assert self.may_end.wait(10)
        return self.answer


def there(look: Callable[[], str | None]) -> str:
    """The answer, once it is there."""
    for _moment in range(1_000):
        found = look()
        if found is not None:
            return found
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_what_many_ask_for_at_once_is_worked_out_once() -> None:
    """The first one works, the others wait for it, and who comes later finds it."""
    looks, work = Looks[str](), Work()
    with ThreadPoolExecutor(4) as readers:
        asked = [readers.submit(looks.at_once, "same", work) for _reader in range(4)]
        work.may_end.set()
        assert [one.result() for one in asked] == ["found"] * 4
    assert looks.at_once("same", work) == "found"
    assert looks.at_once("other", lambda: "else") == "else"
    assert work.begun == 1


def test_beside_the_requests_nobody_waits() -> None:
    """Who asks has None at once, as often as it is asked, until the answer is there."""
    looks, work = Looks[str](), Work()
    assert looks.beside("same", work) is None
    assert looks.beside("same", work) is None
    work.may_end.set()
    assert there(lambda: looks.beside("same", work)) == "found"
    assert looks.beside("same", work) == "found"
    assert work.begun == 1


def test_one_piece_of_work_after_the_other() -> None:
    """However many are asked for, one is at work, and each has its turn."""
    looks, works = Looks[str](), [Work(str(number)) for number in range(3)]
    for number, work in enumerate(works):
        assert looks.beside(number, work) is None
    time.sleep(0.05)
    assert [work.begun for work in works] == [1, 0, 0]
    for number, work in enumerate(works):
        work.may_end.set()
        assert there(lambda number=number, work=work: looks.beside(number, work)) == str(number)  # type: ignore[misc]
    assert [work.begun for work in works] == [1, 1, 1]


def test_a_failure_is_told_once_and_not_kept() -> None:
    """Whoever asks again begins anew, here and beside."""
    looks = Looks[str]()

    def fails() -> str:
        raise SettingsError("no")

    with pytest.raises(SettingsError):
        looks.at_once("here", fails)
    assert looks.at_once("here", lambda: "well") == "well"
    assert looks.beside("beside", fails) is None
    with pytest.raises(SettingsError):
        there(lambda: looks.beside("beside", fails))
    assert there(lambda: looks.beside("beside", lambda: "well")) == "well"


def test_so_many_answers_are_kept_and_no_more() -> None:
    """The one that nobody has asked for the longest goes first."""
    looks = Looks[int](most_kept=2)
    for number in (1, 2):
        assert looks.at_once(number, lambda number=number: number) == number  # type: ignore[misc]
    assert looks.at_once(1, lambda: -1) == 1
    assert looks.at_once(3, lambda: 3) == 3
    assert looks.at_once(1, lambda: -1) == 1
    assert looks.at_once(2, lambda: -2) == -2


def test_of_too_many_that_wait_the_oldest_is_let_go() -> None:
    """Nobody can fill the memory with questions; whoever still wants the answer asks again."""
    looks, first, works = Looks[str](most_waiting=2), Work(), [Work(str(number)) for number in range(3)]
    looks.beside("first", first)
    time.sleep(0.05)
    for number, work in enumerate(works):
        assert looks.beside(number, work) is None
    for work in (first, *works):
        work.may_end.set()
    assert there(lambda: looks.beside(2, works[2])) == "2"
    assert [work.begun for work in works] == [0, 1, 1]
    assert there(lambda: looks.beside(0, works[0])) == "0"


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    """A reader who has changed the question since does not hold up the next one."""
    looks, first, gone, wanted = Looks[str](forgotten_s=0.2), Work(), Work(), Work("wanted")
    looks.beside("first", first)
    time.sleep(0.05)
    looks.beside("gone", gone)
    looks.beside("wanted", wanted)
    time.sleep(0.3)
    looks.beside("wanted", wanted)
    for work in (first, gone, wanted):
        work.may_end.set()
    assert there(lambda: looks.beside("wanted", wanted)) == "wanted"
    assert gone.begun == 0


def test_the_garbage_collector_is_left_as_it_was() -> None:
    """Full passes wait only while there is work."""
    looks, work, before = Looks[str](), Work(), gc.get_threshold()
    looks.beside("same", work)
    time.sleep(0.05)
    assert gc.get_threshold()[2] > before[2]
    work.may_end.set()
    there(lambda: looks.beside("same", work))
    for _moment in range(100):
        if gc.get_threshold() == before:
            break
        time.sleep(0.01)
    assert gc.get_threshold() == before
