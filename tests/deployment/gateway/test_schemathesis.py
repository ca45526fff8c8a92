"""The document against the server: requests made of the one are answered by the other as the document says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from tests.deployment.gateway.house import Handlers, House, key, open_house, secret

from touchstone.deployment.gateway.base import Route
from touchstone.deployment.gateway.limits import DoorLimits

ALL = key("all", 9, scopes=("infer", "files", "metrics", "admin"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
    ignored_auth,
]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    limits = DoorLimits(failures_per_minute=1_000_000, stop_s=0.2, settle_s=0.5)
    with open_house(limits, keys=(ALL,)) as place:
        place.loop.call_soon_threadsafe(place.handlers.release.set)
        yield place


@pytest.fixture(scope="module")
def schema(house: House) -> Any:
    document = orjson.loads(house.ask("GET", "/openapi.json", key=None).body)
    found = schemathesis.openapi.from_dict(document)
    found.config.update(base_url=house.gateway.address)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    return found


def routes() -> list[Route]:
    return [route for route in Handlers().routes() if route.path not in ("/v1/fail", "/v1/tokens")]


@pytest.mark.parametrize("place", ["/healthz", "/readyz", "/v1/models", "/v1/models/{model}"])
def test_own_routes_are_as_documented(schema: Any, house: House, place: str) -> None:
    """What the gateway answers itself has the statuses, types and fields of the document."""
    attack(schema[place]["GET"], house, examples=8)


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{route.method} {route.path}")
def test_routes_are_as_documented(schema: Any, house: House, route: Route) -> None:
    """Good and bad bodies and parameters get replies of the document, never 5xx; a key is always needed."""
    attack(schema[route.path][route.method], house, examples=12)


def attack(operation: Any, house: House, examples: int) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {secret('all')}"

    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        deadline=None,
    )
    @given(case=operation.as_strategy())
    def each(case: Any) -> None:
        case.call_and_validate(session=session, checks=CHECKS, headers={"Authorization": f"Bearer {secret('all')}"})

    each()
