"""The audit log: every act, who and what, and no way to change it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

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
from touchstone.deployment.govern.moments import since_s, until_s
from touchstone.deployment.govern.state import stamp, writing
from touchstone.deployment.govern.tables import audit
from touchstone.errors import SettingsError, StoreError

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
    assert acts(engine, since="9999-12-31") == []
    assert len(acts(engine, since="2020-01-01")) == 3


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


def test_it_is_read_from_and_until_a_moment(engine: sa.Engine) -> None:
    """A moment is in UTC, or in the zone that it names; a day that is the last counts in whole."""
    note(engine)
    [act] = acts(engine)
    at = datetime.fromisoformat(act.at)
    before, after = at - timedelta(seconds=1), at + timedelta(seconds=1)
    there = timezone(timedelta(hours=8))
    for moment, later in (
        (before.isoformat(), after.isoformat()),
        (before.replace(tzinfo=None).isoformat(), after.replace(tzinfo=None).isoformat()),
        (before.astimezone(there).isoformat(), after.astimezone(there).isoformat()),
        (f"{before:%Y-%m-%d %H:%M:%S}", f"{after:%Y%m%dT%H%M%S}"),
    ):
        assert acts(engine, since=moment, until=later) == [act]
        assert acts(engine, since=later) == acts(engine, until=moment) == []


@pytest.mark.parametrize("flag", ["since", "until"])
@pytest.mark.parametrize(
    "said", ["yesterday", "2026", "2026-11", "27.11.2026", "2026-13-01", "", "'; DROP TABLE audit"]
)
def test_what_is_no_day_is_told(engine: sa.Engine, flag: str, said: str) -> None:
    """By its name, its value, and how one is written; nothing is listed as if it had been understood."""
    note(engine)
    with pytest.raises(SettingsError) as caught:
        acts(engine, **{flag: said})  # type: ignore[arg-type]
    assert f"{flag} is {said!r}; write a day such as 2026-11-27" in str(caught.value)


@given(st.datetimes())
def test_every_moment_of_the_calendar_can_be_asked_for(at: datetime) -> None:
    """The first and the last day as well; later is never earlier, and a day ends when the next one begins."""
    for said in (at.isoformat(), f"{at.date()}"):
        first, last = since_s("since", said), until_s("until", said)
        assert first <= last
        assert stamp(first) <= stamp(last)
    if 1970 <= at.year < 9999:
        day = at.date()
        assert until_s("until", str(day)) == since_s("since", str(day + timedelta(days=1)))


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
