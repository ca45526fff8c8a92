"""
Exams as pytest classes: subclass one, give it the member as a fixture, and pytest does the rest.

    class TestWithinWords(ScorerExam):
        @pytest.fixture
        def scorer(self) -> Scorer:
            return WithinWords(limit=3)
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from touchstone.data.base import Case, Reader
from touchstone.deployment.base import ComputeSettings
from touchstone.deployment.compute.base import Compute
from touchstone.errors import DataError, ModelError, UserError
from touchstone.models.base import ChatModel, ChatRequest, Completion, Message, Reply, TextPart
from touchstone.scoring.base import AnswerReader, Reading, Scorer

ODD_TEXTS = (
    "",
    " ",
    "\n\n",
    "yes",
    "The answer is (B).",
    "答案：乙",
    "a" * 20_000,
    "\x00\x1b[31m\u202e",
    "{" * 500,
    '```json\n{"answer": 4}\n```',
    "😀 ½ ٣ １２",
)
"""Outputs that real models have produced in one form or another."""


class ScorerExam:
    """What every scorer promises. Give the fixtures `scorer`, and `right` where the default does not fit."""

    @pytest.fixture
    def scorer(self) -> Scorer:
        """The scorer under exam."""
        pytest.fail("give the exam a `scorer` fixture")

    @pytest.fixture
    def right(self) -> tuple[Case, str]:
        """A case and an answer that deserves a score of 1."""
        return Case(id="exam", input="Say yes.", target="yes"), "yes"

    def test_right_answer_scores_one(self, scorer: Scorer, right: tuple[Case, str]) -> None:
        """A right answer scores 1."""
        case, text = right
        assert _score(scorer, case, text) == pytest.approx(1.0)

    @pytest.mark.parametrize("text", ODD_TEXTS)
    def test_any_answer_scores_within_bounds(self, scorer: Scorer, right: tuple[Case, str], text: str) -> None:
        """Whatever a model writes scores between 0 and 1, or None with a reason."""
        value = _score(scorer, right[0], text)
        assert value is None or 0.0 <= value <= 1.0

    @pytest.mark.parametrize("text", ODD_TEXTS)
    def test_score_is_repeatable(self, scorer: Scorer, right: tuple[Case, str], text: str) -> None:
        """The same answer scores the same again."""
        assert _score(scorer, right[0], text) == _score(scorer, right[0], text)

    def test_says_what_it_reads(self, scorer: Scorer) -> None:
        """A scorer has a name and says whether it needs a target and reads the answer."""
        assert scorer.name
        assert isinstance(scorer.needs_target, bool)
        assert isinstance(scorer.reads_answer, bool)


def _score(scorer: Scorer, case: Case, text: str) -> float | None:
    completion = Completion(parts=(TextPart(text=text),))
    score = asyncio.run(scorer.score(case, completion, Reading(answer=text, how="exam")))
    assert score.scorer == scorer.name
    assert score.value is not None or score.reason
    return score.value


class AnswerReaderExam:
    """What every answer reader promises. Give the fixtures `answer_reader` and `readable`."""

    @pytest.fixture
    def answer_reader(self) -> AnswerReader:
        """The reader under exam."""
        pytest.fail("give the exam an `answer_reader` fixture")

    @pytest.fixture
    def readable(self) -> tuple[Case, str, str]:
        """A case, an output, and the answer that stands in it."""
        pytest.fail("give the exam a `readable` fixture")

    def test_reads_the_answer(self, answer_reader: AnswerReader, readable: tuple[Case, str, str]) -> None:
        """The answer that stands in an output is found, and the step that found it is named."""
        case, text, answer = readable
        reading = answer_reader.read(text, case)
        assert reading.answer == answer
        assert reading.how

    @pytest.mark.parametrize("text", ODD_TEXTS)
    def test_never_raises_and_repeats_itself(
        self, answer_reader: AnswerReader, readable: tuple[Case, str, str], text: str
    ) -> None:
        """Any text can be read; the same text reads the same again."""
        first = answer_reader.read(text, readable[0])
        assert first == answer_reader.read(text, readable[0])
        assert first.how

    @pytest.mark.parametrize("text", ODD_TEXTS)
    def test_does_not_look_at_the_target(
        self, answer_reader: AnswerReader, readable: tuple[Case, str, str], text: str
    ) -> None:
        """The target changes nothing about what is read."""
        case = readable[0]
        other = case.model_copy(update={"target": "something else"})
        assert answer_reader.read(text, case) == answer_reader.read(text, other)

    def test_nothing_is_read_out_of_nothing(self, answer_reader: AnswerReader, readable: tuple[Case, str, str]) -> None:
        """An empty output has no answer; none is invented."""
        assert answer_reader.read("", readable[0]).answer is None


class ReaderExam:
    """What every reader of case files promises. Give the fixtures `reader` and `sample`."""

    @pytest.fixture
    def reader(self) -> Reader:
        """The reader under exam."""
        pytest.fail("give the exam a `reader` fixture")

    @pytest.fixture
    def sample(self, tmp_path: Path) -> tuple[Path, list[dict[str, object]]]:
        """A file of at least two rows, and what stands in it."""
        pytest.fail("give the exam a `sample` fixture")

    def test_reads_every_row_in_order(self, reader: Reader, sample: tuple[Path, list[dict[str, object]]]) -> None:
        """Rows come in order, numbered from 1, with every column."""
        path, expected = sample
        found = list(reader.rows(path))
        assert [row for _, row in found] == expected
        assert [number for number, _ in found] == list(range(1, len(expected) + 1))

    def test_streams(self, reader: Reader, sample: tuple[Path, list[dict[str, object]]]) -> None:
        """Rows are yielded one by one; nobody has to take them all."""
        rows = reader.rows(sample[0])
        assert iter(rows) is rows, "rows() gives a list; yield each row as it is read"
        assert next(rows)[1] == sample[1][0]

    def test_describes_the_file(self, reader: Reader, sample: tuple[Path, list[dict[str, object]]]) -> None:
        """A reader says in one line how it understands a file."""
        line = reader.describe(sample[0])
        assert line
        assert "\n" not in line

    def test_missing_file_is_a_data_error(self, reader: Reader, tmp_path: Path) -> None:
        """A file that is not there is a DataError that names it."""
        with pytest.raises(DataError, match="absent"):
            list(reader.rows(tmp_path / f"absent{reader.suffixes[0]}"))

    def test_has_a_name_and_suffixes(self, reader: Reader) -> None:
        """A reader has a name and says which files are its own."""
        assert reader.name
        assert all(suffix.startswith(".") for suffix in reader.suffixes)


class ChatModelExam:
    """What every chat model promises. Give the fixture `model`, able to answer with no network but loopback."""

    @pytest.fixture
    def model(self) -> ChatModel:
        """The model under exam."""
        pytest.fail("give the exam a `model` fixture")

    REQUEST = ChatRequest(messages=(Message(role="user", content="Say yes."),), temperature=0.0)

    def test_answers(self, model: ChatModel) -> None:
        """A request gets a reply, and the reply reads as a completion with its clock."""
        reply, completion = asyncio.run(_ask(model, self.REQUEST))
        assert isinstance(completion.text, str)
        assert reply.latency_s >= 0
        assert completion.latency_s is None or completion.latency_s >= 0

    def test_reading_is_pure(self, model: ChatModel) -> None:
        """A stored reply reads the same today and tomorrow."""
        reply, completion = asyncio.run(_ask(model, self.REQUEST))
        stored = Reply.model_validate(reply.model_dump())
        assert model.read(stored) == completion

    def test_garbage_is_a_model_error(self, model: ChatModel) -> None:
        """Bytes that are no reply raise a ModelError, never an empty answer."""
        with pytest.raises(ModelError):
            model.read(Reply(body=b"<html>no</html>", latency_s=0.0))

    def test_many_at_once(self, model: ChatModel) -> None:
        """A model is asked many times at once."""

        async def ask_all() -> int:
            try:
                replies = await asyncio.gather(*(model.send(self.REQUEST) for _ in range(8)))
            finally:
                await model.close()
            return len(replies)

        assert asyncio.run(ask_all()) == 8

    def test_closes_twice(self, model: ChatModel) -> None:
        """Closing twice is closing once."""

        async def close() -> None:
            await model.close()
            await model.close()

        asyncio.run(close())

    def test_has_an_identity(self, model: ChatModel) -> None:
        """A model has a name, an endpoint for the ledger, and says whether asking it is journalled."""
        assert model.name
        assert model.endpoint
        assert isinstance(model.paid, bool)


async def _ask(model: ChatModel, request: ChatRequest) -> tuple[Reply, Completion]:
    try:
        reply = await model.send(request)
    finally:
        await model.close()
    return reply, model.read(reply)


_PORT = 43_117
_PLANTED = "sk-exam-0c1d9f7b"
"""Stands where keys of providers do; nobody's key."""


