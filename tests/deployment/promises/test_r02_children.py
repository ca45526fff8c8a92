"""R2: what loads, converts, renders and reads strangers' files is a child: no keys, no network, limits, no options."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.deployment.compute.standin import QUICK
from tests.deployment.compute.weights import starter_folder
from tests.source import Called, source_of, sources

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.supervisor import Supervisor
from touchstone.deployment.endpoints.fields import Unusable, passing
from touchstone.models.base import ChatRequest, Message
from touchstone.models.starter.model import StarterModel
from touchstone.retrieval.reading import ReadingChild
from touchstone.strategies.jinja_text import JinjaTemplate

STARTS = (
    "subprocess.Popen", "subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output",
    "asyncio.create_subprocess_exec", ".subprocess_exec", "os.posix_spawn", "os.spawnv", "os.spawnve",
)  # fmt: skip
INHERITS = {
    # Children of children: what starts them has been given an environment without keys already.
    "deployment/compute/keeper.py",
    "deployment/compute/llama_serve.py",
}
OUR_OWN_COMMANDS = {"workspace/jobs.py", "workspace/job_child.py"}
"""Start `touchstone compare` and the like for the pages: our own command, which needs the keys that it asks with."""
KEY = "sk-canary-2b6c09d1e7"


def starts(call: Called) -> bool:
    """Whether a call starts a process."""
    return call.name in STARTS or call.name.endswith(".subprocess_exec")


def test_r02_every_child_is_given_its_whole_environment() -> None:
    """No process is started with ours: it may hold keys of providers."""
    started = 0
    for source in sources("subprocess", "spawn"):
        for call in source.calls:
            if starts(call) and source.name not in INHERITS | OUR_OWN_COMMANDS:
                started += 1
                assert call.keyword("env") is not None, call.place
                assert "os.environ" not in ast.unparse(call.node), call.place
    assert started >= 6


def test_r02_only_the_settings_read_the_environment() -> None:
    """So nobody else can hand all of it on; a child that reads its own limits does so through the settings too."""
    for source in sources("environ", "getenv"):
        if source.name not in ("config.py", "testing/exams.py"):
            used = [
                node.lineno
                for node in ast.walk(source.tree)
                if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
            ]
            assert not used, f"{source.name}:{used}"


def test_r02_the_lint_sees_what_it_looks_for() -> None:
    """However the call is imported."""
    for text in (
        "import subprocess as s\ns.Popen(['x'])",
        "from subprocess import run\nrun(['x'])",
        "import asyncio\nasyncio.create_subprocess_exec('x')",
    ):
        assert any(starts(call) for call in source_of(text).calls)


def test_r02_trust_remote_code_is_no_parameter_of_ours() -> None:
    """No argument, field, option or keyword of ours is called so; the name stands only where it is refused."""
    for source in sources("trust_remote_code"):
        for node in ast.walk(source.tree):
            named = {
                ast.arg: lambda one: one.arg,
                ast.keyword: lambda one: one.arg,
                ast.AnnAssign: lambda one: getattr(one.target, "id", ""),
                ast.Name: lambda one: one.id,
                ast.Attribute: lambda one: one.attr,
            }.get(type(node))
            assert named is None or named(node) != "trust_remote_code", f"{source.name}:{node.lineno}"  # type: ignore[attr-defined]
        assert source.name in ("models/local/weights_folder.py", "testing/exams.py")


def test_r02_no_field_of_a_request_reaches_a_loader() -> None:
    """Loaders are called with keywords that are written out; nothing is unpacked into them but what is named here."""
    allowed = {"models/local/networks.py": {"wanted"}}
    for source in sources("from_pretrained"):
        for call in source.calls:
            if call.name.endswith(".from_pretrained"):
                unpacked = {ast.unparse(one.value) for one in call.node.keywords if one.arg is None}
                assert unpacked <= allowed.get(source.name, set()), call.place


def environment_of(pid: int) -> bytes:
    """All of the environment that a process was started with."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def children_of(pid: int) -> set[int]:
    """Processes that a process has started."""
    return {int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of providers where they usually stand, and under a name that nobody knows."""
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MY_OWN_PROVIDER", "TOUCHSTONE_STORE"):
        monkeypatch.setenv(name, KEY)


@contextmanager
def no_key_in_new_children() -> Iterator[None]:
    """Whatever process is there at the end of the block and was not at its beginning knows no key; one is there."""
    before = children_of(os.getpid())
    yield
    started = children_of(os.getpid()) - before
    assert started
    for pid in started:
        for one in (pid, *children_of(pid)):
            assert KEY.encode() not in environment_of(one)


needs_proc = pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="this system does not list children"
)


@needs_proc
@pytest.mark.usefixtures("keys")
def test_r02_a_reader_of_documents_knows_no_key() -> None:
    """By what the system itself says of the process that runs."""
    with ReadingChild() as child, no_key_in_new_children():
        child.read("markdown", b"# Hello")


@needs_proc
@pytest.mark.usefixtures("keys")
def test_r02_a_template_knows_no_key() -> None:
    """A Jinja template is rendered by a process that was told nothing."""
    template = JinjaTemplate("Hello {{ input }}", "one")
    with no_key_in_new_children():
        assert template.render({"input": "you"}, "q0") == "Hello you"
    template.close()


@needs_proc
@pytest.mark.usefixtures("keys")
async def test_r02_a_starter_model_knows_no_key() -> None:
    """Its worker reads weights, and nothing of ours."""
    model = StarterModel("s")
    with no_key_in_new_children():
        await model.send(ChatRequest(messages=(Message(role="user", content="Hello"),), max_tokens=2))
    await model.close()


@needs_proc
@pytest.mark.usefixtures("keys")
async def test_r02_a_supervised_process_knows_no_key(tmp_path: Path) -> None:
    """Neither what keeps it alive nor the server itself nor what that starts."""
    supervisor = Supervisor(tmp_path / "place", rules=QUICK)
    settings = ComputeSettings(kind="starter", weights="weights/s", options={"threads": 1})
    with no_key_in_new_children():
        await supervisor.start("winner", 1, settings, starter_folder(tmp_path / "version", "s"))
        await supervisor.address("winner", 1)
    await supervisor.close()


def test_r02_a_request_cannot_name_what_is_loaded() -> None:
    """What a client may say of a request is a closed list; none of it names a model's file, folder or loader."""
    asked = {"trust_remote_code": True, "revision": "main", "model_kwargs": {}, "weights": "/etc", "adapter": "x"}
    for name, value in asked.items():
        with pytest.raises(Unusable):
            passing({"model": "m", "messages": [], name: value}, {}, sampling="client", most_output_tokens=8)
