"""
R12, A11, R29: a day of work with secrets in it, and then every byte that it left is read.

A comparison with a provider that quotes its key in errors, an endpoint of what won, a gateway as a process of its own
with managed weights, requests of every kind that go well and badly, and the commands that report on it. What was
planted: the provider's key, the keys of the gateway, its pepper, the webhook's address, headers of clients, and a text
in each prompt. Nothing of it may stand anywhere but where this file says, in any form of `hunt.forms`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from tests import warm
from tests.deployment.promises.hunt import every_file, forms, found_in
from tests.faults.child import command, environment

from touchstone.models.base import ChatRequest
from touchstone.models.fake import FakeModel
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer, serve_in_thread

PROVIDER_KEY = "sk-canary/provider+K7Yd0pQw1=Zz"
WEBHOOK = "http://127.0.0.1:9/hooks/canary-webhook-8f2e61c0"
ORGANISATION = "org-canary-organisation-51f9"
COOKIE = "session-canary-cookie-77aa10"
WRONG_KEY = "ts-canary-wrong-key-0123456789abcdefghijklmnop"
OTHER_SECRET = "canary-of-another-program-90d1e2"

LIVE, STREAMED, FAILED, LOCAL = (f"canary prompt {name} 3b7f21" for name in ("live", "streamed", "failed", "local"))
REPEATED, CACHED, KEPT, FILED, CASE = (
    f"canary prompt {name} 3b7f21" for name in ("repeated", "cached", "kept", "filed", "case")
)
FAILURES = {"400": "invalid_request_error", "401": "invalid_api_key", "429": "rate_limit", "500": "server_error"}
LABELS = ("refund", "delivery")


def answer(asked: ChatRequest) -> str:
    """A provider that repeats what it was asked, as some do."""
    said = asked.messages[-1].content
    return f"refund: {said if isinstance(said, str) else said[0].text}"  # type: ignore[union-attr]


def fails(_number: int, asked: ChatRequest) -> Fault | None:
    """Fails where it is asked to, and quotes the key and the question in its error."""
    said = str(asked.messages[-1].content)
    for status, code in FAILURES.items():
        if f"please fail with {status}" in said:
            message = f"Incorrect API key provided: {PROVIDER_KEY} (Bearer {PROVIDER_KEY}) for {said}"
            head = {"openai-organization": ORGANISATION, "x-request-id": PROVIDER_KEY}
            return Fault(kind="status", status=int(status), code=code, message=message, headers=head)
    return None


@dataclass
class Day:
    """What happened."""

    folder: Path
    """Of the workspace, and of everything that was written."""
    written: dict[str, bytes] = field(default_factory=dict)
    """What commands printed and what clients were told."""
    secrets: dict[str, str] = field(default_factory=dict)
    processes: dict[str, bytes] = field(default_factory=dict)
    """Argument lists and environments of processes while they ran."""

    @property
    def place(self) -> Path:
        """The workspace."""
        return self.folder / "place"

    def run(self, *words: str, code: int = 0) -> str:
        """A command of ours, in a process of its own; what it prints is kept."""
        told = environment(self.folder, SECRETS_OF_THE_SHELL)
        done = warm.run(*words, "--workspace", str(self.place), folder=self.folder, environment=told)
        name = "touchstone " + " ".join(word for word in words if not word.startswith("/"))
        self.written[f"{name}: stdout"] = done.stdout.encode()
        self.written[f"{name}: stderr"] = done.stderr.encode()
        assert done.returncode == code, done.stderr
        return done.stdout

    def told(self, name: str, found: Any) -> None:
        """Keep what a client was told: status, headers and body."""
        self.written[name] = f"{found.status_code} {dict(found.headers)}".encode() + found.content


SECRETS_OF_THE_SHELL = {
    "MY_PROVIDER_KEY": PROVIDER_KEY,
    "TOUCHSTONE_ALERT_WEBHOOK": WEBHOOK,
    "SOMEBODY_ELSES_TOKEN": OTHER_SECRET,
}


def write_task(folder: Path, base_url: str) -> None:
    """Cases whose texts are canaries; in some the provider fails and quotes its key."""
    rows = [{"id": f"c{n}", "input": f"{CASE} number {n}", "target": LABELS[n % 2]} for n in range(12)]
    rows.append({"id": "c98", "input": f"{CASE} please fail with 400", "target": "refund"})
    (folder / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = {"base_url": base_url, "served_name": "parrot", "key_env": "MY_PROVIDER_KEY"}
    price = {"input_usd": 2, "output_usd": 8}
    task = {
        "task": "Topics",
        "cases": "cases.jsonl",
        "answer": {"kind": "label", "labels": list(LABELS)},
        "candidates": [{"model": "openai-compatible", "name": "parrot", **model, "price": price}],
    }
    (folder / "task.yaml").write_text(json.dumps(task))


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """One day, lived once."""
    found = Day(tmp_path_factory.mktemp("day"))
    with serve_in_thread(FakeServer(FakeModel("parrot", reply=answer), faults=fails, key=PROVIDER_KEY)) as server:
        write_task(found.folder, server.base_url)
        measured(found)
        deployed(found)
        served(found)
        reported(found)
    return found


def measured(day: Day) -> None:
    """Compare and report in every format."""
    out = day.folder / "out"
    out.mkdir()
    day.run("compare", "task.yaml", "--full", "--markdown", str(out / "s.md"), "--junit", str(out / "j.xml"), "--json")
    day.run("report", "latest", "--out", str(out / "report.html"))
    day.run("trials", "--json")


def deployed(day: Day) -> None:
    """Endpoints of three policies, weights of our own beside them, and keys."""
    winner = ("--decision", "latest", "--candidate", "parrot", "--because", "a test", "--check", "0")
    for name in ("helpdesk", "cached", "kept"):
        day.run("deploy", *winner, "--name", name)
    day.run("endpoints", "policy", "cached", "--cache-s", "600")
    day.run("endpoints", "policy", "kept", "--keep-content-days", "7")
    free = ("--input-usd", "0", "--output-usd", "0")
    day.run("deploy", "--recipe", "starter/s", "--name", "local", "--compute", "starter", *free)
    for name, more in {
        "ann": ("--max-usd", "0.002", "--per", "ever"),
        "bob": (),
        "meter": ("--scope", "metrics"),
    }.items():
        made = json.loads(day.run("keys", "create", "--name", name, "--json", *more))
        day.secrets[name] = made["key"]
    day.secrets["pepper"] = (day.place / "gateway.pepper").read_bytes().hex()


def served(day: Day) -> None:
    """The gateway as a process of its own, and clients that do everything."""
    log = (day.folder / "gateway.stderr").open("wb")
    process = subprocess.Popen(
        command("serve", "--port", "0", "--json", "--stop-seconds", "2", "--log", str(day.folder / "gateway.log"),
                "--workspace", str(day.place)),
        cwd=day.folder,
        env=environment(day.folder, SECRETS_OF_THE_SHELL),
        stdout=subprocess.PIPE,
        stderr=log,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        ask(day, url)
        watched(day, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        assert process.stdout is not None
        day.written["touchstone serve: stdout"] = process.stdout.read()
        process.stdout.close()
        log.close()
    assert process.returncode == 0


def ask(day: Day, url: str) -> None:
    """Requests of every kind, well and badly."""
    head = {"authorization": f"Bearer {day.secrets['bob']}", "openai-organization": ORGANISATION, "cookie": COOKIE}

    def chat(
        model: str, text: str, name: str, *, key: str = "bob", headers: Mapping[str, str] = {}, **more: Any
    ) -> Any:
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        keys = {"authorization": f"Bearer {day.secrets[key]}"} if key in day.secrets else {"authorization": key}
        found = client.post(f"{url}/chat/completions", json=body, headers={**head, **keys, **headers}, timeout=60)
        day.told(f"answer: {name}", found)
        return found

    with httpx2.Client() as client:
        assert chat("helpdesk", LIVE, "live").status_code == 200
        assert chat("helpdesk", STREAMED, "streamed", stream=True).status_code == 200
        for status in FAILURES:
            assert chat("helpdesk", f"{FAILED} please fail with {status}", f"fails {status}").status_code >= 400
            chat("helpdesk", f"{FAILED} please fail with {status}", f"fails {status}, streamed", stream=True)
        assert chat("helpdesk", LIVE, "a wrong key", key=f"Bearer {WRONG_KEY}").status_code == 401
        assert chat("helpdesk", LIVE, "an unknown field", no_such_field=1).status_code == 400
        assert chat("nobody", LIVE, "an unknown endpoint").status_code == 404
        for number in range(3):
            chat("helpdesk", LIVE, f"a small budget {number}", key="ann", max_tokens=20)
        for number in range(2):
            again = {"idempotency-key": "again"}
            assert chat("helpdesk", REPEATED, f"repeated {number}", headers=again).status_code == 200
            assert chat("cached", CACHED, f"cached {number}").status_code == 200
        assert chat("kept", KEPT, "kept").status_code == 200
        assert chat("local", LOCAL, "local", max_tokens=4).status_code == 200
        for path in ("/healthz", "/readyz", "/openapi.json", "/metrics", "/v1/models", "/v1/models?key=" + WRONG_KEY):
            key = day.secrets["meter" if path == "/metrics" else "bob"]
            found = client.get(url.removesuffix("/v1") + path, headers={"authorization": f"Bearer {key}"})
            day.told(f"answer: {path[:10]}", found)
    openai = OpenAI(base_url=url, api_key=day.secrets["bob"], max_retries=0)
    body = {"model": "helpdesk", "messages": [{"role": "user", "content": FILED}]}
    line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body}
    file = openai.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = openai.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    for _ in range(200):
        batch = openai.batches.retrieve(batch.id)
        if batch.status == "completed":
            break
        time.sleep(0.1)
    assert batch.status == "completed"
    day.written["answer: batch"] = batch.model_dump_json().encode()


def watched(day: Day, gateway: int) -> None:
    """What the system shows of the gateway and its children to whoever asks: arguments; and what children were told."""
    tree, waiting = [], [gateway]
    while waiting:
        pid = waiting.pop()
        tree.append(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            waiting += [int(one) for one in (task / "children").read_text().split()]
    for pid in tree:
        day.processes[f"/proc/{pid}/cmdline"] = Path(f"/proc/{pid}/cmdline").read_bytes()
        if pid != gateway:
            day.processes[f"/proc/{pid}/environ"] = Path(f"/proc/{pid}/environ").read_bytes()
    assert len(tree) >= 3, "the weights run as a process under a keeper"


def reported(day: Day) -> None:
    """Everything that tells what happened, and what is written for other people's machinery."""
    out = day.folder / "out"
    day.run("usage", "--by", "key", "--by", "endpoint", "--csv", str(out / "u.csv"), "--chart", str(out / "u.svg"))
    day.run("usage", "--by", "status", "--json")
    day.run("usage", "--in-doubt", "--json")
    day.run("audit", "--json")
    day.run("audit")
    day.run("keys", "list")
    day.run("keys", "list", "--json")
    day.run("endpoints", "list", "--json")
    day.run("endpoints", "show", "helpdesk")
    day.run("endpoints", "logs", "local")
    for kind in ("kubernetes", "compose", "systemd", "kserve"):
        day.run("endpoints", "manifest", kind, "--host", "models.example", "--secret", "MY_PROVIDER_KEY")
    # A mistake is told in words of ours.
    day.run("deploy", "--decision", "latest", "--candidate", "nobody", code=2)


