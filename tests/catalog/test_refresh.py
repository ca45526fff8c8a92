"""What all five sources promise: good answers are kept as text, bad ones change nothing, nobody writes elsewhere."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.catalog import replay
from tests.catalog.replay import Answering, Page, Replay, as_json, dripping, endless, many, redirect
from tests.faults.child import SMALL_PARENT

from touchstone.catalog.outbound import Limits
from touchstone.catalog.refresh import Refreshed, door_for, refresh, shelf_of, take
from touchstone.catalog.source_base import MAX_ENTRIES, MAX_ID, MAX_REST_BYTES, Copy, Source
from touchstone.catalog.source_failed import SourceFailed
from touchstone.catalog.source_hugging_face import HuggingFace
from touchstone.catalog.source_modelsdev import ModelsDev
from touchstone.catalog.source_ollama import Ollama
from touchstone.catalog.source_openrouter import OpenRouter
from touchstone.catalog.source_store import Shelf
from touchstone.catalog.source_v1_models import V1Models
from touchstone.errors import SettingsError

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)
QUICK = Limits(connect_s=2, idle_s=2, total_s=8)


@dataclass(frozen=True)
class Case:
    """One of the five sources, with a server for it."""

    made: Callable[[str, int], Source]
    """The source at an address, with a number of models to ask for."""
    good: Callable[[int], dict[str, Answering]]
    path: str
    """Where its list is."""
    listing: Callable[[list[tuple[Any, Any]]], Any]
    """A list with these ids and entries."""
    entry: Callable[[], dict[str, Any]]
    head: bytes = b""
    small: Callable[[int], bytes] = lambda place: b'{"id":"m%d"}' % place
    tail: bytes = b"]}"


def _named(rows: list[tuple[Any, Any]], key: str) -> list[Any]:
    return [entry | {key: name} if isinstance(entry, dict) else entry for name, entry in rows]


CASES = {
    "models-dev": Case(
        lambda url, _: ModelsDev(url, named=True),
        replay.models_dev,
        "/api.json",
        lambda rows: {"inkwell": {"models": {str(name): entry for name, entry in rows}}},
        replay.models_dev_entry,
        b'{"p":{"models":{',
        lambda place: b'"m%d":{}' % place,
        b"}}}",
    ),
    "openrouter": Case(
        lambda url, _: OpenRouter(url, named=True),
        replay.openrouter,
        "/models",
        lambda rows: {"data": _named(rows, "id")},
        replay.openrouter_entry,
        b'{"data":[',
    ),
    "hugging-face": Case(
        lambda url, count: HuggingFace([f"Inkwell/Quill-{place}" for place in range(count)], url, named=True),
        replay.hugging_face,
        "/api/models/Inkwell/Quill-0",
        lambda rows: rows[0][1],
        replay.hugging_face_entry,
    ),
    "v1": Case(
        lambda url, _: V1Models(f"{url}/v1", provider="ours"),
        replay.v1_models,
        "/v1/models",
        lambda rows: {"object": "list", "data": _named(rows, "id")},
        lambda: {"id": "x", "object": "model", "owned_by": "vllm"},
        b'{"data":[',
    ),
    "ollama": Case(
        lambda url, _: Ollama(url),
        replay.ollama,
        "/api/tags",
        lambda rows: {"models": _named(rows, "name")},
        replay.ollama_tag,
        b'{"models":[',
        lambda place: b'{"name":"m%d"}' % place,
    ),
}
LISTS = {name: case for name, case in CASES.items() if name != "hugging-face"}
five = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
four = pytest.mark.parametrize("case", LISTS.values(), ids=LISTS)


async def ask(
    case: Case, server: Replay, shelf: Shelf, *, count: int = 6, limits: Limits = QUICK, now: datetime = NOW
) -> Refreshed:
    """Ask the source that a server plays."""
    source = case.made(server.url, count)
    return await refresh(source, shelf, door_for([source], limits=limits), now)


async def with_a_copy(case: Case, server: Replay, shelf: Shelf) -> Copy:
    """Take a full, good answer first."""
    server.pages |= case.good(6)
    found = await ask(case, server, shelf)
    assert found.failed is None
    assert found.new is not None
    take(found, shelf)
    server.pages.clear()
    server.asked.clear()
    return found.new


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A workspace's copies."""
    return shelf_of(tmp_path / "workspace")


