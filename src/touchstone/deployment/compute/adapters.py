"""A LoRA adapter beside weights: looked at before anything reads it, and merged into a network (Hu et al. 2021)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from touchstone.errors import DataError, ExtraMissing
from touchstone.models.local.weights_folder import check_weights_folder

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_MODULES_NAMED = ("megatron_config", "loftq_config", "eva_config", "corda_config", "runtime_config")
"""Settings of peft that name modules to import or data to read; none is needed to apply an adapter."""


def read_adapter(folder: Path) -> dict[str, Any]:
    """
    The config of an adapter's folder, checked.

    Raises:
        DataError: the folder cannot be trusted, or is no LoRA adapter.
    """
    check_weights_folder(folder)
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError) as error:
        raise DataError("{name} cannot be read: {reason}", path=folder, name=CONFIG, reason=str(error)) from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA" or not isinstance(config.get("r"), int):
        raise DataError("this is no LoRA adapter", path=folder)
    if not (folder / WEIGHTS).is_file():
        raise DataError("an adapter needs {name}", path=folder, name=WEIGHTS)
    odd = next((name for name in _MODULES_NAMED if config.get(name)), None)
    if odd is not None:
        raise DataError("the adapter's {name} is set, which is never followed; take it away", path=folder, name=odd)
    return config


def with_adapter(network: Any, folder: Path) -> Any:
    """
    A network with an adapter merged into its weights, ready to answer.

    Raises:
        DataError: the adapter cannot be trusted or does not fit.
        ExtraMissing: peft is not installed.
    """
    read_adapter(folder)
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ExtraMissing(feature="an adapter", extra="train") from error
    try:
        merged = PeftModel.from_pretrained(network, str(folder), is_trainable=False, local_files_only=True)
        return merged.merge_and_unload().eval()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise DataError("the adapter does not fit the weights: {reason}", path=folder, reason=reason) from error
