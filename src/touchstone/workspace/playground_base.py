"""Nouns of the playground: who is asked, how, what was asked, and what came."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import mul
from typing import Any, Literal

from pydantic import Field

from touchstone.data.base import Case
from touchstone.models.base import Finish
from touchstone.noun import Noun

Kind = Literal["chat", "embedding", "image", "transcription"]
"""What a pane answers with: text, a vector, pictures, or the words of a recording."""

Source = Literal["starter", "compared", "endpoint", "task", "catalog"]
"""Where a choice comes from: shipped, a stored comparison, an endpoint, a task file, the catalog."""

How = Literal["open", "pairs", "order"]
"""Names shown; two answers without names, of which one is preferred; all answers without names, put in an order."""

MOST_PANES = 8
CAP_USD = 0.1
"""Of a new session."""
MOST_TOKENS = 512
"""Of an answer, where nobody says. There is always a limit, so that a cap is one (promises.md, P4)."""


class Choice(Noun):
    """Somebody who can be asked in a pane."""

    id: str
    """`starter:m`, `compared:COMPARISON:CANDIDATE`, `endpoint:NAME`, `task:TASK:POSITION`, `catalog:MODEL`; looked up,
    never believed."""
    name: str
    source: Source
    kind: Kind = "chat"
    takes: tuple[str, ...] | None = None
    """What it reads beside text: `image`, `audio`; None where nobody knows."""
    of: str = ""
    """The task it was measured on, the endpoint's recipe, the seller: what tells two of one name apart."""


class Parameters(Noun):
    """How models are asked; None leaves it to the model, or to the recipe where it says something itself."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int = Field(default=MOST_TOKENS, ge=1, le=65_536)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    stop: tuple[str, ...] = Field(default=(), max_length=4)


class Session(Noun):
    """A conversation with several at once, or a series of blind votes."""

    id: str
    created: str
    who: str
    title: str
    how: How = "open"
    panes: tuple[Choice, ...] = Field(min_length=1, max_length=MOST_PANES)
    system: str = ""
    """For models that are asked as they are; a recipe keeps its own words."""
    parameters: Parameters = Parameters()
    cap_usd: float = Field(default=CAP_USD, ge=0, allow_inf_nan=False)
    series: tuple[Case, ...] = ()
    """Prompts that are voted on one after another; empty where they are typed."""
    series_of: str = ""
    """The task that they come from."""

    @property
    def run(self) -> str:
        """Whose money its calls take, in the ledger."""
        return f"play-{self.id}"

    @property
    def is_blind(self) -> bool:
        """Whether names are hidden until a vote."""
        return self.how != "open"


class Turn(Noun):
    """Something that was asked."""

    number: int
    created: str
    who: str
    text: str
    image: str | None = None
    """Digest of a picture."""
    sound: str | None = None
    """Digest of a recording."""
    case: Case | None = None
    """Of a series."""
    asked: tuple[int, ...]
    """Numbers of the panes that were asked, in the order in which their answers are shown."""


class Failure(Noun):
    """Why there is no answer, in words that can be said in either language."""

    kind: str
    """Name of the error's class."""
    template: str
    values: Mapping[str, Any] = Field(default_factory=dict)
    maybe_billed: bool = False


State = Literal["asking", "done", "failed", "stopped"]


class PaneAnswer(Noun):
    """What a pane answered."""

    pane: int
    state: State = "asking"
    draw: int
    """Which draw of the request it is: asking again is another, going on after a crash is the same."""
    text: str = ""
    reasoning: str | None = None
    pictures: tuple[str, ...] = ()
    """Digests of pictures that it made."""
    vector: tuple[float, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None
    estimated: bool = False
    """Whether tokens were counted by us."""
    cost_usd: float | None = None
    retry_usd: float | None = 0.0
    """Booked for sends that brought no answer."""
    latency_s: float | None = None
    first_token_s: float | None = None
    finish: Finish | None = None
    served_model: str | None = None
    passages: tuple[str, ...] = ()
    """What a recipe gave it to read."""
    failure: Failure | None = None

    @property
    def tokens_per_s(self) -> float | None:
        """Output tokens a second, counted from the first one where the answer was streamed."""
        if not self.output_tokens or self.latency_s is None:
            return None
        seconds = self.latency_s - (self.first_token_s or 0.0)
        # What came in one piece says nothing of a speed after its first token.
        return self.output_tokens / seconds if seconds > 0.001 else None


def cosine(a: Sequence[float], b: Sequence[float]) -> float | None:
    """The cosine of two vectors, from -1 to 1; None where they are not of one length, empty or all zero."""
    if not a or len(a) != len(b):
        return None
    sizes = math.hypot(*a) * math.hypot(*b)
    return max(-1.0, min(1.0, math.fsum(map(mul, a, b)) / sizes)) if sizes else None
