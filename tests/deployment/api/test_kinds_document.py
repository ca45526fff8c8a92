"""The routes of files, batches and kinds in the document of the API, and what every one of them has in common."""

from __future__ import annotations

from pathlib import Path

from tests.deployment.api.kinds_house import open_kinds

from touchstone.deployment.gateway.api.batch_runner import batched
from touchstone.deployment.gateway.openapi import make_document

OURS = (
    "/v1/embeddings", "/v1/images/generations", "/v1/audio/transcriptions", "/v1/moderations", "/v1/rerank",
    "/v1/files", "/v1/files/{file}", "/v1/files/{file}/content", "/v1/batches", "/v1/batches/{batch}",
    "/v1/batches/{batch}/cancel",
)  # fmt: skip


async def test_every_route_is_written_down_with_its_key_and_its_body(tmp_path: Path) -> None:
    """A scope for each, a schema for each body, an upload as a form with a file."""
    async with open_kinds(tmp_path / "place") as house:
        document = make_document(house.api.routes)
        routes = {(route.method, route.path): route for route in house.api.routes if route.path in OURS}
    for path in OURS:
        for method, operation in document["paths"][path].items():
            route = routes[method.upper(), path]
            assert operation["security"] == [{"key": []}]
            assert route.access == ("files" if "files" in path or "batches" in path else "infer")
            assert ("requestBody" in operation) is (route.media is not None)
    form = document["components"]["schemas"]["TranscriptionBody"]["properties"]
    assert form["file"]["format"] == "binary"
    assert "multipart/form-data" in document["paths"]["/v1/files"]["post"]["requestBody"]["content"]
    names = [route.path for route in batched(house.api.routes)]
    assert "/v1/audio/transcriptions" not in names
    assert {"/v1/chat/completions", "/v1/embeddings", "/v1/responses", "/v1/rerank"} <= set(names)
    assert not any(name.startswith(("/v1/files", "/v1/batches")) for name in names)


async def test_a_body_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    """A list, a text, nothing: by a code, never by a failure of ours."""
    async with open_kinds(tmp_path / "place") as house:
        for route in house.api.routes:
            if route.path not in OURS or route.media != "json":
                continue
            for body in (b"[]", b'"x"', b"null", b"", b'{"model": 7}', b'{"model": null, "input_file_id": 7}'):
                place = house.gateway.address + route.path
                async with house.session.post(place, data=body, headers=house.head()) as reply:
                    assert reply.status in (400, 404), (route.path, body, await reply.read())
