"""
Write the generated parts of the documentation; a test fails when one is stale.

A page marks such a part with a line `generated: NAME` and a line `end of NAME`, both inside HTML comments. What stands
between them is made here from the code itself: the provider table, the steps of the readers and scorers, the commands.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

from touchstone import plugins
from touchstone.catalog.base import Provider
from touchstone.catalog.providers import providers

ROOT = Path(__file__).resolve().parent.parent
_PART = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n)(?P<body>.*?)(<!-- end of (?P=name) -->)", re.DOTALL)
_ITEM = re.compile(r"(?:\d+\.|-) ")
_SECTIONS = ("Args:", "Raises:", "Returns:", "Attributes:", "Yields:")
_IN_OTHER_WORDS = {
    "`spec.labels`": "`labels`",
    "`spec.source`": "`from`",
    " (`without_reasoning`)": " (see below)",
    " (`numerals.numbers`)": "",
    "`numerals.first_number`": "the same rules as answers of kind `number`",
    "with the fall-backs of `json_text.field`": "with the fall-backs below",
    "under `dotted` as text": "of the field as text",
    "part of `dotted` only": "part of a dotted name only",
}
"""Names that mean something inside the code alone."""
_KINDS = {Path: "PATH", str: "TEXT", int: "N", float: "X", list[str]: "TEXT"}
_ARGUMENT = re.compile(r"^    (\w+(?:, \w+)*): (.*)$")


def provider_table() -> str:
    """One row per preset."""
    rows = [
        "| write | provider | address | key | price | worth knowing |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rows += ["| " + " | ".join(_provider_cells(provider)) + " |" for provider in providers()]
    return "\n".join(rows)


def _provider_cells(provider: Provider) -> tuple[str, ...]:
    names = ", ".join(f"`{name}/…`" for name in (provider.id, *provider.aliases))
    address = f"`{provider.base_url}`" if provider.base_url else "your own"
    if provider.base_url_env:
        address += f"; `{provider.base_url_env}`"
    key = f"`{provider.key_env}`" if provider.key_env else "none"
    if provider.key_env and not provider.key_required:
        key += ", if the server asks for one"
    if provider.local:
        price = "0 on this machine, else unknown"
    else:
        price = "from the snapshot" if provider.prices_id else "unknown; give one"
    return names, provider.name, address, key, price, provider.note or ""


def answer_readers() -> str:
    """What every answer reader does, in its own words."""
    order = ("label", "choice", "number", "text", "json", "free")
    assert set(order) == set(plugins.shipped("answer_reader"))
    return "\n\n".join(f"### `{name}`\n\n{words(plugins.load('answer_reader', name))}" for name in order)


def answer_places() -> str:
    """Where in the output an answer is looked for, in the code's own words."""
    from touchstone.scoring.json_text import field
    from touchstone.scoring.source import Narrowing, without_reasoning

    return "\n\n".join(
        (
            words(Narrowing),
            "**Reasoning in front of the answer.** " + words(without_reasoning),
            "**A JSON field, also out of fenced or broken JSON.** " + words(field),
        )
    )


def scorers() -> str:
    """What every scorer does, in its own words."""
    found = []
    for name in scorer_names():
        member = plugins.load("scorer", name)
        found.append(f"### `{name}`\n\n{_signature(member)}\n\n{words(member)}")
    return "\n\n".join(found)