def files_of(folder: Path) -> set[str]:
    """Every file under a folder."""
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir()}


# --- A good answer --------------------------------------------------------------------------------------------------


@five
async def test_a_full_answer_is_kept(case: Case, shelf: Shelf, tmp_path: Path) -> None:
    """Asking stores nothing; taking stores one file, which reads back as what was heard, with source and date."""
    async with Replay(case.good(6)) as server:
        found = await ask(case, server, shelf)
    assert found.new is not None
    assert (len(found.new.entries), found.new.skipped_count, found.doubt, found.old) == (6, 0, None, None)
    assert len(found.difference.added) == 6
    assert files_of(tmp_path) == set()

    take(found, shelf)
    assert files_of(tmp_path) == {f"workspace/catalog/sources/{found.source}.json"}
    assert shelf.read(found.source).copy == found.new
    assert shelf.sources() == (found.source,)
    assert json.loads((shelf.folder / f"{found.source}.json").read_text("utf-8"))["copy"]["url"].startswith(server.url)
    for entry in found.new.entries:
        assert (entry.source, entry.fetched_at) == (found.source, "2026-11-27T08:00:00+00:00")


@five
async def test_the_same_answer_changes_nothing(case: Case, shelf: Shelf) -> None:
    """Asked again, a source that says the same has no difference; the date is the new one."""
    async with Replay(case.good(6)) as server:
        take(await ask(case, server, shelf), shelf)
        again = await ask(case, server, shelf, now=LATER)
    assert again.new is not None
    assert again.difference.is_empty
    assert again.new.fetched_at.startswith("2026-11-28")


@pytest.mark.parametrize("case", [LISTS["models-dev"], LISTS["openrouter"], LISTS["v1"]])
async def test_nothing_new_keeps_the_copy(case: Case, shelf: Shelf) -> None:
    """A source that knows our copy says 304; the copy stays byte for byte."""
    pages = case.good(6)
    page = pages[case.path]
    assert isinstance(page, Page)
    async with Replay({case.path: replace(page, etag='"v1"')}) as server:
        place = take(await ask(case, server, shelf), shelf)
        assert place is not None
        before = place.read_bytes()
        again = await ask(case, server, shelf, now=LATER)
        assert again.is_unchanged
        assert take(again, shelf) is None
        assert server.asked[-1].headers["if-none-match"] == '"v1"'
    assert place.read_bytes() == before


# --- A bad answer ---------------------------------------------------------------------------------------------------


async def nothing_was_taken(found: Refreshed, old: Copy, shelf: Shelf, before: set[str], tmp_path: Path) -> None:
    """The source failed, the old copy is there and nothing else is."""
    assert isinstance(found.failed, SourceFailed)
    assert found.new is None
    assert take(found, shelf, accept=True) is None
    assert shelf.read(old.source).copy == old
    assert files_of(tmp_path) == before


