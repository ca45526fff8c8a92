"""Write a commented task file: from cases that were looked at, or as a template with a few cases to replace."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from touchstone.data.sniff import Proposal, propose
from touchstone.errors import SettingsError
from touchstone.language import _
from touchstone.workspace.base import WrittenTask
from touchstone.workspace.schema import schema_text
from touchstone.workspace.yaml_keys import in_flow

SCHEMA_FILE = "task.schema.json"
"""Name of the JSON Schema beside a task file."""

_FEWEST_TO_DRAW = 40
"""Cases from which a train split is drawn; of fewer, every one is needed for the test."""

TRAIN_SHARE = 0.3
"""Share of the cases that is drawn to learn from."""

_LABELS_IN_THE_FILE = 40

_SHARED_PARTS = 3
"""Parts of a path, the root among them, that cases and task file share before they are taken to belong together."""

_EXAMPLE_CASES = """\
id,input,target,split
a1,I want my money back,refund,train
a2,please refund order 4711,refund,train
a3,where is my parcel,delivery,train
a4,the courier never came,delivery,train
b1,can I get a refund for the blue lamp,refund,test
b2,my money please,refund,test
b3,still no parcel after ten days,delivery,test
b4,when does the courier come,delivery,test
"""


def write_task_file(
    cases: Path | None,
    out: Path,
    *,
    name: str | None = None,
    instruction: str | None = None,
    columns: Mapping[str, str] | None = None,
    kind: str | None = None,
    scorers: Sequence[str | Mapping[str, Any]] = (),
    force: bool = False,
    schema: bool = False,
) -> WrittenTask:
    """
    Look at the cases and write a task file for them that runs as it is.

    Args:
        cases: File or folder of cases; None writes a small example beside the task file.
        out: The task file.
        name: Name of the task; from the file's name by default.
        instruction: What candidates are told; a sentence for the kind of answer by default.
        columns: Our column to the file's column, where somebody has said so.
        kind: Kind of answer, where somebody has said so.
        scorers: What scores the answers, the deciding one first; by the kind of answer by default.
        force: Whether a file that is there may be overwritten.
        schema: Whether the JSON Schema is written beside it, for editors that complete and check YAML by one.

    Raises:
        SettingsError: the task file is there already, or cannot be written.
        DataError: the cases cannot be used.
    """
    if out.suffix not in (".yaml", ".yml"):
        out = out / "task.yaml"
    if out.exists() and not force:
        raise SettingsError("{path} is there already; name another with --out, or use --force", path=str(out))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if cases is None:
            cases = out.parent / "cases.csv"
            if not cases.exists():
                cases.write_text(_EXAMPLE_CASES, encoding="utf-8")
        proposal = propose(cases, columns=columns, kind=kind)
        if schema:
            (out.parent / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
        text = _text(
            proposal,
            out.parent,
            name or cases.stem,
            instruction or default_instruction(proposal.kind),
            scorers,
            schema=schema,
            force=force,
        )
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError("{path} cannot be written: {reason}", path=str(out), reason=error.strerror) from error
    return WrittenTask(
        path=out,
        described=proposal.described,
        kind=proposal.kind,
        counts=dict(proposal.counts),
        problems=tuple(f"{problem.path}: {problem.text(_)}" for problem in proposal.problems),
    )


def default_instruction(kind: str) -> str:
    """What candidates are told where nobody has said it."""
    return {
        "label": _("Name the label that fits the text."),
        "choice": _("Choose the right option."),
        "number": _("Work out the number."),
        "json": _("Answer with JSON."),
    }.get(kind, _("Answer the question."))


def _text(
    proposal: Proposal,
    folder: Path,
    name: str,
    instruction: str,
    scorers: Sequence[str | Mapping[str, Any]],
    *,
    schema: bool,
    force: bool,
) -> str:
    source = proposal.source
    draws = draws_train(proposal)
    lines = [
        *(["# yaml-language-server: $schema=" + SCHEMA_FILE] if schema else []),
        f"# {proposal.described}",
        f"task: {_quoted(name)}",
        f"instruction: {_quoted(instruction)}   # {_('what every candidate is told')}",
        f"cases: {_files(proposal, folder)}",
    ]
    if source.encoding:
        lines.append(f"encoding: {_quoted(source.encoding)}")
    columns = {ours: theirs for ours, theirs in source.columns.items() if ours != theirs}
    if columns:
        lines.append("columns: {" + ", ".join(f"{ours}: {_quoted(theirs)}" for ours, theirs in columns.items()) + "}")
    if draws:
        lines += [
            f"# {_('The cases name no split: three in ten are drawn to learn from, the rest are the test.')}",
            f"split: {{train: {TRAIN_SHARE}}}",
        ]
    lines += [_answer(proposal, folder, force=force), *_scorers(proposal, scorers), "candidates:"]
    lines += _candidates(proposal, draws=draws)
    lines += [
        f"goal: best   # {_('or: {cheapest-within: 0.02}, the cheapest at most that far below the best')}",
        f"# {_('What the winner must meet; each acts on the conservative end of its interval.')}",
        "# constraints: {min_score: 0.8, max_usd_per_month: 500, max_p95_latency_s: 3, self_hostable: true}",
        "volume: {requests_per_month: 10000}",
        f"# limits: {{max_usd: 5, concurrency: 16}}   # {_('a cap on the money of a run')}",
        f"# gate: {{min_score: 0.7}}                  # {_('for CI: exit code 100 when it is not met')}",
    ]
    return "\n".join(lines) + "\n"


def _files(proposal: Proposal, folder: Path) -> str:
    places = {split: _relative(path, folder) for split, path in proposal.source.files.items()}
    if list(places) == [""]:
        return _quoted(places[""])
    return "{" + ", ".join(f"{split}: {_quoted(place)}" for split, place in places.items()) + "}"


def _relative(path: Path, folder: Path) -> str:
    """The path as seen from the task file's folder, so that both can move; absolute where they share no folder."""
    path, folder = path.resolve(), folder.resolve()
    if len(Path(os.path.commonpath([path, folder])).parts) < _SHARED_PARTS:
        return path.as_posix()
    return Path(os.path.relpath(path, folder)).as_posix()


