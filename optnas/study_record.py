"""Check that a study's file still declares what its record in the storage was made with."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    check_distribution_compatibility,
)
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from optnas.declaration import Declaration
from optnas.errors import UserError
from optnas.space import SpaceError, parse
from optnas.space.values import text_of
from optnas.train.training import LATER
from optnas.trials.optuna_internals import identity
from optnas.trials.record import ARCHITECTURE, FORMULAS, SPACE, TRAINING, metric_names

__all__ = ["check_takes", "check_unchanged", "refused_by_optuna_explained"]

# So many trials, spread over the study, are built anew to see that they are still the same networks.
_LOOKED_AT = 100

# The Optuna study that takes the values of a declared one.
_taking: WeakKeyDictionary[Declaration, tuple[BaseStorage, int]] = WeakKeyDictionary()


def check_unchanged(declared: Declaration, study: optuna.Study) -> None:
    """Compare a study's objectives, space and training with its record; complete the record of a new study.

    Values of trials compare only where all of these are equal, so a change is refused, also one that only
    adds options: Optuna's samplers take no others for a parameter that they know.

    Raises:
        UserError: If one of them has changed; it says what was, and what is now.
    """
    _check_objectives(declared, study)
    if metric_names(study) is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([objective.name for objective in declared.objectives])
    _check_formulas(declared, study)
    known = declared.distributions()
    space = {name: _describe(distribution) for name, distribution in known.items()}
    training = {name: text_of(value) for name, value in declared.training.tree.args}
    before, trained = SPACE.of(study), TRAINING.of(study)
    if before is None:
        TRAINING.put(study, training)
        SPACE.put(study, space)
        return
    trials = study.get_trials(deepcopy=False)
    if trained is None:
        # Written by an earlier optnas, in whose texts 1 and "1" are the same: its trials tell them apart.
        written = {name: found for trial in trials for name, found in trial.distributions.items()}
        for name in before.keys() & known.keys():
            if before[name] == _describe_before(known[name]):
                before[name] = _describe(written.get(name, known[name]))
    _check_same(f"the space of study {declared.name!r}", before, space)
    if trained is not None:
        # Settings that either version does not have are left out; a later one that is not used is not there.
        trained = {**LATER, **trained}
        settings = {name: value for name, value in {**LATER, **training}.items() if name in trained}
        _check_same(f"the training of study {declared.name!r}", trained, {**trained, **settings})
    _check_architectures(declared, trials)


def check_takes(declared: Declaration, study: optuna.Study) -> None:
    """Check before a trial that any Optuna study takes the values of the declared objectives.

    Once its metric names are those of the objectives, they are not read again.

    Raises:
        UserError: If its directions are others, or its metric names are the objectives' in another order.
    """
    if _taking.get(declared) == identity(study):
        return
    wanted = [repr(objective) for objective in declared.objectives]
    fix = "create it with optuna.create_study(directions=study.directions)"
    directions = [direction.name.lower() for direction in study.directions]
    if directions != declared.directions:
        raise UserError(
            f"the Optuna study's directions are {directions}, but study {declared.name!r} has the objectives"
            f" {', '.join(wanted)}: {fix}"
        )
    names, ours = metric_names(study, anew=True), [objective.name for objective in declared.objectives]
    if names is not None and names != ours and sorted(names) == sorted(ours):
        raise UserError(f"the Optuna study's metric names are {names}, but the values are those of {ours}")
    if names == ours:
        _taking[declared] = identity(study)


def _check_objectives(declared: Declaration, study: optuna.Study) -> None:
    """Raise ``UserError`` if a study in a storage has other directions, or other names of objectives."""
    directions = [direction.name.lower() for direction in study.directions]
    known, wanted = metric_names(study, anew=True), [objective.name for objective in declared.objectives]
    if directions == declared.directions and known in (None, wanted):
        return
    before = _told(known or ["?"] * len(directions), directions)
    now = _told(wanted, declared.directions)
    raise UserError(
        f"study {declared.name!r} is there with other objectives ({before}; now {now}):"
        " give this one another name"
    )


def _check_formulas(declared: Declaration, study: optuna.Study) -> None:
    """Raise ``UserError`` if a named objective is another formula now; record those of a new study."""
    now = {each.name: each.metric.text for each in declared.objectives if each.label is not None}
    before = FORMULAS.of(study)
    if before is None:
        if now:
            FORMULAS.put(study, now)
        return
    for name, formula in now.items():
        if before.get(name, name) != formula:
            raise UserError(
                f"study {declared.name!r} is there with another objective {name!r}: it was"
                f" {before.get(name, name)!r} and is now {formula!r}; give this study another name"
            )


@contextmanager
def refused_by_optuna_explained(declared: Declaration, study: optuna.Study) -> Iterator[None]:
    """Say which trial it is for which Optuna refuses a suggestion: one added by hand, from another space.

    Raises:
        UserError: In place of Optuna's error, which does not name the trial.
    """
    try:
        yield
    except ValueError as error:
        known = declared.distributions()
        for trial in study.get_trials(deepcopy=False):
            for name in trial.distributions.keys() & known.keys():
                was = trial.distributions[name]
                try:
                    check_distribution_compatibility(was, known[name])
                except ValueError:
                    raise UserError(
                        f"trial {trial.number} was added with {name} from {_describe(was)}, and the space has"
                        f" {_describe(known[name])}: Optuna takes no second kind of values for a parameter;"
                        " give the study another name"
                    ) from error
        raise


def _told(names: Iterable[str], directions: Iterable[str]) -> str:
    return ", ".join(f"{how} {what}" for what, how in zip(names, directions, strict=True))


def _check_same(what: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    for name in [*before, *now]:
        if before.get(name) != now.get(name):
            was, become = before.get(name, "not there"), now.get(name, "no longer there")
            raise UserError(
                f"{what} changed: {name!r} was {was} and is now {become};"
                " give the study another name, or undo the change"
            )


def _check_architectures(declared: Declaration, trials: list[FrozenTrial]) -> None:
    """Raise ``UserError`` if the parameters of a trial stand for another architecture now."""
    # One that runs may be between two workers, each of which has written a part of its record.
    finished = [trial for trial in trials if trial.state.is_finished()]
    shown = [trial for trial in finished if ARCHITECTURE.of(trial) is not None]
    for trial in shown[:: len(shown) // _LOOKED_AT + 1]:
        before = ARCHITECTURE.get(trial, "")
        try:
            now = declared.candidate(trial.params).architecture
        except SpaceError:
            continue  # added by hand, from another space
        if str(now) != before and not _same(before, now.key):
            raise UserError(
                f"the space of study {declared.name!r} changed: trial {trial.number} was {before} and would"
                f" now be {now}; give the study another name, or undo the change"
            )


def _same(text: str, key: str) -> bool:
    try:
        return parse(text).key == key
    except SpaceError:
        return False


def _describe(distribution: BaseDistribution) -> str:
    """Return a distribution as a text; incompatible distributions have different texts."""
    if isinstance(distribution, CategoricalDistribution):
        return " | ".join(map(repr, distribution.choices))
    low, high, step = distribution.low, distribution.high, distribution.step  # type: ignore[attr-defined]
    stepped = step is not None and (step != 1 or isinstance(step, float))
    scale = " log" if distribution.log else ""  # type: ignore[attr-defined]
    return f"{low} to {high}" + (f" by {step}" if stepped else "") + scale


def _describe_before(distribution: BaseDistribution) -> str:
    """Return the text that earlier versions of optnas wrote."""
    if isinstance(distribution, CategoricalDistribution):
        return " | ".join(map(str, distribution.choices))
    return _describe(distribution).replace(" by 1.0", "")
