"""Every kind of compute that ships passes the exam that plug-ins pass."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.deployment.compute.weights import starter_folder

from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.base import Compute
from touchstone.deployment.compute.llama_cpp import LlamaCompute
from touchstone.deployment.compute.ollama import OllamaCompute
from touchstone.deployment.compute.starter import StarterCompute
from touchstone.deployment.compute.transformers import TransformersCompute
from touchstone.deployment.compute.vllm import VllmCompute
from touchstone.testing.exams import ComputeExam

WEIGHTS = ComputeSettings(kind="starter", weights="weights/m")


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs of other people's on the path; the exam starts none of them."""
    place = tmp_path / "bin"
    place.mkdir()
    for name in ("ollama", "vllm", "llama-server"):
        (place / name).write_text("#!/bin/false\n")
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")


class TestStarter(ComputeExam):
    """`starter`."""

    @pytest.fixture
    def compute(self) -> Compute:
        return StarterCompute()

    @pytest.fixture
    def settings(self) -> ComputeSettings:
        return WEIGHTS

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return starter_folder(tmp_path / "version")


class TestTransformers(TestStarter):
    """`transformers`."""

    @pytest.fixture(autouse=True)
    def library(self) -> None:
        pytest.importorskip("torch", reason="the extra `train` is not installed")

    @pytest.fixture
    def compute(self) -> Compute:
        return TransformersCompute()


class TestLlamaCpp(TestStarter):
    """`llama-cpp`."""

    @pytest.fixture(autouse=True)
    def library(self) -> None:
        pytest.importorskip("gguf", reason="the extra `gguf` is not installed")

    @pytest.fixture
    def compute(self) -> Compute:
        return LlamaCompute()


class TestVllm(TestStarter):
    """`vllm`."""

    @pytest.fixture
    def compute(self) -> Compute:
        return VllmCompute()


class TestOllama(ComputeExam):
    """`ollama`, which keeps its models itself."""

    @pytest.fixture
    def compute(self) -> Compute:
        return OllamaCompute()

    @pytest.fixture
    def settings(self) -> ComputeSettings:
        return ComputeSettings(kind="ollama", options={"model": "qwen3"})


class Careless(StarterCompute):
    """Listens for everybody, hands its own environment on and takes any option."""

    def check(self, settings: ComputeSettings, folder: Path) -> None:
        """Nothing is looked at."""

    def command(self, settings: ComputeSettings, folder: Path, port: int) -> Sequence[str]:
        """For everybody."""
        return ("serve", f"--listen=0.0.0.0:{port}")

    def environment(self, settings: ComputeSettings, folder: Path, port: int) -> Mapping[str, str]:
        """Everything."""
        return dict(os.environ)


def test_a_careless_kind_fails_its_exam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its address, by the keys that it passes on, by an option that lets weights bring code, and by a path out."""
    exam, folder = ComputeExam(), starter_folder(tmp_path / "version")
    with pytest.raises(AssertionError, match="other machines"):
        exam.test_listens_on_the_port_it_is_given(Careless(), WEIGHTS, folder)
    with pytest.raises(AssertionError):
        exam.test_passes_no_secret_on(Careless(), WEIGHTS, folder, monkeypatch)
    with pytest.raises(pytest.fail.Exception):
        exam.test_refuses_an_option_it_does_not_declare(Careless(), WEIGHTS, folder, "trust_remote_code")
    with pytest.raises(pytest.fail.Exception):
        exam.test_refuses_weights_that_lie_elsewhere(Careless(), WEIGHTS, folder, "../elsewhere")
