"""Tasks in the browser: from an upload to a measured, gated task, and the race on the way."""

from __future__ import annotations

import io
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.web.visiting import Reply, RunningSite, Seen, Visitor

from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel, FakeReply
from touchstone.models.fake_server import FakeServer, serve_in_thread
from touchstone.web.base import Viewer
from touchstone.web.sessions import Sessions

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
CASES = "id,text,label\n" + "".join(
    f"m{n},{'refund please' if n % 2 else 'where is parcel'} {n},{'refund' if n % 2 else 'delivery'}\n"
    for n in range(60)
)
ASKED = {"instruction": "Name the intent.", "kind": "label", "from": "auto", "concurrency": "8"}
MAPPED = {"column_id": "id", "column_input": "text", "column_target": "label", "kind": "label"}


def harmless(reply: Reply) -> bool:
    """Whether what somebody typed is text on this page and nothing else."""
    return "<script>alert" not in reply.text and "<img src=x" not in reply.text


def upload(visitor: Visitor, text: str = CASES, name: str = "messages.csv") -> Reply:
    return visitor.post("/tasks/new", {}, files={"file": (name, text.encode())})


def make(visitor: Visitor, title: str, **more: str) -> str:
    """The path of a new task."""
    draft = upload(visitor).path
    reply = visitor.post(draft, {**MAPPED, "act": "make", "title": title, **more})
    assert reply.status == 200, reply.words
    return reply.path


def finished(visitor: Visitor, run: str) -> Reply:
    deadline = time.monotonic() + 90
    while True:
        page = visitor.get(run)
        if "running" not in page.words and "stopping" not in page.words:
            return page
        assert time.monotonic() < deadline
        time.sleep(0.25)


@pytest.fixture(scope="module")
def task(site: RunningSite) -> str:
    """A task that was made from an upload; tests that change it leave it usable."""
    return make(site.visitor(), "Shop messages", instruction="Name the intent.")


class Provider:
    """Answers at a pace, and counts."""

    def __init__(self) -> None:
        self.pause_s = 0.0
        self.sold: list[str] = []

    def reply(self, request: ChatRequest) -> FakeReply:
        asked = str(request.messages[-1].content)
        self.sold.append(str([message.content for message in request.messages]))
        text = "refund" if "refund" in asked else "delivery"
        return FakeReply(text=text, input_tokens=30, output_tokens=2, latency_s=self.pause_s)


@pytest.fixture(scope="module")
def provider() -> Iterator[tuple[Provider, str]]:
    found = Provider()
    with serve_in_thread(FakeServer(FakeModel("m", reply=found.reply))) as server:
        yield found, server.base_url


# From a file to a task ----------------------------------------------------------------------------------------------


def test_how_cases_are_read_is_said_in_the_language_of_the_reader(site: RunningSite, task: str) -> None:
    """Looked at in English first: whoever reads Chinese is told in Chinese, before the task is made and after."""
    english, chinese = site.visitor(), site.visitor()
    chinese.language = "zh"
    draft = upload(english).path

    for path in (draft, f"{task}/cases"):
        assert "separator comma" in english.get(path).words
        assert "以逗号分隔" in chinese.get(path).words


def test_from_an_upload_to_a_gate(visitor: Visitor) -> None:
    """Upload, look, make, set a gate, run, and see whether it is met; and the same task as an archive for CI."""
    look = upload(visitor)
    assert "separator comma" in look.words
    assert "three in ten are drawn" in look.words
    assert '<option value="text" selected>' in look.text
    made = visitor.post(look.path, {**MAPPED, "act": "make", "title": "Intents 意图", "instruction": "Name it."})
    path = made.path
    assert re.fullmatch(r"/tasks/intents", path)
    saved = visitor.post(f"{path}/gate", {"min_score": "0.6"})
    assert "Saved." in saved.words
    price = visitor.get(f"{path}/run?plan=1")
    assert "Nobody here takes money." in price.words
    run = visitor.post(f"{path}/run", {}).path
    page = finished(visitor, run)
    assert "Gate: ✓ met" in page.words
    comparison = re.search(r'href="/decisions/([0-9a-f]{12})"', page.text)
    assert comparison
    assert "✓ met" in visitor.get(f"{path}/gate").words
    assert comparison[1] in visitor.get(path).text
    assert "exit code is 0 when the gate is met, 100" in visitor.get(f"{path}/gate").words
    archive = zipfile.ZipFile(io.BytesIO(visitor.get(f"{path}/download").body))
    assert sorted(archive.namelist()) == ["intents/cases.csv", "intents/task.yaml"]
    assert b"gate: {min_score: 0.6}" in archive.read("intents/task.yaml")


