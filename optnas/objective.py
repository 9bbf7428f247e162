"""The way of one trial.

promote a paused trial? go on with it : suggest → same candidate finished before? reuse its values : costs →
constraints → what only the built network tells → constraints → evaluate by rungs ⇄ pruner → values.
Whatever happens leaves its reason in words in the trial's record.
"""

from __future__ import annotations

import dataclasses
import math
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from optuna import TrialPruned
from optuna.trial import FrozenTrial, Trial, TrialState
from torch import nn

from optnas import pruners
from optnas.candidate import Candidate
from optnas.cost.measuring import measure
from optnas.diversity import diversity
from optnas.pruners import ParetoPromotionPruner
from optnas.pruners.rungs import HOPELESS
from optnas.resumption import Resumption
from optnas.space import SpaceError
from optnas.train import Diverged, Report, State, default_device, fit
from optnas.train.device import forked_random
from optnas.train.hopeless import Hopeless
from optnas.train.memory import OutOfMemory, in_pieces
from optnas.train.place import Place, place_on

if TYPE_CHECKING:
    from optnas.study import Study

__all__ = ["run"]


class _Paused(TrialPruned):
    """A trial waits at a rung to be promoted."""

    def __init__(self, step: int) -> None:
        super().__init__(f"paused at rung {step}: not among the best so far")


def run(study: Study, trial: Trial) -> list[float]:
    """Evaluate one trial of ``study`` and return the objectives' values.

    A trial whose worker died, or that was put back, goes on from its last rung where the study keeps
    checkpoints, and so does one that promotes a paused trial. Nothing is reported twice.

    Raises:
        TrialPruned: If the pruner gives it up or pauses it, a constraint is broken, the architecture
            cannot be built, the training diverges, or the same candidate was pruned before.
    """
    pruners.promote(trial)
    before = Resumption(trial, study.store)
    started = time.perf_counter()
    candidate = dataclasses.replace(study.suggest(trial), seed=study.seed + before.number)
    suggesting = time.perf_counter() - started
    try:
        values = _run(study, trial, candidate, before, suggesting)
    except _Paused as paused:
        trial.set_user_attr("reason", str(paused))
        raise
    except (TrialPruned, Diverged, Hopeless) as given_up:
        trial.set_user_attr("reason", str(given_up))
        if isinstance(given_up, Diverged):
            # Infeasible, or samplers would believe what it promised at its rungs.
            _constrain(trial, "finite", 1.0)
        if isinstance(given_up, Hopeless):
            trial.set_user_attr(HOPELESS, True)
        before.remove()
        raise TrialPruned(str(given_up)) from given_up
    except Exception as error:
        trial.set_user_attr("reason", _in_words(error))
        before.remove()
        raise
    before.remove()
    return values


def _run(
    study: Study, trial: Trial, candidate: Candidate, before: Resumption, suggesting: float
) -> list[float]:
    trial.set_user_attr("architecture", str(candidate.architecture))
    trial.set_user_attr("key", candidate.key)
    if before.paused is not None:
        raise _Paused(before.paused)
    twin = None if before.begun else _finished_twin(trial, candidate.key)
    if twin is not None:
        return _lend(twin, trial)
    candidate = dataclasses.replace(candidate, costs=_known_costs(study, trial, candidate))
    _check_constraints(study, trial, candidate)
    if study.measured:
        costs = _measured_costs(study, trial, candidate, before)
        candidate = dataclasses.replace(candidate, costs=costs)
        _check_constraints(study, trial, candidate)
    metrics = _evaluate(study, trial, candidate, before, suggesting)
    _record_late_constraints(study, trial, metrics)
    return _values(study, metrics)


def _finished_twin(trial: Trial, key: str) -> FrozenTrial | None:
    """Return the trial that trained the same candidate to its end, or else as far as it was to go."""
    ended = TrialState.COMPLETE, TrialState.PRUNED
    alike = [other for other in _trials(trial) if other.user_attrs.get("key") == key]
    twins = [other for other in alike if other.state in ended and "twin" not in other.user_attrs]
    # Of a candidate that was promoted there are several.
    return min(twins, key=lambda twin: (twin.state != TrialState.COMPLETE, -twin.number), default=None)


def _trials(trial: Trial, *states: TrialState) -> list[FrozenTrial]:
    # What the sampler has just read of the storage will do.
    return trial.study._get_trials(deepcopy=False, states=states or None, use_cache=True)


