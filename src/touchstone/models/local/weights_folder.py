"""A folder of weights that transformers will read, looked at before any library opens it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from touchstone.errors import DataError

_MOST_FILES = 200
_MOST_JSON_BYTES = 50_000_000
_HEADER_BYTES = 100_000_000
_ALLOWED = (".json", ".safetensors", ".txt", ".md", ".model", ".jinja", "LICENSE", ".gitattributes")
_WORD_LISTS = ("tokenizer.json", "vocab.json", "added_tokens.json")
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Of one number, by the names of safetensors 0.8."""
_CODE_KEYS = ("auto_map", "custom_pipelines", "trust_remote_code")


def check_weights_folder(folder: Path) -> None:
    """
    Refuse what could run code or lead elsewhere.

    Only regular files are allowed, weights only as safetensors, and no config may name code of its own.

    Raises:
        DataError: the folder cannot be trusted; the file and what is wrong with it are named.
    """
    if not folder.is_dir():
        raise DataError("the folder of weights does not exist; mend the path", path=folder)
    files = sorted(folder.iterdir())
    if len(files) > _MOST_FILES:
        raise DataError("a folder of weights has at most {most} files", path=folder, most=_MOST_FILES)
    for file in files:
        about = file.lstat()
        if not stat.S_ISREG(about.st_mode):
            raise DataError(
                "{name} is not a regular file; a folder of weights holds no links and no folders",
                path=folder,
                name=file.name,
            )
        if not file.name.endswith(_ALLOWED):
            raise DataError(
                "{name} does not belong into a folder of weights: weights are read from safetensors alone, and no code "
                "is run; take it away",
                path=folder,
                name=file.name,
            )
        if file.suffix == ".json":
            _check_json(file, about.st_size)
        if file.suffix == ".safetensors":
            check_header(file)
    if not any(file.suffix == ".safetensors" for file in files):
        raise DataError("there are no weights as safetensors", path=folder)


def _check_json(file: Path, size: int) -> None:
    if size > _MOST_JSON_BYTES:
        raise DataError("{name} is larger than {most:,} bytes", path=file.parent, name=file.name, most=_MOST_JSON_BYTES)
    try:
        read = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError("{name} is no JSON: {reason}", path=file.parent, name=file.name, reason=str(error)) from error
    if file.name in _WORD_LISTS:
        return  # their keys are anybody's words
    named = _asks_for_code(read)
    if named is not None:
        raise DataError(
            "{name} asks for code of its own ({key}), which is never run; use a model without it",
            path=file.parent,
            name=file.name,
            key=named,
        )
    if file.name.endswith(".index.json"):
        _check_index(file, read)


def _asks_for_code(read: Any) -> str | None:
    """The key that does, at whatever depth; None where none does."""
    waiting = [read]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            named = next((key for key in _CODE_KEYS if found.get(key)), None)
            if named is not None:
                return named
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
    return None


def _check_index(file: Path, read: Any) -> None:
    """Whether an index of weights in several files names files of this folder alone."""
    places = read.get("weight_map", {}) if isinstance(read, dict) else {}
    names = set(places.values()) if isinstance(places, dict) and all(map(_is_text, places.values())) else {""}
    odd = next((name for name in sorted(names) if not name or not (file.parent / name).is_file() or "/" in name), None)
    if odd is not None:
        raise DataError(
            "{name} leads to {other!r}, which is no file of this folder",
            path=file.parent,
            name=file.name,
            other=odd[:200],
        )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def check_header(file: Path) -> None:
    """
    Compare what a safetensors file says of its tensors with how large it is.

    Raises:
        DataError: the header is damaged, or claims bytes that are not there.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if not 2 <= length <= min(_HEADER_BYTES, size - 8):
            raise DataError("{name} is no safetensors file", path=file.parent, name=file.name)
        try:
            header = json.loads(opened.read(length))
            tensors = [one for name, one in header.items() if name != "__metadata__"]
            spans = sorted(tuple(one["data_offsets"]) for one in tensors)
            false = any(_bytes_of(one) != one["data_offsets"][1] - one["data_offsets"][0] for one in tensors)
        except (ValueError, RecursionError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise DataError("the header of {name} is damaged", path=file.parent, name=file.name) from error
    if false:
        raise DataError("a tensor of {name} has another size than its shape says", path=file.parent, name=file.name)
    end = 0
    for first, last in spans:
        if first != end or last < first:
            raise DataError("the tensors of {name} do not lie one behind the other", path=file.parent, name=file.name)
        end = last
    if end != size - 8 - length:
        raise DataError("{name} has not the bytes that its tensors claim", path=file.parent, name=file.name)


def _bytes_of(tensor: dict[str, Any]) -> int:
    """What a tensor of its shape takes. Raises `KeyError` and the like for what is no tensor."""
    count = 1
    for size in tensor["shape"]:
        if not isinstance(size, int) or size < 0:
            raise ValueError(size)
        count *= size
    return (count * _BITS[tensor["dtype"]] + 7) // 8


def stored_type(folder: Path) -> str:
    """How wide the most weights of a checked folder are, as safetensors names it: F32, F16, BF16, …; "" for none."""
    counts: dict[str, int] = {}
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as opened:
            header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
        for name, one in header.items():
            if name != "__metadata__":
                first, last = one["data_offsets"]
                counts[one["dtype"]] = counts.get(one["dtype"], 0) + last - first
    return max(counts, key=lambda kind: counts[kind], default="")
