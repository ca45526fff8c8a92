"""
Answers that take long to work out: kept for whoever asks the same, and worked out beside the requests where they must.

A page that needs seconds would hold one of the few workers, and a reader who sees nothing asks again. So one thread
works out what was asked for, one after the other, while pages say that it is being looked at; what is worked out stays
for a while. What it is of is in the key: a changed catalog is another key, and nothing has to be thrown away.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

MOST_KEPT = 64
"""Answers that are kept, of all projects; whoever asks for one keeps it longer."""
MOST_WAITING = 16
"""Answers that wait to be worked out; of more, the one is let go that was asked for longest ago."""
FORGOTTEN_S = 15.0
"""What nobody has asked for again in so long is not begun: the reader has changed the question or gone."""


@dataclass
class _Look(Generic[Answer]):
    """One answer, there or on its way."""

    make: Callable[[], Answer]
    future: Future[Answer] = field(default_factory=Future)
    asked_at: float = 0.0


class Looks(Generic[Answer]):
    """
    Answers by key, each worked out once however many ask for it.

    Args:
        most_kept: See `MOST_KEPT`.
        most_waiting: See `MOST_WAITING`.
        forgotten_s: See `FORGOTTEN_S`.
    """

    def __init__(
        self, *, most_kept: int = MOST_KEPT, most_waiting: int = MOST_WAITING, forgotten_s: float = FORGOTTEN_S
    ) -> None:
        self._most_kept, self._most_waiting, self._forgotten_s = most_kept, most_waiting, forgotten_s
        self._looks: dict[Hashable, _Look[Answer]] = {}
        """The one that was asked for last stands last."""
        self._waiting: list[Hashable] = []
        self._works = False
        self._guard = threading.Lock()

    def at_once(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        """The kept answer, or what `make` gives, worked out here; who asks meanwhile waits for it."""
        with self._guard:
            look, is_new = self._asked_for(key, make)
        if is_new:
            self._work_out(key, look)
        return look.future.result()

    def beside(self, key: Hashable, make: Callable[[], Answer]) -> Answer | None:
        """
        The kept answer; None while it is worked out by the thread beside the requests, which is asked to now.

        Whatever `make` raises is raised here, once: whoever asks again begins anew.
        """
        with self._guard:
            look, is_new = self._asked_for(key, make)
            if is_new:
                self._waiting.append(key)
                if len(self._waiting) > self._most_waiting:
                    longest_ago = min(self._waiting, key=lambda one: self._looks[one].asked_at)
                    self._waiting.remove(longest_ago)
                    del self._looks[longest_ago]
                if not self._works:
                    self._works = True
                    # A thread that ends with the process: nobody waits for an answer of a site that is gone.
                    threading.Thread(target=self._go_on, name="looks", daemon=True).start()
            if look.future.done():
                if look.future.exception() is not None:
                    del self._looks[key]
                return look.future.result()
        return None

    def _asked_for(self, key: Hashable, make: Callable[[], Answer]) -> tuple[_Look[Answer], bool]:
        found = self._looks.pop(key, None)
        look = _Look(make) if found is None else found
        look.asked_at = time.monotonic()
        self._looks[key] = look
        done = [one for one, other in self._looks.items() if other.future.done()]
        for old in done[: max(0, len(self._looks) - self._most_kept)]:
            if old != key:
                del self._looks[old]
        return look, found is None

    def _go_on(self) -> None:
        """Work out one after the other until nothing waits."""
        while True:
            with self._guard:
                if not self._waiting:
                    self._works = False
                    return
                key = self._waiting.pop(0)
                look = self._looks[key]
                if time.monotonic() - look.asked_at > self._forgotten_s:
                    del self._looks[key]
                    continue
            with _without_full_passes():
                self._work_out(key, look, keeps_failure=True)

    def _work_out(self, key: Hashable, look: _Look[Answer], *, keeps_failure: bool = False) -> None:
        try:
            look.future.set_result(look.make())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the answer is told
            if not keeps_failure:
                with self._guard:
                    self._looks.pop(key, None)
            look.future.set_exception(error)
        finally:
            del look.make  # and what it holds


_one_at_a_time = threading.Lock()


@contextmanager
def _without_full_passes() -> Iterator[None]:
    """
    The garbage collector looks at what is young only; one piece of work at a time, whatever the number of sites.

    A full pass holds every page for as long as it takes, and with a million objects of an unfinished answer that is
    half a second, again and again. What is left over waits until the work is done.
    """
    with _one_at_a_time:
        young, middle, full = gc.get_threshold()
        gc.set_threshold(young, middle, 1_000_000)
        try:
            yield
        finally:
            gc.set_threshold(young, middle, full)
