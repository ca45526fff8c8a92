"""The catalog in a browser: search, cards, comparisons, words, and what changes it."""

from __future__ import annotations

import http.server
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import pytest
from tests.strategies.stored import store_a_training
from tests.training.tiny import job
from tests.web.visiting import Reply, RunningSite, Seen, Visitor

from touchstone.catalog.own import add_body
from touchstone.config import Settings
from touchstone.training.card import card_of, put_into_catalog
from touchstone.training.run import stored_training
from touchstone.web.pages import catalog_asked
from touchstone.web.routes import all_routes
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.workspace import Workspace

HOSTILE = "<script>alert(1)</script>"
LONG = "x" * 6_000
MEASURED = "openai/gpt-4o-mini"

CARD = """
id = "own/evil"
name = "<img src=x onerror=alert(1)> [a](javascript:alert(2))"
lab = "own"
tasks = ["chat"]
output_types = ["text"]
input_modalities = ["text"]
weights = "open"
parameters = 1_000_000
context_tokens = 8192
hugging_face = "own/evil"
links = ["javascript:alert(5)", "data:text/html,<script>alert(6)</script>"]

[summary]
en = "HOSTILE and TURNED **bold** ![x](https://elsewhere.example/x.png)"
zh = "HOSTILE"

[intended_use]
en = "HOSTILE </dd></dl><script>alert(3)</script> LONG"
zh = "HOSTILE"

[[sources]]
name = "HOSTILE"
url = "javascript:alert(4)"
as_of = "2026-08-01"
facts = ["parameters"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site with a card of somebody who means harm, a model that was measured here, and one that was trained here."""
    folder = tmp_path_factory.mktemp("catalog")
    place = folder / "workspace"
    body = CARD.replace("HOSTILE", HOSTILE).replace("TURNED", "\\u202egpt\\u202c").replace("LONG", LONG)
    add_body(place / "catalog", body.encode(), Path("evil.toml"), today="2026-08-01")
    digest = "ab" * 32
    told = json.loads((store_a_training(place / "trained" / digest, digest) / "result.json").read_text())
    told["steps"] = [{**told["steps"][0], "step": step, "loss": 3.0 / step} for step in (1, 3, 9)]
    (place / "trained" / digest / "result.json").write_text(json.dumps(told))
    trained = stored_training(place / "trained" / digest)
    assert trained is not None
    put_into_catalog(place / "catalog", card_of("own/taught", "taught", trained, job(), data_digest="a" * 64,
                                                ended="2026-11-27"))  # fmt: skip
    (folder / "cases.csv").write_text("id,input,target\n" + "".join(f"q{n},capital {n},city {n}\n" for n in range(40)))
    (folder / "answers.csv").write_text(
        "case_id,output\n" + "".join(f"q{n},{f'city {n}' if n < 30 else 'no idea'}\n" for n in range(40))
    )
    task = {"task": "capitals", "cases": "cases.csv", "answer": {"kind": "text"},
            "candidates": [{"recorded": "answers.csv", "model": MEASURED}]}  # fmt: skip
    (folder / "capitals.yaml").write_text(json.dumps(task))
    with Workspace(Settings(workspace=place, workspace_from="test")) as workspace:
        workspace.compare(workspace.load_task(folder / "capitals.yaml"), CompareOptions(full=True))
    running = RunningSite(place)
    yield running
    running.close()


def ids(page: Reply) -> list[str]:
    """The models that a page of the search lists, in order."""
    return [unescape(one) for one in re.findall(r'name="tray" value="([^"]+)"', page.text)]


def counts(page: Reply, facet: str) -> dict[str, int]:
    """What stands behind the values of a facet."""
    found = re.findall(rf'name="{facet}" value="([^"]*)".*?<span class="count">([\d,]+)</span>', page.text)
    return {unescape(value): int(count.replace(",", "")) for value, count in found}


def total(page: Reply) -> int:
    """How many were found."""
    found = re.search(r"<b>([\d,]+) models?</b>", page.text)
    assert found is not None
    return int(found[1].replace(",", ""))


# Search ---------------------------------------------------------------------------------------------------------------


