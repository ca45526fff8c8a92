"""R1: no pickle family anywhere; a pickle that lies where the product reads is never unpacked."""

from __future__ import annotations

import ast
import io
import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from tests.deployment.compute.weights import starter_folder
from tests.source import Called, source_of, sources

from touchstone.config import Settings
from touchstone.deployment.govern.pepper import load_pepper
from touchstone.errors import TouchstoneError
from touchstone.models.local.weights_folder import check_weights_folder
from touchstone.models.starter.folder import read_model
from touchstone.retrieval.chunk import make_chunker
from touchstone.retrieval.documents import Source
from touchstone.retrieval.embed_lsa import LsaEmbedder
from touchstone.retrieval.index import Index
from touchstone.training.rows import Rows, rows_of
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.endpoints import read_policy
from touchstone.workspace.workspace import Workspace
from touchstone.workspace.yaml_file import read_yaml

MODULES = {
    "pickle", "_pickle", "cPickle", "pickletools", "dill", "cloudpickle", "joblib", "shelve", "marshal", "dbm",
    "diskcache", "sqlitedict", "jsonpickle", "klepto", "multiprocessing",
}  # fmt: skip
"""Modules whose values are pickles, or code."""
UNPACKS = {"torch.load", "torch.save", "numpy.lib.format.read_array", "numpy.fromregex", "pandas.read_pickle"}
METHODS = (".read_pickle", ".to_pickle", ".unpickle", ".load_pickle", "ProcessPoolExecutor")
"""Ends of names."""
MAKES_OURS = "training/starter/recipe.py"
"""Makes the models that ship, on the machine of whoever makes them: its workers are told their parts through pipes."""
NUMPY = {"numpy.load", "numpy.save", "numpy.savez", "numpy.savez_compressed"}


def unpacks(call: Called) -> bool:
    """Whether a call reads or writes pickles, or may be talked into it."""
    if call.name in NUMPY:
        allows = call.keyword("allow_pickle")
        return not (isinstance(allows, ast.Constant) and allows.value is False)
    allows = call.keyword("allow_pickle")
    if allows is not None and not (isinstance(allows, ast.Constant) and allows.value is False):
        return True
    return call.name in UNPACKS or call.name.endswith(METHODS)


def test_r01_nothing_of_the_family_is_imported_or_called() -> None:
    """Over every file of the package; NumPy reads and writes arrays with `allow_pickle=False`, written out."""
    read = 0
    for source in sources(*MODULES, "pickle", "numpy", "torch", "pandas", "ProcessPool"):
        read += 1
        family = {name for name in source.imports if name.partition(".")[0] in MODULES}
        assert not family, f"{source.name} imports {sorted(family)}"
        found = [call for call in source.calls if unpacks(call)]
        if source.name == MAKES_OURS:
            found = [call for call in found if not call.name.endswith("ProcessPoolExecutor")]
        assert not [call.place for call in found]
    assert read > 40


def test_r01_weights_are_asked_for_as_safetensors() -> None:
    """Whoever loads a network of other people names the format, and nobody passes a flag that lets code come along."""
    for source in sources("from_pretrained", "trust_remote_code"):
        for call in source.calls:
            assert call.keyword("trust_remote_code") is None, call.place
            if call.name.endswith("kind.from_pretrained"):
                safe = call.keyword("use_safetensors")
                assert isinstance(safe, ast.Constant), call.place
                assert safe.value is True, call.place


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\nnp.load(place)",
        "from numpy import load\nload(place, allow_pickle=True)",
        "import numpy\nnumpy.load(place, allow_pickle=flag)",
        "from torch import load as read\nread(place)",
        "import pandas as pd\npd.read_pickle(place)",
        "frame.to_pickle(place)",
        "reader(place, allow_pickle=True)",
    ],
)
def test_r01_the_lint_sees_what_it_looks_for(text: str) -> None:
    """Under whatever name it is imported."""
    assert any(unpacks(call) for call in source_of(text).calls)


class Canary:
    """Leaves a mark when somebody unpacks it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "unpacked"


@pytest.fixture
def canary(marker: Path) -> bytes:
    return pickle.dumps(Canary(marker), protocol=4)


@pytest.fixture(autouse=True)
def _nothing_is_unpacked(marker: Path, canary: bytes) -> object:
    """After each test: no mark, although the canary leaves one where somebody unpacks it."""
    yield
    assert not marker.exists()
    pickle.loads(canary)
    assert marker.exists()


def as_array(canary: bytes) -> bytes:
    """The canary as NumPy stores an array of objects: a header, and a pickle."""
    opened = io.BytesIO()
    np.lib.format.write_array_header_1_0(opened, np.lib.format.header_data_from_array_1_0(np.empty(3, dtype=object)))
    return opened.getvalue() + canary


def poisoned(folder: Path, canary: bytes) -> Iterator[Path]:
    """Copies of a folder, in each of which another file is the canary; arrays become arrays that hold it."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        copy = folder.parent / f"{folder.name}-{file.stem}"
        shutil.copytree(folder, copy)
        (copy / file.relative_to(folder)).write_bytes(as_array(canary) if file.suffix == ".npy" else canary)
        yield copy
        shutil.rmtree(copy)


