"""From a shortlist back into the task file: what is written, what is left out, and what stays."""

from __future__ import annotations

import os
import shutil
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.decision.market import card, offer
from tests.workspace.house import House
from tests.workspace.small_task import ROWS, TASK, TODAY, SmallCatalog, settings_in, task_in

from touchstone.catalog.offers import Offer, PricePeriod, Rate
from touchstone.catalog.own_offer import OwnOffer
from touchstone.decision.base import Constraints, Reason
from touchstone.decision.shortlist_base import Needs, Qualified, Shortlist, Supply
from touchstone.errors import SettingsError, TaskError
from touchstone.reporting.shortlist_words import said
from touchstone.workspace.shortlist import answer, ask
from touchstone.workspace.shortlist_entries import Entry, entries_of
from touchstone.workspace.shortlist_needs import Wishes
from touchstone.workspace.shortlist_write import write_candidates
from touchstone.workspace.taskfile import load_task
from touchstone.workspace.yaml_file import read_yaml


def entries(*references: str) -> list[Entry]:
    return [Entry(model=f"acme/{reference.rpartition('/')[2]}", reference=reference) for reference in references]


def test_candidates_are_added_and_nothing_else_changes(tmp_path: Path) -> None:
    """Comments, order and spaces stay byte for byte; the key's variable stands beside each line."""
    task = task_in(tmp_path)
    new = [Entry(model="acme/a", reference="openai/gpt-4o-mini", key_env="OPENAI_API_KEY"), *entries("groq/x:free")]
    written = write_candidates(task, new)

    line = "  - baseline/majority     # costs nothing\n"
    added = line + "  - openai/gpt-4o-mini   # OPENAI_API_KEY\n  - groq/x:free\n"
    assert task.path.read_text() == TASK.replace(line, added)
    assert (written.added, written.kept) == (("openai/gpt-4o-mini", "groq/x:free"), ("baseline/majority",))
    assert list(tmp_path.glob(".*")) == []


def test_catalog_candidates_are_replaced_only_when_asked(tmp_path: Path) -> None:
    """Baselines, recordings, own servers and local models stay; a provider's models go."""
    (tmp_path / "o.jsonl").write_text('{"case_id": "q1", "model": "m", "output": "refund"}\n')
    text = """\
task: intents
cases: cases.csv
candidates:
  # ours
  - baseline/majority
  - openai/gpt-4o      # too dear
  - {recorded: o.jsonl, name: old}   # keep
  - model: deepseek/deepseek-chat
    name: block

  # a remark between
  - {model: openai-compatible, base_url: http://127.0.0.1:1/v1, served_name: mine}
  - ollama/qwen3
# after
goal: best
"""
    task = task_in(tmp_path, text)
    with pytest.raises(TaskError, match="line 6: there are candidates of the catalog already: openai/gpt-4o, block"):
        write_candidates(task, entries("mistral/small"))
    assert task.path.read_text() == text

    written = write_candidates(task, entries("mistral/small"), replace=True)
    assert (
        task.path.read_text()
        == """\
task: intents
cases: cases.csv
candidates:
  # ours
  - baseline/majority
  - {recorded: o.jsonl, name: old}   # keep

  # a remark between
  - {model: openai-compatible, base_url: http://127.0.0.1:1/v1, served_name: mine}
  - ollama/qwen3
  - mistral/small
# after
goal: best
"""
    )
    assert written.replaced == ("openai/gpt-4o", "block")
    assert written.kept == ("baseline/majority", "old", "mine", "ollama/qwen3")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("candidates: [baseline/majority]   # few\n", "candidates: [baseline/majority, mistral/small]   # few\n"),
        (
            "candidates: [openai/gpt-4o, baseline/majority]\n",
            "candidates: [baseline/majority, mistral/small]\n",
        ),
        (
            "candidates: [ baseline/majority,\n  openai/gpt-4o,\n  'fake/parrot#', ]   # few\n",
            "candidates: [ baseline/majority,\n  'fake/parrot#', mistral/small, ]   # few\n",
        ),
        ("candidates: [openai/gpt-4o]\n", "candidates: [mistral/small]\n"),
        ("candidates:\n- openai/gpt-4o\n", "candidates:\n- mistral/small\n"),
        ("candidates:\n  - openai/gpt-4o", "candidates:\n  - mistral/small\n"),
        ("candidates:\n  - baseline/majority", "candidates:\n  - baseline/majority\n  - mistral/small\n"),
        (
            "candidates:\n  -\n    model: openai/gpt-4o\n  - baseline/majority\n",
            "candidates:\n  - baseline/majority\n  - mistral/small\n",
        ),
        (
            "candidates:\r\n  - openai/gpt-4o\r\n  - baseline/majority\r\n",
            "candidates:\r\n  - baseline/majority\r\n  - mistral/small\r\n",
        ),
        ("\ufeffcandidates:\n  - openai/gpt-4o\n", "\ufeffcandidates:\n  - mistral/small\n"),
    ],
)
def test_every_way_of_writing_a_list(tmp_path: Path, before: str, after: str) -> None:
    """In brackets, without indentation, without a last line end, with CRLF, with a byte order mark."""
    rest = "task: t\ncases: cases.csv\n"
    rest = rest.replace("\n", "\r\n") if "\r" in before else rest
    mark = "\ufeff" if before.startswith("\ufeff") else ""
    task = task_in(tmp_path, mark + rest + before.removeprefix(mark))
    write_candidates(task, entries("mistral/small"), replace=True)
    assert task.path.read_bytes().decode() == mark + rest + after.removeprefix(mark)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "candidates:\n  - mistral/small   # KEY\n"),
        ("goal: best", "goal: best\ncandidates:\n  - mistral/small   # KEY\n"),
        ("candidates:", "candidates:\n  - mistral/small   # KEY\n"),
        ("candidates:   # to come\n# end\n", "candidates:   # to come\n  - mistral/small   # KEY\n# end\n"),
        ("candidates: null\ngoal: best\n", "candidates:\n  - mistral/small   # KEY\ngoal: best\n"),
        ("candidates: ~  # none\n", "candidates:  # none\n  - mistral/small   # KEY\n"),
        ("candidates: []   # none\ngoal: best\n", "candidates:   # none\n  - mistral/small   # KEY\ngoal: best\n"),
        ("candidates: [\n]\n", "candidates:\n  - mistral/small   # KEY\n"),
    ],
)
def test_a_task_without_candidates_gets_its_first(tmp_path: Path, before: str, after: str) -> None:
    """No key, nothing behind it or an empty list: whoever is about to choose has none yet."""
    rest = "task: t\ncases: cases.csv\n"
    (tmp_path / "cases.csv").write_text(ROWS)
    (tmp_path / "task.yaml").write_text(rest + before)
    with pytest.raises(TaskError):
        load_task(tmp_path)
    task = load_task(tmp_path, candidates_to_come=True)
    assert task.file.candidates == ()
    write_candidates(task, [Entry(model="acme/s", reference="mistral/small", key_env="KEY")])
    assert task.path.read_text() == rest + after
    assert load_task(tmp_path).file.candidates == ("mistral/small",)


