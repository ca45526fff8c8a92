"""
The main job on one page: three candidates, cases made here, a decision.

Needs no key and no network: two candidates are scripted fakes that stand for models, one is a classical baseline.
"""

import csv
import tempfile
from pathlib import Path

from touchstone.config import load_settings
from touchstone.workspace.base import CompareOptions, Demands
from touchstone.workspace.workspace import Workspace

MESSAGES = {
    "refund": ("I want my money back for order", "please refund order", "nothing has come to my account yet for order"),
    "delivery": ("where is my parcel", "the courier never came with order", "nothing has come to my house yet: order"),
    "login": ("I cannot log in to account", "the reset mail never comes for account", "it locks me out: account"),
}

TASK = """
task: one-page
instruction: Name the topic of the message.
cases: cases.csv
answer: {kind: label, labels: [refund, delivery, login]}
candidates:
  - {model: fake/careful, script: answers.jsonl, accuracy: 0.95, price: {input_usd: 2.0, output_usd: 8.0}}
  - {model: fake/cheap, script: answers.jsonl, accuracy: 0.85, price: {input_usd: 0.1, output_usd: 0.4}}
  - baseline/nearest
volume: {requests_per_month: 50000}
"""

folder = Path(tempfile.mkdtemp())
rows = [
    # The baseline learns from the plain messages and is tested on the others too.
    (f"{words} {number}", label, "train" if words == texts[0] and number % 2 else "test")
    for label, texts in MESSAGES.items()
    for words in texts
    for number in range(100, 140)
]
with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as stream:
    csv.writer(stream).writerows([("input", "target", "split"), *rows])
(folder / "answers.jsonl").write_text(
    "\n".join(f'{{"input": "{text}", "reply": "{label}"}}' for text, label, _ in rows), encoding="utf-8"
)
(folder / "task.yaml").write_text(TASK, encoding="utf-8")

with Workspace(load_settings(folder / "workspace")) as workspace:
    data = workspace.compare(workspace.load_task(folder / "task.yaml"), CompareOptions())
    for candidate in data.comparison.candidates:
        score = candidate.estimate
        print(f"{candidate.name:17} {score.mean:.3f} ({score.low:.3f} to {score.high:.3f}), n = {score.n}")
    print(data.comparison.decision.verdict, data.comparison.decision.chosen)

    # The same stored answers under another demand: nobody is asked again.
    thrifty = workspace.decide("latest", Demands(goal="cheapest-within: 0.2"))
    print(thrifty.comparison.decision.verdict, thrifty.comparison.decision.chosen)
