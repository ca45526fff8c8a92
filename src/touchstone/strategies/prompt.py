"""Ask a chat model as it is, with an instruction: the `prompt` strategy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from touchstone.data.base import Case
from touchstone.data.media import folder_of
from touchstone.errors import RequestRejected, SettingsError, refusal
from touchstone.evaluation.base import Candidate, Recipe
from touchstone.evaluation.ledger import canonical
from touchstone.models.base import ChatRequest, Completion, Message, Part, TextPart
from touchstone.models.resolve import model_parameters
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import Caller, CandidateSpec, Workshop
from touchstone.strategies.media import audio_part, image_part
from touchstone.strategies.template import case_values, check_slots, fill, option_lines, slots

_REQUEST_FIELDS = ("temperature", "top_p", "max_tokens", "seed", "stop", "response_format", "extra")
_OWN_FIELDS = (*_REQUEST_FIELDS, "prompt", "system")

_DRAWS_APART = 1_000_000
"""Between the draws of two copies of a case: more than anybody repeats one."""

_TWINS_APART = 10**15
"""Between the draws of two candidates that ask the same: more than a case has copies."""


def default_system(instruction: str, answer: AnswerSpec) -> str:
    """The instruction with what the answer reader needs to find the answer; the same words for every model."""
    lines = [instruction.strip()] if instruction.strip() else []
    if answer.source == "json":
        lines.append(f'Reply with a JSON object that has the field "{answer.argument or "answer"}".')
    elif answer.source == "after" and answer.argument:
        lines.append(f"End with one line: {answer.argument} followed by your answer.")
    elif answer.kind == "label" and answer.labels:
        lines.append("Reply with exactly one of these labels and nothing else:")
        lines.extend(f"- {label}" for label in answer.labels)
    elif answer.kind == "choice":
        lines.append("End with one line: Answer: X, where X is the letter of the right option.")
    elif answer.kind == "number":
        lines.append("End with one line: Answer: N, where N is the number.")
    elif answer.kind == "json":
        lines.append("Reply with one JSON value and nothing else.")
    return "\n".join(lines)


class PromptCandidate:
    """A chat model with a system text and a user template."""

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
    ) -> None:
        self.name = name
        self.recipe = recipe
        self.caller = caller
        self.system = system
        self.template = template
        self.folders = folders
        self.fields = fields
        self.twin = 0
        """Which of the candidates of a comparison it is that ask just this, from 0; whoever makes them says so."""

    @property
    def asks(self) -> tuple[object, ...]:
        """What, being the same, makes all requests of two candidates the same."""
        words = self.template if self.template is not None else "\0"
        return self.caller.endpoint, self.system, words, canonical(ChatRequest(messages=(), **self.fields))

    def messages(self, case: Case) -> tuple[Message, ...]:
        """
        What is sent for a case.

        Raises:
            RequestRejected: a column that the template names is empty in this case, or its image cannot be sent.
        """
        head = (Message(role="system", content=self.system),) if self.system else ()
        if case.messages is not None and self.template is None:
            return head + case.messages
        values = case_values(case)
        if self.template is not None:
            hole = next((name for name in sorted(slots(self.template)) if name not in values), None)
            if hole is not None:
                # The template was checked against the columns that the cases have; this one's row lacks one of them.
                raise RequestRejected(
                    "case {case} has no value for {slot}; fill it in or take {slot} out of the prompt",
                    case=case.id,
                    slot="{" + hole + "}",
                )
            text = fill(self.template, values)
        else:
            text = case.text + (f"\n\n{option_lines(case.options)}" if case.options else "")
        parts: list[Part] = []
        if case.image is not None:
            parts.append(image_part(case.image, folder_of(case, self.folders)))
        if case.audio is not None:
            parts.append(audio_part(case.audio, folder_of(case, self.folders)))
        return (*head, Message(role="user", content=(TextPart(text=text), *parts) if parts else text))

    def request(self, case: Case, draw: int = 0) -> ChatRequest:
        """
        What is asked for a case; a row that is a copy of another is a draw of its own, and so is a twin's.

        Raises:
            RequestRejected: the case cannot be asked.
        """
        own = draw + _DRAWS_APART * case.copy_number + _TWINS_APART * self.twin
        return ChatRequest(messages=self.messages(case), draw=own, **self.fields)

    async def answer(self, case: Case, *, draw: int = 0) -> Completion:
        """The model's completion for one case."""
        return await self.caller.complete(self.request(case, draw))

    async def close(self) -> None:
        """Release the model."""
        await self.caller.close()


