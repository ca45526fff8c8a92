"""A small program that speaks as much of OpenAI's protocol as a supervisor needs, and the compute that starts it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.states import Rules

SCRIPT = """
import json, os, signal, subprocess, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, name, how = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
if "fails" in how:
    print("I fail at once")
    sys.exit(3)
if "stubborn" in how:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "child" in how:
    subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
held, deaf = [], threading.Event()
if "slow" in how:
    time.sleep(0.4)

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def say(self, status, body):
        written = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def do_GET(self):
        if self.path == "/health":
            self.say(503 if deaf.is_set() else 200, {})
        elif self.path == "/v1/models":
            self.say(200, {"data": [{"id": name}]})
        elif self.path == "/environ":
            self.say(200, dict(os.environ))
        elif self.path == "/argv":
            self.say(200, sys.argv)
        else:
            self.say(404, {})

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/leak":
            held.append(bytearray(os.urandom(1)) * (64 * 2**20))
        elif self.path == "/deaf":
            deaf.set()
        elif self.path == "/crash":
            os._exit(9)
        elif self.path == "/print":
            print(asked.decode(), flush=True)
        elif self.path == "/slowly":
            time.sleep(0.6)
        self.say(200, {"pid": os.getpid(), "model": name, "held": len(held),
                       "choices": [{"message": {"content": "yes"}}], "asked": asked.decode()})

print("I listen", flush=True)
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""

QUICK = Rules(
    watch_s=0.1,
    first_pause_s=0.05,
    longest_pause_s=0.4,
    grace_s=2.0,
    health_timeout_s=2.0,
    most_misses=2,
    most_restarts=3,
    restart_window_s=60.0,
)
"""Nobody waits long in a test."""


class StandIn:
    """Starts the program above."""

    name = "stand-in"
    health_path = "/health"
    ready_s = 20.0

    def __init__(self, script: Path, *how: str, need_gib: float | None = None) -> None:
        self.script = script
        self.how = how
        self.need_gib = need_gib
        self.name_served = "stand-in"
        script.write_text(SCRIPT, encoding="utf-8")

    def check(self, settings: ComputeSettings, folder: Path) -> None:
        """Everything is there."""

    def memory_gib(self, settings: ComputeSettings, folder: Path) -> float | None:
        return self.need_gib

    def command(self, settings: ComputeSettings, folder: Path, port: int) -> Sequence[str]:
        return (sys.executable, "-S", str(self.script), str(port), "stand-in", *self.how)

    def environment(self, settings: ComputeSettings, folder: Path, port: int) -> Mapping[str, str]:
        return {"STAND_IN": "1"}

    def served_name(self, settings: ComputeSettings, folder: Path) -> str:
        return self.name_served


def ask_now(url: str, body: Mapping[str, Any] | None = None, timeout_s: float = 20.0) -> Any:
    """The JSON of one answer."""
    written = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=written, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        return json.loads(answer.read())


async def ask(url: str, body: Mapping[str, Any] | None = None) -> Any:
    """The same beside everything else."""
    return await asyncio.to_thread(ask_now, url, body)


async def until(true: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def processes_in(group: int) -> list[int]:
    """Ids of the processes of a group."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                about = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(about[2]) == group and about[0] != "Z":
                found.append(int(place.name))
    return found
