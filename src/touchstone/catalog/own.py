"""
The team's own cards and results: files in the workspace that people read, review and put under version control.

    catalog/cards/LAB/NAME.toml     a card, with `[[offers]]` for an endpoint of the team's own
    catalog/cards/LAB/NAME.md       the Hugging Face card it was made of, byte for byte
    catalog/claims/*.toml           results, in the shape of the shipped ones
    catalog/benchmarks.toml         the team's own tests, in the shape of the shipped ones
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli
from pydantic import ValidationError

from touchstone.catalog.benchmarks import benchmarks as shipped_benchmarks
from touchstone.catalog.benchmarks import read_claims, read_panel
from touchstone.catalog.claims import Benchmark, Claim
from touchstone.catalog.foreign import NO_TERM, Kept, keep
from touchstone.catalog.model import NOT_FACTS, Model
from touchstone.catalog.own_folder import OwnFolder, file_name
from touchstone.catalog.own_offer import OwnOffer
from touchstone.catalog.shipped import shipped_model
from touchstone.catalog.taxonomy import labs, licences, terms_of
from touchstone.catalog.toml_text import write_rows, write_toml
from touchstone.errors import DataError, UserError, refusal
from touchstone.noun import Noun

OWN_LAB = "own"
"""Lab of a model whose card does not say whose it is."""
OWN_SOURCE = "own team"
"""Source of a fact that the team states without naming another."""
_TEXTS = ("summary", "intended_use", "limits", "training_data")
_LARGEST_BYTES = 1024 * 1024


class OwnCard(Noun):
    """A model of the team's own, and where it is served."""

    model: Model
    offers: tuple[OwnOffer, ...] = ()


class Added(Noun):
    """What `add_card` wrote, and what it could not use."""

    card: OwnCard
    path: str
    """File of the card."""
    copy_path: str | None = None
    """File of the Hugging Face card, where there was one."""
    claims: tuple[Claim, ...] = ()
    """Results that the card stated."""
    kept: tuple[Kept, ...] = ()
    """What it states beyond the catalog's nouns and words."""
    hides_shipped: bool = False
    """Whether it stands in for a card of the same id that comes with the package."""


@dataclass(frozen=True)
class Found:
    """The cards that can be read, and an error for each that cannot."""

    cards: tuple[OwnCard, ...]
    errors: tuple[DataError, ...]


@dataclass(frozen=True)
class FoundClaims:
    """The results that can be read, and an error for each file that cannot."""

    claims: tuple[Claim, ...]
    errors: tuple[DataError, ...]


def add_card(
    folder: Path,
    file: Path,
    *,
    today: str,
    model_id: str | None = None,
    replace: bool = False,
    repositories: Mapping[str, str] | None = None,
) -> Added:
    """
    Take a card into the catalog of a workspace.

    Args:
        folder: The workspace's `catalog` folder; made where it is missing.
        file: A TOML card, or a Hugging Face card (`.md`).
        today: ISO 8601; the date of what the team states without another source.
        model_id: Overrides the id that the file gives.
        replace: Whether it may stand in for a card of the same id, the team's own or a shipped one.
        repositories: As for `understand`.

    Raises:
        DataError: the file is neither, a value cannot be used, or there is a card of this id already.
    """
    return add_body(
        folder, _read(file), file, today=today, model_id=model_id, replace=replace, repositories=repositories
    )


