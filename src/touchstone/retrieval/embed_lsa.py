"""
The default embedder: latent semantic analysis of the corpus itself. It needs no weights, no network and no GPU.

Texts become weighted counts of words and of the characters within them; a truncated singular value decomposition keeps
the directions in which the corpus differs most (Deerwester et al. 1990). What is learned belongs to the corpus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from touchstone.errors import ExtraMissing, InvalidValue, UserError
from touchstone.language import N_
from touchstone.retrieval.base import Vectors
from touchstone.retrieval.bm25 import K1, B, mapped, rarity
from touchstone.retrieval.tokens import TERMS_VERSION, terms, weight

VERSION = 1
"""Part of the identity: raise it when the same corpus gives other vectors."""

MOST_FEATURES = 60_000
"""The most frequent ones are kept; 256 numbers of 4 bytes each."""
MOST_FITTED = 20_000
"""Texts that are learned from; of a larger corpus, evenly spaced ones in the order they are given."""
_GRAM = "#"
"""Stands before a run of characters; no word begins with it."""
_POWER_ITERATIONS = 4
"""Of the randomised decomposition; sklearn's own choice for a slowly falling spectrum is 4 to 7."""

GRAM_WEIGHT = 0.3
RARITY_POWER = 0.75
"""
How a feature counts in a text: BM25's saturated count, times its rarity to this power (text and query both have it, so
their product has it to 1.5), times the weight for a run of characters.

Compared on XQuAD, recall at 1 and 5 on the odd questions and then on the even ones, all directions kept. English:
(1 + ln count) x smoothed idf, runs weighing 1, 0.901 and 0.987, 0.911 and 0.983; this 0.935 and 0.990, 0.940 and 0.992.
Chinese: 0.904 and 0.990, 0.909 and 0.995; this 0.935 and 0.988, 0.928 and 0.993. Powers of 0.5 and 1 and a weight of
0.5 were within 0.012 of it.
"""


_LIBRARIES = ("scipy.sparse", "sklearn.utils.extmath", "threadpoolctl")


@lru_cache(maxsize=200_000)
def _grams(word: str) -> tuple[str, ...]:
    """
    Runs of three and four characters in a word with its ends marked, so that parts of compounds and mistyped words
    meet. Chinese words are characters and pairs already.
    """
    if len(word) < 4 or not word.isascii():
        return ()
    marked = f"<{word}>"
    return tuple(_GRAM + marked[at : at + size] for size in (3, 4) for at in range(len(marked) - size + 1))


def features(text: str) -> Counter[str]:
    """How often each word, and each run of characters within words, stands in a text."""
    return _counted(text)[0]


def _counted(text: str) -> tuple[Counter[str], int]:
    """(the features of a text, its number of words)."""
    said = terms(text)
    found = Counter(said)
    found.update(gram for word in said for gram in _grams(word))
    return found, len(said)


