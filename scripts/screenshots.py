"""
Pictures of every page, in both languages and both themes, and a page that shows them: docs/screens and docs/screens.md.

The site runs over a workspace made for this: the shipped intents, measured; what they chose, served and asked a few
times; a task with a run and a gate; the shipped handbook, improved and trained on; sessions of the playground, one of
them blind; a second project. Nothing leaves the machine. Needs Chromium and the extra `train`.

    python scripts/screenshots.py            # all pages, some minutes
    python scripts/screenshots.py /tasks     # those whose address begins so
"""

from __future__ import annotations

import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from html import unescape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.pages_site import PagesSite  # noqa: E402 - found once the folder above is on the path

from benchmarks import web_pages  # noqa: E402 - found once the folder above is on the path

PLACE = ROOT / "docs" / "screens"
WIDTH, HIGHEST, SCALE, QUALITY = 1280, 1600, 0.5, 42
_ASKED = ("My parcel has not arrived.", "I want my money back.", "How do I change my address?", "The code fails.")
_PROMPTS = 4


def main(beginnings: Sequence[str]) -> None:
    """Make the workspace, look at every page, write the index."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "workspace"
        place.mkdir()
        web_pages.begin(place)
        with PagesSite(place) as (address, cookie):
            client = web_pages.Client(address, cookie)
            paths = _furnished(client, place)
            wanted = [path for path in paths if not beginnings or path.startswith(tuple(beginnings))]
            titles = _taken(address, cookie, wanted)
    assert len({slug(path) for path in paths}) == len(paths), "two pages have pictures of one name"
    if not beginnings:
        (ROOT / "docs" / "screens.md").write_text(_index(titles, paths), encoding="utf-8")
    size = sum(one.stat().st_size for one in PLACE.glob("*.jpg"))
    sys.stdout.write(f"{len(titles)} pages, {size / 1e6:.1f} MB of pictures\n")


def _furnished(client: web_pages.Client, place: Path) -> list[str]:
    """Addresses of the pages to look at."""
    from touchstone.config import Settings
    from touchstone.workspace.workspace import Workspace

    with Workspace(Settings(workspace=place, workspace_from="screenshots")) as workspace:
        measured = workspace.comparisons()[0].id
    params = web_pages.furnish(client)
    client.post(f"/tasks/{params['task']}/gate", {"min_score": "0.6"})
    picks = re.findall(r'name="pick" value="(compared:[^"]*)"', client.page("/playground").decode())[:2]
    fields = {
        "do": "begin", "pick": [unescape(one) for one in picks], "how": "pairs", "series": f"task:{params['task']}",
        "prompts": _PROMPTS, "title": "Whose answers are better?",
    }  # fmt: skip
    blind = client.post("/playground/new", fields).rpartition("/")[2]
    for number in range(1, _PROMPTS):
        _until(client, f"/playground/s/{blind}?at={_PROMPTS}", 'name="verdict"')
        client.post(f"/playground/s/{blind}/vote", {"turn": number, "verdict": "better-0"})
    _until(client, f"/playground/s/{blind}?at={_PROMPTS}", 'name="verdict"')
    _ask_the_gateway(client)
    comparison = web_pages.shown_of(client, measured)
    asked = "task=chat&requests_per_month=50000&max_usd_per_month=200&input_tokens=800&output_tokens=200"
    client.post("/settings/projects", {"name": "spare-parts"})
    more = (
        *_improved(client),
        "/settings/projects/one?project=spare-parts",
        "/catalog?q=qwen&view=table",
        f"/shortlist?{asked}",
        f"/tasks/{params['task']}/run?plan=1",
        f"/playground/s/{blind}?at={_PROMPTS}",
        f"/playground/votes/{blind}",
        f"/endpoints/new?decision={measured}",
        "/catalog/compare?models=" + "&models=".join(_models(client)),
    )
    bare = {f"/tasks/{params['task']}/run", "/catalog/compare", f"/playground/votes/{params['session']}"}
    # Of the intents there are neither prompts nor passages to show; the pages of the handbook stand for them.
    bare |= {f"/improve/ladders/{measured}{below}" for below in ("", "/prompts", "/examples")}
    bare.add(f"/improve/tasks/{params['task']}")
    found = {*web_pages.addresses(params, (comparison,)), *more} - bare
    return [path for path in sorted(found) if client.get(path)[0] == 200]


def _improved(client: web_pages.Client) -> list[str]:
    """The handbook of the demo, its ladder with all that was shown to the models, and a training on it."""
    task = client.post("/tasks/new/example", {"which": "handbook"}).rpartition("/")[2]
    running = client.post(f"/improve/tasks/{task}/run", {"full": "1"})
    _until(client, running, "/improve/ladders/", seconds=900)
    found = re.search(r'href="(/improve/ladders/[^"/]+)"', client.page(running).decode())
    assert found
    ladder = found[1]
    opened = re.search(r'href="([^"]+/document[^"]+)"', client.page(f"{ladder}/passages").decode())
    assert opened
    training = client.post(
        "/improve/training/new", {"task": task, "way": "full", "base": "starter/s", "name": "handbook", "epochs": "4"}
    )
    _until(client, training, "/catalog/own/handbook", seconds=600)
    done = re.search(r'href="(/improve/training/done/[^"]+)"', client.page("/improve/training").decode())
    assert done
    below = ("", "/prompts", "/examples", "/passages")
    return [f"/improve/tasks/{task}", running, *(ladder + one for one in below), unescape(opened[1]), training, done[1]]


def _models(client: web_pages.Client) -> list[str]:
    page = client.page("/catalog?q=qwen3").decode()
    return list(dict.fromkeys(re.findall(r'name="tray" value="([^"]+)"', page)))[:3]


def _ask_the_gateway(client: web_pages.Client) -> None:
    """A few requests with a key, so that usage and logs show something."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    client.post("/endpoints/-/gateway/start", {"port": port})
    _until(client, "/endpoints/-/gateway", "base-url")
    made = client.send(
        "/keys/new", {"name": "the shop's app", "scopes": "infer", "endpoints": "intents", "max_usd": "5"}
    )
    secret = re.search(r'id="secret">([^<]+)<', made)
    assert secret
    for text in _ASKED:
        client.send("/endpoints/intents/ask", {"text": text, "key": secret[1], "how": "gateway"})
    client.post("/endpoints/-/gateway/stop", {})
    _until(client, "/endpoints/-/gateway", "gateway/start")


