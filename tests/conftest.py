"""What many tests share: a command line that runs in its own process, and the real data where it is present."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings
from tests import browsing, warm

# CI looks at the same examples every time, so that a change is judged by the change; elsewhere new ones are sought.
# There they are few, for they find nothing new; `make test-thorough` looks at ten times as many as everybody else.
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=30)
settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# Two processes of tests fill two cores. More threads of linear algebra would wait for each other by spinning: five
# times the processor time for the same numbers. It is read when NumPy is imported, which is after this file.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
os.environ.update(ONE_THREAD)

# Stores are synced to their disk at every commit, and tests of stores waited half of their time for that. Their files
# lie in memory where there is enough of it; what a kill leaves behind is the same. `TMPDIR` set by hand is left alone.
_MEMORY, _ENOUGH_BYTES = Path("/dev/shm"), 6 * 2**30
if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK):
    _about = os.statvfs(_MEMORY)
    if _about.f_bavail * _about.f_frsize >= _ENOUGH_BYTES and not _about.f_flag & os.ST_NOEXEC:
        # The second is pytest's own: by the time that this is read it knows its folder for temporary files.
        os.environ |= {"TMPDIR": str(_MEMORY), "PYTEST_DEBUG_TEMPROOT": str(_MEMORY)}


def pytest_configure(config: pytest.Config) -> None:
    """Hooks of a conftest are not asked about fixtures of the whole session; those of a plugin are."""
    config.pluginmanager.register(browsing, "browsing")


Run = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected lives to the end, so nobody looks for garbage in it, neither now nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture
def shared_data() -> Path:
    """Recorded answers of real models; not part of the repository, so tests that read it skip where it is absent."""
    place = Path(os.environ.get("TOUCHSTONE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not place.is_dir():
        pytest.skip("the shared real data is not on this machine (set TOUCHSTONE_SHARED_DATA)")
    return place


def _environment(folder: Path, more: Mapping[str, str] | None) -> dict[str, str]:
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "120"}
    return {**clean, **ONE_THREAD, **(more or {})}


def examples(few: int) -> settings:
    """So many examples where each is dear; as many more as all have in `make test-thorough`."""
    assert settings.default is not None
    return settings(max_examples=few * settings.default.max_examples // 50)


def seeded(few: int, promised: int) -> int:
    """So many seeded runs where each is dear; as many as the promise names in `make test-thorough`."""
    assert settings.default is not None
    return few if settings.default.max_examples <= 50 else promised


@pytest.fixture
def every_training() -> None:
    """Marks a training that says for a further way or place what others say at every run; `make test-train` has it."""
    if not os.environ.get("TOUCHSTONE_TRAININGS"):
        pytest.skip("a further training; `make test-train` runs it")


@pytest.fixture
def touchstone(tmp_path: Path) -> Run:
    """Runs the command in a process of its own (`warm.py`), in an empty folder, with a clean environment."""

    def run(
        *arguments: str | Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        told = _environment(tmp_path, environment)
        return warm.run(*map(str, arguments), folder=folder or tmp_path, environment=told)

    return run


@pytest.fixture
def touchstone_anew(tmp_path: Path) -> Run:
    """The same, started as a user starts it: where the start is the point, or two runs must not share a hash seed."""

    def run(
        *arguments: str | Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "touchstone", *map(str, arguments)],
            cwd=folder or tmp_path,
            env=_environment(tmp_path, environment),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    return run
