"""Improve in the browser: ladders, prompts, examples, passages, a plan and its run, trainings."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from tests.web.visiting import Reply, RunningSite, Seen, Visitor
from tests.workspace.improved import HOSTILE, improved
from tests.workspace.test_trainings import DIGEST, interrupted

from touchstone.reporting.progress_file import ProgressFile
from touchstone.training.run import can_train
from touchstone.training.steps import Step, TrainingLog
from touchstone.web.base import Viewer
from touchstone.web.sessions import Sessions
from touchstone.workspace.jobs import Job, Jobs

UNKNOWN = ("0" * 12, "..%2F..%2Fetc", "%3Cscript%3E")
TASK = "/improve/tasks/shop"


def harmless(reply: Reply) -> bool:
    """Whether what somebody wrote is text on this page and nothing else."""
    return "<script>alert" not in reply.text and "<img src=x" not in reply.text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site over a workspace in which the task `shop` was measured; its provider is there."""
    folder = tmp_path_factory.mktemp("improve") / "workspace"
    with improved(folder):
        running = RunningSite(folder)
        yield running
        running.close()


@pytest.fixture
def ladder(site: RunningSite, visitor: Visitor) -> str:
    """Where the ladder of the comparison is."""
    found = re.search(r'href="(/improve/ladders/[0-9a-f]{12})"', visitor.get("/improve").text)
    assert found is not None
    return found[1]


@pytest.fixture
def task_file(site: RunningSite) -> Iterator[Path]:
    """The task file; it is as before afterwards."""
    path = site.workspace / "tasks" / "shop" / "task.yaml"
    before = path.read_text()
    yield path
    path.write_text(before)


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


# The ladder -----------------------------------------------------------------------------------------------------------


def test_the_list_leads_to_tasks_and_ladders(visitor: Visitor, ladder: str) -> None:
    """And `?task=` leads to that task; one that is not here is said."""
    page = visitor.get("/improve")
    assert f'href="{TASK}"' in page.text
    assert visitor.get("/improve?task=shop").path == TASK
    missing = visitor.get("/improve?task=nobody")
    assert missing.status == 404
    assert "no such task" in missing.words


def test_a_ladder_is_worked_out_when_it_is_asked_for(visitor: Visitor, ladder: str) -> None:
    """Table, pictures without style or script of their own, what changes when."""
    page = visitor.get(f"{ladder}?show=1")
    assert page.status == 200
    for words in ("The ladder", "reads (pays)", "Cost over the months", "What changes when", "1,000 requests a month"):
        assert words in page.words, words
    assert " style=" not in page.text
    assert page.text.count("<h1") == 1


def test_other_volumes_are_parameters_of_the_address(visitor: Visitor, ladder: str) -> None:
    """The same page for another volume, time or baseline; what cannot be used is said beside what holds."""
    page = visitor.get(f"{ladder}?requests_per_month=50000&months=3&baseline=kind")
    assert "50,000 requests a month over 3 months" in page.words
    assert "against kind" in page.words
    part = visitor.get(f"{ladder}?requests_per_month=50000", headers={"HX-Request": "true"})
    assert "<html" not in part.text
    assert "50,000 requests a month" in part.words
    for query in ("months=-1", "requests_per_month=many", "baseline=nobody", "months=600&facts_change_days=0.1"):
        refused = visitor.get(f"{ladder}?{query}")
        assert refused.status == 422, query
        assert 'role="alert"' in refused.text
        assert "1,000 requests a month" in refused.words


@pytest.mark.parametrize("below", ["", "/prompts", "/examples", "/passages", "/document"])
def test_what_is_not_here_is_not_found(visitor: Visitor, ladder: str, below: str) -> None:
    """Whatever stands in the address of a comparison, a case or a passage."""
    for name in UNKNOWN:
        assert visitor.get(f"/improve/ladders/{name}{below}").status == 404
    if below in ("/examples", "/passages", "/prompts"):
        assert visitor.get(f"{ladder}{below}?case=nobody").status == 404
    if below == "/document":
        for query in ("", "?candidate=reads", "?candidate=reads&passage=x", "?candidate=plain&passage=x"):
            assert visitor.get(f"{ladder}/document{query}").status == 404


