"""One of many processes that ask under one cap, until it stops them."""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection

from touchstone.catalog.base import Price
from touchstone.errors import BudgetStop
from touchstone.evaluation.journal import Journal
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.purse import Purse
from touchstone.models.base import ChatRequest, Message
from touchstone.models.openai_compatible import OpenAICompatible


def ask(line: Connection, place: str, url: str, process: int, tasks: int, cap_usd: float) -> None:
    """Open the store, say so, wait for a word, ask with so many tasks, and tell how often there was an answer."""
    asyncio.run(_ask(line, place, url, process, tasks, cap_usd))


async def _ask(line: Connection, place: str, url: str, process: int, tasks: int, cap_usd: float) -> None:
    ledger = Ledger(place)
    line.send("ready")
    line.recv()
    purse = Purse(ledger, "run", cap_usd=cap_usd)
    purse.open()
    model = OpenAICompatible("m", url, price=Price(input_usd=1, output_usd=2), total_s=120)
    journal = Journal(model, purse)

    async def task(number: int) -> int:
        answered = 0
        while True:
            words = "_".join(["word"] * (1 + (answered + number) % 12))
            text = f"say:{words} to question {answered} of task {number} of process {process}"
            request = ChatRequest(messages=(Message(role="user", content=text),), max_tokens=20)
            try:
                await journal.complete(request)
            except BudgetStop:
                return answered
            answered += 1

    answered = await asyncio.gather(*(task(number) for number in range(tasks)))
    await model.close()
    await ledger.drain()
    ledger.close()
    line.send(sum(answered))
