"""What reading documents promises: text only, headings kept, nothing outside the folder, and a reason for the rest."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import DataError
from touchstone.retrieval.base import Document, Unread
from touchstone.retrieval.documents import FORMATS, REASONS, VERSIONS, Columns, Source
from touchstone.retrieval.parsed import clean
from touchstone.retrieval.reading_child import MODULES, answer
from touchstone.retrieval.sources import SourceList


def read(place: Path, **options: object) -> dict[str, Document | Unread]:
    with Source(place, **options) as source:  # type: ignore[arg-type]
        return {found.id: found for found in source.documents()}


def parts(form: str, text: str) -> list[tuple[tuple[str, ...], str]]:
    found = answer(form, text.encode())
    assert "refused" not in found, found
    return [(part.headings, part.text) for part in found["parts"]]


def test_plain_text(tmp_path: Path) -> None:
    """One section, without a title."""
    data = "\ufeffFirst.\r\nSecond.\r\n\r\n\r\n\r\nThird. \t\r\n".encode()
    (tmp_path / "a.txt").write_bytes(data)
    [found] = read(tmp_path).values()
    assert isinstance(found, Document)
    assert (found.id, found.title, found.text) == ("a.txt", None, "First.\nSecond.\n\nThird.")
    assert found.digest == sha256(data).hexdigest()


def test_markdown() -> None:
    """Headings are a path; marks, comments and HTML are gone; rows of tables are lines; lists stay lists."""
    text = """---
title: "The handbook"
secret: 1
---
Before.

# Returns
Send it *back* within `30` days,
really. <b>Bold</b> <!-- not this -->

<script>alert(1)</script>

## How
1. Call [us](https://example.com/x).
2. Wait
   - a day
   - or two

| Day | Cost |
|-----|------|
| 1   | 2 €  |

```
code here
```
Setext
======
![a picture](x.png)
"""
    assert parts("markdown", text) == [
        ((), "Before."),
        (("Returns",), "Send it back within 30 days, really. Bold"),
        (
            ("Returns", "How"),
            "1. Call us.\n2. Wait\n  - a day\n  - or two\n\nDay | Cost\n1 | 2 €\n\ncode here",
        ),
        (("Setext",), "a picture"),
    ]
    assert answer("markdown", text.encode())["title"] == "The handbook"
    assert answer("markdown", b"# One\n\ntext\n")["title"] == "One"


def test_html() -> None:
    """What a person reads: no program, style, navigation, comment or hidden text; a row of a table is a line."""
    text = """<!doctype html><html><head><title>Shop &amp; help</title><style>p{}</style></head><body>
<nav><a href=/>Home</a></nav><!-- no --><p>Before
<b>bold</b>.</p><h1>Returns</h1><p>Within&nbsp;30 days.<p>Unclosed<script>var a = "<p>x</p>"</script>
<div hidden>ghost</div><span style="display: none">ghost</span><ul><li>one<li>two</ul>
<h2>Cost</h2><table><tr><th>Day<th>Cost</tr><tr><td><p>1</p></td><td>2 €</td></tr></table>
<pre>a
  b</pre><footer>(c)</footer><img alt="a picture"></body></html>"""
    assert parts("html", text) == [
        ((), "Before bold."),
        (("Returns",), "Within 30 days.\n\nUnclosed\n\n- one\n- two"),
        (("Returns", "Cost"), "Day | Cost\n1 | 2 €\n\na\n  b\n\na picture"),
    ]
    assert answer("html", text.encode())["title"] == "Shop & help"


def test_html_whose_dropped_parts_are_never_closed() -> None:
    """A navigation without its end does not swallow the page's main part."""
    assert parts("html", "<nav>Home<main><p>Text.") == [((), "Text.")]
    assert parts("html", "<head><title>T</title><body>Text.") == [((), "Text.")]


@given(st.text(max_size=40))
def test_clean_text_is_only_text(text: str) -> None:
    """No control character but tab and line feed, no direction mark, no half of a pair; cleaning twice is cleaning."""
    found = clean(text)
    assert not any(ord(one) < 32 and one not in "\n\t" for one in found)
    assert not set(found) & {"\u202e", "\u2066", "\ufeff", "\x7f", "\x9b", "\u200b"}
    found.encode()
    assert clean(found) == found


def test_terminal_codes_and_direction_overrides_are_out(tmp_path: Path) -> None:
    """What could forge a line in a terminal or turn a sentence round is dropped."""
    (tmp_path / "a.txt").write_bytes("safe\x1b[31m \u202eevil\u202c\x00\x9b!".encode())
    [found] = read(tmp_path).values()
    assert isinstance(found, Document)
    assert found.text == "safe[31m evil!"


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_bytes_that_are_no_text(form: str) -> None:
    """They are refused with their place; UTF-16 with its mark is read."""
    assert answer(form, b"good\xff") == {"refused": "not_utf8", "values": {"offset": 4}}
    assert answer(form, "退货".encode("utf-16"))["parts"] == (((), "退货", None, ()),)


def test_a_folder(tmp_path: Path) -> None:
    """Every file below it, by path; what begins with a dot is left out; what cannot be read is told."""
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "b.md").write_text("# B\n\ntext")
    (tmp_path / "sub" / "a.html").write_text("<p>A")
    (tmp_path / "sub" / "pic.png").write_bytes(b"\x89PNG")
    (tmp_path / ".git" / "x.md").write_text("no")
    (tmp_path / ".hidden.md").write_text("no")
    found = read(tmp_path)
    assert list(found) == ["b.md", "sub/a.html", "sub/pic.png"]
    assert isinstance(found["sub/pic.png"], Unread)
    assert "nothing here reads files like this one" in found["sub/pic.png"].text()


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Neither to a file nor to a folder, wherever they lead; they are told."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.txt").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "ok.txt").write_text("fine")
    (root / "file.txt").symlink_to(tmp_path / "secret" / "key.txt")
    (root / "inside.txt").symlink_to(root / "ok.txt")
    (root / "folder").symlink_to(tmp_path / "secret")
    found = read(root)
    assert [one for one, what in found.items() if isinstance(what, Document)] == ["ok.txt"]
    assert all("symbolic link" in found[one].text() for one in ("file.txt", "inside.txt", "folder"))  # type: ignore[operator]