def test_words_find_models_without_a_script(visitor: Visitor) -> None:
    """The same as the command's search, English or Chinese."""
    assert "alibaba/qwen3-32b" in ids(visitor.get("/catalog?q=qwen3+32b"))
    assert "baai/bge-m3" in ids(visitor.get("/catalog?q=%E5%90%91%E9%87%8F&lab=baai"))


@pytest.mark.parametrize("facet", ["task", "ability", "openness", "licence", "lab", "provider", "architecture"])
def test_a_count_is_what_ticking_it_finds(visitor: Visitor, facet: str) -> None:
    """The number behind a value is how many are shown once it is ticked."""
    value, count = list(counts(visitor.get("/catalog?input=text"), facet).items())[1]
    assert total(visitor.get(f"/catalog?input=text&{facet}={value}")) == count


def test_what_is_ticked_does_not_hide_the_alternatives(visitor: Visitor) -> None:
    """Of facets of which one value is enough, the others keep the counts that they would have."""
    before = counts(visitor.get("/catalog?task=chat"), "openness")
    after = counts(visitor.get("/catalog?task=chat&openness=proprietary"), "openness")
    assert before == after
    both = visitor.get("/catalog?task=chat&openness=proprietary&openness=open-licence")
    assert total(both) == before["proprietary"] + before["open-licence"]


def test_limits_narrow_and_each_can_be_taken_away_alone(visitor: Visitor) -> None:
    """A chip is the address without one thing."""
    page = visitor.get("/catalog?task=chat&max_parameters=10B&min_context=32000&max_usd=1&fits_gb=24&precision=4bit")
    chips = [unescape(one) for one in re.findall(r'<a class="chip" href="([^"]+)"', page.text)]
    assert len(chips) == 6
    assert total(page) > 0
    assert total(visitor.get(chips[0])) > total(page)
    assert all(total(visitor.get(chip)) >= total(page) for chip in chips if "precision" in chip)


@pytest.mark.parametrize("asked", ["min_context=many", "max_parameters=lots", "released_after=soon", "min_score=3",
                                   "task=dance", "lab=nobody", "region=moon", "collection=none", "max_usd=nan",
                                   "family=none&country=XX&language=qq&provider=nobody&licence=none",
                                   f"q={'x' * 301}", "sort=luck", "precision=3bit", "input_share=7"])  # fmt: skip
def test_what_cannot_be_used_is_told_and_the_rest_is_still_found(visitor: Visitor, asked: str) -> None:
    """The form comes back with what was typed and a sentence; nothing fails."""
    page = visitor.get(f"/catalog?ability=tools&{asked}")
    assert page.status == 422
    assert 'class="problem"' in page.text or 'role="alert"' in page.text
    assert total(page) == total(visitor.get("/catalog?ability=tools"))


def test_pages_hold_fifty_and_keep_what_was_set_aside(visitor: Visitor) -> None:
    """The second page begins where the first one ends, and the tray is part of the form."""
    first, second = visitor.get("/catalog?task=chat"), visitor.get("/catalog?task=chat&page=2&tray=openai/gpt-4o")
    assert len(ids(first)) == 50
    assert not set(ids(first)) & set(ids(second)) - {"openai/gpt-4o"}
    assert '<input type="hidden" name="tray" value="openai/gpt-4o">' in second.text
    assert "1 model set aside" in second.words
    assert "past the last" in visitor.get("/catalog?task=chat&page=4000").words


def test_a_table_shows_the_same_models_as_cards_do(visitor: Visitor) -> None:
    """The view changes nothing but the view."""
    assert ids(visitor.get("/catalog?task=embedding&view=table")) == ids(visitor.get("/catalog?task=embedding"))


def test_the_part_for_scripts_is_the_list_alone_and_names_its_address(visitor: Visitor) -> None:
    """A fragment has no frame; the address that the browser shows is what is asked and nothing else."""
    part = visitor.get("/catalog?q=qwen&sort=relevance&min_context=&view=cards", headers={"hx-request": "true"})
    assert "<html" not in part.text
    assert part.headers["hx-push-url"] == "/catalog?q=qwen"
    assert ids(part) == ids(visitor.get("/catalog?q=qwen"))


def test_retired_models_are_left_out_until_somebody_asks(visitor: Visitor) -> None:
    """Nobody misses them unawares."""
    page = visitor.get("/catalog?lab=openai")
    assert "retired models meet the rest" in page.words
    assert total(visitor.get("/catalog?lab=openai&retired=all")) > total(page)
    assert total(visitor.get("/catalog?lab=openai&retired=only")) > 0


