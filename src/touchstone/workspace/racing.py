"""What a task file asks of a race: rules, bars, and who need not be asked at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from touchstone.catalog.base import Facts
from touchstone.decision.base import Constraints, Goal, Volume
from touchstone.decision.constraints import unmet_facts
from touchstone.errors import TaskError
from touchstone.evaluation.bars import Requirement
from touchstone.evaluation.ledger import Ledger
from touchstone.evaluation.order import CaseOrder
from touchstone.evaluation.race import Rules
from touchstone.evaluation.race_rules import Reason
from touchstone.workspace.taskfile import Task, TaskFile, parse_goal

if TYPE_CHECKING:
    from touchstone.workspace.prepare import Prepared

FREE = frozenset({"baseline", "recorded"})
"""Strategies that cost neither money nor another machine's time: they answer in this process, or from a file."""


LANE_STATES: Mapping[Reason, Literal["settled", "infeasible", "unreachable"]] = {
    "race": "settled",
    "halving": "settled",
    "bar": "infeasible",
    "withdrawn": "unreachable",
}
"""What people see of a candidate that a race asks no more, by why."""


def race_rules(
    file: TaskFile,
    repeats: int,
    *,
    goal: Goal | None = None,
    constraints: Constraints | None = None,
    volume: Volume | None = None,
) -> tuple[Rules, tuple[Requirement, ...]]:
    """
    The rules of a race and the constraints that measured cells can break, in the order of `rules.bars`.

    Args:
        file: The task file.
        repeats: Answers per case: a race counts cases, a budget calls.
        goal, constraints, volume: What is asked instead of the task file's.
    """
    if goal is None:
        name, tolerance = parse_goal(file.goal)
        goal = Goal(name=name, tolerance=tolerance)
    requirements = requirements_of(constraints or file.constraints, volume or file.volume)
    race = file.race
    rules = Rules(
        confidence=race.confidence,
        epsilon=race.epsilon,
        batch=race.batch,
        finish=race.finish,
        tolerance=goal.tolerance if goal.name == "cheapest-within" else None,
        bars=tuple(requirement.bar for requirement in requirements),
        max_calls=max(1, race.calls // repeats) if race.calls is not None and goal.name == "best" else None,
    )
    return rules, requirements


def is_raced(file: TaskFile, strategies: Sequence[str], *, full: bool) -> bool:
    """
    Whether rivals that are settled are asked no more.

    Where nobody costs anything to ask there is nothing to save, and more answers say more. A gate asks what a race does
    not: how much one candidate may be worse than another. It gets every answer.

    Args:
        file: The task file.
        strategies: Of the candidates.
        full: Whether everybody is to be asked everything.
    """
    if full or len(strategies) < 2 or file.gate is not None:
        return False
    return not all(strategy in FREE for strategy in strategies)


def fixed_calls(file: TaskFile, repeats: int) -> int | None:
    """As many answers `race.calls` buys at most; None where it does not fix them."""
    most = race_rules(file, repeats)[0].max_calls
    return None if most is None else most * repeats


def draw_order(ledger: Ledger, dataset: str, cases: int, seed: int) -> CaseOrder:
    """The shared order of the test cases; the cases of a group stay together."""
    groups: Sequence[str | None] | None = None
    if ledger.datasets.has_groups(dataset, "test"):
        groups = ledger.datasets.case_column(dataset, "test", "group_name")
    return CaseOrder.draw(cases, seed, groups)


def refuse_a_vain_budget(task: Task, ledger: Ledger, dataset: str, candidates: int, repeats: int) -> None:
    """
    Make sure that `race.calls` can be kept to.

    Raises:
        TaskError: it does not buy one case of each candidate, or the goal is another than `best`.
    """
    race = task.file.race
    if race.calls is None:
        return
    line = task.line("race", "calls")
    if parse_goal(task.file.goal)[0] != "best":
        raise TaskError(
            "race.calls halves the field by score, which finds the best and not {goal!r}; leave one of the two out",
            path=task.path,
            line=line,
            goal=task.file.goal,
        )
    order = draw_order(ledger, dataset, ledger.datasets.case_count(dataset, "test"), race.seed)
    fewest = int(order.sizes[0]) * candidates * repeats
    if race.calls < fewest:
        raise TaskError(
            "race.calls: {calls} calls do not buy the first answers of {candidates} candidates; it takes at least "
            "{fewest}",
            path=task.path,
            line=line,
            calls=race.calls,
            candidates=candidates,
            fewest=fewest,
        )


def requirements_of(constraints: Constraints, volume: Volume) -> tuple[Requirement, ...]:
    """Constraints on what is measured; the others are known beforehand."""
    per_case = [constraints.max_usd_per_case]
    if constraints.max_usd_per_month is not None and volume.requests_per_month:
        per_case.append(constraints.max_usd_per_month / volume.requests_per_month)
    limits = [limit for limit in per_case if limit is not None]
    found = []
    if constraints.min_score:
        found.append(Requirement("min_score", "score", constraints.min_score))
    if limits:
        found.append(Requirement("max_usd_per_case", "cost_usd", min(limits)))
    if constraints.max_p95_latency_s is not None:
        found.append(Requirement("max_p95_latency_s", "latency_s", constraints.max_p95_latency_s))
    if constraints.max_refused_share is not None:
        found.append(Requirement("max_refused_share", "refused", constraints.max_refused_share))
    return tuple(found)


def ruled_out_beforehand(prepared: Prepared) -> list[int]:
    """Candidates that break a constraint whatever they answer; asking them would be money for nothing."""
    return unfit_facts([spec.facts for spec in prepared.specs], prepared.task.file.constraints)


def unfit_facts(facts: Sequence[Facts], constraints: Constraints) -> list[int]:
    """Places of the facts that do not meet the constraints; an unknown fact does not."""
    return [place for place, found in enumerate(facts) if unmet_facts(found.licence, found.self_hostable, constraints)]
