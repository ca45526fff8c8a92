"""R17, R18, R21: values are filled in once, text of others stays text, and what is parsed has limits."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.source import ROOT, Called, source_of, sources

from touchstone.errors import SettingsError
from touchstone.strategies.base import ContextPassage
from touchstone.strategies.chat import above
from touchstone.strategies.template import fill
from touchstone.workspace.endpoints import read_policy

BRACES = st.text(alphabet=st.sampled_from(list("{}ab_ \n%$0")), max_size=20) | st.sampled_from(
    ["{a}", "{b}", "{{a}}", "{input}", "{passages}", "{a.__class__}", "{0}", "{{ 7 * 7 }}", "%(a)s", "$a"]
)


@given(BRACES, BRACES)
@example("{b}", "{a}")
def test_r17_a_value_is_never_filled_in(first: str, second: str) -> None:
    """Whatever braces it holds, it stands in the prompt as it came."""
    assert fill("<{a}|{b}|{a}>", {"a": first, "b": second}) == f"<{first}|{second}|{first}>"


class Passage:
    """What a finder found."""

    def __init__(self, text: str) -> None:
        self.text = text


@given(BRACES, BRACES)
@example("{input}", "{passages}")
def test_r17_neither_a_passage_nor_a_question_is_looked_at_again(passage: str, question: str) -> None:
    """A document that names our slots gets nothing put into them."""
    found: list[ContextPassage] = [Passage(passage)]  # type: ignore[list-item]
    assert above(found, question) == f"Passages:\n[1] {passage}\n\nQuestion: {question}"


def test_r17_jinja_is_the_sandbox_or_our_own_pages() -> None:
    """Texts of users are rendered in the immutable sandbox alone; every other environment reads our own files."""
    seen = set()
    for source in sources("jinja2"):
        for call in source.calls:
            if call.name.endswith("Environment") and "jinja2" in call.name:
                seen.add(source.name)
                if source.name == "strategies/jinja_child.py":
                    assert call.name == "jinja2.sandbox.ImmutableSandboxedEnvironment"
                else:
                    assert "PackageLoader" in ast.unparse(call.node), call.place
                    escapes = call.keyword("autoescape")
                    assert isinstance(escapes, ast.Constant), call.place
                    assert escapes.value is True, call.place
            assert not call.name.endswith(("jinja2.Template", ".from_string")) or source.name.endswith("jinja_child.py")
    assert seen >= {"strategies/jinja_child.py", "reporting/html.py"}


# Pages ----------------------------------------------------------------------------------------------------------------

TEMPLATES = sorted(path for path in ROOT.rglob("*.j2"))


def test_r18_no_template_lets_text_through() -> None:
    """
    No value is marked as safe, no handler and no address of a script stands in a tag, nothing is loaded.

    A frame shows a page of this site alone, without an origin.
    """
    for template in TEMPLATES:
        text = template.read_text(encoding="utf-8")
        text = re.sub(r'<iframe class="[a-z]+" title="[^"]*(?:"[^"]*"[^"]*)*" sandbox="allow-scripts" src="/', "", text)
        lets = re.search(r"\|\s*safe\b|autoescape\s+false|javascript:|\son[a-z]{4,}\s*=\s*['\"]", text)
        assert not lets, f"{template.name}: {lets}"
        loads = re.search(r"<(?:iframe|object|embed|base)\b|(?:src|href)\s*=\s*[\"']https?:", text)
        assert not loads, f"{template.name}: {loads}"


def test_r18_every_whole_page_has_a_policy() -> None:
    """Each template that begins a report declares what may load and run: by digest, and nothing else."""
    whole = [path for path in TEMPLATES if "<!doctype" in path.read_text("utf-8").lower() and "reporting" in path.parts]
    assert whole
    for path in whole:
        assert '<meta http-equiv="Content-Security-Policy" content="{{ policy }}">' in path.read_text("utf-8")


# What is parsed -------------------------------------------------------------------------------------------------------

WITH_LIMITS = {
    "workspace/yaml_file.py": "size, depth and aliases; a loader of plain values",
    "web/pages/tasks_edit.py": "one list out of a form of the local user; the form ends somewhere",
    "catalog/front_matter.py": "size and aliases",
}


def parses_yaml(call: Called) -> bool:
    """Whether a call makes values of YAML. `compose` makes places only, and an alias is one of them."""
    return call.name.startswith("yaml.") and call.name.endswith(("load", "load_all", "Loader"))


def test_r21_yaml_is_read_where_there_are_limits() -> None:
    """Nobody else calls a loader, be it the safe one, for that has no limit for aliases."""
    found = {source.name for source in sources("yaml") for call in source.calls if parses_yaml(call)}
    assert found <= set(WITH_LIMITS)
    assert any(parses_yaml(call) for call in source_of("import yaml\nyaml.safe_load(x)").calls)


def test_r21_a_policy_that_swells_is_refused(tmp_path: Path) -> None:
    """A few lines that stand for billions; and words that other readers take for truth values stay words."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(SettingsError):
        read_policy(tmp_path / "bomb.yaml")
    (tmp_path / "deep.yaml").write_text("a: " + "[" * 5_000)
    with pytest.raises(SettingsError):
        read_policy(tmp_path / "deep.yaml")
    (tmp_path / "plain.yaml").write_text("safety: {pii: off, injection: flag}\nfail_over: [on]\n")
    policy = read_policy(tmp_path / "plain.yaml")
    assert (policy.safety.pii, policy.fail_over) == ("off", ("on",))