class Prompt:
    """Strategy `prompt`: parameters `prompt` (template), `system`, and the request's own (temperature, …)."""

    name = "prompt"

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """A `PromptCandidate`; fails before anything is sent when the template names a column there is not."""
        own = {key: value for key, value in spec.parameters.items() if key in _OWN_FIELDS}
        rest = {key: value for key, value in spec.parameters.items() if key not in _OWN_FIELDS}
        _check_parameters(spec, rest)
        template = own.pop("prompt", None)
        system = own.pop("system", None)
        for text, key in ((template, "prompt"), (system, "system")):
            if text is not None and not isinstance(text, str):
                raise SettingsError("{name}: {key} is {value!r}; write it as text", name=spec.name, key=key, value=text)
        if template is not None:
            check_slots(template, workshop.columns, where=spec.name)
        if system is None:
            system = default_system(workshop.instruction, workshop.answer)
        fields = _request_fields(own, spec.name)
        recipe = Recipe(
            model=spec.model,
            strategy=self.name,
            parameters={**spec.parameters, "system": system, "prompt": template},
            seed=workshop.seed,
        )
        caller = workshop.make_caller(spec.model, rest)
        return PromptCandidate(
            spec.name, recipe, caller, system=system, template=template, folders=workshop.media_folders, fields=fields
        )

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """Model, endpoint, prompt digest, sampling parameters and the price with its source."""
        assert isinstance(candidate, PromptCandidate)
        price = candidate.caller.price
        words = f"{candidate.system}\0{candidate.template or ''}"
        return {
            "model": spec.model,
            "strategy": self.name,
            "endpoint": candidate.caller.endpoint,
            "prompt_digest": hashlib.sha256(words.encode()).hexdigest()[:12],
            "system": candidate.system,
            "prompt": candidate.template,
            **{key: candidate.fields.get(key) for key in ("temperature", "top_p", "max_tokens", "seed")},
            "price": price.model_dump() if price else None,
        }


def _check_parameters(spec: CandidateSpec, given: Mapping[str, Any]) -> None:
    model = model_parameters(spec.model)
    for name in given:
        if name not in model:
            known = sorted(model | set(_OWN_FIELDS))
            close = get_close_matches(name, known, n=1, cutoff=0.6) or known
            raise SettingsError(
                "{candidate}: there is no parameter {name!r}; closest: {close}",
                candidate=spec.name,
                name=name,
                close=", ".join(close),
            )


_SAID_ELSEWHERE = {
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "messages": "prompt",
    "model": "served_name",
    "stream": "stream",
    "n": "--repeat",
}
"""Fields of a body that have a place of their own; under `extra` they would pass by the money cap or the cache."""


def _request_fields(own: Mapping[str, Any], name: str) -> dict[str, Any]:
    from pydantic import ValidationError

    fields = dict(own)
    for key in fields["extra"] if isinstance(fields.get("extra"), Mapping) else ():
        if key in _SAID_ELSEWHERE:
            raise SettingsError(
                "{name}: extra.{key} has a place of its own; write it as {instead}",
                name=name,
                key=key,
                instead=_SAID_ELSEWHERE[key],
            )
    # Greedy unless the user says otherwise: the comparison is of models, not of luck.
    fields.setdefault("temperature", 0.0)
    if fields["temperature"] is None:
        del fields["temperature"]
    if isinstance(fields.get("stop"), str):
        fields["stop"] = (fields["stop"],)
    limit = fields.get("max_tokens")
    if isinstance(limit, int) and limit < 1:
        # Also a hole in the cap: the worst case of such a call would be less than nothing.
        raise SettingsError("{name}: max_tokens is {value!r}; write 1 or more", name=name, value=limit)
    try:
        ChatRequest(messages=(), **fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(
            "{name}: {key} is {value!r}; {reason}",
            name=name,
            key=".".join(str(part) for part in first["loc"]),
            value=first.get("input"),
            reason=refusal(first),
        ) from error
    return fields
