"""Pareto dominance, the front and hypervolume of several objectives. All values are to be minimised."""

from optnas.pareto.dominance import best_first, crowding, dominates, front, ranks
from optnas.pareto.hypervolume import boxes, contributions, hypervolume
from optnas.pareto.ranking import Ranking
from optnas.pareto.scale import Points, in_decades, scaled, scaled_to

__all__ = [
    "Points",
    "Ranking",
    "best_first",
    "boxes",
    "contributions",
    "crowding",
    "dominates",
    "front",
    "hypervolume",
    "in_decades",
    "ranks",
    "scaled",
    "scaled_to",
]
