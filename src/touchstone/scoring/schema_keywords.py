"""
JSON Schema's keywords that no answer can make slow.

The library's own look for patterns with backtracking, which a text such as `aaaa…!` keeps busy for years, and compare
every item of a list with every other one. Patterns are RE2 here, as everywhere (promises.md, R22).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

from touchstone.errors import SettingsError
from touchstone.scoring.source import compile_pattern, encodable

_DATA = frozenset({"const", "default", "enum", "examples"})
"""Keywords whose values are data and no schemas."""


def check_patterns(schema: Any) -> None:
    """
    Refuse a schema whose patterns cannot be looked for in linear time.

    Raises:
        SettingsError: a pattern is not RE2, or patterns decide which properties are unevaluated.
    """
    seen: set[str] = set()
    for keyword, value in _keywords(schema):
        seen.add(keyword)
        if keyword == "pattern" and isinstance(value, str):
            _compiled(value)
        if keyword == "patternProperties" and isinstance(value, Mapping):
            for pattern in value:
                _compiled(pattern)
    if {"patternProperties", "unevaluatedProperties"} <= seen:
        raise SettingsError(
            "json_schema: patternProperties and unevaluatedProperties are not checked together; "
            "use additionalProperties instead"
        )


def linear(kind: Any) -> Any:
    """A validator class of jsonschema with its slow keywords replaced."""
    from jsonschema.validators import extend  # type: ignore[import-untyped]

    return extend(
        kind,
        {
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional_properties,
            "uniqueItems": _unique_items,
        },
    )


def _keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            yield key, value
            if key not in _DATA:
                yield from _keywords(value)
    elif isinstance(schema, list | tuple):
        for item in schema:
            yield from _keywords(item)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    return compile_pattern(pattern)


def _found(pattern: str, text: str) -> bool:
    return _compiled(pattern).search(encodable(text)) is not None


def _failure(message: str) -> Exception:
    from jsonschema import ValidationError  # type: ignore[import-untyped]

    error: Exception = ValidationError(message)
    return error


def _pattern(validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Exception]:
    if validator.is_type(instance, "string") and not _found(pattern, instance):
        yield _failure(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _schema: Any
) -> Iterator[Exception]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, part in patterns.items():
        for name, value in instance.items():
            if _found(pattern, name):
                yield from validator.descend(value, part, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, allowed: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[Exception]:
    if not validator.is_type(instance, "object"):
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extras = [name for name in instance if name not in named and not any(_found(pattern, name) for pattern in patterns)]
    if validator.is_type(allowed, "object"):
        for name in extras:
            yield from validator.descend(instance[name], allowed, path=name)
    elif not allowed and extras:
        yield _failure(f"properties that the schema does not name: {', '.join(map(repr, extras))}")


def _unique_items(validator: Any, unique: bool, instance: Any, _schema: Any) -> Iterator[Exception]:
    if not unique or not validator.is_type(instance, "array"):
        return
    seen: set[bytes] = set()
    for item in instance:
        key = _canonical(item)
        if key in seen:
            yield _failure(f"{item!r} stands there twice")
            return
        seen.add(key)


def _canonical(value: Any) -> bytes:
    """The same bytes for values that JSON Schema takes for equal: 1 and 1.0 are, 1 and true are not."""
    return orjson.dumps(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return ["i", str(value)]
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, list):
        return ["l", *map(_plain, value)]
    if isinstance(value, dict):
        return ["o", *([encodable(key), _plain(value[key])] for key in sorted(value))]
    return value
