"""
Short answers compared word by word, as SQuAD does.

Source: Rajpurkar et al. 2016, arXiv:1606.05250, and its evaluation script v1.1: lower case, punctuation and the
articles a, an, the removed, blanks collapsed; F1 over the bag of words; the best of several gold answers counts.
Chinese has no blanks between words, so every Chinese, Japanese or Korean character is a word, as in the scripts of
CMRC 2018 and DRCD; their punctuation goes too. In mixed text, Latin words stay whole.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter

from touchstone.data.base import Case
from touchstone.models.base import Completion
from touchstone.scoring.base import Reading, Score
from touchstone.scoring.normal import CJK, has_cjk, plain, short
from touchstone.scoring.targets import accepted

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ASCII_MARKS = str.maketrans("", "", string.punctuation)
_MARKS = re.compile(r"[·，。：？！“”；’‘《》…、「」『』（）－～—【】〈〉]")
_PIECES = re.compile(rf"[{CJK}]|[^\s{CJK}]+")


def words(text: str) -> list[str]:
    """The words that are compared; Chinese characters one by one."""
    if text.isascii():
        return _ARTICLES.sub(" ", text.lower().translate(_ASCII_MARKS)).split()
    text = unicodedata.normalize("NFC", text).lower().translate(_ASCII_MARKS)
    if not has_cjk(text):
        return _ARTICLES.sub(" ", text).split()
    return _PIECES.findall(_ARTICLES.sub(" ", _MARKS.sub("", text)))


def token_f1(answer: str, target: str) -> float:
    """
    F1 of the words two texts share, from 0 to 1, symmetric.

    Where one side has no words left (all articles and punctuation), 1 when the texts are the same, else 0.
    """
    ours, theirs = words(answer), words(target)
    if not ours or not theirs:
        return float(plain(answer).casefold() == plain(target).casefold() != "")
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs))


def exact_match(answer: str, target: str) -> float:
    """1 when the words are the same and in the same order, else 0."""
    ours, theirs = words(answer), words(target)
    if not ours or not theirs:
        return float(plain(answer).casefold() == plain(target).casefold() != "")
    return float(ours == theirs)


class TokenF1:
    """
    Share of words in common with the target (F1), from 0 to 1.

    The target may be a JSON list of accepted answers; the best one counts. An answer without words scores 0.
    """

    name = "squad_f1"
    reads_answer = True
    needs_target = True

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """The best F1 over the accepted answers; None without a target or an answer."""
        if case.target is None or reading.answer is None:
            return Score(scorer=self.name, value=None, reason="no target" if case.target is None else "no answer")
        value = max(token_f1(reading.answer, target) for target in accepted(case.target))
        return Score(scorer=self.name, value=value, reason="" if value == 1 else f"against {short(case.target)}")


class SquadExactMatch:
    """1 when the answer's words are those of the target or of one of its JSON list, else 0."""

    name = "squad_em"
    reads_answer = True
    needs_target = True

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """1 or 0; None without a target or an answer."""
        if case.target is None or reading.answer is None:
            return Score(scorer=self.name, value=None, reason="no target" if case.target is None else "no answer")
        value = max(exact_match(reading.answer, target) for target in accepted(case.target))
        return Score(scorer=self.name, value=value, reason="" if value == 1 else f"against {short(case.target)}")
