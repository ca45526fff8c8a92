"""Jinja templates, where a task file asks for them: rendered by a process of their own that may be killed."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any

from touchstone.config import environment_of_children
from touchstone.errors import RequestRejected, SettingsError

DEADLINE_S = 5.0
"""Of one text. A template takes a millisecond; one that takes seconds does not end."""

_START_S = 60.0
"""Of the first answer, which an interpreter has to start for; a loaded machine takes long."""

_MOST_OVERRUNS = 3
"""After so many texts that came too late none is rendered any more: each of them holds up everybody."""


class JinjaTemplate:
    """
    One template and the process that renders it, which is started when it is needed.

    Args:
        template: Its text.
        name: The candidate's, for errors.
        deadline_s: Longest time for one text.
    """

    def __init__(self, template: str, name: str, *, deadline_s: float = DEADLINE_S) -> None:
        self.template = template
        self.name = name
        self.deadline_s = deadline_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._overruns = 0
        self.used: frozenset[str] = frozenset()
        """The names that the template uses, once it was looked at."""

    def names(self) -> frozenset[str]:
        """
        The names that the template uses; the process ends again.

        Raises:
            SettingsError: it is no template, or this system cannot limit what a process may use.
        """
        if sys.platform == "win32":
            raise SettingsError("{name}: format jinja needs limits that Windows does not have", name=self.name)
        with self._lock:
            try:
                answer = self._start()
            finally:
                self._end()
        if "error" in answer:
            raise SettingsError("{name}: the template cannot be used: {reason}", name=self.name, reason=answer["error"])
        self.used = frozenset(answer["names"])
        return self.used

    def render(self, values: Mapping[str, str], case: str) -> str:
        """
        The text for a case; what a value holds is never rendered.

        Raises:
            RequestRejected: the template failed on it, or took too long.
        """
        with self._lock:
            if self._overruns >= _MOST_OVERRUNS:
                raise RequestRejected(
                    "the template took longer than {seconds} s for {n} cases and is rendered no more",
                    seconds=self.deadline_s,
                    n=self._overruns,
                )
            if self._process is None:
                self._start()
            try:
                answer = self._ask({"values": dict(values)}, self.deadline_s)
            except queue.Empty:
                self._overruns += 1
                self._end()
                raise RequestRejected(
                    "the template takes longer than {seconds} s for case {case}", seconds=self.deadline_s, case=case
                ) from None
        if "error" in answer:
            raise RequestRejected(
                "the template cannot be filled in for case {case}: {reason}", case=case, reason=answer["error"]
            )
        return str(answer["text"])

    def close(self) -> None:
        """End the process; may be called twice, and a later text starts another."""
        with self._lock:
            self._end()

    def _start(self) -> dict[str, Any]:
        # No key of a provider and no path of the user's is in its environment.
        environment = {**environment_of_children(), "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-B", "-m", "touchstone.strategies.jinja_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        self._lines = queue.SimpleQueue()
        assert self._process.stdout is not None
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()
        try:
            return self._ask({"template": self.template}, _START_S)
        except queue.Empty:
            self._end()
            return {"error": "it takes too long to read"}

    def _ask(self, asked: dict[str, Any], seconds: float) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            line = b""
        else:
            line = self._lines.get(timeout=seconds)
        if not line:
            self._end()
            return {"error": "its process was ended by the limits it has"}
        found: dict[str, Any] = json.loads(line)
        return found

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        process.wait()


def _read(stream: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    """Pass on what the process says, line by line; an empty line is its end."""
    with suppress(ValueError, OSError):
        for line in stream:
            lines.put(line)
    lines.put(b"")
