"""Publishing a study in optuna-dashboard: notes, drawings and figures on the shared storage."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial

from optnas.errors import StorageError, UserError
from optnas.reports.about import about, architecture_drawing
from optnas.reports.dashboard import artifact_attributes, figure_attributes, is_noted, note_attributes
from optnas.reports.figures.curves import draw_curves
from optnas.reports.figures.front import draw_front
from optnas.reports.figures.hypervolume import draw_hypervolume
from optnas.reports.figures.importances import draw_importances
from optnas.reports.figures.parts import Drawn
from optnas.reports.figures.preferences import draw_preferences
from optnas.reports.notes import study_note, trial_note
from optnas.shown import note
from optnas.storages.attributes import write_study_attributes
from optnas.trials.optuna_internals import id_of, identity, study_system_attrs
from optnas.trials.progress import front
from optnas.trials.record import PUBLISHED

if TYPE_CHECKING:
    from optnas.trials.optuna_internals import ArtifactStore

__all__ = ["Published", "publish", "to_note"]

FIGURES: dict[str, Callable[[optuna.Study, Sequence[FrozenTrial]], Drawn]] = {
    "front": draw_front,
    "hypervolume": draw_hypervolume,
    "learning-curves": draw_curves,
    "preferences": draw_preferences,
    "importances": draw_importances,
}

# For each trial that it shows, optuna-dashboard 0.21 looks through all notes and artifacts of the study: of
# larger studies only the front is noted.
_MOST_NOTED = 1000
_MOST_OF_FRONT = 50
# Readable on white and on the dashboard's dark grey.
_ON_BOTH = "#75808d"

_told: set[str] = set()


@dataclasses.dataclass
class Published:
    """Numbers of notes, drawings and figures that were written, without those that were there already."""

    notes: int = 0
    drawings: int = 0
    figures: int = 0


def to_note(study: optuna.Study, trials: Sequence[FrozenTrial], total: int = 0) -> list[FrozenTrial]:
    """Return the trials whose notes are worth writing: the finished ones, of a large study its front.

    Args:
        study: The study.
        trials: Its trials.
        total: How many it will have, if that is known.
    """
    if max(total, len(trials)) > _MOST_NOTED:
        return front(study, list(trials))[:_MOST_OF_FRONT]
    return [trial for trial in trials if trial.state.is_finished()]


def publish(
    study: optuna.Study,
    trials: Sequence[FrozenTrial],
    noted: Sequence[FrozenTrial],
    *,
    store: ArtifactStore | None = None,
    whole: bool = True,
    only_new: bool = False,
    quickly: bool = False,
) -> Published:
    """Write notes, drawings and figures for optuna-dashboard; what is there already is not written again.

    A note that a person has written or changed stays as it is.

    Args:
        study: The study.
        trials: Its trials.
        noted: The trials to write notes and drawings of.
        store: Where drawings are kept; ``None`` for none.
        whole: Whether to write the study's own note and figures as well.
        only_new: Whether to leave the notes as they are that were written before.
        quickly: Whether to leave out the figure of importances, which takes seconds.

    Raises:
        StorageError: If the storage is away or fails.
    """
    attributes, done = study_system_attrs(study), Published()
    writes: dict[str, Any] = {}
    known = about(study)
    for trial in noted:
        if only_new and is_noted(attributes, id_of(trial)):
            continue
        new = _kept(
            f"note of trial {trial.number}",
            lambda trial=trial: note_attributes(  # type: ignore[misc]
                attributes, trial_note(study, trial, known), id_of(trial)
            ),
        )
        drawing = {} if store is None else _drawing(study, trial, attributes, store)
        done.notes, done.drawings = done.notes + bool(new), done.drawings + bool(drawing)
        writes |= {**new, **drawing}
    if whole:
        for name, figure in _figures(study, trials, quickly):
            new = figure_attributes(attributes, f"optnas-{name}", _on_both(figure))
            done.figures += bool(new)
            writes |= new
        place = f"/dashboard/studies/{identity(study)[1]}"
        writes |= _kept("note", lambda: note_attributes(attributes, study_note(study, trials, known, place)))
        finished = sum(trial.state.is_finished() for trial in trials)
        if attributes.get(PUBLISHED.name) != finished:
            writes[PUBLISHED.name] = finished
    write_study_attributes(study, writes)
    return done


def _figures(
    study: optuna.Study, trials: Sequence[FrozenTrial], quickly: bool
) -> Iterator[tuple[str, Drawn]]:
    for name, draw in FIGURES.items():
        if quickly and name == "importances":
            continue
        found = _kept(f"figure {name!r}", lambda draw=draw: draw(study, trials))  # type: ignore[misc]
        if found:
            yield name, found


def _kept(what: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``make`` returns; nothing where there is none, or a record is so damaged that it fails."""
    try:
        return make()
    except UserError as error:
        if isinstance(error, StorageError):
            raise
        return {}
    except Exception as error:
        _tell(f"the {what} cannot be made: {type(error).__name__}: {error}")
        return {}


def _drawing(
    study: optuna.Study, trial: FrozenTrial, attributes: dict[str, Any], store: ArtifactStore
) -> dict[str, Any]:
    """Write the drawing of a trial's architecture to the store, and return its attribute, if it is new."""
    begun = f"{study.study_name}/{trial.number}/{trial.datetime_start}"
    # optuna-dashboard serves artifacts of hexadecimal ids only.
    artifact = str(uuid.UUID(hashlib.sha256(begun.encode(errors="replace")).hexdigest()[:32]))
    new = artifact_attributes(id_of(trial), artifact, f"trial-{trial.number}.svg", "image/svg+xml")
    if new.keys() <= attributes.keys():
        return {}
    try:
        svg = architecture_drawing(study, trial).svg
    except UserError:
        return {}
    try:
        store.write(artifact, io.BytesIO(svg.encode()))
    except Exception as error:  # whatever a provider raises
        _tell(f"drawings cannot be kept: {type(error).__name__}: {error}")
        return {}
    return new


def _on_both(drawn: Drawn) -> Drawn:
    """Return a figure for pages that are white or dark."""
    clear = "rgba(0,0,0,0)"
    look = {"paper_bgcolor": clear, "plot_bgcolor": clear, "font": {"color": _ON_BOTH, "size": 13}}
    return {**drawn, "layout": {**drawn["layout"], **look}}


def _tell(what: str) -> None:
    if what not in _told:
        _told.add(what)
        note(f"note: {what}")
