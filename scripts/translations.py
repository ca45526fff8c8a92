"""
Keep the Chinese catalog in step with the source: extract, update the .po, compile the .mo.

    python scripts/translations.py             # update and compile; say what still wants a translation
    python scripts/translations.py --missing   # print the messages without one, and fail when there are any

Messages are: literals in `_()`, `N_()`, `ngettext()` and `translate()`; the first literal of every error class and of
`super().__init__()` in an error class; every literal `template=` and the `kind=` of an UnknownName; and the same
calls in Jinja templates. A test fails when a message is untranslated, fuzzy or has other fields than its original,
and when the .mo is not made of the .po.
"""

from __future__ import annotations

import argparse
import ast
import io
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "touchstone"
PO = PACKAGE / "locale" / "zh_CN" / "LC_MESSAGES" / "touchstone.po"
MO = PO.with_suffix(".mo")
MARKERS = frozenset({"_", "N_", "translate"})
WIDTH = 110
LAID = datetime(2026, 11, 23, tzinfo=UTC)
"""A fixed date in the header, so that the same source gives the same bytes."""


class Found(NamedTuple):
    """A message and where it stands; `plural` is None where there is only one form."""

    message: str
    plural: str | None
    file: str


def extract() -> list[Found]:
    """Every message of the package, in the order of files and lines."""
    files = {path: _parts(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    errors = _error_classes(one for _, classes in files.values() for one in classes)
    found = []
    for path, (calls, _) in files.items():
        place = path.relative_to(PACKAGE).as_posix()
        found += [Found(message, plural, place) for message, plural in _python(calls, errors)]
    for path in sorted(PACKAGE.rglob("*.j2")):
        place = path.relative_to(PACKAGE).as_posix()
        found += [Found(message, plural, place) for message, plural in _jinja(path.read_text(encoding="utf-8"))]
    return [item for item in found if item.message]


def update() -> Catalog:
    """Bring the .po up to date with the source, keeping its translations; write the .mo."""
    old = read() if PO.exists() else _empty()
    fresh = _empty()
    for item in extract():
        known = old.get(item.message)
        fresh.add(
            (item.message, item.plural) if item.plural else item.message,
            string=_kept(known.string if known else None, plural=item.plural is not None),
            locations=[(item.file, 1)],
            flags={"fuzzy"} if known and known.fuzzy else (),
        )
    for message in fresh:
        message.flags -= {"python-format", "python-brace-format"}
    PO.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    write_po(buffer, fresh, width=WIDTH, include_lineno=False)
    PO.write_bytes(buffer.getvalue())
    MO.write_bytes(compiled(read()))
    return read()


def _empty() -> Catalog:
    """A catalog with a header that says nothing about when or where it was made."""
    return Catalog(
        locale="zh_CN",
        domain="touchstone",
        project="Touchstone",
        version="1",
        header_comment="# Simplified Chinese of everything Touchstone says. Update it with: make translations",
        msgid_bugs_address="none",
        creation_date=LAID,
        revision_date=LAID,
        last_translator="Touchstone",
        language_team="zh_CN",
        fuzzy=False,
    )


def _kept(string: object, *, plural: bool) -> str | tuple[str, ...]:
    """A known translation in the shape the message has today; Chinese has one form for every count."""
    first = string[0] if isinstance(string, tuple | list) and string else string
    text = first if isinstance(first, str) else ""
    return (text,) if plural else text


def read() -> Catalog:
    """The .po as it is."""
    with PO.open("rb") as file:
        return read_po(file, locale="zh_CN", domain="touchstone")


def compiled(catalog: Catalog) -> bytes:
    """The .mo of a catalog; the same catalog gives the same bytes."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def untranslated(catalog: Catalog) -> list[str]:
    """Messages without a translation, or with one that nobody confirmed."""
    found = []
    for message in catalog:
        if not message.id:
            continue
        first = message.id[0] if isinstance(message.id, tuple) else message.id
        strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
        if message.fuzzy or not strings or not all(strings):
            found.append(str(first))
    return found


class _Call(NamedTuple):
    """What may matter of a call; the tree that it stood in is let go, for those of all files together are large."""

    place: tuple[int, int]
    name: str
    first: str | None
    """What is given first, where that is a literal text; as is the second."""
    second: str | None
    named: tuple[tuple[str | None, str], ...]
    """What is given by name and a literal text."""
    classes: frozenset[str]
    """Those that it stands in."""


class _Class(NamedTuple):
    name: str
    bases: frozenset[str]


def _parts(text: str) -> tuple[list[_Call], list[_Class]]:
    """The calls of a file that are given literal texts, in the order of lines, and its classes."""
    calls, classes = list[_Call](), list[_Class]()
    todo: list[tuple[ast.AST, frozenset[str]]] = [(ast.parse(text), frozenset())]
    while todo:
        node, inside = todo.pop()
        if isinstance(node, ast.ClassDef):
            classes.append(_Class(node.name, frozenset(map(_name, node.bases))))
            inside |= {node.name}
        elif isinstance(node, ast.Call):
            first, second = [*map(_literal, node.args[:2]), None, None][:2]
            named = tuple((one.arg, said) for one in node.keywords if (said := _literal(one.value)) is not None)
            if first is not None or named:
                calls.append(_Call((node.lineno, node.col_offset), _name(node.func), first, second, named, inside))
        todo += [(child, inside) for child in ast.iter_child_nodes(node)]
    return sorted(calls, key=lambda call: call.place), classes


def _error_classes(classes: Iterable[_Class]) -> frozenset[str]:
    """Names of all classes that descend from TouchstoneError, wherever they stand."""
    known, rest = {"TouchstoneError"}, list(classes)
    grown = True
    while grown:
        more = {one.name for one in rest if one.bases & known} - known
        known |= more
        grown = bool(more)
    return frozenset(known)


def _python(calls: list[_Call], errors: frozenset[str]) -> Iterator[tuple[str, str | None]]:
    for call in calls:
        if call.name == "ngettext":
            if call.first is not None and call.second is not None:
                yield call.first, call.second
        elif call.first is not None and (
            call.name in MARKERS or call.name in errors or (call.name == "__init__" and call.classes & errors)
        ):
            yield call.first, None
        for name, text in call.named:
            if name == "template" or (name == "kind" and call.name == "UnknownName"):
                yield text, None


def _jinja(source: str) -> Iterator[tuple[str, str | None]]:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for _line, function, message in environment.extract_translations(source):
        if function == "ngettext" and isinstance(message, tuple):
            yield str(message[0]), str(message[1])
        elif isinstance(message, str):
            yield message, None


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _literal(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def main() -> int:
    """Do what the command line says; 1 when `--missing` finds something."""
    parser = argparse.ArgumentParser(description="Keep the Chinese catalog in step with the source.")
    parser.add_argument("--missing", action="store_true", help="print the messages without a translation")
    arguments = parser.parse_args()
    catalog = update()
    missing = untranslated(catalog)
    if arguments.missing:
        sys.stdout.write("".join(f"{message!r}\n" for message in missing))
        return int(bool(missing))
    sys.stdout.write(f"{len(catalog)} messages, {len(missing)} without a translation\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
