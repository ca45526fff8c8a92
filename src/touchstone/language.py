"""
The reader's language: English, or Simplified Chinese from the gettext catalog in `locale/`.

The language is one per process and context: the command line sets it once, a web request sets it for itself.
"""

from __future__ import annotations

import gettext as _gettext
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import cache
from pathlib import Path
from typing import TypeVar

Said = TypeVar("Said")

LANGUAGES = {"en": "English", "zh": "简体中文"}
"""Codes the product speaks, with each language's own name."""

_CATALOGS = {"zh": "zh_CN"}
_current: ContextVar[str] = ContextVar("language", default="en")


def language_code(wanted: str | None) -> str:
    """The code in `LANGUAGES` for a locale or language name such as `zh_CN.UTF-8`, `zh-Hans` or `en`; else `en`."""
    return "zh" if (wanted or "").lower().startswith("zh") else "en"


def set_language(code: str) -> None:
    """Speak `code` (a key of `LANGUAGES`) from here on, in this context."""
    if code not in LANGUAGES:
        raise ValueError(f"language {code!r} is not one of {', '.join(LANGUAGES)}")
    _current.set(code)


def current_language() -> str:
    """The code that is spoken now."""
    return _current.get()


def in_language(code: str, say: Callable[[], Said]) -> Said:
    """What `say` gives while `code` is spoken; the language here stays as it is."""

    def spoken() -> Said:
        set_language(code)
        return say()

    return copy_context().run(spoken)


@cache
def _catalog(code: str) -> _gettext.NullTranslations:
    if code not in _CATALOGS:
        return _gettext.NullTranslations()
    return _gettext.translation("touchstone", Path(__file__).parent / "locale", [_CATALOGS[code]], fallback=True)


def _(message: str) -> str:
    """`message` in the reader's language; itself where no translation is known."""
    return _catalog(_current.get()).gettext(message) if message else ""


def ngettext(singular: str, plural: str, n: int) -> str:
    """The form of a message that fits the count `n`, in the reader's language."""
    return _catalog(_current.get()).ngettext(singular, plural, n)


def N_(message: str) -> str:  # noqa: N802 - the name gettext tools look for
    """Marks a message for translation where it is defined; translate it with `_` where it is shown."""
    return message
