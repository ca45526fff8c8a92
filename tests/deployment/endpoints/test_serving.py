"""What the gateway serves: changes are taken over while it runs, and nobody loses a reply to one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path

import pytest

from touchstone.catalog.base import Price
from touchstone.deployment.base import Answered, Asked, Endpoint, Evidence, Flow, Kind, Policy, Ready, Usage, Version
from touchstone.deployment.endpoints.registry import Registry
from touchstone.deployment.endpoints.serving import Serving, Target
from touchstone.errors import SettingsError, Unreachable
from touchstone.evaluation.base import Recipe
from touchstone.storage.database import open_database

TODAY = date(2026, 11, 27)


class Fake:
    """An upstream that notes whether it is open."""

    price: Price | None = None
    kinds: frozenset[Kind] = frozenset({"chat"})

    def __init__(self, version: Version) -> None:
        self.model = version.recipe.model
        self.closed = False

    async def prepare(self, asked: Asked) -> Ready:
        return Ready(asked, None, 1, 1)

    async def answer(self, ready: Ready) -> Answered:
        return Answered(b"{}", Usage(), self.model)

    async def open(self, ready: Ready) -> Flow:
        raise NotImplementedError

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A store with one endpoint of two versions, the second a canary of 30 percent."""
    engine = open_database(tmp_path / "store.sqlite")
    found = Registry(engine, "anna")
    found.add_version("helpdesk", version)
    found.add_version("helpdesk", version, percent=30)
    yield found
    engine.dispose()


def version(number: int) -> Version:
    """A version whose evidence lasts until the end of the year."""
    return Version(
        number=number,
        recipe=Recipe(model=f"m{number}", strategy="prompt"),
        recipe_digest="d",
        folder="f",
        evidence=Evidence(
            comparison="c", candidate="x", task="t", scorer="exact", score=0.9, low=0.8, high=0.95, cases=100,
            measured_on=date(2026, 10, 1), expires_on=date(2026, 12, 31),
        ),
        created_at="2026-11-27T10:00:00.000+00:00",
        created_by="anna",
    )  # fmt: skip


class Maker:
    """Makes upstreams, and remembers them."""

    def __init__(self) -> None:
        self.made: list[Fake] = []
        self.fails = False

    async def __call__(self, endpoint: Endpoint, version: Version) -> Fake:
        await asyncio.sleep(0)
        if self.fails:
            raise SettingsError("no key")
        self.made.append(Fake(version))
        return self.made[-1]


@pytest.fixture
async def serving(registry: Registry) -> AsyncIterator[tuple[Serving, Maker]]:
    """Over the store."""
    maker = Maker()
    found = Serving(registry.engine, maker, today=lambda: TODAY)
    await found.refresh()
    yield found, maker
    await found.close()


async def test_the_split_is_kept_and_can_be_told_from_the_request(serving: tuple[Serving, Maker]) -> None:
    """Of many requests 30 percent go to the canary, and the same id always to the same version."""
    found, _ = serving
    endpoint = found.find("helpdesk")
    assert endpoint is not None
    counts = Counter(found.pick(endpoint, f"req-{number}").number for number in range(4000))
    assert 0.27 < counts[2] / 4000 < 0.33
    assert found.pick(endpoint, "req-7") == found.pick(endpoint, "req-7")


async def test_an_upstream_is_made_once_and_closed_when_its_version_is_gone(
    registry: Registry, serving: tuple[Serving, Maker]
) -> None:
    """Also when many ask at once; whoever is still answered keeps it until then."""
    found, maker = serving
    endpoint = found.find("helpdesk")
    assert endpoint is not None
    target = Target(endpoint, endpoint.version(1))

    async def ask() -> None:
        async with found.upstream(target):
            await asyncio.sleep(0.01)

    await asyncio.gather(*(ask() for _ in range(20)))
    assert len(maker.made) == 1
    async with found.upstream(target) as upstream:
        registry.remove("helpdesk")
        assert await found.refresh()
        await asyncio.sleep(0.01)
        assert upstream is maker.made[0]
        open_until_then = not maker.made[0].closed
    await asyncio.sleep(0.01)
    assert open_until_then
    assert maker.made[0].closed
    assert found.find("helpdesk") is None


async def test_a_stopped_endpoint_is_not_found(registry: Registry, serving: tuple[Serving, Maker]) -> None:
    """And is again once it is started."""
    found, _ = serving
    registry.set_state("helpdesk", "stopped")
    await found.refresh()
    assert found.find("helpdesk") is None
    registry.set_state("helpdesk", "running")
    await found.refresh()
    assert found.find("helpdesk") is not None
    assert not await found.refresh()


async def test_a_change_of_policy_makes_the_upstream_anew(registry: Registry, serving: tuple[Serving, Maker]) -> None:
    """Because an upstream holds parts of it."""
    found, maker = serving
    for policy in (Policy(), Policy(sampling="client")):
        registry.change_policy("helpdesk", policy)
        await found.refresh()
        endpoint = found.find("helpdesk")
        assert endpoint is not None
        async with found.upstream(Target(endpoint, endpoint.version(1))):
            pass
    assert len(maker.made) == 2


async def test_an_endpoint_that_was_made_anew_is_served_as_it_is_now(
    registry: Registry, serving: tuple[Serving, Maker]
) -> None:
    """Also between two looks at the store: its first version is another one than the first of before."""
    found, maker = serving
    endpoint = found.find("helpdesk")
    assert endpoint is not None
    async with found.upstream(Target(endpoint, endpoint.version(1))):
        pass
    registry.remove("helpdesk")
    registry.add_version("helpdesk", lambda number: version(number).model_copy(update={"folder": "another"}))
    await found.refresh()
    endpoint = found.find("helpdesk")
    assert endpoint is not None
    async with found.upstream(Target(endpoint, endpoint.version(1))) as upstream:
        assert upstream is maker.made[1]


async def test_what_cannot_be_made_is_unreachable_without_a_reason(serving: tuple[Serving, Maker]) -> None:
    """The reason is in the log; a client learns that it cannot be served now."""
    found, maker = serving
    maker.fails = True
    endpoint = found.find("helpdesk")
    assert endpoint is not None
    with pytest.raises(Unreachable) as raised:
        async with found.upstream(Target(endpoint, endpoint.version(1))):
            pass
    assert "key" not in str(raised.value)


async def test_a_shadow_gets_its_share(registry: Registry, serving: tuple[Serving, Maker]) -> None:
    """Independently of who answers."""
    found, _ = serving
    registry.split("helpdesk", {1: 100})
    registry.shadow("helpdesk", 2, 25)
    await found.refresh()
    endpoint = found.find("helpdesk")
    assert endpoint is not None
    share = sum(found.shadow_of(endpoint, f"req-{number}") is not None for number in range(4000)) / 4000
    assert 0.22 < share < 0.28


async def test_evidence_expires(serving: tuple[Serving, Maker]) -> None:
    """On the day that the decision named, and not before."""
    found, maker = serving
    assert not found.expired(version(1))
    later = Serving(found._engine, maker, today=lambda: date(2026, 12, 31))
    assert later.expired(version(1))
