"""A gateway over an empty workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from tests.deployment.api.house import House, open_house


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """It."""
    async with open_house(tmp_path / "place") as found:
        yield found
