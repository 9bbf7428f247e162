"""Pruners for several objectives, and their names."""

from optnas.pruners.pareto_halving import ParetoHalvingPruner
from optnas.pruners.pareto_improvement import ParetoImprovementPruner
from optnas.pruners.pareto_promotion import ParetoPromotionPruner, promote
from optnas.pruners.rank import RankPruner
from optnas.pruners.registry import PRUNERS, make_pruner
from optnas.trials.rungs import report, should_prune

__all__ = [
    "PRUNERS",
    "ParetoHalvingPruner",
    "ParetoImprovementPruner",
    "ParetoPromotionPruner",
    "RankPruner",
    "make_pruner",
    "promote",
    "report",
    "should_prune",
]
