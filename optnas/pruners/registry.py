"""Pruners by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    SuccessiveHalvingPruner,
)

from optnas.errors import UserError, nearest
from optnas.pruners.pareto_halving import ParetoHalvingPruner
from optnas.pruners.pareto_improvement import ParetoImprovementPruner
from optnas.pruners.pareto_promotion import ParetoPromotionPruner
from optnas.pruners.rank import RankPruner
from optnas.samplers.domain import Domain

__all__ = ["PRUNERS", "make_pruner"]

_Make = Callable[[Sequence[int] | None, int | None, Domain | None], BasePruner]


def _halving(kind: type[ParetoHalvingPruner]) -> _Make:
    return lambda rungs, full, domain: kind(rungs=rungs, max_resource=full if full != 1 else None)


PRUNERS: dict[str, _Make] = {
    "hyperband": lambda rungs, full, domain: RankPruner(HyperbandPruner()),
    "median": lambda rungs, full, domain: RankPruner(MedianPruner()),
    "none": lambda rungs, full, domain: NopPruner(),
    "pareto-halving": _halving(ParetoHalvingPruner),
    "pareto-improvement": lambda rungs, full, domain: ParetoImprovementPruner(domain, max_resource=full),
    "pareto-promotion": _halving(ParetoPromotionPruner),
    "successive-halving": lambda rungs, full, domain: RankPruner(SuccessiveHalvingPruner(min_resource=1)),
}


def make_pruner(
    name: str,
    rungs: Sequence[int] | None = None,
    full: int | None = None,
    domain: Domain | None = None,
) -> BasePruner:
    """Return the pruner called ``name``.

    Args:
        name: A key of :data:`PRUNERS`. Optuna's pruners go by the non-domination rank.
        rungs: The steps at which trials are compared, for pruners that do not decide at each report.
        full: The step at which a trial is fully trained; ``None`` if unknown.
        domain: The search space, for pruners that forecast final values.

    Raises:
        UserError: If no pruner has that name.
    """
    if name not in PRUNERS:
        raise UserError(f"no pruner is called {name!r}: {nearest(name, PRUNERS)}")
    return PRUNERS[name](rungs, full, domain)
