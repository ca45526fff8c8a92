"""Untrusted text is text, on every page: no script of it runs, no request of it leaves (R18, F34, A23)."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect
from tests.web.hostile import SCRIPTS, make_hostile
from tests.web.visiting import RunningSite, Visitor
from tests.web.walking import crawl, one_of_each

_SAFE_SCHEMES = ("", "http", "https", "mailto")
_ADDRESSES = ("href", "src", "action", "formaction", "poster", "data", "srcset", "xlink:href", "ping", "background")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site over a workspace in which every text is an attack, with a job and a project besides."""
    folder = tmp_path_factory.mktemp("hostile") / "workspace"
    make_hostile(folder)
    running = RunningSite(folder)
    jobs = running.site.jobs("default")
    jobs.start(
        "trials", "--nothing-of-that-name", title=SCRIPTS[0] + SCRIPTS[1], about="//leak.example", who=SCRIPTS[2]
    )
    yield running
    running.close()


@pytest.fixture(scope="module")
def pages(site: RunningSite) -> Mapping[str, str]:
    """Every kind of page, from the walk; the hostile card is a beginning of its own."""
    return crawl(site.visitor(), most=160, of_a_kind=2, begin=("/", "/catalog/evil/model", "/settings", "/jobs"))


class Parts(HTMLParser):
    """What of a page could act."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.in_svg = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        given = {name: value or "" for name, value in attrs}
        self.in_svg += tag == "svg"
        if tag == "script" and not given.get("src", "").startswith("/static/"):
            self.wrong.append(f"script {given}")
        apart = tag == "iframe" and "sandbox" in given and "allow-same-origin" not in given["sandbox"]
        if tag in ("iframe", "object", "embed", "base", "style", "frame", "applet", "foreignobject") and not apart:
            self.wrong.append(f"{tag} {given}")
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.wrong.append(f"meta {given}")
        if tag == "link" and not given.get("href", "").startswith("/static/"):
            self.wrong.append(f"link {given}")
        for name, value in given.items():
            if name.startswith(("on", "hx-on", "data-hx-")) or name == "style" or name == "srcdoc":
                self.wrong.append(f"{tag} {name}={value}")
            if name in _ADDRESSES:
                place = urlsplit(value.strip().replace("\t", "").replace("\n", ""))
                image = tag == "img" and value.startswith("data:image/") and "svg" not in value[:30]
                if place.scheme.lower() not in _SAFE_SCHEMES and not image:
                    self.wrong.append(f"{tag} {name}={value[:80]}")
                if tag in ("img", "script", "form", "button", "source", "video", "audio", "input", "image", "use") and (
                    place.netloc
                ):
                    self.wrong.append(f"{tag} {name}={value[:80]}")
            if name.startswith("hx-") and name.removeprefix("hx-") in ("get", "post") and not value.startswith("/"):
                self.wrong.append(f"{tag} {name}={value[:80]}")


def acting(text: str) -> list[str]:
    """Whatever of a page could act and is not ours."""
    parts = Parts()
    parts.feed(text)
    return parts.wrong


def test_the_corpus_would_be_found() -> None:
    """Put into a page as it is, nearly every attack is seen by the look at the page's parts (so the look can fail)."""
    seen = [attack for attack in SCRIPTS if acting(f"<p>{attack}</p>")]
    assert len(seen) >= 14


def test_r18_no_page_holds_an_element_of_a_strangers_text(pages: Mapping[str, str]) -> None:
    """Names, cases, answers, errors, cards and job logs are on many pages, and are elements of none."""
    wrong = {address: found for address, text in pages.items() if text and (found := acting(text))}
    assert wrong == {}
    told = [address for address, text in pages.items() if "window.hit" in text]
    assert len(told) >= 8, "the walk met too few pages with hostile text to show anything"


def test_r18_every_page_has_the_policy(site: RunningSite, pages: Mapping[str, str]) -> None:
    """The content policy allows our own files alone, on every kind of answer; and no answer is guessed at."""
    visitor = site.visitor()
    for address in [*one_of_each(dict(pages)).values(), "/nothing-here", "/sign-in"]:
        reply = visitor.ask("GET", address)
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy, address
        assert "unsafe" not in policy, address
        assert "*" not in policy, address
        assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_hostile_address_is_text(site: RunningSite) -> None:
    """What stands in the address or the query of a request ends on error pages as text."""
    from urllib.parse import quote

    visitor = site.visitor()
    for attack in SCRIPTS[:8]:
        for begin in ("/", "/jobs/", "/?q=", "/catalog?q=", "/sign-in?to="):
            path = begin + quote(attack)
            reply = visitor.get(path)
            assert acting(reply.text) == [], path
            assert reply.status < 500, path


