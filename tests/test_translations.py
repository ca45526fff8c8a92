"""Everything Touchstone says can be said in Chinese."""

from __future__ import annotations

import gettext
import importlib.util
import io
import sys
from pathlib import Path
from string import Formatter
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "translations.py"


@pytest.fixture(scope="module")
def translations() -> ModuleType:
    spec = importlib.util.spec_from_file_location("translations", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["translations"] = module
    spec.loader.exec_module(module)
    return module


def fields(template: str) -> set[tuple[str, str | None, str | None]]:
    return {(name, spec or None, how) for _, name, spec, how in Formatter().parse(template) if name is not None}


def test_every_message_is_in_the_catalog(translations: ModuleType) -> None:
    """The .po holds exactly what the source says; run `make translations` when it does not."""
    catalog = translations.read()
    known = {message.id[0] if isinstance(message.id, tuple) else message.id for message in catalog if message.id}

    assert {found.message for found in translations.extract()} == known


def test_every_message_has_a_translation(translations: ModuleType) -> None:
    """None is empty, and none waits for somebody to confirm it."""
    assert translations.untranslated(translations.read()) == []


def test_translations_have_the_fields_of_their_originals(translations: ModuleType) -> None:
    """A translation fills in what its original does, in the same format, so that it can always be said."""
    wrong = []
    for message in translations.read():
        strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
        originals = message.id if isinstance(message.id, tuple) else (message.id,)
        wanted = set().union(*(fields(original) for original in originals)) if message.id else set()
        wrong += [text for text in strings if message.id and text and fields(text) != wanted]

    assert wrong == []


def test_the_compiled_catalog_is_made_of_the_source(translations: ModuleType) -> None:
    """The .mo says what the .po says; run `make translations` when it does not."""
    fresh = gettext.GNUTranslations(io.BytesIO(translations.compiled(translations.read())))
    with translations.MO.open("rb") as file:
        shipped = gettext.GNUTranslations(file)

    said, wanted = dict(shipped._catalog), dict(fresh._catalog)  # type: ignore[attr-defined]
    said.pop("", None), wanted.pop("", None)  # the header names the tool that wrote it
    assert said == wanted


def test_all_the_ways_of_saying_something_are_found(translations: ModuleType, tmp_path: Path) -> None:
    """Functions, plural forms, error classes and their heirs, templates of notes, and Jinja pages are extracted."""
    (tmp_path / "room.py").write_text(
        'class Mine(UserError):\n    def __init__(self):\n        super().__init__("own {x}", x=1)\n'
        'raise Mine("heir")\n'
        'raise DataError("error " "in two", path=p)\n'
        '_("said"); N_("marked"); ngettext("one {n}", "many {n}", n); translate("handed on")\n'
        'Reason(template="note {a}", values={}); log("not this"); _(variable)\n'
        'UnknownName(kind="thing", name=name, known=()); call(kind="not this either")\n'
        "class TouchstoneError(Exception): ...\nclass UserError(TouchstoneError): ...\n"
        "class DataError(UserError): ...\n",
        encoding="utf-8",
    )
    (tmp_path / "page.j2").write_text(
        '<p title="{{ _("in a page") }}">{{ ngettext("a", "b", 2) }}</p>', encoding="utf-8"
    )
    translations.PACKAGE, kept = tmp_path, translations.PACKAGE
    try:
        found = {(item.message, item.plural) for item in translations.extract()}
    finally:
        translations.PACKAGE = kept

    assert found == {
        ("own {x}", None), ("heir", None), ("error in two", None), ("said", None), ("marked", None),
        ("one {n}", "many {n}"), ("handed on", None), ("note {a}", None), ("in a page", None), ("a", "b"),
        ("thing", None),
    }  # fmt: skip
