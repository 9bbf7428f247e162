"""Batch norms with a single number per channel, as in batches of one sample, cannot be trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from optnas.data.trees import leaves, mapped
from optnas.errors import UserError
from optnas.space import BuildError, Node, SpaceError
from optnas.train.allowed import possible_values
from optnas.train.task import Task
from optnas.train.training import Training

__all__ = ["check_samples", "check_single_samples", "single_values_explained"]

_REFUSED = "Expected more than 1 value per channel when training"
_FIX = "give a batch_size of at least 2, or use layernorm or groupnorm"

# A space of which so many random networks all fail hardly has one that does not.
_TRIED = 64


@contextmanager
def single_values_explained() -> Iterator[None]:
    """Say in words why PyTorch refuses to normalise a single number per channel.

    Raises:
        BuildError: In place of PyTorch's error.
    """
    try:
        yield
    except ValueError as error:
        if _REFUSED in str(error):
            raise BuildError(f"a batch norm has one number per channel, and needs several: {_FIX}") from error
        raise


def check_samples(task: Task) -> None:
    """Raise if there is one training sample with one target: nothing can be learned from that.

    One with several targets is enough, such as a graph with a class for each node.

    Raises:
        UserError: If so.
    """
    part = task.data.splits.train
    if len(part) < 2 and task.batches_per_epoch is None and all(y.numel() < 2 for y in leaves(part.y)):
        raise UserError(f"data {task.data.name!r}: one sample is too few to train on")


def check_single_samples(space: Node, task: Task, training: Training) -> None:
    """Raise if batches have one sample, or all data, and no network of ``space`` can be trained with that.

    Networks are tried at random, without memory for their weights.

    Raises:
        UserError: If so.
    """
    check_samples(task)
    splits = task.data.splits
    one = len(splits.train) == 1 and task.batches_per_epoch is None
    if not one and set(possible_values(training.batch_size)) != {1}:
        return
    sample = mapped(lambda each: each.to("meta"), splits.first_sample())
    refused = None
    for seed in range(_TRIED):
        try:
            with torch.device("meta"), single_values_explained():
                space.sample(seed).build(task.data.shape, **task.context).train()(sample)
        except SpaceError as error:
            # What cannot be built for another reason says nothing.
            refused = (
                str(error) if isinstance(error.__cause__, ValueError) and _FIX in str(error) else refused
            )
        except Exception:
            return
        else:
            return
    if refused is not None:
        where = f"data {task.data.name!r} has one training sample" if one else "Training(batch_size=1)"
        raise UserError(f"{where}: {refused}")
