"""Time that a trial takes outside of its objective, over workers and trials, against bare Optuna.

Both search the space of studies/digits.py with the same sampler, in as many processes, on one SQLite file or
one PostgreSQL server each; the objective sleeps for 20 ms and returns two numbers. Bare Optuna is
``study.optimize`` with Optuna's own sampler and hand-written ``suggest_*`` calls. optnas does all that it
does for a trial but the training: it claims the trial so that the total is exact, looks for the same
candidate among the finished, builds and costs the architecture, and keeps records.

Each study is first filled to the number of trials. Then the two take turns, a window of some trials a worker
each; the figures are medians over the windows, the ratio that of each two neighbouring ones. So others that
use the machine change the ratio little. More workers than cores wait for the cores as well, most of all while
they start.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from optnas import Study, choose, maximize, minimize, ops, real, repeat
from optnas.run.worker import work
from optnas.samplers import make_sampler
from optnas.storages.opening import open_storage
from optnas.trials.optuna_batches import rows_of
from optnas.trials.optuna_internals import backend_of, identity, storage_of
from optnas.trials.writes import Writes

# As optnas makes those of the same names.
BARE: dict[str, Callable[[int], BaseSampler]] = {
    "random": lambda seed: RandomSampler(seed=seed),
    "tpe": lambda seed: TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True),
    "nsga2": lambda seed: NSGAIISampler(seed=seed),
}
NAME = "scale"
# In which a new process reads the study and warms up.
WARM_UP = 2


class Objective:
    """Sleeps, and sums how long it took."""

    def __init__(self, milliseconds: float) -> None:
        self.seconds = milliseconds / 1e3
        self.inside = 0.0

    def wait(self) -> None:
        started = time.perf_counter()
        time.sleep(self.seconds)
        self.inside += time.perf_counter() - started


def optnas_study(objective: Objective) -> Study:
    """Return the search of studies/digits.py, with an evaluation that trains nothing."""
    width, kernel = choose(8, 16, 32, 64, name="width"), choose(3, 5, name="kernel")
    activation = choose(ops.relu(), ops.mish(), ops.swish(beta=real(0.5, 2.0)), name="activation")
    op = choose(ops.conv(width, kernel), ops.sepconv(width, kernel), ops.identity(), name="op")

    def evaluate(candidate: Any, report: Callable[..., None]) -> dict[str, float]:
        objective.wait()
        return {"accuracy": 1 - 1 / (1 + candidate.costs["params"] % 97)}

    return Study(
        name=NAME,
        space=ops.seq(
            repeat(ops.seq(op, ops.norm(), activation), 1, 4, name="layer"), ops.maxpool(2), ops.head()
        ),
        shape=(1, 8, 8),
        context={"outputs": 10},
        objectives=[maximize("accuracy"), minimize("flops")],
        evaluate=evaluate,
        pruner="none",
    )


class Optnas:
    """A worker of optnas."""

    def __init__(self, url: str, sampler: str, seed: int, objective: Objective) -> None:
        self.study = optnas_study(objective)
        self.opened = self.study.open(open_storage(url))
        self.opened.sampler = make_sampler(sampler, seed)

    def run(self, trials: int) -> None:
        done = iter(range(trials))
        work(self.study, self.opened, 10**9, should_continue=lambda: next(done, None) is not None)


class Bare:
    """A worker of bare Optuna."""

    def __init__(self, url: str, sampler: str, seed: int, objective: Objective) -> None:
        self.opened = optuna.create_study(
            storage=url,
            study_name=NAME,
            directions=["maximize", "minimize"],
            sampler=BARE[sampler](seed),
            load_if_exists=True,
        )
        self.objective = objective

    def run(self, trials: int) -> None:
        self.opened.optimize(self._objective, n_trials=trials)

    def _objective(self, trial: optuna.Trial) -> tuple[float, float]:
        flops = 0.0
        for layer in range(trial.suggest_int("layers", 1, 4)):
            op = trial.suggest_categorical(f"layer{layer}.op", ["conv", "sepconv", "identity"])
            if op != "identity":
                width = trial.suggest_categorical(f"layer{layer}.width", [8, 16, 32, 64])
                flops += width * trial.suggest_categorical(f"layer{layer}.kernel", [3, 5]) ** 2
            if trial.suggest_categorical(f"layer{layer}.activation", ["relu", "mish", "swish"]) == "swish":
                flops += trial.suggest_float(f"layer{layer}.beta", 0.5, 2.0)
        self.objective.wait()
        return 1 - 1 / (1 + flops % 97), flops


CONTESTANTS = {"optnas": Optnas, "bare": Bare}


def fill(contestant: Optnas | Bare, size: int) -> None:
    """Bring a study to ``size`` trials by copies of its own, in one transaction."""
    trials = contestant.opened.get_trials(deepcopy=False)
    ended = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    study_id = identity(contestant.opened)[1]
    with Session(engine_of(contestant)) as session:
        made = []
        for number in range(len(trials), size):
            trial = ended[number % len(ended)]
            times = {"datetime_start": trial.datetime_start, "datetime_complete": trial.datetime_complete}
            made.append(models.TrialModel(study_id=study_id, number=number, state=trial.state, **times))
        session.add_all(made)
        session.flush()
        rows: dict[Any, list[dict[str, Any]]] = {}
        for row in made:
            for model, found in rows_of(writes_of(ended[row.number % len(ended)])):
                rows.setdefault(model, []).extend({"trial_id": row.trial_id, **each} for each in found)
        for model, found in rows.items():
            if found:
                session.execute(insert(model.__table__), found)
        session.commit()


def writes_of(trial: FrozenTrial) -> Writes:
    """Return what makes a finished trial."""
    kinds = trial.distributions
    params = {
        name: (kinds[name].to_internal_repr(value), kinds[name]) for name, value in trial.params.items()
    }
    return Writes(params, trial.user_attrs, trial.system_attrs, values=trial.values)


def engine_of(contestant: Optnas | Bare) -> Engine:
    return backend_of(storage_of(contestant.opened)).engine  # type: ignore[attr-defined,no-any-return]


class Workers:
    """As many processes of one contestant."""

    def __init__(self, kind: str, url: str, count: int, options: argparse.Namespace) -> None:
        # Forked: each would otherwise import PyTorch anew.
        context = multiprocessing.get_context("fork")
        self.pipes: list[Connection] = []
        self.processes = []
        for number in range(count):
            ours, theirs = context.Pipe()
            arguments = (kind, url, number, options.sampler, options.objective, theirs)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def milliseconds(self, trials: int) -> float:
        """Run so many trials in each, and return the mean time of one outside of the objective."""
        for pipe in self.pipes:
            pipe.send(trials)
        return statistics.fmean(pipe.recv() for pipe in self.pipes) * 1e3

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
            process.join()


def _serve(kind: str, url: str, number: int, sampler: str, milliseconds: float, pipe: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    objective = Objective(milliseconds)
    worker = CONTESTANTS[kind](url, sampler, number, objective)
    while True:
        trials = pipe.recv()
        objective.inside, started = 0.0, time.perf_counter()
        worker.run(trials)
        pipe.send((time.perf_counter() - started - objective.inside) / trials)


def measured(urls: dict[str, str], size: int, workers: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one size and number of workers, of studies with that many trials."""
    teams = {kind: Workers(kind, url, workers, options) for kind, url in urls.items()}
    try:
        for team in teams.values():
            team.milliseconds(WARM_UP)
        windows = [
            {kind: team.milliseconds(options.window) for kind, team in teams.items()}
            for _ in range(options.windows)
        ]
    finally:
        for team in teams.values():
            team.end()
    return {
        "storage": options.storage,
        "sampler": options.sampler,
        "trials": size,
        "workers": workers,
        "bare_ms": statistics.median(window["bare"] for window in windows),
        "optnas_ms": statistics.median(window["optnas"] for window in windows),
        "ratio": statistics.median(window["optnas"] / window["bare"] for window in windows),
    }


