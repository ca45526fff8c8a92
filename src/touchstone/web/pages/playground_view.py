"""What the playground's pages show of a session: nothing that tells which is which before a vote."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from touchstone.errors import SettingsError, UnknownName
from touchstone.evaluation.recovery import balance_of
from touchstone.language import N_, _
from touchstone.web.base import NotHere
from touchstone.workspace.playground import Live, Playground
from touchstone.workspace.playground_base import PaneAnswer, Session, cosine
from touchstone.workspace.playground_store import Asked, PlaygroundStore

if TYPE_CHECKING:
    from touchstone.web.base import Ask
    from touchstone.web.site import Site
    from touchstone.workspace.playground_base import Choice

_open: weakref.WeakKeyDictionary[Site, dict[str, Playground]] = weakref.WeakKeyDictionary()
"""Site to project to its playground; each has one thread that asks."""

SOURCES = {
    "starter": N_("shipped with Touchstone"),
    "endpoint": N_("endpoint"),
    "compared": N_("measured"),
    "task": N_("of a task"),
    "catalog": N_("catalog"),
}
"""Where a choice comes from, in words."""

KINDS = {
    "chat": N_("text"),
    "embedding": N_("vectors"),
    "image": N_("pictures"),
    "transcription": N_("transcripts"),
}
"""What a choice answers with, in words."""

FAILURES = {
    "AccessDenied": N_("The key was not accepted"),
    "BudgetStop": N_("The cap of this session does not cover it"),
    "ContentFiltered": N_("The provider's filter blocked it"),
    "LaneClosed": N_("The account cannot be asked now"),
    "NoReply": N_("No complete reply came"),
    "OutOfCredit": N_("The account has no money left"),
    "ProviderFailed": N_("The provider failed"),
    "RateLimited": N_("Too many requests for now"),
    "RequestRejected": N_("It cannot take this question"),
    "StreamCut": N_("The reply broke off"),
    "Unreachable": N_("Nobody answers there"),
    "WrongModel": N_("Another model answered"),
}
"""Kinds of failures, in words; all others are things to change first."""

_CAP_REACHED = N_(
    "the cap of ${cap:.4f} is reached: ${spent:.4f} spent, ${held:.4f} in flight, ${usd:.4f} at worst for this call; "
    "change the cap above, then ask again"
)

FINISHES = {
    "stop": N_("finished"),
    "length": N_("cut at the limit of tokens"),
    "refusal": N_("refused"),
    "filter": N_("blocked by a filter"),
    "tool": N_("calls a tool"),
    "other": N_("ended for another reason"),
}
"""Why an answer ended, in words."""

HOWS: Mapping[str, str] = {
    "open": N_("with their names, in a conversation"),
    "pairs": N_("blind, two at a time: say which is better"),
    "order": N_("blind, all of them: put them in an order"),
}
"""How answers are shown, in words."""

WORDS = {"sources": SOURCES, "kinds": KINDS, "finishes": FINISHES, "hows": HOWS}
"""What every template of the place takes."""

LONGEST_PROMPT = 200_000
"""Characters of a question or a system text."""


@dataclass(frozen=True)
class PaneView:
    """One answer as it is shown."""

    place: int
    """From 0, from left to right; all that a page may know of a hidden pane."""
    title: str
    choice: Choice | None
    """None while it is hidden."""
    state: str
    """`asking`, `done`, `failed`, `stopped`, or `interrupted` where nobody is answering any more."""
    text: str
    reasoning: str | None
    answer: PaneAnswer | None
    """With its numbers; None while it is hidden."""
    pictures: tuple[str, ...]
    problem: str
    """Why there is no answer, in the reader's language."""
    detail: str
    cosine_before: float | None = None
    """With the vector of the turn before, by the same model."""


@dataclass(frozen=True)
class TurnView:
    """One turn as it is shown."""

    number: int
    asked: Asked
    text: str
    panes: tuple[PaneView, ...]
    hidden: bool
    is_asking: bool
    cosines: tuple[tuple[str, str, float], ...]
    """(name, name, cosine) of vectors of the same length."""

    @property
    def is_answered(self) -> bool:
        """Whether everybody has answered."""
        return all(pane.state == "done" for pane in self.panes)

    @property
    def waiting(self) -> int:
        """How many are still answering."""
        return sum(pane.state == "asking" for pane in self.panes)


def playground_of(ask: Ask) -> Playground:
    """The playground of a project, made when it is first needed; it ends with the site."""
    mine = _open.get(ask.site)
    if mine is None:
        mine = _open.setdefault(ask.site, {})
        weakref.finalize(ask.site, _close, mine)
    project = ask.viewer.project
    return mine.setdefault(project, Playground(ask.site.settings_of(project)))


