"""Improve: the ladders that were measured, and for a task which ways would be tried, at what price; then the run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from touchstone.decision.improve_base import WAYS
from touchstone.errors import SettingsError, TouchstoneError, UserError
from touchstone.language import N_, _, ngettext
from touchstone.reporting import numbers
from touchstone.reporting.improve_plan_page import plan_page, way_name
from touchstone.web.base import Answer, Ask, Follow, Move, NotAllowed, NotHere, Route, Show
from touchstone.web.pages import improve_ladder, improve_look, improve_run, improve_train
from touchstone.web.pages.improve_base import about, file_of, found_task, load, task_named, views
from touchstone.web.pages.tasks_base import by_field, mend, reach, told
from touchstone.workspace import improve as front
from touchstone.workspace.base import CompareOptions, Plan, PlannedCandidate, cap_sentence
from touchstone.workspace.improve_entries import bases_of
from touchstone.workspace.improve_section import ImproveSection, as_paths
from touchstone.workspace.task_documents import FOLDER, MOST_BYTES, MOST_FILES, SUFFIXES, documents_of, keep_document
from touchstone.workspace.task_text import change_keys
from touchstone.workspace.taskfile import Task
from touchstone.workspace.tasks import FarTask, OwnTask, comparisons_of, far_tasks, own_tasks
from touchstone.workspace.yaml_file import read_yaml

_PAGE = 25

MODES = {
    "rules": N_("What the rules find worth trying"),
    "also": N_("That, and the ways ticked below"),
    "only": N_("Only the ways ticked below"),
}
READS = {
    "none": N_("No documents"),
    "documents": N_("The documents of this task"),
    "cases": N_("Labelled train cases, looked up by likeness"),
}


def listing(ask: Ask) -> Answer:
    """All tasks and ladders of the project; with `?task=NAME` that task."""
    named = ask.query.text("task", longest=200)
    if not named:
        return _listing(ask)
    try:
        return Move(about(task_named(ask, named)))
    except NotHere:
        return _listing(ask, missing=True)


def _listing(ask: Ask, *, missing: bool = False) -> Show:
    comparisons = ask.workspace.comparisons()
    at = ask.query.whole("from", 0, high=10**9) or 0
    live = {view.job.about: view.job.id for view in ask.jobs.all() if view.is_live and view.job.verb == "improve"}
    return Show(
        "improve/list.html.j2",
        {
            "views": views("/improve"),
            "missing": missing,
            "tasks": [
                (one, comparisons_of(one.path, comparisons), live.get(about(one))) for one in own_tasks(ask.folder)
            ],
            "far": [(one, live.get(about(one))) for one in far_tasks(ask.folder, comparisons)],
            "shown": comparisons[at : at + _PAGE],
            "count": len(comparisons),
            "before": max(0, at - _PAGE) if at else None,
            "after": at + _PAGE if at + _PAGE < len(comparisons) else None,
            "sentence": lambda one: one.sentence(_),
        },
        status=404 if missing else 200,
    )


# A task: which ways, and the plan ------------------------------------------------------------------------------------


def task(ask: Ask) -> Answer:
    """Which ways would be tried, why, and what it would take; the button comes with the price."""
    return _task(ask, found_task(ask), {}, with_plan=ask.is_fragment or ask.query.flag("plan"))


def _task(
    ask: Ask, found: OwnTask | FarTask, problems: Mapping[str, str], *, with_plan: bool, status: int = 200
) -> Answer:
    own = found if isinstance(found, OwnTask) else None
    if own is not None and own.task is None:
        return mend(own)
    path = file_of(ask, found)
    file = own.task if own is not None else None
    typed = ask.form if ask.form else ask.query
    section = (file.file.improve if file else None) or ImproveSection()
    priced: dict[str, Any] = {"plan": None, "page": None, "notices": (), "stops": "", "after": None}
    if with_plan and path is not None and ask.may("edit"):
        priced = _priced(ask, path, typed)
    plan: Plan | None = priced["plan"]
    usual = None if file is None else file.file.limits.max_usd
    values: dict[str, Any] = {
        **priced,
        "found": found,
        "own": own,
        "path": path,
        "with_plan": with_plan or path is None,
        "views": views(""),
        "ways": [(way, way_name(way)) for way in WAYS],
        "modes": MODES,
        "reads": READS,
        "now": _now(ask, file, section, problems),
        "ticked": set(ask.form.all("way") if problems else (section.ways or section.also)),
        "models": _models(ask, file),
        "chosen": set(ask.form.all("model") if problems else section.models),
        "documents": () if own is None else documents_of(own.path.parent),
        "suffixes": ",".join(SUFFIXES),
        "other_documents": _other_documents(section),
        "has_updated": section.updated is not None,
        "fine_tuned": section.fine_tuned,
        "problems": by_field(problems),
        "costs": plan is not None and _costs(plan),
        "cap": typed.text("max_usd") or ("" if usual is None else f"{usual:.12g}"),
        "flags": {name: typed.flag(name) for name in ("train", "full", "offline", "retry_failed", "new")},
        "cap_words": "" if plan is None or plan.cap_usd is None or not plan.remote_calls
        else cap_sentence(plan.cap_usd, plan.cap_is_firm, _, plan.spent_usd),
        "translate": _,
        "built": _built,
        "live": next((view for view in ask.jobs.about(about(found), 20) if view.is_live), None),
        "comparisons": (found.comparisons if isinstance(found, FarTask) else comparisons_of(
            found.path, ask.workspace.comparisons()))[:8],
        "sentence": lambda one: one.sentence(_),
    }  # fmt: skip
    return Show("improve/task.html.j2", values, block="plan", status=status)


def _priced(ask: Ask, path: Any, typed: Any) -> dict[str, Any]:
    """The ways with their reasons, what each would cost and take, or what stands in the way."""
    notices: list[str] = []
    found: dict[str, Any] = {"plan": None, "page": None, "notices": notices, "stops": "", "after": None}
    try:
        options = CompareOptions(full=typed.flag("full"), max_usd=_cap(typed))
        planned = front.plan(load(path), ask.workspace.ledger, options, train=typed.flag("train"))
        found["page"] = plan_page(planned.plan)
        found["plan"] = ask.workspace.plan(planned.task, options, notice=notices.append)
        if planned.section.updated is not None:
            found["after"] = ask.workspace.plan(front.after_the_change(planned), options)
    except UserError as error:
        found["stops"] = told(error)
    return found


def _costs(plan: Plan) -> bool:
    """Whether anybody takes money, or may, since nobody knows the price."""
    builds = [one.build for one in plan.candidates if one.build is not None and one.build.calls]
    worst = (*((plan.money[2],) if plan.remote_calls else ()), *(build.usd for build in builds))
    return any(usd is None or usd > 0 for usd in worst)


def _built(one: PlannedCandidate) -> str:
    """What building a candidate takes: money, time, or at least so many calls."""
    build = one.build
    if build is None:
        return "–"
    said = [numbers.money(build.usd)] if build.usd else []
    said += [numbers.seconds(build.took_s)] if build.took_s else []
    if not said and build.calls:
        said = [ngettext("{n} call", "{n} calls", build.calls).format(n=numbers.count(build.calls))]
    return _(", ").join(said) or "–"


def _cap(form: Any) -> float | None:
    usd: float | None = form.number("max_usd", low=1e-6, high=1e9)
    return usd


def _now(ask: Ask, file: Task | None, section: ImproveSection, problems: Mapping[str, str]) -> dict[str, str]:
    """What stands in the fields: what was typed where it could not be taken, else what the file says."""
    volume = None if file is None else file.file.volume.requests_per_month
    cases = isinstance(section.reads, Mapping)
    now = {
        "mode": "only" if section.ways else "also" if section.also else "rules",
        "reads": "cases" if cases else "documents" if section.reads is not None else "none",
        "requests_per_month": "" if volume is None else f"{volume:.12g}",
        "months": f"{section.months:.12g}",
        "facts_change_days": "" if section.facts_change_days is None else f"{section.facts_change_days:.12g}",
        "machine_usd_per_hour": "" if (usd := section.machine_usd_per_hour) is None else f"{usd:.12g}",
        "shots": ", ".join(map(str, section.shots)),
    }
    return {name: ask.form.text(name) for name in now} if problems and ask.form else now


def _models(ask: Ask, file: Task | None) -> list[str]:
    """Candidates that can be improved: those that ask a model as it is."""
    if file is None:
        return []
    try:
        return [base.spec.name for base in bases_of(load(file.path), ask.workspace.ledger, ImproveSection())]
    except TouchstoneError:
        return []  # what is wrong with the candidates is said by the plan


def _other_documents(section: ImproveSection) -> tuple[str, ...]:
    """What the file names besides the folder of uploads."""
    return tuple(one for one in as_paths(section.documents) if one != FOLDER)


def save(ask: Ask) -> Answer:
    """Write the ways into the task file, and keep documents that came along."""
    found = found_task(ask)
    if not isinstance(found, OwnTask) or found.task is None:
        raise NotAllowed(N_("this task lies outside the workspace; edit its file where it is"))
    problems: dict[str, str] = {}
    try:
        for upload in ask.form.files("documents", most=MOST_FILES):
            with closing(upload.file):
                keep_document(found.path.parent, upload.file, upload.filename or "")
    except SettingsError as error:
        problems["documents"] = told(error)
    changes = _changes(ask, found, problems)
    if not problems:
        try:
            change_keys(found.path, changes, check=reach(ask, found))
        except UserError as error:
            problems["form"] = told(error)
    if problems:
        return _task(ask, found, problems, with_plan=False, status=422)
    said = _("Saved in the task file. Below is what would be tried, and its price.")
    return Move(f"/improve/tasks/{found.name}", said)


def _changes(ask: Ask, own: OwnTask, problems: dict[str, str]) -> dict[str, Any]:
    """The keys of the task file as the form wants them; what `improve` held besides stays in it."""
    raw = read_yaml(own.path)[0]
    form = ask.form
    section: dict[str, Any] = dict(raw.get("improve") or {})
    ticked = [way for way in form.all("way", most=20) if way in WAYS]
    mode = form.choice("mode", MODES, "rules")
    section["ways"], section["also"] = (ticked if mode == "only" else None), (ticked if mode == "also" else None)
    if mode != "rules" and not ticked:
        problems["mode"] = _("Tick the ways that are meant, or leave it to the rules.")
    section["models"] = [str(one) for one in form.all("model", most=64, longest=300)] or None
    reads = form.choice("reads", READS, "none")
    if reads == "documents":
        named = [*as_paths(section.get("documents"))] or [FOLDER]
        if documents_of(own.path.parent) and FOLDER not in named:
            named.append(FOLDER)
        if named == [FOLDER] and not documents_of(own.path.parent) and "documents" not in problems:
            problems["documents"] = _("Choose the documents whose passages are shown.")
        section["documents"] = named[0] if len(named) == 1 else named
    else:
        section["documents"] = {"cases": "train"} if reads == "cases" else None
    limits = {"months": (0.1, 600.0), "facts_change_days": (0.1, 36_500.0), "machine_usd_per_hour": (0.0, 10_000.0)}
    for name, (low, high) in limits.items():
        section[name] = _number(form, name, low, high, problems)
    section["shots"] = _shots(form.text("shots"), problems)
    kept = {key: value for key, value in section.items() if value is not None}
    requests = _number(form, "requests_per_month", 1e-3, 1e12, problems)
    volume = {**(raw.get("volume") or {}), "requests_per_month": requests}
    volume = {key: value for key, value in volume.items() if value is not None}
    return {"improve": kept or None, "volume": volume or None}


def _number(form: Any, name: str, low: float, high: float, problems: dict[str, str]) -> float | int | None:
    try:
        value: float | None = form.number(name, low=low, high=high)
    except SettingsError as error:
        problems[name] = error.text(_)
        return None
    return int(value) if value is not None and value == int(value) else value


def _shots(text: str, problems: dict[str, str]) -> list[int] | None:
    if not text:
        return None
    try:
        found = sorted({int(one) for one in text.replace("，", ",").replace("、", ",").split(",")})
    except ValueError:
        found = [0]
    if found[0] < 1 or found[-1] > 256:
        problems["shots"] = _("Write numbers from 1 to 256, such as 1, 4, 8.")
    return found


# The run ------------------------------------------------------------------------------------------------------------


def run(ask: Ask) -> Answer:
    """Begin the run as a job; it goes on without the page and without the site."""
    found = found_task(ask)
    path = file_of(ask, found)
    if path is None:
        raise NotAllowed(N_("this task lies outside the workspace; whoever runs this site can start it there"))
    form, problems = ask.form, dict[str, str]()
    cap: float | None = None
    try:
        cap = _cap(form)
        options = CompareOptions(full=form.flag("full"), offline=form.flag("offline"), max_usd=cap)
        planned = front.plan(load(path), ask.workspace.ledger, options, train=form.flag("train"))
        if cap is None and not options.offline and _costs(ask.workspace.plan(planned.task, options)):
            problems["max_usd"] = _("Somebody here takes money: say how much the run may spend at most.")
    except UserError as error:
        problems["run"] = told(error)
    if any(view.is_live for view in ask.jobs.about(about(found), 20)):
        problems["run"] = _("A run of this task is at work already; stop it first, or wait.")
    if problems:
        return _task(ask, found, problems, with_plan=True, status=422)
    named = ("train", "full", "offline", "retry_failed", "new")
    flags = [f"--max-usd={cap:.12g}"] if cap is not None else []
    flags += [f"--{name.replace('_', '-')}" for name in named if form.flag(name)]
    job = ask.jobs.start(
        "improve", *flags, "--", str(path.absolute()),
        title=_("Improve {task}").format(task=found.title), about=about(found), who=ask.viewer.name,
        language=ask.language,
    )  # fmt: skip
    return Move(f"{about(found)}/runs/{job.id}")


def live(ask: Ask) -> Answer:
    """The run as it goes on: trainings first, then the race; and how it ended."""
    found = found_task(ask)
    improve_run.own_run(ask, about(found))
    values = improve_run.facts(ask.jobs, ask.params["job"])
    return Show("improve/run.html.j2", {**values, "found": found}, block="standing")


def events(ask: Ask) -> Answer:
    """The same as it changes, until it ends."""
    found = found_task(ask)
    improve_run.own_run(ask, about(found))
    return Follow(improve_run.followed(ask, "improve/run.html.j2", {"found": found}))


def stop(ask: Ask) -> Answer:
    """Stop it; what was answered and learned is kept."""
    found = found_task(ask)
    improve_run.own_run(ask, about(found))
    view = ask.jobs.stop(ask.params["job"])
    said = _("It stops as soon as what is under way has ended; what was answered is kept.") if view.is_live else ""
    return Move(f"{about(found)}/runs/{view.job.id}", said)


def go_on(ask: Ask) -> Answer:
    """Go on from where it was."""
    found = found_task(ask)
    improve_run.own_run(ask, about(found))
    job = ask.jobs.go_on(ask.params["job"], language=ask.language)
    return Move(f"{about(found)}/runs/{job.id}")


routes = (
    Route("/improve", listing, "view"),
    Route("/improve/tasks/{task}", task, "view"),
    Route("/improve/tasks/{task}", save, "edit", methods=("POST",), body_bytes=4 * MOST_BYTES),
    Route("/improve/tasks/{task}/run", run, "edit", methods=("POST",)),
    Route("/improve/tasks/{task}/runs/{job}", live, "view"),
    Route("/improve/tasks/{task}/runs/{job}/events", events, "view"),
    Route("/improve/tasks/{task}/runs/{job}/stop", stop, "edit", methods=("POST",)),
    Route("/improve/tasks/{task}/runs/{job}/go-on", go_on, "edit", methods=("POST",)),
    *improve_ladder.routes,
    *improve_look.routes,
    *improve_train.routes,
)
