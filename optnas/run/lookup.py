"""Lookup of studies and trials in a storage."""

from __future__ import annotations

from collections.abc import Collection

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from optnas.errors import UserError, nearest, shortened
from optnas.shown import masked_url
from optnas.storages.opening import open_storage

__all__ = ["all_studies", "find_study", "find_trial", "named_study"]


def all_studies(url: str) -> list[optuna.Study]:
    """Return every study of a storage.

    Raises:
        UserError: If the storage cannot be reached, or has no study.
    """
    storage, names = _opened(url)
    return [optuna.load_study(study_name=name, storage=storage) for name in names]


def _opened(url: str) -> tuple[BaseStorage, list[str]]:
    storage = open_storage(url, reading=True)
    names = optuna.get_all_study_names(storage)
    if not names:
        raise UserError(f"the storage {masked_url(url)} has no study yet: optnas run FILE makes one")
    return storage, names


def find_study(url: str, reference: str | None, option: str = "") -> optuna.Study:
    """Return a study by its name or its study file; with ``None`` the only study of the storage.

    Args:
        url: The storage's URL.
        reference: The study's name or file.
        option: The option that takes it, for the message where it is missing; none if it is an argument.

    Raises:
        UserError: If there is no such study, or there are several and ``reference`` is ``None``.
    """
    storage, names = _opened(url)
    if reference is None:
        if len(names) > 1:
            studies = {name: optuna.load_study(study_name=name, storage=storage) for name in names}
            counts = {name: len(study.get_trials(deepcopy=False)) for name, study in studies.items()}
            has = ", ".join(f"{name} ({count} trial{'s' * (count != 1)})" for name, count in counts.items())
            by = f" by {option}" if option else ""
            raise UserError(f"the storage {masked_url(url)} has several studies; name one{by} of: {has}")
        return optuna.load_study(study_name=names[0], storage=storage)
    if reference not in names and ".py" in reference:
        from optnas.run.files import load_study, output_to_stderr

        with output_to_stderr():  # standard output may be JSON
            reference = load_study(reference).name
    return _named(storage, names, reference, url)


def named_study(url: str, name: str) -> optuna.Study:
    """Return a study by its name alone: unlike :func:`find_study` it runs no file that a stranger names.

    Raises:
        UserError: If there is no such study.
    """
    return _named(*_opened(url), name, url)


def _named(storage: BaseStorage, names: Collection[str], name: str, url: str) -> optuna.Study:
    if name not in names:
        raise UserError(f"no study {shortened(name)!r} in {masked_url(url)}: {nearest(name, names)}")
    # Alone: another one may be damaged.
    return optuna.load_study(study_name=name, storage=storage)


def find_trial(study: optuna.Study, number: int) -> FrozenTrial:
    """Return a trial by its number.

    Raises:
        UserError: If there is no trial of that number.
    """
    trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        have = f"it has 0 to {len(trials) - 1}" if trials else "it has none yet"
        raise UserError(f"study {study.study_name!r} has no trial {number}: {have}")
    return trials[number]
