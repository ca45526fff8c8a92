"""The routes that are the gateway's own: whether it lives, whether it is ready, metrics, its document, its models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from touchstone.deployment.base import Key
from touchstone.deployment.gateway.base import GatewayError, Incoming, ListsModels, ModelEntry, Outgoing, Route
from touchstone.deployment.gateway.observe import METRICS_TYPE, Observer
from touchstone.deployment.gateway.openapi import make_document
from touchstone.noun import Noun


class Health(Noun):
    """Whether it lives, or is ready."""

    status: str
    """`ok`."""


class ModelRow(Noun):
    """A model that a key may ask."""

    id: str
    object: str = "model"
    created: int
    """Seconds since 1970."""
    owned_by: str


class ModelList(Noun):
    """The models that a key may ask."""

    object: str = "list"
    data: tuple[ModelRow, ...]


_OK = orjson.dumps({"status": "ok"})


def own_routes(
    *,
    observer: Observer,
    models: ListsModels,
    ready: Callable[[], bool],
    others: Sequence[Route] = (),
) -> tuple[Route, ...]:
    """
    The gateway's own routes, followed by all others.

    Args:
        models: Whom a key may ask.
        ready: Whether requests can be answered now; False while it starts and while it stops.
        others: The routes of the API; they stand in the document too.
    """
    document: list[bytes] = []

    async def healthz(_incoming: Incoming) -> Outgoing:
        return Outgoing(200, _OK)

    async def readyz(_incoming: Incoming) -> Outgoing:
        if not ready():
            raise GatewayError("not_ready")
        return Outgoing(200, _OK)

    async def metrics(_incoming: Incoming) -> Outgoing:
        return Outgoing(200, observer.exposition(), content_type=METRICS_TYPE)

    async def openapi(_incoming: Incoming) -> Outgoing:
        if not document:
            document.append(orjson.dumps(make_document(routes)))
        return Outgoing(200, document[0])

    async def all_models(incoming: Incoming) -> Outgoing:
        data = [_row(entry) for entry in models(_key(incoming))]
        return Outgoing(200, orjson.dumps({"object": "list", "data": data}))

    async def one_model(incoming: Incoming) -> Outgoing:
        for entry in models(_key(incoming)):
            if entry.id == incoming.values["model"]:
                return Outgoing(200, orjson.dumps(_row(entry)))
        raise GatewayError("model_not_found", param="model")

    routes: tuple[Route, ...] = (
        Route("GET", "/healthz", "open", healthz, "Whether the process answers.", reply=Health),
        Route("GET", "/readyz", "open", readyz, "Whether requests can be answered now.", reply=Health),
        Route(
            "GET", "/metrics", "metrics", metrics, "Metrics in the text format of Prometheus.",
            content_type="text/plain",
        ),
        Route("GET", "/openapi.json", "open", openapi, "This document."),
        Route("GET", "/v1/models", "infer", all_models, "The models that the key may ask.", reply=ModelList),
        Route("GET", "/v1/models/{model}", "infer", one_model, "One model that the key may ask.", reply=ModelRow),
        *others,
    )  # fmt: skip
    return routes


def _key(incoming: Incoming) -> Key:
    assert incoming.key is not None, "the route lets nobody in without a key"
    return incoming.key


def _row(entry: ModelEntry) -> dict[str, object]:
    return {"id": entry.id, "object": "model", "created": entry.created, "owned_by": entry.owned_by}
