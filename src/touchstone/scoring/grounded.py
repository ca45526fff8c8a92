"""
Answers that rest on the passages that were shown: do the cited ones support them, and do any.

Both look at words alone and ask nobody. Where wording may differ, `judge` with `passages: true` reads the same
passages. As the first scorer they would count an answer that cannot be checked as unparsed; they are meant to stand
behind one that compares with the target.
"""

from __future__ import annotations

import re

from touchstone.data.base import Case
from touchstone.errors import SettingsError
from touchstone.models.base import Completion
from touchstone.scoring.base import Reading, Score
from touchstone.scoring.citations import statements
from touchstone.scoring.normal import short
from touchstone.scoring.support import Checked, Evidence

_NOT_SHOWN = "no passages were shown"
_SAYS_NOTHING = "it says that it does not know"
_NOTHING_TO_CHECK = "no content words to check"

_UNKNOWN = re.compile(
    r"""
    ^\W{0,5}
    (?:(?:(?:i['’]?m|i\ am|we['’]?re|we\ are)\ )?(?:so\ |very\ |really\ )?(?:sorry|afraid)[,.;:]?\ (?:but\ |that\ )?
      |unfortunately,?\ |(?:很|非常)?(?:抱歉|遗憾)[，,。]?|对不起[，,。]?|不好意思[，,。]?)?
    (?: (?:i|we)\ (?:do\ not|don['’]?t|cannot|can['’]?t|could\ not|couldn['’]t|am\ not\ able\ to|am\ unable\ to)
          \ (?:know|say|tell|answer|find)\b
      | (?:it|that|this|the\ answer)\ (?:is|was)\ (?:unknown|not\ (?:stated|mentioned|given|specified|known|clear|in\b))
      | (?:unknown|not\ (?:stated|mentioned|given|specified|known))\b
      | (?:based\ on\ )?(?:the|these)\ (?:given\ |provided\ )?(?:passages?|documents?|context|texts?|handbook)
          \ (?:do\ not|don['’]t|does\ not|doesn['’]t)\ (?:say|mention|state|contain|specify|tell|provide|include|give)
      | (?:there\ is\ )?no\ (?:information|answer|mention)\b
      | (?:根据)?(?:以上|这些|所给|提供的|上述){0,2}(?:文中|段落|材料|资料|文档|信息|手册)?中?[，,]?(?:我们?)?也?
          (?:不知道|不清楚|无法(?:确定|回答|得知|判断|知道)|(?:没有|并?未)(?:提到|提及|说明|给出|相关|涉及))
      | 未知
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_YET = re.compile(r"\bbut\b|\bhowever\b|但|不过|然而", re.IGNORECASE)
_HEAD = 200


class Citations:
    """
    Share of an answer's sentences that the passages they cite support, from 0 to 1.

    A sentence is supported when every number and name and the other content words of it stand in the passages that it
    cites, taken together; `words` is the share of content words that must (1: all of them), numbers must always. A
    sentence that cites nothing, or passages that were not shown, is not supported; so an answer without citation scores
    0. Sentences without content words ("Yes.") do not count. An answer that says it does not know rests on nothing, and
    a candidate that shows no passages has nothing to cite: both have no value.

    This is the citation recall of ALCE (Gao et al. 2023, arXiv:2305.14627) with words where ALCE asks a model of
    entailment: it takes a paraphrase for unsupported and does not notice a denial that was left out. ALCE's citation
    precision, whether each cited passage is needed, is not measured.
    """

    name = "citations"
    reads_answer = True
    needs_target = False

    def __init__(self, words: float = 1.0) -> None:
        if not 0 < words <= 1:
            raise SettingsError("citations: words is {words}; write a share above 0, at most 1", words=words)
        self.words = words

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """The share; None where there is nothing that could be cited or checked."""
        text = _marked(reading)
        passages = completion.passages
        if passages is None or text is None or says_unknown(text):
            reason = _NOT_SHOWN if passages is None else "no answer" if text is None else _SAYS_NOTHING
            return Score(scorer=self.name, value=None, reason=reason)
        supported, checked, why = 0, 0, ""
        for one in statements(text):
            there = [number for number in one.cites if 1 <= number <= len(passages)]
            found = Evidence([passages[number - 1] for number in there]).check(one.text)
            if not found.units:
                continue
            checked += 1
            if self._holds(found):
                supported += 1
            elif not why:
                why = _why(one.text, one.cites, len(passages), there, found)
        if not checked:
            return Score(scorer=self.name, value=None, reason=_NOTHING_TO_CHECK)
        told = f"{supported} of {checked} sentences" + (f"; {why}" if why else "")
        return Score(scorer=self.name, value=supported / checked, reason=told)

    def _holds(self, found: Checked) -> bool:
        return not found.missing or (not found.numbers_missing and found.share >= self.words)


class Faithful:
    """
    Share of an answer's numbers, names and other content words that stand in any passage shown, from 0 to 1.

    What an answer has from elsewhere, be it right, lowers it. It is K-Precision (Adlakha et al. 2023, arXiv:2307.16877,
    section 4.2) without function words: it takes other words for the same thing as unfaithful, and does not see that
    the passages' words were put together wrongly. An answer that says it does not know claims nothing, and a candidate
    that shows no passages has nothing to be faithful to: both have no value.
    """

    name = "faithful"
    reads_answer = True
    needs_target = False

    async def score(self, case: Case, completion: Completion, reading: Reading) -> Score:
        """The share; None where there is nothing to be faithful to or nothing to check."""
        text = _marked(reading)
        passages = completion.passages
        if passages is None or text is None or says_unknown(text):
            reason = _NOT_SHOWN if passages is None else "no answer" if text is None else _SAYS_NOTHING
            return Score(scorer=self.name, value=None, reason=reason)
        evidence = Evidence(passages)
        found = [evidence.check(one.text) for one in statements(text)]
        units = sum(one.units for one in found)
        if not units:
            return Score(scorer=self.name, value=None, reason=_NOTHING_TO_CHECK)
        missing = [word for one in found for word in one.missing]
        told = f"not in the passages: {short(' '.join(missing))}" if missing else f"all {units} in the passages"
        return Score(scorer=self.name, value=1 - len(missing) / units, reason=told)


def says_unknown(text: str) -> bool:
    """
    Whether an answer says that it knows none, in English or Chinese, and goes on with no "but".

    A heuristic: it misses unusual wording.
    """
    return _UNKNOWN.match(text[:_HEAD]) is not None and _YET.search(_after_sorry(text)) is None


def _after_sorry(text: str) -> str:
    found = _UNKNOWN.match(text[:_HEAD])
    return text[found.end() :] if found else text


def _marked(reading: Reading) -> str | None:
    """The answer with its marks; where the task does not read them they are still in it."""
    return reading.answer if reading.cited is None else reading.cited


def _why(text: str, cites: tuple[int, ...], shown: int, there: list[int], found: Checked) -> str:
    if not cites:
        return f"no citation: {short(text)}"
    if not there:
        return f"cites {', '.join(map(str, cites[:5]))} of {shown} passages"
    return f"not in {''.join(f'[{number}]' for number in there[:5])}: {short(' '.join(found.missing))}"
