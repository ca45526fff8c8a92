"""The playground: asked side by side, watched, voted on blind, and kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect
from tests.web.visiting import Reply, RunningSite, Seen, Visitor

from touchstone.evaluation.comparisons import Comparisons
from touchstone.models.fake import FakeModel
from touchstone.models.fake_server import FakeServer, serve_in_thread
from touchstone.web.pages.playground import routes
from touchstone.workspace.projects import make_project
from touchstone.workspace.workspace import Workspace

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
HOSTILE = "<img src=x onerror=alert(1)>\"'</textarea><script>alert(2)</script>{{ 7*7 }}"
NAMES = ("provider-one", "provider-two")


@pytest.fixture(scope="module")
def server(site: RunningSite) -> Iterator[FakeServer]:
    """A provider here whose models a task of the workspace names; the first repeats what it is asked."""
    models = {NAMES[0]: FakeModel(NAMES[0]), NAMES[1]: FakeModel(NAMES[1], reply="one two three four five six")}
    with serve_in_thread(FakeServer(models, token_s=0.02)) as running:
        task = site.workspace / "tasks" / "chats"
        task.mkdir(parents=True)
        (task / "train.csv").write_text("input,target\nhello,world\n")
        (task / "test.csv").write_text("input,target\nfirst question,a\nsecond question,b\nthird question,c\n")
        entries = [
            {
                "model": "openai-compatible", "name": name, "served_name": name, "base_url": running.base_url,
                "price": {"input_usd": 1, "output_usd": 2},
            }
            for name in NAMES
        ]  # fmt: skip
        cases = {"train": "train.csv", "test": "test.csv"}
        (task / "task.yaml").write_text(json.dumps({"task": "chats", "cases": cases, "candidates": entries}))
        yield running


def begun(visitor: Visitor, *picks: str, **fields: object) -> tuple[str, Reply]:
    reply = visitor.post("/playground/new", {"do": "begin", "pick": picks, **fields})
    found = re.fullmatch(r"/playground/s/([0-9a-f]{16})", reply.path)
    assert found, (reply.status, reply.words[:400])
    return found[1], reply


def asked(visitor: Visitor, session: str, text: str, after: int = 0, **files: tuple[str, bytes]) -> Reply:
    return visitor.post(f"/playground/s/{session}/ask", {"prompt": text, "after": after}, files=files or None)


BOTH = ("task:chats:0", "task:chats:1")


def test_answers_stand_side_by_side_without_scripts(visitor: Visitor, server: FakeServer) -> None:
    """A form asks, the page that comes back holds the answers with what they took, and a reload shows them again."""
    session, page = begun(visitor, "starter:s", *BOTH, system="Be short.")
    assert "Nothing was asked yet" in page.words
    page = asked(visitor, session, "a question of mine")
    for words in ("starter/s", *NAMES, "one two three four five six", "Tokens in / out", "of $0.10 spent", "finished"):
        assert words in page.words
    again = visitor.get(f"/playground/s/{session}")
    assert "one two three four five six" in again.words
    assert "data-events" not in again.text
    assert "a question of mine" in asked(visitor, session, "and another", 1).words


def test_what_was_measured_answers_as_it_did(visitor: Visitor, site: RunningSite, server: FakeServer) -> None:
    """A candidate of a stored comparison is made again from its recipe; its answer is the stored one."""
    with Workspace(site.site.settings) as workspace:
        comparison = workspace.comparisons()[0]
        entry = Comparisons(workspace.ledger).entries(comparison.id)[-1]
        row = Comparisons(workspace.ledger).find(comparison.id)
        assert row is not None
        cell = Comparisons(workspace.ledger).cells_at(entry["trial"], [0])[0]
        (case,) = workspace.ledger.datasets.cases_at(row["dataset"], "test", [0])
    session, _page = begun(visitor, f"compared:{comparison.id}:{entry['name']}")
    page = asked(visitor, session, case.text)
    assert "measured" in page.words
    assert str(cell["text"]) in page.words


def test_a_form_that_cannot_be_used_comes_back(visitor: Visitor, server: FakeServer) -> None:
    """Nobody ticked, a temperature that is none, a blind vote on one: 422, what was typed and why."""
    for fields, words in (
        ({}, "choose 1 to 8"),
        ({"pick": "starter:s", "temperature": "hot"}, "temperature is 'hot'"),
        ({"pick": "starter:s", "how": "pairs"}, "needs two"),
        ({"pick": "starter:none"}, "no candidate is called"),
        ({"pick": "starter:s", "stop": "a\nb\nc\nd\ne"}, "four lines"),
    ):
        reply = visitor.post("/playground/new", {"do": "begin", "system": "kept words", **fields})
        assert reply.status == 422
        assert words in reply.words
        assert "kept words" in reply.text
    session, _page = begun(visitor, "starter:s")
    assert asked(visitor, session, "  ").status == 422


def test_the_catalog_is_looked_into_without_losing_what_was_ticked(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Find shows models that can be called, says whose key is missing, and keeps ticks and words."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    fields = {"do": "find", "find": "gpt-4o mini", "pick": "starter:m", "system": "kept words"}
    reply = visitor.post("/playground/new", fields)
    assert reply.status == 200
    assert re.search(r'value="starter:m" checked', reply.text)
    assert "kept words" in reply.text
    assert "needs a key" in reply.words
    pattern = r'value="catalog:openai/gpt-4o-mini"([^>]*)>'
    refused = re.search(pattern, reply.text)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none-at-all")
    found = re.search(pattern, visitor.post("/playground/new", fields).text)
    assert refused is not None
    assert found is not None
    assert "disabled" in refused[1]
    assert "disabled" not in found[1]


def test_a_session_copies_another(visitor: Visitor, server: FakeServer) -> None:
    """The form for a session like this one is filled with its candidates and settings."""
    session, _page = begun(visitor, BOTH[0], temperature="0.25", system="copied words")
    page = visitor.get(f"/playground?from={session}")
    assert f'value="{BOTH[0]}" checked' in page.text
    assert 'value="0.25"' in page.text
    assert "copied words" in page.text


def test_two_tabs_do_not_disturb_each_other(visitor: Visitor, server: FakeServer) -> None:
    """A tab that has not seen the last question is told, and its words come back; other sessions go on."""
    one, _page = begun(visitor, BOTH[0])
    other, _page = begun(visitor, BOTH[1])
    asked(visitor, one, "first")
    late = asked(visitor, one, "late words", after=0)
    assert late.status == 422
    assert "meanwhile" in late.words
    assert "late words" in late.text
    assert "one two three" in asked(visitor, other, "mine").words


def test_the_stream_of_a_turn(visitor: Visitor, server: FakeServer) -> None:
    """Pieces by place, each pane whole at its end, and an end: nothing else is in it."""
    session, _page = begun(visitor, *BOTH)
    visitor.post(f"/playground/s/{session}/ask", {"prompt": "watch me " * 12, "after": 0, "scripted": "1"})
    stream = visitor.get(f"/playground/s/{session}/events/1").text
    names = re.findall(r"^event: (.*)$", stream, re.MULTILINE)
    assert names[-1] == "ended"
    assert {"pane-0", "pane-1", "piece"} <= set(names)
    pieces = [json.loads(line) for line in re.findall(r"^event: piece\ndata: (.*)$", stream, re.MULTILINE)]
    said = "".join(piece["text"] for piece in pieces if piece["place"] == 0)
    assert "watch me" in said
    assert re.findall(r"^event: (.*)$", visitor.get(f"/playground/s/{session}/events/1").text, re.MULTILINE) == [
        "ended"
    ]


def test_the_cap_is_shown_and_holds(visitor: Visitor, server: FakeServer) -> None:
    """Nothing is sent above it, the pane says so, and after it was raised the same question is asked again."""
    session, page = begun(visitor, BOTH[0], cap="0.000001")
    assert "<$0.01" in page.words or "spent" in page.words
    before = server.requests
    page = asked(visitor, session, "a dear question")
    assert "The cap of this session does not cover it" in page.words
    assert server.requests == before
    assert visitor.post(f"/playground/s/{session}/cap", {"cap": "much"}).status == 422
    assert "The cap of this session is $0.5 now" in visitor.post(f"/playground/s/{session}/cap", {"cap": "0.5"}).words
    page = visitor.post(f"/playground/s/{session}/again", {"turn": 1})
    assert "The cap of this session does not cover it" not in page.words
    assert server.requests == before + 1


def test_pictures_are_told_by_their_bytes(visitor: Visitor, server: FakeServer) -> None:
    """A PNG is shown and served as nothing but a picture; an SVG is refused whatever it is called."""
    session, _page = begun(visitor, "starter:s", BOTH[1], cap="1")
    refused = asked(visitor, session, "see", image=("a.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"))
    assert refused.status == 422
    assert "no picture that can be shown" in refused.words
    page = asked(visitor, session, "see", image=("a.svg", PNG))
    assert "starter/s takes no pictures" in page.words
    (address,) = set(re.findall(r'src="(/playground/s/[^"]*/media/[0-9a-f]{64})"', page.text))
    shown = visitor.get(address)
    assert (shown.body, shown.headers["content-type"]) == (PNG, "image/png")
    assert shown.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert shown.headers["x-content-type-options"] == "nosniff"


def test_what_others_wrote_is_text(visitor: Visitor, server: FakeServer) -> None:
    """Title, system text, question and an answer that repeats it are escaped on every page and in the stream."""
    session, _page = begun(visitor, BOTH[0], title=HOSTILE, system=HOSTILE)
    asked(visitor, session, HOSTILE)
    place = f"/playground/s/{session}"
    for path in ("/playground", place, f"/playground?from={session}", f"{place}/1/0/code", f"{place}/1/0/save",
                 f"/playground/votes/{session}"):  # fmt: skip
        text = visitor.get(path).text
        assert "<img src=x" not in text, path
        assert "<script>alert" not in text, path
        assert "49" not in re.findall(r"alert\(2\)(.{0,40})", text), path
    failed = asked(visitor, session, HOSTILE, after=7)
    assert failed.status == 422
    assert "<script>alert" not in failed.text
    assert (
        "<script>alert"
        not in visitor.post("/playground/new", {"do": "begin", "system": HOSTILE, "title": HOSTILE}).text
    )


def test_nothing_tells_who_is_who_before_the_vote(visitor: Visitor, server: FakeServer) -> None:
    """Page, stream and headers are silent, code and saving are not there; after the vote names and numbers are."""
    session, _page = begun(visitor, *BOTH, how="pairs")
    page = asked(visitor, session, "say it")
    turn = page.text[page.text.index('<section class="turn"') :]
    for word in (*NAMES, "chats", "Tokens", "Cost", server.base_url, "task:"):
        assert word not in turn[: turn.index("</section>")], word
    assert "Answer A" in turn
    stream = visitor.get(f"/playground/s/{session}/events/1")
    assert not any(name in stream.text + str(stream.headers) for name in NAMES)
    for what in ("code", "save"):
        assert visitor.get(f"/playground/s/{session}/1/0/{what}").status == 404
    assert "nothing to ask" not in page.words
    page = visitor.post(f"/playground/s/{session}/vote", {"turn": 1, "verdict": "better-0"})
    assert "You voted: one is better" in page.words
    assert all(name in page.text[page.text.index('<section class="turn"') :] for name in NAMES)
    assert visitor.get(f"/playground/s/{session}/1/0/code").status == 200
    twice = visitor.post(f"/playground/s/{session}/vote", {"turn": 1, "verdict": "bad"})
    assert twice.status == 422
    assert "the first vote holds" in twice.words


def test_a_blind_stream_is_silent(visitor: Visitor, server: FakeServer) -> None:
    """While blind answers come, their stream says nothing but that it has ended."""
    session, _page = begun(visitor, *BOTH, how="order")
    visitor.post(f"/playground/s/{session}/ask", {"prompt": "hush", "after": 0, "scripted": "1"})
    stream = visitor.get(f"/playground/s/{session}/events/1").text
    assert re.findall(r"^event: (.*)$", stream, re.MULTILINE) == ["ended"]
    page = visitor.get(f"/playground/s/{session}")
    assert "Place 2" in page.words
    fields = {"turn": 1, "verdict": "order", "place-0": 1, "place-1": 2}
    assert "an order" in visitor.post(f"/playground/s/{session}/vote", fields).words


def test_votes_are_ranked_and_exported(visitor: Visitor, server: FakeServer) -> None:
    """The ranking has strengths, the sides and how many more votes it takes; the export is what was voted."""
    session, _page = begun(visitor, *BOTH, how="pairs")
    assert "Nobody has voted yet" in visitor.get(f"/playground/votes/{session}").words
    asked(visitor, session, "one")
    assert visitor.post(f"/playground/s/{session}/vote", {"turn": 1, "verdict": "worse"}).status == 422
    visitor.post(f"/playground/s/{session}/vote", {"turn": 1, "verdict": "better-1"})
    page = visitor.get(f"/playground/votes/{session}")
    for words in ("cannot be told apart yet", "more votes", "Does the side decide?", "Strength", *NAMES):
        assert words in page.words
    export = visitor.get(f"/playground/votes/{session}/export")
    assert export.headers["content-disposition"].endswith('.jsonl"')
    assert json.loads(export.text)["verdict"] == "better"


def test_a_session_is_deleted_after_it_was_said_what_goes(visitor: Visitor, server: FakeServer) -> None:
    """A page without scripts says what goes with it, votes and their export among it; then nothing of it is found."""
    session, _page = begun(visitor, *BOTH, how="pairs", title=HOSTILE)
    asked(visitor, session, "a question to forget", image=("p.png", PNG))
    visitor.post(f"/playground/s/{session}/vote", {"turn": 1, "verdict": "good"})
    here = f"/playground/s/{session}"
    assert f'href="{here}/delete"' in visitor.get(here).text

    sure = visitor.get(f"{here}/delete")
    for words in ("1 question, 2 answers", "1 picture", "1 vote", "stays in the books", "Export as JSONL"):
        assert words in sure.words
    assert f"/playground/votes/{session}/export" in sure.text
    assert "<img src=x" not in sure.text
    assert visitor.get(here).status == 200
    done = visitor.post(f"{here}/delete")

    assert (done.status, done.path) == (200, "/playground")
    assert "is deleted" in done.words
    assert session not in done.text
    for path in (
        here,
        f"{here}/delete",
        f"{here}/media/{hashlib.sha256(PNG).hexdigest()}",
        f"/playground/votes/{session}",
    ):
        assert visitor.get(path).status == 404


def test_a_session_in_which_somebody_answers_is_not_deleted(
    visitor: Visitor, site: RunningSite, server: FakeServer
) -> None:
    """Whoever answers is stopped first, or waited for; until then everything stays."""
    session, _page = begun(visitor, BOTH[0], max_tokens=4000)
    here = f"/playground/s/{session}"
    visitor.post(f"{here}/ask", {"prompt": "word " * 400, "after": 0, "scripted": "1"})
    refused = visitor.post(f"{here}/delete")
    assert (refused.status, "at this moment" in refused.words) == (409, True)
    visitor.post(f"{here}/stop", {"turn": 1})
    assert "is deleted" in visitor.post(f"{here}/delete").words


def test_a_turn_becomes_a_case_or_a_prompt(visitor: Visitor, site: RunningSite, server: FakeServer) -> None:
    """Into train at once, into test only where that is meant; the system text is the next version beside the task."""
    session, _page = begun(visitor, BOTH[1], system="Be exact.")
    asked(visitor, session, "keep me")
    place = f"/playground/s/{session}/1/0"
    form = visitor.get(f"{place}/save")
    assert "one two three four five six" in form.text
    fields = {"task": "chats", "split": "train", "input": "keep me", "target": "right", "has_target": "1"}
    assert "Saved into train of chats" in visitor.post(f"{place}/case", fields).words
    folder = site.workspace / "tasks" / "chats"
    assert (folder / "train.csv").read_text().splitlines()[-1] == "keep me,right"
    before = (folder / "test.csv").read_text()
    refused = visitor.post(f"{place}/case", {**fields, "split": "test"})
    assert (refused.status, (folder / "test.csv").read_text()) == (422, before)
    assert visitor.post(f"{place}/case", {**fields, "task": "../.."}).status == 422
    assert "Saved as prompts/v1.txt" in visitor.post(f"{place}/prompt", {"task": "chats", "system": "Be exact."}).words
    assert (folder / "prompts" / "v1.txt").read_text() == "Be exact.\n"


def test_unknown_ids_are_nowhere(visitor: Visitor, server: FakeServer) -> None:
    """No session, turn, place or picture that is not there is found, by any route."""
    session, _page = begun(visitor, BOTH[0])
    for route in routes:
        if "{session}" not in route.path:
            continue
        path = route.path.replace("{turn}", "1").replace("{place}", "0").replace("{digest}", "0" * 64)
        wrong = path.replace("{session}", "0" * 16)
        reply = visitor.get(wrong) if "GET" in route.methods else visitor.post(wrong)
        assert reply.status == 404, wrong
        if any(part in route.path for part in ("{turn}", "{digest}")):
            mine = path.replace("{session}", session)
            assert (visitor.get(mine) if "GET" in route.methods else visitor.post(mine)).status == 404, mine
    for odd in ("x", "-1", "1e3", "%2e%2e", "99999999999999999999"):
        assert visitor.get(f"/playground/s/{session}/{odd}/0/code").status == 404
        assert visitor.get(f"/playground/s/{session}/events/{odd}").status == 404


def test_what_spends_or_writes_is_for_editors(server: FakeServer) -> None:
    """Every form of the place needs the scope to change; whoever may only look sees pages."""
    assert all(route.scope == "edit" for route in routes if "POST" in route.methods)
    assert {route.path for route in routes if route.scope == "view"} >= {"/playground", "/playground/votes/{session}"}


def test_another_project_knows_nothing_of_it(site: RunningSite, server: FakeServer) -> None:
    """A session of one project is unknown in another, and so are its pictures, votes and streams."""
    make_project(site.workspace, "other")
    visitor = site.visitor()
    session, _page = begun(visitor, BOTH[0])
    asked(visitor, session, "secret words")
    visitor.get("/")
    visitor.post("/project", {"to": "other"})
    for path in (f"/playground/s/{session}", f"/playground/s/{session}/events/1", f"/playground/votes/{session}"):
        assert visitor.get(path).status == 404
    assert "secret words" not in visitor.get("/playground").text


def test_an_expert_votes_by_keyboard_alone(
    open_page: Callable[..., Seen], visitor: Visitor, server: FakeServer
) -> None:
    """Three prompts of a task, keys 1, 2 and 0, and the ranking of three votes."""
    session, _page = begun(visitor, *BOTH, how="pairs", series="task:chats", prompts=3)
    page = open_page(f"/playground/s/{session}").page
    for number, key in enumerate(("1", "2", "0"), start=1):
        page.get_by_text(f"Question {number}", exact=True).wait_for()
        page.locator("button[data-key='1']").wait_for()
        page.keyboard.press(key)
    page.get_by_text("You have voted on all of them").wait_for()
    page.keyboard.press("Tab")
    page.get_by_role("link", name="See the ranking").press("Enter")
    page.get_by_role("heading", name="What the votes say").wait_for()
    votes = [json.loads(line) for line in visitor.get(f"/playground/votes/{session}/export").text.splitlines()]
    assert [vote["verdict"] for vote in votes] == ["better", "better", "bad"]
    assert [vote["places"] for vote in votes] == [[1, 2], [2, 1], [1, 1]]


def test_answers_are_watched_while_they_come(
    open_page: Callable[..., Seen], visitor: Visitor, server: FakeServer
) -> None:
    """Control and Enter asks, pieces appear before the end, and at the end numbers stand there without a reload."""
    session, _page = begun(visitor, *BOTH)
    page = open_page(f"/playground/s/{session}").page
    page.locator("#prompt").fill("watch this " * 40)
    page.locator("#prompt").press("Control+Enter")
    expect(page.locator("#answer-1-0 .said")).to_have_text(re.compile(r"^watch"))
    assert page.locator("#answer-1-0 .numbers").count() == 0
    page.locator("#prompt").fill("typed meanwhile")
    page.locator("#answer-1-0 .numbers").wait_for()
    expect(page.locator("[data-events]")).to_have_count(0)
    assert page.locator("#prompt").input_value() == "typed meanwhile"
