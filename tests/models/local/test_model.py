"""A folder of weights as a model: answers come from a process without secrets, and a hostile folder stays in there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.training.foreign import CHATML, write_qwen

from touchstone.errors import RequestRejected, SettingsError
from touchstone.models.base import ChatRequest, Message
from touchstone.models.local.model import LocalModel, folder_digest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

ESCAPES = "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ cycler.__init__.__globals__.os.mkdir('MARKER') }}"


def request(text: str = "where is my parcel", **fields: object) -> ChatRequest:
    return ChatRequest.model_validate({"messages": (Message(role="user", content=text),), "max_tokens": 4, **fields})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of other people."""
    return write_qwen(tmp_path_factory.mktemp("qwen"), vocabulary=500)


async def test_it_answers_the_same_each_time_from_a_process_without_secrets(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The likeliest token each time; usage is counted; too long a conversation is refused in words."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    model = LocalModel("qwen", folder=str(folder))
    try:
        first = model.read(await model.send(request()))
        again = model.read(await model.send(request()))
        drawn = [model.read(await model.send(request(temperature=1.0, draw=draw))).text for draw in (1, 1, 2)]
        pid = model._process.pid
        environment = Path(f"/proc/{pid}/environ").read_text() if Path("/proc").exists() else ""
        with pytest.raises(RequestRejected, match="at most 127 tokens"):
            await model.send(request("word " * 200))
    finally:
        await model.close()
    loaded = LocalModel("qwen", folder=str(folder))
    try:
        later = loaded.read(await loaded.send(request()))
    finally:
        await loaded.close()

    assert first.text == again.text == later.text
    assert drawn[0] == drawn[1]
    assert first.usage.input_tokens
    assert first.usage.output_tokens == 4
    assert first.finish == "length"
    assert "sk-canary" not in environment
    assert not Path(f"/proc/{pid}/exe").exists()


async def test_a_template_that_attacks_stays_in_the_sandbox(folder: Path, tmp_path: Path) -> None:
    """It is an error that names the template; nothing was made."""
    marker = tmp_path / "marker"
    place = tmp_path / "model"
    place.mkdir()
    for file in folder.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    said = json.loads((place / "tokenizer_config.json").read_text())
    (place / "tokenizer_config.json").write_text(
        json.dumps(said | {"chat_template": ESCAPES.replace("MARKER", str(marker)) + CHATML})
    )
    model = LocalModel("qwen", folder=str(place))
    try:
        with pytest.raises(RequestRejected, match="template"):
            await model.send(request())
    finally:
        await model.close()

    assert not marker.exists()


def test_a_folder_is_known_by_its_bytes(folder: Path, tmp_path: Path) -> None:
    """Wherever it lies; another byte is another model, whose stored answers are not taken for this one's."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert folder_digest(copy) == folder_digest(folder)
    assert LocalModel("a", folder=str(copy)).endpoint == LocalModel("a", folder=str(folder)).endpoint
    with (copy / "tokenizer_config.json").open("a") as opened:
        opened.write(" ")

    assert LocalModel("a", folder=str(copy)).endpoint != LocalModel("a", folder=str(folder)).endpoint
    with pytest.raises(SettingsError, match="does not exist"):
        LocalModel("a", folder=str(tmp_path / "nothing"))
