"""Functional analysis of variance of trials: a Bayesian linear model with one variance for each effect."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.stats
from numpy.typing import NDArray

from optnas.reports.factors import Factors

__all__ = ["Effects", "Part", "analyse"]

Array = NDArray[np.float64]
Part = tuple[int, ...]
"""The index of a factor or, of an interaction, those of two."""

# An effect is told from chance if one like it, anywhere, has this probability where there is none. One less
# sure than an even chance is not looked at further.
_CHANCE, _NO_EFFECT = 0.03, 0.5
_MOST_EXCHANGES, _AT_ONCE = 20_000, 500
# Bounds of the logarithms of variances, of values of variance 1, and a variance that is none.
_LOG_VARIANCES, _NOTHING = (-16.0, 7.0), 1e-12
# A standard deviation beyond that of effects on values of variance 1.
_WIDE = 2.0
# Pairs with more contrasts than this are too many for the trials of a search.
_MOST_CONTRASTS = 100
# Of more pairs than this only those are looked at of which one factor has an effect of its own.
_MOST_PAIRS = 600
_SAMPLES = 400


@dataclass(frozen=True)
class Effects:
    """Functional ANOVA of trials' values: the share of variance that parameters and pairs explain.

    Attributes:
        factors: The parameters.
        parts: The effects that are told from chance: factors and pairs of them.
    """

    factors: Factors
    parts: list[Part]
    _model: _Model
    _scale: float

    def shares(self) -> dict[Part, Array]:
        """Return each effect's share of the variance among random candidates, samples of the posterior.

        What they leave to 1 nothing explains: chance in training, and what is too weak to be told.
        """
        samples = self._model.sampled()
        variances = {
            part: np.square(samples[part] @ self.factors.drawn_columns(part).T).mean(axis=1)
            for part in self.parts
        }
        total = sum(variances.values(), np.full(_SAMPLES, self._model.noise))
        return {part: variance / total for part, variance in variances.items()}

    def curve(self, factor: int) -> Array:
        """Return what each value of a factor changes from the mean over all, shape (samples, values).

        Beside all other effects, and hardly shrunk: also of a factor whose effect may be chance.
        """
        part: Part = (factor,)
        samples = self._model.widened(part).sampled()[part]
        return np.asarray(samples @ self.factors.factors[factor].basis.T * self._scale)


def analyse(factors: Factors, y: Array, doubts: Array, beside: Array | None = None) -> Effects:
    """Return the effects of factors on ``y`` that are told from chance.

    The model is a sum of functions of one factor and of two, each zero on average over the values of a factor
    and where one is inactive, with a variance of its own that maximises the evidence (smoothing spline
    ANOVA as a mixed model: Gu 2013). Of all factors together those of no effect beside the others are left
    out one after another: a sampler tries good values together, so a factor alone may stand for another.
    Then pairs are added one after another, the surest first.

    Args:
        factors: The factors of the trials.
        y: The trials' values, shape (trials,).
        doubts: The standard deviation of each, beyond the noise that all have; 0 for observed values.
        beside: Columns whose effect on ``y`` is taken out first, whatever it is; shape (trials, columns).
    """
    beside = np.empty((len(y), 0)) if beside is None else beside
    # The squares of the largest numbers are infinite, and so may be their sum.
    unit = math.ldexp(1.0, math.frexp(float(np.abs(y).max(initial=0.0)))[1] - 1)
    y, doubts = y / unit, doubts / unit
    spread = float(y.std()) or 1.0
    y, doubts, scale = (y - y.mean()) / spread, doubts / spread, spread * unit
    singles: list[Part] = [(i,) for i in range(len(factors.factors))]
    # Until the noise is known, it counts as half of all variance.
    parts, noise = list(singles), 0.5
    while True:
        model = _Model.fit(factors, parts, y, _Weighing.of(1 + np.square(doubts) / noise, beside))
        noise = model.noise
        chances = {part: model.without(part).chance(part) for part in parts}
        kept = [part for part in parts if chances[part] < _NO_EFFECT]
        if len(kept) == len(parts):
            break
        parts = kept
    parts = [
        part
        for part in parts
        if chances[part] * len(singles) < _CHANCE and model.without(part).is_told(part, len(singles))
    ]
    while True:
        model = _Model.fit(factors, parts, y, _Weighing.of(1 + np.square(doubts) / noise, beside))
        noise = model.noise
        if sum(model.ranks) > len(y) / 2:
            break
        more = model.surest([part for part in singles if part not in parts])
        # Factors of an effect of their own are the likelier to interact.
        pairs = _pairs(factors, parts)
        more = more or model.surest([pair for pair in pairs if all((i,) in parts for i in pair)])
        more = more or model.surest(pairs)
        if more is None:
            break
        parts.append(more)
    return Effects(factors, parts, model, scale)


def _pairs(factors: Factors, parts: list[Part]) -> list[Part]:
    """Return the pairs to look at."""
    rank = [factor.basis.shape[1] for factor in factors.factors]
    pairs: list[Part] = [
        pair
        for pair in itertools.combinations(range(len(rank)), 2)
        if pair not in parts and rank[pair[0]] * rank[pair[1]] <= _MOST_CONTRASTS
    ]
    if len(pairs) > _MOST_PAIRS:
        alone = {part[0] for part in parts if len(part) == 1}
        pairs = [pair for pair in pairs if alone & set(pair)]
    return pairs


@dataclass(frozen=True)
class _Model:
    """The fitted model.

    Attributes:
        factors: The factors.
        parts: The effects.
        ranks: Number of contrasts of each effect.
        weighing: What is done to contrasts and values first.
        X: The contrasts, each effect's times its standard deviation, shape (trials, contrasts).
        y: The values.
        deviations: The standard deviation of each contrast's coefficient before any trial.
        noise: The noise variance of an observed trial.
    """

    factors: Factors
    parts: list[Part]
    ranks: list[int]
    weighing: _Weighing
    X: Array
    y: Array
    deviations: Array
    noise: float

    @classmethod
    def fit(cls, factors: Factors, parts: list[Part], y: Array, weighing: _Weighing) -> _Model:
        """Fit the variances of the effects and the noise by maximum marginal likelihood."""
        columns = [factors.columns(part) for part in parts]
        ranks = [each.shape[1] for each in columns]
        X = weighing(np.concatenate([*columns, np.empty((len(y), 0))], axis=1))
        y = weighing(y[:, None])[:, 0]
        A, b, yy, n = X.T @ X, X.T @ y, float(y @ y), weighing.left

        def loss(theta: Array) -> tuple[float, Array]:
            """Return the negative logarithm of the evidence, and its gradient."""
            noise, sd = np.exp(theta[-1]), np.repeat(np.exp(theta[:-1] / 2), ranks)
            scaled = A * np.outer(sd, sd)
            inverse = np.linalg.inv(scaled + noise * np.eye(len(sd)))
            mean = inverse @ (sd * b)
            rest = yy - 2 * mean @ (sd * b) + mean @ scaled @ mean
            free = 1 - noise * np.diag(inverse)
            value = (n - len(sd)) * theta[-1] - np.linalg.slogdet(inverse)[1] + (yy - mean @ (sd * b)) / noise
            slopes = [*_sums(free - np.square(mean), ranks), n - free.sum() - rest / noise]
            return value / 2, np.array(slopes) / 2

        begin = np.full(len(ranks) + 1, np.log(1 / (len(ranks) + 1)))
        bounds = [_LOG_VARIANCES] * len(begin)
        theta = scipy.optimize.minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=bounds).x
        sd = np.repeat(np.exp(theta[:-1] / 2), ranks)
        return cls(factors, parts, ranks, weighing, X * sd, y, sd, float(np.exp(theta[-1])))

    def without(self, part: Part) -> _Model:
        """Return the model without one effect, all other variances the same."""
        keep = np.ones(self.X.shape[1], dtype=bool)
        ends = np.cumsum([0, *self.ranks])
        for i in (i for i, each in enumerate(self.parts) if each == part):
            keep[ends[i] : ends[i + 1]] = False
        others = [(each, rank) for each, rank in zip(self.parts, self.ranks, strict=True) if each != part]
        return dataclasses.replace(
            self,
            parts=[each for each, _ in others],
            ranks=[rank for _, rank in others],
            X=self.X[:, keep],
            deviations=self.deviations[keep],
        )

    def widened(self, part: Part) -> _Model:
        """Return the model with one effect of so large a variance that it follows the trials alone."""
        others = self.without(part)
        columns = self.weighing(self.factors.columns(part))
        return dataclasses.replace(
            others,
            parts=[*others.parts, part],
            ranks=[*others.ranks, columns.shape[1]],
            X=np.concatenate([others.X, columns * _WIDE], axis=1),
            deviations=np.concatenate([others.deviations, np.full(columns.shape[1], _WIDE)]),
        )

    @cached_property
    def _inverse(self) -> Array:
        """The coefficients' posterior covariance over the noise, for contrasts as in ``X``."""
        return np.asarray(np.linalg.inv(self.X.T @ self.X + self.noise * np.eye(self.X.shape[1])))

    @cached_property
    def _mean(self) -> Array:
        return np.asarray(self._inverse @ (self.X.T @ self.y))

    @cached_property
    def _errors(self) -> Array:
        return np.asarray((self.y - self.X @ self._mean) / self.noise)

    def surest(self, parts: list[Part]) -> Part | None:
        """Return the further effect least likely by chance; ``None`` if even that may be, among so many."""
        chances = {part: self.chance(part) for part in parts}
        best = min(parts, key=lambda part: chances[part], default=None)
        if best is None or chances[best] * len(parts) > _CHANCE or not self.is_told(best, len(parts)):
            return None
        return best

    def chance(self, part: Part) -> float:
        """Return the probability of a further effect of at least this size where there is none.

        The score test of a variance of 0 (Lin 1997, "Variance component testing in generalised linear models
        with random effects").
        """
        columns = self.weighing(self.factors.columns(part))
        cross = self.X.T @ columns
        spread = (columns.T @ columns - cross.T @ self._inverse @ cross) / self.noise
        total, squares = float(np.trace(spread)), float(np.square(spread).sum())
        if total < _NOTHING:
            return 1.0
        # A sum of squares of correlated normal variables, as a scaled F of the same mean and variance.
        score = float(np.square(columns.T @ self._errors).sum()) / total
        free = float((1 - self.noise * np.diag(self._inverse)).sum())
        return float(scipy.stats.f.sf(score, total**2 / squares, max(self.weighing.left - free, 1.0)))

    def is_told(self, part: Part, among: int) -> bool:
        """Return whether a further effect exceeds what it is with errors exchanged among the trials.

        Only among those in which it is active: where these are few, an exchange is as good too often, however
        far off one trial is.
        """
        active = self.factors.active(part)
        columns, errors = (
            self.factors.columns(part)[active],
            (self._errors / self.weighing.deviations)[active],
        )
        most = _CHANCE / among
        rng = np.random.default_rng(0)
        exchanges = min(_MOST_EXCHANGES, round(2 / most))
        score, as_good = float(np.square(errors @ columns).sum()) * (1 - 1e-9), 0
        for _ in range(0, exchanges, _AT_ONCE):
            exchanged = rng.permuted(np.tile(errors, (_AT_ONCE, 1)), axis=1)
            as_good += int((np.square(exchanged @ columns).sum(axis=1) >= score).sum())
            if as_good > most * exchanges:
                return False
        return True

    def sampled(self) -> dict[Part, Array]:
        """Return each effect's coefficients drawn from the posterior, shape (samples, its contrasts)."""
        root = np.linalg.cholesky(self.noise * self._inverse)
        normal = np.random.default_rng(0).standard_normal((_SAMPLES, len(root)))
        samples = (self._mean + normal @ root.T) * self.deviations
        ends = np.cumsum([0, *self.ranks])
        return {
            part: samples[:, first:last]
            for part, (first, last) in zip(self.parts, itertools.pairwise(ends), strict=True)
        }


@dataclass(frozen=True)
class _Weighing:
    """Divides columns by each trial's noise, and takes out of them what is not of interest.

    Attributes:
        deviations: Each trial's noise over that of an observed one.
        out: Orthonormal columns that are taken out: the mean, and further ones.
    """

    deviations: Array
    out: Array

    @classmethod
    def of(cls, ratios: Array, beside: Array) -> _Weighing:
        """Return it for noise variances of these ratios."""
        deviations = np.sqrt(ratios)
        columns = np.concatenate([np.ones((len(ratios), 1)), beside], axis=1) / deviations[:, None]
        return cls(deviations, scipy.linalg.orth(columns))

    @property
    def left(self) -> int:
        """The degrees of freedom of what is left."""
        return int(max(len(self.out) - self.out.shape[1], 1))

    def __call__(self, columns: Array) -> Array:
        columns = columns / self.deviations[:, None]
        return np.asarray(columns - self.out @ (self.out.T @ columns))


def _sums(values: Array, ranks: list[int]) -> list[float]:
    ends = np.cumsum([0, *ranks])
    return [float(values[first:last].sum()) for first, last in itertools.pairwise(ends)]
