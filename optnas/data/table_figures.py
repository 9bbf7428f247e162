"""The figures that make features of a table's columns, from its training part."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from optnas.data.column import Column
from optnas.data.csv_pieces import FileFormat
from optnas.data.numbers import Array
from optnas.data.schemas.column import ColumnSchema, Figures, Measured
from optnas.data.schemas.columns import CategoryColumn
from optnas.data.schemas.table import Table

__all__ = ["fitted"]

# The squares of smaller exponents are finite, and their sums over any table.
_MOST_EXPONENT = 300


def fitted(columns: Sequence[Column], train: Array, file: FileFormat) -> Table:
    """Return the schema of a table, with the figures and the categories of its training part.

    Args:
        columns: Those of the table, none refused.
        train: The indices of the training part.
        file: How a file of such rows is written.
    """
    return Table(tuple(_fitted(column, train) for column in columns), file)


def _fitted(column: Column, train: Array) -> ColumnSchema:
    how = column.how
    assert how is not None  # of refused columns alone
    if isinstance(how, CategoryColumn):
        assert column.texts is not None
        return dataclasses.replace(how, categories=tuple(map(str, sorted(set(column.texts[train])))))
    if not isinstance(how, Measured):
        return how
    number, *others = (values[train] for values in column.numbers.values())
    exponent = _exponent(number)
    gaps = np.isnan(number)
    mark = _scaling(gaps.astype(np.float64)) if gaps.any() else None
    figures = (_figures(np.ldexp(number, -exponent)), *map(_figures, others))
    return dataclasses.replace(how, exponent=exponent, figures=figures, gap=mark)


def _exponent(values: Array) -> int:
    """Return that of the power of two by which the largest number is brought near 1; 0 if it need not be.

    No figure changes by it but its exponent, and standardising takes that off.
    """
    top = np.abs(values[~np.isnan(values)]).max(initial=0)
    exponent = int(np.frexp(top)[1])
    return 0 if abs(exponent) <= _MOST_EXPONENT else max(-1000, min(1000, exponent))


def _figures(values: Array) -> Figures:
    """Return the figures of numbers whose gaps are filled with their mean; 0 if there are only gaps."""
    gaps = np.isnan(values)
    fill = 0.0 if gaps.all() else float(values[~gaps].mean())
    return Figures(fill, *_scaling(np.where(gaps, fill, values)))


def _scaling(values: Array) -> tuple[float, float]:
    """Return mean and standard deviation, which is 1 where the values are all one but for rounding."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(values[:, None])
    return float(scaler.mean_[0]), float(scaler.scale_[0])
