"""Looks for recognisable texts in everything that a day of work leaves behind, in every form that they may have."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

_LEAST = 12
"""Characters of a base64 form that are looked for: what a few characters match is chance."""


def forms(secret: str) -> Mapping[str, bytes]:
    """A text as it may stand somewhere: plain, as JSON, percent codes, hexadecimal, UTF-16, base64 at any offset."""
    raw = secret.encode()
    found = {
        "plain": raw,
        "json": json.dumps(secret)[1:-1].encode(),
        "json, slashes": secret.replace("/", "\\/").encode(),
        "percent": quote(secret, safe="").encode(),
        "form": quote_plus(secret).encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "utf-16le": secret.encode("utf-16-le"),
        "utf-16be": secret.encode("utf-16-be"),
        "backwards": raw[::-1],
    }
    for alphabet, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
        for offset in range(3):
            # What stands before and behind shapes the first and the last signs; those between are the text's own.
            whole = encode(bytes(offset) + raw).rstrip(b"=")
            inner = whole[-(-offset * 8 // 6) : len(whole) - 2]
            assert len(inner) >= _LEAST, f"{secret!r} is too short to be told from chance"
            found[f"{alphabet} at {offset}"] = inner
    return found


def texts_of(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Every file as it is, and every value of every table of what is a SQLite store."""
    for name, body in files.items():
        yield name, body
        if body.startswith(b"SQLite format 3\0"):
            yield from _values(name)


def _values(name: str) -> Iterator[tuple[str, bytes]]:
    with closing(sqlite3.connect(f"file:{name}?mode=ro", uri=True)) as store:
        store.text_factory = bytes
        tables = [row[0].decode() for row in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in store.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    if isinstance(value, bytes):
                        yield f"{name}#{table}", value


def found_in(secret: str, places: Mapping[str, bytes]) -> dict[str, set[str]]:
    """Where a text stands, and in which forms."""
    looked_for = forms(secret)
    found: dict[str, set[str]] = {}
    for place, body in places.items():
        for form, needle in looked_for.items():
            if needle in body:
                found.setdefault(place, set()).add(form)
    return found


def every_file(folder: Path) -> dict[str, bytes]:
    """All bytes of all files below a folder, tables of stores one by one besides."""
    files = {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    joined: dict[str, bytearray] = {}
    for name, body in texts_of(files):
        joined.setdefault(name, bytearray()).extend(body + b"\n")
    return {name: bytes(body) for name, body in joined.items()}
