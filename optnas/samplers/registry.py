"""Samplers by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from optnas.errors import UserError, nearest
from optnas.one_shot.strategies import STRATEGIES
from optnas.samplers.cmaes import CmaEsSampler
from optnas.samplers.domain import Domain
from optnas.samplers.evolution import EvolutionSampler
from optnas.samplers.imputing import ImputingSampler
from optnas.samplers.local import LocalSampler
from optnas.samplers.reinforce import ReinforceSampler
from optnas.samplers.seeded import SeededSampler

__all__ = ["SAMPLERS", "make_sampler"]


def _tpe(seed: int) -> BaseSampler:
    # Multivariate is far better on architectures, where choices only make sense together; with
    # ``group`` it also learns from parameters that only some trials have.
    return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


def _ehvi(seed: int, domain: Domain | None) -> BaseSampler:
    from optnas.samplers.ehvi import EHVISampler

    return EHVISampler(domain, seed=seed)


# Population size of NSGA-II: with Optuna's default of 50, a search of 100 trials has hardly begun to select.
_POPULATION = 20

_Make = Callable[[int, Domain | None], BaseSampler]


def _optuna(make: Callable[[int], BaseSampler]) -> _Make:
    """Return a factory of an Optuna sampler, seeded anew for each trial and shown imputed pruned trials."""

    def quietly(seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # multivariate and group, on purpose
            return make(seed)

    return lambda seed, domain: ImputingSampler(SeededSampler(quietly, seed))


def _one_shot(name: str) -> _Make:
    def make(seed: int, domain: Domain | None) -> BaseSampler:
        from optnas.samplers.one_shot import OneShotSampler

        return OneShotSampler(name, domain, seed=seed)

    return make


SAMPLERS: dict[str, _Make] = {
    "cmaes": lambda seed, domain: CmaEsSampler(domain, seed=seed),
    "ehvi": _ehvi,
    "evolution": lambda seed, domain: EvolutionSampler(domain, seed=seed),
    "gp": _optuna(lambda seed: GPSampler(seed=seed)),
    "local": lambda seed, domain: LocalSampler(domain, seed=seed),
    "nsga2": _optuna(lambda seed: NSGAIISampler(seed=seed, population_size=_POPULATION)),
    "random": _optuna(lambda seed: RandomSampler(seed=seed)),
    "reinforce": lambda seed, domain: ReinforceSampler(domain, seed=seed),
    "tpe": _optuna(_tpe),
    **{name: _one_shot(name) for name in STRATEGIES},
}


def make_sampler(name: str, seed: int, domain: Domain | None = None) -> BaseSampler:
    """Return the sampler called ``name``.

    Args:
        name: A key of :data:`SAMPLERS`.
        seed: Seed of all randomness; each trial is seeded by it and the trial's number.
        domain: The search space, for the samplers that use one; by default the parameters of earlier trials.

    Raises:
        UserError: If no sampler has that name.
    """
    if name not in SAMPLERS:
        raise UserError(f"no sampler is called {name!r}: {nearest(name, SAMPLERS)}")
    return SAMPLERS[name](seed, domain)
