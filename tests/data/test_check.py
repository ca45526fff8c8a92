from __future__ import annotations

import random
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy  # noqa: F401 - loaded before memory is measured
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.conftest import Write, lines_of, problem, source, summarise

from touchstone.data.base import CaseSource, CaseSummary
from touchstone.data.cases import read_cases
from touchstone.data.check import check_cases
from touchstone.data.csv import CsvReader
from touchstone.data.likeness import same_text
from touchstone.language import current_language


def kinds(summary: CaseSummary) -> list[str]:
    return [found.kind for found in summary.problems]


def test_good_cases_have_no_problems(tmp_path: Path) -> None:
    """Cases without fault are counted, described and left alone."""
    rows = [
        {"id": f"t{n}", "input": f"learn {n}", "target": "no", "split": "train", "tags": ["b"], "group": f"g{n}"}
        for n in range(4)
    ]
    summary = summarise(rows, tmp_path, filled=30, kind="label", labels=["yes", "no"])
    assert summary.problems == ()
    assert summary.counts == {"train": 4, "dev": 0, "test": 30}
    assert summary.labels == {"yes": 30, "no": 4}
    assert summary.tags == {"b": 4}
    assert summary.groups == 4
    assert summary.described == "JSON Lines, UTF-8, 6 columns: id, input, target, split, tags, group"


class TestIds:
    def test_repeated_ids_are_errors_with_rows(self, tmp_path: Path) -> None:
        """Every row that repeats an id is counted, the first ten are named with the rows they repeat."""
        rows = [{"id": f"c{n % 20}", "input": f"q{n}", "target": "yes"} for n in range(40)]
        found = problem(summarise(rows, tmp_path, filled=30), "duplicate_id")
        assert (found.severity, found.count, found.rows) == ("error", 20, tuple(range(21, 31)))
        assert "'c0' in row 1 and row 21" in found.text()
        assert "allow_duplicates" in found.text()

    def test_allowed_when_declared(self, tmp_path: Path) -> None:
        """Rows with the same id are further draws where the task file says so."""
        path = tmp_path / "c.jsonl"
        path.write_text(lines_of([{"id": "a", "input": "q", "target": "yes"}] * 30))
        of = CaseSource(files={"": path}, allow_duplicates=True)
        assert check_cases(of).problems == ()

    def test_same_id_in_two_splits_is_no_error(self, tmp_path: Path) -> None:
        """Ids need to be unique within a split only."""
        rows = [{"id": "a", "input": "q", "target": "yes", "split": split} for split in ("train", "test")]
        assert "duplicate_id" not in kinds(summarise(rows, tmp_path, filled=30))

    def test_own_ids_never_repeat(self, tmp_path: Path) -> None:
        """Cases without ids may say the same; that is another matter."""
        rows = [{"input": "q", "target": "yes"}] * 3
        assert "duplicate_id" not in kinds(summarise(rows, tmp_path, filled=30))


