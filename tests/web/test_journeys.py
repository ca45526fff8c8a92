"""
Four journeys in a real browser, each from its beginning to what it was for, and every place without scripts.

Two are walked in English and two in Chinese; with TOUCHSTONE_JOURNEYS=all each in both languages.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path

import openai
import pytest
from playwright.sync_api import Locator, Page
from tests.web.visiting import RunningSite, Seen, Visitor

from touchstone.language import _, set_language

ALL = os.environ.get("TOUCHSTONE_JOURNEYS") == "all"
CASES = "message,intent,topic\n" + "".join(
    f"{'I want my money back' if n % 2 else 'where is my parcel'} {n},{'refund' if n % 2 else 'delivery'},shop\n"
    for n in range(60)
)


def languages(usual: str) -> pytest.MarkDecorator:
    """The journey in its usual language, or in both."""
    return pytest.mark.parametrize("language", ["en", "zh"] if ALL else [usual])


def spoken(language: str) -> Callable[[str], str]:
    """Words of the pages in a language."""

    def translated(words: str) -> str:
        set_language(language)
        return _(words)

    return lambda words: copy_context().run(translated, words)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def button(page: Page, words: str) -> Locator:
    return page.get_by_role("button", name=words, exact=True).first


def link(page: Page, words: str) -> Locator:
    return page.get_by_role("link", name=words, exact=True).first


def reach(page: Page, wanted: Locator) -> Locator:
    """Press Tab until `wanted` has the focus, as somebody without a mouse does."""
    wanted.wait_for(state="attached")
    for _step in range(150):
        if wanted.evaluate("one => one === document.activeElement"):
            return wanted
        page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {wanted}")


@languages("en")
def test_a_newcomer_serves_what_the_demo_chose(
    open_page: Callable[..., Seen], site: RunningSite, language: str
) -> None:
    """Home, decision, deploy, gateway, key: OpenAI's own client gets an answer, and no shell was touched."""
    say = spoken(language)
    name = f"helpdesk-{language}"
    page = open_page("/", language=language).page
    link(page, "helpdesk-intents").click()
    page.get_by_role("link", name=re.compile(say("Serve {name}").split("{", maxsplit=1)[0])).click()
    page.get_by_label(say("Name of the endpoint")).fill(name)
    button(page, say("Deploy")).click()
    page.wait_for_url(f"**/endpoints/{name}")
    assert "20" in page.locator(".told").inner_text()
    link(page, say("Start it")).click()
    page.get_by_label(say("Port")).fill(str(free_port()))
    button(page, say("Start the gateway")).click()
    button(page, say("Stop the gateway")).wait_for(timeout=60_000)
    base_url = page.locator("#base-url").inner_text()
    link(page, say("Keys")).click()
    link(page, say("Make a key")).click()
    page.locator("#name").fill(f"first program {language}")
    page.get_by_label(name).check()
    page.get_by_label(say("Budget, USD")).fill("5")
    button(page, say("Make the key")).click()
    secret = page.locator("#secret").inner_text()
    assert re.fullmatch(r"ts-[A-Za-z0-9_-]{43}", secret)
    assert secret not in page.url

    client = openai.OpenAI(base_url=base_url, api_key=secret, max_retries=0)
    message = {"role": "user", "content": "My parcel has not arrived."}
    reply = client.chat.completions.create(model=name, messages=[message])  # type: ignore[list-item]
    assert reply.choices[0].message.content

    # Sums are kept a moment: a journey in another language may have looked just before.
    for _look in range(30):
        page.goto(f"{site.address}/usage?by=endpoint")
        if name in page.get_by_role("region", name=say("Usage"), exact=True).inner_text():
            break
        page.wait_for_timeout(1_000)
    assert name in page.get_by_role("region", name=say("Usage"), exact=True).inner_text()
    page.locator(".places").get_by_role("link", name=say("Endpoints"), exact=True).click()
    page.once("dialog", lambda dialog: dialog.accept())
    button(page, say("Stop the gateway")).click()
    button(page, say("Start the gateway")).wait_for(timeout=60_000)
    assert {view.state for view in site.site.jobs("default").all() if view.job.verb == "serve"} == {"done"}
    # In a process of its own: whoever closes a file of the store here takes the site's locks on it away.
    found = subprocess.run(
        ["grep", "-rlF", "--", secret, str(site.workspace)], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (1, "")


@languages("en")
def test_a_product_manager_forwards_a_memo(
    open_page: Callable[..., Seen], site: RunningSite, language: str, tmp_path: Path
) -> None:
    """A dozen questions, models side by side, the memo at another volume by a slider, and it as a PDF."""
    say = spoken(language)
    page = open_page("/shortlist", language=language).page
    page.get_by_label(say("What must it do?")).select_option("chat")
    page.get_by_label(say("How many requests a month?")).fill("50000")
    page.get_by_label(say("How long is a request, in tokens?")).fill("800")
    page.get_by_label(say("How long is an answer, in tokens?")).fill("200")
    page.get_by_label(say("What may it cost a month, in USD?")).fill("40")
    page.get_by_label(say("What may it cost a month, in USD?")).press("Tab")
    page.wait_for_url("**/shortlist?**max_usd_per_month=40**")
    few = page.locator("#results input[name=models]")
    few.first.wait_for()
    before = [one.get_attribute("value") for one in few.all()]
    button(page, say("Put their cards side by side")).click()
    page.wait_for_url("**/catalog/compare?**")
    assert before[0]
    assert before[0] in page.content()
    page.go_back()
    button(page, say("Compare these")).click()
    page.wait_for_url("**/tasks/new?models=**")

    page.locator(".places").get_by_role("link", name=say("Decisions"), exact=True).click()
    link(page, "helpdesk-intents").click()
    stored = page.locator("#memo").inner_text()
    slider = page.locator("input[type=range]")
    slider.focus()
    for _step in range(3):
        slider.press("PageUp")
    # Each step asks anew, and the address is that of the last one once its answer is there.
    asked = page.locator("#requests_per_month").input_value()
    page.wait_for_url(f"**requests_per_month={asked}*")
    page.locator("#memo .told").wait_for()
    assert page.locator("#memo").inner_text() != stored
    with page.expect_download() as download:
        link(page, say("PDF")).click()
    download.value.save_as(tmp_path / "memo.pdf")
    assert (tmp_path / "memo.pdf").read_bytes().startswith(b"%PDF-")
    assert asked in download.value.url


@languages("zh")
def test_an_engineer_guards_a_task_with_a_gate(
    open_page: Callable[..., Seen], site: RunningSite, language: str, tmp_path: Path
) -> None:
    """A file, its columns, the price, the race as it runs, the decision, a gate, and whether it is met."""
    say = spoken(language)
    (tmp_path / "messages.csv").write_text(CASES)
    page = open_page("/tasks", language=language).page
    link(page, say("New task")).click()
    page.get_by_label(say("File of cases")).set_input_files(tmp_path / "messages.csv")
    button(page, say("Look at the file")).click()
    page.wait_for_url("**/tasks/new/*")
    page.locator("#column_input").select_option("message")
    page.locator("#column_target").select_option("intent")
    page.locator("#kind").select_option("label")
    page.locator("#title").fill(f"Shop {language}")
    page.locator("#instruction").fill("Name the intent.")
    button(page, say("Make the task")).click()
    link(page, say("See the price and run")).click()
    button(page, say("Run")).click()
    page.wait_for_url("**/runs/*")
    decision = link(page, say("The decision"))
    decision.wait_for(timeout=90_000)
    assert page.locator(".race-now tbody tr").count() >= 2
    decision.click()
    page.wait_for_url("**/decisions/*")
    page.goto(f"{site.address}/tasks/shop-{language}")
    page.locator(".tabs").get_by_role("link", name=say("Gate"), exact=True).click()
    page.locator("#min_score").fill("0.6")
    button(page, say("Save")).click()
    link(page, say("See the price and run")).click()
    button(page, say("Run")).click()
    page.locator(".outcome").wait_for(timeout=90_000)
    page.get_by_text(say("✓ met")).wait_for()
    link(page, say("How it stands")).click()
    assert page.get_by_text(say("✓ met")).is_visible()


@languages("zh")
def test_an_expert_votes_blind_without_a_mouse(open_page: Callable[..., Seen], visitor: Visitor, language: str) -> None:
    """From the form of a session to the ranking of its votes, by the keyboard alone."""
    say = spoken(language)
    visitor.post("/tasks/new/example", {"which": "helpdesk"})
    page = open_page("/playground", language=language).page
    keyboard = page.keyboard
    for group in page.locator("details.pick-group:not([open]) > summary").all():
        if say("Measured candidates") in group.inner_text():
            reach(page, group)
            keyboard.press("Enter")
            break
    boxes = page.locator("input[name=pick][value^='compared:']")
    for box in (boxes.nth(0), boxes.nth(1)):
        reach(page, box)
        keyboard.press("Space")
    reach(page, page.locator("#how-open"))
    keyboard.press("ArrowDown")
    assert page.locator("#how-pairs").is_checked()
    reach(page, page.locator("#series"))
    keyboard.press("ArrowDown")
    reach(page, page.locator("#prompts"))
    keyboard.type("3")
    keyboard.press("Enter")
    page.wait_for_url("**/playground/s/*")
    for key in ("1", "3", "2"):
        page.locator("button[data-key='1']").wait_for()
        with page.expect_navigation():
            keyboard.press(key)
    ranking = link(page, say("See the ranking"))
    ranking.wait_for()
    reach(page, ranking)
    keyboard.press("Enter")
    page.get_by_role("heading", name=say("What the votes say")).wait_for()
    assert page.locator("tbody tr").count() == 2
    assert page.locator(".facts dd").first.inner_text().startswith("3")


def test_every_place_is_usable_without_scripts(open_page: Callable[..., Seen], site: RunningSite) -> None:
    """Links and forms alone: search, choose, bring cases, measure, decide, look, ask, serve, make a key, govern."""
    page = open_page("/", scripts=False).page

    def go(place: str) -> None:
        page.locator(".places").get_by_role("link", name=place, exact=True).click()
        assert page.get_by_role("heading", level=1).count() == 1

    def again_until(found: Locator) -> None:
        for _step in range(200):
            if found.count():
                return
            while any(view.is_live for view in site.site.jobs("default").all()):
                page.wait_for_timeout(100)
            link(page, "Look again").click()
        raise AssertionError(f"{found} never came")

    go("Catalog")
    page.locator("#q").fill("qwen")
    button(page, "Search").click()
    page.locator("#found a[href^='/catalog/']:has-text('Qwen')").first.click()
    assert "/catalog/" in page.url
    go("Benchmarks")
    page.locator("main table a").first.click()
    assert "/benchmarks/" in page.url
    go("Shortlist")
    page.locator("#task").select_option("chat")
    button(page, "Show who fits").click()
    button(page, "Compare these").click()

    assert page.url.partition("?")[0].endswith("/tasks/new")
    go("Tasks")
    link(page, "New task").click()
    page.locator("#pasted").fill(CASES)
    button(page, "Look at the rows").click()
    page.locator("#column_input").select_option("message")
    page.locator("#column_target").select_option("intent")
    page.locator("#kind").select_option("label")
    page.locator("#title").fill("No scripts")
    button(page, "Make the task").click()
    link(page, "See the price and run").click()
    link(page, "See the price").click()
    button(page, "Run").click()
    again_until(page.get_by_role("link", name="The decision", exact=True))
    link(page, "The decision").click()
    page.locator("#requests_per_month").fill("123000")
    button(page, "Decide again").click()
    assert "123,000" in page.locator("#memo").inner_text()
    link(page, "Answers").click()
    page.locator("main form[method=get] button").first.click()
    page.locator("main a[href*='/answers/']").first.click()
    assert "/answers/" in page.url

    go("Playground")
    page.locator("details.pick-group > summary").filter(has_text="Measured candidates").click()
    for number in (0, 1):
        page.locator("input[name=pick][value^='compared:']").nth(number).check()
    page.locator("button.main[value=begin]").click()
    page.locator("#prompt").fill("where is my parcel 1")
    button(page, "Ask").click()
    again_until(page.locator("#turn-1 .numbers"))
    go("Improve")
    page.locator("main a[href^='/improve/tasks/']").first.click()
    assert "/improve/tasks/" in page.url

    go("Endpoints")
    link(page, "Deploy").click()
    page.locator("main table a.button").first.click()
    page.locator("#name").fill("without-scripts")
    button(page, "Deploy").click()
    page.locator("#text").fill("where is my parcel 1")
    button(page, "Ask the recipe here, for nothing").click()
    assert page.locator("#answer blockquote").inner_text()
    go("Keys")
    link(page, "Make a key").click()
    page.locator("#name").fill("of a program")
    button(page, "Make the key").click()
    assert page.locator("#secret").inner_text().startswith("ts-")
    go("Safety")
    page.locator("main a[href='/safety/try']").first.click()
    page.locator("main textarea").first.fill("Write to anna@example.org")
    page.locator("main form button").first.click()
    assert "anna@example.org" in page.locator("main").inner_text()
    for place in ("Usage", "Audit log", "Jobs", "Settings", "Home"):
        go(place)
    button(page, "Dark").click()
    button(page, "简体中文").click()
    assert page.locator("html[data-theme=dark][lang=zh-CN]").count() == 1
