"""What the cases of a ledger promise: kept once, read in blocks and in order, to the last character as they were."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.data.base import Case, CaseSummary
from touchstone.evaluation import datasets as datasets_module
from touchstone.evaluation.ledger import Ledger
from touchstone.language import in_language
from touchstone.models.base import AudioPart, ImagePart, Message, TextPart

any_text = st.text(st.characters(), max_size=40)
"""Every text Python can hold: NUL, lone surrogates, control and direction marks among them."""


turns = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant"]),
    content=any_text
    | st.lists(
        st.builds(TextPart, text=any_text) | st.builds(ImagePart, url=any_text) | st.builds(AudioPart, data=any_text),
        max_size=3,
    ).map(tuple),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    ledger = Ledger(file)
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One store for the examples of a property; each takes names of its own."""
    ledger = Ledger(tmp_path_factory.mktemp("store") / "store.db")
    yield ledger
    ledger.close()


def summary(digest: str) -> CaseSummary:
    return CaseSummary(counts={"test": 1}, labels={}, tags={}, groups=0, digest=digest, described="by hand")


@given(
    st.lists(
        st.builds(
            Case,
            id=any_text,
            input=any_text | st.none(),
            messages=st.none() | st.lists(turns, max_size=2).map(tuple),
            target=any_text | st.none(),
            split=st.sampled_from(["train", "dev", "test"]),
            group=any_text | st.none(),
            tags=st.lists(any_text.map(lambda tag: tag.replace("\n", " ")), max_size=2).map(tuple),
            fields=st.dictionaries(any_text, any_text, max_size=2),
            row=st.integers(1, 9) | st.none(),
        ),
        max_size=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_cases_come_back_as_they_were(shared: Ledger, cases: list[Case]) -> None:
    """Per split, in order, to the last character: NUL and lone surrogates survive."""
    name = uuid4().hex
    shared.datasets.add(summary(name), iter(cases))
    for split in ("train", "dev", "test"):
        wanted = [case for case in cases if case.split == split]
        assert list(shared.datasets.cases(name, split)) == list(enumerate(wanted))
        assert shared.datasets.case_count(name, split) == len(wanted)


@given(count=st.integers(0, 12), start=st.integers(0, 13), stop=st.integers(0, 14) | st.none(), block=st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_any_stretch_of_cases_is_read_whatever_the_block(
    shared: Ledger, count: int, start: int, stop: int | None, block: int
) -> None:
    """`cases(start, stop)` is the slice of all cases, however many are read at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets_module, "_BLOCK", block)
        name = uuid4().hex
        shared.datasets.add(summary(name), (Case(id=f"c{number}") for number in range(count)))
        found = [ordinal for ordinal, _ in shared.datasets.cases(name, "test", start=start, stop=stop)]
        assert found == list(range(count))[start:stop]


def test_cases_are_read_in_blocks(ledger: Ledger) -> None:
    """The first of 2,500 short cases costs a query of a few rows; all of them four queries."""
    ledger.datasets.add(summary("d"), (Case(id=f"c{number}") for number in range(2_500)))
    queries: list[object] = []
    sa.event.listen(
        ledger.engine, "before_cursor_execute", lambda _c, _cu, _sql, parameters, _x, _m: queries.append(parameters)
    )
    stream = ledger.datasets.cases("d", "test")
    next(stream)
    assert len(queries) == 1
    assert sum(1 for _ in stream) == 2_499
    assert len(queries) == 4


def test_long_cases_are_read_a_few_at_a_time(ledger: Ledger) -> None:
    """Memory follows the bytes and not the number: of cases of 300 kB no more than some MB are held at once (F29)."""
    ledger.datasets.add(summary("d"), (Case(id=f"c{number}", input="x" * 300_000) for number in range(40)))
    limits: list[int] = []
    sa.event.listen(
        ledger.engine, "before_cursor_execute", lambda _c, _cu, _sql, parameters, _x, _m: limits.append(parameters[3])
    )
    assert sum(1 for _ in ledger.datasets.cases("d", "test")) == 40
    assert limits[0] == 16
    assert max(limits[1:]) <= 4


def test_a_dataset_is_kept_once(ledger: Ledger) -> None:
    """The same digest again does not even look at the cases."""
    ledger.datasets.add(summary("d"), [Case(id="a"), Case(id="b")])

    def never() -> Iterator[Case]:
        raise AssertionError("the cases were read again")
        yield

    ledger.datasets.add(summary("d"), never())
    assert ledger.datasets.case_column("d", "test", "case_id") == ["a", "b"]


def test_two_processes_may_keep_the_same_dataset_at_once(file: Path) -> None:
    """Who comes second finds the cases there, and that is fine."""
    first, second = Ledger(file), Ledger(file)
    case = Case(id="a", input="x")
    with ThreadPoolExecutor(1) as other:

        def while_the_other_writes() -> Iterator[Case]:
            added.append(other.submit(second.datasets.add, summary("same"), iter([case])))
            yield case

        added: list[Future[None]] = []
        first.datasets.add(summary("same"), while_the_other_writes())
        added[0].result()
    assert [found for _, found in first.datasets.cases("same", "test")] == [case]
    first.close()
    second.close()


def test_a_dataset_that_fails_half_way_is_not_kept(ledger: Ledger) -> None:
    """An unreadable row in the middle leaves nothing that could pass for the dataset."""

    def broken() -> Iterator[Case]:
        yield from (Case(id=f"c{number}") for number in range(1_500))
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        ledger.datasets.add(summary("d"), broken())
    assert ledger.datasets.case_count("d", "test") == 0
    ledger.datasets.add(summary("d"), [Case(id="a", group="g")])
    assert ledger.datasets.cases_at("d", "test", [0]) == [Case(id="a", group="g")]


@given(label=any_text)
@settings(max_examples=40, deadline=None)
def test_a_check_of_files_is_remembered_with_its_cases(shared: Ledger, label: str) -> None:
    """Its summary comes back as it was, whatever the labels hold; without the cases it is not believed."""
    files, cases = uuid4().hex, uuid4().hex
    found = summary(cases).model_copy(update={"labels": {label: 3}, "described": label})
    assert shared.datasets.checked(files) is None
    shared.datasets.keep_check(files, found)
    assert shared.datasets.checked(files) is None
    shared.datasets.add(found, [Case(id="a")])
    assert shared.datasets.checked(files) == found
    shared.datasets.keep_check(files, found.model_copy(update={"groups": 2}))
    again = shared.datasets.checked(files)
    assert again is not None
    assert again.groups == 2


def test_a_check_that_is_remembered_reads_in_the_language_of_whoever_asks(ledger: Ledger) -> None:
    """The files were looked at by somebody who reads another language."""
    found = summary("d").model_copy(update={"described": "by hand", "described_in": {"en": "by hand", "zh": "手工"}})
    ledger.datasets.add(found, [Case(id="a")])
    ledger.datasets.keep_check("f", found)

    here, there = ledger.datasets.checked("f"), in_language("zh", lambda: ledger.datasets.checked("f"))

    assert here is not None
    assert here.described == "by hand"
    assert there is not None
    assert there.described == "手工"


def test_cases_are_found_at_their_places(ledger: Ledger) -> None:
    """In the order asked for, also twice, in their split; and whether any of a split is in a group."""
    cases = [Case(id=f"c{number}", split="test" if number % 2 else "train") for number in range(10)]
    ledger.datasets.add(summary("d"), [*cases, Case(id="g", split="train", group="one")])

    assert [case.id for case in ledger.datasets.cases_at("d", "test", [3, 0, 3])] == ["c7", "c1", "c7"]
    assert ledger.datasets.cases_at("d", "test", []) == []
    assert (ledger.datasets.has_groups("d", "test"), ledger.datasets.has_groups("d", "train")) == (False, True)
