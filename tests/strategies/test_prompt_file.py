"""What prompt files promise: the text of the file is the prompt, and only files beside the task are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.strategies.shop import Shop, case

from touchstone.errors import SettingsError
from touchstone.evaluation.ledger import Ledger

ASKED = case("q1", "Where is it?")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    ledger = Ledger(tmp_path / "store.db")
    (tmp_path / "task" / "prompts").mkdir(parents=True)
    yield Shop(ledger, tmp_path / "task")
    ledger.close()


def write(shop: Shop, text: bytes | str, name: str = "prompts/v2.txt") -> dict[str, str]:
    place = shop.workshop.folder / name
    place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return {"file": name}


async def test_a_prompt_may_lie_in_a_file(shop: Shop) -> None:
    """Read as UTF-8 without its mark and without the line break at its end; both texts may."""
    template = write(shop, b"\xef\xbb\xbfQ: {input}\r\nA:\r\n")
    system = write(shop, "Sei höflich.\n", "prompts/system.txt")
    candidate = await shop.make("prompt", prompt=template, system=system)
    assert [turn.content for turn in candidate.messages(ASKED)] == ["Sei höflich.", "Q: Where is it?\nA:"]


async def test_the_text_is_the_recipe(shop: Shop) -> None:
    """A changed file is another recipe; a file asks just what the same text written out asks, and is named."""
    written = await shop.make("prompt", prompt="Q: {input}")
    file = await shop.make("prompt", prompt=write(shop, "Q: {input}\n"))
    assert file.recipe.fingerprint == written.recipe.fingerprint
    assert file.request(ASKED) == written.request(ASKED)
    changed = await shop.make("prompt", prompt=write(shop, "Q: {input}?\n"))
    assert changed.recipe.fingerprint != file.recipe.fingerprint
    settings = await shop.settings("prompt", prompt={"file": "prompts/v2.txt"})
    assert settings["files"]["prompt"].startswith("prompts/v2.txt ")
    assert "files" not in await shop.settings("prompt")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"file": "prompts/none.txt"}, "prompt cannot be read from prompts/none.txt: No such file"),
        ({"file": "prompts"}, "cannot be read from prompts: Is a directory"),
        ({"file": "../secret.txt"}, r"read from ../secret.txt, outside the folder of the task file"),
        ({"file": "link.txt"}, r"outside the folder of the task file"),
        ({"file": "/etc/hostname"}, r"outside the folder of the task file"),
        ({"file": "a\0b"}, r"cannot be read from a"),
        ({"file": "big.txt"}, r"big.txt is larger than 256 KiB"),
        ({"file": "latin.txt"}, r"latin.txt is no UTF-8 at byte 1"),
        ({"file": 5}, r"prompt is \{'file': 5\}; write it as text, or as \{file: PATH\}"),
        ({"file": "a", "more": 1}, r"write it as text, or as"),
        ({"path": "a"}, r"write it as text, or as"),
        ({"file": "hole.txt"}, r"the template uses \{custmer\}"),
    ],
)
async def test_a_file_that_cannot_be_used_is_refused(shop: Shop, tmp_path: Path, value: Any, words: str) -> None:
    """Nothing outside the folder of the task file is read, through a link either; nothing is sent."""
    (tmp_path / "secret.txt").write_text("secret")
    (shop.workshop.folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    write(shop, "x" * (256 * 1024 + 1), "big.txt")
    write(shop, b"a\xff", "latin.txt")
    write(shop, "{custmer}", "hole.txt")
    with pytest.raises(SettingsError, match=words) as caught:
        await shop.make("prompt", prompt=value)
    assert "secret\n" not in str(caught.value)
    assert shop.model.calls == []
