from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.conftest import ANY_TEXT, Write, lines_of, source

from touchstone.data.base import Case, CaseSource
from touchstone.data.cases import case_counts, read_cases
from touchstone.errors import DataError, UnknownName
from touchstone.evaluation.intervals import estimate
from touchstone.models.base import AudioPart, ImagePart, Message, TextPart


def cases_of(write: Write, *rows: Mapping[str, Any], **columns: str) -> list[Case]:
    return list(read_cases(source(write("cases.jsonl", lines_of(list(rows))), **columns)))


def refusal(of: CaseSource) -> DataError:
    with pytest.raises(DataError) as caught:
        list(read_cases(of))
    assert str(next(iter(of.files.values()))) in str(caught.value)
    return caught.value


def test_every_column_has_its_place(write: Write) -> None:
    """Columns are mapped or stand for themselves; the others are kept as text."""
    path = write(
        "cases.csv",
        "nr,question,target,split,group,tags,options,note,image\n001,Which?,B,val,g1,a;b,red | green,x,pic.png\n",
    )
    (case,) = read_cases(source(path, id="nr", input="question"))
    assert case == Case(
        id="001",
        input="Which?",
        target="B",
        split="dev",
        group="g1",
        tags=("a", "b"),
        options=("red", "green"),
        image="pic.png",
        fields={"note": "x"},
        row=1,
    )


def test_target_is_exactly_what_stands_there(write: Write) -> None:
    """Text such as 001 stays, spaces stay, numbers get no noise, objects are compact JSON; an empty target is none."""
    targets = ["001", " yes ", 7, 7.0, 0.1, True, {"a": [1, 2.0]}, "", None, float("nan")]
    found = cases_of(write, *({"input": "q", "target": target} for target in targets))
    assert [case.target for case in found] == [
        "001", " yes ", "7", "7", "0.1", "true", '{"a":[1,2.0]}', None, None, None,
    ]  # fmt: skip


