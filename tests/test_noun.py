"""Words under a field are its description, wherever somebody asks for it, and cost nothing where nobody does."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache

import pytest
from pydantic import Field, create_model

import touchstone
from touchstone.noun import Noun, described


class Price(Noun):
    """A noun as people write them."""

    usd: float
    """Per million tokens."""
    source: str = ""
    note: str = Field(default="", description="said in the field")
    """Said below the field."""
    as_of: str = Field(default="", alias="asOf")
    """
    The day of the price.

        As the page writes it.
    """

    def shown(self) -> str:
        """No field, so no description."""
        return f"{self.usd}"


class CloudPrice(Price):
    """A noun with a parent."""

    region: str
    """Where it holds."""
    usd: float | None = None  # declared anew, without words


def test_words_under_a_field_describe_it() -> None:
    """A docstring under a field is found by the field's name, cleaned of its indentation."""
    assert described(Price) == {
        "usd": "Per million tokens.",
        "note": "Said below the field.",
        "as_of": "The day of the price.\n\n    As the page writes it.",
    }


def test_inherited_fields_keep_their_words_and_new_ones_have_their_own() -> None:
    """A field of a parent is described by the parent, one that is declared anew only by its own words."""
    assert described(CloudPrice) == {
        **{k: v for k, v in described(Price).items() if k != "usd"},
        "region": "Where it holds.",
    }


@pytest.mark.parametrize("by_alias", [True, False])
def test_a_schema_has_the_words(by_alias: bool) -> None:
    """Every schema has the descriptions, by alias or by name, nested or not; what a field says itself comes first."""
    holder = create_model("Holder", __base__=Noun, prices=(tuple[CloudPrice, ...], ...))
    schema = holder.model_json_schema(by_alias=by_alias)
    properties = schema["$defs"]["CloudPrice"]["properties"]
    assert {name: value["description"] for name, value in properties.items() if "description" in value} == {
        "note": "said in the field",
        "asOf" if by_alias else "as_of": "The day of the price.\n\n    As the page writes it.",
        "region": "Where it holds.",
    }
    assert described(holder) == {}


@cache
def nouns() -> tuple[type[Noun], ...]:
    """Every noun of the package."""

    def walk() -> Iterator[type[Noun]]:
        for found in pkgutil.walk_packages(touchstone.__path__, "touchstone."):
            if found.name == "touchstone.__main__":
                continue
            for member in vars(importlib.import_module(found.name)).values():
                if inspect.isclass(member) and issubclass(member, Noun) and member.__module__ == found.name:
                    yield member

    return tuple(walk())


def test_no_docstring_under_a_field_is_lost() -> None:
    """In every noun of ours each docstring that stands under a field is in its schema."""
    assert len(nouns()) > 50
    written = 0
    for noun in nouns():
        schema = noun.model_json_schema()
        properties = schema["properties"] if "properties" in schema else schema["$defs"][noun.__name__]["properties"]
        for name, words in described(noun).items():
            key = name if name in properties else noun.model_fields[name].alias
            assert properties[key]["description"] == (noun.model_fields[name].description or words), (noun, name)
            written += 1
    assert written > 200


def test_a_run_does_not_read_our_source() -> None:
    """Defining a noun looks at no docstring: fields carry no words until a schema is made."""
    assert all(field.description is None for noun in nouns() for field in noun.model_fields.values())
