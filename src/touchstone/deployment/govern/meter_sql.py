"""The statements of the meter."""

from __future__ import annotations

import sqlalchemy as sa

from touchstone.deployment.govern.sql import Sql, put
from touchstone.deployment.govern.tables import alerts, api_keys, charges, key_windows

_NOTHING_USD = sa.literal_column("1e-12", sa.Float)
"""Sums of floats leave a rest behind that no request holds; it must not add up over a window."""
_ZERO = sa.literal_column("0.0", sa.Float)


class MeterSql:
    """Everything that is run for a group of requests, for one database."""

    def __init__(self, dialect: sa.Dialect) -> None:
        bind, window = sa.bindparam, key_windows
        later = window.alias("later")
        usd = bind("b_usd", type_=sa.Float)
        self.put_charge = put(charges, dialect)
        self.put_window = put(window, dialect, absent=True)
        self.put_alert = put(alerts, dialect, absent=True)
        self.find_purse = Sql(sa.select(api_keys.c.purse).where(api_keys.c.id == bind("b_key")), ["b_key"], dialect)
        self.newest = Sql(
            sa.select(sa.func.max(window.c.window)).where(window.c.key == bind("b_key")), ["b_key"], dialect
        )
        self.spent = Sql(
            sa.select(window.c.spent_usd).where(window.c.key == bind("b_key"), window.c.window == bind("b_window")),
            ["b_key", "b_window"],
            dialect,
        )
        # Check and hold are this one statement. A window that has a later one beside it is closed, whatever the clock
        # of whoever asks says.
        self.take = Sql(
            window.update()
            .where(
                window.c.key == bind("b_key"),
                window.c.window == bind("b_window"),
                sa.or_(window.c.spent_usd + window.c.held_usd + usd <= bind("b_cap", type_=sa.Float), usd <= _ZERO),
                ~sa.exists().where(later.c.key == window.c.key, later.c.window > window.c.window),
            )
            .values(held_usd=window.c.held_usd + usd),
            ["b_usd", "b_key", "b_window", "b_cap"],
            dialect,
        )
        held = window.c.held_usd - bind("b_held", type_=sa.Float)
        self.book = Sql(
            window.update()
            .where(window.c.key == bind("b_key"), window.c.window == bind("b_window"))
            .values(
                held_usd=sa.case((held > _NOTHING_USD, held), else_=_ZERO),
                spent_usd=window.c.spent_usd + bind("b_spent", type_=sa.Float),
            ),
            ["b_held", "b_spent", "b_key", "b_window"],
            dialect,
        )
        settled = (
            "status", "usd", "input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens", "estimated",
            "seconds", "first_token_s", "error",
        )  # fmt: skip
        # Only what still runs: a gateway that came after this one may have booked it already.
        self.settle = Sql(
            charges.update()
            .where(charges.c.id == bind("b_id"), charges.c.status == sa.literal_column("'running'"))
            .values(
                {name: bind(f"b_{name}") for name in settled}
                | {"model": sa.func.coalesce(bind("b_model", type_=sa.String), charges.c.model)}
            ),
            [*(f"b_{name}" for name in settled), "b_model", "b_id"],
            dialect,
        )