def _answer(proposal: Proposal, folder: Path, *, force: bool) -> str:
    labels: Sequence[str] = proposal.labels
    if proposal.kind != "label" or not labels:
        return f"answer: {{kind: {proposal.kind}, from: auto}}"
    if len(labels) <= _LABELS_IN_THE_FILE:
        return f"answer: {{kind: label, labels: [{', '.join(_quoted(label) for label in sorted(labels))}], from: auto}}"
    file = folder / "labels.json"
    text = json.dumps(sorted(labels), ensure_ascii=False, indent=1) + "\n"
    if file.exists() and not force and file.read_text(encoding="utf-8", errors="replace") != text:
        raise SettingsError("{path} is there already; name another with --out, or use --force", path=str(file))
    file.write_text(text, encoding="utf-8")
    return "answer: {kind: label, labels: labels.json, from: auto}"


def _scorers(proposal: Proposal, wanted: Sequence[str | Mapping[str, Any]]) -> list[str]:
    if wanted:
        return [f"scorers: {in_flow(wanted)}"]
    if proposal.kind != "free":
        return []
    return [
        f"# {_('There is no target to compare with: a length can be checked for nothing, a judge reads the answers.')}",
        "scorers: [{length: {maximum: 120}}]",
        f"# scorers: [{{judge: {{model: openai/gpt-4o-mini, rubric: {_('Is the answer right and polite?')}}}}}]",
    ]


def draws_train(proposal: Proposal) -> bool:
    """Whether train cases are drawn, because the cases say nothing of splits and are enough."""
    cases = sum(proposal.counts.values())
    return (
        proposal.kind != "free"
        and list(proposal.source.files) == [""]
        and "split" not in proposal.source.columns
        and proposal.counts.get("test", 0) == cases >= _FEWEST_TO_DRAW
    )


def _candidates(proposal: Proposal, *, draws: bool) -> list[str]:
    lines = []
    if proposal.kind != "free" and (proposal.has_train or draws):
        lines.append(f"  # {_('Do we need a language model at all? These cost nothing.')}")
        lines.append("  - baseline/majority")
        if proposal.kind != "choice":
            lines.append("  - baseline/nearest")
        if proposal.kind == "label":
            installed = find_spec("sklearn") is not None
            lines.append(
                "  - baseline/logistic" if installed else "  # - baseline/logistic         # touchstone[classical]"
            )
    else:
        lines.append(
            f"  # {_('A stand-in that repeats the question, so that this file runs; put your models in its place.')}"
        )
        lines.append("  - fake/parrot")
    lines.append(f"  # {_('Take the # away; the key comes from the environment variable that is named.')}")
    lines += [
        f"  # - ollama/qwen3                # {_('a model on this machine')}",
        "  # - deepseek/deepseek-chat      # DEEPSEEK_API_KEY",
        "  # - openai/gpt-4o-mini          # OPENAI_API_KEY",
        "  # - {model: openai-compatible, base_url: http://127.0.0.1:8000/v1, served_name: my-model}",
        f"  # - {{recorded: outputs.jsonl}}   # {_('answers recorded earlier: case_id, model, output')}",
    ]
    return lines


def _quoted(text: str) -> str:
    """A YAML scalar; quoted whenever it could be read as anything but this text."""
    return in_flow(text)