def test_what_is_no_plain_file(tmp_path: Path) -> None:
    """A pipe does not hold the run up."""
    os.mkfifo(tmp_path / "pipe.txt")
    [found] = read(tmp_path).values()
    assert isinstance(found, Unread)
    assert "no plain file" in found.text()


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    """It is not read to its end."""
    (tmp_path / "a.txt").write_bytes(b"x" * (2 << 20))
    [found] = read(tmp_path, most_bytes=1 << 20).values()
    assert isinstance(found, Unread)
    assert found.values == {"most": 1}


def test_rows_of_json_lines(tmp_path: Path) -> None:
    """Each row is a document under its own id; rows that cannot be used are told one by one."""
    file = tmp_path / "p.jsonl"
    file.write_text(
        '{"passage_id": "p1", "title": "Super_Bowl", "text": "One."}\n\n{"passage_id": "p2", "text": " "}\n'
        '{"passage_id": "p1", "text": "again"}\n[1]\n{broken\n{"text": "no id"}\n'
    )
    with Source(file) as source:
        found = list(source.documents())
    assert [(one.id, one.title, one.text) for one in found if isinstance(one, Document)] == [
        ("p1", "Super_Bowl", "One."),
        ("7", None, "no id"),
    ]
    told = [one.text() for one in found if isinstance(one, Unread)]
    assert [line.split(": ")[1][:5] for line in told] == ["row 3", "row 4", "row 5", "row 6"]
    assert [one for one in read(tmp_path) if one != "p.jsonl"] == ["p.jsonl#p1", "p.jsonl#7"]


def test_rows_of_csv(tmp_path: Path) -> None:
    """The dialect is found out; columns may be named."""
    file = tmp_path / "p.csv"
    file.write_text('key;body;title\nA;"One; two";T\nB;Three;\n')
    found = read(file, columns=Columns(id="key", text="body"))
    assert [(one.id, one.title, one.text) for one in found.values() if isinstance(one, Document)] == [
        ("A", "T", "One; two"),
        ("B", None, "Three"),
    ]


def test_a_file_that_is_no_file_of_passages(tmp_path: Path) -> None:
    """Twenty findings and how many more there are, not a million."""
    file = tmp_path / "log.jsonl"
    file.write_text('{"message": "x"}\n' * 100)
    with Source(file) as source:
        found = list(source.documents())
    assert len(found) == 21
    assert isinstance(found[-1], Unread)
    assert found[-1].values == {"count": 80}


def test_a_row_keeps_its_digest(tmp_path: Path) -> None:
    """Other columns, order of keys and other rows change nothing; its text, title and id do."""
    file = tmp_path / "p.jsonl"

    def digest(line: str) -> str:
        file.write_text(line)
        [found] = read(file).values()
        assert isinstance(found, Document)
        return found.digest

    first = digest('{"id": "a", "text": "One.", "n": 1}')
    assert first == digest('{"text": "One.", "id": "a"}')
    others = ['{"id": "b", "text": "One."}', '{"id": "a", "text": "Two."}', '{"id": "a", "text": "One.", "title": "t"}']
    assert len({first, *map(digest, others)}) == 4


def test_nothing_there(tmp_path: Path) -> None:
    """A place that does not exist is an error at once."""
    with pytest.raises(DataError, match="no such file or folder"):
        Source(tmp_path / "nowhere")


def test_every_format_has_a_reader_a_version_and_every_refusal_words() -> None:
    """What is added in one table is added in all."""
    assert set(FORMATS.values()) == set(VERSIONS)
    assert set(MODULES) == set(VERSIONS) - {"rows"}
    assert all(REASONS.values())


def test_several_sources_as_one(tmp_path: Path) -> None:
    """One after the other, ids begin with the source's name; what cannot be read is told under that name too."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.txt").write_text(f"Text {name}.")
    (tmp_path / "two" / "bad.txt").write_bytes(b"\xff\xfe\xff")
    with SourceList([("one", Source(tmp_path / "one")), ("two", Source(tmp_path / "two"))]) as both:
        entries = list(both.entries())
        documents = [entry.document() for entry in entries if not isinstance(entry, Unread)]
    assert [entry.id for entry in entries] == ["one/same.txt", "two/bad.txt", "two/same.txt"]
    said = {one.id: one.text for one in documents if isinstance(one, Document)}
    assert said == {"one/same.txt": "Text one.", "two/same.txt": "Text two."}
    assert [one.id for one in documents if isinstance(one, Unread)] == ["two/bad.txt"]
