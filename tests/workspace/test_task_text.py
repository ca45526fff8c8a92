"""A task file edited key by key: what was meant changes, everything else stays as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import examples

from touchstone.errors import SettingsError, TaskError
from touchstone.workspace.task_text import (
    change_candidates,
    change_keys,
    check_reach,
    read_text,
    save_text,
    wrong_in,
)
from touchstone.workspace.yaml_file import read_yaml
from touchstone.workspace.yaml_keys import edited_keys, in_flow

TEXT = """\
# made by hand
task: shop   # its name
instruction: |
  Name it.

  Be brief.
# before the cases
cases: cases.csv
scorers:
  - exact      # decides
  - length: {maximum: 40}

candidates:
  - fake/parrot   # stands in
  # - openai/gpt-4o-mini
goal: best
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "cases.csv").write_text("id,input,target\na,b,c\n")
    (tmp_path / "task.yaml").write_text(TEXT)
    return tmp_path / "task.yaml"


def test_a_key_changes_and_nothing_else(path: Path) -> None:
    """Comments, blank lines and the order stay; a new key stands at the end, one that goes takes its lines along."""
    change_keys(path, {"instruction": "Say one word.", "goal": {"cheapest-within": 0.02}, "scorers": None,
                       "gate": {"min_score": 0.7}})  # fmt: skip
    assert path.read_text() == (
        '# made by hand\ntask: shop   # its name\ninstruction: "Say one word."\n# before the cases\ncases: cases.csv\n'
        "\ncandidates:\n  - fake/parrot   # stands in\n  # - openai/gpt-4o-mini\ngoal: {cheapest-within: 0.02}\n"
        "gate: {min_score: 0.7}\n"
    )


def test_a_text_of_lines_is_written_in_lines(path: Path) -> None:
    """People read instructions; a remark beside the old one stays beside the key."""
    path.write_text(
        path.read_text().replace("instruction: |\n  Name it.\n\n  Be brief.\n", "instruction: x   # told\n")
    )
    change_keys(path, {"instruction": "Name it:\n- one: two # three\n\nBe brief."})
    assert "instruction: |-   # told\n  Name it:\n  - one: two # three\n\n  Be brief.\n# before" in path.read_text()


def test_what_a_key_says_already_stays_as_it_is_written(path: Path) -> None:
    """Saving a form without a change changes no byte."""
    raw = read_yaml(path)[0]
    change_keys(path, raw)
    assert path.read_text() == TEXT


def test_what_would_be_no_task_file_is_not_written(path: Path) -> None:
    """The file stays as it was when a value cannot be used, an anchor would be lost, or somebody was faster."""
    with pytest.raises(TaskError):
        change_keys(path, {"limits": {"max_usd": -1}})
    path.write_text(TEXT.replace("goal: best", "goal: &g best\nvolume: {requests_per_month: 5}"))
    kept = path.read_text()
    with pytest.raises(TaskError):
        change_keys(path, {"goal": {"cheapest-within": 2}})
    with pytest.raises(SettingsError):
        save_text(path, TEXT, before="0" * 64)
    assert path.read_text() == kept
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".")] == []


def test_candidates_are_added_once_and_removed_by_place(path: Path) -> None:
    """Comments between them stay; one that is there is not added again."""
    change_candidates(path, add=["ollama/qwen3", "fake/parrot", {"model": "fake/parrot", "name": "a: #b", "k": 2}])
    assert '  - fake/parrot   # stands in\n  - ollama/qwen3\n  - {model: "fake/parrot", name: "a: #b", k: 2}\n' in (
        path.read_text()
    )
    change_candidates(path, remove=[0, 99])
    assert read_yaml(path)[0]["candidates"] == ["ollama/qwen3", {"model": "fake/parrot", "name": "a: #b", "k": 2}]
    change_candidates(path, remove=[0, 1])
    assert "# - openai/gpt-4o-mini" in path.read_text()


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("task: x\nlist: [a\nb: c\n", 3, 2), ("task: x\n  nonsense: 1\n", 2, 11), ("task: x\ncases: y\nwhat: 1\n", 3, 1)],
)
def test_what_is_wrong_has_a_line_and_a_column(path: Path, text: str, line: int, column: int) -> None:
    """A text that is no YAML is wrong where reading it ended; a key where it begins."""
    with pytest.raises(TaskError) as error:
        save_text(path, text.replace("cases: y", "cases: cases.csv"))
    wrong = wrong_in(text.replace("cases: y", "cases: cases.csv"), error.value)
    assert (wrong.line, wrong.column) == (line, column)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=12)
    | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(value=VALUES)