def _lend(twin: FrozenTrial, trial: Trial) -> list[float]:
    """Give ``trial`` what its twin found."""
    trial.set_user_attr("twin", twin.number)
    for name in ("costs", "metrics"):
        if name in twin.user_attrs:
            trial.set_user_attr(name, twin.user_attrs[name])
    for name, violation in twin.constraints.items():
        _constrain(trial, name, violation)
    if twin.state == TrialState.PRUNED:
        raise TrialPruned(f"the same as trial {twin.number}: {twin.user_attrs.get('reason', 'pruned')}")
    return list(twin.values)


def _known_costs(study: Study, trial: Trial, candidate: Candidate) -> dict[str, float]:
    try:
        costs = _numbers(study.costs(candidate))
    except SpaceError as error:
        raise _infeasible(trial, error) from error
    if costs:
        trial.set_user_attr("costs", costs)
    return costs


def _infeasible(trial: Trial, error: SpaceError) -> TrialPruned:
    # Rather than failed: samplers learn from that to look elsewhere.
    _constrain(trial, "buildable", 1.0)
    return TrialPruned(str(error))


def _measured_costs(study: Study, trial: Trial, candidate: Candidate, before: Resumption) -> dict[str, float]:
    """Return the known costs and what else can be found out before any training."""
    # What was measured before stays: values at rungs that it is part of are there already.
    costs = {**before.costs, **candidate.costs}
    unknown = [name for name in study.measured if name not in costs]
    if "diversity" in unknown:
        unknown.remove("diversity")
        finished = _trials(trial, TrialState.COMPLETE)
        others = [other.params for other in finished if other.number < trial.number]
        found = diversity(study.space.distributions(), candidate.params, others)
        costs["diversity"] = round(found, 6)
    if unknown:
        assert study.task is not None
        study.check_place(trial.study, study.measuring.place(unknown, candidate.training))
        with forked_random():
            torch.manual_seed(candidate.seed)
            make = partial(_build, study, candidate)
            costs |= measure(unknown, make, study.task, candidate.training, study.measuring)
    trial.set_user_attr("costs", costs)
    return costs


def _check_constraints(study: Study, trial: Trial, candidate: Candidate) -> None:
    """Record how far each constraint on known costs is broken, and end the trial if one is."""
    broken = []
    for limit in (*study.constraints, *study.bounds):
        # A function may look at any of them, so it waits for all.
        needs = study.measured if limit.needs is None else limit.needs
        if not candidate.costs.keys() >= set(needs):
            continue
        violation = limit.violation(candidate if limit.needs is None else candidate.costs)
        _constrain(trial, limit.name, violation)
        if violation > 0:
            found = ", ".join(f"{name} = {candidate.costs[name]:,}" for name in sorted(limit.needs or ()))
            broken.append(f"breaks {limit.name!r}" + (f" with {found}" if found else ""))
    if broken:
        raise TrialPruned("; ".join(broken))


def _record_late_constraints(study: Study, trial: Trial, metrics: Mapping[str, float]) -> None:
    """Record constraints on what only training could tell; the trial keeps its values."""
    for limit in study.constraints:
        if limit.needs is not None and limit.name not in trial.constraints:
            _require(metrics, limit.needs, repr(limit.name))
            _constrain(trial, limit.name, limit.violation(metrics))


def _constrain(trial: Trial, name: str, violation: float) -> None:
    # A trial that is taken over from a worker that died has some of them already.
    if name not in trial.constraints:
        trial.set_constraint(name, violation)


