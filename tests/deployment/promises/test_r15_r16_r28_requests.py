"""R15, R16, R28: no request names a path, brings an archive that is unpacked, or code that is run."""

from __future__ import annotations

import io
import os
import re
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.deployment.api.house import House, open_house
from tests.source import Called, source_of, sources
from yarl import URL

from touchstone.deployment.gateway.openapi import make_document
from touchstone.models.fake_server import FakeServer
from touchstone.retrieval.reading import ReadingChild, Unreadable

CANARY = "canary-of-a-file-5a1d"
HOSTILE = [
    "..", "../secret.txt", "..%2fsecret.txt", "%2e%2e%2fsecret.txt", "....//secret.txt", "/etc/passwd",
    "%2fetc%2fpasswd", "file-%00", "a\\..\\secret.txt", "..;/secret.txt", "~root", "CON", "a" * 300, "0" * 64,
    "draft-" + "0" * 32, ".",
    "file-../../secret", "%c0%ae%c0%ae/secret.txt", "link", "work-" + "0" * 64,
]  # fmt: skip


class Watched:
    """What this process did while somebody looked: files that were opened, processes that were started, code."""

    def __init__(self) -> None:
        self.on = False
        self.opened: list[str] = []
        self.did: list[str] = []

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """See `sys.addaudithook`."""
        if not self.on:
            return
        if event == "open":
            self.opened.append(str(arguments[0]))
        elif event.startswith(
            ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork")
        ) or event in ("exec", "compile"):
            self.did.append(event)
        elif event == "import" and arguments[0] not in sys.modules:
            self.did.append(f"import {arguments[0]}")


_watched = Watched()
_hooked: list[bool] = []


@contextmanager
def watching() -> Iterator[Watched]:
    """Look while the block lasts. A hook cannot be taken out again, so there is one, which looks when it is told to."""
    if not _hooked:
        sys.addaudithook(_watched.hear)
        _hooked.append(True)
    _watched.opened.clear()
    _watched.did.clear()
    _watched.on = True
    try:
        yield _watched
    finally:
        _watched.on = False


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    (tmp_path / "secret.txt").write_text(CANARY)
    async with open_house(tmp_path / "place") as found:
        (tmp_path / "place/files/link").symlink_to(tmp_path / "secret.txt")
        yield found


async def test_r15_no_id_is_a_path(house: House, tmp_path: Path) -> None:
    """By every route that names something, with every method, as a raw path: refused, and no such file is opened."""
    named = [route for route in house.gateway.door.routes if route.names]
    assert len(named) >= 6
    async with aiohttp.ClientSession() as session:
        for route in named:
            for value in HOSTILE:
                path = route.path.replace("{" + route.names[0] + "}", value)
                with watching() as seen:
                    async with session.request(
                        route.method, URL(house.gateway.address + path, encoded=True), headers=house.head()
                    ) as reply:
                        body = await reply.read()
                assert 400 <= reply.status < 500, (route.method, path)
                assert CANARY.encode() not in body
                outside = [name for name in seen.opened if "secret" in name or "passwd" in name or ".." in name]
                assert not outside, (path, outside)


async def test_r15_no_name_of_a_client_becomes_one_of_ours(house: House, tmp_path: Path) -> None:
    """What a client calls its file is a label: whatever it is, what lies on the disk is called by its digest."""
    for value in HOSTILE:
        form = aiohttp.FormData()
        form.add_field("purpose", "user_data")
        form.add_field("file", value.encode(), filename=value, content_type="text/plain")
        head = house.head()
        del head["content-type"]
        async with house.session.post(house.gateway.address + "/v1/files", data=form, headers=head) as reply:
            await reply.read()
            assert reply.status in (200, 400)
    lying = {path.name for path in (tmp_path / "place/files").iterdir()} - {"link"}
    assert lying
    assert all(re.fullmatch("[0-9a-f]{64}", name) for name in lying)
    assert {path.name for path in tmp_path.iterdir()} == {"secret.txt", "place"}


# Archives -------------------------------------------------------------------------------------------------------------

UNPACK = ("unpack_archive", ".extract", ".extractall", "tarfile.open", "tarfile.TarFile", "zipimport.zipimporter")


READS_HEADERS = "deployment/gateway/spans.py"
"""Extracts the ids of a trace from headers."""


def unpacks(call: Called) -> bool:
    """Whether a call puts an archive's members on the disk, or opens an archive that may."""
    return call.name.endswith(UNPACK)


def test_r16_no_archive_is_unpacked() -> None:
    """Nobody imports `tarfile`, nobody extracts; one reader looks at a document's sums before a library opens it."""
    zips = set()
    for source in sources("tarfile", "zip", "unpack", "extract", "shutil"):
        assert not {
            name for name in source.imports if name.partition(".")[0] in ("tarfile", "zipimport", "py7zr", "rarfile")
        }
        if source.name != READS_HEADERS:
            assert not [call.place for call in source.calls if unpacks(call)]
        zips |= {source.name for name in source.imports if name.partition(".")[0] == "zipfile"}
    assert zips <= {"retrieval/read_docx.py", "web/pages/tasks.py"}, "one looks at sums, one packs a download"
    for text in ("import tarfile\ntarfile.open(x)", "z.extractall(x)", "import shutil as s\ns.unpack_archive(x)"):
        assert any(unpacks(call) for call in source_of(text).calls)


