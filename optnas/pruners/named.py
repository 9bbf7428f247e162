"""Which pruner a name stands for."""

from __future__ import annotations

from collections.abc import Callable

from optuna.pruners import BasePruner, NopPruner

from optnas.errors import UserError, nearest
from optnas.pruners.pareto_halving import ParetoHalvingPruner

__all__ = ["PRUNERS", "make_pruner"]

PRUNERS: dict[str, Callable[[], BasePruner]] = {"none": NopPruner, "pareto-halving": ParetoHalvingPruner}


def make_pruner(name: str) -> BasePruner:
    """Return the pruner called ``name``.

    Raises:
        UserError: If there is none.
    """
    if name not in PRUNERS:
        raise UserError(f"no pruner is called {name!r}: {nearest(name, PRUNERS)}")
    return PRUNERS[name]()
