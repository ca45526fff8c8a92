"""The summary for a pull request, as whole text."""

from __future__ import annotations

import re

from touchstone.reporting.base import ReportData
from touchstone.reporting.markdown import render_markdown

from .conftest import ROWS

TWO = """\
## support-intents: Take claude-haiku-4.5.

It meets your conditions, and the measurements separate it from everybody else who does.

- claude-haiku-4.5 scored 90.7% on 420 cases; its true score is between 87.5% and 93.1% (95% confidence).
- It is 7.8 points ahead of the next best, baseline/logistic (+5.7 to +9.9, adjusted p < 0.001, 420 common cases).
- It costs \\$0.00094 a case, about \\$188.00 a month at 200,000 requests.

| # | Candidate | Score | Interval | n | Rank | Unparsed | Cost per case | 95% within |  |
| --: | --- | --: | --: | --: | --: | --: | --: | --: | --- |
| 1 | **claude-haiku-4.5** | 90.7% | 87.5–93.1% | 420 | 1 | 0 | \\$0.00094 | 1.35 s | chosen |
| 2 | baseline/logistic | 82.9% | 79.0–86.2% | 420 | 2 | 0 | \\$0 | 2.1 ms | baseline |

**Pairs**

- claude-haiku-4.5 beats baseline/logistic by 7.8 points (+5.7 to +9.9; n = 420, adjusted p < 0.001).

**How to repeat it**

```sh
touchstone compare support-intents/task.yaml
touchstone decide latest --min-score 0.85
touchstone report latest --lang zh
```

420 cases, 3,100 calls, \\$0.421 spent. Comparison 20261123-support-intents-4f1c, 23 November 2026.
""".replace("< 0.001", "&lt; 0.001")


def test_two_candidates(two: ReportData) -> None:
    """Verdict, evidence, table, pair, commands: nothing more."""
    assert render_markdown(two, "en") == TWO


def test_twelve_candidates(twelve: ReportData) -> None:
    """Everybody is in the table; the gate, who was ruled out and the caveats have their blocks."""
    text = render_markdown(twelve, "en")
    table = [line for line in text.splitlines() if line.startswith("|")]

    assert len(table) == 2 + len(ROWS)
    assert {line.count(" | ") for line in table} == {9}
    assert "**Gate: not met**\n\n- [x] deepseek/deepseek-chat: the lower end" in text
    assert "- [ ] deepseek/deepseek-chat against baseline/logistic" in text
    assert "- ollama/qwen3:8b: Its 95th percentile of latency, 9.40 s, is above the limit of 8 s." in text
    assert "- The judge is not validated: nobody compared its verdicts with people's labels." in text


def test_chinese(two: ReportData) -> None:
    """The same summary in Chinese."""
    text = render_markdown(two, "zh")

    assert text.startswith("## support-intents: 选用 claude-haiku-4.5。\n")
    assert "| # | 候选 | 得分 | 区间 | n | 名次 | 未解析 | 单例成本 | 95% 不超过 |  |" in text
    assert "**如何复现**" in text


def test_a_name_cannot_leave_its_cell(two: ReportData) -> None:
    """Pipes, line breaks, HTML and mentions in a name are escaped; backticks in a command get a longer fence."""
    name = "a|b\n<img src=x> @team `c`"
    comparison = two.comparison.model_copy(
        update={"candidates": (two.comparison.candidates[0].model_copy(update={"name": name}),), "pairs": ()}
    )
    reproduction = two.reproduction.model_copy(update={"command": "echo ```"})
    text = render_markdown(two.model_copy(update={"comparison": comparison, "reproduction": reproduction}), "en")
    row = next(line for line in text.splitlines() if line.startswith("| 1 |"))

    assert len(re.split(r"(?<!\\)\|", row)) == 12
    assert "<img" not in text
    assert "@team" not in text
    assert "````sh\necho ```\n" in text
