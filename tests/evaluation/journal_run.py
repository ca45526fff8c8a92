"""A measurement without the command line, for tests that kill its process; what came of its cells goes into a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from touchstone.catalog.base import Price
from touchstone.data.base import Case
from touchstone.evaluation.engine import answer_cell
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.measure import Measurement
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.purse import Purse
from touchstone.evaluation.recovery import recover
from touchstone.evaluation.scorecard import Scorecard
from touchstone.models.base import ChatRequest, Completion, Message
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.scoring.base import Reading, Score


class Asking:
    """A candidate that asks what the case says."""

    name = "m"

    def __init__(self, caller: Journal) -> None:
        self.caller = caller

    async def answer(self, case: Case, *, draw: int = 0) -> Completion:
        """What the model says."""
        return await self.caller.complete(
            ChatRequest(messages=(Message(role="user", content=case.text),), max_tokens=50, draw=draw)
        )


class Whole:
    """Reads everything."""

    name = "whole"

    def read(self, text: str, _case: Case) -> Reading:
        """The text itself."""
        return Reading(answer=text, how="whole")


class Same:
    """Whether the answer is the question."""

    name, reads_answer, needs_target = "same", True, True

    async def score(self, case: Case, _completion: Completion, reading: Reading) -> Score:
        """One or nothing."""
        return Score(scorer="same", value=float(reading.answer == case.input))


def measure(store: str, url: str, cases: int, in_flight: int, out: str) -> None:
    """Ask for all cases, and write down what came of each."""
    Path(out).write_text(asyncio.run(_measure(Path(store), url, cases, in_flight)))


async def _measure(store: Path, url: str, cases: int, in_flight: int) -> str:
    ledger = Ledger(store)
    recover(ledger)
    purse = Purse(ledger, "run")
    purse.open()
    model = OpenAICompatible("m", url, price=Price(input_usd=1, output_usd=2))
    candidate = Asking(Journal(model, purse))
    card = Scorecard(CaseOrder.draw(cases, 1), 1)
    run = Measurement(
        card,
        purse,
        lambda cell: answer_cell(candidate, cell.case, Whole(), [Same()]),  # type: ignore[arg-type]  # as much of one as is asked
        lambda ordinals: [Case(id=str(at), input=f"question {at}") for at in ordinals],
        1,
        concurrency=in_flight,
    )
    kinds = [answered.outcome.kind async for answered in run.run()]
    await ledger.drain()
    await model.close()
    ledger.close()
    return " ".join(kinds)
