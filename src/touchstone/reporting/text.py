"""
Text that others wrote, made safe for the place where it is shown.

Names, inputs and outputs come from files and models: they may hold markup, terminal codes, characters that turn the
reading direction, or code points that no encoding accepts. Each place has its one function here.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from markupsafe import Markup
from markupsafe import escape as escape_html

_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC up to their end
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]?"
)


def is_invisible(character: str) -> bool:
    """Whether a character acts without being seen: controls, direction marks, lone surrogates, unassigned formats."""
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


_JOINERS = frozenset("\u200c\u200d")
"""Needed inside emoji and several scripts; harmless where they stand."""


def _is_hidden(character: str) -> bool:
    return character not in "\n\t" and character not in _JOINERS and is_invisible(character)


def _written(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def _hidden_in(text: str) -> list[str]:
    """The hidden characters of a text; nearly always none, and then nothing need be replaced."""
    return [] if text.isprintable() else [character for character in set(text) if _is_hidden(character)]


def visible(text: str) -> str:
    """Plain text with every invisible character written out, such as `⟨U+202E⟩`; tabs and line breaks stay."""
    hidden = _hidden_in(text)
    return text.translate({ord(character): _written(character) for character in hidden}) if hidden else text


def shown(text: str) -> Markup:
    """HTML of untrusted text: escaped, with invisible characters written out in spans of the class `unseen`."""
    text = text.replace("\r\n", "\n")
    page = str(escape_html(text))
    spans = {ord(one): f'<span class="unseen">{_written(one)}</span>' for one in _hidden_in(text)}
    # Escaping neither makes nor takes a hidden character, so they can be written out afterwards.
    return Markup(page.translate(spans) if spans else page)  # noqa: S704 - escaped two lines above


def name(text: str) -> Markup:
    """HTML of a name that may break after a slash, a colon or an underscore, rather than anywhere."""
    return Markup(re.sub(r"([/:_@]+)", r"\1<wbr>", str(escape_html(visible(text)))))  # noqa: S704 - escaped first


def terminal(text: str) -> str:
    """One line for a terminal: control sequences removed, line breaks and other invisible characters as spaces."""
    line = _SEQUENCES.sub("", text)
    kept = (c if c in _JOINERS or not is_invisible(c) else " " for c in line)
    return " ".join("".join(kept).split())


def xml(text: str) -> str:
    """Text for an XML attribute or element: escaped, and without the characters that XML 1.0 does not allow."""
    from xml.sax.saxutils import escape

    allowed = _xml_forbidden().sub("\ufffd", _SEQUENCES.sub("", text))
    return escape(allowed, {'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


@cache
def _xml_forbidden() -> re.Pattern[str]:
    # Compiled when it is needed: classes of most characters there are take long to compile.
    return re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def markdown(text: str) -> str:
    """One line of Markdown that shows `text` itself: no table cell, link, mention, emphasis or HTML comes out of it."""
    line = terminal(text)
    line = line.replace("\\", "\\\\")
    line = re.sub(r"([`*_\[\]|#~$])", r"\\\1", line)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return line.replace("@", "@\u2060")


def cut(text: str, width: int) -> str:
    """At most `width` characters of one line, an ellipsis in place of the rest."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"
