"""`/v1/files`: what keys keep here for their batches, and what batches leave for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import BinaryIO, Literal, get_args

import orjson

from touchstone.deployment.base import Key
from touchstone.deployment.gateway.api.multipart import Part, one, read_form
from touchstone.deployment.gateway.base import GatewayError, Incoming, Outgoing, Route
from touchstone.deployment.govern.file_bytes import Draft, Kept
from touchstone.deployment.govern.files import Files, Tenant, shown
from touchstone.errors import StoreFull
from touchstone.noun import Noun

Purpose = Literal["batch", "assistants", "fine-tune", "vision", "user_data", "evals"]
PURPOSES: tuple[str, ...] = get_args(Purpose)
"""What a client may say that a file is for. Only `batch` is read by anybody here; the others are kept."""
_PIECE = 1 << 20
_FORM_BYTES = 256 * 1024
"""What a form has beside its file."""
_UPLOAD_S = 600.0


class FileForm(Noun):
    """A file to keep."""

    file: bytes
    """Its bytes, and what you call it."""
    purpose: Purpose
    """`batch` for the input of a batch."""


class FileRow(Noun):
    """A file that is kept."""

    id: str
    object: str = "file"
    bytes: int
    created_at: int
    """Seconds since 1970."""
    expires_at: int | None
    filename: str
    purpose: str
    status: str
    status_details: str | None = None


class FileList(Noun):
    """Files that are kept, newest first."""

    object: str = "list"
    data: tuple[FileRow, ...]
    has_more: bool
    first_id: str | None = None
    last_id: str | None = None


class FileGone(Noun):
    """A file that was deleted."""

    id: str
    object: str = "file"
    deleted: bool


class FileRoutes:
    """
    The handlers of files.

    Args:
        files: Where they are kept.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._coming: Counter[str] = Counter()
        """Bytes by project of files that are on their way: many at once must not pass what one may have (A21)."""

    def routes(self) -> tuple[Route, ...]:
        """All of them."""
        most = self._files.limits.file_bytes + _FORM_BYTES
        return (
            Route(
                "POST", "/v1/files", "files", self.create, "Keep a file.", FileForm, FileRow, media="multipart",
                body_bytes=most, body_s=_UPLOAD_S, tag="files",
            ),
            Route(
                "GET", "/v1/files", "files", self.all, "The files that the key's owner keeps in its project.",
                reply=FileList, query=("after", "limit", "order", "purpose"), tag="files",
            ),
            Route("GET", "/v1/files/{file}", "files", self.one, "One file.", reply=FileRow, tag="files"),
            Route(
                "GET", "/v1/files/{file}/content", "files", self.content, "The bytes of a file.",
                content_type="application/octet-stream", tag="files",
            ),
            Route("DELETE", "/v1/files/{file}", "files", self.delete, "Delete a file.", reply=FileGone, tag="files"),
        )  # fmt: skip

    async def create(self, incoming: Incoming) -> Outgoing:
        """Keep what is uploaded; nothing of it is in memory but a piece at a time."""
        key = key_of(incoming)
        await asyncio.to_thread(self._files.check_room, Tenant.of(key))
        takes = _ToDisk(self._files, Tenant.of(key), self._coming)
        try:
            fields = await read_form(incoming, incoming.pieces(), takes, field="file")
            unknown = sorted(set(fields) - {"purpose", "expires_after[anchor]", "expires_after[seconds]"})
            if unknown:
                raise GatewayError("unknown_parameter", param=unknown[0][:200])
            purpose = one(fields, "purpose")
            if purpose not in PURPOSES:
                raise GatewayError("invalid_value", param="purpose", reason="write " + ", ".join(PURPOSES))
            expires_after_s = _expiry(one(fields, "expires_after[anchor]"), one(fields, "expires_after[seconds]"))
            kept = await takes.keep()
        except OSError as error:
            raise StoreFull("a file cannot be kept: {reason}", reason=error.strerror or type(error).__name__) from error
        finally:
            await takes.close()
        assert takes.part is not None, "a form without a file was refused"
        row = await asyncio.to_thread(
            self._files.add,
            key,
            kept,
            purpose=purpose,
            filename=takes.part.filename or "file",
            expires_after_s=expires_after_s,
        )
        return Outgoing(200, orjson.dumps(shown(row)))

    async def all(self, incoming: Incoming) -> Outgoing:
        """The tenant's files."""
        query = incoming.query
        limit = number_in(query.get("limit"), "limit", 1, 10_000, 10_000)
        order = query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise GatewayError("invalid_value", param="order", reason="write asc or desc")
        rows, more = await asyncio.to_thread(
            self._files.list,
            Tenant.of(key_of(incoming)),
            purpose=query.get("purpose"),
            after=query.get("after"),
            limit=limit,
            newest_first=order == "desc",
        )
        ends = {"first_id": rows[0].id if rows else None, "last_id": rows[-1].id if rows else None}
        found = {"object": "list", "data": [shown(row) for row in rows], "has_more": more, **ends}
        return Outgoing(200, orjson.dumps(found))

    async def one(self, incoming: Incoming) -> Outgoing:
        """One of the tenant's files."""
        row = await asyncio.to_thread(self._files.find, Tenant.of(key_of(incoming)), incoming.values["file"])
        return Outgoing(200, orjson.dumps(shown(row)))

    async def content(self, incoming: Incoming) -> Outgoing:
        """Its bytes, which no browser takes for a page."""
        row = await asyncio.to_thread(self._files.find, Tenant.of(key_of(incoming)), incoming.values["file"])
        file = await asyncio.to_thread(self._files.place.read, row.digest)
        headers = ((b"content-disposition", b"attachment"),)
        return Outgoing(200, _Content(file), content_type=b"application/octet-stream", headers=headers)

    async def delete(self, incoming: Incoming) -> Outgoing:
        """Take it away."""
        name = incoming.values["file"]
        await asyncio.to_thread(self._files.remove, Tenant.of(key_of(incoming)), name)
        return Outgoing(200, orjson.dumps({"id": name, "object": "file", "deleted": True}))