def left_by(day: Day) -> dict[str, bytes]:
    """Every place that something could stand in; what the test itself wrote is no such place."""
    files = {name.removeprefix(f"{day.folder}/"): body for name, body in every_file(day.folder).items()}
    own = {"cases.jsonl", "task.yaml"}
    return {name: body for name, body in {**files, **day.written, **day.processes}.items() if name not in own}


@pytest.fixture(scope="module")
def left(day: Day) -> dict[str, bytes]:
    """The same, read once."""
    return left_by(day)


needs_proc = pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="this system does not list children"
)
pytestmark = needs_proc

NOWHERE = {
    "the provider's key": PROVIDER_KEY,
    "the webhook": WEBHOOK,
    "an organisation": ORGANISATION,
    "a cookie": COOKIE,
    "a wrong key": WRONG_KEY,
    "another program's secret": OTHER_SECRET,
    "a prompt": LIVE,
    "a streamed prompt": STREAMED,
    "a prompt that failed": FAILED,
    "a prompt to managed weights": LOCAL,
}


@pytest.mark.parametrize("name", NOWHERE)
def test_a_secret_stands_nowhere(left: Mapping[str, bytes], name: str) -> None:
    """In no file, log, report, answer, metric or argument list; prompts not either, as no policy keeps them."""
    answers = {"a prompt", "a streamed prompt", "a prompt to managed weights"}
    places = {place: body for place, body in left.items() if name not in answers or not place.startswith("answer: ")}
    assert found_in(NOWHERE[name], places) == {}


