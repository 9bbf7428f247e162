"""The tabular data sets that come with scikit-learn."""

from __future__ import annotations

from optnas.data.arrays import Kind
from optnas.data.data import Data, Splits
from optnas.data.sources import tensors
from optnas.errors import UserError, nearest

__all__ = ["sklearn"]

_SETS: dict[str, Kind] = {
    "breast_cancer": "classes",
    "diabetes": "values",
    "iris": "classes",
    "linnerud": "values",
    "wine": "classes",
}


def sklearn(name: str, *, validation: float = 0.2, test: float = 0.2, seed: int = 0) -> Data:
    """Return a tabular data set that comes with scikit-learn.

    ============= ======= ======== ================================================
    name          samples features targets
    ============= ======= ======== ================================================
    breast_cancer 569     30       2 classes: malignant, benign
    diabetes      442     10       how far the disease has gone after a year, 25–346
    iris          150     4        3 species
    linnerud      20      3        weight, waist and pulse of men who exercise
    wine          178     13       3 growers
    ============= ======= ======== ================================================

    Args:
        name: Name of the data set, as in the table above.
        validation: Share of the samples held out to score candidates.
        test: Share of the samples held out for the winner.
        seed: Seed of the split.

    Raises:
        UserError: If there is no data set of that name.
    """
    if name not in _SETS:
        raise UserError(f"data.sklearn({name!r}): {nearest(str(name), _SETS)}")

    def load() -> Splits:
        from sklearn import datasets

        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        return tensors(
            x, y, targets=_SETS[name], validation=validation, test=test, seed=seed, name=name
        ).splits

    return Data(name, load)
