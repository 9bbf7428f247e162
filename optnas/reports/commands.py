"""Command lines to copy: quoted for a shell, with the storage where it is not the default one."""

from __future__ import annotations

import shlex

import optuna

from optnas.shown import masked_url
from optnas.storages.guarded import Guarded
from optnas.storages.opening import DEFAULT_STORAGE
from optnas.trials.optuna_internals import storage_of

__all__ = ["command", "quoted", "storage_option"]


def command(study: optuna.Study, *words: object) -> str:
    """Return the line ``optnas WORDS --storage URL`` for the storage of ``study``."""
    storage = storage_of(study)
    url = storage.guard.name if isinstance(storage, Guarded) else DEFAULT_STORAGE
    return " ".join(["optnas", *(quoted(str(word)) for word in words)]) + storage_option(url)


def storage_option(url: str) -> str:
    """Return the option that names a storage, after a space; none where it is the default one.

    Nor is there one where the URL has a password, masked or not, which nobody is to see: such a storage is
    given as ``OPTNAS_STORAGE``.
    """
    told = url != DEFAULT_STORAGE and masked_url(url) == url and "***" not in url
    return f" --storage {quoted(url)}" if told else ""


def quoted(text: str) -> str:
    """Return a word as a shell takes it, in one line."""
    # A line feed in a terminal would run what stands before it.
    return shlex.quote("".join(letter if letter.isprintable() else "?" for letter in text))
