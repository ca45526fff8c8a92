"""Instructions written by a model: it is shown the task and a few train cases, and proposes how to say it better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from touchstone.errors import SettingsError
from touchstone.models.base import ChatRequest, Completion, Message
from touchstone.scoring.json_text import first_value
from touchstone.strategies.base import Bench
from touchstone.strategies.chat import Shown
from touchstone.strategies.request_fields import request_fields

_LONGEST = 4_000
"""Characters of an instruction; longer ones are not tried."""

_MOST_SHOWN = 8
_LONGEST_SHOWN = 400
"""Characters of a question that the proposer is shown."""

_SYSTEM = (
    "You write instructions for language models. You are given a task as somebody put it and some of its cases with "
    "the right answers. Write instructions that lead a model to more right answers: say what the cases show and the "
    "task leaves unsaid. The form of the answer is told to the model elsewhere; leave it out. Reply with a JSON list "
    "of texts and nothing else."
)


class Proposer:
    """
    A model that writes instructions.

    Args:
        given: The parameter `proposer`: a model's reference, or a mapping with `model` and its parameters.
        name: The candidate's, for errors.

    Raises:
        SettingsError: it is neither.
    """

    def __init__(self, given: Any, name: str) -> None:
        entry = {"model": given} if isinstance(given, str) else given
        if not isinstance(entry, Mapping) or not isinstance(entry.get("model"), str):
            raise SettingsError(
                "{name}: proposer is {value!r}; write provider/name, or a mapping with `model`", name=name, value=given
            )
        self.reference = str(entry["model"])
        sampling = ("temperature", "top_p", "max_tokens", "seed")
        fields = {key: value for key, value in entry.items() if key in sampling}
        # A limit bounds what the call can cost; a long list of instructions fits into it.
        self.fields = request_fields({"max_tokens": 3_000, **fields}, name)
        self.parameters = {key: value for key, value in entry.items() if key not in (*sampling, "model")}

    def request(self, instruction: str, labels: Sequence[str], shown: Sequence[Shown], count: int) -> ChatRequest:
        """What it is asked."""
        lines = [f"Task: {instruction.strip() or '(nobody put it in words)'}"]
        if labels:
            lines.append(f"Possible answers: {', '.join(labels)}")
        for one in shown[:_MOST_SHOWN]:
            lines += ["", f"Case: {one.case.text[:_LONGEST_SHOWN]}", f"Right answer: {one.case.target}"]
        lines += ["", f"Write {count} instructions that differ from each other and from the task."]
        messages = (Message(role="system", content=_SYSTEM), Message(role="user", content="\n".join(lines)))
        return ChatRequest(messages=messages, **self.fields)

    async def propose(self, bench: Bench, request: ChatRequest, count: int) -> tuple[tuple[str, ...], Completion]:
        """
        (the instructions it wrote, none where its reply is no list of texts; the reply with what it took).

        Raises:
            ModelError, BudgetStop, NotStored: it could not be asked.
        """
        caller = bench.make_caller(self.reference, self.parameters)
        try:
            completion = await caller.complete(request)
        finally:
            await caller.close()
        return read_proposals(completion.text, count), completion


def read_proposals(text: str, count: int) -> tuple[str, ...]:
    """The first texts of the JSON list in a reply; what is no text, empty or very long is passed over."""
    try:
        found = first_value(text)
    except ValueError:
        return ()
    if isinstance(found, Mapping):
        found = next((value for value in found.values() if isinstance(value, list)), [])
    texts = [one.strip() for one in found if isinstance(one, str)] if isinstance(found, list) else []
    return tuple(dict.fromkeys(one for one in texts if one and len(one) <= _LONGEST))[:count]
