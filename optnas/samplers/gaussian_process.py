"""A small Gaussian process: a Matérn kernel with a length scale for each group of columns.

Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, chapters 2 and 5. The prior of the
length scale has the mean of Hvarfner et al. (2024), arXiv 2402.02229; its spread is a choice of ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

__all__ = ["GaussianProcess"]

Array = NDArray[np.float64]

# Of the log length scale that groups have in common, and of how much each differs from it.
_SCALE_MEAN, _SCALE_DEVIATION = math.sqrt(2), 0.5
_OWN_DEVIATION = 0.5
# Of the log noise variance: seeds differ by a twentieth of what architectures differ by, or much more.
_NOISE_MEAN, _NOISE_DEVIATION = -6.0, 2.0
# Of the log variance, for values scaled to a variance of 1.
_VARIANCE_DEVIATION = 1.0
_JITTER = 1e-8
_STEPS = 30
_ROOT3 = math.sqrt(3)


@dataclass(frozen=True)
class GaussianProcess:
    """The posterior of a function, given its values at some points.

    Attributes:
        points: Where it was observed, shape (observations, columns), each column divided by its
            length scale.
        values: What was observed there, scaled to a mean of 0 and a variance of 1.
        scales: The length scale of each column.
        variance: Of the function before anything was observed.
        noise: The variance of each observation's noise, shape (observations,).
        mean, deviation: What the values were scaled by.
        root: Lower Cholesky factor of the observations' covariance.
        weights: The covariance's inverse times the values.
    """

    points: Array
    values: Array
    scales: Array
    variance: float
    noise: Array
    mean: float
    deviation: float
    root: Array
    weights: Array

    @classmethod
    def fit(
        cls, X: Array, y: Array, groups: NDArray[np.intp], most: int, deviations: Array | float = 0.0
    ) -> GaussianProcess:
        """Fit length scales, variance and noise by their most probable values, and condition on ``y``.

        Args:
            X: Shape (observations, columns).
            y: Shape (observations,).
            groups: Which length scale each column has, from 0 on.
            most: How many observations, spread evenly, the fit looks at; the posterior looks at all.
            deviations: What is known of each observation's noise beside what all have, shape
                (observations,).
        """
        mean, deviation = float(y.mean()), float(y.std()) or 1.0
        scaled = (y - mean) / deviation
        some = np.unique(np.linspace(0, len(y) - 1, min(len(y), most)).astype(int))
        doubts = np.broadcast_to(np.square(deviations / deviation), y.shape)
        scales, variance, noise = _unpacked(_fitted(X[some], scaled[some], doubts[some], groups), groups)
        return cls._of(X / scales, scaled, scales, variance, noise + doubts, mean, deviation)

    @classmethod
    def _of(cls, points: Array, scaled: Array, scales: Array, variance: float, noise: Array,
            mean: float, deviation: float) -> GaussianProcess:  # fmt: skip
        covariance = variance * _matern(_distances(points, points))
        covariance[np.diag_indices(len(points))] += noise + _JITTER
        root = cholesky(covariance, lower=True, check_finite=False)
        weights = cho_solve((root, True), scaled, check_finite=False)
        return cls(points, scaled, scales, variance, noise, mean, deviation, root, weights)

    def believing(self, X: Array) -> GaussianProcess:
        """Return what it were if the function had been observed at ``X`` to be as predicted."""
        scaled = (self.predict(X)[0] - self.mean) / self.deviation
        return self._of(
            np.concatenate([self.points, X / self.scales]), np.concatenate([self.values, scaled]),
            self.scales, self.variance, np.append(self.noise, np.full(len(X), self.noise.min())),
            self.mean, self.deviation,
        )  # fmt: skip

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Return the mean and the standard deviation of the function at ``X``, each of shape (len(X),)."""
        across = self.variance * _matern(_distances(self.points, X / self.scales))
        mean = self.weights @ across
        explained = solve_triangular(self.root, across, lower=True, overwrite_b=True, check_finite=False)
        left = self.variance - np.einsum("ij,ij->j", explained, explained)
        return self.mean + self.deviation * mean, self.deviation * np.sqrt(np.maximum(left, 1e-12))


def _unpacked(theta: Array, groups: NDArray[np.intp]) -> tuple[Array, float, float]:
    return np.exp(theta[0] + theta[1:-2])[groups], math.exp(theta[-2]), math.exp(theta[-1])


def _fitted(X: Array, y: Array, doubts: Array, groups: NDArray[np.intp]) -> Array:
    """Return the most probable logs: of a common length scale, of each group's share of it, and so on."""
    count = int(groups.max()) + 1
    middle = np.concatenate([[_SCALE_MEAN + 0.5 * math.log(count)], np.zeros(count + 1), [_NOISE_MEAN]])
    own = np.full(count, _OWN_DEVIATION)
    spread = np.concatenate([[_SCALE_DEVIATION], own, [_VARIANCE_DEVIATION, _NOISE_DEVIATION]])
    diagonal = np.diag_indices(len(y))

    def loss(theta: Array) -> tuple[float, Array]:
        """Return the negative log posterior density and its gradient (equations 5.8 and 5.9)."""
        scales, variance, noise = _unpacked(theta, groups)
        Z = X / scales
        squares = _distances(Z, Z)
        root3 = _ROOT3 * np.sqrt(squares)
        decay = variance * np.exp(-root3)
        kernel = (1 + root3) * decay
        covariance = kernel.copy()
        covariance[diagonal] += noise + doubts + _JITTER
        root = cholesky(covariance, lower=True, check_finite=False)
        weights = cho_solve((root, True), y, check_finite=False)
        inverse = cho_solve((root, True), np.eye(len(y)), check_finite=False)
        outer = 0.5 * (inverse - np.outer(weights, weights))
        # The kernel's derivative by the squared distance, summed over pairs for each column.
        slope = outer * (-3 / 2) * decay
        by_column = 2 * (slope.sum(axis=1) @ Z**2 - np.einsum("ic,ic->c", Z, slope @ Z))
        gradient = np.zeros_like(theta)
        np.add.at(gradient, groups + 1, -2 * by_column)
        gradient[0] = gradient[1:-2].sum()
        gradient[-2] = np.sum(outer * kernel)
        gradient[-1] = noise * np.trace(outer)
        off = (theta - middle) / spread
        value = 0.5 * y @ weights + np.log(root[diagonal]).sum() + 0.5 * off @ off
        return float(value), gradient + off / spread

    bounds = [(m - 4 * s, m + 4 * s) for m, s in zip(middle, spread, strict=True)]
    options = {"maxiter": _STEPS}
    found = minimize(loss, middle, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return np.asarray(found, dtype=float)


def _distances(A: Array, B: Array) -> Array:
    """Return the squared distances, shape (len(A), len(B))."""
    squares = np.sum(A**2, axis=1)[:, None] + np.sum(B**2, axis=1)[None, :] - 2 * A @ B.T
    return np.array(np.maximum(squares, 0.0), dtype=float)


def _matern(squares: Array) -> Array:
    """Return the Matérn 3/2 correlation at squared distances.

    On five tables of architectures, ordinal and mixed choices among them, the density of what was not
    yet seen was higher than with the smoother 5/2 on all, and than with the rougher 1/2 on three.
    """
    root3 = _ROOT3 * np.sqrt(squares)
    return (1 + root3) * np.exp(-root3)
