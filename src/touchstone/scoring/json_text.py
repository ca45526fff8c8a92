"""Finding JSON in a text that was meant to be JSON: fenced, with words around it, or broken."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

_BLOCKS = 20
"""How many opening brackets are tried before the text counts as holding no JSON."""
_EXACT = json.JSONDecoder(strict=False, parse_float=str, parse_int=str)
"""Keeps numbers as they were written; raw line breaks inside strings are tolerated."""
_TYPED = json.JSONDecoder(strict=False)
_MISSING = object()


def field(text: str, dotted: str) -> tuple[str, str] | None:
    """
    The value under `dotted` as text, and which step found it.

    1. The first balanced `{…}` block that parses and has the field; fences and words around it do not matter.
    2. `"FIELD": "…"`, a quoted value anywhere.
    3. `"FIELD": …`, an unquoted value up to a comma, a bracket, a blank or the end of the line.

    Steps 2 and 3 look for the last part of `dotted` only. A null counts as nothing found.
    """
    for value, place in _values(text, _EXACT, "{"):
        found = walk(value, dotted)
        if isinstance(found, dict | list):
            found = walk(_TYPED.raw_decode(text, place)[0], dotted)
            try:
                return canonical(found), ""
            except ValueError:
                return None
        if found is not _MISSING and found is not None:
            return as_text(found), ""
    quoted, bare = _patterns(dotted.rpartition(".")[2])
    if match := quoted.search(text):
        return _unescape(match.group(1)), "quoted field"
    if (match := bare.search(text)) and match.group(1) != "null":
        return match.group(1), "unquoted field"
    return None


def first_value(text: str) -> Any:
    """The first JSON object or array in `text`, else the whole text as JSON; raises `ValueError` when there is none."""
    for value, _ in _values(text, _TYPED, "{["):
        return value
    try:
        return _TYPED.decode(text.strip())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse(text: str) -> Any:
    """`text` as strict JSON; raises `ValueError` when it is none (NaN and Infinity are none)."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def canonical(value: Any) -> str:
    """One text per JSON value: keys sorted, no blanks. Raises `ValueError` when it is nested too deeply."""
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def walk(value: Any, dotted: str) -> Any:
    """The member of a parsed value that `dotted` names (`choices.0.text`); a marker that is not JSON when absent."""
    if isinstance(value, dict) and dotted in value:
        return value[dotted]
    for part in dotted.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part[:9]) < len(value):
            value = value[int(part[:9])]
        else:
            return _MISSING
    return value


def as_text(value: Any) -> str:
    """A string as it is, anything else as JSON."""
    return value if isinstance(value, str) else canonical(value)


def _values(text: str, decoder: json.JSONDecoder, openers: str) -> Any:
    position, tries = _next(text, openers, 0), 0
    while position >= 0 and tries < _BLOCKS:
        tries += 1
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            end = position + 1
        else:
            yield value, position
        position = _next(text, openers, end)


def _next(text: str, openers: str, start: int) -> int:
    places = [place for sign in openers if (place := text.find(sign, start)) >= 0]
    return min(places, default=-1)


@cache
def _patterns(name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    key = rf'"{re.escape(name)}"\s{{0,20}}:\s{{0,20}}'
    return re.compile(key + r'"((?:[^"\\]|\\.)*)"', re.DOTALL), re.compile(key + r'([^\s,{}\[\]"]+)')


def _unescape(body: str) -> str:
    try:
        value, _ = _EXACT.raw_decode(f'"{body}"')
    except ValueError:
        return body
    return str(value)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
