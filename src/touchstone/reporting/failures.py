"""
Why calls failed, in the reader's language.

The store keeps the English sentence alone. It is told by its shape which template it was made of, and that template is
filled again in the reader's language, with the values as they stood. What has another shape is quoted as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from string import Formatter

TEMPLATES = (
    # What holds another sentence comes first: inside it the others would be found as well.
    "recorded failure: {reason}",
    "not asked any further: {reason}",
    "{lane} is not asked any further: {reason}",
    "{lane} is not asked for another {seconds:.0f} s: {reason}",
    (
        "{name}: its prompt search could not go on ({reason}); what was answered is kept, and the same command goes on "
        "from there"
    ),
    (
        "{name}: the money does not cover the first round of its prompt search ({reason}); raise search.max_usd or the "
        "cap of the run, or lower variants"
    ),
    "judging a variant: {reason}",
    (
        "the cap of ${cap:.4f} is reached: ${spent:.4f} spent, ${held:.4f} in flight, ${usd:.4f} at worst for the next "
        "call; raise it with --max-usd"
    ),
    "{place}: the account has no credit left ({status}: {shown}); top it up",
    "{place}: the key or its rights were not accepted ({status}: {shown})",
    "{place}: too many requests for now ({status}: {shown})",
    "{place}: no such model or address ({status}: {shown}); check the served name and base_url",
    "{place}: the address moved ({status}: {shown}); redirects are not followed, name the new one as base_url",
    "{place}: the provider failed ({status}: {shown})",
    "{place}: the request was not accepted ({status}: {shown})",
    "{place}: no connection within {seconds:g} s; nothing was sent",
    "{place}: no connection ({reason}); check base_url and the network",
    "{place}: nobody answers ({reason}); is the server running? Start it with: {command}",
    "{place}: no complete reply after {seconds:.1f} s, {bytes} bytes had come; it may have been billed",
    "{place}: the connection broke after {bytes} bytes of the reply ({reason}); it may have been billed",
    "{place}: the reply is no HTTP ({shown}); check base_url",
    "{place}: the provider broke off its reply ({finish})",
    "{place}: asked for {requested}, and {echoed} answered; name the model that is served there, or ask elsewhere",
    "{place}: status 200, but the reply is no chat completion: {shown}; check base_url",
    "{place}: the reply was cut inside its JSON after {bytes} bytes; it may have been billed",
    "{place}: the stream ended without a finish reason after {bytes} bytes; its text is not scored",
    "extra may not set {field!r}; it is set for you",
    "the request cannot be written as JSON: {reason}",
    "{path} lies outside the folder of the cases and is not sent",
    "{path} is no image or recording by its name and is not sent",
    "{path} is an address; a recording is sent as a file or a data: URL",
    "{path} cannot be read: {reason}",
    "{path} is larger than 20 MiB; scale it down",
    "case {case} has no value for {slot}; fill it in or take {slot} out of the prompt",
    "the template cannot be filled in for case {case}: {reason}",
    "the template takes longer than {seconds} s for case {case}",
    "the template took longer than {seconds} s for {n} cases and is rendered no more",
    "{job!r} is no id of a fine-tuning job",
    "{name}: its search could not go on ({reason}); what was answered is kept, and the same command goes on from there",
    (
        "{name}: the money does not cover the first round of its search ({reason}); raise tune.max_usd or the cap of "
        "the run, or lower tune.variants"
    ),
    "{place}: no connection; check base_url and the network",
    "{place}: the file got no id",
    "{place}: the reply is no JSON object ({shown})",
    "{place}: the reply is no fine-tuning job",
    "{place}: the request was sent and no whole reply came",
    "{model} cannot be loaded: {reason}",
    "{model} reads at most {most} tokens and this is {tokens}; shorten the system text, examples or passages",
    "{model} reads text only; leave images and recordings out",
    "{place}: the provider's filter blocked it",
    "{source} has no output of {model} for case {case}",
)
"""Every sentence that the store keeps of a call that failed or was not sent; a test compares them with the source."""


def retold(sentence: str, translate: Callable[[str], str]) -> str:
    """A stored sentence in the reader's language; as it is where it is none of ours."""
    template, values = _taken_apart(sentence)
    if template is None:
        return sentence
    told = {name: retold(value, translate) if name == "reason" else value for name, value in values.items()}
    # The values are text already, as the template's format had written them.
    return re.sub(r"\{(\w+)[^{}]*\}", lambda field: told[field[1]], translate(template))


def starts_with_a_name(sentence: str) -> bool:
    """Whether a finished sentence starts with an address, a path or somebody's name, which have no capital of ours."""
    template, _ = _taken_apart(sentence)
    if template is not None:
        return template.startswith("{")
    first, _, _ = sentence.partition(" ")
    return re.search(r"\d|[_/@\\]|[:.]\w|:$|\w[A-Z]", first) is not None


@cache
def _shapes() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((template, re.compile(_shape(template), re.DOTALL)) for template in TEMPLATES)


def _shape(template: str) -> str:
    seen: set[str] = set()
    shape = ""
    for words, name, _, _ in Formatter().parse(template):
        shape += re.escape(words)
        if name is not None:
            shape += f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"
            seen.add(name)
    return shape


def _taken_apart(sentence: str) -> tuple[str | None, dict[str, str]]:
    for template, shape in _shapes():
        found = shape.fullmatch(sentence)
        if found is not None:
            return template, found.groupdict()
    return None, {}
