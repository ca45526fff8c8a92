"""What packed columns promise: every number comes back as it was, whoever asked for it, and from older files too."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.packed import COLUMNS, KINDS, NUMERIC, is_kind, kind_codes, pack, unpack

numbers = st.none() | st.floats(allow_nan=False)
counts = st.integers(0, 2**32 - 1)

rows = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(KINDS),
            "run": st.none() | st.sampled_from(["r1", "r2", "a long name of a run, 运行"]),
            "ordinal": counts,
            "repeat": st.integers(0, 2**16 - 1),
            "retries": counts,
            "from_cache": st.booleans(),
            **dict.fromkeys(
                (
                    "score",
                    "cost_usd",
                    "retry_usd",
                    "judge_usd",
                    "latency_s",
                    "queue_s",
                    "first_token_s",
                    "input_tokens",
                    "output_tokens",
                    "estimated",
                ),
                numbers,
            ),
        }
    ),
    max_size=20,
)


def columns(found: list[dict[str, Any]]) -> dict[str, Any]:
    """As the store gives them: texts as objects, numbers as floats, NaN where there is none."""
    return {
        name: np.array([row[name] for row in found], dtype=float if name in NUMERIC else object) for name in COLUMNS
    }


@given(rows=rows, run=st.none() | st.sampled_from(["r1", "r2", "nobody"]))
def test_every_number_comes_back(rows: list[dict[str, Any]], run: str | None) -> None:
    """To the last bit; kinds as their places, and whose cell it was as whether it was this run's."""
    given_columns = columns(rows)
    parts, cells = pack(given_columns)
    body = b"".join(parts)
    found = unpack(body, run)

    assert cells == len(rows)
    assert set(found) == (set(COLUMNS) - {"run"}) | {"here"}
    assert [KINDS[code] for code in found["kind"]] == [row["kind"] for row in rows]
    assert found["here"].tolist() == [row["run"] is not None and row["run"] == run for row in rows]
    for name in NUMERIC:
        np.testing.assert_array_equal(found[name].astype(float), given_columns[name])


def test_a_million_cells_are_small() -> None:
    """At most 100 bytes a cell, and each column is read where it lies, without a copy."""
    rows = [{**dict.fromkeys(COLUMNS, 1.0), "kind": "scored", "run": "r"}] * 1_000
    body = b"".join(pack(columns(rows))[0])
    assert len(body) < 100 * 1_000 + 1_000
    assert not unpack(body, "r")["score"].flags.owndata


def test_a_block_of_a_version_that_knew_other_kinds_is_understood() -> None:
    """Kinds are told by name in the header: a kind that was added or moved since changes no cell."""
    rows = [{**dict.fromkeys(COLUMNS, 0.0), "kind": kind, "run": None} for kind in ("error", "scored", "empty")]
    body = b"".join(pack(columns(rows))[0])
    (size,) = struct.unpack_from("<I", body)
    header = orjson.loads(body[4 : 4 + size])
    header["kinds"] = ["error", "empty", "scored"]
    codes = bytes(header["kinds"].index(row["kind"]) for row in rows)
    head = orjson.dumps(header)
    older = struct.pack("<I", len(head)) + head + codes + body[4 + size + len(codes) :]

    assert [KINDS[code] for code in unpack(older, None)["kind"]] == ["error", "scored", "empty"]


def test_a_kind_nobody_knows_is_refused() -> None:
    """It is a mistake of ours and not a cell that may pass for another."""
    with pytest.raises(KeyError):
        kind_codes(np.array(["scored", "brilliant"], dtype=object))


@given(kinds=st.lists(st.sampled_from(KINDS)), wanted=st.sets(st.sampled_from(KINDS)))
def test_is_kind_finds_these_and_no_others(kinds: list[str], wanted: set[str]) -> None:
    """For every set of kinds, the empty one included."""
    codes = kind_codes(np.array(kinds, dtype=object))
    assert is_kind(codes, wanted).tolist() == [kind in wanted for kind in kinds]