@contextlib.contextmanager
def storages(kind: str) -> Iterator[dict[str, str]]:
    """Yield the URL of a storage for each contestant."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == "sqlite":
            yield {each: f"sqlite:///{folder / each}.db" for each in CONTESTANTS}
        else:
            with postgresql(folder) as url:
                yield {each: url.format(each) for each in CONTESTANTS}


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Start a server of Debian's or one's own PostgreSQL, with a database for each contestant."""
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), shutil.which("initdb")]
    home = Path(found[0] or "").parent if len(found) == 1 else Path(str(found[-2]))
    if not (home / "initdb").exists():
        raise SystemExit("PostgreSQL is not installed: apt-get install postgresql, or --storage sqlite")
    folder.chmod(0o755)
    data = folder / "data"
    user: list[str] = []
    with contextlib.suppress(LookupError, PermissionError):
        shutil.chown(folder, "postgres")  # it refuses to run as root
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]

    def call(program: str, *arguments: object) -> None:
        command = [*user, str(home / program), *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    call("initdb", "-D", data, "-A", "trust", "-U", "optnas")
    options = f"-h '' -k {folder} -c max_connections=200"
    call("pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    try:
        for each in CONTESTANTS:
            call("createdb", "-h", folder, "-U", "optnas", each)
        yield f"postgresql+psycopg://optnas@/{{}}?host={folder}"
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "stop")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--storage", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8], metavar="N", help="1 to 32")
    parser.add_argument("--trials", type=int, nargs="+", default=[500, 5_000], metavar="N", help="to 20,000")
    parser.add_argument("--sampler", choices=sorted(BARE), default="random")
    parser.add_argument("--windows", type=int, default=5, help="how often each is measured")
    parser.add_argument("--window", type=int, default=5, help="trials of each worker in a window")
    parser.add_argument("--objective", type=float, default=20.0, metavar="MS", help="how long it sleeps")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the server is stopped
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(1)

    figures: list[dict[str, Any]] = []
    table = Table(title=f"Milliseconds of a trial outside of its objective ({options.storage})")
    for column in ("trials before", "workers", "bare Optuna", "optnas", "ratio"):
        table.add_column(column, justify="right")
    with storages(options.storage) as urls:
        for size in sorted(options.trials):
            for kind, url in urls.items():
                contestant = CONTESTANTS[kind](url, "random", 0, Objective(0.0))
                if len(contestant.opened.get_trials(deepcopy=False)) < 50:
                    contestant.run(50)
                fill(contestant, size)
                engine_of(contestant).dispose()  # no connection is forked
            for workers in options.workers:
                figure = measured(urls, size, workers, options)
                figures.append(figure)
                table.add_row(
                    f"{size:,}", str(workers), f"{figure['bare_ms']:.1f}", f"{figure['optnas_ms']:.1f}",
                    f"{figure['ratio']:.2f} ×",
                )  # fmt: skip
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
