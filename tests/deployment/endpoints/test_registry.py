"""Endpoints in the store: versions share the requests, every change can be gone back on and stands in the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.base import ComputeSettings, Policy, SafetyPolicy, Version
from touchstone.deployment.endpoints.registry import Registry, _shared
from touchstone.deployment.govern.state import revision
from touchstone.deployment.govern.tables import audit
from touchstone.errors import SettingsError, UnknownName
from touchstone.evaluation.base import Recipe
from touchstone.storage.database import open_database


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty store."""
    engine = open_database(tmp_path / "store.sqlite")
    yield Registry(engine, "anna")
    engine.dispose()


def version(number: int, *, compute: ComputeSettings | None = None) -> Version:
    """A version of some recipe."""
    return Version(
        number=number,
        recipe=Recipe(model="m", strategy="prompt"),
        recipe_digest="d",
        folder=f"endpoints/{number}",
        compute=compute,
        created_at="2026-11-27T10:00:00.000+00:00",
        created_by="anna",
    )


def test_the_first_version_answers_everybody(registry: Registry) -> None:
    """A new name is an endpoint; a share of it cannot be left to nobody."""
    with pytest.raises(SettingsError, match="no other version"):
        registry.add_version("helpdesk", version, percent=10)
    found = registry.add_version("helpdesk", version)
    assert (found.split, found.before, found.state) == ({1: 100}, None, "running")
    assert registry.find("helpdesk") == found
    assert registry.all() == (found,)


def test_a_canary_takes_its_share_and_can_be_rolled_back_at_once(registry: Registry) -> None:
    """What was before is one step away, and that step can be taken back too."""
    registry.add_version("helpdesk", version)
    canary = registry.add_version("helpdesk", version, percent=10)
    assert canary.split == {1: 90, 2: 10}
    assert registry.split("helpdesk", {2: 100}).split == {2: 100}
    assert registry.roll_back("helpdesk").split == {1: 90, 2: 10}
    assert registry.roll_back("helpdesk").split == {2: 100}


def test_shares_are_of_versions_that_exist_and_100_together(registry: Registry) -> None:
    """Errors name what is there."""
    registry.add_version("helpdesk", version)
    with pytest.raises(SettingsError, match="no version 3"):
        registry.split("helpdesk", {3: 100})
    with pytest.raises(SettingsError, match="90 together"):
        registry.split("helpdesk", {1: 90})
    with pytest.raises(SettingsError, match="nothing to go back to"):
        registry.roll_back("helpdesk")
    with pytest.raises(UnknownName, match="helpdesk"):
        registry.split("helpdsk", {1: 100})


def test_a_shadow_answers_nobody(registry: Registry) -> None:
    """A version that answers requests is no shadow."""
    registry.add_version("helpdesk", version)
    registry.add_version("helpdesk", version, percent=0)
    assert registry.shadow("helpdesk", 2, 50).shadow == 2
    with pytest.raises(SettingsError, match="answers nobody"):
        registry.shadow("helpdesk", 1)
    assert registry.shadow("helpdesk", None).shadow is None


def test_who_is_relied_on_must_exist_and_stays(registry: Registry) -> None:
    """An endpoint fails over to others that are there, and those are not removed below it."""
    registry.add_version("a", version)
    registry.add_version("b", version)
    with pytest.raises(SettingsError, match="cannot rely on nobody"):
        registry.change_policy("a", Policy(fail_over=("nobody",)))
    with pytest.raises(SettingsError, match="cannot rely on a"):
        registry.change_policy("a", Policy(safety=SafetyPolicy(moderation="a")))
    registry.change_policy("a", Policy(fail_over=("b",)))
    with pytest.raises(SettingsError, match="fails over"):
        registry.remove("b")
    registry.remove("a")
    assert [one.name for one in registry.all()] == ["b"]


def test_scaling_is_for_what_runs_here(registry: Registry) -> None:
    """A provider scales by itself."""
    registry.add_version("served", version)
    with pytest.raises(SettingsError, match="provider"):
        registry.scale("served", 2)
    registry.add_version("own", lambda number: version(number, compute=ComputeSettings(kind="starter")))
    compute = registry.scale("own", 3).versions[0].compute
    assert compute is not None
    assert compute.replicas == 3


def test_a_shadow_that_comes_to_answer_is_none_any_more(registry: Registry) -> None:
    """By a split or a roll-back: it would be asked, and paid, twice for each request."""
    registry.add_version("helpdesk", version)
    registry.add_version("helpdesk", version, percent=0)
    registry.shadow("helpdesk", 2)
    assert registry.split("helpdesk", {1: 50, 2: 50}).shadow is None
    registry.split("helpdesk", {1: 100})
    assert registry.shadow("helpdesk", 2).shadow == 2
    assert registry.roll_back("helpdesk").shadow is None


def test_every_change_counts_up_and_is_in_the_audit_log(registry: Registry) -> None:
    """Who did what, with what was there before and after."""
    registry.add_version("helpdesk", version)
    before = revision(registry.engine)
    registry.set_state("helpdesk", "stopped")
    registry.restart("helpdesk")
    registry.remove("helpdesk")
    assert revision(registry.engine) == before + 3
    with registry.engine.connect() as connection:
        acts = [(row.who, row.what, row.about) for row in connection.execute(sa.select(audit).order_by(audit.c.id))]
    assert acts == [
        ("anna", what, "endpoint helpdesk")
        for what in ("endpoint.version", "endpoint.stopped", "endpoint.restart", "endpoint.remove")
    ]


@given(
    st.dictionaries(st.integers(1, 9), st.integers(1, 100), min_size=1, max_size=5).filter(
        lambda one: sum(one.values()) > 0
    ),
    st.integers(0, 100),
)
def test_shares_stay_100_together_and_in_proportion(shares: dict[int, int], percent: int) -> None:
    """A newcomer takes its share from all in proportion, rounded by at most one percent each."""
    total = sum(shares.values())
    before, left = {}, 100
    for place, (number, share) in enumerate(sorted(shares.items())):
        before[number] = left if place == len(shares) - 1 else round(100 * share / total)
        left -= before[number]
    if min(before.values()) < 0:
        return
    after = _shared(before, 10, percent)
    assert sum(after.values()) == 100
    assert after.get(10, 0) == percent
    for number, share in before.items():
        assert abs(after.get(number, 0) - share * (100 - percent) / 100) <= 1
