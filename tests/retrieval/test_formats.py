"""What is promised of PDF and DOCX: text under its headings, and refusal of what would blow up."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from touchstone.errors import ExtraMissing
from touchstone.retrieval.base import Document, Unread
from touchstone.retrieval.documents import Source
from touchstone.retrieval.reading_child import answer

pytest.importorskip("pypdf", reason="the extra 'rag' is not installed")
pytest.importorskip("docx", reason="the extra 'rag' is not installed")


def pdf(
    pages: Sequence[Sequence[str]],
    title: str | None = None,
    outline: Sequence[tuple[str, int, int]] = (),
    password: str | None = None,
) -> bytes:
    """A PDF of pages of lines; entries of the outline are (title, page from 0, number of the entry above or -1)."""
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    for lines in pages:
        page = writer.add_blank_page(595, 842)
        font = DictionaryObject(
            {NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1"),
             NameObject("/BaseFont"): NameObject("/Helvetica")}
        )  # fmt: skip
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): writer._add_object(font)})}
        )
        stream = DecodedStreamObject()
        shown = " T* ".join(f"({line}) Tj" for line in lines)
        stream.set_data(f"BT /F1 12 Tf 14 TL 72 800 Td {shown} ET".encode("latin-1"))
        page[NameObject("/Contents")] = writer._add_object(stream)
    entries: list[Any] = []
    for name, page_number, above in outline:
        parent = entries[above] if above >= 0 else None
        entries.append(writer.add_outline_item(title=name, page_number=page_number, parent=parent))
    if title:
        writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def docx() -> bytes:
    import docx as library

    document = library.Document()
    document.core_properties.title = "Shop handbook"
    document.add_paragraph("Before.")
    document.add_heading("Returns", 1)
    document.add_paragraph("Within 30 days.\tReally.")
    document.add_paragraph("one", style="List Bullet")
    document.add_paragraph("two", style="List Number")
    document.add_heading("Cost", 2)
    table = document.add_table(2, 2)
    for row, cells in enumerate((("Day", "Cost"), ("1", "2 €"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    document.add_paragraph("退货。")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def test_pdf() -> None:
    """Pages under the entries of the outline, wrapped lines joined, the title of its properties."""
    data = pdf(
        [["Before the first."], ["You may re-", "turn it within", "30 days.", "Call us."], ["It costs nothing."]],
        title="Handbook",
        outline=[("Returns", 1, -1), ("Cost", 2, 0)],
    )
    found = answer("pdf", data)
    assert found["title"] == "Handbook"
    assert [(part.headings, part.text, part.page) for part in found["parts"]] == [
        ((), "Before the first.", 1),
        (("Returns",), "You may return it within 30 days.\nCall us.", 2),
        (("Returns", "Cost"), "It costs nothing.", 3),
    ]


def test_pdf_without_an_outline(tmp_path: Path) -> None:
    """One section over all pages that knows where each page begins."""
    (tmp_path / "a.pdf").write_bytes(pdf([["One."], ["Two."], ["Three."]]))
    with Source(tmp_path) as source:
        [found] = source.documents()
    assert isinstance(found, Document)
    [section] = found.sections
    assert section.text == "One.\n\nTwo.\n\nThree."
    assert [section.text[place:][:3] for place in section.page_starts] == ["Two", "Thr"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pdf([["secret"]], password="x"), "needs_password"),
        (pdf([[]]), "no_text"),
        (b"%PDF-1.4 nothing", "broken"),
        (b"", "broken"),
    ],
    ids=["password", "pictures", "cut", "empty"],
)
def test_pdf_that_cannot_be_read(data: bytes, reason: str) -> None:
    """A password, pages of pictures and damage are told apart."""
    assert answer("pdf", data)["refused"] == reason


def test_pdf_of_too_many_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted before any is read."""
    from touchstone.retrieval import read_pdf

    monkeypatch.setattr(read_pdf, "MOST_PAGES", 2)
    assert answer("pdf", pdf([["1"], ["2"], ["3"]])) == {"refused": "too_many_pages", "values": {"count": 3, "most": 2}}


