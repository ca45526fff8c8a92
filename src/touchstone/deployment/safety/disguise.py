"""
What a text says in disguise: encoded, spelled out letter by letter, in look-alike letters, in invisible ones.

Each reading comes with the place that holds it. Reading is not finding: base64 and escapes stand in harmless texts, and
only what the readings say is judged. Sources: Unicode Technical Standard 39 (confusables); RFC 4648 (base64);
"ASCII smuggling" by tag characters and variation selectors, as published by Goodside and by Butler in 2024 and 2025.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from touchstone.deployment.safety.patterns import AnyOf
from touchstone.deployment.safety.seen import Seen, see
from touchstone.scoring.source import compile_pattern


class Reading(NamedTuple):
    """Another way to read a piece of a text."""

    how: str
    """
    `base64`, `hex`, `escapes`, `percent`, `entities`, `spelled`, `lookalikes`, `leet`, `reversed`, `rot13`,
    `tags`, `selectors`.
    """
    start: int
    end: int
    """Where in the text as it came."""
    says: str

    @property
    def folded(self) -> str:
        """What it says, in the form that rules read."""
        return see(self.says).folded


_BASE64 = r"[A-Za-z0-9+/_-]{20,}={0,2}"
_HEX = r"(?:[0-9A-Fa-f]{2}[ :]?){12,}"
_ESCAPES = r"\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}"
_PERCENT = r"(?:%[0-9A-Fa-f]{2})"
_ENTITIES = r"&(?:#\d{2,6}|#x[0-9A-Fa-f]{2,6}|[a-z]{2,8});"
_SPELLED = r"(?:[\pL\pN][ .\-_*|·]{1,4}){5,}[\pL\pN]"
_LEET = r"[a-zA-Z][013457][a-zA-Z]"
_NOT_LATIN = r"[\x{131}\x{196}\x{250}-\x{2af}\x{370}-\x{52f}\x{1d00}-\x{1d2b}\x{a730}\x{a731}]"
_REVERSED = r"(?i)snoitcurtsni|tpmorp|suoiverp|erongi|令指|词示提|則規|则规"
_ROT13 = r"(?i)vafgehpgvba|cebzcg|cerivbhf|vtaber|qvfertneq"
_ANY = AnyOf((_BASE64, _HEX, _ESCAPES, _PERCENT, _ENTITIES, _SPELLED, _LEET, _NOT_LATIN, _REVERSED, _ROT13))
_ONE = {
    how: compile_pattern(pattern)
    for how, pattern in (
        ("base64", _BASE64),
        ("hex", _HEX),
        ("escapes", _ESCAPES),
        ("percent", _PERCENT),
        ("entities", _ENTITIES),
        ("spelled", _SPELLED),
        ("leet", _LEET),
        ("lookalikes", _NOT_LATIN),
        ("reversed", _REVERSED),
        ("rot13", _ROT13),
    )
}

_LETTERS = str.maketrans(
    "аеорсухіјѕһԁɡӏԛԝмктвнАВЕКМНОРСТХІЈЅαοινρτκυεΑΒΕΗΙΚΜΝΟΡΤΧΥΖıƖɩɑᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
    "aeopcyxijshdglqwmktbhABEKMHOPCTXIJSaoivptkueABEHIKMNOPTXYZiIiaabcdefghijklmnoprstuvwyz",
)
"""Cyrillic and Greek letters and small capitals that look like Latin letters."""

_DIGITS = str.maketrans("013457@$", "oieastas")

_TAGS = re.compile("[\U000e0020-\U000e007e]{2,}")
_FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{3,6}\U000e007f")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")


def readings(seen: Seen, deep: int = 2) -> Iterator[Reading]:
    """
    Every other way to read pieces of the text.

    Args:
        seen: The text.
        deep: How many times base64 within base64 is opened.
    """
    if seen.hides:
        yield from _invisible(seen.text)
    if not _ANY.may_be_in(seen.plain):
        return
    plain = seen.plain
    for found in _ONE["base64"].finditer(plain):
        for says in _opened(found.group(), deep):
            yield Reading("base64", *seen.span(*found.span()), says)
    for found in _ONE["hex"].finditer(plain):
        unhexed = _text(_unhexed(re.sub("[ :]", "", found.group())))
        if unhexed is not None:
            yield Reading("hex", *seen.span(*found.span()), unhexed)
    for found in _ONE["spelled"].finditer(plain):
        yield Reading("spelled", *seen.span(*found.span()), _unspelled(found.group()))
    yield from _whole(seen)


def _whole(seen: Seen) -> Iterator[Reading]:
    """Ways to read the text as a whole: what is replaced may stand anywhere in it."""
    plain, everything = seen.plain, (0, len(seen.text))
    if _ONE["escapes"].search(plain) is not None:
        yield Reading("escapes", *everything, _unescaped(plain))
    if _ONE["percent"].search(plain) is not None:
        yield Reading("percent", *everything, unquote(plain.replace("+", " ")))
    if _ONE["entities"].search(plain) is not None:
        yield Reading("entities", *everything, html.unescape(plain))
    if _ONE["lookalikes"].search(plain) is not None and re.search("[A-Za-z]", plain):
        yield Reading("lookalikes", *everything, plain.translate(_LETTERS))
    if _ONE["leet"].search(plain) is not None:
        yield Reading("leet", *everything, plain.translate(_DIGITS))
    if _ONE["reversed"].search(plain) is not None:
        yield Reading("reversed", *everything, plain[::-1])
    if _ONE["rot13"].search(plain) is not None:
        yield Reading("rot13", *everything, codecs.decode(plain, "rot13"))


def _invisible(text: str) -> Iterator[Reading]:
    """Texts written in tag characters or variation selectors, which nobody sees and models read."""
    without_flags = _FLAG.sub(lambda found: " " * len(found[0]), text)
    for found in _TAGS.finditer(without_flags):
        yield Reading("tags", *found.span(), "".join(chr(ord(character) - 0xE0000) for character in found.group()))
    for found in _SELECTORS.finditer(text):
        numbers = [ord(character) for character in found.group()]
        hidden = bytes(one - 0xFE00 if one < 0xFE10 else one - 0xE0100 + 16 for one in numbers)
        yield Reading("selectors", *found.span(), hidden.decode("utf-8", "replace"))


def _opened(written: str, deep: int) -> Iterator[str]:
    """What base64 says, and what base64 in that says."""
    plain = written.rstrip("=").replace("-", "+").replace("_", "/")
    # A piece of a longer row may begin anywhere in a group of four; what is cut from its end is lost.
    for skip in range(4):
        piece = plain[skip:]
        piece = piece[: len(piece) // 4 * 4] if len(piece) % 4 == 1 else piece
        try:
            says = _text(base64.b64decode(piece + "=" * (-len(piece) % 4)))
        except binascii.Error:
            continue
        if says is not None:
            yield says
            if deep > 1:
                for inner in _ONE["base64"].finditer(says):
                    yield from _opened(inner.group(), deep - 1)
            return


def _unspelled(written: str) -> str:
    """Letters put together; a wider gap parts words."""
    return " ".join("".join(word[::2]) for word in _WIDER.split(written))


_WIDER = re.compile(r"[ .\-_*|·]{2,}")


def _text(decoded: bytes) -> str | None:
    """The bytes as a text; None where they are none."""
    try:
        says = decoded.decode()
    except UnicodeDecodeError:
        return None
    readable = sum(character.isprintable() or character in "\n\r\t" for character in says)
    return says if says and readable >= 0.95 * len(says) else None


def _unhexed(digits: str) -> bytes:
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})")


def _unescaped(text: str) -> str:
    says = _ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), text)
    return says.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # pairs of surrogates become characters
