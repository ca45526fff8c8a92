"""
The base of every noun: frozen, closed, documented.

Modules of many nouns that short commands load do without `from __future__ import annotations`: annotations that are
texts are compiled one by one when a class is made. So do commands with many flags.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Noun(BaseModel):
    """
    A value that never changes after it was made.

    Frozen is shallow, so fields hold tuples rather than lists. A docstring under a field becomes its description in
    schemas and pages. `None` means unknown, never zero.
    """

    # Validators are built when a noun is first made: a short command imports many and makes few.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # pydantic's `use_attribute_docstrings` reads and parses our source at every start, and no run needs the words.
        found = handler(core_schema)
        properties = handler.resolve_ref_schema(found).get("properties", {})
        for name, words in described(cls).items():
            key = name if name in properties else cls.model_fields[name].alias
            if key in properties:
                properties[key].setdefault("description", words)
        return found


def described(noun: type[BaseModel]) -> dict[str, str]:
    """What the docstrings under the fields of a noun say, by the fields' names; inherited fields keep their words."""
    found: dict[str, str] = {}
    for owner in reversed(noun.__mro__):
        if issubclass(owner, BaseModel):
            for name in inspect.get_annotations(owner):
                found.pop(name, None)  # a field that is declared anew has its own words or none
            found |= _words_in(owner.__module__).get(owner.__qualname__, {})
    return {name: found[name] for name in noun.model_fields if name in found}


@cache
def _words_in(module: str) -> dict[str, dict[str, str]]:
    """The docstrings under the fields of every class of a module, by the class's qualified name."""
    try:
        source = inspect.getsource(sys.modules[module])
    except (KeyError, OSError, TypeError):
        return {}  # made at run time, or shipped without its source
    found: dict[str, dict[str, str]] = {}
    waiting: list[tuple[str, ast.AST]] = [("", ast.parse(source))]
    while waiting:
        place, node = waiting.pop()
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.ClassDef):
                found[place + inner.name] = _words_under(inner.body)
                waiting.append((f"{place}{inner.name}.", inner))
            elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                waiting.append((f"{place}{inner.name}.<locals>.", inner))
            else:
                waiting.append((place, inner))
    return found


def _words_under(body: Sequence[ast.stmt]) -> dict[str, str]:
    found = {}
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            words = below.value
            if isinstance(words, ast.Constant) and isinstance(words.value, str):
                found[field.target.id] = inspect.cleandoc(words.value)
    return found
