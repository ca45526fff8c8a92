"""What the task file promises: every mistake is told with file, line, key and what it should have been."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import examples

from touchstone.errors import TaskError
from touchstone.workspace.taskfile import load_task, parse_goal

GOOD: dict[str, Any] = {"task": "t", "cases": "cases.csv", "candidates": ["baseline/majority"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cases.csv").write_text("id,input,target\n1,a,x\n")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    file = folder / "task.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def with_(folder: Path, **more: Any) -> Path:
    return written(folder, yaml.safe_dump({**GOOD, **more}, sort_keys=False, allow_unicode=True))


def test_the_smallest_task_file(folder: Path) -> None:
    """A name, cases and a candidate; everything else has a default."""
    task = load_task(with_(folder))

    assert task.source.files == {"": folder / "cases.csv"}
    assert (task.answer.kind, task.answer.source, task.answer.labels) == ("text", "auto", ())
    assert (task.file.race.confidence, task.file.race.epsilon, task.file.race.seed) == (0.95, 0.01, 7)
    assert (task.file.limits.concurrency, task.file.limits.max_usd, task.file.goal) == (16, None, "best")


def test_a_folder_stands_for_the_task_file_in_it(folder: Path) -> None:
    """`touchstone compare examples/01`."""
    with_(folder)
    assert load_task(folder).path == folder / "task.yaml"


def test_the_task_file_of_the_design_is_understood(folder: Path) -> None:
    """Every section at once, as a user would write it."""
    (folder / "labels.json").write_text('["refund", "shipping"]')
    text = """
