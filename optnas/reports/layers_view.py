"""The layers of a trial's architecture as a table, from its record alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial

from optnas.errors import UserError
from optnas.reports.about import about
from optnas.space import SpaceError
from optnas.trials.record import ABOUT, ARCHITECTURE, LEARNED

if TYPE_CHECKING:
    from optnas.drawing import ArchitectureTable

__all__ = ["layers_view"]


def layers_view(study: optuna.Study, trial: FrozenTrial, *, expand: bool = False) -> ArchitectureTable:
    """Return the table of a trial's layers with their shapes and costs.

    Args:
        study: The trial's study.
        trial: The trial.
        expand: Whether blocks are opened and repetitions written out.

    Raises:
        UserError: If the record says no architecture that can be read, or no shape of the input.
    """
    # Reading knows all ops, and with them PyTorch, which most commands do without.
    from optnas.drawing.reading import read

    text = LEARNED.of(trial) or ARCHITECTURE.of(trial)
    if text is None:
        raise UserError(f"trial {trial.number} has no architecture in its record")
    if ABOUT.is_damaged(study):
        raise UserError(
            f"the record of {study.study_name!r} does not say the shape of an input: its attribute"
            f" {ABOUT.name!r} is damaged; after one more trial of its file it will"
        )
    known = about(study)
    if known.shape is None:
        raise UserError(
            f"the record of {study.study_name!r} does not say the shape of an input, as one of an earlier"
            " optnas: after one more trial of its file it will"
        )
    try:
        table: ArchitectureTable = read(text).table(known.shape, expand=expand, **(known.context or {}))
    except (SpaceError, TypeError) as error:
        raise UserError(f"the architecture of trial {trial.number} cannot be read: {error}") from None
    return table
