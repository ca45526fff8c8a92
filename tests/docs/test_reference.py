"""The reference says what the code says: every field, key, flag, name and class, in both directions."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from scripts import reference

from touchstone import errors, plugins
from touchstone.catalog.providers import providers
from touchstone.models.fake import FakeModel
from touchstone.models.openai_compatible import OpenAICompatible
from touchstone.models.resolve import model_parameters
from touchstone.reporting.base import Comparison, Note
from touchstone.strategies.baseline import FEATURES
from touchstone.workspace.base import Plan, StoredComparison, WrittenTask
from touchstone.workspace.taskfile import TaskFile

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    """The part of a page under a heading, up to the next one of its rank or above."""
    level = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}$\n(.*?)(?=^#{{1,{level}}} |\Z)", text_of(name), re.DOTALL | re.MULTILINE)
    assert found, f"{name} has no heading {heading!r}"
    return found[1]


def rows(text: str) -> Iterator[list[str]]:
    """Cells of the rows of the first table in a text, without its header."""
    table = re.search(r"^\|.*?(?=\n[^|]|\n*\Z)", text, re.DOTALL | re.MULTILINE)
    assert table, "there is no table"
    for line in table[0].splitlines()[2:]:
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def first_names(text: str) -> list[str]:
    """The names in backticks in the first column of the first table."""
    return [name for cells in rows(text) for name in re.findall(r"`([^`]+)`", cells[0])]


@pytest.mark.parametrize("page", reference.pages(), ids=lambda page: page.name)
def test_generated_parts_are_current(page: Path) -> None:
    """A generated part is what the code says today; `python scripts/reference.py` writes it anew."""
    found = page.read_text(encoding="utf-8")
    assert found == reference.written(found)


def test_every_part_is_used() -> None:
    """Every generated part stands in some page."""
    used = {name for page in reference.pages() for name in re.findall(r"generated: ([\w-]+)", page.read_text("utf-8"))}
    assert used == set(reference.PARTS)


def test_no_inside_names_in_generated_text() -> None:
    """What was taken from docstrings names nothing that only the code knows."""
    for make in (reference.answer_places, reference.answer_readers, reference.scorers):
        assert not re.search(r"`(?:spec|self|json_text|numerals|reading)\.", make())


def nouns_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """Nouns inside an annotation."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from nouns_of(inner)


def reachable(noun: type[BaseModel]) -> set[type[BaseModel]]:
    """A noun and every noun that its fields hold; notes are written as sentences."""
    found = {noun}
    waiting = [noun]
    while waiting:
        for field in waiting.pop().model_fields.values():
            new = {inner for inner in nouns_of(field.annotation) if inner is not Note} - found
            found |= new
            waiting += new
    return found


def test_result_documents_every_field() -> None:
    """The tables of `result.md` name the fields of the JSON result, all of them and no others."""
    documented = {}
    for name, part in re.findall(
        r"<!-- fields of: ([\w.]+) -->\n(.*?)(?=^#|^<!-- |\Z)", text_of("reference/result.md"), re.S | re.M
    ):
        module, _, noun = name.rpartition(".")
        documented[getattr(import_module(module), noun)] = first_names(part)
    shown = (Comparison, Plan, WrittenTask, StoredComparison)
    assert set(documented) == {noun for top in shown for noun in reachable(top)}
    for noun, names in documented.items():
        assert names == [field.alias or name for name, field in noun.model_fields.items()], noun.__name__


_SECTIONS: dict[str, type[BaseModel]] = {
    "## Keys": TaskFile,
    **{
        f"### {name}": section_noun
        for name, field in TaskFile.model_fields.items()
        for section_noun in nouns_of(field.annotation)
    },
}
_IN_WORDS = {
    ("TaskFile", "instruction"): "empty",
    ("TaskFile", "format"): "by the suffix",
    ("TaskFile", "encoding"): "UTF-8",
    ("TaskFile", "columns"): "empty",
    ("TaskFile", "answer"): "`{kind: text}`",
    ("TaskFile", "scorers"): "by the answer's kind",
    ("TaskFile", "constraints"): "empty",
    ("TaskFile", "volume"): "empty",
    ("TaskFile", "race"): "defaults below",
    ("TaskFile", "limits"): "defaults below",
    ("AnswerSection", "labels"): "the targets of the cases",
    ("GateSection", "candidate"): "the chosen one",
    ("ImproveSection", "models"): "all that ask a model as it is",
    ("ImproveSection", "baseline"): "the first of them",
    ("ImproveSection", "ways"): "by the rules",
    ("ImproveSection", "also"): "empty",
    **{
        ("ImproveSection", name): "empty"
        for name in ("fine_tuned", "few_shot", "rag", "prompt_search", "fine_tune", "pretrain")
    },
}
"""Defaults that a reader understands better in words."""