def test_a_collection_combines_with_filters(visitor: Visitor) -> None:
    """Its count is what following it finds."""
    page = visitor.get("/catalog?task=chat")
    to, count = re.findall(r'<a href="(/catalog\?[^"]*collection=chinese-labs[^"]*)">.*?"count">([\d,]+)<', page.text)[
        0
    ]
    assert total(visitor.get(unescape(to))) == int(count)


def test_scores_can_be_ordered_and_say_how_they_were_measured(visitor: Visitor) -> None:
    """An order by score names its test and condition."""
    page = visitor.get("/catalog?benchmark=mmlu-pro&sort=score&view=table")
    assert "measured alike" in page.words
    assert page.status == 200


def test_the_command_for_the_same_search_finds_as_many(visitor: Visitor, site: RunningSite) -> None:
    """What the page offers to copy is true."""
    from typer.testing import CliRunner

    from touchstone.cli.app import build_app

    page = visitor.get("/catalog?q=qwen&task=chat&licence=open&max_parameters=40B&collection=chinese-labs")
    command = re.search(r"touchstone catalog search [^\n<]+", unescape(page.text))
    assert command is not None
    import shlex

    words = [*shlex.split(command[0])[1:], "--json", f"--workspace={site.workspace}"]
    at = words.index("--")
    answer = CliRunner().invoke(build_app(), [*words[:at], *words[-2:], *words[at:-2]])
    assert json.loads(answer.stdout)["total"] == total(page)


# Cards ----------------------------------------------------------------------------------------------------------------


def test_a_card_has_everything_and_says_what_to_do_next(visitor: Visitor) -> None:
    """Facts, offers, results, memory, code, gaps, sources; the playground, a task, a comparison."""
    page = visitor.get("/catalog/alibaba/qwen3-32b")
    for part in ("facts", "use", "lineage", "licence", "offers", "results", "memory", "samples", "unknown", "sources"):
        assert f'<section id="{part}"' in page.text
    assert "/playground?pick=catalog%3Aalibaba%2Fqwen3-32b" in page.text
    assert "/tasks/new?models=alibaba%2Fqwen3-32b" in page.text
    assert "/catalog?tray=alibaba%2Fqwen3-32b" in page.text
    assert 'href="/benchmarks/' in page.text
    assert 'data-copies="sample-1"' in page.text
    assert "sk-" not in page.text


def test_an_unknown_card_is_not_here(visitor: Visitor) -> None:
    """The closest are named; whatever stands in the address is text."""
    page = visitor.get("/catalog/alibaba/qwen3-33b")
    assert page.status == 404
    assert "qwen3-32b" in page.words
    for address in ("/catalog/..%2f..%2fetc%2fpasswd", "/catalog/%3Cscript%3Ealert(1)%3C/script%3E", "/catalog/a/b/c"):
        found = visitor.get(address)
        assert found.status == 404
        assert HOSTILE not in found.text


def test_an_offer_without_a_card_has_a_page(visitor: Visitor) -> None:
    """What only a seller lists is shown with what its seller says."""
    listed = visitor.get("/catalog?retired=all&q=anthropic&provider=anthropic").text
    found = re.search(r'href="(/catalog/anthropic:[^"]+)"', listed)
    assert found is not None
    assert "Nobody has written a card for this" in visitor.get(found[1]).words


def test_memory_is_worked_out_from_what_is_typed(visitor: Visitor) -> None:
    """Twice the requests need twice the cache; a wrong number is told beside its field."""

    def cache(query: str) -> float:
        page = visitor.get(f"/catalog/alibaba/qwen3-32b?{query}&device=24")
        found = re.search(r"<dt>Cache</dt><dd>([\d.]+) GiB", page.text.partition('id="needed"')[2])
        assert found is not None
        return float(found[1])

    assert cache("context=32768&batch=4&precision=4bit") == pytest.approx(2 * cache("context=32768&batch=2"), rel=0.01)
    wrong = visitor.get("/catalog/alibaba/qwen3-32b?context=long")
    assert wrong.status == 422
    assert 'id="context-problem"' in wrong.text
    part = visitor.get("/catalog/alibaba/qwen3-32b?part=memory&context=4096", headers={"hx-request": "true"})
    assert "<html" not in part.text
    assert "Together" in part.words


