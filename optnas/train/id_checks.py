"""Whether a network's embeddings have a row for every id of the data, before it is trained."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from optnas.data import Data, Splits
from optnas.data.trees import Tree, leaves, mapped
from optnas.space import BuildError

__all__ = ["check_ids"]

_ends: WeakKeyDictionary[Data, tuple[tuple[int, int], list[Tree]]] = WeakKeyDictionary()


def check_ids(module: nn.Module, data: Data) -> None:
    """Raise if an embedding of ``module`` lacks a row for an id, of any part of the data.

    The network sees the samples with the smallest and the largest ids, if an embedding is smaller than these;
    on a GPU a lookup beyond a table's end would take all later trainings of the process with it. Parts that
    are not held in memory are left out.

    Raises:
        BuildError: If so.
    """
    tables = [each for each in module.modules() if isinstance(each, nn.Embedding)]
    if not tables:
        return
    if data not in _ends:
        _ends[data] = _ends_of(data.splits)
    (least, most), samples = _ends[data]
    if least >= 0 and most < min(table.num_embeddings for table in tables):
        return
    device = next(module.parameters()).device
    hooks = [table.register_forward_pre_hook(_check) for table in tables]
    training = module.training
    try:
        devices = [device] if device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(devices):
            for sample in samples:
                module.eval()(mapped(lambda each: each.to(device), sample))
    except BuildError:
        raise
    except Exception:  # the training will say why
        return
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()


def _check(table: nn.Module, given: tuple[Any, ...]) -> None:
    rows = int(table.num_embeddings)  # type: ignore[arg-type]
    least, most = int(given[0].min()), int(given[0].max())
    if least < 0 or most >= rows:
        wrong = least if least < 0 else most
        raise BuildError(
            f"embedding({table.embedding_dim}, vocabulary={rows}) gets the id {wrong}: ids go from 0 on, and"
            f" the vocabulary is at least one more than the largest, here {max(most + 1, rows)}"
        )


def _ends_of(splits: Splits) -> tuple[tuple[int, int], list[Tree]]:
    """Return the smallest and the largest id, and samples, prepared, that have those of each input."""
    least, most, samples = 0, -1, []
    for part in (splits.train, splits.validation, splits.test):
        stored = getattr(part, "x", None)
        if stored is None or not len(part):
            continue
        first = splits.prepare(mapped(lambda each: each[:1], stored))
        for of, prepared in zip(leaves(stored), leaves(first), strict=True):
            if prepared.is_floating_point() or of.is_floating_point() or prepared.dtype == torch.bool:
                continue
            rows = of.reshape(len(of), -1)
            for row in {int(rows.amax(1).argmax()), int(rows.amin(1).argmin())}:
                at = slice(row, row + 1)
                samples.append(splits.prepare(mapped(lambda each: each[at], stored)))  # noqa: B023
            least, most = min(least, int(rows.min())), max(most, int(rows.max()))
    return (least, most), samples
