"""The table of routes as something that finds: a raw path in, a route and its parameters out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from touchstone.web.base import Route

_BRACES = re.compile(r"\{([a-z_]+)(:path)?\}")
_RAW = re.compile(r"/(?!/)[!-\"$-~]*")
_OWN = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_LONGEST = 2_000


def is_own_path(text: str) -> bool:
    """
    Whether a text that came with a request is a path of ours, to which a browser may be sent.

    Two slashes, or a slash and a backslash, name another host to a browser; so does what it drops (tabs, line breaks).
    """
    return len(text) <= _LONGEST and _OWN.fullmatch(text) is not None


class Table:
    """
    All routes.

    Raises:
        ValueError: two routes share a method and a path.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._exact: dict[str, list[Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        seen: set[tuple[str, str]] = set()
        for route in routes:
            for method in route.methods:
                if (method, route.path) in seen:
                    raise ValueError(f"two routes answer {method} {route.path}")
                seen.add((method, route.path))
            if "{" in route.path:
                self._patterns.append((_pattern(route.path), route))
            else:
                self._exact.setdefault(route.path, []).append(route)
        # More fixed text first: `/tasks/new` is no task of that name.
        self._patterns.sort(key=lambda entry: (":path" in entry[1].path, -len(_BRACES.sub("", entry[1].path))))

    def find(self, raw_path: str) -> list[tuple[Route, Mapping[str, str]]]:
        """Every route of a raw path, with what stands in its braces; none for a path that can be read in two ways."""
        if not _RAW.fullmatch(raw_path):
            return []
        exact = self._exact.get(raw_path)
        if exact:
            return [(route, {}) for route in exact]
        found: list[tuple[Route, Mapping[str, str]]] = []
        for pattern, route in self._patterns:
            match = pattern.fullmatch(raw_path)
            if match and (not found or found[0][0].path == route.path):
                found.append((route, {name: unquote(value) for name, value in match.groupdict().items()}))
        return found


def _pattern(path: str) -> re.Pattern[str]:
    parts, at = [], 0
    for found in _BRACES.finditer(path):
        parts += [re.escape(path[at : found.start()]), f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})"]
        at = found.end()
    return re.compile("".join([*parts, re.escape(path[at:])]))
