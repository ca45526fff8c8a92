"""From a task file, its cases and flags to needs."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.decision.market import QUIZ, card
from tests.workspace.house import House
from tests.workspace.small_task import TASK, TODAY, SmallCatalog, settings_in, task_in

from touchstone.decision.shortlist_base import Floor
from touchstone.errors import SettingsError, TaskError, UnknownName
from touchstone.strategies.prompt import default_system
from touchstone.workspace import plan
from touchstone.workspace.shortlist import ask
from touchstone.workspace.shortlist_cases import ANSWER_TOKENS, answer_tokens, instruction_bytes, look_at_cases
from touchstone.workspace.shortlist_codes import check_codes
from touchstone.workspace.shortlist_measured import measured_before
from touchstone.workspace.shortlist_needs import Wishes, assumptions, needs_of
from touchstone.workspace.taskfile import load_task


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
