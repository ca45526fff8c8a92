"""
Classical baselines for label tasks, trained on the train split: do we need a language model at all?

`baseline/majority`, `baseline/nearest` (BM25) and `baseline/logistic` (TF-IDF and logistic regression).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

from touchstone.data.base import Case
from touchstone.errors import ExtraMissing, SettingsError, UnknownName, UserError
from touchstone.evaluation.base import Candidate, Recipe
from touchstone.language import N_
from touchstone.models.base import Completion, TextPart, Usage
from touchstone.strategies.base import BuildCost, CandidateSpec, Finding, Workshop
from touchstone.strategies.drawn import drawn_cases

Predict = Callable[[str], str]
"""Text of a case to the label it gets."""


class BaselineCandidate:
    """
    A trained classifier that answers with a label, in this process, for nothing.

    Args:
        name: What tables call it.
        recipe: What it was made from.
        predict: Text to label; one text at a time.
        trained_on: Number of examples.
        instant: Whether predicting takes no time worth a thread.
        build: What training took.
        findings: What its examples give away of test.
    """

    def __init__(
        self,
        name: str,
        recipe: Recipe,
        predict: Predict,
        trained_on: int,
        *,
        instant: bool = False,
        build: BuildCost = BuildCost(),  # noqa: B008 - frozen
        findings: Sequence[Finding] = (),
    ) -> None:
        self.name = name
        self.recipe = recipe
        self.predict = predict
        self.trained_on = trained_on
        self.build = build
        self.findings = tuple(findings)
        # One thread of its own: predictions beside each other would only wait for the interpreter, and that on the
        # clock; in the event loop's thread they would stop the clocks of the models measured beside it.
        self._thread = None if instant else ThreadPoolExecutor(max_workers=1)

    async def answer(self, case: Case, *, draw: int = 0) -> Completion:
        """The predicted label, with the time that predicting took; waiting for a turn does not count."""
        if self._thread is None:
            label, latency_s = _clocked(self.predict, case.text)
        else:
            loop = asyncio.get_running_loop()
            label, latency_s = await loop.run_in_executor(self._thread, _clocked, self.predict, case.text)
        return Completion(
            parts=(TextPart(text=label),),
            usage=Usage(input_tokens=0, output_tokens=0),
            cost_usd=0.0,
            latency_s=latency_s,
            finish="stop",
        )

    async def close(self) -> None:
        """Let the thread go; may be called twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)
        self.predict = _closed


def _clocked(predict: Predict, text: str) -> tuple[str, float]:
    """(label, seconds it took)."""
    start = time.perf_counter()
    label = predict(text)
    return label, time.perf_counter() - start


def _closed(_text: str) -> str:
    raise RuntimeError("this baseline was closed")


def train_majority(examples: Iterable[tuple[str, str]]) -> tuple[Predict, int]:
    """Always the most frequent label of the examples; ties go to the first in the alphabet."""
    counts = Counter(label for _, label in examples)
    label = min(counts, key=lambda name: (-counts[name], name))
    return lambda _text: label, counts.total()


def train_nearest(examples: Iterable[tuple[str, str]]) -> tuple[Predict, int]:
    """The label of the example that BM25 ranks first; the most frequent label where no word is shared."""
    from touchstone.retrieval.bm25 import BM25

    labels: list[str] = []

    def texts() -> Iterable[str]:
        for text, label in examples:
            labels.append(label)
            yield text

    index = BM25(texts())
    fallback, _ = train_majority(("", label) for label in labels)

    def predict(text: str) -> str:
        best = index.top(text)
        return labels[best[0][0]] if best else fallback(text)

    return predict, len(labels)


FEATURES = ("words", "chars", "both")
"""What TF-IDF counts: words and word pairs, 2 to 4 characters within words, or both side by side."""

DEFAULT_C = 10.0
"""Inverse strength of the L2 penalty where the task file says nothing."""


def _find_libraries() -> None:
    """Make sure that what logistic regression needs is there; nothing is imported."""
    if find_spec("sklearn") is None:
        raise ExtraMissing(feature="baseline/logistic", extra="classical")


def _load_libraries() -> None:
    """Import what logistic regression needs, so that no clock that runs over the training counts it."""
    try:
        import sklearn.linear_model
        import sklearn.pipeline  # noqa: F401 - that it is there is what counts
    except ImportError as error:
        raise ExtraMissing(feature="baseline/logistic", extra="classical") from error


