"""`touchstone catalog search`: find models by words and facts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from touchstone.cli.options import (
    Json,
    Language,
    WorkspaceFolder,
    answer,
    answer_json,
    errors_end_the_command,
    open_catalog,
)
from touchstone.language import N_, _

if TYPE_CHECKING:
    from touchstone.catalog.catalog import Catalog
    from touchstone.catalog.query import Found, Query

Many = list[str] | None


@errors_end_the_command
def search(
    text: Annotated[
        Many, typer.Argument(help=_("Words, English or Chinese; all must be found."), metavar="WORD…")
    ] = None,
    task: Annotated[
        Many, typer.Option("--task", help=_("What it must do: chat, embedding, …; again for more."))
    ] = None,
    reads: Annotated[
        Many, typer.Option("--input", help=_("What it must read: text, image, audio, video, file."))
    ] = None,
    writes: Annotated[Many, typer.Option("--output", help=_("What it must write: text, code, embedding, …"))] = None,
    architecture: Annotated[Many, typer.Option("--architecture", help=_("encoder-only, decoder-only, …"))] = None,
    trait: Annotated[Many, typer.Option("--trait", help=_("mixture-of-experts, …"))] = None,
    licence: Annotated[
        Many, typer.Option("--licence", "--license", help=_("A licence such as mit, or: open, commercial."))
    ] = None,
    openness: Annotated[Many, typer.Option("--openness", help=_("open-licence, open-weights or proprietary."))] = None,
    lab: Annotated[Many, typer.Option("--lab", help=_("Who made it."))] = None,
    country: Annotated[Many, typer.Option("--country", help=_("Where its lab is, such as CN."))] = None,
    family: Annotated[Many, typer.Option("--family", help=_("What its maker calls the family, such as Qwen."))] = None,
    origin: Annotated[
        str | None, typer.Option("--origin", help=_("foundation, or derived from another model."))
    ] = None,
    provider: Annotated[Many, typer.Option("--provider", help=_("Who sells it."))] = None,
    region: Annotated[Many, typer.Option("--region", help=_("Where the seller processes calls: eu, us, cn, …"))] = None,
    collection: Annotated[str | None, typer.Option("--collection", help=_("A saved query; see collections."))] = None,
    language: Annotated[Many, typer.Option("--language", help=_("What it must speak, such as zh."))] = None,
    tools: Annotated[bool, typer.Option("--tools", help=_("It calls tools."))] = False,
    structured_output: Annotated[
        bool, typer.Option("--structured-output", help=_("It keeps to a JSON schema."))
    ] = False,
    vision: Annotated[bool, typer.Option("--vision", help=_("It reads images."))] = False,
    reasoning: Annotated[bool, typer.Option("--reasoning", help=_("It thinks before it answers."))] = False,
    weights: Annotated[
        bool | None, typer.Option("--weights/--no-weights", help=_("Whether its weights can be downloaded."))
    ] = None,
    ours: Annotated[bool, typer.Option("--ours", help=_("Only models of our own."))] = False,
    retired: Annotated[
        bool, typer.Option("--retired", help=_("Only what is retired; otherwise it is left out."))
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help=_("Also what is retired, and offers whose model has no card."))
    ] = False,
    min_context: Annotated[int | None, typer.Option("--min-context", help=_("Tokens."))] = None,
    max_parameters: Annotated[
        str | None, typer.Option("--max-parameters", help=_("Such as 10B or 500M."), metavar="N")
    ] = None,
    min_parameters: Annotated[str | None, typer.Option("--min-parameters", help=_("Such as 1B."), metavar="N")] = None,
    max_input_usd: Annotated[float | None, typer.Option("--max-input-usd", help=_("Per million input tokens."))] = None,
    max_output_usd: Annotated[
        float | None, typer.Option("--max-output-usd", help=_("Per million output tokens."))
    ] = None,
    max_usd: Annotated[float | None, typer.Option("--max-usd", help=_("Per million tokens at --input-share."))] = None,
    input_share: Annotated[float, typer.Option("--input-share", help=_("Share of input tokens in your calls."))] = 0.75,
    released_after: Annotated[
        str | None, typer.Option("--released-after", help=_("A day, month or year, such as 2025-06."))
    ] = None,
    fits_gb: Annotated[
        float | None, typer.Option("--fits-gb", help=_("Memory of the device that must hold it, in GiB."))
    ] = None,
    precision: Annotated[str, typer.Option("--precision", help=_("For --fits-gb: 16bit, 8bit or 4bit."))] = "16bit",
    fit_context: Annotated[int, typer.Option("--fit-context", help=_("For --fits-gb: tokens kept in memory."))] = 8192,
    benchmark: Annotated[str | None, typer.Option("--benchmark", help=_("It has a result on this benchmark."))] = None,
    min_score: Annotated[float | None, typer.Option("--min-score", help=_("At least this on --benchmark."))] = None,
    sort: Annotated[
        str, typer.Option("--sort", help=_("relevance, price, score, context, released, parameters or name."))
    ] = "relevance",
    limit: Annotated[int, typer.Option("--limit", help=_("How many to show."))] = 20,
    offset: Annotated[int, typer.Option("--offset", help=_("How many to pass over."))] = 0,
    facets: Annotated[bool, typer.Option("--facets", help=_("Count what the hits have in common."))] = False,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Find models; filters combine, and a fact that nobody stated meets no filter."""
    from touchstone.catalog.collections import find_collection
    from touchstone.errors import SettingsError

    if benchmark is None and (min_score is not None or sort == "score"):
        raise SettingsError(
            "{flag} needs a test whose scores count; name it with --benchmark, such as --benchmark mmlu-pro",
            flag="--sort score" if min_score is None else "--min-score",
        )
    query = _query(
        text=" ".join(text or ()),
        tasks=_terms("task", task),
        inputs=reads or (),
        outputs=_terms("output", writes),
        architectures=_terms("architecture", architecture),
        traits=_terms("trait", trait),
        origin=next(iter(_terms("origin", [origin] if origin else None)), None),
        licences=_licences(licence),
        openness=_terms("openness", openness),
        labs=_labs(lab),
        countries=[code.upper() for code in country or ()],
        providers=_providers(provider),
        regions=[code.lower() for code in region or ()],
        languages=[code.lower() for code in language or ()],
        abilities=[
            name
            for name, wanted in (
                ("tools", tools),
                ("structured-output", structured_output),
                ("vision", vision),
                ("reasoning", reasoning),
            )
            if wanted
        ],
        has_weights=weights,
        ours=True if ours else None,
        retired=True if retired else None if everything else False,
        **({"kinds": ("card", "reported", "offer")} if everything else {}),
        min_context_tokens=min_context,
        max_parameters=_size(max_parameters, "--max-parameters"),
        min_parameters=_size(min_parameters, "--min-parameters"),
        max_input_usd=max_input_usd,
        max_output_usd=max_output_usd,
        max_blended_usd=max_usd,
        input_share=input_share,
        released_after=released_after,
        fits_gib=fits_gb,
        precision=precision,
        fit_context_tokens=fit_context,
        benchmark=_benchmark(benchmark, workspace),
        min_score=min_score,
        sort=sort,
        limit=limit,
        offset=offset,
    )
    with open_catalog(workspace) as catalog:
        _check_codes(catalog, regions=query.regions, languages=query.languages, countries=query.countries)
        query = query.model_copy(update={"families": _families(catalog, family)})
        if collection and not retired and not everything:
            query = find_collection(collection).query_with_defaults(query)
        found = catalog.search(query, collection=collection, facets=facets or json)
        if query.retired is False:
            found = found.model_copy(update={"retired_left_out": _retired_left_out(catalog, query, collection, found)})
    from touchstone.reporting import search_list

    if json:
        import orjson

        answer_json(orjson.dumps(search_list.as_json(found, query)))
        return
    answer(search_list.found_text(found, query))
    if facets and found.total:
        answer("\n" + search_list.facets_text(found))


