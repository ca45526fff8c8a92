"""`touchstone shortlist`: which models fit a scenario, why, and why the others do not."""

from collections.abc import Sequence
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
    one_line,
    open_catalog,
    say,
)
from touchstone.cli.shortlist_flags import (
    countries_of,
    floor_of,
    licences_of,
    priorities_of,
    providers_of,
    scenario_of,
    terms_of,
    wishes_of,
)
from touchstone.language import _

if TYPE_CHECKING:
    from touchstone.decision.base import Reason
    from touchstone.workspace.shortlist import Answered, Asked
    from touchstone.workspace.shortlist_write import Written
    from touchstone.workspace.taskfile import Task

Many = list[str] | None

_SHOWN, _WRITTEN = 10, 5
"""So many are shown, and written into a task file, when nobody says how many."""
_LEFT_OUT = 5
"""Of so many that cannot be written it is said why; `--json` says it of all."""


@errors_end_the_command
def shortlist(
    task_file: Annotated[
        Path | None, typer.Argument(metavar="TASKFILE", help=_("The task file, or the folder it is in."))
    ] = None,
    task_type: Annotated[
        Many, typer.Option("--task-type", help=_("What it must do: chat, embedding, …; again for more."))
    ] = None,
    reads: Annotated[
        Many, typer.Option("--input", help=_("What it must read: text, image, audio, video, file."))
    ] = None,
    writes: Annotated[Many, typer.Option("--output", help=_("What it must write: text, code, embedding, …"))] = None,
    language: Annotated[
        Many, typer.Option("--language", help=_("What it must speak, such as zh; any asks for none."))
    ] = None,
    tools: Annotated[bool, typer.Option("--tools", help=_("It calls tools."))] = False,
    structured_output: Annotated[
        bool, typer.Option("--structured-output", help=_("It keeps to a JSON schema."))
    ] = False,
    vision: Annotated[bool, typer.Option("--vision", help=_("It reads images."))] = False,
    reasoning: Annotated[bool, typer.Option("--reasoning", help=_("It thinks before it answers."))] = False,
    min_context: Annotated[int | None, typer.Option("--min-context", min=1, help=_("Tokens."))] = None,
    licence: Annotated[
        Many, typer.Option("--licence", "--license", help=_("A licence such as mit, or: open, commercial."))
    ] = None,
    openness: Annotated[
        str | None, typer.Option("--openness", help=_("At least this open: open-licence or open-weights."))
    ] = None,
    country: Annotated[Many, typer.Option("--country", help=_("Where its lab is, such as CN."))] = None,
    not_country: Annotated[Many, typer.Option("--not-country", help=_("Where its lab is not."))] = None,
    provider: Annotated[Many, typer.Option("--provider", help=_("Who sells it."))] = None,
    callable_only: Annotated[
        bool | None,
        typer.Option(
            "--callable/--any-seller",
            help=_("Only what Touchstone knows how to call by name; so unless weights are asked for."),
        ),
    ] = None,
    seller_country: Annotated[Many, typer.Option("--seller-country", help=_("Where its seller is."))] = None,
    not_seller_country: Annotated[
        Many, typer.Option("--not-seller-country", help=_("Where its seller is not."))
    ] = None,
    region: Annotated[Many, typer.Option("--region", help=_("Where calls can be kept: eu, us, cn, …"))] = None,
    self_hostable: Annotated[
        bool | None, typer.Option("--self-hostable/--any-hosting", help=_("Whether its weights must be given out."))
    ] = None,
    fits_gb: Annotated[
        float | None, typer.Option("--fits-gb", help=_("Memory of the device that must hold it, in GiB."))
    ] = None,
    precision: Annotated[str, typer.Option("--precision", help=_("For --fits-gb: 16bit, 8bit or 4bit."))] = "16bit",
    fit_context: Annotated[
        int | None, typer.Option("--fit-context", min=1, help=_("For --fits-gb: tokens kept in memory."))
    ] = None,
    max_usd_per_month: Annotated[
        float | None, typer.Option("--max-usd-per-month", min=0, help=_("At your volume and tokens of a call."))
    ] = None,
    requests_per_month: Annotated[
        float | None, typer.Option("--requests-per-month", min=1, help=_("Your volume; the task file's by default."))
    ] = None,
    input_tokens: Annotated[
        float | None, typer.Option("--input-tokens", min=0, help=_("Of a call; worked out from the cases by default."))
    ] = None,
    output_tokens: Annotated[
        float | None, typer.Option("--output-tokens", min=0, help=_("Of a call, thinking included."))
    ] = None,
    max_input_usd: Annotated[
        float | None, typer.Option("--max-input-usd", min=0, help=_("Per million input tokens."))
    ] = None,
    max_output_usd: Annotated[
        float | None, typer.Option("--max-output-usd", min=0, help=_("Per million output tokens."))
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option("--benchmark", help=_("It has a result on this benchmark, …"))
    ] = None,
    min_score: Annotated[float | None, typer.Option("--min-score", help=_("… of at least this."))] = None,
    released_after: Annotated[
        str | None, typer.Option("--released-after", help=_("A day, month or year, such as 2025-06."))
    ] = None,
    serve_days: Annotated[
        int, typer.Option("--serve-days", min=0, help=_("It is not retired within so many days."))
    ] = 0,
    retired: Annotated[bool, typer.Option("--retired-too", help=_("Also what is retired."))] = False,
    deprecated: Annotated[
        bool, typer.Option("--deprecated-too", help=_("Also offers that their seller calls deprecated."))
    ] = False,
    ours: Annotated[bool, typer.Option("--ours", help=_("Only models of our own."))] = False,
    priority: Annotated[
        Many, typer.Option("--priority", help=_("quality, cost, speed or openness; the first one counts most."))
    ] = None,
    scenario: Annotated[
        str | None, typer.Option("--scenario", help=_("Whose benchmarks speak for quality: coding, chinese, …"))
    ] = None,
    documents: Annotated[
        bool, typer.Option("--documents", help=_("For advice: right answers stand in documents of yours."))
    ] = False,
    days: Annotated[float | None, typer.Option("--days", min=0, help=_("For advice: working days there are."))] = None,
    budget_usd: Annotated[
        float | None, typer.Option("--budget-usd", min=0, help=_("For advice: for comparing and improving."))
    ] = None,
    gpu_usd_per_hour: Annotated[
        float | None, typer.Option("--gpu-usd-per-hour", min=0.001, help=_("For advice: what a server costs."))
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, max=1000, help=_("How many to show (10), or to write (5)."))
    ] = None,
    explain: Annotated[
        str | None, typer.Option("--explain", help=_("Every limit held against this model."), metavar="MODEL")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help=_("Put the first ones under `candidates` of the task file."))
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help=_("For --write: take out models of the catalog that stand there."))
    ] = False,
    html: Annotated[Path | None, typer.Option("--html", help=_("Write the page as one HTML file here."))] = None,
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Solve the limits, put who is left in order, and say why the others are not among them."""
    _check_together(explain=explain, write=write, replace=replace)
    priorities = priorities_of(priority)
    wishes = wishes_of(
        tasks=terms_of("task", task_type),
        inputs=reads or (),
        outputs=terms_of("output", writes),
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
        context_tokens=min_context,
        licences=licences_of(licence),
        openness=openness,
        lab_countries=countries_of(country),
        not_lab_countries=countries_of(not_country),
        providers=providers_of(provider),
        callable=callable_only,
        seller_countries=countries_of(seller_country),
        not_seller_countries=countries_of(not_seller_country),
        regions=[code.lower() for code in region or ()],
        self_hostable=self_hostable,
        memory_gib=fits_gb,
        precision=precision,
        fit_context_tokens=fit_context,
        max_usd_per_month=max_usd_per_month,
        requests_per_month=requests_per_month,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        max_input_usd=max_input_usd,
        max_output_usd=max_output_usd,
        floor=floor_of(benchmark, min_score),
        released_after=released_after,
        serve_days=serve_days,
        retired_too=retired,
        allow_deprecated=deprecated,
        ours=ours,
        scenario=scenario_of(scenario),
        rests_on_documents=documents,
        days=days,
        budget_usd=budget_usd,
        gpu_usd_per_hour=gpu_usd_per_hour,
    )
    task = _task(task_file, write=write)
    with open_catalog(workspace) as catalog:
        from touchstone.config import load_settings
        from touchstone.workspace import shortlist as front
        from touchstone.workspace.shortlist_codes import check_codes

        check_codes(wishes, catalog)
        asked = front.ask(wishes, load_settings(workspace), today=catalog.today, task=task)
        if explain is not None:
            _show_explained(asked, catalog, explain, json=json, html=html)
            return
        answered = front.answer(asked, catalog, wishes=wishes, task=task, priorities=priorities)
    if html is not None:
        # Before the task file: where the page cannot be written, nothing has changed.
        _write_page(answered, html)
    written = _write(answered, task, top or _WRITTEN, replace=replace) if write and task is not None else None
    _show(answered, written, top or _SHOWN, json=json, html=html)


def _check_together(*, explain: str | None, write: bool, replace: bool) -> None:
    from touchstone.errors import SettingsError

    if explain is not None and (write or replace):
        raise SettingsError("--explain tells of one model and writes nothing; leave out --write and --replace")
    if replace and not write:
        raise SettingsError("--replace goes with --write, which puts others in the place of what it takes out")


def _task(file: Path | None, *, write: bool) -> "Task | None":
    from touchstone.errors import SettingsError
    from touchstone.workspace.taskfile import load_task

    if file is None and write:
        raise SettingsError("--write needs the task file to write into; name it, or make one with `touchstone init`")
    return None if file is None else load_task(file, candidates_to_come=True)


# What is shown --------------------------------------------------------------------------------------------------------


def _write(answered: "Answered", task: "Task", top: int, *, replace: bool) -> "Written":
    from touchstone.workspace.shortlist_entries import entries_of
    from touchstone.workspace.shortlist_write import write_candidates

    entries, left_out = entries_of(answered.shortlist, answered.cards, top, task.file.constraints)
    if not entries:
        _say_left_out(left_out)  # what follows is a mistake of one line
    return write_candidates(task, entries, left_out=left_out, replace=replace)


def _show(answered: "Answered", written: "Written | None", top: int, *, json: bool, html: Path | None) -> None:
    from touchstone.reporting.shortlist_words import said

    asked, found = answered.asked, answered.shortlist
    if json:
        import orjson

        from touchstone.reporting.shortlist_json import as_json

        body = as_json(found, answered.advice, task=asked.task, assumed=asked.assumed)
        if written is not None:
            body["written"] = {
                **written.model_dump(mode="json", exclude={"left_out", "notes"}),
                "left_out": [said(one) for one in written.left_out],
                "notes": [said(one) for one in written.notes],
            }
        answer_json(orjson.dumps(body))
        return
    from touchstone.reporting.page_terminal import terminal_page
    from touchstone.reporting.shortlist_page import shortlist_page

    answer(terminal_page(shortlist_page(found, answered.advice, task=asked.task, assumed=asked.assumed, top=top)))
    if html is not None:
        say(_("HTML: {path}").format(path=html))
    if written is not None:
        _say_left_out(written.left_out)
        for note in written.notes:
            say(one_line(said(note)))
        say(
            _("{path} has {count} new candidates; next: touchstone compare {path} --dry-run").format(
                path=written.path, count=len(written.added)
            )
        )


def _say_left_out(left_out: "Sequence[Reason]") -> None:
    from touchstone.reporting.shortlist_words import said

    for one in left_out[:_LEFT_OUT]:
        say(one_line(said(one)))
    if len(left_out) > _LEFT_OUT:
        say(_("… {count:,} more").format(count=len(left_out) - _LEFT_OUT))


def _write_page(answered: "Answered", html: Path) -> None:
    from touchstone.reporting.shortlist_page import shortlist_page

    found = answered.shortlist
    _write_html(
        shortlist_page(
            found,
            answered.advice,
            task=answered.asked.task,
            assumed=answered.asked.assumed,
            top=len(found.qualified),
            per_limit=None,
        ),
        html,
    )


def _show_explained(asked: "Asked", catalog: Any, model: str, *, json: bool, html: Path | None) -> None:
    from touchstone.reporting.shortlist_json import check_json
    from touchstone.reporting.shortlist_page import explanation_page
    from touchstone.workspace.shortlist import explained

    card, checks = explained(asked, catalog, model)
    if html is not None:
        _write_html(explanation_page(card.id, card.name, checks), html)
    if json:
        import orjson

        body = {
            "schema": "touchstone.shortlist-model/1",
            "model": card.id,
            "qualifies": all(check.verdict == "met" for check in checks),
            "limits": [check_json(check) for check in checks],
        }
        answer_json(orjson.dumps(body))
        return
    from touchstone.reporting.page_terminal import terminal_page

    answer(terminal_page(explanation_page(card.id, card.name, checks)))


def _write_html(page: Any, place: Path) -> None:
    from touchstone.errors import SettingsError
    from touchstone.reporting.page_html import html_page

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(html_page(page), encoding="utf-8", newline="\n")
    except OSError as error:
        raise SettingsError(
            "{path} cannot be written: {reason}; name another place", path=str(place), reason=error.strerror
        ) from error
