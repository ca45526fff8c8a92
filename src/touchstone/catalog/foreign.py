"""What foreign cards and result files have in common: what is kept of them, whose test it was, and in which unit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.model import earliest
from touchstone.language import N_, _
from touchstone.noun import Noun

NO_PLACE = N_("the catalog has no field for it")
NO_TERM = N_("the catalog has no word for it")
NO_BENCHMARK = N_("no benchmark of the catalog is called so")
NO_METRIC = N_("the benchmark is ranked by another metric")
UNIT_IN_DOUBT = N_("percent or a share of one? write the value in the benchmark's unit")
NO_SHAPE = N_("it does not have the form that its place asks for")

_LONGEST_SHOWN_CHARS = 200
_LEAST_CHANCE_PERCENT = 5
"""Where guessing scores this much, a value of at most 1 is a share of one: nobody is five times worse than chance."""

DATASETS: Mapping[str, str] = {
    "ai2_arc:arc-challenge": "arc-challenge",
    "ai4math/mathvista": "mathvista",
    "allenai/ai2_arc:arc-challenge": "arc-challenge",
    "allenai/winogrande": "winogrande",
    "cais/hle": "hle",
    "cais/mmlu": "mmlu",
    "ceval/ceval-exam": "c-eval",
    "edinburgh-dawg/mmlu-redux": "mmlu-redux",
    "google-research-datasets/mbpp": "mbpp",
    "google/fleurs": "fleurs",
    "google/ifeval": "ifeval",
    "haonan-li/cmmlu": "cmmlu",
    "huggingfaceh4/math-500": "math-500",
    "idavidrein/gpqa:gpqa_diamond": "gpqa-diamond",
    "idavidrein/gpqa:gpqa_main": "gpqa-main",
    "juletxara/mgsm": "mgsm",
    "librispeech_asr:clean": "librispeech-clean",
    "librispeech_asr:other": "librispeech-other",
    "mmmu/mmmu": "mmmu",
    "openai/gsm8k": "gsm8k",
    "openai/mmmlu": "mmmlu",
    "openai/openai_humaneval": "humaneval",
    "openai_humaneval": "humaneval",
    "openslr/librispeech_asr:clean": "librispeech-clean",
    "openslr/librispeech_asr:other": "librispeech-other",
    "rowan/hellaswag": "hellaswag",
    "thudm/longbench-v2": "longbench-v2",
    "tiger-lab/mmlu-pro": "mmlu-pro",
    "ucinlp/drop": "drop",
}
"""Data set on the Hub, in small letters, with `:CONFIG` where only one part of it is meant, to our benchmark."""

HUB_TASKS: Mapping[str, tuple[str, str]] = {
    "hle": ("cais/hle", "hle"),
    "gpqa-diamond": ("Idavidrein/gpqa", "gpqa_diamond"),
}
"""Benchmark to data set and task under which the Hub keeps its results, from its description of the format."""

WHOLE_CONFIGS = frozenset({"all", "default", "main"})
"""Names of configurations that mean the data set as a whole."""
_SAME_METRIC = {"acc": "accuracy", "pass1": "passat1", "pass@1": "passat1", "pass_at_1": "passat1"}


class Kept(Noun):
    """What a foreign file says and our nouns cannot hold. It stays in the file, and people are shown it."""

    key: str
    """Where it stands, such as `library_name` or `model-index.0.results.3`."""
    value: str
    """As text, cut after 200 characters."""
    why: str
    """Why it was not taken, in English; `reason` is in the reader's language."""

    @property
    def reason(self) -> str:
        """Why it was not taken."""
        return _(self.why)


def keep(key: str, value: Any, why: str = NO_PLACE) -> Kept:
    """A value to be shown."""
    text = value if isinstance(value, str) else repr(value)
    return Kept(
        key=key, value=text if len(text) <= _LONGEST_SHOWN_CHARS else text[:_LONGEST_SHOWN_CHARS] + "…", why=why
    )


def benchmark_of(
    dataset: str, config: str | None, known: Mapping[str, Benchmark]
) -> tuple[Benchmark | None, str | None]:
    """
    The benchmark that a data set stands for, and the part of it that the configuration names.

    Nothing is taken by likeness: either the table lists the data set, or it has the benchmark's own id.
    """
    part = None if config is None or config.casefold() in WHOLE_CONFIGS else config
    name = dataset.casefold()
    exact = DATASETS.get(f"{name}:{(config or '').casefold()}")
    if exact is not None and exact in known:
        return known[exact], None
    whole = DATASETS.get(name, dataset)
    return known.get(whole), part


def same_metric(metric: str, benchmark: Benchmark) -> bool:
    """Whether a metric is the one that the benchmark's values are in."""
    return _metric(metric) == _metric(benchmark.metric)


def _metric(name: str) -> str:
    plain = name.strip().casefold()
    plain = _SAME_METRIC.get(plain, plain)
    return re.sub(r"[^a-z0-9]", "", plain.replace("@", "at"))


def in_unit(value: float, benchmark: Benchmark) -> float | None:
    """
    A foreign value in the benchmark's unit.

    Returns:
        None where it is in doubt whether percents or shares of one were meant, or where it fits neither.
    """
    whole = benchmark.whole
    if not math.isfinite(value):
        return None
    if whole is None or value == 0:
        return value
    if value < 0 or (benchmark.higher_is_better and value > 100):
        return None
    if benchmark.unit == "percent" and value <= 1:
        certain = benchmark.kind == "share" and (benchmark.chance or 0) >= _LEAST_CHANCE_PERCENT
        return scaled(value, 100) if certain else None
    if benchmark.unit == "ratio" and value > 1:
        return scaled(value, Decimal("0.01")) if benchmark.higher_is_better else None
    return value


def scaled(value: float, factor: int | Decimal) -> float:
    """A number times another, rounded as people write it: 0.412 times 100 is 41.2."""
    return float(Decimal(repr(value)) * factor)


def day_of(value: Any) -> str | None:
    """The day of a date or moment in ISO 8601, which may lack the day or month; None where it is neither."""
    found = re.match(r"\d{4}(?:-\d{2}(?:-\d{2})?)?(?=$|[T ])", str(value)) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        earliest(found.group())
    except ValueError:
        return None
    return found.group()


def number_of(value: Any) -> float | None:
    """A number as a float; None for what is none, truth values included."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def text_of(value: Any) -> str | None:
    """A text that is not empty, without space around it; None for anything else."""
    return value.strip() or None if isinstance(value, str) else None


def table_of(value: Any) -> Mapping[str, Any]:
    """A mapping with text keys; an empty one for anything else."""
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else {}


def rows_of(value: Any) -> list[Any]:
    """A list; one value as a list of itself, and nothing as an empty list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def extras_of(claim: Claim, draft: Claim | None) -> dict[str, Any]:
    """The fields of a claim that a draft read from a foreign file does not have, by name, as plain data."""
    said, read = claim.model_dump(mode="json"), draft.model_dump(mode="json") if draft else {}
    return {
        name: value for name, value in said.items() if name != "model" and (name not in read or value != read[name])
    }
