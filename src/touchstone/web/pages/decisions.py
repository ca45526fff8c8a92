"""Decisions: the list, the memo that people forward, and the whole report."""

from __future__ import annotations

import re
import shlex
from html import unescape
from typing import Any, Literal, overload
from urllib.parse import urlencode

from touchstone.errors import UserError
from touchstone.language import _, current_language
from touchstone.reporting.base import ReportData
from touchstone.reporting.html import render
from touchstone.reporting.markdown import render_markdown
from touchstone.reporting.memo_page import USUAL_REQUESTS, memo_page
from touchstone.reporting.page_html import html_page
from touchstone.reporting.pdf import pdf_of
from touchstone.reporting.result import to_json
from touchstone.web.base import Answer, Ask, Move, NotHere, Route, Send, Show
from touchstone.workspace.base import Demands, StoredComparison
from touchstone.workspace.workspace import Workspace

_PAGE = 50
AT_ONCE = 5_000
"""Up to so many answers are looked at while the reader waits, where nobody did before: a second at most."""
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')


def listing(ask: Ask) -> Answer:
    """Every comparison, newest first, with what it decided."""
    found = ask.workspace.comparisons()
    at = ask.query.whole("from", 0) or 0
    return Show(
        "decisions/list.html.j2",
        {
            "shown": found[at : at + _PAGE],
            "before": max(0, at - _PAGE) if at else None,
            "after": at + _PAGE if at + _PAGE < len(found) else None,
            "sentences": {one.id: one.sentence(_) for one in found[at : at + _PAGE]},
        },
    )


def memo(ask: Ask) -> Answer:
    """The memo, at the volume that was asked for."""
    wanted = ask.params["comparison"]
    if wanted == "latest":
        newest = next((one for one in ask.workspace.comparisons() if one.verdict is not None), None)
        if newest is None:
            return Move("/decisions", _("Nothing is decided yet."), "warning")
        return Move(f"/decisions/{newest.id}")
    problem, demands = "", Demands()
    try:
        demands = _demands(ask)
        data = _data(ask, demands)
    except UserError as error:
        data, problem, demands = _data(ask, Demands()), error.text(_), Demands()
    if isinstance(data, StoredComparison):
        return _wait(ask, data)
    query = [(key, value) for key, value in ask.query.items() if value and key != "waiting"]
    values: dict[str, Any] = {
        "page": memo_page(data),
        "comparison": data.comparison,
        "volume": data.requests_per_month or USUAL_REQUESTS,
        "command": _command(data.comparison.comparison_id, demands),
        "problem": problem,
        "query": ask.query,
        "query_string": urlencode(query),
        "is_default": demands == Demands(),
    }
    block = "whole" if ask.query.text("waiting") == "page" else "memo"
    return Show("decisions/memo.html.j2", values, block=block, status=422 if problem else 200)


def _wait(ask: Ask, stored: StoredComparison) -> Answer:
    """A page that says that the answers are being looked at, and asks again by itself."""
    waiting = ask.query.text("waiting")
    if waiting and ask.is_fragment:
        return Send(b"", "text/html; charset=utf-8", status=204)  # what the page shows still holds
    query = [(key, value) for key, value in ask.query.items() if value and key != "waiting"]
    values = {
        "stored": stored,
        "query_string": urlencode(query),
        "part": "memo" if ask.is_fragment else "page",
    }
    return Show("decisions/waiting.html.j2", values, block="memo")


def report(ask: Ask) -> Answer:
    """The whole report, shown inside a page of ours, in a frame of its own."""
    return Show("decisions/report.html.j2", {"comparison": comparison_of(ask)})


