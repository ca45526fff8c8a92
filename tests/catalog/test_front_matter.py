"""A Markdown file with YAML on top is read safely, written back byte for byte, and changed one key at a time."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.catalog.front_matter import LARGEST_BYTES, FrontMatter, dump_yaml, load_yaml
from touchstone.errors import DataError

NEWLINES = ["\n", "\r\n", "\r"]
# Surrogates are no text; the next-line signs of Unicode are line ends for YAML and not for Markdown.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
NAMES = st.sampled_from(["license", "language", "tags", "base_model", "数据集", "model-index", "x y", "no", "1"])


@st.composite
def entries(draw: st.DrawFn) -> str:
    """The lines of one key in one of the styles that people write."""
    key, value = draw(NAMES), draw(VALUES)
    style = draw(st.sampled_from(["block", "flow", "literal", "quoted"]))
    comment = draw(st.sampled_from(["", "  # why", " #注"]))
    spelled = dump_yaml({key: 0}).split(":")[0]
    if style == "flow":
        return f"{spelled}: {json.dumps(value, ensure_ascii=True, allow_nan=False) if _finite(value) else 1}{comment}\n"
    if style == "literal":
        return f"{spelled}: |\n  first # no comment\n\n    second ---\n"
    if style == "quoted":
        return f"{spelled}: 'it''s \n  two lines'{comment}\n"
    return dump_yaml({key: value}) + draw(st.sampled_from(["", "\n", "# between\n", "  \n"]))


def _finite(value: object) -> bool:
    return "Infinity" not in json.dumps(value)


@st.composite
def cards(draw: st.DrawFn) -> tuple[str, list[str], str, str, str]:
    """A file, and its parts: the lines of each key, what stands before and behind the front matter, its newline."""
    chosen: dict[str, str] = {}
    for entry in draw(st.lists(entries(), max_size=4)):
        chosen.setdefault(entry.split(":")[0], entry)
    newline = draw(st.sampled_from(NEWLINES))
    rows = [entry.replace("\n", newline) for entry in chosen.values()]
    head = draw(st.sampled_from(["", "\ufeff"])) + draw(st.sampled_from(["", newline])) + "---" + newline
    body = draw(st.sampled_from(["", "# Title", "text\n---\nmore: 1\n---\n", "\n\n中文\r\n\ttab ", "<b>x</b>\n"]))
    tail = "---" + draw(st.sampled_from(["", " "])) + (newline + body if body else draw(st.sampled_from(["", newline])))
    return head + "".join(rows) + tail, rows, head, tail, newline


@given(cards())
def test_what_is_not_changed_is_written_back_byte_for_byte(card: tuple[str, list[str], str, str, str]) -> None:
    """Byte order mark, line ends, comments, order, quoting and a missing last newline come back as they were."""
    body = card[0].encode()
    assert FrontMatter.read(body, place="README.md").write() == body


@given(st.binary(max_size=300))
def test_any_bytes_are_written_back_or_refused(body: bytes) -> None:
    """A file that is no card either comes back as it was or is an error that names it."""
    with suppress(DataError):
        assert FrontMatter.read(body, place="README.md").write() == body


@given(cards(), st.integers(0, 3), VALUES)
def test_setting_a_key_changes_no_line_of_another(
    card: tuple[str, list[str], str, str, str], chosen: int, value: object
) -> None:
    """What stands before the key's lines and behind them stays byte for byte; the key has its value."""
    text, rows, head, tail, newline = card
    front = FrontMatter.of_text(text, place="README.md")
    names = list(front.data)
    if len(names) != len(rows) or not names:
        return
    chosen %= len(names)
    before, behind = head + "".join(rows[:chosen]), "".join(rows[chosen + 1 :]) + tail
    changed = front.with_key(names[chosen], value)
    assert changed.text.startswith(before)
    assert changed.text.endswith(newline + behind)
    assert list(changed.data) == names
    assert changed.data == {**front.data, names[chosen]: value}
    assert changed.body == front.body


@given(cards(), VALUES)
def test_a_new_key_is_written_below_the_others(card: tuple[str, list[str], str, str, str], value: object) -> None:
    """Every line that was there stays, and the new ones stand before the closing line."""
    text, rows, head, tail, _ = card
    changed = FrontMatter.of_text(text, place="README.md").with_key("brand_new", value)
    assert changed.text.startswith(head + "".join(rows))
    assert changed.text.endswith(tail)
    assert changed.data["brand_new"] == value


@given(VALUES)
def test_what_we_write_as_yaml_is_read_as_the_same_value(value: object) -> None:
    """`no`, `1e5`, `0o17`, dates and empty texts stay text; numbers stay numbers."""
    assert load_yaml(dump_yaml({"key": value}), place="value") == {"key": value}


CARD = """---
# about
license: mit  # the file LICENSE
tags:
- a
- 'b'   # last

# next
language: no
text: |
  one
   two

card: {a: 1,
  b: [2]}
empty:
---
# Title
---
license: apache-2.0
---
"""


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        ("license", "apache-2.0", "license: mit", "license: apache-2.0"),
        ("tags", ["x"], "tags:\n- a\n- 'b'", "tags:\n- x"),
        ("language", ["no", "zh"], "language: no", "language:\n- 'no'\n- zh"),
        ("text", "three", "text: |\n  one\n   two", "text: three"),
        ("card", {"c": None}, "card: {a: 1,\n  b: [2]}", "card:\n  c: null"),
        ("empty", 1, "empty:\n---", "empty: 1\n---"),
    ],
)
@pytest.mark.parametrize("newline", NEWLINES)
def test_only_the_lines_of_the_key_are_replaced(key: str, value: object, old: str, new: str, newline: str) -> None:
    """Comments, blank lines and the body, which looks like front matter here, stay as they are."""
    text = CARD.replace("\n", newline)
    changed = FrontMatter.of_text(text, place="x").with_key(key, value)
    assert changed.text == CARD.replace(old, new, 1).replace("\n", newline)