@pytest.mark.parametrize("name", ["ann", "bob", "meter"])
def test_a_gateways_key_is_shown_once(left: Mapping[str, bytes], day: Day, name: str) -> None:
    """By the command that makes it, and never again; its first eight characters are shown on purpose."""
    made = {place for place in left if place.startswith(f"touchstone keys create --name {name}")}
    assert set(found_in(day.secrets[name][8:], left)) == {place for place in made if place.endswith("stdout")}


def test_the_pepper_lies_in_its_file_alone(left: Mapping[str, bytes], day: Day) -> None:
    """Which its owner alone can read."""
    pepper = bytes.fromhex(day.secrets["pepper"])
    for form in (pepper, pepper.strip(), pepper.hex().encode()):
        assert {place for place, body in left.items() if form in body} <= {"place/gateway.pepper"}
    assert (day.place / "gateway.pepper").stat().st_mode & 0o077 == 0


MEANT = {
    # What is kept because somebody asked for it, and where.
    "repeated": (REPEATED, "the reply of an idempotency key, for 24 hours", {"table idempotent"}),
    "cached": (CACHED, "a reply of an endpoint whose policy keeps replies", {"table cached_reply"}),
    "kept": (KEPT, "of an endpoint whose policy keeps prompts and answers", {"table content"}),
    "filed": (
        FILED,
        "a client's own file, and the results of its batch; its lines are idempotent requests",
        {"files", "table idempotent"},
    ),
    "case": (
        CASE,
        "a case of the user's own comparison: what was measured, its numbers, reports, and what an endpoint is of",
        {
            "measured",
            "table dataset_case",
            "table attempt",
            "table reply",
            "table outcome",
            "table checked_source",
            "report",
            "bundle",
        },
    ),
}


