"""The card of a model that this team trained, and its results: what went in, what came out, and nothing guessed."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from touchstone.catalog.claims import Claim
from touchstone.catalog.model import NOT_FACTS, Model, ModelId, PartialDate
from touchstone.errors import InvalidValue
from touchstone.noun import Noun

OURS = "ours"
"""Who measured, in a claim of this team's own."""

_SAME_SHAPE = frozenset({"fine-tune", "instruction-tuned", "continued-pretraining", "adapter", "quantised"})
"""Relations that leave the layers of the base model as they are."""
_OF_SHAPE = (
    "architecture",
    "traits",
    "input_modalities",
    "context_tokens",
    "parameters",
    "active_parameters",
    "network",
)
_HOW = {
    "fine-tune": ("Fine-tuned from", "微调"),
    "instruction-tuned": ("Instruction-tuned from", "指令微调"),
    "distilled": ("Distilled into", "蒸馏"),
    "quantised": ("Quantised from", "量化"),
    "adapter": ("An adapter for", "训练适配器"),
    "continued-pretraining": ("Trained further from", "继续预训练"),
    "pruned": ("Pruned from", "剪枝"),
}


class Training(Noun):
    """What one training was made of."""

    data_digest: str
    """Of the training cases; tells whether two models saw the same ones."""
    cases: int = Field(ge=1)
    """How many it was trained on."""
    seed: int
    hyperparameters: Mapping[str, str | int | float | bool] = Field(default_factory=dict)
    """By name, as the training took them."""
    loss: float | None = None
    """On the cases held back, at the end; None where none were."""
    ended: PartialDate
    """The day it ended."""


class OwnScore(Noun):
    """One estimate of a measured model, ready to become a claim."""

    benchmark: str
    """Id of a `Benchmark`, which may be one of the team's own."""
    value: float
    """In the benchmark's unit."""
    low: float | None = None
    high: float | None = None
    """Ends of the 95 % interval."""
    questions: int = Field(ge=1)
    setting: str | None = None
    """Prompt, shots and strategy, as short as they can be said."""
    usd: float | None = Field(default=None, ge=0)
    source: str
    """The comparison that measured it."""
    date: PartialDate


def card_of_trained(
    own_id: ModelId,
    name: str,
    training: Training,
    *,
    base: Model | None = None,
    relation: str = "fine-tune",
    tasks: tuple[str, ...] | None = None,
    output_types: tuple[str, ...] | None = None,
    licence: str | None = None,
    languages: tuple[str, ...] | None = None,
) -> Model:
    """
    The card of a model that was trained here.

    Args:
        own_id: Id of the card, such as `own/support-intents`.
        name: What people call it.
        training: What went in.
        base: The model it was made of; None when it was trained from scratch.
        relation: How it was made of `base`.
        tasks: The main one first; those of `base` by default.
        output_types: Those of `base` by default.
        licence: Under which the team gives it; None says nothing, since that of `base` may bind.
        languages: Of the training cases.

    Raises:
        InvalidValue: it has no base model, and its tasks or output types are not given.
    """
    if base is None and not (tasks and output_types):
        raise InvalidValue("{model} was trained from scratch; say its tasks and output types", model=own_id)
    facts: dict[str, object] = {
        "licence": licence,
        "languages": languages,
        "released": training.ended,
        "origin": "foundation" if base is None else "derived",
        "base_model": base.id if base else None,
        "relation": relation if base else None,
        "training_data": _training_words(training),
    }
    source = f"training of {own_id}, data {training.data_digest}"
    sources = [_source(source, training.ended, facts)]
    if base is not None and relation in _SAME_SHAPE:
        shape = {key: getattr(base, key) for key in _OF_SHAPE}
        if any(value not in (None, ()) for value in shape.values()):
            sources.append(_source(f"card of the base model {base.id}", training.ended, shape))
        facts |= shape
    english, chinese = _HOW.get(relation, ("Made from", "制作"))
    made = f"{english} {base.name} by the team" if base else "Trained from scratch by the team"
    made_zh = f"团队基于 {base.name} {chinese}" if base else "团队从头训练"
    return Model.model_validate(
        {
            **facts,
            "id": own_id,
            "name": name,
            "lab": own_id.partition("/")[0],
            "family": base.family if base else None,
            "summary": {
                "en": f"{made}, on {training.cases:,} cases of its own.",
                "zh": f"{made_zh}，使用自有样例 {training.cases:,} 条。",
            },
            "tasks": tasks or (base.tasks if base else ()),
            "output_types": output_types or (base.output_types if base else ()),
            "ours": True,
            "sources": sources,
        }
    )


def _source(name: str, as_of: str, facts: Mapping[str, object]) -> dict[str, object]:
    stated = [key for key, value in facts.items() if value not in (None, ()) and key not in NOT_FACTS]
    return {"name": name, "as_of": as_of, "facts": stated}


def _training_words(training: Training) -> dict[str, str]:
    taken = ", ".join(f"{key}={value}" for key, value in sorted(training.hyperparameters.items()))
    english = [f"{training.cases:,} cases of the team's own, digest {training.data_digest}", f"seed {training.seed}"]
    chinese = [f"团队自有样例 {training.cases:,} 条，摘要值 {training.data_digest}", f"随机种子 {training.seed}"]
    if taken:
        english.append(f"hyperparameters {taken}")
        chinese.append(f"超参数 {taken}")
    english.append("no loss was measured" if training.loss is None else f"loss at the end {training.loss:.6g}")
    chinese.append("未测损失" if training.loss is None else f"最终损失 {training.loss:.6g}")
    return {"en": "; ".join(english) + ".", "zh": "；".join(chinese) + "。"}


def claims_of_scores(model: ModelId, scores: tuple[OwnScore, ...]) -> tuple[Claim, ...]:
    """What this team measured of a model, as claims marked as ours."""
    return tuple(
        Claim(
            model=model,
            benchmark=score.benchmark,
            value=score.value,
            low=score.low,
            high=score.high,
            questions=score.questions,
            setting=score.setting,
            harness="touchstone",
            measured_by=OURS,
            date=score.date,
            source=score.source,
            as_of=score.date,
            usd=score.usd,
            ours=True,
        )
        for score in scores
    )
