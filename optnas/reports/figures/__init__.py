"""Figures of a study, each a function from the study to plotly's ``Figure``.

What a figure consists of is drawn as plotly's JSON, without plotly: to import that takes longer than to draw.
"""

from __future__ import annotations

from optnas.reports.figures.curves import curves_figure
from optnas.reports.figures.export import write_figure
from optnas.reports.figures.front import front_figure
from optnas.reports.figures.hypervolume import hypervolume_figure
from optnas.reports.figures.preferences import preferences_figure

__all__ = ["curves_figure", "front_figure", "hypervolume_figure", "preferences_figure", "write_figure"]
