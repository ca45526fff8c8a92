"""
How many calls the race saves on recorded answers of real models, and how often it errs.

Each draw takes some of the models and some of the questions in random order and races over the recorded answers by the
public interface. Reported: median share of the calls of a full run, for the proven and for the quick finish; winners
whose mean over all drawn questions is more than epsilon below the best; certificates that turned out false, looked at
after every round; and how often two candidates of equal skill are told apart when one looks after every round.

    python benchmarks/race_savings.py --draws 300 --candidates 10 --cases 1000
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as parquet

from touchstone.evaluation.race import Race, Rules, Standing

ROOT = Path(__file__).resolve().parent.parent
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Draw:
    """One race and what it should have found."""

    share: float
    quick_share: float
    wrong: bool
    quick_wrong: bool
    broken: int
    looks: int


def recorded(folder: Path, best: int | None) -> Matrix:
    """Models x questions, 1 where the recorded answer is correct; the `best` models only, or all."""
    names = parquet.read_schema(folder / "outputs.parquet").names
    correct = "recorded_correct" if "recorded_correct" in names else "correct"
    table = parquet.read_table(folder / "outputs.parquet", columns=["question_id", "model", correct])
    models, row = np.unique(table["model"].to_numpy(), return_inverse=True)
    questions, column = np.unique(table["question_id"].to_numpy(), return_inverse=True)
    scores = np.full((len(models), len(questions)), np.nan)
    scores[row, column] = table[correct].to_numpy().astype(float)
    if np.isnan(scores).any():
        raise SystemExit(f"{folder}: some model lacks some question")
    order = np.argsort(-scores.mean(axis=1), kind="stable")
    return scores[order[:best]] if best else scores


def run(scores: Matrix, rules: Rules, certificates: bool) -> Draw:
    """One race over the columns in their order."""
    candidates, cases = scores.shape
    means = scores.mean(axis=1)
    race = Race(candidates, [1] * cases, rules)
    broken = looks = calls = 0
    while asks := race.next():
        for ask in asks:
            units = np.arange(ask.start, ask.stop)
            race.tell_many(ask.candidate, units, scores[ask.candidate, units], scores[ask.candidate, units])
            calls += len(units)
        if certificates:
            looks += 1
            broken += is_broken(race.standing(), means)
    end = race.standing()
    looks += 1
    broken += is_broken(end, means)
    line = end.quick_line
    if end.leader is None or line is None:
        raise SystemExit("a race ended without a leader or a quick line")
    bar = means.max() - rules.epsilon - 1e-9
    return Draw(
        share=calls / scores.size,
        quick_share=line.cases / scores.size,
        wrong=bool(means[end.leader] < bar),
        quick_wrong=bool(means[line.leader] < bar),
        broken=broken,
        looks=looks,
    )


def is_broken(standing: Standing, means: npt.NDArray[np.float64]) -> bool:
    """Whether a certificate says more than is true."""
    if standing.certificate is None or standing.leader is None:
        return False
    return bool(means[standing.leader] < means.max() - standing.certificate - 1e-9)


def false_winners(runs: int, cases: int, seed: int) -> int:
    """In how many races two candidates of equal skill were told apart for future cases at any look."""
    found = 0
    for at in range(runs):
        random = np.random.default_rng([seed, at])
        hard = random.uniform(0, 1, cases)
        scores = (random.uniform(0, 1, (2, cases)) < hard).astype(float)
        race = Race(2, [1] * cases, Rules())
        separated = False
        while not separated and (asks := race.next()):
            for ask in asks:
                units = np.arange(ask.start, ask.stop)
                race.tell_many(ask.candidate, units, scores[ask.candidate, units], scores[ask.candidate, units])
            standing = race.standing()
            separated = standing.leader is not None and not standing.ties_future
        found += separated
    return found


def main() -> None:
    shared = Path(os.environ.get("TOUCHSTONE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--candidates", type=int, default=10)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--best", type=int, help="draw from the so many best models only: near ties")
    parser.add_argument("--data", type=Path, default=shared / "outputs-mmlu-pro", help="folder with outputs.parquet")
    parser.add_argument("--epsilon", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--identical", type=int, default=1000, help="races of two candidates of equal skill")
    parser.add_argument(
        "--certificates", action="store_true", help="check the certificate after every round, not the last only"
    )
    options = parser.parse_args()

    scores = recorded(options.data, options.best)
    if options.candidates > scores.shape[0] or options.cases > scores.shape[1]:
        sys.exit(f"{options.data} has {scores.shape[0]} models and {scores.shape[1]} questions; ask for fewer")
    rules = Rules(epsilon=options.epsilon)
    started = time.process_time()
    draws = []
    for at in range(options.draws):
        random = np.random.default_rng([options.seed, at])
        models = random.choice(scores.shape[0], options.candidates, replace=False)
        cases = random.choice(scores.shape[1], options.cases, replace=False)
        draws.append(run(scores[np.ix_(models, cases)], rules, options.certificates))
    spent = time.process_time() - started

    print(
        f"{options.data.name}: {options.candidates} x {options.cases}, {options.draws} draws, epsilon {options.epsilon}"
    )
    for name, shares, wrong in (
        ("proven", [draw.share for draw in draws], sum(draw.wrong for draw in draws)),
        ("quick", [draw.quick_share for draw in draws], sum(draw.quick_wrong for draw in draws)),
    ):
        tenth, ninth = np.quantile(shares, [0.1, 0.9])
        print(
            f"  {name:<7} median share of calls {statistics.median(shares):6.1%}"
            f"  (mean {statistics.mean(shares):.1%}, 10-90 % {tenth:.1%} to {ninth:.1%})  wrong {wrong}"
        )
    cells = sum(draw.share for draw in draws) * options.candidates * options.cases
    print(f"  certificates broken {sum(draw.broken for draw in draws)} of {sum(draw.looks for draw in draws)}")
    print(f"  {spent / cells * 1e6:.1f} microseconds of processor time per cell")
    if options.identical:
        found = false_winners(options.identical, options.cases, options.seed)
        print(f"two candidates of equal skill told apart: {found} of {options.identical}")


if __name__ == "__main__":
    main()