@pytest.mark.parametrize("heading", _SECTIONS)
def test_task_file_documents_every_key(heading: str) -> None:
    """The tables of `task-file.md` name every key with its default, and no other key."""
    noun = _SECTIONS[heading]
    documented = {
        re.findall(r"`([^`]+)`", cells[0])[0]: cells[1] for cells in rows(section("reference/task-file.md", heading))
    }
    expected = {
        field.alias or name: _IN_WORDS.get((noun.__name__, name), default_of(field))
        for name, field in noun.model_fields.items()
    }
    assert documented == expected


def default_of(field: FieldInfo) -> str:
    return "required" if field.is_required() else reference.yaml_value(field.default)


def test_every_section_of_the_task_file_is_documented() -> None:
    """No section of the task file is left out."""
    headings = set(re.findall(r"^### \w+$", text_of("reference/task-file.md"), re.MULTILINE))
    assert headings | {"## Keys"} == set(_SECTIONS)


def test_commands_are_documented() -> None:
    """Every command has a heading, and every flag a place."""
    text = text_of("reference/commands.md")
    assert re.findall(r"^## `touchstone ([\w -]+)`$", text, re.M) == list(reference.command_line())
    for flag in reference.COMMON:
        assert f"| `{flag}" in text


def test_settings_are_documented() -> None:
    """Every environment variable that the settings read stands in `commands.md`."""
    source = (ROOT / "src/touchstone/config.py").read_text(encoding="utf-8")
    read = set(re.findall(r'"(TOUCHSTONE_\w+)"', source))
    documented = set(re.findall(r"`(TOUCHSTONE_\w+)`", section("reference/commands.md", "## Environment")))
    assert read == documented


def test_errors_are_documented() -> None:
    """`errors.md` names every error class with what it is and its exit code."""
    expected = {
        name: (kind.__mro__[1].__name__ if kind is not errors.TouchstoneError else "", str(kind.exit_code))
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.TouchstoneError)
    }
    documented = {
        cells[0].strip("`"): (cells[1].strip("`"), cells[2])
        for cells in rows(section("reference/errors.md", "## Classes"))
    }
    assert documented == expected


def test_exit_codes_are_documented() -> None:
    """`errors.md` names every exit code there is."""
    codes = {kind.exit_code for kind in vars(errors).values() if inspect.isclass(kind) and hasattr(kind, "exit_code")}
    documented = {int(cells[0]) for cells in rows(text_of("reference/errors.md"))}
    assert documented == codes | {0, 130}


def test_every_provider_is_in_the_table() -> None:
    """The table of providers names every preset and every alias."""
    documented = first_names(section("guide/candidates.md", "## Models of a known provider"))
    assert documented == [f"{name}/…" for provider in providers() for name in (provider.id, *provider.aliases)]


def test_own_endpoint_documents_every_parameter() -> None:
    """Every parameter of an own endpoint stands in its table with its default."""
    documented = {
        cells[0].strip("`"): cells[1] for cells in rows(section("guide/candidates.md", "## Your own endpoint"))
    }
    assert set(documented) == model_parameters("openai-compatible")
    plain = {
        "key_header",
        "stream",
        "stream_usage",
        "max_tokens_field",
        "connect_s",
        "first_byte_s",
        "idle_s",
        "total_s",
        "max_reply_bytes",
    }
    known = inspect.signature(OpenAICompatible).parameters
    assert {name: documented[name] for name in plain} == {
        name: str(known[name].default) if name == "max_reply_bytes" else reference.yaml_value(known[name].default)
        for name in plain
    }


def test_fake_documents_every_parameter() -> None:
    """Every parameter of the fake stands in its table."""
    assert set(first_names(section("guide/candidates.md", "## The fake"))) == model_parameters("fake/x") - {
        "served_name"
    }
    assert FakeModel().accuracy == 1.0


def test_prompt_documents_every_parameter() -> None:
    """Every parameter of the prompt strategy stands in its table."""
    from touchstone.strategies.request_fields import OWN_FIELDS

    assert set(first_names(section("guide/candidates.md", "## The prompt"))) == set(OWN_FIELDS)


def test_recorded_answers_document_every_column() -> None:
    """Every column of recorded outputs stands in its table."""
    from touchstone.strategies.recorded import COLUMNS

    assert set(first_names(section("guide/candidates.md", "## Recorded answers"))) == set(COLUMNS)


