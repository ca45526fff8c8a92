"""Long work of Improve as it goes on: a training with its loss, a race with its intervals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from touchstone.errors import UnknownName
from touchstone.language import N_, _
from touchstone.reporting.live import Progress
from touchstone.reporting.loss_chart import loss_chart
from touchstone.training.steps import Step, TrainingProgress
from touchstone.web.base import Ask, Event
from touchstone.web.pages.jobs import STATES, follow
from touchstone.web.pages.tasks_run import LANES, strip
from touchstone.workspace.jobs import Jobs, JobView

VERBS = ("improve", "train")
WAYS = {"lora": N_("adapters (LoRA)"), "full": N_("all weights"), "pretrain": N_("from nothing")}
"""Ways of training, for people."""


def way_words(way: str) -> str:
    """A way of training in the reader's language."""
    return _(WAYS[way]) if way in WAYS else way


def card_address(card: str) -> str:
    """Where the card of a model that was trained here is shown."""
    return f"/catalog/{quote(card)}"


def own_run(ask: Ask, about: str) -> JobView:
    """The job of the address, where it is about just this. Raises `UnknownName`."""
    view = ask.jobs.view(ask.params["job"])
    if view.job.about != about or view.job.verb not in VERBS:
        raise UnknownName(kind="job", name=view.job.id, known=())
    return view


def facts(jobs: Jobs, job_id: str) -> dict[str, Any]:
    """Where a job stands, for its page."""
    view = jobs.view(job_id)
    kept = jobs.progress(job_id) or {}
    training = TrainingProgress.model_validate(kept["said"]) if kept.get("kind") == "training" else None
    race = Progress.model_validate(kept["said"]) if kept.get("kind") == "comparison" else None
    lanes = () if race is None else race.lanes
    result = None if view.is_live else jobs.result(job_id)
    result = result if isinstance(result, dict) else {}
    return {
        "view": view,
        "states": STATES,
        "training": training,
        "chart": None if training is None else chart(training.steps, training.name),
        "race": race,
        "lanes": [(lane, strip(lane), lane.score_sum / lane.scored if lane.scored else None) for lane in lanes],
        "lane_words": LANES,
        "said": jobs.said(job_id),
        "comparison": (result.get("comparison") or {}).get("comparison_id"),
        "pays": (result.get("ladder") or {}).get("pays"),
        "trained": result.get("training"),
        "card_address": card_address,
    }


def chart(steps: tuple[Step, ...], name: str) -> Any:
    """The loss so far, over all steps that are planned."""
    return loss_chart(
        steps,
        name=name,
        write=lambda loss: f"{loss:.2f}",
        title=_("Loss by step"),
        caption=_("Nats per token of what is learned to be said; lower is better."),
    )


def followed(ask: Ask, template: str, more: Mapping[str, Any]) -> AsyncIterator[Event]:
    """The block `standing` of a page each time the job has said something new."""

    def look(jobs: Jobs, job_id: str) -> dict[str, Any]:
        return {**facts(jobs, job_id), **more}

    return follow(ask, template, "standing", ask.params["job"], look)