def add_body(
    folder: Path,
    body: bytes,
    file: Path,
    *,
    today: str,
    model_id: str | None = None,
    replace: bool = False,
    repositories: Mapping[str, str] | None = None,
) -> Added:
    """
    The same for the content of a file that lies nowhere, as when somebody pasted it.

    Args:
        body: What the file holds.
        file: What it is called in messages; its ending says which kind of card it is.
    """
    if len(body) > _LARGEST_BYTES:
        raise DataError("the file is larger than 1 MiB; shorten it", path=file)
    suffix = file.suffix.casefold()
    if suffix in (".md", ".markdown"):
        from touchstone.catalog.front_matter import FrontMatter
        from touchstone.catalog.hf_card import understand

        front = FrontMatter.read(body, place=file.name)
        known = own_benchmarks(folder)
        found = understand(
            front, as_of=today, model_id=model_id, repositories=repositories, benchmarks=known, ours=True
        )
        card, claims, kept, text = OwnCard(model=found.model), found.claims, found.kept, None
    elif suffix == ".toml":
        given = _tables(body, str(file))
        tables = _completed({**given, "id": model_id} if model_id else given, today)
        # The file as the team wrote it, with its comments, where nothing had to be added.
        card, claims, kept, text = _card(tables, str(file)), (), (), body if tables == given else None
    else:
        raise DataError("a card is a .toml file, or a Hugging Face card ending in .md", path=file)
    lab, name = _places(card.model.id, str(file))
    hides = shipped_model(card.model.id) is not None
    if hides and not replace:
        raise DataError(
            "{model} is the id of a card that comes with the package; give yours another id, or name --replace to let "
            "it stand in for the shipped one",
            path=file,
            model=card.model.id,
        )
    cards = OwnFolder(folder, "cards")
    path = cards.write(lab, f"{name}.toml", text or write_card(card).encode(), replace=replace)
    copy = None
    if suffix == ".toml":
        cards.remove(lab, f"{name}.md")
    else:
        copy = cards.write(lab, f"{name}.md", body, replace=True)
    # A lab has no underscore in its name, so that two ids never share a file.
    if claims:
        write_claims(folder, f"{lab}__{name}", claims)
    else:
        OwnFolder(folder, "claims").remove(None, f"{lab}__{name}.toml")
    return Added(
        card=card,
        path=str(path),
        copy_path=str(copy) if copy else None,
        claims=claims,
        kept=(*kept, *_strangers(card.model)),
        hides_shipped=hides,
    )


def write_card(card: OwnCard) -> str:
    """A card as TOML; `own_models` reads an equal one."""
    return write_toml(card.model.model_dump(mode="json", exclude_defaults=True) | _offers(card))


def _offers(card: OwnCard) -> dict[str, Any]:
    rows = [offer.model_dump(mode="json", exclude_defaults=True) for offer in card.offers]
    return {"offers": [{"provider": "own", **row} for row in rows]} if rows else {}


def own_models(folder: Path) -> Found:
    """
    Every card of a workspace's `catalog` folder, by lab and name; one that is broken does not hide the others.

    Each error names its file.
    """
    cards = OwnFolder(folder, "cards")
    found: list[OwnCard] = []
    errors = [
        DataError("a card lies in the folder of its lab; move it to cards/LAB/NAME.toml", path=cards.path / name)
        for name in cards.files(None, ".toml")
    ]
    for lab in cards.folders():
        for name in cards.files(lab, ".toml"):
            place = cards.path / lab / name
            try:
                card = _card(_tables(cards.read(lab, name), str(place)), str(place))
                if _places(card.model.id, str(place)) != (lab, name.removesuffix(".toml")):
                    raise DataError(
                        "this file holds the card of {model}; move it to {lab}/{name}.toml",
                        path=place,
                        model=card.model.id,
                        lab=card.model.id.partition("/")[0],
                        name=_places(card.model.id, str(place))[1],
                    )
                found.append(card)
            except DataError as error:
                errors.append(error)
    return Found(cards=tuple(found), errors=tuple(errors))


def own_benchmarks(folder: Path) -> dict[str, Benchmark]:
    """
    The shipped benchmarks and the team's own, by id.

    Raises:
        DataError: `benchmarks.toml` of the folder cannot be read.
    """
    place = folder / "benchmarks.toml"
    if not place.exists():
        return dict(shipped_benchmarks())
    text = _text(_read(place), str(place))
    _tables(text.encode(), str(place))
    own = {one.id: one for one in read_panel(text, place=str(place)).benchmarks}
    return {**shipped_benchmarks(), **own}


def own_claims(folder: Path, *, benchmarks: Mapping[str, Benchmark] | None = None) -> FoundClaims:
    """
    Every result in the files of `claims`; one that is broken does not hide the others.

    Args:
        folder: The workspace's `catalog` folder.
        benchmarks: Those that a result may name, by id; by default the shipped ones and the team's own.
    """
    known = own_benchmarks(folder) if benchmarks is None else benchmarks
    files = OwnFolder(folder, "claims")
    found: list[Claim] = []
    errors: list[DataError] = []
    for name in files.files(None, ".toml"):
        place = str(files.path / name)
        try:
            body = files.read(None, name)
            _tables(body, place)
            found += read_claims(_text(body, place), place=place, benchmarks=known)
        except DataError as error:
            errors.append(error)
    return FoundClaims(claims=tuple(found), errors=tuple(errors))


