"""What recordings promise: many models in one file, draws in order, missing cases counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.data.base import Case, CaseSummary
from touchstone.evaluation import recordings as recordings_module
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.recordings import Recording, Recordings


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path_factory.mktemp("store") / "store.db")
    yield ledger
    ledger.close()


def said(text: str) -> Recording:
    return Recording(output=text)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "", "模型", "half \ud800"]),
            st.sampled_from(["1", "01", "\0", "x\ud800"]),
            st.builds(
                Recording,
                output=st.none() | st.text(max_size=5),
                input_tokens=st.none() | st.integers(0, 9),
                latency_s=st.none() | st.floats(0, 9),
                cost_usd=st.none() | st.floats(0, 9),
                error=st.none() | st.just("failed"),
            ),
        ),
        max_size=20,
    ),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_every_row_is_found_by_model_case_and_draw(
    ledger: Ledger, rows: list[tuple[str, str, Recording]], block: int
) -> None:
    """Several outputs of one model for one case are its draws, in the order of the file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recordings_module, "_BLOCK", block)
        found = Recordings(ledger, uuid4().hex)
        found.add(iter(rows))
    draws: Counter[tuple[str, str]] = Counter()
    for model, case, recording in rows:
        assert found.find(model, case, draws[model, case]) == recording
        draws[model, case] += 1
    for (model, case), count in draws.items():
        assert found.find(model, case, count) is None
    models = found.models()
    assert models is not None
    assert sum(models.values()) == len(rows)
    assert set(models) == {model.replace("\ud800", "\\ud800") for model, _, _ in rows}


def test_a_file_that_was_not_read_has_no_models(ledger: Ledger) -> None:
    """None means unread; a file that was read and holds nothing has an empty mapping."""
    found = Recordings(ledger, "new")
    assert found.models() is None
    found.add([])
    assert found.models() == {}


def test_files_do_not_mix(ledger: Ledger) -> None:
    """The same model and case in another file is another output."""
    one, other = Recordings(ledger, "one"), Recordings(ledger, "other")
    one.add([("m", "c", said("1"))])
    other.add([("m", "c", said("2"))])

    assert one.find("m", "c") == said("1")
    assert other.find("m", "c") == said("2")


def test_a_file_that_fails_half_way_is_not_kept(ledger: Ledger) -> None:
    """All rows or none, so that a mended file is read anew."""

    def broken() -> Iterator[tuple[str, str, Recording]]:
        for number in range(1_500):
            yield "m", str(number), said("x")
        raise ValueError("row 1501")

    found = Recordings(ledger, "broken")
    with pytest.raises(ValueError, match="1501"):
        found.add(broken())

    assert found.models() is None
    assert found.find("m", "0") is None


def test_missing_cases_are_counted(ledger: Ledger, tmp_path: Path) -> None:
    """Cases of the split without a recording of this very model; other splits do not count."""
    cases = [Case(id=f"c{number}", split="test" if number < 5 else "train") for number in range(8)]
    summary = CaseSummary(counts={}, labels={}, tags={}, groups=0, digest="m" * 8, described="")
    ledger.datasets.add(summary, cases)
    found = Recordings(ledger, "some")
    found.add([("a", "c0", said("x")), ("a", "c0", said("y")), ("a", "c7", said("x")), ("b", "c1", said("x"))])

    assert found.missing("a", "m" * 8, "test") == 4
    assert found.missing("b", "m" * 8, "test") == 4
    assert found.missing("a", "m" * 8, "train") == 2
    assert found.missing("nobody", "m" * 8, "test") == 5
