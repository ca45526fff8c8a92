"""
Texts that share words or characters with the target: ROUGE, BLEU, chrF.

BLEU and chrF are sacrebleu's (Post 2018, arXiv:1804.08771; chrF: Popović 2015). ROUGE (Lin 2004) is our own: the usual
package scores identical Chinese strings 0. All three measure likeness to a wording, which is not the same as quality.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

from touchstone.data.base import Case
from touchstone.errors import ExtraMissing, SettingsError
from touchstone.models.base import Completion
from touchstone.scoring.base import Reading, Score
from touchstone.scoring.normal import has_cjk, tokens
from touchstone.scoring.targets import accepted

_KANA_OR_HANGUL = re.compile("[\u3040-\u30ff\uac00-\ud7af]")
TOKEN_LIMIT = 20_000
"""Words beyond this are left out of ROUGE, so that an endless output costs no endless time."""


def ngram_f1(ours: Sequence[str], theirs: Sequence[str], n: int) -> float:
    """ROUGE-N: F1 of the n-grams in common, from 0 to 1, symmetric; 0 where a side has none."""
    one = Counter(zip(*(ours[start:] for start in range(n)), strict=False))
    other = Counter(zip(*(theirs[start:] for start in range(n)), strict=False))
    total = one.total() + other.total()
    if not one or not other:
        return 0.0
    return 2 * (one & other).total() / total


def subsequence_f1(ours: Sequence[str], theirs: Sequence[str]) -> float:
    """ROUGE-L: F1 of the longest common subsequence, from 0 to 1, symmetric; 0 where a side is empty."""
    if not ours or not theirs:
        return 0.0
    return 2 * longest_common_subsequence(ours, theirs) / (len(ours) + len(theirs))


def longest_common_subsequence(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """
    Its length, a machine word of the table at a time.

    Hyyrö 2004, "Bit-parallel LCS-length computation revisited": a zero bit in `row` is a step of the table's row.
    """
    places: dict[str, int] = {}
    for index, word in enumerate(ours):
        places[word] = places.get(word, 0) | 1 << index
    full = (1 << len(ours)) - 1
    row = full
    for word in theirs:
        hits = row & places.get(word, 0)
        row = (row + hits | row - hits) & full
    return len(ours) - row.bit_count()


class Rouge:
    """
    ROUGE F1 against the target, from 0 to 1; the best of a JSON list of targets.

    `variant` is `L` (longest common subsequence, default), `1` or `2`. Words in lower case without punctuation, no
    stemming; every Chinese character is a word. Texts of one word have no pairs: `2` compares words there.
    """

    name = "rouge"
    reads_answer = True
    needs_target = True

    def __init__(self, variant: Literal["L", "1", "2", 1, 2] = "L") -> None:
        if str(variant) not in ("L", "1", "2"):
            raise SettingsError("rouge: variant is {variant!r}; use L, 1 or 2", variant=variant)
        self.variant = str(variant)

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """F1; None without a target or an answer."""
        if case.target is None or reading.answer is None:
            return Score(scorer=self.name, value=None, reason="no target" if case.target is None else "no answer")
        ours = tokens(reading.answer)[:TOKEN_LIMIT]
        value = max(self._value(ours, tokens(target)[:TOKEN_LIMIT]) for target in accepted(case.target))
        return Score(scorer=self.name, value=value, reason=f"ROUGE-{self.variant}")

    def _value(self, ours: list[str], theirs: list[str]) -> float:
        if self.variant == "L":
            return subsequence_f1(ours, theirs)
        n = 1 if min(len(ours), len(theirs)) == 1 else int(self.variant)
        return ngram_f1(ours, theirs, n)


class Bleu:
    """
    Sentence BLEU against the target or all of its JSON list, from 0 to 1, as sacrebleu computes it.

    Exponential smoothing, and only the n-gram orders that the answer is long enough for. Words by `13a`, Chinese by
    `zh`, Japanese and Korean by characters. Sentence BLEU is noisy; for a corpus figure use the literature's tools.
    """

    name = "bleu"
    reads_answer = True
    needs_target = True

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """BLEU / 100; None without a target or an answer."""
        return _sacrebleu_score(self.name, case, reading)


class Chrf:
    """Sentence chrF2 (character n-grams up to 6) against the target or its JSON list, from 0 to 1, by sacrebleu."""

    name = "chrf"
    reads_answer = True
    needs_target = True

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """ChrF / 100; None without a target or an answer."""
        return _sacrebleu_score(self.name, case, reading)


def _sacrebleu_score(scorer: str, case: Case, reading: Reading) -> Score:
    if case.target is None or reading.answer is None:
        return Score(scorer=scorer, value=None, reason="no target" if case.target is None else "no answer")
    targets = list(accepted(case.target))
    if not reading.answer.strip() or not any(target.strip() for target in targets):
        return Score(scorer=scorer, value=0.0, reason="empty")
    found = _metric(scorer, _tokenizer("".join(targets))).sentence_score(reading.answer, targets)
    return Score(scorer=scorer, value=min(1.0, max(0.0, float(found.score) / 100)), reason=scorer)


def _tokenizer(text: str) -> str:
    if _KANA_OR_HANGUL.search(text):
        return "char"
    return "zh" if has_cjk(text) else "13a"


@cache
def _metric(scorer: str, tokenize: str) -> Any:
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError:
        raise ExtraMissing(feature=f"the scorer {scorer}", extra="metrics") from None
    return BLEU(effective_order=True, tokenize=tokenize) if scorer == "bleu" else CHRF()
