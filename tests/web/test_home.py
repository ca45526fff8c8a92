"""Where one stands, and where to begin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.web.visiting import RunningSite, Visitor


def test_home_says_where_one_stands(visitor: Visitor) -> None:
    """The last decisions, what this month cost, and the journey."""
    words = visitor.get("/").words
    assert "Where you stand" in words
    assert "Spent this month" in words
    assert "helpdesk-intents" in words


def test_a_newcomer_sees_three_ways_to_begin(start_site: Callable[[Path], RunningSite], tmp_path: Path) -> None:
    """Run the demo, bring cases, look around."""
    words = start_site(tmp_path / "workspace").visitor().get("/").words
    for way in ("Run the demo", "Make a task", "Open the catalog"):
        assert way in words


def test_the_demo_runs_as_a_job(start_site: Callable[[Path], RunningSite], tmp_path: Path) -> None:
    """One button; the page of the job follows, and the job is the command."""
    site = start_site(tmp_path / "workspace")
    page = site.visitor().post("/demo")
    assert page.path.startswith("/jobs/")
    (view,) = site.site.jobs("default").all()
    assert view.job.command[:3] == ("touchstone", "demo", "intents")
    site.site.jobs("default").stop(view.job.id)
