"""The examples run as their READMEs say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from touchstone import plugins

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_one_page_runs(tmp_path: Path) -> None:
    """`00_one_page.py` measures three candidates and decides twice, in well under a page of output."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "00_one_page.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *candidates, best, thrifty = done.stdout.splitlines()
    assert [line.split()[0] for line in candidates] == ["fake/careful", "fake/cheap", "baseline/nearest"]
    asked = [int(line.rpartition("n = ")[2]) for line in candidates]
    # A race asks the two that cost money until it is settled, and the baseline everything.
    assert 30 <= min(asked[:2]) <= max(asked[:2]) < asked[2] == 300
    assert best.split()[0] in ("winner", "tie")
    assert thrifty.split()[0] == "winner"


def test_compare_writes_what_it_measured(touchstone: Run, tmp_path: Path) -> None:
    """`01_compare` writes a report, a summary and JUnit, and its exit code says whether the gate was met."""
    done = touchstone(
        "compare",
        EXAMPLES / "01_compare",
        "--markdown",
        "summary.md",
        "--junit",
        "gate.xml",
        "--report",
        "report.html",
        "--json",
    )
    result = json.loads(done.stdout)
    assert done.returncode == (0 if result["gate"]["passed"] else 100), done.stderr
    scores = {candidate["name"]: candidate["estimate"]["mean"] for candidate in result["candidates"]}
    assert scores == pytest.approx({"tidy-large": 57 / 60, "chatty-small": 39 / 60, "terse-tiny": 31 / 60})
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert all(name in summary for name in scores)
    suites = ElementTree.parse(tmp_path / "gate.xml").getroot()
    checks = suites.findall("./testsuite[1]/testcase")
    assert [check.get("name", "").partition(":")[0] for check in checks] == [
        check["name"] for check in result["gate"]["checks"]
    ]
    assert (suites.get("failures") == "0") == result["gate"]["passed"]
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(name in report for name in scores)


def test_gate_of_the_comparison_can_fail(touchstone: Run) -> None:
    """Choosing somebody far worse than the gate allows ends with exit code 100 and says by how much."""
    touchstone("compare", EXAMPLES / "01_compare")
    done = touchstone("decide", "latest", "--goal", "cheapest-within: 0.45", "--min-score", "0.5")
    assert done.returncode == 100, done.stdout + done.stderr
    assert "chatty-small may be" in done.stderr


def test_plug_ins_pass_their_own_exams() -> None:
    """The tests that the plug-in package ships pass, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=EXAMPLES / "90_plugin",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("kind", "name"),
    [("scorer", "within_words"), ("answer_reader", "spelled"), ("reader", "ini"), ("model", "shout")],
)
def test_plug_ins_are_found_by_name(kind: str, name: str) -> None:
    """Each member of the plug-in package is found under its name, and is not one of ours."""
    member = plugins.load(kind, name)
    assert member.__module__.startswith("touchstone_example.")
    assert name not in plugins.shipped(kind)


def test_plug_ins_work_together_in_a_comparison(touchstone: Run, tmp_path: Path) -> None:
    """One task file names a reader, a kind of answer, a scorer and a model of the plug-in package, and runs."""
    cases = "\n".join(f"[w{number}]\ninput = say y-e-s {number}\ntarget = YES" for number in range(40))
    (tmp_path / "cases.ini").write_text(cases, encoding="utf-8")
    (tmp_path / "task.yaml").write_text(
        "task: plug-ins\n"
        "cases: cases.ini\n"
        "format: ini\n"
        "answer: {kind: spelled}\n"
        "scorers: [exact, {within_words: {limit: 3}}]\n"
        "candidates:\n"
        "  - shout/loud\n"
        '  - {model: shout/louder, mark: "!!!", prompt: "Say {input} again and again"}\n',
        encoding="utf-8",
    )
    done = touchstone("compare", "task.yaml", "--json")
    assert done.returncode == 0, done.stderr
    loud, louder = json.loads(done.stdout)["candidates"]
    assert (loud["name"], loud["estimate"]["mean"], loud["estimate"]["n"]) == ("shout/loud", 1.0, 40)
    assert loud["scorers"]["within_words"]["mean"] == 1.0
    assert louder["scorers"]["within_words"]["mean"] == 0.0


def test_format_by_suffix_finds_the_plug_in(touchstone: Run, tmp_path: Path) -> None:
    """A guest's suffix is enough; `format` need not be named."""
    (tmp_path / "cases.ini").write_text("[a]\ninput = y-e-s\ntarget = YES\n", encoding="utf-8")
    (tmp_path / "task.yaml").write_text(
        "task: t\ncases: cases.ini\nanswer: {kind: spelled}\ncandidates: [shout/loud]\n", encoding="utf-8"
    )
    done = touchstone("compare", "task.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "INI, one section per case" in done.stdout
