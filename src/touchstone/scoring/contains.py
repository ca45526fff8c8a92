"""Answers that must hold a text or match a pattern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from touchstone.data.base import Case
from touchstone.errors import SettingsError
from touchstone.models.base import Completion
from touchstone.scoring.base import Reading, Score
from touchstone.scoring.normal import plain, short
from touchstone.scoring.source import compile_pattern, encodable
from touchstone.scoring.targets import accepted


class Contains:
    """
    1 when the answer holds the wanted text, else 0; case does not matter unless told.

    Wanted is `text`, one or several; without it the target, which may be a JSON list. Of several, `any` one is enough
    or `all` are needed. Texts are compared in Unicode NFC, anywhere in the answer, inside words too.
    """

    name = "contains"
    reads_answer = True

    def __init__(
        self,
        text: str | Sequence[str] | None = None,
        mode: Literal["any", "all"] = "any",
        ignore_case: bool = True,
    ) -> None:
        if mode not in ("any", "all"):
            raise SettingsError("contains: mode is {mode!r}; use any or all", mode=mode)
        if text is not None and (
            not text or not all(plain(one) for one in ([text] if isinstance(text, str) else text))
        ):
            raise SettingsError("contains: the text to look for is empty; name one, or leave `text` out for the target")
        self.text = text
        self.mode = mode
        self.ignore_case = ignore_case

    @property
    def needs_target(self) -> bool:
        """Without a text of its own it looks for the target."""
        return self.text is None

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """1 or 0; None without an answer or anything to look for."""
        if reading.answer is None:
            return Score(scorer=self.name, value=None, reason="no answer")
        if self.text is not None:
            wanted: Sequence[str] = [self.text] if isinstance(self.text, str) else self.text
        else:
            wanted = [one for one in accepted(case.target or "") if plain(one)]
        if not wanted:
            return Score(scorer=self.name, value=None, reason="no target")
        answer = self._key(reading.answer)
        missing = [one for one in wanted if self._key(one) not in answer]
        value = float(not missing if self.mode == "all" else len(missing) < len(wanted))
        return Score(scorer=self.name, value=value, reason="" if value else f"without {short(', '.join(missing))}")

    def _key(self, text: str) -> str:
        return plain(text).casefold() if self.ignore_case else plain(text)


class Regex:
    """
    1 when the pattern matches somewhere in the answer (`full`: matches all of it), else 0.

    RE2 syntax, so that no pattern is slow on any text; a pattern that is none is refused when the scorer is made. A
    blank answer scores 0 whatever the pattern.
    """

    name = "regex"
    reads_answer = True
    needs_target = False

    def __init__(self, pattern: str, ignore_case: bool = False, full: bool = False) -> None:
        self.pattern = pattern
        self.ignore_case = ignore_case
        self.full = full
        self._compiled = compile_pattern(pattern, ignore_case=ignore_case)

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """1 or 0; None without an answer."""
        if reading.answer is None:
            return Score(scorer=self.name, value=None, reason="no answer")
        answer = encodable(reading.answer).strip()
        found = self._compiled.fullmatch(answer) if self.full else self._compiled.search(answer)
        value = float(bool(answer) and found is not None)
        return Score(scorer=self.name, value=value, reason="" if value else f"no match of {short(self.pattern)}")