def _query(**fields: Any) -> Query:
    from pydantic import ValidationError

    from touchstone.catalog.query import Query
    from touchstone.errors import SettingsError, refusal

    try:
        return Query.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field, reason = str(first["loc"][0]), refusal(first)
        flag = _FLAGS.get(field) or "--" + field.replace("_", "-")
        if first["type"] == "string_too_long":  # the whole text would hide what is wrong with it
            raise SettingsError(
                "{flag} has {count} characters; {reason}", flag=flag, count=len(first["input"]), reason=reason
            ) from None
        if "value" in reason.values:  # then the reason names it
            raise SettingsError("{flag}: {reason}", flag=flag, reason=reason) from None
        raise SettingsError("{flag} is {value!r}; {reason}", flag=flag, value=first["input"], reason=reason) from None


_FLAGS = {
    "text": "WORD…",
    "inputs": "--input",
    "fits_gib": "--fits-gb",
    "fit_context_tokens": "--fit-context",
    "min_context_tokens": "--min-context",
    "max_blended_usd": "--max-usd",
}
"""Flags whose field of the query has another name."""


def _retired_left_out(catalog: Catalog, query: Query, collection: str | None, found: Found) -> int:
    """How many more there are when retired models count: nobody asked to leave them out, so nobody must miss them."""
    with_retired = query.model_copy(update={"retired": None, "limit": 0, "offset": 0})
    return catalog.search(with_retired, collection=collection).total - found.total


