"""Whether a network can be trained by a loss of the user's own, tried before a search spends anything."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial

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

__all__ = [
    "check_own_losses",
    "fits_for",
    "in_a_line",
    "mistakes_as_errors",
    "reason_against",
    "training_batch",
    "tried",
]

# A loss that fails for so many networks and batches does not just dislike one of them.
_TRIED = 8
_SAMPLES = 32

Tried = tuple[nn.Module, Tree, Tree]


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
    where = f"Training(losses={{{training.loss!r}: …}})"
    fits_for(
        tried(space, task, partial(training_batch, task, training)),
        lambda _, outputs, targets: reason_against(where, task, training, outputs, targets),
    )


def fits_for(networks: Generator[Tried], reason_of: Callable[[nn.Module, Tree, Tree], str | None]) -> None:
    """Raise the last reason that ``reason_of`` finds against networks, unless it finds none against one.

    Raises:
        UserError: If so.
    """
    reason = None
    with closing(networks):
        for network in networks:
            reason = reason_of(*network)
            if reason is None:
                return
    if reason is not None:
        raise UserError(reason)


def tried(
    space: Node, task: Task, batch_of: Callable[[nn.Module, int], tuple[Tree, Tree]], *, train: bool = True
) -> Generator[Tried]:
    """Yield random networks of ``space`` with their outputs for a batch, and its targets.

    Those that fail by themselves are left out, as their trials will say why.

    Args:
        space: The search space.
        task: The task.
        batch_of: Takes a network and a seed, and returns inputs and targets.
        train: Whether the networks are in training mode.
    """
    with torch.random.fork_rng(devices=[]):
        for seed in range(_TRIED):
            torch.manual_seed(seed)
            try:
                module = space.sample(seed).build(task.data.shape, **task.context)
                inputs, targets = batch_of(module, seed)
                outputs = module.train(train)(inputs)
            except Exception:
                continue
            if task.misfit(shape_of(outputs)) is None and _finite(outputs):
                yield module, outputs, targets


def training_batch(task: Task, training: Training, module: nn.Module, seed: int) -> tuple[Tree, Tree]:
    """Return inputs and targets of a batch as a training gets it, of 32 samples at most."""
    generator = torch.Generator().manual_seed(seed)
    if task.batches_per_epoch is not None:
        return next(experience(task, module, training, generator))
    parts = task.data.splits
    size = min(len(parts.train), training.batch_size, _SAMPLES)
    return next(iter(Shuffled(parts, [size], training, generator)))


def _finite(tree: Tree) -> bool:
    return all(bool(each.isfinite().all()) for each in leaves(tree))


def reason_against(where: str, task: Task, training: Training, outputs: Tree, targets: Tree) -> str | None:
    """Return in words why the loss of a training cannot be minimised; ``None`` if it can.

    Args:
        where: Where the user wrote the loss.
        task: The task.
        training: The training settings, with every value decided.
        outputs: Outputs of a network in training.
        targets: Their targets.
    """
    try:
        with mistakes_as_errors():
            found = make_loss(task, training, torch.device("cpu"))(outputs, targets)
    except UserError as error:
        return str(error)
    except Exception as error:
        return f"{where}: {in_a_line(error)}"
    if not found.isfinite():
        return (
            f"{where} returns {found.item()} for the outputs of networks that have learned nothing, which are"
            " finite: it has to be a number there as well, as by .clamp(min=1e-6) before a logarithm"
        )
    return None


@contextmanager
def mistakes_as_errors() -> Iterator[None]:
    """Raise where PyTorch only warns that shapes differ."""
    with warnings.catch_warnings():
        # Of outputs (samples, 1) and targets (samples,) it would make (samples, samples).
        warnings.filterwarnings("error", message="Using a target size")
        yield


def in_a_line(error: Exception) -> str:
    """Return what an error of the user's own code says, and where it arose."""
    said = str(error).strip().split("\n")[0]
    kind = type(error).__name__
    if isinstance(error, LookupError | NameError) or not said:
        said = f"{kind}: {said}" if said else kind
    return f"{said}{place_of(error)}"
