"""Morphisms of single layers: from the weights of a layer to those of a wider one, or one of larger kernel.

Chen, Goodfellow and Shlens 2016, "Net2Net" (https://arxiv.org/abs/1511.05641). New units are copies of old
ones, and what comes out of each unit is divided among its copies; unevenly, or copies would learn the same
for ever. Kernels keep their distance from the position that they are of, and what is new in them is zero.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from optnas.inherit.signals import Signal, cyclic
from optnas.one_shot.layout import layout

__all__ = ["Morphed", "convolution", "copied_slices", "linear", "of_layer", "row_shares"]

# Copies of a unit have this share more or less than their equal part of what it puts out.
_UNEVEN = 0.5


@dataclasses.dataclass(frozen=True)
class Morphed:
    """Outcome of a morphism of a layer.

    Attributes:
        channels: The parent's channel that each of its output channels is a copy of.
        exact: Whether it computes just these, if what comes in is exact.
        count: The number of its weights that were taken from the parent's layer.
    """

    channels: Tensor | None
    exact: bool
    count: int


def of_layer(child: Any, parent: Any, before: Signal) -> Morphed | None:
    """Give a layer the weights of its parent's; ``None``, with nothing changed, if there is no morphism.

    Args:
        child: The layer of the child.
        parent: The parent's layer at the same place, of the same kind.
        before: What comes in, with channels.
    """
    found = next((morphism for kind, morphism in _MORPHISMS if isinstance(child, kind)), None)
    return None if found is None else found(child, parent, before)


def linear(child: nn.Linear, parent: nn.Linear, before: Signal) -> Morphed:
    """Linear layer: a wider one has copies of units."""
    out = cyclic(child.out_features, parent.out_features)
    assert before.channels is not None
    weight = parent.weight[out][:, before.channels]
    child.weight.copy_(weight * row_shares(before.channels, len(out), parent.in_features))
    kept, count = _bias(child, parent, out)
    return Morphed(out, kept and before.covers(parent.in_features), child.weight.numel() + count)


def _is_depthwise(layer: Any) -> bool:
    return bool(layer.groups == layer.in_channels == layer.out_channels)


def convolution(
    child: Any, parent: Any, before: Signal, padding: tuple[Any, Any] | None = None
) -> Morphed | None:
    """Convolution of any dimension, plain, depthwise or in groups.

    One in fewer groups than the parent's has zeros between the weights of the groups.

    Args:
        child: The layer of the child.
        parent: The layer of the parent.
        before: What comes in.
        padding: The padding before the first position in both; by default the layers' own.
    """
    channels = before.channels
    assert channels is not None
    taps = _taps(child, parent, *(padding or (child.padding, parent.padding)))
    if taps is None:
        return None
    if child.groups > 1 and _is_depthwise(child) and _is_depthwise(parent):
        out, rows, covered = channels, parent.weight[channels], True
    else:
        out = cyclic(child.out_channels, parent.out_channels)
        if child.groups == parent.groups == 1:
            rows = parent.weight[out][:, channels]
            rows = rows * _spread(row_shares(channels, len(out), parent.in_channels), rows)
            covered = before.covers(parent.in_channels)
        else:
            rows, covered = _grouped(child, parent, out, channels)
    inside, whole = taps
    taken = _set_taps(child.weight, rows, inside)
    kept, count = _bias(child, parent, out)
    return Morphed(out, kept and covered and whole and child.stride == parent.stride, taken + count)


def _grouped(child: Any, parent: Any, out: Tensor, channels: Tensor) -> tuple[Tensor, bool]:
    """Return the weights of a convolution in groups, (out, in of a group, …), and whether none is missing."""
    wide, size = child.in_channels // child.groups, child.out_channels // child.groups
    narrow, parents = parent.in_channels // parent.groups, parent.out_channels // parent.groups
    made = child.weight.new_zeros(child.out_channels, wide, *parent.weight.shape[2:])
    covered = True
    for row in range(child.out_channels):
        first = int(out[row]) // parents * narrow  # of the parent's group
        own = channels[row // size * wide :][:wide] - first
        within = (own >= 0) & (own < narrow)
        covered &= len(own[within].unique()) == narrow
        shares = row_shares(own[within], 1, narrow)
        made[row, within] = parent.weight[out[row]][own[within]] * _spread(shares[0], made[row, within])
    return made, covered


def _transposed(child: Any, parent: Any, before: Signal) -> Morphed | None:
    """Transposed convolution, whose weights are (in, out, …)."""
    taps = _taps(child, parent, child.padding, parent.padding)
    assert before.channels is not None
    if taps is None or not child.groups == parent.groups == 1:
        return None
    inside, whole = taps
    out = cyclic(child.out_channels, parent.out_channels)
    rows = parent.weight[before.channels][:, out]
    rows = rows * _spread(row_shares(before.channels, len(out), parent.in_channels).T, rows)
    taken = _set_taps(child.weight, rows, inside)
    kept, count = _bias(child, parent, out)
    exact = kept and whole and before.covers(parent.in_channels) and child.stride == parent.stride
    return Morphed(out, exact, taken + count)


_Taps = list[tuple[Tensor, Tensor]]


def _set_taps(weight: Tensor, rows: Tensor, inside: _Taps) -> int:
    """Set the taps of kernels that are the parent's, and the others to zero; return how many weights are."""
    ends: tuple[Any, ...] = (slice(None), slice(None))
    taken = rows[(*ends, *(of for _, of in inside))]
    weight.zero_()
    weight[(*ends, *(at for at, _ in inside))] = taken
    return taken.numel()


