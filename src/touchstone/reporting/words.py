"""Names of kinds, roles, goals and steps in the reader's language."""

from __future__ import annotations

from touchstone.language import N_, _

KINDS = {
    "earned": N_("score earned"),
    "lost": N_("score lost"),
    "unparsed": N_("no answer found in the output"),
    "refused": N_("refused"),
    "filtered": N_("blocked by the provider"),
    "truncated": N_("cut off at the length limit"),
    "empty": N_("empty"),
    "error": N_("failed call"),
    "judge_unparsed": N_("judge gave no verdict"),
    "in_doubt": N_("reply lost"),
    "skipped_race": N_("not needed"),
    "skipped_budget": N_("not bought: money cap"),
    "skipped_cancel": N_("not run: stopped"),
    "unasked": N_("not asked yet"),
}
"""What can become of a cell, in the order in which it is drawn; `scored` is `earned` and `lost`."""

_ROLES = {
    "chosen": N_("chosen"),
    "tied": N_("may be as good"),
    "baseline": N_("baseline"),
    "out": N_("ruled out"),
}
_STATES = {
    "leader": N_("leader"),
    "finished": N_("finished"),
    "eliminated": N_("settled early"),
    "disqualified": N_("disqualified"),
}
_FINISHES = {
    "proven": N_("The race ended when the leader was proven, with the guarantee for the whole race."),
    "quick": N_(
        "The race ended quickly: each rival was settled at the stated confidence, without one for the whole race."
    ),
    "open": N_(
        "Everybody who could still win has answered every case, and answers without a score leave the winner open."
    ),
    "full": N_("Every candidate was measured on every case."),
    "stopped": N_("The run was stopped before it was finished."),
    "budget": N_(
        "The number of calls was fixed beforehand and spent by halving the field; no confidence was aimed at."
    ),
}
_LANES = {
    "leader": N_("leader"),
    "running": N_("not settled"),
    "settled": N_("settled"),
    "infeasible": N_("breaks a condition"),
    "unreachable": N_("could not be called"),
}
_STOPS = {
    "budget": N_("The money cap stopped it."),
    "cancel": N_("Somebody interrupted it."),
    "lanes": N_("Some accounts could not be asked any further."),
}
_STRATEGIES = {
    "baseline": N_("baseline"),
    "few_shot": N_("few-shot"),
    "fine_tune": N_("fine-tuned"),
    "pretrain": N_("trained from scratch"),
    "prompt": N_("prompt"),
    "prompt_search": N_("prompt search"),
    "rag": N_("RAG"),
    "recorded": N_("recorded answers"),
}
_SPLITS = {"train": N_("train"), "dev": N_("dev"), "test": N_("test")}


def kind_name(kind: str) -> str:
    """What became of a cell, in words."""
    return _("scored") if kind == "scored" else _(KINDS[kind]) if kind in KINDS else kind


def role_name(role: str) -> str:
    """What the decision says of a candidate."""
    return _(_ROLES[role]) if role in _ROLES else role


def state_name(state: str) -> str:
    """How far a candidate was measured."""
    return _(_STATES[state]) if state in _STATES else state


def finish_sentence(finish: str) -> str:
    """How the run ended."""
    return _(_FINISHES[finish]) if finish in _FINISHES else finish


def stop_sentence(ending: str | None) -> str:
    """Why a run stopped before it was finished; empty when it did not, or nobody knows."""
    return _(_STOPS[ending]) if ending in _STOPS else ""


def lane_name(state: str) -> str:
    """How a race left a candidate."""
    return _(_LANES[state]) if state in _LANES else state


def is_anytime_valid(method: str) -> bool:
    """Whether an interval of this method holds however often one looks."""
    return method.startswith("anytime-valid")


def strategy_name(strategy: str) -> str:
    """How a candidate was made, part by part; a plug-in's strategy keeps its own name."""
    return " + ".join(_(_STRATEGIES[part]) if part in _STRATEGIES else part for part in strategy.split("+"))


def split_name(split: str) -> str:
    """A split of the cases."""
    return _(_SPLITS[split]) if split in _SPLITS else split


def goal_sentence(goal: str) -> str:
    """What the decision was asked to find."""
    if goal.startswith("cheapest-within:"):
        tolerance = goal.partition(":")[2].strip()
        return _("the cheapest candidate within {tolerance} of the best score").format(tolerance=tolerance)
    return _("the best score") if goal == "best" else goal
