"""Samplers by name. Any Optuna ``BaseSampler`` serves as well."""

from optnas.samplers.named import SAMPLERS, make_sampler

__all__ = ["SAMPLERS", "make_sampler"]
