"""What the requests of a candidate would cost together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from touchstone.catalog.base import Price
from touchstone.errors import RequestRejected
from touchstone.evaluation.journal import worst_case_usd
from touchstone.evaluation.ledger import Ledger, canonical, key_of
from touchstone.strategies.chat import PromptCandidate
from touchstone.workspace.plan_kept import asked_cells, most_read, stored_replies, text_bytes, usually_read
from touchstone.workspace.plan_room import Room


class Sums:
    """
    What requests cost together.

    Args:
        price: Of whom is asked; None where nobody knows.
        expected_output: Tokens that an answer probably has.
        most_output: Tokens that it has at most; None where nothing limits it.
    """

    def __init__(self, price: Price | None, expected_output: int, most_output: int | None) -> None:
        self._price, self._expected, self._most = price, expected_output, most_output
        self._known: dict[tuple[int, int], tuple[float, float, float]] = {}
        self.calls = self.input_tokens = 0
        self.low_usd = self.expected_usd = self.worst_usd = self.worst_call_usd = 0.0

    def add(self, tokens: int, most_tokens: int) -> None:
        """
        Add a request that would be sent.

        Args:
            tokens: That it is probably read as.
            most_tokens: That it is read as at most.
        """
        self.calls += 1
        self.input_tokens += tokens
        if self._price is None:
            return
        # Call by call: a dearer tier is reached by one long request, not by many short ones.
        costs = self._known.get((tokens, most_tokens))
        if costs is None:
            costs = self._known[tokens, most_tokens] = (
                self._price.cost_usd(tokens, 0) or 0.0,
                self._price.cost_usd(tokens, self._expected) or 0.0,
                worst_case_usd(self._price, most_tokens, self._most) or 0.0,
            )
        low, expected, worst = costs
        self.low_usd += low
        self.expected_usd += expected
        self.worst_usd += worst
        self.worst_call_usd = max(self.worst_call_usd, worst)


def sums_of(
    candidate: PromptCandidate,
    ledger: Ledger,
    dataset: str,
    draws: int,
    has: Callable[[int, int], bool],
    expected_output: int,
    room: Room | None,
) -> Sums:
    """
    What is left to ask of the test cases.

    Args:
        draws: Answers a case.
        has: Whether nobody asks for a cell, told its case's place and its draw.
        expected_output: Tokens that an answer probably has.
        room: Looks at each request; None where nobody knows how the model counts.
    """
    sums = Sums(candidate.caller.price, expected_output, candidate.fields.get("max_tokens"))
    cells = asked_cells(candidate, ledger, dataset, draws) if room is None else None
    if cells is None:
        sizes = _one_by_one(candidate, ledger, dataset, draws, has, room)
    else:
        left = [cell for cell in cells if not has(cell.ordinal, cell.draw)]
        known = stored_replies(ledger, [cell.key for cell in left]) if candidate.caller.paid else frozenset()
        sizes = ((cell.usual_tokens, cell.most_tokens) for cell in left if cell.key not in known)
    for usual_tokens, most_tokens in sizes:
        sums.add(usual_tokens, most_tokens)
    return sums


def _one_by_one(
    candidate: PromptCandidate,
    ledger: Ledger,
    dataset: str,
    draws: int,
    has: Callable[[int, int], bool],
    room: Room | None,
) -> Iterator[tuple[int, int]]:
    """(usual tokens, most tokens) where requests must be made to be looked at, such as those with pictures."""
    for ordinal, case in ledger.datasets.cases(dataset, "test"):
        for draw in range(draws):
            if has(ordinal, draw):
                continue
            try:
                request = candidate.request(case, draw)
            except RequestRejected:
                continue  # a cell that will fail before anything is sent
            body = canonical(request)
            if candidate.caller.paid and ledger.reply(key_of(candidate.caller.endpoint, body)) is not None:
                continue
            size = text_bytes(request)
            if room is not None:
                room.look(request, size)
            yield usually_read(candidate, request, size), most_read(candidate, request, body)
