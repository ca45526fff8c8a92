"""The plug-ins pass the exams that ours pass."""

from pathlib import Path

import pytest
from touchstone_example.ini import IniReader
from touchstone_example.shout import Shout
from touchstone_example.spelled import SpelledReader
from touchstone_example.within_words import WithinWords

from touchstone.data.base import Case
from touchstone.scoring.base import AnswerSpec
from touchstone.testing.exams import AnswerReaderExam, ChatModelExam, ReaderExam, ScorerExam


class TestWithinWords(ScorerExam):
    @pytest.fixture
    def scorer(self) -> WithinWords:
        return WithinWords(limit=3)


class TestSpelledReader(AnswerReaderExam):
    @pytest.fixture
    def answer_reader(self) -> SpelledReader:
        return SpelledReader(AnswerSpec(kind="spelled"))

    @pytest.fixture
    def readable(self) -> tuple[Case, str, str]:
        return Case(id="1", input="Spell it."), "I would say Y-E-S.", "YES"


class TestIniReader(ReaderExam):
    @pytest.fixture
    def reader(self) -> IniReader:
        return IniReader()

    @pytest.fixture
    def sample(self, tmp_path: Path) -> tuple[Path, list[dict[str, object]]]:
        path = tmp_path / "cases.ini"
        path.write_text("[a]\ninput = one\ntarget = 1\n[b]\ninput = two\ntarget = 2\n")
        return path, [{"id": "a", "input": "one", "target": "1"}, {"id": "b", "input": "two", "target": "2"}]


class TestShout(ChatModelExam):
    @pytest.fixture
    def model(self) -> Shout:
        return Shout("loud")
