"""Prompt templates: plain substitution of `{name}`, nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from touchstone.data.base import Case
from touchstone.errors import SettingsError

_SLOT = re.compile(r"\{([^\W\d]\w*)\}")


def slots(template: str) -> frozenset[str]:
    """The names in braces; other braces, such as those of JSON, are text."""
    return frozenset(_SLOT.findall(template))


def check_slots(template: str, known: Iterable[str], *, where: str) -> None:
    """Raises `SettingsError` when a JSON-free slot names no column; every such prompt would be sent with a hole."""
    check_names(slots(template), known, where=where)


def check_names(named: Iterable[str], known: Iterable[str], *, where: str) -> None:
    """Raises `SettingsError` when a name that a template uses is no column."""
    known = frozenset(known)
    missing = sorted(set(named) - known)
    if missing:
        raise SettingsError(
            "{where}: the template uses {missing} and the cases have {known}; rename it or add the column",
            where=where,
            missing=", ".join("{" + name + "}" for name in missing),
            known=", ".join(sorted(known)),
        )


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with every known slot replaced in one pass: what a value contains is never looked at again."""
    return _SLOT.sub(lambda slot: values.get(slot.group(1), slot.group(0)), template)


def option_lines(options: Iterable[str]) -> str:
    """Options of a choice question as lines `A. …`."""
    return "\n".join(f"{chr(ord('A') + place)}. {text}" for place, text in enumerate(options))


def case_values(case: Case) -> dict[str, str]:
    """What a template may say of a case; the target and the other cases are not among it."""
    return {**case.fields, "input": case.text, "options": option_lines(case.options), "id": case.id}