def file(ask: Ask) -> Answer:
    """The memo or the report as one file, or the numbers."""
    data = _data(ask, _demands(ask), waits=True)
    wanted, language = ask.params["file"], current_language()
    name = f"{data.comparison.task.name}-{data.comparison.comparison_id}"
    if wanted == "memo.html":
        return Send(html_page(memo_page(data)).encode(), "text/html; charset=utf-8", f"{name}.html")
    if wanted == "memo.pdf":
        return Send(pdf_of(html_page(memo_page(data))), "application/pdf", f"{name}.pdf")
    if wanted == "report.html":
        return Send(render(data, language).encode(), "text/html; charset=utf-8", f"{name}-report.html")
    if wanted == "framed.html":
        # Its own policy, which allows its own style and script by their digests and nothing else, in a frame that has
        # no origin: what stands in it can reach neither this site nor anybody else.
        html = render(data, language)
        found = _POLICY.search(html)
        policy = unescape(found[1]) if found else "default-src 'none'"
        return Send(
            html.encode(),
            "text/html; charset=utf-8",
            headers={"content-security-policy": f"{policy}; sandbox allow-scripts; frame-ancestors 'self'"},
        )
    if wanted == "summary.md":
        return Send(render_markdown(data, language).encode(), "text/markdown; charset=utf-8", f"{name}.md")
    if wanted == "result.json":
        return Send(to_json(data.comparison), "application/json", f"{name}.json")
    raise NotHere


def _demands(ask: Ask) -> Demands:
    """What the form asks of the winner; empty fields leave the task file's word."""
    query = ask.query
    return Demands(
        goal=query.text("goal") or None,
        min_score=query.number("min_score", low=0, high=1),
        max_usd_per_month=query.number("max_usd_per_month", low=0, high=1e12),
        max_p95_latency_s=query.number("max_p95_latency_s", low=0, high=1e6),
        licence=query.text("licence") or None,
        self_hostable=True if query.flag("self_hostable") else None,
        requests_per_month=query.number("requests_per_month", low=1, high=1e12),
    )


def _command(comparison: str, demands: Demands) -> str:
    """What somebody would type for the same."""
    words = ["touchstone", "decide", comparison]
    for name, value in demands.model_dump(exclude_defaults=True).items():
        flag = "--" + name.replace("_", "-")
        words += [flag] if value is True else [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def comparison_of(ask: Ask) -> StoredComparison:
    """The comparison of the address. Raises `NotHere` where there is none in this project."""
    comparison = ask.params["comparison"]
    stored = next((one for one in ask.workspace.comparisons() if one.id == comparison), None)
    if stored is None:
        raise NotHere
    return stored


@overload
def _data(ask: Ask, demands: Demands) -> ReportData | StoredComparison: ...
@overload
def _data(ask: Ask, demands: Demands, *, waits: Literal[True]) -> ReportData: ...
def _data(ask: Ask, demands: Demands, *, waits: bool = False) -> ReportData | StoredComparison:
    """
    What a comparison says; the comparison itself while its many answers are looked at beside the requests.

    Args:
        waits: Whether to wait for that here, for a file.

    Raises:
        NotHere: there is no such comparison in this project.
    """
    stored = comparison_of(ask)
    found = ask.workspace.decide_at_once(stored.id, demands, most_answers=AT_ONCE)
    if not isinstance(found, str):
        return found
    settings = ask.site.settings_of(ask.viewer.project)

    def look() -> Literal[True]:
        with Workspace(settings) as workspace:
            workspace.decide(stored.id, Demands())
        return True

    key = ("memo", ask.viewer.project, stored.id, found)
    if waits:
        ask.site.looks.at_once(key, look)
    elif ask.site.looks.beside(key, look) is None:
        return stored
    # Kept by now, unless the workspace takes nothing and others have pushed it out of memory.
    return ask.workspace.decide(stored.id, demands)


routes = (
    Route("/decisions", listing, "view"),
    Route("/decisions/{comparison}", memo, "view"),
    Route("/decisions/{comparison}/report", report, "view"),
    Route("/decisions/{comparison}/files/{file}", file, "view"),
)