class TestSameTexts:
    def test_repeats_within_a_split(self, tmp_path: Path) -> None:
        """The same text with the same target in one split is a warning with the rows."""
        rows = [{"input": text, "target": "yes"} for text in ("Hello", "other", "hello ", "HELLO")]
        found = problem(summarise(rows, tmp_path, filled=30), "duplicate_input")
        assert (found.severity, found.rows, found.count) == ("warning", (3, 4), 2)
        assert "rows 3, 4 repeat 1, 1" in found.text()

    def test_other_targets_contradict(self, tmp_path: Path) -> None:
        """The same text with two targets is a warning, within a split and across."""
        rows = [
            {"input": "Hello", "target": "yes"},
            {"input": "hello", "target": "no"},
            {"input": "Bye", "target": "yes", "split": "train"},
            {"input": "Bye", "target": "no"},
            {"input": "Bye", "target": None},
        ]
        summary = summarise(rows, tmp_path, filled=30, needs_target=False)
        found = problem(summary, "conflicting_targets")
        assert (found.rows, found.count) == ((2, 4), 2)
        assert "duplicate_input" not in kinds(summary)

    def test_twins_across_splits(self, tmp_path: Path) -> None:
        """A test text that stands in train is named with the row there; one like it but for punctuation apart."""
        rows = [
            {"input": "Where is my card", "target": "yes", "split": "train"},
            {"input": "Something else", "target": "yes", "split": "train"},
            {"input": "\nwhere is my CARD", "target": "yes"},
            {"input": "Where is my card?", "target": "yes"},
            {"input": "something else", "target": "yes", "split": "dev"},
        ]
        summary = summarise(rows, tmp_path, filled=30)
        by_splits = {
            (found.kind, found.values["split"], found.values["other"]): (found.rows, found.values["others"])
            for found in summary.problems
        }
        assert by_splits == {
            ("twin_across_splits", "test", "train"): ((3,), "1"),
            ("near_twin_across_splits", "test", "train"): ((4,), "1"),
            ("twin_across_splits", "dev", "train"): ((5,), "2"),
        }
        # `leaks: drop` keeps what is tested from learners; it does nothing for dev, so nothing says so there.
        helped = {found.values["split"] for found in summary.problems if "`leaks: drop`" in found.text()}
        assert helped == {"test"}
        assert all("take them out of one" in found.text() for found in summary.problems)

    def test_rows_of_other_files_are_named_with_their_file(self, write: Write) -> None:
        """Across files, the other row is named with the file it stands in."""
        train = write("train.csv", "input,target\na b,yes\n")
        test = write("test.csv", "input,target\n" + "".join(f"q{n},yes\n" for n in range(30)) + "A B,yes\n")
        found = problem(check_cases(source(train, test)), "twin_across_splits")
        assert (found.path, found.rows, found.values["others"]) == (str(test), (31,), "train.csv:1")

    @settings(max_examples=60, deadline=None)
    @given(
        rows=st.lists(
            st.fixed_dictionaries(
                {
                    "input": st.sampled_from(["a", "b", "A ", "b?", "c"]),
                    "split": st.sampled_from(["train", "dev", "test"]),
                }
            ),
            min_size=1,
            max_size=14,
        )
    )
    def test_twins_are_those_a_plain_search_finds(
        self, rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """The compact search reports exactly the rows that comparing every pair reports."""
        summary = summarise(rows, tmp_path_factory.mktemp("twins"), needs_target=False)
        texts = [(same_text(row["input"]), row["split"]) for row in rows]
        for split, others in (("test", "train"), ("test", "dev"), ("dev", "train")):
            expected = [
                number for number, (text, own) in enumerate(texts, 1) if own == split and (text, others) in texts
            ]
            found = [
                row
                for problem in summary.problems
                if problem.kind == "twin_across_splits"
                and (problem.values["split"], problem.values["other"]) == (split, others)
                for row in problem.rows
            ]
            assert found == expected[:10]

    def test_banking77(self, shared_data: Path) -> None:
        """On a real set, exactly the six test texts that stand in train, and the four repeated training texts."""
        place = shared_data / "classify-banking77"
        of = CaseSource(
            files={split: place / f"{split}.jsonl" for split in ("train", "test")},
            columns={"input": "text", "target": "label"},
        )
        summary = check_cases(of, kind="label")
        twins = problem(summary, "twin_across_splits")
        assert (twins.rows, twins.count) == ((555, 977, 978, 1433, 1475, 2150), 6)
        repeats = [found for found in summary.problems if found.kind == "duplicate_input" and "train" in found.path]
        assert [found.rows for found in repeats] == [(1291, 1725, 4596, 6966)]
        assert len(summary.labels) == 77
        assert not summary.errors


class TestQuestionsAndTargets:
    def test_nothing_asked(self, tmp_path: Path) -> None:
        """Empty inputs are errors with rows; a picture, or a part of one in a message, is something asked."""
        asked = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
        rows: list[Mapping[str, Any]] = [
            {"input": "", "target": "yes"},
            {"input": " \n", "target": "yes"},
            {"input": None, "target": "yes"},
            {"input": "", "image": "a.png", "target": "yes"},
            {"messages": [{"role": "user", "content": asked}], "target": "yes"},
            {"messages": [{"role": "system", "content": "Be brief."}], "target": "yes"},
            {"input": "", "options": ["a", "b"], "target": "A"},
        ]
        found = problem(summarise(rows, tmp_path, filled=30), "empty_input")
        assert (found.severity, found.rows) == ("error", (1, 2, 3, 6, 7))

    def test_empty_targets(self, tmp_path: Path) -> None:
        """Missing and blank targets are errors where a target is needed, and nothing where none is."""
        rows = [{"input": "a", "target": value} for value in ("", None, "  ", "yes")]
        found = problem(summarise(rows, tmp_path, filled=30), "empty_target")
        assert (found.severity, found.rows, found.count) == ("error", (1, 2, 3), 3)
        assert summarise(rows, tmp_path, filled=30, needs_target=False).errors == ()

    def test_no_target_anywhere_suggests_a_column(self, write: Write) -> None:
        """Where no case has a target, the column that may hold it is suggested, once."""
        path = write("c.csv", "input,answer\n" + "".join(f"q{n},yes\n" for n in range(30)))
        (found,) = check_cases(source(path)).problems
        assert found.kind == "no_target_column"
        assert "columns: {target: answer}" in found.text()

    def test_labels_outside_the_list(self, tmp_path: Path) -> None:
        """A label that is not in the list is named with the closest; one that differs in capitals, as such."""
        rows = [{"input": f"q{n}", "target": value} for n, value in enumerate(["card_lost", "card_lots", "Card_Lost "])]
        summary = summarise(rows, tmp_path, filled=30, kind="label", labels=["card_lost", "yes"])
        unknown, spelling = problem(summary, "unknown_label"), problem(summary, "label_spelling")
        assert (unknown.rows, spelling.rows) == ((2,), (3,))
        assert "'card_lots'" in unknown.text()
        assert "closest: 'card_lost'" in unknown.text()
        assert {unknown.severity, spelling.severity} == {"error"}

    def test_many_unknown_labels_are_gathered(self, tmp_path: Path) -> None:
        """After twenty different unknown labels, the rest is counted together."""
        rows = [{"input": f"q{n}", "target": f"label {n}"} for n in range(50)]
        summary = summarise(rows, tmp_path, kind="label", labels=["yes"])
        assert kinds(summary).count("unknown_label") == 20
        assert problem(summary, "unknown_labels").count == 30

    def test_labels_that_differ_in_capitals(self, tmp_path: Path) -> None:
        """Without a list, labels that differ in capitals alone are a warning."""
        rows = [{"input": f"q{n}", "target": value} for n, value in enumerate(["Yes", "no", "no"])]
        found = problem(summarise(rows, tmp_path, filled=30, kind="label"), "label_variants")
        assert "'yes' and 'Yes'" in found.text()

    def test_choices(self, tmp_path: Path) -> None:
        """A target is a letter of its options or the text of one; anything else says what it is instead."""
        options = ["red", "green", "blue"]
        targets = ["C", "D", "green", "1", "a"]
        rows = [{"input": f"q{n}", "options": options, "target": target} for n, target in enumerate(targets)]
        rows.append({"input": "last", "options": ["red"], "target": "A"})
        summary = summarise(rows, tmp_path, kind="choice")
        assert problem(summary, "no_such_option").rows == (2, 5)
        assert problem(summary, "choice_as_number").rows == (4,)
        assert problem(summary, "too_few_options").rows == (6,)

    def test_options_may_stand_in_the_input(self, tmp_path: Path) -> None:
        """Without options of its own a question takes letters up to J, as the reader does, and a warning says so."""
        rows = [{"input": "Which? A. red B. green", "target": target} for target in ("B", "J", "K", "green")]
        summary = summarise(rows, tmp_path, kind="choice")
        assert problem(summary, "no_such_option").rows == (3, 4)
        assert problem(summary, "no_options").rows == (1, 2, 3, 4)
        assert "too_few_options" not in kinds(summary)

    def test_numbers_and_json(self, tmp_path: Path) -> None:
        """Targets that are no number, or no JSON, are errors where that kind of answer is asked for."""
        rows = [{"input": f"q{n}", "target": value} for n, value in enumerate(["42", "about 5 or 6", "{}"])]
        assert problem(summarise(rows, tmp_path, kind="number"), "target_not_number").rows == (2, 3)
        assert problem(summarise(rows, tmp_path, kind="json"), "target_not_json").rows == (2,)
        assert summarise(rows, tmp_path, kind="text").errors == ()

    def test_more_than_a_thousand_labels_are_not_listed(self, tmp_path: Path) -> None:
        """Targets that are no labels are not kept in memory."""
        rows = [{"input": f"q{n}", "target": f"t{n}"} for n in range(1001)]
        assert summarise(rows, tmp_path).labels == {}
        assert len(summarise(rows[:1000], tmp_path).labels) == 1000


class TestSet:
    def test_no_test_cases(self, tmp_path: Path) -> None:
        """Without a test case nothing can be measured."""
        summary = summarise([{"input": "a", "target": "yes", "split": "train"}], tmp_path)
        assert problem(summary, "no_test_cases").severity == "error"

    @pytest.mark.parametrize(("count", "warned"), [(29, True), (30, False)])
    def test_few_test_cases(self, count: int, warned: bool, tmp_path: Path) -> None:
        """Fewer than 30 test cases are too few to rank."""
        assert ("few_test_cases" in kinds(summarise([], tmp_path, filled=count))) is warned

    def test_groups_across_splits(self, tmp_path: Path) -> None:
        """A group in test that also stands in train is a warning with its first rows."""
        rows = [
            {"input": f"q{n}", "target": "yes", "group": group, "split": split}
            for n, (group, split) in enumerate(
                [("a", "train"), ("a", "train"), ("b", "test"), ("a", "test"), ("c", "dev"), ("c", "test")]
            )
        ]
        summary = summarise(rows, tmp_path, filled=30)
        found = {p.values["other"]: (p.rows, p.values["others"]) for p in summary.problems}
        assert found == {"train": ((4,), "1"), "dev": ((6,), "5")}
        assert summary.groups == 3

    def test_odd_characters(self, tmp_path: Path) -> None:
        """Control and direction-changing characters, and signs of lost ones, are warnings; other scripts are not."""
        texts = ["a\0b", "a\u202eb", "caf\ufffd", "line\n\ttab", "مرحبا 👩‍👩‍👧 é 中文"]
        rows = [{"input": text, "target": "yes"} for text in texts]
        summary = summarise(rows, tmp_path, filled=30)
        assert problem(summary, "control_characters").rows == (1, 2)
        assert "U+0000" in problem(summary, "control_characters").text()
        assert problem(summary, "damaged_text").rows == (3,)
        assert len(summary.problems) == 2

    def test_half_characters_of_a_careless_reader(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        """Half of a surrogate pair that some reader let through is an error with its row."""
        path = write("c.csv", "input,target\na,yes\n")
        rows = [(1, {"input": "a", "target": "yes"}), (2, {"input": "\ud83d", "target": "yes"})]
        monkeypatch.setattr(CsvReader, "rows", lambda *_positional, **_named: iter(rows))
        found = problem(check_cases(source(path)), "half_characters")
        assert (found.severity, found.rows) == ("error", (2,))

    def test_digest_is_of_what_the_cases_say(self, write: Write) -> None:
        """The digest changes with any word, and not with the file's format, blank lines or the order of columns."""
        csv = check_cases(source(write("c.csv", "id,input,target\n1,a,yes\n2,b,no\n")))
        same = check_cases(
            source(
                write(
                    "c.jsonl", '\n{"target": "yes", "id": 1, "input": "a"}\n{"input": "b", "id": "2", "target": "no"}\n'
                )
            )
        )
        other = check_cases(source(write("d.csv", "id,input,target\n1,a,yes\n2,b,No\n")))
        swapped = check_cases(source(write("e.csv", "id,input,target\n2,b,no\n1,a,yes\n")))
        assert csv.digest == same.digest
        assert len({csv.digest, other.digest, swapped.digest}) == 3
        assert len(csv.digest) == 64

    def test_problems_are_the_same_every_time(self, tmp_path: Path) -> None:
        """Problems do not depend on how texts are hashed in a process."""
        draw = random.Random(3)
        rows = [
            {"id": f"c{draw.randrange(90)}", "input": f"q{draw.randrange(40)}", "target": draw.choice(["yes", "no"]),
             "split": draw.choice(["train", "dev", "test"]), "group": f"g{draw.randrange(30)}"}
            for _ in range(200)
        ]  # fmt: skip
        summary = summarise(rows, tmp_path)
        duplicates = problem(summary, "duplicate_id")
        seen: dict[tuple[str, str], int] = {}
        repeats = [n for n, row in enumerate(rows, 1) if seen.setdefault((row["split"], row["id"]), n) != n]
        assert (list(duplicates.rows), duplicates.count) == (repeats[:10], len(repeats))
        assert [p.kind for p in summary.problems] == sorted(
            kinds(summary), key=lambda kind: (kind != "duplicate_id", kind)
        )

    def test_every_problem_can_be_told(self, tmp_path: Path) -> None:
        """Every sentence fits its values and translates by its template."""
        rows = [
            {"id": "a", "input": "x\0", "target": "Yes", "split": "train", "group": "g"},
            {"id": "a", "input": "x\0", "target": "no", "split": "train"},
            {"input": "x\0?", "target": "yess", "group": "g"},
            {"input": "", "target": ""},
        ]
        summary = summarise(rows, tmp_path, kind="label", labels=["yes", "no"])
        assert len(summary.problems) >= 7
        for found in summary.problems:
            assert found.text().startswith(found.template.split("{")[0])
            assert found.text(lambda template: f"zh {template}").startswith("zh ")
            assert str(found.path).endswith("cases.jsonl")


def test_memory_per_case_is_small(tmp_path: Path) -> None:
    """10,000 cases with ids and groups are checked in 2 MB."""
    path = tmp_path / "long.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("id,input,target,group\n")
        file.writelines(f"c{n},{'many words ' * 10}{n},yes,g{n // 4}\n" for n in range(10_000))
    next(read_cases(source(path)))
    tracemalloc.start()
    summary = check_cases(source(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert summary.problems == ()
    assert summary.groups == 2_500
    assert peak < 2_000_000


def test_images_that_are_not_there_are_reported_by_row(tmp_path: Path) -> None:
    """A picture is looked for beside the cases before anybody is asked; URLs are taken as they are."""
    (tmp_path / "a.png").write_bytes(b"png")
    path = tmp_path / "cases.csv"
    path.write_text("input,target,image\nwhat,x,a.png\nwhat else,y,b.png\nand,z,https://example.com/c.png\n")
    summary = check_cases(CaseSource(files={"": path}), kind="text")
    [problem] = summary.errors
    assert (problem.kind, problem.rows) == ("missing_media", (2,))


def test_files_from_elsewhere_are_refused_by_row(tmp_path: Path) -> None:
    """A table from somebody else cannot have any file of the machine sent: not by a path, not by a link."""
    folder = tmp_path / "cases"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "secret.png").write_bytes(b"png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "notes.txt").write_text("no image")
    (folder / "inner" / "a.PNG").write_bytes(b"png")
    images = [
        "../secret.txt",
        str(tmp_path / "secret.png"),
        "/etc/hostname",
        "link.png",
        "inner/../../secret.png",
        "notes.txt",
        "data:text/plain,secret",
        "inner/a.PNG",
        "inner/../inner/a.PNG",
        "data:image/png;base64,AA==",
        "a" * 5000 + ".png",
        "a\0.png",
    ]
    rows = [{"input": f"q{place}", "target": "yes", "image": image} for place, image in enumerate(images)]
    found = {problem.kind: problem.rows for problem in summarise(rows, folder, filled=30).errors}
    assert found == {"media_outside": (1, 2, 3, 4, 5), "media_kind": (6, 7), "missing_media": (11, 12)}


def test_a_recording_is_a_file_or_a_data_url(tmp_path: Path) -> None:
    """What would fail in every cell is refused before anybody is asked."""
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    (tmp_path / "a.png").write_bytes(b"png")
    audio = ["a.wav", "data:audio/wav;base64,UklGRg==", "https://example.com/a.wav", "a.png", "data:audio/wav,RIFF"]
    rows = [{"input": f"q{place}", "target": "yes", "audio": value} for place, value in enumerate(audio)]
    found = {problem.kind: problem.rows for problem in summarise(rows, tmp_path, filled=30).errors}
    assert found == {"audio_address": (3,), "media_kind": (4, 5)}


def test_how_files_were_read_is_kept_in_every_language(tmp_path: Path) -> None:
    """What was found in one language reads in another, for it is kept; what was kept in one alone stays as it is."""
    rows = [{"id": f"c{n}", "input": f"q{n}", "target": "yes"} for n in range(2)]
    summary = summarise(rows, tmp_path)

    assert summary.described == summary.said_in("en").described == "JSON Lines, UTF-8, 3 columns: id, input, target"
    assert summary.said_in("zh").described == "JSON Lines，UTF-8，3 列：id, input, target"
    assert current_language() == "en"
    assert summary.model_copy(update={"described_in": {}}).said_in("zh").described == summary.described
