"""
Every page that is asked for with GET, over 100,000 invented models and 1,000,000 stored outcomes.

The workspace holds the catalog of `web_catalog.py` and the comparison of `answers_pages.py`, and beside them what a
team would have: the shipped demo, a task with a run, an endpoint, a key, a session of the playground. Each address in
the table of routes is asked for; what is left out is told at the end, with the reason. What is timed is a request and
its whole answer: the first, then the median and the 95th percentile of those after it, by the clock and in processor
time of the process that serves (and asks). Bytes are those of a first visit, compressed: the page and what it loads.
First paint is Chromium's own, nothing kept from before.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson

from benchmarks.measure import run
from benchmarks.pages_site import PagesSite
from benchmarks.table import heading

_EACH = 24
_LONGEST_S = 6.0
"""Whoever takes longer for a few requests is not asked for more of them."""
_LONGEST_WAIT_S = 300.0
_WAITS = b"waiting="
"""Stands on a page whose answer is still worked out."""
MOST_MS = 100.0
MOST_PAINT_MS = 1_000.0
MOST_KB = 600.0
MOST_CHART_KB = 1_500.0
_MILLION = "c" * 12
_CASES = "input,target\n" + "".join(
    f"{'money back' if n % 2 else 'where is it'} {n},{'refund' if n % 2 else 'delivery'}\n" for n in range(60)
)
LEFT_OUT: Mapping[str, str] = {
    "/enter/{link}": "works once",
    "/join/{link}": "works once",
    "/sign-in": "leads home whoever is signed in",
    "/sign-in/issuer": "leads to somebody else's site",
    "/sign-in/issuer/back": "answers somebody else's site",
    "/catalog/refresh/events": "a stream",
    "/jobs/{job}/events": "a stream",
    "/tasks/{task}/runs/{job}/events": "a stream",
    "/improve/tasks/{task}/runs/{job}/events": "a stream",
    "/improve/training/runs/{job}/events": "a stream",
    "/playground/s/{session}/events/{turn}": "a stream",
    "/endpoints/{name}/logs/events": "a stream",
    "/playground/s/{session}/media/{digest}": "a picture that somebody sent",
    "/decisions/{comparison}/answers-file/{format}": "a file of everything; see answers_pages.py",
    "/decisions/{comparison}/files/{file}": "files that are made when they are asked for",
    "/static/{digest}/{name}": "counted with the pages that load it",
    "/improve/tasks/{task}/runs/{job}": "the page of a run again",
    "/improve/training/runs/{job}": "needs the extra for training",
    "/improve/training/done/{digest}": "needs the extra for training",
    "/improve/ladders/{comparison}/passages": "needs a candidate with passages",
    "/improve/ladders/{comparison}/document": "needs a candidate with passages",
}
"""Addresses that are no pages, or that this workspace has nothing for."""

LEFT_OUT_HERE: dict[str, str] = {}
"""Addresses that turned out to be no pages."""


@dataclass
class Measured:
    """One address."""

    path: str
    clock: list[float] = field(default_factory=list)
    """Milliseconds, the first request first."""
    processor: list[float] = field(default_factory=list)
    kb: float = 0.0
    paint: list[float] = field(default_factory=list)
    ready_s: float = 0.0
    """How long a page said that it was still working out its answer; 0 where it said none of that."""

    def share(self, times: list[float], share: float) -> float:
        """A quantile of all but the first."""
        ordered = sorted(times[1:])
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    """Build, ask, print a Markdown table and what missed its target."""
    parser = argparse.ArgumentParser(description="Print times and sizes of every page.")
    parser.add_argument("--quick", action="store_true", help="small sizes: says that it works, not how fast it is")
    parser.add_argument("--keep", type=Path, help="folder of the workspace, kept and taken again where it is filled")
    parser.add_argument("--paints", type=int, default=3, help="how often each page is painted")
    options = parser.parse_args()
    rows, cases = (2_000, 2_000) if options.quick else (100_000, 100_000)
    print("\n".join(heading(quick=options.quick)[:2]), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        place = options.keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "filled").exists():
            built = run(["-m", "benchmarks.web_catalog", "build", str(place), str(rows)], place)
            filled = run(["-m", "benchmarks.answers_pages", "fill", str(place), str(cases)], place)
            made = run(["-m", "benchmarks.answers_pages", "index", str(place)], place)
            begun = run(["-m", "benchmarks.web_pages", "begin", str(place)], place)
            cpu = ", ".join(f"{one.cpu_s:,.0f}" for one in (built, filled, made, begun))
            print(f"CPU s of the catalog, the outcomes, their texts, the rest: {cpu}.", flush=True)
            (place / "filled").touch()
        each = str(4 if options.quick else _EACH)
        asked = run(["-m", "benchmarks.web_pages", "ask", str(place), each, str(options.paints)], place)
    _show(asked.result)


def _show(result: Mapping[str, Any]) -> None:
    found = [Measured(**one) for one in result["pages"]]
    print(f"Memory of the process that serves: {result['memory_mb']:,.0f} MB. Load at the end: {result['load']}.\n")
    print("| page | first, ms | clock p50 / p95, ms | processor p50 / p95, ms | KB | first paint, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for one in found:
        paint = f"{statistics.median(one.paint):,.0f}" if one.paint else "–"
        times = (
            f"{one.share(found, 0.5):,.0f} / {one.share(found, 0.95):,.0f}" for found in (one.clock, one.processor)
        )
        print(f"| `{one.path}` | {one.clock[0]:,.0f} | {' | '.join(times)} | {one.kb:,.0f} | {paint} |")
    print()
    for one in found:
        if one.ready_s:
            print(f"- `{one.path}` said that it was looking for {one.ready_s:,.1f} s, and then had its answer.")
    for words, missed in (
        ("p95 above 100 ms by the clock", [one for one in found if one.share(one.clock, 0.95) > MOST_MS]),
        ("p95 above 100 ms of processor time", [one for one in found if one.share(one.processor, 0.95) > MOST_MS]),
        ("first paint above 1 s", [one for one in found if one.paint and statistics.median(one.paint) > MOST_PAINT_MS]),
        ("more than 600 KB", [one for one in found if one.kb > MOST_KB]),
        ("more than 1.5 MB", [one for one in found if one.kb > MOST_CHART_KB]),
    ):
        names = ", ".join(f"`{one.path}`" for one in missed) or "none"
        print(f"- {words}: {len(missed)} of {len(found)} pages ({names})")
    print("\nNot asked for: " + "; ".join(f"`{path}` ({why})" for path, why in result["left_out"].items()) + ".")


# The workspace --------------------------------------------------------------------------------------------------------


def begin(place: Path) -> None:
    """What a team has beside the large comparison: the demo, measured, and what it chose, served."""
    from touchstone.config import Settings
    from touchstone.workspace.base import CompareOptions
    from touchstone.workspace.demo import write_intents
    from touchstone.workspace.deploy import Order, deploy_decision
    from touchstone.workspace.workspace import Workspace

    with Workspace(Settings(workspace=place, workspace_from="benchmark")) as workspace:
        workspace.compare(workspace.load_task(write_intents(place / "intents")), CompareOptions())
        deploy_decision(workspace, "latest", Order(name="intents", check_cases=0), who="benchmark")


class Client:
    """A browser without scripts."""

    def __init__(self, address: str, cookie: str) -> None:
        self.address = address
        self.cookie = cookie
        self.token = ""

    def get(self, path: str) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, body as sent, headers; redirects are followed."""
        for _step in range(4):
            status, body, headers = self._ask("GET", path, None, {})
            if status not in (302, 303):
                break
            path = headers["location"]
        return status, body, headers

    def page(self, path: str) -> bytes:
        """A page as it is read."""
        _status, body, headers = self.get(path)
        return _unpacked(body, headers)

    def post(self, path: str, fields: Mapping[str, Any]) -> str:
        """Where a form leads."""
        status, said, headers = self._sent(path, fields)
        assert status == 303, (path, status, re.findall(r'(?:role="alert"|class="problem)[^>]*>.{,300}', said))
        return headers["location"]

    def send(self, path: str, fields: Mapping[str, Any]) -> str:
        """The page that answers a form."""
        status, said, _headers = self._sent(path, fields)
        assert status == 200, (path, status, said[-800:])
        return said

    def _sent(self, path: str, fields: Mapping[str, Any]) -> tuple[int, str, Mapping[str, str]]:
        if not self.token:
            found = re.search(r'name="form-token" content="([^"]*)"', self.page("/settings").decode())
            assert found
            self.token = found[1]
        body = urlencode({"form_token": self.token, **fields}, doseq=True).encode()
        more = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.address}
        status, said, headers = self._ask("POST", path, body, more)
        return status, _unpacked(said, headers).decode("utf-8", "replace"), headers

    def _ask(
        self, method: str, path: str, body: bytes | None, more: Mapping[str, str]
    ) -> tuple[int, bytes, Mapping[str, str]]:
        place = urlsplit(self.address)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=300)
        cause = "same-origin" if method == "POST" else "none"
        said = {"Cookie": self.cookie, "Accept-Encoding": "gzip", "Sec-Fetch-Site": cause, "Accept-Language": "en"}
        connection.request(method, path, body, {**said, **more})
        answer = connection.getresponse()
        found = answer.read()
        connection.close()
        return answer.status, found, {key.lower(): value for key, value in answer.getheaders()}


