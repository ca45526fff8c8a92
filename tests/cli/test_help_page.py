"""Help pages are in one language, down to the words that the library adds."""

from __future__ import annotations

import pytest
from tests.conftest import Run

from touchstone.cli.help_page import in_our_words
from touchstone.language import set_language

PAGE = """\
Usage: touchstone compare [OPTIONS] {TASKFILE}

  Options: said by us, in the middle.

Arguments:
  TASKFILE <path>  The task file.  [required]

Options:
  --repeat <int range>  Answers.  [default: 1; 1<=x<=100]
  --help                Show this message and exit.
"""


@pytest.mark.parametrize("verb", [(), ("demo",), ("init",), ("compare",), ("decide",), ("report",), ("trials",)])
def test_chinese_help_has_no_english_heading(touchstone: Run, verb: tuple[str, ...]) -> None:
    """Headings and remarks are translated with the rest."""
    page = touchstone(*verb, "--help", "--lang", "zh").stdout

    assert page.startswith("用法：python -m touchstone")
    assert "选项：" in page
    for word in ("Usage:", "Options:", "Arguments:", "Commands:", "Show this", "default:", "required"):
        assert word not in page


def test_only_the_words_of_the_library_are_replaced() -> None:
    """English stays as it was; in Chinese our own text, names and limits stay."""
    assert in_our_words(PAGE) == PAGE

    set_language("zh")
    try:
        page = in_our_words(PAGE)
    finally:
        set_language("en")
    assert page.splitlines() == [
        "用法：touchstone compare [OPTIONS] {TASKFILE}",
        "",
        "  Options: said by us, in the middle.",
        "",
        "参数：",
        "  TASKFILE <path>  The task file.  [必填]",
        "",
        "选项：",
        "  --repeat <int range>  Answers.  [默认：1; 1<=x<=100]",
        "  --help                显示此帮助。",
    ]
