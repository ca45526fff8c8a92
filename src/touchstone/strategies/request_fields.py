"""What an entry says of the words and the request itself: checked, files read, defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from touchstone.errors import SettingsError, refusal
from touchstone.models.base import ChatRequest
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.base import Workshop
from touchstone.strategies.instruction import default_system, structured_form
from touchstone.strategies.jinja_text import JinjaTemplate
from touchstone.strategies.prompt_file import PromptFile, text_of
from touchstone.strategies.structured import structure

_REQUEST_FIELDS = ("temperature", "top_p", "max_tokens", "seed", "stop", "response_format", "extra")
OWN_FIELDS = (*_REQUEST_FIELDS, "prompt", "system", "structured", "format")
"""Parameters that every chat candidate takes."""

_SAID_ELSEWHERE = {
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "messages": "prompt",
    "model": "served_name",
    "stream": "stream",
    "n": "--repeat",
}
"""Fields of a body that have a place of their own; under `extra` they would pass by the money cap or the cache."""


@dataclass(frozen=True)
class Words:
    """The words of a candidate before any ingredient adds to them."""

    system: str
    own_system: bool
    template: str | None
    answer: AnswerSpec
    fields: Mapping[str, Any]
    """Of the request, not checked yet."""
    files: Mapping[str, str]
    """Parameter to "path digest" of the file that it was read from."""
    jinja: JinjaTemplate | None = None
    """What renders the template, where it is a Jinja one."""


def begin_words(given: Mapping[str, Any], name: str, workshop: Workshop) -> Words:
    """
    System text, template and form of the answer that an entry asks for.

    Args:
        given: The parameters of `OWN_FIELDS`, as far as the entry has them.
        name: The candidate's, for errors.

    Raises:
        SettingsError: one of them cannot be used.
    """
    fields = dict(given)
    files: dict[str, str] = {}
    texts: dict[str, str | None] = {}
    for key in ("prompt", "system"):
        said = text_of(fields.pop(key, None), key, name, workshop.folder)
        texts[key] = said.text if isinstance(said, PromptFile) else said
        if isinstance(said, PromptFile):
            files[key] = f"{said.path} {said.digest[:12]}"
    jinja = _jinja(fields.pop("format", None), texts["prompt"], name)
    answer, form = workshop.answer, None
    wanted = fields.pop("structured", None)
    if wanted not in (None, False):
        if fields.get("response_format") is not None:
            raise SettingsError(
                "{name}: structured and response_format both say what form the reply has; leave one of them out",
                name=name,
            )
        answer, fields["response_format"] = structure(workshop.answer, wanted, name)
        form = structured_form(answer)
    system = texts["system"]
    if system is None:
        plain = default_system(workshop.instruction, answer)
        system = plain if form is None else "\n".join(part for part in (workshop.instruction.strip(), form) if part)
    return Words(system, texts["system"] is not None, texts["prompt"], answer, fields, files, jinja)


def _jinja(wanted: Any, template: str | None, name: str) -> JinjaTemplate | None:
    if wanted in (None, "plain"):
        return None
    if wanted != "jinja":
        raise SettingsError("{name}: format is {value!r}; write plain or jinja", name=name, value=wanted)
    if template is None:
        raise SettingsError("{name}: format says how prompt is filled in, and there is no prompt; add one", name=name)
    return JinjaTemplate(template, name)


def request_fields(own: Mapping[str, Any], name: str) -> dict[str, Any]:
    """
    Fields of every request of a candidate, checked, with our defaults.

    Raises:
        SettingsError: one has a value that cannot be used.
    """
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