# Prompts, examples, passages ------------------------------------------------------------------------------------------


def test_versions_of_a_prompt_stand_side_by_side_word_by_word(visitor: Visitor, ladder: str) -> None:
    """Files that nobody was asked with are there too; a changed file is told."""
    page = visitor.get(f"{ladder}/prompts")
    ids = dict(re.findall(r'<option value="([0-9a-f]{12})"[^>]*>(\d+: [^<]+)</option>', page.text))
    by_name = {words.partition(": ")[2]: one for one, words in ids.items()}
    assert set(by_name) >= {"plain and 1 more", "kind", "reads", "prompts/v10.txt"}
    diff = visitor.get(f"{ladder}/prompts?a={by_name['plain and 1 more']}&b={by_name['kind']}&candidate=kind")
    assert "<ins> in euros</ins>" in diff.text
    assert harmless(diff)
    assert "&lt;script&gt;alert(1)" in diff.text
    assert "what does number 0 of the lamp cost" in diff.words


def test_a_prompt_file_that_changed_since_is_told(visitor: Visitor, ladder: str, site: RunningSite) -> None:
    """Another run would ask something else."""
    file = site.workspace / "tasks" / "shop" / "prompts" / "v1.txt"
    before = file.read_text()
    file.write_text("Changed.\n")
    try:
        assert "prompts/v1.txt holds something else" in visitor.get(f"{ladder}/prompts").words
    finally:
        file.write_text(before)


def test_examples_are_told_with_their_likeness(visitor: Visitor, ladder: str) -> None:
    """Which were shown, in which place, with which words in common; and the next case."""
    page = visitor.get(f"{ladder}/examples")
    assert "The 2 most like the question" in page.words
    assert "out of 8 cases" in page.words
    assert "not shown" in page.words
    assert "lamp" in page.words
    assert harmless(visitor.get(f"{ladder}/examples?case=test-3"))
    assert "Case test-1 " in visitor.get(f"{ladder}/examples?candidate=shots&at=1").words
    assert visitor.get(f"{ladder}/examples?candidate=nobody").status == 200


def test_passages_are_told_step_by_step_with_citations_and_measures(visitor: Visitor, ladder: str) -> None:
    """Ranks of each step, what the answer cites, recall with its interval."""
    page = visitor.get(f"{ladder}/passages?case=test-0")
    for words in ("Words (BM25)", "Vectors (cosine)", "Fused", "[1] cited", "further down than it reads", "citations"):
        assert words in page.words, words
    assert "Recall at k" in page.words
    assert "100.0%" in page.words
    assert harmless(page)
    typed = visitor.get(f"{ladder}/passages?q=dust+on+a+carpet")
    assert "What was asked" not in typed.words
    assert "Care of the carpet" in typed.words
    assert harmless(visitor.get(f"{ladder}/passages?q=%3Cscript%3Ealert(1)%3C/script%3E"))


def test_a_passage_is_marked_in_its_document(visitor: Visitor, ladder: str) -> None:
    """As it was indexed, with the whole text around it."""
    page = visitor.get(f"{ladder}/passages?case=test-0")
    found = re.search(r'href="(/improve/ladders/[^"]*/document[^"]*)"', page.text)
    assert found is not None
    document = visitor.get(found[1].replace("&amp;", "&"))
    assert document.status == 200
    assert document.text.count("<mark>") == 1
    assert "The lamp costs 12 euros" in document.words
    assert harmless(document)


# A task ---------------------------------------------------------------------------------------------------------------


