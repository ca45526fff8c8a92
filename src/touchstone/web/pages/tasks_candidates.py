"""Who takes part in a task: from the catalog, a shortlist, an address, recorded answers, or for nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from touchstone.catalog.addresses import check_base_url
from touchstone.catalog.providers import providers
from touchstone.catalog.query import Query
from touchstone.errors import SettingsError, UnknownName, UserError
from touchstone.language import N_, _
from touchstone.web.base import Answer, Ask, Move, Route, Show
from touchstone.web.pages.tasks_base import by_field, chosen_models, found, mend, options, reach, tabs, told
from touchstone.workspace.shortlist_entries import Entry, entry_of
from touchstone.workspace.task_text import change_candidates, read_text, save_text
from touchstone.workspace.taskfile import Task
from touchstone.workspace.tasks import MOST_BYTES, OwnTask, keep_file, suffix_of
from touchstone.workspace.tryout import candidate_names
from touchstone.workspace.yaml_keys import in_flow

BASELINES = {
    "baseline/majority": N_("always the most frequent answer"),
    "baseline/nearest": N_("the answer of the most similar train case (BM25)"),
    "baseline/logistic": N_("TF-IDF and logistic regression"),
}
"""What costs nothing, for people."""
STARTERS = {
    "starter/s": N_("a small language model that ships with Touchstone; runs here"),
    "starter/m": N_("the middle one"),
    "starter/l": N_("the largest one"),
}
WAYS = {
    "prompt": N_("as it is, with the instruction"),
    "few_shot": N_("with examples out of the train cases"),
    "rag": N_("with passages of documents"),
    "few_shot+rag": N_("with examples and passages"),
}
"""Strategies that the form offers; the file and the page Improve know more."""

_HITS = 8
_MOST_DOCUMENTS = 50
_DOCUMENTS_BYTES = 64 * 1024 * 1024
_DOCUMENT_SUFFIXES = (".md", ".txt", ".pdf", ".docx", ".html", ".htm", ".csv", ".jsonl")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")


def candidates(ask: Ask) -> Answer:
    """Who takes part, and where further ones come from."""
    own = found(ask)
    return mend(own) if own.task is None else _candidates(ask, own, own.task, {})


def _candidates(ask: Ask, own: OwnTask, task: Task, problems: Mapping[str, str], status: int = 200) -> Show:
    text = ask.query.text("q", longest=300)
    there = list(task.file.candidates)
    hits: list[tuple[Any, Entry | None]] = []
    asked: list[tuple[str, Entry | None]] = []
    models = chosen_models(ask)
    if text or models:
        with ask.catalog() as catalog:
            if text:
                hits = [
                    (hit, entry_of(catalog.card(hit.id)))
                    for hit in catalog.search(Query(text=text, retired=False, limit=_HITS)).hits
                ]
            for model in models:
                try:
                    asked.append((model, entry_of(catalog.card(model))))
                except UnknownName:
                    asked.append((model, None))
    return Show(
        "tasks/candidates.html.j2",
        {
            "own": own,
            "tabs": tabs(ask, own.name, "/candidates"),
            "entries": [(at, shown(entry), details(entry)) for at, entry in enumerate(there)],
            "there": [entry for entry in there if isinstance(entry, str)],
            "q": text,
            "hits": hits,
            "asked": asked,
            "models": models,
            "baselines": BASELINES if find_spec("sklearn") is not None else _without_sklearn(),
            "starters": STARTERS,
            "ways": WAYS,
            "variables": sorted({one.key_env for one in providers() if one.key_env}),
            "problems": by_field(problems),
            "options": options,
            "typed": by_field(dict(ask.form.items())),
        },
        block="hits" if text and ask.method == "GET" else None,
        status=status,
    )


def _without_sklearn() -> Mapping[str, str]:
    return {name: words for name, words in BASELINES.items() if name != "baseline/logistic"}


def shown(entry: str | Mapping[str, Any]) -> str:
    """What a candidate is called in a list of them."""
    if isinstance(entry, str):
        return entry
    return str(entry.get("name") or entry.get("served_name") or entry.get("model") or entry.get("recorded"))


def details(entry: str | Mapping[str, Any]) -> str:
    """What stands beside its name."""
    if isinstance(entry, str):
        return ""
    return in_flow({key: value for key, value in entry.items() if key != "name"})


def change(ask: Ask) -> Answer:
    """Add candidates, or take one away."""
    own = found(ask)
    if own.task is None:
        return mend(own)
    origin = ask.form.choice("from", tuple(_FROM), "")
    try:
        if origin == "":
            gone = ask.form.whole("remove", high=10_000)
            task = change_candidates(own.path, remove=() if gone is None else (gone,), check=reach(ask, own))
            return Move(f"/tasks/{own.name}/candidates", _("It takes part no more; what it answered is kept."))
        entries = _FROM[origin](ask, own)
        if not entries:
            raise SettingsError("nobody was chosen; tick a box, or write a name")
        task = _added(ask, own, entries)
    except UserError as error:
        return _candidates(ask, own, own.task, {origin: told(error)}, 422)
    added = len(task.file.candidates) - len(own.task.file.candidates)
    if added <= 0:
        return Move(f"/tasks/{own.name}/candidates", _("They take part already."))
    return Move(f"/tasks/{own.name}/candidates", _("Added to the task."))


def _added(ask: Ask, own: OwnTask, entries: Sequence[str | Mapping[str, Any]]) -> Task:
    """The task with them; read as a run would read it, and as it was where a name or a parameter cannot be used."""
    before = read_text(own.path)
    task = change_candidates(own.path, add=entries, check=reach(ask, own))
    try:
        candidate_names(task, ask.workspace.ledger)
    except UserError:
        save_text(own.path, before.text)
        raise
    return task


def _named(ask: Ask, _own: OwnTask) -> Sequence[str | Mapping[str, Any]]:
    """Boxes that stand for names: baselines, starter models."""
    known = {**BASELINES, **STARTERS}
    return [one for one in ask.form.all("name", most=20) if one in known]


def _of_catalog(ask: Ask, _own: OwnTask) -> Sequence[str | Mapping[str, Any]]:
    """Models of the catalog, each by the first of its offers that can be called."""
    found: list[str | Mapping[str, Any]] = []
    with ask.catalog() as catalog:
        for model in ask.form.all("model", most=64, longest=300):
            entry = entry_of(catalog.card(model))
            if entry is None:
                raise SettingsError(
                    "nobody is known to sell {model} in a way that can be called; serve it and add its address",
                    model=model,
                )
            found.append(entry.reference)
    return found


def _model(ask: Ask, own: OwnTask) -> Sequence[str | Mapping[str, Any]]:
    """A model by its name, in a way."""
    form = ask.form
    model = form.text("model", longest=300)
    if not model:
        raise SettingsError("name a model, such as ollama/qwen3 or openai/gpt-4o-mini")
    way = form.choice("way", tuple(WAYS), "prompt")
    entry: dict[str, Any] = {"model": model}
    if way != "prompt":
        entry["strategy"] = way
    if "few_shot" in way:
        entry["k"] = form.whole("k", 4, low=1, high=256)
    if "rag" in way:
        entry["documents"] = _documents(ask, own)
    more = {
        "name": form.text("name", longest=200) or None,
        "system": form.text("system") or None,
        "temperature": form.number("temperature", low=0, high=10),
        "max_tokens": form.whole("max_tokens", low=1, high=1_000_000),
    }
    entry |= {name: value for name, value in more.items() if value is not None}
    return [entry if len(entry) > 1 else model]


def _documents(ask: Ask, own: OwnTask) -> list[str]:
    """Documents that were uploaded, or those that lie beside the task already."""
    uploads = ask.form.files("documents", most=_MOST_DOCUMENTS)
    folder = own.path.parent / "documents"
    for upload in uploads:
        name = (upload.filename or "").replace("\\", "/").rpartition("/")[2]
        suffix = Path(name).suffix.lower()
        if suffix not in _DOCUMENT_SUFFIXES:
            raise SettingsError(
                "{name} is no document that is read; there are {known}",
                name=name[-80:],
                known=", ".join(_DOCUMENT_SUFFIXES),
            )
        # Its name may say what it is about, and people look for it by its name; only what is plain in it is kept.
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(name).stem)[:60].strip("-") or "document"
        with closing(upload.file):
            keep_file(folder, upload.file, stem, suffix, most=_DOCUMENTS_BYTES)
    if not folder.is_dir() or not any(folder.iterdir()):
        raise SettingsError("choose the documents whose passages are shown")
    return ["documents"]


def _address(ask: Ask, _own: OwnTask) -> Sequence[str | Mapping[str, Any]]:
    """A server that speaks OpenAI's protocol; its key stays where it is."""
    form = ask.form
    base_url, served = form.text("base_url", longest=2_000), form.text("served_name", longest=300)
    if not base_url or not served:
        raise SettingsError("name the address up to /v1, and the model as that server calls it")
    entry: dict[str, Any] = {"model": "openai-compatible", "base_url": check_base_url(base_url), "served_name": served}
    if name := form.text("address_name", longest=200):
        entry["name"] = name
    if variable := form.text("key_env", longest=200):
        if not _VARIABLE.fullmatch(variable):
            raise SettingsError(
                "{value!r} is no name of an environment variable; the key itself is never written here", value="…"
            )
        entry["key_env"] = variable
    paid = form.number("input_usd", low=0, high=1e6), form.number("output_usd", low=0, high=1e6)
    if None not in paid:
        entry["price"] = {"input_usd": paid[0], "output_usd": paid[1]}
    elif paid != (None, None):
        raise SettingsError("a price has two sides: USD for a million input tokens, and for a million output tokens")
    if limit := form.whole("address_max_tokens", low=1, high=1_000_000):
        entry["max_tokens"] = limit
    if form.flag("stream"):
        entry["stream"] = True
    return [entry]


def _recorded(ask: Ask, own: OwnTask) -> Sequence[str | Mapping[str, Any]]:
    """Answers that were recorded elsewhere: case_id, model, output."""
    upload = ask.form.file("recording")
    if upload is None:
        raise SettingsError("choose the file with the recorded answers")
    with closing(upload.file):
        kept = keep_file(own.path.parent, upload.file, "recorded", suffix_of(upload.filename or ""))
    entry: dict[str, Any] = {"recorded": kept.name}
    if name := ask.form.text("recorded_model", longest=200):
        entry["model"] = name
    return [entry]


_FROM = {
    "": lambda _ask, _own: (),
    "named": _named,
    "catalog": _of_catalog,
    "model": _model,
    "address": _address,
    "recorded": _recorded,
}

routes = (
    Route("/tasks/{task}/candidates", candidates, "edit"),
    Route("/tasks/{task}/candidates", change, "edit", methods=("POST",), body_bytes=MOST_BYTES + (1 << 20)),
)
