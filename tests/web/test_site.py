"""What a site keeps between requests."""

from __future__ import annotations

import time

from tests.web.visiting import RunningSite


def test_sums_are_kept_as_long_as_they_are_worth(site: RunningSite) -> None:
    """Slow ones for the time that is named; with `times_taken`, what is quick is made anew at the next look."""
    made: list[str] = []

    def look(name: str, seconds: float) -> str:
        made.append(name)
        time.sleep(seconds)
        return name

    for _ in range(2):
        assert site.site.kept("always", 60, lambda: look("always", 0)) == "always"
        assert site.site.kept("slow", 60, lambda: look("slow", 0.05), times_taken=100) == "slow"
        assert site.site.kept("quick", 60, lambda: look("quick", 0), times_taken=0) == "quick"
    assert made == ["always", "slow", "quick", "quick"]
