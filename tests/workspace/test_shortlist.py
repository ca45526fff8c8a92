"""From a task file to needs, from needs to the cards of a catalog, and back into the task file."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.decision.market import QUIZ, card, claim, offer
from tests.workspace.house import House

from touchstone.catalog.cards import Card
from touchstone.catalog.catalog import Catalog
from touchstone.catalog.index import CatalogIndex
from touchstone.catalog.index_rows import index_rows
from touchstone.catalog.index_write import fill_index
from touchstone.catalog.offers import Offer, PricePeriod, Rate
from touchstone.catalog.own_offer import OwnOffer
from touchstone.config import Settings
from touchstone.decision.base import Constraints, Reason
from touchstone.decision.shortlist_base import Floor, Needs, Qualified, Shortlist, Supply
from touchstone.errors import SettingsError, TaskError, UnknownName
from touchstone.reporting.shortlist_words import said
from touchstone.strategies.prompt import default_system
from touchstone.workspace import plan
from touchstone.workspace.shortlist import answer, ask, background_of, explained
from touchstone.workspace.shortlist_cases import ANSWER_TOKENS, answer_tokens, instruction_bytes, look_at_cases
from touchstone.workspace.shortlist_codes import check_codes
from touchstone.workspace.shortlist_entries import Entry, entries_of
from touchstone.workspace.shortlist_measured import measured_before
from touchstone.workspace.shortlist_needs import Wishes, assumptions, needs_of
from touchstone.workspace.shortlist_write import write_candidates
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
    look = look_at_cases(task)
    needs = needs_of(Wishes(), today=TODAY, task=task, look=look)
    assert needs.inputs == ("image",)
    assert needs.input_tokens is not None
    assert needs.input_tokens.at_least
    said = [one.text() for one in assumptions(needs, look, None)]
    assert any("images and recordings are not counted, so a cost is what it is at least" in one for one in said)
    counted = needs_of(Wishes(input_tokens=900), today=TODAY, task=task, look=look).input_tokens
    assert counted is not None
    assert not counted.at_least


def test_vectors_and_scores_cost_no_output_whatever_the_cases_ask(tmp_path: Path) -> None:
    """A task file's guess by the kind of answer is about models that write; a flag wins over both."""
    task = task_in(tmp_path)
    needs = needs_of(Wishes(tasks=("embedding",)), today=TODAY, task=task, look=look_at_cases(task))
    assert needs.output_tokens is not None
    assert needs.output_tokens.value == 0
    said = [one.text() for one in assumptions(needs, None, None)]
    assert "output of a call: vectors and scores are not billed by the token" in said
    assert not any("thinking" in one for one in said)
    both = needs_of(Wishes(tasks=("embedding", "chat")), today=TODAY, task=task, look=look_at_cases(task))
    asked = Wishes(tasks=("reranking",), output_tokens=3)
    given_too = needs_of(asked, today=TODAY, task=task, look=look_at_cases(task))
    assert [one.output_tokens.value for one in (both, given_too) if one.output_tokens] == [8, 3]


@pytest.mark.parametrize("line", ["volume: {requests_per_month: .inf}", "volume: {requests_per_month: 1e300}"])
def test_a_volume_that_nothing_can_be_worked_out_with_is_refused(tmp_path: Path, line: str) -> None:
    """The line of the file is named."""
    task = task_in(tmp_path, TASK.replace("volume: {requests_per_month: 2000}", line))
    with pytest.raises(TaskError, match=r"line 9: volume.requests_per_month is .* at most"):
        needs_of(Wishes(), today=TODAY, task=task, look=look_at_cases(task))


@pytest.mark.parametrize(
    "field",
    [
        "memory_gib",
        "max_input_usd",
        "max_output_usd",
        "max_usd_per_month",
        "requests_per_month",
        "input_tokens",
        "output_tokens",
        "days",
        "budget_usd",
        "gpu_usd_per_hour",
    ],
)
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300])
def test_wishes_are_numbers_that_can_be_reckoned_with(field: str, value: float) -> None:
    """Neither infinite nor so large that a product of two is."""
    with pytest.raises(ValidationError):
        Wishes.model_validate({field: value})


def test_whole_numbers_have_an_end_too() -> None:
    """A day beyond the calendar, a context beyond a float."""
    for field, value in (("serve_days", 3_000_000), ("context_tokens", 10**30), ("fit_context_tokens", 10**400)):
        with pytest.raises(ValidationError):
            Wishes.model_validate({field: value})
    assert needs_of(Wishes(serve_days=36_500), today=TODAY).serve_until == date(2126, 7, 8)
    with pytest.raises(ValidationError, match="finite"):
        Floor(benchmark=QUIZ, value=float("nan"))


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"languages": ("klingon",)}, "no language is called 'klingon'"),
        ({"regions": ("mars",)}, "no place is called 'mars'"),
        ({"lab_countries": ("GERMANY",)}, "no country of a lab is called 'GERMANY'; known: AE, CA"),
        ({"seller_countries": ("ZZ",)}, "no country of a seller is called 'ZZ'"),
        ({"not_lab_countries": ("CHINA",)}, "no country is called 'CHINA'; known: CN"),
        ({"not_seller_countries": ("CHINA",)}, "no country is called 'CHINA'; known: CN"),
    ],
    ids=str,
)
def test_a_code_that_nobody_uses_is_refused(wishes: dict[str, Any], said: str) -> None:
    """It would leave an empty list and no word of the slip."""
    catalog = SmallCatalog([card(languages=("en", "und"))])
    with pytest.raises(UnknownName, match=re.escape(said)):
        check_codes(Wishes(**wishes), catalog)
    check_codes(Wishes(languages=("en", "any"), regions=("eu",), lab_countries=("US",)), catalog)
    check_codes(Wishes(not_lab_countries=("BR",)), catalog)  # nobody from there yet, and nobody may come
    with pytest.raises(UnknownName):
        check_codes(Wishes(languages=("und",)), catalog)


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


def test_a_result_is_judged_by_the_condition_that_a_search_shows(tmp_path: Path) -> None:
    """The one under which most models were measured; the best value under any would mix two tests."""
    cards = [
        card("acme/a", claims=[claim("acme/a", 90.0, "gpqa", subset="easy"), claim("acme/a", 30.0, "gpqa")]),
        card("acme/b", claims=[claim("acme/b", 70.0, "gpqa")]),
    ]
    wishes = Wishes(floor=Floor(benchmark=QUIZ.model_copy(update={"id": "gpqa"}), value=60.0), callable=False)
    asked = ask(wishes, settings_in(tmp_path), today=TODAY)
    found = answer(asked, SmallCatalog(cards), wishes=wishes).shortlist
    assert [one.model for one in found.qualified] == ["acme/b"]
    assert found.needs.floor is not None
    assert found.needs.floor.condition == cards[1].claims[0].condition
    _, checks = explained(asked, SmallCatalog(cards), "acme/a")
    assert [check.actual for check in checks if check.limit == "benchmark"] == [30.0]


def test_who_qualifies_as_callable_can_be_written() -> None:
    """Whoever judges and whoever writes ask the same question."""
    background = background_of(SmallCatalog([]), Needs(), ())
    assert background.can_call(offer("openrouter", name="acme/e"))
    assert background.can_call(offer("own"))
    for sold in (offer("openrouter", name="no-author"), offer("azure"), offer("google", name="claude-x")):
        assert not background.can_call(sold)


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
