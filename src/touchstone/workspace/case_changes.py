"""Leaving cases out and correcting their targets: said with a reason, and taken back with one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchstone.errors import SettingsError, UnknownName
from touchstone.evaluation.amendments import Amendment, AmendmentKind, Amendments
from touchstone.evaluation.comparisons import Comparisons
from touchstone.language import ngettext

if TYPE_CHECKING:
    from touchstone.evaluation.ledger import Ledger
    from touchstone.workspace.workspace import Workspace


def dataset_of(workspace: Workspace, comparison: str) -> str:
    """The digest of a comparison's cases. Raises `UnknownName`."""
    stored = Comparisons(workspace.reader)
    row = stored.find(comparison)
    if row is None:
        raise UnknownName(kind="comparison", name=comparison, known=[item["id"] for item in stored.all()])
    return str(row["dataset"])


def change_case(
    workspace: Workspace,
    comparison: str,
    case: str,
    kind: AmendmentKind,
    *,
    reason: str,
    who: str,
    target: str | None = None,
) -> Amendment:
    """
    Leave a case out of every comparison on the same cases, or correct its target there.

    Raises:
        UnknownName: there is no such comparison or case.
        SettingsError: there is no reason or target, or no case would be left.
    """
    dataset = dataset_of(workspace, comparison)
    words = Amendments(workspace.ledger)
    if kind == "exclude":
        out = set(words.standing(dataset).excluded) | {case}
        if len(set(workspace.ledger.datasets.case_column(dataset, "test", "case_id")) - out) == 0:
            raise SettingsError("{case} is the last case that counts; a comparison needs one", case=case)
    return words.add(dataset, case, kind, reason=reason, who=who, target=target)


def take_back(workspace: Workspace, comparison: str, number: int, *, reason: str, who: str) -> Amendment:
    """
    A case counts again, or its own target does.

    Raises:
        UnknownName: there is no such comparison, or nothing with this number was said of its cases.
        SettingsError: there is no reason.
    """
    return Amendments(workspace.ledger).take_back(dataset_of(workspace, comparison), number, reason=reason, who=who)


def asked_all_the_same(ledger: Ledger, dataset: str) -> str | None:
    """
    What whoever is about to pay should know of cases that were left out; None where there are none.

    They are asked: leaving one out is a word that can be taken back, for every comparison on the same cases, and the
    report says what the decision would be with them. Answers that nobody asked for would leave holes in the shared
    order, at which a race would stop, and only those candidates would have them that were measured before.
    """
    excluded = Amendments(ledger).standing(dataset).excluded
    if not excluded:
        return None
    ids = ledger.datasets.case_column(dataset, "test", "case_id")
    count = sum(case in excluded for case in ids)
    return ngettext(
        "{n} of {cases} cases is left out of every number and is asked all the same, so that it can be taken back and "
        "the report can say what the decision would be with it; to save its calls, take it out of the file of cases",
        "{n} of {cases} cases are left out of every number and are asked all the same, so that they can be taken back "
        "and the report can say what the decision would be with them; to save their calls, take them out of the file "
        "of cases",
        count,
    ).format(n=count, cases=len(ids))


def history(workspace: Workspace, comparison: str, case: str | None = None) -> tuple[Amendment, ...]:
    """Everything said of a comparison's cases, or of one of them, the last first. Raises `UnknownName`."""
    return Amendments(workspace.reader).history(dataset_of(workspace, comparison), case)
