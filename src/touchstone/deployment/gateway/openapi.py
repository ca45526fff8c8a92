"""The OpenAPI document, made of the route table: what is served is what is written down (version 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from touchstone import __version__
from touchstone.deployment.gateway.base import ID_PATTERN, Route
from touchstone.deployment.gateway.failures import FAILURES
from touchstone.noun import Noun

_REF = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "description": "Why a request was refused, in OpenAI's shape.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "For people; may change."},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "The field that is wrong."},
                "code": {"type": "string", "description": "For programs; never changes its meaning."},
            },
        }
    },
}


def make_document(routes: Iterable[Route]) -> dict[str, Any]:
    """An OpenAPI 3.1 document of these routes, as JSON values."""
    routes = tuple(routes)
    schemas, refs = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Touchstone gateway",
            "version": __version__,
            "description": "Models that were measured, behind one address. Codes of errors: "
            + ", ".join(sorted(FAILURES))
            + ".",
        },
        "security": [],
        "tags": [{"name": tag} for tag in sorted({route.tag for route in routes})],
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR, **schemas},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key of `touchstone keys create`."}
            },
        },
    }


def _schemas(routes: tuple[Route, ...]) -> tuple[dict[str, Any], Mapping[type[Noun], Any]]:
    nouns = dict.fromkeys(noun for route in routes for noun in (route.request, route.reply) if noun is not None)
    if not nouns:
        return {}, {}
    # Requests and replies are written once: as what is read, with defaults optional.
    found, document = models_json_schema([(noun, "validation") for noun in nouns], ref_template=_REF)
    return document.get("$defs", {}), {noun: found[noun, "validation"] for noun in nouns}


def _operation(route: Route, refs: Mapping[type[Noun], Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _identifier(route),
        "summary": route.summary,
        "tags": [route.tag],
        "responses": _responses(route, refs),
    }
    if route.access != "open":
        operation["security"] = [{"key": []}]
        words = "any key" if route.access == "any" else f"a key with the scope `{route.access}`"
        operation["description"] = f"Needs {words}."
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": f"^{ID_PATTERN}$"}}
        for name in route.names
    ]
    parameters += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in route.query]
    if parameters:
        operation["parameters"] = parameters
    if route.media is not None:
        media = "application/json" if route.media == "json" else "multipart/form-data"
        schema = refs[route.request] if route.request is not None else {"type": "object"}
        operation["requestBody"] = {"required": True, "content": {media: {"schema": schema}}}
    return operation


def _responses(route: Route, refs: Mapping[type[Noun], Any]) -> dict[str, Any]:
    content: dict[str, Any] = {route.content_type: {"schema": refs[route.reply]} if route.reply is not None else {}}
    if route.streams:
        content["text/event-stream"] = {}  # a stream has no schema in 3.1; its events are described in the guide
    refused = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    responses: dict[str, Any] = {
        str(status): {"description": "What was asked for.", "content": content} for status in route.statuses
    }
    responses["4XX"] = {"description": "The request was refused; its code says why.", **refused}
    responses["5XX"] = {"description": "It could not be answered; its code says why.", **refused}
    return responses


def _identifier(route: Route) -> str:
    words = [part.strip("{}") for part in route.path.replace(".", "/").split("/") if part not in ("", "v1")]
    return "_".join([route.method.lower(), *words]).replace("-", "_")