def test_a_task_file_in_braces_gets_its_first_only_into_brackets(tmp_path: Path) -> None:
    """There a list one item a line cannot stand; the file is left as it is."""
    (tmp_path / "cases.csv").write_text(ROWS)
    for text in ("{task: t, cases: cases.csv, candidates: []}\n", "{task: t, cases: cases.csv}\n"):
        (tmp_path / "task.yaml").write_text(text)
        task = load_task(tmp_path, candidates_to_come=True)
        if "[]" in text:
            write_candidates(task, entries("mistral/small"))
            assert task.path.read_text() == text.replace("[]", "[mistral/small]")
            continue
        with pytest.raises(TaskError, match="one item a line"):
            write_candidates(task, entries("mistral/small"))
        assert task.path.read_text() == text


def test_comments_between_brackets_stay(tmp_path: Path) -> None:
    """Nobody can tell which of them goes with an item that is to be taken out; adding takes none away."""
    rest = "task: t\ncases: cases.csv\n"
    text = rest + "candidates: [baseline/majority,   # ours\n  openai/gpt-4o,   # dear\n  fake/parrot   # last\n  ]\n"
    task = task_in(tmp_path, text)
    with pytest.raises(TaskError, match="comments between brackets"):
        write_candidates(task, entries("mistral/small"), replace=True)
    assert task.path.read_text() == text
    kept = text.replace("openai/gpt-4o", "baseline/nearest")
    write_candidates(task_in(tmp_path, kept), entries("mistral/small"))
    assert task.path.read_text() == kept.replace("fake/parrot ", "fake/parrot, mistral/small ")


def test_a_protected_file_is_not_replaced() -> None:
    """That its folder may be written does not make it anybody's to change; mode and owner stay otherwise."""
    folder = Path(tempfile.mkdtemp(prefix="touchstone-"))
    try:
        task = task_in(folder)
        task.path.chmod(0o640)
        write_candidates(task, entries("mistral/small"))
        about = task.path.stat()
        assert (about.st_mode & 0o7777, about.st_uid) == (0o640, os.getuid())
        task = load_task(folder)
        before = task.path.read_text()
        task.path.chmod(0o444)
        folder.chmod(0o777)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65534)  # root may write everything, so somebody else has to try
        try:
            with pytest.raises(SettingsError, match="cannot be written"):
                write_candidates(task, entries("mistral/large"), replace=True)
        finally:
            os.seteuid(was)
        assert task.path.read_text() == before
        assert sorted(path.name for path in folder.iterdir()) == ["cases.csv", "task.yaml"]
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_of_somebody_else_stays_theirs(tmp_path: Path) -> None:
    """Its owner and its group are kept where that is allowed."""
    task = task_in(tmp_path)
    os.chown(task.path, 65534, 65533)
    write_candidates(task, entries("mistral/small"))
    about = task.path.stat()
    assert (about.st_uid, about.st_gid) == (65534, 65533)


