"""Simulated searches of a real study: a model of recorded trainings stands in for training.

    cd examples/benchmarks
    python surrogate.py ../../studies/digits.py --record digits_trials.jsonl.gz \\
        --searches tpe/pareto-halving ehvi/none random/none --seconds 40 --seeds 16

A search of 40 seconds with two workers takes some 10 seconds of computing, nearly all of it the sampler's, so
a hundred fit in ten minutes. Trials report at their rungs and are pruned as in a real run, by the very
samplers and pruners. The clock is simulated: a training takes the seconds that such ones took, and a sampler
what it takes here, now. What a candidate comes to is the curve that extremely randomised trees (Geurts et al.
2006) expect, plus how far off a recorded training like it was, scaled such that two trainings of one
candidate differ as they do in the record. The figures are those of real.py, whose ranking of searches it is
to agree with. record.py records; digits_trials.jsonl.gz has 3,000 trainings of studies/digits.py.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import heapq
import json
import math
import multiprocessing
import random
import statistics
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import TrialState
from rich.console import Console
from rich.progress import track
from shares import Outcome, compare, printed
from sklearn.ensemble import ExtraTreesRegressor

from optnas import Study, UserError, pruners
from optnas.candidate import Candidate
from optnas.run.files import load_study
from optnas.samplers.encoding import Encoding
from optnas.train import cores, use_threads
from optnas.trials.record import HOPELESS, KEY, METRICS, TWIN

Array = NDArray[np.float64]

_TREES, _LEAF = 100, 3
# What a task may look at beside the objective to tell that nothing was learned.
_LEARNED = {"accuracy": 1.0, "rmse": 0.0, "perplexity": 1.0}


def read(file: Path) -> list[dict[str, Any]]:
    """Return the recorded trainings that came to an end."""
    with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
        found = [json.loads(line) for line in lines if line.rstrip().endswith("}")]
    return [line for line in found if line["values"] is not None and line["curve"]]


class Model:
    """What trainings of a study's candidates come to, by recorded ones.

    Args:
        study: The study; its first objective is one metric, which a training has to tell.
        lines: Of record.py.
    """

    def __init__(self, study: Study, lines: list[dict[str, Any]]) -> None:
        self._metric = study.objectives[0].metric.text
        self._encoding = Encoding(study.domain)
        curves = np.array([line["curve"][self._metric] for line in lines])
        self._worst = curves.max() if study.objectives[0].sign > 0 else 1 - curves.min()
        self._up = study.objectives[0].sign < 0
        X = np.stack([self._point(line["params"], line["costs"]) for line in lines])
        self._curves = self._to(curves)
        options = {"n_estimators": _TREES, "min_samples_leaf": _LEAF, "max_features": 0.5, "random_state": 0}
        self._trees = ExtraTreesRegressor(**options, bootstrap=True, oob_score=True).fit(X, self._curves)
        self._off = self._curves - self._trees.oob_prediction_
        self._leaves = self._trees.apply(X)
        seconds = np.log([line["seconds"][-1] for line in lines])
        self._clock = ExtraTreesRegressor(**options).fit(X, seconds)
        self._spread = self._noise([line["key"] for line in lines])
        self._known: dict[Any, tuple[Array, float, list[int]]] = {}

    def training(
        self, params: dict[str, Any], costs: dict[str, float], seed: int
    ) -> tuple[list[float], float]:
        """Return the first objective after each epoch, and the seconds that an epoch takes."""
        key = tuple(params.items())
        if key not in self._known:
            point = self._point(params, costs)[None]
            seconds = math.exp(self._clock.predict(point)[0]) / self._curves.shape[1]
            self._known[key] = self._trees.predict(point)[0], seconds, list(self._trees.apply(point)[0])
        mean, seconds, leaves = self._known[key]
        rng = random.Random(f"{key} {seed}")
        tree = rng.randrange(_TREES)
        alike = np.flatnonzero(self._leaves[:, tree] == leaves[tree])
        return list(self._from(mean + self._spread * self._off[rng.choice(list(alike))])), seconds

    def _noise(self, keys: list[str]) -> float:
        """Return what share of the model's errors is noise: of two trainings of one candidate."""
        first: dict[str, int] = {}
        apart = []
        for i, key in enumerate(keys):
            if key in first:
                apart.append((self._curves[i, -1] - self._curves[first[key], -1]) / math.sqrt(2))
            first.setdefault(key, i)
        if len(apart) < 10:
            return 1.0
        again = [i for i, key in enumerate(keys) if keys.count(key) > 1]
        return min(1.0, float(np.median(np.abs(apart)) / np.median(np.abs(self._off[again, -1]))))

    def _point(self, params: dict[str, Any], costs: dict[str, float]) -> Array:
        return np.append(self._encoding([params])[0], np.log10(np.maximum(list(costs.values()), 1.0)))

    def _to(self, values: Array) -> Array:
        """Return values by the logarithm of their error."""
        return np.log10((1 - values if self._up else values) + 0.002 * self._worst)

    def _from(self, logs: Array) -> Array:
        errors = np.clip(10**logs - 0.002 * self._worst, 0.0, self._worst)
        return 1 - errors if self._up else errors


