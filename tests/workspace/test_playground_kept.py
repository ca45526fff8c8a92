"""What is kept beside answers: votes, pictures, cases, prompt versions; and the same question as a program."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.data.cases import read_cases
from touchstone.data.csv import CsvReader
from touchstone.errors import SettingsError, UnknownName
from touchstone.evaluation.ledger import Ledger
from touchstone.models.base import ImagePart, Message, TextPart
from touchstone.workspace.playground_base import Choice, PaneAnswer, Parameters, Session, Turn, cosine
from touchstone.workspace.playground_choices import Plain
from touchstone.workspace.playground_code import code_of
from touchstone.workspace.playground_media import MOST_BYTES, picture, picture_of, sound
from touchstone.workspace.playground_save import save_case, save_prompt, splits_of
from touchstone.workspace.playground_store import PlaygroundStore, prompt_digest, votes_jsonl
from touchstone.workspace.taskfile import Task, load_task

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
NAMES = ("x", "y", "z")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PlaygroundStore]:
    ledger = Ledger(tmp_path / "touchstone.sqlite")
    yield PlaygroundStore(ledger.engine)
    ledger.close()


def begun(store: PlaygroundStore, how: Any, count: int = 3) -> Session:
    panes = tuple(Choice(id=f"starter:{name}", name=name, source="starter") for name in NAMES[:count])
    return store.begin(Session(id="", created="", who="me", title="t", how=how, panes=panes))


def answered(store: PlaygroundStore, session: Session, text: str = "q") -> int:
    after = len(store.turns(session.id))
    asked = store.ask(session, Turn(number=0, created="", who="me", text=text, asked=()), after=after)
    for answer in asked.answers:
        store.keep(session.id, after + 1, answer.model_copy(update={"state": "done", "text": "said"}))
    return after + 1


# Votes ----------------------------------------------------------------------------------------------------------------


def test_a_vote_is_about_the_names_in_the_order_shown(store: PlaygroundStore) -> None:
    """What is stored names who was shown where, and which position was better."""
    session = begun(store, "pairs")
    number = answered(store, session)
    shown = store.turn(session.id, number).turn.asked
    found = store.vote(session, number, "me", "better", (1,))
    assert found.candidates == tuple(NAMES[pane] for pane in shown)
    assert found.places == (2, 1)
    assert store.votes(session.id) == (found,)


def test_the_first_vote_of_each_holds(store: PlaygroundStore) -> None:
    """After a vote names are shown, so a second one by the same person is refused; another person votes."""
    session = begun(store, "pairs")
    number = answered(store, session)
    store.vote(session, number, "me", "good")
    with pytest.raises(SettingsError, match="already"):
        store.vote(session, number, "me", "bad")
    store.vote(session, number, "other", "bad")
    assert [one.who for one in store.votes(session.id)] == ["me", "other"]


def test_only_answers_are_voted_on(store: PlaygroundStore) -> None:
    """A turn that somebody is still answering takes no vote, an open session none at all, and two take no order."""
    session = begun(store, "pairs")
    store.ask(session, Turn(number=0, created="", who="me", text="q", asked=()), after=0)
    with pytest.raises(SettingsError, match="not all"):
        store.vote(session, 1, "me", "good")
    opened = begun(store, "open")
    with pytest.raises(SettingsError, match="nothing to vote"):
        store.vote(opened, answered(store, opened), "me", "good")
    done = begun(store, "pairs")
    with pytest.raises(SettingsError, match="not put in an order"):
        store.vote(done, answered(store, done), "me", "order", (1, 2))
    with pytest.raises(SettingsError, match="no vote on these"):
        store.vote(done, 1, "me", "better", (2,))


def test_an_order_is_of_all(store: PlaygroundStore) -> None:
    """In a session of orders everybody is shown, in an order that is drawn for each question."""
    session = begun(store, "order")
    orders = {store.turn(session.id, answered(store, session)).turn.asked for _ in range(12)}
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert len(orders) > 1
    assert store.vote(session, 1, "me", "order", (3, 1, 3)).places == (2, 1, 2)


def test_pairs_are_shown_alike(store: PlaygroundStore) -> None:
    """Of three candidates every pair is asked twice in six questions."""
    session = begun(store, "pairs")
    shown = [tuple(sorted(store.turn(session.id, answered(store, session)).turn.asked)) for _ in range(6)]
    assert sorted(shown) == [(0, 1), (0, 1), (0, 2), (0, 2), (1, 2), (1, 2)]


def test_votes_are_exported_as_they_are(store: PlaygroundStore) -> None:
    """One JSON object a line, with the digest of what was asked."""
    session = begun(store, "pairs")
    number = answered(store, session, "=1+1")
    store.vote(session, number, "me", "bad")
    (line,) = votes_jsonl(store.votes(session.id)).splitlines()
    found = json.loads(line)
    assert found["prompt"] == prompt_digest(store.turn(session.id, number).turn)
    assert (found["schema"], found["verdict"], found["places"]) == ("touchstone.vote/1", "bad", [1, 1])


def test_asking_again_draws_anew_where_it_failed(store: PlaygroundStore) -> None:
    """What failed is another draw; what was cut off with the site is the same, so that a stored reply is found."""
    session = begun(store, "open")
    asked = store.ask(session, Turn(number=0, created="", who="me", text="q", asked=()), after=0)
    first, second, _third = asked.answers
    store.keep(session.id, 1, first.model_copy(update={"state": "failed"}))
    store.ask_again(session.id, store.turn(session.id, 1))
    now = store.turn(session.id, 1).answers
    assert now[0].state == now[1].state == "asking"
    assert now[0].draw != first.draw
    assert now[1].draw == second.draw


def test_a_medium_belongs_to_its_session(store: PlaygroundStore) -> None:
    """A picture is found in the session that it was sent in, and in no other."""
    session, other = begun(store, "open"), begun(store, "open")
    shown = picture(PNG)
    turn = Turn(number=0, created="", who="me", text="q", image=shown.digest, asked=())
    store.ask(session, turn, after=0, found=[shown, shown])
    assert store.medium(session.id, shown.digest) == shown
    with pytest.raises(UnknownName):
        store.medium(other.id, shown.digest)


# Pictures and recordings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        (b"GIF89arest", "image/gif"),
        (b"RIFF\0\0\0\0WEBPrest", "image/webp"),
    ],
)
def test_a_picture_is_told_by_its_bytes(body: bytes, kind: str) -> None:
    """PNG, JPEG, GIF and WebP, whatever the file was called; and back out of a data URL."""
    found = picture(body)
    assert found.kind == kind
    assert picture_of(found.url) == found


@pytest.mark.parametrize("body", [b"<svg onload=alert(1)>", b"<html>", b"BM....", b"RIFF\0\0\0\0WAVE", b""])
def test_what_is_no_picture_is_not_taken(body: bytes) -> None:
    """SVG is a document, and so is everything else that a browser might run."""
    with pytest.raises(SettingsError, match="no picture"):
        picture(body)


def test_media_have_a_size() -> None:
    """A file above the limit is refused; a recording is told by its bytes too."""
    with pytest.raises(SettingsError, match="larger"):
        picture(PNG + b"\0" * MOST_BYTES)
    assert sound(b"RIFF\0\0\0\0WAVEfmt ").kind == "audio/wav"
    with pytest.raises(SettingsError, match="no recording"):
        sound(PNG)
    assert picture_of("data:image/svg+xml;base64,PHN2Zz4=") is None
    assert picture_of("https://elsewhere.example/a.png") is None


# Cases and prompts ----------------------------------------------------------------------------------------------------


def task(folder: Path, cases: Any, files: dict[str, str], **more: Any) -> Task:
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    said = {"task": "t", "cases": cases, "candidates": ["starter/s"], **more}
    (folder / "task.yaml").write_text(json.dumps(said))
    return load_task(folder / "task.yaml")


def test_a_case_is_added_at_the_end_of_its_split(tmp_path: Path) -> None:
    """The row goes into the file of the split, every byte before it stays, and it reads back as it was said."""
    before = 'question;answer\r\n"a;b";c'
    found = task(
        tmp_path,
        {"train": "train.csv", "test": "test.jsonl"},
        {"train.csv": before, "test.jsonl": '{"question": "t", "answer": "u"}\n'},
        columns={"input": "question", "target": "answer"},
    )
    assert splits_of(found) == ("train", "test")
    save_case(found, "train", 'say "hi"; now\nplease', "=1+1")
    assert (tmp_path / "train.csv").read_bytes().startswith(before.encode())
    last = list(read_cases(found.source))[1]
    assert (last.split, last.input, last.target) == ("train", 'say "hi"; now\nplease', "=1+1")
    save_case(found, "test", "more", None, into_test=True)
    assert json.loads((tmp_path / "test.jsonl").read_text().splitlines()[-1]) == {"question": "more"}


def test_nothing_goes_silently_into_test(tmp_path: Path) -> None:
    """Test is written to only where it is said to be meant."""
    found = task(tmp_path, "cases.csv", {"cases.csv": "input,target\na,b\n"})
    assert splits_of(found) == ("test",)
    with pytest.raises(SettingsError, match="tick"):
        save_case(found, "test", "q", "a")
    with pytest.raises(SettingsError, match="no file for train"):
        save_case(found, "train", "q", "a")
    assert (tmp_path / "cases.csv").read_text() == "input,target\na,b\n"


def test_a_column_says_the_split(tmp_path: Path) -> None:
    """One file with a column of splits takes cases of each."""
    found = task(tmp_path, "cases.csv", {"cases.csv": "input,target,split,note\na,b,test,x\n"})
    save_case(found, "dev", "q", "a")
    assert (tmp_path / "cases.csv").read_text().splitlines()[-1] == "q,a,dev,"


def test_files_elsewhere_are_not_written_to(tmp_path: Path) -> None:
    """A task whose cases lie outside its folder, are drawn into splits, or are of another kind, takes no case."""
    own = tmp_path / "own"
    own.mkdir()
    (tmp_path / "far.csv").write_text("input,target\na,b\n")
    assert splits_of(task(own, "../far.csv", {})) == ()
    assert splits_of(task(own, "c.csv", {"c.csv": "input,target\na,b\n"}, split={"train": 0.5})) == ()
    (own / "link.csv").symlink_to(tmp_path / "far.csv")
    assert splits_of(task(own, "link.csv", {})) == ()


def test_a_file_without_the_column_is_left_alone(tmp_path: Path) -> None:
    """A row that the file has no column for is refused and names those there are."""
    found = task(tmp_path, {"train": "a.csv", "test": "b.csv"}, {"a.csv": "input\nq\n", "b.csv": "input,target\na,b\n"})
    with pytest.raises(SettingsError, match="no column 'target'"):
        save_case(found, "train", "q", "a")


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=4)
)
def test_whatever_is_saved_reads_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Any text survives the way into a CSV file and out again."""
    folder = tmp_path_factory.mktemp("task")
    found = task(
        folder,
        {"train": "a.csv", "test": "b.csv"},
        {"a.csv": "input,target\nfirst,x\n", "b.csv": "input,target\na,b\n"},
    )
    kept = [text for text in texts if text.strip()]
    for text in kept:
        save_case(found, "train", text, text)
    rows = [row for _number, row in CsvReader().rows(folder / "a.csv")]
    assert [row["input"] for row in rows[1:]] == kept