def test_what_we_measured_stands_on_the_card_marked_as_ours(visitor: Visitor) -> None:
    """A model that this workspace asked has its own results: fetched by a script, and by a link without."""
    page = visitor.get(f"/catalog/{MEASURED}")
    assert "Measured by us" not in page.words
    assert f'hx-get="/catalog/{MEASURED}?part=ours"' in page.text
    part = visitor.get(f"/catalog/{MEASURED}?part=ours", headers={"hx-request": "true"})
    assert "Measured by us" in part.words
    assert "75.0" in part.words
    assert "<html" not in part.text
    assert "75.0" in visitor.get(f"/catalog/{MEASURED}?part=ours").words
    assert "part=ours" not in visitor.get("/catalog/alibaba/qwen3-32b").text


def test_a_model_that_was_trained_here_shows_how_its_loss_fell(visitor: Visitor) -> None:
    """What went in, the loss before and after, and the curve."""
    page = visitor.get("/catalog/own/taught")
    training = page.text.partition('id="training"')[2]
    assert "How it was trained" in page.words
    assert "<svg" in training
    assert "Loss on rows held back, after 0.4" in page.words


def test_hostile_text_of_a_card_is_text_everywhere(visitor: Visitor) -> None:
    """Scripts, Markdown, addresses that run, turned reading order and huge words never become markup."""
    for address in ("/catalog/own/evil", "/catalog?q=own+evil&retired=all", "/catalog?lab=own&view=table&tray=own/evil",
                    "/catalog/compare?models=own/evil&models=openai/gpt-4o"):  # fmt: skip
        page = visitor.get(address)
        assert page.status == 200
        assert "own/" in page.text
        for wrong in (
            "<script>alert",
            "<img",
            'href="javascript:',
            'href="data:',
            "‮",
            "<b>bold",
            'elsewhere.example/x.png">',
        ):
            assert wrong not in page.text, (address, wrong)
    assert "U+202E" in visitor.get("/catalog/own/evil").text
    assert LONG in visitor.get("/catalog/own/evil").text


def test_hostile_text_in_every_field_of_the_search_is_text(visitor: Visitor) -> None:
    """Whatever is typed comes back escaped, in the page and in every address on it."""
    names = [*catalog_asked.TICKED, *catalog_asked.NUMBERS, *catalog_asked.TEXTS, "collection", "weights", "retired",
             "ours", "tray", "view", "page"]  # fmt: skip
    page = visitor.get(
        "/catalog?" + "&".join(f"{name}=%22%3E%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AE" for name in names)
    )
    assert page.status == 422
    assert HOSTILE not in page.text
    assert '">' + HOSTILE in page.words.replace("&lt;", "<")
    assert "\u202e" not in page.text


# Lists ----------------------------------------------------------------------------------------------------------------


def test_every_collection_leads_to_as_many_models_as_it_says(visitor: Visitor) -> None:
    """The list's counts are those of the search."""
    page = visitor.get("/catalog/collections")
    rows = re.findall(r'<h2><a href="([^"]+)">.*?<p class="muted">([\d,]+) model', page.text, re.DOTALL)
    assert len(rows) > 10
    for to, count in rows[::5]:
        assert total(visitor.get(unescape(to))) == int(count.replace(",", ""))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_word_of_the_taxonomy_is_explained_with_examples_and_its_search(site: RunningSite, language: str) -> None:
    """Two sentences, models that are so, and how many there are."""
    page = site.visitor(language).get("/catalog/taxonomy")
    words = page.text.split('<article class="word"')[1:]
    assert len(words) > 60
    for word in words:
        assert len(re.findall(r"[.。！!](?:\s|<|[一-鿿]|$)", word)) >= 2
        assert "/catalog/" in word
    for word in words[::8]:
        to, count = re.findall(r'<a href="(/catalog\?[^"]+)">[^\d]*([\d,]+)', word)[0]
        assert total(site.visitor().get(unescape(to))) == int(count.replace(",", ""))


