"""The front door: everything a command or a page can ask for."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson

from touchstone.config import Settings
from touchstone.errors import SettingsError, StoreDamaged, StoreError, UnknownName
from touchstone.evaluation.amendments import Amendments
from touchstone.evaluation.comparisons import Comparisons
from touchstone.evaluation.ledger import Ledger
from touchstone.storage.lock import EngineLock
from touchstone.workspace.base import CompareOptions, Demands, Files, Plan, StoredComparison

if TYPE_CHECKING:
    from touchstone.evaluation.measure import StopSignal
    from touchstone.reporting.base import ReportData
    from touchstone.reporting.live import Progress
    from touchstone.workspace.numbers_kept import KeptNumbers
    from touchstone.workspace.taskfile import Task


class Workspace:
    """
    A folder with one store: tasks are measured into it, reports and decisions are read out of it.

    Use it as a context manager, or call `close`. The store is made when it is first needed.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def ledger(self) -> Ledger:
        """The store, to write into."""
        return self._open(read_only=False)

    @property
    def reader(self) -> Ledger:
        """The store, to look into; an engine may be at work in it."""
        return self.ledger if "ledger" in self.__dict__ else self._read_only

    @cached_property
    def _read_only(self) -> Ledger:
        try:
            return self._open(read_only=True)
        except StoreError as error:
            if type(error) is not StoreError:
                raise
            return self.ledger  # absent, or of an older version: it is made, or brought up to date, first

    def _open(self, *, read_only: bool) -> Ledger:
        try:
            return Ledger(self._place, read_only=read_only, allow_network=self.settings.allow_network_store)
        except StoreDamaged as damage:
            from touchstone.workspace.rescue import rescued

            raise rescued(self._file, damage) from damage

    @property
    def _place(self) -> str | Path:
        return self.settings.store_url or self._file

    @property
    def _file(self) -> Path:
        return self.settings.workspace / "touchstone.sqlite"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the store; may be called twice."""
        for name in ("ledger", "_read_only"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()

    def load_task(self, path: Path) -> Task:
        """A task file, read and checked; nothing else is touched. Raises `TaskError`."""
        from touchstone.workspace.taskfile import load_task

        return load_task(path)

    def plan(self, task: Task, options: CompareOptions, *, notice: Callable[[str], None] = lambda _line: None) -> Plan:
        """
        What `compare` would do; everything is checked, baselines are not asked, nobody else either.

        Args:
            notice: Told, line by line, what building candidates will take.
        """
        import asyncio

        from touchstone.workspace.plan import make_plan

        return asyncio.run(make_plan(task, self.ledger, options, workspace=self.settings.workspace, notice=notice))

    def compare(
        self,
        task: Task,
        options: CompareOptions,
        *,
        command: str | None = None,
        progress: Callable[[Progress], None] = lambda _progress: None,
        notice: Callable[[str], None] = lambda _line: None,
        stop: StopSignal | None = None,
    ) -> ReportData:
        """
        Measure all candidates on the test cases and decide.

        Args:
            command: The command line that asked for it, for the report.
            progress: Told about five times a second how far it is.
            notice: Told, line by line before anybody is asked, what the user should know: problems of the cases, what
                these cases can show.
            stop: Tells the run to stop; Ctrl-C and SIGTERM do so too where the run has the main thread.

        Raises:
            UserError: something must be changed first; nobody was asked.
            StoreBusy: another engine measures into this workspace.
        """
        from touchstone.evaluation.measure import StopSignal
        from touchstone.workspace.session import measure

        with EngineLock(self.ledger.engine) as lock:
            self.ledger.fence = lock.number
            try:
                comparison = measure(
                    task,
                    self.ledger,
                    options,
                    workspace=self.settings.workspace,
                    command=command or f"touchstone compare {task.path}",
                    progress=progress,
                    notice=notice,
                    stop=stop or StopSignal(),
                )
            finally:
                self.ledger.fence = None
            data = self._concluded(self.ledger, comparison, Demands())
            decision = data.comparison.decision
            Comparisons(self.ledger).keep_verdict(data.comparison.comparison_id, decision.verdict, decision.chosen)
        return data

    def decide(self, comparison: str, demands: Demands) -> ReportData:
        """
        What a stored comparison says, under its own demands or others; nobody is asked.

        Raises:
            UnknownName: there is no such comparison.
            SettingsError: a demand cannot be used.
        """
        return self._decided(comparison, demands)

    def decide_at_once(self, comparison: str, demands: Demands, *, most_answers: int) -> ReportData | str:
        """
        What `decide` gives, unless more answers than these must be looked at first, which may take minutes.

        Then a text that tells the state of those answers from any other; whoever decides keeps what was found.

        Raises:
            UnknownName: there is no such comparison.
            SettingsError: a demand cannot be used.
        """
        kept = self._numbers(self.reader, comparison)
        if not kept.numbers.is_known and kept.stamp is not None and kept.numbers.stored.answers > most_answers:
            return kept.stamp
        return self._decided(comparison, demands, kept)

    def _decided(self, comparison: str, demands: Demands, kept: KeptNumbers | None = None) -> ReportData:
        data = self._concluded(self.reader, comparison, demands, kept)
        if demands == Demands():
            self._note_verdict(data)
        return data

    def _note_verdict(self, data: ReportData) -> None:
        """What lists show was forgotten when somebody changed a case; it is known again now."""
        identity, decision = data.comparison.comparison_id, data.comparison.decision
        row = Comparisons(self.reader).find(identity)
        if row is not None and row["state"] != "running" and row["verdict"] is None:
            Comparisons(self.ledger).keep_verdict(identity, decision.verdict, decision.chosen)

    def _concluded(
        self, ledger: Ledger, comparison: str, demands: Demands, kept: KeptNumbers | None = None
    ) -> ReportData:
        from touchstone.workspace.conclude import conclude

        kept = kept or self._numbers(ledger, comparison)
        data = conclude(kept.numbers, demands)
        kept.keep(own_demands=demands == Demands())
        return data

    def _numbers(self, ledger: Ledger, comparison: str) -> KeptNumbers:
        from touchstone.workspace.numbers_kept import KeptNumbers

        stored = Comparisons(ledger)
        row = stored.find(comparison)
        if row is None:
            known = [item["id"] for item in stored.all()]
            if not known:
                raise SettingsError(
                    "nothing was measured in {place} yet; run `touchstone compare TASKFILE` or `touchstone demo` first",
                    place=str(self.settings.workspace),
                )
            if comparison == "latest":
                raise SettingsError(
                    "no comparison in {place} is finished; run the same `touchstone compare` again, "
                    "or name an unfinished one: {known}",
                    place=str(self.settings.workspace),
                    known=", ".join(known[:5]),
                )
            raise UnknownName(kind="comparison", name=comparison, known=known)
        return KeptNumbers(ledger, row, self.settings.workspace, str(self._place))

    def comparisons(self) -> tuple[StoredComparison, ...]:
        """Every stored comparison, newest first."""
        found: list[StoredComparison] = []
        if self.settings.store_url is None and not self._file.exists():
            return ()
        changed = Amendments(self.reader).counts()
        for row in Comparisons(self.reader).all():
            spec = orjson.loads(row["spec"])
            found.append(
                StoredComparison(
                    id=row["id"],
                    created=row["created"],
                    task=row["task"],
                    path=spec.get("at") or spec.get("path"),
                    digest=spec.get("digest"),
                    state=row["state"],
                    cases=spec["test_cases"],
                    candidates=len(spec["candidates"]),
                    models=tuple(dict.fromkeys(candidate["model"] for candidate in spec["candidates"])),
                    verdict=row["verdict"],
                    chosen=row["chosen"],
                    excluded=changed.get(row["dataset"], (0, 0))[0],
                    corrected=changed.get(row["dataset"], (0, 0))[1],
                )
            )
        return tuple(found)

    def settings_of(self, comparison: str) -> Mapping[str, Mapping[str, Any]]:
        """Candidate of a stored comparison to its settings, as they are stored, with `model` and `strategy`."""
        stored = Comparisons(self.reader)
        row = stored.find(comparison)
        if row is None:
            return {}
        entries = zip(orjson.loads(row["spec"])["candidates"], stored.entries(row["id"]), strict=True)
        return {
            entry["name"]: {**orjson.loads(entry["settings"]), "model": spec["model"], "strategy": spec["strategy"]}
            for spec, entry in entries
        }

    def write_files(self, data: ReportData, files: Files, *, language: str, default_report: bool = True) -> Files:
        """
        Write the report and whatever else was asked for; returns where everything is.

        Args:
            default_report: Whether a report goes into the workspace when no place was named.

        Raises:
            SettingsError: a file cannot be written there.
        """
        report = files.report
        if report is None and default_report:
            report = self.settings.workspace / "reports" / f"{data.comparison.comparison_id}.html"
        if report is not None:
            from touchstone.reporting.html import render

            write_text(report, render(data, language=language))
        if files.markdown is not None:
            from touchstone.reporting.markdown import render_markdown

            write_text(files.markdown, render_markdown(data, language=language))
        if files.junit is not None:
            from touchstone.reporting.junit import render_junit

            write_text(files.junit, render_junit(data, language=language))
        return files.model_copy(update={"report": report})

    def write_memo(self, data: ReportData, place: Path) -> None:
        """
        Write the decision as a memo, in the language that is set.

        Args:
            place: A file that ends in `.html` or `.pdf`.

        Raises:
            SettingsError: the file cannot be written, or ends in something else.
            ExtraMissing: a PDF was asked for, and what writes it is not installed.
        """
        from touchstone.reporting.memo_page import memo_page
        from touchstone.reporting.page_html import html_page

        kind = place.suffix.lower()
        if kind not in (".html", ".pdf"):
            raise SettingsError("--memo {path} ends in neither .html nor .pdf; name one of them", path=str(place))
        html = html_page(memo_page(data))
        if kind == ".html":
            write_text(place, html)
            return
        from touchstone.reporting.pdf import pdf_of

        write_bytes(place, pdf_of(html))


def check_places(files: Files) -> None:
    """
    Look, before anything is paid, whether files can be written where they were asked for.

    Raises:
        SettingsError: a place is a folder, lies in no folder, or may not be written to.
    """
    for path in (files.report, files.markdown, files.junit):
        if path is None:
            continue
        folder = next(place for place in path.absolute().parents if place.exists())
        wrong = (
            errno.EISDIR
            if path.is_dir()
            else errno.ENOTDIR
            if not folder.is_dir()
            else errno.EACCES
            if not os.access(path if path.exists() else folder, os.W_OK)
            else None
        )
        if wrong is not None:
            raise SettingsError(
                "{path} cannot be written: {reason}; name another place", path=str(path), reason=os.strerror(wrong)
            )


def write_text(path: Path, text: str) -> None:
    """Write a file for people, and the folders above it. Raises `SettingsError` where that cannot be."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, body: bytes) -> None:
    """The same of bytes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    except OSError as error:
        raise SettingsError(
            "{path} cannot be written: {reason}; name another place", path=str(path), reason=error.strerror
        ) from error