def test_r16_a_document_with_paths_in_it_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members that climb out, absolute ones and links are read as the document that they are not."""
    monkeypatch.chdir(tmp_path)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("../../climbed.txt", "/tmp/absolute-5a1d.txt", "word/../../out.txt", "word/document.xml"):
            archive.writestr(name, "owned")
        link = zipfile.ZipInfo("word/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with ReadingChild() as child, pytest.raises(Unreadable):
        child.read("docx", packed.getvalue())
    assert list(tmp_path.iterdir()) == []
    assert not Path("/tmp/absolute-5a1d.txt").exists()


# Code -----------------------------------------------------------------------------------------------------------------

RUNS = {
    "command", "cmd", "code", "script", "source", "exec", "eval", "shell", "program", "executable", "module", "plugin",
    "entry_point", "import", "class", "callable", "function_body", "server", "server_url", "base_url", "webhook",
    "callback", "path", "folder", "template", "trust_remote_code", "env", "environment", "args", "argv", "hook",
    "pickle",
}  # fmt: skip
"""Names that a field would have by which a client has something run, loaded, rendered or asked."""


def fields_of(schema: Any, document: Any, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Names of all fields of a body, however deep."""
    if isinstance(schema, dict):
        ref = schema.get("$ref")
        if isinstance(ref, str):
            if ref not in seen:
                yield from fields_of(document["components"]["schemas"][ref.rpartition("/")[2]], document, seen | {ref})
            return
        yield from schema.get("properties", {})
        for inner in schema.values():
            yield from fields_of(inner, document, seen)
    elif isinstance(schema, list):
        for inner in schema:
            yield from fields_of(inner, document, seen)


async def test_r28_no_body_has_a_field_for_code(house: House) -> None:
    """Every body of the OpenAPI document, walked to its leaves."""
    document = make_document(house.gateway.door.routes)
    walked = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                walked += 1
                found = set(fields_of(content["schema"], document))
                assert not found & RUNS, (method, path, found & RUNS)
    assert walked >= 9


BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "/v1/completions": {"prompt": "x"},
    "/v1/responses": {"input": "x"},
    "/v1/embeddings": {"input": "x"},
    "/v1/images/generations": {"prompt": "x"},
    "/v1/moderations": {"input": "x"},
    "/v1/rerank": {"query": "x", "documents": ["x"]},
    "/v1/batches": {"input_file_id": "x", "endpoint": "/v1/chat/completions", "completion_window": "24h"},
}
"""A body that each route takes, but for the provider here, which only chats."""
CODE = {
    "code": "__import__('os').system('touch owned')",
    "command": ["touch", "owned"],
    "base_url": "http://127.0.0.1:1/v1",
    "plugin": "os:system",
    "template": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "server_url": "http://127.0.0.1:1/mcp",
    "trust_remote_code": True,
    "path": "/etc/passwd",
}


async def test_r28_nothing_that_a_body_describes_is_run(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To every route that reads JSON: what it takes is taken, with such a field it is refused, and nothing was run."""
    monkeypatch.chdir(tmp_path)
    async with FakeServer() as server:
        await house.deploy("all", server)
        read = {route.path for route in house.gateway.door.routes if route.method == "POST" and route.media == "json"}
        assert read == set(BODIES)
        for path, body in BODIES.items():
            whole = body if path == "/v1/batches" else {"model": "all", **body}
            without = await house.ask(whole, path)
            # What is imported for the first request is imported now. Without the field, the body itself is no mistake.
            assert path == "/v1/batches" or without.status in (200, 400, 502)
            assert without.status == 200 or without.json["error"]["code"] in ("upstream_rejected", "file_not_found")
            for name, value in CODE.items():
                with watching() as seen:
                    reply = await house.ask({**whole, name: value}, path)
                assert not [did for did in seen.did if not did.startswith(("import", "compile"))], (path, name)
                assert reply.status == 400, (path, name)
                assert reply.code in ("invalid_value", "unknown_parameter"), (path, name)
    assert not (tmp_path / "owned").exists()


TOOLS = [
    {"type": "mcp", "server_label": "x", "server_url": "http://127.0.0.1:1/mcp", "require_approval": "never"},
    {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "local_shell"},
    {"type": "web_search"},
    {"type": "computer_use_preview", "display_width": 1, "display_height": 1, "environment": "linux"},
]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: str(tool["type"]))
async def test_r28_tools_that_run_elsewhere_are_refused(house: House, tool: dict[str, Any]) -> None:
    """A client cannot name a server or a machine that is to run something; functions are the client's own."""
    async with FakeServer() as server:
        await house.deploy("all", server)
        reply = await house.ask({"model": "all", "input": "x", "tools": [tool]}, "/v1/responses")
        assert reply.status == 400
        assert server.requests == 0


async def test_r28_what_a_model_wants_called_is_not_called(house: House, tmp_path: Path) -> None:
    """A call of a tool in a reply is passed on as text; nobody here has tools."""
    call = {"id": "c", "type": "function", "function": {"name": "os.system", "arguments": '{"cmd": "touch owned"}'}}
    turns = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
        {"role": "user", "content": "and now?"},
    ]
    async with FakeServer() as server:
        await house.deploy("all", server)
        await house.chat("all")
        with watching() as seen:
            reply = await house.chat("all", messages=turns)
        assert reply.status == 200
        assert not [did for did in seen.did if not did.startswith(("import", "compile"))]
    assert not (tmp_path / "owned").exists()


def test_r28_the_lint_sees_what_it_looks_for() -> None:
    """A field for code in a nested schema is found; so is what a hook hears."""
    document = {"components": {"schemas": {"A": {"properties": {"code": {}, "b": {"$ref": "#/x/A"}}}}}}
    assert "code" in set(fields_of({"items": [{"$ref": "#/x/A"}]}, document))
    with watching() as seen:
        os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", ""], {})
        os.wait()
    assert seen.did
