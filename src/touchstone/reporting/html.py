"""
One self-contained HTML file: no network, complete without its script, readable in light, dark and print.

The page declares a content policy that allows its own style and its own script by their digests and nothing else, so
whatever stands in a model's output can neither load nor run anything, even if escaping had failed.
"""

from __future__ import annotations

import base64
import hashlib
from contextvars import copy_context
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from touchstone.language import _, current_language, ngettext, set_language
from touchstone.reporting import charts, figures, numbers, race, race_charts, sentences, words
from touchstone.reporting.base import ReportData
from touchstone.reporting.block_html import block_tools
from touchstone.reporting.kept_templates import KeptTemplates
from touchstone.reporting.ranking import find, peers
from touchstone.reporting.scatter import placed
from touchstone.reporting.text import cut, name, shown, visible

HTML_LANGUAGES = {"en": "en", "zh": "zh-CN"}


def render(data: ReportData, language: str = "en") -> str:
    """The whole page in `language` (`en` or `zh`); the caller's own language stays as it is."""
    return copy_context().run(_render, data, language)


def _render(data: ReportData, language: str) -> str:
    set_language(language)
    rows = figures.rows(data)
    points = figures.cost_points(rows)
    return fill_template(
        "report.html.j2",
        data=data,
        comparison=data.comparison,
        decision=data.comparison.decision,
        chosen=find(data.comparison, data.comparison.decision.chosen),
        rows=rows,
        number_of={row.candidate.name: row.number for row in rows},
        peers=peers(data.comparison),
        points=points,
        unplaced=[p for p in points if not placed(p)],
    )


def fill_template(template: str, **values: Any) -> str:
    """A page in the language that is set, with the style, the script and the policy that every page has."""
    style, script = (_source(name) for name in ("report.css", "report.js"))
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            html_language=HTML_LANGUAGES[current_language()],
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=_policy(style, script),
        )
    )


def _source(name: str) -> str:
    return files("touchstone.reporting").joinpath("templates", name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    # One for all pages; the language is asked for at each text.
    environment = Environment(
        loader=PackageLoader("touchstone.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
        bytecode_cache=KeptTemplates(Path(__file__)),
    )
    environment.globals.update(
        _=_,
        ngettext=ngettext,
        charts=charts,
        figures=figures,
        numbers=numbers,
        race=race,
        race_charts=race_charts,
        sentences=sentences,
        words=words,
        hatched=tuple(kind for kind in words.KINDS if kind != "earned"),
    )
    environment.globals.update(block_tools())
    environment.tests["anytime_valid"] = words.is_anytime_valid
    environment.filters.update(cut=cut, shown=shown, name=name, translated=_)
    return environment


def _finalize(value: Any) -> Any:
    """Every text on the page has its invisible characters written out; escaping follows."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value
