"""What the compute of the starter models takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.deployment.compute.weights import starter_folder

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.starter import StarterCompute
from touchstone.errors import DataError, SettingsError, UserError


def settings(**fields: object) -> ComputeSettings:
    return ComputeSettings.model_validate({"kind": "starter", **fields})


def test_a_shipped_model_or_a_folder(tmp_path: Path) -> None:
    """Each under the name that a trial knows it by; larger ones need more."""
    folder = starter_folder(tmp_path)
    compute = StarterCompute()
    for given, name in ((settings(options={"size": "l"}), "l"), (settings(weights="weights/m"), "m")):
        compute.check(given, folder)
        assert compute.served_name(given, folder) == name
        assert f"--name={name}" in compute.command(given, folder, 1)
    needs = [compute.memory_gib(settings(options={"size": size}), folder) for size in ("s", "m", "l")]
    assert needs == sorted(needs, key=lambda need: need or 0)
    assert len(set(needs)) == 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "needs weights"),
        ({"options": {"size": "xl"}}, "use one of"),
        ({"options": {"size": "s"}, "weights": "weights/m"}, "not both"),
        ({"options": {"size": "s"}, "adapter": "weights/m"}, "takes no adapter"),
        ({"options": {"size": "s", "threads": 0}}, "at least 1"),
    ],
)
def test_what_it_cannot_run_is_refused(fields: dict[str, object], said: str, tmp_path: Path) -> None:
    """In words, before anything is started."""
    with pytest.raises(UserError, match=said) as found:
        StarterCompute().check(settings(**fields), starter_folder(tmp_path))
    assert isinstance(found.value, SettingsError)


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    """It would be no model of the starters' kind."""
    folder = starter_folder(tmp_path)
    config = folder / "weights/m/config.json"
    config.write_text(config.read_text().replace('"llama"', '"qwen3"'))
    with pytest.raises(DataError, match="only llama"):
        StarterCompute().check(settings(weights="weights/m"), folder)