@pytest.mark.parametrize("name", MEANT)
def test_content_stands_where_it_is_meant_to(left: Mapping[str, bytes], name: str) -> None:
    """And there it is, so that the hunt is known to find what is there; in no log, no metric and no argument list."""
    text, _why, kinds = MEANT[name]
    found = {kind_of(place) for place in found_in(text, left)}
    assert found - {"store", "answer"} <= kinds
    assert found & kinds


def kind_of(place: str) -> str:
    """What a place is."""
    if place.startswith("place/touchstone.sqlite"):
        table = place.partition("#")[2]
        return f"table {table}" if table else "store"
    if place.startswith("place/files/"):
        return "files"
    if place.startswith("place/measured/"):
        return "measured"
    if place.startswith("place/endpoints/"):
        return "bundle"
    if place.startswith(
        ("out/report", "out/j.xml", "out/s.md", "place/reports/", "touchstone compare", "touchstone rep")
    ):
        return "report"
    return "answer" if place.startswith("answer: ") else place


def test_nothing_of_the_day_is_missing(left: Mapping[str, bytes]) -> None:
    """The places that were read: the store, logs of gateway and weights, reports, tables, manifests, answers."""
    for part in (
        "place/touchstone.sqlite", "gateway.log", "gateway.stderr", "touchstone endpoints logs", "place/reports/",
        "out/u.csv", "out/u.svg", "out/j.xml", "out/s.md", "touchstone audit", "touchstone endpoints manifest",
        "answer: /metrics", "place/files/", "place/endpoints/helpdesk",
    ):  # fmt: skip
        assert any(part in place for place in left), part


@pytest.mark.parametrize("form", forms(PROVIDER_KEY))
def test_the_hunt_sees_every_form(form: str) -> None:
    """Whatever a text is wrapped in, it is found."""
    wrapped = b"\x00ab" + forms(PROVIDER_KEY)[form] + b"yz"
    assert found_in(PROVIDER_KEY, {"x": wrapped})["x"]
