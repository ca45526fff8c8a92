"""What changes the catalog of a project: sources that are asked anew, and cards of the team's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from touchstone.catalog.own import Added, add_body
from touchstone.catalog.providers import providers
from touchstone.catalog.refresh import SOURCES, shelf_of
from touchstone.errors import SettingsError, TouchstoneError
from touchstone.language import N_, _, ngettext
from touchstone.reporting import catalog_words as words
from touchstone.reporting import numbers
from touchstone.web.base import Answer, Ask, Follow, Move, Route, Show
from touchstone.web.pages.catalog_asked import card_address
from touchstone.web.pages.jobs import STATES, follow
from touchstone.workspace.jobs import Jobs

_HERE = "/catalog/refresh"
_CARD_BYTES = 2 << 20
_SHOWN = 200
"""Changes of one kind that a page lists; the job's result has all of them."""

SOURCE_WORDS = {
    "models-dev": N_("models.dev: models and prices of many sellers"),
    "openrouter": N_("OpenRouter: models and prices there"),
    "hugging-face": N_("Hugging Face: the repositories of our cards"),
    "ollama": N_("Ollama on this machine: what is installed"),
}
_ENDS = {"toml": ".toml", "card": ".md"}


def sources() -> Mapping[str, str]:
    """Every source that can be asked from a page, with words for it; addresses are those of the settings."""
    known = {name: _(SOURCE_WORDS[name]) for name in SOURCES}
    lists = {f"v1/{one.id}": _("{name}: its own list of models").format(name=one.name) for one in providers()}
    return {**known, **lists}


# Sources --------------------------------------------------------------------------------------------------------------


def refresh(ask: Ask) -> Answer:
    """Which sources there are, what was asked last, and what taking it would change."""
    job_id = ask.query.text("job", longest=60)
    shelf = shelf_of(ask.folder)
    return Show(
        "catalog/refresh.html.j2",
        {
            "sources": list(sources().items()),
            "copies": [(source, shelf.fetched_at(source)) for source in shelf.sources()],
            "jobs": ask.jobs.about(_HERE, most=10),
            "states": STATES,
            **(_asked(ask.jobs, job_id) if job_id else {"view": None}),
        },
        block="asked" if job_id else None,
    )


def begin(ask: Ask) -> Answer:
    """Ask a source; nothing is taken."""
    source = ask.form.choice("source", sources(), "models-dev")
    job = ask.jobs.start(
        "catalog", "refresh", source,
        title=_("Ask {source} what is new").format(source=source), about=_HERE, who=ask.viewer.name,
        language=ask.language,
    )  # fmt: skip
    return Move(f"{_HERE}?job={job.id}")


def take(ask: Ask) -> Answer:
    """Take what a job showed, and nothing else: a source that says something different by now is not taken."""
    job_id = ask.form.text("job", longest=60)
    shown = _shown(ask.jobs, job_id)
    if shown is None or not shown["digest"]:
        raise SettingsError("job {id} has shown nothing that could be taken", id=job_id)
    flags = ["--take", f"--seen={shown['digest']}", *(["--force"] if shown["doubt"] else [])]
    source = _source(ask.jobs, job_id)
    job = ask.jobs.start(
        "catalog", "refresh", *flags, source,
        title=_("Take what {source} says").format(source=source), about=_HERE, who=ask.viewer.name,
        language=ask.language,
    )  # fmt: skip
    return Move(f"{_HERE}?job={job.id}")


def events(ask: Ask) -> Answer:
    """The same as it goes on."""
    job_id = ask.query.text("job", longest=60)
    ask.jobs.view(job_id)
    return Follow(follow(ask, "catalog/refresh.html.j2", "asked", job_id, _asked))


def _source(jobs: Jobs, job_id: str) -> str:
    """The source that a job asks; its last word, which only we write."""
    source = jobs.view(job_id).job.arguments[-1]
    if source not in sources():
        raise SettingsError("job {id} has shown nothing that could be taken", id=job_id)
    return source


def _shown(jobs: Jobs, job_id: str) -> dict[str, Any] | None:
    """What a job that asked one source answered; None while there is nothing, or it did something else."""
    view = jobs.view(job_id)
    found = jobs.result(job_id)
    if view.job.about != _HERE or view.is_live or not isinstance(found, list) or len(found) != 1:
        return None
    shown: dict[str, Any] = found[0]
    return shown


def _asked(jobs: Jobs, job_id: str) -> dict[str, Any]:
    view, shown = jobs.view(job_id), _shown(jobs, job_id)
    return {
        "view": view,
        "states": STATES,
        "said": jobs.said(job_id),
        "shown": shown,
        "source": view.job.arguments[-1],
        "changes": _changes(shown) if shown and shown["digest"] else [],
        "counts": _counts(shown) if shown and shown["digest"] else [],
    }


