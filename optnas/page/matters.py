"""JSON data of the page's analyses: importances, effects, and figures of the search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from optnas.errors import StorageError, UserError
from optnas.reports.explain_view import chance_sentence, sentences, shown_effects, value_text
from optnas.reports.explanation import explain
from optnas.reports.figures.curves import draw_curves
from optnas.reports.figures.hypervolume import draw_hypervolume
from optnas.reports.figures.parts import DARK, Drawn
from optnas.reports.figures.preferences import draw_preferences
from optnas.reports.records import finite
from optnas.shown import one_line

__all__ = ["FIGURES", "figure_of", "what_matters"]

FIGURES: dict[str, Callable[[optuna.Study, Sequence[FrozenTrial]], Drawn]] = {
    "hypervolume": draw_hypervolume,
    "curves": draw_curves,
    "preferences": draw_preferences,
}
"""The figures of a study that the page shows beside its own, by name."""


def what_matters(study: optuna.Study, name: str) -> dict[str, Any]:
    """Return what the trials tell of an objective, a cost or a metric, as data for JSON.

    Or what it ``lacks``: no trial may have it.
    """
    try:
        found = explain(study, name)
    except StorageError:
        raise
    except UserError as error:
        return {"of": name, "lacks": one_line(str(error))}
    told: dict[str, Any] = finite(
        {
            "of": name,
            "trials": found.trials,
            "cost": found.cost,
            "sentences": sentences(found),
            "importances": [
                {"name": each.name, "mean": each.mean, "deviation": each.deviation} for each in found.told
            ],
            "kinds": [{"name": kind, "mean": share} for kind, share in found.kinds.items()],
            "pairs": [
                {"names": each.names, "mean": each.mean, "deviation": each.deviation} for each in found.pairs
            ],
            "effects": [
                {
                    "name": effect.name,
                    "told": effect.told,
                    "choices": [
                        {
                            "value": value_text(effect.name, each.value),
                            "mean": each.mean,
                            "low": each.low,
                            "high": each.high,
                        }
                        for each in effect.choices
                    ],
                }
                for effect in shown_effects(found)
            ],
            "chance": chance_sentence(found),
        }
    )
    return told


def figure_of(study: optuna.Study, name: str) -> dict[str, Any]:
    """Return a figure as plotly's JSON, with its colours on ``dark``; or what the study ``lacks`` for it."""
    try:
        drawn = FIGURES[name](study, study.get_trials(deepcopy=False))
    except StorageError:
        raise
    except UserError as error:
        return {"lacks": one_line(str(error))}
    found: dict[str, Any] = finite({"data": drawn["data"], "layout": drawn["layout"], "dark": DARK})
    return found
