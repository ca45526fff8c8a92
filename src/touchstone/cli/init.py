"""`touchstone init`: a task file to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from touchstone.cli.options import Json, Language, answer, answer_json, errors_end_the_command
from touchstone.language import _


@errors_end_the_command
def init(
    cases: Annotated[
        Path | None, typer.Option("--from", help=_("File or folder of cases: csv, jsonl, parquet, datasets."))
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help=_("The task file to write; task.yaml by default."))] = None,
    name: Annotated[
        str | None, typer.Option("--name", help=_("Name of the task; from the file's name by default."))
    ] = None,
    instruction: Annotated[
        str | None, typer.Option("--instruction", help=_("What every candidate is told to do."))
    ] = None,
    force: Annotated[bool, typer.Option("--force", help=_("Write over a file that is there."))] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help=_("Write task.schema.json beside it, for editors that check YAML by one."))
    ] = False,
    json: Json = False,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Look at the cases and write a commented task file that runs."""
    from touchstone.workspace.init import write_task_file

    written = write_task_file(
        cases, out or Path("task.yaml"), name=name, instruction=instruction, force=force, schema=schema
    )
    if json:
        answer_json(written.model_dump_json().encode())
        return
    for line in written.lines(_):
        answer(line)
