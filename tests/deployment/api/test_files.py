"""Files that keys keep in the gateway: by the official client, by bytes, and up to their caps."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import openai
import pytest
import pytest_asyncio
from tests.deployment.api.house import House, Reply
from tests.deployment.api.kinds_house import client, open_kinds

from touchstone.deployment.gateway.api.files import PURPOSES
from touchstone.deployment.govern.files import FileLimits, StoredFile


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_kinds(tmp_path / "place") as found:
        yield found


def stored(house: House) -> set[str]:
    """Names in the folder of bytes."""
    return {place.name for place in (house.workspace.settings.workspace / "files").iterdir()}


async def post(house: House, body: bytes, content_type: str = "multipart/form-data; boundary=x") -> Reply:
    """A form as bytes."""
    headers = {**house.head(), "content-type": content_type}
    async with house.session.post(house.gateway.address + "/v1/files", data=io.BytesIO(body), headers=headers) as reply:
        return Reply(reply.status, reply.headers, await reply.read())


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    """One part of a form whose boundary is x."""
    more = b"" if filename is None else b'; filename="' + filename.encode() + b'"'
    return (
        b'--x\r\ncontent-disposition: form-data; name="' + name.encode() + b'"' + more + b"\r\n\r\n" + value + b"\r\n"
    )


END = b"--x--\r\n"
FILE = part("file", b"{}", "a.jsonl")
PURPOSE = part("purpose", b"batch")


async def test_the_official_client_keeps_files(house: House) -> None:
    """Uploaded, found, listed by age and purpose, page by page, read and deleted; bytes come back as they went."""
    content = os.urandom(3_000_000)
    async with client(house) as ask:
        made = await ask.files.create(file=("in ä.jsonl", content), purpose="batch")
        other = await ask.files.create(
            file=("b.txt", b"two"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
        )
        assert (made.filename, made.bytes, made.purpose, made.status) == ("in ä.jsonl", 3_000_000, "batch", "processed")
        assert other.expires_at == other.created_at + 3600
        assert await ask.files.retrieve(made.id) == made
        assert {one.id async for one in ask.files.list(limit=1)} == {made.id, other.id}
        assert [one.id async for one in ask.files.list(purpose="user_data", order="asc")] == [other.id]
        assert (await ask.files.content(made.id)).content == content
        assert (await ask.files.delete(made.id)).deleted
        with pytest.raises(openai.NotFoundError):
            await ask.files.content(made.id)
    assert len(stored(house)) == 1


async def test_bytes_lie_under_their_digest_whatever_their_owner_calls_them(house: House) -> None:
    """A name is a label: no part of it becomes a path (R15)."""
    for name in ("../../etc/passwd", "/etc/passwd", "C:\\boot.ini", "files"):
        assert (await post(house, part("file", b"same", name) + PURPOSE + END)).status == 200
    assert stored(house) == {"0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5"}
    files = (await house.session.get(house.gateway.address + "/v1/files", headers=house.head())).json()
    assert {one["filename"] for one in (await files)["data"]} == {
        "../../etc/passwd", "/etc/passwd", "boot.ini", "files",
    }  # fmt: skip


async def test_content_is_no_page_for_a_browser(house: House) -> None:
    """It comes as bytes to be saved, whatever it holds."""
    made = (await post(house, part("file", b"<script>", "a.html") + part("purpose", b"user_data") + END)).json
    place = house.gateway.address + f"/v1/files/{made['id']}/content"
    async with house.session.get(place, headers=house.head()) as reply:
        assert await reply.read() == b"<script>"
        assert reply.headers["content-type"] == "application/octet-stream"
        assert reply.headers["content-disposition"] == "attachment"
        assert reply.headers["x-content-type-options"] == "nosniff"


ENCODED = FILE.replace(b"\r\n\r\n", b"\r\ncontent-transfer-encoding: base64\r\n\r\n")
HEADED = FILE.replace(b"\r\n\r\n", b"\r\nx: " + b"y" * 9000 + b"\r\n\r\n")
SHORT = part("expires_after[anchor]", b"created_at") + part("expires_after[seconds]", b"1")

BAD = {
    "no file": (PURPOSE + END, "a file is missing"),
    "no purpose": (FILE + END, "write batch"),
    "another purpose": (FILE + part("purpose", b"batch_output") + END, "write batch"),
    "two purposes": (FILE + PURPOSE + PURPOSE + END, "it stands twice"),
    "two files": (FILE + FILE + PURPOSE + END, "send one file"),
    "a file of another name": (part("image", b"{}", "a") + PURPOSE + END, "send one file"),
    "an unknown field": (FILE + PURPOSE + part("colour", b"red") + END, "not known here"),
    "a long field": (FILE + part("purpose", b"x" * 70_000) + END, "more than 65536 bytes"),
    "many parts": (FILE + part("purpose", b"x") * 100 + END, "more than 64 parts"),
    "a long name": (part("file", b"{}", "a" * 300) + PURPOSE + END, "a name in the form"),
    "a name with a line end": (part("file", b"{}", "a\u2028b") + PURPOSE + END, "a name in the form"),
    "no end": (FILE + PURPOSE, "breaks off"),
    "no form": (b"hello", "cannot be read"),
    "a part without a name": (b"--x\r\n\r\n", "no name"),
    "an encoded part": (ENCODED + PURPOSE + END, "is encoded"),
    "a long header": (HEADED + PURPOSE + END, "cannot be read"),
    "no UTF-8": (FILE + part("purpose", b"\xff") + END, "no UTF-8"),
    "a short life": (FILE + PURPOSE + SHORT + END, "write 3600 to"),
}


async def test_a_form_that_cannot_be_read_leaves_nothing(house: House) -> None:
    """Each is refused with a code, and no draft stays in the folder."""
    for name, (body, words) in BAD.items():
        found = await post(house, body)
        assert found.status == 400, name
        assert words in found.json["error"]["message"], name
    assert (await post(house, FILE + PURPOSE + END, "multipart/form-data")).code == "invalid_value"
    assert (await post(house, FILE + PURPOSE + END, "multipart/form-data; boundary=" + "x" * 400)).status == 400
    assert (await post(house, b"{}", "application/json")).code == "unsupported_media_type"
    assert stored(house) == set()


async def test_an_upload_that_breaks_off_leaves_nothing(house: House) -> None:
    """Its draft goes with the connection."""

    async def pieces() -> AsyncIterator[bytes]:
        yield FILE[:-4] + b"x" * 2_000_000
        raise ConnectionResetError

    headers = {**house.head(), "content-type": "multipart/form-data; boundary=x"}
    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await house.session.post(house.gateway.address + "/v1/files", data=pieces(), headers=headers)
    for _ in range(1500):
        if not stored(house):
            break
        await asyncio.sleep(0.02)
    assert stored(house) == set()


async def test_a_file_is_as_large_as_it_may_be_and_no_larger(house: House) -> None:
    """Counted as it arrives: nothing is kept of one that is too large; so with how many there are, and all together."""
    files = house.api.background.files
    limits = FileLimits(file_bytes=2_500_000, project_bytes=3_000_000, project_files=3)
    files.limits = limits
    assert (await post(house, part("file", b"x" * 2_500_001, "a") + PURPOSE + END)).status == 413
    assert stored(house) == set()
    assert (await post(house, part("file", b"x" * 2_500_000, "a") + PURPOSE + END)).status == 200
    full = await post(house, part("file", b"y" * 600_000, "a") + PURPOSE + END)
    assert (full.status, full.code) == (403, "file_quota_exceeded")
    for _ in range(2):
        assert (await post(house, FILE + PURPOSE + END)).status == 200
    assert (await post(house, FILE + PURPOSE + END)).code == "file_quota_exceeded"
    assert len(stored(house)) == 2


async def test_files_on_their_way_count_as_well(house: House) -> None:
    """Many uploads at once do not pass what a project's files may have together; when they have ended there is room."""
    files = house.api.background.files
    files.limits = FileLimits(project_bytes=3_000_000)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield FILE[:-4] + b"x" * 2_500_000
        begun.set()
        await go_on.wait()
        raise ConnectionResetError

    headers = {**house.head(), "content-type": "multipart/form-data; boundary=x"}
    place = house.gateway.address + "/v1/files"
    first = asyncio.ensure_future(house.session.post(place, data=pieces(), headers=headers))
    await begun.wait()
    for _ in range(1500):
        if any(one.stat().st_size > 2_000_000 for one in (house.workspace.settings.workspace / "files").iterdir()):
            break
        await asyncio.sleep(0.02)
    second = part("file", b"y" * 1_200_000, "a") + PURPOSE + END
    assert (await post(house, second)).code == "file_quota_exceeded"
    go_on.set()
    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await first
    for _ in range(1500):
        if not stored(house):
            break
        await asyncio.sleep(0.02)
    assert (await post(house, second)).status == 200


