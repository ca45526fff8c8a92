"""A chat model with system text, examples and passages: the one class that answers, in a trial and when served."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from touchstone.data.base import Case
from touchstone.data.media import folder_of
from touchstone.errors import RequestRejected
from touchstone.evaluation.base import Recipe
from touchstone.evaluation.ledger import canonical
from touchstone.models.base import ChatRequest, Completion, Message, Part, TextPart
from touchstone.strategies.base import Caller, ContextFinder, ContextPassage
from touchstone.strategies.jinja_text import JinjaTemplate
from touchstone.strategies.media import audio_part, image_part
from touchstone.strategies.template import case_values, fill, option_lines, slots

PASSAGES_ABOVE = "Passages:\n{passages}\n\nQuestion: {input}"
"""How passages stand in the user turn; the starter models were trained to read just this."""

_DRAWS_APART = 1_000_000
"""Between the draws of two copies of a case: more than anybody repeats one."""

_TWINS_APART = 10**15
"""Between the draws of two candidates that ask the same: more than a case has copies."""


@dataclass(frozen=True)
class Shown:
    """One example as a model sees it: a case, and the answer as the answer reader would want to read it."""

    case: Case
    answer: str


class Shots(Protocol):
    """Chooses the examples that stand before a case."""

    @property
    def identity(self) -> str:
        """A digest of everything that decides what is chosen."""
        ...

    @property
    def always(self) -> Sequence[Shown]:
        """The examples of a set that is the same for all cases; looked at once before anything is sent."""
        ...

    def choose(self, case: Case) -> Sequence[Shown]:
        """The examples for a case, in the order in which they are shown."""
        ...


class PromptCandidate:
    """
    A chat model asked with a system text, examples and a user turn.

    Args:
        name: What tables call it.
        recipe: What it was made from.
        caller: Whom to ask.
        system: System text; none is sent where it is empty.
        template: Of the user turn; None sends the input with its options, or the conversation.
        folders: Where paths of images and recordings start, by split.
        fields: Of the request: temperature and the like.
        shots: Chooses examples; None shows none.
        finder: Finds passages; None shows none.
        context: How passages and the user turn stand together: a template with `{passages}` and `{input}`.
        jinja: Renders the template, where it is a Jinja one.
        about: Further settings for the report, by name.
    """

    def __init__(
        self,
        name: str,
        recipe: Recipe,
        caller: Caller,
        *,
        system: str,
        template: str | None,
        folders: Mapping[str, Path],
        fields: Mapping[str, Any],
        shots: Shots | None = None,
        finder: ContextFinder | None = None,
        context: str = PASSAGES_ABOVE,
        jinja: JinjaTemplate | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.recipe = recipe
        self.caller = caller
        self.system = system
        self.template = template
        self.folders = folders
        self.fields = fields
        self.shots = shots
        self.finder = finder
        self.context = context
        self.jinja = jinja
        named = jinja.used if jinja is not None else slots(template or "")
        self._places_passages = finder is not None and "passages" in named
        self.about = about or {}
        self.twin = 0
        """Which of the candidates of a comparison it is that ask just this, from 0; whoever makes them says so."""

    @property
    def asks(self) -> tuple[object, ...]:
        """What, being the same, makes all requests of two candidates the same."""
        words = self.template if self.template is not None else "\0"
        shots = self.shots.identity if self.shots is not None else ""
        found = (self.finder.identity, self.context) if self.finder is not None else None
        return (
            self.caller.endpoint,
            self.system,
            words,
            canonical(ChatRequest(messages=(), **self.fields)),
            shots,
            found,
            self.jinja is not None,
        )

    def messages(self, case: Case, passages: Sequence[ContextPassage] | None = None) -> tuple[Message, ...]:
        """
        What is sent for a case: system text, examples, user turn.

        Args:
            passages: What the model is given to read; by default what stands in for it in a plan.

        Raises:
            RequestRejected: a column that the template names is empty in this case, or its image cannot be sent.
        """
        head = (Message(role="system", content=self.system),) if self.system else ()
        if passages is None:
            passages = self.finder.stand_in(case) if self.finder is not None else ()
        own = self._turns(case, passages)
        if self.shots is None:
            return head + own
        # A conversation may begin with words of its own to the system; examples come after those.
        lead = next((place for place, turn in enumerate(own) if turn.role not in ("system", "developer")), len(own))
        examples = [turn for shown in self.shots.choose(case) for turn in self.shown_turns(shown)]
        return (*head, *own[:lead], *examples, *own[lead:])

    def shown_turns(self, shown: Shown) -> tuple[Message, ...]:
        """An example as turns: what was asked, without passages, and the answer. Raises `RequestRejected`."""
        asked = (turn for turn in self._turns(shown.case, ()) if turn.role not in ("system", "developer"))
        return (*asked, Message(role="assistant", content=shown.answer))

    def _turns(self, case: Case, passages: Sequence[ContextPassage]) -> tuple[Message, ...]:
        """The turns of one case, without system text and examples."""
        if case.messages is not None and self.template is None:
            return _with_passages(case.messages, passages, self.context)
        if self.template is None:
            text = case.text + (f"\n\n{option_lines(case.options)}" if case.options else "")
        else:
            text = self._filled(self.template, case, passages)
        if passages and not self._places_passages:
            text = above(passages, text, self.context)
        parts: list[Part] = []
        if case.image is not None:
            parts.append(image_part(case.image, folder_of(case, self.folders)))
        if case.audio is not None:
            parts.append(audio_part(case.audio, folder_of(case, self.folders)))
        return (Message(role="user", content=(TextPart(text=text), *parts) if parts else text),)

    def _filled(self, template: str, case: Case, passages: Sequence[ContextPassage]) -> str:
        """The user's template with the values of a case; raises `RequestRejected` where it lacks one."""
        values = case_values(case)
        if self._places_passages:
            values["passages"] = passage_lines(passages)
        if self.jinja is not None:
            return self.jinja.render(values, case.id)
        hole = next((name for name in sorted(slots(template)) if name not in values), None)
        if hole is not None:
            # The template was checked against the columns that the cases have; this one's row lacks one of them.
            raise RequestRejected(
                "case {case} has no value for {slot}; fill it in or take {slot} out of the prompt",
                case=case.id,
                slot="{" + hole + "}",
            )
        return fill(template, values)

    def request(self, case: Case, draw: int = 0, passages: Sequence[ContextPassage] | None = None) -> ChatRequest:
        """
        What is asked for a case; a row that is a copy of another is a draw of its own, and so is a twin's.

        Raises:
            RequestRejected: the case cannot be asked.
        """
        own = draw + _DRAWS_APART * case.copy_number + _TWINS_APART * self.twin
        return ChatRequest(messages=self.messages(case, passages), draw=own, **self.fields)

    def request_without_turn(self) -> ChatRequest:
        """What is asked where a conversation has no turn of a user: the system text alone, examples being of a case."""
        head = (Message(role="system", content=self.system),) if self.system else ()
        return ChatRequest(messages=head, **self.fields)

    async def passages(self, case: Case) -> tuple[ContextPassage, ...]:
        """What the model is given to read for a case, best first; found again, it is the same. Raises `ModelError`."""
        if self.finder is None:
            return ()
        found = self.finder.find(case)
        return tuple(await found if inspect.isawaitable(found) else found)

    async def answer(
        self,
        case: Case,
        *,
        draw: int = 0,
        passages: Sequence[ContextPassage] | None = None,
        max_tokens: int | None = None,
    ) -> Completion:
        """
        The model's completion for one case; the time that finding its passages took is part of its clocks.

        Args:
            passages: Of the case, where they were found before; then finding them is in no clock.
            max_tokens: Of the answer, where whoever is served names fewer; None leaves the recipe's own.
        """
        limit = {} if max_tokens is None else {"max_tokens": max_tokens}
        if self.finder is None:
            return await self.caller.complete(self.request(case, draw).model_copy(update=limit))
        start = time.perf_counter()
        if passages is None:
            passages = await self.passages(case)
        found_s = time.perf_counter() - start
        request = self.request(case, draw, passages).model_copy(update=limit)
        completion = await self.caller.complete(request)
        clocks = {name: getattr(completion, name) for name in ("latency_s", "first_token_s", "first_thought_s")}
        update: dict[str, Any] = {name: seconds + found_s for name, seconds in clocks.items() if seconds is not None}
        return completion.model_copy(update={**update, "passages": tuple(passage.text for passage in passages)})

    async def close(self) -> None:
        """Release the model and the process of a template."""
        await self.caller.close()
        if self.jinja is not None:
            self.jinja.close()


def passage_lines(passages: Iterable[ContextPassage]) -> str:
    """Passages as lines `[1] …`, counted from 1."""
    return "\n".join(f"[{place}] {passage.text}" for place, passage in enumerate(passages, start=1))


def above(passages: Sequence[ContextPassage], text: str, context: str = PASSAGES_ABOVE) -> str:
    """The user's text below its passages; neither is looked at again (promises.md, R17)."""
    return fill(context, {"passages": passage_lines(passages), "input": text})


def _with_passages(turns: tuple[Message, ...], passages: Sequence[ContextPassage], context: str) -> tuple[Message, ...]:
    """A conversation whose last question stands below its passages."""
    last = next((place for place in reversed(range(len(turns))) if turns[place].role == "user"), None)
    if not passages or last is None:
        return turns
    content = turns[last].content
    if isinstance(content, str):
        said: str | tuple[Part, ...] = above(passages, content, context)
    else:
        text = "".join(part.text for part in content if isinstance(part, TextPart))
        rest = tuple(part for part in content if not isinstance(part, TextPart))
        said = (TextPart(text=above(passages, text, context)), *rest)
    return (*turns[:last], Message(role="user", content=said), *turns[last + 1 :])
