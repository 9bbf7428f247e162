"""Which sampler a name stands for."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from optnas.errors import UserError, nearest
from optnas.samplers.seeded import SeededSampler

__all__ = ["SAMPLERS", "make_sampler"]


def _tpe(seed: int) -> BaseSampler:
    # Multivariate is far better on architectures, where choices only make sense together; with
    # ``group`` it also learns from parameters that only some trials have.
    return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "gp": lambda seed: GPSampler(seed=seed),
    "nsga2": lambda seed: NSGAIISampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
    "tpe": _tpe,
}


def make_sampler(name: str, seed: int) -> BaseSampler:
    """Return the sampler called ``name``, seeded for each trial by its number.

    Raises:
        UserError: If there is none.
    """
    if name not in SAMPLERS:
        raise UserError(f"no sampler is called {name!r}: {nearest(name, SAMPLERS)}")
    return SeededSampler(lambda of_trial: _quietly(SAMPLERS[name], of_trial), seed)


def _quietly(make: Callable[[int], BaseSampler], seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # multivariate and group, on purpose
        return make(seed)
