from __future__ import annotations

import numpy as np
import pytest
import scipy
from scipy.optimize import check_grad

from optnas.samplers.gaussian_process import GaussianProcess, Part

RNG = np.random.default_rng(0)


def fitted(values: np.ndarray, X: np.ndarray) -> GaussianProcess:
    return GaussianProcess.fit(X, values, [Part.of(np.arange(X.shape[1]))], 100)


def test_it_predicts_what_it_has_learned_and_is_surer_where_it_has_seen() -> None:
    X = RNG.random((60, 3))
    truth = 10 + np.sin(4 * X[:, 0]) + X[:, 1] ** 2
    process = fitted(truth[:50], X[:50])
    mean, deviation = process.predict(X[50:])
    assert np.abs(mean - truth[50:]).max() < 0.1
    seen = process.predict(X[:50])
    assert seen[0] == pytest.approx(truth[:50], abs=0.05)
    assert seen[1].mean() < deviation.mean()
    far = process.predict(X[50:] + 30)
    assert (far[1] > deviation).all()


def test_what_does_not_matter_has_the_longer_length_scale() -> None:
    X = RNG.random((60, 2))
    process = fitted(np.sin(6 * X[:, 0]), X)
    assert process.parts[0].scales[1] > 2 * process.parts[0].scales[0]


def test_to_believe_its_prediction_changes_no_mean_and_makes_it_surer() -> None:
    X = RNG.random((20, 2))
    process = fitted(X.sum(axis=1), X)
    new, others = RNG.random((3, 2)), RNG.random((10, 2))
    condition_on_prediction = process.condition_on_prediction(new)
    assert condition_on_prediction.predict(others)[0] == pytest.approx(process.predict(others)[0], abs=1e-3)
    assert (condition_on_prediction.predict(new)[1] < process.predict(new)[1]).all()


@pytest.mark.parametrize("values", [np.ones(5), np.array([1.0, 1, 1, 1, 2])])
def test_constant_values_and_equal_points_are_no_trouble(values: np.ndarray) -> None:
    mean, deviation = fitted(values, np.zeros((5, 2))).predict(np.eye(2))
    assert np.isfinite(mean).all()
    assert np.isfinite(deviation).all()


def test_the_gradient_is_that_of_the_density(monkeypatch: pytest.MonkeyPatch) -> None:
    def checked(loss, start, **options):  # type: ignore[no-untyped-def]
        for theta in (start, start + 0.3 * RNG.standard_normal(len(start))):
            assert check_grad(lambda t: loss(t)[0], lambda t: loss(t)[1], theta) < 1e-2
        return minimize(loss, start, **options)

    minimize = scipy.optimize.minimize
    monkeypatch.setattr("scipy.optimize.minimize", checked)
    X = RNG.random((15, 4))
    y = X.sum(axis=1) ** 2
    GaussianProcess.fit(X, y, [Part.of(np.array([0, 0, 1, 2]))], 100)
    few = Part(np.array([1, 3]), np.array([0, 1]), 0.7)
    GaussianProcess.fit(X, y, [few, Part(np.arange(4), np.array([0, 1, 1, 2]), 0.3)], 100)


def test_a_sum_of_kernels_learns_what_hangs_on_few_columns_from_few_points() -> None:
    X = RNG.random((230, 12))
    truth = np.sin(5 * X[:, 0]) + X[:, 1] + 0.1 * X[:, 2:].sum(axis=1)
    first = Part(np.array([0, 1]), np.array([0, 1]), 0.7)
    whole = Part.of(np.arange(12))

    def error(*parts: Part) -> float:
        process = GaussianProcess.fit(X[:30], truth[:30], parts, 100)
        return float(np.square(process.predict(X[30:])[0] - truth[30:]).mean())

    assert error(first, Part(whole.columns, whole.groups, 0.3)) < 0.7 * error(whole)


def test_what_was_fitted_before_is_taken_as_it_is() -> None:
    X = RNG.random((40, 3))
    process = fitted(X.sum(axis=1), X)
    again = GaussianProcess.fit(X[:20], X[:20].sum(axis=1), [process.parts[0].part], 100, theta=process.theta)
    assert (again.theta == process.theta).all()
    assert (again.parts[0].scales == process.parts[0].scales).all()


def test_few_that_are_good_are_not_taken_for_luck() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((40, 6))
    y = rng.normal(0.0, 0.3, 40)
    y[7] = -3.0
    parts = [Part.of(np.arange(6))]
    assert GaussianProcess.fit(X, y, parts, 100).noise.max() > 0.5
    found = GaussianProcess.fit(X, y, parts, 100, most_noise=0.25)
    assert found.noise.max() <= 0.25 + 1e-9
    best, elsewhere = found.predict(np.stack([X[7], 1 - X[7]]))[0]
    assert best < y.mean() - 1
    assert best < elsewhere
