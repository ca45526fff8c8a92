"""What every way to cut promises, and what each is for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import examples
from tests.retrieval.samples import HANDBOOK

from touchstone.errors import InvalidValue, UnknownName
from touchstone.retrieval.base import Document, Section, Vectors
from touchstone.retrieval.chunk import CHUNKERS, make_chunker
from touchstone.retrieval.pieces import estimated_tokens


class Capitals:
    """An embedder that counts the capital letters of a text."""

    name = "capitals"
    identity = "capitals 1"
    dimensions = 26

    def embed(self, texts: Sequence[str]) -> Vectors:
        found = np.array([[text.count(chr(65 + letter)) for letter in range(26)] for text in texts], np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)


BODY = st.lists(
    st.sampled_from(["One two.", "Three!", "退货吗？", "\n", "averyveryverylongword", "a b c"]), max_size=12
)
PATHS = st.lists(st.sampled_from(["A", "B", "Long heading"]), max_size=3).map(tuple)
DOCUMENTS = st.lists(
    st.builds(lambda path, body: Section(headings=path, text=" ".join(body).strip()), PATHS, BODY), max_size=6
).map(lambda sections: Document(id="d", digest="0", sections=tuple(sections)))


@pytest.mark.parametrize("kind", sorted(CHUNKERS))
@given(document=DOCUMENTS, size=st.integers(2, 30))
@examples(30)
def test_nothing_is_lost_and_places_are_true(kind: str, document: Document, size: int) -> None:
    """Every character that is not blank, headings too, is in a passage; each says truly where it stands; none is too
    long; the same document gives the same passages; ids differ.
    """
    limits = {} if kind == "whole" else {"size": size}
    chunker = make_chunker(kind, embedder=Capitals(), **limits)
    found = chunker.chunk(document)
    text = document.text

    covered = {place for passage in found for place in range(passage.start or 0, passage.end or 0)}
    assert all(text[place].isspace() for place in set(range(len(text))) - covered)
    assert all(passage.text == text[passage.start : passage.end] for passage in found)
    assert all(kind == "whole" or estimated_tokens(passage.text) <= size for passage in found)
    assert len({passage.id for passage in found}) == len(found)
    assert list(chunker.chunk(document)) == list(found)


def test_headings_in_force() -> None:
    """A passage has the headings that it stands under; one that begins with its heading does not repeat it."""
    found = make_chunker("sentence", size=12).chunk(HANDBOOK)
    assert [(passage.headings, passage.text) for passage in found][:4] == [
        ((), "Read this first. It is short."),
        ((), "Returns\nSend it back within 30 days."),
        (("Returns",), "Keep the receipt!"),
        (("Returns",), "Batteries\nBatteries are dangerous goods."),
    ]


def test_a_heading_is_searched_and_said_once() -> None:
    """What is indexed begins with title and headings; a heading that is the title too stands once."""
    found = make_chunker("sentence", size=12).chunk(HANDBOOK)
    assert found[2].searched == "Handbook > Returns\nKeep the receipt!"
    assert found[2].model_copy(update={"title": "Returns"}).heading == "Returns"
    assert found[2].model_copy(update={"title": None, "headings": ()}).searched == "Keep the receipt!"


def test_sections_stay_together() -> None:
    """By headings: a section with those below it when all fit, else one by one, else between sentences."""
    whole = make_chunker("heading", size=40).chunk(HANDBOOK)
    assert [passage.text.split("\n")[0] for passage in whole] == ["Read this first. It is short.", "Returns", "退货"]
    assert "Batteries are dangerous goods." in whole[1].text
    parted = make_chunker("heading", size=24).chunk(HANDBOOK)
    assert [passage.text.split("\n")[0] for passage in parted][1:3] == ["Returns", "Batteries"]
    assert parted[2].headings == ("Returns",)


def test_meaning_parts_passages() -> None:
    """A break stands where the vectors of neighbours part, although all would fit together."""
    text = "Apples are red. Apples are round. All apples fall. Zebras run. Zebras eat. Zebras sleep."
    document = Document(id="d", digest="0", sections=(Section(text=text),))
    found = make_chunker("semantic", embedder=Capitals(), size=200, percentile=70).chunk(document)
    assert [passage.text for passage in found] == [
        "Apples are red. Apples are round. All apples fall.",
        "Zebras run. Zebras eat. Zebras sleep.",
    ]


def test_an_embedder_that_learns_learns_from_the_document_alone() -> None:
    """A document is cut the same whatever else is indexed: nothing of a corpus is needed to cut it."""
    pytest.importorskip("sklearn")
    from touchstone.retrieval.embed_lsa import LsaEmbedder

    chunker = make_chunker("semantic", embedder=LsaEmbedder(8), size=200, percentile=60)
    assert chunker.chunk(HANDBOOK) == chunker.chunk(HANDBOOK)
    assert len(chunker.chunk(HANDBOOK)) > 1


def test_equal_passages_have_ids_of_their_own() -> None:
    """The same text twice in a document is two passages; an id says nothing of where in the document it stands."""
    document = Document(id="d", digest="0", sections=(Section(text="Same.\n\nSame."),))
    first, second = make_chunker("fixed", size=2).chunk(document)
    assert first.text == second.text
    assert first.id != second.id
    moved = Document(id="d", digest="1", sections=(Section(text="New text.\n\nSame."),))
    assert make_chunker("fixed", size=2).chunk(moved)[-1].id == first.id


def test_pages() -> None:
    """A passage of a document with pages says on which it starts."""
    section = Section(text="First page.\n\nSecond page.\n\nThird.", page=4, page_starts=(13, 27))
    document = Document(id="d", digest="0", sections=(section,))
    assert [passage.page for passage in make_chunker("fixed", size=4).chunk(document)] == [4, 5, 6]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("fixed", {"size": 0}),
        ("fixed", {"size": True}),
        ("fixed", {"size": 10, "overlap": 6}),
        ("sentence", {"size": 100_000}),
        ("semantic", {"percentile": 101}),
    ],
)
def test_sizes_that_cannot_be(kind: str, wanted: dict[str, int]) -> None:
    """Sizes and overlaps outside their range are refused with the range."""
    with pytest.raises(InvalidValue, match="write"):
        make_chunker(kind, embedder=Capitals(), **wanted)


def test_unknown_names() -> None:
    """An unknown way or setting is refused with what is known; meaning needs something to compare by."""
    with pytest.raises(UnknownName, match="sentence"):
        make_chunker("sentense")
    with pytest.raises(UnknownName, match="size"):
        make_chunker("heading", overlap=3)
    with pytest.raises(InvalidValue, match="embedder"):
        make_chunker("semantic")


def test_identities_differ_by_settings() -> None:
    """Another setting is another identity."""
    made = [make_chunker("fixed"), make_chunker("fixed", size=100), make_chunker("fixed", overlap=3)]
    made += [make_chunker(kind, embedder=Capitals()) for kind in ("sentence", "heading", "semantic", "whole")]
    assert len({chunker.identity for chunker in made}) == len(made)


def test_what_a_model_reads() -> None:
    """The heading, a colon, the text; a part that does not begin with its heading is given it."""
    whole = make_chunker("heading").chunk(HANDBOOK)
    assert [one.shown for one in whole] == [
        "Read this first. It is short.",
        "Returns: Send it back within 30 days. Keep the receipt!\nBatteries\nBatteries are dangerous goods. Call us.",
        "退货: 三十天内可以退货。请保留发票！运费由我们承担。",
    ]
    parts = make_chunker("sentence", size=12).chunk(HANDBOOK)
    assert [one.shown for one in parts if one.headings == ("Returns",)] == [
        "Returns: Keep the receipt!",
        "Batteries: Batteries are dangerous goods.",
    ]
    for one in (*whole, *parts):
        assert one.text[: one.heading_chars] in ("", "Returns", "Batteries", "退货")
