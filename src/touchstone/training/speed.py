"""How quick this machine is, as far as that is known before a step of a training is timed."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import numpy as np

from touchstone.language import N_
from touchstone.training.child import SMALL
from touchstone.training.forecast import Device, Shape
from touchstone.training.run import stored_training

THIS_MACHINE = N_("this machine")

_LOOKED_AT = 20
"""Trainings that are looked at, the newest."""
_SIDE = 64
"""Rows and columns of the matrices that are multiplied; products of larger ones are shared between threads."""
_TIMED_S = 0.05
_REPEATS = 200
_USED = 0.6
"""
Share of what such products do on a core that a training gets out of it: 33 of 52 billion operations a second, both
with networks of 1.3 and of 4.2 million parameters (docs/experiments.md).
"""


def machine_here(trainings: Path | None, shape: Shape, *, usd_per_hour: float | None = None) -> Device:
    """
    This machine, with the operations a second that trainings of this workspace got out of it.

    Where none was kept, a matrix product is timed, which takes a twentieth of a second. That is good to about a factor
    of two for steps of thousands of tokens; small networks in small steps take several times as long.

    Args:
        trainings: Folder of trainings, one in each folder below it.
        shape: Of the network that is to be trained; one thread trains a small one.
        usd_per_hour: What an hour of the machine costs; None where nobody says.
    """
    known = _seen(trainings) if trainings is not None else None
    flops = known if known is not None else _USED * _product_flops() * _threads(shape)
    return Device(name=THIS_MACHINE, flops=flops, usd_per_hour=usd_per_hour, memory_bytes=memory_bytes())


def memory_bytes() -> float | None:
    """Memory of this machine; None where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return None


def _seen(trainings: Path) -> float | None:
    """Median operations a second of the newest trainings on a processor; None where there is none."""
    try:
        folders = sorted((one for one in trainings.iterdir() if one.is_dir()), key=_changed, reverse=True)
    except OSError:
        return None
    found = []
    for folder in folders[:_LOOKED_AT]:
        trained = stored_training(folder)
        if trained is not None and trained.device == "cpu" and trained.steps:
            # 6 operations a token and parameter that learns, 4 for one that does not (`forecast.flops_needed`).
            each = 6.0 * trained.trained_parameters + 4.0 * (trained.parameters - trained.trained_parameters)
            found.append(each * trained.steps[-1].tokens_per_s)
    return statistics.median(found) if found else None


def _changed(folder: Path) -> float:
    return folder.stat().st_mtime


def _product_flops() -> float:
    """Operations a second and core of NumPy's matrix product."""
    matrix = np.ones((_SIDE, _SIDE), dtype=np.float32)
    made = matrix @ matrix
    began, count = time.thread_time(), 0
    while (taken := time.thread_time() - began) < _TIMED_S:
        for _ in range(_REPEATS):
            np.matmul(matrix, matrix, out=made)
        count += _REPEATS
    return 2.0 * _SIDE**3 * count / taken


def _threads(shape: Shape) -> int:
    return 1 if shape.parameters < SMALL else os.cpu_count() or 1
