"""Whether a network can be trained by a loss of the user's own, tried before a search spends anything."""

from __future__ import annotations

import dataclasses
import warnings

import torch
from torch import nn

from optnas.data.trees import Tree, leaves, shape_of
from optnas.errors import UserError
from optnas.space import Node
from optnas.space.source import place_of
from optnas.train.allowed import possible_values
from optnas.train.batches import Shuffled
from optnas.train.experience import experience
from optnas.train.losses import make_loss
from optnas.train.task import Task
from optnas.train.training import Training
from optnas.train.used_settings import has_own_step

__all__ = ["check_own_losses"]

# A loss that fails for so many networks and batches does not just dislike one of them.
_TRIED = 8
_SAMPLES = 32


def check_own_losses(space: Node, task: Task, training: Training) -> None:
    """Raise if no network of ``space`` can be trained by a loss of the user's own that ``training`` may name.

    Each is tried on batches as a training gets them, of 32 samples at most, with the outputs of random
    networks of ``space``, until it works for one. Networks that fail by themselves say nothing about it.

    Raises:
        UserError: If a loss fails, or returns what is not one finite number that depends on the outputs.
    """
    own = [name for name in possible_values(training.loss) if name in training.losses]
    if not own or has_own_step(task):
        return
    decided = training.closed(training.tree.sample(0))
    # With mixup targets are shares of the classes.
    mixups = {bool(share): share for share in possible_values(training.mixup)}.values()
    for name in own:
        for mixup in mixups:
            _try(space, task, dataclasses.replace(decided, loss=name, mixup=mixup))


def _try(space: Node, task: Task, training: Training) -> None:
    reason = None
    with torch.random.fork_rng(devices=[]):
        for seed in range(_TRIED):
            torch.manual_seed(seed)
            try:
                module = space.sample(seed).build(task.data.shape, **task.context)
                inputs, targets = _batch(task, training, module, seed)
                outputs = module.train()(inputs)
            except Exception:  # its trials will say why
                continue
            if task.misfit(shape_of(outputs)) is None and _finite(outputs):
                reason = _reason(task, training, outputs, targets)
                if reason is None:
                    return
    if reason is not None:
        raise UserError(reason)


def _batch(task: Task, training: Training, module: nn.Module, seed: int) -> tuple[Tree, Tree]:
    generator = torch.Generator().manual_seed(seed)
    if task.batches_per_epoch is not None:
        return next(experience(task, module, training, generator))
    parts = task.data.splits
    size = min(len(parts.train), training.batch_size, _SAMPLES)
    return next(iter(Shuffled(parts, [size], training, generator)))


def _finite(tree: Tree) -> bool:
    return all(bool(each.isfinite().all()) for each in leaves(tree))


def _reason(task: Task, training: Training, outputs: Tree, targets: Tree) -> str | None:
    """Return in words why the loss cannot be minimised; ``None`` if it can."""
    where = f"Training(losses={{{training.loss!r}: …}})"
    try:
        with warnings.catch_warnings():
            # Of outputs (samples, 1) and targets (samples,) PyTorch would make (samples, samples).
            warnings.filterwarnings("error", message="Using a target size")
            found = make_loss(task, training, torch.device("cpu"))(outputs, targets)
    except UserError as error:
        return str(error)
    except Exception as error:
        said = str(error).strip().split("\n")[0] or type(error).__name__
        return f"{where}: {said}{place_of(error)}"
    if not found.isfinite():
        return (
            f"{where} returns {found.item()} for the outputs of networks that have learned nothing, which are"
            " finite: it has to be a number there as well, as by .clamp(min=1e-6) before a logarithm"
        )
    return None