def test_norwegian_is_a_language_and_a_date_is_a_text() -> None:
    """Words are read as YAML 1.2 has them, as the Hub does: `no` is not false."""
    assert load_yaml("language: no\nday: 2024-12-26\nn: 012\nx: 1e3\ny: off", place="x") == {
        "language": "no",
        "day": "2024-12-26",
        "n": "012",
        "x": 1000.0,
        "y": "off",
    }


@pytest.mark.parametrize("text", ["# Title\n\ntext", "", "--- \nnot closed: 1\n", "text\n---\na: 1\n---\n", "\ufeffx"])
def test_a_file_without_front_matter_is_all_body(text: str) -> None:
    """An opening line that is never closed opens nothing; a new key gets a front matter above the text."""
    front = FrontMatter.of_text(text, place="x")
    assert front.start is None
    assert front.data == {}
    assert front.body == text.removeprefix("\ufeff")
    changed = front.with_key("license", "mit")
    assert changed.data == {"license": "mit"}
    assert changed.text.endswith("---\nlicense: mit\n---\n" + front.body)


@pytest.mark.parametrize("text", ["---\n---\nbody", "---\n# only a comment\n---\nbody", "---\n\n---\nbody"])
def test_an_empty_front_matter_is_one(text: str) -> None:
    """It says nothing, and a key can be set in it."""
    front = FrontMatter.of_text(text, place="x")
    assert front.data == {}
    assert front.with_key("license", "mit").text == text.replace("---\nbody", "license: mit\n---\nbody")


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("license: mit\nlicense: mit", "line 3: the key 'license' stands twice"),
        ("a: {b: 1, b: 2}", "the key 'b' stands twice"),
        ("a: !!python/object:os.system x", "line 2: this is not plain YAML"),
        ("a: !!python/object/apply:os.system ['true']", "not plain YAML"),
        ("a: !custom x", "not plain YAML"),
        ("a: " + "[" * 40 + "]" * 40, "nested too deeply"),
        ("a: " + "[" * 20_000, "nested too deeply"),
        ("a: &a [*a]", "nested too deeply"),
        ("license:\tmit", "line 2: this is not plain YAML"),
        ("license: mit\ntags:\n\t- x", "line 4: this is not plain YAML"),
        ("- a\n- b", "no list of keys and values"),
        ("only text", "no list of keys and values"),
        ("1: a", "no list of keys and values"),
        ("? [a, b]\n: c", "not plain YAML"),
        ("a: !!int abc", "does not fit its place"),
        ("a: " + "9" * 5000, "more than 64 digits"),
        ("a: 'open", "not plain YAML"),
        ("a: *nobody", "not plain YAML"),
        ("%YAML 1.1\na: 1", "not plain YAML"),
        ("a: \x00", "not plain YAML"),
    ],
)
def test_what_is_no_safe_mapping_is_refused_with_its_place(yaml: str, said: str) -> None:
    """Repeated keys, objects, depth, loops and broken YAML are errors that name the file and mostly the line."""
    with pytest.raises(DataError, match=r"README\.md: ") as error:
        FrontMatter.of_text(f"---\n{yaml}\n---\n", place="README.md")
    assert said in str(error.value)


def test_anchors_that_multiply_are_refused_before_anything_is_built() -> None:
    """Six lines that stand for a million values are refused; with more lines, building them would never end."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 6)]
    with pytest.raises(DataError, match="more than 64 times"):
        FrontMatter.of_text("---\n" + "\n".join(rows) + "\n---\n", place="x")


def test_anchors_are_read_and_a_key_that_others_lean_on_is_not_changed() -> None:
    """A few aliases are fine; a change that would break them is refused, and the file stays as it is."""
    front = FrontMatter.of_text("---\nbase: &b [x]\nother: *b\nfree: 1\n---\n", place="x")
    assert front.data == {"base": ["x"], "other": ["x"], "free": 1}
    assert front.with_key("other", ["y"]).text == "---\nbase: &b [x]\nother:\n- y\nfree: 1\n---\n"
    with pytest.raises(DataError, match="cannot be changed by itself"):
        front.with_key("base", ["y"])


def test_a_front_matter_in_braces_can_be_read_and_not_changed() -> None:
    """It has no lines of single keys."""
    front = FrontMatter.of_text("---\n{license: mit, tags: [a]}\n---\n", place="x")
    assert front.data == {"license": "mit", "tags": ["a"]}
    with pytest.raises(DataError, match="on lines of its own"):
        front.with_key("brand_new", 1)


def test_a_megabyte_is_the_limit() -> None:
    """The size is looked at before anything is parsed."""
    assert FrontMatter.read(b"x" * LARGEST_BYTES, place="x").start is None
    with pytest.raises(DataError, match="1 MiB"):
        FrontMatter.read(b"x" * (LARGEST_BYTES + 1), place="x")


def test_a_file_that_is_not_utf_8_is_refused_with_the_byte() -> None:
    """Nothing is replaced silently, since it could not be written back."""
    with pytest.raises(DataError, match="line 2: byte 6 is not UTF-8"):
        FrontMatter.read(b"---\na:\xff\n---\n", place="x")


def test_a_value_that_yaml_cannot_hold_is_refused() -> None:
    """An object of Python is nothing that a card says."""
    with pytest.raises(DataError, match="cannot be written as YAML"):
        FrontMatter.of_text("---\na: 1\n---\n", place="x").with_key("a", object())
