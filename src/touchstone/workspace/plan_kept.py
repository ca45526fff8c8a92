"""
What plans find out again and again about the same cases, kept while the program runs.

Two looks at the price of a run have the same cases and mostly the same prompts. What is kept is told apart by all that
it is made of: the store, the digest of the cases, what a candidate asks. Prices, what was answered already, keys and
everything else that a plan says are looked at anew each time, so nothing here can show an old price.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import sqlalchemy as sa

from touchstone.data.base import Case
from touchstone.errors import RequestRejected
from touchstone.evaluation import tables
from touchstone.evaluation.base import Finding
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger, canonical, key_of
from touchstone.evaluation.store_errors import store_errors
from touchstone.models.base import ChatRequest, TextPart
from touchstone.models.picture_tokens import most_input_tokens, usual_picture_tokens
from touchstone.strategies.chat import PromptCandidate

Value = TypeVar("Value")

MOST_ASKED = 100_000
"""Requests whose sizes are kept, of all plans; some 200 bytes each."""
MOST_CASES = 4_000
"""Cases to learn from that are kept, of all plans."""
_MOST_LEAKS = 64
"""Sets of cases of which it is kept what was found about all of them."""
_AT_ONCE = 500
"""Keys that one query looks for."""


class Recent(Generic[Value]):
    """
    Values by key, the least recently used given up first.

    Args:
        most: Weight that all of them may have together.
        weight: Of a value.
    """

    def __init__(self, most: int, weight: Callable[[Value], int] = lambda _value: 1) -> None:
        self._most, self._weight = most, weight
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The kept value, or what `make` gives; what weighs more than all may weigh is not kept."""
        with self._guard:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._guard:
            if self._weight(value) <= self._most:
                self._values[key] = value
            while sum(map(self._weight, self._values.values())) > self._most:
                self._values.popitem(last=False)
        return value


class AskedCell(NamedTuple):
    """What a plan must know of one request."""

    ordinal: int
    draw: int
    usual_tokens: int
    """That it is probably read as; see `usually_read`."""
    most_tokens: int
    """That it is read as at most; see `most_read`."""
    key: str
    """Under which its reply would be stored."""


_asked: Recent[tuple[AskedCell, ...]] = Recent(MOST_ASKED, len)
_cases: Recent[tuple[tuple[int, Case], ...]] = Recent(MOST_CASES, len)
_columns: Recent[frozenset[str]] = Recent(_MOST_LEAKS)
_leaks: Recent[tuple[Finding, ...]] = Recent(_MOST_LEAKS)


def kept_leaks(
    ledger: Ledger, dataset: str, about: tuple[Hashable, ...], find: Callable[[], tuple[Finding, ...]]
) -> tuple[Finding, ...]:
    """
    Which learning cases give test cases away.

    Args:
        about: What is asked of the cases: the split and how leaks are treated, and the language they are told in.
        find: Finds them; reads every case.
    """
    return _leaks.get((_store(ledger), dataset, about), find)


def kept_cases(ledger: Ledger, dataset: str, split: str) -> Iterable[tuple[int, Case]]:
    """(place, case) of a split in order; streamed where there are many."""
    if ledger.datasets.case_count(dataset, split) > MOST_CASES:
        return ledger.datasets.cases(dataset, split)
    return _cases.get((_store(ledger), dataset, split), lambda: tuple(ledger.datasets.cases(dataset, split)))


def kept_columns(ledger: Ledger, dataset: str, find: Callable[[], frozenset[str]]) -> frozenset[str]:
    """
    Names of the columns that test cases have.

    Args:
        find: Finds them; reads many cases.
    """
    return _columns.get((_store(ledger), dataset), find)


def asked_cells(candidate: PromptCandidate, ledger: Ledger, dataset: str, draws: int) -> tuple[AskedCell, ...] | None:
    """
    What a candidate would ask about the test cases; None where that depends on more than the cases and its prompt.

    So it is with pictures and recordings, which lie in files of their own, and with passages. A case that cannot be
    asked is left out.
    """
    if candidate.finder is not None:
        return None
    key = (_store(ledger), dataset, candidate.asks, candidate.twin, draws)
    try:
        return _asked.get(key, lambda: tuple(_cells(candidate, ledger, dataset, draws)))
    except _OtherFiles:
        return None


class _OtherFiles(Exception):
    """A case has files of its own."""


def _cells(candidate: PromptCandidate, ledger: Ledger, dataset: str, draws: int) -> list[AskedCell]:
    found = []
    for ordinal, case in ledger.datasets.cases(dataset, "test"):
        if case.image is not None or case.audio is not None:
            raise _OtherFiles
        for draw in range(draws):
            try:
                request = candidate.request(case, draw)
            except RequestRejected:
                continue  # a cell that will fail before anything is sent
            body = canonical(request)
            key = key_of(candidate.caller.endpoint, body)
            usual = usually_read(candidate, request, text_bytes(request))
            found.append(AskedCell(ordinal, draw, usual, most_read(candidate, request, body), key))
    return found


def stored_replies(ledger: Ledger, keys: list[str]) -> frozenset[str]:
    """Those of the keys under which a whole reply is stored."""
    table, found = tables.replies, list[str]()
    with store_errors(), ledger.engine.connect() as connection:
        for start in range(0, len(keys), _AT_ONCE):
            query = sa.select(table.c.key).where(table.c.key.in_(keys[start : start + _AT_ONCE]))
            found += connection.execute(query).scalars()
    return frozenset(key for key in found if ledger.reply(key) is not None)


def most_read(candidate: PromptCandidate, request: ChatRequest, body: bytes) -> int:
    """No call has more input tokens than this; the same number is held for it when it is sent."""
    caller = candidate.caller
    return most_input_tokens(caller.model, request, len(body)) if isinstance(caller, Journal) else len(body)


def usually_read(candidate: PromptCandidate, request: ChatRequest, size: int) -> int:
    """Input tokens that a request probably has: a token for every four of the bytes of its texts, and its pictures."""
    caller = candidate.caller
    pictures = usual_picture_tokens(caller.model, request) if isinstance(caller, Journal) else 0
    return size // 4 + pictures


def text_bytes(request: ChatRequest) -> int:
    """UTF-8 bytes of the texts of a request, without the JSON around them."""
    texts = []
    for message in request.messages:
        parts = message.content if not isinstance(message.content, str) else ()
        texts += [part.text for part in parts if isinstance(part, TextPart)]
        if isinstance(message.content, str):
            texts.append(message.content)
    return sum(len(text.encode("utf-8", "backslashreplace")) for text in texts)


def _store(ledger: Ledger) -> tuple[Hashable, ...]:
    """What tells this store from others, also from one that lay in the same place before."""
    place = ledger.engine.url.database or ""
    try:
        found = Path(place).stat()
    except OSError:
        return (str(ledger.engine.url),)
    return place, found.st_dev, found.st_ino