def _unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    return gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body


def furnish(client: Client) -> dict[str, str]:
    """What pages are about, made through the pages themselves: what stands in the braces of the routes."""
    task = client.post("/tasks/new/example", {"which": "helpdesk"}).rpartition("/")[2]
    if client.get("/keys/1")[0] != 200:
        client.send("/keys/new", {"name": "the shop's site", "scopes": "infer", "max_usd": "5"})
    running = client.post(f"/tasks/{task}/run", {}).rpartition("/")[2]
    while b"The decision" not in client.page(f"/tasks/{task}/runs/{running}"):
        time.sleep(0.5)
    draft = client.post("/tasks/new", {"pasted": _CASES}).rpartition("/")[2]
    pick = re.findall(r'name="pick" value="(compared:[^"]*:baseline/[^"]*)"', client.page("/playground").decode())[:2]
    session = client.post("/playground/new", {"do": "begin", "pick": pick}).rpartition("/")[2]
    client.post(f"/playground/s/{session}/ask", {"prompt": "My parcel has not arrived.", "after": 0})
    known = client.page("/catalog?q=qwen3") + client.page("/catalog?q=lab7")
    card = re.search(r'href="/catalog/([^"?/]+/[^"?]+)"', known.decode())
    assert card
    return {
        "task": task, "job": running, "draft": draft, "session": session, "turn": "1", "place": "0",
        "name": "intents", "key": "1", "benchmark": "mmlu", "entry": card[1],
    }  # fmt: skip