def train_logistic(
    examples: Iterable[tuple[str, str]], *, features: str = "both", c: float = DEFAULT_C, seed: int = 0
) -> tuple[Predict, int]:
    """
    Multinomial logistic regression on TF-IDF.

    Args:
        examples: (text, label).
        features: One of `FEATURES`.
        c: Inverse strength of the L2 penalty.
        seed: Of the stochastic solver.
    """
    _load_libraries()
    import warnings

    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_union

    from touchstone.retrieval.tokens import words

    pairs = list(examples)
    parts = []
    if features in ("words", "both"):
        # Our tokens, so that Chinese counts by characters and pairs rather than by whole sentences.
        parts.append(TfidfVectorizer(analyzer=_word_grams(words), sublinear_tf=True))
    if features in ("chars", "both"):
        parts.append(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True))
    vectors = make_union(*parts)
    labels = [label for _, label in pairs]
    if len(set(labels)) == 1:
        return train_majority(pairs)
    try:
        matrix = vectors.fit_transform([text for text, _ in pairs])
    except ValueError as error:
        raise UserError(
            "baseline/logistic finds no {features} in the texts of the train split; "
            "give the cases an input, or drop it from the candidates",
            features="words or characters" if features == "both" else features,
        ) from error
    # saga with a loose tolerance: on 10,003 texts and 77 labels six times quicker than lbfgs, same accuracy
    # (docs/experiments.md); reaching max_iter only means that more precision would not change a label.
    model = LogisticRegression(C=c, solver="saga", tol=0.01, max_iter=50, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(matrix, labels)
    weights = np.ascontiguousarray(model.coef_)
    binary = len(model.classes_) == 2

    def predict(text: str) -> str:
        row = vectors.transform([text])
        scores = weights[:, row.indices] @ row.data + model.intercept_
        place = int(scores[0] > 0) if binary else int(scores.argmax())
        return str(model.classes_[place])

    return predict, len(pairs)


def _word_grams(split: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    def grams(text: str) -> list[str]:
        tokens = split(text)
        return tokens + [f"{first} {second}" for first, second in pairwise(tokens)]

    return grams


_TRAINERS: Mapping[str, tuple[Callable[..., tuple[Predict, int]], tuple[str, ...]]] = {
    "majority": (train_majority, ()),
    "nearest": (train_nearest, ()),
    "logistic": (train_logistic, ("features", "c")),
}


class Baseline:
    """Strategy `baseline`: the model is `baseline/majority`, `baseline/nearest` or `baseline/logistic`."""

    name = "baseline"

    async def prepare(self, spec: CandidateSpec, workshop: Workshop) -> Candidate:
        """A classifier trained on the train split; the test cases are never seen."""
        kind = spec.model.partition("/")[2]
        if kind not in _TRAINERS:
            raise UnknownName(kind="baseline", name=spec.model, known=[f"baseline/{known}" for known in _TRAINERS])
        train, known = _TRAINERS[kind]
        known = (*known, "train_cases")
        unknown = sorted(set(spec.parameters) - set(known))
        if unknown:
            raise SettingsError(
                "{name}: {model} has no parameter {unknown}; it takes {known}",
                name=spec.name,
                model=spec.model,
                unknown=unknown[0],
                known=", ".join(known) or "none",
            )
        if spec.parameters.get("features", "both") not in FEATURES:
            raise SettingsError(
                "{name}: features is {value!r}; use one of {known}",
                name=spec.name,
                value=spec.parameters["features"],
                known=", ".join(FEATURES),
            )
        c = spec.parameters.get("c", DEFAULT_C)
        if isinstance(c, bool) or not isinstance(c, int | float) or not 0 < c < float("inf"):
            raise SettingsError("{name}: c is {value!r}; write a number above 0", name=spec.name, value=c)
        cases = (case for case in workshop.learning_cases("train") if case.target is not None)
        examples = ((case.text, str(case.target)) for case in _so_many(cases, spec, workshop.seed))
        first = next(examples, None)
        if first is None:
            raise UserError(
                "{name} learns from the train split and the cases have none; "
                "give some rows split = train, or drop {model} from the candidates",
                name=spec.name,
                model=spec.model,
            )
        options = {name: value for name, value in spec.parameters.items() if name != "train_cases"}
        if kind == "logistic":
            options["seed"] = workshop.seed
            (_find_libraries if workshop.planning else _load_libraries)()
        predict: Predict
        if workshop.planning:
            # Nobody asks it, and to train it may take a minute: a plan needs no more than how many it learns from.
            predict, trained_on, build = _unlearned, 1 + sum(1 for _ in examples), BuildCost()
        else:
            start = time.perf_counter()
            predict, trained_on = train(_chain(first, examples), **options)
            build = BuildCost(usd=0.0, took_s=time.perf_counter() - start)
        recipe = Recipe(model=spec.model, strategy=self.name, parameters=spec.parameters, seed=workshop.seed)
        # Whoever always says the same cannot know an answer.
        findings = () if kind == "majority" else workshop.leaks("train")
        return BaselineCandidate(
            spec.name, recipe, predict, trained_on, instant=kind == "majority", build=build, findings=findings
        )

    def settings(self, spec: CandidateSpec, candidate: Candidate) -> Mapping[str, Any]:
        """What it learned from; it costs nothing to ask."""
        assert isinstance(candidate, BaselineCandidate)
        return {
            "model": spec.model,
            "strategy": self.name,
            "endpoint": N_("this process"),
            "trained_on": candidate.trained_on,
            "build": candidate.build.model_dump(),
            **({"findings": [one.model_dump() for one in candidate.findings]} if candidate.findings else {}),
            **spec.parameters,
        }


def _so_many(cases: Iterator[Case], spec: CandidateSpec, seed: int) -> Iterable[Case]:
    """
    As many cases as `train_cases` says, drawn with the seed; all, streamed, without it.

    Raises:
        SettingsError: it is no number, or there are not so many.
    """
    wanted = spec.parameters.get("train_cases")
    if wanted is None:
        return cases
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise SettingsError(
            "{name}: train_cases is {value!r}; write how many cases it learns from, at least 1",
            name=spec.name,
            value=wanted,
        )
    return drawn_cases(list(cases), wanted, seed, spec.name)


def _unlearned(_text: str) -> str:
    raise AssertionError("a plan asks nobody")


def _chain(first: tuple[str, str], rest: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    yield first
    yield from rest