def _counts(shown: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = shown["difference"]
    return [
        (_("Entries"), numbers.count(shown["entries"])),
        (_("New"), numbers.count(len(found["added"]))),
        (_("Gone"), numbers.count(len(found["removed"]))),
        (_("Facts changed"), numbers.count(len(found["changed"]))),
        (_("Prices changed"), numbers.count(len(found["prices"]))),
        (_("Could not be used"), numbers.count(shown["skipped"])),
    ]


def _changes(shown: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[tuple[str, ...]], int]]:
    """Tables of what taking it would change: title, heads, rows, and how many more there are."""
    found = shown["difference"]
    prices: list[tuple[str, ...]] = [
        (
            _entry(one["provider"], one["id"]),
            _(words.UNITS[one["unit"]]) if one["unit"] in words.UNITS else one["unit"],
            f"{one['per']:,}",
            _price(one["old_usd"]),
            _price(one["new_usd"]),
            numbers.UNKNOWN if one["percent"] is None else f"{one['percent']:+.1f} %",
        )
        for one in found["prices"]
    ]
    facts: list[tuple[str, ...]] = [
        (_entry(one["provider"], one["id"]), words.field_name(one["field"]), _fact(one["old"]), _fact(one["new"]))
        for one in found["changed"]
    ]
    tables: list[tuple[str, Sequence[str], list[tuple[str, ...]]]] = [
        (_("Prices"), (_("Entry"), _("What"), _("per"), _("USD was"), _("USD is"), _("Change")), prices),
        (_("Facts"), (_("Entry"), _("Fact"), _("was before"), _("is now")), facts),
        (_("Gone"), (_("Entry"),), [(_entry(*key),) for key in found["removed"]]),
        (_("New"), (_("Entry"),), [(_entry(*key),) for key in found["added"]]),
    ]
    return [(title, heads, rows[:_SHOWN], max(len(rows) - _SHOWN, 0)) for title, heads, rows in tables if rows]


def _entry(provider: str | None, entry: str) -> str:
    return f"{provider}: {entry}" if provider else entry


def _price(usd: str | None) -> str:
    return numbers.UNKNOWN if usd is None else str(usd)


def _fact(value: object) -> str:
    return numbers.UNKNOWN if value is None else words.text(tuple(value) if isinstance(value, list) else value)


# Cards ----------------------------------------------------------------------------------------------------------------


def add(_ask: Ask) -> Answer:
    """The form for a card of the team's own."""
    return Show("catalog/add.html.j2", {"text": "", "kind": "toml", "id": "", "replace": False, "problem": ""})


def added(ask: Ask) -> Answer:
    """Take a card: a file, or what was pasted; what is wrong with it stands beside it."""
    kind = ask.form.choice("kind", _ENDS, "toml")
    text, model_id = "", ask.form.text("id", longest=400)
    try:
        text = ask.form.raw("text", longest=_CARD_BYTES)
        body, name = _body(ask, text, kind)
        with ask.catalog() as catalog:
            cards = catalog.cards() if name.suffix.lower() != ".toml" else ()
            repositories = {one.model.hugging_face: one.id for one in cards if one.model and one.model.hugging_face}
        done = add_body(
            ask.folder / "catalog",
            body,
            name,
            today=datetime.now(UTC).date().isoformat(),
            model_id=model_id or None,
            replace=ask.form.flag("replace"),
            repositories=repositories,
        )
    except TouchstoneError as error:
        values = {"text": text, "kind": kind, "id": model_id, "replace": ask.form.flag("replace")}
        return Show("catalog/add.html.j2", {**values, "problem": error.text(_)}, status=422)
    ask.site.catalog_changed(ask.viewer.project)
    return Move(card_address(done.card.model.id), _said(done), tone="warning" if done.kept else "done")


def _body(ask: Ask, text: str, kind: str) -> tuple[bytes, Path]:
    """What was sent and what it is called: a file by its own ending, a text by what was chosen."""
    file = ask.form.file("file")
    if file is not None:
        name = Path((file.filename or "card").replace("\\", "/").rpartition("/")[2][:100])
        with file.file as opened:
            body = opened.read(_CARD_BYTES)
        return body, name if name.suffix else name.with_suffix(_ENDS[kind])
    if not text.strip():
        raise SettingsError("choose a file or paste a card")
    return text.encode("utf-8", "surrogatepass"), Path("card" + _ENDS[kind])


def _said(done: Added) -> str:
    said = [_("{model} is in the catalog, marked as ours.").format(model=done.card.model.id)]
    if done.hides_shipped:
        said.append(_("It stands in for the card that comes with the package."))
    if done.claims:
        found = ngettext("{n} result was read from it.", "{n} results were read from it.", len(done.claims))
        said.append(found.format(n=len(done.claims)))
    if done.kept:
        names = _(", ").join(one.key for one in done.kept[:8])
        said.append(_("Not understood, and kept in the file: {names}.").format(names=names))
    return " ".join(said)


routes = (
    Route(_HERE, refresh, "edit"),
    Route(_HERE, begin, "edit", methods=("POST",)),
    Route(f"{_HERE}/take", take, "edit", methods=("POST",)),
    Route(f"{_HERE}/events", events, "edit"),
    Route("/catalog/add", add, "edit"),
    Route("/catalog/add", added, "edit", methods=("POST",), body_bytes=_CARD_BYTES + (64 << 10)),
)
