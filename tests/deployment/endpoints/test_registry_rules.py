"""What endpoints may rely on, and whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deployment.api.house import House, open_house
from tests.deployment.endpoints.test_registry import version
from tests.deployment.govern.books import open_store

from touchstone.deployment.base import Policy, SafetyPolicy
from touchstone.deployment.endpoints.registry import Registry
from touchstone.errors import SettingsError
from touchstone.models.fake_server import FakeServer


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    engine = open_store(tmp_path)
    yield Registry(engine, "test")
    engine.dispose()


def judged_by(name: str) -> Policy:
    return Policy(safety=SafetyPolicy(moderation=name))


def test_nobody_is_judged_by_whom_they_judge(registry: Registry) -> None:
    """Not directly, not over others, and not by itself; a chain that ends is one."""
    for name in "abc":
        registry.add_version(name, version)
    with pytest.raises(SettingsError, match="a cannot rely on a"):
        registry.change_policy("a", judged_by("a"))
    registry.change_policy("a", judged_by("b"))
    with pytest.raises(SettingsError, match="b → a → b"):
        registry.change_policy("b", judged_by("a"))
    registry.change_policy("b", judged_by("c"))
    with pytest.raises(SettingsError, match="c → a → b → c"):
        registry.change_policy("c", judged_by("a"))
    assert registry.find("c").policy == Policy()


def test_who_judges_another_is_not_removed_below_it(registry: Registry) -> None:
    """An endpoint whose judge is gone would refuse everything, and one made anew under the name might be anybody."""
    registry.add_version("a", version)
    registry.add_version("judge", version)
    registry.change_policy("a", judged_by("judge"))
    with pytest.raises(SettingsError, match="judge is what a asks"):
        registry.remove("judge")
    registry.change_policy("a", Policy())
    registry.remove("judge")


def test_an_endpoint_has_one_project_or_is_everybodys(registry: Registry) -> None:
    """The first version says whose; a later one may repeat it and cannot change it."""
    assert registry.add_version("all", version).project is None
    assert registry.add_version("red", version, project="red").project == "red"
    assert registry.add_version("red", version).project == "red"
    assert registry.add_version("red", version, project="red", percent=10).project == "red"
    with pytest.raises(SettingsError, match="belongs to project red"):
        registry.add_version("red", version, project="blue")
    with pytest.raises(SettingsError, match="belongs to every project"):
        registry.add_version("all", version, project="blue")


async def test_an_endpoint_of_another_project_does_not_exist(tmp_path: Path) -> None:
    """By its name, in the list, as a fall-back, and for a key that names it: the answer is that of an unknown name."""
    async with open_house(tmp_path / "place") as house, FakeServer() as server:
        await house.deploy("all", server)
        await house.deploy("spare", server)
        await belongs_to(house, "spare", "red")
        house.key("ann", project="red")
        house.key("bob", project="blue")
        house.key("cid", project="blue", endpoints=("spare", "all"))
        assert (await house.chat("spare", key="ann")).status == 200
        for who in ("bob", "cid"):
            found, unknown = await house.chat("spare", key=who), await house.chat("nobody", key=who)
            assert (found.status, found.body) == (unknown.status, unknown.body)
            assert found.code == "model_not_found"
            assert await names(house, who) == ["all"]
        assert await names(house, "ann") == ["all", "spare"]


async def test_a_key_is_not_failed_over_to_another_projects_endpoint(tmp_path: Path) -> None:
    """Its own endpoint is down, and the spare one is somebody else's."""
    async with open_house(tmp_path / "place") as house, FakeServer() as server:
        await house.deploy("spare", server)
        await house.deploy("main", "http://127.0.0.1:9/v1", fail_over=("spare",))
        await belongs_to(house, "spare", "red")
        house.key("bob", project="blue")
        house.key("ann", project="red")
        assert (await house.chat("main", key="bob")).status == 503
        assert server.requests == 0
        assert (await house.chat("main", key="ann")).status == 200


async def belongs_to(house: House, name: str, project: str) -> None:
    """Make an endpoint a project's."""
    house.registry._change(name, "endpoint.project", lambda _found: {"project": project})
    await house.follow()


async def names(house: House, who: str) -> list[str]:
    """What `/v1/models` names for a key."""
    async with house.session.get(house.gateway.address + "/v1/models", headers=house.head(who)) as reply:
        return [one["id"] for one in (await reply.json())["data"]]