def _taps(child: Any, parent: Any, padding: Any, other: Any) -> tuple[_Taps, bool] | None:
    """Return which taps of a kernel are which of the parent's, and whether none of these is missing.

    A tap is known by its distance from the position that the kernel is of, so that dilated kernels have the
    taps of plain ones. ``None`` if they have none in common.
    """
    found, whole, dims = [], True, len(child.kernel_size)
    for axis in range(dims):
        ours = torch.arange(child.kernel_size[axis]) * child.dilation[axis] - padding[axis]
        theirs = torch.arange(parent.kernel_size[axis]) * parent.dilation[axis] - other[axis]
        pairs = (ours[:, None] == theirs[None]).nonzero()
        if not len(pairs):
            return None
        whole &= len(pairs) == len(theirs)
        shape = [-1 if other == axis else 1 for other in range(dims)]
        found.append((pairs[:, 0].reshape(shape), pairs[:, 1].reshape(shape)))
    return found, whole


def row_shares(channels: Tensor, rows: int, size: int) -> Tensor:
    """Return for each row the share that each copy has of its channel, shape (rows, channels)."""
    drawn = 1 + _UNEVEN * (2 * torch.rand(rows, len(channels)) - 1)
    total = torch.zeros(rows, size).index_add_(1, channels, drawn)
    return drawn / total[:, channels]


def _spread(shares: Tensor, weight: Tensor) -> Tensor:
    return shares.reshape(*shares.shape, *[1] * (weight.dim() - shares.dim()))


def _bias(child: Any, parent: Any, out: Tensor) -> tuple[bool, int]:
    """Set a layer's bias; return whether it is the parent's, and the number of its weights from there."""
    if child.bias is None:
        return parent.bias is None, 0
    if parent.bias is None:
        child.bias.zero_()
        return True, 0
    child.bias.copy_(parent.bias[out])
    return True, len(out)


def _batch_norm(child: Any, parent: Any, before: Signal) -> Morphed:
    """Batch norm or instance norm: each channel by itself."""
    return _by_channel(child, parent, before, child.eps == parent.eps)


def _group_norm(child: Any, parent: Any, before: Signal) -> Morphed:
    same = child.num_groups == parent.num_groups and before.is_plain(parent.num_channels)
    return _by_channel(child, parent, before, same and child.eps == parent.eps)


def _layer_norm(child: nn.LayerNorm, parent: nn.LayerNorm, before: Signal) -> Morphed | None:
    """Layer norm: means over copies are the same if each channel has equally many."""
    ours, theirs = child.normalized_shape, parent.normalized_shape
    if len(ours) != len(theirs) or ours[1:] != theirs[1:] or child.weight is None:
        return None  # of images of another size
    return _by_channel(child, parent, before, before.evenly(theirs[0]) and child.eps == parent.eps)


def _by_channel(child: Any, parent: Any, before: Signal, exact: bool) -> Morphed:
    """Give each channel the scale, shift and statistics of the parent's."""
    count = 0
    for name, value in (*child.named_parameters(recurse=False), *child.named_buffers(recurse=False)):
        theirs = getattr(parent, name)
        value.copy_(theirs if theirs.dim() == 0 else theirs[before.channels])
        count += value.numel() if isinstance(value, nn.Parameter) else 0
    return Morphed(before.channels, exact, count)


def _prelu(child: nn.PReLU, parent: nn.PReLU, before: Signal) -> Morphed | None:
    if (child.num_parameters == 1) != (parent.num_parameters == 1):
        return None
    child.weight.copy_(parent.weight if child.num_parameters == 1 else parent.weight[before.channels])
    return Morphed(before.channels, True, child.weight.numel())


def _embedding(child: nn.Embedding, parent: nn.Embedding, before: Signal) -> Morphed | None:
    if child.num_embeddings != parent.num_embeddings:
        return None
    out = cyclic(child.embedding_dim, parent.embedding_dim)
    child.weight.copy_(parent.weight[:, out])
    return Morphed(out, True, child.weight.numel())


_MORPHISMS: tuple[tuple[type[nn.Module], Callable[..., Morphed | None]], ...] = (
    (nn.Linear, linear),
    (nn.modules.conv._ConvTransposeNd, _transposed),
    (nn.modules.conv._ConvNd, convolution),
    (nn.modules.instancenorm._InstanceNorm, _batch_norm),
    (_BatchNorm, _batch_norm),
    (nn.LayerNorm, _layer_norm),
    (nn.GroupNorm, _group_norm),
    (nn.Embedding, _embedding),
    (nn.PReLU, _prelu),
)


def copied_slices(child: nn.Module, parent: nn.Module, names: Iterable[tuple[str, str]]) -> tuple[int, bool]:
    """Copy what fits of weights at the same places, the first channels and the middles of kernels.

    Args:
        child: A module of the child.
        parent: The module of the parent.
        names: Names of a weight in the child and in the parent, for each that both have.

    Returns:
        The number of weights copied, and whether all of these are of one size in both.
    """
    count, whole = 0, True
    for ours, theirs in names:
        weight, other = child.get_parameter(ours), parent.get_parameter(theirs)
        how = layout(child.get_submodule(ours.rpartition(".")[0]), ours.rpartition(".")[2])
        if weight.dim() != other.dim():
            whole = False
            continue
        shape = tuple(map(min, weight.shape, other.shape))
        with torch.no_grad():
            view = how.view(weight.data, shape)
            view.copy_(how.cut(other.data, shape).reshape(view.shape))
        count += view.numel()
        whole &= weight.shape == other.shape
    return count, whole
