"""What a kind of compute was told, and where it may read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone import plugins
from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.options import below
from touchstone.deployment.compute.supervisor import load_compute
from touchstone.errors import SettingsError, UnknownName


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A version's folder with weights, beside a secret."""
    made = tmp_path / "version"
    (made / "weights").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (made / "link").symlink_to(tmp_path / "secret")
    (made / "up").symlink_to(tmp_path)
    return made


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "", "weights/../../secret", "link", "up/secret", "gone", "a\0b", "a\\b", ".."]
)
def test_no_place_outside_is_read(name: str, folder: Path) -> None:
    """Neither by its path nor through a link."""
    with pytest.raises(SettingsError):
        below(folder, name)


def test_a_place_inside_is_found(folder: Path) -> None:
    """Also where the way to the folder itself is a link."""
    assert below(folder, "weights") == folder / "weights"
    (folder.parent / "also").symlink_to(folder)
    assert below(folder.parent / "also", "weights") == folder / "weights"


@given(st.text(max_size=20))
def test_nothing_but_the_folder_is_ever_named(name: str) -> None:
    """Whatever is written."""
    root = Path(__file__).parent
    try:
        found = below(root, name)
    except SettingsError:
        return
    assert found.is_relative_to(root)


def test_every_kind_comes_through_the_same_door() -> None:
    """Five of ours, each with what the protocol asks for; an unknown one is told the closest."""
    assert plugins.shipped("computes") == ("llama-cpp", "ollama", "starter", "transformers", "vllm")
    for name in plugins.shipped("computes"):
        one = load_compute(name)
        assert one.name == name
        assert one.health_path.startswith("/")
        assert one.ready_s > 0
    with pytest.raises(UnknownName, match="transformers"):
        load_compute("transformer")


@pytest.mark.parametrize("kind", ["llama-cpp", "ollama", "starter", "transformers", "vllm"])
@pytest.mark.parametrize("option", ["trust_remote_code", "auto_map", "api_key", "host"])
def test_no_option_reaches_a_loader_that_was_not_declared(kind: str, option: str, tmp_path: Path) -> None:
    """Each kind knows its own and nothing else."""
    options = {option: True, "model": "x"} if kind == "ollama" else {option: True}
    with pytest.raises(SettingsError, match=f"has no option '{option}'"):
        load_compute(kind).check(ComputeSettings(kind=kind, options=options), tmp_path)
