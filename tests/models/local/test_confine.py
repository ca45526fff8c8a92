"""What a process that loads weights may not do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from touchstone.models.local.confine import child_environment

TRY = """
import os, sys
from touchstone.models.local.confine import confine
confine()
{what}
print("done")
"""
FORBIDDEN = {
    "connects": "import socket; socket.socket()",
    "asks for an address": "import socket; socket.getaddrinfo('localhost', 80)",
    "starts a process": "import subprocess; subprocess.run(['true'])",
    "uses a shell": "os.system('true')",
    "forks": "os.fork()",
    "unpickles a name": "import pickle; pickle.loads(b'cos\\ngetcwd\\n.')",
}


def tried(what: str, scratch: Path, **limits: int) -> subprocess.CompletedProcess[str]:
    environment = child_environment(scratch, **limits)
    path = os.pathsep.join(place for place in sys.path if place)
    return subprocess.run(
        [sys.executable, "-c", TRY.format(what=what)],
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("what", FORBIDDEN.values(), ids=FORBIDDEN)
def test_it_is_refused(what: str, tmp_path: Path) -> None:
    """Whatever code got into the process."""
    done = tried(what, tmp_path)

    assert "PermissionError" in done.stderr
    assert "done" not in done.stdout


def test_what_is_allowed_is_done(tmp_path: Path) -> None:
    """Files are read and written."""
    assert "done" in tried(f"open({str(tmp_path / 'file')!r}, 'w').write('x')", tmp_path).stdout


def test_memory_and_files_end_somewhere(tmp_path: Path) -> None:
    """A model that claims a terabyte does not take the machine with it."""
    assert "MemoryError" in tried("bytearray(2**30)", tmp_path, memory_bytes=2**29).stderr
    large = f"open({str(tmp_path / 'file')!r}, 'wb').write(bytes(2**22))"
    assert "done" not in tried(large, tmp_path, file_bytes=2**20).stdout


def test_the_environment_has_no_secret_and_a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what finds libraries is taken over."""
    ours = {"PATH": "/bin", "OPENAI_API_KEY": "sk-1", "HTTPS_PROXY": "http://proxy", "HF_TOKEN": "hf", "HOME": "/root"}
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    found = child_environment(tmp_path / "scratch")

    assert found["PATH"] == "/bin"
    assert found["HOME"] == str(tmp_path / "scratch")
    assert found["HF_HUB_OFFLINE"] == "1"
    assert not {"OPENAI_API_KEY", "HTTPS_PROXY", "HF_TOKEN"} & found.keys()
