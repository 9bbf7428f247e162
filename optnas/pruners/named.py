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
from optnas.pruners.pareto_promotion import ParetoPromotionPruner
from optnas.pruners.rank import RankPruner

__all__ = ["PRUNERS", "make_pruner"]

_Make = Callable[[Sequence[int] | None], BasePruner]

PRUNERS: dict[str, _Make] = {
    "hyperband": lambda rungs: RankPruner(HyperbandPruner()),
    "median": lambda rungs: RankPruner(MedianPruner()),
    "none": lambda rungs: NopPruner(),
    "pareto-halving": lambda rungs: ParetoHalvingPruner(rungs=rungs),
    "pareto-promotion": lambda rungs: ParetoPromotionPruner(rungs=rungs),
    "successive-halving": lambda rungs: RankPruner(SuccessiveHalvingPruner(min_resource=1)),
}


def make_pruner(name: str, rungs: Sequence[int] | None = None) -> BasePruner:
    """Return the pruner called ``name``.

    Args:
        name: A key of :data:`PRUNERS`. Optuna's go by the non-domination rank.
        rungs: At which steps trials are compared, for those that do not go by each report.

    Raises:
        UserError: If there is none of that name.
    """
    if name not in PRUNERS:
        raise UserError(f"no pruner is called {name!r}: {nearest(name, PRUNERS)}")
    return PRUNERS[name](rungs)