def test_no_script_runs_and_no_request_leaves(
    site: RunningSite, pages: Mapping[str, str], browser: Browser, tmp_path: Path
) -> None:
    """
    One page of each kind in a real browser, with scripts: nothing of the corpus runs, nothing is asked of anybody else,
    and the browser reports no breach of the content policy.
    """
    context = browser.new_context()
    page = context.new_page()
    elsewhere: list[str] = []
    said: list[str] = []
    page.on(
        "request",
        lambda one: None if one.url.startswith((site.address, "data:image/")) else elsewhere.append(one.url),
    )
    page.on("console", lambda one: said.append(f"{page.url}: {one.text}") if one.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    page.on("dialog", lambda dialog: (said.append(f"{page.url}: dialog"), dialog.dismiss()))
    page.add_init_script(
        "addEventListener('securitypolicyviolation',"
        " e => console.error('policy ' + e.violatedDirective + ' ' + e.blockedURI))"
    )
    page.goto(site.server.new_link())
    for address in one_of_each(dict(pages)).values():
        page.goto(site.address + address, wait_until="load")
        assert page.evaluate("window.hit") is None, address
        assert page.evaluate("location.pathname") == urlsplit(address).path, "the page sent the browser elsewhere"
    page.wait_for_timeout(200)
    context.close()
    assert elsewhere == []
    assert said == []


# A23 in a real browser ------------------------------------------------------------------------------------------------


ATTACKS = """<!doctype html><title>evil</title><body><script>
const site = %r;
const told = [];
const note = (name, work) => work.then(v => told.push(name + ': ' + v), e => told.push(name + ': blocked'));
onload = async () => {
  const body = 'to=dark&back=/';
  await note('read', fetch(site + '/settings', {credentials: 'include'}).then(r => r.text()));
  await note('read json', fetch(site + '/settings', {credentials: 'include', mode: 'cors',
    headers: {'content-type': 'application/json'}}).then(r => r.text()));
  await note('simple', fetch(site + '/theme', {method: 'POST', mode: 'no-cors', credentials: 'include',
    headers: {'content-type': 'text/plain'}, body}).then(r => 'sent ' + r.status));
  await note('form fetch', fetch(site + '/theme', {method: 'POST', mode: 'no-cors', credentials: 'include',
    headers: {'content-type': 'application/x-www-form-urlencoded'}, body}).then(r => 'sent ' + r.status));
  await note('socket', new Promise((yes, no) => { const w = new WebSocket(site.replace('http', 'ws') + '/jobs');
    w.onopen = () => yes('open'); w.onerror = no; }));
  await note('events', new Promise((yes, no) => { const e = new EventSource(site + '/jobs', {withCredentials: true});
    e.onmessage = () => yes('came'); e.onerror = no; }));
  await note('script', new Promise((yes, no) => { const s = document.createElement('script'); s.src = site + '/jobs';
    s.onload = () => yes('loaded'); s.onerror = no; document.body.append(s); }));
  await note('image', new Promise((yes, no) => { const i = new Image(); i.src = site + '/settings';
    i.onload = () => yes('loaded'); i.onerror = no; }));
  const f = document.createElement('iframe'); f.name = 'inside'; document.body.append(f);
  const form = document.createElement('form');
  form.method = 'post'; form.action = site + '/theme'; form.target = 'inside';
  form.innerHTML = '<input name=to value=dark>'; document.body.append(form); form.submit();
  await new Promise(r => setTimeout(r, 400));
  document.title = 'done'; window.told = told;
};
</script>"""


class Evil:
    """A web site of somebody else's, on loopback under another port: to a browser another origin of the same site."""

    def __init__(self, target: str) -> None:
        body = (ATTACKS % target).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_a23_a_page_of_somebody_else_changes_and_reads_nothing(site: RunningSite, browser: Browser) -> None:
    """
    In the browser of somebody who is signed in, an evil page tries reading, forms, simple requests, sockets, events,
    scripts, images and frames; and the name of another host that leads to our address (DNS rebinding).
    """
    evil = Evil(site.address)
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.server.new_link())
    # The same machine under another port is the same site to a browser, so that even SameSite cookies go along.
    page.goto(f"http://127.0.0.1:{evil.port}/")
    expect(page).to_have_title("done")
    told = dict(line.split(": ", 1) for line in page.evaluate("window.told"))
    assert {name: told[name] for name in ("read", "read json", "socket", "events", "script", "image")} == dict.fromkeys(
        ("read", "read json", "socket", "events", "script", "image"), "blocked"
    )
    page.goto(site.address + "/settings")
    assert page.get_attribute("html", "data-theme") is None
    # A name of the attacker's that leads here: the browser's own resolver calls anything below localhost loopback.
    port = urlsplit(site.address).port
    reply = page.goto(f"http://evil.localhost:{port}/settings")
    assert reply is not None
    assert reply.status == 421
    context.close()
    evil.server.shutdown()
    evil.server.server_close()
    assert Visitor(site.address).get("/sign-in").status == 200
