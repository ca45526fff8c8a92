"""Asking several at once: what is watched, what is kept, and what it costs, against a provider's own bill."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from touchstone.config import Settings
from touchstone.errors import SettingsError, UnknownName
from touchstone.evaluation import tables
from touchstone.evaluation.recovery import balance_of, recover
from touchstone.models.fake import FakeModel
from touchstone.models.fake_faults import Fault
from touchstone.models.fake_server import FakeServer, serve_in_thread
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.deploy import Order, deploy_decision
from touchstone.workspace.deploy_own import deploy_own
from touchstone.workspace.playground import Playground
from touchstone.workspace.playground_base import Choice, PaneAnswer, Parameters, Session, Turn, cosine
from touchstone.workspace.playground_choices import choices
from touchstone.workspace.playground_forget import contents_of, forget_session
from touchstone.workspace.playground_media import picture
from touchstone.workspace.playground_store import PlaygroundStore
from touchstone.workspace.workspace import Workspace

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
USD = 2.0
"""Per million output tokens."""


class Site:
    """A workspace with one task that names models of a provider here."""

    def __init__(self, folder: Path, server: FakeServer, **entry: Any) -> None:
        self.server = server
        self.settings = Settings(workspace=folder, workspace_from="test")
        task = folder / "tasks" / "chats"
        task.mkdir(parents=True)
        (task / "cases.csv").write_text("input,target\nhello,world\n")
        entries = [
            {
                "model": "openai-compatible",
                "name": name,
                "served_name": name,
                "base_url": server.base_url,
                "price": {"input_usd": 0, "output_usd": USD},
                **entry,
            }
            for name in ("one", "two")
        ]
        (task / "task.yaml").write_text(json.dumps({"task": "chats", "cases": "cases.csv", "candidates": entries}))
        self.workspace = Workspace(self.settings)
        self.store = PlaygroundStore(self.workspace.ledger.engine)
        self.playground = Playground(self.settings)

    def session(self, *names: str, **more: Any) -> Session:
        known = {choice.name: choice for choice in choices(self.workspace)}
        panes = tuple(known[name] for name in names or ("one", "two"))
        return self.store.begin(Session(id="", created="", who="me", title="t", panes=panes, **more))

    def ask(self, session: Session, text: str, *, wait: bool = True, **more: Any) -> list[PaneAnswer]:
        after = len(self.store.turns(session.id))
        turn = Turn(number=0, created="", who="me", text=text, asked=(), **more)
        self.store.ask(session, turn, after=after, found=[picture(PNG)] if turn.image else ())
        self.playground.ask(session.id, after + 1)
        return self.answers(session, after + 1) if wait else []

    def answers(self, session: Session, number: int) -> list[PaneAnswer]:
        assert self.playground.wait(session.id, number, 30)
        return list(self.store.turn(session.id, number).answers)

    def spent(self, session: Session) -> float:
        found = balance_of(self.workspace.ledger, session.run)
        assert found is not None
        assert found.held_usd == 0
        return found.spent_usd

    def billed(self) -> float:
        return sum(USD * sale.output_tokens / 1e6 for sale in self.server.bill)

    def close(self) -> None:
        self.playground.close()
        self.workspace.close()


Make = Callable[..., Site]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    opened: list[Any] = []

    def one(*, reply: str = "a b c d e f", faults: Any = (), token_s: float = 0.0, **entry: Any) -> Site:
        models = {name: FakeModel(name, reply=reply) for name in ("one", "two")}
        context = serve_in_thread(FakeServer(models, faults=faults, token_s=token_s))
        site = Site(tmp_path, context.__enter__(), **entry)
        opened.append((site, context))
        return site

    yield one
    for site, context in opened:
        site.close()
        context.__exit__(None, None, None)


def until(holds: Callable[[], Any]) -> Any:
    end = time.monotonic() + 20
    while not (found := holds()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def test_answers_are_watched_kept_and_paid(make: Make) -> None:
    """Pieces are heard before the answer is whole; what is kept has clocks and tokens, and the ledger is the bill."""
    site = make(token_s=0.05)
    session = site.session()
    site.ask(session, "hello", wait=False)
    live = until(lambda: site.playground.live(session.id, 1))
    early = until(lambda: next((one.text for one in dict(live).values() if one.text), ""))
    assert early != "a b c d e f"
    assert "a b c d e f".startswith(early)
    found = site.answers(session, 1)
    assert [(one.state, one.text, one.finish) for one in found] == [("done", "a b c d e f", "stop")] * 2
    for one in found:
        assert one.first_token_s is not None
        assert one.latency_s is not None
        assert 0 < one.first_token_s < one.latency_s
        assert one.tokens_per_s
    assert site.spent(session) == pytest.approx(site.billed())
    assert len(site.server.bill) == 2


def test_a_conversation_goes_on_with_each_ones_own_answers(make: Make) -> None:
    """The second question carries the system text, the first question and what this pane answered."""
    site = make()
    session = site.session("one", system="Be short.", parameters=Parameters(temperature=0.5, max_tokens=9))
    site.ask(session, "first")
    site.ask(session, "second")
    models: Any = site.server.model
    sent = models["one"].calls[-1]
    assert [(turn.role, turn.content) for turn in sent.messages] == [
        ("system", "Be short."),
        ("user", "first"),
        ("assistant", "a b c d e f"),
        ("user", "second"),
    ]
    assert (sent.temperature, sent.max_tokens) == (0.5, 9)


def test_the_same_question_again_is_another_draw(make: Make) -> None:
    """Asking twice asks the provider twice: nobody takes a stored answer for a new one."""
    site = make()
    session = site.session("one")
    site.ask(session, "hello")
    blind = site.session("one")
    site.ask(blind, "hello")
    assert len(site.server.bill) == 2


def test_the_cap_holds(make: Make) -> None:
    """A call whose worst case passes the cap is not sent; with a higher cap it is, and what was spent counts on."""
    site = make()
    session = site.session("one", cap_usd=0.000001)
    found = site.ask(session, "hello")
    assert [one.state for one in found] == ["failed"]
    assert found[0].failure is not None
    assert found[0].failure.kind == "BudgetStop"
    assert site.server.requests == 0
    session = site.store.change_cap(session.id, 0.1)
    site.store.ask_again(session.id, site.store.turn(session.id, 1))
    site.playground.ask(session.id, 1)
    assert [one.state for one in site.answers(session, 1)] == ["done"]
    assert site.spent(session) == pytest.approx(site.billed())


def test_an_unknown_price_is_refused_under_a_cap(make: Make) -> None:
    """Nobody is asked whose price is unknown, and the pane says so."""
    site = make()
    path = site.settings.workspace / "tasks" / "chats" / "task.yaml"
    said = json.loads(path.read_text())
    for entry in said["candidates"]:
        del entry["price"]
    path.write_text(json.dumps(said))
    found = site.ask(site.session("one"), "hello")
    assert found[0].failure is not None
    assert "price" in found[0].failure.template
    assert site.server.requests == 0


def test_a_failure_is_typed_and_the_others_answer(make: Make) -> None:
    """One provider's refusal is that pane's alone, and asking again asks only that pane."""
    site = make(faults=lambda number, _request: Fault(kind="status", status=400) if number == 0 else None)
    session = site.session()
    found = site.ask(session, "hello")
    assert sorted(one.state for one in found) == ["done", "failed"]
    broken = next(one for one in found if one.state == "failed")
    assert broken.failure is not None
    assert broken.failure.kind == "RequestRejected"
    site.store.ask_again(session.id, site.store.turn(session.id, 1))
    site.playground.ask(session.id, 1)
    assert [one.state for one in site.answers(session, 1)] == ["done", "done"]
    assert site.server.requests == 3


def test_a_reply_that_breaks_off_is_in_doubt_and_shown(make: Make) -> None:
    """What came of it is kept for view, its worst case counts, and it is not sent again by itself."""
    site = make(faults=[Fault(kind="cut")], token_s=0.01)
    session = site.session("one")
    found = site.ask(session, "hello")
    assert found[0].state == "failed"
    assert found[0].failure is not None
    assert found[0].failure.maybe_billed
    balance = balance_of(site.workspace.ledger, session.run)
    assert balance is not None
    assert balance.in_doubt == 1
    assert balance.spent_usd >= site.billed()
    assert site.server.requests == 1


def test_stopping_keeps_what_came(make: Make) -> None:
    """A stop ends the calls, keeps the words so far, and counts what was under way."""
    site = make(reply=" ".join("word" for _ in range(200)), token_s=0.05)
    session = site.session("one")
    site.ask(session, "hello", wait=False)
    live = until(lambda: site.playground.live(session.id, 1))
    until(lambda: any(one.text for one in dict(live).values()))
    site.playground.stop(session.id, 1)
    (found,) = site.answers(session, 1)
    assert found.state == "stopped"
    assert found.text.startswith("word")
    assert site.spent(session) > 0


def test_an_engine_that_starts_meanwhile_costs_nothing_twice(make: Make) -> None:
    """It books open calls at their worst case; when they end, what they cost stands instead."""
    site = make(token_s=0.05)
    session = site.session("one")
    site.ask(session, "hello", wait=False)
    live = until(lambda: site.playground.live(session.id, 1))
    until(lambda: any(one.text for one in dict(live).values()))
    recover(site.workspace.ledger)
    assert site.spent(session) > site.billed()
    site.answers(session, 1)
    assert site.spent(session) == pytest.approx(site.billed())


def test_a_reply_that_was_stored_before_the_end_is_not_bought_again(make: Make) -> None:
    """After a crash between reply and page, the open answer takes the stored reply."""
    site = make()
    session = site.session("one")
    (before,) = site.ask(session, "hello")
    site.store.keep(session.id, 1, PaneAnswer(pane=0, draw=before.draw))
    site.playground.ask(session.id, 1)
    (after,) = site.answers(session, 1)
    assert (after.text, after.state) == (before.text, "done")
    assert len(site.server.bill) == 1


def test_every_call_is_an_attempt_of_the_session(make: Make) -> None:
    """Prompts and answers lie in the ledger under the session's run."""
    site = make()
    session = site.session()
    site.ask(session, "hello")
    with site.workspace.ledger.engine.connect() as connection:
        rows = connection.execute(sa.select(tables.attempts).where(tables.attempts.c.run == session.run)).all()
    assert [(row.state, row.purpose) for row in rows] == [("replied", "answer")] * 2
    assert all(b"hello" in row.request for row in rows)