class LsaEmbedder:
    """
    A `LearnedEmbedder`. Embedding needs numpy alone; fitting needs scikit-learn (extra `classical`).

    Args:
        dimensions: Most numbers of a vector; a corpus of few texts has fewer.
        seed: Of the randomised decomposition.
    """

    name = "lsa"

    def __init__(self, dimensions: int = 256, seed: int = 0) -> None:
        if isinstance(dimensions, bool) or not isinstance(dimensions, int) or not 1 <= dimensions <= 4096:
            raise InvalidValue("dimensions is {value!r}; write a whole number from 1 to 4096", value=dimensions)
        self.most = dimensions
        self.seed = seed
        self.fitted_on = 0
        self._columns: dict[str, int] = {}
        self._mean_length = 1.0
        self._rarity: NDArray[np.float32] = np.empty(0, np.float32)
        self._directions: NDArray[np.float32] = np.empty((0, 0), np.float32)

    @property
    def identity(self) -> str:
        """Kind, version and settings; what was learned is kept with the index."""
        return f"{self.name} {VERSION} terms {TERMS_VERSION} dimensions={self.most} seed={self.seed}"

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._directions.shape[1])

    def load_libraries(self) -> None:
        """
        Import what `fit` needs. Whoever clocks it does this first: it takes seconds, once in a process.

        Raises:
            ExtraMissing: scikit-learn is not installed.
        """
        try:
            for library in _LIBRARIES:
                import_module(library)
        except ImportError as error:
            raise ExtraMissing(feature=N_("the embedder lsa"), extra="classical") from error

    def fit(self, texts: Sequence[str]) -> Self:
        """
        Learn from texts.

        Raises:
            ExtraMissing: scikit-learn is not installed.
            UserError: there is not a word in them.
        """
        self.load_libraries()
        from scipy.sparse import csr_matrix
        from sklearn.utils.extmath import randomized_svd
        from threadpoolctl import threadpool_limits

        step = max(1, -(-len(texts) // MOST_FITTED))
        counted = [_counted(text) for text in texts[::step]]
        holding = Counter(one for found, _ in counted for one in found)
        chosen = sorted(holding, key=lambda one: (-holding[one], one))[:MOST_FEATURES]
        if not chosen:
            raise UserError("there is not a word in the documents to learn from; look at what they say")
        fitted = type(self)(self.most, self.seed)
        fitted.fitted_on = len(texts)
        fitted._columns = {one: place for place, one in enumerate(chosen)}
        fitted._mean_length = sum(length for _, length in counted) / len(counted)
        fitted._rarity = np.array([_value(one, rarity(len(counted), holding[one])) for one in chosen], np.float32)
        rows = [fitted._row(*each) for each in counted]
        ends = np.cumsum([0, *(len(columns) for columns, _ in rows)])
        matrix = csr_matrix(
            (
                np.concatenate([values for _, values in rows]),
                np.concatenate([columns for columns, _ in rows]),
                ends,
            ),
            shape=(len(rows), len(chosen)),
        )
        kept = max(1, min(self.most, min(matrix.shape) - 1))
        with threadpool_limits(1):  # the products are small: threads that wait for one another took longer
            _, _, directions = randomized_svd(matrix, kept, n_iter=_POWER_ITERATIONS, random_state=self.seed)
        fitted._directions = np.ascontiguousarray(directions.T, np.float32)
        return fitted

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(n, d), float32; a text without a known feature is 0."""
        assert self.fitted_on, "not fitted"
        found = np.zeros((len(texts), self.dimensions), np.float32)
        for place, text in enumerate(texts):
            columns, values = self._row(*_counted(text))
            # Not `@`: BLAS would wake threads for a product that is done before they are.
            vector = np.einsum("f,fd->d", values, self._directions[columns])
            length = float(np.linalg.norm(vector))
            if length > 1e-12:
                found[place] = vector / length
        return found

    def save(self, folder: Path) -> None:
        """Two arrays and two JSON files."""
        np.save(folder / "directions.npy", self._directions, allow_pickle=False)
        np.save(folder / "rarity.npy", self._rarity, allow_pickle=False)
        (folder / "features.json").write_bytes(orjson.dumps(list(self._columns)))
        about = {"identity": self.identity, "fitted_on": self.fitted_on, "mean_length": self._mean_length}
        (folder / "about.json").write_bytes(orjson.dumps(about))

    def load(self, folder: Path) -> Self:
        """
        One that was saved.

        Raises:
            UserError: it was saved under other settings.
        """
        about: dict[str, Any] = orjson.loads((folder / "about.json").read_bytes())
        if about["identity"] != self.identity:
            raise UserError(
                "{folder} holds the embedder {found!r}, not {wanted!r}; index the documents under these settings",
                folder=str(folder),
                found=about["identity"],
                wanted=self.identity,
            )
        loaded = type(self)(self.most, self.seed)
        loaded.fitted_on = int(about["fitted_on"])
        loaded._mean_length = float(about["mean_length"])
        loaded._columns = {one: at for at, one in enumerate(orjson.loads((folder / "features.json").read_bytes()))}
        loaded._rarity = np.asarray(np.load(folder / "rarity.npy", allow_pickle=False))
        loaded._directions = mapped(folder / "directions.npy")
        return loaded

    def _row(self, found: Counter[str], length: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Columns and values of a text, of length 1 together."""
        known = self._columns.get
        pairs = [(column, times) for one, times in found.items() if (column := known(one)) is not None]
        columns = np.array([column for column, _ in pairs], np.int32)
        counts = np.array([times for _, times in pairs], np.float32)
        hold_back = K1 * (1 - B + B * length / self._mean_length)
        values = counts * (K1 + 1) / (counts + np.float32(hold_back)) * self._rarity[columns]
        norm = float(np.linalg.norm(values))
        return columns, values / norm if norm else values


def _value(feature: str, idf: float) -> float:
    return float((GRAM_WEIGHT if feature[0] == _GRAM else weight(feature)) * idf**RARITY_POWER)
