"""How many trials an hour, against the loop people write today.

The same architectures are trained for the same epochs on the same split of the same data

- by optnas as ``optnas run`` does by default: a worker a core, one thread each, data as tensors;
- by the loop that Optuna's own multi-objective PyTorch example has: one process, a ``DataLoader``,
  PyTorch's default threads;
- by that loop with the fastest number of threads (``--best-threads``).

Start-up of workers and loading of data are not counted, neither is any search: the architectures are
drawn beforehand. Rounds alternate between the contestants; the figures are medians over rounds. Takes
about three minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import time
from pathlib import Path
from typing import Any

import optuna
import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from optnas import Training, choose, data, ops, parse, real, repeat, tasks
from optnas.train import cores, fit, training_environment, use_threads

SHAPE, OUTPUTS = (1, 8, 8), 10


def space() -> Any:
    """Return the space of studies/digits.py."""
    width, kernel = choose(8, 16, 32, 64, name="width"), choose(3, 5, name="kernel")
    activation = choose(ops.relu(), ops.mish(), ops.swish(beta=real(0.5, 2.0)), name="activation")
    op = choose(ops.conv(width, kernel), ops.sepconv(width, kernel), name="op")
    return ops.seq(
        repeat(ops.seq(op, ops.norm(), activation), 1, 4, name="layer"), ops.maxpool(2), ops.head(OUTPUTS)
    )


def optnas_worker(tasks_in: Any, results: Any, epochs: int) -> None:
    """Train architectures from a queue until it holds ``None``: the inside of an optnas worker."""
    use_threads()
    task = tasks.classification(data.digits())
    task.data.splits  # noqa: B018 - loads the data
    results.put("ready")
    while (work := tasks_in.get()) is not None:
        number, text = work
        torch.manual_seed(number)
        module = parse(text).build(SHAPE)
        training = Training(epochs=epochs, batch_size=64, lr=1e-2)
        metrics = fit(
            module, task, training, device=torch.device("cpu"), seed=number, report=lambda step, metrics: None
        )
        results.put((number, metrics["accuracy"]))


class OptnasPool:
    """As many workers as ``optnas run`` starts, fed with architectures."""

    def __init__(self, workers: int, epochs: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.tasks, self.results = context.Queue(), context.Queue()
        self.processes = [
            context.Process(target=optnas_worker, args=(self.tasks, self.results, epochs), daemon=True)
            for _ in range(workers)
        ]
        environment = dict(os.environ)
        os.environ.update(training_environment(environment))
        for process in self.processes:
            process.start()
        os.environ.clear()
        os.environ.update(environment)
        for _ in self.processes:
            assert self.results.get() == "ready"

    def train(self, architectures: list[str]) -> list[float]:
        for work in enumerate(architectures):
            self.tasks.put(work)
        found = dict(self.results.get() for _ in architectures)
        return [found[i] for i in range(len(architectures))]

    def close(self) -> None:
        for _ in self.processes:
            self.tasks.put(None)
        for process in self.processes:
            process.join()


def todays_loop(architectures: list[str], epochs: int, threads: int) -> list[float]:
    """Train by Optuna, a ``DataLoader`` and a plain loop, in fp32."""
    torch.set_num_threads(threads)
    splits = data.digits().splits
    train = DataLoader(TensorDataset(splits.train.x, splits.train.y), batch_size=64, shuffle=True)
    valid = DataLoader(TensorDataset(splits.validation.x, splits.validation.y), batch_size=64)

    def objective(trial: optuna.Trial) -> float:
        torch.manual_seed(trial.number)
        model = parse(architectures[trial.number]).build(SHAPE)
        for part in model.modules():
            if isinstance(part, nn.Mish):
                part.__class__ = nn.Mish  # PyTorch's own, which people write
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=epochs * len(train))
        for _ in range(epochs):
            model.train()
            for inputs, targets in train:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(inputs), targets).backward()
                optimizer.step()
                scheduler.step()
            model.eval()
            correct = 0
            with torch.no_grad():
                for inputs, targets in valid:
                    correct += int((model(inputs).argmax(dim=1) == targets).sum())
        return correct / len(splits.validation)

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=len(architectures))
    return [trial.value for trial in study.trials]  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--architectures", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=3, help="how often each contestant trains all of them")
    parser.add_argument(
        "--seeds", type=int, default=1, help="sets of architectures, drawn from seeds 0, 1, …"
    )
    parser.add_argument("--best-threads", action="store_true", help="also run today's loop with 1 thread")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    default_threads = torch.get_num_threads()
    pool = OptnasPool(cores(), arguments.epochs)
    contestants: dict[str, Any] = {
        "optnas": pool.train,
        f"today's loop, {default_threads} threads": lambda texts: todays_loop(
            texts, arguments.epochs, default_threads
        ),
    }
    if arguments.best_threads:
        contestants["today's loop, 1 thread"] = lambda texts: todays_loop(texts, arguments.epochs, 1)

    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    accuracies: dict[str, list[float]] = {name: [] for name in contestants}
    for seed in range(arguments.seeds):
        texts = [str(space().sample(1000 * seed + i)) for i in range(arguments.architectures)]
        for _ in range(arguments.rounds):
            for name, train in contestants.items():
                started = time.perf_counter()
                accuracies[name] += train(texts)
                seconds[name].append(time.perf_counter() - started)
    pool.close()

    figures = {
        name: {
            "trials_per_hour": 3600 * arguments.architectures / statistics.median(seconds[name]),
            "mean_accuracy": statistics.mean(accuracies[name]),
            "optnas_is_faster_by": statistics.median(
                theirs / ours for theirs, ours in zip(seconds[name], seconds["optnas"], strict=True)
            ),
        }
        for name in contestants
    }
    table = Table(
        title=f"{arguments.architectures} architectures, {arguments.epochs} epochs, {cores()} cores"
    )
    for column in ("", "trials/h", "optnas is faster by", "mean validation accuracy"):
        table.add_column(column, justify="left" if not column else "right")
    for name, figure in figures.items():
        table.add_row(
            name,
            f"{figure['trials_per_hour']:,.0f}",
            f"{figure['optnas_is_faster_by']:.2f} ×",
            f"{figure['mean_accuracy']:.4f}",
        )
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"cores": cores(), **figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
