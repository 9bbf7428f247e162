"""The distributions of CMA-ES as the ``cmaes`` package has them, for one and for two objectives."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from optnas.samplers.vector import VectorSpace

__all__ = ["REFERENCE", "BiObjective", "Optimizer", "SingleObjective", "new_kernel", "population_size"]

REFERENCE = 1.1
"""Reference point of the hypervolume: a bit beyond the worst value of each objective, scaled to 1."""

# A kernel's initial variance is this share of its parents' variance plus the square of a width. Of the
# initial probabilities of a categorical parameter such a share comes from the parents.
_SPREAD = 0.5
_OWN_SHARE = 0.8


def new_kernel(
    shape: VectorSpace, found: Sequence[Mapping[str, Any]], width: float, rng: np.random.RandomState
) -> Any:
    """Return a distribution around the mean of the best candidates in ``found``, which is sorted best first.

    They are recombined as CMA-ES recombines a population, and their variance sets the shape of the
    distribution (after Nomura et al. 2021, "Warm starting CMA-ES for hyperparameter optimization"). A
    number that none of them has gets a random mean.
    """
    from cmaes import CatCMAwM

    parents = found[: population_size(shape) // 2]
    weights = math.log(len(parents) + 0.5) - np.log(np.arange(1, len(parents) + 1))
    places = np.ma.masked_invalid([shape.places(params) for params in parents])
    mean = np.ma.average(places, axis=0, weights=weights)
    variance = np.ma.filled(np.ma.average((places - mean) ** 2, axis=0, weights=weights), 0.0)
    shares = None
    if shape.categories:
        own = np.average([shape.shares(params) for params in parents], axis=0, weights=weights)
        shares = _OWN_SHARE * own + (1 - _OWN_SHARE) * shape.shares({})
    return CatCMAwM(
        x_space=shape.continuous or None,
        z_space=shape.stepped or None,
        c_space=shape.categories or None,
        population_size=population_size(shape),
        mean=np.where(np.ma.getmaskarray(mean), rng.uniform(size=mean.shape), np.ma.filled(mean, 0.0)),
        cov=np.diag(_SPREAD * variance + width**2),
        cat_param=shares,
        seed=rng.randint(2**31),
    )


def population_size(shape: VectorSpace) -> int:
    """Return the default batch size of CMA-ES (Hansen 2016, https://arxiv.org/abs/1604.00772)."""
    return 4 + int(3 * math.log(shape.size))


class Optimizer(Protocol):
    """Interface of the optimisers for one and for two objectives."""

    @property
    def kernel(self) -> Any:
        """The distribution that the batch is drawn from."""

    def batch(self) -> list[Any]:
        """Return the solutions to evaluate next."""

    def instead(self, solution: Any, other: Any) -> Any:
        """Return ``other`` in the form in which it can be told in place of ``solution``."""

    def tell(
        self, pairs: Sequence[tuple[Any, Hashable]], values: dict[Hashable, NDArray[np.float64]]
    ) -> None:
        """Update the distribution with a whole batch: pairs of a solution and the key of its values."""


class SingleObjective:
    """Optimiser for one objective: a single kernel."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel

    def batch(self) -> list[Any]:
        return [self.kernel.ask() for _ in range(self.kernel.population_size)]

    def instead(self, solution: Any, other: Any) -> Any:
        return other

    def tell(
        self, pairs: Sequence[tuple[Any, Hashable]], values: dict[Hashable, NDArray[np.float64]]
    ) -> None:
        self.kernel.tell([(solution, values[key][0]) for solution, key in pairs])


class BiObjective:
    """Optimiser for two objectives: kernels in turn maximise the hypervolume that they add to the others.

    Each kernel's *incumbent*, the solution it estimates to be best, is evaluated too: the added hypervolume
    is measured against the other kernels' incumbents.
    """

    def __init__(self, shape: VectorSpace, kernels: list[Any], seed: int) -> None:
        from cmaes import COMOCatCMAwM

        self._optimizer = COMOCatCMAwM(
            x_space=shape.continuous or None,
            z_space=shape.stepped or None,
            c_space=shape.categories or None,
            reference_point=[REFERENCE] * 2,
            kernels=kernels,
            seed=seed,
        )
        self._incumbents: dict[int, tuple[Any, Hashable]] = {}

    @property
    def kernel(self) -> Any:
        return self._optimizer.current_kernel

    def batch(self) -> list[Any]:
        return list(self._optimizer.ask_iter())

    def instead(self, solution: Any, other: Any) -> Any:
        return dataclasses.replace(solution, x=other.x, z=other.z, c=other.c, _v_raw=other._v_raw)

    def tell(
        self, pairs: Sequence[tuple[Any, Hashable]], values: dict[Hashable, NDArray[np.float64]]
    ) -> None:
        # The scale of the values changes with every trial, so the incumbents are told again each time.
        for solution, key in pairs:
            if solution._incumbent_id is not None:
                self._incumbents[solution._incumbent_id] = solution, key
        population = [pair for pair in pairs if pair[0]._incumbent_id is None]
        told = [*self._incumbents.values(), *population]
        self._optimizer.tell([(solution, values[key]) for solution, key in told])
