"""Vectors on a Qdrant server."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from touchstone.errors import ExtraMissing, SettingsError, StoreError
from touchstone.language import N_
from touchstone.retrieval.base import Vectors

_AT_ONCE = 1_000
TIMEOUT_S = 30


class QdrantStore:
    """
    A collection on a server. Passage ids are written as UUIDs of the same 128 bits, which are what a server takes.

    Args:
        folder: Of the index; nothing is written there.
        name: Of the collection.
        dimensions: Of every vector.
        url: Of the server: https, or http on this machine.
        api_key: Sent to that server alone; None for one that asks for none.
        client: A client instead of an address: the library's own in-memory one in tests.

    Raises:
        ExtraMissing: qdrant-client is not installed.
        SettingsError: the address is no address of a server.
        StoreError: the server does not answer, or answers with an error.
    """

    name = "qdrant"

    def __init__(
        self,
        folder: Path,
        name: str,
        dimensions: int,
        *,
        url: str = "",
        api_key: str | None = None,
        client: Any = None,
    ) -> None:
        try:
            from qdrant_client import models
        except ImportError as error:
            raise ExtraMissing(feature=N_("the vector store qdrant"), extra="qdrant") from error
        self._models = models
        self._owned = client is None
        self._client = client or _connected(url, api_key)
        self._collection = f"touchstone-{name}"
        if not self._call("collection_exists", self._collection):
            self._call(
                "create_collection",
                self._collection,
                vectors_config=models.VectorParams(size=dimensions, distance=models.Distance.DOT),
            )
        self._ids: set[str] | None = None

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Keep one vector for each id; returns when the server has written them."""
        for start in range(0, len(ids), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            points = [
                self._models.PointStruct(id=str(uuid.UUID(one)), vector=vector.tolist())
                for one, vector in zip(ids[some], vectors[some], strict=True)
            ]
            self._call("upsert", self._collection, points=points, wait=True)
        self._known().update(ids)

    def remove(self, ids: Collection[str]) -> None:
        """Forget these."""
        gone = [one for one in ids if one in self._known()]
        for start in range(0, len(gone), _AT_ONCE):
            some = [str(uuid.UUID(one)) for one in gone[start : start + _AT_ONCE]]
            self._call("delete", self._collection, points_selector=self._models.PointIdsList(points=some), wait=True)
        self._known().difference_update(gone)

    def search(self, vector: NDArray[np.float32], k: int) -> list[tuple[str, float]]:
        """The `k` nearest, as nearly as the server's index finds them; ties by id."""
        query = np.asarray(vector, np.float32).tolist()
        found = self._call("query_points", self._collection, query=query, limit=k)
        pairs = [(uuid.UUID(str(point.id)).hex, float(point.score)) for point in found.points]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    def ids(self) -> Collection[str]:
        """Every id that is kept."""
        return self._known()

    def persist(self) -> None:
        """Every change was waited for."""

    def drop(self) -> None:
        """Delete the collection."""
        self._call("delete_collection", self._collection)

    def close(self) -> None:
        """End the connection, if it is ours."""
        if self._owned:
            self._client.close()

    def _known(self) -> set[str]:
        if self._ids is None:
            self._ids = set()
            place = None
            while True:
                points, place = self._call(
                    "scroll", self._collection, limit=10_000, offset=place, with_payload=False, with_vectors=False
                )
                self._ids.update(uuid.UUID(str(point.id)).hex for point in points)
                if place is None:
                    break
        return self._ids

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        from qdrant_client.http.exceptions import ApiException

        try:
            return getattr(self._client, name)(*arguments, **named)
        except (ApiException, OSError) as error:
            # Their texts may hold the address with whatever was written into it; the kind is enough to go by.
            raise StoreError(
                "the vector server does not do {deed} ({kind}); look at its address, its key and its log",
                deed=name,
                kind=type(error).__name__,
            ) from None


def _connected(url: str, api_key: str | None) -> Any:
    from urllib.parse import urlsplit

    from qdrant_client import QdrantClient

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    local = host in ("localhost", "127.0.0.1", "::1")
    if not host or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not local) or parts.username:
        raise SettingsError(
            "the address of the vector server cannot be used; write https://HOST:PORT, or http://localhost:PORT, and "
            "give the key apart from it"
        )
    shown = f"[{host}]" if ":" in host else host
    default = 443 if parts.scheme == "https" else 6333
    with warnings.catch_warnings():
        # Of a key sent without TLS: it goes nowhere but to this machine, or the address was refused above.
        warnings.simplefilter("ignore", UserWarning)
        return QdrantClient(
            url=f"{parts.scheme}://{shown}:{port or default}{parts.path.rstrip('/')}",
            api_key=api_key,
            timeout=TIMEOUT_S,
            # It would ask the server for its version when it is made, and warn where there is none.
            check_compatibility=False,
            trust_env=False,
            follow_redirects=False,
        )