def test_a_prompt_is_the_next_version(tmp_path: Path) -> None:
    """Versions count up, and none that is there is changed."""
    found = task(tmp_path, "cases.csv", {"cases.csv": "input,target\na,b\n"})
    first, second = save_prompt(found, "Be kind."), save_prompt(found, "Be short.\r\n")
    assert [one.path.name for one in (first, second)] == ["v1.txt", "v2.txt"]
    assert (first.path.read_text(), second.path.read_text()) == ("Be kind.\n", "Be short.\n")
    assert second.line == "system: {file: prompts/v2.txt}"
    with pytest.raises(SettingsError, match="no system prompt"):
        save_prompt(found, "  ")


# Code -----------------------------------------------------------------------------------------------------------------

HOSTILE = 'it\'s "quoted" `id` $HOME \\ </script>\n{x}'


def code(kind: Any = "chat", source: Any = "task") -> Any:
    plain = Plain(
        "openai-compatible",
        {"base_url": "http://127.0.0.1:9/v1", "served_name": "m", "key_env": "SOME_KEY"},
    )
    choice = Choice(id="task:a:0", name="my model", source=source, kind=kind)
    messages = (
        Message(role="system", content="Be short."),
        Message(role="user", content=(TextPart(text=HOSTILE), ImagePart(url=picture(PNG * 9).url))),
    )
    return code_of(choice, plain, messages, Parameters(temperature=0.2, max_tokens=9, stop=("x",)))


