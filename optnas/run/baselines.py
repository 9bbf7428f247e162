"""Trials that a person enqueues as text: a baseline to compare with, or a guess to begin from."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import optuna

from optnas.errors import UserError
from optnas.space import Node, SpaceError, parse
from optnas.storages.lock import study_lock
from optnas.study import Study
from optnas.trials.optuna_internals import storage_of
from optnas.trials.record import ENQUEUED

__all__ = ["enqueue", "params_of", "without_known"]

_ASSIGNMENT = re.compile(r"\s*[\w.]+\s*=")


def params_of(study: Study, wanted: str | Mapping[str, Any] | Node) -> dict[str, Any]:
    """Return the parameters of a trial to enqueue.

    Args:
        study: The study whose space they are of.
        wanted: An architecture such as ``seq(conv(16), relu, head)``, some parameters such as
            ``layers=2, lr=0.01``, or a JSON object of them. The sampler decides those that are missing.

    Raises:
        UserError: If the architecture or a parameter is not of the space.
    """
    try:
        if isinstance(wanted, Mapping):
            return study.check_params(wanted)
        if isinstance(wanted, str) and wanted.lstrip().startswith("{"):
            return study.check_params(_json(wanted))
        if isinstance(wanted, str) and _ASSIGNMENT.match(wanted):
            return study.check_params(dict(_assignments(wanted)))
        architecture = parse(wanted) if isinstance(wanted, str) else wanted
        if not isinstance(architecture, Node) or architecture.open:
            raise UserError("give an architecture without choices left open, or parameters")
        return study.space.params(architecture)
    except (UserError, SpaceError) as error:
        raise UserError(f"enqueue {str(wanted)!r}: {error}") from None


def without_known(study: optuna.Study, wanted: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return those of the ``wanted`` parameters that no trial of the study was enqueued with or has."""
    trials = study.get_trials(deepcopy=False)
    known = [ENQUEUED.get(trial, trial.params) for trial in trials]
    new: list[Mapping[str, Any]] = []
    for params in wanted:
        if params not in known and params not in new:
            new.append(params)
    return new


def enqueue(study: optuna.Study, wanted: Iterable[Mapping[str, Any]]) -> None:
    """Enqueue a trial for each of the ``wanted`` parameters, unless the study has one already."""
    with study_lock(storage_of(study), study.study_name):
        for params in without_known(study, wanted):
            study.enqueue_trial(dict(params))


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError(f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise UserError("write a JSON object of parameters")
    return found


def _assignments(text: str) -> Iterable[tuple[str, Any]]:
    for part in re.split(r",\s*(?=[\w.]+\s*=)", text):
        name, _, value = part.partition("=")
        try:
            yield name.strip(), ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            yield name.strip(), value.strip()
