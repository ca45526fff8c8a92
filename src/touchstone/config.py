"""
Settings: the only place that reads the environment.

Secrets stay in the environment; a setting remembers where it came from. Everybody else receives `Settings`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from touchstone.errors import SettingsError
from touchstone.language import LANGUAGES, language_code


@dataclass(frozen=True)
class Settings:
    """What the process was told from outside. No Noun, so that `--help` need not import pydantic."""

    workspace: Path
    """Folder that holds the store, the reports and the own catalog."""
    workspace_from: str
    """Where `workspace` came from: a flag, an environment variable or the default."""
    store_url: str | None = None
    """SQLAlchemy URL of a store other than the SQLite file in the workspace."""
    allow_network_store: bool = False
    """Whether the SQLite file may lie on a network file system, when no other machine uses it."""


def load_settings(workspace: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """
    The settings of this process.

    Args:
        workspace: What `--workspace` said; None when it was not given.
        environment: Variables to read; the process's own by default.
    """
    variables = os.environ if environment is None else environment
    if workspace is not None:
        place, origin = workspace, "--workspace"
    elif variables.get("TOUCHSTONE_HOME"):
        place, origin = Path(variables["TOUCHSTONE_HOME"]), "TOUCHSTONE_HOME"
    else:
        place, origin = Path(".touchstone"), "default"
    if place.exists() and not place.is_dir():
        raise SettingsError("the workspace {place} is not a folder; name one with --workspace", place=str(place))
    store = variables.get("TOUCHSTONE_STORE")
    if store and "://" not in store:
        raise SettingsError(
            "TOUCHSTONE_STORE is {store!r}; write a URL such as postgresql+psycopg://host/name, or unset it",
            store=store,
        )
    return Settings(
        workspace=place,
        workspace_from=origin,
        store_url=store or None,
        allow_network_store=variables.get("TOUCHSTONE_ALLOW_NETWORK_STORE") == "1",
    )


def secret(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The value of a secret's environment variable, None when it is unset or empty."""
    variables = os.environ if environment is None else environment
    return variables.get(name) or None


def alert_webhook(name: str | None, environment: Mapping[str, str] | None = None) -> str | None:
    """
    The address that is told of budgets; such addresses are often secrets, so they are no argument of a process.

    Args:
        name: The variable that holds it; None takes `TOUCHSTONE_ALERT_WEBHOOK`, which may be unset.

    Raises:
        SettingsError: the variable that was named is unset or empty.
    """
    found = secret(name or "TOUCHSTONE_ALERT_WEBHOOK", environment)
    if found is None and name is not None:
        raise SettingsError("{name} is not set; it should hold the address that is told of budgets", name=name)
    return found


_FOR_CHILDREN = (
    "PATH", "LANG", "LC_ALL", "SYSTEMROOT", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV",
    "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
)  # fmt: skip


def environment_of_children() -> dict[str, str]:
    """What a process of ours that reads untrusted files may know: where libraries and the accelerator are; no key."""
    return {name: os.environ[name] for name in _FOR_CHILDREN if name in os.environ}


def environment_of_job(progress: Path) -> dict[str, str]:
    """What a command of ours knows that a page began: all that this process knows, and where to tell how far it is."""
    return {**os.environ, "TOUCHSTONE_PROGRESS": str(progress)}


def progress_file() -> Path | None:
    """Where a command writes how far it is, for a page that watches it; None where nobody does."""
    named = os.environ.get("TOUCHSTONE_PROGRESS")
    return Path(named) if named else None


def limit_of_child(name: str) -> int | None:
    """A limit that whoever started this process set for it; None where there is none."""
    value = os.environ.get(name)
    return None if value is None else int(value)


def load_no_pydantic_plugins() -> None:
    """
    Keep pydantic from looking through every installed package for plug-ins of its own, unless the user says so.

    Its first import does that, and it took a twentieth of a short command.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")


def user_name() -> str:
    """Who works at this machine, for the audit log."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):  # Windows; a container whose user has no name
        return os.environ.get("USERNAME") or f"user {os.getuid() if hasattr(os, 'getuid') else 'unknown'}"


def takes_styles(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the terminal understands bold and dim and the user wants them: `TERM`, and `NO_COLOR` (no-color.org)."""
    variables = os.environ if environment is None else environment
    return variables.get("TERM") not in ("dumb", "unknown") and not variables.get("NO_COLOR")


def preferred_language(arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> str:
    """
    The reader's language: `--lang`, then `TOUCHSTONE_LANG`, then the locale; English when nothing says otherwise.

    Raises:
        SettingsError: `--lang` asks for a language that nobody speaks here.
    """
    variables = os.environ if environment is None else environment
    for position, argument in enumerate(arguments):
        if argument.startswith("--lang="):
            return _asked_for(argument.partition("=")[2])
        if argument == "--lang" and position + 1 < len(arguments):
            return _asked_for(arguments[position + 1])
    for name in ("TOUCHSTONE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if variables.get(name):
            return language_code(variables[name])
    return "en"


def _asked_for(value: str) -> str:
    if not value.lower().startswith(tuple(LANGUAGES)):
        raise SettingsError("--lang is {value!r}; there are {known}", value=value, known=", ".join(LANGUAGES))
    return language_code(value)
