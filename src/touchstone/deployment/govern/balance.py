"""How the budget of a key stands: for people, not for deciding, which is the meter's."""

from __future__ import annotations

import math
import time

import sqlalchemy as sa

from touchstone.deployment.base import Key, Window
from touchstone.deployment.govern.keys import purse_of
from touchstone.deployment.govern.state import stamp
from touchstone.deployment.govern.tables import api_keys, key_windows
from touchstone.deployment.govern.windows import ends_s, window_at
from touchstone.evaluation.store_errors import store_errors
from touchstone.noun import Noun


class Standing(Noun):
    """A budget in the window that is open now."""

    cap_usd: float
    window: Window
    spent_usd: float
    held_usd: float
    """Set aside for requests that are under way."""
    left_usd: float
    ends_at: str | None
    """When it begins anew, ISO 8601, UTC; None where it never does."""
    shared_with: tuple[int, ...] = ()
    """Other keys that spend from it: those that this one replaced, and those that replaced it."""


def standing(engine: sa.Engine, key: Key, *, at_s: float | None = None) -> Standing | None:
    """How a key's budget stands; None where it has none."""
    if key.budget is None:
        return None
    kind = key.budget.window
    wanted = window_at(kind, time.time() if at_s is None else at_s)
    with store_errors(), engine.connect() as connection:
        purse = purse_of(connection, key.id)
        query = sa.select(key_windows).where(key_windows.c.key == purse).order_by(key_windows.c.window.desc()).limit(1)
        row = connection.execute(query).one_or_none()
        shared = _family(connection, purse)
    number = wanted if row is None else max(wanted, row.window)
    is_open = row is not None and row.window == number
    spent_usd, held_usd = (row.spent_usd, row.held_usd) if is_open and row is not None else (0.0, 0.0)
    end_s = ends_s(kind, number)
    return Standing(
        cap_usd=key.budget.usd,
        window=kind,
        spent_usd=spent_usd,
        held_usd=held_usd,
        left_usd=max(0.0, key.budget.usd - spent_usd - held_usd),
        ends_at=None if math.isinf(end_s) else stamp(end_s),
        shared_with=tuple(number for number in shared if number != key.id),
    )


def _family(connection: sa.Connection, purse: int) -> tuple[int, ...]:
    query = sa.select(api_keys.c.id).where(sa.or_(api_keys.c.purse == purse, api_keys.c.id == purse))
    return tuple(connection.execute(query.order_by(api_keys.c.id)).scalars())
