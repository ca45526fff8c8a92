"""A store in an empty folder, and a meter on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa
from tests.deployment.govern.books import Books, open_store


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_store(tmp_path)
    yield engine
    engine.dispose()


@pytest_asyncio.fixture
async def books(engine: sa.Engine) -> AsyncIterator[Books]:
    books = Books(engine)
    yield books
    await books.writer.close()