def test_baselines_are_documented() -> None:
    """Every baseline stands in its table with its parameters."""
    from touchstone.strategies.baseline import _TRAINERS

    found = {cells[0].strip("`"): cells[2] for cells in rows(section("guide/candidates.md", "## Baselines"))}
    assert set(found) == {f"baseline/{name}" for name in _TRAINERS}
    for name, (_, parameters) in _TRAINERS.items():
        assert set(re.findall(r"`(\w+)`", found[f"baseline/{name}"])) == set(parameters)
    assert all(feature in found["baseline/logistic"] for feature in FEATURES)


def test_columns_of_cases_are_documented() -> None:
    """Every column of a case stands in its table."""
    from touchstone.data.base import COLUMNS

    documented = [cells[0].strip("`") for cells in rows(section("guide/cases.md", "## Columns"))]
    assert sorted(documented) == sorted(COLUMNS)


def test_formats_are_documented() -> None:
    """Every shipped reader stands in its table with its suffixes."""
    found = {cells[0].strip("`"): cells[1] for cells in rows(section("guide/cases.md", "## Formats"))}
    assert set(found) == set(plugins.shipped("reader"))
    for name, described in found.items():
        for suffix in plugins.load("reader", name).suffixes:
            assert f"`{suffix}`" in described


def test_problems_of_cases_are_documented() -> None:
    """Every kind of problem that a check of the cases reports is documented, errors and warnings apart."""
    found: dict[str, set[str]] = {"error": set(), "warning": set()}
    for file in (ROOT / "src/touchstone/data").glob("*.py"):
        for severity, kind in re.findall(r"\.(error|warning)\(\s*\"(\w+)\"", file.read_text(encoding="utf-8")):
            found[severity].add(kind)
    part = section("guide/cases.md", "## What is reported, and how to mend it")
    errors_part, _, warnings_part = part.partition("Warnings:")
    assert set(first_names(errors_part.partition("Errors:")[2])) == found["error"]
    assert set(first_names(warnings_part)) == found["warning"]


def test_scorers_are_documented() -> None:
    """Every shipped scorer stands in the table with its parameters, and in the details."""
    page = text_of("guide/scorers.md")
    found = {
        re.findall(r"`(\w+)`", cells[0])[0]: re.findall(r"`(\w+)`", cells[2])
        for cells in rows(page.partition("| scorer |")[1] + page.partition("| scorer |")[2])
    }
    assert found == {
        name: list(reference.parameters(plugins.load("scorer", name))) for name in reference.scorer_names()
    }
    assert set(found) == set(plugins.shipped("scorer"))


def test_judge_documents_every_parameter() -> None:
    """Every parameter of a judge stands in its table with its default."""
    documented = {cells[0].strip("`"): cells[1] for cells in rows(text_of("guide/judge.md"))}
    assert documented == reference.parameters(plugins.load("scorer", "judge"))


def test_answer_kinds_are_documented() -> None:
    """Every shipped kind of answer stands in the table with the scorer it has by default."""
    from touchstone.scoring.make import default_scorers

    found = {cells[0].strip("`"): cells[2] for cells in rows(text_of("guide/answers.md"))}
    assert set(found) == set(plugins.shipped("answer_reader"))
    for kind, described in found.items():
        assert all(f"`{scorer}`" in described for scorer in default_scorers(kind))


def test_outcomes_are_documented() -> None:
    """Every outcome of a cell stands in the table, with what it counts."""
    from touchstone.evaluation.base import STRICT_ZEROS, OutcomeCounts

    found = {
        cells[0].strip("`"): cells[2]
        for cells in rows(section("guide/answers.md", "## What else can become of a cell"))
    }
    assert set(found) == set(OutcomeCounts.model_fields) - {"planned"}
    assert {kind for kind, strict in found.items() if strict == "0"} == STRICT_ZEROS


def test_verdicts_are_documented() -> None:
    """Every verdict stands in the table of `decision.md`."""
    from touchstone.decision.base import Constraints, Verdict

    assert set(first_names(section("guide/decision.md", "## Verdicts"))) == set(typing.get_args(Verdict))
    assert set(first_names(section("guide/decision.md", "## Constraints"))) == set(Constraints.model_fields)


def test_plug_in_groups_are_documented() -> None:
    """Every group of entry points stands in the table of `plug-ins.md`, each with the exam it has."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    groups = set(re.findall(r'entry-points\."(touchstone\.\w+)"', project))
    assert set(first_names(text_of("reference/plug-ins.md"))) >= groups
    from touchstone.testing import exams

    known = {name for name, member in vars(exams).items() if name.endswith("Exam") and inspect.isclass(member)}
    named: Iterable[str] = re.findall(r"`(\w+Exam)`", text_of("reference/plug-ins.md"))
    assert set(named) == known
