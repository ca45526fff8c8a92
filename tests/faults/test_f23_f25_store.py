"""F23 to F25: two engines on one store, stores that are damaged or newer, and replies that may be used again."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests import warm
from tests.conftest import Run
from tests.evaluation.test_migrations import VERSION_1
from tests.faults.bill import requests, spent_usd
from tests.faults.child import environment
from tests.faults.conftest import Measure, Write
from tests.faults.provider import Provider, in_own_process, in_thread
from tests.faults.store import Store

from touchstone.errors import StoreDamaged, StoreError, StoreOnNetwork
from touchstone.storage import filesystem
from touchstone.storage.lock import EngineLock, check_fence

# F23


def test_f23_a_second_engine_is_refused_and_reading_goes_on(
    bill: Path, write_task: Write, touchstone: Run, tmp_path: Path
) -> None:
    """While one run works, a second says who works there and sends nothing; lists and reports can be read."""
    with in_own_process(bill, "--latency", "0.05") as url:
        write_task(url, ["say:yes"])
        assert touchstone("compare", "task.yaml").returncode == 0
        write_task(url, [f"say:yes {n}" for n in range(200)], task="limits: {concurrency: 1}\n")
        out, err = tmp_path / "first.out", tmp_path / "first.err"
        told = ("compare", "task.yaml", "--new")
        first = warm.start(told, folder=tmp_path, environment=environment(tmp_path), out=out, err=err)
        try:
            while requests(bill) < 3:
                assert first.exitcode is None
                time.sleep(0.002)
            second = touchstone("compare", "task.yaml")
            listed = touchstone("trials", "--json")
            report = touchstone("report", "latest", "--json")
        finally:
            first.kill()
            first.join()
    assert second.returncode == 2
    assert f"process {first.pid}" in second.stderr
    assert second.stderr.count("\n") == 1
    assert listed.returncode == report.returncode == 0
    assert len(json.loads(listed.stdout)) == 2


def test_f23_who_lost_the_lock_writes_nothing_more(tmp_path: Path) -> None:
    """Each transaction looks at the fencing number: an engine that was replaced is stopped by the store itself."""
    import sqlalchemy as sa

    file = tmp_path / "touchstone.sqlite"
    with EngineLock(file) as old:
        number = old.number
    with EngineLock(file) as new:
        assert new.number > number
        engine = sa.create_engine(f"sqlite:///{file}")
        with engine.connect() as connection:
            check_fence(connection, new.number)
        with engine.connect() as connection, pytest.raises(StoreError, match="taken over"):
            check_fence(connection, number)
        engine.dispose()


def test_f23_a_network_file_system_is_refused(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two machines would spoil the store, nothing is made and nobody is asked."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/export {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(filesystem, "MOUNTS", mounts)
    with in_thread(bill) as provider:
        write_task(provider.base_url, ["say:yes"])
        with pytest.raises(StoreOnNetwork, match="nfs4") as refused:
            compare()
    assert refused.value.exit_code == 2
    assert requests(bill) == 0
    assert not Store.of(tmp_path).path.exists()


# F24


def test_f24_a_damaged_store_is_left_alone_and_its_good_rows_are_saved(
    bill: Path, write_task: Write, touchstone: Run, tmp_path: Path
) -> None:
    """A plain message that says where its good rows are; with them nothing is bought again."""
    store = Store.of(tmp_path)
    with in_own_process(bill) as url:
        write_task(url, [f"say:yes {n} {'padding ' * 100}" for n in range(40)])
        assert touchstone("compare", "task.yaml").returncode == 0
        with closing(sqlite3.connect(store.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            [(page,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'outcome'").fetchall()
        raw = bytearray(store.path.read_bytes())
        raw[(page - 1) * 4096 : (page - 1) * 4096 + 200] = b"\xff" * 200
        store.path.write_bytes(raw)
        harmed = hashlib.sha256(raw).hexdigest()
        refused = touchstone("compare", "task.yaml")
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
        named = re.search(r"--workspace (\S+);", refused.stderr)
        assert named is not None, refused.stderr
        assert hashlib.sha256(store.path.read_bytes()).hexdigest() == harmed
        saved = Store(tmp_path / named[1] / "touchstone.sqlite")
        assert saved.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        assert len(saved.replies()) == 40
        asked = requests(bill)
        again = touchstone("compare", "task.yaml", "--workspace", named[1])
    assert again.returncode == 0, again.stderr
    assert requests(bill) == asked
    assert hashlib.sha256(store.path.read_bytes()).hexdigest() == harmed


def test_f24_what_is_no_store_is_not_overwritten(write_task: Write, compare: Measure, tmp_path: Path) -> None:
    """A file of another kind in its place stays as it is, and is told."""
    store = Store.of(tmp_path).path
    store.parent.mkdir()
    store.write_bytes(b"my holiday photographs" * 1000)
    write_task("http://127.0.0.1:9/v1", ["say:yes"])
    with pytest.raises((StoreDamaged, StoreError)):
        compare()
    assert store.read_bytes() == b"my holiday photographs" * 1000


def test_f24_a_newer_store_is_refused(bill: Path, write_task: Write, compare: Measure, tmp_path: Path) -> None:
    """Who wrote it knew more; it is left alone."""
    with in_thread(bill) as provider:
        write_task(provider.base_url, ["say:yes"])
        compare()
        with closing(sqlite3.connect(Store.of(tmp_path).path)) as connection:
            connection.execute("UPDATE schema_version SET version = 99 WHERE name = 'ledger'")
            connection.commit()
        with pytest.raises(StoreError, match="upgrade"):
            compare()
    assert requests(bill) == 1


def test_f24_an_older_store_is_brought_up_and_a_copy_is_kept(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """The first run on a store of version 1 leaves the old file beside it."""
    store = Store.of(tmp_path)
    store.path.parent.mkdir()
    with closing(sqlite3.connect(store.path)) as connection:
        connection.executescript(VERSION_1)
    with in_thread(bill) as provider:
        write_task(provider.base_url, ["say:yes"])
        compare()
    [copy] = store.path.parent.glob("*ledger-v1*")
    assert Store(copy).rows("SELECT version FROM schema_version WHERE name = 'ledger'") == [{"version": 1}]
    assert store.rows("SELECT version FROM schema_version WHERE name = 'ledger'")[0]["version"] > 1


# F25


def _priced(path: Path, usd: int) -> None:
    """Another price is another run of the same questions."""
    text = path.read_text()
    path.write_text(text.replace(text[text.index("input_usd") : text.index(", output_usd")], f"input_usd: {usd}"))


def test_f25_a_reply_that_was_tampered_with_is_not_used(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """Its bytes no longer match their digest: it is asked for again, the others are not."""
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, [f"say:yes {n}" for n in range(5)])
        compare()
        with closing(sqlite3.connect(Store.of(tmp_path).path)) as connection:
            connection.execute(
                "UPDATE reply SET body = CAST(replace(body, 'yes', 'no!') AS BLOB) "
                "WHERE key = (SELECT min(key) FROM reply)"
            )
            connection.commit()
        _priced(path, 3)
        found = compare()
    assert requests(bill) == 6
    assert found["candidates"][0]["outcomes"]["scored"] == 5
    assert found["candidates"][0]["estimate"]["mean"] == 1.0
    assert found["calls"]["from_cache"] == 4


def test_f25_only_the_same_question_to_the_same_endpoint_is_the_same(
    bill: Path, write_task: Write, compare: Measure, tmp_path: Path
) -> None:
    """Another model, another limit, another way of transfer and another draw are asked anew."""
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, ["say:yes"])
        compare()
        text = path.read_text()
        for number, (old, new) in enumerate(
            [
                ("served_name: m", "served_name: m2"),
                ("max_tokens: 50", "max_tokens: 51"),
                ("max_tokens: 50", "max_tokens: 50, stream: true"),
                ("max_tokens: 50", "max_tokens: 50, temperature: 0.5"),
                ("task: faults", "task: faults\ninstruction: Be brief."),
            ],
            start=2,
        ):
            path.write_text(text.replace(old, new))
            compare(new=True)
            assert requests(bill) == number
        path.write_text(text)
        compare(repeats=3)
        assert requests(bill) == number + 2


@pytest.mark.parametrize("text", ["fault:choices,are=empty", "fault:content,is=null"], ids=["no choices", "no content"])
def test_f25_what_was_no_answer_is_not_used_by_another_run(
    text: str, bill: Path, write_task: Write, compare: Measure
) -> None:
    """An empty reply is kept with the run that bought it; another run asks again (F11)."""
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, [f"{text}*1;none say:yes", "say:yes"])
        assert compare()["candidates"][0]["outcomes"]["empty"] == 1
        assert compare()["candidates"][0]["outcomes"]["empty"] == 1
        assert requests(bill) == 2
        _priced(path, 3)
        found = compare()
    assert requests(bill) == 3
    assert found["candidates"][0]["outcomes"]["scored"] == 2


def test_f25_the_result_tells_what_came_from_the_store_and_what_it_costs(
    bill: Path, write_task: Write, compare: Measure
) -> None:
    """Nothing was spent, and still each case has the price that it would have in service."""
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, [f"say:yes {n}" for n in range(5)])
        first = compare()
        charged = spent_usd(bill)
        _priced(path, 2)
        again = compare()
    assert (first["calls"]["made"], first["calls"]["from_cache"]) == (5, 0)
    assert (again["calls"]["made"], again["calls"]["from_cache"]) == (0, 5)
    assert first["spent_usd"] == pytest.approx(charged)
    assert again["spent_usd"] == 0
    assert again["candidates"][0]["cost"]["per_case_usd"] > first["candidates"][0]["cost"]["per_case_usd"]


async def test_f25_the_provider_is_not_asked_for_what_two_cells_share(
    bill: Path, write_task: Write, tmp_path: Path
) -> None:
    """Two candidates with the same question at the same time buy one reply."""
    import asyncio

    from tests.faults.test_f01_f07_lanes import caller

    async with Provider(bill) as provider, caller(tmp_path, provider.base_url) as made:
        assert await asyncio.gather(*(made.ask("say:yes") for _ in range(10))) == ["yes"] * 10
    assert requests(bill) == 1