def scorer_names() -> tuple[str, ...]:
    """Shipped scorers in the order of `pyproject.toml`, which groups what belongs together."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = project.partition('[project.entry-points."touchstone.scorer"]')[2].partition("\n[")[0]
    return tuple(line.partition(" =")[0] for line in section.strip().splitlines())


def parameters(member: Any) -> dict[str, str]:
    """Parameters of a scorer as a task file gives them, each with its default as it is written there."""
    found = {}
    for parameter in inspect.signature(member).parameters.values():
        if parameter.name == "models":
            continue  # comes from the workspace, not from the task file
        found[parameter.name] = "required" if parameter.default is parameter.empty else yaml_value(parameter.default)
    return found


def yaml_value(value: Any) -> str:
    """A default as a task file would have it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(yaml_value(item) for item in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _signature(member: Any) -> str:
    found = parameters(member)
    reads = "the answer that was read" if member.reads_answer else "the whole output"
    if isinstance(member.needs_target, property):
        target = "whether it needs a target depends on its parameters"
    else:
        target = "needs a target" if member.needs_target else "needs no target"
    given = "; ".join(f"`{name}`: {default}" for name, default in found.items()) or "none"
    return f"Looks at {reads}; {target}. Parameters: {given}."


def words(member: Any) -> str:
    """A docstring as Markdown; parameters become a list, what it raises and returns is left to the code."""
    kept: list[str] = []
    section = ""
    in_list = False
    for line in (inspect.getdoc(member) or "").splitlines():
        if line in _SECTIONS:
            section = line
            continue
        if section and line and not line.startswith(" "):
            section = ""
        if section and section != "Args:":
            continue
        if section and (found := _ARGUMENT.match(line)):
            line = f"- `{found[1]}`: {found[2]}"
        elif section and line.strip():
            line = f"  {line.strip()}"
        item = _ITEM.match(line) is not None
        if line and kept and kept[-1] and (item != in_list) and not line.startswith(" "):
            kept.append("")  # Markdown wants a blank line where a list begins and ends
        in_list = item or (in_list and line.startswith(" "))
        kept.append(line)
    text = "\n".join(kept).strip()
    for inside, outside in _IN_OTHER_WORDS.items():
        text = text.replace(inside, outside)
    return text


def commands() -> str:
    """Every command with its flags, as the command line itself knows them."""
    parts = []
    for name, command in command_line().items():
        arguments = [
            param.metavar if param.required else f"[{param.metavar}]"
            for param in command.params
            if param.param_type_name == "argument"
        ]
        rows = [f"## `touchstone {name}`", "", command.help, "", "```text"]
        rows += [" ".join(["touchstone", name, *arguments, "[flags]"]), "```", ""]
        own = [param for param in command.params if not set(param.opts) & set(COMMON)]
        if own:
            rows += ["| argument or flag | default | does |", "| --- | --- | --- |"]
            rows += [f"| {_flag(param)} | {_default(param)} | {param.help} |" for param in own]
            rows.append("")
        shared = [f"`{flag}`" for flag in COMMON if any(flag in param.opts for param in command.params)]
        rows.append("Also " + ", ".join(shared) + ".")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


COMMON = ("--json", "--workspace", "--lang")
"""Flags that mean the same everywhere."""


def command_line() -> dict[str, Any]:
    """Every command by name, in English."""
    from touchstone.cli.app import build_app
    from touchstone.language import set_language

    set_language("en")
    group: Any = typer.main.get_command(build_app())
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= {name: command} if inner is None else {f"{name} {verb}": one for verb, one in inner.items()}
    return found


def _flag(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{param.metavar}`"
    kind = "" if param.is_flag else f" {_kind(param.type_descriptor.annotation)}"
    return " / ".join(f"`{name}{kind}`" for name in (*param.opts, *param.secondary_opts))


def _kind(annotation: Any) -> str:
    """What stands behind a flag: its kind, or the words there are."""
    return "|".join(get_args(annotation)) if get_origin(annotation) is Literal else _KINDS[annotation]


def _default(param: Any) -> str:
    if param.param_type_name == "option" and param.is_flag:
        return "" if param.secondary_opts else "off"
    missing = param.default is None or (param.param_type_name == "argument" and param.required)
    return "" if missing else f"`{param.default}`"


PARTS: dict[str, Callable[[], str]] = {
    "providers": provider_table,
    "answer-places": answer_places,
    "answer-readers": answer_readers,
    "scorers": scorers,
    "commands": commands,
}


def written(text: str) -> str:
    """A page with its generated parts made anew."""
    return _PART.sub(lambda found: f"{found[1]}{PARTS[found['name']]()}\n{found[4]}", text)


def pages() -> list[Path]:
    """Every page that has a generated part."""
    return [path for path in sorted((ROOT / "docs").rglob("*.md")) if _PART.search(path.read_text(encoding="utf-8"))]


def main() -> None:
    """Write every generated part where it stands."""
    for page in pages():
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
