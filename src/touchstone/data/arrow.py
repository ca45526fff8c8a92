"""Arrow tables as plain Python rows: what Parquet files and `datasets` folders have in common."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

from touchstone.errors import DataError, ExtraMissing

BATCH_ROWS = 256
"""Rows that are Python objects at a time."""

_MEDIA = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)


def pyarrow(feature: str) -> ModuleType:
    """
    The library, imported when a file of its kind is read.

    Raises:
        ExtraMissing: it is not installed.
    """
    try:
        import pyarrow as library
        import pyarrow.parquet
    except ImportError as error:
        raise ExtraMissing(feature=feature, extra="parquet") from error
    return library  # type: ignore[no-any-return]  # pyarrow has no types


def plain_rows(
    library: ModuleType, batches: Iterable[Any], features: Mapping[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """
    Rows of record batches: text, numbers, booleans, None, lists and dicts; times as ISO 8601 text.

    Args:
        library: pyarrow.
        batches: Record batches of one schema.
        features: Descriptions of columns as the `datasets` library writes them; class numbers become their names.
    """
    named = {name: read for name, feature in (features or {}).items() if (read := _class_names(feature)) is not None}
    for batch in batches:
        names = batch.schema.names
        readable = _readable(library, batch)
        for start in range(0, batch.num_rows, BATCH_ROWS):
            part = readable.slice(start, BATCH_ROWS)
            columns = [_column(part.column(place).to_pylist(), named.get(name)) for place, name in enumerate(names)]
            for cells in zip(*columns, strict=True):
                yield dict(zip(names, cells, strict=True))


def check_names(path: Path, names: list[str]) -> None:
    """Raises `DataError` where two columns have one name, since a row could only keep one of them."""
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise DataError("the file names the column {name!r} twice; rename one of the two", path=path, name=twice)


def features_of(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """Feature descriptions that the `datasets` library leaves in a schema's metadata; empty where there are none."""
    try:
        info = json.loads((metadata or {})[b"huggingface"])["info"]
        features = info["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return features if isinstance(features, dict) else {}


def _column(values: list[Any], class_names: Callable[[Any], Any] | None) -> list[Any]:
    if class_names is not None:
        return [class_names(value) for value in values]
    return [value if type(value) in (str, int, bool) else _plain(value) for value in values]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        if set(value) == {"bytes", "path"}:
            # How the `datasets` library stores an image or a recording: in the file itself, or beside it.
            return _data_url(value["bytes"]) if value["bytes"] else value["path"]
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return _data_url(value)
    return str(value)


def _data_url(data: bytes) -> str:
    kind = next((kind for magic, kind in _MEDIA if data.startswith(magic)), "application/octet-stream")
    if data[:4] == b"RIFF":
        kind = {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(data[8:12], kind)
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _class_names(feature: Any) -> Callable[[Any], Any] | None:
    """Reads the class numbers of a feature as names; None where a feature has no classes."""
    if isinstance(feature, list) and len(feature) == 1:
        feature = {"_type": "List", "feature": feature[0]}
    if not isinstance(feature, dict):
        return None
    if feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list):
        names = [str(name) for name in feature["names"]]

        def one(value: Any) -> Any:
            # The library writes -1 where a hidden test set has no label.
            if value is None or value == -1:
                return None
            return names[value] if isinstance(value, int) and 0 <= value < len(names) else _plain(value)

        return one
    if feature.get("_type") in ("List", "LargeList", "Sequence"):
        inner = _class_names(feature.get("feature"))
        if inner is not None:
            return lambda value: None if value is None else [inner(item) for item in value]
    return None


def _readable(library: ModuleType, batch: Any) -> Any:
    """The batch with the types that Python has no exact match for turned into such as it has."""
    columns = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        kind = field.type
        if library.types.is_float32(kind) or library.types.is_float16(kind):
            # The shortest decimal that is this float32: 0.1, not 0.10000000149011612.
            column = column.cast(library.float32()).cast(library.string()).cast(library.float64())
        elif (wanted := _coarser(library, kind)) != kind:
            column = column.cast(wanted, safe=False)
        columns.append(column)
    return library.RecordBatch.from_arrays(columns, names=[str(place) for place in range(len(columns))])


def _coarser(library: ModuleType, kind: Any) -> Any:
    """The type with nanoseconds as microseconds, which is what Python's clocks can hold."""
    types = library.types
    if types.is_timestamp(kind) and kind.unit == "ns":
        return library.timestamp("us", tz=kind.tz)
    if types.is_time64(kind) and kind.unit == "ns":
        return library.time64("us")
    if types.is_duration(kind) and kind.unit == "ns":
        return library.duration("us")
    if types.is_list(kind):
        return library.list_(_coarser(library, kind.value_type))
    if types.is_struct(kind):
        return library.struct([field.with_type(_coarser(library, field.type)) for field in kind])
    return kind
