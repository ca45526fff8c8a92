"""Templates: one environment, the reader's language and theme, and the addresses of our own files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from touchstone.language import LANGUAGES, _, current_language, ngettext
from touchstone.reporting import numbers, words
from touchstone.reporting.block_html import block_tools
from touchstone.reporting.html import HTML_LANGUAGES
from touchstone.reporting.kept_templates import KeptTemplates
from touchstone.reporting.text import cut, name, shown, visible
from touchstone.web.base import Ask, Show

STATIC = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
"""Kinds of files that we serve, by their ends."""


@cache
def static_file(file_name: str) -> bytes | None:
    """One of our own files; the report's style is the first half of ours."""
    if "/" in file_name or file_name.rpartition(".")[2] not in STATIC:
        return None
    if file_name == "report.css":
        return files("touchstone.reporting").joinpath("templates", file_name).read_bytes()
    place = files("touchstone.web").joinpath("static", file_name)
    return place.read_bytes() if place.is_file() else None


@cache
def static_address(file_name: str) -> str:
    """Where one of our own files is served; the address changes with what is in it, so it may be kept for ever."""
    body = static_file(file_name)
    if body is None:
        raise ValueError(f"there is no file {file_name} in web/static")
    return f"/static/{hashlib.sha256(body).hexdigest()[:16]}/{file_name}"


def address(path: str, **query: object) -> str:
    """A path with a query; what is None or empty is left out, and each part is quoted."""
    pairs = [
        (key, str(one))
        for key, value in query.items()
        for one in (value if isinstance(value, (list, tuple)) else [value])
        if one is not None and one != ""
    ]
    return f"{path}?{urlencode(pairs)}" if pairs else path


@cache
def environment() -> Environment:
    """One for all pages; the language is asked for at each text."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader("touchstone.web"), PackageLoader("touchstone.reporting")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
        bytecode_cache=KeptTemplates(Path(__file__)),
    )
    made.globals.update(
        _=_,
        ngettext=ngettext,
        numbers=numbers,
        words=words,
        static=static_address,
        address=address,
        languages=LANGUAGES,
        **block_tools(),
    )
    # Pairs of a key and words that are marked for translation.
    made.filters["worded"] = lambda pairs: [(key, _(words)) for key, words in pairs]
    made.filters.update(cut=cut, shown=shown, name=name, translated=_, quoted=lambda text: quote(str(text), safe=""))
    # Macros by this name are there in a block that is sent alone too, where the top of its file was never run.
    made.globals["ui"] = made.get_template("ui.html.j2").module
    return made


def render(show: Show, ask: Ask | None, values: Mapping[str, Any]) -> str:
    """
    The page, or the one block of it that was asked for.

    Args:
        values: What the layout needs besides the page's own values.
    """
    template = environment().get_template(show.template)
    everything = {**values, **show.values, "ask": ask, "html_language": HTML_LANGUAGES[current_language()]}
    if show.block is not None and ask is not None and ask.is_fragment:
        return "".join(template.blocks[show.block](template.new_context(everything)))
    return template.render(everything)


def part(template: str, block: str, values: Mapping[str, Any]) -> str:
    """One block of a template as HTML, for an event; it may use nothing of the layout."""
    found = environment().get_template(template)
    return "".join(found.blocks[block](found.new_context(dict(values))))


def _finalize(value: Any) -> Any:
    """Every text on a page has its invisible characters written out; escaping follows."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value