class Search:
    """A search by workers side by side on a simulated clock.

    Args:
        study: The study, with its sampler, pruner and seed.
        model: Of its trainings.
        workers: How many.
    """

    def __init__(self, study: Study, model: Model, workers: int) -> None:
        self._study = study
        self._model = model
        self._workers = workers
        self.opened = optuna.create_study(
            sampler=study.make_sampler(), pruner=study.make_pruner(), directions=study.directions
        )
        self.ended: list[tuple[float, list[float]]] = []
        self.trials = self.epochs = 0
        self.deciding: list[float] = []

    def run(self, seconds: float, most: float = math.inf) -> Outcome:
        """Search until the clock shows so many seconds, or so many trials have begun."""
        now, begun = 0.0, 0
        working: list[tuple[float, int, Generator[float, None, list[float] | None]]] = []
        while now <= seconds:
            while len(working) < self._workers and begun < most:
                way = self._trial()
                heapq.heappush(working, (now + next(way), begun, way))
                begun += 1
            if not working:
                break
            now, number, way = heapq.heappop(working)
            if now > seconds:
                break
            try:
                heapq.heappush(working, (now + next(way), number, way))
            except StopIteration as stop:
                self.trials += 1
                if stop.value is not None:
                    self.ended.append((now, stop.value))
        signs = np.array([objective.sign for objective in self._study.objectives])
        values = np.array([values for _, values in self.ended]).reshape(-1, len(signs)) * signs
        return Outcome(np.array([at for at, _ in self.ended]), values, self.trials, self.epochs)

    def _trial(self) -> Generator[float, None, list[float] | None]:
        """Yield the seconds that a trial takes to what happens next to it, and return its values."""
        study, started = self._study, time.perf_counter()
        trial = self.opened.ask()
        pruners.promote(trial)
        candidate = study.suggest(trial)
        self.deciding.append(time.perf_counter() - started)
        yield self.deciding[-1]
        KEY.put(trial, candidate.key)
        state, values = yield from self._way(trial, candidate)
        self.opened.tell(trial, values, state)
        return values

    def _way(
        self, trial: optuna.Trial, candidate: Candidate
    ) -> Generator[float, None, tuple[TrialState, list[float] | None]]:
        study = self._study
        finished = self.opened.get_trials(deepcopy=False)
        for twin in finished:
            if KEY.of(twin) == candidate.key and twin.state == TrialState.COMPLETE:
                TWIN.put(trial, twin.number)
                return TrialState.COMPLETE, twin.values
        costs = study.costs(candidate)
        for limit in study.constraints:
            violation = limit.violation(costs)
            trial.set_constraint(limit.name, violation)
            if violation > 0:
                return TrialState.PRUNED, None
        curve, seconds = self._model.training(candidate.params, costs, candidate.seed)
        rungs = candidate.training.reported
        before = 0
        for epoch in (*rungs, candidate.training.epochs):
            self.epochs += epoch - before
            yield (epoch - before) * seconds
            before = epoch
            metrics = {**costs, study.objectives[0].metric.text: curve[epoch - 1]}
            values = [objective.metric(metrics) for objective in study.objectives]
            if epoch == candidate.training.epochs:
                METRICS.put(trial, {"seconds": epoch * seconds})
                return TrialState.COMPLETE, values
            pruners.report(trial, epoch, values)
            hopeless = candidate.training.hopeless_after
            late = hopeless and rungs.index(epoch) + 1 >= hopeless
            if late and study.task is not None and study.task.at_chance({**_LEARNED, **metrics}):
                HOPELESS.put(trial, True)
                return TrialState.PRUNED, None
            if pruners.should_prune(trial):
                return TrialState.PRUNED, None
        raise AssertionError("a training ends with its last epoch")


