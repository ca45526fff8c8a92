"""What structured output promises: a schema of the answer, and an answer that the task's reader finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.strategies.shop import LABELS, Shop, case

from touchstone.errors import SettingsError
from touchstone.evaluation.ledger import Ledger
from touchstone.scoring.base import AnswerSpec
from touchstone.scoring.json_text import canonical
from touchstone.scoring.reading import make_reader
from touchstone.strategies.structured import nested, structure

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store.db")
    yield ledger
    ledger.close()


KINDS: list[tuple[AnswerSpec, str, Any, Any]] = [
    (LABELS, "answer", "shipping", "parcel"),
    (LABELS.model_copy(update={"source": "json", "argument": "out.label"}), "out.label", "login", 5),
    (AnswerSpec(kind="number"), "answer", 12.5, "twelve"),
    (AnswerSpec(kind="choice", source="json", argument="letter"), "letter", "C", "c)"),
    (AnswerSpec(kind="text", source="json", argument="city"), "city", "Köln", None),
]


@pytest.mark.parametrize(("answer", "place", "right", "wrong"), KINDS, ids=[place for _, place, _, _ in KINDS])
def test_the_schema_admits_answers_and_the_reader_finds_them(
    answer: AnswerSpec, place: str, right: Any, wrong: Any
) -> None:
    """What keeps to the schema is read by the task's own reader, which every other candidate has as well."""
    told, form = structure(answer, True, "mine")
    schema = form["json_schema"]["schema"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema).is_valid
    assert check(nested(place, right))
    assert not check(nested(place, wrong))
    assert not check({**nested(place, right), "more": 1})
    read = make_reader(answer).read(canonical(nested(place, right)), case("q", "?", options=("a", "b", "c")))
    assert read.answer == str(right)
    assert (told.source, told.argument) == ("json", place)


async def test_the_model_is_told_the_field_and_the_labels(ledger: Ledger, tmp_path: Path) -> None:
    """Providers that enforce a schema want the word JSON in the prompt; the others learn what is wanted from it."""
    request = (await Shop(ledger, tmp_path).make("prompt", structured=True)).request(case("q", "?"))
    system = str(request.messages[0].content)
    assert system.startswith('Name the intent.\nReply with a JSON object that has the field "answer".')
    assert "- shipping" in system
    assert request.response_format is not None


def test_json_follows_the_schema_that_is_given() -> None:
    """Without one any object will do."""
    schema = {"type": "object", "properties": {"a": {"type": "number"}}}
    assert structure(AnswerSpec(kind="json"), schema, "m")[1]["json_schema"]["schema"] == schema
    assert structure(AnswerSpec(kind="json"), True, "m")[1] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("answer", "parameters", "words"),
    [
        (
            AnswerSpec(kind="choice"),
            {"structured": True},
            r"would not be read by this task; write answer: \{kind: choice",
        ),
        (AnswerSpec(kind="text"), {"structured": True}, r"from: json.answer"),
        (AnswerSpec(kind="free"), {"structured": True}, "answers of kind free have no structure"),
        (LABELS, {"structured": {"type": "object"}}, "a schema of one's own goes with answers of kind json"),
        (LABELS, {"structured": "yes"}, "structured is 'yes'; write true, or a JSON Schema"),
        (LABELS, {"structured": {}}, "structured is {}"),
        (LABELS, {"structured": True, "response_format": {"type": "text"}}, "leave one of them out"),
        (LABELS.model_copy(update={"source": "last"}), {"structured": True}, None),
    ],
)
async def test_what_has_no_structure_is_refused(
    ledger: Ledger, tmp_path: Path, answer: AnswerSpec, parameters: dict[str, Any], words: str | None
) -> None:
    """Before anything is sent; what the reader would find is let through."""
    shop = Shop(ledger, tmp_path, answer=answer)
    if words is None:
        await shop.make("prompt", **parameters)
        return
    with pytest.raises(SettingsError, match=words):
        await shop.make("prompt", **parameters)
