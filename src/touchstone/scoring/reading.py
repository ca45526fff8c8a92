"""Choosing an answer reader, and reading the task file's `from`."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from touchstone import plugins
from touchstone.errors import SettingsError
from touchstone.scoring.base import AnswerReader, AnswerSpec

_PLAIN = ("auto", "whole", "last", "first_line", "json")
_WITH_TEXT = ("after", "regex")


def make_reader(spec: AnswerSpec) -> AnswerReader:
    """
    The reader for an answer's kind.

    Raises:
        UnknownName: no answer reader has that name.
        SettingsError: the source or its argument cannot be used, or JSON is to hold citations.
    """
    make = plugins.load("answer_reader", spec.kind)
    reader: AnswerReader = make(spec)
    if not spec.citations:
        return reader
    if spec.kind == "json":
        raise SettingsError("answers of kind json have no room for marks such as [1]; leave `citations` out")
    from touchstone.scoring.read_cited import CitedReader  # a task file is read without its patterns

    return CitedReader(reader, make(spec.model_copy(update={"citations": False})))


def parse_from(value: str | Mapping[str, Any]) -> tuple[str, str | None]:
    """
    The task file's `from` as (source, argument).

    Understood are `auto`, `whole`, `last`, `first_line`, `json`, `json.FIELD` (dotted), and `after` and `regex` with
    their text, as `{after: "Answer:"}` or `"after: Answer:"`.

    Raises:
        SettingsError: anything else; the closest form is named.
    """
    if isinstance(value, Mapping):
        if len(value) != 1:
            raise SettingsError('`from` has {n} keys; it takes one, such as `{{after: "Answer:"}}`', n=len(value))
        (source, argument), *_ = value.items()
        if source == "json" and isinstance(argument, str) and argument:
            return "json", argument
        if source not in _WITH_TEXT:
            raise _unknown(str(source))
        if not isinstance(argument, str) or not argument:
            raise SettingsError("`from: {source}` needs a text, not {value!r}", source=source, value=argument)
        return str(source), argument
    if not isinstance(value, str):
        raise SettingsError("`from` is {value!r}; write a word such as `auto` or `json.answer`", value=value)
    text = value.strip()
    if text in _PLAIN:
        return text, None
    if text.startswith("json.") and text[5:].strip("."):
        return "json", text[5:]
    source, colon, argument = text.partition(":")
    if colon and source.strip() in _WITH_TEXT and argument.strip():
        return source.strip(), argument.strip()
    raise _unknown(text)


def _unknown(name: str) -> SettingsError:
    forms = (*_PLAIN, "json.FIELD", *_WITH_TEXT)
    head = name.partition(":")[0].partition(".")[0].strip()
    close = get_close_matches(head, forms, n=2, cutoff=0.5) or list(forms)
    return SettingsError(
        'an answer cannot be read `from: {name}`; did you mean {close}? Texts go with `after: "…"` and `regex: "…"`',
        name=name,
        close=", ".join(close),
    )
