"""From a task file to needs, from needs to the cards of a catalog, and back into the task file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.decision.market import card, offer
from tests.workspace.house import House

from touchstone.catalog.cards import Card
from touchstone.catalog.catalog import Catalog
from touchstone.catalog.index import CatalogIndex
from touchstone.catalog.index_rows import index_rows
from touchstone.catalog.index_write import fill_index
from touchstone.catalog.offers import Offer, PricePeriod, Rate
from touchstone.catalog.own import OwnOffer
from touchstone.config import Settings
from touchstone.decision.base import Constraints, Reason
from touchstone.decision.shortlist_base import Qualified, Shortlist, Supply
from touchstone.errors import SettingsError, TaskError
from touchstone.strategies.prompt import default_system
from touchstone.workspace import plan
from touchstone.workspace.shortlist import answer, ask, explained
from touchstone.workspace.shortlist_cases import ANSWER_TOKENS, answer_tokens, instruction_bytes, look_at_cases
from touchstone.workspace.shortlist_measured import measured_before
from touchstone.workspace.shortlist_needs import Wishes, needs_of
from touchstone.workspace.shortlist_write import Entry, entries_of, write_candidates
from touchstone.workspace.taskfile import Task, load_task
from touchstone.workspace.yaml_file import read_yaml

TODAY = date(2026, 8, 1)
TASK = """\
# Which intent is it?
task: intents
instruction: Name the intent.
cases: cases.csv
answer: {kind: label, labels: [refund, delivery]}
candidates:
  - baseline/majority     # costs nothing
constraints: {licence: open, max_usd_per_month: 5}
volume: {requests_per_month: 2000}
"""
ROWS = "id,input,target,split\n" + "".join(
    f"q{n},{'where is my parcel ' * n}now,delivery,{'train' if n > 3 else 'test'}\n" for n in range(1, 6)
)


def task_in(folder: Path, text: str = TASK, rows: str = ROWS) -> Task:
    (folder / "cases.csv").write_text(rows, encoding="utf-8")
    (folder / "task.yaml").write_text(text, encoding="utf-8", newline="")
    return load_task(folder)


def settings_in(folder: Path) -> Settings:
    return Settings(workspace=folder / ".touchstone", workspace_from="test")


class SmallCatalog(Catalog):
    """A catalog of a few cards, with a real index in memory."""

    def __init__(self, cards: Sequence[Card]) -> None:
        super().__init__(None, today=TODAY)
        connection = sqlite3.connect(":memory:")
        fill_index(connection, index_rows(sorted(cards, key=lambda one: one.id), TODAY, {}), {"key": "test"})
        self.__dict__["index"] = CatalogIndex(connection)


# Needs ----------------------------------------------------------------------------------------------------------------


def test_a_task_file_says_what_its_models_need(tmp_path: Path) -> None:
    """Task by the kind of answer, context and tokens by the cases, licence, money and volume by the file."""
    task = task_in(tmp_path)
    look = look_at_cases(task)
    needs = needs_of(Wishes(), today=TODAY, task=task, look=look)

    assert needs.one_task_of == ("chat",)
    assert needs.openness == "open-licence"
    assert needs.max_usd_per_month == 5
    assert needs.requests_per_month is not None
    assert (needs.requests_per_month.value, needs.requests_per_month.basis) == (2000, "given")
    assert needs.input_tokens is not None
    assert needs.input_tokens.basis == "estimated"
    assert needs.output_tokens is not None
    assert (needs.output_tokens.value, needs.output_tokens.basis) == (8, "assumed")
    assert needs.context_tokens == look.longest_tokens + 8
    assert needs.serve_until == TODAY
    assert needs.languages == ()
    assert (look.train, look.test) == (2, 3)


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    """What a flag says stands; what it does not say is the file's."""
    task = task_in(tmp_path)
    wishes = Wishes(
        tasks=("embedding",),
        openness="open-weights",
        max_usd_per_month=7,
        requests_per_month=10,
        input_tokens=100,
        output_tokens=20,
        context_tokens=999,
        serve_days=30,
        languages=("de",),
    )
    needs = needs_of(wishes, today=TODAY, task=task, look=look_at_cases(task))
    assert (needs.tasks, needs.one_task_of) == (("embedding",), ())
    assert (needs.openness, needs.max_usd_per_month, needs.context_tokens) == ("open-weights", 7, 999)
    figures = (needs.requests_per_month, needs.input_tokens, needs.output_tokens)
    assert [(one.value, one.basis) for one in figures if one] == [(10, "given"), (100, "given"), (20, "given")]
    assert needs.serve_until == date(2026, 8, 31)
    assert needs.languages == ("de",)


