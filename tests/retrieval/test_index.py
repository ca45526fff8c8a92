"""What an index promises: it says what the source says, only what changed is touched, and no crash harms it."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import warm
from tests.conftest import examples
from tests.retrieval.indexing import Learner, Letters, Told, index_in, update, update_and_die

from touchstone.errors import StoreBusy, StoreDamaged, UserError
from touchstone.retrieval.chunk import make_chunker
from touchstone.retrieval.documents import Source
from touchstone.retrieval.index import Index
from touchstone.retrieval.index_change import MOST_SEGMENTS
from touchstone.retrieval.opened import OpenIndex
from touchstone.storage.process_lock import ProcessLock


def write(root: Path, texts: Mapping[str, str]) -> Source:
    root.mkdir(exist_ok=True)
    for old in root.iterdir():
        old.unlink()
    for name, text in texts.items():
        (root / name).write_text(text)
    return Source(root)


def everything(opened: OpenIndex) -> object:
    queries = ["apple", "red pear", "plum plum", "zebra", "a sweet apple or a pear"]
    try:
        return (
            opened.size,
            sorted(passage.model_dump_json() for passage in opened.passages()),
            {name: (kept.digest, kept.passages) for name, kept in opened.documents().items()},
            [[(one.id, score) for one, score in opened.lexical(query, 3)] for query in queries],
            [[(one.id, round(score, 5)) for one, score in opened.dense(query, 3)] for query in queries],
        )
    finally:
        opened.close()


TEXTS = st.lists(
    st.sampled_from(
        ["An apple is red.", "A pear is sweet.", "Plum plum plum.", "Apple or pear?", "No fruit here at all."]
    ),
    min_size=1,
    max_size=4,
).map(" ".join)
SOURCES = st.dictionaries(st.sampled_from(["a.txt", "b.txt", "c.txt", "d.md"]), TEXTS, min_size=1)


@given(st.lists(SOURCES, min_size=2, max_size=4))
@examples(8)
def test_history_leaves_no_trace(states: list[dict[str, str]]) -> None:
    """After any changes a search gives, to the last bit of a score, what an index built at once gives."""
    with TemporaryDirectory() as folder:
        grown = index_in(Path(folder) / "grown")
        for texts in states:
            grown.update(Told(texts))
        built = index_in(Path(folder) / "built")
        built.update(Told(states[-1]))
        assert everything(grown.open()) == everything(built.open())


def test_only_what_changed_is_touched(tmp_path: Path) -> None:
    """One changed sentence in one of three documents: the others are not read, and one passage is embedded."""
    index = index_in(tmp_path / "index")
    texts = {"a.txt": "One apple here today. Two pears over there.", "b.txt": "Three plums.", "c.txt": "Nothing."}
    first = index.update(write(tmp_path / "source", texts))
    assert (first.documents_added, first.passages_added, first.passages_embedded) == (3, 4, 4)

    index.embedder.embedded.clear()  # type: ignore[union-attr]
    changed = index.update(write(tmp_path / "source", texts | {"a.txt": "One apple here today. Two pears are gone."}))
    assert changed.model_dump(exclude_defaults=True) == {
        "documents_changed": 1,
        "documents_kept": 2,
        "passages_added": 1,
        "passages_kept": 3,
        "passages_removed": 1,
        "passages_embedded": 1,
    }
    assert index.embedder.embedded == ["Two pears are gone."]  # type: ignore[union-attr]


def test_nothing_changed_writes_nothing(tmp_path: Path) -> None:
    """The same source again leaves every file as it was."""
    index = index_in(tmp_path / "index")
    source = write(tmp_path / "source", {"a.txt": "One apple."})
    index.update(source)
    before = {file: file.stat().st_mtime_ns for file in index.folder.rglob("*") if file.is_file()}
    changes = index.update(source)
    assert (changes.documents_kept, changes.passages_embedded) == (1, 0)
    assert {file: file.stat().st_mtime_ns for file in index.folder.rglob("*") if file.is_file()} == before


def test_a_document_that_goes_is_found_no_more(tmp_path: Path) -> None:
    """Neither by words nor by vectors, and its vectors are gone."""
    index = index_in(tmp_path / "index")
    index.update(write(tmp_path / "source", {"a.txt": "One apple.", "b.txt": "One pear."}))
    changes = index.update(write(tmp_path / "source", {"b.txt": "One pear."}))
    assert (changes.documents_removed, changes.passages_removed) == (1, 1)
    opened = index.open()
    assert [one.document for one, _ in opened.lexical("one apple", 9)] == ["b.txt"]
    assert [one.document for one, _ in opened.dense("one apple", 9)] == ["b.txt"]
    assert opened.vectors is not None
    assert len(opened.vectors.ids()) == 1
    assert opened.of_document("a.txt") == ()
    [kept] = opened.of_document("b.txt")
    assert opened.passage(kept.id) == kept


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """The others are indexed; a source of nothing but such files is an error, and the index stays as it was."""
    index = index_in(tmp_path / "index")
    source = write(tmp_path / "source", {"a.txt": "One apple."})
    (tmp_path / "source" / "b.txt").write_bytes(b"\xff\xfe\xff")
    changes = index.update(source)
    assert changes.documents_added == 1
    assert [unread.id for unread in changes.unread] == ["b.txt"]
    (tmp_path / "source" / "a.txt").unlink()
    with pytest.raises(UserError, match="holds no document"):
        index.update(source)
    assert index.open().size == 1


def test_another_setting_is_another_index(tmp_path: Path) -> None:
    """Chunker, embedder and store each have their part in the key, and two indexes lie side by side."""
    made = [
        Index(tmp_path, make_chunker("sentence", size=6)),
        Index(tmp_path, make_chunker("sentence", size=7)),
        Index(tmp_path, make_chunker("sentence", size=6), embedder=Letters()),
        Index(tmp_path, make_chunker("sentence", size=6), embedder=Learner()),
        Index(tmp_path, make_chunker("sentence", size=6), embedder=Letters(), store_name="other"),
    ]
    assert len({index.folder for index in made}) == len(made)


def test_not_indexed_yet(tmp_path: Path) -> None:
    """Searching before indexing says what to do."""
    with pytest.raises(UserError, match="index the documents"):
        index_in(tmp_path).open()


def test_many_changes_join_segments(tmp_path: Path) -> None:
    """A hundred changes leave a handful of segments, and folders of no other."""
    index = index_in(tmp_path / "index")
    texts = {f"{number}.txt": f"Document number {number} is about apples." for number in range(12)}
    for count in range(1, 13):
        index.update(Told(dict(list(texts.items())[:count])))
    opened = index.open()
    assert len(opened.parts) <= MOST_SEGMENTS
    assert len(list(index.folder.glob("segment-*"))) == len(opened.parts)
    assert opened.size == 24
    assert len(opened.documents()) == 12
    index.update(Told({"0.txt": texts["0.txt"]}))
    assert sum(part.segment.size for part in index.open().parts) == 2


def test_an_embedder_that_learns_is_fitted_when_a_fifth_is_new(tmp_path: Path) -> None:
    """First, and again when more than a fifth of the passages it learned from have come since; not before."""
    index = index_in(tmp_path / "index", embedder=Learner())
    texts = {f"{number}.txt": f"Number {number}." for number in range(10)}
    fitted = []
    for more in (0, 2, 3):
        changed = texts | {f"new{number}.txt": "New." for number in range(more)}
        fitted.append(index.update(write(tmp_path / "source", changed)).fitted)
    assert fitted == [True, False, True]
    opened = index.open()
    assert opened.embedder is not None
    assert opened.embedder.fitted_on == 13  # type: ignore[attr-defined]
    assert len(list(index.folder.glob("learned-*"))) == 1
    assert len(list(index.folder.glob("vectors-*"))) == 1


def files_of(index: Index) -> list[Path]:
    return sorted(file for file in index.folder.rglob("*") if file.is_file() and file.name != "lock")


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damage_is_told_and_made_good(tmp_path: Path, harm: str) -> None:
    """Whatever file is flipped, cut or removed: opening says so, the next update repairs it, and nothing was lost."""
    texts = {"a.txt": "One apple. Two pears there.", "b.txt": "Three plums."}
    source = Told(texts)
    index = index_in(tmp_path / "index", embedder=Learner())
    index.update(source)
    whole = everything(index.open())
    for name in [file.relative_to(index.folder) for file in files_of(index)]:
        matching = [file for file in files_of(index) if file.name == name.name]
        file = matching[0]
        data = bytearray(file.read_bytes())
        if harm == "remove":
            file.unlink()
        elif harm == "cut":
            file.write_bytes(data[: len(data) // 2])
        else:
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
        with pytest.raises((StoreDamaged, UserError), match=r"damaged|index the documents|has 0 of"):
            index.open()
        index.update(source)
        assert everything(index.open()) == whole, name


@pytest.mark.parametrize("place", ["segment-written", "segments-joined", "vectors-written", "committed"])
def test_sigkill_leaves_the_old_or_the_new(tmp_path: Path, place: str) -> None:
    """Killed at any place of a change, the index is what it was or what it was to be; the next change ends it."""
    texts = {f"{number}.txt": f"Number {number}." for number in range(8)}
    index = index_in(tmp_path / "index", embedder=Learner())
    index.update(write(tmp_path / "source", texts))
    before = everything(index.open())
    source = write(tmp_path / "source", {name: text for name, text in texts.items() if name < "4"} | {"x.txt": "New!"})
    killed = warm.begin(update_and_die, str(tmp_path), place)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL

    built = index_in(tmp_path / "built", embedder=Learner())
    built.update(source)
    after = everything(built.open())
    assert everything(index.open()) == (after if place == "committed" else before)
    index.update(source)
    assert everything(index.open()) == after
    opened = index.open()
    named = {part.segment.name for part in opened.parts}
    assert {folder.name for folder in index.folder.glob("segment-*")} == named
    assert opened.vectors is not None
    assert len(opened.vectors.ids()) == opened.size


def test_two_who_change_wait_for_each_other(tmp_path: Path) -> None:
    """While one process holds the lock another waits, and says so when it waited long enough; readers read on."""
    index = index_in(tmp_path / "index")
    source = write(tmp_path / "source", {"a.txt": "One apple."})
    index.update(source)
    lock = ProcessLock(index.folder / "lock")
    assert lock.take()
    with pytest.raises(StoreBusy, match="another process"):
        index.update(source, patience_s=0)
    assert index.open().size == 1
    lock.release()
    index.update(source)


def test_two_processes_at_once(tmp_path: Path) -> None:
    """Two that change the index at once leave what one of them wanted, whole; a reader beside them reads whole ones."""
    for name in ("one", "two"):
        write(tmp_path / name, {f"{number}.txt": f"{name} number {number}." for number in range(20)})
    index = index_in(tmp_path / "index")
    index.update(Source(tmp_path / "one"))
    writers = [warm.begin(update, str(tmp_path), name) for name in ("two", "one")]
    while any(writer.exitcode is None for writer in writers):
        opened = index.open()
        assert opened.size == 20
        assert len({one.text.split()[0] for one in opened.passages()}) == 1
        assert len(opened.dense("number", 20)) == 20
        opened.close()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert index.open().size == 20


def test_what_is_open_stays_as_it_was(tmp_path: Path) -> None:
    """A search goes on with what it opened while the index is changed under it."""
    index = index_in(tmp_path / "index")
    index.update(write(tmp_path / "source", {"a.txt": "One apple.", "b.txt": "One pear."}))
    opened = index.open()
    index.update(write(tmp_path / "source", {"c.txt": "One plum."}))
    assert {one.document for one, _ in opened.lexical("one", 9)} == {"a.txt", "b.txt"}
    assert {one.document for one, _ in opened.dense("one", 9)} == {"a.txt", "b.txt"}
    assert {one.document for one, _ in index.open().lexical("one", 9)} == {"c.txt"}


def test_vectors_that_were_lost_are_made_again(tmp_path: Path) -> None:
    """A store that has fewer vectors than there are passages is told, and filled by the next update."""
    import shutil

    index = index_in(tmp_path / "index")
    source = write(tmp_path / "source", {"a.txt": "One apple.", "b.txt": "One pear."})
    index.update(source)
    for place in index.folder.glob("vectors-*"):
        shutil.rmtree(place)
    with pytest.raises(StoreDamaged, match="has 0 of 2"):
        index.open()
    assert index.update(source).passages_embedded == 2
    assert len(index.open().dense("apple", 5)) == 2


def test_the_digest_tells_contents_apart(tmp_path: Path) -> None:
    """The same documents have the same digest, whatever was there before; another text, or another fit, has another."""
    index = index_in(tmp_path / "index", embedder=Learner())
    texts = {f"{number}.txt": f"Number {number}." for number in range(10)}
    digests = []
    for changed in (
        texts,
        texts | {"0.txt": "Other."},
        texts,
        texts | {f"n{number}.txt": "New." for number in range(5)},
    ):
        index.update(write(tmp_path / "source", changed))
        digests.append(index.open().digest)
    assert digests[0] == digests[2]
    assert len(set(digests)) == 3
    built = index_in(tmp_path / "built", embedder=Learner())
    built.update(Source(tmp_path / "source"))
    assert built.open().digest == digests[3]


def test_what_it_took_is_kept(tmp_path: Path) -> None:
    """Seconds of all changes add up; a look that finds nothing changed adds none."""
    index = index_in(tmp_path / "index")
    index.update(write(tmp_path / "source", {"a.txt": "One apple."}))
    first = index.open().took_s
    assert first is not None
    assert first > 0
    index.update(Source(tmp_path / "source"))
    assert index.open().took_s == first
    index.update(write(tmp_path / "source", {"a.txt": "Two apples."}))
    assert (index.open().took_s or 0) > first


class SlowLibrary(Learner):
    """A learner whose libraries take a second to import, once in a process."""

    loaded = False

    def load_libraries(self) -> None:
        if not type(self).loaded:
            time.sleep(1.0)
        type(self).loaded = True

    def fit(self, texts: Sequence[str]) -> Learner:
        assert type(self).loaded
        return SlowLibrary(len(texts))


def test_importing_a_library_is_not_indexing(tmp_path: Path) -> None:
    """Whoever is first in a process would pay for all others; what an index took does not depend on that."""
    source = write(tmp_path / "documents", {"a.txt": "A text about ink."})
    index = index_in(tmp_path / "index", embedder=SlowLibrary())
    began = time.monotonic()
    index.update(source)
    whole_s = time.monotonic() - began
    assert SlowLibrary.loaded
    took_s = index.open().took_s
    assert took_s is not None
    assert took_s <= whole_s - 1.0
