"""The zero-cost scores of a study's candidates, for samplers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from optnas.candidate import Candidate
from optnas.declaration import Declaration
from optnas.errors import UserError, nearest
from optnas.measure.measuring import scores
from optnas.objectives import as_numbers
from optnas.samplers.scoring import Scores, Screening, plain
from optnas.space import Node
from optnas.train import default_device, lanes
from optnas.train.device import forked_random

__all__ = ["screening_of"]


def screening_of(study: Declaration) -> Screening | None:
    """Return how the study's candidates are scored; ``None`` if it says neither ``warm_start=`` nor features.

    With a task a network is built and scored; without one, its scores are among what ``costs=`` returns.
    """
    if study.warm_start is None and study.features is None:
        return None
    settings, computed = study.zero_cost, study.task is not None
    found = _Scored(study) if computed else _LookedUp(study)
    return Screening(
        names=tuple(settings.scores),
        scores_of=found,
        same=lambda params: study.candidate(params).architecture.key,
        keeps=lambda params: _keeps(study, params),
        candidates=settings.candidates,
        seconds=settings.seconds,
        proposals=settings.proposals,
        computed=computed,
        features=study.features is not None,
        seed=study.seed,
    )


class _Scored:
    """Scores of built networks, each of one architecture once."""

    def __init__(self, study: Declaration) -> None:
        self._study = study
        self._device = default_device(study.measuring.device or study.training.device)
        self._found: dict[str, Scores | None] = {}

    def __call__(self, params: Mapping[str, Any]) -> Scores | None:
        architecture = self._study.candidate(params).architecture
        if architecture.key not in self._found:
            self._found[architecture.key] = self._score(architecture)
        return self._found[architecture.key]

    def _score(self, architecture: Node) -> Scores | None:
        study = self._study
        assert study.task is not None
        assert study.shape is not None
        names = study.zero_cost.scores
        try:
            with lanes.turn(), forked_random():
                torch.manual_seed(study.seed)
                found = scores(
                    names, lambda: architecture.build(study.shape, **study.context), study.task, self._device
                )
        except Exception:  # too large for the memory, or an op of someone's own fails: a trial tells it
            return None
        return plain([found[name] for name in names])


class _LookedUp:
    """Scores that a study's ``costs`` returns."""

    def __init__(self, study: Declaration) -> None:
        self._study = study

    def __call__(self, params: Mapping[str, Any]) -> Scores | None:
        costs = as_numbers(self._study.costs(self._study.candidate(params)))
        names = self._study.zero_cost.scores
        for name in names:
            if name not in costs:
                raise UserError(
                    f"study {self._study.name!r}: zero_cost= goes by {name!r}, which costs= does not return:"
                    f" {nearest(name, costs)}"
                )
        return plain([costs[name] for name in names])


def _keeps(study: Declaration, params: Mapping[str, Any]) -> bool:
    """Return whether a candidate keeps the constraints that are functions, as far as these can tell."""
    functions = [limit for limit in study.constraints if limit.needs is None]
    if not functions or study.measured:
        return True  # they wait for what is measured
    candidate: Candidate = study.candidate(params)
    try:
        candidate = dataclasses.replace(candidate, costs=as_numbers(study.costs(candidate)))
        return all(limit.violation(candidate) <= 0 for limit in functions)
    except Exception:  # which a trial tells
        return True