@examples(50)
def test_a_value_on_one_line_reads_back_as_itself(value: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever it is: quotes, colons, numbers that look like words, words that look like numbers."""
    file = tmp_path_factory.getbasetemp() / "value.yaml"
    file.write_text(f"a: {in_flow(value)}\n", encoding="utf-8")
    assert read_yaml(file)[0]["a"] == value


@given(
    old=st.sampled_from(
        ["x", "'x'", "|\n  a\n  b", ">-\n  a", "[1,\n  2]", "{a: 1}", "\n  - 1\n  - 2", "\n  k: 1", ""]
    ),
    new=st.none() | st.sampled_from(["y", "two\nlines", "\nodd \n", 3, ["a"], {"k": [1]}]),
    ends=st.sampled_from(["\n", "\r\n"]),
    remark=st.sampled_from(["", "  # why"]),
)
@examples(50)
def test_neighbours_stay_whatever_a_value_looks_like(old: str, new: Any, ends: str, remark: str) -> None:
    """Before and behind a key that changes, every line is as it was."""
    first = old if "\n" in old or not old else old + remark
    text = f"# top\nbefore: 1  # one\nkey: {first}\n# between\nafter: [1, 2]  # two\n".replace("\n", ends)
    found = edited_keys(text, {"key": new}, path=Path("t.yaml"))
    said = yaml.safe_load(found)
    expected = {"before": 1, "key": new, "after": [1, 2]}
    assert said == ({k: v for k, v in expected.items() if k != "key"} if new is None else expected)
    assert found.startswith(f"# top{ends}before: 1  # one{ends}")
    assert found.endswith(f"# between{ends}after: [1, 2]  # two{ends}")


# What somebody may reach --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        {"cases": "/etc/passwd"},
        {"cases": {"test": "../../other/cases.csv"}},
        {"cases": "sub\\..\\..\\x.csv"},
        {"cases": "C:\\secret.csv"},
        {"cases": "~/x.csv"},
        {"answer": {"labels": "/etc/labels.json"}},
        {"candidates": [{"recorded": "../x.csv"}]},
        {"candidates": [{"model": "ollama/q", "documents": ["/root/.ssh"]}]},
        {"candidates": [{"model": "ollama/q", "prompt": {"file": "/etc/passwd"}}]},
        {"candidates": [{"model": "starter", "folder": "/weights"}]},
        {"candidates": [{"model": "openai-compatible", "base_url": "https://evil.example", "key_env": "AWS_SECRET"}]},
        {"candidates": [{"sweep": {"model": [{"key_env": "HOME", "base_url": "https://evil.example"}]}}]},
        {"scorers": [{"judge": {"model": {"model": "openai-compatible", "base_url": "http://127.0.0.1/v1"}}}]},
        {"candidates": [{"model": "openai-compatible", "base_url": "http://169.254.169.254/v1"}]},
    ],
)
def test_a_text_of_somebody_else_reaches_no_further_than_its_folder(raw: Any) -> None:
    """No file outside, no variable that is no provider's key, no address in this network."""
    with pytest.raises(SettingsError):
        check_reach(raw)
    check_reach(raw, trusted=raw, near=True)


def test_what_is_ordinary_is_left_alone() -> None:
    """Names, instructions and labels are texts, whatever they look like."""
    check_reach(
        {
            "task": "/etc", "instruction": "Look at ../x and /y.", "cases": "cases.csv",
            "answer": {"labels": ["/a", "../b", "~"]},
            "candidates": ["openai/gpt-4o-mini", {"model": "ollama/qwen3", "name": "../q", "prompt": "/{input}"},
                           {"model": "openai-compatible", "base_url": "https://api.example/v1",
                            "key_env": "OPENAI_API_KEY"}, {"recorded": "sub/old.csv"}],
        }
    )  # fmt: skip


def test_a_trusted_variable_is_trusted_for_its_host_alone() -> None:
    """A key that stood in the file for one host cannot be turned to another."""
    mine = {"model": "openai-compatible", "base_url": "https://ours.example/v1", "key_env": "OUR_KEY"}
    check_reach({"candidates": [mine]}, trusted={"candidates": [mine]})
    with pytest.raises(SettingsError):
        check_reach({"candidates": [{**mine, "base_url": "https://evil.example/v1"}]}, trusted={"candidates": [mine]})


def test_a_text_is_read_with_its_digest(path: Path) -> None:
    """The digest is of the bytes."""
    found = read_text(path)
    assert found.text == TEXT
    assert len(found.digest) == 64