def test_a_deleted_session_takes_its_texts_and_leaves_its_bill(make: Make) -> None:
    """Questions, answers, pictures, votes, requests and raw replies go; calls and money stay; others lose nothing."""
    site = make()
    gone, other = site.session("one", "two", how="pairs"), site.session()
    shown = picture(PNG)
    for session in (gone, other):
        site.ask(session, "words of a secret", image=shown.digest)
    site.store.vote(gone, 1, "me", "good")
    ledger = site.workspace.ledger
    assert contents_of(ledger, gone) == (1, 2, 1, 1)
    spent, billed = site.spent(gone), site.billed()

    forget_session(ledger, gone)

    assert contents_of(ledger, gone) == (0, 0, 0, 0)
    with pytest.raises(UnknownName):
        site.store.session(gone.id)
    assert (site.spent(gone), site.billed()) == (spent, billed)
    with ledger.engine.connect() as connection:
        calls = connection.execute(sa.select(tables.attempts)).all()
        replies = connection.execute(sa.select(tables.replies.c.run)).scalars().all()
    mine = [one for one in calls if one.run == gone.run]
    assert [(one.state, one.request, one.received) for one in mine] == [("replied", b"", None)] * 2
    assert sum(one.cost_usd for one in mine) == pytest.approx(spent)
    assert all(b"words of a secret" in one.request for one in calls if one.run == other.run)
    assert replies == [other.run] * 2
    assert contents_of(ledger, other) == (1, 2, 1, 0)
    assert site.store.medium(other.id, shown.digest) == shown


