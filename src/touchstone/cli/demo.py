"""`touchstone demo`: the whole job on shipped cases."""

from __future__ import annotations

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from touchstone.cli import improve
from touchstone.cli.compare import show, show_ending
from touchstone.cli.options import (
    Json,
    Language,
    WorkspaceFolder,
    answer,
    answer_json,
    errors_end_the_command,
    one_line,
    open_workspace,
    say,
)
from touchstone.language import _, current_language

if TYPE_CHECKING:
    from touchstone.workspace.workspace import Workspace


class Part(StrEnum):
    """What is shown."""

    BOTH = "both"
    INTENTS = "intents"
    LADDER = "ladder"


@errors_end_the_command
def demo(
    part: Annotated[
        Part,
        typer.Argument(
            metavar="PART",
            help=_("intents: compare classifiers, in seconds; ladder: improve small models, in minutes; or both."),
        ),
    ] = Part.BOTH,
    folder: Annotated[
        Path, typer.Option("--folder", help=_("Where the demo's task files and cases are written, to read and change."))
    ] = Path("touchstone-demo"),
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Write the shipped tasks, compare, improve, and say what to try next."""
    from touchstone.reporting.result import to_json
    from touchstone.workspace.base import CompareOptions
    from touchstone.workspace.demo import next_steps, write_handbook, write_intents

    intents, handbook = write_intents(folder), write_handbook(folder / "ladder")
    with open_workspace(workspace) as place:
        if part != Part.LADDER:
            seen = _compare(place, intents, json=json and part == Part.INTENTS, quiet=json)
        if part != Part.INTENTS:
            shown = improve.run(
                place,
                place.load_task(handbook),
                CompareOptions(full=True),
                command=f"touchstone improve {handbook} --full",
                html=folder / "ladder.html",
            )
            seen = shown.data.comparison.comparison_id
            if json:
                answer_json(to_json(shown.data.comparison))
            else:
                improve.show(shown)
            show_ending(shown.last)
    if not json:
        answer("")
        answer(_("Try next:"))
        for command, meaning in next_steps(intents, handbook, seen, _program()):
            answer(f"  {command}")
            answer(f"      {meaning}")


def _compare(place: Workspace, task_file: Path, *, json: bool, quiet: bool) -> str:
    """Compare, and show it; returns the comparison's id."""
    from touchstone.config import progress_file
    from touchstone.reporting.live import LiveTable
    from touchstone.workspace.base import CompareOptions, Files

    task = place.load_task(task_file)
    with LiveTable(kept=progress_file()) as live:
        data = place.compare(task, CompareOptions(), progress=live.update, notice=lambda line: say(one_line(line)))
    files = place.write_files(data, Files(report=task_file.parent / "report.html"), language=current_language())
    if json or not quiet:
        show(data, files, json=json)
    return data.comparison.comparison_id


def _program() -> str:
    """How this command is called in the user's shell: by name, or by its path while its folder is not on the PATH."""
    if shutil.which("touchstone"):
        return "touchstone"
    called = Path(sys.argv[0]).absolute()
    if called.name == "__main__.py":
        return f"{sys.executable} -m touchstone"
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)