def test_cards_stand_side_by_side_and_say_where_they_differ(visitor: Visitor) -> None:
    """Any number of them; differences are words, and can be shown alone."""
    three = "models=alibaba/qwen3-32b&models=openai/gpt-4o,deepseek/deepseek-v3"
    page = visitor.get(f"/catalog/compare?{three}")
    assert page.words.count("differ") > 5
    heads = page.text.split("<thead>")[1].split("</thead>")[0]
    assert heads.count("<th ") == 3
    only = visitor.get(f"/catalog/compare?{three}&only=differ")
    assert 0 < only.text.count("<tr") < page.text.count("<tr")
    assert 'class="alike"' not in only.text


def test_a_comparison_grows_shrinks_and_begins_empty(visitor: Visitor) -> None:
    """Models are added by id and taken away by a link; unknown ones are named and the others shown."""
    assert "Name models here" in visitor.get("/catalog/compare").words
    grown = visitor.get("/catalog/compare?models=openai/gpt-4o&add=alibaba/qwen3-32b")
    assert grown.path == "/catalog/compare?models=openai%2Fgpt-4o&models=alibaba%2Fqwen3-32b"
    assert 'class="away" href="/catalog/compare?models=openai%2Fgpt-4o"' in grown.text
    assert visitor.get("/catalog/compare?tray=openai/gpt-4o&q=x").path == "/catalog/compare?models=openai%2Fgpt-4o"
    half = visitor.get("/catalog/compare?models=openai/gpt-4o&models=<b>nobody")
    assert half.status == 200
    assert "The catalog has no <b>nobody" in half.words
    assert "<b>nobody" not in half.text
    assert visitor.get("/catalog/compare?models=nobody/none").status == 404


def test_thirty_cards_can_be_compared(visitor: Visitor) -> None:
    """There is no limit that people meet."""
    wanted = ids(visitor.get("/catalog?task=chat"))[:30]
    page = visitor.get("/catalog/compare?" + "&".join(f"models={one}" for one in wanted))
    assert page.text.split("</thead>")[0].count("<th ") == 30


# Change ---------------------------------------------------------------------------------------------------------------

PLAIN = CARD.split("hugging_face")[0].replace("evil", "intents").replace("<img src=x onerror=alert(1)>", "Intents") + (
    '\n[summary]\nen = "Sorts tickets."\nzh = "分类。"\n'
)


def test_added_cards_are_in_the_catalog_at_once(site: RunningSite, visitor: Visitor) -> None:
    """One is pasted and one uploaded; both are marked as ours, found by words, and kept as files."""
    hub = b"---\nlicense: mit\npipeline_tag: text-classification\nlanguage: [en]\nodd_key: 1\n---\n# Router\n\nSorts.\n"
    uploaded = visitor.post("/catalog/add", {"id": "own/router", "kind": "toml"}, files={"file": ("README.md", hub)})
    assert uploaded.path == "/catalog/own/router"
    assert "MIT" in uploaded.words
    pasted = visitor.post("/catalog/add", {"text": PLAIN, "kind": "toml"})
    assert pasted.path == "/catalog/own/intents"
    assert "marked as ours" in pasted.words
    assert (site.workspace / "catalog" / "cards" / "own" / "intents.toml").is_file()
    assert {"own/intents", "own/router", "own/taught"} <= set(ids(visitor.get("/catalog?ours=1")))


@pytest.mark.parametrize(
    "text",
    ["", "id = 3", "no toml at all <script>", 'id = "openai/gpt-4o"\n' + PLAIN.partition("\n")[2].partition("\n")[2]],
)
def test_a_card_that_cannot_be_taken_comes_back_with_the_reason(visitor: Visitor, text: str) -> None:
    """What was pasted is still there, escaped; nothing was written."""
    page = visitor.post("/catalog/add", {"text": text, "kind": "toml"})
    assert page.status == 422
    assert 'role="alert"' in page.text
    assert "<script>" not in page.text
    assert "/tmp" not in page.words