def test_docx() -> None:
    """Paragraphs, lists and rows of tables under their headings, the title of its properties."""
    found = answer("docx", docx())
    assert found["title"] == "Shop handbook"
    assert [(part.headings, part.text) for part in found["parts"]] == [
        ((), "Before."),
        (("Returns",), "Within 30 days.\tReally.\n\n- one\n- two"),
        (("Returns", "Cost"), "Day | Cost\n1 | 2 €\n\n退货。"),
    ]


def changed(data: bytes, name: str, old: str, new: str) -> bytes:
    """A packed file with one member changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            text = source.read(member)
            target.writestr(
                member.filename, text.replace(old.encode(), new.encode()) if member.filename == name else text
            )
    return out.getvalue()


def test_docx_with_changes_under_review() -> None:
    """What a review deleted is out, what it inserted is in."""
    run = "<w:r><w:{}>{}</w:{}></w:r>"
    review = (
        f'<w:ins w:id="1" w:author="a">{run.format("t", "new", "t")}</w:ins>'
        f'<w:del w:id="2" w:author="a">{run.format("delText", "old", "delText")}</w:del></w:p>'
    )
    data = changed(docx(), "word/document.xml", "Before.</w:t></w:r></w:p>", "Before.</w:t></w:r>" + review)
    assert answer("docx", data)["parts"][0].text == "Before.new"


def test_docx_that_names_files_and_entities(tmp_path: Path) -> None:
    """An entity of a file is not read into the text, and one that grows is not grown."""
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP SECRET")
    start = '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file://{}">]><w:document'
    data = changed(docx(), "word/document.xml", "Before.", "&x;")
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        body = packed.read("word/document.xml").decode()
    head = body[: body.index("<w:document") + len("<w:document")]
    found = answer("docx", changed(data, "word/document.xml", head, start.format(secret)))
    assert "TOP SECRET" not in str(found)
    lines = "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 12))
    grown = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x0 "ha">{lines}<!ENTITY x "&x11;">]><w:document'
    found = answer("docx", changed(data, "word/document.xml", head, grown))
    assert len(str(found)) < 10_000


def bomb(members: int, size: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(members):
            packed.writestr(f"word/{number}.xml", b"\0" * size)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bomb(2_001, 1), "too_many_members"),
        (bomb(1, 5 << 20), "unpacks_too_large"),
        (b"PK\x03\x04", "broken"),
        (b"", "broken"),
    ],
    ids=["members", "ratio", "cut", "empty"],
)
def test_docx_that_cannot_be_read(data: bytes, reason: str) -> None:
    """Bombs are refused by the directory of the package, before anything is unpacked."""
    assert answer("docx", data)["refused"] == reason


def test_both_come_through_the_reading_process(tmp_path: Path) -> None:
    """The libraries work within the limits of the child, and a library that is missing is an error that names it."""
    (tmp_path / "a.pdf").write_bytes(pdf([["One."]]))
    (tmp_path / "b.docx").write_bytes(docx())
    (tmp_path / "c.docx").write_bytes(bomb(2_001, 1))
    with Source(tmp_path) as source:
        found = {one.id: type(one) for one in source.documents()}
    assert found == {"a.pdf": Document, "b.docx": Document, "c.docx": Unread}


def test_a_library_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All files of the kind would be missing: that is an error with the extra's name, not a finding for each."""
    from touchstone.retrieval import reading
    from touchstone.retrieval.parsed import Unreadable

    def without(self: object, form: str, data: bytes) -> None:
        raise Unreadable("library_missing", library="pypdf")

    monkeypatch.setattr(reading.ReadingChild, "read", without)
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with Source(tmp_path) as source, pytest.raises(ExtraMissing, match=r"touchstone\[rag\]"):
        list(source.documents())
