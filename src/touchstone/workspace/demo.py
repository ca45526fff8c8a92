"""The demo: two tasks of a fictional shop's help desk, shipped with the package."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from touchstone.errors import SettingsError
from touchstone.language import _

_INTENTS = ("task.yaml", "cases.csv", "labels.json", "README.md")
_WEIGHTS = (
    "result.json", "asked.json", "card.md", "model/config.json", "model/generation_config.json",
    "model/model.safetensors", "model/tokenizer.json",
)  # fmt: skip
_HANDBOOK = (
    "task.yaml", "cases.csv", "cases-spring.csv", "handbook.md", "handbook-spring.md", "README.md",
    *(f"{folder}/{name}" for folder in ("fine-tuned", "fine-tuned-reading") for name in _WEIGHTS),
)  # fmt: skip


def write_intents(folder: Path) -> Path:
    """Name the intent of a message: a comparison of classifiers. As `write_handbook`."""
    return _copy("helpdesk", _INTENTS, folder)


def write_handbook(folder: Path) -> Path:
    """
    Answer from a handbook: the ladder of ways of improving a small language model.

    Copies the shipped task and what belongs to it into `folder`; files the user changed there are left as they are.

    Returns:
        The path of the task file.

    Raises:
        SettingsError: the folder cannot be written to.
    """
    return _copy("handbook", _HANDBOOK, folder)


def _copy(shipped: str, names: Sequence[str], folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            target = folder / name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(files("touchstone.workspace").joinpath(shipped, name).read_bytes())
    except OSError as error:
        raise SettingsError(
            "the demo cannot be written to {folder}: {reason}; name another folder with --folder",
            folder=str(folder),
            reason=error.strerror,
        ) from error
    return folder / "task.yaml"


def next_steps(
    intents: Path, handbook: Path, comparison: str, program: str = "touchstone"
) -> tuple[tuple[str, str], ...]:
    """
    (command, what it is for): what to try after the demo.

    Args:
        intents: The task file of the comparison.
        handbook: The task file of the ladder.
        comparison: Id of the comparison that was shown last. The newest one is another: the ladder measures the changed
            facts after it.
        program: How the command is called in this shell.
    """
    return (
        (
            f"{program} decide {comparison} --min-score 0.6",
            _("Ask for something else of the same stored answers; it costs nothing."),
        ),
        (
            f"{program} compare {intents} --dry-run",
            _("Add a line such as `- ollama/qwen3` under `candidates` there; this shows the plan and asks nobody."),
        ),
        (
            f"{program} improve {handbook} --dry-run",
            _("Which ways of improving are tried there, and why; put your documents and questions in their place."),
        ),
        (
            f"{program} init --from your-cases.csv",
            _("Start on your own cases: one row each, with the input and the right answer."),
        ),
    )
