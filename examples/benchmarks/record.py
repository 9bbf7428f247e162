"""Record a few thousand real trainings of a study's space, with their curves, for surrogate.py.

    python examples/benchmarks/record.py studies/digits.py --trials 3000 --out digits.jsonl

Half of the candidates are drawn at random; the rest are the best so far with a few decisions changed, as
searches come to look there, and every tenth is one of these again with another seed, which tells how noisy
trainings are. Each is trained to the end, whatever it promises. A line a training: its parameters, its costs,
the metrics after each epoch and the seconds until then. Run it again to go on where it stopped. Digits takes
about a second a training and core.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from optnas import Study, UserError, pareto
from optnas.run.files import load_study
from optnas.samplers.domain import mutated, sampled
from optnas.space import SpaceError
from optnas.train import Diverged, cores, default_device, fit, use_threads

Line = dict[str, Any]

# Of every ten trainings: so many at random, and at last one that was there before.
_AT_RANDOM, _AGAIN = 5, 1
# The best are those of so many ranks, where there are any yet.
_BEST_RANKS = 4


def read(file: Path) -> list[Line]:
    """Return the lines of a file; none where there is none."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]


def proposed(study: Study, lines: list[Line], number: int) -> dict[str, Any]:
    """Return the parameters to train next."""
    rng = random.Random(number)
    turn = number % 10
    best = _best(study, lines) if turn >= _AT_RANDOM else []
    while True:
        if not best:
            params = sampled(study.domain, rng)
        elif turn >= 10 - _AGAIN:
            return dict(rng.choice(best)["params"])
        else:
            params = mutated(study.domain, rng.choice(best)["params"], rng, steps=rng.randint(1, 3))
        if study.domain.known(params) is not None:
            return params


def _best(study: Study, lines: list[Line]) -> list[Line]:
    """Return the trainings of the first few non-domination ranks."""
    whole = [line for line in lines if line["values"] is not None]
    if not whole:
        return []
    signs = [objective.sign for objective in study.objectives]
    ranks = pareto.ranks(np.array([line["values"] for line in whole]) * signs)
    return [line for line, rank in zip(whole, ranks, strict=True) if rank < _BEST_RANKS]


def trained(study: Study, params: dict[str, Any], number: int) -> Line:
    """Train a candidate to the end and return what is to be recorded."""
    use_threads()
    assert study.task is not None
    candidate = study.candidate(params, number)
    line: Line = {"number": number, "params": params, "key": candidate.key, "values": None}
    curve: list[dict[str, float]] = []
    seconds: list[float] = []
    costs = study.costs(candidate)
    every = tuple(range(1, candidate.training.epochs))
    training = dataclasses.replace(candidate.training, rungs=every, hopeless_after=0)
    started = time.perf_counter()

    def report(epoch: int, metrics: dict[str, float]) -> None:
        curve.append(metrics)
        seconds.append(round(time.perf_counter() - started, 4))

    try:
        torch.manual_seed(candidate.seed)
        module = candidate.architecture.build(study.shape, **study.context)
        device = default_device(training.device)
        report(
            len(curve), fit(module, study.task, training, device=device, seed=candidate.seed, report=report)
        )
        found = {**costs, **curve[-1]}
        line["values"] = [objective.metric(found) for objective in study.objectives]
    except (Diverged, SpaceError) as error:
        line["error"] = str(error)
    names = sorted(curve[0]) if curve else []
    return {
        **line,
        "costs": costs,
        "curve": {name: [round(metrics[name], 6) for metrics in curve] for name in names},
        "seconds": seconds,
    }


_study: Study | None = None


def _begin(file: str) -> None:
    global _study
    _study = load_study(file)


def _trained(work: tuple[dict[str, Any], int]) -> Line:
    assert _study is not None
    return trained(_study, *work)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", metavar="FILE", help="a study file with a task")
    parser.add_argument("--trials", type=int, default=3000, help="how many there are to be in the end")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="of JSON lines")
    parser.add_argument("--processes", type=int, default=cores())
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    if study.task is None:
        raise UserError(f"study {study.name!r} trains nothing: it has evaluate=")
    lines = read(arguments.out)
    numbers = iter(range(len(lines), arguments.trials))
    context = multiprocessing.get_context("spawn")
    pool = context.Pool(arguments.processes, _begin, (arguments.study,))
    with pool, arguments.out.open("a") as out:

        def submit() -> Any:
            number = next(numbers, None)
            return (
                number
                if number is None
                else pool.apply_async(_trained, ((proposed(study, lines, number), number),))
            )

        running = [work for _ in range(2 * arguments.processes) if (work := submit()) is not None]
        for _ in track(range(len(lines), arguments.trials), "training", console=Console(stderr=True)):
            while not (done := [work for work in running if work.ready()]):
                time.sleep(0.005)
            running.remove(done[0])
            lines.append(done[0].get())
            print(json.dumps(lines[-1]), file=out, flush=True)
            if (work := submit()) is not None:
                running.append(work)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
