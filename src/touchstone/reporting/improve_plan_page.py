"""Which ways of improving would be tried, and why: a page before anybody is asked, and a part of the one after it."""

from __future__ import annotations

from collections.abc import Iterator

from touchstone.decision.improve_base import Prospect
from touchstone.language import _, ngettext
from touchstone.reporting import numbers
from touchstone.reporting.improve_nouns import ImprovePlan, ModelPlan
from touchstone.reporting.pages import Block, Page, Section, Table


def plan_page(plan: ImprovePlan) -> Page:
    """What would be tried, before anybody is asked."""
    return Page(
        title=_("What would be tried for {task}").format(task=plan.task),
        kicker=_("Improve"),
        lead=ngettext(
            "{count} candidate in one table.", "{count} candidates in one table.", len(plan.candidates)
        ).format(count=len(plan.candidates)),
        sections=[Section(_("Ways"), list(plan_blocks(plan)), "plan")],
    )


def plan_blocks(plan: ImprovePlan) -> Iterator[Block]:
    """
    A table of the ways, whether they are tried, and the rule and numbers that say so.

    Models of which the same is said share one.
    """
    same: dict[tuple[object, ...], list[ModelPlan]] = {}
    for one in plan.models:
        key = tuple((way.way, way.tried, way.rule, way.reason.text()) for way in one.ways)
        same.setdefault(key, []).append(one)
    for group in same.values():
        ways = group[0].ways
        rows = [(way_name(way.way), _("tried") if way.tried else _("not tried"), _because(way)) for way in ways]
        marked = frozenset(place for place, way in enumerate(ways) if way.tried)
        title = numbers.listing(one.model for one in group)
        yield Table((_("Way"), "", _("Why")), rows, marked=marked, title=title)


def way_name(way: str) -> str:
    """A way of improving in the reader's language; joined ones with a plus."""
    names = {
        "prompt": _("as it is"),
        "baseline": _("classical baseline"),
        "recorded": _("recorded answers"),
        "few_shot": _("examples in the prompt (few-shot)"),
        "prompt_search": _("searched prompt"),
        "rag": _("passages from documents (RAG)"),
        "fine_tune": _("fine-tuned"),
        "pretrain": _("trained from nothing"),
    }
    return " + ".join(names.get(part, part) for part in way.split("+"))


def _because(way: Prospect) -> str:
    reason = way.reason
    if "part" in reason.values:
        # Stored by its id, as ways are in a task file.
        named = {**reason.values, "part": way_name(str(reason.values["part"]))}
        reason = reason.model_copy(update={"values": named})
    return f"{reason.text(_)} ({way.rule})"