def addresses(params: Mapping[str, str], comparisons: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """
    Every address of the table of routes that is a page.

    Args:
        params: What stands in the braces.
        comparisons: Comparisons to show, each with a case and a candidate of it.
    """
    from touchstone.web.routes import all_routes

    for route in all_routes():
        if "GET" not in route.methods or route.path in LEFT_OUT:
            continue
        if route.path.endswith(("/csv", "/export", "/download", "/text")):
            LEFT_OUT_HERE[route.path] = "a file"
            continue
        for more in comparisons if "{comparison}" in route.path else ({},):
            known = {**params, **more}
            yield re.sub(r"\{([a-z_]+)(:path)?\}", lambda found: known[found[1]], route.path)  # noqa: B023 - called at once


# Asking ---------------------------------------------------------------------------------------------------------------


def ask(place: Path, each: int, paints: int) -> dict[str, Any]:
    """Ask for every page so many times, and paint it so many times."""
    import resource

    found: list[Measured] = []
    with PagesSite(place) as (address, cookie):
        client = Client(address, cookie)
        weights: dict[str, float] = {}
        for path in _asked(client, place):
            one = Measured(path)
            for number in range(each + 1):
                began, used = time.perf_counter(), time.process_time()
                status, body, headers = client.get(path)
                one.clock.append(1000 * (time.perf_counter() - began))
                one.processor.append(1000 * (time.process_time() - used))
                if number == 0:
                    body, headers, one.ready_s = _waited(client, path, body, headers)
                if status != 200 or (number > 2 and sum(one.clock) > 1_000 * _LONGEST_S):
                    break
            if status != 200:
                LEFT_OUT_HERE[path] = f"answers {status}"
                continue
            one.kb = (len(body) + _loaded(client, body, headers, weights)) / 1024
            found.append(one)
            sys.stderr.write(f"{path} {one.clock[0]:.0f} {statistics.median(one.processor[1:]):.0f}\n")
        _paint(address, client, found, paints)
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    left = {**LEFT_OUT, **LEFT_OUT_HERE}
    return {"pages": [vars(one) for one in found], "memory_mb": memory_mb, "load": load, "left_out": left}


def _waited(
    client: Client, path: str, body: bytes, headers: Mapping[str, str]
) -> tuple[bytes, Mapping[str, str], float]:
    """The page once its answer is there; some are worked out beside the requests, and say so meanwhile."""
    began = time.perf_counter()
    while _WAITS in _unpacked(body, headers):
        time.sleep(0.5)
        if time.perf_counter() - began > _LONGEST_WAIT_S:
            raise SystemExit(f"{path} did not come within {_LONGEST_WAIT_S:.0f} s")
        _status, body, headers = client.get(path)
        if _WAITS not in _unpacked(body, headers):
            return body, headers, time.perf_counter() - began
    return body, headers, 0.0


def _asked(client: Client, place: Path) -> Iterator[str]:
    from touchstone.config import Settings
    from touchstone.workspace.workspace import Workspace

    with Workspace(Settings(workspace=place, workspace_from="benchmark")) as workspace:
        small = next(one.id for one in workspace.comparisons() if one.id != _MILLION)
    params = furnish(client)
    large = {"comparison": _MILLION, "case": "case-000007", "candidate": quote("lab/model-3", safe="")}
    yield from addresses(params, (large, shown_of(client, small)))
    yield f"/decisions/{_MILLION}?requests_per_month=123000"
    yield "/catalog?q=lab7&task=chat&view=table"
    yield "/shortlist?task=chat&requests_per_month=50000&max_usd_per_month=200&input_tokens=800&output_tokens=200"
    yield f"/tasks/{params['task']}/run?plan=1"


def shown_of(client: Client, comparison: str) -> dict[str, str]:
    """A comparison with a case and a candidate, as its pages name them."""
    page = client.page(f"/decisions/{comparison}/answers?by=answer").decode()
    found = re.search(rf'href="/decisions/{comparison}/answers/([^"/?]+)/([^"/?]+)', page)
    assert found, page[-2_000:]
    return {"comparison": comparison, "case": found[1], "candidate": found[2]}


def _loaded(client: Client, body: bytes, headers: Mapping[str, str], weights: dict[str, float]) -> float:
    """Bytes of our own files that a page loads."""
    text = _unpacked(body, headers).decode("utf-8", "replace")
    addresses = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', text))
    for address in addresses - weights.keys():
        weights[address] = len(client.get(address)[1])
    return sum(weights[address] for address in addresses)


def _paint(address: str, client: Client, pages: list[Measured], paints: int) -> None:
    """Milliseconds to the first paint, each in a browser that has seen nothing."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        return
    name, _equals, value = client.cookie.partition("=")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for one in pages:
            for _number in range(paints):
                context = browser.new_context(viewport={"width": 1280, "height": 900})
                context.add_cookies([{"name": name, "value": value, "url": address}])
                page = context.new_page()
                try:
                    page.goto(address + one.path, wait_until="load", timeout=60_000)
                    for _look in range(40):
                        moments = page.evaluate("performance.getEntriesByType('paint').map(one => one.startTime)")
                        if moments:
                            one.paint.append(min(moments))
                            break
                        page.wait_for_timeout(50)
                except Exception as error:  # noqa: BLE001 - one page that cannot be painted is told, the others measured
                    sys.stderr.write(f"{one.path}: {type(error).__name__}\n")
                    break
                finally:
                    context.close()
        browser.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["begin"]:
        begin(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["ask"]:
        sys.stdout.buffer.write(orjson.dumps(ask(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
    else:
        main()
