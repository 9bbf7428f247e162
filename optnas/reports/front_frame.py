"""The front as a pandas table, which notebooks show with a chart and drawings."""

from __future__ import annotations

from typing import Any

import optuna
import pandas
from optuna.trial import FrozenTrial

from optnas.reports.records import Equal, as_frame

__all__ = ["FrontFrame", "front_frame"]


class FrontFrame(pandas.DataFrame):  # type: ignore[misc]
    """A front's trials, one a row. What is made of it is an ordinary ``pandas.DataFrame``."""

    @property
    def _constructor(self) -> Any:
        return pandas.DataFrame

    def _repr_html_(self) -> Any:
        html, shape = self.__dict__.get("_front", (None, None))
        # One that was changed in its place is shown as the table that it is.
        return html() if html is not None and self.shape == shape else super()._repr_html_()


def front_frame(
    study: optuna.Study, trials: list[FrozenTrial], best: list[FrozenTrial], equal: Equal
) -> FrontFrame:
    """Return the front ``best`` of a study as a table (:func:`~optnas.reports.records.as_frame`)."""
    from optnas.reports.notebook import front_html

    frame = FrontFrame(as_frame(study, best, equal=equal))
    object.__setattr__(frame, "_front", (lambda: front_html(study, trials, best, equal), frame.shape))
    return frame
