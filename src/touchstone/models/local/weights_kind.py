"""What a folder of weights holds, as its `config.json` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from touchstone.errors import DataError

Family = Literal["decoder-only", "encoder-only", "encoder-decoder"]
"""A decoder continues a conversation; an encoder says a label; an encoder-decoder writes an answer to an input."""


def read_config(folder: Path) -> dict[str, Any]:
    """
    The config of a folder.

    Raises:
        DataError: there is none, or it is no JSON object.
    """
    try:
        found = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError("config.json cannot be read: {reason}", path=folder, reason=str(error)) from error
    if not isinstance(found, dict):
        raise DataError("config.json cannot be read: {reason}", path=folder, reason="no object")
    return found


def family_of(config: dict[str, Any]) -> Family:
    """By what the config says: an encoder-decoder says so, an encoder names a head for labels or for hidden words."""
    if config.get("is_encoder_decoder"):
        return "encoder-decoder"
    named = config.get("architectures") or [""]
    heads = ("ForSequenceClassification", "ForMaskedLM", "ForPreTraining")
    return "encoder-only" if str(named[0]).endswith(heads) else "decoder-only"


def labels_of(config: dict[str, Any]) -> tuple[str, ...]:
    """The labels that a classifier knows, by their numbers; none where it is no classifier."""
    named = config.get("architectures") or [""]
    given = config.get("id2label")
    if not str(named[0]).endswith("ForSequenceClassification") or not isinstance(given, dict):
        return ()
    try:
        return tuple(str(given[key]) for key in sorted(given, key=int))
    except ValueError:
        return ()
