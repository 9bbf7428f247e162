"""Samplers by name. Any Optuna ``BaseSampler`` serves as well."""

from optnas.samplers.named import SAMPLERS, make_sampler
from optnas.samplers.seeded import SeededSampler

__all__ = ["SAMPLERS", "SeededSampler", "make_sampler"]