def test_pasted_rows_are_cases_too(visitor: Visitor) -> None:
    """Rows of a spreadsheet, or JSON lines."""
    look = visitor.post("/tasks/new", {"pasted": CASES.replace(",", "\t")})
    assert "separator tab" in look.words
    lines = "\n".join(f'{{"question": "what is {n} + 1?", "answer": {n + 1}}}' for n in range(40))
    look = visitor.post("/tasks/new", {"pasted": lines})
    assert '<option value="question" selected>' in look.text
    assert visitor.post("/tasks/new", {"pasted": "  \n "}).status == 422


def test_what_is_wrong_is_named_by_row(visitor: Visitor) -> None:
    """Empty cells, twins in train and test: told before anything is made, and nothing can be made of it."""
    text = "id,text,label,split\na,where is it,delivery,train\nb,where is it,delivery,test\nc,,refund,test\n"
    look = upload(visitor, text + f"d,{HOSTILE.replace(',', '')},,test\n".replace('"', "'"), f"{HOSTILE[:20]}.csv")
    assert "cases that ask nothing: 1 (rows 3)" in look.words
    assert "cases without a target: 1 (rows 4)" in look.words
    assert "ask what test cases ask" in look.words
    assert harmless(look)
    fields = {**MAPPED, "column_split": "split", "act": "make", "title": HOSTILE}
    again = visitor.post(look.path, fields)
    assert again.status == 422
    assert harmless(again)
    assert visitor.post(look.path, {"act": "forget"}).path == "/tasks/new"
    assert visitor.get(look.path).status == 404


def test_what_is_no_file_of_cases_is_refused(visitor: Visitor) -> None:
    """By its name, by its size, by what stands in it; nothing of it stays."""
    assert "no CSV, JSONL or Parquet" in upload(visitor, "x", "cases.exe").words
    assert "cannot be used like this" in upload(visitor, "\x00\x01", "cases.parquet").words
    assert upload(visitor, "", "empty.csv").status in (200, 422)
    assert visitor.get("/tasks/new/../../etc").status == 404
    assert visitor.get("/tasks/new/0123456789abcdef").status == 404


def test_an_example_is_one_button(visitor: Visitor) -> None:
    """The shipped intents as a task of one's own, twice if one likes."""
    assert visitor.post("/tasks/new/example", {"which": "helpdesk"}).path == "/tasks/helpdesk"
    assert visitor.post("/tasks/new/example", {"which": "helpdesk"}).path == "/tasks/helpdesk-2"
    assert "helpdesk-intents" in visitor.get("/tasks").words


# Changing it --------------------------------------------------------------------------------------------------------


def test_forms_keep_comments_and_refuse_what_is_wrong(visitor: Visitor, task: str) -> None:
    """A saved form changes its keys alone; a wrong number is told beside its field, with what was typed."""
    fields = {
        **ASKED, "instruction": f"Name it.\nNo more {HOSTILE}", "labels": "delivery\nrefund",
        "scorers": "exact\n{length: {maximum: 40}}", "goal": "cheapest-within", "tolerance": "0.02",
        "max_p95_latency_s": "3", "requests_per_month": "5000",
    }  # fmt: skip
    assert "Saved." in visitor.post(f"{task}/edit", fields).words
    page = visitor.get(f"{task}/file")
    assert harmless(page)
    assert "# what every candidate is told" in page.words
    assert "scorers: [&#34;exact&#34;, {length: {maximum: 40}}]" in page.text
    wrong = visitor.post(f"{task}/edit", {**fields, "max_p95_latency_s": "soon", "scorers": "{oops"})
    assert wrong.status == 422
    assert 'id="max_p95_latency_s-problem"' in wrong.text
    assert 'id="scorers-problem"' in wrong.text
    assert 'value="soon"' in wrong.text
    unknown = visitor.post(f"{task}/edit", {**fields, "scorers": "exact", "kind": "nonsense"})
    assert unknown.status == 422 or "Saved" in unknown.words
    assert "Saved." in visitor.post(f"{task}/edit", {**fields, "scorers": "", "goal": "best"}).words


