"""What a training will take: bounds, proportions, and two comparisons with what really came."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.training.forecast import (
    H100,
    Device,
    Shape,
    count_parameters,
    flops_needed,
    forecast,
    memory_needed,
    real_sizes,
    shape_of,
    with_adapters,
)
from touchstone.training.networks import NetworkSizes

SIZES = st.builds(
    NetworkSizes,
    layers=st.integers(1, 8),
    heads=st.sampled_from([1, 2, 4]),
    width=st.integers(2, 32).map(lambda eighths: 8 * eighths),
    inner=st.integers(8, 512),
)
HOST = Device(name="here", flops=1e10, usd_per_hour=2.0, memory_bytes=1e9)


def small(**changes: int) -> Shape:
    given = {"layers": 2, "width": 64, "heads": 2, "inner": 128, "context_tokens": 128, **changes}
    return shape_of("decoder-only", NetworkSizes.model_validate(given), 1_000)


@given(SIZES, st.integers(1, 5_000), st.integers(1, 100_000), st.floats(0.1, 10))
def test_more_of_anything_never_takes_less(sizes: NetworkSizes, batch: int, tokens: int, epochs: float) -> None:
    """Memory with the batch, time and money with the tokens."""
    shape = shape_of("decoder-only", sizes, 1_000)
    asked = {"epochs": epochs, "batch_tokens": batch, "row_tokens": 64, "device": HOST}
    one, two = (forecast(shape, tokens=count, **asked) for count in (tokens, 2 * tokens))

    assert one.seconds <= two.seconds  # type: ignore[operator]  # the device says how quick it is
    assert one.usd == pytest.approx(one.seconds / 3600 * 2)  # type: ignore[operator]
    assert memory_needed(shape, batch, 64).total <= memory_needed(shape, 2 * batch, 64).total


@given(SIZES, st.integers(1, 64))
def test_adapters_need_less_room_for_what_learns_and_less_computing(sizes: NetworkSizes, rank: int) -> None:
    """As long as they are smaller than the network."""
    whole = shape_of("decoder-only", sizes, 1_000)
    adapted = with_adapters(whole, rank)
    if adapted.trained_parameters < whole.parameters / 4:
        assert memory_needed(adapted, 512, 64).total < memory_needed(whole, 512, 64).total
        assert flops_needed(adapted, 1e6) < flops_needed(whole, 1e6)
    assert adapted.parameters - adapted.trained_parameters == whole.parameters


def test_what_nobody_knows_is_not_zero() -> None:
    """Neither time nor money nor whether it fits."""
    found = forecast(small(), tokens=1_000, epochs=1, batch_tokens=512, row_tokens=64, device=Device(name="somewhere"))

    assert (found.seconds, found.usd, found.fits, found.from_what) == (None, None, None, "unknown")


def test_a_measured_speed_goes_before_a_stated_one() -> None:
    """It was measured with this very model."""
    device = HOST.model_copy(update={"tokens_per_s": 100.0})
    found = forecast(small(), tokens=1_000, epochs=2, batch_tokens=512, row_tokens=64, device=device)

    assert found.seconds == pytest.approx(20)
    assert found.from_what == "measured"


def test_seven_billion_from_nothing_take_what_the_sources_say() -> None:
    """6 N D with 20 tokens a parameter: 5.88e21 operations, about 4,100 hours of such a device."""
    (one, seven, seventy) = real_sizes(H100.model_copy(update={"usd_per_hour": 3.0}))

    assert seven.flops == pytest.approx(5.88e21)
    assert seven.device_hours == pytest.approx(5.88e21 / (0.4 * 989e12) / 3600)
    assert 4_000 < seven.device_hours < 4_300
    assert seventy.usd == pytest.approx(seventy.device_hours * 3)
    assert seventy.flops == pytest.approx(100 * seven.flops)
    assert real_sizes()[0].usd is None
    assert one.tokens == 2e10


@pytest.mark.parametrize("labels", [0, 3])
@pytest.mark.parametrize("family", ["decoder-only", "encoder-only", "encoder-decoder"])
def test_parameters_are_counted_as_transformers_makes_them(family: str, labels: int) -> None:
    """To the last one."""
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    from touchstone.training import networks

    sizes = NetworkSizes(layers=3, width=48, heads=4, inner=96, context_tokens=64)
    names = tuple(map(str, range(labels)))
    made = {
        "decoder-only": lambda: networks.make_decoder(sizes, 321),
        "encoder-only": lambda: networks.make_encoder(sizes, 321, names),
        "encoder-decoder": lambda: networks.make_encoder_decoder(sizes, 321),
    }[family]()

    assert count_parameters(family, sizes, 321, labels) == sum(one.numel() for one in made.parameters())  # type: ignore[arg-type]


MEASURE = """
import numpy as np, resource, torch
from pathlib import Path
from touchstone.training.loop import train
from touchstone.training.networks import NetworkSizes, make_decoder
from touchstone.training.rows import rows_of
from touchstone.training.steps import LoopSettings
sizes = NetworkSizes(layers=6, width=320, heads=5, inner=880, context_tokens=256)
network = make_decoder(sizes, 4_000)
chance = np.random.default_rng(1)
rows = rows_of([(chance.integers(4, 4_000, 256).tolist(), [True] * 256) for _ in range(16)], longest=256)
train(network, rows, LoopSettings(epochs=1, batch_tokens=2_048), Path("."))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.usefixtures("every_training")
def test_the_forecast_of_memory_is_near_what_a_training_took(tmp_path: Path) -> None:
    """Within a factor of 1.5, the libraries left out; 8.9 M parameters and 2,048 tokens a step on a processor."""
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    path = os.pathsep.join(place for place in sys.path if place)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    took = float(done.stdout)
    sizes = NetworkSizes(layers=6, width=320, heads=5, inner=880, context_tokens=256)
    said = memory_needed(shape_of("decoder-only", sizes, 4_000), 2_048, 256)

    assert 1 / 1.5 < (took - said.runtime) / (said.total - said.runtime) < 1.5
