"""`/v1/batches`: many requests in a file, answered in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from touchstone.deployment.gateway.api.batch_runner import BatchRunner
from touchstone.deployment.gateway.api.files import key_of, number_in
from touchstone.deployment.gateway.base import GatewayError, Incoming, Outgoing, Route
from touchstone.deployment.govern.batches import Batches, shown_batch
from touchstone.deployment.govern.files import Tenant
from touchstone.noun import Noun

_WINDOW = "24h"
_FIELDS = frozenset({"input_file_id", "endpoint", "completion_window", "metadata"})
_PAIRS, _NAME, _VALUE = 16, 64, 512
"""What metadata may be, as OpenAI has it."""


class BatchBody(Noun):
    """A batch that is to be answered."""

    input_file_id: str
    """A file with the purpose `batch`: a JSON object a line, with `custom_id`, `method`, `url` and `body`."""
    endpoint: str
    """The path that all of its requests are for."""
    completion_window: str = _WINDOW
    """`24h`: what is not answered then is not asked any more."""
    metadata: Mapping[str, str] | None = None


class Counts(Noun):
    """Requests of a batch."""

    total: int
    completed: int
    failed: int


class BatchRow(Noun):
    """A batch. Times are seconds since 1970."""

    id: str
    object: str = "batch"
    endpoint: str
    errors: Mapping[str, Any] | None = None
    """What is wrong with its input."""
    input_file_id: str
    completion_window: str
    status: str
    """validating, in_progress, finalizing, completed, failed, expired, cancelling or cancelled."""
    output_file_id: str | None = None
    """What was answered well."""
    error_file_id: str | None = None
    """What was refused, failed, or was not asked any more."""
    created_at: int
    in_progress_at: int | None = None
    expires_at: int
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: Counts
    metadata: Mapping[str, str] | None = None


class BatchList(Noun):
    """Batches, newest first."""

    object: str = "list"
    data: tuple[BatchRow, ...]
    has_more: bool
    """Whether there are older ones."""
    first_id: str | None = None
    last_id: str | None = None


class BatchRoutes:
    """
    The handlers of batches.

    Args:
        batches: Where they stand.
        runner: Works on them.
    """

    def __init__(self, batches: Batches, runner: BatchRunner) -> None:
        self._batches = batches
        self._runner = runner

    def routes(self) -> tuple[Route, ...]:
        """All of them."""
        return (
            Route(
                "POST", "/v1/batches", "files", self.create, "Have a file of requests answered.", BatchBody, BatchRow,
                media="json", tag="batches",
            ),
            Route(
                "GET", "/v1/batches", "files", self.all, "The batches of the key's owner in its project.",
                reply=BatchList, query=("after", "limit"), tag="batches",
            ),
            Route("GET", "/v1/batches/{batch}", "files", self.one, "One batch.", reply=BatchRow, tag="batches"),
            Route(
                "POST", "/v1/batches/{batch}/cancel", "files", self.cancel, "Ask nothing further of a batch.",
                reply=BatchRow, tag="batches",
            ),
        )  # fmt: skip

    async def create(self, incoming: Incoming) -> Outgoing:
        """A new batch; it is validated in the background."""
        key = key_of(incoming)
        body = await incoming.json()
        if not isinstance(body, dict) or not isinstance(body.get("input_file_id"), str):
            raise GatewayError("invalid_value", param="input_file_id", reason="name a file")
        unknown = sorted(set(body) - _FIELDS)
        if unknown:
            raise GatewayError("unknown_parameter", param=unknown[0][:200])
        endpoint = body.get("endpoint")
        if not isinstance(endpoint, str) or endpoint not in self._runner.routes:
            known = ", ".join(self._runner.routes)
            raise GatewayError("invalid_value", param="endpoint", reason=f"write one of {known}")
        if body.get("completion_window", _WINDOW) != _WINDOW:
            raise GatewayError("invalid_value", param="completion_window", reason=f"write {_WINDOW}")
        wanted = self._runner.routes[endpoint].access
        if wanted not in key.scopes:
            raise GatewayError("missing_scope", scope=wanted)
        batch = await asyncio.to_thread(
            self._batches.create,
            key,
            endpoint=endpoint,
            input_file=body["input_file_id"],
            window=_WINDOW,
            metadata=_metadata(body.get("metadata")),
        )
        self._runner.wake()
        return Outgoing(200, orjson.dumps(shown_batch(batch)))

    async def all(self, incoming: Incoming) -> Outgoing:
        """The tenant's batches."""
        query = incoming.query
        limit = number_in(query.get("limit"), "limit", 1, 100, 20)
        rows, more = await asyncio.to_thread(
            self._batches.list, Tenant.of(key_of(incoming)), after=query.get("after"), limit=limit
        )
        data = [shown_batch(self._runner.now(row)) for row in rows]
        ends = {"first_id": rows[0].id if rows else None, "last_id": rows[-1].id if rows else None}
        return Outgoing(200, orjson.dumps({"object": "list", "data": data, "has_more": more, **ends}))

    async def one(self, incoming: Incoming) -> Outgoing:
        """One of the tenant's batches."""
        batch = await asyncio.to_thread(self._batches.find, Tenant.of(key_of(incoming)), incoming.values["batch"])
        return Outgoing(200, orjson.dumps(shown_batch(self._runner.now(batch))))

    async def cancel(self, incoming: Incoming) -> Outgoing:
        """What is under way ends; nothing further is asked."""
        batch = await asyncio.to_thread(self._batches.cancel, Tenant.of(key_of(incoming)), incoming.values["batch"])
        self._runner.wake(batch.id)
        return Outgoing(200, orjson.dumps(shown_batch(self._runner.now(batch))))


def _metadata(given: Any) -> Mapping[str, str] | None:
    if given is None:
        return None
    fits = isinstance(given, dict) and len(given) <= _PAIRS
    if not fits or not all(isinstance(value, str) and len(value) <= _VALUE for value in given.values()):
        raise GatewayError("invalid_value", param="metadata", reason=f"give at most {_PAIRS} short texts by name")
    if any(len(name) > _NAME for name in given):
        raise GatewayError("invalid_value", param="metadata", reason=f"names have at most {_NAME} signs")
    return dict(given)
