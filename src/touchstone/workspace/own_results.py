"""What this workspace measured of a model, as results that stand beside the published ones, marked as ours."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from touchstone import __version__
from touchstone.catalog.claims import Claim
from touchstone.catalog.crosswalk import model_behind
from touchstone.catalog.model import ModelId
from touchstone.config import Settings
from touchstone.errors import UserError
from touchstone.evaluation.glance import models_compared
from touchstone.language import _

if TYPE_CHECKING:
    from touchstone.training.base import Trained
    from touchstone.workspace.workspace import Workspace

_TRAINS = ("fine_tune", "pretrain")
"""Ways whose answers come from other weights than those of the model that an entry names."""
_NEWEST = 5
"""So many comparisons of the model are looked at; each is computed from its stored cells."""


def may_have_measured(settings: Settings, model: ModelId) -> bool:
    """Whether opening the store can find anything about a model; a glance that takes next to no time."""
    if settings.store_url is not None:
        return True
    store = settings.workspace / "touchstone.sqlite"
    if not store.exists():
        return False
    asked = models_compared(store)
    if asked is None or any(_model_of(reference) == model for reference in asked):
        return True
    return _training_of(settings.workspace, model) is not None


def own_results(workspace: Workspace, model: ModelId) -> tuple[Claim, ...]:
    """
    The scores of a model in the newest comparisons, newest first; none where nothing was measured.

    A comparison counts when one of its candidates names the model itself, or a provider's name for it that the
    crosswalk lists; of a model that was trained here, when one asked the weights of that training, however its entry
    named them. What was trained from another model, or from nothing beside its name, is no result of that model.
    """
    training = _training_of(workspace.settings.workspace, model)
    measured = (
        (stored.id, names)
        for stored in workspace.comparisons()
        if (training is not None or model in {_model_of(reference) for reference in stored.models})
        and (names := _who_asked(workspace, stored.id, model, training))
    )
    return tuple(
        claim
        for comparison, names in islice(measured, _NEWEST)
        for claim in _claims(workspace, comparison, model, names)
    )


def training_of(workspace: Path, model: ModelId) -> Trained | None:
    """What is kept of the training that a card of this workspace is of; None where there is no such training."""
    begins = _training_of(workspace, model)
    if begins is None:
        return None
    from touchstone.strategies.trained import TRAINED
    from touchstone.training.run import stored_training

    # The card names the first digits, found by a pattern of hexadecimal digits alone.
    for folder in sorted((workspace / TRAINED).glob(f"{begins}*")):
        found = stored_training(folder)
        if found is not None and found.digest.startswith(begins):
            return found
    return None


def _training_of(workspace: Path, model: ModelId) -> str | None:
    """The training that a card of this workspace is of; None where there is no such card."""
    lab, _slash, name = model.partition("/")
    if not (workspace / "catalog" / "cards" / lab / f"{name}.toml").is_file():
        return None
    import tomli

    from touchstone.catalog.own_folder import OwnFolder, file_name
    from touchstone.training.card import training_on_card

    try:
        cards = OwnFolder(workspace / "catalog", "cards")
        card = tomli.loads(cards.read(file_name(lab, ""), file_name(name, ".toml")).decode("utf-8-sig"))
        return training_on_card(str(source["name"]) for source in card.get("sources", ()))
    except (UserError, ValueError, KeyError, TypeError, AttributeError):
        return None  # what is wrong with a card is said where it is read


def _who_asked(workspace: Workspace, comparison: str, model: ModelId, training: str | None) -> frozenset[str]:
    """Names of the candidates whose answers are the model's own."""
    from touchstone.strategies.known_weights import WEIGHTS_LEARNED

    found = set()
    for name, settings in workspace.settings_of(comparison).items():
        trained = any(part in _TRAINS for part in settings["strategy"].split("+"))
        learned = settings.get("training_digest") or (settings.get(WEIGHTS_LEARNED) or {}).get("training_digest")
        itself = learned is None and not trained and _model_of(settings["model"]) == model
        if itself if training is None else learned == training:
            found.add(name)
    return frozenset(found)


def _model_of(reference: str) -> ModelId:
    return model_behind(reference) or reference


def _claims(workspace: Workspace, comparison_id: str, model: ModelId, names: Collection[str]) -> Iterator[Claim]:
    from touchstone.workspace.base import Demands

    comparison = workspace.decide(comparison_id, Demands()).comparison
    for candidate in comparison.candidates:
        estimate = candidate.estimate
        if estimate is None or candidate.name not in names:
            continue
        yield Claim(
            model=model,
            benchmark=comparison.task.name,
            value=100 * estimate.mean,
            low=100 * estimate.low,
            high=100 * estimate.high,
            questions=estimate.n,
            mode=candidate.name if candidate.name != candidate.model else None,
            setting=candidate.strategy,
            harness=f"touchstone {__version__}",
            measured_by="ours",
            date=comparison.created[:10],
            source=_("comparison {id}").format(id=comparison.comparison_id),
            as_of=comparison.created[:10],
            ours=True,
        )