def test_ways_and_documents_are_kept_in_the_task_file(visitor: Visitor, task_file: Path) -> None:
    """What the file held besides stays; an upload lies beside it under a name of ours."""
    fields = {
        "mode": "only", "way": ["prompt", "rag"], "model": ["plain"], "reads": "documents", "months": "6",
        "requests_per_month": "500", "facts_change_days": "", "machine_usd_per_hour": "0.1", "shots": "1, 2",
    }  # fmt: skip
    upload = {"documents": (f"../{HOSTILE}.md", b"# More\n\nThe vase costs 5 euros.")}
    reply = visitor.post(TASK, fields, files=upload)
    assert reply.status == 200, reply.words
    assert harmless(reply)
    raw = yaml.safe_load(task_file.read_text())
    assert raw["improve"] == {
        "ways": ["prompt", "rag"], "models": ["plain"], "documents": "documents", "months": 6, "shots": [1, 2],
        "machine_usd_per_hour": 0.1,
    }  # fmt: skip
    assert raw["volume"] == {"requests_per_month": 500}
    assert len(raw["candidates"]) == 4
    kept = [one.name for one in (task_file.parent / "documents").iterdir()]
    [new] = [name for name in kept if name not in ("lamp.md", "chair.md", "table.md", "carpet.md")]
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.md", new)
    (task_file.parent / "documents" / new).unlink()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"mode": "only"}, "Tick the ways"),
        ({"shots": "none"}, "Write numbers from 1 to 256"),
        ({"months": "-3"}, "months is"),
        ({"requests_per_month": HOSTILE}, "requests_per_month is"),
    ],
)
def test_what_cannot_be_used_is_told_and_nothing_is_written(
    visitor: Visitor, task_file: Path, fields: dict[str, str], said: str
) -> None:
    """Beside what was typed."""
    before = task_file.read_text()
    reply = visitor.post(TASK, {"mode": "rules", "reads": "none", **fields})
    assert reply.status == 422
    assert said in reply.words
    assert harmless(reply)
    assert task_file.read_text() == before


def test_a_program_is_no_document(visitor: Visitor, task_file: Path) -> None:
    """And is not kept."""
    upload = {"documents": ("run.sh", b"rm -rf /")}
    reply = visitor.post(TASK, {"mode": "rules", "reads": "documents"}, files=upload)
    assert reply.status == 422
    assert "no document that is read" in reply.words
    assert not (task_file.parent / "documents" / "run.sh").exists()


def test_the_plan_says_which_ways_why_and_at_what_price(visitor: Visitor) -> None:
    """And the button comes with it; whoever runs without a cap where somebody takes money is asked for one."""
    page = visitor.get(f"{TASK}?plan=1")
    for words in ("examples in the prompt (few-shot) tried", "not tried", "Calls at most", "USD at most required"):
        assert words in page.words, words
    refused = visitor.post(f"{TASK}/run", {})
    assert refused.status == 422
    assert "say how much the run may spend" in refused.words


def test_a_run_is_watched_and_ends_in_a_ladder(visitor: Visitor, task_file: Path) -> None:
    """It goes on in a process of its own; what other tasks run is not found under this one."""
    raw = yaml.safe_load(task_file.read_text())
    raw["improve"] = {"ways": ["prompt", "baseline"], "models": ["plain"]}
    task_file.write_text(yaml.safe_dump(raw))
    run = visitor.post(f"{TASK}/run", {"max_usd": "1", "full": "1"})
    assert re.fullmatch(TASK + r"/runs/[0-9a-f-]+", run.path), run.words
    deadline = time.monotonic() + 120
    while "What came out" not in (page := visitor.get(run.path)).words:
        assert time.monotonic() < deadline, page.words
        time.sleep(0.3)
    assert " pays" in page.words
    found = re.search(r'href="(/improve/ladders/[0-9a-f]{12})"', page.text)
    assert found is not None
    assert "baseline/nearest" in visitor.get(f"{found[1]}?show=1").words
    job = run.path.rpartition("/")[2]
    assert visitor.get(f"/improve/training/runs/{job}").status == 404
    assert visitor.get(f"{TASK}/runs/20260101-000000-00000000").status == 404
    assert visitor.get(f"/improve/tasks/nobody/runs/{job}").status == 404


# Training -------------------------------------------------------------------------------------------------------------


def test_a_forecast_comes_before_a_training(visitor: Visitor) -> None:
    """Time, memory and rows; where nothing can be trained here, that is said and the button does nothing."""
    page = visitor.get("/improve/training/new")
    assert page.status == 200
    asked = {"act": "forecast", "task": "shop", "way": "full", "base": "starter/s"}
    reply = visitor.post("/improve/training/new", asked)
    for words in ("What it would take", "Memory up to", "Rows 8"):
        assert words in reply.words, words
    nothing = visitor.post("/improve/training/new", {"act": "forecast", "task": "shop", "way": "pretrain"})
    assert "70B" in nothing.words
    wrong = visitor.post("/improve/training/new", {"act": "forecast", "task": "shop", "epochs": HOSTILE})
    assert wrong.status == 422
    assert harmless(wrong)
    if not can_train():
        assert "The extra `train` is not installed" in page.words
        refused = visitor.post("/improve/training/new", {"act": "train", "task": "shop", "way": "full"})
        assert refused.status == 422
        assert "nothing can be trained here" in refused.words