def test_r01_an_index_with_pickles_in_it(tmp_path: Path, canary: bytes) -> None:
    """Each of its files in turn: it is made anew or refused, and asked nevertheless nothing is unpacked."""
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "a.txt").write_text("Apples are red. Pears are green. Plums are blue. " * 5)
    chunker = make_chunker("sentence", size=6)
    Index(tmp_path / "index", chunker).update(Source(documents))
    seen = 0
    for copy in poisoned(tmp_path / "index", canary):
        seen += 1
        with suppress(TouchstoneError, ValueError, OSError):
            opened = Index(copy, chunker).open()
            opened.lexical("red apples", 3)
            list(opened.passages())
            opened.close()
    assert seen > 5


def test_r01_a_folder_of_weights_with_pickles_in_it(tmp_path: Path, canary: bytes) -> None:
    """As the weights, as their settings, as the tokenizer, and beside them under the names that pickles have."""
    folder = starter_folder(tmp_path / "version") / "weights/m"
    for copy in poisoned(folder, canary):
        with pytest.raises((TouchstoneError, ValueError)):
            read_model(copy)
        with suppress(TouchstoneError, ValueError):
            check_weights_folder(copy)
    for name in ("pytorch_model.bin", "model.pt", "model.pkl", "training_args.bin", "adapter_model.bin", "m.ckpt"):
        (folder / name).write_bytes(canary)
        with suppress(TouchstoneError):
            check_weights_folder(folder)
        read_model(folder)
        (folder / name).unlink()


def test_r01_an_embedder_with_pickles_in_it(tmp_path: Path, canary: bytes) -> None:
    """A learned one, of which each file is the canary in turn."""
    made = tmp_path / "learned"
    made.mkdir()
    embedder = LsaEmbedder(dimensions=2).fit(["red apples", "green pears", "blue plums", "red plums"])
    embedder.save(made)
    for copy in poisoned(made, canary):
        with suppress(TouchstoneError, ValueError, OSError):
            LsaEmbedder(dimensions=2).load(copy).embed(["red"])


def test_r01_a_training_with_pickles_in_it(tmp_path: Path, canary: bytes) -> None:
    """The rows of a training lie in arrays, and an array of objects is none."""
    made = tmp_path / "rows"
    made.mkdir()
    rows_of([([1, 2, 3], [False, True, True])], longest=8).write(made)
    seen = 0
    for copy in poisoned(made, canary):
        seen += 1
        with suppress(TouchstoneError, ValueError, OSError):
            Rows.read(copy)
    assert seen >= 3


@pytest.mark.parametrize("name", ["touchstone.sqlite", "gateway.pepper", "reserve.bin"])
def test_r01_a_workspace_with_pickles_in_it(tmp_path: Path, canary: bytes, name: str) -> None:
    """The store is no store, the pepper no pepper; neither is unpacked to find that out."""
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / name).write_bytes(canary)
    with suppress(TouchstoneError), Workspace(Settings(workspace=folder, workspace_from="test")) as place:
        assert place.ledger
        load_pepper(folder)


@pytest.mark.parametrize("suffix", ["pkl", "csv", "jsonl", "parquet", "npy", "arrow", "json"])
def test_r01_cases_that_are_a_pickle(tmp_path: Path, canary: bytes, suffix: str) -> None:
    """Under any name a reader goes by, they are refused with the file's name."""
    (tmp_path / f"cases.{suffix}").write_bytes(canary)
    task = {"task": "t", "cases": f"cases.{suffix}", "candidates": ["baseline/majority"]}
    (tmp_path / "task.yaml").write_text(json.dumps(task))
    settings = Settings(workspace=tmp_path / "place", workspace_from="test")
    with Workspace(settings) as place, pytest.raises(TouchstoneError):
        place.compare(place.load_task(tmp_path / "task.yaml"), CompareOptions())


def test_r01_words_that_ask_for_objects(tmp_path: Path, marker: Path) -> None:
    """YAML can name functions to call; a policy and a task file are plain values."""
    text = f"fail_over: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{marker}]]"
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(TouchstoneError):
        read_policy(tmp_path / "policy.yaml")
    with pytest.raises(TouchstoneError):
        read_yaml(tmp_path / "policy.yaml")


def test_r01_a_loader_that_unpacks_would_be_seen(tmp_path: Path, marker: Path, canary: bytes) -> None:
    """The canary is one: a loader without our flag unpacks the very array that ours refuse."""
    (tmp_path / "x.npy").write_bytes(as_array(canary))
    with suppress(Exception):
        np.load(tmp_path / "x.npy", allow_pickle=True)
    assert marker.exists()
    marker.unlink()
