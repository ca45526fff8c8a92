"""
Personal data: kinds that can be told by their form, each with a check beyond it where there is one.

Names, addresses and health are not among them: no pattern knows them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from touchstone.deployment.safety import pii_presidio, pii_secrets
from touchstone.deployment.safety.base import Span
from touchstone.deployment.safety.patterns import Grouped
from touchstone.deployment.safety.pii_numbers import IBAN_LENGTHS, is_card, is_iban, is_resident_id
from touchstone.deployment.safety.seen import Seen
from touchstone.errors import UnknownName
from touchstone.language import N_
from touchstone.scoring.source import compile_pattern

MASKS = {
    "email": "[EMAIL]",
    "phone": "[PHONE]",
    "card": "[CARD]",
    "iban": "[IBAN]",
    "cn_id": "[ID]",
    "ssn": "[SSN]",
    "ip": "[IP]",
    "secret": "[SECRET]",
}
"""What stands instead of each kind."""

Reader = Callable[[Any, str], Iterator[Span]]
"""Takes a match of a pattern and the text; gives what of it is personal data."""

_FILES = frozenset(
    ("png", "jpg", "jpeg", "gif", "webp", "svg", "css", "js", "ts", "json", "html", "pdf", "mp4", "md", "txt")
)


class PiiFinder:
    """
    Finds personal data of some kinds.

    Args:
        kinds: None at all means all of them.
        presidio: Whether Presidio's recognisers look too, for kinds that we have no rules for.

    Raises:
        UnknownName: a kind that nobody knows.
        ExtraMissing: Presidio is wanted and not installed.
    """

    def __init__(self, kinds: Iterable[str] = (), *, presidio: bool = False) -> None:
        self._masks = {**MASKS, **pii_presidio.MASKS} if presidio else MASKS
        wanted = tuple(kinds) or tuple(self._masks)
        for kind in wanted:
            if kind not in self._masks:
                raise UnknownName(kind=N_("kind of personal data"), name=kind, known=self._masks)
        self._rules = _rules_of(frozenset(wanted))
        self._presidio = pii_presidio.PresidioFinder(wanted) if presidio else None

    def mask(self, kind: str) -> str:
        """What stands instead of a kind."""
        return self._masks[kind]

    def find(self, seen: Seen) -> list[Span]:
        """Places in the text as it came; they may overlap."""
        further = self._presidio.find(seen) if self._presidio else []
        return further + [
            Span(span.kind, *seen.span(span.start, span.end), span.score)
            for pattern, reader in self._rules.worth_trying(seen.plain)
            for found in pattern.finditer(seen.plain)
            for span in reader(found, seen.plain)
        ]


@lru_cache(maxsize=32)
def _rules_of(kinds: frozenset[str]) -> Grouped[tuple[Any, Reader]]:
    return Grouped((pattern, (compile_pattern(pattern), reader)) for kind, pattern, reader in RULES if kind in kinds)


# Where a number may begin and end -------------------------------------------------------------------------------------

_WORDLIKE = re.compile(r"[A-Za-z0-9_]")
_NAMED_OTHERWISE = re.compile(
    r"(?i)(?:order|invoice|ticket|tracking|serial|case|part|model|batch|sku|isbn|issn|doi|ref(?:erence)?|id|uid|no|build"
    r"|timestamp|ts|offset|bytes|population|commit|订单|单|编|运单|快递|流水|批次|型|货|票|会员|学|工|序列|时间戳)"
    r"(?:s|[ _-]?(?:number|no|id|code)|号|号码)?[\"']?\s{0,2}(?:\.|#|:|：|=|\bis\b|是|为)?\s{0,2}[\"'#]?$"
)
_COUNTED = re.compile(
    r"(?i)^\s?(?:items?|bytes|times|people|rows|tokens|users?|dollars|usd|元|次|个|人|条|字节|毫秒|ms\b|[*/%×])"
)
_VERSION = re.compile(
    r"(?i)(?:version|ver|release|build|firmware|driver|section|sect|chapter|clause|oid|step|figure|§|v|版本|版本号|固件|章节"
    r"|第)[\"']?\s{0,2}[:：=]?\s{0,2}[\"'v]?$"
)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a number is not a piece of a longer number, word, identifier or decimal fraction."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before and _WORDLIKE.match(before[-1]):
        return False
    if after and _WORDLIKE.match(after[0]):
        return False
    if len(before) == 2 and before[-1] in ".-/=,+" and _WORDLIKE.match(before[0]) and before[-1] != "=":
        return False
    return not (len(after) == 2 and after[0] in ".-/," and after[1].isascii() and after[1].isdecimal())


def _before(text: str, start: int) -> str:
    return text[max(0, start - 24) : start]


def _digits(written: str) -> str:
    return "".join(character for character in written if character.isdecimal())


# One reader a kind ----------------------------------------------------------------------------------------------------


def _email(found: Any, text: str) -> Iterator[Span]:
    written = found.group()
    domain = written.replace("%40", "@").rpartition("@")[2].lower()
    if domain.rpartition(".")[2] in _FILES:
        return  # logo@2x.png
    if written.lower().startswith("git@") and text[found.end() : found.end() + 1] == ":":
        return  # git@host:path is how a repository is addressed
    yield Span("email", found.start(), found.end(), 0.95)


def _spelled_email(found: Any, _: str) -> Iterator[Span]:
    yield Span("email", found.start(), found.end(), 0.8)


def _card(found: Any, text: str) -> Iterator[Span]:
    # A row of digits and separators may hold more than the number: "2 4111 1111 1111 1111".
    groups = [(part.start() + found.start(), part.group()) for part in re.finditer(r"\d+", found.group())]
    first = 0
    while first < len(groups):
        digits = ""
        taken = 0
        if len(groups[first][1]) < 4:
            first += 1  # nobody begins a card number with a shorter group
            continue
        for last in range(first, len(groups)):
            digits += groups[last][1]
            if len(digits) > 19:
                break
            shape = tuple(len(part) for _, part in groups[first : last + 1])
            start, end = groups[first][0], groups[last][0] + len(groups[last][1])
            if len(digits) >= 13 and _card_shape(shape) and is_card(digits) and _stands_alone(text, start, end):
                yield Span("card", start, end, 0.9)
                taken = last + 1
                break
        first = taken or first + 1


def _card_shape(groups: tuple[int, ...]) -> bool:
    """How people write a card number: in one, in fours, as American Express does, or 6 and the rest."""
    fours = len(groups) > 1 and all(size == 4 for size in groups[:-1]) and 1 <= groups[-1] <= 4
    return len(groups) == 1 or fours or groups in {(4, 6, 5), (4, 6, 4), (6, 13), (6, 10), (8, 8), (4, 7, 4)}


def _iban(found: Any, text: str) -> Iterator[Span]:
    wanted = IBAN_LENGTHS.get(found.group()[:2].upper())
    taken, end = "", found.start()
    while wanted is not None and len(taken) < wanted and end < found.end():
        if text[end] not in " -":
            taken += text[end]
        end += 1
    alone = not _WORDLIKE.match(text[end : end + 1]) and not _WORDLIKE.match(
        text[max(0, found.start() - 1) : found.start()]
    )
    if alone and is_iban(taken):
        yield Span("iban", found.start(), end, 0.98)


def _resident_id(found: Any, text: str) -> Iterator[Span]:
    if _stands_alone(text, found.start(), found.end()) and is_resident_id(re.sub("[ -]", "", found.group())):
        yield Span("cn_id", found.start(), found.end(), 0.99)


def _ssn(found: Any, text: str) -> Iterator[Span]:
    area, group, serial = found.group(1), found.group(2), found.group(3)
    # Source: Social Security Administration, "Social Security Number Randomization": 000, 666 and 9xx are never issued.
    if area in {"000", "666"} or area[0] == "9" or group == "00" or serial == "0000":
        return
    if _stands_alone(text, found.start(), found.end()):
        yield Span("ssn", found.start(), found.end(), 0.8)


def _ip4(found: Any, text: str) -> Iterator[Span]:
    written = found.group()
    parts = [int(part) for part in written.split(".")]
    if any(part > 255 for part in parts) or any(len(part) > 1 and part[0] == "0" for part in written.split(".")):
        return
    if all(part < 10 for part in parts) or _VERSION.search(_before(text, found.start())):
        return  # numbers of versions and sections; 1.1.1.1 and 8.8.8.8 are nobody's own
    before, after = text[max(0, found.start() - 1) : found.start()], text[found.end() : found.end() + 2]
    if (
        _WORDLIKE.match(before)
        or before in {".", "-"}
        or _WORDLIKE.match(after)
        or re.match(r"[.-][0-9A-Za-z]|/\d", after)
    ):
        return  # a piece of something longer; 10.0.0.0/8 is a network and nobody's
    yield from _address(written, found.start(), found.end())


def _ip6(found: Any, text: str) -> Iterator[Span]:
    written = found.group()
    before = text[max(0, found.start() - 1) : found.start()]
    if _WORDLIKE.match(before) or before == ":" or _WORDLIKE.match(text[found.end() : found.end() + 1]):
        return
    if any(character.isdecimal() for character in written):
        yield from _address(written, found.start(), found.end())


def _address(written: str, start: int, end: int) -> Iterator[Span]:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return
    # Of these everybody has one: they tell nobody from another.
    if address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
        return
    if not written.startswith(("255.", "0.")):
        yield Span("ip", start, end, 0.7)


def _chinese_mobile(found: Any, text: str) -> Iterator[Span]:
    if _stands_alone(text, found.start(), found.end()) and not _means_something_else(found, text):
        yield Span("phone", found.start(), found.end(), 0.85)


def _means_something_else(found: Any, text: str) -> bool:
    """Whether a row of digits without separators is called an order number or counts something."""
    if not found.group().isdecimal():
        return False
    return bool(
        _NAMED_OTHERWISE.search(_before(text, found.start())) or _COUNTED.search(text[found.end() : found.end() + 8])
    )


def _phone(found: Any, text: str) -> Iterator[Span]:
    if not 7 <= len(_digits(found.group())) <= 15 or not _stands_alone(text, found.start(), found.end()):
        return
    if _NAMED_OTHERWISE.search(_before(text, found.start())):
        return
    yield Span("phone", found.start(), found.end(), 0.75)


def _international(found: Any, text: str) -> Iterator[Span]:
    # Source: ITU-T E.164: at most 15 digits, country code included; shorter than 8 is no subscriber abroad.
    if text[max(0, found.start() - 1) : found.start()].isalnum() and text[found.start() - 1].isascii():
        return
    if 8 <= len(_digits(found.group())) <= 15 and not _WORDLIKE.match(text[found.end() : found.end() + 1]):
        yield Span("phone", found.start(), found.end(), 0.85)


_AT = r"\s?[\[({<]\s?(?:at|@)\s?[\])}>]\s?"
_DOT = r"\s?(?:\.|[\[({<]\s?(?:dot|\.)\s?[\])}>])\s?"
"""`(at)` and `[dot]`, as people write them to be read by people alone."""

RULES: tuple[tuple[str, str, Reader], ...] = (
    ("email", r"[A-Za-z0-9][A-Za-z0-9._+'-]{0,63}(?:@|%40)(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}", _email),
    (
        "email",
        rf"(?i)[a-z0-9][a-z0-9._+-]{{0,63}}{_AT}[a-z0-9-]{{1,63}}(?:{_DOT}[a-z0-9-]{{1,63}}){{0,4}}{_DOT}[a-z]{{2,24}}",
        _spelled_email,
    ),
    ("card", r"\d(?:[ -]?\d){12,30}", _card),
    ("iban", r"[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,31}", _iban),
    (
        "cn_id",
        r"[1-9]\d{5}[ -]?(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[ -]?\d{3}[\dXx]",
        _resident_id,
    ),
    ("ssn", r"(\d{3})-(\d{2})-(\d{4})", _ssn),
    ("ip", r"\d{1,3}(?:\.\d{1,3}){3}", _ip4),
    ("ip", r"(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{0,4}", _ip6),
    ("phone", r"(?:\+|00)?(?:86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}", _chinese_mobile),
    ("phone", r"\(?0\d{2,3}[)-][ -]?[2-9]\d{2,3}[ -]?\d{4}(?:-\d{1,5})?", _phone),  # Chinese landline
    ("phone", r"(?:\(\d{3}\) ?|\b[2-9]\d{2}[-. ])[2-9]\d{2}[-. ]\d{4}", _phone),  # North America
    ("phone", r"\(?\b0\d{2,4}\)?[ -]\d{3,4}[ -]?\d{3,4}(?:[ -]\d{2,4})?", _phone),  # national, trunk prefix 0
    ("phone", r"\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,5}\)?){1,6}", _international),
    *(("secret", pattern, pii_secrets.issued) for pattern in pii_secrets.ISSUED),
    ("secret", pii_secrets.CALLED, pii_secrets.called),
    ("secret", pii_secrets.CALLED_BESIDE, pii_secrets.beside),
    ("secret", pii_secrets.URL_PASSWORD, pii_secrets.in_url),
)
"""(kind, RE2 pattern, reader). What stands around a match is looked at by the reader: RE2 has no look-around."""
