"""How fast a study's networks train, against the loop that people write at its best number of threads.

    python training_speed.py ../../studies/text.py:recurrent ../../studies/text.py:transformer

Candidates drawn at random, each with the training that goes with it, are trained in turn by optnas, in one
process with one thread as a worker of ``optnas run`` has, and by the plain loop of plain_loop.py with one
thread and with one for each core. Optuna runs that loop in one process, and people start another for each
core or leave that to threads: so beside a process's own speed it tells that of the machine, on which optnas
has a worker for each core, against one such loop at its best number of threads. Figures are medians over
rounds, of the time for all candidates.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import random
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import torch
from plain_loop import objective_of
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from optnas import Study
from optnas.run.files import load_study
from optnas.samplers.domain import sampled
from optnas.train import cores, fit, training_environment


def drawn(study: Study, count: int, seed: int) -> list[dict[str, Any]]:
    """Return the parameters of candidates that can be built."""
    rng = random.Random(seed)
    found: list[dict[str, Any]] = []
    while len(found) < count:
        params = sampled(study.domain, rng)
        if study.domain.known(params) is not None:
            found.append(params)
    return found


def by_optnas(study: Study, params: dict[str, Any]) -> None:
    assert study.task is not None
    candidate = study.candidate(params)
    module = candidate.architecture.build(study.shape, **study.context)
    fit(module, study.task, candidate.training, device=torch.device("cpu"), seed=0)


def by_people(study: Study, params: dict[str, Any]) -> None:
    objective_of(study, math.inf)(optuna.trial.FixedTrial(params))  # type: ignore[arg-type]


def seconds(reference: str, ours: bool, threads: int, candidates: list[dict[str, Any]]) -> float:
    """Return how long the training of all candidates takes; one that diverges counts until then."""
    study = load_study(reference)
    assert study.task is not None
    study.task.data.splits  # noqa: B018 - read before time counts
    torch.set_num_threads(threads)
    began = time.perf_counter()
    for params in candidates:
        torch.manual_seed(0)
        with contextlib.suppress(ArithmeticError, optuna.TrialPruned):
            (by_optnas if ours else by_people)(study, params)
    return time.perf_counter() - began


def process(ours: bool) -> ProcessPoolExecutor:
    """Return a process that trains: with the environment of a worker, or with none of ours."""
    before = dict(os.environ)
    if ours:
        os.environ.update(training_environment(before))
    started = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    started.submit(int).result()
    os.environ.clear()
    os.environ.update(before)
    return started


def figures(reference: str, candidates: list[dict[str, Any]], rounds: int) -> dict[str, float]:
    """Return the seconds of each contestant, and by how much optnas is faster."""
    contestants = {"optnas": (True, 1), "plain, 1 thread": (False, 1), "plain, all": (False, cores())}
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    with process(True) as our_process, process(False) as their_process:
        for _ in range(rounds):
            for name, (ours, threads) in contestants.items():
                work = (our_process if ours else their_process).submit(
                    seconds, reference, ours, threads, candidates
                )
                taken[name].append(work.result())
    ours, one, many = taken.values()
    return {
        **{name: statistics.median(each) for name, each in taken.items()},
        "a process": statistics.median(theirs / mine for theirs, mine in zip(one, ours, strict=True)),
        "the machine": statistics.median(
            cores() * min(theirs) / mine for *theirs, mine in zip(one, many, ours, strict=True)
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="+", metavar="FILE[:NAME]")
    parser.add_argument("--candidates", type=int, default=8, help="of each study")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = Table(box=SIMPLE_HEAD, title=f"{arguments.candidates} candidates, {cores()} cores")
    table.add_column("study", no_wrap=True)
    every: dict[str, dict[str, float]] = {}
    for reference in arguments.studies:
        study = load_study(reference)
        candidates = drawn(study, arguments.candidates, arguments.seed)
        every[study.name] = found = figures(reference, candidates, arguments.rounds)
        if len(table.columns) == 1:
            for column in found:
                table.add_column(column, justify="right")
        *times, process, machine = found.values()
        table.add_row(
            study.name, *(f"{each:.1f} s" for each in times), f"{process:.2f} ×", f"{machine:.2f} ×"
        )
        if arguments.json:
            arguments.json.write_text(json.dumps(every, indent=1) + "\n")
    Console().print(table)


if __name__ == "__main__":
    main()
