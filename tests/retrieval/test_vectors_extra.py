"""The stores that other libraries bring: they sit the same exam, and their failures are errors of ours."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.retrieval.store_exam import StoreExam

from touchstone.errors import SettingsError, StoreError
from touchstone.retrieval.base import VectorStore


class TestLanceStore(StoreExam):
    """LanceDB in a folder."""

    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("lancedb", reason="the extra 'lancedb' is not installed")

    def open(self, folder: Path, name: str, dimensions: int) -> VectorStore:
        from touchstone.retrieval.vectors_lancedb import LanceStore

        return LanceStore(folder, name, dimensions)

    def test_many_rows_are_indexed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """From the limit on an approximate index answers, and still finds the nearest of well parted vectors."""
        from touchstone.retrieval import vectors_lancedb

        monkeypatch.setattr(vectors_lancedb, "INDEXED_FROM", 1_000)
        monkeypatch.setattr(vectors_lancedb, "_PARTITIONS", 4)
        rng = np.random.default_rng(0)
        vectors = rng.normal(size=(1_200, 8)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        ids = [f"{number:032x}" for number in range(1_200)]
        store = self.open(tmp_path, "many", 8)
        store.add(ids, vectors)
        store.persist()
        assert store._indexed  # type: ignore[attr-defined]
        assert [store.search(vectors[row], 1)[0][0] for row in range(5)] == ids[:5]


class TestQdrantStore(StoreExam):
    """Qdrant's own in-memory mode, which speaks the client's interface without a server."""

    @pytest.fixture(autouse=True)
    def client(self) -> Iterator[None]:
        qdrant_client = pytest.importorskip("qdrant_client", reason="the extra 'qdrant' is not installed")
        self._client = qdrant_client.QdrantClient(":memory:")
        yield
        self._client.close()

    def open(self, folder: Path, name: str, dimensions: int) -> VectorStore:
        from touchstone.retrieval.vectors_qdrant import QdrantStore

        return QdrantStore(folder, name, dimensions, client=self._client)


class Server(BaseHTTPRequestHandler):
    """Answers as a Qdrant server would to the few requests of the test, and notes what it was sent."""

    heard: list[tuple[str, str, str | None]]

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.heard.append((self.command, self.path, self.headers.get("api-key")))
        if self.path.endswith("/exists"):
            status, result = 200, {"result": {"exists": False}, "status": "ok", "time": 0.0}
        elif self.command == "PUT" and "/points" not in self.path:
            status, result = 200, {"result": True, "status": "ok", "time": 0.0}
        else:
            status, result = 500, {"status": {"error": "secret detail"}, "time": 0.0}
        body = json.dumps(result).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - names of the library's

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Server.heard = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_qdrant_over_the_wire(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    """The key goes to the address that was named, and a failure of the server is an error without its words."""
    pytest.importorskip("qdrant_client")
    from touchstone.retrieval.vectors_qdrant import QdrantStore

    url = f"http://127.0.0.1:{server.server_port}"
    store = QdrantStore(tmp_path, "x", 3, url=url, api_key="key-1")
    with pytest.raises(StoreError, match="does not do upsert") as caught:
        store.add(["0" * 32], np.ones((1, 3), np.float32))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    store.close()
    assert [(method, path.split("?")[0]) for method, path, _ in Server.heard] == [
        ("GET", "/collections/touchstone-x/exists"),
        ("PUT", "/collections/touchstone-x"),
        ("PUT", "/collections/touchstone-x/points"),
    ]
    assert {key for _, _, key in Server.heard} == {"key-1"}


def test_qdrant_that_is_not_there(tmp_path: Path) -> None:
    """No server at the address is an error that says where to look."""
    pytest.importorskip("qdrant_client")
    from touchstone.retrieval.vectors_qdrant import QdrantStore

    with pytest.raises(StoreError, match="look at its address"):
        QdrantStore(tmp_path, "x", 3, url="http://127.0.0.1:9")


@pytest.mark.parametrize(
    "url", ["", "ftp://host", "http://far.example:6333", "https://user:pass@host", "https://", "http://[::1", "x"]
)
def test_qdrant_addresses_that_are_refused(tmp_path: Path, url: str) -> None:
    """Nothing unencrypted to another machine, and no password in an address; the address itself is not repeated."""
    pytest.importorskip("qdrant_client")
    from touchstone.retrieval.vectors_qdrant import QdrantStore

    with pytest.raises(SettingsError, match="https://HOST:PORT") as caught:
        QdrantStore(tmp_path, "x", 3, url=url)
    assert "pass" not in str(caught.value)
