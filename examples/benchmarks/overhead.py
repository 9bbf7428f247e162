"""What optnas adds to a trial, against bare Optuna, as the database fills.

Both search the space of studies/digits.py on SQLite with the same sampler, one process each, and train
nothing. Bare Optuna is ``study.optimize`` with Optuna's own sampler and an objective of hand-written
``suggest_*`` calls that returns two numbers. optnas does all that it does for a trial but the training: it
suggests, looks for the same candidate among the finished, costs the architecture, keeps records, reports
at two rungs and asks the pruner.

The ratio of the times of a trial is measured with 100, 1,000 and 10,000 trials in each database, in
alternating blocks; the figures are medians over blocks. Filling the databases takes longest: some
twenty minutes in all, three with ``--sizes 100 1000``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table

from optnas import Study, choose, maximize, minimize, ops, real, repeat
from optnas.run.worker import work
from optnas.samplers import make_sampler
from optnas.storages.opening import open_storage

# As optnas makes those of the same names.
BARE: dict[str, Callable[[], BaseSampler]] = {
    "random": lambda: RandomSampler(seed=0),
    "tpe": lambda: TPESampler(seed=0, multivariate=True, group=True, constant_liar=True),
    "nsga2": lambda: NSGAIISampler(seed=0),
}


def optnas_study() -> Study:
    """Return the search of studies/digits.py, with an evaluation that trains nothing."""
    width, kernel = choose(8, 16, 32, 64, name="width"), choose(3, 5, name="kernel")
    activation = choose(ops.relu(), ops.mish(), ops.swish(beta=real(0.5, 2.0)), name="activation")
    op = choose(ops.conv(width, kernel), ops.sepconv(width, kernel), ops.identity(), name="op")
    block = ops.seq(op, ops.norm(), activation)

    def evaluate(candidate: Any, report: Callable[..., None]) -> dict[str, float]:
        accuracy = 1 - 1 / (1 + candidate.costs["params"] % 97)
        for rung in (1, 3):
            report(rung, {"accuracy": accuracy})
        return {"accuracy": accuracy}

    return Study(
        name="overhead",
        space=ops.seq(repeat(block, 1, 4, name="layer"), ops.maxpool(2), ops.head()),
        shape=(1, 8, 8),
        context={"outputs": 10},
        objectives=[maximize("accuracy"), minimize("flops")],
        evaluate=evaluate,
        sampler="random",
        pruner="pareto-halving",
    )


def bare_objective(trial: optuna.Trial) -> tuple[float, float]:
    """Suggest the same by hand."""
    flops = 0.0
    for layer in range(trial.suggest_int("layers", 1, 4)):
        op = trial.suggest_categorical(f"layer{layer}.op", ["conv", "sepconv", "identity"])
        if op != "identity":
            width = trial.suggest_categorical(f"layer{layer}.width", [8, 16, 32, 64])
            flops += width * trial.suggest_categorical(f"layer{layer}.kernel", [3, 5]) ** 2
        if trial.suggest_categorical(f"layer{layer}.activation", ["relu", "mish", "swish"]) == "swish":
            flops += trial.suggest_float(f"layer{layer}.beta", 0.5, 2.0)
    return 1 - 1 / (1 + flops % 97), flops


class Optnas:
    """A database of optnas."""

    def __init__(self, folder: Path) -> None:
        self.study = optnas_study()
        self.opened = self.study.open(open_storage(f"sqlite:///{folder / 'optnas.db'}"))
        self.use("random")

    def use(self, sampler: str) -> None:
        self.opened.sampler = make_sampler(sampler, 0)

    def run(self, trials: int) -> None:
        work(self.study, self.opened, len(self.opened.get_trials(deepcopy=False)) + trials)


class Bare:
    """A database of bare Optuna."""

    def __init__(self, folder: Path) -> None:
        self.opened = optuna.create_study(
            storage=f"sqlite:///{folder / 'bare.db'}",
            directions=["maximize", "minimize"],
        )
        self.use("random")

    def use(self, sampler: str) -> None:
        self.opened.sampler = BARE[sampler]()

    def run(self, trials: int) -> None:
        self.opened.optimize(bare_objective, n_trials=trials)


def fill(contestant: Optnas | Bare, size: int) -> None:
    """Bring a database to ``size`` trials: by copies of its own, which is faster than running them."""
    trials = contestant.opened.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    missing = size - len(contestant.opened.get_trials(deepcopy=False))
    copies = [trials[i % len(trials)] for i in range(missing)]
    contestant.opened.add_trials(copies)


def seconds(contestant: Optnas | Bare, trials: int) -> float:
    """Return the seconds of one trial."""
    started = time.perf_counter()
    contestant.run(trials)
    return (time.perf_counter() - started) / trials


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000, 10_000], metavar="TRIALS")
    parser.add_argument("--samplers", nargs="+", default=["random", "tpe"], choices=sorted(BARE))
    parser.add_argument("--blocks", type=int, default=5, help="how often each contestant is measured")
    parser.add_argument("--trials", type=int, default=10, help="trials in a block")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    figures: list[dict[str, Any]] = []
    table = Table(title="Milliseconds a trial")
    for column in ("trials before", "sampler", "bare Optuna", "optnas", "ratio"):
        table.add_column(column, justify="left" if column == "sampler" else "right")
    with tempfile.TemporaryDirectory() as folder:
        contestants = Optnas(Path(folder)), Bare(Path(folder))
        for contestant in contestants:
            contestant.run(50)
        for size in sorted(arguments.sizes):
            for contestant in contestants:
                fill(contestant, size)
            for sampler in arguments.samplers:
                for contestant in contestants:
                    contestant.use(sampler)
                    contestant.run(1)  # what is read once is read now
                blocks = [
                    [seconds(contestant, arguments.trials) for contestant in contestants]
                    for _ in range(arguments.blocks)
                ]
                figure = {
                    "sampler": sampler,
                    "trials": size,
                    "bare_ms": 1e3 * statistics.median(theirs for _, theirs in blocks),
                    "optnas_ms": 1e3 * statistics.median(mine for mine, _ in blocks),
                    "ratio": statistics.median(mine / theirs for mine, theirs in blocks),
                }
                figures.append(figure)
                table.add_row(
                    f"{size:,}", sampler, f"{figure['bare_ms']:.1f}", f"{figure['optnas_ms']:.1f}",
                    f"{figure['ratio']:.2f} ×",
                )  # fmt: skip
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