def test_ids_of_any_type_are_text(write: Write) -> None:
    """Ids are the text of their cell."""
    found = cases_of(write, *({"id": value, "input": "q"} for value in ["001", 7, 7.0, 7.5, 10**20]))
    assert [case.id for case in found] == ["001", "7", "7", "7.5", "1" + "0" * 20]


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.sampled_from(["a", "b", "c", "A", "a ", "长"]), min_size=1, max_size=12),
    others=st.lists(ANY_TEXT.map(lambda text: f"other {text}"), max_size=4),
    data=st.data(),
)
def test_own_ids_are_unique_and_stable(
    texts: list[str], others: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Ids made from content never repeat, and stay when unrelated rows are put in between."""

    def ids(inputs: list[str]) -> list[tuple[str, str]]:
        path = tmp_path_factory.mktemp("ids") / "cases.jsonl"
        path.write_text(lines_of([{"input": text} for text in inputs]), encoding="utf-8")
        return [(case.input or "", case.id) for case in read_cases(source(path))]

    before = ids(texts)
    assert len({own for _, own in before}) == len(texts)
    mixed = list(texts)
    for other in others:
        mixed.insert(data.draw(st.integers(0, len(mixed))), other)
    assert [pair for pair in ids(mixed) if pair[0] in set(texts)] == before


def test_own_id_depends_on_all_that_is_asked(write: Write) -> None:
    """The same words with other options, or as an image, are another case; target and split do not count."""
    first, options, image, answer = cases_of(
        write,
        {"input": "q"},
        {"input": "q", "options": ["a", "b"]},
        {"input": "q", "image": "q.png"},
        {"input": "q", "target": "t", "split": "train"},
    )
    assert len({first.id, options.id, image.id}) == 3
    assert answer.id == f"{first.id}-2"


def test_files_by_split(write: Write) -> None:
    """Files given per split say the split; a column of that name is then an ordinary one."""
    train = write("train.jsonl", lines_of([{"input": "a", "split": "fold 1"}]))
    test = write("test.csv", "input\nb\nc\n")
    of = CaseSource(files={"train": train, "test": test})
    assert [(case.input, case.split, case.row) for case in read_cases(of)] == [
        ("a", "train", 1),
        ("b", "test", 1),
        ("c", "test", 2),
    ]
    assert next(read_cases(of)).fields == {"split": "fold 1"}
    assert case_counts(of) == {"train": 1, "dev": 0, "test": 2}
    assert case_counts(of, limit=2) == {"train": 1, "dev": 0, "test": 1}


def test_cases_are_streamed(write: Write) -> None:
    """The first cases are there before a broken row further down is reached."""
    path = write("cases.csv", "input\n" + "a\n" * 1000 + '"x"y\n')
    assert len(list(read_cases(source(path), limit=3))) == 3
    assert refusal(source(path)).row == 1001


class TestConversations:
    CHAT = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "4"},
    )

    def test_last_answer_of_a_fine_tuning_file_is_the_target(self, write: Write) -> None:
        """Without a target, the assistant's last message is cut off and is the target."""
        (case,) = cases_of(write, {"messages": self.CHAT})
        assert case.target == "4"
        assert case.messages == (Message(role="system", content="Be brief."), Message(role="user", content="2+2?"))
        assert (case.input, case.text) == (None, "2+2?")

    def test_with_a_target_the_conversation_stays_whole(self, write: Write) -> None:
        """A target of its own leaves the conversation as it is."""
        (case,) = cases_of(write, {"messages": self.CHAT, "target": "four"})
        assert case.target == "four"
        assert len(case.messages or ()) == 3

    def test_conversation_that_ends_with_the_user_has_no_target(self, write: Write) -> None:
        """Nothing is invented where nobody answered."""
        (case,) = cases_of(write, {"messages": self.CHAT[:2]})
        assert case.target is None

    def test_json_text_and_input_column_hold_conversations_too(self, write: Write) -> None:
        """A conversation may be JSON text in a CSV cell, or stand under `input` as in OpenAI's evals."""
        (one,) = cases_of(write, {"input": list(self.CHAT[:2]), "ideal": "4"}, target="ideal")
        text = json.dumps(self.CHAT[:2]).replace('"', '""')
        (other,) = read_cases(source(write("c.csv", f'messages,target\n"{text}",4\n')))
        assert one.messages == other.messages
        assert one.id == other.id

    def test_parts(self, write: Write) -> None:
        """Images and recordings in OpenAI's format are parts of a message."""
        content = [
            {"type": "text", "text": "Look"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
        ]
        (case,) = cases_of(write, {"messages": [{"role": "user", "content": content}]})
        assert case.messages is not None
        assert case.messages[0].content == (
            TextPart(text="Look"),
            ImagePart(url="data:image/png;base64,AA=="),
            AudioPart(data="AA==", format="mp3"),
        )

    @pytest.mark.parametrize(
        ("messages", "words"),
        [
            ("hello", "JSON list"),
            ([], None),
            ({"a": 1}, "list of"),
            (["hi"], "message 1"),
            ([{"role": "human", "content": "hi"}], "'human'; use one of system"),
            ([{"role": "user", "content": None}], "message 1 has no content"),
            ([{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [{}]}], "message 2 calls a tool"),
            ([{"role": "user", "content": [{"type": "video"}]}], "message 1 has a part"),
        ],
    )
    def test_what_is_no_conversation(self, messages: Any, words: str | None, write: Write) -> None:
        """A conversation that cannot be read is refused with row and turn; an empty one is just missing."""
        path = write("c.jsonl", lines_of([{"input": "x"}, {"messages": messages}]))
        if words is None:
            assert len(list(read_cases(source(path)))) == 2
        else:
            error = refusal(source(path))
            assert error.row == 2
            assert words in str(error)

    def test_input_beside_messages_is_refused(self, write: Write) -> None:
        """A row cannot ask two things; mapping one of the two columns says which is meant."""
        row = {"input": "short", "messages": self.CHAT[:2]}
        path = write("c.jsonl", lines_of([row]))
        assert "both input and messages" in str(refusal(source(path)))
        (case,) = cases_of(write, row, messages="messages")
        assert (case.text, case.fields) == ("2+2?", {"input": "short"})


class TestMistakes:
    def test_mapped_column_that_does_not_exist(self, write: Write) -> None:
        """The columns there are, and the closest, are named."""
        error = refusal(source(write("c.csv", "id,text,label\n1,a,b\n"), input="txt"))
        assert "id, text, label" in str(error)
        assert "closest: 'text'" in str(error)

    def test_nothing_to_ask_suggests_a_mapping(self, write: Write) -> None:
        """Where no column is called input, the likely mapping is suggested and not applied."""
        error = refusal(source(write("c.csv", "nr,question,answer\n1,a,b\n")))
        assert "columns: {input: question, target: answer}" in str(error)
        assert "columns: {input: NAME}" in str(refusal(source(write("d.csv", "x1,x2\n1,2\n"))))

    def test_chinese_names_are_suggested(self, write: Write) -> None:
        """Chinese column names are known too."""
        error = refusal(source(write("c.csv", "编号,问题,标签\n1,a,b\n")))
        assert "columns: {input: 问题, target: 标签}" in str(error)

    def test_unknown_name_on_our_side(self, write: Write) -> None:
        """A mapping to a column we do not have names the closest of ours."""
        assert "closest: input" in str(refusal(source(write("c.csv", "a,b\n1,2\n"), inputs="a")))

    def test_split_nobody_knows(self, write: Write) -> None:
        """A split that is none is refused with its row."""
        error = refusal(source(write("c.csv", "input,split\na,train\nb,tset\n")))
        assert (error.row, "'tset'" in str(error)) == (2, True)
        assert "'fold'" in str(refusal(CaseSource(files={"fold": write("d.csv", "input\na\n")})))

    def test_options_that_cannot_be_read(self, write: Write) -> None:
        """Options of an unknown shape are refused with their row."""
        assert refusal(source(write("c.jsonl", lines_of([{"input": "q", "options": {"x": 1}}])))).row == 1

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("absent.csv", "no such file"),
            ("absent.foo", "no such file"),
            ("cases.foo", "suffix '.foo'"),
            ("cases.csv.gz", "unpack"),
            ("cases.xlsx", "CSV UTF-8"),
        ],
    )
    def test_files_that_cannot_be_read(self, name: str, words: str, write: Write) -> None:
        """A file that is missing, or of a kind nobody reads, is refused with the next step."""
        for present in ("cases.foo", "cases.csv.gz", "cases.xlsx"):
            path = write(present, "x")
        assert words in str(refusal(source(path.with_name(name))))

    def test_unknown_format(self, write: Write) -> None:
        """A reader nobody offers is refused with the closest."""
        of = CaseSource(files={"": write("c.csv", "input\na\n")}, format="jsnl")
        with pytest.raises(UnknownName, match="jsonl"):
            list(read_cases(of))

    def test_declared_format_wins_over_the_suffix(self, write: Write) -> None:
        """A file of any name is read by the reader that is named."""
        of = CaseSource(files={"": write("c.data", '{"input": "a"}\n')}, format="jsonl")
        assert [case.input for case in read_cases(of)] == ["a"]

    def test_file_without_rows(self, write: Write) -> None:
        """A header alone holds no cases."""
        assert "no cases" in str(refusal(source(write("c.csv", "id,input\n"))))