def test_code_says_what_was_asked_in_each_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python parses and holds the very text; the shell reads one word; no key is in any of them."""
    monkeypatch.setenv("SOME_KEY", "sk-secret-value")
    found = code()
    said = {node.value for node in ast.walk(ast.parse(found.python)) if isinstance(node, ast.Constant)}
    assert {HOSTILE, "http://127.0.0.1:9/v1", "SOME_KEY", 0.2, 9} <= said
    body = found.curl.split("-d '", 1)[1].rstrip().removesuffix("'").replace("'\\''", "'")
    assert json.loads(body)["messages"][1]["content"][0]["text"] == HOSTILE
    assert json.dumps(HOSTILE, ensure_ascii=False) in found.typescript
    assert all("sk-secret" not in text and picture(PNG * 9).url not in text for text in found)


@pytest.mark.parametrize("kind", ["embedding", "image", "transcription"])
def test_other_kinds_have_code_too(kind: str) -> None:
    """Each kind names its own call."""
    found = code(kind)
    ast.parse(found.python)
    assert {"embedding": "embeddings", "image": "images", "transcription": "transcriptions"}[kind] in found.curl


def test_what_runs_here_is_deployed_first() -> None:
    """A shipped model and a measured recipe are asked through an endpoint, and the commands for it stand first."""
    shipped = Choice(id="starter:m", name="starter/m", source="starter")
    found = code_of(shipped, Plain("starter/m", {}), (Message(role="user", content="q"),), Parameters())
    assert found.before == "touchstone deploy --recipe starter/m --name starter-m\ntouchstone serve"
    measured = Choice(id="compared:abc:a 'b", name="a 'b", source="compared")
    found = code_of(measured, None, (Message(role="user", content="q"),), Parameters())
    assert "--decision abc --candidate 'a '\\''b'" in found.before


def test_cosines_are_of_vectors_of_one_length() -> None:
    """1 for the same direction, 0 across, -1 against it, None where there is nothing to compare."""
    assert cosine((1, 0), (3, 0)) == pytest.approx(1)
    assert cosine((1, 0), (0, 2)) == pytest.approx(0)
    assert cosine((1, 1), (-1, -1)) == pytest.approx(-1)
    assert cosine((1, 0), (1, 0, 0)) is None
    assert cosine((), ()) is None
    assert cosine((0, 0), (1, 0)) is None


def test_a_speed_needs_a_stretch_of_time() -> None:
    """Tokens a second are counted from the first token on, and unknown where all came at once."""
    whole = PaneAnswer(pane=0, draw=1, output_tokens=10, latency_s=2.0)
    assert whole.tokens_per_s == pytest.approx(5)
    assert whole.model_copy(update={"first_token_s": 1.0}).tokens_per_s == pytest.approx(10)
    assert whole.model_copy(update={"first_token_s": 2.0}).tokens_per_s is None
    assert PaneAnswer(pane=0, draw=1).tokens_per_s is None
