"""The document says what the table has."""

from __future__ import annotations

from typing import Any

import orjson
from jsonschema import Draft202012Validator
from tests.deployment.gateway.house import Handlers, open_house

from touchstone.deployment.gateway.base import Route
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.observe import Observer
from touchstone.deployment.gateway.openapi import make_document
from touchstone.deployment.gateway.own_routes import own_routes

HTTP = {"get", "post", "delete"}


def table() -> tuple[Route, ...]:
    return own_routes(observer=Observer(), models=lambda _key: (), ready=lambda: True, others=Handlers().routes())


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_route_is_in_the_document_and_nothing_else() -> None:
    """The table and the document name the same methods of the same paths."""
    document = make_document(table())
    written = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert written == {(route.method, route.path) for route in table()}
    names = [item[method]["operationId"] for item in document["paths"].values() for method in item]
    assert len(set(names)) == len(names)


def test_the_document_says_who_is_let_in() -> None:
    """A route that needs a key says so and with which scope; an open one asks for none."""
    document = make_document(table())
    for route in table():
        operation = document["paths"][route.path][route.method.lower()]
        if route.access == "open":
            assert "security" not in operation
        else:
            assert operation["security"] == [{"key": []}]
            assert route.access in operation["description"]


def test_schemas_are_those_of_the_nouns() -> None:
    """Bodies refer to schemas that are there, with the words that stand under the fields."""
    document = make_document(table())
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert schemas["ModelRow"]["properties"]["created"]["description"] == "Seconds since 1970."
    body = document["paths"]["/v1/echo"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Echo"}
    assert "text/event-stream" in document["paths"]["/v1/stream"]["post"]["responses"]["200"]["content"]


def test_it_is_served_to_everybody() -> None:
    """What is documented is no secret; the document is the one of the table that serves."""
    with open_house(DoorLimits(stop_s=0.2)) as house:
        reply = house.ask("GET", "/openapi.json", key=None)
        assert reply.status == 200
        assert orjson.loads(reply.body) == orjson.loads(orjson.dumps(make_document(tuple(house.door.routes))))