def test_an_answer_that_comes_after_its_session_went_is_not_kept(make: Make) -> None:
    """A page that answers on in another tab leaves no picture behind."""
    site = make()
    session = site.session()
    site.ask(session, "hello")
    answer = site.answers(session, 1)[0]
    forget_session(site.workspace.ledger, session)
    site.store.keep(session.id, 1, answer, [picture(PNG)])
    assert contents_of(site.workspace.ledger, session) == (0, 0, 0, 0)


def test_what_a_model_cannot_take_is_said_without_asking(make: Make) -> None:
    """A starter model is sent no picture; a model of whom nobody knows it is, as a data URL."""
    site = make()
    known = {choice.name: choice for choice in choices(site.workspace)}
    panes = (known["starter/s"], known["one"])
    session = site.store.begin(Session(id="", created="", who="me", title="t", panes=panes, cap_usd=5))
    found = site.ask(session, "what is it?", image=picture(PNG).digest)
    assert found[0].failure is not None
    assert found[0].failure.template == "{name} takes no pictures"
    models: Any = site.server.model
    content = models["one"].calls[-1].messages[-1].content
    assert [part.type for part in content] == ["text", "image"]
    assert content[1].url == picture(PNG).url


def test_a_choice_that_is_gone_is_no_choice(make: Make) -> None:
    """An id is looked up when it is asked: one that names nobody fails in its pane."""
    site = make()
    gone = Choice(id="task:chats:7", name="nobody", source="task")
    session = site.store.begin(Session(id="", created="", who="me", title="t", panes=(gone,)))
    (found,) = site.ask(session, "hello")
    assert found.failure is not None
    assert found.failure.kind == "UnknownName"


