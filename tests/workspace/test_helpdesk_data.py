"""What the shipped help-desk cases promise to whoever measures on them."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections import Counter, defaultdict
from importlib.resources import files
from itertools import pairwise

import pytest

FOLDER = files("touchstone.workspace").joinpath("helpdesk")
COLUMNS = ["id", "input", "target", "split", "group", "tags"]
SPLITS = {"train": 0.5, "dev": 0.1, "test": 0.4}
LANGUAGES = {"en", "zh", "mixed-language"}
KNOWN_TAGS = LANGUAGES | {"short", "long", "typo", "mixed", "angry"}

Row = dict[str, str]


@pytest.fixture(scope="module")
def raw() -> bytes:
    return FOLDER.joinpath("cases.csv").read_bytes()


@pytest.fixture(scope="module")
def rows(raw: bytes) -> list[Row]:
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8"), newline=""), strict=True))


@pytest.fixture(scope="module")
def labels() -> list[str]:
    found: list[str] = json.loads(FOLDER.joinpath("labels.json").read_text("utf-8"))
    return found


def tags(row: Row) -> list[str]:
    return row["tags"].split(";")


def language(row: Row) -> str:
    return next(tag for tag in tags(row) if tag in LANGUAGES)


def bare(text: str) -> str:
    """Text without case, width, white space and punctuation: what two twins share."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", text).casefold() if sign.isalnum())


def length(row: Row) -> int:
    """Words of an English message; Chinese characters, Latin words and numbers of any other."""
    if language(row) == "en":
        return len(row["input"].split())
    return len(re.findall(r"[\u4e00-\u9fff]|[A-Za-z0-9]+(?:[-./'’][A-Za-z0-9]+)*", row["input"]))


def test_plain_utf8_with_line_feeds(raw: bytes) -> None:
    """The file is UTF-8 without a byte order mark, lines end in LF, and no character was lost on the way."""
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert "\ufffd" not in raw.decode("utf-8")


def test_columns_and_no_empty_cell(raw: bytes, rows: list[Row]) -> None:
    """Every row has exactly the six columns, none of them empty or padded."""
    assert next(csv.reader(io.StringIO(raw.decode("utf-8"), newline=""))) == COLUMNS
    for row in rows:
        assert list(row) == COLUMNS
        for name in COLUMNS:
            assert row[name], (row["id"], name)
            assert row[name] == row[name].strip(), (row["id"], name)
        assert bare(row["input"]), row["id"]


def test_ids_are_unique_and_in_order(rows: list[Row]) -> None:
    """Ids count from hd-0001 without a gap; customers look like c0031."""
    assert [row["id"] for row in rows] == [f"hd-{number:04d}" for number in range(1, len(rows) + 1)]
    assert all(re.fullmatch(r"c\d{4}", row["group"]) for row in rows)


def test_enough_cases_of_every_label(rows: list[Row], labels: list[str]) -> None:
    """The 12 labels are near equal, each has at least 15 test cases, and every split knows every label."""
    assert len(labels) == len(set(labels)) == 12
    counts = Counter(row["target"] for row in rows)
    assert set(counts) == set(labels)
    assert min(counts.values()) >= 36
    assert max(counts.values()) <= 1.34 * min(counts.values())
    per_split = Counter((row["split"], row["target"]) for row in rows)
    assert all(per_split["test", label] >= 15 for label in labels)
    assert all(per_split[split, label] >= 2 for split in SPLITS for label in labels)


def test_split_shares(rows: list[Row]) -> None:
    """Half train, a tenth dev, the rest test, with at least 190 test cases."""
    counts = Counter(row["split"] for row in rows)
    assert set(counts) == set(SPLITS)
    assert len(rows) >= 480
    assert counts["test"] >= 190
    for split, share in SPLITS.items():
        assert counts[split] / len(rows) == pytest.approx(share, abs=0.02)


