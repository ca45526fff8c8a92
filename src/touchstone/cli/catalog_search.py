"""`touchstone catalog search`: find models by words and facts."""

from typing import Annotated

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
from touchstone.language import _

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
    relation: Annotated[
        Many, typer.Option("--relation", help=_("How it was made from another: fine-tune, distilled, …"))
    ] = None,
    supply: Annotated[
        Many, typer.Option("--supply", help=_("How it can be had: offer (somebody sells it), weights."))
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
    from touchstone.catalog import asked
    from touchstone.config import load_settings

    query = asked.query_of(
        {
            "text": " ".join(text or ()),
            "tasks": task,
            "inputs": reads,
            "outputs": writes,
            "architectures": architecture,
            "traits": trait,
            "relations": relation,
            "supplies": supply,
            "origin": origin,
            "licences": licence,
            "openness": openness,
            "labs": lab,
            "countries": country,
            "families": family,
            "providers": provider,
            "regions": region,
            "languages": language,
            "abilities": [
                name
                for name, wanted in (
                    ("tools", tools),
                    ("structured-output", structured_output),
                    ("vision", vision),
                    ("reasoning", reasoning),
                )
                if wanted
            ],
            "has_weights": weights,
            "ours": True if ours else None,
            "retired": True if retired else None if everything else False,
            "kinds": asked.ANY_KIND if everything else None,
            "min_context_tokens": min_context,
            "max_parameters": max_parameters,
            "min_parameters": min_parameters,
            "max_input_usd": max_input_usd,
            "max_output_usd": max_output_usd,
            "max_blended_usd": max_usd,
            "input_share": input_share,
            "released_after": released_after,
            "fits_gib": fits_gb,
            "precision": precision,
            "fit_context_tokens": fit_context,
            "benchmark": asked.find_benchmark(benchmark, load_settings(workspace).workspace / "catalog").id
            if benchmark is not None
            else None,
            "min_score": min_score,
            "sort": sort,
            "limit": limit,
            "offset": offset,
        },
        asked.flag_of,
    )
    with open_catalog(workspace) as catalog:
        query, found = asked.find(
            catalog,
            asked.known_to(catalog, query),
            collection=collection,
            says_of_retired=retired or everything,
            facets=facets or json,
        )
    from touchstone.reporting import search_list

    if json:
        import orjson

        answer_json(orjson.dumps(search_list.as_json(found, query)))
        return
    answer(search_list.found_text(found, query))
    if facets and found.total:
        answer("\n" + search_list.facets_text(found))
