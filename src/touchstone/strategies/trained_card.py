"""What was trained here gets a card in the team's catalog, whether a command or a comparison trained it."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

from touchstone.catalog.model import Model
from touchstone.catalog.trained import OwnScore
from touchstone.models.local.weights_kind import read_config
from touchstone.strategies.general import General
from touchstone.strategies.trained import Lesson
from touchstone.training.base import Trained
from touchstone.training.card import CARD, base_card, card_of, page, put_into_catalog
from touchstone.training.forecast import shape_of_config

CATALOG = "catalog"
"""The team's own folder in a workspace."""
_LONGEST_NAME_CHARS = 60


def own_name(name: str) -> str:
    """A name as an id may hold it: small letters, digits, dots, hyphens; empty where nothing is left of it."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.")[:_LONGEST_NAME_CHARS]


def write_cards(
    name: str, lesson: Lesson, trained: Trained, workspace: Path, *, general: General | None = None
) -> tuple[str, Path, Path]:
    """
    Put a training into the catalog, and a page with its loss curve beside its weights.

    Args:
        name: Of the id `own/NAME`; a card that had it is replaced.
        lesson: What was learned.
        trained: What came out.
        workspace: Its folder.
        general: What was forgotten, where that was measured.

    Returns:
        (id, card in the catalog, page beside the weights).
    """
    own_id, place = f"own/{name}", trained.folder.parent
    day = datetime.fromtimestamp((trained.folder / "config.json").stat().st_mtime, UTC).date().isoformat()
    rows = hashlib.sha256(b"".join(one.model_dump_json().encode() + b"\n" for one in lesson.rows.examples))
    model = card_of(
        own_id, name, trained, lesson.job, data_digest=rows.hexdigest(), ended=day, base=_base(name, lesson, day)
    )
    card = put_into_catalog(workspace / CATALOG, model)
    beside = place / CARD
    beside.write_text(page(model, trained, lesson.job, scores=scores_of(general, day)), encoding="utf-8")
    return own_id, card, beside


def write_cards_once(name: str, lesson: Lesson, trained: Trained, workspace: Path, general: General | None) -> None:
    """As `write_cards`, unless this training has a page already; its digest tells it from others of the same name."""
    if not (trained.folder.parent / CARD).exists():
        own = "-".join(part for part in (own_name(name), trained.digest[:8]) if part)
        write_cards(own, lesson, trained, workspace, general=general)


def scores_of(general: General | None, day: str) -> tuple[OwnScore, ...]:
    """Shares in percent, before the training and after it."""
    if general is None:
        return ()
    return tuple(
        OwnScore(
            benchmark=f"{general.file}, {when}",
            value=round(100 * found.mean, 2),
            low=round(100 * found.low, 2),
            high=round(100 * found.high, 2),
            questions=found.n,
            source="asked at the end of the training",
            date=day,
        )
        for when, found in (("before", general.before), ("after", general.after))
    )


def _base(name: str, lesson: Lesson, day: str) -> Model | None:
    """The card of what it began with: from the catalog, or as far as its config tells."""
    if lesson.base is None:
        return None
    from touchstone.catalog.shipped import shipped_model

    reference = lesson.base.reference
    known = shipped_model(reference)
    if known is not None:
        return known
    kind, _slash, rest = reference.partition("/")
    base_id = f"touchstone/{kind}-{rest}" if kind == "starter" and rest else f"own/{rest or lesson.base.digest[:12]}"
    if base_id == f"own/{name}":
        base_id = f"own/{lesson.base.digest[:12]}"
    parameters = shape_of_config(read_config(lesson.base.folder)).parameters
    return base_card(base_id, reference, lesson.base.folder, parameters=parameters, job=lesson.job, as_of=day)
