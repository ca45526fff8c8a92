"""R3: no shell, argument lists only, and no text of a user becomes an option."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.deployment.compute.weights import starter_folder
from tests.source import Called, source_of, sources

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.llama_serve import program_arguments
from touchstone.deployment.compute.starter import StarterCompute
from touchstone.deployment.compute.vllm import VllmCompute

SHELLS = {
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell",
    "pty.spawn", "os.startfile",
}  # fmt: skip
"""Calls that give a text to something that takes it apart."""
LISTS = {"subprocess.Popen", "subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output"}


def is_shell(call: Called) -> bool:
    """Whether a call may take a text apart as a shell does."""
    if call.name in SHELLS or call.name.endswith((".subprocess_shell", ".create_subprocess_shell")):
        return True
    shell = call.keyword("shell")
    if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
        return True
    first = call.node.args[0] if call.node.args else None
    return call.name in LISTS and isinstance(first, ast.JoinedStr | ast.BinOp | ast.Constant)


def test_r03_nothing_goes_through_a_shell() -> None:
    """Over every file of the package."""
    words = ("subprocess", ".system(", "popen", "spawn", "startfile", "shell=", "_shell(", "from os import")
    for source in sources(*words):
        assert not [call.place for call in source.calls if is_shell(call)]


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.system(text)",
        "from os import popen as p\np(text)",
        "import subprocess\nsubprocess.run(words, shell=True)",
        "import subprocess\nsubprocess.run(words, shell=flag)",
        "import subprocess\nsubprocess.Popen(f'ls {text}')",
        "from subprocess import check_output\ncheck_output('ls ' + text)",
        "import asyncio\nasyncio.create_subprocess_shell(text)",
        "loop.subprocess_shell(factory, text)",
    ],
)
def test_r03_the_lint_sees_what_it_looks_for(text: str) -> None:
    """Every way in which a text reaches a shell."""
    assert any(is_shell(call) for call in source_of(text).calls)


HOSTILE = ("--help", "-rf", "--weights=etc", "--port=1", "; touch owned", "$(touch owned)", "a\nb", "--", "-")
"""Names of folders, which a user chooses."""


def options_of(words: Sequence[str]) -> list[str]:
    """The words that a program would take for options: those that begin so and are no value of the one before."""
    found, value_follows = [], False
    for word in words[1:]:
        if word.startswith("-") and not value_follows:
            found.append(word.partition("=")[0])
            # `-m` and the options of llama-server have their value in the next word.
            value_follows = "=" not in word and word in WITH_VALUE
        else:
            value_follows = False
    return found


WITH_VALUE = {
    "-m", "--model", "--alias", "--host", "--port", "--parallel", "--cache-ram", "--ctx-size", "--threads",
    "--n-gpu-layers",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["starter", "vllm", "llama-server"])
def test_r03_a_name_never_becomes_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    """Whatever a folder of weights is called, the program is given the options that it would be given anyway."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/vllm").write_text("#!/bin/false\n")
    (tmp_path / "bin/vllm").chmod(0o755)
    folder = starter_folder(tmp_path / "version", "s")

    def words(weights: str) -> Sequence[str]:
        settings = ComputeSettings(kind=kind, weights=weights)
        if kind == "starter":
            return StarterCompute().command(settings, folder, 8000)
        if kind == "vllm":
            return VllmCompute().command(settings, folder, 8000)
        given = argparse.Namespace(
            program="llama-server", name=Path(weights).name, port=8000, parallel=1, context=512, threads=1, gpu_layers=0
        )
        return program_arguments(given, folder / weights)

    usual = words("weights/s")
    (folder / "weights/s").rename(folder / "weights" / name)
    hostile = words(f"weights/{name}")
    assert options_of(hostile) == options_of(usual)
    assert len(hostile) == len(usual)
