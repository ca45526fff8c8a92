"""Every page of the table by axe, light and dark, and by the keyboard alone (WCAG 2.2 AA)."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.web.visiting import RunningSite
from tests.web.walking import crawl, one_of_each

from touchstone.web.routes import all_routes
from touchstone.workspace.projects import make_project

_AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"
_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
_RUN = """async rules => {
  const found = await axe.run(document, {resultTypes: ['violations'], preload: false, ...rules});
  return found.violations.filter(v => ['serious', 'critical'].includes(v.impact))
    .map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + n.html.slice(0, 140)).join(' | '));
}"""
_WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
"""All that another theme can change."""
_UNREACHED = """() => [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary, [onclick], [role=button], [role=link]')]
  .filter(e => e.checkVisibility({visibilityProperty: true}) && !e.disabled && e.tabIndex < 0
    && e.getAttribute('aria-hidden') !== 'true').map(e => e.outerHTML.slice(0, 120))"""

_SHORTENED = """() => {
  const shapes = new Map();
  const look = e => {
    const below = [...e.children].map(look), met = {};
    below.forEach((one, n) => { if ((met[one] = (met[one] || 0) + 1) > 3) e.children[n].leaves = true; });
    [...e.children].filter(one => one.leaves).forEach(one => one.remove());
    const says = [...e.childNodes].some(one => one.nodeType === 3 && one.textContent.trim());
    const has = [...e.attributes].map(one => one.name + (one.name === 'class' ? one.value : !one.value.trim()));
    const whole = [e.tagName, says, ...has.sort(), 'holds', ...new Set(below)].join();
    shapes.has(whole) || shapes.set(whole, shapes.size);
    return shapes.get(whole);
  };
  look(document.body);
}"""
"""Of rows, entries and options with the same elements, classes and attributes, filled or empty, three stay."""

_EDGES = """() => {
  const ink = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const light = colour => {
    ink.fillStyle = colour; ink.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...ink.getImageData(0, 0, 1, 1).data].map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const page = light(getComputedStyle(document.body).backgroundColor);
  const own = 'main input:not([type=hidden], [type=checkbox], [type=radio], [type=range]), main select, main textarea';
  return [...document.querySelectorAll(own)].map(e => light(getComputedStyle(e).borderTopColor))
    .map(edge => (Math.max(edge, page) + 0.05) / (Math.min(edge, page) + 0.05));
}"""
"""Contrast of the edges of fields with the page."""


@pytest.fixture(scope="module")
def site(measured_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site where everything has something: a measured task, people, a job, a second project."""
    folder = tmp_path_factory.mktemp("accessible") / "workspace"
    shutil.copytree(measured_once, folder)
    make_project(folder, "support")
    running = RunningSite(folder)
    running.site.sessions.people.add("anna", {"default": "admin"})
    running.site.sessions.people.add("vera", {"default": "viewer", "support": "editor"})
    running.site.jobs("default").start("settings", title="Settings, printed", who="anna")
    yield running
    running.close()


@pytest.fixture(scope="module")
def page(site: RunningSite, browser: Browser) -> Iterator[Page]:
    """Somebody's one window, in which all pages are looked at."""
    assert hashlib.sha256(_AXE.read_bytes()).hexdigest() == _SHA256
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    # Put in by the browser's own debugging door, which the content policy does not concern.
    context.add_init_script(path=_AXE)
    opened = context.new_page()
    opened.goto(site.server.new_link())
    yield opened
    context.close()


def test_axe_finds_nothing_serious_on_any_page(site: RunningSite, page: Page) -> None:
    """No serious or critical violation of WCAG 2.2 AA, on one page of each route, light and dark."""
    begin = ["/", *(route.path for route in all_routes() if "GET" in route.methods and "{" not in route.path)]
    pages = one_of_each(crawl(site.visitor(), most=220, of_a_kind=1, begin=begin))
    pages = {route: address for route, address in pages.items() if not address.startswith(("/static/", "/enter/"))}
    pages["sign-in"] = "/sign-in"
    pages["error"] = "/nothing-here"
    wrong: list[str] = []
    for address in pages.values():
        page.emulate_media(color_scheme="light")
        page.goto(site.address + address, wait_until="load")
        wrong += [f"{address}: cannot be reached by Tab: {one}" for one in page.evaluate(_UNREACHED)]
        page.evaluate(_SHORTENED)
        wrong += [f"{address}: {one}" for one in page.evaluate(_RUN, _WCAG)]
        page.emulate_media(color_scheme="dark")
        wrong += [f"{address}, dark: {one}" for one in page.evaluate(_RUN, _COLOURS)]
    assert wrong == []
    assert len(pages) >= 25


def test_what_is_filled_in_can_be_seen(site: RunningSite, page: Page) -> None:
    """The edge of every field has three times the light or dark of the page (WCAG 2.2, 1.4.11), light and dark."""
    for address in ("/settings/keys", "/tasks/new", "/shortlist", "/usage"):
        page.goto(site.address + address, wait_until="load")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            edges = page.evaluate(_EDGES)
            assert edges, address
            assert min(edges) >= 3, f"{address}, {scheme}"


def test_the_main_paths_work_by_keyboard(site: RunningSite, page: Page) -> None:
    """From the first page by Tab and Enter alone: past the navigation, to a place, into a form, and through it."""
    page.emulate_media(color_scheme="light")
    page.goto(site.address + "/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top >= 0"), "the skip link is not to be seen"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#content"

    def tab_to(words: str, most: int = 80) -> None:
        for _step in range(most):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                "(() => { const e = document.activeElement; const s = getComputedStyle(e);"
                " return [(e.innerText || e.value || '').trim(), s.outlineStyle + s.outlineWidth + s.boxShadow]; })()"
            )
            assert focused[1] != "none0pxnone", f"the focus on {focused[0]!r} cannot be seen"
            if focused[0] == words:
                return
        raise AssertionError(f"{words!r} is not reached by Tab")

    page.goto(site.address + "/")
    tab_to("Settings")
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings")
    tab_to("Projects")
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/projects")
    page.focus("#name")
    page.keyboard.type("by-keyboard")
    page.keyboard.press("Enter")
    page.wait_for_selector("p.told")
    assert "by-keyboard" in page.inner_text("p.told")
    tab_to("Open by-keyboard")
    page.keyboard.press("Enter")
    page.wait_for_selector("p.told")
    tab_to("Dark")
    page.keyboard.press("Enter")
    page.wait_for_selector("html[data-theme=dark]")
    tab_to("Sign out")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in")
