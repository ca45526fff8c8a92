"""Long work: what runs, what ran, and each job live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from typing import Any

from touchstone.language import N_, _
from touchstone.web.base import Answer, Ask, Event, Follow, Move, Route, Show
from touchstone.web.render import part
from touchstone.workspace.jobs import Jobs, JobView

_LOOK_S = 0.5

STATES = {
    "running": N_("running"),
    "stopping": N_("stopping"),
    "done": N_("done"),
    "stopped": N_("stopped"),
    "capped": N_("stopped by the money cap"),
    "refused": N_("something must be changed first"),
    "failed": N_("failed"),
    "interrupted": N_("interrupted"),
}
"""Words for how a job stands."""


def listing(ask: Ask) -> Answer:
    """All jobs of the project, newest first."""
    return Show("jobs/list.html.j2", {"views": ask.jobs.all(), "states": STATES})


def one(ask: Ask) -> Answer:
    """A job: where it stands, what it says, and what can be done with it."""
    return Show("jobs/one.html.j2", _facts(ask.jobs, ask.params["job"]), block="standing")


def events(ask: Ask) -> Answer:
    """The same as it changes, until it ends."""
    ask.jobs.view(ask.params["job"])
    return Follow(follow(ask, "jobs/one.html.j2", "standing", ask.params["job"], _facts))


def stop(ask: Ask) -> Answer:
    """Ask it to stop; what was answered is kept."""
    ask.jobs.stop(ask.params["job"])
    return Move(
        f"/jobs/{ask.params['job']}", _("It stops as soon as what is under way has ended; what was answered is kept.")
    )


def go_on(ask: Ask) -> Answer:
    """Go on from where it was."""
    ask.jobs.go_on(ask.params["job"], language=ask.language)
    return Move(f"/jobs/{ask.params['job']}")


def _facts(jobs: Jobs, job_id: str) -> dict[str, Any]:
    view = jobs.view(job_id)
    return {
        "view": view,
        "states": STATES,
        "progress": jobs.progress(job_id),
        "said": jobs.said(job_id),
        "to_result": address_of_result(view),
    }


def address_of_result(view: JobView) -> str | None:
    """Where what the job made is shown; None while there is nothing."""
    return None if view.is_live else view.job.about or None


async def follow(
    ask: Ask, template: str, block: str, job_id: str, facts: Callable[[Jobs, str], dict[str, Any]]
) -> AsyncIterator[Event]:
    """
    A block of a page each time the job has said something new; the last one is followed by `event: ended`, at which
    pages close the stream (`hx-sse:close="ended"`).

    Args:
        facts: From the jobs and an id to the values of the block; runs in a worker thread.
    """
    jobs, loop = ask.jobs, asyncio.get_running_loop()
    seen: tuple[int, ...] | None = None

    def look() -> tuple[tuple[int, ...], bool, str]:
        stamp = jobs.stamp(job_id)
        if stamp == seen:
            return stamp, True, ""
        values = facts(jobs, job_id)
        return stamp, values["view"].is_live, part(template, block, {**values, "ask": ask})

    while True:
        context = copy_context()
        stamp, live, html = await loop.run_in_executor(ask.site.workers, lambda: context.run(look))  # noqa: B023 - awaited here
        if html:
            seen = stamp
            yield Event(html)
        if not live:
            yield Event("", name="ended")
            return
        await asyncio.sleep(_LOOK_S)


routes = (
    Route("/jobs", listing, "view"),
    Route("/jobs/{job}", one, "view"),
    Route("/jobs/{job}/events", events, "view"),
    Route("/jobs/{job}/stop", stop, "edit", methods=("POST",)),
    Route("/jobs/{job}/go-on", go_on, "edit", methods=("POST",)),
)