def test_drawn_splits_only_where_the_file_says_nothing(write: Write) -> None:
    """Shares draw train and dev out of a file without splits, and are refused where the file has its own."""
    plain = write("c.csv", "input,target\n" + "".join(f"question {n},yes\n" for n in range(300)))
    of = CaseSource(files={"": plain}, shares={"train": 0.5, "dev": 0.1})
    counts = case_counts(of)
    assert counts["train"] > counts["test"] > counts["dev"] > 0
    split = write("d.csv", "input,split\na,test\n")
    assert "split" in str(refusal(CaseSource(files={"": split}, shares={"train": 0.5})))


def test_folder_with_splits_is_not_one_split(tmp_path: Path) -> None:
    """A folder that says the splits itself cannot be given as one of them."""
    pytest.importorskip("pyarrow")
    from tests.data.test_datasets import ROWS, save_dataset_dict

    folder = save_dataset_dict(tmp_path / "set", {"train": ROWS[:2], "validation": ROWS[2:3], "test": ROWS[3:]})
    columns = {"input": "text", "target": "label"}
    assert case_counts(CaseSource(files={"": folder}, columns=columns)) == {"train": 2, "dev": 1, "test": 1}
    assert "train, validation, test" in str(refusal(CaseSource(files={"test": folder}, columns=columns)))
    one = CaseSource(files={"test": folder / "validation"}, columns=columns)
    assert [(case.input, case.target, case.split) for case in read_cases(one)] == [("third", None, "test")]


class TestCopies:
    """Rows with the same id, where they are allowed."""

    def test_copies_are_one_group_and_draws_of_their_own(self, write: Write) -> None:
        """Ids stay; the draws of a case are numbered and grouped by its id unless the row names a group."""
        path = write("c.csv", "id,input,group\na,q,\nb,r,\na,q,\na,q,g\nb,r,\n")
        found = [(case.id, case.group, case.copy_number) for case in read_cases(allowing(path))]
        assert found == [("a", "a", 0), ("b", "b", 0), ("a", "a", 1), ("a", "g", 2), ("b", "b", 1)]
        assert all(case.copy_number == 0 and case.group in (None, "g") for case in read_cases(source(path)))

    def test_without_ids_those_that_ask_the_same_are_one_group(self, write: Write) -> None:
        """The ids we give tell them apart, their group does not."""
        path = write("c.csv", "input\nq\nr\nq\n")
        first, other, again = read_cases(allowing(path))
        assert first.group == again.group == first.id != again.id
        assert other.group == other.id

    def test_only_what_is_measured_is_grouped(self, write: Write) -> None:
        """Ids that start again in every split are no group across splits."""
        files = [write(f"{split}.csv", "id,input\n" + "1,q\n" * 2) for split in ("train", "test")]
        found = [(case.split, case.group, case.copy_number) for case in read_cases(allowing(*files))]
        assert found == [("train", None, 0), ("train", None, 1), ("test", "1", 0), ("test", "1", 1)]

    def test_copies_are_no_further_evidence(self, write: Write) -> None:
        """Forty cases that stand five times have an interval no narrower than forty cases have."""
        path = write("c.csv", "id,input\n" + "".join(f"{n},q{n}\n" for n in range(40)) * 5)
        cases = list(read_cases(allowing(path)))
        scores = [float(int(case.id) % 2) for case in cases]
        copied = estimate(scores, [case.group for case in cases])
        alone = estimate(scores[:40])
        assert copied.n == 200
        assert copied.high - copied.low >= alone.high - alone.low


def allowing(*paths: Path) -> CaseSource:
    return source(*paths).model_copy(update={"allow_duplicates": True})
