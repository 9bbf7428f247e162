"""Which pruner a name stands for."""

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
from optnas.region import Region

__all__ = ["PRUNERS", "make_pruner"]

_Make = Callable[[Sequence[int] | None, int | None, Region | None], BasePruner]


def _halving(kind: type[ParetoHalvingPruner]) -> _Make:
    return lambda rungs, full, region: kind(rungs=rungs, max_resource=full if full != 1 else None)


PRUNERS: dict[str, _Make] = {
    "hyperband": lambda rungs, full, region: RankPruner(HyperbandPruner()),
    "median": lambda rungs, full, region: RankPruner(MedianPruner()),
    "none": lambda rungs, full, region: NopPruner(),
    "pareto-halving": _halving(ParetoHalvingPruner),
    "pareto-improvement": lambda rungs, full, region: ParetoImprovementPruner(
        max_resource=full, region=region
    ),
    "pareto-promotion": _halving(ParetoPromotionPruner),
    "successive-halving": lambda rungs, full, region: RankPruner(SuccessiveHalvingPruner(min_resource=1)),
}


def make_pruner(
    name: str,
    rungs: Sequence[int] | None = None,
    full: int | None = None,
    region: Region | None = None,
) -> BasePruner:
    """Return the pruner called ``name``.

    Args:
        name: A key of :data:`PRUNERS`. Optuna's go by the non-domination rank.
        rungs: At which steps trials are compared, for those that do not go by each report.
        full: The step at which a trial is trained in full, where that is known.
        region: Which values are of use, for those that compare values.

    Raises:
        UserError: If there is none of that name.
    """
    if name not in PRUNERS:
        raise UserError(f"no pruner is called {name!r}: {nearest(name, PRUNERS)}")
    return PRUNERS[name](rungs, full, region)
