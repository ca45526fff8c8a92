"""`touchstone demo`: the whole job on shipped cases."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from touchstone.cli.compare import show
from touchstone.cli.options import (
    Json,
    Language,
    WorkspaceFolder,
    answer,
    errors_end_the_command,
    one_line,
    open_workspace,
    say,
)
from touchstone.language import _, current_language


@errors_end_the_command
def demo(
    folder: Annotated[
        Path, typer.Option("--folder", help=_("Where the demo's task file and cases are written, to read and change."))
    ] = Path("touchstone-demo"),
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Write the shipped task, compare on it, and say what to try next."""
    from touchstone.reporting.live import LiveTable
    from touchstone.workspace.base import CompareOptions, Files
    from touchstone.workspace.demo import next_steps, write_demo

    task_file = write_demo(folder)
    with open_workspace(workspace) as place:
        task = place.load_task(task_file)
        with LiveTable() as live:
            data = place.compare(task, CompareOptions(), progress=live.update, notice=lambda line: say(one_line(line)))
        files = place.write_files(data, Files(report=folder / "report.html"), language=current_language())
    show(data, files, json=json)
    if not json:
        answer("")
        answer(_("Try next:"))
        for command, meaning in next_steps(task_file, _program()):
            answer(f"  {command}")
            answer(f"      {meaning}")


def _program() -> str:
    """How this command is called in the user's shell: by name, or by its path while its folder is not on the PATH."""
    if shutil.which("touchstone"):
        return "touchstone"
    called = Path(sys.argv[0]).absolute()
    if called.name == "__main__.py":
        return f"{sys.executable} -m touchstone"
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)