def _families(catalog: Catalog, words: Many) -> tuple[str, ...]:
    from touchstone.errors import UnknownName

    known = {family.casefold(): family for family in catalog.index.values_of("family")} if words else {}
    for word in words or ():
        if word.strip().casefold() not in known:
            raise UnknownName(kind=N_("family"), name=word, known=known.values())
    return tuple(known[word.strip().casefold()] for word in words or ())


def _check_codes(catalog: Catalog, **asked: tuple[str, ...]) -> None:
    """
    Refuse codes that no entry of the catalog has: they find nothing, which looks like an answer.

    Raises:
        UnknownName: with the codes that are known.
    """
    from touchstone.errors import UnknownName

    kinds = {
        "regions": (N_("region"), "region", "offer_"),
        "languages": (N_("language code"), "language", ""),
        "countries": (N_("country code"), "country", ""),
    }
    for field, codes in asked.items():
        kind, facet, of = kinds[field]
        known = catalog.index.values_of(facet, of=of) if codes else ()
        for code in codes:
            if code not in known:
                raise UnknownName(kind=kind, name=code, known=known)


def _terms(kind: Any, words: Many) -> list[str]:
    from touchstone.catalog.taxonomy import find_term

    return [find_term(kind, word).id for word in words or ()]


def _licences(words: Many) -> list[str]:
    from touchstone.catalog.query import LICENCE_CLASSES
    from touchstone.catalog.taxonomy import licences
    from touchstone.errors import UnknownName

    known = (*LICENCE_CLASSES, *licences()) if words else ()
    for word in words or ():
        if word.lower() not in known:
            raise UnknownName(kind=N_("licence"), name=word, known=known)
    return [word.lower() for word in words or ()]


def _labs(words: Many) -> list[str]:
    from touchstone.catalog.taxonomy import labs
    from touchstone.errors import UnknownName

    found = []
    for word in words or ():
        asked = word.strip().casefold()
        lab = next((lab.id for lab in labs().values() if asked in _names(lab.id, lab.name, lab.name_zh)), None)
        if lab is None:
            raise UnknownName(kind=N_("lab"), name=word, known=labs())
        found.append(lab)
    return found


def _names(*names: str | None) -> set[str]:
    return {name.casefold() for name in names if name}


def _providers(words: Many) -> list[str]:
    """Ids of sellers, by id, by an id elsewhere, or by name in either language."""
    from touchstone.catalog.sellers import find_seller, sellers

    found = []
    for word in words or ():
        asked = word.strip().casefold()
        named = next((one.id for one in sellers().values() if asked in _names(one.name.en, one.name.zh)), None)
        found.append("own" if asked == "own" else named or find_seller(word.strip().lower()).id)
    return found


def _benchmark(word: str | None, workspace: Path | None) -> str | None:
    if word is None:
        return None
    from touchstone.cli.catalog_boards import find_benchmark
    from touchstone.config import load_settings

    return find_benchmark(word, load_settings(workspace).workspace / "catalog").id


def _size(text: str | None, flag: str) -> int | None:
    """A number of parameters written as people do: 7B, 1.5B, 350M, 7000000000."""
    import re

    from touchstone.errors import SettingsError

    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*([KMBT]?)|(\d{1,15})", text.strip().upper())
    if not found:
        raise SettingsError("{flag} is {value!r}; write a number such as 7B, 350M or 1.5B", flag=flag, value=text)
    if found[3]:
        return int(found[3])
    return round(float(found[1]) * {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}[found[2]])
