"""
How many calls the race saves on recorded answers of real models, and how often it errs.

Each draw takes some of the models and some of the questions in random order and races over the recorded answers by the
public interface, once for each finish. Reported: median share of the calls of a full run; winners whose mean over all
drawn questions is more than epsilon below the best; races in which a certificate turned out false; and how often two
candidates of equal skill are told apart when one looks after every round.

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

from touchstone.evaluation.race import Ask, Race, Rules, Standing

ROOT = Path(__file__).resolve().parent.parent
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ran:
    """One race and what it should have found."""

    share: float
    wrong: bool
    broken: bool


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


def run(scores: Matrix, rules: Rules, certificates: bool) -> Ran:
    """One race over the columns in their order; certificates are looked at after every round, or at the end only."""
    candidates, cases = scores.shape
    means = scores.mean(axis=1)
    race = Race(candidates, [1] * cases, rules)
    broken, calls = False, 0
    while asks := race.next():
        calls += sum(answer(race, ask, scores) for ask in asks)
        broken = broken or (certificates and is_broken(race.standing(), means))
    end = race.standing()
    if end.leader is None:
        raise SystemExit("a race ended without a leader")
    return Ran(
        share=calls / scores.size,
        wrong=bool(means[end.leader] < means.max() - rules.epsilon - 1e-9),
        broken=broken or is_broken(end, means),
    )


def answer(race: Race, ask: Ask, scores: Matrix) -> int:
    """Tells the recorded answers; how many."""
    units = np.arange(ask.start, ask.stop)
    race.tell_many(ask.candidate, units, scores[ask.candidate, units], scores[ask.candidate, units])
    return len(units)


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
                answer(race, ask, scores)
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
    print(
        f"{options.data.name}: {options.candidates} x {options.cases}, {options.draws} draws, epsilon {options.epsilon}"
    )
    for rules in (Rules(epsilon=options.epsilon), Rules(epsilon=options.epsilon, finish="quick")):
        started = time.process_time()
        ran = []
        for at in range(options.draws):
            random = np.random.default_rng([options.seed, at])
            models = random.choice(scores.shape[0], options.candidates, replace=False)
            cases = random.choice(scores.shape[1], options.cases, replace=False)
            ran.append(run(scores[np.ix_(models, cases)], rules, options.certificates))
        spent = time.process_time() - started
        shares = [one.share for one in ran]
        tenth, ninth = np.quantile(shares, [0.1, 0.9])
        cells = sum(shares) * options.candidates * options.cases
        print(
            f"  {rules.finish:<7} median share of calls {statistics.median(shares):6.1%}"
            f"  (mean {statistics.mean(shares):.1%}, 10-90 % {tenth:.1%} to {ninth:.1%})"
            f"  wrong {sum(one.wrong for one in ran)}  certificate broken in {sum(one.broken for one in ran)}"
            f"  {spent / cells * 1e6:.0f} us per cell"
        )
    if options.identical:
        found = false_winners(options.identical, options.cases, options.seed)
        print(f"two candidates of equal skill told apart: {found} of {options.identical}")


if __name__ == "__main__":
    main()
