"""What reading YAML promises: labels stay text, every key has its line, and nothing exhausts the machine."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import examples

from touchstone.errors import TaskError
from touchstone.workspace.yaml_file import read_yaml


def value_of(tmp_path: Path, text: str) -> Any:
    return read(tmp_path, text)[0]


def read(folder: Path, text: str | bytes) -> tuple[Any, dict[Any, int]]:
    file = folder / "task.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(file)


@pytest.mark.parametrize(
    "word", ["yes", "no", "on", "off", "Yes", "NO", "y", "n", "001", "1_000", "10:30", "0x1f", "2026-11-23", "+5", "1e"]
)
def test_plain_words_stay_text(tmp_path: Path, word: str) -> None:
    """What YAML 1.1 takes for a boolean, a date or an odd number is a label here."""
    assert value_of(tmp_path, f"labels: [{word}]\nlabel: {word}") == {"labels": [word], "label": word}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("-12", -12),
        ("0.02", 0.02),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("2.5E+3", 2500.0),
        ("3.", 3.0),
        ("null", None),
        ("~", None),
        ('"001"', "001"),
    ],
)
def test_numbers_booleans_and_null_are_what_they_look_like(tmp_path: Path, word: str, value: Any) -> None:
    """As in YAML 1.2."""
    found = value_of(tmp_path, f"key: {word}")["key"]
    assert found == value
    assert type(found) is type(value)


def test_every_key_and_item_has_its_line(tmp_path: Path) -> None:
    """Nested ones too, so that an error can point at them."""
    _, lines = read(tmp_path, "# comment\ntask: a\nrace:\n  seed: 7\ncandidates:\n  - x\n\n  - model: y\n    name: z\n")

    assert lines[("task",)] == 2
    assert lines[("race", "seed")] == 4
    assert lines[("candidates", 0)] == 6
    assert lines[("candidates", 1)] == 8
    assert lines[("candidates", 1, "name")] == 9


def test_anchors_and_merges_work(tmp_path: Path) -> None:
    """Shared values are written once."""
    text = "base: &base {temperature: 0.2, max_tokens: 9}\na: *base\nb:\n  <<: *base\n  max_tokens: 5\n"
    found = value_of(tmp_path, text)

    assert found["a"] == {"temperature": 0.2, "max_tokens": 9}
    assert found["b"] == {"temperature": 0.2, "max_tokens": 5}


def test_an_anchor_may_be_used_by_many_candidates(tmp_path: Path) -> None:
    """Fifty candidates share one price."""
    text = "price: &p {input_usd: 1}\ncandidates:\n" + "".join(f"  - {{model: m{n}, price: *p}}\n" for n in range(50))
    assert value_of(tmp_path, text)["candidates"][49]["price"] == {"input_usd": 1}


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    assert read(tmp_path, b"\xef\xbb\xbftask: a\n")[0] == {"task": "a"}


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' stands twice"),
        ("race:\n  seed: 1\n  seed: 2\n", "line 3: the key 'seed' stands twice"),
        ("a: b: c\n", "line 1: this is not YAML: mapping values are not allowed here"),
        ("a: [1, 2\nb: 3\n", "line 2: this is not YAML"),
        ("a: {b\n", "this is not YAML"),
        ("a: @x\n", "line 1: this is not YAML"),
        ("a: *nowhere\n", "line 1: this is not YAML: found undefined alias"),
        ("a: 1\n---\nb: 2\n", "this is not YAML: but found another document"),
        ("a: !!python/object/apply:os.system [ls]\n", "this is not YAML: could not determine a constructor"),
        ("a: !!int many\n", "does not fit its !! tag"),
        ("a: !!bool maybe\n", "does not fit its !! tag"),
        ("a: !!timestamp soon\n", "does not fit its !! tag"),
        ("? [a, b]\n: 1\n", "this is not YAML: found unhashable key"),
        ("a: \x00\n", "this is not YAML"),
        ("a: \x07\n", "this is not YAML"),
        (b"ok: 1\nname: caf\xe9\n", r"line 2: byte 15 is not UTF-8"),
        (b"\xff\xfea\x00:\x00", "byte 0 is not UTF-8"),
        ("a: &a [*a]\n", "nested too deeply|anchor is used"),
        ("[" * 100 + "]" * 100, "nested too deeply"),
        ("[" * 50_000, "nested too deeply"),
        (BOMB, "an anchor is used more than 64 times"),
        (b"x" * (8 * 1024 * 1024 + 1), "larger than 8 MiB"),
    ],
    ids=range(24),
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    """With the file, the line where there is one, and within a moment, also where the file is a trap."""
    started = time.process_time()
    with pytest.raises(TaskError, match=words) as caught:
        read(tmp_path, text)

    assert time.process_time() - started < 5
    assert str(caught.value).startswith(str(tmp_path / "task.yaml"))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_says_how_to_write_one(tmp_path: Path) -> None:
    """The command."""
    with pytest.raises(TaskError, match="touchstone init"):
        read_yaml(tmp_path / "task.yaml")
    with pytest.raises(TaskError, match="cannot be read"):
        read_yaml(tmp_path)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1000, 1000)
    | st.floats(-1e6, 1e6, allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(categories=["L"]), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=st.dictionaries(st.sampled_from(["task", "race", "goal", "名字"]), values, min_size=1))
@examples(40)
def test_what_was_written_as_yaml_is_read_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    """Whatever any writer of YAML quotes, we understand."""
    text = yaml.safe_dump(value, allow_unicode=True)
    assert value_of(tmp_path_factory.mktemp("y"), text) == value


@given(
    text=st.text(
        st.sampled_from("a:- \n[]{}&*!|>'\"%@`,?#<~01.\t\x00é退") | st.characters(exclude_categories=["Cs"]),
        max_size=40,
    )
)
@examples(100)
def test_any_text_is_a_value_or_a_task_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """No other error comes out, whatever is in the file."""
    with contextlib.suppress(TaskError):
        read(tmp_path_factory.getbasetemp(), text)
