"""The benchmark of the gateway runs, and its three servers answer alike."""

from __future__ import annotations

import json

import pytest

from benchmarks import gateway


def test_every_figure_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Processor time by how many are under way, streams, latency and memory, of the bare server and of ours."""
    sizes = ["--requests", "40", "--streams", "4", "--slow-requests", "4", "--memory-requests", "100", "--rounds", "1"]
    monkeypatch.setattr("sys.argv", ["gateway", *sizes])
    gateway.main()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["gateway"], line["at_once"]) for line in lines if line["what"] == "request"] == [
        (name, at_once) for at_once in (1, 32, 128) for name in ("bare", "touchstone")
    ]
    assert [line["gateway"] for line in lines if "stream" in line["what"]] == ["bare", "touchstone"] * 2
    assert [line["gateway"] for line in lines if "latency" in line["what"]] == ["direct", "bare", "touchstone"]
    assert lines[-1]["what"] == "memory"
    assert lines[-1]["at_the_end_mib"] > 20
