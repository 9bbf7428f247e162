"""The layer that makes features of a table's numbers and categories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from optnas.data.date_texts import PERIODS
from optnas.data.schemas.column import Measured
from optnas.data.schemas.columns import CategoryColumn, DateColumn

__all__ = ["PrepareTable"]

# Made-up samples have gaps in the columns that had some.
_MISSING = 0.1


class PrepareTable(nn.Module):
    """Layer that makes features of mean 0 and variance 1, and 0 and 1, of a table's numbers and categories.

    It takes a dictionary of ``numbers`` (samples, columns), float64 and NaN where one is missing, and
    ``codes`` (samples, columns), int64, the place of each category, -1 for one that is not known; what the
    table has none of is not in it. It returns float32 (samples, features): the numbers, gaps filled; 1 for
    each gap, of the columns that had some in training, all standardised; the sines and cosines of dates'
    places; a feature for each category.
    """

    factor: Tensor
    fill: Tensor
    mean: Tensor
    deviation: Tensor
    gap_mean: Tensor
    gap_deviation: Tensor
    marked: Tensor
    dated: Tensor
    period: Tensor
    shift: Tensor
    column: Tensor
    place: Tensor

    def __init__(self, measured: Sequence[Measured], categories: Sequence[CategoryColumn]) -> None:
        super().__init__()
        first = [column.figures[0] for column in measured]
        others = [figures for column in measured for figures in column.figures[1:]]
        self.count = len(measured)
        for name in ("fill", "mean", "deviation"):
            self.register_buffer(name, _exact(getattr(figures, name) for figures in (*first, *others)))
        self.register_buffer("factor", _exact(2.0**-column.exponent for column in measured))
        gaps = [(place, column.gap) for place, column in enumerate(measured) if column.gap is not None]
        self.register_buffer("marked", _whole(place for place, _ in gaps))
        self.register_buffer("gap_mean", _exact(gap[0] for _, gap in gaps))
        self.register_buffer("gap_deviation", _exact(gap[1] for _, gap in gaps))
        places = [
            (number, PERIODS[what], shift)
            for number, column in enumerate(measured)
            if isinstance(column, DateColumn)
            for what in column.places
            # A cosine is a sine, a quarter of a turn later.
            for shift in (0.0, torch.pi / 2)
        ]
        self.register_buffer("dated", _whole(number for number, _, _ in places))
        self.register_buffer("period", _exact(period for _, period, _ in places))
        self.register_buffer("shift", _exact(shift for _, _, shift in places))
        self.register_buffer(
            "column", _whole(i for i, each in enumerate(categories) for _ in each.categories)
        )
        self.register_buffer("place", _whole(i for each in categories for i in range(len(each.categories))))

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        features = []
        if self.count:
            features += self._measured(x["numbers"])
        if len(self.column):
            features.append((x["codes"][:, self.column] == self.place).float())
        return torch.cat(features, dim=1)

    def drawn(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return made-up numbers and codes in the range of the training part, some missing or not known."""
        found = {}
        if self.count:
            mean, deviation = self.mean[: self.count], self.deviation[: self.count]
            numbers = torch.randn(count, self.count, generator=generator, dtype=torch.float64)
            found["numbers"] = (numbers * deviation + mean) / self.factor
            missing = torch.rand(count, len(self.marked), generator=generator) < _MISSING
            gaps = torch.where(missing, torch.nan, found["numbers"][:, self.marked])
            found["numbers"][:, self.marked] = gaps
        if len(self.column):
            known = torch.bincount(self.column)
            share = torch.rand(count, len(known), generator=generator)
            found["codes"] = (share * (known + 1)).long() - 1
        return found

    def back(self, features: Tensor) -> dict[str, Tensor]:
        """Invert the layer: return the numbers, up to rounding, and codes of ``features``."""
        found = {}
        exact = features.double()
        if self.count:
            mean, deviation = self.mean[: self.count], self.deviation[: self.count]
            found["numbers"] = (exact[:, : self.count] * deviation + mean) / self.factor
            marks = exact[:, self.count : self.count + len(self.marked)]
            missing = marks * self.gap_deviation + self.gap_mean > 0.5
            gaps = torch.where(missing, torch.nan, found["numbers"][:, self.marked])
            found["numbers"][:, self.marked] = gaps
        if len(self.column):
            chosen = exact[:, features.shape[1] - len(self.column) :]
            codes = torch.zeros(len(exact), int(self.column.max()) + 1, dtype=torch.int64)
            found["codes"] = codes.index_add(1, self.column, (chosen > 0.5).long() * (self.place + 1)) - 1
        return found

    def _measured(self, numbers: Tensor) -> list[Tensor]:
        values = numbers * self.factor
        if len(self.dated):
            dates = numbers[:, self.dated]
            angle = (dates - torch.floor(dates / self.period) * self.period) * (2 * torch.pi / self.period)
            values = torch.cat([values, torch.sin(angle + self.shift)], dim=1)
        values = torch.where(torch.isnan(values), self.fill, values)
        scaled = ((values - self.mean) / self.deviation).float()
        if not len(self.marked):
            return [scaled]
        gaps = torch.isnan(numbers[:, self.marked]).double()
        marks = ((gaps - self.gap_mean) / self.gap_deviation).float()
        return [scaled[:, : self.count], marks, scaled[:, self.count :]]


def _exact(values: Iterable[float]) -> Tensor:
    return torch.tensor(list(values), dtype=torch.float64)


def _whole(values: Iterable[int]) -> Tensor:
    return torch.tensor(list(values), dtype=torch.int64)