def test_what_cannot_be_edited_is_left_alone(tmp_path: Path) -> None:
    """An alias says elsewhere what an item is; the file stays as it is, and the sentence says what to do."""
    text = "task: &name openai/x\ncases: cases.csv\ncandidates:\n  - *name\n  - baseline/majority\n"
    task = task_in(tmp_path, text)
    with pytest.raises(TaskError, match="one item a line"):
        write_candidates(task, entries("mistral/small"), replace=True)
    assert task.path.read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.csv", "task.yaml"]


_ITEMS = st.sampled_from(
    [
        "baseline/majority",
        "openai/gpt-4o",
        '{model: baseline/nearest, name: "a, b: c"}',
        "{model: groq/x, name: 'it''s'}",
        "model: deepseek/d\n    name: two lines",
        '"fake/parrot"',
    ]
)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(_ITEMS, st.sampled_from(["", "   # remark", "\n  # own line", "\n"])), min_size=1, max_size=6),
    st.booleans(),
)
def test_whatever_stood_there_the_rest_stays(items: list[tuple[str, str]], last: bool) -> None:
    """Every item that is kept, every comment on a line of its own and every other key is there afterwards."""
    import tempfile

    body = "".join(f"  - {item}{remark}\n" for item, remark in items)
    tail = "" if last else "goal: best   # as always\n"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        task = task_in(folder, f"task: t\ncases: cases.csv\ncandidates:\n{body}{tail}")
        gone = sum(any(name in item for name in ("openai/", "groq/", "deepseek/")) for item, _ in items)
        write_candidates(task, entries("mistral/small"), replace=True)
        text = task.path.read_text()
        raw, _ = read_yaml(task.path)
    assert len(raw["candidates"]) == len(items) - gone + 1
    assert raw["candidates"][-1] == "mistral/small"
    assert text.count("# own line") == sum(remark == "\n  # own line" for _, remark in items)
    assert last or text.endswith("goal: best   # as always\n")


def test_nobody_to_write_is_said(tmp_path: Path) -> None:
    """An empty shortlist does not empty the file."""
    task = task_in(tmp_path)
    with pytest.raises(SettingsError, match="stays as it is"):
        write_candidates(task, [])
    assert task.path.read_text() == TASK


def qualified(model: str, *offers: Offer) -> Qualified:
    return Qualified(
        model=model,
        name=model,
        supplies=tuple(Supply(offer=one) for one in offers),
        reason=Reason(template="x"),
    )


def listed(*found: Qualified) -> Shortlist:
    return Shortlist(day=TODAY, needs=Needs(), priorities=("cost",), asked={}, qualified=found, excluded=(), relaxed=())


def test_another_offer_than_the_one_shown_is_said() -> None:
    """Which one is written, by whom and at what cost, in the unit of the list."""
    shown, other = offer("avian", name="a1"), offer("mistral", name="a2")
    for cost, words in (
        ({"usd_per_month": 12.5, "usd_per_call": 1.0}, "by mistral at 12.50 USD a month"),
        ({"usd_per_call": 0.25}, "by mistral at 0.25 USD a call"),
        ({"input_usd": 1.0, "output_usd": 2.0}, "at 1 USD a million input tokens and 2 a million output tokens"),
        ({}, "at a cost nobody knows"),
    ):
        one = qualified("acme/a")._replace(supplies=(Supply(offer=shown), Supply(other, **cost)))
        ((entry,), _) = entries_of(listed(one), {"acme/a": card("acme/a")}, 1, Constraints())
        assert entry.note is not None
        assert entry.note.text().startswith("acme/a is written as mistral/a2, ")
        assert words in entry.note.text()
        assert "because what avian sells cannot be called as it is" in entry.note.text()
    ((entry,), _) = entries_of(listed(qualified("acme/a", other)), {"acme/a": card("acme/a")}, 1, Constraints())
    assert entry.note is None