class ComputeExam:
    """
    What every kind of compute promises. Give the fixtures `compute`, `settings` and `folder`: weights that could run.

    Nothing is started: a kind of compute says how its program is started, and the supervisor does it.
    """

    @pytest.fixture
    def compute(self) -> Compute:
        """The kind under exam."""
        pytest.fail("give the exam a `compute` fixture")

    @pytest.fixture
    def settings(self) -> ComputeSettings:
        """Settings that it could run with; what `weights` names lies below `folder`."""
        pytest.fail("give the exam a `settings` fixture")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The folder of the version."""
        return tmp_path

    def test_says_what_it_is(self, compute: Compute) -> None:
        """A kind has a name, a path that answers when it is ready, and a time within which it is."""
        assert compute.name
        assert compute.health_path.startswith("/")
        assert 0 < compute.ready_s <= 86_400

    def test_takes_what_it_can_run(self, compute: Compute, settings: ComputeSettings, folder: Path) -> None:
        """Settings that are right pass, with a name for the model and a size in memory that is unknown or above 0."""
        compute.check(settings, folder)
        memory_gib = compute.memory_gib(settings, folder)
        assert memory_gib is None or memory_gib > 0
        assert compute.served_name(settings, folder)

    def test_starts_the_same_way_every_time(self, compute: Compute, settings: ComputeSettings, folder: Path) -> None:
        """The argument list is texts without a null character, the same for the same settings."""
        command = list(compute.command(settings, folder, _PORT))
        assert command
        assert all(isinstance(word, str) and "\0" not in word for word in command)
        assert command == list(compute.command(settings, folder, _PORT))

    def test_listens_on_the_port_it_is_given(self, compute: Compute, settings: ComputeSettings, folder: Path) -> None:
        """The port stands in the arguments or the environment, and no address that other machines reach."""
        said = [*compute.command(settings, folder, _PORT), *compute.environment(settings, folder, _PORT).values()]
        assert any(str(_PORT) in word for word in said)
        for word in said:
            for address in ("0.0.0.0", "[::]"):  # noqa: S104 - what must not stand there
                assert address not in word, f"{word}: the process would be reached from other machines"

    def test_passes_no_secret_on(
        self, compute: Compute, settings: ComputeSettings, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever stands in our own environment, a provider's key is in neither arguments nor variables."""
        for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setitem(os.environ, name, _PLANTED)
        variables = compute.environment(settings, folder, _PORT)
        said = [*compute.command(settings, folder, _PORT), *variables, *variables.values()]
        assert not [word for word in said if _PLANTED in word]

    @pytest.mark.parametrize("name", ["trust_remote_code", "trust-remote-code", "no_such_option", "--help"])
    def test_refuses_an_option_it_does_not_declare(
        self, compute: Compute, settings: ComputeSettings, folder: Path, name: str
    ) -> None:
        """No option reaches a loader unless the kind declares it; one by which weights bring code is none."""
        with pytest.raises(UserError):
            compute.check(settings.model_copy(update={"options": {**settings.options, name: True}}), folder)

    @pytest.mark.parametrize("place", ["../elsewhere", "/etc", "weights-that-are-not-there", ""])
    def test_refuses_weights_that_lie_elsewhere(
        self, compute: Compute, settings: ComputeSettings, folder: Path, place: str
    ) -> None:
        """Weights lie below the version's own folder, or the version is not run."""
        with pytest.raises(UserError):
            compute.check(settings.model_copy(update={"weights": place}), folder)
