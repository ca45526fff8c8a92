"""Variants of a prompt that a search tries: edits of the instruction, and sets of examples."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import log
from typing import Any

from touchstone.data.base import Case
from touchstone.retrieval.tokens import words
from touchstone.scoring.base import AnswerSpec
from touchstone.strategies.instruction import answer_form, structured_form

_FIRST_SENTENCE = re.compile(r".+?(?:[.!?](?=\s)|[。！？])", re.DOTALL)
_ROOM_FOR_THOUGHTS_TOKENS = 128
"""With less, an answer that thinks first is cut off before it comes to the point."""

_WORDS_PER_LABEL = 6
_MOST_LABELS = 200
"""Descriptions of more labels than this would be longer than the examples they stand for."""

_MINED_CASES = 20_000
_LONGEST_SAMPLE = 120
"""Characters of a question that is quoted beside its label."""

_RULES: Mapping[str, tuple[str, ...]] = {
    "label": (
        "Choose the label that fits best, also where several could fit.",
        "Never make up a label, and never explain.",
    ),
    "choice": ("Look at every option before you choose.", "Choose one, also where you are not sure."),
    "number": ("Calculate with care and check the result.", "Give the number alone, without its unit."),
    "text": (
        "Answer in as few words as possible.",
        "Where there is a text to answer from, use its very words.",
    ),
    "json": ("Use just the fields that are asked for.", "Leave out comments and code fences."),
    "free": ("Come to the point.", "Say nothing that the question does not ask for."),
}


@dataclass(frozen=True)
class Variant:
    """One way of asking."""

    name: str
    system: str
    examples: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of `few_shot`; empty leaves the draft's own examples."""

    @property
    def key(self) -> tuple[str, str]:
        """Two variants with the same one ask the same."""
        return self.system, repr(sorted(self.examples.items()))


@dataclass(frozen=True)
class Wording:
    """What the system texts of variants are made of."""

    instruction: str
    answer: AnswerSpec
    own_system: bool = False
    """Whether the instruction is a whole system text of the user's, to which no form of the answer is added."""
    structured: bool = False
    """Whether a schema holds the answer to its form."""
    ending: str = ""
    """What ingredients added to the system text, such as to cite passages; every variant keeps it."""

    def system(self, instruction: str, *, thinking: bool = False) -> str:
        """A system text with another instruction and the same form of the answer."""
        if self.own_system:
            form = ""
        elif self.structured:
            form = structured_form(self.answer)
        else:
            form = answer_form(self.answer, thinking=thinking)
        return "\n".join(part for part in (instruction.strip(), form, self.ending) if part)


def built_in(
    wording: Wording, train: Iterable[Case], *, start: str, max_tokens: int | None, with_examples: bool
) -> list[Variant]:
    """
    The variants that need nobody to write them, the most promising first; the first is what there was.

    Args:
        wording: Instruction and form of the answer.
        train: Cases to mine descriptions of labels from.
        start: The system text that there was.
        max_tokens: Limit of the output; None where there is none.
        with_examples: Whether sets of examples are tried.
    """
    instruction, answer = wording.instruction, wording.answer
    found = [Variant("as it was", start)]
    described = _described(answer, islice(train, _MINED_CASES))
    if with_examples:
        found.append(Variant("4 similar examples", start, {"choose": "similar", "k": 4}))
    texts: list[tuple[str, str]] = []
    texts += [("label words", wording.system(f"{instruction}\n{described.words}"))] if described.words else []
    rules = _RULES.get(answer.kind, ())
    if rules:
        texts.append(("rules", wording.system("\n".join([instruction, "Rules:", *(f"- {rule}" for rule in rules)]))))
    short = _FIRST_SENTENCE.match(instruction.strip())
    if short is not None and short.group().strip() != instruction.strip():
        texts.append(("shorter", wording.system(short.group())))
    texts += [("label samples", wording.system(f"{instruction}\n{described.samples}"))] if described.samples else []
    if _may_think(wording, max_tokens):
        steps = f"{instruction}\nThink step by step before you answer, in a few short sentences."
        texts.append(("step by step", wording.system(steps, thinking=True)))
    found += [Variant(name, system) for name, system in texts]
    if with_examples:
        per_label = {"per_label": True} if answer.kind == "label" else {}
        found += [
            Variant("4 diverse examples", start, {"choose": "diverse", "k": 4, **per_label}),
            Variant("8 similar examples", start, {"choose": "similar", "k": 8}),
            Variant("8 diverse examples", start, {"choose": "diverse", "k": 8, **per_label}),
            Variant("1 similar example", start, {"choose": "similar", "k": 1}),
        ]
        # Thoughts and examples that show none contradict each other.
        found += [
            Variant(f"{name}, 4 similar examples", system, {"choose": "similar", "k": 4})
            for name, system in texts
            if name != "step by step"
        ]
    return different(found)


def different(variants: Iterable[Variant]) -> list[Variant]:
    """The variants that ask something else than all before them."""
    kept: dict[tuple[str, str], Variant] = {}
    for one in variants:
        kept.setdefault(one.key, one)
    return list(kept.values())


def _may_think(wording: Wording, max_tokens: int | None) -> bool:
    """Whether an answer may have thoughts before it and still be found."""
    if wording.structured or (max_tokens is not None and max_tokens < _ROOM_FOR_THOUGHTS_TOKENS):
        return False
    kinds = wording.answer.kind in ("label", "choice", "number")
    return (kinds and wording.answer.source == "auto") or wording.answer.source == "after"


@dataclass(frozen=True)
class _Described:
    words: str = ""
    samples: str = ""


def _described(answer: AnswerSpec, train: Iterator[Case]) -> _Described:
    """
    Labels with the words that tell them from others, and with a question each; from train cases alone.

    A word's weight in a label is its share of the label's questions x ln(questions / questions with it): TF-IDF with
    labels as documents. The question is the one whose words weigh most on average, so the most typical one.
    """
    if answer.kind != "label" or not 2 <= len(answer.labels) <= _MOST_LABELS:
        return _Described()
    by_label: dict[str, list[tuple[str, frozenset[str]]]] = defaultdict(list)
    spread: Counter[str] = Counter()
    for case in train:
        if case.target is not None:
            own = frozenset(word for word in words(case.text) if len(word) > 1 and not word.isdigit())
            by_label[case.target].append((case.text, own))
            spread.update(own)
    questions = sum(len(found) for found in by_label.values())
    typical, quoted = [], []
    for label in answer.labels:
        counts = Counter(word for _, own in by_label.get(label, ()) for word in own)
        weight = {word: count / len(by_label[label]) * log(questions / spread[word]) for word, count in counts.items()}
        best = sorted((word for word in weight if weight[word] > 0), key=lambda word: (-weight[word], word))
        if best:
            typical.append(f"- {label}: {', '.join(best[:_WORDS_PER_LABEL])}")
        sample = _most_typical(by_label.get(label, ()), weight)
        if sample is not None:
            quoted.append(f"- {label}: {sample}")
    return _Described(
        "\n".join(("Words that are typical of each label:", *typical)) if typical else "",
        "\n".join(("A message of each label:", *quoted)) if quoted else "",
    )


def _most_typical(found: Sequence[tuple[str, frozenset[str]]], weight: Mapping[str, float]) -> str | None:
    short = [(" ".join(text.split()), own) for text, own in found if own and len(text) <= _LONGEST_SAMPLE]
    if not short:
        return None
    return max(short, key=lambda item: (sum(weight[word] for word in item[1]) / len(item[1]), item[0]))[0]
