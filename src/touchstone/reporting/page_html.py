"""A page of blocks as one self-contained HTML file, under the same content policy and style as the report."""

from __future__ import annotations

from touchstone.reporting.block_html import marked_in
from touchstone.reporting.html import fill_template
from touchstone.reporting.pages import Page


def html_page(page: Page) -> str:
    """The whole file, in the language that is set; the texts of the page are in it already."""
    return fill_template("page.html.j2", page=page, marked=marked_in(page.sections))
