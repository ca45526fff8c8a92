"""
The benchmarks, scenarios and published results that come with this package.

`benchmarks.toml` explains the tests and says which of them speak for which scenario. Each file of `claims/` restates
one source: a header that its rows share, and `[[table]]`s of rows, one inline table a line. What a row says wins over
its table, and the table over the header.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

from pydantic import ValidationError

from touchstone.catalog.claims import Benchmark, Claim, Scenario
from touchstone.catalog.shipped_tables import read_shipped
from touchstone.errors import DataError, UnknownName, refusal
from touchstone.language import N_
from touchstone.noun import Noun

ANoun = TypeVar("ANoun", bound=Noun)


class Panel(Noun):
    """All benchmarks and the scenarios they speak for."""

    benchmarks: tuple[Benchmark, ...]
    scenarios: tuple[Scenario, ...]


@cache
def panel() -> Panel:
    """Every shipped benchmark and scenario, in the order of the file."""
    name = "benchmarks.toml"
    return _panel_of(read_shipped(name), name)


@cache
def benchmarks() -> Mapping[str, Benchmark]:
    """Every shipped benchmark, by id."""
    return {one.id: one for one in panel().benchmarks}


@cache
def scenarios() -> Mapping[str, Scenario]:
    """Every shipped scenario, by id."""
    return {one.id: one for one in panel().scenarios}


def find_benchmark(name: str) -> Benchmark:
    """
    The benchmark with this id or name.

    Raises:
        UnknownName: there is none; the closest ids are named.
    """
    return _find(N_("benchmark"), name, {one.id: (one, (one.name, one.name_zh)) for one in panel().benchmarks})


def find_scenario(name: str) -> Scenario:
    """
    The scenario with this id or name, in either language.

    Raises:
        UnknownName: there is none; the closest ids are named.
    """
    return _find(N_("scenario"), name, {one.id: (one, (one.name.en, one.name.zh)) for one in panel().scenarios})


def claim_files() -> Iterator[Traversable]:
    """Every shipped file of results, by name."""
    folder = files("touchstone.catalog").joinpath("claims")
    yield from sorted((one for one in folder.iterdir() if one.name.endswith(".toml")), key=lambda one: one.name)


@cache
def shipped_claims() -> tuple[Claim, ...]:
    """
    Every shipped result, by file and row.

    Raises:
        DataError: a file cannot be read; the file and the row are named.
    """
    known = benchmarks()
    return tuple(
        claim
        for file in claim_files()
        for claim in read_claims(file.read_text("utf-8"), place=file.name, benchmarks=known)
    )


def read_panel(text: str, *, place: str) -> Panel:
    """
    Benchmarks and scenarios out of their TOML text.

    Raises:
        DataError: it is no TOML, an id is given twice, or an entry has a key or a value that cannot be used.
    """
    return _panel_of(_read_toml(text, place), place)


def _panel_of(tables: Mapping[str, Any], place: str) -> Panel:
    tests = [_read(Benchmark, table, place, row) for row, table in enumerate(tables.get("benchmark", ()), 1)]
    uses = [_read(Scenario, table, place, row) for row, table in enumerate(tables.get("scenario", ()), 1)]
    for ids in ([one.id for one in tests], [one.id for one in uses]):
        for row, one in enumerate(ids, 1):
            if one in ids[: row - 1]:
                raise DataError("there is a second {id}; give it another id", path=place, row=row, id=one)
    known = {one.id for one in tests}
    for row, use in enumerate(uses, 1):
        for fit in use.benchmarks:
            _check_known(fit.benchmark, known, place, row)
    return Panel(benchmarks=tuple(tests), scenarios=tuple(uses))


def read_claims(text: str, *, place: str, benchmarks: Mapping[str, Benchmark]) -> tuple[Claim, ...]:
    """
    Results out of the TOML text of one source.

    Args:
        place: Name of the file, for errors.
        benchmarks: Those that a claim may name, by id.

    Raises:
        DataError: it is no TOML; a row has a key or a value that cannot be used, names a benchmark nobody knows, has
            a value outside its benchmark's scale or more questions than it, or says again what an earlier row says.
            Rows count from 1 through all tables of the file.
    """
    header = _read_toml(text, place)
    tables = header.pop("table", ())
    if not any(table.get("rows") for table in tables):
        raise DataError("there is no result in it; write them as rows of [[table]]", path=place)
    if unknown := sorted(set(header) - set(Claim.model_fields)):
        raise DataError(
            "{key!r} is no field of a result; results stand in the rows of [[table]]", path=place, key=unknown[0]
        )
    found: list[Claim] = []
    seen: dict[tuple[object, ...], int] = {}
    for table in tables:
        shared = {**header, **table}
        for row in shared.pop("rows", ()):
            number = len(found) + 1
            claim = _read(Claim, {**shared, **row}, place, number)
            _check_known(claim.benchmark, benchmarks, place, number)
            _check_scale(claim, benchmarks[claim.benchmark], place, number)
            same = (claim.condition, claim.model, claim.snapshot, claim.mode, claim.date, claim.harness_version)
            if same in seen:
                raise DataError(
                    "this says again what row {first} says of {model}; keep one, or say what differs",
                    path=place,
                    row=number,
                    first=seen[same],
                    model=claim.model,
                )
            seen[same] = number
            found.append(claim)
    return tuple(found)


def _read_toml(text: str, place: str) -> dict[str, Any]:
    import tomli

    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise DataError("this is no TOML: {reason}", path=place, reason=str(error)) from None


def _read(kind: type[ANoun], table: Mapping[str, Any], place: str, row: int) -> ANoun:
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or kind.__name__.lower()
        raise DataError("{field}: {reason}", path=place, row=row, field=field, reason=refusal(first)) from None


def _check_known(benchmark: str, known: Collection[str], place: str, row: int) -> None:
    if benchmark not in known:
        unknown = UnknownName(kind=N_("benchmark"), name=benchmark, known=known)
        raise DataError("{reason}", path=place, row=row, reason=unknown)


def _check_scale(claim: Claim, benchmark: Benchmark, place: str, row: int) -> None:
    # An error rate may pass the whole: a transcript can have more mistakes than words.
    whole = benchmark.whole if benchmark.higher_is_better else None
    if whole is not None and not 0 <= claim.value <= whole:
        raise DataError(
            "{value} is outside the scale of {benchmark}, 0 to {whole}; was it read as another unit?",
            path=place,
            row=row,
            value=claim.value,
            benchmark=benchmark.id,
            whole=whole,
        )
    if claim.subset is None and (claim.questions or 0) > (benchmark.questions or math.inf):
        raise DataError(
            "measured on {claimed} questions, and {benchmark} has {questions}; is it another test?",
            path=place,
            row=row,
            claimed=claim.questions,
            benchmark=benchmark.id,
            questions=benchmark.questions,
        )


def _find(kind: str, name: str, known: Mapping[str, tuple[ANoun, tuple[str | None, ...]]]) -> ANoun:
    asked = name.strip().casefold()
    for key, (one, names) in known.items():
        if asked in {word.casefold() for word in (key, *names) if word}:
            return one
    raise UnknownName(kind=kind, name=name, known=known)