def test_what_leaves_the_wanted_place_is_not_written() -> None:
    """An offer that stays there by itself is written instead; else what to set is said, once a seller."""
    leaving = [Supply(offer=offer("openai", name=name), leaves=("anywhere",)) for name in ("x1", "x2")]
    staying = Supply(offer=offer("mistral", name="m"))
    found = listed(
        qualified("acme/a")._replace(supplies=(leaving[0], staying)),
        qualified("acme/b")._replace(supplies=(leaving[0],)),
        qualified("acme/c")._replace(supplies=(leaving[1],)),
    )._replace(needs=Needs(regions=("eu",)))
    new, left_out = entries_of(found, {one.model: card() for one in found.qualified}, 5, Constraints())
    assert [one.reference for one in new] == ["mistral/m"]
    assert new[0].note is not None
    first, second = (said(one) for one in left_out)
    assert first.startswith(
        "acme/b is left out: called by name, OpenAI may run it outside EU too; set up what keeps it"
    )
    assert "eu.api.openai.com" in first
    assert second == "acme/c is left out: called by name, OpenAI may run it outside EU too; see above"


def test_each_model_is_written_as_compare_understands_it() -> None:
    """By the preset of its cheapest seller that has one; those that nobody can call are named with the reason."""
    served = OwnOffer(served_name="mine-v2", base_url="http://models.internal:8000/v1", key_env="OWN_KEY")
    own = card("own/mine").model_copy(update={"endpoints": (served,)})
    found = listed(
        qualified("acme/a", offer("avian", name="a1"), offer("mistral", name="a2")),
        qualified("acme/b", offer("avian", name="b1")),
        qualified("acme/c"),
        qualified("acme/d", offer("azure", name="d1")),
        qualified("acme/e", offer("openrouter", name="no-author"), offer("openrouter", name="acme/e:free")),
        qualified("own/mine", offer("own", name="mine-v2")),
        qualified("acme/f", offer("openai", name="f1")),
    )
    cards = {one.model: card("acme/any") for one in found.qualified} | {"own/mine": own}
    new, left_out = entries_of(found, cards, 3, Constraints())

    assert [one.reference for one in new] == [
        "mistral/a2",
        "openrouter/acme/e:free",
        {
            "model": "openai-compatible",
            "base_url": "http://models.internal:8000/v1",
            "served_name": "mine-v2",
            "key_env": "OWN_KEY",
        },
    ]
    assert [one.key_env for one in new] == ["MISTRAL_API_KEY", "OPENROUTER_API_KEY", "OWN_KEY"]
    assert [str(one.values["model"]) for one in left_out] == ["acme/b", "acme/c", "acme/d"]
    assert "nobody is known to sell it" in left_out[1].text()


def test_what_the_task_demands_is_written_beside_an_own_address() -> None:
    """The catalog knows a provider's models by name, and nobody knows what answers at an address."""
    served = OwnOffer(served_name="mine", base_url="http://models.internal:8000/v1")
    own = card("own/mine", weights="open").model_copy(update={"endpoints": (served,)})
    found = listed(qualified("own/mine", offer("own", name="mine")), qualified("acme/a", offer("mistral", name="a")))
    cards = {"own/mine": own, "acme/a": card("acme/a")}
    new, _ = entries_of(found, cards, 2, Constraints(licence="open_weights", self_hostable=True))
    assert new[0].line.endswith('served_name: "mine", licence: "open_weights", self_hostable: true}')
    assert new[1].line == "mistral/a"
    short, _ = entries_of(found, cards, 1, Constraints())
    assert short[0].line.endswith('served_name: "mine"}')


def test_compare_runs_on_the_written_file(house: House) -> None:
    """A shortlist of own endpoints is written, measured on a real server and decided."""
    house.task("poor")
    task = load_task(house.folder)
    cards = []
    for name in ("large", "small"):
        endpoint = OwnOffer.model_validate(
            {"served_name": name, "base_url": house.server.base_url, "price": {"input_usd": 0, "output_usd": 1}}
        )
        rates = tuple(Rate(unit=unit, usd=Decimal(1), per=1_000_000) for unit in ("input_tokens", "output_tokens"))
        sold = Offer(provider="own", served_name=name, periods=(PricePeriod(rates=rates),), source="own card")
        made = card(f"own/{name}", weights="open", licence="mit", context_tokens=9000, offers=[sold])
        cards.append(made.model_copy(update={"endpoints": (endpoint,)}))
    asked = ask(Wishes(), settings_in(house.folder), today=TODAY, task=task)
    found = answer(asked, SmallCatalog(cards), wishes=Wishes(), task=task)
    new, left_out = entries_of(found.shortlist, found.cards, 5, task.file.constraints)
    assert left_out == []
    write_candidates(task, new)

    result = house.compare("--full")
    assert {one["name"] for one in result["candidates"]} == {"poor", "large", "small"}
    assert result["decision"]["chosen"] in ("large", "small")
