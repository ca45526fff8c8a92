"""A workspace in which every text that people or models write is an attack on whoever reads it."""

from __future__ import annotations

import json
from pathlib import Path

from touchstone.config import Settings
from touchstone.workspace.base import CompareOptions
from touchstone.workspace.workspace import Workspace

SCRIPTS = (
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "<svg><script>window.hit=1</script></svg>",
    "'\"--></style></script><script>window.hit=1</script>",
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "<a href='javascript:window.hit=1'>x</a>",
    "[x](javascript:window.hit=1) ![x](http://leak.example/a.png) <http://leak.example>",
    "[x](data:text/html,<script>window.hit=1</script>)",
    "<img src=http://leak.example/b.png><link rel=stylesheet href=//leak.example/c.css>",
    "<style>@import url(http://leak.example/d.css)</style><div style=background:url(//leak.example/e)>",
    "<form action=http://leak.example><button formaction=javascript:window.hit=1>x</button></form>",
    "<base href=http://leak.example/><meta http-equiv=refresh content=0;url=http://leak.example>",
    "{{ 7*7 }} {% raw %} ${7*7} <%= 7*7 %> {{constructor.constructor('window.hit=1')()}}",
    "<div hx-get=/sign-out hx-trigger=load hx-on:click=window.hit=1 data-hx-get=//leak.example>x</div>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.hit=1>",
    "<details open ontoggle=window.hit=1><summary>x</summary></details>",
    "$\\href{javascript:window.hit=1}{x}$ `<b>` \u202eevil\u202c \x1b[31m",
    "</textarea><script>window.hit=1</script>",
    "</title><script>window.hit=1</script>",
    "<!--<img src=--><img src=x onerror=window.hit=1//>",
)
"""What the corpus is made of: scripts, handlers, addresses, styles, templates, attributes of our own library."""


def make_hostile(folder: Path) -> None:
    """Measure a task whose names, cases, answers and errors are attacks, into `folder`."""
    place = folder.with_name(f"{folder.name}-files")
    place.mkdir(parents=True)
    cases, outputs = [], []
    for number, attack in enumerate(SCRIPTS):
        case = f"case {number} {attack}"[:120]
        cases.append(
            {
                "id": case, "input": f"Say: {attack}", "target": "yes" if number % 2 else "no", "group": attack[:60],
                "tags": [attack[:40]], "note": attack,
            }
        )  # fmt: skip
        outputs += [
            {
                "case_id": case,
                "model": model,
                "output": f"{'yes' if number % 2 else 'no'}\n{attack}" if good else attack,
            }
            for model, good in ((f"evil {SCRIPTS[1]}", True), ("weak", False))
        ]
        if number == 3:
            outputs[-1] = {"case_id": case, "model": "weak", "output": "", "error": f"failed {attack}"}
    (place / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    (place / "outputs.jsonl").write_text("".join(json.dumps(output) + "\n" for output in outputs))
    task = {
        "task": "evil <script>window.hit=1</script>",
        "instruction": " ".join(SCRIPTS[:6]),
        "cases": "cases.jsonl",
        "columns": {"id": "id", "input": "input", "target": "target", "group": "group", "tags": "tags"},
        "answer": {"kind": "label", "labels": ["yes", "no"], "from": "auto"},
        "scorers": ["exact"],
        "candidates": [
            {"recorded": "outputs.jsonl", "model": f"evil {SCRIPTS[1]}", "name": f"one {SCRIPTS[1]}"},
            {"recorded": "outputs.jsonl", "model": "weak", "name": f"two {SCRIPTS[6]}"},
        ],
    }
    (place / "task.yaml").write_text(json.dumps(task))
    with Workspace(Settings(workspace=folder, workspace_from="test")) as workspace:
        workspace.compare(workspace.load_task(place / "task.yaml"), CompareOptions())
    card = folder / "catalog" / "cards" / "evil" / "model.toml"
    card.parent.mkdir(parents=True)
    said = {key: json.dumps(" ".join(SCRIPTS)) for key in ("summary", "intended_use", "limits", "training_data")}
    card.write_text(
        f'id = "evil/model"\nname = {json.dumps(SCRIPTS[0] + SCRIPTS[1])}\nlab = "evil"\ntasks = ["chat"]\n'
        'input_modalities = ["text"]\noutput_types = ["text"]\n'
        + "".join(f"\n[{key}]\nen = {value}\nzh = {value}\n" for key, value in said.items())
        + f'\n[[sources]]\nname = {json.dumps(SCRIPTS[1])}\nurl = "https://leak.example/card"\nas_of = "2026-01-01"\n'
        + 'facts = ["limits"]\n'
        + f'\n[[offers]]\nprovider = "own"\nserved_name = {json.dumps(SCRIPTS[2])}\nbase_url = "http://127.0.0.1:9/v1"\n'
        + "[offers.price]\ninput_usd = 1.0\noutput_usd = 2.0\n"
    )
