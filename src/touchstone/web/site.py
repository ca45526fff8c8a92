"""
What all pages share: the workspaces of the projects, their catalogs, long work, and who may come in.

A project is a workspace of its own below the site's (`projects/NAME`), the first of them the site's workspace itself
(`default`). So nothing of one project can be found through another: an id of one is unknown in all others (R9).
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from touchstone.errors import SettingsError
from touchstone.language import N_
from touchstone.web.base import NotHere
from touchstone.web.guesses import Guesses
from touchstone.web.looks import Looks
from touchstone.web.oidc import Flows, Issuer
from touchstone.web.sessions import Sessions
from touchstone.workspace.jobs import Jobs
from touchstone.workspace.projects import DEFAULT_PROJECT, folder_of, is_project
from touchstone.workspace.workspace import Workspace

if TYPE_CHECKING:
    from touchstone.catalog.catalog import Catalog
    from touchstone.config import Settings

Kept = TypeVar("Kept")

WORKERS = 8
"""Pages that are made at the same time. More would only wait for each other."""
_MOST_KEPT = 64
"""Answers that are kept, of all projects."""
_PATIENCE_S = 5.0
"""So long pages that are being made may take before a project is moved."""
_PAUSE_S = 0.02
_MOVING = N_("This project is just being renamed or moved; look again in a moment.")
_LOOK_S = 1.0
"""A catalog that changed on the disk is noticed after so long."""


class Site:
    """
    One site.

    Args:
        settings: The workspace it was started in.
        sessions: Who is signed in.
    """

    def __init__(self, settings: Settings, sessions: Sessions) -> None:
        self.settings = settings
        self.sessions = sessions
        self.issuer: Issuer | None = None
        """Who vouches for people, where single sign-on is configured."""
        self.address = ""
        """How browsers call the site; known once it listens."""
        self.guesses = Guesses()
        self.flows = Flows()
        self.looks: Looks[Any] = Looks()
        """What takes seconds, by page, project and what was asked."""
        self.workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="page")
        self._local = threading.local()
        self._opened: list[Workspace] = []
        self._catalogs: dict[tuple[str, date], tuple[threading.Lock, Catalog]] = {}
        self._looked: dict[str, float] = {}
        """When it was last looked whether a project's catalog has changed on the disk."""
        self._guard = threading.Lock()
        self._kept: dict[Hashable, tuple[float, Any]] = {}
        self._visits: Counter[str] = Counter()
        """Project to how many pages of it are being made."""
        self._closed: set[str] = set()

    def close(self) -> None:
        """Release every store; the site is not used again."""
        self.workers.shutdown(wait=True, cancel_futures=True)
        for workspace in self._opened:
            workspace.close()
        for _lock, catalog in self._catalogs.values():
            catalog.close()
        self.sessions.close()

    def folder(self, project: str) -> Path:
        """The folder of a project's workspace. Raises `NotHere` where there is no such project."""
        if not is_project(self.settings.workspace, project):
            raise NotHere
        return folder_of(self.settings.workspace, project)

    @contextmanager
    def visit(self, project: str) -> Iterator[None]:
        """A page of a project is made while the block lasts. Raises `NotHere` where the project is just being moved."""
        with self._guard:
            if project in self._closed:
                raise NotHere(_MOVING)
            self._visits[project] += 1
        try:
            yield
        finally:
            with self._guard:
                self._visits[project] -= 1

    @contextmanager
    def closed(self, project: str, *, own: int = 0) -> Iterator[None]:
        """
        No page of a project is made, and nothing of it is open here, while the block lasts.

        Args:
            own: Pages of it that are being made and wait for this: 1 where whoever asks is in it.

        Raises:
            SettingsError: somebody else does the same, or another page takes too long.
        """
        with self._guard:
            if project in self._closed:
                raise SettingsError("somebody else moves the project {project} at this moment", project=project)
            self._closed.add(project)
        try:
            deadline = time.monotonic() + _PATIENCE_S
            while self._visits[project] > own:
                if time.monotonic() > deadline:
                    raise SettingsError(
                        "a page of the project {project} is still being made; try again in a moment", project=project
                    )
                time.sleep(_PAUSE_S)
            self._let_go(project)
            yield
        finally:
            with self._guard:
                self._closed.discard(project)

    def _let_go(self, project: str) -> None:
        """Release all that is open of a project; whoever needs it opens it anew."""
        folder = self.folder(project)
        with self._guard:
            opened = [one for one in self._opened if one.settings.workspace == folder]
            catalogs = [self._catalogs.pop(key) for key in tuple(self._catalogs) if key[0] == project]
            self._kept.clear()
        for workspace in opened:
            workspace.close()
        for lock, catalog in catalogs:
            with lock:
                catalog.close()

    def settings_of(self, project: str) -> Settings:
        """The settings of a project's workspace."""
        if project == DEFAULT_PROJECT:
            return self.settings
        # A store by URL belongs to one workspace; the other projects keep theirs in their folders.
        return replace(self.settings, workspace=self.folder(project), store_url=None)

    def workspace(self, project: str) -> Workspace:
        """
        The workspace of a project, for the thread that asks.

        Each thread has its own: a connection to the store is used by one thread at a time. Raises `NotHere` where
        there is no such project.
        """
        self.folder(project)  # another name by now, perhaps, or gone
        mine: dict[str, Workspace] = self._local.__dict__.setdefault("workspaces", {})
        if project not in mine:
            mine[project] = Workspace(self.settings_of(project))
            with self._guard:
                self._opened.append(mine[project])
        return mine[project]

    def jobs(self, project: str) -> Jobs:
        """Long work of a project."""
        return Jobs(self.folder(project))

    @contextmanager
    def catalog(self, project: str) -> Iterator[Catalog]:
        """The catalog of a project as of today, for one reader at a time; its index is in memory once."""
        from touchstone.catalog.catalog import Catalog

        today = datetime.now(UTC).date()
        with self._guard:
            kept = self._catalogs.get((project, today))
            # A command or a job may have added a card or taken a source since.
            if kept is not None and time.monotonic() - self._looked.get(project, 0.0) > _LOOK_S:
                self._looked[project] = time.monotonic()
                kept = None if kept[1].is_outdated else kept
            if kept is None:
                for old in [key for key in self._catalogs if key[0] == project]:
                    del self._catalogs[old]
                kept = (threading.Lock(), Catalog(self.folder(project), today=today))
                self._catalogs[project, today] = kept
        lock, catalog = kept
        with lock:
            yield catalog

    def kept(
        self, key: Hashable, seconds: float, make: Callable[[], Kept], *, times_taken: float | None = None
    ) -> Kept:
        """
        What `make` gives, made again after so many seconds: for sums over whole tables.

        Args:
            times_taken: Keep it for at most so many times what making it took, so that what is quick is told as it is.
        """
        now = time.monotonic()
        with self._guard:
            found = self._kept.get(key)
        if found is None or found[0] < now:
            made, done = make(), time.monotonic()
            found = (done + min(seconds, math.inf if times_taken is None else times_taken * (done - now)), made)
            with self._guard:
                self._kept.pop(key, None)
                self._kept[key] = found
                # The oldest stand first; somebody may ask under ever other conditions.
                for old in list(self._kept)[: max(0, len(self._kept) - _MOST_KEPT)]:
                    del self._kept[old]
        value: Kept = found[1]
        return value

    def catalog_changed(self, project: str) -> None:
        """Forget what is known of a project's catalog: a card, a refresh or a training has changed it."""
        with self._guard:
            for key in [key for key in self._catalogs if key[0] == project]:
                del self._catalogs[key]
