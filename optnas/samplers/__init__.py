"""Samplers of optnas and their names. Any Optuna ``BaseSampler`` can be used as well."""

from optnas.samplers.cmaes import CmaEsSampler
from optnas.samplers.evolution import EvolutionSampler
from optnas.samplers.local import LocalSampler
from optnas.samplers.registry import SAMPLERS, make_sampler
from optnas.samplers.reinforce import ReinforceSampler
from optnas.samplers.seeded import SeededSampler

__all__ = [
    "SAMPLERS",
    "CmaEsSampler",
    "EvolutionSampler",
    "LocalSampler",
    "ReinforceSampler",
    "SeededSampler",
    "make_sampler",
]
