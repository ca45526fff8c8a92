"""What several of these tests begin with: the first part of the demo, trained and measured once."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from tests import warm
from tests.faults.child import environment


class Demo(NamedTuple):
    """`touchstone demo intents --json`, as it ended."""

    folder: Path
    done: subprocess.CompletedProcess[str]

    def copy(self, to: Path) -> Path:
        """What it left behind, for somebody who goes on from there."""
        return shutil.copytree(self.folder, to, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    done = warm.run("demo", "intents", "--json", folder=folder, environment=environment(folder))
    assert done.returncode == 0, done.stderr
    return Demo(folder, done)
