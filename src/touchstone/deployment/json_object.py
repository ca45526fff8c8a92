"""A JSON object out of bytes that somebody else wrote."""

from __future__ import annotations

from typing import Any

import orjson


def json_object(body: bytes) -> dict[str, Any] | None:
    """The object that a JSON text says; None where it is no JSON, or says something else."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
