"""The table in both READMEs is what the demo measures, and the demo says how to go on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.conftest import Run
from tests.docs.conftest import Demo

ROOT = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"^\| \d \| (.+?) \| ([\d.]+)% \| ([\d.]+)–([\d.]+)% \| (\d+) \| < (\d+) \| (.*?) ?\|$", re.MULTILINE)
_TWO_CASES = 0.6
"""Points that two of 396 cases are worth, rounded up: another build of a library may read one or two differently."""
_WORDS = {
    "chosen": "chosen",
    "选它": "chosen",
    "ruled out": "out",
    "已排除": "out",
    "may be as good": "tied",
    "可能一样好": "tied",
    "": "",
}


def test_readme_shows_what_the_demo_measures(demo: Demo) -> None:
    """
    Scores, intervals, cases, costs, verdict, and who is chosen, tied or ruled out are those of `touchstone demo`.

    `--json` prints one comparison and nothing else.
    """
    result = json.loads(demo.done.stdout)
    assert result["schema"] == "touchstone.comparison/1"
    decision = result["decision"]
    assert decision["verdict"] == "tie"
    measured = {candidate["name"]: candidate for candidate in result["candidates"]}
    for readme in ("README.md", "README.zh-CN.md"):
        text = (ROOT / readme).read_text(encoding="utf-8")
        shown = _ROW.findall(text)
        assert [name for name, *_ in shown] == sorted(measured, key=lambda name: -measured[name]["estimate"]["mean"])
        for name, mean, low, high, n, usd, word in shown:
            estimate = measured[name]["estimate"]
            for points, value in ((mean, estimate["mean"]), (low, estimate["low"]), (high, estimate["high"])):
                assert float(points) == pytest.approx(100 * value, abs=_TWO_CASES), f"{readme}: {name}"
            assert int(n) == estimate["n"] == 396
            # Time on a machine, which no two runs take alike.
            assert 0 < measured[name]["cost"]["per_month_usd"] < float(usd)
            assert _WORDS[word] == _role(name, decision), f"{readme}: {name}"
        assert f"{decision['cases_needed']:,}" in text


def test_the_demo_decides(demo: Demo, tmp_path: Path, touchstone: Run) -> None:
    """The first part really trains and measures, decides, writes its report and names commands to try next."""
    assert (demo.folder / "touchstone-demo" / "report.html").stat().st_size > 10_000
    demo.copy(tmp_path)
    result = touchstone("demo", "intents")
    assert result.returncode == 0, result.stderr
    listed = json.loads(touchstone("trials", "--json").stdout)
    for verb in (f"decide {listed[0]['id']}", "compare touchstone-demo/task.yaml --dry-run", "init --from"):
        assert f"touchstone {verb}" in result.stdout
    assert listed[0]["task"] == "helpdesk-intents"
    assert listed[0]["candidates"] == 4


def _role(name: str, decision: dict[str, object]) -> str:
    if name == decision["chosen"]:
        return "chosen"
    if name in {rejected["candidate"] for rejected in decision["rejected"]}:  # type: ignore[attr-defined]
        return "out"
    return "tied" if name in decision["indistinguishable"] else ""  # type: ignore[operator]
