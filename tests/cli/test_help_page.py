"""Help pages are in one language, down to the words that the library adds."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conftest import Run
from typer.main import get_command

from touchstone.cli.app import build_app
from touchstone.cli.help_page import in_our_words, mistake_in_our_words
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


@pytest.mark.parametrize(
    "verb",
    [
        (),
        ("demo",),
        ("init",),
        ("shortlist",),
        ("compare",),
        ("decide",),
        ("report",),
        ("trials",),
        ("catalog",),
        ("catalog", "search"),
        ("catalog", "refresh"),
    ],
)
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


@pytest.mark.parametrize(
    ("arguments", "english", "chinese"),
    [
        (["foo"], "No such command 'foo'", "没有命令 'foo'"),
        (["comparr"], "No such command 'comparr'. Did you mean 'compare'?", "没有命令 'comparr'；是不是 'compare'？"),
        (["compare"], "Missing argument 'TASKFILE'", "缺少参数 'TASKFILE'"),
        (["compare", "a", "b"], "Got unexpected extra argument(s) (b)", "多余的参数：b"),
        (["compare", "a", "--foo"], "No such option: --foo", "没有选项 --foo"),
        (
            ["compare", "a", "--ful"],
            "No such option: --ful (Possible options: --full)",
            "没有选项 --ful；相近的有 --full",
        ),
        (
            ["compare", "a", "--max-usd", "x"],
            "Invalid value for '--max-usd': Input should be a valid number",
            "'--max-usd' 的值不可用：应为数字",
        ),
        (
            ["compare", "a", "--repeat", "x"],
            "Invalid value for '--repeat': Input should be a valid integer",
            "'--repeat' 的值不可用：应为整数",
        ),
        (
            ["decide", "--min-score", "7"],
            "Invalid value for '--min-score': Input should be less than or equal to 1",
            "'--min-score' 的值不可用：应不大于 1",
        ),
        (
            ["decide", "--min-score", "-1"],
            "Invalid value for '--min-score': Input should be greater than or equal to 0",
            "'--min-score' 的值不可用：应不小于 0",
        ),
        (["compare", "a", "--max-usd"], "Option '--max-usd' requires an argument", "选项 '--max-usd' 需要一个值"),
        (["compare", "a", "--json=1"], "Option '--json' does not take a value", "选项 '--json' 不带值"),
    ],
)
def test_a_mistake_in_the_flags_is_said_in_one_language(
    touchstone: Run, arguments: list[str], english: str, chinese: str
) -> None:
    """What the library says is translated too."""
    assert touchstone(*arguments).stderr.startswith(f"{english}; see ")
    assert touchstone("--lang", "zh", *arguments).stderr.startswith(f"{chinese}；详见 ")


def test_a_mistake_nobody_knows_stays_as_it_is() -> None:
    """A newer library may say more."""
    assert mistake_in_our_words("Something new.") == "Something new"


def test_one_command_alone_is_the_command_among_all() -> None:
    """Whoever names a verb gets it with the same flags and words; what is no verb gives all of them."""
    every: Any = get_command(build_app())
    verbs = "demo init shortlist compare improve train decide report trials deploy serve ui usage audit doctor settings"
    groups = "answers catalog endpoints keys people safety"
    assert list(every.commands) == [*verbs.split(), *groups.split()]
    for verb, command in every.commands.items():
        alone: Any = get_command(build_app(verb))
        assert list(alone.commands) == [verb]
        flags = [(param.name, param.opts, param.help) for param in command.params]
        assert [(param.name, param.opts, param.help) for param in alone.commands[verb].params] == flags
        assert (alone.help, alone.commands[verb].help) == (every.help, command.help)
    for group in groups.split():
        assert list(get_command(build_app(group)).commands[group].commands) == list(every.commands[group].commands)  # type: ignore[attr-defined]
        for verb, command in every.commands[group].commands.items():
            inner: Any = get_command(build_app(group, verb))
            assert list(inner.commands[group].commands) == [verb]
            assert inner.commands[group].commands[verb].help == command.help
    for other in ("comprae", "--version", ""):
        assert list(get_command(build_app(other)).commands) == list(every.commands)  # type: ignore[attr-defined]
