"""What stands in a cell, as text, options, tags or a split."""

from __future__ import annotations

import json
import math
from typing import Any

from touchstone.errors import InvalidValue

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "development": "dev",
    "validation": "dev",
    "valid": "dev",
    "val": "dev",
    "test": "test",
    "testing": "test",
}
"""Names of splits in use, in lower case."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def text_of(value: Any) -> str | None:
    """
    A cell as text; None where it is missing (None, NaN, infinite).

    Text stays exactly as it is. Whole numbers have no decimal point (7.0 is "7"), other numbers the shortest decimal
    that is the same number; booleans are `true` and `false`; lists and objects compact JSON.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)


def split_of(value: Any) -> str | None:
    """`train`, `dev` or `test`; `test` for an empty cell, None for a name that is no split."""
    text = (text_of(value) or "").strip()
    return SPLIT_NAMES.get(text.casefold()) if text else "test"


def options_of(value: Any) -> tuple[str, ...]:
    """
    The options of a choice question in the order of their letters.

    Understood: a list; JSON text of a list; lines; text separated by ` | `; an object from letters to texts; an object
    with a list `text` (and perhaps `label`), as some published sets have it.

    Raises:
        ValueError: more options than letters, an option that is missing, or an object of another shape.
    """
    if isinstance(value, str):
        text = value.strip()
        if text.startswith(("[", "{")):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                value = text
        if isinstance(value, str):
            parts = text.split("\n") if "\n" in text else text.split(" | ")
            value = [part.strip() for part in parts if part.strip()]
    if isinstance(value, dict):
        if isinstance(value.get("text"), list) and set(value) <= {"text", "label"}:
            value = value["text"]
        elif list(value) == list(LETTERS[: len(value)]):
            value = list(value.values())
        else:
            raise InvalidValue("an object of options must go from the letters A, B, C, … to texts")
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        value = [value]
    options = [text_of(item) for item in value]
    if len(options) > len(LETTERS):
        raise InvalidValue("{n} options are more than there are letters", n=len(options))
    if any(option is None for option in options):
        raise InvalidValue("an option is missing")
    return tuple(option for option in options if option is not None)


def tags_of(value: Any) -> tuple[str, ...]:
    """Tags of a list, of JSON text of a list, or of text separated by `;` or, without one, by `,`; none twice."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("["):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                value = text
        if isinstance(value, str):
            value = text.split(";" if ";" in text else ",")
    if not isinstance(value, (list, tuple)):
        value = [] if value is None else [value]
    tags = ((text_of(item) or "").strip() for item in value)
    return tuple(dict.fromkeys(tag for tag in tags if tag))
