"""The route table: what there is, found by the bytes of the path as they arrived (R6)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from touchstone.deployment.gateway.base import Route

_NO_VALUES: Mapping[str, str] = {}


class Routes:
    """
    All routes, by path and method.

    Args:
        routes: Each path and method once; a path with values never competes with an exact one.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self._all = tuple(routes)
        self._exact: dict[bytes, dict[str, Route]] = {}
        patterns: dict[str, tuple[re.Pattern[bytes], dict[str, Route]]] = {}
        for route in self._all:
            if route.names:
                methods = patterns.setdefault(route.path, (route.pattern, {}))[1]
            else:
                methods = self._exact.setdefault(route.path.encode("ascii"), {})
            assert route.method not in methods, f"{route.method} {route.path} stands twice"
            methods[route.method] = route
        self._patterns = tuple(patterns.values())

    def __iter__(self) -> Iterator[Route]:
        return iter(self._all)

    def find(self, path: bytes) -> tuple[Mapping[str, Route], Mapping[str, str]]:
        """
        The routes of a path by their methods, and the values that it names; empty where there is none.

        Args:
            path: As it arrived. Nothing is decoded: a path that is percent-encoded, has a dot segment or a slash more
                is another path.
        """
        found = self._exact.get(path)
        if found is not None:
            return found, _NO_VALUES
        for pattern, methods in self._patterns:
            match = pattern.fullmatch(path)
            if match is not None:
                return methods, {name: value.decode("ascii") for name, value in match.groupdict().items()}
        return {}, _NO_VALUES