def key_of(incoming: Incoming) -> Key:
    """Whose request it is."""
    assert incoming.key is not None, "the routes of the API let nobody in without a key"
    return incoming.key


def number_in(written: str | None, name: str, low: int, high: int, otherwise: int) -> int:
    """A whole number of a query, between two others. Raises `GatewayError`."""
    if written is None:
        return otherwise
    if not (written.isascii() and written.isdigit() and low <= int(written[:10]) <= high):
        raise GatewayError("invalid_value", param=name, reason=f"write {low} to {high}")
    return int(written)


def _expiry(anchor: str | None, seconds: str | None) -> int | None:
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at" or seconds is None:
        raise GatewayError("invalid_value", param="expires_after", reason="give anchor=created_at and seconds")
    return number_in(seconds, "expires_after", 3_600, 2_592_000, 0)


class _ToDisk:
    """Takes a file to the disk, a thread writing while the next piece comes."""

    def __init__(self, files: Files, tenant: Tenant, coming: Counter[str]) -> None:
        self.part: Part | None = None
        self._files = files
        self._tenant = tenant
        self._coming = coming
        self._counted = 0
        self._draft: Draft | None = None
        self._waiting = bytearray()

    async def begin(self, part: Part) -> None:
        self.part = part
        self._draft = await asyncio.to_thread(self._files.place.begin)

    async def write(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) >= _PIECE:
            await self._flush()

    async def _flush(self) -> None:
        assert self._draft is not None, "it has begun"
        waiting, self._waiting = bytes(self._waiting), bytearray()
        limit = self._files.limits.file_bytes
        if self._draft.size_bytes + len(waiting) > limit:
            raise GatewayError("body_too_large", param="file", limit=limit)
        self._count(len(waiting))
        await asyncio.to_thread(self._files.check_room, self._tenant, self._coming[self._tenant.project])
        await asyncio.to_thread(self._draft.write, waiting)

    def _count(self, size: int) -> None:
        self._counted += size
        self._coming[self._tenant.project] += size
        if not self._coming[self._tenant.project]:
            del self._coming[self._tenant.project]

    async def keep(self) -> Kept:
        await self._flush()
        assert self._draft is not None
        return await asyncio.to_thread(self._draft.keep)

    async def close(self) -> None:
        self._count(-self._counted)
        if self._draft is not None:
            await asyncio.to_thread(self._draft.discard)


class _Content:
    """The bytes of a file as they are read; closed also where nobody began to read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await asyncio.to_thread(self._file.read, _PIECE)
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        self._file.close()
