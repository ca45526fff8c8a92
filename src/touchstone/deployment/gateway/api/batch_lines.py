"""
The lines of a batch: what its input must say, how answers are kept until it ends, and its two files of results.

An answer is kept as one line behind the number of its request. A line that a killed gateway did not finish is cut off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import orjson

from touchstone.deployment.gateway.base import GatewayError
from touchstone.deployment.gateway.json_body import parse_json
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.govern.batches import Batch, BatchError

MOST_ERRORS = 50
"""So many mistakes of an input are told."""
MOST_EMPTY = 100_000
"""So many empty lines are passed over; a further one is a mistake. A file of line ends alone would take minutes."""
_NAME_CHARS = 512
_FIELDS = frozenset({"custom_id", "method", "url", "body"})


class Line(NamedTuple):
    """One request of a batch."""

    number: int
    """From 1, as its place in the file."""
    start: int
    size: int
    """Bytes, the end of the line included."""


class Wanted(NamedTuple):
    """What a line asks for."""

    custom_id: str
    body: Mapping[str, Any]


class Answer(NamedTuple):
    """What became of one line."""

    number: int
    good: bool
    said: bytes
    """Its line in one of the two files."""


def lines_of(file: BinaryIO, most_bytes: int) -> Iterator[Line]:
    """
    Where the lines of an input lie; empty ones are none, up to `MOST_EMPTY`.

    Args:
        file: Read from its beginning.
        most_bytes: So much of a line is in memory at a time; blank lines are left out up to this length.
    """
    file.seek(0)
    number, start, empty = 0, 0, 0
    while first := file.readline(most_bytes + 2):
        number += 1
        whole, last = len(first), first
        while last and not last.endswith(b"\n"):  # a longer line, or the end of the file
            last = file.readline(most_bytes + 2)
            whole += len(last)
        is_empty = whole <= most_bytes and not first.strip()
        empty += is_empty
        if not is_empty or empty > MOST_EMPTY:
            yield Line(number, start, whole)
        start += whole


def read_line(file: BinaryIO, line: Line) -> bytes:
    """The bytes of a line."""
    file.seek(line.start)
    return file.read(line.size).strip()


def wanted_of(raw: bytes, endpoint: str, limits: DoorLimits) -> Wanted:
    """
    What a line asks for.

    Raises:
        GatewayError: it is no request of this batch.
    """
    if len(raw) > limits.body_bytes:
        raise GatewayError("body_too_large", limit=limits.body_bytes)
    found = parse_json(raw, limits)
    if not isinstance(found, dict) or set(found) - _FIELDS:
        raise GatewayError("invalid_value", reason="a line holds custom_id, method, url and body")
    name = found.get("custom_id")
    if not isinstance(name, str) or not 0 < len(name) <= _NAME_CHARS:
        raise GatewayError("invalid_value", param="custom_id", reason=f"write a text of at most {_NAME_CHARS} signs")
    if found.get("method") != "POST":
        raise GatewayError("invalid_value", param="method", reason="write POST")
    if found.get("url") != endpoint:
        raise GatewayError("invalid_value", param="url", reason=f"it must be the endpoint of the batch, {endpoint}")
    body = found.get("body")
    if not isinstance(body, dict):
        raise GatewayError("invalid_value", param="body", reason="write an object")
    if body.get("stream"):
        raise GatewayError("unsupported", param="body.stream", what="streams in batches")
    return Wanted(name, body)


class Validation(NamedTuple):
    """What an input holds, or what is wrong with it."""

    lines: tuple[Line, ...]
    errors: tuple[BatchError, ...]


def validate(file: BinaryIO, batch: Batch, limits: DoorLimits, most_lines: int) -> Validation:
    """Look at every line of an input; a batch whose input has a mistake asks nobody anything."""
    lines: list[Line] = []
    errors: list[BatchError] = []
    seen: dict[bytes, int] = {}
    for line in lines_of(file, _line_bytes(limits)):
        lines.append(line)
        if len(lines) > most_lines:
            return Validation((), (_error("too_many_lines", f"There are more than {most_lines} requests."),))
        place = file.tell()
        try:
            wanted = wanted_of(_within(file, line, limits), batch.endpoint, limits)
            digest = hashlib.blake2b(wanted.custom_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
            first = seen.setdefault(digest, line.number)
            if first != line.number:
                errors.append(
                    _error("duplicate_custom_id", f"Line {first} has this custom_id too.", line.number, "custom_id")
                )
        except GatewayError as error:
            errors.append(_error(error.code, _words(error), line.number, error.param))
        file.seek(place)
        if len(errors) >= MOST_ERRORS:
            break
    if not lines:
        errors.append(_error("empty_file", "The input has no requests."))
    return Validation(() if errors else tuple(lines), tuple(errors))


def index(file: BinaryIO, limits: DoorLimits) -> tuple[Line, ...]:
    """The lines of an input that was validated before."""
    return tuple(lines_of(file, _line_bytes(limits)))


def _line_bytes(limits: DoorLimits) -> int:
    return limits.body_bytes + 4096


def _within(file: BinaryIO, line: Line, limits: DoorLimits) -> bytes:
    if line.size > _line_bytes(limits) + 2:
        raise GatewayError("body_too_large", limit=limits.body_bytes)
    return read_line(file, line)


def _words(error: GatewayError) -> str:
    from touchstone.deployment.gateway.failures import FAILURES

    return FAILURES[error.code].words.format(**error.values)


def _error(code: str, message: str, line: int | None = None, param: str | None = None) -> BatchError:
    return BatchError(code=code, message=message, line=line, param=param)


# Answers --------------------------------------------------------------------------------------------------------------


def answered(batch: Batch, line: Line, custom_id: str, *, status: int, request: str, body: bytes) -> Answer:
    """What the API said to a request."""
    try:
        said: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = body.decode("utf-8", "replace")
    response = {"status_code": status, "request_id": request, "body": said}
    return _answer(batch, line, custom_id, status == 200, response, None)


def not_asked(batch: Batch, line: Line, custom_id: str, code: str, message: str) -> Answer:
    """A request that nobody was asked."""
    return _answer(batch, line, custom_id, False, None, {"code": code, "message": message})


def _answer(batch: Batch, line: Line, custom_id: str, good: bool, response: Any, error: Any) -> Answer:
    name = hashlib.sha256(f"{batch.id}:{line.number}".encode()).hexdigest()[:24]
    said = {"id": f"batch_req_{name}", "custom_id": custom_id, "response": response, "error": error}
    return Answer(line.number, good, orjson.dumps(said))


class Place(NamedTuple):
    """Where a kept answer lies."""

    good: bool
    start: int
    size: int


def keep(work: BinaryIO, answer: Answer) -> Place:
    """Write an answer down, at once, at the end of the work file; where it lies. Raises `OSError`."""
    head = b"%d %d " % (answer.number, answer.good)
    record = head + answer.said + b"\n"
    end = work.seek(0, 2)
    written = 0
    try:
        while written < len(record):
            written += work.write(record[written:]) or 0
    except OSError:
        work.truncate(end)
        raise
    return Place(answer.good, end + len(head), len(answer.said) + 1)


def kept(work: BinaryIO) -> dict[int, Place]:
    """The answers that a work file holds, by the numbers of their lines; what a killed process left is cut off."""
    found: dict[int, Place] = {}
    work.seek(0)
    start = 0
    for record in _records(work):
        if not record.endswith(b"\n"):
            break
        number, good, said = record.split(b" ", 2)
        head = len(record) - len(said)
        found[int(number)] = Place(good == b"1", start + head, len(said))
        start += len(record)
    work.truncate(start)
    return found


def _records(work: BinaryIO) -> Iterator[bytes]:
    """Lines of an unbuffered file."""
    rest = b""
    while piece := work.read(1 << 20):
        whole = (rest + piece).split(b"\n")
        rest = whole.pop()
        for record in whole:
            yield record + b"\n"
    if rest:
        yield rest