def _evaluate(
    study: Study, trial: Trial, candidate: Candidate, before: Resumption, suggesting: float
) -> dict[str, float]:
    """Return every metric of the candidate, its known costs included."""

    def report(step: int, metrics: Mapping[str, float]) -> None:
        if step in before.steps:  # an evaluation that cannot be gone on with passes it again
            return
        before.steps.add(step)
        found = {**candidate.costs, "seconds": spent(), **_numbers(metrics)}
        pruners.report(trial, step, _values(study, found))
        if pruners.should_prune(trial):
            if isinstance(trial.study.pruner, ParetoPromotionPruner):
                raise _Paused(step)
            raise TrialPruned(f"not among the best at rung {step}")

    def spent() -> float:
        return before.seconds + time.perf_counter() - started - place.waited

    def keep(state: State) -> None:
        # A training step of someone's own has a state of its own: it begins anew.
        if state.optimizer is not None and state.epoch < candidate.training.epochs:
            before.keep(state, spent())

    if study.evaluate is not None:
        place, started = Place(), time.perf_counter()
        try:
            found = _numbers(study.evaluate(candidate, report))
        except SpaceError as error:
            raise _infeasible(trial, error) from error
    else:
        device = default_device(candidate.training.device)
        threads = torch.get_num_threads()
        run = {"device": str(device), "threads": threads, "seed": candidate.seed}
        trial.set_user_attr("run", {**run, "suggest_seconds": round(suggesting, 4)})
        with place_on(device) as place:
            started = time.perf_counter()
            found = _numbers(_train(study, trial, candidate, device, place, before, report, keep))
    metrics = {**candidate.costs, "seconds": round(spent(), 4), **found}
    trial.set_user_attr("metrics", {name: metrics[name] for name in ("seconds", *found)})
    return metrics


def _numbers(metrics: Any) -> dict[str, float]:
    """Return metrics as any storage keeps them: tensors and NumPy's numbers become those of Python.

    Raises:
        TypeError: If they are no metrics by name.
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(f"what is measured is a dict such as {{'accuracy': 0.9}}, not {metrics!r:.60}")
    return {name: _number(name, value) for name, value in metrics.items()}


def _number(name: str, value: Any) -> Any:
    if not hasattr(value, "item"):
        return value
    try:
        return value.item()
    except (ValueError, RuntimeError):
        raise TypeError(f"{name} is not one number, but {value!r:.60}") from None


def _train(
    study: Study,
    trial: Trial,
    candidate: Candidate,
    device: torch.device,
    place: Place,
    before: Resumption,
    report: Report,
    keep: Callable[[State], None],
) -> dict[str, float]:
    assert study.task is not None
    task, training, seed = study.task, candidate.training, candidate.seed
    eager = partial(trial.set_user_attr, "eager")

    def train(pieces: int) -> dict[str, float]:
        torch.manual_seed(seed)
        module = _build(study, candidate)
        state = before.state(device)
        if state is not None:
            report(state.epoch, state.metrics)  # its worker may have died before it could
        return fit(
            module,
            task,
            training,
            device=device,
            seed=seed,
            report=report,
            state=state,
            keep=keep,
            pieces=pieces,
            eager=eager,
        )

    try:
        with forked_random():
            metrics, pieces = in_pieces(train, training.batch_size, device, place)
    except OutOfMemory as error:
        # Infeasible rather than failed: samplers learn from that to look elsewhere.
        _constrain(trial, "memory", 1.0)
        raise TrialPruned(str(error)) from error
    if pieces > 1:
        trial.set_user_attr("pieces", pieces)
    return metrics


def _build(study: Study, candidate: Candidate) -> nn.Module:
    assert study.shape is not None
    module: nn.Module = candidate.architecture.build(study.shape, **study.context)
    return module


def _values(study: Study, metrics: Mapping[str, float]) -> list[float]:
    """Return the objectives' values.

    Raises:
        KeyError: If a metric that an objective needs was not measured.
        Diverged: If a value is infinite or not a number.
    """
    values = []
    for objective in study.objectives:
        _require(metrics, objective.metric.names, repr(objective))
        value = objective.metric(metrics)
        if not math.isfinite(value):
            raise Diverged(f"{objective.name} is {'not a number' if math.isnan(value) else value}")
        values.append(value)
    return values


def _require(metrics: Mapping[str, float], names: frozenset[str], user: str) -> None:
    for name in sorted(names):
        if name not in metrics:
            measured = ", ".join(sorted(metrics))
            raise LookupError(f"{user} needs {name!r}, which was not measured; measured: {measured}")
        if not isinstance(metrics[name], int | float):
            raise TypeError(f"{user} needs a number, but {name} is {metrics[name]!r:.60}")


def _in_words(error: Exception) -> str:
    """Return an exception as one line that says where it happened."""
    reason = f"{type(error).__name__}: {error}".strip().split("\n")[0]
    frames = traceback.extract_tb(error.__traceback__)
    package = Path(__file__).parent
    outside = [frame for frame in frames if package not in Path(frame.filename).parents]
    place = (outside or frames)[-1]
    return f"{reason} ({Path(place.filename).name}:{place.lineno})"
