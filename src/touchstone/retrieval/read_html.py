"""HTML: what a person would read on the page, under its headings."""

from __future__ import annotations

from html.parser import HTMLParser

from touchstone.retrieval.parsed import Outline, Parsed, decoded

VERSION = 1
"""Raise it when the same bytes give another text."""

_DROPPED = frozenset(
    ("script", "style", "noscript", "template", "nav", "footer", "aside", "button", "select", "textarea", "svg", "math",
     "iframe", "object", "canvas", "audio", "video", "head", "dialog")
)  # fmt: skip
"""Elements that are dropped with everything in them: programs, styles, and what stands on every page of a site."""
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "param")
)
_BLOCKS = frozenset(
    ("p", "div", "section", "article", "main", "header", "blockquote", "pre", "ul", "ol", "dl", "table", "figure",
     "figcaption", "address", "details", "summary", "body", "html", "caption", "fieldset", "hr")
)  # fmt: skip
_LINES = frozenset(("li", "dt", "dd", "br"))
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


def read(data: bytes) -> Parsed:
    """The text under its headings; the title is the page's."""
    reader = _Reader()
    reader.feed(decoded(data))
    reader.close()
    reader.finish()
    return reader.outline.parsed("".join(reader.title))


class _Reader(HTMLParser):
    """
    Follows the tags of a page that may be written badly.

    What is dropped ends with its own tag, or where `main` or `body` begins when that tag is missing.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outline = Outline()
        self.title: list[str] = []
        self._said: list[str] = []
        self._dropped: list[str] = []
        self._heading = 0
        self._in_title = False
        self._verbatim = 0
        self._cells = 0
        self._in_row = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._dropped:
            if tag == self._dropped[-1] and tag not in _VOID:
                self._dropped.append(tag)
            elif tag == "title":
                self._in_title = not self.title
            elif tag in ("body", "main"):
                self._dropped.clear()
            return
        if tag in _DROPPED or (tag not in _VOID and _hidden(attrs)):
            self._dropped.append(tag)
        elif tag == "title":
            self._in_title = not self.title
        elif tag in _HEADINGS:
            self._end_block()
            self._heading = _HEADINGS[tag]
        elif tag == "tr":
            self._cells, self._in_row = 0, True
            self._said.append("\n")
        elif tag in ("td", "th"):
            self._said.append(" | " if self._cells else "")
            self._cells += 1
        elif self._in_row and (tag in _LINES or tag in _BLOCKS):
            self._said.append(" ")  # a row stays one line, whatever its cells are made of
        elif tag in _LINES:
            self._said.append("\n- " if tag == "li" else "\n")
        elif tag in _BLOCKS:
            self._end_block()
            self._verbatim += tag == "pre"
        elif tag == "img":
            self._said.append(dict(attrs).get("alt") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif self._dropped:
            if tag == self._dropped[-1]:
                self._dropped.pop()
        elif tag == "tr":
            self._in_row = False
        elif tag in _HEADINGS or tag == "table" or (tag in _BLOCKS and not self._in_row):
            self._end_block()
            self._verbatim -= tag == "pre" and self._verbatim > 0

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._dropped:
            # Line ends in the source are blanks on the page, except in what is shown as it is written.
            self._said.append(data if self._verbatim else _blanks(data))

    def finish(self) -> None:
        """What stands behind the last tag."""
        self._end_block()

    def _end_block(self) -> None:
        said, self._said = "".join(self._said), []
        self._cells, self._in_row = 0, False
        heading, self._heading = self._heading, 0
        if not self._verbatim:
            said = "\n".join(" ".join(part.split()) for part in said.split("\n"))
        if heading:
            self.outline.heading(heading, said)
        else:
            self.outline.block(said)


def _hidden(attrs: list[tuple[str, str | None]]) -> bool:
    named = {name: value or "" for name, value in attrs}
    style = named.get("style", "").replace(" ", "").lower()
    return (
        "hidden" in named
        or named.get("aria-hidden") == "true"
        or named.get("role") in ("navigation", "search", "banner", "contentinfo")
        or "display:none" in style
        or "visibility:hidden" in style
    )


def _blanks(text: str) -> str:
    # Not `split`: the blank between two inline elements parts words.
    return text.replace("\n", " ").replace("\r", " ").replace("\t", " ")