@contextmanager
def ollama(models: dict[str, int]) -> Iterator[str]:
    """An Ollama that lists models; the numbers are sizes of their context and may change."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say({"models": [{"name": name, "size": 1} for name in models]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            info = {"general.architecture": "llama", "llama.context_length": models[asked["model"]]}
            self._say({"model_info": info})

        def _say(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_what: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_source_is_shown_before_it_is_taken_and_what_was_shown_is_what_is_taken(
    site: RunningSite, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The difference first; a source that has changed since is not taken; then the entries are in the catalog, which the
    site notices although another process took them.
    """

    def ended(page: Reply) -> Reply:
        for _try in range(200):
            if "is-live" not in page.text and "events?job=" not in page.text:
                return page
            time.sleep(0.1)
            page = visitor.get(page.path)
        raise AssertionError(page.words)

    models = {"tiny:1b": 4096, HOSTILE: 8192}
    with ollama(models) as address:
        monkeypatch.setenv("OLLAMA_HOST", address)
        shown = ended(visitor.post("/catalog/refresh", {"source": "ollama"}))
        assert "everything is new" in shown.words
        assert "tiny:<wbr>1b" in shown.text
        assert HOSTILE not in shown.text
        assert not (site.workspace / "catalog" / "sources").exists()
        shown_by = re.search(r'name="job" value="([^"]+)"', shown.text)
        assert shown_by is not None
        models["tiny:1b"] = 16_384
        refused = ended(visitor.post("/catalog/refresh/take", {"job": shown_by[1]}))
        assert "something else than was shown" in refused.words
        again = ended(visitor.post("/catalog/refresh", {"source": "ollama"}))
        shown_by = re.search(r'name="job" value="([^"]+)"', again.text)
        assert shown_by is not None
        taken = ended(visitor.post("/catalog/refresh/take", {"job": shown_by[1]}))
        assert "Taken" in taken.words
    # It looks once a second whether another process changed it.
    deadline = time.monotonic() + 10
    while not (found := total(visitor.get("/catalog?q=tiny&provider=ollama"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == 1


def test_only_known_sources_and_jobs_of_a_refresh_are_used(visitor: Visitor) -> None:
    """An address of somebody's own is no source of a page."""
    assert visitor.post("/catalog/refresh", {"source": "http://127.0.0.1:9/"}).status == 400
    assert visitor.get("/catalog/refresh?job=../../etc").status == 404
    assert visitor.post("/catalog/refresh/take", {"job": "20260101-000000-00000000"}).status == 404


def test_who_may_only_look_changes_nothing() -> None:
    """Routes that change or spend need the scope for it."""
    scopes = {(route.path, method): route.scope for route in all_routes() for method in route.methods}
    for path in ("/catalog/refresh", "/catalog/refresh/take", "/catalog/add"):
        assert scopes[path, "POST"] == "edit"
    for path in ("/catalog", "/catalog/{entry:path}", "/catalog/compare", "/catalog/taxonomy", "/catalog/collections"):
        assert scopes[path, "GET"] == "view"


# In a browser ---------------------------------------------------------------------------------------------------------


def test_typing_ticking_and_setting_aside_in_a_browser(open_page: Callable[..., Seen]) -> None:
    """The list moves as one types, the address follows, the tray fills, and a page is turned with it."""
    page = open_page("/catalog").page
    page.fill("#q", "qwen")
    page.wait_for_url("**/catalog?q=qwen")
    page.check('input[name="task"][value="chat"]')
    page.wait_for_url("**task=chat**")
    page.locator('input[name="tray"]').first.check()
    page.wait_for_selector(".tray")
    assert "tray=" in page.url
    assert page.input_value("#q") == "qwen"
    page.goto(page.url.replace("q=qwen&", ""))
    page.click('button[name="page"][value="2"]')
    page.wait_for_url("**page=2**")
    assert page.locator(".tray .chip").count() == 1
    page.click(".tray .button.main")
    page.wait_for_url("**/catalog/compare?models=**")


def test_a_card_without_scripts_and_a_phone_without_sideways_scrolling(open_page: Callable[..., Seen]) -> None:
    """The main path is links and forms; only tables scroll in their own regions."""
    page = open_page("/catalog?q=qwen3+32b", width=390, scripts=False).page
    page.locator('input[name="tray"]').first.check()
    page.click('button[formaction="/catalog/compare"]')
    assert "/catalog/compare?models=" in page.url
    for address in ("/catalog?view=table", "/catalog/own/evil", "/catalog/compare?models=own/evil&models=openai/gpt-4o",
                    "/catalog/taxonomy", "/benchmarks/gpqa-diamond"):  # fmt: skip
        page.goto(page.url.split("/catalog")[0] + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
