"""Data sets from pandas DataFrames and CSV files, with columns of numbers and of texts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from optnas.data.arrays import Array, Kind, as_targets, classes_in
from optnas.data.data import Data, Splits
from optnas.data.split import splits_of, three_parts
from optnas.errors import UserError, nearest

__all__ = ["csv", "frame"]

# A column of more different texts holds names or identifiers, not categories.
_MOST_CATEGORIES = 256
# More different whole numbers in a target are more likely amounts than classes.
_MOST_CLASSES = 100


def csv(
    path: str | os.PathLike[str],
    target: str,
    *,
    targets: Kind = "auto",
    drop: Sequence[str] = (),
    separator: str = ",",
    validation: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
) -> Data:
    """Make a data set from a CSV file with a header line, plain or compressed (``.csv.gz``).

    Columns become features as :func:`frame` says, which explains the other arguments.

    Args:
        path: Path of the file, which is encoded in UTF-8.
        target: The column to predict.
        separator: The text between columns.

    Raises:
        UserError: On first use of the data, if the file or a column cannot be used.
    """
    path = Path(path)
    return Data(
        path.name,
        lambda: _splits(path.name, _read(path, separator), target, targets, drop, validation, test, seed),
    )


def _read(path: Path, separator: str) -> Any:
    import pandas

    try:
        return pandas.read_csv(path, sep=separator)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except pandas.errors.EmptyDataError:
        raise UserError(f"{path} is empty") from None
    except ValueError as error:  # includes errors of the parser and of the decoder
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"{path} is not a CSV file in UTF-8: {reason}") from None


def frame(
    table: Any,
    target: str,
    *,
    targets: Kind = "auto",
    drop: Sequence[str] = (),
    validation: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
    name: str = "frame",
) -> Data:
    """Make a data set from a pandas DataFrame, one sample per row.

    A column of numbers becomes one feature of mean 0 and variance 1. If it has gaps (missing values),
    they are filled with its mean, and a second feature marks them. A column of texts is one-hot
    encoded: a feature for each text, with a gap as one more text; a text that is not in the training
    part is 0 in all of them. All statistics are those of the training part.

    Args:
        table: The DataFrame.
        target: The column to predict.
        targets: ``"classes"`` or ``"values"``; ``"auto"`` takes floating-point numbers for values.
            Classes may be any texts or numbers; they are numbered in sorted order.
        drop: Columns to leave out.
        validation: Share of the samples held out to score candidates.
        test: Share of the samples held out for the winner.
        seed: Seed of the split.
        name: Its name in records.

    Raises:
        UserError: On first use of the data, if a column cannot be used.
    """
    return Data(name, lambda: _splits(name, table, target, targets, drop, validation, test, seed))


def _splits(
    name: str,
    table: Any,
    target: str,
    kind: Kind,
    drop: Sequence[str],
    validation: float,
    test: float,
    seed: int,
) -> Splits:
    table = table.rename(columns=str)
    if not table.columns.is_unique:
        raise UserError(f"data {name!r} has two columns of one name")
    if len(table) == 0:
        raise UserError(f"data {name!r} has no rows")
    for column in (target, *drop):
        if column not in table.columns:
            raise UserError(f"data {name!r} has no column {column!r}: {nearest(column, table.columns)}")
    features = table.drop(columns=[target, *drop])
    if features.shape[1] == 0:
        raise UserError(f"data {name!r} has no column beside {target!r} to learn from")
    labels = _targets(name, table[target], kind)
    parts = three_parts(name, len(table), validation, test, seed, classes_in(labels))
    numbers = torch.from_numpy(_features(name, features, parts[0])).float()
    return splits_of(numbers, labels, parts)


def _targets(name: str, column: Any, kind: Kind) -> Array:
    """Return the target column as classes or values."""
    gaps = column.isna().to_numpy()
    if gaps.any():
        where = f"row {int(np.argmax(gaps))} (counted from 0)"
        raise UserError(f"data {name!r}: {where} has no {column.name!r}; remove such rows")
    from pandas.api.types import is_float_dtype, is_integer_dtype

    if kind == "values" or (kind == "auto" and is_float_dtype(column)):
        return as_targets(name, column.to_numpy(), len(column), "values")
    classes, labels = np.unique(column.to_numpy(), return_inverse=True)
    if kind == "auto" and is_integer_dtype(column) and len(classes) > _MOST_CLASSES:
        raise UserError(
            f"data {name!r}: {column.name!r} holds {len(classes)} different whole numbers;"
            " say targets='values' if they are amounts, or targets='classes'"
        )
    return as_targets(name, labels, len(column), kind)


def _features(name: str, table: Any, train: Array) -> Array:
    """Return the features of all rows, shape (rows, features), by the statistics of the rows ``train``."""
    from pandas.api.types import is_numeric_dtype
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [column for column in table if is_numeric_dtype(table[column])]
    texts = [column for column in table if column not in numbers]
    table = table.assign(
        **{column: _numbers(name, table[column]) for column in numbers},
        **{column: _texts(name, table[column]) for column in texts},
    )
    # Gaps in the training part decide which columns are marked; a column that is empty there is all 0.
    fill = SimpleImputer(keep_empty_features=True, add_indicator=True)
    transform = make_column_transformer(
        (make_pipeline(fill, StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
    )
    features: Array = transform.fit(table.iloc[train]).transform(table)
    return features


def _numbers(name: str, column: Any) -> Any:
    numbers = column.astype("float64")
    if np.isinf(numbers).any():
        raise UserError(f"data {name!r}: column {column.name!r} holds an infinite number")
    return numbers


def _texts(name: str, column: Any) -> Any:
    """Return a column of texts as strings, with an empty string for each gap."""
    present = column.dropna()
    leave_out = f"leave it out by drop=[{column.name!r}]"
    if column.dtype != "category" and not all(isinstance(value, str) for value in present):
        raise UserError(
            f"data {name!r}: column {column.name!r} of {column.dtype} holds neither numbers nor texts;"
            f" convert it, or {leave_out}"
        )
    if present.nunique() > _MOST_CATEGORIES:
        raise UserError(
            f"data {name!r}: column {column.name!r} holds {present.nunique()} different texts, too many"
            f" for categories; {leave_out}"
        )
    return column.astype(object).where(column.notna(), "").astype(str)