def test_the_files_text_is_checked_before_it_is_kept(visitor: Visitor, task: str) -> None:
    """Line and column of what is wrong stand beside the text; a change by somebody else is not written over."""
    page = visitor.get(f"{task}/file")
    digest = re.search(r'name="before" value="([0-9a-f]{64})"', page.text)
    assert digest
    bad = visitor.post(f"{task}/file", {"text": "task: x\ninstruction: [a\ncases: y", "before": digest[1]})
    assert bad.status == 422
    assert "Line 3, column" in bad.words
    bad = visitor.post(
        f"{task}/file", {"text": f"task: x\ncases: cases.csv\nanswre: '{HOSTILE}'\n", "before": digest[1]}
    )
    assert "Line 3, column 1: there is no key 'answre'" in bad.words
    assert harmless(bad)
    late = visitor.post(
        f"{task}/file", {"text": "task: x\ncases: cases.csv\ncandidates: [fake/parrot]", "before": "0" * 64}
    )
    assert "changed by somebody else" in late.words
    assert visitor.get(f"{task}/file").text == page.text


def test_candidates_come_and_go(visitor: Visitor, task: str, provider: tuple[Provider, str]) -> None:
    """By name, from the catalog, a shortlist, an address, a recording; a wrong one leaves the file as it was."""
    path = f"{task}/candidates"
    before = visitor.get(path).words.count("Remove")
    assert "Added" in visitor.post(path, {"from": "named", "name": ["starter/s", "rm -rf"]}).words
    assert "Added" in visitor.post(path, {"from": "model", "model": "ollama/qwen3", "way": "few_shot", "k": "2"}).words
    address = {"from": "address", "base_url": provider[1], "served_name": "m", "address_name": HOSTILE[:60]}
    added = visitor.post(path, {**address, "input_usd": "1", "output_usd": "2"})
    assert "Added" in added.words
    assert harmless(added)
    assert visitor.post(path, {**address, "key_env": "sk-secret-4711"}).status == 422
    assert visitor.post(path, {**address, "base_url": "file:///etc/passwd"}).status == 422
    assert visitor.post(path, {**address, "base_url": "https://me:pw@host/v1"}).status == 422
    assert visitor.post(path, {"from": "model", "model": "nobody/nothing", "way": "sorcery"}).status in (400, 422)
    recording = "case_id,output\n" + "".join(f"m{n},refund\n" for n in range(60))
    recorded = visitor.post(
        path, {"from": "recorded", "recorded_model": "old"}, files={"recording": ("a.csv", recording.encode())}
    )
    assert "Added" in recorded.words, recorded.words
    twice = visitor.post(path, {"from": "model", "model": "openai/gpt-4o-mini", "name": "old"})
    assert twice.status == 422
    assert "two candidates are called" in twice.words
    found = visitor.get(f"{path}?q=qwen")
    assert "/catalog/" in found.text
    shortlisted = visitor.get(f"{path}?models=openai/gpt-4o-mini,nobody/no-such-model")
    assert "cannot be called" in shortlisted.words
    for _ in range(visitor.get(path).words.count("Remove") - before):
        visitor.post(path, {"remove": before})
    assert visitor.get(path).words.count("Remove") == before


def test_three_cases_show_what_is_sent_and_scored(visitor: Visitor, task: str, provider: tuple[Provider, str]) -> None:
    """Prompt, output, answer and score, under a cap; what was bought so is not bought again by a run."""
    path = f"{task}/candidates"
    address = {"from": "address", "base_url": provider[1], "served_name": "m", "address_name": "paid"}
    visitor.post(path, {**address, "input_usd": "1", "output_usd": "2", "address_max_tokens": "8"})
    free = visitor.post(f"{task}/try", {"candidate": "baseline/nearest", "cap": "0"})
    assert free.words.count("score 1") == 3
    broke = visitor.post(f"{task}/try", {"candidate": "paid", "cap": "0"})
    assert provider[0].sold == []
    assert "not asked" in broke.words
    tried = visitor.post(f"{task}/try", {"candidate": "paid", "cap": "0.05"})
    assert tried.words.count("score 1") == 3, tried.words
    assert len(provider[0].sold) == 3
    assert "Sent" in tried.words
    visitor.post(f"{task}/try", {"candidate": "paid", "cap": "0.05"})
    assert len(provider[0].sold) == 3
    assert visitor.post(f"{task}/try", {"candidate": "nobody", "cap": "0.05"}).status == 422
    assert visitor.post(f"{task}/try", {"candidate": "paid", "cap": "500"}).status == 422