def test_two_tabs_do_not_overwrite_each_other(make: Make) -> None:
    """Who asks after a turn that is no longer the last one is told, and nothing is sent."""
    site = make()
    session = site.session("one")
    site.ask(session, "hello")
    with pytest.raises(SettingsError, match="meanwhile"):
        site.store.ask(session, Turn(number=0, created="", who="me", text="late", asked=()), after=0)
    assert site.server.requests == 1
    with pytest.raises(UnknownName):
        site.store.turn(session.id, 2)


def test_what_was_measured_is_asked_and_nothing_else(make: Make) -> None:
    """A candidate of a comparison and its endpoint keep their words; once a prompt has changed they are refused."""
    site = make()
    folder = site.settings.workspace / "tasks" / "chats"
    (folder / "words.txt").write_text("Say one word.\n")
    path = folder / "task.yaml"
    said = json.loads(path.read_text())
    for entry in said["candidates"]:
        entry["system"] = {"file": "words.txt"}
    path.write_text(json.dumps(said))
    data = site.workspace.compare(site.workspace.load_task(path), CompareOptions())
    identity = data.comparison.comparison_id
    deploy_decision(site.workspace, identity, Order(name="served", candidate="one", because="test"), who="me")
    by_id = {choice.id: choice for choice in choices(site.workspace)}
    panes = (by_id[f"compared:{identity}:one"], by_id["endpoint:served"])
    begun = Session(id="", created="", who="me", title="t", panes=panes, system="Not mine.")
    session = site.store.begin(begun)
    models: Any = site.server.model
    assert [one.state for one in site.ask(session, "hello")] == ["done", "done"]
    for request in models["one"].calls[-2:]:
        assert [(turn.role, turn.content) for turn in request.messages] == [
            ("system", "Say one word."),
            ("user", "hello"),
        ]
    (folder / "words.txt").write_text("Say two words.\n")
    later = site.store.begin(begun)
    measured, served = site.ask(later, "hello")
    assert measured.failure is not None
    assert measured.failure.template.startswith("{name} is not what was measured any more")
    assert served.state == "done"


def test_an_embedder_of_ones_own_answers_with_vectors(make: Make) -> None:
    """An endpoint of ours gives vectors of one length, asks nobody and costs nothing; a picture it does not take."""
    site = make()
    documents = site.settings.workspace / "documents"
    documents.mkdir()
    for at, text in enumerate(("the cat sat on the mat", "a dog lay on the rug", "the shop opens at nine")):
        (documents / f"{at}.txt").write_text(f"{text} " * 4)
    deploy_own(site.workspace, f"embedding/{documents}", Order(name="vectors"), who="me")
    session = site.session("vectors")
    (first,) = site.ask(session, "the cat")
    (second,) = site.ask(session, "the dog")
    assert first.state == second.state == "done"
    assert len(first.vector) == len(second.vector) > 0
    assert cosine(first.vector, first.vector) == pytest.approx(1)
    assert (first.cost_usd, first.text) == (0.0, "")
    (refused,) = site.ask(session, "see", image=picture(PNG).digest)
    assert refused.failure is not None
    assert refused.failure.template == "{name} takes no pictures"
    assert site.server.requests == 0
