"""The networks that ``optnas train`` is asked for: their architectures, settings and folders."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from optnas.candidate import Candidate
from optnas.card import Card
from optnas.errors import UserError, nearest
from optnas.objectives import Objective, minimize
from optnas.run.lookup import find_study, find_trial
from optnas.space import parse
from optnas.space.holes import is_open
from optnas.space.own_ops import called, changed_ops
from optnas.study import Study
from optnas.train import Training, default_device
from optnas.train.checks import check_training
from optnas.train.own_losses import check_own_losses
from optnas.train.precision import choose_precision
from optnas.trials.progress import front
from optnas.trials.record import ARCHITECTURE, METRICS, OPS, REASON
from optnas.winner.full_training import Plan

__all__ = ["Job", "TrainOptions", "jobs_of"]

# What is no single value.
_NOT_SET = ("rungs", "losses", "optimizers")


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
        all_data: Whether to train once more on training and validation part, as long as validation chose.
        ensemble: Whether the networks of all seeds are kept, as one.
        card: Statements of the model card that override the study's, by name.
    """

    trial: int | None = None
    architecture: str | None = None
    front: bool = False
    seeds: int = 1
    patience: int | None = None
    settings: Sequence[str] = ()
    out: Path | None = None
    all_data: bool = False
    ensemble: bool = False
    card: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)


@dataclasses.dataclass(frozen=True)
class Job:
    """A network to train, and the folder to write it to.

    Attributes:
        study: The name of the study.
        trial: The number of the trial; ``None`` for an architecture that was given as text.
        plan: The architecture, the task and all settings of the training.
        folder: The folder to write.
        all_data: Whether to train once more on all data.
        ensemble: Whether the networks of all seeds are kept, as one.
        searched: The metrics that its trial of a front had in the search.
        card: What people state of it.
    """

    study: str
    trial: int | None
    plan: Plan
    folder: Path
    all_data: bool = False
    ensemble: bool = False
    searched: Mapping[str, float] = dataclasses.field(default_factory=dict)
    card: Card = Card()  # noqa: RUF009 - it is frozen


def jobs_of(study: Study, url: str, wanted: TrainOptions) -> Iterator[Job]:
    """Yield each network to train, with its checked settings and its folder."""
    if wanted.front:
        if wanted.trial is not None or wanted.architecture is not None:
            raise UserError("--front trains every trial of the front: leave --trial and --architecture away")
        trials = front(find_study(url, study.name))
        if not trials:
            raise UserError(f"study {study.name!r} has no front yet: no trial is complete")
        for trial in trials:
            name = _name(study, trial.number)
            folder = (wanted.out or Path("runs")) / name
            job = _job(study, _candidate(study, trial), trial.number, folder, wanted)
            yield dataclasses.replace(job, searched=METRICS.get(trial, {}))
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


def _job(study: Study, candidate: Candidate, trial: int | None, folder: Path, wanted: TrainOptions) -> Job:
    assert study.task is not None
    # Weights are handed down among the trials of a search alone.
    training = dataclasses.replace(_overridden(candidate.training, wanted.settings), inherit=None)
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
    card = Card.of({**study.card.stated, **wanted.card})
    return Job(study.name, trial, plan, folder, wanted.all_data, wanted.ensemble, card=card)


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
