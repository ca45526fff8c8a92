"""Links lead somewhere, and the README keeps to what the command line has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?^```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PAGES_THE_MAP_LEAVES_OUT = {"docs/index.md"}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """The text of a page without its code."""
    return _CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links, as common Markdown viewers make it."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    plain = (heading.replace("`", "").lower().strip() for heading in _HEADING.findall(text))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    """Every relative link leads to a file that is there, and to a heading in it where it names one."""
    # A link's text may be code, so only fenced blocks are left out here.
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in _LINK.findall(text):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        assert place.exists(), f"{name_of(page)} links to {target}"
        assert place.is_relative_to(ROOT), f"{name_of(page)} links out of the repository: {target}"
        if anchor and place.suffix == ".md":
            assert anchor in anchors(place), f"{name_of(page)} links to {target}; there are {sorted(anchors(place))}"


def test_map_names_every_page() -> None:
    """`docs/index.md` links to every page under `docs/`."""
    index = ROOT / "docs/index.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in _LINK.findall(prose(index))}
    pages = {page for page in (ROOT / "docs").rglob("*.md") if name_of(page) not in _PAGES_THE_MAP_LEAVES_OUT}
    assert {name_of(page) for page in pages - linked} == set()


def test_readmes_say_the_same() -> None:
    """Both READMEs hold the same commands and the same links."""

    def of(name: str) -> tuple[list[str], list[str]]:
        text = (ROOT / name).read_text(encoding="utf-8")
        code = re.findall(r"^```(?:bash|yaml)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        links = [target for target in _LINK.findall(text) if not target.startswith("README")]
        return [re.sub(r"#.*", "", block) for block in code], links

    assert of("README.md") == of("README.zh-CN.md")


def test_readme_names_every_readme_command() -> None:
    """Each command that the README shows is one that the command line has, with flags that it has."""
    from scripts.reference import command_line

    known = command_line()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"touchstone ([a-z]+)((?: [^\n`#|]+)?)", text)
    assert {"demo", "init", "compare", "decide"} <= {verb for verb, _ in shown}
    for first, rest in shown:
        inner = f"{first} {rest.split()[0]}" if rest.split() else first
        verb = inner if inner in known else first
        assert verb in known, f"README.md shows `touchstone {verb}`"
        flags = {flag for param in known[verb].params for flag in (*param.opts, *param.secondary_opts)}
        for flag in re.findall(r"--[\w-]+", rest):
            assert flag in flags, f"README.md shows `touchstone {verb} {flag}`"
