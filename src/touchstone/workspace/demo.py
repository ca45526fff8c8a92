"""The demo: a help-desk task of a fictional shop, shipped with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from touchstone.errors import SettingsError
from touchstone.language import _

_SHIPPED = ("task.yaml", "cases.csv", "labels.json", "README.md")


def write_demo(folder: Path) -> Path:
    """
    Copy the shipped task and its cases into `folder`; files the user changed there are left as they are.

    Returns:
        The path of the task file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _SHIPPED:
            target = folder / name
            if not target.exists():
                target.write_bytes(files("touchstone.workspace").joinpath("helpdesk", name).read_bytes())
    except OSError as error:
        raise SettingsError(
            "the demo cannot be written to {folder}: {reason}; name another folder with --folder",
            folder=str(folder),
            reason=error.strerror,
        ) from error
    return folder / "task.yaml"


def next_steps(task_file: Path, program: str = "touchstone") -> tuple[tuple[str, str], ...]:
    """
    (command, what it is for): three things to try after the demo.

    Args:
        task_file: The demo's task file.
        program: How the command is called in this shell.
    """
    return (
        (
            f"{program} decide latest --goal 'cheapest-within: 0.05' --min-score 0.6",
            _("Ask for something else of the same stored answers; it costs nothing."),
        ),
        (
            f"{program} compare {task_file} --dry-run",
            _("Add a line such as `- ollama/qwen3` under `candidates` there; this shows the plan and asks nobody."),
        ),
        (
            f"{program} init --from your-cases.csv",
            _("Start on your own cases: one row each, with the input and the right answer."),
        ),
    )
