"""What tests of whole runs share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Run
from tests.workspace.house import PRICES, House, answering

from touchstone.models.fake_server import FakeServer, serve_in_thread


@pytest.fixture
def house(tmp_path: Path, touchstone: Run) -> Iterator[House]:
    models = {name: answering(name) for name in PRICES}
    with serve_in_thread(FakeServer(models)) as server:
        yield House(tmp_path, server, models, touchstone)