def test_money_needs_a_cap_and_the_race_stops_and_goes_on(
    visitor: Visitor, task: str, provider: tuple[Provider, str]
) -> None:
    """No run that may cost begins without a cap; it is watched, stopped and goes on, and nothing is sold twice."""
    seller, _url = provider
    page = visitor.get(f"{task}/run?plan=1")
    assert re.search(r"Expected \$0\.0\d+ at worst \$", page.words)
    refused = visitor.post(f"{task}/run", {"full": "1"})
    assert refused.status == 422
    assert "Somebody here takes money" in refused.words
    seller.pause_s = 0.2
    visitor.post(f"{task}/edit", {**ASKED, "concurrency": "2"})
    run = visitor.post(f"{task}/run", {"full": "1", "max_usd": "0.5"}).path
    second = visitor.post(f"{task}/run", {"full": "1", "max_usd": "0.5"})
    assert "at work already" in second.words
    deadline = time.monotonic() + 60
    while len(seller.sold) < 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    live = visitor.get(run)
    assert "of $0.50 at most" in live.words
    assert f'hx-sse:connect="{run}/events"' in live.text
    visitor.post(f"{run}/stop", {})
    stopped = finished(visitor, run)
    assert "Go on from where it was" in stopped.words
    seller.pause_s = 0.0
    visitor.post(f"{run}/go-on", {})
    assert "The decision" in finished(visitor, run).words
    assert len(seller.sold) == len(set(seller.sold))
    events = visitor.get(f"{run}/events").text
    assert events.rstrip().endswith("event: ended\ndata:")


def test_the_race_is_live_in_a_browser(
    open_page: Callable[..., Seen], visitor: Visitor, task: str, provider: tuple[Provider, str]
) -> None:
    """The page moves by itself, and ends by itself with what came out; the price comes without a click."""
    seller, _url = provider
    seller.pause_s = 0.05
    visitor.post(f"{task}/edit", {**ASKED, "instruction": "Name it now.", "concurrency": "2"})
    seen = open_page(f"{task}/run")
    seen.page.get_by_label("USD at most").fill("0.5", timeout=60_000)
    seen.page.get_by_role("button", name="Run", exact=True).click()
    seen.page.get_by_role("link", name="The decision").wait_for(timeout=90_000)
    assert "answers" in seen.page.inner_text("main")
    assert seen.page.get_by_role("button", name="Stop").count() == 0
    seller.pause_s = 0.0


# Who may see what ---------------------------------------------------------------------------------------------------


def test_what_was_measured_elsewhere_is_listed_and_left_alone(visitor: Visitor) -> None:
    """A task file in another folder: its path and its comparisons, and no form."""
    listing = visitor.get("/tasks")
    far = re.search(r'href="(/tasks/at-[0-9a-f]{12})"', listing.text)
    assert far
    page = visitor.get(far[1])
    assert "task.yaml" in page.words
    assert "/decisions/" in page.text
    for below in ("/edit", "/file", "/run", "/candidates", "/try", "/gate", "/cases", "/download"):
        assert visitor.get(far[1] + below).status == 404


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e", ".new", "at-000000000000", "a%2fb", "x" * 300])
def test_a_name_is_no_path(visitor: Visitor, name: str) -> None:
    """Whatever is asked for by a name that no task has is not there."""
    for below in ("", "/file", "/edit", "/run", "/cases", "/runs/20260101-000000-abcdef01"):
        assert visitor.get(f"/tasks/{name}{below}").status == 404
    assert visitor.post(f"/tasks/{name}/run", {}).status == 404


