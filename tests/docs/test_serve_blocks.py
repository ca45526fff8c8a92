"""
What the documentation says of serving is done, as a reader would do it: after `touchstone demo`, the commands of the
README, then what the pages show clients asking. Only the port is another, and the key the one that was printed.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests import warm
from tests.docs.conftest import Demo
from tests.docs.test_blocks import ROOT, Block, blocks, run
from tests.faults.child import command, environment

GUIDE = ROOT / "docs" / "guide"


def with_words(page: Path, words: str, language: str) -> Block:
    """The one block of a page in a language that holds some words."""
    [found] = [one for one in blocks(page) if one.language == language and words in one.body]
    return found


class Served(NamedTuple):
    """A gateway that a reader has started."""

    folder: Path
    address: str
    key: str

    def text(self, block: Block) -> str:
        """A block with this gateway's address and key."""
        return block.body.replace("http://127.0.0.1:8080", self.address).replace("ts-…", self.key)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, demo: Demo) -> Iterator[Served]:
    """What the README's block leaves running; of the demo the part that trains no language model."""
    folder, key = demo.copy(tmp_path_factory.mktemp("reader")), ""
    (folder / "home").mkdir()
    with warm.on_path(tmp_path_factory.mktemp("warm")) as first_on_path:
        *before, last = with_words(ROOT / "README.md", "touchstone serve", "bash").body.strip().splitlines()
        for line in before:
            printed = run(["bash", "-euo", "pipefail", "-c", line], folder, f"README.md: {line}", first_on_path)
            key = next((word for word in printed.split() if word.startswith("ts-")), key)
    told = shlex.split(last, comments=True)
    assert told[:2] == ["touchstone", "serve"], "the last command of the block serves"
    process = subprocess.Popen(
        command(*told[1:], "--port", "0", "--json", "--stop-seconds", "1"),
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["url"].removesuffix("/v1").rstrip("/")
        yield Served(folder, address, key)
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_official_client_asks_as_the_guide_shows(served: Served) -> None:
    """The answer in one piece and the same answer streamed."""
    block = with_words(GUIDE / "serve.md", "OpenAI(", "python")
    whole, streamed = run([sys.executable, "-c", served.text(block)], served.folder, "serve.md").split()
    assert whole == streamed


def test_a_plain_request_asks_as_the_guide_shows(served: Served) -> None:
    """By curl, with the key in the one place where it may stand."""
    block = with_words(GUIDE / "serve.md", "curl ", "bash")
    script = f"KEY={served.key}\n{served.text(block).replace('curl ', 'curl --silent --show-error --fail ')}"
    found = json.loads(run(["bash", "-euo", "pipefail", "-c", script], served.folder, "serve.md"))
    assert found["choices"][0]["message"]["content"]


def test_files_are_kept_as_the_guide_shows(served: Served) -> None:
    """A file with the line that the page shows comes back as it went."""
    page = GUIDE / "files-and-batches.md"
    line = with_words(page, "custom_id", "json").body
    (served.folder / "questions.jsonl").write_text(line, encoding="utf-8")
    block = with_words(page, "files.create", "python")
    assert (
        run([sys.executable, "-c", served.text(block)], served.folder, "files-and-batches.md").strip() == line.strip()
    )


@pytest.mark.parametrize("page", ["README.zh-CN.md", "docs/guide/deploy.md", "docs/guide/serve.md"])
def test_other_pages_start_as_the_readme_does(page: str) -> None:
    """The same commands in the same order; what they leave out or add are flags, and what comes before."""

    def commands(name: str) -> list[str]:
        block = with_words(ROOT / name, "touchstone serve", "bash")
        told = [shlex.split(line, comments=True) for line in block.body.strip().splitlines()]
        return [" ".join(word for word in line[:3] if not word.startswith("-")) for line in told]

    shown = [one for one in commands(page) if one != "touchstone demo"]
    assert shown == commands("README.md")[-len(shown) :]