def write_claims(folder: Path, name: str, claims: Iterable[Claim]) -> Path:
    """
    Results as a file of `claims`, in place of the one of this name.

    Args:
        folder: The workspace's `catalog` folder.
        name: Without its ending.
        claims: At least one.
    """
    rows = [claim.model_dump(mode="json", exclude_defaults=True) for claim in claims]
    shared = {key: value for key, value in rows[0].items() if all(row.get(key) == value for row in rows)}
    apart = [{key: value for key, value in row.items() if key not in shared} for row in rows]
    text = write_rows(shared, apart)
    return OwnFolder(folder, "claims").write(None, file_name(name, ".toml"), text.encode(), replace=True)


def _card(tables: Mapping[str, Any], place: str) -> OwnCard:
    offers = tables.get("offers", [])
    try:
        model = Model.model_validate({**{key: tables[key] for key in tables if key != "offers"}, "ours": True})
        return OwnCard(model=model, offers=offers)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            "{field}: {reason}", path=place, field=".".join(map(str, first["loc"])) or "card", reason=refusal(first)
        ) from None


def _completed(tables: Mapping[str, Any], today: str) -> dict[str, Any]:
    """What a team may leave out of its own card: the lab, the second language, itself as the source."""
    found: dict[str, Any] = {**tables, "ours": True}
    found |= {key: {"en": said, "zh": said} for key in _TEXTS if isinstance(said := tables.get(key), str)}
    if isinstance(tables.get("id"), str):
        found.setdefault("lab", tables["id"].partition("/")[0])
    sources = tables.get("sources", [])
    if isinstance(sources, list) and all(isinstance(row, dict) for row in sources):
        named = {fact for row in sources for fact in row.get("facts", ()) if isinstance(fact, str)}
        stated = [key for key in Model.model_fields if key in tables and key not in NOT_FACTS and key not in named]
        if stated or not sources:
            own = {"name": OWN_SOURCE, "as_of": today, "facts": stated or ["input_modalities"]}
            found["sources"] = [*sources, own]
    return found


def _strangers(model: Model) -> tuple[Kept, ...]:
    """Words of the card that the taxonomy does not list: no filter will find the model by them."""
    listed: tuple[tuple[str, Iterable[str | None], Iterable[str]], ...] = (
        ("tasks", model.tasks, terms_of("task")),
        ("output_types", model.output_types, terms_of("output")),
        ("architecture", [model.architecture], terms_of("architecture")),
        ("traits", model.traits, terms_of("trait")),
        ("relation", [model.relation], terms_of("relation")),
        ("licence", [model.licence], licences()),
        ("lab", [None if model.lab == OWN_LAB else model.lab], labs()),
    )
    return tuple(
        keep(key, word, NO_TERM)
        for key, words, known in listed
        for word in words
        if word is not None and word not in known
    )


def _places(model_id: str, place: str) -> tuple[str, str]:
    """Folder and file name, without its ending, of a card."""
    lab, _, name = model_id.partition("/")
    try:
        return file_name(lab, ""), file_name(name, "")
    except UserError as error:
        raise DataError("{reason}", path=place, reason=error) from None


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            body = opened.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise DataError("the file cannot be read: {reason}", path=file, reason=error.strerror) from None
    if len(body) > _LARGEST_BYTES:
        raise DataError("the file is larger than 1 MiB; shorten it", path=file)
    return body


def _text(body: bytes, place: str) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("byte {offset} is not UTF-8; save the file as UTF-8", path=place, offset=error.start) from None


def _tables(body: bytes, place: str) -> dict[str, Any]:
    text = _text(body, place)
    try:
        return tomli.loads(text)
    except RecursionError:
        raise DataError("the file is nested too deeply", path=place) from None
    except ValueError as error:  # no TOML, or a number of thousands of digits
        raise DataError("this is no TOML: {reason}", path=place, reason=str(error)) from None
