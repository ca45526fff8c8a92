"""The index of the catalog: words in two languages, facts as columns, and a file that is replaced as a whole."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.catalog.shelf import Made, shelf

from touchstone.catalog.index import CatalogIndex, match_expression
from touchstone.catalog.index_text import spaced
from touchstone.catalog.index_write import write_index


def found(index: CatalogIndex, text: str) -> list[str]:
    rows = index.by_relevance(text)
    matching = index.matching(text)
    assert matching is not None
    assert sorted(rows) == sorted(matching)
    return [index.ids()[row] for row in rows]


def test_all_words_must_be_found_and_the_last_may_be_a_beginning() -> None:
    """`tiny em` finds "tiny embedder", `em tiny` does not, for only the last word may be cut short."""
    index = shelf([Made("tiny-embedder"), Made("tiny-writer"), Made("large-embedder")])

    assert found(index, "tiny em") == ["acme/tiny-embedder"]
    assert found(index, "em tiny") == []
    assert found(index, "embedder") == ["acme/large-embedder", "acme/tiny-embedder"]


@pytest.mark.parametrize("asked", ["翻译", "译", "机器翻译", "翻译模型"])
def test_chinese_is_found_by_any_run_of_characters(asked: str) -> None:
    """Words are not separated in Chinese: two characters in the middle of a sentence are found, in their order."""
    index = shelf([Made("one", about="一个机器翻译模型，支持中文"), Made("other", about="译文质量评估，翻一番")])

    assert "acme/one" in found(index, asked)
    assert ("acme/other" in found(index, asked)) == (asked == "译")


def test_chinese_words_with_a_blank_between_are_words() -> None:
    """`通义 向量` finds what holds both, wherever they stand; without the blank they must stand together."""
    index = shelf([Made("both", about="通义实验室的文本向量模型"), Made("one", about="通义千问")])

    assert found(index, "通义 向量") == ["acme/both"]
    assert found(index, "通义向量") == []


def test_full_width_letters_are_the_same_letters() -> None:
    """`ＧＰＴ` typed by a Chinese input method finds GPT."""
    assert found(shelf([Made("gpt-x")]), "ＧＰＴ") == ["acme/gpt-x"]


def test_a_name_counts_more_than_a_mention() -> None:
    """A model that is called so stands before one whose text mentions it."""
    index = shelf([Made("a-writer", about="better than whisper, whisper and whisper"), Made("whisper")])

    assert found(index, "whisper") == ["acme/whisper", "acme/a-writer"]


@given(st.text(max_size=40))
def test_nothing_that_a_user_types_is_an_operator(text: str) -> None:
    """Any text is looked for as words: no quote, bracket, star or keyword of the search engine fails or acts."""
    index = shelf([Made("near-and-or-not")])

    rows = index.matching(text)

    assert rows is None or len(rows) <= 1


@pytest.mark.parametrize("text", ["", "  ", "?!", "—", '"', "*"])
def test_signs_alone_are_no_words(text: str) -> None:
    """Without a word there is nothing to look for, which is not the same as finding nothing."""
    assert match_expression(text) is None


@given(st.text())
def test_spacing_changes_nothing_once_it_is_done(text: str) -> None:
    """What is indexed and what is asked for go through the same change, and doing it twice adds no characters."""
    assert spaced(spaced(text)).split() == spaced(text).split()


def test_columns_keep_what_is_unknown_apart_from_zero() -> None:
    """A number that nobody stated is NaN; a stated zero is zero."""
    index = shelf([Made("a", numbers={"context_tokens": 0}), Made("b")])

    values = index.number("context_tokens")

    assert values[0] == 0
    assert math.isnan(values[1])


def test_a_value_that_nobody_has_has_no_rows() -> None:
    """Asking for an unknown value of a facet finds nothing and fails nowhere."""
    assert not shelf([Made("a")]).having("task", "no-such-task").any()


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.lists(st.booleans(), min_size=200, max_size=200))
def test_rare_and_frequent_values_are_kept_and_counted_alike(having: list[bool], chosen: list[bool]) -> None:
    """Whether few or many rows have a value, the same rows come back, and the count is of those that were chosen."""
    index = shelf([Made(f"m{n:03}", facets={"task": ("chat",) * yes}) for n, yes in enumerate(having)])
    mask = np.array(chosen[: len(having)])

    assert index.having("task", "chat").tolist() == having
    expected = sum(yes and one for yes, one in zip(having, chosen, strict=False))
    assert dict(index.counts("task", mask)) == ({"chat": expected} if any(having) else {})


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Whoever has the old index open keeps reading it; whoever opens it afterwards reads the new one."""
    place = tmp_path / "index.sqlite"
    write_index(place, [Made("old").row()], {"key": "1"})
    old = CatalogIndex.open(place)
    assert old is not None

    write_index(place, [Made("new").row(), Made("newer").row()], {"key": "2"})
    new = CatalogIndex.open(place)

    assert new is not None
    assert (old.ids(), new.ids()) == (["acme/old"], ["acme/new", "acme/newer"])
    assert (old.meta["key"], new.meta["key"]) == ("1", "2")
    assert [file.name for file in tmp_path.iterdir()] == ["index.sqlite"]


def test_an_index_that_could_not_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    """A failure while writing keeps the good index and leaves no half of another."""
    place = tmp_path / "index.sqlite"
    write_index(place, [Made("old").row()], {"key": "1"})

    with pytest.raises(sqlite3.IntegrityError):
        write_index(place, [Made("same").row(), Made("same").row()], {"key": "2"})

    kept = CatalogIndex.open(place)
    assert kept is not None
    assert kept.ids() == ["acme/old"]
    assert [file.name for file in tmp_path.iterdir()] == ["index.sqlite"]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + b"\x00" * 100])
def test_a_file_that_is_no_index_is_none(tmp_path: Path, content: bytes) -> None:
    """A damaged index is as good as none: it is derived, and will be made anew."""
    place = tmp_path / "index.sqlite"
    place.write_bytes(content)

    assert CatalogIndex.open(place) is None
    assert CatalogIndex.open(tmp_path / "absent.sqlite") is None


def test_another_reader_has_the_same_index_to_itself(tmp_path: Path) -> None:
    """What one of them keeps or closes does not touch the other, also where the index lives in memory."""
    place = tmp_path / "index.sqlite"
    write_index(place, [Made("one").row()], {"key": "1"})
    on_disk = CatalogIndex.open(place, today=739_000)
    assert on_disk is not None
    for index in (on_disk, shelf([Made("one")])):
        other = index.another()
        assert other.ids() == ["acme/one"]
        assert (other.meta, other.today) == (index.meta, index.today)
        other.close()
        assert index.ids() == ["acme/one"]
        index.close()


def test_another_reader_of_a_file_that_is_gone_reads_what_was_there(tmp_path: Path) -> None:
    """Whoever has it open has it still."""
    place = tmp_path / "index.sqlite"
    write_index(place, [Made("one").row()], {"key": "1"})
    index = CatalogIndex.open(place)
    assert index is not None
    place.unlink()
    assert index.another().ids() == ["acme/one"]
