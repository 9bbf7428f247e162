"""Problems of continuous, integer and categorical variables together, with two objectives to be minimised.

``dsintlftl`` is the bi-objective problem of COMO-CatCMA with margin (Hamano et al. 2025,
https://arxiv.org/abs/2504.07884) as its authors publish it with the package ``cmaes``
(examples/como_catcma_with_margin.py): a double sphere over continuous x and integer z, with its optima at
0 and at 10, and leading firsts against trailing lasts over the categories. The paper's own text was not
at hand, so the others are not its problems word for word; they are made of the same parts:

- ``dsintlftl``: three variables of each kind, five categories each; ``dsintlftl-5``: five of each kind;
- ``dsintcom``: how many categories are the first against how many are the last, in whatever place;
- ``dsintproximity``: each category is an unordered label of a place from 0 to 10 that its x and its z are
  drawn to, after the authors' MCProximity of one objective: variables of all kinds depend on each other.

Every term is a mean over its variables. Continuous ones are of [-5, 15], integer ones of -5, …, 15.
Hypervolume is measured up to a tenth beyond the worst values of the true front, as a share of that
front's. A problem is a sum over groups of variables: its front is that of all sums of the groups' fronts,
which are found on a grid.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from optnas.pareto import hypervolume
from optnas.samplers.domain import FlatDomain

Points = NDArray[np.float64]

LOW, HIGH, OPTIMUM = -5, 15, 10
CATEGORIES = 5
LAST = CATEGORIES - 1
# Between the optima of a continuous variable so many steps are looked at for the true front.
STEPS = 200


@dataclass(frozen=True)
class MixedProblem:
    """A problem with equally many variables of each of the three kinds.

    Attributes:
        size: How many there are of each.
        labels: Returns both objectives of all categories together, by their indices.
        ties: How much the square of a number's distance from its category's place weighs.
    """

    size: int
    labels: Callable[[Sequence[int]], tuple[float, float]]
    ties: float = 0.0

    @property
    def directions(self) -> list[str]:
        return ["minimize", "minimize"]

    @functools.cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The parameters ``x0``, …, ``z0``, … and ``c0``, …."""
        categories = CategoricalDistribution([f"category {k}" for k in range(CATEGORIES)])
        return {
            **{f"x{i}": FloatDistribution(LOW, HIGH) for i in range(self.size)},
            **{f"z{i}": IntDistribution(LOW, HIGH) for i in range(self.size)},
            **{f"c{i}": categories for i in range(self.size)},
        }

    @functools.cached_property
    def domain(self) -> FlatDomain:
        return FlatDomain(self.distributions)

    def evaluated(self, params: Mapping[str, Any]) -> tuple[float, ...]:
        """Return both objectives of a candidate."""
        chosen = [int(params[f"c{i}"].removeprefix("category ")) for i in range(self.size)]
        terms = [np.array(self.labels(chosen))]
        terms += [self._number(params[f"{kind}{i}"], chosen[i]) for kind in "xz" for i in range(self.size)]
        return tuple(np.sum(terms, axis=0).tolist())

    def volume(self, points: Points) -> float:
        """Return the hypervolume of points, shape (points, 2), as a share of the true front's."""
        return hypervolume(points, self._reference) / self._true_volume

    @functools.cached_property
    def true_front(self) -> Points:
        """The front, shape (points, 2), by the first objective."""
        between, steps = np.linspace(0, OPTIMUM, STEPS + 1), np.arange(OPTIMUM + 1)
        # What is not tied to its category may be looked at beside any one of them.
        beside = range(CATEGORIES if self.ties else 1)
        pairs = [_sums(self._number(between, k), self._number(steps, k)) for k in beside]
        every = itertools.product(range(CATEGORIES), repeat=self.size)
        labels = _front(np.array([self.labels(chosen) for chosen in every]))
        return functools.reduce(_sums, [_front(np.concatenate(pairs))] * self.size, labels)

    @functools.cached_property
    def _reference(self) -> list[float]:
        return (1.1 * self.true_front.max(axis=0)).tolist()  # the best values are 0

    @functools.cached_property
    def _true_volume(self) -> float:
        return hypervolume(self.true_front, self._reference)

    def _number(self, value: Any, category: int) -> Points:
        """Return what a number adds to both objectives, shape (…, 2)."""
        place = np.asarray(value) / OPTIMUM
        away = self.ties * (place - category / LAST) ** 2
        return np.stack([place**2 + away, (place - 1) ** 2 + away], axis=-1) / self.size


def _front(points: Points) -> Points:
    """Return the points that no other dominates, each once, by the first objective."""
    points = points[np.lexsort((points[:, 1], points[:, 0]))]
    before = np.minimum.accumulate(points[:, 1])[:-1]
    return points[np.append(True, points[1:, 1] < before)]


def _sums(some: Points, others: Points) -> Points:
    """Return the front of all sums of two points."""
    return _front((some[:, None] + others[None]).reshape(-1, 2))


def leading_first_trailing_last(chosen: Sequence[int]) -> tuple[float, float]:
    """Return the shares of categories that are not among the leading 0s, and the trailing LASTs."""
    leading = sum(1 for _ in itertools.takewhile(lambda k: k == 0, chosen))
    trailing = sum(1 for _ in itertools.takewhile(lambda k: k == LAST, reversed(chosen)))
    return 1 - leading / len(chosen), 1 - trailing / len(chosen)


def count_of_firsts_and_lasts(chosen: Sequence[int]) -> tuple[float, float]:
    """Return the shares of categories that are not 0, and that are not LAST."""
    return 1 - chosen.count(0) / len(chosen), 1 - chosen.count(LAST) / len(chosen)


PROBLEMS = {
    "dsintlftl": MixedProblem(3, leading_first_trailing_last),
    "dsintlftl-5": MixedProblem(5, leading_first_trailing_last),
    "dsintcom": MixedProblem(3, count_of_firsts_and_lasts),
    "dsintproximity": MixedProblem(3, lambda chosen: (0.0, 0.0), ties=1.0),
}
