"""Weights that a trial's training begins with, and that it leaves to others: ``Training(inherit=…)``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from optuna import TrialPruned
from optuna.trial import FrozenTrial, Trial
from torch import nn

from optnas.candidate import Candidate
from optnas.checkpoints.resume import tell_once
from optnas.checkpoints.store import StoreError
from optnas.declaration import Declaration
from optnas.errors import UserError
from optnas.inherit.keeping import keep_weights, read_weights, remove_weights
from optnas.inherit.morph import morph
from optnas.inherit.shared import supernet_weights, take_shared
from optnas.one_shot.learning import Learning
from optnas.one_shot.placed import Placing
from optnas.one_shot.traced import Traced, traced
from optnas.samplers.base import CandidateSampler, unwrapped
from optnas.space.closing import decide_from
from optnas.train import lanes
from optnas.train.allowed import possible_values
from optnas.trial_reports import Paused
from optnas.trials.optuna_internals import cache_trials, cached_trials, latest
from optnas.trials.record import INHERITED, ONE_SHOT, PARENT, TWIN

__all__ = ["check_kept", "handed_down", "inherit", "leave_weights"]

# Samples on which new batch norms learn what comes in, and the two networks are compared.
_SAMPLES = 256
# Without a sampler that says which trials are parents, so many of the latest leave their weights.
_LATEST = 40


def check_kept(study: Declaration) -> None:
    """Raise if trials are to begin with the weights of others, and there is no store to keep those in.

    Raises:
        UserError: If so.
    """
    for how in filter(None, possible_values(study.training.inherit)):
        if study.store is None:
            raise UserError(
                f"study {study.name!r}: Training(inherit={how!r}) keeps weights in an artifact store, and"
                " there is none: give Study(artifacts='folder'), or leave --artifacts none away"
            )


@contextmanager
def handed_down(
    study: Declaration,
    trial: Trial,
    candidate: Candidate,
    module: nn.Module,
    device: torch.device,
    *,
    resumed: bool,
) -> Iterator[None]:
    """Let a training begin with inherited weights unless it is ``resumed``, and leave its own in the end.

    One that is pruned leaves its weights, too, as it may be a parent; one that is paused goes on later.
    """
    if not resumed:
        inherit(study, trial, candidate, module, device)
    try:
        yield
    except TrialPruned as pruned:
        if not isinstance(pruned, Paused):
            leave_weights(study, trial, candidate, module)
        raise
    leave_weights(study, trial, candidate, module)


def inherit(
    study: Declaration, trial: Trial, candidate: Candidate, module: nn.Module, device: torch.device
) -> None:
    """Give a fresh network the weights that its training begins with, and record where they are from.

    Weights that are not there, and a network that cannot take them, are no error: it stays as it is.

    Args:
        study: The study as declared.
        trial: The running trial.
        candidate: Its candidate.
        module: Its network, on the CPU.
        device: Where it will be trained.
    """
    how = candidate.training.inherit
    if how is None or study.store is None:
        return
    origin: int | str | None = PARENT.of(latest(trial)) if how == "parent" else "supernet"
    if origin is None:
        return  # drawn at random
    try:
        network = _placed(study, candidate.params)
        network.module.load_state_dict(module.state_dict())
        if isinstance(origin, int):
            found = _from_parent(study, _source(trial, origin), network)
        else:
            found = _from_supernet(study, trial, candidate, network, device)
        module.load_state_dict(network.module.state_dict())
    except _Missing as error:
        found = {"missing": str(error)}
    except StoreError as error:
        found = {"missing": f"could not be read: {error}"}
    except Exception as error:  # of ops of someone's own, which may do anything
        found = {"missing": f"could not be taken over: {type(error).__name__}: {error}"[:200]}
    INHERITED.put(trial, {"from": origin, **found})


class _Missing(Exception):
    """There are no weights to inherit; the message says why."""


def _from_parent(study: Declaration, parent: FrozenTrial, network: Traced) -> dict[str, Any]:
    assert study.store is not None
    assert study.task is not None
    weights = read_weights(study.store, parent)
    if weights is None:
        raise _Missing("are not in the store, or no longer")
    before = _placed(study, parent.params)
    before.module.load_state_dict(weights)
    splits = study.task.data.splits
    count = min(_SAMPLES, len(splits.train))
    stored, _ = next(iter(splits.train.blocks(count, torch.arange(count))))
    made = morph(network, before, splits.prepare(stored))
    return {"share": round(made.share, 4), "preserved": made.preserved}


def _from_supernet(
    study: Declaration, trial: Trial, candidate: Candidate, network: Traced, device: torch.device
) -> dict[str, Any]:
    assert study.store is not None
    assert study.task is not None
    name = (ONE_SHOT.of(trial.study) or {}).get("weights")
    weights = None if name is None else supernet_weights(study.store, name)
    if weights is None:
        raise _Missing("are not in the store, or no longer")
    share = take_shared(network, weights)
    # The statistics of batch norms are those of other architectures.
    learning = Learning(study.task, candidate.training, device, candidate.seed)
    learning.calibrate(network.module.to(device))
    return {"share": round(share, 4)}


def leave_weights(study: Declaration, trial: Trial, candidate: Candidate, module: nn.Module) -> None:
    """Keep the weights of a trained network for its children, and remove those that nobody will inherit.

    Where they cannot be written, children begin with fresh ones.
    """
    store = study.store
    if candidate.training.inherit != "parent" or store is None:
        return
    with lanes.lent():  # to one that has the sampler's lock, and waits for the turn
        try:
            keep_weights(store, trial, module)
        except StoreError as error:
            tell_once(store, f"trained weights cannot be kept: {error}; trials begin with fresh ones")
        sampler = unwrapped(trial.study.sampler)
        if isinstance(sampler, CandidateSampler) and sampler.hands_down == "parent":
            wanted = sampler.parents_in(trial.study)
        else:
            wanted = list(range(max(0, trial.number - _LATEST), trial.number))
        remove_weights(store, trial.study, {_source(trial, number).number for number in wanted})


def _source(trial: Trial, number: int) -> FrozenTrial:
    """Return the trial that was trained for the values of trial ``number``."""
    trials = cached_trials(trial.study)
    if number >= len(trials):  # the sampler has read later trials, for another lane
        trials = trial.study.get_trials(deepcopy=False)
        cache_trials(trial.study, trials)
    if number >= len(trials):
        raise _Missing("are not in the store: there is no such trial")
    twin = TWIN.of(trials[number])
    return trials[number if twin is None or twin >= len(trials) else twin]


def _placed(study: Declaration, params: Any) -> Traced:
    """Return the network of parameters, with the place in the space of each of its weights."""
    assert study.shape is not None
    tree = Placing(decide_from(params)).placed(study.space)
    return traced(tree, study.shape, **study.context)