@pytest.mark.parametrize(
    ("text", "languages"),
    [("我的包裹在哪里", ("zh",)), ("where is my parcel", ()), ("荷物はどこですか", ()), ("4711", ())],
)
def test_chinese_cases_ask_for_chinese(tmp_path: Path, text: str, languages: tuple[str, ...]) -> None:
    """Chinese characters without kana; Latin letters and digits say nothing, for a guess is no limit."""
    task = task_in(tmp_path, rows=f"id,input,target\na,{text},refund\n")
    look = look_at_cases(task)
    assert needs_of(Wishes(), today=TODAY, task=task, look=look).languages == languages
    assert needs_of(Wishes(languages=("any",)), today=TODAY, task=task, look=look).languages == ()


def test_images_and_recordings_must_be_read(tmp_path: Path) -> None:
    """A case with an image asks for a model that reads images, in a column or in a message."""
    (tmp_path / "a.png").write_bytes(b"png")
    task = task_in(tmp_path, rows="id,input,image,target\na,what is this,a.png,refund\n")
    assert needs_of(Wishes(), today=TODAY, task=task, look=look_at_cases(task)).inputs == ("image",)


def test_a_limit_on_money_needs_everything_it_is_made_of(tmp_path: Path) -> None:
    """Without a volume the line of the file is named; without a file, the flag that is missing."""
    task = task_in(tmp_path, TASK.replace("volume: {requests_per_month: 2000}\n", ""))
    with pytest.raises(TaskError, match="line 8: max_usd_per_month needs a volume"):
        needs_of(Wishes(), today=TODAY, task=task, look=look_at_cases(task))
    with pytest.raises(SettingsError, match="needs --input-tokens"):
        needs_of(Wishes(max_usd_per_month=5, requests_per_month=1), today=TODAY)
    embedding = Wishes(tasks=("embedding",), max_usd_per_month=5, requests_per_month=1, input_tokens=9)
    assert needs_of(embedding, today=TODAY).output_tokens is not None  # vectors are not billed by the token


def test_json_answers_do_not_ask_for_what_hardly_anybody_states(tmp_path: Path) -> None:
    """That a model keeps to a schema is a limit only when a flag says so; otherwise the page says that it is none."""
    task = task_in(tmp_path, TASK.replace("{kind: label, labels: [refund, delivery]}", "{kind: json}"))
    asked = ask(Wishes(), settings_in(tmp_path), today=TODAY, task=task)
    assert asked.needs.abilities == ()
    assert "--structured-output asks" in asked.assumed[-1].text()
    strict = ask(Wishes(abilities=("structured-output",)), settings_in(tmp_path), today=TODAY, task=task)
    assert not any("--structured-output" in one.text() for one in strict.assumed)


def test_nothing_asked_is_a_mistake(tmp_path: Path) -> None:
    """Without a task file and without a limit there is nothing to solve."""
    with pytest.raises(SettingsError, match="nothing is asked for"):
        ask(Wishes(), settings_in(tmp_path), today=TODAY)


def test_guesses_are_those_of_the_plan() -> None:
    """A shortlist and a plan reckon with the same length of an answer."""
    assert ANSWER_TOKENS == plan._EXPECTED_OUTPUT_TOKENS
    assert answer_tokens("free") == 256


@pytest.mark.parametrize("kind", ["label", "choice", "number", "json", "text"])
def test_the_instruction_is_about_as_long_as_what_is_sent(tmp_path: Path, kind: str) -> None:
    """Never more than a hundred bytes off what a comparison puts before every case."""
    rows = 'id,input,target,options\na,x,A,"[""p"",""q""]"\n'
    task = task_in(tmp_path, TASK.replace("{kind: label, labels: [refund, delivery]}", f"{{kind: {kind}}}"), rows)
    said = default_system(task.file.instruction, task.answer.model_copy(update={"labels": ("A",)}))
    assert abs(instruction_bytes(task, ["A"]) - len(said.encode())) <= 100


