"""What Jinja templates promise: only where asked, in a process that may do little and may be killed (R17)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.strategies.shop import Shop, case

from touchstone.errors import RequestRejected, SettingsError
from touchstone.evaluation.ledger import Ledger
from touchstone.strategies.jinja_text import JinjaTemplate

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs resource limits")

ASKED = case("q1", "Hi", fields={"customer": "Ann", "notes": "a|b"})


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    ledger = Ledger(tmp_path / "store.db")
    yield Shop(ledger, tmp_path, columns=["customer", "notes"])
    ledger.close()


@pytest.fixture
def made() -> Iterator[list[JinjaTemplate]]:
    found: list[JinjaTemplate] = []
    yield found
    for one in found:
        one.close()


async def test_a_jinja_template_is_filled_in_where_it_is_asked_for(shop: Shop) -> None:
    """Conditions, loops and filters over the columns of a case; without `format` braces stay text."""
    words = (
        "{% if customer is defined %}{{ customer|upper }}: {% endif %}"
        "{{ input }}{% for n in notes.split('|') %} -{{ n }}{% endfor %}"
    )
    candidate = await shop.make("prompt", prompt=words, format="jinja")
    assert candidate.messages(ASKED)[-1].content == "ANN: Hi -a -b"
    other = candidate.messages(case("q2", "Ho", fields={"notes": "c"}))
    assert other[-1].content == "Ho -c"
    await candidate.close()
    plain = await shop.make("prompt", prompt="{{ customer }} {% x %}")
    assert plain.messages(ASKED)[-1].content == "{{ customer }} {% x %}"
    assert candidate.recipe.fingerprint != (await shop.make("prompt", prompt=words)).recipe.fingerprint


async def test_values_are_never_rendered(shop: Shop) -> None:
    """What a case says is data, whatever marks it holds."""
    candidate = await shop.make("prompt", prompt="{{ input }}", format="jinja")
    hostile = "{{ 7 * 7 }} {% raw %} {{ customer }} \ud800 <b>&"
    assert candidate.messages(case("q", hostile))[-1].content == hostile
    await candidate.close()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"prompt": "{{ custmer }}", "format": "jinja"}, r"mine: the template uses \{custmer\}"),
        ({"prompt": "a\n{% if %}", "format": "jinja"}, "mine: the template cannot be used: line 2: "),
        ({"prompt": "{{ input|nothing }}", "format": "jinja"}, "No filter named 'nothing'"),
        ({"prompt": "{{ input|random }}", "format": "jinja"}, "No filter named 'random'"),
        ({"prompt": "{% include 'x' %}{{ lipsum() }}", "format": "jinja"}, r"uses \{lipsum\}"),
        ({"prompt": "{{ input }}", "format": "mustache"}, "format is 'mustache'; write plain or jinja"),
        ({"format": "jinja"}, "there is no prompt; add one"),
    ],
)
async def test_a_template_that_cannot_be_used_is_told(shop: Shop, parameters: dict[str, str], words: str) -> None:
    """Before anything is sent."""
    with pytest.raises(SettingsError, match=words):
        await shop.make("prompt", **parameters)
    assert shop.model.calls == []


HOSTILE = [
    ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe|is undefined|no attribute"),
    ("{{ input.format.__globals__ }}", "unsafe|no attribute"),
    ("{% for x in range(10000000) %}{% endfor %}", "Range too big"),
    ("{{ 'x' * 999999999 }}", "too much memory|longer than"),
    ("{% set l = [] %}{{ l.append(1) }}", "unsafe|not safely callable"),
    ("{{ missing_column }}", "is undefined"),
    ("{% include '/etc/hostname' %}", "no loader"),
    ("{% for a in range(90000) %}xxxxxxxxxxxxxxxxxxxx{% endfor %}", "longer than 1048576"),
    ("{{ cycler }}{{ joiner }}", "is undefined"),
]


def test_what_a_hostile_template_tries_fails(made: list[JinjaTemplate]) -> None:
    """No attributes of Python, no files, no endless texts, nothing changed; each is one failed cell with its reason."""
    import re

    for words, reason in HOSTILE:
        made.append(JinjaTemplate(words, "mine"))
        with pytest.raises(RequestRejected) as caught:
            made[-1].render({"input": "x"}, "q1")
        assert re.search(reason, str(caught.value)), (words, str(caught.value))
        made[-1].close()


def test_a_template_that_does_not_end_is_killed(made: list[JinjaTemplate]) -> None:
    """After its time; other cases are tried, but not for ever, for each holds up everybody."""
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    words = f"{{% if input == 'slow' %}}{endless}{{% endif %}}ok"
    made.append(JinjaTemplate(words, "mine", deadline_s=0.3))
    template = made[0]
    assert template.render({"input": "quick"}, "q0") == "ok"
    started = time.monotonic()
    for number in range(3):
        child = template._process
        with pytest.raises(RequestRejected, match=r"takes longer than 0.3 s for case"):
            template.render({"input": "slow"}, f"q{number}")
        assert child is None or child.poll() is not None
    with pytest.raises(RequestRejected, match=r"for 3 cases and is rendered no more"):
        template.render({"input": "quick"}, "q9")
    assert time.monotonic() - started < 60


def test_the_process_has_no_keys(made: list[JinjaTemplate], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment holds nothing of the user's, and it is gone once the template is closed."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    made.append(JinjaTemplate("{{ input }}", "mine"))
    assert made[0].render({"input": "x"}, "q") == "x"
    child = made[0]._process
    assert child is not None
    environment = Path(f"/proc/{child.pid}/environ")
    if environment.exists():
        assert b"secret" not in environment.read_bytes()
    made[0].close()
    assert child.poll() is not None
    assert made[0].render({"input": "again"}, "q") == "again"


async def test_examples_are_rendered_as_cases_are(shop: Shop) -> None:
    """By the same template; one that lacks what the template needs is told before anything is sent."""
    shop.learning = (case("a", "one", "refund", "train", fields={"customer": "Bo"}),)
    candidate = await shop.make(k=1, prompt="{{ customer }} says {{ input }}", format="jinja", choose="fixed")
    assert [turn.content for turn in candidate.messages(ASKED)[1:]] == ["Bo says one", "refund", "Ann says Hi"]
    await candidate.close()
    shop.learning = (case("a", "one", "refund", "train"),)
    with pytest.raises(SettingsError, match=r"the example a cannot be shown: .*'customer' is undefined"):
        await shop.make(k=1, prompt="{{ customer }} says {{ input }}", format="jinja", choose="fixed")