def _bad(case: Case) -> dict[str, Page]:
    good = case.good(6)[case.path]
    assert isinstance(good, Page)
    deep: Any = {}
    for _ in range(70):
        deep = {"a": deep}
    return {
        "cut": Page(good.body[: len(good.body) // 2]),
        "breaks off": Page(headers={"Content-Length": "99999"}, parts=lambda: iter([good.body])),
        "slow": dripping(good.body),
        "endless": endless(),
        "redirect": redirect("https://elsewhere.example/list"),
        "redirect inside": redirect("http://169.254.169.254/latest/meta-data"),
        "web page": Page(b"<html>hello</html>", kind="text/html"),
        "down": Page(b"oops", status=503),
        "NaN": Page(
            good.body.replace(b'"id"', b'"nan": NaN, "id"', 1).replace(b'"models": [', b'"x": NaN, "models": [', 1)
        ),
        "deep": as_json(case.listing([("deep", case.entry() | {"deep": deep})])),
        "bomb": replay.bomb(8 << 20),
        "other shape": as_json("hello"),
        "nothing": as_json({}),
        "null": as_json(None),
        "number": as_json(7),
    }


@pytest.mark.parametrize("kind", _bad(CASES["v1"]))
@five
async def test_a_bad_answer_changes_nothing(case: Case, kind: str, shelf: Shelf, tmp_path: Path) -> None:
    """Cut, slow, endless, elsewhere, deep, packed or of another shape: it fails in time and the old copy stays."""
    limits = replace(QUICK, total_s=0.5, max_bytes=4 << 20)
    start = time.monotonic()
    async with Replay({}) as server:
        old = await with_a_copy(case, server, shelf)
        before = files_of(tmp_path)
        server.pages[case.path] = _bad(case)[kind]
        found = await ask(case, server, shelf, count=1, limits=limits, now=LATER)
        if case is CASES["hugging-face"] and found.failed is None:
            # The Hub is asked one repository at a time: the one that failed keeps what is known of it.
            assert found.new is not None
            assert found.new.skipped_count == 1
            assert {entry.key: entry for entry in found.new.entries} == {entry.key: entry for entry in old.entries}
            assert files_of(tmp_path) == before
        else:
            await nothing_was_taken(found, old, shelf, before, tmp_path)
    assert time.monotonic() - start < 6


@five
async def test_nobody_there(case: Case, shelf: Shelf, tmp_path: Path) -> None:
    """A server that is gone leaves the old copy."""
    async with Replay({}) as server:
        old = await with_a_copy(case, server, shelf)
        before = files_of(tmp_path)
    await nothing_was_taken(await ask(case, server, shelf), old, shelf, before, tmp_path)


@five
async def test_a_partial_answer_needs_the_users_word(case: Case, shelf: Shelf) -> None:
    """Fewer than half of what was there is not taken unless the user insists; then the old one is kept beside it."""
    async with Replay({}) as server:
        old = await with_a_copy(case, server, shelf)
        server.pages = case.good(2)
        found = await ask(case, server, shelf, now=LATER)
    assert found.new is not None
    assert len(found.new.entries) == 2
    assert len(found.difference.removed) == 4
    assert isinstance(found.doubt, SourceFailed)
    with pytest.raises(SourceFailed, match="--force"):
        take(found, shelf)
    assert shelf.read(found.source).copy == old
    take(found, shelf, accept=True)
    assert shelf.read(found.source).copy == found.new
    (shelf.folder / f"{found.source}.json").unlink()
    assert shelf.read(found.source).copy == old


@four
async def test_an_answer_that_is_mostly_rubbish_needs_the_users_word(case: Case, shelf: Shelf) -> None:
    """More entries left out than kept is a doubt as well."""
    rows: list[tuple[Any, Any]] = [("good", case.entry()), *((f"bad{place}", 7) for place in range(3))]
    async with Replay({case.path: as_json(case.listing(rows))}) as server:
        found = await ask(case, server, shelf)
    assert found.new is not None
    assert (len(found.new.entries), found.new.skipped_count) == (1, 3)
    assert found.doubt is not None


# --- A hostile answer -----------------------------------------------------------------------------------------------

SCRIPT = "<script>alert(1)</script>"
ODD_IDS = [
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\windows\\system32",
        "..",
        "a/../../b",
        "CON",
        "x\x00y",
        "\x1b[2J\x1b]0;x\x07",
    ),
    *("\u202egpj.exe", "{0.__class__}", "%s%n", "${jndi:ldap://x}", "'; DROP TABLE models;--", SCRIPT, "=1+1", "名字"),
]


@four
async def test_odd_names_are_text(case: Case, shelf: Shelf, tmp_path: Path) -> None:
    """Path names, scripts, control and direction signs are kept as they came, and none of them names a file."""
    rows = [(name, case.entry() | {"description": SCRIPT, "name": SCRIPT}) for name in ODD_IDS]
    async with Replay({case.path: as_json(case.listing(rows))}) as server:
        found = await ask(case, server, shelf)
    take(found, shelf)
    kept = shelf.read(found.source).copy
    assert kept is not None
    assert kept == found.new
    assert [entry.id for entry in kept.entries] == ODD_IDS
    assert all(SCRIPT in entry.rest for entry in kept.entries)
    assert files_of(tmp_path) == {f"workspace/catalog/sources/{found.source}.json"}


async def test_a_hostile_card_is_text(shelf: Shelf, tmp_path: Path) -> None:
    """Of the Hub: scripts in a card and in metadata are kept as text; file names that lead elsewhere are not asked."""
    repository = "Inkwell/Quill-0"
    files = [".eval_results/../../../etc/passwd", ".eval_results/a/b.yaml", "../README.md", ".eval_results/\x00.yaml"]
    entry = replay.hugging_face_entry(
        repository,
        author=SCRIPT,
        siblings=[{"rfilename": "README.md"}, *({"rfilename": name} for name in files), {"rfilename": 7}, "x"],
        cardData={"license": SCRIPT, "language": [SCRIPT, 7], "base_model": ["../../etc/passwd"]},
        readme={"not": "ours"},
        __class__="x",
        constructor="y",
    )
    card = f"# {SCRIPT}\n\x1b[31m![x](https://track.example/1.png)"
    pages: dict[str, Answering] = {
        f"/api/models/{repository}": as_json(entry),
        f"/{repository}/raw/main/README.md": Page(card.encode() + b"\xff", kind="text/plain"),
    }
    async with Replay(pages) as server:
        found = await ask(CASES["hugging-face"], server, shelf, count=1)
        assert {asked.path for asked in server.asked} == set(pages)
    take(found, shelf)
    assert found.new is not None
    [kept] = found.new.entries
    rest = json.loads(kept.rest)
    assert rest["readme"] == card + "\ufffd"
    assert rest["author"] == SCRIPT
    assert kept.facts["licence"] == SCRIPT
    assert "languages" not in kept.facts
    assert files_of(tmp_path) == {"workspace/catalog/sources/hugging-face.json"}


@pytest.mark.parametrize("repository", ["../x/y", "x", "a/b/c", "a/..", "a/b?x=1", "a/b#c", "/a/b", "a/b ", "", "-a/b"])
def test_a_repository_is_not_a_path(repository: str) -> None:
    """What is no owner/name is never put into an address."""
    with pytest.raises(SettingsError, match="owner/name"):
        HuggingFace([repository])


@four
async def test_wrong_types_are_left_out_or_not_understood(case: Case, shelf: Shelf) -> None:
    """An entry that is no object is counted and left out; a field of another type stays what it was, and no fact."""
    strange = {key: [{"?": [1]}] for key in case.entry()}
    negative = dict.fromkeys(case.entry(), -1)
    rows: list[tuple[Any, Any]] = [
        *(("good", case.entry()), ("strange", strange), ("negative", negative), ("list", []), ("text", "x")),
        *(("null", None), ("x" * (MAX_ID + 1), case.entry()), ("wide", {f"k{place}": 1 for place in range(300)})),
    ]
    async with Replay({case.path: as_json(case.listing(rows))}) as server:
        found = await ask(case, server, shelf)
    assert found.new is not None
    kept = {entry.id: entry for entry in found.new.entries}
    assert set(kept) == {"good", "strange", "negative"}
    assert {skipped.reason for skipped in found.new.skipped} == {"no_object", "long_id", "many_fields"}
    assert found.new.skipped_count == 5
    shown = {"tools", "reasoning", "input_modalities", "parameters", "context_tokens"}  # of Ollama's second answer
    assert set(kept["strange"].facts) <= shown
    assert kept["strange"].rates == ()
    assert set(strange) - {"id", "name"} <= set(json.loads(kept["strange"].rest))


@pytest.mark.parametrize("case", [CASES["openrouter"], CASES["v1"], CASES["ollama"]])
async def test_an_id_that_comes_twice(case: Case, shelf: Shelf) -> None:
    """The first counts, the other is left out and counted."""
    rows = [("twin", case.entry() | {"mark": 1}), ("twin", case.entry() | {"mark": 2}), ("other", case.entry())]
    async with Replay({case.path: as_json(case.listing(rows))}) as server:
        found = await ask(case, server, shelf)
    assert found.new is not None
    assert [entry.id for entry in found.new.entries] == ["twin", "other"]
    assert json.loads(found.new.entries[0].rest)["mark"] == 1
    assert found.new.skipped[0].reason == "twice"


@five
async def test_huge_texts_are_left_out_by_name(case: Case, shelf: Shelf) -> None:
    """A field too large to keep is named; the entry and its facts stay."""
    huge = case.entry() | {"essay": "x" * (2 << 20), "short": "y"}
    async with Replay({**case.good(1), case.path: as_json(case.listing([("big", huge)]))}) as server:
        found = await ask(case, server, shelf, count=1)
    assert found.new is not None
    [entry] = found.new.entries
    assert entry.left_out == ("essay",)
    assert '"short":"y"' in entry.rest
    assert case is CASES["hugging-face"] or len(entry.rest) <= MAX_REST_BYTES


@four
async def test_a_million_entries_are_refused(case: Case, shelf: Shelf, tmp_path: Path) -> None:
    """More than is read is refused with the limit named, and the old copy stays."""
    async with Replay({}) as server:
        old = await with_a_copy(case, server, shelf)
        before = files_of(tmp_path)
        server.pages[case.path] = many(case.head, case.small, case.tail, 1_000_000)
        found = await ask(case, server, shelf, limits=replace(QUICK, total_s=60))
    await nothing_was_taken(found, old, shelf, before, tmp_path)
    assert "more than the" in str(found.failed) or "larger than the" in str(found.failed)


async def test_more_entries_than_are_read(shelf: Shelf) -> None:
    """The limit on entries holds where those on bytes and values do not."""
    case = CASES["v1"]
    async with Replay({case.path: many(case.head, case.small, case.tail, MAX_ENTRIES + 1)}) as server:
        found = await ask(case, server, shelf, limits=replace(QUICK, total_s=60))
    assert f"more than the {MAX_ENTRIES} entries" in str(found.failed)


async def test_a_million_entries_take_little_memory(tmp_path: Path) -> None:
    """The largest answers that are let in, and those that are not, stay under 400 MiB in a process of their own."""
    case = CASES["openrouter"]
    fat = json.dumps({"a": [1, 2, 3], "b": {"c": "d" * 40}, "name": "x" * 100}).encode()[1:]
    pages = {
        "/refused/models": many(case.head, case.small, case.tail, 1_000_000),
        "/taken/models": many(case.head, lambda place: b'{"id":"m%d",' % place + fat, case.tail, MAX_ENTRIES),
    }
    program = (
        "import asyncio, sys\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from touchstone.catalog.refresh import door_for, refresh, shelf_of, take\n"
        "from touchstone.catalog.source_openrouter import OpenRouter\n"
        "shelf = shelf_of(Path(sys.argv[2]))\n"
        "for path in ('refused', 'taken'):\n"
        "    source = OpenRouter(f'{sys.argv[1]}/{path}', named=True)\n"
        "    found = asyncio.run(refresh(source, shelf, door_for([source]), datetime.now(UTC)))\n"
        "    print('failed' if found.failed else len(found.new.entries))\n"
        "    take(found, shelf)\n"
    )
    async with Replay(pages) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-S", "-c", SMALL_PARENT, str(tmp_path / "peak.txt")),
            *(sys.executable, "-c", program, server.url, str(tmp_path)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, complaint = await process.communicate()
    assert (out or complaint).decode().split() == ["failed", str(MAX_ENTRIES)]
    peak = int((tmp_path / "peak.txt").read_text())
    assert peak < 400 * (1 << 20 if sys.platform == "darwin" else 1 << 10)
