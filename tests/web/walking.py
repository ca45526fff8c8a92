"""A walk through a site: every address that its pages name, starting from the first one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from urllib.parse import urlsplit

from tests.web.visiting import Visitor

from touchstone.web.paths import Table
from touchstone.web.routes import all_routes

SHARED = ("/static/", "/catalog/", "/benchmarks/", "/enter/", "/join/")
"""Where parameters are no ids of a project: files and models that ship with the package, and links."""


def addresses(page: str) -> set[str]:
    """Every address of ours that a page names: links, forms, pictures, streams."""
    found = re.findall(r'(?:href|action|src|hx-get|hx-post|hx-sse:connect|formaction)="(/[^"]*)"', page)
    return {unescape(one).partition("#")[0] for one in found}


def crawl(visitor: Visitor, *, most: int = 120, of_a_kind: int = 3, begin: Sequence[str] = ("/",)) -> dict[str, str]:
    """
    Every address that can be reached by reading, with the text of the page that was found there.

    Args:
        most: Addresses in all.
        of_a_kind: Pages of one route that are opened: a walk is over kinds and ids, not over rows.
        begin: Where it begins.
    """
    table = Table(all_routes())
    waiting, seen, opened = list(begin), dict[str, str](), dict[str, int]()
    while waiting and len(seen) < most:
        address = waiting.pop(0)
        if address in seen:
            continue
        seen[address] = ""
        found = [route for route, _params in table.find(urlsplit(address).path) if "GET" in route.methods]
        if not found or found[0].path.endswith("/events"):
            continue
        kind = found[0].path
        opened[kind] = opened.get(kind, 0) + 1
        if opened[kind] > (1 if kind.startswith(SHARED) else of_a_kind):
            continue
        reply = visitor.ask("GET", address)
        if reply.status == 200 and reply.headers.get("content-type", "").startswith("text/html"):
            seen[address] = reply.text
            waiting += sorted(addresses(reply.text) - seen.keys())
    return seen


def one_of_each(pages: dict[str, str]) -> dict[str, str]:
    """From the pages of a walk one address for each route: its path in the table, and the address."""
    table, found = Table(all_routes()), dict[str, str]()
    for address, text in pages.items():
        for route, _params in table.find(urlsplit(address).path):
            if text and "GET" in route.methods:
                found.setdefault(route.path, address)
    return found