async def test_a_file_whose_time_is_over_is_gone(house: House) -> None:
    """At once for whoever asks; its bytes with the next sweep."""
    files = house.api.background.files
    made = (await post(house, FILE + PURPOSE + END)).json
    now = files.clock()
    files.clock = lambda: now + 31 * 86_400
    place = house.gateway.address + f"/v1/files/{made['id']}"
    async with house.session.get(place, headers=house.head()) as reply:
        assert reply.status == 404
    assert stored(house)
    assert files.sweep() == 1
    assert stored(house) == set()


async def test_a_listing_names_what_is_wrong(house: House) -> None:
    """A limit, an order or a cursor that cannot be used is refused."""
    for query in ("limit=0", "limit=x", "limit=99999999999999999999", "order=up", "colour=red"):
        async with house.session.get(house.gateway.address + "/v1/files?" + query, headers=house.head()) as reply:
            assert reply.status == 400, query
    async with house.session.get(house.gateway.address + "/v1/files?after=file-x", headers=house.head()) as reply:
        assert reply.status == 404


def test_what_a_batch_leaves_cannot_be_claimed_by_a_client() -> None:
    """Its purpose is none that an upload may name; rows have every field of their table."""
    assert "batch_output" not in PURPOSES
    assert "digest" in StoredFile._fields
