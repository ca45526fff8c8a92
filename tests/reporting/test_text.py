"""Text that others wrote, in each of the places where it is shown."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.reporting.text import cut, is_invisible, markdown, name, shown, terminal, visible, xml

anything = st.text(st.characters(), max_size=60)


@given(anything)
def test_a_terminal_gets_one_quiet_line(text: str) -> None:
    """No control character, direction mark or line break is left, whatever came in."""
    line = terminal(text)

    assert "\n" not in line
    assert not any(is_invisible(c) and c not in "\u200c\u200d" for c in line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07name", "name"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\r\nb\tc", "a b c"),
        ("\u202eevil", "evil"),
        ("\x9b2Jx", "x"),
    ],
)
def test_terminal_codes_leave_nothing_behind(text: str, line: str) -> None:
    """A control sequence is taken out whole, its parameters too."""
    assert terminal(text) == line


@given(anything)
def test_html_holds_no_markup(text: str) -> None:
    """What is shown holds no tag but our own marks, and can be encoded."""
    for html in (shown(text), name(text)):
        bare = html.replace('<span class="unseen">', "").replace("</span>", "").replace("<wbr>", "")
        assert "<" not in bare
        assert '"' not in bare
        html.encode("utf-8")


def test_invisible_characters_are_written_out() -> None:
    """Direction marks, controls and lone surrogates are named; tabs, line breaks and joiners stay."""
    assert visible("a\u202eb\x00c\ud800\n\t👩\u200d💻") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+D800⟩\n\t👩\u200d💻"


def test_no_invisible_character_of_unicode_is_left_out() -> None:
    """Whatever version of Unicode this Python has: what acts without being seen is written out, also after a letter."""
    kept = "\n\t\u200c\u200d"
    hidden = [one for one in map(chr, range(0x110000)) if is_invisible(one) and one not in kept]
    assert len(hidden) > 2000
    assert not [one for one in hidden if visible(f"a{one}") == f"a{one}"]
    assert visible(f"a{kept}") == f"a{kept}"


@given(anything)
def test_xml_is_well_formed(text: str) -> None:
    """Any text makes a valid attribute and a valid element."""
    found = ElementTree.fromstring(f'<a b="{xml(text)}">{xml(text)}</a>')

    assert found.tag == "a"


@given(anything)
def test_markdown_stays_in_its_cell(text: str) -> None:
    """No line break, bare pipe, bracket or tag comes out."""
    line = markdown(text)
    bare = line.replace("\\\\", "")

    assert "\n" not in line
    assert "<" not in line
    assert all(bare[i - 1] == "\\" for i, c in enumerate(bare) if c in "|[]`*_")


def test_cut_shows_that_something_is_missing() -> None:
    """A text that is cut ends in an ellipsis and keeps its width."""
    assert cut("one two", 10) == "one two"
    assert cut("one\ntwo three", 8) == "one two…"
