"""The prompts of a comparison and of its task's folder: which there are, who was asked with which, what changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from touchstone.errors import SettingsError
from touchstone.noun import Noun
from touchstone.strategies.prompt_file import PromptFile, text_of
from touchstone.workspace.yaml_keys import in_flow

_FOLDER = "prompts"
_SUFFIXES = (".txt", ".md", ".jinja", ".j2")
_LISTED = 200
_DIGITS = 12


class PromptText(Noun):
    """One version of a prompt: what stands in it, and where it comes from."""

    id: str
    """By which pages find it: a digest of its texts."""
    system: str
    template: str | None
    """Of the user turn; None sends the input as it is."""
    candidates: tuple[str, ...] = ()
    """Who was asked with it; none for a file that nobody used yet."""
    file: str | None = None
    """The file of the task's folder that holds it now, with `/`."""
    was: tuple[str, ...] = ()
    """Files it was read from when it was measured, each with the beginning of its digest."""

    @property
    def text(self) -> str:
        """System text and template as one, to be compared."""
        return self.system if self.template is None else f"{self.system}\n\n{self.template}"


class ChangedFile(Noun):
    """A file that holds something else than when it was measured."""

    path: str
    candidates: tuple[str, ...]
    gone: bool


def measured_prompts(settings: Mapping[str, Mapping[str, Any]]) -> tuple[PromptText, ...]:
    """
    The prompts of a comparison, each once, in the order of the first candidate that was asked with it.

    Args:
        settings: Candidate to its stored settings; those without a prompt are passed over.
    """
    found: dict[str, PromptText] = {}
    for name, told in settings.items():
        if not isinstance(told.get("system"), str) and not isinstance(told.get("prompt"), str):
            continue
        one = _prompt(str(told.get("system") or ""), told.get("prompt"))
        files = told.get("files")
        was = tuple(str(value) for value in files.values()) if isinstance(files, Mapping) else ()
        known = found.get(one.id)
        found[one.id] = one.model_copy(
            update={
                "candidates": (*(known.candidates if known else ()), name),
                "was": tuple(dict.fromkeys((*(known.was if known else ()), *was))),
            }
        )
    return tuple(found.values())


def prompts_in_folder(folder: Path, measured: Iterable[PromptText]) -> tuple[PromptText, ...]:
    """
    The prompt files beside a task file: which of them somebody was asked with, which nobody yet.

    Args:
        folder: The task's.
        measured: What was asked; a file that holds the system text of one of them is told with its candidates.

    Returns:
        By name; a file that cannot be read as a prompt is passed over.
    """
    place = folder / _FOLDER
    if not place.is_dir() or place.is_symlink():
        return ()
    by_text: dict[str, tuple[str, ...]] = {}
    for one in measured:
        for text in (one.system, one.template):
            if text:
                by_text[text] = (*by_text.get(text, ()), *one.candidates)
    found = []
    for path in sorted(place.iterdir(), key=_by_number)[:_LISTED]:
        if path.suffix not in _SUFFIXES or not path.is_file():
            continue
        try:
            said = text_of({"file": f"{_FOLDER}/{path.name}"}, "system", path.name, folder)
        except SettingsError:
            continue
        assert isinstance(said, PromptFile)
        one = _prompt(said.text, None)
        found.append(one.model_copy(update={"file": said.path, "candidates": by_text.get(said.text, ())}))
    return tuple(found)


def changed_files(folder: Path, measured: Iterable[PromptText]) -> tuple[ChangedFile, ...]:
    """Files that prompts were read from and that hold something else by now, so that another run asks otherwise."""
    found: dict[str, ChangedFile] = {}
    for one in measured:
        for said in one.was:
            path, _blank, digest = said.rpartition(" ")
            now = _digest(folder, path)
            if now == digest:
                continue
            known = found.get(path)
            names = (*(known.candidates if known else ()), *one.candidates)
            found[path] = ChangedFile(path=path, candidates=names, gone=now is None)
    return tuple(found.values())


def entry_lines(folder_file: str) -> str:
    """What an entry of a task file says to use a prompt file as its system text."""
    return f"system: {in_flow({'file': folder_file})}"


def _digest(folder: Path, path: str) -> str | None:
    try:
        said = text_of({"file": path}, "system", path, folder)
    except SettingsError:
        return None
    assert isinstance(said, PromptFile)
    return said.digest[:_DIGITS]


def _prompt(system: str, template: Any) -> PromptText:
    told = template if isinstance(template, str) else None
    body = f"{system}\0{'' if told is None else told}\0{told is None}".encode("utf-8", "surrogatepass")
    return PromptText(id=hashlib.sha256(body).hexdigest()[:_DIGITS], system=system, template=told)


def _by_number(path: Path) -> tuple[int, str]:
    """`v2.txt` before `v10.txt`."""
    digits = "".join(sign for sign in path.stem if sign.isdecimal())
    return (int(digits[:9]) if digits else -1, path.name)
