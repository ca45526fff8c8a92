"""What a run would cost, a look at three cases, the run itself, and the race as it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from touchstone.errors import SettingsError, TaskError, TouchstoneError, UnknownName, UserError
from touchstone.language import N_, _
from touchstone.reporting import words
from touchstone.reporting.charts import interval_strip
from touchstone.reporting.live import Lane, Progress
from touchstone.reporting.scales import Scale
from touchstone.web.base import Answer, Ask, Follow, Move, Route, Show
from touchstone.web.pages.jobs import STATES, follow
from touchstone.web.pages.tasks_base import by_field, found, load, mend, named, tabs, told
from touchstone.workspace.base import CompareOptions, Plan, cap_sentence
from touchstone.workspace.jobs import Jobs, JobView
from touchstone.workspace.taskfile import Task
from touchstone.workspace.tasks import OwnTask
from touchstone.workspace.tryout import MOST_CASES, Tryout, candidate_names, may_cost, try_out

_TRY_USD = 0.05
_TRY_MOST_USD = 1.0
_TRY_S = 60.0
_SCORES = Scale(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0))

LANES = {
    "leader": N_("▸ leads"),
    "running": N_("is asked"),
    "settled": N_("✓ settled, asked no more"),
    "infeasible": N_("✗ ruled out by a constraint"),
    "unreachable": N_("✗ cannot be reached"),
}
"""States of a candidate in a race, for people."""


# A look at a few cases ---------------------------------------------------------------------------------------------


def look(ask: Ask) -> Answer:
    """Choose a candidate, and see three cases."""
    own = found(ask)
    return mend(own) if own.task is None else _look(ask, own)


def _look(ask: Ask, own: OwnTask, tryout: Tryout | None = None, problem: str = "", status: int = 200) -> Show:
    names: Sequence[str] = ()
    try:
        names = candidate_names(load(own), ask.workspace.ledger)
    except UserError as error:
        problem = problem or told(error)
    return Show(
        "tasks/try.html.j2",
        {
            "own": own,
            "tabs": tabs(ask, own.name, "/try"),
            "names": names,
            "chosen": ask.form.text("candidate") or (names[0] if names else ""),
            "cap": ask.form.text("cap") or f"{_TRY_USD:g}",
            "most_usd": _TRY_MOST_USD,
            "most_cases": MOST_CASES,
            "tryout": tryout,
            "named": named,
            "words_of_kind": _words_of_kind,
            "problem": problem,
        },
        status=status,
    )


def _words_of_kind(kind: str | None) -> str:
    """What an answer without a score is."""
    return _("not asked") if kind is None else words.kind_name(kind)


def try_now(ask: Ask) -> Answer:
    """Ask one candidate three cases; what it may cost was shown before."""
    own = found(ask)
    if own.task is None:
        return mend(own)
    try:
        cap = ask.form.number("cap", _TRY_USD, low=0.0, high=_TRY_MOST_USD)
        name = ask.form.text("candidate", longest=300)
        tryout = try_out(ask.workspace, load(own), name, cap_usd=cap or 0.0, deadline_s=_TRY_S)
    except TaskError as error:
        return _look(ask, own, problem=told(error), status=422)
    except TouchstoneError as error:
        return _look(ask, own, problem=error.text(_), status=422)
    return _look(ask, own, tryout)


# The price, and the button -----------------------------------------------------------------------------------------


def price(ask: Ask) -> Answer:
    """What a run would ask and cost; the button comes with the price."""
    own = found(ask)
    if own.task is None:
        return mend(own)
    return _price(ask, own, own.task, {}, with_plan=ask.is_fragment or ask.query.flag("plan"))


def _price(ask: Ask, own: OwnTask, task: Task, problems: dict[str, str], *, with_plan: bool, status: int = 200) -> Show:
    typed = ask.form if ask.form else ask.query
    plan: Plan | None = None
    blocks, usual = "", task.file.limits.max_usd
    try:
        repeats = typed.whole("repeat", 1, low=1, high=100) or 1
        if with_plan:
            options = CompareOptions(repeats=repeats, full=typed.flag("full"), max_usd=_cap(typed))
            plan = ask.workspace.plan(load(own), options)
    except UserError as error:
        blocks = told(error)
        repeats = 1
    return Show(
        "tasks/run.html.j2",
        {
            "own": own,
            "tabs": tabs(ask, own.name, "/run"),
            "plan": plan,
            "blocks": blocks,
            "with_plan": with_plan,
            "costs": plan is not None and any(one.paid for one in plan.candidates),
            "total": None if plan is None else plan.money,
            "cap": typed.text("max_usd") or ("" if usual is None else f"{usual:.12g}"),
            "repeat": repeats,
            "full": typed.flag("full"),
            "offline": typed.flag("offline"),
            "retry": typed.flag("retry_failed"),
            "new": typed.flag("new"),
            "has_gate": task.file.gate is not None,
            "problems": by_field(problems),
            "translate": _,
            "warned": _warned,
            "cap_words": _cap_words(plan),
            "live": next((view for view in ask.jobs.about(f"/tasks/{own.name}", 20) if view.is_live), None),
        },
        block="plan",
        status=status,
    )


def _warned(line: str) -> str:
    """A warning of the plan without the path under which we keep the cases."""
    place, _colon, words = line.partition(": ")
    return words if "/" in place and words else line


def _cap_words(plan: Plan | None) -> str:
    """Which promise the cap makes; empty where there is none to make."""
    if plan is None or plan.cap_usd is None or not plan.remote_calls:
        return ""
    return cap_sentence(plan.cap_usd, plan.cap_is_firm, _, plan.spent_usd)


def _cap(form: Any) -> float | None:
    usd: float | None = form.number("max_usd", low=1e-6, high=1e9)
    return usd


def run(ask: Ask) -> Answer:
    """Begin the run as a job; it goes on without the page and without the site."""
    own = found(ask)
    if own.task is None:
        return mend(own)
    form, problems = ask.form, dict[str, str]()
    flags: list[str] = []
    try:
        cap, repeats = _cap(form), form.whole("repeat", 1, low=1, high=100) or 1
    except SettingsError:
        problems["max_usd"] = _("Write an amount of USD, and how many answers a case as a whole number.")
        return _price(ask, own, own.task, problems, with_plan=False, status=422)
    try:
        options = CompareOptions(repeats=repeats, full=form.flag("full"), offline=form.flag("offline"))
        if cap is None and not options.offline and may_cost(ask.workspace, load(own), options):
            problems["max_usd"] = _("Somebody here takes money: say how much the run may spend at most.")
    except UserError:
        problems["form"] = ""  # the plan says what it is
    if any(view.is_live for view in ask.jobs.about(f"/tasks/{own.name}", 20)):
        problems["form"] = _("A run of this task is at work already; stop it first, or wait.")
    if problems:
        return _price(ask, own, own.task, problems, with_plan=True, status=422)
    flags += [f"--max-usd={cap:.12g}"] if cap is not None else []
    flags += [f"--repeat={repeats}"] if repeats > 1 else []
    flags += [f"--{name.replace('_', '-')}" for name in ("full", "offline", "retry_failed", "new") if form.flag(name)]
    job = ask.jobs.start(
        "compare", *flags, "--", str(own.path.absolute()),
        title=own.title, about=f"/tasks/{own.name}", who=ask.viewer.name, language=ask.language,
    )  # fmt: skip
    return Move(f"/tasks/{own.name}/runs/{job.id}")


# The race ----------------------------------------------------------------------------------------------------------


def race(ask: Ask) -> Answer:
    """The run as it goes on, and how it ended."""
    own = found(ask)
    _own_run(ask, own)
    values = _facts(ask.jobs, ask.params["job"])
    return Show("tasks/race.html.j2", {**values, "own": own}, block="standing")


def events(ask: Ask) -> Answer:
    """The same as it changes, until it ends."""
    own = found(ask)
    _own_run(ask, own)

    def facts(jobs: Jobs, job_id: str) -> dict[str, Any]:
        return {**_facts(jobs, job_id), "own": own}

    return Follow(follow(ask, "tasks/race.html.j2", "standing", ask.params["job"], facts))


def stop(ask: Ask) -> Answer:
    """Stop the run; what was answered is kept."""
    own = found(ask)
    _own_run(ask, own)
    view = ask.jobs.stop(ask.params["job"])
    said = _("It stops as soon as what is under way has ended; what was answered is kept.") if view.is_live else ""
    return Move(f"/tasks/{own.name}/runs/{view.job.id}", said)


def go_on(ask: Ask) -> Answer:
    """Go on from where it was; nothing that was answered is bought again."""
    own = found(ask)
    _own_run(ask, own)
    job = ask.jobs.go_on(ask.params["job"], language=ask.language)
    return Move(f"/tasks/{own.name}/runs/{job.id}")


def _own_run(ask: Ask, own: OwnTask) -> JobView:
    """The run of this very task that the address means. Raises `UnknownName`."""
    view = ask.jobs.view(ask.params["job"])
    if view.job.about != f"/tasks/{own.name}" or view.job.verb != "compare":
        raise UnknownName(kind="job", name=view.job.id, known=())
    return view


def _facts(jobs: Jobs, job_id: str) -> dict[str, Any]:
    view = jobs.view(job_id)
    kept = jobs.progress(job_id)
    progress = Progress.model_validate(kept["said"]) if kept and kept.get("kind") == "comparison" else None
    result = None if view.is_live else jobs.result(job_id)
    lanes = () if progress is None else sorted(progress.lanes, key=_place)
    return {
        "view": view,
        "states": STATES,
        "progress": progress,
        "lanes": [(lane, strip(lane), _mean(lane)) for lane in lanes],
        "lane_words": LANES,
        "cap": _cap_of(view),
        "said": jobs.said(job_id),
        "verdict_words": _verdict_words,
        "result": result if isinstance(result, dict) and "comparison_id" in result else None,
    }


def _verdict_words(result: Any) -> str:
    """What was decided, in a few words."""
    decision = result["decision"]
    words = {
        "winner": _("{chosen} wins"),
        "tie": _("tie; {chosen} chosen"),
        "none_qualifies": _("nobody qualifies"),
        "insufficient": _("not enough evidence"),
    }
    return words[decision["verdict"]].format(chosen=decision.get("chosen"))


def _place(lane: Lane) -> tuple[bool, bool, float]:
    return lane.is_over, lane.state != "leader", -(_mean(lane) or 0.0)


def _mean(lane: Lane) -> float | None:
    return lane.score_sum / lane.scored if lane.scored else None


def strip(lane: Lane) -> Any:
    """The score so far on its anytime-valid interval, between 0 and 1, as a picture; the numbers stand beside it."""
    return interval_strip(_SCORES, _mean(lane), lane.low, lane.high, marked=lane.state == "leader")


def _cap_of(view: JobView) -> float | None:
    said = next((word for word in view.job.arguments if word.startswith("--max-usd=")), "")
    return float(said.partition("=")[2]) if said else None


routes = (
    Route("/tasks/{task}/try", look, "edit"),
    Route("/tasks/{task}/try", try_now, "edit", methods=("POST",)),
    Route("/tasks/{task}/run", price, "edit"),
    Route("/tasks/{task}/run", run, "edit", methods=("POST",)),
    Route("/tasks/{task}/runs/{job}", race, "view"),
    Route("/tasks/{task}/runs/{job}/events", events, "view"),
    Route("/tasks/{task}/runs/{job}/stop", stop, "edit", methods=("POST",)),
    Route("/tasks/{task}/runs/{job}/go-on", go_on, "edit", methods=("POST",)),
)
