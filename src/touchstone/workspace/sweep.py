"""One entry of a task file, several candidates: every combination of the values under `sweep`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any

import orjson

from touchstone.errors import TaskError
from touchstone.workspace.taskfile import Task

MOST = 64
"""Candidates that one entry may stand for."""

_NOT_SWEPT = ("name", "sweep", "recorded", "columns", "encoding", "licence", "self_hostable")
_LONGEST_SHOWN = 40
"""Characters of a value in a name."""


def expand(entry: Mapping[str, Any], task: Task, position: int) -> list[tuple[dict[str, Any], dict[str, Any], str]]:
    """
    (entry without `sweep`, the values that the sweep gave it, how its name ends) for every candidate it stands for.

    An entry without a sweep stands for itself, and its name ends with nothing.

    Raises:
        TaskError: the sweep cannot be read, names a value twice, or makes too many candidates.
    """
    if "sweep" not in entry:
        return [(dict(entry), {}, "")]
    sweep = _checked(entry, task, position)
    rest = {key: value for key, value in entry.items() if key != "sweep"}
    shown = {key: _names(values) for key, values in sweep.items()}
    # A model's own name says it already, where nothing else was given.
    silent = {"model"} if not entry.get("name") and not entry.get("served_name") else set()
    found = []
    for places in product(*(range(len(values)) for values in sweep.values())):
        given = {key: values[place] for (key, values), place in zip(sweep.items(), places, strict=True)}
        ending = [f", {key}={shown[key][place]}" for key, place in zip(sweep, places, strict=True) if key not in silent]
        found.append(({**rest, **given}, given, "".join(ending)))
    return found


def _checked(entry: Mapping[str, Any], task: Task, position: int) -> dict[str, list[Any]]:
    place = ("candidates", position, "sweep")
    sweep = entry["sweep"]
    if not isinstance(sweep, Mapping) or not sweep:
        raise TaskError(
            "sweep is {value!r}; write parameters with lists of values, such as sweep: {{k: [0, 1, 4]}}",
            path=task.path,
            line=task.line(*place),
            value=sweep,
        )
    for key, values in sweep.items():
        line = task.line(*place, key)
        if not isinstance(key, str) or key in _NOT_SWEPT:
            raise TaskError("sweep cannot vary {key!r}; it varies parameters", path=task.path, line=line, key=key)
        if key in entry:
            raise TaskError(
                "{key} stands under sweep and beside it; leave it in one place", path=task.path, line=line, key=key
            )
        if not isinstance(values, list) or not values:
            raise TaskError(
                "sweep.{key} is {value!r}; write a list of values", path=task.path, line=line, key=key, value=values
            )
        seen: list[bytes] = []
        for value in values:
            if _same(value) in seen:
                raise TaskError(
                    "sweep.{key} names {value!r} twice; once is enough",
                    path=task.path,
                    line=line,
                    key=key,
                    value=value,
                )
            seen.append(_same(value))
    count = prod(len(values) for values in sweep.values())
    if count > MOST:
        raise TaskError(
            "the sweep makes {count} candidates of one entry, and at most {most} go; vary less at once",
            path=task.path,
            line=task.line(*place),
            count=count,
            most=MOST,
        )
    return dict(sweep)


def _same(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)


def _names(values: list[Any]) -> list[str]:
    """What tables call the values: as they are, or shortened, and then told apart by their place."""
    found: list[str] = []
    for value in values:
        text = value["file"] if isinstance(value, Mapping) and set(value) == {"file"} else value
        if not isinstance(text, str):
            text = _same(value).decode()
        text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
        found.append(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…")
    return [f"{text} ({place})" if found.count(text) > 1 else text for place, text in enumerate(found, start=1)]
