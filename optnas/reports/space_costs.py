"""Exact costs of random architectures of a study's space, to explain costs without any trial."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, create_trial

from optnas.cost import COSTS as EXACT
from optnas.reports.about import about
from optnas.space import Node, SpaceError
from optnas.space.closing import draw
from optnas.space.decisions import decided, decisions
from optnas.space.shapes import AnyShape
from optnas.trials.record import ARCHITECTURE, COSTS

__all__ = ["costs_of_space"]

_DRAWS, _FEWEST, _MOST_SECONDS = 250, 50, 5.0
# So many trials must have the very cost: a study can have costs of its own by that name.
_COMPARED = 3


def costs_of_space(study: optuna.Study, name: str) -> tuple[list[FrozenTrial], list[float]] | None:
    """Return random candidates of the space and their costs; ``None`` if the record does not tell them.

    Args:
        study: The study; its record has the space, unless an older optnas wrote it.
        name: A cost that follows from the tree, such as ``"flops"``.
    """
    known = about(study)
    if name not in EXACT or known.space is None or known.shape is None:
        return None
    context = dict(known.context or {})
    if not _same(study, name, known.shape, context):
        return None
    trials, costs = _drawn(known.space, known.shape, json.dumps(context, sort_keys=True))
    return (trials, [cost[name] for cost in costs]) if len(trials) >= _FEWEST else None


def _same(study: optuna.Study, name: str, shape: AnyShape, context: Mapping[str, Any]) -> bool:
    """Return whether the costs in the trials' records are those that follow from their architectures."""
    compared = 0
    for trial in reversed(study.get_trials(deepcopy=False)):
        text, cost = ARCHITECTURE.of(trial), COSTS.get(trial, {}).get(name)
        if text is None or cost is None:
            continue
        found = _costs(_read(text), shape, context)
        if found is None or found[name] != cost:
            return False
        compared += 1
        if compared == _COMPARED:
            break
    return compared > 0


@lru_cache(maxsize=8)
def _drawn(space: str, shape: AnyShape, context: str) -> tuple[list[FrozenTrial], list[Mapping[str, float]]]:
    tree, rng, begun = _read(space), random.Random(0), time.monotonic()
    trials: list[FrozenTrial] = []
    costs: list[Mapping[str, float]] = []
    if tree is None:
        return trials, costs
    try:
        asked = decisions(tree)
    except (SpaceError, RecursionError):
        return trials, costs
    for _ in range(_DRAWS):
        distributions: dict[str, BaseDistribution] = {}

        def decide(name: str, distribution: BaseDistribution) -> Any:
            distributions[name] = distribution  # noqa: B023 - used within this turn only
            return draw(distribution, rng)

        params = decided(asked, decide)
        found = _costs(tree, shape, json.loads(context), params)
        if found is not None:
            trials.append(create_trial(params=params, distributions=distributions, value=0.0))
            costs.append(found)
        if time.monotonic() - begun > _MOST_SECONDS:
            break
    return trials, costs


def _read(text: str) -> Node | None:
    from optnas.drawing.reading import read

    try:
        return read(text)
    except SpaceError:
        return None


def _costs(
    tree: Node | None,
    shape: AnyShape,
    context: Mapping[str, Any],
    params: Mapping[str, Any] | None = None,
) -> dict[str, float] | None:
    """Return all exact costs of an architecture, or of a space with these parameters; ``None`` without."""
    if tree is None:
        return None
    try:
        cost = (tree if params is None else tree.close(params)).cost(shape, **context)
    except (SpaceError, TypeError, RecursionError):
        return None
    return {name: float(getattr(cost, name)) for name in EXACT}
