"""F32: prices that nobody knows, and prices that change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import Run
from tests.faults.bill import requests, spent_usd
from tests.faults.conftest import Measure, Write
from tests.faults.provider import in_thread
from tests.faults.store import Store

from touchstone.catalog.base import Price
from touchstone.errors import UserError

PRICE_LINE = "     price: {input_usd: 1, output_usd: 2}, max_tokens"


def _without_price(path: Path) -> None:
    path.write_text(path.read_text().replace(PRICE_LINE, "     max_tokens"))


def test_f32_an_unknown_price_and_a_cap_refuse_to_start(bill: Path, write_task: Write, compare: Measure) -> None:
    """No cap can hold without a price: said in a line, with no request; offline there is nothing to cap."""
    with in_thread(bill) as provider:
        _without_price(write_task(provider.base_url, ["say:yes"]))
        with pytest.raises(UserError, match="price") as refused:
            compare(max_usd=1.0)
        assert refused.value.exit_code == 2
        assert requests(bill) == 0
        compare(max_usd=1.0, offline=True)
        assert requests(bill) == 0


def test_f32_an_unknown_price_is_unknown_and_not_nothing(bill: Path, write_task: Write, compare: Measure) -> None:
    """Without a cap it runs; what was spent is null, and the result says why."""
    with in_thread(bill) as provider:
        _without_price(write_task(provider.base_url, ["say:yes"]))
        found = compare()
    assert spent_usd(bill) > 0
    assert found["spent_usd"] is None
    assert found["candidates"][0]["cost"]["run_usd"] is None
    assert any("price" in warning for warning in found["warnings"])


def test_f32_the_price_of_a_run_is_frozen_with_it(
    bill: Path, write_task: Write, compare: Measure, touchstone: Run, tmp_path: Path
) -> None:
    """Source, date and numbers are stored; a later price changes no old report, and every cost can be worked out."""
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, [f"say:yes {n}" for n in range(5)])
        dated = PRICE_LINE.replace("output_usd: 2}", "output_usd: 2, as_of: '2026-11-01', source: contract 7}")
        path.write_text(path.read_text().replace(PRICE_LINE, dated))
        before = compare()
        path.write_text(path.read_text().replace("input_usd: 1,", "input_usd: 100,"))
        after = json.loads(touchstone("report", "latest", "--json", "--out", "report.html").stdout)
    assert before["spent_usd"] == pytest.approx(spent_usd(bill))
    assert after["candidates"] == before["candidates"]
    assert after["candidates"][0]["cost"]["price_source"] == "contract 7"
    report = (tmp_path / "report.html").read_text()
    assert "contract 7" in report
    assert "1 November 2026" in report or "2026-11-01" in report
    price = Price(input_usd=1, output_usd=2)
    for cell in Store.of(tmp_path).cells():
        assert cell["cost_usd"] == price.cost_usd(cell["input_tokens"], cell["output_tokens"])


def test_f32_another_price_is_another_run_that_buys_nothing_again(
    bill: Path, write_task: Write, compare: Measure
) -> None:
    """The stored replies are priced anew for a new run; the old one keeps its own."""
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, ["say:yes", "say:yes 2"])
        compare()
        path.write_text(path.read_text().replace("input_usd: 1,", "input_usd: 100,"))
        again = compare()
        assert requests(bill) == 2
    assert again["calls"]["from_cache"] == 2
    assert again["candidates"][0]["cost"]["per_case_usd"] > 50 * spent_usd(bill) / 2 / 2
