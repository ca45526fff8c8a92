"""The JSON of a live source, read within limits."""

from __future__ import annotations

from typing import Any

from touchstone.catalog.outbound import Limits
from touchstone.catalog.source_failed import SourceFailed


def read_json(body: bytes, host: str, limits: Limits) -> Any:
    """
    The JSON value in an answer.

    Raises:
        SourceFailed: it is no JSON (NaN and unpaired surrogates are none), or has too many values or levels.
    """
    import orjson

    # Commas, colons and brackets inside of texts count too, so that the true number of values is never above this.
    values = sum(map(body.count, (b",", b":", b"[", b"{"))) + 1
    if values > limits.max_values:
        raise SourceFailed(
            "the answer of {host} has up to {values} values, more than the {limit} that are read; nothing was taken",
            host=host,
            values=values,
            limit=limits.max_values,
        )
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise SourceFailed(
            "the answer of {host} is no complete JSON ({reason}); nothing was taken", host=host, reason=str(error)
        ) from None
    if _deeper_than(value, limits.max_depth):
        raise SourceFailed(
            "the answer of {host} is nested more than {limit} levels deep; nothing was taken",
            host=host,
            limit=limits.max_depth,
        )
    return value


def without_key(value: Any, key: str | None) -> Any:
    """The value without the key that was sent, should the server have written it into its answer."""
    import orjson

    if key is None:
        return value
    # Written again, the key has one spelling, however the server spelled it.
    spelled = orjson.dumps(key)[1:-1]
    packed = orjson.dumps(value)
    return orjson.loads(packed.replace(spelled, b"[key]")) if spelled in packed else value


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
