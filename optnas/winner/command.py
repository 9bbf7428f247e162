"""The command ``optnas train``: choose networks, train them with a progress display, write folders."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from optnas.candidate import Candidate
from optnas.errors import UserError, nearest
from optnas.interrupts.signals import stop_on_signals
from optnas.objectives import Objective, minimize
from optnas.reports.numbers import short
from optnas.run.files import load_study
from optnas.run.lookup import find_study, find_trial
from optnas.space import parse
from optnas.space.holes import is_open
from optnas.space.own_ops import called, changed_ops
from optnas.study import Study
from optnas.train import Training, default_device, use_threads
from optnas.train.checks import check_training
from optnas.train.own_losses import check_own_losses
from optnas.train.precision import choose_precision
from optnas.trials.progress import front
from optnas.trials.record import ARCHITECTURE, OPS, REASON
from optnas.winner.card import over_seeds
from optnas.winner.folder import Trained, check_folder, checkpoint_of, finished, write
from optnas.winner.full_training import (
    Plan,
    TrainingHistory,
    check_settings,
    metrics_on_test_part,
    train_seed,
)

__all__ = ["TrainOptions", "train_command"]


# What is no single value.
_NOT_SET = ("rungs", "losses", "optimizers")

# More are a slip of the keyboard.
_MOST_SEEDS = 10_000


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """The options of ``optnas train``.

    Attributes:
        trial: The trial whose architecture and training settings to use.
        architecture: An architecture, as text, to use instead of the trial's.
        front: Whether to train every trial of the Pareto front.
        seeds: The number of seeds to train with.
        patience: The number of epochs without a better one after which to stop; ``None`` for never.
        settings: Training settings that override the trial's own, as ``name=value``.
        out: The folder to write; with ``front`` the folder for one subfolder per trial.
    """

    trial: int | None = None
    architecture: str | None = None
    front: bool = False
    seeds: int = 1
    patience: int | None = None
    settings: Sequence[str] = ()
    out: Path | None = None


@dataclasses.dataclass(frozen=True)
class _Job:
    study: str
    trial: int | None
    plan: Plan
    folder: Path


def train_command(
    file: str, url: str, wanted: TrainOptions, *, threads: int | None, console: Console
) -> None:
    """Train the ``wanted`` networks of the study that ``file`` declares, and write a folder for each.

    Raises:
        UserError: If an option does not fit, or a training fails; the other trials of a Pareto front are
            trained first.
        KeyboardInterrupt: If it is stopped; running it again resumes the training.
    """
    for what, number in (("seeds", wanted.seeds), ("patience", wanted.patience), ("threads", threads)):
        if number is not None and number < 1:
            raise UserError(f"--{what} {number}: it must be at least 1")
    if wanted.seeds > _MOST_SEEDS:
        raise UserError(f"--seeds {wanted.seeds}: it must be at most {_MOST_SEEDS:,}")
    study = load_study(file)
    if study.task is None:
        raise UserError(f"study {study.name!r} evaluates by a function of its own: there is no task to train")
    study.task.check()
    use_threads(threads)
    jobs = list(_jobs(study, url, wanted))
    failures = []
    with stop_on_signals():
        for job in jobs:
            try:
                _train(job, [study.seed + i for i in range(wanted.seeds)], console)
            except UserError as error:
                failures.append(f"{job.folder.name}: {error}" if len(jobs) > 1 else str(error))
    if failures:
        raise UserError("; ".join(failures))


def _jobs(study: Study, url: str, wanted: TrainOptions) -> Iterator[_Job]:
    """Yield each network to train, with its checked settings and its folder."""
    if wanted.front:
        if wanted.trial is not None or wanted.architecture is not None:
            raise UserError("--front trains every trial of the front: leave --trial and --architecture away")
        trials = front(find_study(url, study.name))
        if not trials:
            raise UserError(f"study {study.name!r} has no front yet: no trial is complete")
        for trial in trials:
            name = _name(study, trial.number)
            yield _job(
                study, _candidate(study, trial), trial.number, (wanted.out or Path("runs")) / name, wanted
            )
        return
    number = None
    if wanted.trial is not None:
        trial = find_trial(find_study(url, study.name), wanted.trial)
        candidate = _candidate(study, trial, same_ops=wanted.architecture is None)
        number = trial.number
    elif wanted.architecture is None:
        raise UserError('say what to train: --trial N, --architecture "seq(…)" or --front')
    if wanted.architecture is not None:
        architecture = parse(wanted.architecture)
        if architecture.open:
            raise UserError(f"{wanted.architecture!r} leaves choices open: an architecture has no holes")
        training = study.training if number is None else candidate.training
        candidate, number = Candidate(architecture, training, {}, study.seed), None
    name = _name(study, candidate.architecture.key[:8] if number is None else number)
    yield _job(study, candidate, number, wanted.out or Path("runs") / name, wanted)


def _job(study: Study, candidate: Candidate, trial: int | None, folder: Path, wanted: TrainOptions) -> _Job:
    assert study.task is not None
    training = _overridden(candidate.training, wanted.settings)
    if training.tree.open:
        left = [name for name, value in training.tree.args if is_open(value)]
        raise UserError(
            f"the study leaves {', '.join(left)} open: give --set {left[0]}=…"
            + (" and so on" if len(left) > 1 else "")
            + ", or --trial N as well to train as that trial did"
        )
    choose_precision(training.precision, default_device(training.device))
    check_training(study.task, training)
    check_own_losses(candidate.architecture, study.task, training)
    costs = study.costs(dataclasses.replace(candidate, training=training))
    score = _score(study, costs)
    plan = Plan(candidate.architecture, study.task, training, score, costs, wanted.patience)
    return _Job(study.name, trial, plan, folder)


def _candidate(study: Study, trial: FrozenTrial, *, same_ops: bool = True) -> Candidate:
    """Return the candidate of a finished trial: its architecture and training settings.

    Raises:
        UserError: If the study's file now means another one, or with ``same_ops`` one whose ops changed.
    """
    if trial.state == TrialState.FAIL:
        reason = REASON.get(trial, "no reason is recorded")
        raise UserError(f"trial {trial.number} of {study.name!r} failed: {reason}; choose another one")
    if not trial.state.is_finished():
        raise UserError(f"trial {trial.number} of {study.name!r} is not finished yet")
    candidate = study.candidate(trial.params, trial.number)
    recorded = ARCHITECTURE.get(trial, str(candidate.architecture))
    if recorded != str(candidate.architecture):
        raise UserError(
            f"the study's file changed: trial {trial.number} was {recorded} and would now be"
            f" {candidate.architecture}; undo the change, or give the text by --architecture"
        )
    for name in changed_ops(OPS.of(trial), study.own_sources) if same_ops else ():
        raise UserError(
            f"the {called(name)} changed since trial {trial.number}: undo the change, or train what it is now"
            f" by --trial {trial.number} --architecture {recorded!r}"
        )
    return candidate


def _overridden(training: Training, settings: Iterable[str]) -> Training:
    """Return ``training`` with the values of ``settings``, each ``name=value``."""
    known = [field.name for field in dataclasses.fields(Training) if field.name not in _NOT_SET]
    given: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting}: write name=value, such as lr=0.01")
        if name not in known:
            raise UserError(f"--set {setting}: there is no {name!r} in Training: {nearest(name, known)}")
        try:
            given[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            given[name] = text
    return dataclasses.replace(training, **given)


def _score(study: Study, costs: Mapping[str, float]) -> Objective:
    """Return the objective that chooses the best epoch: the first over the task's metrics, else the loss."""
    assert study.task is not None
    measured = set(study.task.metrics)
    for objective in study.objectives:
        if objective.metric.names & measured and objective.metric.names <= measured | costs.keys():
            return objective
    if "loss" not in measured:
        raise UserError(f"study {study.name!r} has no objective over {', '.join(sorted(measured))} alone")
    return minimize("loss")


