"""Measurement of a trial's network: before training latency, energy and memory, after it derivatives."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Mapping
from functools import partial

import torch
from optuna.trial import FrozenTrial, Trial, TrialState
from torch import nn

from optnas.candidate import Candidate
from optnas.declaration import Declaration
from optnas.drawing.learned import learned_text
from optnas.measure.derivatives.measured import measure_derivatives
from optnas.measure.diversity import diversity
from optnas.measure.measuring import measure_round
from optnas.measure.rounds import NOISY, Round, is_noisy, least, measure_rounds, near_limit
from optnas.objectives import Constraint, Objective
from optnas.space import Site
from optnas.train.device import forked_random
from optnas.trials.optuna_internals import cached_trials, frozen
from optnas.trials.record import LEARNED, MEASUREMENTS, UNBOUNDED, constraints_of

__all__ = ["infinite", "measured_costs", "measured_derivatives", "record_learned", "rejected_by_noise"]


def measured_costs(
    study: Declaration,
    trial: Trial,
    candidate: Candidate,
    before: Mapping[str, float],
    build: Callable[[], nn.Module],
) -> dict[str, float]:
    """Return the candidate's costs with what the study measures, and record how sure the figures are.

    Args:
        study: The study as declared.
        trial: The running trial.
        candidate: Its candidate, with its exact costs.
        before: What was measured already, by a worker that died; values at rungs may be made of it.
        build: Builds the network.
    """
    costs = {**before, **candidate.costs}
    unknown = [name for name in study.measured if name not in costs]
    if "diversity" in unknown:
        unknown.remove("diversity")
        finished = cached_trials(trial.study, TrialState.COMPLETE)
        others = [other.params for other in finished if other.number < trial.number]
        found = diversity(study.space.distributions(), candidate.params, others)
        costs["diversity"] = round(found, 6)
    if not unknown:
        return costs
    assert study.task is not None
    study.check_fingerprint(trial.study, study.measuring.fingerprint(unknown, candidate.training))
    limits = _noisy_limits(study)

    def near(figures: Mapping[str, float]) -> bool:
        known = {**costs, **figures}
        return near_limit(limits, dataclasses.replace(candidate, costs=known), known)

    rounds = measure_rounds(partial(_once, study, candidate, build), unknown, near)
    noisy = {name: found for name, found in rounds.items() if name in NOISY}
    if noisy:
        MEASUREMENTS.put(
            trial,
            {
                name: {"rounds": [once.figure for once in found], "spread": least(found).spread}
                for name, found in noisy.items()
            },
        )
    return costs | {name: least(found).figure for name, found in rounds.items()}


def _once(
    study: Declaration, candidate: Candidate, build: Callable[[], nn.Module], names: Collection[str]
) -> dict[str, Round]:
    assert study.task is not None
    with forked_random():
        torch.manual_seed(candidate.seed)
        return measure_round(names, build, study.task, candidate.training, study.measuring)


def measured_derivatives(
    study: Declaration, trial: Trial, candidate: Candidate, module: nn.Module, device: torch.device
) -> dict[str, float]:
    """Return what the study asks of the derivatives of a trained network, and record what has no bound."""
    if not study.derivatives:
        return {}
    assert study.task is not None
    note = partial(UNBOUNDED.put, trial)
    return measure_derivatives(study.derivatives, module, study.task, candidate.training, device, note)


def record_learned(study: Declaration, trial: Trial, candidate: Candidate, module: nn.Module) -> None:
    """Record the constants that the activations of a trained network learned."""
    site = Site.of(study.shape, study.context)
    if (learned := learned_text(candidate.architecture, module, site)) is not None:
        LEARNED.put(trial, learned)


def infinite(objective: Objective, value: float, trial: Trial) -> str:
    """Return in words that an objective has no finite value, and why if that is recorded."""
    said = f"{objective.name} is {'not a number' if math.isnan(value) else value}"
    reason = UNBOUNDED.of(frozen(trial))
    return said if reason is None else f"{said}: {reason}"


def rejected_by_noise(study: Declaration, trial: FrozenTrial) -> bool:
    """Return whether a trial was pruned by a limit on a noisy figure, which may have been too high."""
    if trial.state != TrialState.PRUNED:
        return False
    return any(constraints_of(trial).get(limit.name, 0.0) > 0 for limit in _noisy_limits(study))


def _noisy_limits(study: Declaration) -> list[Constraint]:
    return [limit for limit in (*study.constraints, *study.bounds) if is_noisy(limit, study.measured)]