def test_stored_trials_replace_estimates(house: House) -> None:
    """Tokens are the mean over the candidates of the newest comparison of these cases; other cases measure nothing."""
    house.task("large", "small", volume={"requests_per_month": 100})
    house.compare("--full")
    task = load_task(house.folder)
    settings = settings_in(house.folder)

    asked = ask(Wishes(), settings, today=TODAY, task=task)
    assert asked.measured is not None
    assert (asked.measured.input_tokens, asked.measured.output_tokens, asked.measured.candidates) == (30, 5, 2)
    assert asked.needs.input_tokens is not None
    assert asked.needs.input_tokens.basis == "measured"
    assert measured_before(settings, "of other cases") is None
    assert measured_before(settings_in(house.folder / "elsewhere"), asked.look.digest) is None  # type: ignore[union-attr]


def test_a_baseline_measures_no_tokens(house: House) -> None:
    """What is computed here, or was recorded, says nothing about a call."""
    rows = [f"q{n},word{n % 2} {n},{n % 2},{'train' if n < 40 else 'test'}\n" for n in range(80)]
    (house.folder / "cases.csv").write_text("id,input,target,split\n" + "".join(rows))
    text = "task: t\ncases: cases.csv\nanswer: {kind: label, labels: ['0', '1']}\ncandidates: [baseline/majority]\n"
    (house.folder / "task.yaml").write_text(text)
    house.compare("--full")
    asked = ask(Wishes(), settings_in(house.folder), today=TODAY, task=load_task(house.folder))
    assert asked.measured is None


# The catalog ----------------------------------------------------------------------------------------------------------


def test_a_catalog_answers_with_a_reason_for_everybody(tmp_path: Path) -> None:
    """Who does another task is told by the index alone; the others by their cards."""
    sold = [offer("openai", 0.1, 0.2)]
    cards = [
        card("acme/fits", weights="open", licence="mit", context_tokens=8000, offers=sold),
        card("acme/vectors", tasks=("embedding",)),
        card("acme/closed", weights="closed", context_tokens=8000, offers=sold),
        card("acme/guard", tasks=("moderation", "classification"), offers=sold),
    ]
    task = task_in(tmp_path)
    asked = ask(Wishes(), settings_in(tmp_path), today=TODAY, task=task)
    found = answer(asked, SmallCatalog(cards), wishes=Wishes(), task=task)

    assert [one.model for one in found.shortlist.qualified] == ["acme/fits"]
    assert {one.model: (one.check.limit, one.further) for one in found.shortlist.excluded} == {
        "acme/vectors": ("any-task", None),
        "acme/closed": ("openness", 0),
        "acme/guard": ("any-task", None),  # it has classes of its own
    }
    assert "any-task" not in {one.limit for one in found.shortlist.relaxed}
    assert list(found.cards) == ["acme/fits"]
    assert found.advice
    _, checks = explained(asked, SmallCatalog(cards), "acme/vectors")
    assert [check.limit for check in checks if check.verdict != "met"][:1] == ["any-task"]


# Writing --------------------------------------------------------------------------------------------------------------


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


def qualified(model: str, *offers: Offer, openness: str | None = None) -> Qualified:
    return Qualified(
        model=model,
        name=model,
        openness=openness,
        supplies=tuple(Supply(offer=one) for one in offers),
        reason=Reason(template="x"),
    )


def listed(*found: Qualified) -> Shortlist:
    from touchstone.decision.shortlist_base import Needs

    return Shortlist(day=TODAY, needs=Needs(), priorities=("cost",), asked={}, qualified=found, excluded=(), relaxed=())


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
    own = card("own/mine").model_copy(update={"endpoints": (served,)})
    found = listed(
        qualified("own/mine", offer("own", name="mine"), openness="open-weights"),
        qualified("acme/a", offer("mistral", name="a"), openness="open-weights"),
    )
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
