"""Activations that were found by evolution and by gradient against relu, swish and mish, on digits.

    python examples/benchmarks/activations.py --seeds 10 --json figures.json

All are compared in one network: six dense layers of 12 features without norms, trained for 8 epochs. It is
narrow, deep and trained briefly, as there activations make the largest difference; with norms, more width
or longer training there may be none to see.

- ``evolved``: a core unit (Ramachandran et al. 2017), ``binary(unary(x), unary(x))``, by evolution. Each is
  trained once; the best ten are then trained with four more seeds, and the best of these is kept.
- ``learned``: x·σ(β₁x + β₂), both constants learned in training by each layer for itself.
- ``mixed``: the mixture of relu, tanh, mish and that form which DARTS has learned, with fixed weights.

All of that goes by the validation part. Then each is trained anew with seeds that no search has used, and
measured on the test part. Printed are the mean accuracies and by how many standard errors of the difference
each is above relu.

The search takes some 2 minutes on one core, a seed of the comparison 3 seconds. It found 1.83x - cos(x),
whose factor each layer learns from there on: 0.941 ± 0.004 on the test part over 10 seeds, 6.7 standard
errors above relu (0.618 ± 0.048). ``learned`` had 0.757 ± 0.026 (2.5 above), mish 0.752 (2.6), swish 0.742
(2.3) and ``mixed`` 0.706 ± 0.025 (1.6). So evolution gains most here: formulas that keep a slope everywhere
train a deep network without norms. That says nothing of wide networks with norms.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import optuna
import torch
from rich.console import Console
from rich.table import Table
from written import write_figures

from optnas import Node, Study, Training, choose, data, maximize, ops, shared, tasks
from optnas.one_shot.strategies import make_strategy
from optnas.samplers import EvolutionSampler
from optnas.train.loop import evaluate, fit

KNOWN = {"relu": ops.relu(), "swish": ops.swish(), "mish": ops.mish()}
TWO_PARAMETERS = ops.shifted_swish(learnable=True)
_LAYERS, _WIDTH = 6, 12
_BEST, _MORE_SEEDS = 10, 4
# Far from the seeds of all searches.
_FRESH = 10_000

task = tasks.classification(data.digits())
training = Training(epochs=8, batch_size=64, lr=1e-2)


def network(activation: Any) -> Node:
    """Return the network in which activations are compared."""
    layers = [part for _ in range(_LAYERS) for part in (ops.linear(_WIDTH), activation)]
    return ops.seq(ops.flatten(), *layers, ops.head())


def trained(architecture: Node, seed: int) -> tuple[torch.nn.Module, float]:
    """Train a network and return it with its accuracy on the validation part."""
    torch.manual_seed(seed)
    module = architecture.build(task.data.shape, **task.context)
    found = fit(module, task, training, device=torch.device("cpu"), seed=seed)
    return module, found["accuracy"]


def accuracies(architecture: Node, seeds: Iterable[int]) -> list[float]:
    """Return the accuracy on the validation part with each seed; 0 where training diverges."""
    found = []
    for seed in seeds:
        try:
            found.append(trained(architecture, seed)[1])
        except ArithmeticError:
            found.append(0.0)
    return found


def tested(architecture: Node, seed: int) -> float:
    """Train a network and return its accuracy on the test part."""
    module, _ = trained(architecture, seed)
    splits = task.data.splits
    return evaluate(module, task, splits.test, splits.prepare)["accuracy"]


def evolved(trials: int, seed: int) -> Node:
    """Return the formula that evolution finds, by accuracy on the validation part."""
    study = Study(
        name="evolved",
        space=network(shared(choose(ops.core_unit(learnable=True), name="activation"))),
        evaluate=lambda candidate, report: {"accuracy": accuracies(candidate.architecture, [0])[0]},
        objectives=[maximize("accuracy")],
        shape=task.data.shape,
        context=task.context,
        sampler=EvolutionSampler(population=20, tournament=5, seed=seed),
        pruner="none",
    )
    opened = study.open(optuna.storages.InMemoryStorage())
    opened.optimize(study.objective, n_trials=trials)
    done = [trial for trial in opened.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    best = sorted(done, key=lambda trial: -trial.values[0])
    found = list(dict.fromkeys(study.space.close(trial.params) for trial in best))[:_BEST]
    again = range(1, 1 + _MORE_SEEDS)
    return activation_of(max(found, key=lambda each: statistics.fmean(accuracies(each, again))))


def mixed(epochs: int, seed: int) -> Node:
    """Return the network whose activations are the mixture that DARTS has learned."""
    activation = shared(choose(ops.relu(), ops.tanh(), ops.mish(), TWO_PARAMETERS, name="activation"))
    study = Study(
        name="mixed",
        space=network(activation),
        task=task,
        objectives=[maximize("accuracy")],
        training=training,
    )
    strategy = make_strategy("darts", study.domain.problem, epochs=epochs, seed=seed)
    strategy.train()
    (found,) = strategy.mixtures()
    return found


def activation_of(architecture: Node) -> Node:
    """Return the activation of all layers of a network."""
    return architecture.children[2]


def compared(values: list[float], with_relu: list[float]) -> dict[str, Any]:
    """Return the mean, and how far it is above that of relu in standard errors of the difference."""
    spread = [statistics.variance(each) / len(each) for each in (values, with_relu)]
    error = math.sqrt(sum(spread))
    above = statistics.fmean(values) - statistics.fmean(with_relu)
    return {
        "accuracies": values,
        "mean": statistics.fmean(values),
        "error": math.sqrt(spread[0]),
        "above relu": above,
        "standard errors": above / error if error else 0.0,
    }


def show(figures: dict[str, dict[str, Any]], seeds: int) -> None:
    """Print the figures as a table."""
    table = Table(title=f"accuracy on the test part, {seeds} seeds")
    for name in ("activation", "mean", "above relu", "in standard errors"):
        table.add_column(name, justify="left" if name == "activation" else "right")
    for name, each in figures.items():
        row = [name, f"{each['mean']:.4f} ± {each['error']:.4f}"]
        if name != "relu":
            row += [f"{each['above relu']:+.4f}", f"{each['standard errors']:+.1f}"]
        table.add_row(*row)
    console = Console()
    console.print(table)
    for name, each in figures.items():
        console.print(f"{name}: {each['activation']}", style="dim", soft_wrap=True, markup=False)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="of the comparison, at least 2")
    parser.add_argument("--trials", type=int, default=100, help="of evolution")
    parser.add_argument("--epochs", type=int, default=80, help="of the supernet")
    parser.add_argument("--search-seed", type=int, default=0, help="of evolution and the supernet")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error("--seeds: a standard error takes at least 2")
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seconds: dict[str, float] = {}

    def timed(name: str, search: Callable[[int, int], Node], size: int) -> Node:
        begun = time.perf_counter()
        found = search(size, given.search_seed)
        seconds[name] = round(time.perf_counter() - begun, 1)
        return found

    formula = timed("evolved", evolved, given.trials)
    mixture = timed("mixed", mixed, given.epochs)
    activations = {**KNOWN, "evolved": formula, "learned": TWO_PARAMETERS}
    networks = {name: network(activation) for name, activation in activations.items()} | {"mixed": mixture}
    seeds = range(_FRESH, _FRESH + given.seeds)
    found = {name: [tested(each, seed) for seed in seeds] for name, each in networks.items()}
    figures = {
        name: {"activation": str(activation_of(networks[name])), **compared(values, found["relu"])}
        for name, values in found.items()
    }
    show(figures, given.seeds)
    Console().print(f"searched for {seconds['evolved']:.0f} and {seconds['mixed']:.0f} s", style="dim")
    write_figures(given, activations=figures, seconds=seconds)


if __name__ == "__main__":
    main()