def test_trainings_tell_their_checkpoints(visitor: Visitor, site: RunningSite) -> None:
    """One that was interrupted can be looked at; what is no digest is not found."""
    interrupted(site.workspace)
    page = visitor.get("/improve/training")
    assert "interrupted; a checkpoint is kept" in page.words
    assert "step 4" in page.words
    one = visitor.get(f"/improve/training/done/{DIGEST}")
    assert "adapters (LoRA)" in one.words
    for name in (*UNKNOWN, "bases"):
        assert visitor.get(f"/improve/training/done/{name}").status == 404


def told(site: RunningSite, name: str, losses: list[float]) -> str:
    """The address of a training that a command told of, as its page finds it."""
    jobs = Jobs(site.workspace)
    job = Job(
        id="20260101-000000-0badcafe", verb="train", arguments=("--", "task.yaml"), title=f"Train own/{name}",
        about="/improve/training", who="somebody", created="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    place = jobs.folder / job.id
    place.mkdir(parents=True, exist_ok=True)
    (place / "job.json").write_text(job.model_dump_json())
    (place / "ended.json").write_text(json.dumps({"exit_code": 130, "at": "2026-01-01T00:01:00+00:00"}))
    log, kept = TrainingLog(name), ProgressFile(place / "progress.json", "training")
    for number, loss in enumerate(losses, start=1):
        step = Step(step=number, of=9, loss=loss, learning_rate=0.1, tokens_per_s=1234, memory_mb=512, seconds_left=7)
        kept.update(log.add(step))
    kept.close()
    return f"/improve/training/runs/{job.id}"


def test_a_training_shows_its_loss_speed_memory_and_what_can_be_done(visitor: Visitor, site: RunningSite) -> None:
    """As the command tells it through the progress file; its name is text."""
    page = visitor.get(told(site, HOSTILE, [4.0, 3.0, 2.5]))
    for words in ("step 3 of 9", "Loss 2.500", "1,234", "512 MB", "Loss by step", "Go on from the checkpoint"):
        assert words in page.words, words
    assert harmless(page)
    assert " style=" not in page.text


# Who may what ---------------------------------------------------------------------------------------------------------


def test_a_viewer_looks_and_changes_nothing(
    visitor: Visitor, ladder: str, seen_as: Callable[[str], None], task_file: Path
) -> None:
    """Every page that shows is there, without a button; every form is refused."""
    seen_as("viewer")
    for path in ("/improve", ladder, f"{ladder}/prompts", f"{ladder}/examples", f"{ladder}/passages", TASK):
        page = visitor.get(path)
        assert page.status == 200, path
        assert ">Run<" not in page.text
    assert visitor.get(f"{TASK}?plan=1").status == 200
    for headers in ({}, {"HX-Request": "true"}):
        assert "Calls at most" not in visitor.get(f"{TASK}?plan=1", headers=headers).words
    assert visitor.get("/improve/training/new").status == 403
    before = task_file.read_text()
    for path in (TASK, f"{TASK}/run", "/improve/training/new", f"{TASK}/runs/x/stop", f"{TASK}/runs/x/go-on"):
        assert visitor.post(path, {"mode": "rules", "reads": "none"}).status == 403, path
    assert task_file.read_text() == before


def test_the_ladder_moves_with_its_fields_in_a_browser(open_page: Callable[..., Seen], ladder: str) -> None:
    """On a phone, in Chinese: fields are typed into, the address follows, nothing scrolls sideways."""
    seen = open_page(f"{ladder}?show=1", language="zh", width=390)
    page = seen.page
    page.fill("#requests_per_month", "123456")
    page.wait_for_url(re.compile("123456"))
    page.wait_for_selector("text=123,456")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