def test_every_label_in_both_languages_in_every_split(rows: list[Row], labels: list[str]) -> None:
    """No split has a label in one language only, and neither language is below 45 % of all messages."""
    english = Counter((row["split"], row["target"]) for row in rows if language(row) == "en")
    other = Counter((row["split"], row["target"]) for row in rows if language(row) != "en")
    for split in SPLITS:
        for label in labels:
            assert english[split, label] >= 1
            assert other[split, label] >= 1
    assert 0.45 <= sum(english.values()) / len(rows) <= 0.55


def test_language_tags_fit_the_script(rows: list[Row]) -> None:
    """English has no Chinese character, Chinese has some, mixed has both."""
    for row in rows:
        assert sum(tag in LANGUAGES for tag in tags(row)) == 1, row["id"]
        chinese = re.search(r"[\u4e00-\u9fff]", row["input"]) is not None
        latin = re.search(r"[A-Za-z]{3}", row["input"]) is not None
        assert chinese == (language(row) != "en"), row["id"]
        assert latin or language(row) != "mixed-language", row["id"]


def test_length_tags_are_true(rows: list[Row]) -> None:
    """`short` and `long` stand exactly where the data card says they do, and every other tag is a known one."""
    for row in rows:
        english = language(row) == "en"
        assert ("short" in tags(row)) == (length(row) <= (8 if english else 12)), row["id"]
        assert ("long" in tags(row)) == (length(row) >= (40 if english else 60)), row["id"]
        assert len(tags(row)) == len(set(tags(row))), row["id"]
        assert set(tags(row)) <= KNOWN_TAGS, row["id"]


def test_slices_large_enough_to_show(rows: list[Row]) -> None:
    """The test split has messages of every tag, and from one word to more than sixty."""
    seen = Counter(tag for row in rows if row["split"] == "test" for tag in tags(row))
    assert all(seen[tag] >= 5 for tag in KNOWN_TAGS)
    words = [length(row) for row in rows]
    assert min(words) == 1
    assert max(words) > 60
    assert any("\n" in row["input"] for row in rows)
    assert any('"' in row["input"] and "," in row["input"] for row in rows)


def test_no_twins(rows: list[Row]) -> None:
    """No message stands twice, whatever its case, width, spaces and punctuation, so none crosses a split."""
    places: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        places[bare(row["input"])].append(row["id"])
    assert [ids for ids in places.values() if len(ids) > 1] == []


def test_a_customer_stays_in_one_split(rows: list[Row]) -> None:
    """Messages of a customer share a split and a language side; about 15 % of customers wrote more than once."""
    customers: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        customers[row["group"]].append(row)
    for messages in customers.values():
        assert len(messages) <= 3
        for one, other in pairwise(messages):
            assert one["split"] == other["split"], one["group"]
            assert (language(one) == "en") == (language(other) == "en"), one["group"]
    repeated = sum(len(messages) > 1 for messages in customers.values())
    assert repeated / len(customers) == pytest.approx(0.15, abs=0.03)


def test_data_card_numbers_are_those_of_the_file(rows: list[Row], labels: list[str]) -> None:
    """The card names licence, canary and every label, and its counts are the file's."""
    card = FOLDER.joinpath("README.md").read_text("utf-8")
    splits = Counter(row["split"] for row in rows)
    spoken = Counter(language(row) for row in rows)
    groups = Counter(row["group"] for row in rows)
    assert card.startswith("# Help desk of Lantern & Loom")
    assert f"\n{len(rows)} messages" in card
    assert f"{splits['train']} train, {splits['dev']} dev, {splits['test']} test" in card
    assert f"{spoken['en']} English, {spoken['zh']} Chinese" in card
    assert f"{spoken['mixed-language']} mixed" in card
    assert f"{len(groups)}, of whom {sum(count > 1 for count in groups.values())} wrote" in card
    assert all(f"`{label}`" in card for label in labels)
    assert "Apache-2.0" in card
    assert re.search(r"TOUCHSTONE-HELPDESK-CANARY [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", card)


def test_the_canary_is_nowhere_in_the_cases(raw: bytes) -> None:
    """The canary marks the card, not a message: no candidate is asked about it."""
    assert b"CANARY" not in raw
