"""
Numbers as people write them: currency, thousands, percent, fractions, powers of ten, full-width and Chinese numerals.

Arithmetic is exact (`Fraction`); nothing is ever evaluated as code, and lengths are capped so that hostile text costs
no more than friendly text.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

DIGIT_LIMIT = 100
"""A run of digits longer than this is not read as a number."""
EXPONENT_LIMIT = 400
"""Powers of ten beyond this are not read: a double holds no more, and 1e999999999 would fill the memory."""

_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_FRACTIONS = {
    "½": "1/2",
    "⅓": "1/3",
    "⅔": "2/3",
    "¼": "1/4",
    "¾": "3/4",
    "⅕": "1/5",
    "⅛": "1/8",
    "⅜": "3/8",
    "⅝": "5/8",
}
_PLAIN = _WIDE | {ord(sign): f" {text} " for sign, text in _FRACTIONS.items()}
_PLAIN |= {0x2212: "-", 0xFE63: "-", 0x2044: "/", 0xFFE5: "¥", 0x3000: " "}
# An en dash stays what it is: "10–15" is a range, not ten and minus fifteen.

_LATEX = re.compile(r"\\[dt]?frac\{(\d{1,100})\}\{(\d{1,100})\}|\{,\}|\\([$%,!])")
_SIGNS = r"[$€£¥₹₩]|US\$|RMB|USD|EUR|CNY"
_GROUPED = (
    r"\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)(?:\.\d{1,100})?|\d{1,3}(?:[\u00a0\u202f\u2009'’]\d{3})+(?!\d)(?:[.,]\d{1,100})?"
)
_EUROPEAN = r"\d{1,3}(?:\.\d{3})+,\d{1,100}|\d{1,100},\d{1,2}(?![\d,.]\d|\d)"
_NUMBER = re.compile(
    rf"""
    (?<![\w.])(?<!\d,)                                # not inside a word, a number or a version
    (?P<minus>-\s?)? (?:{_SIGNS})? \s? (?P<minus2>-)?
    (?:
        (?P<whole>\d{{1,100}})[ ](?P<top>\d{{1,100}})\s?/\s?(?P<below>\d{{1,100}})(?![\d/])      # 3 1/2
      | (?P<num>\d{{1,100}})\s?/\s?(?P<den>\d{{1,100}})(?![\d/.,]\d|[\d/])                      # 1/2, no date
      | (?P<european>{_EUROPEAN})
      | (?P<grouped>{_GROUPED})
      | (?P<plain>\d{{1,100}}(?:\.\d{{1,100}})?|\.\d{{1,100}})
        (?:[eE](?P<exp>[+-]?\d{{1,6}})(?![\w])|\s?(?:[x×*]|\\times|\\cdot)\s?10\s?\^\s?\{{?(?P<pow>[+-]?\d{{1,6}})\}}?)?
    )(?!\d)
    (?:\s?(?P<scale>[万亿]|(?:thousand|million|billion|trillion)\b))?
    (?:\s?(?P<percent>%|(?:percent|per\ cent)\b))?
    """,
    re.VERBOSE | re.ASCII,
)
_SCALES = {"万": 10**4, "亿": 10**8, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

_HAN_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_HAN = re.compile(
    r"^(百分之)?(负)?([零〇一二两三四五六七八九十百千万亿]{1,40})"
    r"(?:[个只条张本块元角分岁年月天日时秒米吨升人次件辆页倍度支杯碗棵匹名位斤](?:[钟人民币].{0,2})?"
    r"|小时|分钟|公里|千米|厘米|毫米|千克|公斤|平方米|立方米)?[。.！!]?$"
)


@dataclass(frozen=True, slots=True)
class Numeral:
    """One number found in a text."""

    value: Fraction
    """As written, the percent sign left out: 20 for `20%`."""
    percent: bool
    start: int
    end: int
    """Where it stood, in the text after full-width forms and LaTeX were made plain."""

    @property
    def canonical(self) -> str:
        """Plain text of the value: `1260`, `0.5`, `1/3`, `20%`."""
        return canonical(self.value) + ("%" if self.percent else "")


def canonical(value: Fraction) -> str:
    """A decimal without trailing zeros where the value has one, else the fraction in lowest terms."""
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    body = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return "-" + body if value < 0 else body


def plain(text: str) -> str:
    """Full-width forms, vulgar fractions and the LaTeX of numbers as plain characters."""
    if not text.isascii():
        text = text.translate(_PLAIN)
    if "\\" in text or "{,}" in text:
        text = _LATEX.sub(_plain_latex, text)
    return text


def _plain_latex(found: re.Match[str]) -> str:
    if found.group(1) is not None:
        return f" {found.group(1)}/{found.group(2)} "
    if found.group() == "{,}":
        return ","
    return {"$": "$", "%": "%", ",": "", "!": ""}[found.group(3)]


def numbers(text: str) -> Iterator[Numeral]:
    """
    Every number in `text`, in order.

    A comma before groups of three digits separates thousands (also the Indian 1,00,000); `1.000,50` and `12,50` are
    read as decimal commas, `1.000` as one. Brackets do not make a number negative. `3/4/2020` is no fraction.
    """
    for found in _NUMBER.finditer(plain(text)):
        value = _value(found)
        if value is not None:
            yield Numeral(value, found["percent"] is not None, found.start(), found.end())


def first_number(text: str) -> Numeral | None:
    """The first number in `text`; where it has no digit at all, a Chinese numeral that is all it says (`十二个`)."""
    return next(numbers(text), None) or _han(text)


def last_number(text: str) -> Numeral | None:
    """The last number in `text`, written in digits."""
    return next(iter(deque(numbers(text), maxlen=1)), None)


def only_number(text: str) -> Numeral | None:
    """The number when `text` holds exactly one."""
    found = numbers(text)
    one = next(found, None)
    return one if one is not None and next(found, None) is None else None


def _value(found: re.Match[str]) -> Fraction | None:
    if found["num"] is not None:
        if not int(found["den"]):
            return None
        value = Fraction(int(found["num"]), int(found["den"]))
    elif found["whole"] is not None:
        if not int(found["below"]):
            return None
        value = int(found["whole"]) + Fraction(int(found["top"]), int(found["below"]))
    elif found["european"] is not None:
        value = Fraction(found["european"].replace(".", "").replace(",", "."))
    elif found["grouped"] is not None:
        value = Fraction(re.sub(r"[^\d.]", "", _point(found["grouped"])))
    else:
        power = int(found["exp"] or found["pow"] or 0)
        if abs(power) > EXPONENT_LIMIT:
            return None
        value = Fraction(found["plain"]) * Fraction(10) ** power
    if found["scale"]:
        value *= _SCALES[found["scale"]]
    return -value if found["minus"] or found["minus2"] else value


def _point(grouped: str) -> str:
    """With groups set apart by a space or an apostrophe, a comma is the decimal sign."""
    return grouped if "," in grouped[:4] or "." in grouped else grouped.replace(",", ".")


def _han(text: str) -> Numeral | None:
    text = text.strip()
    found = _HAN.match(text) if 0 < len(text) <= 60 else None
    if found is None:
        return None
    value = _han_value(found.group(3))
    if value is None:
        return None
    return Numeral(Fraction(-value if found.group(2) else value), found.group(1) is not None, 0, found.end())


def _han_value(text: str) -> int | None:
    """`一百二十三` by place, `二〇二四` digit by digit."""
    if len(text) > 1 and all(sign in _HAN_DIGITS for sign in text):
        return int("".join(str(_HAN_DIGITS[sign]) for sign in text))
    total = section = digit = 0
    for sign in text:
        if sign in _HAN_DIGITS:
            digit = _HAN_DIGITS[sign]
        elif sign in _HAN_UNITS:
            section, digit = section + (digit or 1) * _HAN_UNITS[sign], 0
        elif section + digit + total == 0:
            return None
        elif sign == "万":
            total, section, digit = total + (section + digit) * 10**4, 0, 0
        else:
            total, section, digit = (total + section + digit) * 10**8, 0, 0
    return total + section + digit