def _name(study: Study, which: object) -> str:
    return re.sub(r"[^\w.-]+", "-", f"{study.name}-{which}")


def _train(job: _Job, seeds: list[int], console: Console) -> None:
    check_folder(job.folder)
    record = finished(job.folder)
    if record is not None:
        now = {**job.plan.settings, "seeds": seeds}
        check_settings({**record["settings"], "seeds": record["seeds"]}, now, job.folder)
        console.print(f"{job.folder} is trained already.")
    else:
        with _display(job, seeds, console) as watch:
            histories = [train_seed(job.plan, seed, checkpoint_of(job.folder, seed), watch) for seed in seeds]
        # The test part is used only now.
        tests = [metrics_on_test_part(job.plan, history) for history in histories]
        record = write(job.folder, Trained(job.study, job.trial, job.plan, histories, tests))
        console.print(f"Wrote {job.folder}; load it by optnas.load({str(job.folder)!r}).")
    console.print(_results(record))


@contextmanager
def _display(job: _Job, seeds: list[int], console: Console) -> Iterator[Any]:
    """Show a progress bar per seed, with the last and best scores; yield the callback that updates it."""
    epochs, score = job.plan.training.epochs, job.plan.score.name
    console.print(Text.assemble((job.folder.name, "bold cyan"), f" · {score} on validation"))
    progress = Progress(
        TextColumn("seed {task.description}"),
        BarColumn(bar_width=36),
        TextColumn("[bold]{task.completed}[/]/{task.total} epochs"),
        TextColumn("{task.fields[told]}", markup=False),
        TimeRemainingColumn(),
        console=console,
    )
    bars: dict[int, TaskID] = {
        seed: progress.add_task(str(seed), total=epochs, start=False, told="") for seed in seeds
    }
    begun: set[int] = set()
    ended: dict[int, str | None] = {}

    def watch(history: TrainingHistory) -> None:
        done, bar = len(history.curve), bars[history.seed]
        if history.seed not in begun:  # the bar's time starts here
            progress.reset(bar, completed=done, total=epochs)
            begun.add(history.seed)
        ended[history.seed] = history.ended
        progress.update(bar, completed=done, told=_told(job.plan, history))

    with progress:
        yield watch
    for seed, reason in ended.items():
        if reason not in (None, "all epochs"):
            console.print(f"seed {seed} ended early: {reason}")


def _told(plan: Plan, history: TrainingHistory) -> str:
    if not history.best:
        return ""
    score = plan.score.metric
    last, best = (short(score({**plan.costs, **m})) for m in (history.curve[-1], history.metrics))
    return f"{last}, best {best} in epoch {history.best}"


def _results(record: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("metric", "validation", "test"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for row in over_seeds(record):
        table.add_row(*row)
    return table