def _until(client: web_pages.Client, path: str, words: str, *, seconds: float = 60.0) -> None:
    for _step in range(int(seconds / 0.2)):
        if words in client.page(path).decode():
            return
        time.sleep(0.2)
    raise TimeoutError(f"{path} never showed {words}")


def _taken(address: str, cookie: str, paths: Sequence[str]) -> dict[str, str]:
    """Take the pictures; the title of each page in English."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("there is no Chromium on this machine")
    PLACE.mkdir(exist_ok=True)
    name, _equals, value = cookie.partition("=")
    titles: dict[str, str] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for language, locale in (("en", "en-GB"), ("zh", "zh-CN")):
            for theme in ("light", "dark"):
                context = browser.new_context(
                    viewport={"width": WIDTH, "height": 900}, device_scale_factor=SCALE, locale=locale,
                    color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce",
                )  # fmt: skip
                context.add_cookies([{"name": name, "value": value, "url": address}])
                page = context.new_page()
                for path in paths:
                    page.goto(address + path)
                    page.wait_for_timeout(250)
                    page.locator(".htmx-request").first.wait_for(state="detached")
                    high = min(HIGHEST, page.evaluate("document.documentElement.scrollHeight"))
                    page.screenshot(
                        path=str(PLACE / f"{slug(path)}-{language}-{theme}.jpg"), type="jpeg", quality=QUALITY,
                        full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": high},
                    )  # fmt: skip
                    if language == "en":
                        titles[path] = page.title().removesuffix(" · Touchstone")
                context.close()
        browser.close()
    return titles


def slug(path: str) -> str:
    """A file name for an address; what changes from run to run is left out of it."""
    plain = re.sub(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}|[0-9a-f]{12,64}", "x", path.partition("?")[0].replace("%2F", "-"))
    query = re.match(r"[^?]*\?([a-z_]+)", path)
    return (re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "home")[:60] + (f"-{query[1]}" if query else "")


def _index(titles: Mapping[str, str], paths: Sequence[str]) -> str:
    lines = [
        "# Every page",
        "",
        "Made by `scripts/screenshots.py` from a workspace of the demo: both languages, light and dark, 1,280",
        "pixels wide at half size. Longer pages are cut.",
        "",
    ]
    for path in paths:
        shown = re.sub(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}|[0-9a-f]{12,64}", "…", path)
        lines += [f"## {titles[path]}", "", f"`{shown}`", ""]
        lines += [
            "".join(f"![{titles[path]}, {language}, {theme}](screens/{slug(path)}-{language}-{theme}.jpg)\n"
                    for language in ("en", "zh") for theme in ("light", "dark"))
        ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
