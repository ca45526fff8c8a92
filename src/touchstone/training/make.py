"""Networks to train, made or loaded, and written when they are done; used in the process that trains."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from touchstone.errors import DataError, ExtraMissing
from touchstone.models.local.networks import load_network
from touchstone.models.local.weights_folder import check_weights_folder, stored_type
from touchstone.models.local.weights_kind import family_of, read_config
from touchstone.models.starter.tokens import Tokens
from touchstone.training.base import TrainingJob
from touchstone.training.examples import EXAMPLES, read_examples
from touchstone.training.networks import make_decoder, make_encoder, make_encoder_decoder
from touchstone.training.objectives import AnswerTo, HiddenWords, LabelOf, NextToken, Objective
from touchstone.training.tokenizer import train_tokenizer

MODEL, ADAPTER, START = "model", "adapter", "start"

_TASKS = {"decoder-only": "CAUSAL_LM", "encoder-only": "SEQ_CLS", "encoder-decoder": "SEQ_2_SEQ_LM"}
"""What peft calls what a network is for."""
_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "added_tokens.json",
    "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model",
)  # fmt: skip


def start_folder(job: TrainingJob, folder: Path) -> Path:
    """
    The folder that has the tokenizer: that of the base, or one made here with a vocabulary trained on the rows.

    Raises:
        DataError: the base cannot be trusted, or is of another family than the job says.
    """
    if job.base is not None:
        check_weights_folder(job.base)
        found = family_of(read_config(job.base))
        if found != job.family:
            raise DataError(
                "these weights are of the family {found} and the training is for {wanted}; name the family",
                path=job.base,
                found=found,
                wanted=job.family,
            )
        return job.base
    start = folder / START
    if not (start / "tokenizer.json").exists():
        texts = (text for example in read_examples(folder / EXAMPLES) for _, text in example.turns)
        made = folder / "start.new"
        shutil.rmtree(made, ignore_errors=True)
        train_tokenizer(texts, made / "tokenizer.json", size=job.vocabulary)
        made.rename(start)
    return start


def make_network(job: TrainingJob, start: Path) -> Any:
    """
    The network that will learn, on the processor; with adapters where only these learn.

    Raises:
        ExtraMissing: the extra `train` is not installed.
        DataError: the weights of the base cannot be loaded.
    """
    try:
        import torch
    except ImportError as error:
        raise ExtraMissing(feature="training", extra="train") from error
    torch.manual_seed(job.loop.seed)
    if job.way == "pretrain":
        assert job.sizes is not None
        size = Tokens.read(start / "tokenizer.json").size
        if job.family == "encoder-only":
            return make_encoder(job.sizes, size, job.labels)
        return (make_decoder if job.family == "decoder-only" else make_encoder_decoder)(job.sizes, size)
    network = load_network(start, family=job.family, labels=job.labels)
    return _with_adapters(network, job) if job.way == "lora" else network


def _with_adapters(network: Any, job: TrainingJob) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ExtraMissing(feature="training", extra="train") from error
    if job.family == "encoder-only" and not job.labels:
        raise DataError("an encoder without labels learns with all its weights; write way: full", path=str(job.base))
    return get_peft_model(
        network,
        LoraConfig(
            r=job.lora.rank,
            lora_alpha=job.lora.alpha,
            lora_dropout=job.lora.dropout,
            target_modules="all-linear",
            task_type=_TASKS[job.family],
        ),
    )


def objective_of(job: TrainingJob, network: Any, start: Path) -> Objective:
    """
    What a network learns from the rows of its job.

    Raises:
        DataError: an encoder without labels has no token to hide words behind.
    """
    if job.family == "decoder-only":
        return NextToken()
    if job.family == "encoder-decoder":
        return AnswerTo(start=network.config.decoder_start_token_id)
    if job.labels:
        return LabelOf()
    # In a vocabulary of ours the token for the assistant never stands in what an encoder reads.
    if job.way == "pretrain" or (start / "tokenizer_config.json").exists() is False:
        return HiddenWords(mask_token=3, vocabulary=network.config.vocab_size)
    from transformers import AutoTokenizer

    mask = AutoTokenizer.from_pretrained(start, local_files_only=True).mask_token_id
    if mask is None:
        raise DataError("the tokenizer has no token to hide words behind; give the encoder labels", path=start)
    return HiddenWords(mask_token=mask, vocabulary=network.config.vocab_size)


def save_network(network: Any, job: TrainingJob, start: Path, folder: Path) -> tuple[Path, Path | None]:
    """
    Write the model, and its adapters where it has some; numbers are as wide as those of the base.

    Returns:
        (folder of the whole model, folder of the adapters or None).
    """
    import torch

    model, adapter = folder / MODEL, None
    network = network.to("cpu")
    if job.way == "lora":
        adapter = folder / ADAPTER
        shutil.rmtree(adapter, ignore_errors=True)
        network.save_pretrained(adapter, safe_serialization=True)
        for file in adapter.glob("*.md"):
            file.unlink()  # a card of peft's, with nothing in it
        _no_places(adapter / "adapter_config.json", "base_model_name_or_path")
        network = network.merge_and_unload()
    types = {"F16": torch.float16, "BF16": torch.bfloat16}
    kept = types.get(stored_type(job.base)) if job.base is not None else None
    network = network.to(kept or torch.float32)
    made = folder / "model.new"
    shutil.rmtree(made, ignore_errors=True)
    network.save_pretrained(made)
    _no_places(made / "config.json", "_name_or_path")
    for name in _TOKENIZER_FILES:
        if (start / name).exists():
            shutil.copy(start / name, made / name)
    shutil.rmtree(model, ignore_errors=True)
    made.rename(model)
    return model, adapter


def _no_places(config: Path, key: str) -> None:
    """Take out of a config where the base lies: it is nobody's business, and means nothing on another machine."""
    read = json.loads(config.read_bytes())
    if read.get(key) is not None:
        config.write_text(json.dumps({**read, key: None}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
