"""Weights of a checked folder as a network of `transformers`; safetensors alone, no code that comes with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from touchstone.errors import DataError, ExtraMissing
from touchstone.models.local.weights_folder import check_weights_folder
from touchstone.models.local.weights_kind import Family, family_of, labels_of, read_config


def load_network(
    folder: Path, *, family: Family | None = None, labels: tuple[str, ...] = (), half: bool = False
) -> Any:
    """
    A network on the processor.

    Args:
        folder: config.json and weights as safetensors.
        family: What it shall be; what the config says by default. An encoder with labels gets a head for them.
        labels: Of an encoder; those of the config by default.
        half: Whether the weights stay at the precision of the file, which saves memory; else they become float32.

    Raises:
        DataError: the folder cannot be trusted or its weights do not fit its config.
        ExtraMissing: the extra `train` is not installed.
    """
    check_weights_folder(folder)
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ExtraMissing(feature="a model from a folder", extra="train") from error
    config = read_config(folder)
    family = family or family_of(config)
    own_labels = labels_of(config)
    wanted: dict[str, Any] = {}
    if family == "encoder-decoder":
        kind = transformers.AutoModelForSeq2SeqLM
    elif family == "decoder-only":
        kind = transformers.AutoModelForCausalLM
    elif labels or own_labels:
        kind = transformers.AutoModelForSequenceClassification
        if labels and labels != own_labels:
            # A head of its own; what the folder has as one belongs to other labels.
            wanted = {
                "num_labels": len(labels),
                "id2label": dict(enumerate(labels)),
                "label2id": {label: number for number, label in enumerate(labels)},
                "ignore_mismatched_sizes": True,
            }
    else:
        kind = transformers.AutoModelForMaskedLM
    transformers.logging.set_verbosity_error()
    try:
        return kind.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype="auto" if half else torch.float32, **wanted
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError) as error:
        raise DataError("the weights cannot be loaded: {reason}", path=folder, reason=_short(error)) from error


def _short(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