_model: tuple[Study, Model] | None = None


def _begin(reference: str, file: Path) -> None:
    global _model
    use_threads()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = load_study(reference)
    _model = study, Model(study, read(file))


def _searched(work: tuple[str, int, float, float, int]) -> tuple[str, int, dict[str, Any], float]:
    name, seed, seconds, most, workers = work
    assert _model is not None
    study, model = copy.copy(_model[0]), _model[1]
    sampler, _, pruner = name.partition("/")
    if name != "default":
        study.sampler, study.pruner = sampler, pruner or study.pruner
    study.seed = seed
    search = Search(study, model, workers)
    outcome = search.run(seconds, most)
    return name, seed, outcome.to_json(), statistics.mean(search.deciding)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", metavar="FILE", help="a study file with a task")
    parser.add_argument("--record", type=Path, required=True, metavar="FILE", help="of record.py, or gzipped")
    parser.add_argument("--searches", nargs="+", default=["default"], metavar="SAMPLER/PRUNER")
    parser.add_argument("--seconds", type=float, default=40, help="of each search, by the simulated clock")
    parser.add_argument("--trials", type=int, help="of each search, in place of --seconds")
    parser.add_argument("--seeds", type=int, default=16, help="how many")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N")
    parser.add_argument("--workers", type=int, default=2, help="simulated")
    parser.add_argument("--floor", type=float, default=0.9, help="the worst first objective that counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    seconds = math.inf if arguments.trials else arguments.seconds
    most = arguments.trials or math.inf
    work = [
        (name, seed, seconds, most, arguments.workers)
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        for name in arguments.searches
    ]
    outcomes: dict[str, dict[int, Outcome]] = {name: {} for name in arguments.searches}
    deciding: dict[str, list[float]] = {name: [] for name in arguments.searches}
    context = multiprocessing.get_context("spawn")
    with context.Pool(cores(), _begin, (arguments.study, arguments.record)) as pool:
        console = Console(stderr=True)
        for name, seed, found, took in track(
            pool.imap_unordered(_searched, work),
            "searching",
            total=len(work),
            console=console,
            transient=True,
        ):
            outcomes[name][seed] = Outcome.from_json(found, len(study.objectives))
            deciding[name].append(took)
    groups = {name: [found for _, found in sorted(by_seed.items())] for name, by_seed in outcomes.items()}
    figures = compare(groups, arguments.floor * study.objectives[0].sign, seconds)
    label = f"{arguments.trials} trials" if arguments.trials else f"{arguments.seconds:g} simulated seconds"
    Console().print(printed(study.name, figures, f"{label}, {arguments.seeds} seeds"))
    for name, took in deciding.items():
        figures[name]["suggestion_seconds"] = statistics.mean(took)
        print(f"{name}: {1e3 * statistics.mean(took):.1f} ms a suggestion")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
