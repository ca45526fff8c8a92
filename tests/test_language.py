"""What the language promises: one per context, English where no translation is known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from touchstone.language import (
    LANGUAGES,
    N_,
    _,
    current_language,
    in_language,
    language_code,
    ngettext,
    set_language,
)


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    set_language("en")
    yield
    set_language("en")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("zh", "zh"),
        ("zh_CN.UTF-8", "zh"),
        ("ZH-Hans", "zh"),
        ("en_US", "en"),
        ("de", "en"),
        ("C", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_every_locale_name_leads_to_a_language_we_speak(wanted: str | None, code: str) -> None:
    """Chinese in every spelling; English for everything else."""
    assert language_code(wanted) == code
    assert code in LANGUAGES


def test_messages_without_a_translation_stay_english() -> None:
    """Nothing is lost, in either language, and the empty message stays empty."""
    for code in LANGUAGES:
        set_language(code)
        assert _("a sentence that nobody has translated 1742") == "a sentence that nobody has translated 1742"
        assert _("") == ""
        assert [ngettext("{n} zebra 1742", "{n} zebras 1742", n) for n in (1, 2)] == [
            "{n} zebra 1742",
            "{n} zebras 1742",
        ]


def test_a_language_we_do_not_speak_is_refused() -> None:
    """With those we do; the one spoken before stays."""
    with pytest.raises(ValueError, match="'fr' is not one of en, zh"):
        set_language("fr")
    assert current_language() == "en"


def test_contexts_do_not_change_each_other() -> None:
    """A request in Chinese leaves the next one alone."""
    copy_context().run(set_language, "zh")
    assert current_language() == "en"


async def test_tasks_speak_their_own_language() -> None:
    """At the same time, in one process."""

    async def speak(code: str) -> str:
        set_language(code)
        await asyncio.sleep(0)
        return current_language()

    assert await asyncio.gather(speak("zh"), speak("en"), speak("zh")) == ["zh", "en", "zh"]
    assert current_language() == "en"


def test_marking_a_message_changes_nothing() -> None:
    """It is translated where it is shown."""
    assert N_("scores") == "scores"


def test_something_is_said_in_another_language_and_the_own_one_stays() -> None:
    """What follows is said in the language from before, also after an error."""
    assert in_language("zh", current_language) == "zh"
    with pytest.raises(ZeroDivisionError):
        in_language("zh", lambda: 1 / 0)
    assert current_language() == "en"
