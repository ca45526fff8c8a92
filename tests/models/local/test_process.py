"""The process of a local model: started when it is asked, ended when it hangs, deaf to the folder it is started in."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from touchstone.errors import NoReply, ProviderFailed
from touchstone.models.local.process import LocalProcess

ASKED = {"turns": [["user", "hello"]], "json": False}


@pytest.fixture(autouse=True)
def _found_wherever_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [str(Path(place).resolve()) for place in sys.path if place]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))


async def test_a_module_that_lies_where_one_works_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever downloads a folder and starts there runs none of its files."""
    marker = tmp_path / "marker"
    for name in ("orjson", "torch", "json", "touchstone"):
        (tmp_path / f"{name}.py").write_text(f"import os; os.mkdir({str(marker)!r})", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    process = LocalProcess(tmp_path)
    try:
        found = await process.ask(ASKED)
    finally:
        await process.close()

    assert "error" in found
    assert not marker.exists()


async def test_one_that_died_is_an_error_and_the_next_question_starts_another(tmp_path: Path) -> None:
    """The call fails as a provider's does; nothing hangs."""
    process = LocalProcess(tmp_path)
    try:
        await process.ask(ASKED)
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)  # it cannot answer before it is killed
        os.kill(first, signal.SIGKILL)
        with pytest.raises(ProviderFailed):
            await process.ask(ASKED)
        assert "error" in await process.ask(ASKED)
        assert process.pid != first
    finally:
        await process.close()
    assert process.pid is None


async def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    """A template of a stranger's may loop for ever; the call does not."""
    process = LocalProcess(tmp_path, deadline_s=0.05)
    with pytest.raises(NoReply, match="did not answer"):
        await process.ask(ASKED)

    assert process.pid is None
    await process.close()
