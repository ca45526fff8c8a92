"""Flags that several commands share, and the one place where errors become exit codes."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from touchstone.errors import TouchstoneError
from touchstone.language import _

if TYPE_CHECKING:
    from touchstone.catalog.catalog import Catalog
    from touchstone.workspace.workspace import Workspace

Command = TypeVar("Command", bound=Callable[..., Any])

Json = Annotated[bool, typer.Option("--json", help=_("Print the result as JSON on stdout and nothing else there."))]
WorkspaceFolder = Annotated[
    Path | None,
    typer.Option("--workspace", help=_("Folder of the store and the reports; ./.touchstone or TOUCHSTONE_HOME.")),
]
MarkdownFile = Annotated[Path | None, typer.Option("--markdown", help=_("Write a summary for a pull request here."))]
JunitFile = Annotated[Path | None, typer.Option("--junit", help=_("Write the gate as JUnit XML here."))]
Language = Annotated[str | None, typer.Option("--lang", help=_("Language of what people read: en or zh."))]


def errors_end_the_command(command: Command) -> Command:
    """Turn an error into one line on stderr and the exit code of its kind."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except TouchstoneError as error:
            say(one_line(error.text(_)))
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            say(_("interrupted; what was answered is kept, the same command goes on from there"))
            raise typer.Exit(130) from None

    return run  # type: ignore[return-value]  # wraps keeps the signature that typer reads


def one_line(text: str) -> str:
    """`text` on one line, without control characters that a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


_ACTS = re.compile(
    r"(\x1b\[(?:[0-79]|[1-9][0-9])?(?:;(?:[0-79]|[1-9][0-9]|[12][0-9]{2}))*m)"  # a style; hidden text (8) is none
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def tame(text: str) -> str:
    """
    Text that a terminal only shows (promises.md, R19): styles stay, whatever else it would obey becomes a space.

    Everything that is printed passes through here, also what a model's process or a provider wrote.
    """
    return _ACTS.sub(lambda found: found[1] or " ", text)


def say(text: str) -> None:
    """A line for people, on stderr."""
    print(tame(text), file=sys.stderr)  # noqa: T201 - the command line's own voice


def answer(text: str) -> None:
    """What was asked for, on stdout."""
    print(tame(text))  # noqa: T201 - the command line's own voice


def answer_json(body: bytes) -> None:
    """What was asked for, as one JSON value on stdout."""
    sys.stdout.buffer.write(body + b"\n")
    sys.stdout.buffer.flush()


def open_workspace(folder: Path | None) -> Workspace:
    """The workspace that the flags and the environment name."""
    from touchstone.config import load_settings
    from touchstone.workspace.workspace import Workspace

    return Workspace(load_settings(folder))


def open_catalog(folder: Path | None) -> Catalog:
    """The catalog of the workspace that the flags and the environment name, as of today."""
    from datetime import UTC, datetime

    from touchstone.catalog.catalog import Catalog
    from touchstone.config import load_settings

    catalog = Catalog(load_settings(folder).workspace, today=datetime.now(UTC).date())
    for problem in catalog.problems:
        say(one_line(problem.text(_)))
    return catalog
