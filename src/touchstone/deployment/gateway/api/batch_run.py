"""One batch, from its input to its results; it may be left at any line, and gone on with by a later gateway."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import orjson

from touchstone.deployment.base import Key
from touchstone.deployment.gateway.api import batch_lines
from touchstone.deployment.gateway.api.batch_lines import Answer, Line, Wanted
from touchstone.deployment.gateway.api.batch_results import write_results
from touchstone.deployment.gateway.base import GatewayError, Incoming, Outgoing
from touchstone.deployment.gateway.failures import as_failure, reply_of
from touchstone.deployment.govern.batches import Batch, BatchError
from touchstone.errors import StoreDamaged, StoreError

if TYPE_CHECKING:
    from touchstone.deployment.gateway.api.batch_runner import BatchRunner

WAIT = frozenset(
    {
        "overloaded", "too_many_in_flight", "requests_per_minute", "tokens_per_minute", "store_unavailable",
        "metering_unavailable", "idempotent_request_running", "not_ready",
    }
)  # fmt: skip
"""Refusals that pass by: nobody was asked, so the line waits for as long as its batch may take."""

AGAIN = frozenset({"upstream_rate_limited", "upstream_unreachable", "endpoint_stopped", "safety_unavailable"})
"""Failures that cost nothing and may pass by: the line is asked a few times more."""
TRIES = 5
_LONGEST_S = 60.0
_TELL_S = 2.0
"""How often the row of a batch is told how far it is."""
_NO_DISK_S = 5.0

Reason = Literal["cancelled", "expired", "key_ended", "halted"]

_WORDS: Mapping[Reason, tuple[str, str]] = {
    "cancelled": ("batch_cancelled", "This request was not sent, because the batch was cancelled."),
    "expired": ("batch_expired", "This request was not sent before the completion window expired."),
    "key_ended": ("invalid_api_key", "This request was not sent, because the key of the batch has ended."),
}


class _Given:
    """A body that is here already."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        return self._body

    async def pieces(self) -> AsyncIterator[bytes]:
        yield self._body


