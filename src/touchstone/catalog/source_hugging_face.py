"""
The Hugging Face Hub: metadata, card and published results of the repositories that cards name.

Why not through `huggingface_hub`: its client is one per process, follows redirects, reads its address and a stored
token from files and the environment by itself, and sends what it likes about the machine as its user agent; its HTTP
library changed twice between its versions 0 and 2. Nothing of that can be held to the rules of our one door, and three
documented addresses are all that is needed: `/api/models/OWNER/NAME` and, for files, `/OWNER/NAME/raw/main/FILE`
(`/resolve/` answers with a redirect). What is public is enough, so no token is sent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from touchstone.catalog.outbound import TEXT_TYPES, Door
from touchstone.catalog.source_base import Copy, Fields, Gathering, Reason, Reported
from touchstone.catalog.source_failed import SourceFailed
from touchstone.catalog.source_json import read_json
from touchstone.errors import SettingsError

MAX_CARD_BYTES = 512 << 10
"""Of a README or a file of results."""
MAX_RESULTS = 30
"""Files of results that are read of one repository."""
AT_ONCE = 4
_GIVE_UP_AFTER = 3
"""Failures in a row after which the source as a whole counts as failed."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_RESULTS = re.compile(r"\.eval_results/[A-Za-z0-9][A-Za-z0-9._-]{0,95}\.ya?ml")
_GATED: dict[bool | str, str] = {False: "open", "auto": "gated", "manual": "gated"}


@dataclass
class _Heard:
    """What came of one repository."""

    said: dict[str, Any] | None = None
    reason: Reason | None = None


class HuggingFace:
    """
    Some repositories of the Hub.

    Args:
        repositories: `owner/name` each. What an earlier copy has of others is kept.
        base_url: The Hub or a mirror.
        named: Whether the user named the address.
    """

    name = "hugging-face"

    def __init__(
        self, repositories: Collection[str], base_url: str = "https://huggingface.co", *, named: bool = False
    ) -> None:
        for repository in repositories:
            if not _REPOSITORY.fullmatch(repository) or ".." in repository:
                raise SettingsError(
                    "{value!r} is no repository of the Hugging Face Hub; write owner/name", value=repository
                )
        self.repositories = tuple(dict.fromkeys(repositories))
        self.base_url = base_url.rstrip("/")
        self.named = named

    async def ask(self, door: Door, old: Copy | None, now: str) -> Copy | None:
        """See `Source.ask`. What an earlier copy has of a repository stays unless it is heard anew or gone."""
        earlier = {entry.id: entry for entry in old.entries} if old else {}
        heard = await self._ask_all(door)
        gathered = Gathering(self.name, f"{self.base_url}/api/models", now)
        for repository, found in heard.items():
            if found.reason is not None:
                gathered.skip(repository, found.reason)
            else:
                gathered.keep(
                    None,
                    repository,
                    found.said,
                    _read,
                    url=f"{self.base_url}/{repository}",
                    max_bytes=MAX_CARD_BYTES * 2,
                )
        for entry in self._kept(earlier, heard):
            gathered.carry(entry)
        return gathered.copy()

    def _kept(self, earlier: dict[str, Reported], heard: dict[str, _Heard]) -> Iterator[Reported]:
        """What stays of the earlier copy: all but what was heard anew and what the Hub says is gone."""
        for repository, entry in earlier.items():
            if repository not in heard or heard[repository].reason not in (None, "gone"):
                yield entry

    async def _ask_all(self, door: Door) -> dict[str, _Heard]:
        heard: dict[str, _Heard] = {}
        waiting = iter(self.repositories)
        failures: list[SourceFailed] = []

        async def work() -> None:
            for repository in waiting:
                if len(failures) >= _GIVE_UP_AFTER:
                    raise failures[0]
                try:
                    heard[repository] = await self._ask_one(door, repository)
                    failures.clear()
                except SourceFailed as error:
                    heard[repository] = _Heard(reason=_reason(error))
                    if heard[repository].reason == "failed":
                        failures.append(error)

        # All stop before the first error is raised, so that none goes on asking behind the caller's back.
        ends = await asyncio.gather(*(work() for _ in range(AT_ONCE)), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        if failures and all(found.reason == "failed" for found in heard.values()):
            raise failures[0]
        return {repository: heard[repository] for repository in self.repositories}

    async def _ask_one(self, door: Door, repository: str) -> _Heard:
        place = quote(repository)
        answer = await door.ask(f"{self.base_url}/api/models/{place}")
        said = read_json(answer.body, self.name, door.limits)
        if not isinstance(said, dict) or not isinstance(said.get("id"), str):
            return _Heard(reason="no_id" if isinstance(said, dict) else "no_object")
        files = [
            file["rfilename"]
            for file in (said.pop("siblings", None) or ())
            if isinstance(file, dict) and isinstance(file.get("rfilename"), str)
        ]
        # Our own names for what is not part of the metadata; a field of the Hub that is called so would be replaced.
        results = {}
        for file in [name for name in files if _RESULTS.fullmatch(name)][:MAX_RESULTS]:
            results[file] = await self._text(door, f"{place}/raw/main/{quote(file)}")
        said["readme"] = await self._text(door, f"{place}/raw/main/README.md") if "README.md" in files else None
        said["eval_results"] = {file: text for file, text in results.items() if text is not None}
        return _Heard(said={name: value for name, value in said.items() if value not in (None, {})})

    async def _text(self, door: Door, path: str) -> str | None:
        """A file of text; None when it cannot be had, which is no reason to do without the rest."""
        try:
            answer = await door.ask(f"{self.base_url}/{path}", accept=TEXT_TYPES, max_bytes=MAX_CARD_BYTES)
        except SourceFailed:
            return None
        return answer.body.decode("utf-8", errors="replace")


def _reason(error: SourceFailed) -> Reason:
    if error.status in (404, 410):
        return "gone"
    if error.status in (401, 403):
        return "refused"
    # A redirect is how the Hub answers for a repository that was renamed.
    return "moved" if error.status in (301, 302, 307, 308) else "failed"


def _read(fields: Fields) -> None:
    fields.date("createdAt", "repository_created")
    fields.count("safetensors/total", "parameters")
    gated = fields.get("gated")
    if fields.get("private") is not True and isinstance(gated, bool | str):
        fields.fact("gated", "weights", _GATED.get(gated))
    licence = fields.get("cardData/license")
    if licence == "other":
        fields.text("cardData/license_name", "licence")
    elif licence is not None:
        fields.text("cardData/license", "licence")
    languages = fields.get("cardData/language")
    if isinstance(languages, str):
        languages = [languages]
    if (
        isinstance(languages, list)
        and languages
        and all(isinstance(code, str) and len(code) <= 20 for code in languages)
    ):
        fields.fact("cardData/language", "languages", tuple(languages))
    fields.text("pipeline_tag", "pipeline_tag")