def let_go(site: Site, project: str) -> None:
    """
    End the playground of a project that is going to be moved; the next question begins it anew.

    Raises:
        SettingsError: somebody answers in it.
    """
    mine = _open.get(site, {})
    if project in mine:
        if mine[project].answers():
            raise SettingsError(
                "in the playground of the project {project} somebody answers; stop it, or wait until it has ended",
                project=project,
            )
        mine.pop(project).close()


def _close(mine: Mapping[str, Playground]) -> None:
    for one in tuple(mine.values()):
        one.close()


def store_of(ask: Ask) -> PlaygroundStore:
    """Sessions of the project."""
    return PlaygroundStore(ask.workspace.ledger.engine)


def money_of(ask: Ask, session: Session) -> Mapping[str, Any]:
    """What a session has spent and holds, under its cap."""
    balance = balance_of(ask.workspace.ledger, session.run)
    return {
        "cap": session.cap_usd,
        "spent": balance.spent_usd if balance is not None else 0.0,
        "held": balance.held_usd if balance is not None else 0.0,
        "unpriced": balance.unpriced if balance is not None else 0,
        "in_doubt": balance.in_doubt if balance is not None else 0,
    }


def turn_view(ask: Ask, session: Session, asked: Asked, *, hidden: bool, before: Asked | None = None) -> TurnView:
    """
    A turn for a page.

    Args:
        hidden: Whether who asks has not voted on it yet.
        before: The turn before it, for what vectors have in common.
    """
    live = playground_of(ask).live(session.id, asked.turn.number)
    panes = tuple(
        _pane(session, place, answer, live, hidden=hidden, before=before) for place, answer in enumerate(asked.answers)
    )
    case = asked.turn.case
    return TurnView(
        asked.turn.number,
        asked,
        case.text if case is not None else asked.turn.text,
        panes,
        hidden,
        live is not None,
        () if hidden else _cosines(session, asked.answers),
    )


def _pane(
    session: Session,
    place: int,
    answer: PaneAnswer,
    live: Mapping[int, Live] | None,
    *,
    hidden: bool,
    before: Asked | None,
) -> PaneView:
    state = answer.state if answer.state != "asking" or live is not None else "interrupted"
    coming = None if live is None else live.get(answer.pane)
    text, reasoning = answer.text, answer.reasoning
    if coming is not None and answer.state == "asking":
        text, reasoning = coming.text, coming.reasoning or None
    problem = detail = ""
    if answer.failure is not None:
        problem = _(FAILURES.get(answer.failure.kind, N_("Something must be changed first")))
        detail = "" if hidden else _said(answer)
    if hidden:
        # How fast and how long it is while it comes would tell them apart.
        text, reasoning = (text if state == "done" else ""), None
    choice = session.panes[answer.pane]
    earlier = next((one for one in before.answers if one.pane == answer.pane), None) if before is not None else None
    return PaneView(
        place,
        _("Answer {letter}").format(letter="ABCDEFGH"[place]) if hidden else choice.name,
        None if hidden else choice,
        state,
        text,
        reasoning,
        None if hidden else answer,
        answer.pictures,
        problem,
        detail,
        cosine(answer.vector, earlier.vector) if earlier is not None else None,
    )


def _said(answer: PaneAnswer) -> str:
    failure = answer.failure
    assert failure is not None
    # What the ledger says of a cap ends with the flag of a command, which nobody can give here.
    line = _(_CAP_REACHED if failure.kind == "BudgetStop" else failure.template)
    try:
        return line.format(**failure.values) if failure.values else line
    except (KeyError, ValueError, IndexError):
        return line


def _cosines(session: Session, answers: Sequence[PaneAnswer]) -> tuple[tuple[str, str, float], ...]:
    found = []
    for at, one in enumerate(answers):
        for other in answers[at + 1 :]:
            value = cosine(one.vector, other.vector)
            if value is not None:
                found.append((session.panes[one.pane].name, session.panes[other.pane].name, value))
    return tuple(found)


def problem_of(error: BaseException) -> tuple[str, str]:
    """(field, sentence) of an error about a form; the field is empty where the sentence names none."""
    text = getattr(error, "text", None)
    values = getattr(error, "values", {})
    return str(values.get("field", "")), text(_) if text is not None else str(error)


def session_of(store: PlaygroundStore, identity: str) -> Session:
    """A session of the project. Raises `NotHere`."""
    try:
        return store.session(identity)
    except UnknownName:
        raise NotHere from None


def turn_of(store: PlaygroundStore, session: Session, number: int) -> Asked:
    """A turn of a session. Raises `NotHere`."""
    try:
        return store.turn(session.id, number)
    except UnknownName:
        raise NotHere from None
