"""Building the package: the index of the catalog lies in the wheel and fits it, and its absence breaks no build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.conftest import ROOT

from touchstone.catalog.index import CatalogIndex

INDEX = "touchstone/catalog/shipped.sqlite"


class Yard:
    """A copy of what a wheel is built from, so that the repository itself is left as it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = folder / "tree"
        # What is compiled comes along, so that the build need not; weights are most of the bytes and no part of it.
        leave = shutil.ignore_patterns("shipped.sqlite", "*.safetensors")
        shutil.copytree(ROOT / "src", self.tree / "src", ignore=leave)
        for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, self.tree / name)

    def build(self, to: str, *, before: Path | None = None) -> tuple[Path, str]:
        """A wheel, and what was said on the way; `before` is a folder in which Python looks first."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "SOURCE_DATE_EPOCH": "1700000000"}
        result = subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(self.folder / to)],
            cwd=self.tree, env=environment | ({"PYTHONPATH": str(before)} if before else {}), capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        (wheel,) = (self.folder / to).glob("*.whl")
        return wheel, result.stdout + result.stderr


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    pytest.importorskip("hatchling", reason="hatchling builds the package and is not installed")
    return Yard(tmp_path_factory.mktemp("yard"))


def test_the_index_in_the_wheel_is_that_of_the_cards_in_it(yard: Yard) -> None:
    """Unpacked anywhere, the package finds its own index good: the key is the one of its files, the day is today's."""
    wheel, _said = yard.build("whole")
    unpacked = yard.folder / "unpacked"
    with ZipFile(wheel) as packed:
        assert INDEX in packed.namelist()
        packed.extractall(unpacked)
    code = (
        "from datetime import UTC, datetime; from touchstone.catalog import catalog\n"
        "from touchstone.catalog.shipped_stamp import shipped_digest\n"
        "found = catalog.Catalog(today=datetime.now(UTC).date())\n"
        "print(catalog.SHIPPED_INDEX, catalog._key(shipped_digest(), []), found.index.meta['key'])\n"
        "print(len(found.index), found._holds_today(found.index))"
    )

    said = asked_of(unpacked, code)

    place, computed, answered, rows, holds = said
    assert place == str(unpacked / INDEX)
    index = CatalogIndex.open(unpacked / INDEX)
    assert index is not None
    assert index.meta["key"] == computed == answered
    assert len(index) == int(rows) > 150
    assert holds == "True"
    index.close()


def asked_of(package: Path, code: str) -> list[str]:
    """What a program prints that imports the package from there."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=package, env=environment, capture_output=True, text=True, timeout=60,
        check=True,
    ).stdout.split()  # fmt: skip


def test_the_index_of_a_wheel_is_its_own_and_trusted(yard: Yard) -> None:
    """
    What is installed from a wheel changes no more, so no start reads its thousand cards, whose times are others.

    The index of the folder, in which people go on writing cards, is neither taken into the wheel nor touched.
    """
    of_the_folder = yard.tree / "src" / INDEX
    of_the_folder.write_bytes(b"of the folder")

    wheel, _said = yard.build("sealed")

    assert of_the_folder.read_bytes() == b"of the folder"
    unpacked = yard.folder / "sealed-unpacked"
    with ZipFile(wheel) as packed:
        assert packed.namelist().count(INDEX) == 1
        packed.extractall(unpacked)
    code = (
        "from datetime import UTC, datetime; from touchstone.catalog import catalog, shipped_stamp\n"
        "shipped_stamp._HERE = 'nobody looks here'\n"
        "found = catalog.Catalog(today=datetime.now(UTC).date()).index\n"
        "print(found._path == catalog.SHIPPED_INDEX)"
    )
    assert asked_of(unpacked, code) == ["True"]


def test_without_what_the_catalog_needs_the_package_is_built_all_the_same(yard: Yard) -> None:
    """As in the bare environment in which pip builds: no index, a word about it, and all the files."""
    bare = yard.folder / "bare"
    bare.mkdir()
    (bare / "genai_prices.py").write_text("raise ModuleNotFoundError('not here', name='genai_prices')\n")
    (yard.tree / "src" / INDEX).unlink(missing_ok=True)

    wheel, said = yard.build("bare-wheel", before=bare)

    names = ZipFile(wheel).namelist()
    assert INDEX not in names
    assert "touchstone/catalog/collections.toml" in names
    assert "genai_prices is not here" in said