task: support-intents
instruction: Name the intent of the customer's message.
cases: cases.csv
columns: {id: id, input: text, target: label, group: customer}
answer: {kind: label, labels: labels.json, from: auto}
scorers: [exact]
candidates:
  - openai/gpt-4o-mini
  - {model: ollama/qwen3, name: local qwen}
  - {model: openai-compatible, base_url: http://127.0.0.1:8000/v1, served_name: m, price: {input_usd: 1, output_usd: 4}}
  - {recorded: outputs.parquet, model: gpt-4o}
  - baseline/logistic
goal: {cheapest-within: 0.02}
constraints: {min_score: 0.8, max_usd_per_month: 500, max_p95_latency_s: 3, licence: open, self_hostable: true}
volume: {requests_per_month: 200000}
race: {confidence: 0.95, epsilon: 0.01, batch: 25, finish: proven, seed: 7}
limits: {max_usd: 5, concurrency: 16}
gate: {candidate: local qwen, baseline: openai/gpt-4o-mini, margin: 0.02, min_score: 0.7}
"""
    task = load_task(written(folder, text))

    assert task.answer.labels == ("refund", "shipping")
    assert task.source.columns == {"id": "id", "input": "text", "target": "label", "group": "customer"}
    assert len(task.file.candidates) == 5
    assert task.file.gate is not None
    assert task.line("candidates", 1) == 10
    assert task.line("candidates", 1, "name") == 10
    assert task.line("gate", "nothing", "there") == 19
    assert task.line("nowhere") is None


def test_labels_are_taken_letter_for_letter(folder: Path) -> None:
    """`yes`, `no`, `001` and 7 are labels; they are text."""
    labels = "[yes, no, 001, 7, 10:30, '1.0', 退款]"
    text = f"task: t\ncases: cases.csv\ncandidates: [a]\nanswer: {{kind: label, labels: {labels}}}\n"
    assert load_task(written(folder, text)).answer.labels == ("yes", "no", "001", "7", "10:30", "1.0", "退款")


@pytest.mark.parametrize("label", ["true", "1.5", "null", "[a]"])
def test_a_label_that_is_no_text_is_to_be_quoted(folder: Path, label: str) -> None:
    """`true` might be written `True` in the cases; nobody guesses."""
    text = f"task: t\ncases: cases.csv\ncandidates: [a]\nanswer:\n  kind: label\n  labels: [a, {label}]\n"
    with pytest.raises(TaskError, match=r"line 6: answer.labels is .*put it in quotes"):
        load_task(written(folder, text))


MISTAKES: list[tuple[str, int | None, str]] = [
    # Unknown keys, at the top and in every section
    ("candidats: [a]", 4, "there is no key 'candidats'; closest: candidates"),
    ("zzz: 1", 4, "there is no key 'zzz'; closest: task, instruction, cases"),
    ("answer:\n  kinds: label", 5, "there is no key 'answer.kinds'; closest: kind"),
    ("answer:\n  form: auto", 5, "there is no key 'answer.form'; closest: from"),
    ("answer:\n  source: auto", 5, "there is no key 'answer.source'; closest: kind, labels, from"),
    ("constraints:\n  min_scor: 1", 5, "there is no key 'constraints.min_scor'; closest: min_score"),
    ("volume:\n  request_per_month: 1", 5, "closest: requests_per_month"),
    ("race:\n  seed: 1\n  confidenz: 0.9", 6, "there is no key 'race.confidenz'; closest: confidence"),
    ("limits:\n  max_usdd: 1", 5, "there is no key 'limits.max_usdd'; closest: max_usd"),
    ("gate:\n  min_score: 0.1\n  baselin: a", 6, "there is no key 'gate.baselin'; closest: baseline"),
    # Values, in every section
    ("instruction: [a]", 4, "instruction is ['a']: write a text"),
    ("encoding: 3", 4, "encoding is 3"),
    ("allow_duplicates: perhaps", 4, "allow_duplicates is 'perhaps'"),
    ("columns:\n  inputs: text", 5, "'inputs' is none of our columns; did you mean input?"),
    ("columns:\n  zzzz: text", 5, "'zzzz' is none of our columns; ours are id, input"),
    ("columns:\n  input: 3", 5, "columns.input is 3"),
    ("scorers: exact", 4, "scorers is 'exact'"),
    ("answer:\n  kind: 7", 5, "answer.kind is 7"),
    ("answer:\n  from: lats", 5, "did you mean last"),
    ("answer:\n  from: {regex: 7}", 5, "needs a text"),
    ("answer:\n  kind: label\n  labels: nowhere.json", 6, "nowhere.json cannot be read"),
    ("goal: cheapest", 4, "goal is 'cheapest': use `best` or `cheapest-within: X`"),
    ("goal: {cheapest-within: 2}", 4, "use `best` or `cheapest-within: X`"),
    ("constraints:\n  min_score: 80", 5, "constraints.min_score is 80"),
    ("constraints:\n  max_p95_latency_s: 0", 5, "constraints.max_p95_latency_s is 0"),
    ("constraints:\n  licence: mit", 5, "constraints.licence is 'mit'"),
    ("constraints:\n  self_hostable: often", 5, "constraints.self_hostable is 'often'"),
    ("volume:\n  requests_per_month: -1", 5, "volume.requests_per_month is -1"),
    ("race:\n  confidence: 95", 5, "race.confidence is 95"),
    ("race:\n  finish: fast", 5, "race.finish is 'fast'"),
    ("race:\n  batch: 0", 5, "race.batch is 0"),
    ("limits:\n  max_usd: 0", 5, "limits.max_usd is 0"),
    ("limits:\n  concurrency: 100000", 5, "limits.concurrency is 100000"),
    ("gate:\n  margin: 0.1", 4, "a gate needs `baseline` (with `margin`) or `min_score`"),
    ("gate:\n  min_score: 2", 5, "gate.min_score is 2"),
    ("race: 5", 4, "race is 5"),
]


@pytest.mark.parametrize(("text", "line", "words"), MISTAKES, ids=[text.replace("\n", " ") for text, _, _ in MISTAKES])
def test_every_mistake_is_told_with_file_line_and_remedy(folder: Path, text: str, line: int, words: str) -> None:
    """One line; the closest key where a key is unknown, the value and what it may be where a value is wrong."""
    file = written(folder, f"task: t\ncases: cases.csv\ncandidates: [baseline/majority]\n{text}\n")
    with pytest.raises(TaskError) as caught:
        load_task(file)
    message = str(caught.value)

    assert message.startswith(f"{file}, line {line}: ")
    assert words in message
    assert "\n" not in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cases: cases.csv\ncandidates: [a]\n", "line 1: the key 'task' is missing; add it"),
        ("task: t\ncandidates: [a]\n", "the key 'cases' is missing"),
        ("task: t\ncases: cases.csv\n", "the key 'candidates' is missing"),
        ("task: t\ncases: cases.csv\ncandidates: []\n", "line 3: candidates is "),
        ("task: t\ncases: cases.csv\ncandidates: [5]\n", "line 3: candidates.0 is 5"),
        ("task: ''\ncases: cases.csv\ncandidates: [a]\n", "line 1: task is ''"),
        ("task: t\ncases: 5\ncandidates: [a]\n", "line 2: cases is 5"),
        ("task: t\ncases: nowhere.csv\ncandidates: [a]\n", "line 2: the cases nowhere.csv do not exist in"),
        ("task: t\ncases: {test: nowhere.csv}\ncandidates: [a]\n", "line 2: the cases nowhere.csv do not exist"),
        ("task: t\ncases:\n  validation: cases.csv\ncandidates: [a]\n", "line 3: cases.validation"),
        ("- a\n- b\n", "line 1: a task file is a mapping"),
        ("just words\n", "line 1: a task file is a mapping"),
        ("task: a\ntask: b\ncases: cases.csv\ncandidates: [a]\n", "line 2: the key 'task' stands twice"),
    ],
)
def test_what_every_task_needs_is_asked_for(folder: Path, text: str, words: str) -> None:
    """A missing key, an empty one, cases that are not there."""
    with pytest.raises(TaskError) as caught:
        load_task(written(folder, text))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{not json", "is not JSON"),
        ("[]", "must hold a list of labels"),
        ("[1, 2]", "must hold a list of labels"),
        ('"a"', "must hold a list of labels"),
    ],
)
def test_a_label_file_that_cannot_be_used_is_named(folder: Path, body: str, words: str) -> None:
    """With the line of the task file that names it."""
    (folder / "labels.json").write_text(body)
    with pytest.raises(TaskError, match=f"line 6: .*labels.json {words}"):
        load_task(with_(folder, answer={"labels": "labels.json"}))


def test_the_keys_of_a_label_file_may_be_the_labels(folder: Path) -> None:
    """A mapping of labels to their descriptions."""
    (folder / "labels.json").write_text('{"refund": "money back", "shipping": "where is it"}')
    assert load_task(with_(folder, answer={"labels": "labels.json"})).answer.labels == ("refund", "shipping")


def test_one_file_per_split(folder: Path) -> None:
    """Paths start at the task file."""
    task = load_task(with_(folder, cases={"train": "cases.csv", "test": "cases.csv"}))
    assert task.source.files == {"train": folder / "cases.csv", "test": folder / "cases.csv"}


@pytest.mark.parametrize(
    ("spelling", "source", "argument"),
    [
        ("auto", "auto", None),
        ("json.a.b", "json", "a.b"),
        ({"after": "Answer:"}, "after", "Answer:"),
        ({"regex": "(\\d+)"}, "regex", "(\\d+)"),
    ],
)
def test_where_the_answer_stands_is_parsed(folder: Path, spelling: Any, source: str, argument: str | None) -> None:
    """`from`, in its spellings."""
    answer = load_task(with_(folder, answer={"kind": "number", "from": spelling})).answer
    assert (answer.source, answer.argument) == (source, argument)


@pytest.mark.parametrize(
    "spelling",
    [
        "cheapest-within: 0.02",
        "cheapest-within:0.02",
        "cheapest-within 0.02",
        "cheapest_within: 0.02",
        " cheapest-within : 0.02 ",
        {"cheapest-within": 0.02},
        {"cheapest_within": "0.02"},
    ],
)
def test_goals_in_all_spellings(spelling: Any) -> None:
    """Dash or underscore, mapping or text."""
    assert parse_goal(spelling) == ("cheapest-within", 0.02)


def test_best_and_the_edges_of_a_goal() -> None:
    """Zero tolerance is a tolerance."""
    assert parse_goal("best") == ("best", 0.0)
    assert parse_goal({"cheapest-within": 0}) == ("cheapest-within", 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        "fastest",
        "cheapest-within",
        "cheapest-within:",
        "cheapest-withinish: 0.1",
        "cheapest-within: 1",
        "cheapest-within: -0.1",
        "cheapest-within: nan",
        {"cheapest-within": True},
        {"cheapest-within": None},
        {"cheapest-within": [0.1]},
        {"cheapest-within": 0.1, "best": 1},
        {"cheapest": 0.1},
        {},
        [],
        None,
        0.02,
    ],
)
def test_other_goals_are_refused(wrong: Any) -> None:
    """With those there are."""
    with pytest.raises(ValueError, match="use `best` or `cheapest-within: X`"):
        parse_goal(wrong)


@given(st.floats(0, 1, exclude_max=True))
def test_a_tolerance_is_kept_to_the_digit(tolerance: float) -> None:
    """However it is spelled."""
    assert parse_goal(f"cheapest-within: {tolerance!r}") == ("cheapest-within", tolerance)
    assert parse_goal({"cheapest-within": tolerance}) == ("cheapest-within", tolerance)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab: .\n退", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "from", "labels", "seed", "train", "model", "min_score", "x"]) | st.integers(0, 9),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@given(
    key=st.sampled_from(
        ["task", "cases", "columns", "answer", "scorers", "candidates", "goal", "constraints", "race", "limits", "gate"]
    ),
    value=anything,
)
@examples(100)
def test_any_value_anywhere_is_a_task_or_a_task_error(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    """No other error comes out, whatever stands under a key."""
    folder = tmp_path_factory.getbasetemp()
    (folder / "cases.csv").write_text("id\n1\n")
    with contextlib.suppress(TaskError):
        load_task(with_(folder, **{key: value}))
