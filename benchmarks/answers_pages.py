"""
The pages of answers over 1,000,000 stored outcomes: 10 candidates, 100,000 cases each.

The store is filled with outcomes as a run would have kept them, six of ten with a text of their own; the texts are made
searchable as the job does it. Then the site is opened on loopback and each kind of question is asked, with and without
what an earlier question has left in memory. What is timed is a request and its whole answer.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from benchmarks.catalog_search import SYLLABLES
from benchmarks.measure import Figure, Spread, run
from benchmarks.pages_site import PagesSite, get
from benchmarks.table import command

_CANDIDATES = 10
_HAN = "退款订单发货地址账号登录支付优惠快递包裹商品质量客服电话时间明天今天收到没有可以怎么什么"
_MOST_MS = 100.0


def figures(*, quick: bool) -> Iterator[Figure]:
    """Milliseconds of a page at the median and at the 95th percentile, by what is asked."""
    cases = 2_000 if quick else 100_000
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        filled = run(["-m", "benchmarks.answers_pages", "fill", str(place), str(cases)], place)
        made = run(["-m", "benchmarks.answers_pages", "index", str(place)], place)
        asked = run(["-m", "benchmarks.answers_pages", "ask", str(place)], place)
        store_mb, texts_mb = (
            sum(one.stat().st_size for one in place.glob(name)) / 2**20 for name in ("*.sqlite", "answers/*.sqlite")
        )
        note = (
            f"store of {store_mb:,.0f} MB, filled in {filled.cpu_s:,.0f} CPU s; texts of {texts_mb:,.0f} MB, made in "
            f"{made.cpu_s:,.0f} CPU s; opened first in {asked.result['first_s']:.1f} s; "
            f"{asked.result['memory_mb']:,.0f} MB"
        )
        everything: list[list[float]] = []
        bare = asked.result["bare"]
        for name, found in asked.result["ms"].items():
            everything += found
            yield from _of(f"answers, {name}", found, bare, note)
            note = ""
        yield from _of(f"answers over {cases * _CANDIDATES:,} outcomes, all questions", everything, bare, "")


def _of(name: str, found: list[list[float]], bare: list[list[float]], note: str) -> Iterator[Figure]:
    # What others run beside it stretches the clock, not the processor time.
    for column, clock in ((0, "by the clock"), (1, "processor time")):
        for share, most in ((0.5, None), (0.95, _MOST_MS)):
            ours, frame = (
                Spread.of([ordered[min(len(ordered) - 1, int(share * len(ordered)))]])
                for ordered in (sorted(one[column] for one in times) for times in (found, bare))
            )
            yield Figure(f"{name}, {clock}, p{100 * share:.0f}", "ms", ours, frame, most=most, note=note)
            note = ""


def fill(place: Path, cases: int) -> None:
    """Make a store with one comparison."""
    from touchstone.data.base import Case, CaseSummary
    from touchstone.evaluation.base import Outcome, Recipe
    from touchstone.evaluation.comparisons import Comparisons
    from touchstone.evaluation.ledger import Ledger
    from touchstone.evaluation.statements import outcome_row
    from touchstone.models.base import Completion, TextPart, Usage
    from touchstone.scoring.base import Reading, Score
    from touchstone.workspace.taskfile import TaskFile

    rng = random.Random(7)
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 3))) for _ in range(20_000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    pool = rng.choices(words, weights, k=1_000_000)

    def text(most: int) -> str:
        start = rng.randrange(len(pool) - most)
        return " ".join(pool[start : start + most]) + " " + "".join(rng.choices(_HAN, k=6))

    ledger = Ledger(place / "touchstone.sqlite")
    targets = ["ABCD"[rng.randrange(4)] for _ in range(cases)]
    kept = (
        Case(id=f"case-{n:06d}", input=text(12), target=targets[n], group=f"g{n // 5}", row=n + 1,
             tags=(f"topic {n % 20}", ("short", "long", "hard")[n % 3]))
        for n in range(cases)
    )  # fmt: skip
    summary = CaseSummary(counts={"test": cases}, labels={}, tags={}, groups=cases // 5, digest="d" * 64, described="")
    ledger.datasets.add(summary, kept)
    comparisons = Comparisons(ledger)
    names = [f"lab/model-{n}" for n in range(_CANDIDATES)]
    file = TaskFile.model_validate(
        {"task": "benchmark", "instruction": "x", "cases": "x.csv", "answer": {"kind": "choice"}, "candidates": names}
    )
    spec: dict[str, Any] = {
        "file": file.model_dump(mode="json", by_alias=True),
        "path": str(place / "task.yaml"), "digest": "", "answer": {"kind": "choice"},
        "scorers": [{"name": "choice", "description": ""}],
        "candidates": [{"name": name, "model": name, "strategy": "prompt"} for name in names],
        "options": {"repeats": 1, "offline": False}, "racing": False, "command": "", "test_cases": cases,
        "cases": summary.model_dump(mode="json"), "versions": {},
    }  # fmt: skip
    comparisons.start(
        identity="c" * 12,
        task="benchmark",
        fingerprint="f" * 64,
        run_key="r" * 64,
        parts={},
        dataset="d" * 64,
        spec=spec,
    )
    kinds = ("scored",) * 18 + ("unparsed", "refused")
    for place_of, name in enumerate(names):
        trial = comparisons.trial(f"{place_of:064d}", Recipe(model=name, strategy="prompt"))
        comparisons.enter("c" * 12, place_of, trial, name, {})
        rows = []
        for n in range(cases):
            letter = targets[n] if rng.random() < 0.5 + 0.04 * place_of else "ABCD"[rng.randrange(4)]
            kind: Any = kinds[rng.randrange(20)]
            said = f"The answer is ({letter})." + (" " + text(5) if rng.random() < 0.6 else "")
            right = letter == targets[n]
            outcome = Outcome(
                case="", candidate="", kind=kind,
                completion=Completion(
                    parts=(TextPart(text=said),), usage=Usage(input_tokens=60, output_tokens=6),
                    cost_usd=rng.random() * 1e-4, latency_s=rng.lognormvariate(-1, 0.5), finish="stop",
                    served_model="share",
                ),
                reading=Reading(answer=letter if kind == "scored" else None, how="answer is (X)"),
                scores=(Score(scorer="choice", value=float(right), reason="" if right else "not the right one"),)
                if kind == "scored"
                else (),
            )  # fmt: skip
            rows.append(outcome_row(trial, n, outcome, "c" * 12))
        with ledger.writing() as connection:
            ledger.statements.put_outcome.run(connection, rows)
        comparisons.pack(trial)
    comparisons.finish(
        "c" * 12, state="finished", ending=None, judge=None, rest=dict.fromkeys(range(10), "planned"), closed={}
    )
    ledger.close()


def index(place: Path) -> None:
    """Make the texts searchable."""
    from touchstone.config import Settings
    from touchstone.workspace.answers import make_searchable, open_answers
    from touchstone.workspace.workspace import Workspace

    with Workspace(Settings(workspace=place, workspace_from="benchmark")) as workspace:
        make_searchable(workspace, open_answers(workspace, "c" * 12))


def ask(place: Path) -> dict[str, Any]:
    """Ask the site, and say how long each answer took."""
    rng = random.Random(11)
    with PagesSite(place) as (address, cookie):
        here = f"/decisions/{'c' * 12}/answers"
        began = time.perf_counter()
        get(address, cookie, here)
        first_s = time.perf_counter() - began
        for sort in ("cost", "latency", "disagreement", "score", "score-high"):  # each order is worked out once
            for by in ("case", "answer"):
                get(address, cookie, f"{here}?{urlencode({'sort': sort, 'by': by})}")
        bare = [get(address, cookie, "/jobs") for _ in range(24)]  # the frame alone, around an empty list
        names = [f"lab/model-{n}" for n in range(_CANDIDATES)]
        letters = "bcdfghjklmnprstvwz"

        def word() -> str:
            return "".join(rng.choices(SYLLABLES, k=2))

        questions: dict[str, Any] = {
            "nothing asked": dict,
            "candidate": lambda: {"candidate": rng.sample(names, rng.randint(1, 4))},
            "outcome": lambda: {"kind": rng.sample(["scored", "unparsed", "refused"], rng.randint(1, 2))},
            "score": lambda: {"low": round(rng.random(), 2)},
            "tag": lambda: {"tag": f"topic {rng.randrange(20)}"},
            "group": lambda: {"group": f"g{rng.randrange(20_000)}"},
            "differ in score": lambda: {"differ": "score", "kind": rng.choice(["scored", "refused"])},
            "differ in answer": lambda: {"differ": "answer", "candidate": rng.sample(names, 2)},
            "left out": lambda: {"state": rng.choice(["counted", "excluded"]), "tag": f"topic {rng.randrange(20)}"},
            "words": lambda: {"q": word()},
            "two words": lambda: {"q": f"{word()} {word()}"},
            "Chinese": lambda: {"q": "".join(rng.choices(_HAN, k=rng.choice((1, 2, 3))))},
            "a common word": lambda: {"q": rng.choice(["answer", "the", "ans"]), "low": round(rng.random(), 2)},
            "two letters": lambda: {"q": rng.choice(letters) + "a"},
            "everything": lambda: {
                "candidate": rng.sample(names, 5), "kind": "scored", "low": 0.5, "tag": f"topic {rng.randrange(20)}",
                "differ": "score", "q": word(),
            },
        }  # fmt: skip
        sorts = ("case", "disagreement", "score", "score-high", "cost", "latency")
        found: dict[str, list[tuple[float, float]]] = {}
        for name, make in questions.items():
            for number in range(24):
                asked = {**make(), "sort": sorts[number % 6], "by": ("case", "answer")[number // 6 % 2],
                         "page": rng.choice((1, 1, 2, 40))}  # fmt: skip
                found.setdefault(name, []).append(get(address, cookie, f"{here}?{urlencode(asked, doseq=True)}"))
        for _number in range(24):
            case = f"case-{rng.randrange(2_000):06d}"
            found.setdefault("a case", []).append(get(address, cookie, f"{here}/{case}?kind=scored"))
            found.setdefault("an answer", []).append(get(address, cookie, f"{here}/{case}/lab%2Fmodel-3"))
    import resource

    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"ms": found, "bare": bare, "first_s": first_s, "memory_mb": memory_mb}


if __name__ == "__main__":
    if sys.argv[1:2] == ["fill"]:
        fill(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["index"]:
        index(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["ask"]:
        sys.stdout.buffer.write(orjson.dumps(ask(Path(sys.argv[2]))))
    else:
        command(figures)
