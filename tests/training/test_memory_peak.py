"""What a training says of its memory is its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from touchstone.training import memory_peak
from touchstone.training.memory_peak import peak_mb

_LARGE_MB = 300
_CHILD = "from touchstone.training.memory_peak import peak_mb; print(peak_mb())"
_PARENT = f"""
import subprocess, sys
held = bytearray(b"1") * ({_LARGE_MB} << 20)
subprocess.run([sys.executable, "-c", {_CHILD!r}], check=True)
"""


@pytest.mark.skipif(not memory_peak._STATUS.exists(), reason="the system has no /proc")
def test_what_the_process_before_it_held_is_not_counted() -> None:
    """A large program that begins a small one makes it no larger."""
    done = subprocess.run([sys.executable, "-c", _PARENT], capture_output=True, text=True, check=True, timeout=60)
    assert 5 < float(done.stdout) < _LARGE_MB / 2


def test_the_peak_is_of_this_process() -> None:
    """It never falls, and what is held now is in it."""
    before = peak_mb()
    if before is None:
        pytest.skip("the system does not say")
    held = bytearray(b"1") * (64 << 20)
    after = peak_mb()
    assert after is not None
    assert after >= max(before, len(held) / 2**20)
