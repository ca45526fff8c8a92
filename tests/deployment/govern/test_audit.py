"""The audit log: every act, who and what, and no way to change it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from touchstone.deployment.base import Key
from touchstone.deployment.govern.audit import (
    Act,
    acts,
    acts_csv,
    differences,
    kinds_of_acts,
    note_act,
    written,
)
from touchstone.deployment.govern.state import writing
from touchstone.deployment.govern.tables import audit
from touchstone.errors import StoreError

BEFORE = Key(id=3, name="shop", shown="ts-abcde", created_at="2026-11-27T12:00:00.000+00:00")


def note(engine: sa.Engine, what: str = "key.create", who: str = "user ada", about: str = "key 3") -> None:
    with writing(engine) as connection:
        note_act(connection, who=who, what=what, about=about, before=BEFORE, after={"revoked": True})


def test_an_act_says_what_it_was_before_and_after(engine: sa.Engine) -> None:
    """As JSON of the noun, or of what else was given."""
    note(engine)
    [act] = acts(engine)

    assert (act.what, act.who, act.about) == ("key.create", "user ada", "key 3")
    assert act.before is not None
    assert act.before["name"] == "shop"
    assert act.after == {"revoked": True}


@pytest.mark.parametrize("change", [audit.update().values(who="nobody"), audit.delete()])
def test_nobody_changes_it(engine: sa.Engine, change: sa.Executable) -> None:
    """Neither we nor whoever else opens the store in an ordinary way."""
    note(engine)
    with pytest.raises(StoreError, match="only grows"), writing(engine) as connection:
        connection.execute(change)

    assert len(acts(engine)) == 1


def test_an_act_that_fails_leaves_no_row(engine: sa.Engine) -> None:
    """The row is written in the transaction of the act."""

    def half_an_act() -> None:
        with writing(engine) as connection:
            note_act(connection, who="me", what="x", about="y")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_an_act()

    assert acts(engine) == []


def test_it_is_read_newest_first_and_in_parts(engine: sa.Engine) -> None:
    """By what it was done to, by whom, from when on, and at most so many."""
    note(engine, "key.create")
    note(engine, "key.revoke", who="user bob")
    note(engine, "endpoint.split", about="endpoint helpdesk")

    assert [act.what for act in acts(engine)] == ["endpoint.split", "key.revoke", "key.create"]
    assert [act.what for act in acts(engine, about="key 3", limit=1)] == ["key.revoke"]
    assert [act.what for act in acts(engine, who="user bob")] == ["key.revoke"]
    assert acts(engine, since="9999") == []
    assert len(acts(engine, since="2026")) == 3


def test_it_is_read_by_kind_and_page_by_page(engine: sa.Engine) -> None:
    """Up to a day that counts in whole, and from where the page before ended."""
    for what in ("key.create", "key.revoke", "key.create"):
        note(engine, what)
    first, second, third = acts(engine)
    assert kinds_of_acts(engine) == ["key.create", "key.revoke"]
    assert [act.id for act in acts(engine, what="key.create")] == [first.id, third.id]
    assert [act.id for act in acts(engine, before=second.id)] == [third.id]
    assert len(acts(engine, until=first.at[:10])) == 3
    assert acts(engine, until="2020-01-01") == []


def test_differences_are_the_innermost_fields() -> None:
    """A policy with one other word is one field, and a further version is one more in its list."""
    before = {"policy": {"cache_s": None, "safety": {"pii": "off"}}, "versions": [{"number": 1}], "split": {"1": 100}}
    after = {
        "policy": {"cache_s": None, "safety": {"pii": "mask"}},
        "versions": [{"number": 1}, {"number": 2}],
        "split": {"2": 100},
    }
    act = Act(id=1, at="", who="", what="", about="", before=before, after=after)
    assert [(one.field, written(one.before), written(one.after)) for one in differences(act)] == [
        ("policy.safety.pii", "off", "mask"),
        ("versions[1]", "–", '{"number":2}'),
        ("split.1", "100", "–"),
        ("split.2", "–", "100"),
    ]
    assert differences(act.model_copy(update={"before": None})) == ()


def test_a_file_of_acts_runs_nothing(engine: sa.Engine) -> None:
    """Whatever an actor is called (R20)."""
    note(engine, who="=cmd()")
    assert acts_csv(acts(engine)).splitlines()[1].split(",")[2] == "'=cmd()"
