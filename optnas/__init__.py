"""Neural architecture search as an Optuna study."""

from optnas import data, ops, pruners, samplers, spaces, tasks
from optnas.candidate import Candidate
from optnas.cost import Cost
from optnas.errors import UserError
from optnas.measure.measuring import Measuring
from optnas.objectives import maximize, minimize
from optnas.ops import op
from optnas.pruners import (
    ParetoHalvingPruner,
    ParetoPromotionPruner,
    RankPruner,
    promote,
    report,
    should_prune,
)
from optnas.space import BuildError, Node, SpaceError, choose, integer, parse, real, repeat, shared, stage
from optnas.study import Study
from optnas.train import Training
from optnas.winner.folder import load

__all__ = [
    "BuildError",
    "Candidate",
    "Cost",
    "Measuring",
    "Node",
    "ParetoHalvingPruner",
    "ParetoPromotionPruner",
    "RankPruner",
    "SpaceError",
    "Study",
    "Training",
    "UserError",
    "choose",
    "data",
    "integer",
    "load",
    "maximize",
    "minimize",
    "op",
    "ops",
    "parse",
    "promote",
    "pruners",
    "real",
    "repeat",
    "report",
    "samplers",
    "shared",
    "should_prune",
    "spaces",
    "stage",
    "tasks",
]