def test_a_run_belongs_to_its_task(site: RunningSite, visitor: Visitor, task: str) -> None:
    """The run of one task is not found through another, nor other work as a run."""
    jobs = site.site.jobs("default")
    other = jobs.start("compare", "--dry-run", "--", "nothing", title="x", about="/tasks/other", who="ada").id
    work = jobs.start("trials", title="x", about=task, who="ada").id
    for job in (other, work):
        assert visitor.get(f"{task}/runs/{job}").status == 404
        assert visitor.get(f"{task}/runs/{job}/events").status == 404
        for act in ("stop", "go-on"):
            assert visitor.post(f"{task}/runs/{job}/{act}", {}).status == 404
    while any(view.is_live for view in jobs.all()):
        time.sleep(0.1)


@pytest.fixture
def seen_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes every visitor one of a role who did not come in from this machine."""
    found = Sessions.viewer

    def become(role: str) -> None:
        def of_role(sessions: Sessions, token: str | None) -> Viewer | None:
            viewer = found(sessions, token)
            return None if viewer is None else Viewer(**{**viewer.__dict__, "role": role, "is_local": False})

        monkeypatch.setattr(Sessions, "viewer", of_role)

    return become


def test_a_viewer_looks_and_changes_nothing(visitor: Visitor, task: str, seen_as: Callable[[str], None]) -> None:
    """Every page that only shows is there; every form and every page of forms is refused."""
    seen_as("viewer")
    for below in ("", "/cases", "/gate", "/file", "/download"):
        assert visitor.get(task + below).status == 200
    assert "New task" not in visitor.get("/tasks").words
    for below in ("/edit", "/candidates", "/try", "/run"):
        assert f'href="{task}{below}"' not in visitor.get(task).text
        assert visitor.get(task + below).status == 403
        assert visitor.post(task + below, {}).status == 403
    for path in ("/tasks/new", "/tasks/new/example", f"{task}/file", f"{task}/gate"):
        assert visitor.post(path, {}).status == 403


def test_an_editor_from_elsewhere_reaches_no_further(
    visitor: Visitor, task: str, seen_as: Callable[[str], None]
) -> None:
    """Who did not come in from this machine can name no file of it, and send none of its variables anywhere."""
    seen_as("editor")
    kept = visitor.get(f"{task}/file")
    digest = re.search(r'name="before" value="([0-9a-f]{64})"', kept.text)
    assert digest
    for line in ("cases: /etc/passwd", "cases: ../other/cases.csv",
                 "cases: cases.csv\nanswer: {kind: label, labels: ../../x.json}"):  # fmt: skip
        text = f"task: x\n{line}\ncandidates: [fake/parrot]\n"
        assert visitor.post(f"{task}/file", {"text": text, "before": digest[1]}).status == 422
    path = f"{task}/candidates"
    address = {"from": "address", "served_name": "m", "base_url": "https://models.example/v1"}
    assert "only variables of known providers" in visitor.post(path, {**address, "key_env": "AWS_SECRET"}).words
    near = visitor.post(path, {**address, "base_url": "http://169.254.169.254/v1"})
    assert "own network" in near.words
    assert visitor.get(f"{task}/file").text == kept.text


def test_a_file_that_cannot_be_read_is_mended_here(site: RunningSite, visitor: Visitor) -> None:
    """It is listed, every page of it leads to its text, and the text shows where it is wrong."""
    folder = site.workspace / "tasks" / "broken"
    folder.mkdir(parents=True)
    (folder / "cases.csv").write_text(CASES)
    (folder / "task.yaml").write_text(f"task: broken\ninstruction: [\n# {HOSTILE}\n")
    assert "cannot be read" in visitor.get("/tasks").words
    for below in ("/edit", "/candidates", "/run", "/gate", "/try"):
        page = visitor.get(f"/tasks/broken{below}")
        assert page.path == "/tasks/broken/file"
        assert harmless(page)
    shutil.rmtree(folder)


def test_in_chinese(site: RunningSite, task: str) -> None:
    """The pages answer in the reader's language."""
    visitor = site.visitor("zh")
    assert 'lang="zh-CN"' in visitor.get(task).text
    assert Path(site.workspace / "tasks").is_dir()
