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
    if environment is None:
        keep_keys_in(place)
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


def secret(name: str, environment: Mapping[str, str] | None = None, *, origin: str | None = None) -> str | None:
    """
    The value of a secret's environment variable, None when it is unset or empty.

    Args:
        origin: `scheme://host:port` that the secret is for. A provider's key that was typed on the pages is found under
            its variable's name too, for that origin and no other (R12); the environment goes before it.
    """
    variables = os.environ if environment is None else environment
    return variables.get(name) or (kept_key(name, origin) if origin and environment is None else None)


KEPT_KEYS = "provider-keys.json"
"""The file in a workspace that holds the keys typed on the pages; for its owner's eyes alone."""

_kept_keys: tuple[Path, ...] = ()
"""Where such a file may lie; the first that is there counts."""


def keep_keys_in(workspace: Path) -> None:
    """From now on, keys of providers are looked up in this workspace too; a project's are those of its site."""
    global _kept_keys  # like the environment, there is one of them for a process
    site = (workspace.parent.parent / KEPT_KEYS,) if workspace.parent.name == "projects" else ()
    _kept_keys = (workspace / KEPT_KEYS, *site)


def kept_key(name: str, origin: str) -> str | None:
    """The key that was typed for a variable's provider; None unless it was typed for this very origin."""
    for file in _kept_keys:
        if file.exists():
            entries = read_kept_keys(file)
            return next((one["key"] for one in entries if one["variable"] == name and one["origin"] == origin), None)
    return None


def read_kept_keys(file: Path) -> list[dict[str, str]]:
    """
    Every kept key: `variable`, `origin`, `key`, `set_at`.

    Raises:
        SettingsError: others may read the file, or it is none of ours.
    """
    # Opened first and looked at then, so that what was looked at is what is read; a link leads nowhere.
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        raise SettingsError(
            "{file} cannot be read: {reason}; delete it and set the keys again", file=str(file), reason=error.strerror
        ) from None
    with os.fdopen(handle, "rb") as opened:
        if os.name != "nt" and os.fstat(handle).st_mode & 0o077:
            raise SettingsError("{file} may be read by others; run: chmod 600 {file}", file=str(file))
        body = opened.read(1 << 20)
    import orjson

    try:
        found = orjson.loads(body)
        return [{key: str(one[key]) for key in ("variable", "origin", "key", "set_at")} for one in found]
    except (ValueError, TypeError, KeyError):
        # The library's text may quote what stands there.
        raise SettingsError(
            "{file} holds no keys as they were written; delete it and set the keys again", file=str(file)
        ) from None


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
    """
    What a command of ours knows that a page began: what this process knows but the secret by which people come in, and
    where to tell how far it is.
    """
    known = {**os.environ, "TOUCHSTONE_PROGRESS": str(progress)}
    known.pop("TOUCHSTONE_OIDC_SECRET", None)
    # PROJECT/jobs/ID/progress.json: a store by URL is the site's own, and no project below it may read or write it.
    if len(progress.parents) > 3 and progress.parents[3].name == "projects":
        known.pop("TOUCHSTONE_STORE", None)
    return known


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
