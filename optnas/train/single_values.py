"""Batch norms with a single number per channel, as in batches of one sample, cannot be trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from optnas.data.trees import mapped
from optnas.errors import UserError
from optnas.space import BuildError, Node, SpaceError
from optnas.train.allowed import possible_values
from optnas.train.task import Task
from optnas.train.training import Training

__all__ = ["check_single_samples", "single_values_explained"]

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


def check_single_samples(space: Node, task: Task, training: Training) -> None:
    """Raise if batches have one sample and no network of ``space`` can be trained with that.

    Networks are tried at random, without memory for their weights.

    Raises:
        UserError: If so.
    """
    if set(possible_values(training.batch_size)) != {1}:
        return
    splits = task.data.splits
    stored, _ = next(iter(splits.train.blocks(1, torch.arange(1))))
    sample = mapped(lambda each: each.to("meta"), splits.prepare(stored))
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
        raise UserError(f"Training(batch_size=1): {refused}")