class _Later(Exception):
    """A line is to be asked again after so many seconds; None: when another one of its batch has ended."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        super().__init__()


class BatchRun:
    """
    The work on one batch.

    Args:
        runner: Whose turns it takes.
        batch: As its row says when the work begins.
    """

    def __init__(self, runner: BatchRunner, batch: Batch) -> None:
        self.runner = runner
        self.batch = batch
        self._reason: Reason | None = "cancelled" if batch.cancelling_s is not None else None
        self._quit = asyncio.Event()
        self._one_ended = asyncio.Event()
        self._asking = 0
        self._kept: dict[int, batch_lines.Place] = {}
        self._good = 0
        self._told_at = 0.0

    @property
    def counts(self) -> tuple[int, int]:
        """Lines that were answered well, and others."""
        return self._good, len(self._kept) - self._good

    def stops(self) -> bool:
        """Whether nothing further is asked."""
        if self._reason is None and self.runner.batches.clock() >= self.batch.expires_s:
            self._end("expired")
        return self._reason is not None

    def cancel(self) -> None:
        """Ask nothing further; what is under way ends."""
        self._end("cancelled")

    def halt(self) -> None:
        """The gateway stops; the batch stays as it is."""
        self._end("halted")

    def _end(self, reason: Reason) -> None:
        if self._reason is None:
            self._reason = reason
        self._quit.set()

    async def pause(self, seconds: float | None) -> None:
        """Wait, or return when nothing further is asked. Without a time: until another line has ended."""
        self._one_ended.clear()
        events = [self._quit] if seconds is not None else [self._quit, self._one_ended]
        left_s = max(0.0, self.batch.expires_s - self.runner.batches.clock())
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(
                waits,
                timeout=min(_LONGEST_S if seconds is None else seconds, left_s + 0.01),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for wait in waits:
                wait.cancel()

    # From input to results --------------------------------------------------------------------------------------------

    async def go(self) -> None:
        """
        Work until there is nothing left to ask, or nothing further may be asked.

        Raises:
            StoreError, OSError: the store or the disk fails; to be gone on with later.
        """
        runner, place = self.runner, self.runner.batches.files.place
        try:
            file = await asyncio.to_thread(place.read, self.batch.digest)
        except StoreDamaged:
            await self._fail(BatchError(code="input_missing", message="The input file is not there any more."))
            return
        with file:
            lines = await self._lines(file)
            if lines is None:
                return
            work = await asyncio.to_thread(place.work, self.batch.work)
            with work:
                self._kept = await asyncio.to_thread(batch_lines.kept, work)
                self._good = sum(one.good for one in self._kept.values())
                waiting = iter([line for line in lines if line.number not in self._kept])
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(runner.batches.limits.lines_at_once, len(lines))):
                        group.create_task(self._ask_on(waiting, file, work))
                left = [line for line in lines if line.number not in self._kept]
                if left and self._reason == "halted":
                    await self._tell()
                    return
                await self._finish(left, file, work)
        await asyncio.to_thread(place.end_work, self.batch.work)

    async def _lines(self, file: BinaryIO) -> Sequence[Line] | None:
        """The lines of the input; None where there is nothing to ask and the batch has ended."""
        limits = self.runner.limits
        if self.batch.total:
            return await asyncio.to_thread(batch_lines.index, file, limits)
        most = self.runner.batches.limits.lines
        found = await asyncio.to_thread(batch_lines.validate, file, self.batch, limits, most)
        if found.errors:
            await self._fail(*found.errors)
            return None
        now_s = self._now_s()

        def begin(batch: Batch) -> Batch:
            begun = {"total": len(found.lines), "in_progress_s": now_s}
            return batch.model_copy(update=begun if batch.state == "cancelling" else {**begun, "state": "in_progress"})

        self.batch = await self._change(begin)
        if self.batch.state == "cancelling":
            self._end("cancelled")
        return found.lines

    async def _fail(self, *errors: BatchError) -> None:
        now_s = self._now_s()

        def fail(batch: Batch) -> Batch:
            ended = {"state": "cancelled", "cancelled_s": now_s} if batch.cancelling_s else {}
            failed = {"state": "failed", "failed_s": now_s, "errors": errors}
            return batch.model_copy(update=ended or failed)

        self.batch = await self._change(fail)

    async def _finish(self, left: Sequence[Line], file: BinaryIO, work: BinaryIO) -> None:
        """Write the files of results, and say in the same transaction that they are there."""
        reason: Reason = "cancelled" if self._reason in (None, "halted") else self._reason

        def finalize(batch: Batch) -> Batch:
            return batch.model_copy(update={"state": "finalizing", "finalizing_s": batch.finalizing_s or self._now_s()})

        self.batch = await self._change(finalize)
        files = self.runner.batches.files
        rest = (self._not_asked(line, reason, file) for line in left)
        rows = await asyncio.to_thread(write_results, files, self.batch, work, self._kept, rest)
        now_s = self._now_s()
        completed, failed = self.counts
        ends: dict[str, Any] = {
            "completed": completed,
            "failed": failed + len(left),
            "output_file": rows[0].id if rows[0] else None,
            "error_file": rows[1].id if rows[1] else None,
        }
        # Whoever cancelled is told so, also where every line was answered meanwhile.
        if left and reason == "expired":
            ends |= {"state": "expired", "expired_s": now_s}
        elif left and reason == "key_ended":
            code, message = _WORDS[reason]
            ends |= {"state": "failed", "failed_s": now_s, "errors": (BatchError(code=code, message=message),)}
        elif self.batch.cancelling_s is not None:
            ends |= {"state": "cancelled", "cancelled_s": now_s}
        else:
            ends |= {"state": "completed", "completed_s": now_s}
        left_behind = [row for row in rows if row is not None]
        self.batch = await asyncio.to_thread(
            self.runner.batches.change, self.batch.id, lambda batch: batch.model_copy(update=ends), left_behind
        )

    def _not_asked(self, line: Line, reason: Reason, file: BinaryIO) -> Answer:
        code, message = _WORDS[reason]
        return batch_lines.not_asked(self.batch, line, self._wanted(file, line).custom_id, code, message)

    def _wanted(self, file: BinaryIO, line: Line) -> Wanted:
        return batch_lines.wanted_of(batch_lines.read_line(file, line), self.batch.endpoint, self.runner.limits)

    async def _change(self, change: Any) -> Batch:
        return await asyncio.to_thread(self.runner.batches.change, self.batch.id, change)

    async def _tell(self) -> None:
        """Bring the row up to date."""
        completed, failed = self.counts
        self._told_at = time.monotonic()
        with suppress(StoreError):  # the counts are in memory, and in the work file
            await self._change(lambda batch: batch.model_copy(update={"completed": completed, "failed": failed}))

    def _now_s(self) -> int:
        return int(self.runner.batches.clock())

    # One line ---------------------------------------------------------------------------------------------------------

    async def _ask_on(self, waiting: Iterator[Line], file: BinaryIO, work: BinaryIO) -> None:
        """Ask one line after the other, until there are none or nothing further is asked."""
        while not self.stops():
            line = next(waiting, None)
            if line is None:
                return
            found = await self._answer(line, file)
            if found is None:
                return
            answer, key = found
            await self.runner.paid()
            if not await self._keep(work, answer):
                return
            if answer.good:
                # It stands in the work file now, so that nobody will look for it under its idempotency key.
                self.runner.idempotency.drop(key.id, self._name(line))
            if time.monotonic() - self._told_at > _TELL_S:
                await self._tell()

    async def _answer(self, line: Line, file: BinaryIO) -> tuple[Answer, Key] | None:
        """What is said of a line in the end, and whose money it took; None where nothing further is asked."""
        runner = self.runner
        wanted = self._wanted(file, line)
        body = orjson.dumps(wanted.body)
        tries = 0
        while not self.stops():
            try:
                key = await runner.key(self.batch.key)
            except StoreError:
                await self.pause(1.0)
                continue
            if key is None:
                self._end("key_ended")
                return None
            try:
                async with runner.turn(self):
                    if self.stops():
                        return None
                    self._asking += 1
                    try:
                        outgoing, request = await self._ask(line, body, key, tries)
                    finally:
                        self._asking -= 1
                        self._one_ended.set()
                assert isinstance(outgoing.body, bytes), "no line asks for a stream"
                return (
                    batch_lines.answered(
                        self.batch,
                        line,
                        wanted.custom_id,
                        status=outgoing.status,
                        request=request,
                        body=outgoing.body,
                    ),
                    key,
                )
            except _Later as later:
                tries += 1
                await self.pause(later.seconds)
        return None

    async def _ask(self, line: Line, body: bytes, key: Key, tries: int) -> tuple[Outgoing, str]:
        """The reply to a line, as a live request would have got it. Raises `_Later`."""
        runner = self.runner
        assert runner.admission is not None, "the runner was started"
        route = runner.routes[self.batch.endpoint]
        started = time.monotonic()
        # The same after a restart, so that the rows of both attempts are found under one id.
        request = "req_" + hashlib.blake2b(f"{self.batch.id}:{line.number}".encode(), digest_size=12).hexdigest()
        incoming: Incoming | None = None
        error: str | None = None
        seat = None
        try:
            if route.access not in key.scopes:
                raise GatewayError("missing_scope", scope=route.access)
            seat = runner.admission.enter(key)
            incoming = Incoming(
                "POST",
                route.path,
                values={},
                query=b"",
                headers={"content-type": "application/json", "idempotency-key": self._name(line)},
                request=request,
                address="batch",
                received_at=asyncio.get_running_loop().time(),
                reader=_Given(body),
                limits=runner.limits,
                key=key,
                visit=seat,
            )
            outgoing = await route.handler(incoming)
        except Exception as failed:  # noqa: BLE001 - the last place where an error can become a reply
            failure = as_failure(failed)
            error = failure.code
            if runner.observer is not None:
                runner.observer.refused(error, request=request, error=failed)
            self._wait_or_not(error, failure.retry_after_s, tries)
            outgoing = reply_of(failure)
        finally:
            if seat is not None:
                seat.leave()
        if runner.observer is not None:
            runner.observer.finished(
                request=request,
                method="POST",
                route=route,
                address="batch",
                key=key,
                status=outgoing.status,
                sent_bytes=len(outgoing.body) if isinstance(outgoing.body, bytes) else 0,
                seconds=time.monotonic() - started,
                gone=False,
                error=error,
                incoming=incoming,
            )
        return outgoing, request

    def _wait_or_not(self, code: str, retry_after_s: float | None, tries: int) -> None:
        """Raise `_Later` where a line that was refused may be answered another time."""
        if code == "insufficient_quota" and self._asking > 1:
            # Others of this batch hold more than they will have cost; what they leave may be enough.
            raise _Later(None)
        if code in WAIT or (code in AGAIN and tries + 1 < TRIES):
            raise _Later(min(_LONGEST_S, max(retry_after_s or 0.0, 0.5 * 2 ** min(tries, 6))))

    def _name(self, line: Line) -> str:
        return f"{self.batch.id}.{line.number}"

    async def _keep(self, work: BinaryIO, answer: Answer) -> bool:
        """Write an answer down; False where that was not possible before the gateway stopped."""
        while True:
            try:
                self._kept[answer.number] = batch_lines.keep(work, answer)
            except OSError:
                if self._reason == "halted":
                    return False
                await asyncio.sleep(_NO_DISK_S)
                continue
            self._good += answer.good
            return True
